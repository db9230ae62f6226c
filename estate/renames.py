"""Former names of entries, which Terraform addresses, states and names in AWS still have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from estate.model import Estate
from estate.source import Problem
from estate.twins import TWIN
from modules.vocabulary import BY_REFERENCE


@dataclass(frozen=True)
class Rename:
    """A changed name. `where` is the path of its map: `("connections", "office", "gateways")`."""

    where: tuple[str, ...]
    former: str
    name: str
    today: str
    """The current name of the entry, after all later lines."""


def renames(estate: Estate) -> list[Rename]:
    """Return the lines of `renamed`, the oldest first."""
    found: list[Rename] = []
    for path, name in reversed(estate.renamed.items()):
        *where, former = path.split(".")
        later = (one.today for one in found if (one.where, one.former) == (tuple(where), name))
        found.insert(0, Rename(tuple(where), former, name, next(later, name)))
    return found


def former_name(estate: Estate, where: tuple[str, ...], name: str) -> str:
    """Return the first name of an entry of the map at `where`, which its state and its names in AWS keep."""
    for one in reversed(renames(estate)):
        if one.where == where:
            name = _undo(one, estate, name)
    return name


def former_paths(estate: Estate, path: tuple[str, ...], names_from: int) -> Iterator[tuple[str, ...]]:
    """Yield the former paths of a construct in a stack, the latest first.

    A path is the name of a network, a connection or a section of `account`, and construct IDs. The parts of an ID are
    names of the file, from number `names_from`.
    """
    entry = path[0]
    for one in reversed(renames(estate)):
        first, *rest = path
        if one.where in (("networks",), ("connections",)):
            first = _undo(one, estate, first)
        elif _concerns(one, estate, entry):
            ids = (id_.split("_") for id_ in rest)
            rest = [
                "_".join([*id_[:names_from], *(_undo(one, estate, name) for name in id_[names_from:])]) for id_ in ids
            ]
        if (former := (first, *rest)) != path:
            yield former
            path = former


def _concerns(rename: Rename, estate: Estate, entry: str) -> bool:
    """Return whether construct IDs of `entry`, by its current name, can contain the name."""
    section, *rest = rename.where
    connection = estate.connections.get(entry)
    if section == "account":
        return rest[0].replace("_", "-") == entry
    if section == "connections":
        return entry in (rest[0], f"{rest[0]}{TWIN}")
    if section == "networks":
        return rest[0] in (entry, connection.network if connection else None)
    cluster = rest[0] if rest else rename.today
    return connection is not None and not {cluster, f"{cluster}{TWIN}"}.isdisjoint(connection.cluster_names())


def _undo(rename: Rename, estate: Estate, name: str) -> str:
    """Return the name before the rename. A renamed entry also renames the twin of its `dr`."""
    if name == f"{rename.name}{TWIN}":
        entry = names_at(estate, rename.where).get(rename.today)
        return f"{rename.former}{TWIN}" if getattr(entry, "dr", None) is not None else name
    return rename.former if name == rename.name else name


def names_at(estate: Estate, where: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the map of names at a path of the file, or an empty map."""
    value: Any = estate
    for piece in where:
        value = value.get(piece) if isinstance(value, Mapping) else getattr(value, piece, None)
    return value if isinstance(value, Mapping) else {}


def check(estate: Estate) -> Iterator[Problem]:
    """Yield the lines of `renamed` that Terraform cannot apply."""
    lines = renames(estate)
    for path, one in zip(estate.renamed, lines, strict=True):
        place, names = ("renamed", path), names_at(estate, one.where)
        where = ".".join(one.where)
        if one.name not in names and one.today == one.name:
            known = ", ".join(names) or "none"
            yield Problem(place, f"{one.name!r} is not in `{where}`; available: {known}")
        if one.former in names:
            yield Problem(place, f"{one.former!r} is still an entry of `{where}`; a former name cannot be in use")
        if next(other for other in lines if (other.where, other.name) == (one.where, one.name)) != one:
            yield Problem(place, f"two entries of `{where}` cannot both become {one.name!r}; remove one line")
        for entry in (
            (*estate.networks, *estate.connections) if len(one.where) != 1 or one.where[0] == "clusters" else ()
        ):
            if _concerns(one, estate, entry) and len(same := _places(estate, entry, one.name)) > 1:
                yield Problem(
                    place,
                    f"{one.name!r} is {' and '.join(same)}, so the Terraform addresses of {entry} would be ambiguous; "
                    "choose another name",
                )


def _places(estate: Estate, entry: str, name: str) -> list[str]:
    """Return the paths of the file from which an entry's addresses can contain `name`."""
    connection = estate.connections.get(entry)
    owners: list[tuple[str, ...]] = [("networks", entry)]
    if connection:
        owners = [("connections", entry), ("networks", connection.network)]
        owners += [("clusters", cluster) for cluster in connection.cluster_names()]
    found = [f"clusters.{name}"] if connection and name in connection.cluster_names() else []
    for section, owner in owners:
        found += [
            ".".join((section, owner, *path)) for path in _paths_of(names_at(estate, (section,)).get(owner), name)
        ]
    return found


def _paths_of(value: Any, name: str) -> Iterator[tuple[str, ...]]:
    """Yield the paths of `name` as a key of a map below `value`."""
    items = value.items() if isinstance(value, Mapping) else ()
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        own = (field for field, info in fields if field != "dr" and BY_REFERENCE not in info.metadata)
        items = ((field, getattr(value, field)) for field in own)
    elif name in dict(items):
        yield (name,)
    for key, one in items:
        yield from ((key, *path) for path in _paths_of(one, name))
