"""Renames of the entries of an estate: the maps with names, and the file after a rename."""

import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from modules.vocabulary import BY_REFERENCE, Slug

REFERENCES = {
    "clusters": ("cluster", "clusters", "attachments"),
    "networks": ("network",),
    "connections": ("transit_gateway_of",),
    "subnets": ("subnets", "ips"),
    "additional_cidrs": ("additional_rule_numbers",),
}
"""The fields of a connection that refer to names of a map."""


def maps_of_names(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of all maps of an estate whose keys are names."""
    if isinstance(value, BaseModel):
        for field, info in type(value).model_fields.items():
            found = getattr(value, field)
            keys = typing.get_args(info.annotation)[:1] if isinstance(found, Mapping) else ()
            if keys == (Slug,) and BY_REFERENCE not in info.metadata:
                yield (*path, field)
            if field != "dr":
                yield from maps_of_names(found, (*path, field))
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from maps_of_names(one, (*path, key))


def refer(data: Any, fields: tuple[str, ...], old: str, new: str) -> Any:
    """Return the data with the new name wherever one of `fields` has the old one."""

    names = {old: new, f"{old}-dr": f"{new}-dr"}

    def named(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {names.get(key, key): one for key, one in value.items()}
        return [names.get(one, one) for one in value] if isinstance(value, list) else names.get(value, value)

    if not isinstance(data, Mapping):
        return data
    return {key: named(one) if key in fields else refer(one, fields, old, new) for key, one in data.items()}


def renamed(data: Any, where: tuple[str, ...], old: str, new: str) -> dict[str, Any]:
    """Return the data of a file with another name in the map at `where`, and its line in `renamed`."""
    fields = REFERENCES.get(where[-1], ())
    network = where[1] if where[0] == "networks" and len(where) > 1 else None
    connections = data.get("connections", {}).items()
    place = data = data | {
        "connections": {
            name: refer(one, fields, old, new) if network in (None, one.get("network")) else one
            for name, one in connections
        }
    }
    above, last = where[:-1], where[len(where) - 1]
    for piece in above:
        place[piece] = dict(place[piece])
        place = place[piece]
    place[last] = {new if key == old else key: one for key, one in place[last].items()}
    return data | {"renamed": {".".join((*where, old)): new}}
