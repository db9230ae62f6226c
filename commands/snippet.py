"""Prints mistakes in an estate file on a terminal: below each message its line, with a mark below the value."""

import os
import re
import shutil
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping
from typing import TextIO

from commands.report import colours_off
from estate.errors import UserError
from estate.load import EstateError
from estate.source import Problem, printable
from modules.documents import MAX_BYTES, DocumentError, decoded, read_bytes
from modules.entry import SECRET

_COLUMNS = 200
"""The most columns of a line that are shown, on a terminal of any width."""
_TAB = " " * 4
_VALUE = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s,\]})]+?(?=:?(?:[\s,\]}]|$))|.")


def has_colours(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether a stream shows colours."""
    off = environ.get("NO_COLOR") or colours_off(environ) or environ.get("TERM") == "dumb"
    return stream.isatty() and not off


def print_error(error: UserError, stream: TextIO) -> None:
    """Print an error on a terminal. Mistakes of a file have their lines."""
    columns = shutil.get_terminal_size().columns
    if isinstance(error, EstateError):
        lines = with_lines(error, columns, colours=has_colours(stream, os.environ))
    else:
        lines = (line for text in str(error).split("\n") for line in wrapped(printable(text), columns))
    for line in lines:
        print(line, file=stream)


def wrapped(message: str, columns: int) -> list[str]:
    """Return the lines of a message on a terminal, which breaks words otherwise."""
    return textwrap.wrap(message, columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False) or [
        ""
    ]


def with_lines(error: EstateError, columns: int, *, colours: bool) -> Iterator[str]:
    """Yield each message and, where it helps, the line of the file with a mark. A line with a secret is not shown."""
    try:
        text = decoded(read_bytes(error.file, MAX_BYTES))
    except (FileNotFoundError, DocumentError):
        text = ""
    lines = re.split(r"\r\n|\r|\n", text)
    shown = _without_secrets(lines, error.problems)
    for problem in error.problems:
        head, separator, message = f"{error.file}:{problem}".partition(": ")
        first, *others = wrapped(f"{head}{separator}{message}", columns)
        yield first.replace(head, f"\033[1m{head}\033[0m", 1) if colours else first
        yield from others
        line = shown[problem.line - 1] if 0 < problem.line <= len(lines) else None
        if line and problem.column <= len(line):
            number = str(problem.line)
            part, before, marked = _part(line, problem.column, min(columns, _COLUMNS) - len(number) - 3)
            mark = f"\033[1;31m{'^' * marked}\033[0m" if colours else "^" * marked
            yield f"{number} | {part}"
            yield f"{' ' * len(number)} | {' ' * before}{mark}"


def _without_secrets(lines: list[str], problems: list[Problem]) -> list[str | None]:
    """Return the lines without those that may have a secret, and without the values of unknown keys."""
    shown: list[str | None] = []
    open_: list[tuple[int, bool]] = []
    unknown = {(one.line, one.column) for one in problems if one.message.startswith("is not a valid key here")}
    cut = dict(sorted(unknown, reverse=True))
    for number, line in enumerate(lines, 1):
        indent = len(line) - len(line.lstrip())
        while line.strip() and open_ and open_[-1][0] >= indent:
            open_.pop()
        secret = bool(open_ and open_[-1][1])
        shown.append(None if secret or SECRET.search(line) or "://" in line else line)
        if number in cut and (kept := shown[-1]):
            key = _VALUE.match(kept, cut[number] - 1)
            shown[-1] = kept[: key.end() + 1] if key else None
        if line.strip():
            open_.append((indent, secret or number in cut or bool(SECRET.search(line))))
    return shown


def _part(line: str, column: int, room: int) -> tuple[str, int, int]:
    """Return the part of a line that has room, the cells before its mark, and the cells of the mark."""
    cells = [_TAB if char == "\t" else printable(char) for char in line]
    widths = [_width(char, cell) for char, cell in zip(line, cells, strict=True)]
    first = column - 1
    found = _VALUE.match(line, first)
    last = found.end() if found else column
    begin, end = 0, len(cells)
    if sum(widths) > room:
        while sum(widths[begin:first]) > room // 3:
            begin += 1
        while end > first + 1 and sum(widths[begin:end]) > room - 2:
            end -= 1
    left, right = "…" * (begin > 0), "…" * (end < len(cells))
    marked = sum(widths[first : min(last, end)])
    return (
        f"{left}{''.join(cells[begin:end])}{right}".rstrip(),
        len(left) + sum(widths[begin:first]),
        max(min(marked, room), 1),
    )


def _width(char: str, cell: str) -> int:
    """Return the cells of a character on a terminal."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else len(cell)
