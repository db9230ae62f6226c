"""The command `main.py check`."""

import os
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import EstateFile
from estate.load import EstateError

if TYPE_CHECKING:
    from operations.cost import Cost
    from operations.findings import Findings


class CheckOutput(StrEnum):
    """The format of what `check` finds."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def check(
    file: EstateFile = Path("astro.yaml"),
    output: Annotated[
        CheckOutput,
        typer.Option(help="The format: text, json for programs, github for annotations, sarif for code scanning."),
    ] = CheckOutput.TEXT,
    cost: Annotated[
        bool,
        typer.Option("--cost", help="Also print the fixed monthly cost, at list prices. Formats: text and json."),
    ] = False,
) -> None:
    """Validate an estate file, and list its pending inputs.

    Also lists warnings, and the variables that Terraform requires. With warnings only, exits with 4; you can still
    synthesize and deploy. An expired entry stops deploys of its stack.

    \b
    Examples:
      main.py check
      main.py check dev.yaml
      main.py check --output json
      main.py check --cost

    Exit codes: 0 done, 2 invalid input, 4 warnings only.
    """
    from operations import findings

    if cost and output not in (CheckOutput.TEXT, CheckOutput.JSON):
        raise typer.BadParameter("--cost needs --output text or json")
    found = findings.findings(file, os.environ, datetime.now(UTC).date())
    costs = _costs(found) if cost else None
    match output:
        case CheckOutput.JSON:
            print(findings.as_json(found, costs))
        case CheckOutput.GITHUB:
            for line in findings.as_github(found):
                print(line)
        case CheckOutput.SARIF:
            print(findings.as_sarif(found))
        case CheckOutput.TEXT:
            _print(found, costs)
    if found.code:
        sys.exit(found.code)


def _costs(found: "Findings") -> "list[Cost] | None":
    """Return the costs of a valid estate. Only this option of `check` synthesizes."""
    from operations.cost import costs
    from operations.synth import synthesized_stacks

    return costs(synthesized_stacks(found.estate, found.file, os.environ)) if found.estate else None


def _print(found: "Findings", costs: "list[Cost] | None") -> None:
    """Print the findings for a person: errors and warnings on standard error."""
    if found.errors:
        raise EstateError(found.file, list(found.errors))
    assert found.estate  # noqa: S101  without errors, there is an estate
    counts = [("network", len(found.estate.networks)), ("connection", len(found.estate.connections))]
    counted = ", ".join(f"{n} {noun}{'s' * (n != 1)}" for noun, n in counts)
    print(f"{found.file}: {counted}, no mistakes")
    for line in (*(one for one, _, _ in found.pending), *found.variables):
        print(line)
    if costs is not None:
        from operations.cost import table

        print("\n".join(("", *table(costs), "")))
    if found.warnings:
        raise EstateError(found.file, list(found.warnings), found.code)
