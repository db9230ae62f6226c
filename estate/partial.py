"""The sound part of an estate with mistakes: a wrong field hides no check of its neighbors, so one run reports all."""

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
"""Stands for the entry as a whole among its wrong fields: its fields contradict each other, and no other rule can
judge it."""

_Wrong = Mapping[Location, set[str]]


def parts(data: Any, error: ValidationError, context: Any) -> tuple[Estate, Estate, list[Problem]]:
    """Return the estate without the entries that have a mistake, and the one with the sound fields of those too.

    A wrong field is missing from its model, so that reading it raises AttributeError. The third value holds the broken
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
    """The wrong fields of each entry, of `account` and of the estate itself, by its path."""
    wrong: dict[Location, set[str]] = {}
    for details in error.errors(include_url=False, include_context=False, include_input=False):
        section, *rest = details["loc"] or ("",)
        if section in SECTIONS and rest:
            name, *rest = rest
            # Pydantic puts the type of a connection between its name and the field.
            rest = rest[1:] if section == "connections" and rest[:1] != ["[key]"] else rest
            wrong.setdefault((str(section), str(name)), set()).add(str(rest[0]) if rest else WHOLE)
        elif section == "account" and rest:
            wrong.setdefault(("account",), set()).add(str(rest[0]))
        else:
            wrong.setdefault((str(section),), set()).add(WHOLE)
    return wrong


def _partial(model: type[BaseModel], raw: Mapping[str, Any], bad: set[str], context: Any) -> BaseModel:
    """A model of the sound fields of `raw`, with defaults for what the file leaves out."""
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
    """The messages of a model's own rules that its sound fields break. Pydantic runs none if a field is wrong."""
    for decorator in type(entry).__pydantic_decorators__.model_validators.values():
        try:
            decorator.func(entry)
        except UNSOUND:
            continue
        except ValueError as error:
            yield str(error)
