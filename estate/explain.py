"""Turns validation errors into messages in the terms of the file: the field, its value, the allowed values."""

import contextlib
import re
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from estate.model import Estate
from estate.source import Location, Problem, Source, did_you_mean, shortened
from estate.syntax import FILL_IN
from estate.twins import INHERITED, TWIN
from modules.descriptions import describe_fields
from modules.entry import SECRET


def explain(error: ValidationError, data: Any, source: Source) -> Iterator[Problem]:
    """Yield the problems of `data`, which was expanded from the values of `source`."""
    for details in error.errors():
        yield from _explain(details, data, source)


def locate(problem: Problem, source: Source) -> Problem:
    """Return the problem with its place in the file. The twin of an entry has no lines."""
    path = home(problem.path, source)
    return Problem(path, problem.message, *source.where(path))


def _explain(details: ErrorDetails, data: Any, source: Source) -> Iterator[Problem]:
    cause = details.get("ctx", {}).get("error")
    path, owner, annotation = _locate(details["loc"], data)
    path = home(path, source)
    kind, context = details["type"], details.get("ctx", {})
    is_key = kind == "extra_forbidden" or details["loc"][-1:] == ("[key]",)
    where = source.where(path, key=is_key)
    shown = _shown(source, path)
    match kind:
        case "missing":
            message = f"is missing; add it{_choices(owner, details['loc'][-1])}"
        case "extra_forbidden":
            # Without the value, because a secret could be here, and must not reach a log.
            allowed = sorted(owner.model_fields) if owner else []
            message = f"is not a valid key here{_meant(path, allowed)}; allowed: {', '.join(allowed)}"
            if SECRET.search(str(path[-1])):
                message += "; do not write secrets in this file, because Terraform prompts for them as variables"
        case "value_error":
            message = str(cause)
            shown = repr(shortened(str(path[-1]))) if is_key and path else shown
            if shown and not is_key:
                message += _remedy(details["input"], annotation)
            message = f"{shown} {message}" if shown else message
        case "literal_error":
            message = _not_allowed(details["input"], context.get("expected", ""), path, shown, annotation)
        case "too_short" if len(details["input"]) >= context["min_length"]:
            return  # The number is sufficient. Invalid entries were not counted, and have their own messages.
        case "union_tag_invalid":
            tag = context.get("discriminator", "").strip("'")
            path = (*path, tag)
            where = source.where(path)
            allowed = context.get("expected_tags", "")
            shown = _shown(source, path)
            message = f"{shown or 'this'} is not one of {allowed}{did_you_mean(str(shown).strip(chr(39)), allowed)}"
        case "union_tag_not_found":
            tag = context.get("discriminator", "").strip("'")
            message = f"has no {tag!r}; add it: {tag} is one of {', '.join(map(repr, _tags(annotation, tag)))}"
        case "model_type" | "model_attributes_type" | "dict_type":
            message = f"is {_a_kind(details['input'])}, but must be a map{_as_map(details['input'], path, annotation)}"
        case _:
            message = f"{shown or 'this'} {_plain(details)}"
            if kind == "int_type":
                message += _unquoted(details["input"]) or _range_of_ports(details["input"], path)
            elif kind == "tuple_type":
                message = _as_list(details["input"], path, shown and source.written(path))
            message += _unfilled(details["input"], annotation)
    yield Problem(path, message, *where)


def home(path: Location, source: Source) -> Location:
    """Return the source of a twin's value in the file: `dr`, or else the entry of the twin."""
    section, name, *rest = path if len(path) > 1 else (None, None)
    if section not in ("clusters", "connections") or source.knows(path[:2]) or not str(name).endswith(TWIN):
        return path
    base = (section, str(name).removesuffix(TWIN))
    own = (*base, "dr", *rest)
    if section == "clusters":
        return (*base, *rest) if rest and rest[0] in INHERITED else own
    return own if source.knows(own) else (*base, *rest)


def _shown(source: Source, path: Location) -> str | None:
    """Return the text at `path` in quotes, or None if it is not a scalar or could be a secret."""
    written = source.written(path)
    if written is None or "://" in written or any(SECRET.search(str(part)) for part in path):
        return None
    return repr(written)


