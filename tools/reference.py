"""Generates docs/reference.md from the model; `pytest --golden tests/project/test_readme.py` writes it."""

import re
import types
import typing
from collections import Counter
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from estate.model import Estate
from modules.connection import ConnectionProps
from modules.descriptions import describe_fields
from modules.vocabulary import Range, Text

Titles = Mapping[type[BaseModel], str]
"""The heading of each model. Headings are unique, because anchors derive from them."""

HEAD = """\
# Estate reference

<!-- Generated from the model by `pytest --golden tests/project/test_readme.py`. -->

This page lists every key of `astro.yaml`: first the keys at the top level, then each section in the order in which a
key first links to it. You can omit keys that are not required. `main.py check` reports invalid values, and
`main.py schema` writes the JSON Schema for completion in editors."""


def reference() -> str:
    """Return the page: a section for each model, after the section that first refers to it, with a row for each key."""
    describe_fields()
    models: list[type[BaseModel]] = []
    _meet(Estate, models)
    # The keys of all connections have one section, before the first connection.
    models.insert(next(i for i, model in enumerate(models) if issubclass(model, ConnectionProps)), ConnectionProps)
    titles = _titles(models)
    common = {_row(name, field, titles) for name, field in ConnectionProps.model_fields.items()}
    sections = [HEAD]
    for model in models:
        rows = [_row(name, field, titles) for name, field in model.model_fields.items()]
        if model is ConnectionProps:
            links = ", ".join(
                _link(one, titles) for one in models if issubclass(one, ConnectionProps) and one is not model
            )
            text = f"The keys of every connection. Its `type` selects its other keys: {links}."
        else:
            text, rows = _flat(model.__doc__ or ""), [row for row in rows if row not in common]
        head = ["| key | value | default | description |", "|---|---|---|---|"]
        sections.append("\n".join([f"## {titles[model]}", "", text, "", *head, *rows]))
    return "\n\n".join(sections) + "\n"


def _meet(model: type[BaseModel], met: list[type[BaseModel]]) -> None:
    met.append(model)
    for field in model.model_fields.values():
        for each in _models(whole(field)):
            if each not in met:
                _meet(each, met)


def whole(field: FieldInfo) -> Any:
    """Return the annotation of a field, with the metadata that pydantic removes from its outermost layer."""
    annotation: Any = field.annotation
    for metadata in field.metadata:
        annotation = typing.Annotated[annotation, metadata]
    return annotation


def _row(name: str, field: FieldInfo, titles: Titles) -> str:
    if field.is_required():
        default = "**required**"
    elif field.default is None or field.default_factory:
        default = ""
    else:
        default = _default(field.get_default())
    return f"| `{name}` | {_words(whole(field), titles)} | {default} | {_flat(field.description or '')} |"


def _default(value: Any) -> str:
    """Return a default value as YAML. The defaults of a model are in its own table."""
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`" if value else ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _words(annotation: Any, titles: Titles) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        for metadata in arguments[1:]:
            if isinstance(metadata, Text | Range):
                return metadata.what.replace("a valid ", "a ")
        return _words(arguments[0], titles)
    if origin is typing.Literal:
        values = [f"`{value}`" for value in arguments]
        return " or ".join(values) if len(values) < 3 else f"one of {', '.join(values)}"
    if origin in (typing.Union, types.UnionType):
        if all(_is_model(member) and issubclass(member, ConnectionProps) for member in arguments):
            return _link(ConnectionProps, titles)
        return " or ".join(_words(member, titles) for member in arguments if member is not type(None))
    if origin is dict:
        return "map" if arguments[1] is Any else f"map of names to {_words(arguments[1], titles)}"
    if origin is tuple:
        words = _words(arguments[0], titles)
        return f"list, each {words}" if words.startswith(("a ", "an ", "the ")) else f"list of {words}"
    if _is_model(annotation):
        return _link(annotation, titles)
    words = {str: "text", int: "whole number", bool: "`true` or `false`", float: "number"}
    return words.get(annotation) or _spaced(annotation.__name__)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if _is_model(annotation):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models(part)]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _titles(models: list[type[BaseModel]]) -> Titles:
    """Return headings; those with the same title include their folder below `modules/`: `route tables of vpn`."""
    seen: Counter[str] = Counter()
    titles: dict[type[BaseModel], str] = {}
    for model in models:
        title = _title(model)
        titles[model] = f"{title} of {model.__module__.split('.')[-2]}" if seen[title] else title
        seen[title] += 1
    return titles


def _title(model: type[BaseModel]) -> str:
    """Return a model in words, with the key that selects it if there is one: `vpc_peering connection`, `s3 state`."""
    if model is ConnectionProps:
        return "connection"
    for key in ("type", "backend"):
        if field := model.model_fields.get(key):
            kind = "connection" if key == "type" else "state"
            return f"{typing.get_args(field.annotation)[0]} {kind}"
    return _spaced(model.__name__.removesuffix("Props"))


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _link(model: type[BaseModel], titles: Titles) -> str:
    return f"[{titles[model]}](#{titles[model].replace(' ', '-')})"


def _flat(text: str) -> str:
    """Return a text for a cell of a table. Markdown escapes `<` by itself in code, which is every other part."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(part if number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts))
