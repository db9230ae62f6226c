"""The command `main.py handoff`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from commands.options import EstateFile, Outputs, Reader, TextOrJson
from estate.errors import ExitCode, UserError
from estate.load import load


def handoff(
    file: EstateFile = Path("astro.yaml"),
    reader: Annotated[Reader, typer.Option("--for", help="The reader of the page.")] = Reader.YOU,
    output: Annotated[
        TextOrJson, typer.Option(help="The format: text (Markdown), or json for programs.")
    ] = TextOrJson.TEXT,
    as_json: Annotated[bool, typer.Option("--json", hidden=True, help="The former spelling of --output json.")] = False,
    outputs: Outputs = None,
) -> None:
    """Print deployed entries and remaining steps.

    With --for, prints the page to send to Astronomer or to your network team. Reads Terraform's state from the estate's
    backend, and writes nothing. Exits with 4 if the state of a stack could not be read.

    \b
    Examples:
      main.py handoff
      main.py handoff --for astronomer
      main.py handoff --output json

    Exit codes: 0 done, 1 failed, 2 invalid input, 4 a stack could not be read.
    """
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
    print(json.dumps(as_values(found), indent=2) if as_json or output is TextOrJson.JSON else as_text(found))
    if unread := [f"{name} was not read: {stack.why}" for name, stack in stacks.items() if stack.status == "not read"]:
        raise UserError("\n".join(unread), ExitCode.WARNINGS_ONLY)