_PLAIN = {
    "int_parsing_size": "is too large a number",
    "int_type": "is not a whole number",
    "string_type": "is not text; put it in quotes",
    "bool_type": "must be true or false",
    "greater_than_equal": "is too small; the minimum is {ge}",
    "less_than_equal": "is too large; the maximum is {le}",
    "too_long": "has too many entries ({actual_length}); the maximum is {max_length}",
    "too_short": "has too few entries ({actual_length}); the minimum is {min_length}",
}


def _plain(details: ErrorDetails) -> str:
    template = _PLAIN.get(details["type"])
    return template.format(**details.get("ctx", {})) if template else f"is invalid: {details['msg']}"


_EXAMPLES = {
    "name": "name: acme",
    "state": "state: {backend: s3, bucket: acme-astro-tfstate, region: us-east-1}",
    "astro": "astro: {product: hosted-dedicated, organization: acme}",
}


def _choices(owner: type[BaseModel] | None, name: int | str) -> str:
    """Return the possible values of a field, if there are few, and their meaning."""
    if owner is Estate and name in _EXAMPLES:
        return f": {_EXAMPLES[str(name)]}"
    field = owner.model_fields.get(str(name)) if owner else None
    if field is None or typing.get_origin(field.annotation) is not Literal:
        return ""
    describe_fields()
    values = ", ".join(map(repr, typing.get_args(field.annotation)))
    return f": one of {values}. {' '.join((field.description or '').split())}".rstrip()


def _not_allowed(value: Any, expected: str, path: Location, shown: str | None, annotation: Any) -> str:
    """Return the message for a value that is not one of the `expected` words."""
    if any(typing.get_origin(one) is dict or _is_model(one) for one in _maps_in(annotation)):
        allowed = f"{expected.replace(' or ', ', ')} or a map"
        lead = f"is {_a_kind(value)}, but must be {allowed}" if shown is None else f"{shown} must be {allowed}"
        meant = _unfilled(value, annotation) or did_you_mean(str(shown).strip("'"), expected)
        return f"{lead}{meant or _as_map(value, path, annotation)}"
    if path[-1] == "protocol" and str(value).lower() in ("all", "any", "-1", "*"):
        return f"{shown} is not one of {expected}; write an entry for each protocol"
    meant = _unfilled(value, annotation) or did_you_mean(str(shown).strip("'"), expected)
    return f"{shown or 'this'} is not one of {expected}{meant}{_unquoted(value) if expected[:1].isdigit() else ''}"


def _unquoted(value: Any) -> str:
    return "; remove the quotes" if isinstance(value, str) and re.fullmatch(r"-?\d+", value, re.ASCII) else ""


def _range_of_ports(value: Any, path: Location) -> str:
    ports = re.fullmatch(r"(\d+) *[-:] *(\d+)", value, re.ASCII) if isinstance(value, str) else None
    return f"; write from_port: {ports[1]}, to_port: {ports[2]}" if ports and path[-1] == "from_port" else ""


def _meant(path: Location, allowed: list[str]) -> str:
    """Return a likely correction for a key that is not allowed at its place."""
    key = str(path[-1])
    if meant := _ELSEWHERE.get(key) or did_you_mean(key, allowed):
        return meant
    return "; it belongs at the top of the file, not indented" if key in Estate.model_fields and len(path) > 1 else ""


_ELSEWHERE = {
    "dynamodb_table": "; no table is needed, because Terraform locks the state with a file in the bucket",
    "provider": "; each stack has a provider for the account_id and region of its network",
}


def _tags(union: Any, tag: str) -> list[str]:
    """The possible values of the key that selects a member of a union."""
    members = typing.get_args(_unwrapped(union))
    return sorted(value for one in members for value in typing.get_args(one.model_fields[tag].annotation))


_PUBLIC = re.compile(r"(?:[a-z]+-)+[0-9a-f]{6,17}|[\d.:/]+|true|false", re.ASCII)
"""Values that cannot be secrets: AWS IDs, addresses and ranges."""


