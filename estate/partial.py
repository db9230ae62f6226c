"""The valid part of an estate with mistakes. An invalid field does not prevent checks of others, so one run reports
all."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from estate.explain import member, pick
from estate.model import SECTIONS, Account, Astro, Estate
from estate.source import Location, Problem
from estate.twins import default_product

UNSOUND = (AttributeError, KeyError, AssertionError)
"""Raised by a rule that reads a field that is missing from a partial model."""

WHOLE = "*"
"""Represents the entry itself among its invalid fields. Its fields contradict each other, so no other rule can check
it."""

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
        entry = _partial(model, raw, bad, context)
        if bad:
            broken.extend(Problem(path, message) for message in _broken_rules(entry))
        return (None if bad else entry), (None if WHOLE in bad else entry)

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
    top = _partial(Estate, others, {str(path[0]) for path in wrong if len(path) == 1 or path[0] in others}, context)
    return _estate(top, whole), _estate(top, sound), broken


def _estate(top: BaseModel, values: Mapping[str, Any]) -> Estate:
    estate = Estate.model_construct()
    fields = vars(estate)
    fields.clear()
    fields |= {**vars(top), **values}
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


def _partial(model: type[BaseModel], raw: Mapping[str, Any], bad: set[str], context: Any) -> BaseModel:
    """Return a model of the valid fields of `raw`, with defaults for missing ones."""
    values: dict[str, Any] = {}
    bad = set(bad)
    for field in raw.keys() & model.model_fields.keys() - bad:
        try:
            values[field] = TypeAdapter[Any](member(model, field)).validate_python(raw[field], context=context)
        except ValidationError:
            bad.add(field)
    entry = model.model_construct(**values)
    for field in bad:
        vars(entry).pop(field, None)
    return entry


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
