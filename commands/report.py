"""The formats of a report, its colours, and the progress of a long command."""

import os
import sys
import threading
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from operations.status.report import Status
    from operations.status.write import Line

_PATIENCE = 1.0
"""Seconds after which a command shows what it is doing."""


class Output(StrEnum):
    """The format of a checklist."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


Format = Annotated[Output, typer.Option("--output", help="The format: text, json for programs, or junit for CI.")]


def show(command: str, found: "Status", output: Output, *, repeated: bool = False) -> None:
    """Print the checklist of a command. `repeated` prints JSON on one line, so that programs can split the reports."""
    from operations.status import write

    match output:
        case Output.JSON:
            print(write.as_json(command, found, indent=None if repeated else 2), flush=True)
        case Output.JUNIT:
            print(write.as_junit(command, found))
        case Output.TEXT:
            lines = [*write.as_text(found.rows, datetime.now(UTC)), (), ((write.last_line(found), ""),)]
            if sys.stdout.isatty() or os.environ.get("FORCE_COLOR"):
                _print_styled(lines)
            else:
                print(*("".join(text for text, _ in line) for line in lines), sep="\n", flush=True)


def _print_styled(lines: "Iterable[Line]") -> None:
    from rich.text import Text

    console = _console(sys.stdout)
    # Rich would end the program without a message if nobody reads its output.
    with console.capture() as text:
        for line in lines:
            console.print(Text.assemble(*line), soft_wrap=not console.is_terminal)
    print(text.get(), end="", flush=True)


def colours_off(environ: Mapping[str, str]) -> bool:
    """Return whether FORCE_COLOR turns colours off, as for Node.js. Rich reads any value as a demand for colours."""
    return environ.get("FORCE_COLOR") in ("0", "false")


def _console(stream: TextIO) -> "Console":
    """Return a console with the colours and the width of the terminal, and without both in a pipe."""
    from rich.console import Console

    off = colours_off(os.environ)
    return Console(
        file=stream,
        force_terminal=stream.isatty() if off else None,
        no_color=True if off else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


@contextmanager
def progress(what: str) -> Generator[None]:
    """Show what a command is doing if it takes longer than a second, on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.status import Status as Spinner

    spinner = Spinner(what, console=_console(sys.stderr))
    timer = threading.Timer(_PATIENCE, spinner.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        spinner.stop()