def _sample(value: Any, path: Location) -> str:
    """Return a value for a remedy, or an ellipsis if it could be a secret."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if _PUBLIC.fullmatch(text) and not any(SECRET.search(str(part)) for part in path) else "…"


def _a_kind(value: Any) -> str:
    return "a list" if isinstance(value, tuple) else "a map" if isinstance(value, dict) else "a single value"


def _as_map(value: Any, path: Location, annotation: Any) -> str:
    """Return how to write the file's list or single value as a map."""
    if not path:
        return "; write its keys at the start of a line, such as `name: acme`"
    maps = _maps_in(annotation)
    if isinstance(value, tuple) and all(map(_is_model, maps)):
        return "; write its keys without `- `"
    if isinstance(value, tuple) and any(isinstance(item, dict | tuple) for item in value):
        named = value[0].get("name") if isinstance(value[0], dict) else None
        replace = f"`- name: {named}` with `{named}:`" if _is_name(named) else "`- ` with `name:`"
        return f": each entry needs a name; replace {replace}, and indent its keys under it"
    model = next((one for one in maps if _is_model(one)), None)
    required = [name for name, info in model.model_fields.items() if info.is_required()] if model else []
    if len(maps) == 1 and len(required) > 1:
        return f"; write its keys below it, indented: {', '.join(required)}"
    maps.sort(key=_is_model)
    written = next(filter(None, (_written(value, path, one) for one in maps)), "")
    why = ": each entry needs a name" if isinstance(value, tuple) else ""
    return f"{why}; write {_field(path)}: {written}" if written else ""


def _written(value: Any, path: Location, annotation: Any) -> str:
    """Return how to write a value where the annotation demands a map; nothing if that needs more values."""
    if typing.get_origin(annotation) is dict:
        items = value if isinstance(value, tuple) else (value,)
        inner = member(annotation, "a")
        if value is True:
            return "{}" if inner is Any else ""
        named = [_written(item, path, inner) for item in items[:3]]
        if named in (["…"], [""]):
            return ""
        named = [f"{name}: {item}" for name, item in zip("abc", named, strict=False)]
        return f"{{{', '.join(named)}{', …' * (len(items) > 3)}}}"
    if not _is_model(annotation):
        return "" if value is None else _sample(value, path)
    required = [name for name, info in annotation.model_fields.items() if info.is_required()]
    if value is True:  # It requests the entry with its defaults.
        return f"{{{', '.join(f'{name}: …' for name in required)}}}"
    if value is False and "off_reason" in annotation.model_fields:
        return "{off_reason: …}"
    key = next((one for one in (*required, *annotation.model_fields) if _fits(annotation, one, value)), "")
    return f"{{{key}: {_sample(value, path)}}}" if key else ""


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z](?:-?[a-z0-9]){0,30}", value) is not None


def _fits(model: type[BaseModel], field: str, value: Any) -> bool:
    with contextlib.suppress(ValidationError):
        TypeAdapter[Any](member(model, field)).validate_python(value)
        return True
    return False


def _as_list(value: Any, path: Location, written: str | None) -> str:
    """Return how to write a map or a single value as a list. `written` is the value, unless it could be a secret."""
    if isinstance(value, dict):
        given: list[Any] = list(typing.cast("dict[Any, Any]", value).values())
        if not any(isinstance(item, dict | tuple) for item in given):
            items = ", ".join(_sample(item, path) for item in given[:3])
            return f"is a map, but must be a list; write {_field(path)}: [{items}{', …' * (len(given) > 3)}]"
        # The keys of a map of maps or lists are the names that the list has to contain.
        written = written or ", ".join(_sample(key, path) for key in list(typing.cast("dict[Any, Any]", value))[:3])
    return f"is {_a_kind(value)}, but must be a list; write {_field(path)}: [{written or 'a, b'}]"


def _field(path: Location) -> str:
    """Return the name of a field for a message. A name in the file can have any length."""
    return shortened(str(path[-1]))


