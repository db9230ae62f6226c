"""The command `main.py adopt`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from commands.current import current
from commands.options import EstateFile
from commands.report import progress
from estate.errors import ExitCode
from operations.selection import chosen


def adopt(
    file: EstateFile = Path("astro.yaml"),
    out: Annotated[Path, typer.Option(envvar="CDKTF_OUTDIR", metavar="DIR", help="The output directory.")] = Path(
        "cdktf.out"
    ),
    stack: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Search only this stack. Can be repeated.")
    ] = None,
) -> None:
    """Find existing AWS resources, and write import blocks.

    Searches AWS for resources that match the estate, and changes nothing there. Writes stacks/<stack>/imports.tf in the
    output directory. The next `cdktf deploy` shows the imports before it asks for approval. Exits with 4 if a match
    needs your decision.

    \b
    Examples:
      main.py adopt
      main.py adopt --stack network-lake

    Exit codes: 0 done, 1 failed, 2 invalid input, 4 a match needs your decision.
    """
    from operations.adopt.report import refuse_foreign_imports
    from operations.adopt.search import adopt as look_for
    from operations.owner import refuse_foreign_folder
    from operations.synth import synthesized_stacks
    from operations.variables import external_ids

    estate, ids = current(file), external_ids(os.environ)
    refuse_foreign_folder(out, estate, file)
    stacks = synthesized_stacks(estate, file, os.environ)
    names = chosen(file, stack, stacks)
    for name in names:
        refuse_foreign_imports(out / "stacks" / name)
    with progress("Looking for the resources in AWS"):
        adoptions = look_for({name: stacks[name] for name in names}, ids)
    files = [adoption.write(out / "stacks" / adoption.stack) for adoption in adoptions]
    for adoption in adoptions:
        print(adoption.report())
    if not any(files):
        print("No existing resources match the estate, so there is nothing to import.")
    else:
        print(f"Written: {', '.join(str(one) for one in files if one)}")
        print("Next: `cdktf diff <stack>` shows the imports and changes, and `cdktf deploy <stack>` applies them.")
    if any(one.to_decide for adoption in adoptions for one in adoption.outcomes):
        sys.exit(ExitCode.WARNINGS_ONLY)
