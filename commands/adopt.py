"""The command `main.py adopt`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from commands.current import current
from commands.options import EstateFile, Format, TextOrJson
from commands.report import progress
from operations.selection import chosen


def adopt(
    file: EstateFile = Path("astro.yaml"),
    out: Annotated[Path, typer.Option(envvar="CDKTF_OUTDIR", metavar="DIR", help="The output directory.")] = Path(
        "cdktf.out"
    ),
    stack: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Search only this stack. Can be repeated.")
    ] = None,
    output: Format = TextOrJson.TEXT,
) -> None:
    """Find existing AWS resources, and write import blocks for them.

    Searches AWS for resources that match the estate, and writes stacks/<stack>/imports.tf in the output directory. The
    next `cdktf deploy` shows the imports and prompts for approval. Exits with 4 if a match needs your decision. Changes
    nothing in AWS.

    \b
    Examples:
      main.py adopt
      main.py adopt --stack network-lake
      main.py adopt --output json

    Exit codes: 0 done, 1 failed, 2 invalid input, 4 a match needs your decision.
    """
    from operations.adopt.report import as_json, exit_code, refuse_foreign_imports
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
    with progress("Searching AWS for the resources"):
        adoptions = look_for({name: stacks[name] for name in names}, ids)
    files = [adoption.write(out / "stacks" / adoption.stack) for adoption in adoptions]
    code = exit_code(adoptions)
    if output is TextOrJson.JSON:
        print(as_json(adoptions, files))
        sys.exit(code)
    for adoption in adoptions:
        print(adoption.report())
    if not any(files):
        print("No existing resources match the estate, so there is nothing to import.")
    else:
        print(f"Written: {', '.join(str(one) for one in files if one)}")
        print("Next: `cdktf diff <stack>` shows the imports and changes, and `cdktf deploy <stack>` applies them.")
    sys.exit(code)
