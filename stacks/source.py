"""Reads a YAML file into plain values, remembering where each one stands."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_BYTES = 1_000_000
MAX_VALUES = 100_000
MAX_DEPTH = 30

Location = tuple[str | int, ...]
"""Keys and indices that lead to a value."""


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands in the data and in the file (both from 1), and a sentence with the remedy."""

    path: Location
    message: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        field = ".".join(map(str, self.path))
        return f"{self.line}:{self.column}: {field + ': ' if field else ''}{self.message}"


class Source:
    """A YAML file as values: maps are `dict`, sequences `tuple`, scalars `str`, `int`, `float`, `bool` or `None`.

    `problems` holds what is wrong with the file itself; `value` is None where nothing could be read. Keys given twice
    are all reported; the first one counts. Aliases may repeat a value, up to MAX_VALUES values in all.
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
        """Line and column of the value at `path` (of its key where asked), or of the nearest part that exists."""
        for end in range(len(path), -1, -1):
            for wanted in ((path[:end], key and end == len(path)), (path[:end], True)):
                if wanted in self._marks:
                    return self._marks[wanted]
        return 1, 1

    def written(self, path: Location) -> str | None:
        """A scalar as the file spells it, shortened; None for maps, sequences and what is not there."""
        raw = self._raw.get(path)
        return raw if raw is None or len(raw) <= 60 else raw[:57] + "..."

    def _compose(self, file: Path) -> Node | None:
        try:
            size = file.stat().st_size
            text = file.read_bytes()[: MAX_BYTES + 1].decode("utf-8")
        except FileNotFoundError:
            return self._fail("there is no such file; name the estate with ASTRO_ESTATE or as an argument")
        except IsADirectoryError:
            return self._fail("is a folder; name the YAML file in it")
        except UnicodeDecodeError as error:
            return self._fail(f"is not UTF-8 text (byte {error.start}); save it as UTF-8")
        except OSError as error:
            return self._fail(f"cannot be read: {error.strerror}")
        if size > MAX_BYTES:
            return self._fail(f"has {size:,} bytes, more than the {MAX_BYTES:,} that an estate may have; split it")
        try:
            root = YAML(typ="safe", pure=True).compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = (error.problem or str(error.context)).strip()
            return self._fail(f"is not YAML: {problem}", (mark.line + 1, mark.column + 1) if mark else (1, 1))
        except YAMLError as error:
            return self._fail(f"is not YAML: {str(error).splitlines()[0]}")
        except RecursionError:
            return self._fail(f"is nested deeper than {MAX_DEPTH} levels; an estate needs six")
        if root is None:
            return self._fail("is empty; `main.py schema` describes an estate, examples/ has some")
        return root

    def _fail(self, message: str, at: tuple[int, int] = (1, 1)) -> None:
        self.problems.append(Problem((), message, *at))

    def _convert(self, node: Node, path: Location) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise _TooMuchError(f"holds more than {MAX_VALUES:,} values once its aliases are followed; write fewer")
        if len(path) > MAX_DEPTH:
            raise _TooMuchError(f"is nested deeper than {MAX_DEPTH} levels; an estate needs six")
        self._marks[path, False] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return tuple(self._convert(item, (*path, index)) for index, item in enumerate(node.value))
        assert isinstance(node, ScalarNode)  # noqa: S101
        self._raw[path] = node.value
        return _scalar(node)

    def _mapping(self, node: MappingNode, path: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            at = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if key_node.tag == "tag:yaml.org,2002:merge":
                for part in value_node.value if isinstance(value_node, SequenceNode) else [value_node]:
                    if isinstance(part, MappingNode):
                        merged = self._mapping(part, path) | merged
                continue
            if not isinstance(key_node, ScalarNode):
                self.problems.append(Problem(path, "has a key that is not a name; keys are plain text", *at))
                continue
            key = key_node.value
            if key in result:
                first = self._marks[(*path, key), True]
                self.problems.append(
                    Problem((*path, key), f"is given twice, first in line {first[0]}; keep one of them", *at)
                )
                continue
            self._marks[(*path, key), True] = at
            result[key] = self._convert(value_node, (*path, key))
        return merged | result


class _TooMuchError(Exception):
    pass


def _scalar(node: ScalarNode) -> str | int | float | bool | None:
    kind = node.tag.rsplit(":", 1)[-1]
    text: str = node.value
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("true", "yes", "on")
    try:
        if kind == "int":
            return int(text.replace("_", ""), 0) if not re.fullmatch(r"[+-]?0\d+", text) else int(text)
        if kind == "float":
            return float(text.replace("_", ""))
    except ValueError:
        return text
    return text  # dates too: a value type that wants one reads the text
