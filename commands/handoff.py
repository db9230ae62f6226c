"""The command `main.py handoff`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from commands.options import EstateFile, Outputs, Reader
from estate.errors import ExitCode, UserError
from estate.load import load


def handoff(
    file: EstateFile = Path("astro.yaml"),
    reader: Annotated[Reader, typer.Option("--for", help="Who reads it.")] = Reader.YOU,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of Markdown.")] = False,
    outputs: Outputs = None,
) -> None:
    """Print what is deployed, what remains to be done and by whom: for you, or what to send to whom.

    Reads the state from where the estate keeps it, and writes nothing. Exits with 4 if a stack could not be read."""
    import json

    from operations.handoff import read, write
    from operations.handoff.status import report
    from operations.synth import synthesized_stacks

    estate = load(file)
    stacks = read.read(estate, outputs, Path(os.environ.get("CDKTF_OUTDIR", "cdktf.out"), "stacks"), os.environ)
    fresh = synthesized_stacks(estate, file, os.environ) if any(stack.digests for stack in stacks.values()) else {}
    digests = {name: fresh[name]["output"]["deployed"]["value"]["digests"] for name in stacks if fresh}
    found = report(estate, stacks, digests)
    as_values, as_text = write.BY_READER[reader]
    print(json.dumps(as_values(found), indent=2) if as_json else as_text(found))
    if unread := [f"{name} was not read: {stack.why}" for name, stack in stacks.items() if stack.status == "not read"]:
        raise UserError("\n".join(unread), ExitCode.WARNINGS_ONLY)
