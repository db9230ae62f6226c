"""The command `main.py preflight`."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from commands.current import current
from commands.options import EstateFile
from commands.report import Format, Output, progress, show
from operations.selection import chosen


def preflight(
    file: EstateFile = Path("astro.yaml"),
    stack: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Check only this stack. Can be repeated.")
    ] = None,
    output: Format = Output.TEXT,
) -> None:
    """Check whether a plan and a deploy can succeed.

    Checks installed programs, credentials, permissions, quotas, IDs, ranges and more. Reads AWS in every account of the
    estate, and changes nothing.

    \b
    Examples:
      main.py preflight
      main.py preflight --stack network-lake --output junit

    Exit codes: 0 no problem found, 1 no account could be read, 2 invalid input, 3 a plan or a deploy would fail,
    4 warnings or unknown only.
    """
    from operations.preflight.report import preflight as look
    from operations.synth import synthesized_stacks

    estate = current(file)
    with progress("Reading AWS"):
        trees = synthesized_stacks(estate, file, os.environ)
        found = look(estate, trees, datetime.now(UTC), os.environ, chosen(file, stack, trees))
    show("preflight", found, output)
    sys.exit(found.code)
