"""The estate reference of the README, made from the model: `pytest --golden` writes it."""

import re
import types
import typing
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from modules.vocabulary import Range, Text
from stacks.estate import Estate


def reference() -> str:
    """Markdown: a section for each model of the estate, in the order in which they are met, with a row for each key."""
    queue: list[type[BaseModel]] = [Estate]
    sections: list[str] = []
    for model in queue:
        rows = [_row(name, field) for name, field in model.model_fields.items()]
        head = ["| key | value | default | |", "|---|---|---|---|"]
        sections.append("\n".join([f"#### {_title(model)}", "", _flat(model.__doc__ or ""), "", *head, *rows]))
        for field in model.model_fields.values():
            queue += [each for each in _models(whole(field)) if each not in queue]
    return "\n\n".join(sections)


def whole(field: FieldInfo) -> Any:
    """The annotation of a field, with the metadata that pydantic takes off its outermost layer."""
    annotation: Any = field.annotation
    for metadata in field.metadata:
        annotation = typing.Annotated[annotation, metadata]
    return annotation


def _row(name: str, field: FieldInfo) -> str:
    if field.is_required():
        default = "**required**"
    elif field.default is None or field.default_factory:
        default = ""
    else:
        value = field.get_default()
        written = str(value).lower() if isinstance(value, bool) else str(value) if value != () else ""
        default = f"`{written}`" if written else ""
    return f"| `{name}` | {_words(whole(field))} | {default} | {_flat(field.description or '')} |"


def _words(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        for metadata in arguments[1:]:
            if isinstance(metadata, Text | Range):
                return metadata.what
        return _words(arguments[0])
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(member) for member in arguments if member is not type(None))
    if origin is dict:
        return f"map: name to {_words(arguments[1])}"
    if origin is tuple:
        return f"list of {_words(arguments[0])}"
    if _is_model(annotation):
        return f"[{_title(annotation)}](#{_anchor(_title(annotation))})"
    words = {str: "text", int: "whole number", bool: "`true` or `false`", float: "number"}
    return words.get(annotation) or _spaced(annotation.__name__)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if _is_model(annotation):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models(part)]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _title(model: type[BaseModel]) -> str:
    """In words, with the key that chooses it where there is one: `vpc_peering connection`, `s3 state`."""
    for key in ("type", "backend"):
        if field := model.model_fields.get(key):
            kind = "connection" if key == "type" else "state"
            return f"{typing.get_args(field.annotation)[0]} {kind}"
    return _spaced(model.__name__.removesuffix("Props"))


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _anchor(title: str) -> str:
    return title.replace(" ", "-")


def _flat(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
