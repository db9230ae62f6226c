"""Reads a YAML file into plain values with their lines and columns."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from estate.syntax import UNFILLED, explain
from modules.documents import MAX_BYTES, DocumentError, decoded, read_bytes

MAX_VALUES = 100_000
MAX_DEPTH = 30
_SHOWN = 60

Location = tuple[str | int, ...]
"""The keys and indices of a value."""


def texts(value: object, path: Location = ()) -> Iterator[tuple[Location, str]]:
    """Yield the texts in the values of a file, each with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping | list | tuple):
        inside: Any = value
        for key, inner in inside.items() if isinstance(value, Mapping) else enumerate(inside):
            yield from texts(inner, (*path, key))


@dataclass(frozen=True)
class Problem:
    """A mistake: its place in the data and in the file (both from 1), and a sentence with the remedy."""

    path: Location
    message: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        field = ".".join(shortened(str(part)) or "''" for part in self.path)
        # A missing file has no line.
        place = f"{self.line}:{self.column}:" if self.line else ""
        text = f"{place} {field + ': ' if field else ''}{self.message}"
        return printable(text)


def printable(text: str) -> str:
    """Return external text on one line without effects on a terminal or a log: control characters become escapes.

    Newlines are escaped too, because the log of a CI job interprets commands at the start of a line.
    """
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shortened(text: str) -> str:
    """Return text of the file, shortened for a message."""
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


class Source:
    """A YAML file as values: maps are `dict`, sequences `tuple`, scalars `str`, `int`, `float`, `bool` or `None`.

    `problems` contains the mistakes in the file itself. `value` is None if nothing could be read. Duplicate keys are
    all reported, and the first one counts. Aliases may repeat a value, up to MAX_VALUES values in total.
    """

    def __init__(self, file: Path) -> None:
        self.problems: list[Problem] = []
        self._marks: dict[tuple[Location, bool], tuple[int, int]] = {}
        self._raw: dict[Location, str] = {}
        self._count = 0
        self.value: Any = None
        root = self._compose(file)
        if root is not None:
            try:
                self.value = self._convert(root, ())
            except _TooMuchError as error:
                self.problems = [Problem((), str(error))]
                self.value = None

    def where(self, path: Location, *, key: bool = False) -> tuple[int, int]:
        """Return the line and column of the value at `path`, or of its key, or of the nearest existing part."""
        for end in range(len(path), -1, -1):
            for wanted in ((path[:end], key and end == len(path)), (path[:end], True)):
                if wanted in self._marks:
                    return self._marks[wanted]
        return 1, 1

    def knows(self, path: Location) -> bool:
        """Return whether the file has a value at `path`."""
        return (path, False) in self._marks or (path, True) in self._marks

    def written(self, path: Location) -> str | None:
        """Return a scalar as it is written in the file, shortened; None for maps, sequences and missing values."""
        raw = self._raw.get(path)
        return raw if raw is None else shortened(raw)

    def _compose(self, file: Path) -> Node | None:
        try:
            text = decoded(read_bytes(file, MAX_BYTES))
        except FileNotFoundError:
            near = difflib.get_close_matches(file.name, [one.name for one in file.parent.glob("*.y*ml")], n=1)
            meant = f"; did you mean {file.with_name(near[0])}?" if near else ""
            problem = f"does not exist{meant}; pass the path of the estate file, or set ASTRO_ESTATE"
            return self._fail(problem, at=(0, 0))
        except DocumentError as error:
            return self._fail(str(error))
        try:
            reader = YAML(typ="safe", pure=True)
            reader.Composer = _ShallowComposer
            root = reader.compose(text)
        except MarkedYAMLError as error:
            return self._fail(*explain(text, error))
        except YAMLError as error:
            return self._fail(f"is not YAML: {str(error).splitlines()[0]}")
        except _TooMuchError as error:
            return self._fail(str(error))
        if root is None:
            return self._fail("is empty; copy an example from examples/, or run `main.py init`")
        return root

    def _fail(self, message: str, at: tuple[int, int] = (1, 1)) -> None:
        self.problems.append(Problem((), message, *at))

    def _convert(self, node: Node, path: Location) -> Any:
        self._take(1)
        if len(path) > MAX_DEPTH:  # by aliases
            raise _TooMuchError(_TOO_DEEP)
        self._marks[path, False] = at = (node.start_mark.line + 1, node.start_mark.column + 1)
        if node.tag not in _TAGS:
            # Without the tag: it may be a secret that begins with an exclamation mark.
            message = "has a YAML tag; remove it, or put a value that begins with ! in quotes"
            self.problems.append(Problem(path, message, *at))
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return tuple(self._convert(item, (*path, index)) for index, item in enumerate(node.value))
        assert isinstance(node, ScalarNode)  # noqa: S101
        self._raw[path] = node.value
        return _scalar(node)

    def _mapping(self, node: MappingNode, path: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node, own in self._entries(node, path):
            at = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, ScalarNode):
                template = isinstance(key_node, MappingNode) and key_node.flow_style
                self.problems.append(Problem(path, UNFILLED if template else _NO_NAME, *at))
                continue
            key = key_node.value
            if key not in result:
                self._marks[(*path, key), True] = at
                result[key] = self._convert(value_node, (*path, key))
            elif own:
                first = self._marks[(*path, key), True]
                self.problems.append(
                    Problem((*path, key), f"is defined twice, first on line {first[0]}; keep one of them", *at)
                )
        return result

    def _entries(self, node: MappingNode, path: Location) -> Iterator[tuple[Node, Node, bool]]:
        """Yield keys and values: first the map's own, then those of each merged map (`<<`), which do not replace
        them."""
        merges: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merges.insert(0, value_node)
            else:
                yield key_node, value_node, True
        while merges:
            merged = merges.pop()
            self._take(1 + len(merged.value))
            if isinstance(merged, SequenceNode):
                merges += reversed(merged.value)
            elif isinstance(merged, MappingNode):
                merges += [value_node for key_node, value_node in reversed(merged.value) if key_node.tag == _MERGE]
                yield from ((key, value, False) for key, value in merged.value if key.tag != _MERGE)
            else:
                at = (merged.start_mark.line + 1, merged.start_mark.column + 1)
                self.problems.append(
                    Problem(path, "merges (<<) a value that is not a map; use the anchor of a map", *at)
                )

    def _take(self, values: int) -> None:
        self._count += values
        if self._count > MAX_VALUES:
            raise _TooMuchError(f"has more than {MAX_VALUES:,} values after its aliases are expanded; remove some")


