"""The valid part of an estate with mistakes. An invalid field does not prevent checks of others, so one run reports
all."""

import operator
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from estate.explain import member, pick
from estate.model import SECTIONS, Account, Astro, Estate
from estate.source import Location, Problem, did_you_mean
from estate.twins import default_product

UNSOUND = (AttributeError, KeyError, AssertionError)
"""Raised by a rule that reads a field that is missing from a partial model."""

WHOLE = "*"
"""Represents the entry itself among its invalid fields: its fields contradict each other."""

_Wrong = Mapping[Location, set[str]]


def parts(data: Any, error: ValidationError, context: Any) -> tuple[Estate, Estate, list[Problem]]:
    """Return the estate without the invalid entries, and the one with the valid fields of those entries.

    An invalid field is missing from its model, and reading it raises AttributeError. The third value has the broken
    rules of the partial entries.
    """
    wrong = _wrong_fields(error)
    given: dict[str, Any] = data if isinstance(data, dict) else {}
    whole: dict[str, Any] = {}
    sound: dict[str, Any] = {}
    broken: list[Problem] = []

    def add(path: Location, model: type[BaseModel] | None, raw: Any) -> tuple[Any, Any]:
        bad = wrong.get(path, set())
        if model is None or not isinstance(raw, dict):
            return None, None
        entry = _partial(model, raw, bad, context, path, broken)
        if bad:
            broken.extend(Problem(path, message) for message in _broken_rules(entry))
        # No network and no cluster with contradictions, because what refers to it would be wrong too.
        return (None if bad else entry), (None if WHOLE in bad and path[0] != "connections" else entry)

    for section in SECTIONS:
        entries = given.get(section)
        whole[section], sound[section] = {}, {}
        for name, raw in entries.items() if isinstance(entries, dict) else ():
            model = pick(member(member(Estate, section), name), raw)
            complete, partial = add((section, name), model, raw)
            if "[key]" not in wrong.get((section, name), set()):
                whole[section] |= {name: complete} if complete else {}
                sound[section] |= {name: partial} if partial else {}
    whole["account"], sound["account"] = add(("account",), Account, given.get("account"))
    for one in (whole, sound):
        one["astro"] = Astro.model_construct(product=default_product(given))
    others = {field: given[field] for field in Estate.model_fields if field in given and field not in whole}
    bad = {str(path[0]) for path in wrong if len(path) == 1 or path[0] in others}
    top = _partial(Estate, others, bad, context, (), broken)
    return _estate(top, whole), _estate(top, sound), broken


def without(estate: Estate, error: AttributeError) -> Estate | None:
    """Return the estate without the entries that lack the field of an error, or a part of it. None if none lacks it."""
    values = dict(vars(estate))
    # Most rules read a field of an entry itself. A search of all parts for each of many mistakes takes seconds.
    for is_in in (operator.is_, _holds):
        for section in SECTIONS:
            entries = values[section]
            if lacking := {name for name, entry in entries.items() if is_in(entry, error.obj)}:
                values[section] = {
                    name: entry
                    for name, entry in entries.items()
                    if name not in lacking and (type(entry) is not type(error.obj) or hasattr(entry, str(error.name)))
                }
                return _copy(values)
    return _copy({**values, "account": None}) if _holds(values["account"], error.obj) else None


def _holds(value: Any, part: Any) -> bool:
    """Return whether a model is `part`, or has it in a field or in a map of a field."""
    if value is part:
        return True
    inner = vars(value) if isinstance(value, BaseModel) else value
    return isinstance(inner, dict) and any(
        _holds(one, part) for one in inner.values() if isinstance(one, BaseModel | dict)
    )


def _estate(top: BaseModel, values: Mapping[str, Any]) -> Estate:
    return _copy({**vars(top), **values})


def _copy(values: Mapping[str, Any]) -> Estate:
    estate = Estate.model_construct()
    fields = vars(estate)
    fields.clear()
    fields |= values
    return estate


