"""The command `main.py drift`."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from commands.options import EstateOption, Outputs
from commands.report import Format, Output, progress, show
from estate.load import load
from estate.plan import stacks_of
from operations.selection import chosen


def drift(
    stacks: Annotated[
        list[str] | None, typer.Argument(metavar="STACK", help="The stacks to compare. Default: all.")
    ] = None,
    out: Annotated[
        Path,
        typer.Option(envvar="CDKTF_OUTDIR", metavar="DIR", help="The output directory, whose provider it reuses."),
    ] = Path("cdktf.out"),
    file: EstateOption = Path("astro.yaml"),
    output: Format = Output.TEXT,
    outputs: Outputs = None,
) -> None:
    """Show changes in AWS since the last deploy.

    Synthesizes the estate into a temporary directory and plans each stack. For each entry, shows the changes made
    outside Terraform that a deploy would undo, the failed steps of `status`, and the affected clusters. Changes nothing
    in AWS, in the state or in the output directory, and takes no lock.

    \b
    Examples:
      main.py drift
      main.py drift network-lake --output junit

    Exit codes: 0 no difference, 1 failed, 2 invalid input, 3 something changed, 4 something is unknown.
    """
    from operations.drift import drift as look
    from operations.handoff.read import read
    from operations.plan import synthesized_copy

    estate = load(file)
    plans = {plan.name: plan for plan in stacks_of(estate)}
    names = chosen(file, stacks, list(plans))
    deployed = read(estate, outputs, out / "stacks", os.environ)
    with (
        synthesized_copy(estate, file, out, names, os.environ) as (terraform, folder),
        progress(f"Comparing {len(names)} stacks with AWS"),
    ):
        found = look(estate, [plans[name] for name in names], terraform, folder, deployed, datetime.now(UTC))
    show("drift", found, output)
    sys.exit(found.code)
