"""The command `main.py status`."""

import json
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import EstateFile, Outputs, Reader
from estate.load import load

if TYPE_CHECKING:
    from operations.status.report import Status


class Output(StrEnum):
    """The output format of a checklist."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def status(
    file: EstateFile = Path("astro.yaml"),
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ENTRY", help="Show only this entry, such as lake-prod. Can be repeated."),
    ] = None,
    reader: Annotated[Reader | None, typer.Option("--for", help="Show only the steps for this reader.")] = None,
    output: Annotated[
        Output, typer.Option(help="The output format: text, json for programs, or junit for CI.")
    ] = Output.TEXT,
    watch: Annotated[
        int | None,
        typer.Option(
            metavar="SECONDS", min=1, help="Repeat every SECONDS, and print changed steps, until all are done."
        ),
    ] = None,
    outputs: Outputs = None,
) -> None:
    """Show the live state of every step: who acts next, the deadline, and the next command or request.

    Reads AWS in every account of the estate, and changes nothing. Exits with 0 if all steps are done, with 3 if one
    failed, with 4 if steps are waiting or cannot be seen, and with 1 if no account could be read.
    """
    estate = load(file)

    def look() -> "Status":
        from operations.handoff.read import read
        from operations.status.report import status as look_at

        stacks = read(estate, outputs, Path(os.environ.get("CDKTF_OUTDIR", "cdktf.out"), "stacks"), os.environ)
        found = look_at(estate, stacks, datetime.now(UTC), only or ())
        if reader is None:
            return found
        who = {"astronomer": "Astronomer", "network-team": "your network team", "you": "you"}[reader]
        return replace(found, rows=tuple(row for row in found.rows if row.outcome.who == who))

    before = look()
    show(before, output)
    while watch and before.code:
        time.sleep(watch)
        now = look()
        changed = tuple(row for row in now.rows if row not in before.rows)
        if changed:
            show(replace(now, rows=changed), output)
        before = now
    sys.exit(before.code)


def show(found: "Status", output: Output) -> None:
    """Print a checklist."""
    from operations.status import write

    match output:
        case Output.JSON:
            print(json.dumps(write.as_values(found), indent=2))
        case Output.JUNIT:
            print(write.as_junit(found))
        case Output.TEXT:
            from rich.console import Console

            console = Console(highlight=False, markup=False, emoji=False)
            # Rich would end the program without a message if nobody reads its output.
            with console.capture() as text:
                for line in write.as_text(found.rows, datetime.now(UTC)):
                    console.print(line, soft_wrap=not console.is_terminal)
                console.print()
                console.print(write.last_line(found), soft_wrap=not console.is_terminal)
            print(text.get(), end="")