_YAML = "tag:yaml.org,2002:"
_MERGE = f"{_YAML}merge"
_TAGS = {_YAML + kind for kind in ("map", "seq", "str", "null", "bool", "int", "float", "timestamp", "value")}


_NO_NAME = "has a key that is not a name; keys are plain text"
_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels; an estate needs six"


class _TooMuchError(Exception):
    pass


class _ShallowComposer(Composer):
    """Stops at the first value that is too deep, because the scanner needs more time for each open bracket."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        if self._depth > MAX_DEPTH + 1:
            raise _TooMuchError(_TOO_DEEP)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _scalar(node: ScalarNode) -> str | int | float | bool | None:
    kind = node.tag.rsplit(":", 1)[-1]
    text: str = node.value
    if kind == "null" and text.lower() in ("", "~", "null"):
        return None
    if kind == "bool":
        return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(
            text.lower(), text
        )
    try:
        if kind == "int":
            return int(text.replace("_", ""), 0) if not re.fullmatch(r"[+-]?0\d+", text) else int(text)
        if kind == "float":
            return float(text.replace("_", ""))
    except ValueError:
        return text
    return text  # Dates too: the value type reads the text.


_COMPARED = 300
"""The maximum number of names for a suggestion, because each comparison takes time."""


def did_you_mean(given: str, allowed: list[str] | str) -> str:
    """Return a question with the names in `allowed` that are most like `given`, or nothing."""
    options = (
        allowed if isinstance(allowed, list) else [word.strip(" '") for word in allowed.replace(" or ", ",").split(",")]
    )
    if len(options) > _COMPARED or given.isdigit():
        return ""
    plain = {option.lower().replace("_", "-"): option for option in reversed(options)}
    wanted = given.lower().replace("_", "-")
    holding = [one for one in plain if len(wanted) > 3 and wanted in one]
    close = holding or difflib.get_close_matches(wanted, plain, n=1)
    return f"; did you mean {' or '.join(repr(plain[one]) for one in sorted(close)[:3])}?" if close else ""


def value_at(data: Mapping[Any, Any], *keys: Any) -> Any:
    """Return the value at these keys of nested maps, or None."""
    value: Any = data
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) and isinstance(key, str) else None
    return value
