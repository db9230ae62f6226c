"""The command `main.py plan`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from commands.current import warn_of_expired
from commands.options import EstateOption, Format, TextOrJson
from commands.report import progress
from estate.load import load
from estate.plan import stacks_of
from estate.source import Source
from operations.selection import chosen


def plan(
    stacks: Annotated[
        list[str] | None, typer.Argument(metavar="STACK", help="The stacks to plan. Default: all.")
    ] = None,
    out: Annotated[Path, typer.Option(envvar="CDKTF_OUTDIR", metavar="DIR", help="The output directory.")] = Path(
        "cdktf.out"
    ),
    file: EstateOption = Path("astro.yaml"),
    output: Format = TextOrJson.TEXT,
) -> None:
    """Show the changes that a deploy would make.

    Synthesizes the estate, and runs `terraform plan` for each stack. Changes nothing in AWS, and saves no plan file.
    Exits with 3 if a condition fails, or if a plan would destroy a protected resource. `diff` is an alias.

    \b
    Examples:
      main.py plan
      main.py plan network-lake --file dev.yaml --out cdktf.out-dev
      main.py plan --output json

    Exit codes: 0 no changes, 1 failed, 2 invalid input, 3 a plan is blocked, 4 changes.
    """
    from operations import plan as planning

    estate = load(file, source := Source(file))
    names = chosen(file, stacks, [stack.name for stack in stacks_of(estate)])
    warn_of_expired(file, estate, source, names)
    terraform = planning.synthesize(estate, file, out, names, os.environ)
    plans: list[planning.StackPlan] = []
    for number, name in enumerate(names, 1):
        with progress(f"Planning {name} ({number} of {len(names)})"):
            found = planning.plan(terraform, name, out / "stacks" / name)
        plans.append(found)
        if output is TextOrJson.TEXT and (lines := list(found.lines())):
            print("\n".join((f"{name}:", *lines)), flush=True)
    print(planning.as_json(plans) if output is TextOrJson.JSON else "\n".join(planning.table(plans)))
    sys.exit(planning.exit_code(plans))