def _maps_in(annotation: Any) -> list[Any]:
    """Return the models and maps that a type allows."""
    if typing.get_origin(annotation) is Annotated:
        return _maps_in(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [one for member in typing.get_args(annotation) for one in _maps_in(member)]
    return [annotation] if _is_model(annotation) or typing.get_origin(annotation) is dict else []


_PLACEHOLDER = re.compile(r"(?:|to-?do|tbd|fixme|change-?me|null|none|n/a|unknown|\?+|<.*>|.*-?x{3,}.*)", re.IGNORECASE)
_EXPRESSION = re.compile(r"\$\{|\{\{|\{%|<%|\$\(|^(?:data|var|local|module|each|aws_\w+)\.|^\$\w+$|^%\w+%$")


def _remedy(value: Any, annotation: Any) -> str:
    """Return the remedy for an invalid text, if it can be derived."""
    if not isinstance(value, str):
        return ""
    if unfilled := _unfilled(value, annotation):
        return unfilled
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    # If it has the right form, a rule about other fields rejected it.
    for candidate in (value, *filter(None, _candidates(value))):
        with contextlib.suppress(ValidationError):
            adapter.validate_python(candidate)
            odd = "; it has typographic quotation marks" if _ODD_QUOTES.search(value) else ""
            return f"{odd}; did you mean {candidate!r}?" if candidate != value else ""
    return ""


def _unfilled(value: Any, annotation: Any) -> str:
    """Return the remedy for a placeholder or a template."""
    if not isinstance(value, str):
        return ""
    if _EXPRESSION.search(value):
        return f"; {FILL_IN}"
    if _PLACEHOLDER.fullmatch(value.strip()):
        optional = type(None) in typing.get_args(_unwrapped(annotation))
        return "; leave the field out until you have the value" if optional else "; write the value"
    return ""


_ODD_QUOTES = re.compile("[\u2018\u2019\u201c\u201d]")


def _candidates(value: str) -> Iterator[str]:
    """Yield spellings that people confuse with the allowed one."""
    plain = re.sub("[\u2018\u2019\u201c\u201d\u00a0]", "", value).strip(" \n\t\"'./")
    plain = re.sub("[\u2010-\u2015]", "-", plain)
    yield from (plain, plain.lower(), plain.lower().replace("_", "-"))
    if re.fullmatch(r"[\d -]+", plain):
        yield re.sub(r"\D", "", plain)
    if plain.startswith("arn:") or value.startswith("/"):
        yield plain.rpartition("/")[2]
        yield plain.split(":")[4] if plain.count(":") > 4 else ""
    if re.fullmatch(r"[a-z-]+-\d[a-z]", plain):
        yield plain[:-1]
    if plain.startswith("com.amazonaws."):
        yield plain.split(".", 3)[-1]
    if plain.endswith("astronomer.run"):
        yield plain.partition("://")[2].partition(".")[0] or plain.partition(".")[0]
    if plain.startswith("*."):
        yield plain[2:]
    if "://" in plain:
        yield re.split("[/:]", plain.partition("://")[2])[0]
    elif not plain.startswith(("Amazon", "AWS")):
        yield re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def _unwrapped(annotation: Any) -> Any:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation


def _locate(location: tuple[int | str, ...], value: Any) -> tuple[Location, type[BaseModel] | None, Any]:
    """Return a pydantic location as keys of the file, the model of the last key, and the type of the value.

    Pydantic adds names of union members and "[key]" between the keys. Parts that are not in the data are left out,
    except a missing last name.
    """
    path: list[str | int] = []
    owner: Any = Estate
    model: Any = Estate
    annotation: Any = Estate
    for step, part in enumerate(location):
        known = isinstance(part, str) and _is_model(model) and part in model.model_fields
        if isinstance(value, dict) and part in value:
            inner = typing.cast("dict[str | int, Any]", value)[part]
        elif isinstance(value, tuple) and isinstance(part, int):
            inner = value[part]
        elif known and step == len(location) - 1:
            inner = None
        else:
            continue
        annotation = member(model, part)
        owner, model, value = model, pick(annotation, inner), inner
        path.append(part)
    return tuple(path), owner if _is_model(owner) else None, annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def member(annotation: Any, part: str | int) -> Any:
    """Return the type of `part` inside `annotation`, with its validators."""
    if _is_model(annotation):
        field = annotation.model_fields.get(part)
        return field and (Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation)
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) in (dict, tuple) and arguments:
        return arguments[1] if typing.get_origin(annotation) is dict else arguments[0]
    return None


def pick(annotation: Any, value: Any) -> Any:
    """Return the member of a union for `value`: by its `type` or `backend`, otherwise the only model or map."""
    if typing.get_origin(annotation) is Annotated:
        return pick(typing.get_args(annotation)[0], value)
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    members = [_unwrapped(one) for one in typing.get_args(annotation)]
    has_map = any(typing.get_origin(one) is dict for one in members)
    for one in members:
        if _is_model(one):
            if has_map and isinstance(value, dict) and value.keys().isdisjoint(one.model_fields):
                continue
            tags = [f for f in ("type", "backend") if f in one.model_fields]
            wanted = [typing.get_args(one.model_fields[tag].annotation) for tag in tags]
            if not tags or (isinstance(value, dict) and value.get(tags[0]) in wanted[0]):
                return one
        elif typing.get_origin(one) is dict and isinstance(value, dict):
            return one
    return None
