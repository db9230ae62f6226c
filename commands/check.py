"""The command `main.py check`."""

import os
from datetime import UTC, datetime
from pathlib import Path

from commands.options import EstateFile
from estate.errors import ExitCode, UserError
from estate.load import load
from estate.source import Source
from estate.warnings import warnings


def check(file: EstateFile = Path("astro.yaml")) -> None:
    """Say everything that is wrong with an estate file, or what it is still waiting for, and what Terraform will ask.

    Exits with 4 if there are warnings only. They stop no synth. An entry whose last day is over stops deploys
    of its stack."""
    from operations.variables import report

    source = Source(file)
    estate = load(file, source)
    # What a cluster lacks is a warning, with what it blocks.
    waiting = [
        f"{entry} waits for {a.field} from {a.giver}: {a.how}"
        for entry, a in estate.pending_inputs()
        if entry.startswith("connections.")
    ]
    counts = [("network", len(estate.networks)), ("connection", len(estate.connections))]
    counted = ", ".join(f"{n} {noun}{'s' * (n != 1)}" for noun, n in counts)
    print(f"{file}: {counted}, no mistakes")
    for line in (*waiting, *report(estate, os.environ)):
        print(line)
    if found := warnings(estate, file, source, datetime.now(UTC).date()):
        raise UserError("\n".join(f"{file}:{problem}" for problem in found), ExitCode.WARNINGS_ONLY)