def _wrong_fields(error: ValidationError) -> dict[Location, set[str]]:
    """Return the invalid fields of each entry, of `account` and of the estate itself, by its path."""
    wrong: dict[Location, set[str]] = {}
    for details in error.errors(include_url=False, include_context=False, include_input=False):
        section, *rest = details["loc"] or ("",)
        if section in SECTIONS and rest:
            name, *rest = rest
            # Pydantic inserts the type of a connection between its name and the field.
            rest = rest[1:] if section == "connections" and rest[:1] != ["[key]"] else rest
            wrong.setdefault((str(section), str(name)), set()).add(str(rest[0]) if rest else WHOLE)
        elif section == "account" and rest:
            wrong.setdefault(("account",), set()).add(str(rest[0]))
        else:
            wrong.setdefault((str(section),), set()).add(WHOLE)
    return wrong


def _partial(
    model: type[BaseModel], raw: Mapping[str, Any], bad: set[str], context: Any, path: Location, broken: list[Problem]
) -> BaseModel:
    """Return a model of the valid fields of `raw`, with defaults for missing ones.

    Adds the broken rules of its parts to `broken`. `bad` are fields that contradict others.
    """
    values: dict[str, Any] = {}
    fields = list(model.model_fields)
    # The value of a misspelt key is not the default.
    unsound = {field for key in raw.keys() - model.model_fields.keys() for field in _meant(key, fields)}
    for field in raw.keys() & model.model_fields.keys() - unsound:
        annotation = member(model, field)
        try:
            values[field] = _adapter(model, field).validate_python(raw[field], context=context)
            unsound |= {field} & bad  # It contradicts another field.
        except ValidationError:
            try:
                values[field] = _sound_part(annotation, raw[field], context, (*path, field), broken)
            except _UnsoundError:
                unsound.add(field)
    given = set(raw.keys() & model.model_fields.keys())
    entry = model.model_construct(given, **{field: value for field, value in values.items() if field not in unsound})
    for field in unsound | (bad - values.keys()):
        vars(entry).pop(field, None)
    return entry


@cache
def _adapter(model: type[BaseModel], field: str) -> TypeAdapter[Any]:
    return TypeAdapter(member(model, field))


class _UnsoundError(Exception):
    pass


def _meant(key: str, fields: list[str]) -> Iterator[str]:
    meant = did_you_mean(key, fields)
    yield from (field for field in fields if repr(field) in meant)


def _sound_part(annotation: Any, raw: Any, context: Any, path: Location, broken: list[Problem]) -> Any:
    """Return a model of the valid fields of an invalid value, or a map of such models. Raises _UnsoundError."""
    picked = pick(annotation, raw)
    if isinstance(raw, dict):
        items: dict[Any, Any] = raw
        if isinstance(picked, type) and issubclass(picked, BaseModel):
            part = _partial(picked, items, set(), context, path, broken)
            found = [Problem(path, message) for message in _broken_rules(part)]
            broken.extend(found)
            if not found:
                return part
        elif typing.get_origin(picked) is dict and all(isinstance(item, dict) for item in items.values()):
            adapter: TypeAdapter[Any] = TypeAdapter(model := member(picked, "a"))
            parts: dict[Any, Any] = {}
            invalid = False
            for name, item in items.items():
                try:
                    parts[name] = adapter.validate_python(item, context=context)
                except ValidationError:
                    invalid = True
                    parts[name] = _sound_part(model, item, context, (*path, name), broken)
            if invalid:  # Otherwise the items contradict each other.
                return parts
    raise _UnsoundError


def _broken_rules(entry: BaseModel) -> Iterator[str]:
    """Yield the messages of a model's own rules that its valid fields break. Pydantic runs no rule if a field is
    invalid."""
    for decorator in type(entry).__pydantic_decorators__.model_validators.values():
        try:
            decorator.func(entry)
        except UNSOUND:
            continue
        except ValueError as error:
            yield str(error)
