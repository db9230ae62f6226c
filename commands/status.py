"""The command `main.py status`."""

import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import EstateFile, Outputs, Reader
from commands.report import Format, Output, progress, show
from estate.errors import ExitCode, UserError
from estate.load import load

if TYPE_CHECKING:
    from operations.status.report import Status


def status(
    file: EstateFile = Path("astro.yaml"),
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ENTRY", help="Show only this entry, such as lake-prod. Can be repeated."),
    ] = None,
    reader: Annotated[Reader | None, typer.Option("--for", help="Show only the steps for this reader.")] = None,
    output: Format = Output.TEXT,
    watch: Annotated[
        int | None,
        typer.Option(
            metavar="SECONDS", min=1, help="Repeat every SECONDS, and print changed steps, until all are done."
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write an HTML page with a map. Overwrites only a page of this estate."),
    ] = None,
    outputs: Outputs = None,
) -> None:
    """Show the live state of every step.

    For each step, shows who acts next, the deadline, and the next command or request. Reads AWS in every account of the
    estate, and changes nothing. Exits with 0 if all steps are done, with 3 if a step failed, with 4 if steps are
    waiting or unknown, and with 1 if no account could be read.

    \b
    Examples:
      main.py status
      main.py status --only lake-prod --watch 30
      main.py status --html status.html

    Exit codes: 0 all steps are done, 1 failed, 2 invalid input, 3 a step failed, 4 steps are waiting.
    """
    if watch and output is Output.JUNIT:
        raise UserError("--watch with --output junit: a JUnit file has only one report; use json", ExitCode.BAD_INPUT)
    estate = load(file)
    if html:
        from operations.status.page import refuse_foreign_page

        refuse_foreign_page(html, estate.name)

    def look() -> "Status":
        from operations.handoff.read import read
        from operations.status.report import status as look_at

        stacks = read(estate, outputs, Path(os.environ.get("CDKTF_OUTDIR", "cdktf.out"), "stacks"), os.environ)
        now = datetime.now(UTC)
        found = look_at(estate, stacks, now, only or ())
        if reader:
            who = {"astronomer": "Astronomer", "network-team": "your network team", "you": "you"}[reader]
            found = replace(found, rows=tuple(row for row in found.rows if row.outcome.who == who))
        if html:
            from operations.status.page import write_page

            write_page(html, estate, found, now)
        return found

    with progress("Reading AWS"):
        before = look()
    show("status", before, output, repeated=watch is not None)
    while watch and before.code:
        time.sleep(watch)
        now = look()
        changed = tuple(row for row in now.rows if row not in before.rows)
        if changed:
            show("status", replace(now, rows=changed), output, repeated=True)
        before = now
    sys.exit(before.code)
