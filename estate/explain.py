"""Explains validation errors in the words of the file: the field, its value, what is allowed."""

import re
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from estate.model import Estate
from estate.source import Location, Problem, Source, did_you_mean, shortened
from estate.twins import INHERITED, TWIN
from modules.descriptions import describe_fields
from modules.entry import SECRET


def explain(error: ValidationError, data: Any, source: Source) -> Iterator[Problem]:
    """Yield what is wrong with `data`, which was expanded from the values of `source`."""
    for details in error.errors():
        yield from _explain(details, data, source)


def locate(problem: Problem, source: Source) -> Problem:
    """Return the problem at its place in the file. The twin of an entry has no lines of its own."""
    path = home(problem.path, source)
    return Problem(path, problem.message, *source.where(path))


def _explain(details: ErrorDetails, data: Any, source: Source) -> Iterator[Problem]:
    cause = details.get("ctx", {}).get("error")
    path, owner = _locate(details["loc"], data)
    path = home(path, source)
    kind, context = details["type"], details.get("ctx", {})
    is_key = kind == "extra_forbidden" or details["loc"][-1:] == ("[key]",)
    where = source.where(path, key=is_key)
    shown = _shown(source, path)
    match kind:
        case "missing":
            message = f"is missing; add it{_choices(owner, details['loc'][-1])}"
        case "extra_forbidden":
            # Never with its value: a secret that was put here must not reach a log.
            allowed = sorted(owner.model_fields) if owner else []
            message = f"is not a key here{did_you_mean(str(path[-1]), allowed)}; allowed: {', '.join(allowed)}"
            if SECRET.search(str(path[-1])):
                message += "; a secret never stands in this file: Terraform asks for it as a variable"
        case "value_error":
            message = str(cause)
            shown = repr(shortened(str(path[-1]))) if is_key and path else shown
            message = f"{shown} {message}" if shown else message
        case "literal_error":
            allowed = context.get("expected", "") + (" or a map" if details["loc"][-1] == "word" else "")
            message = f"{shown or 'this'} is not one of {allowed}{did_you_mean(str(shown).strip(chr(39)), allowed)}"
            message += _unquoted(details["input"]) if allowed[:1].isdigit() else ""
        case "too_short" if len(details["input"]) >= context["min_length"]:
            return  # There are enough; those that are wrong were not counted, and are told by themselves.
        case "union_tag_invalid":
            tag = context.get("discriminator", "").strip("'")
            path = (*path, tag)
            where = source.where(path)
            allowed = context.get("expected_tags", "")
            shown = _shown(source, path)
            message = f"{shown or 'this'} is not one of {allowed}{did_you_mean(str(shown).strip(chr(39)), allowed)}"
        case "union_tag_not_found":
            message = f"has no {context.get('discriminator')}; add it"
        case "model_type" | "model_attributes_type" | "dict_type":
            is_list = isinstance(details["input"], tuple)
            if is_list and kind == "dict_type":
                message = "is a list, and each entry needs a name; write `name: ...` in place of `- ...`"
            else:
                # Never its value: in a map of names, a key such as `pin` is a name like any other.
                given = "is a list and" if is_list else "this is"
                message = f"{given} not a map of keys and values; write its keys below it, indented"
        case _:
            message = f"{shown or 'this'} {_plain(details)}"
            message += _unquoted(details["input"]) if kind == "int_type" else ""
    yield Problem(path, message, *where)


def home(path: Location, source: Source) -> Location:
    """Where the file says what a twin's value comes from: in `dr`, else in the entry that the twin is one of."""
    section, name, *rest = path if len(path) > 1 else (None, None)
    if section not in ("clusters", "connections") or source.knows(path[:2]) or not str(name).endswith(TWIN):
        return path
    base = (section, str(name).removesuffix(TWIN))
    own = (*base, "dr", *rest)
    if section == "clusters":
        return (*base, *rest) if rest and rest[0] in INHERITED else own
    return own if source.knows(own) else (*base, *rest)


def _shown(source: Source, path: Location) -> str | None:
    """What the file says at `path`, in quotes. None where it is not a scalar, or may be what no log should hold."""
    written = source.written(path)
    if written is None or "://" in written or any(SECRET.search(str(part)) for part in path):
        return None
    return repr(written)


_PLAIN = {
    "int_parsing_size": "is too large a number",
    "int_type": "is not a whole number",
    "string_type": "is not text; put it in quotes",
    "bool_type": "is not true or false",
    "tuple_type": "is not a list; write [a, b]",
    "greater_than_equal": "is too small; at least {ge}",
    "less_than_equal": "is too large; at most {le}",
    "too_long": "has too many entries, {actual_length}; at most {max_length}",
    "too_short": "has too few entries, {actual_length}; at least {min_length}",
}


def _plain(details: ErrorDetails) -> str:
    template = _PLAIN.get(details["type"])
    return template.format(**details.get("ctx", {})) if template else f"is refused: {details['msg']}"


def _choices(owner: type[BaseModel] | None, name: int | str) -> str:
    """What a field with few possible values may be, and what each one means."""
    field = owner.model_fields.get(str(name)) if owner else None
    if field is None or typing.get_origin(field.annotation) is not Literal:
        return ""
    describe_fields()
    values = ", ".join(map(repr, typing.get_args(field.annotation)))
    return f": one of {values}. {' '.join((field.description or '').split())}".rstrip()


def _unquoted(value: Any) -> str:
    return "; take it out of its quotes" if isinstance(value, str) and re.fullmatch(r"-?\d+", value, re.ASCII) else ""


def _locate(location: tuple[int | str, ...], value: Any) -> tuple[Location, type[BaseModel] | None]:
    """A pydantic location as keys of the file, and the model that the last key belongs to.

    Pydantic puts names of union members and "[key]" between the keys; what leads nowhere in the data is left out,
    except a last name that is missing there.
    """
    path: list[str | int] = []
    owner: Any = Estate
    model: Any = Estate
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
        owner, model, value = model, _member(model, part, inner), inner
        path.append(part)
    return tuple(path), owner if _is_model(owner) else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _member(annotation: Any, part: str | int, value: Any) -> Any:
    """The type of `part` inside `annotation`, as far as it tells which model's keys are allowed there."""
    if _is_model(annotation):
        field = annotation.model_fields.get(part)
        return _pick(field.annotation, value) if field else None
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) in (dict, tuple) and arguments:
        return _pick(arguments[1] if typing.get_origin(annotation) is dict else arguments[0], value)
    return None


def _pick(annotation: Any, value: Any) -> Any:
    """The member of a union that `value` is meant for: by its `type` or `backend`, else the only model or map."""
    if typing.get_origin(annotation) is Annotated:
        return _pick(typing.get_args(annotation)[0], value)
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    for member in typing.get_args(annotation):
        if _is_model(member):
            tags = [f for f in ("type", "backend") if f in member.model_fields]
            wanted = [typing.get_args(member.model_fields[tag].annotation) for tag in tags]
            if not tags or (isinstance(value, dict) and value.get(tags[0]) in wanted[0]):
                return member
        elif typing.get_origin(member) is dict and isinstance(value, dict):
            return member
    return None
