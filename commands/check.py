"""The command `main.py check`."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.findings import find, print_findings
from commands.options import EstateFile
from operations import findings

if TYPE_CHECKING:
    from operations.cost import Cost


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
    if cost and output not in (CheckOutput.TEXT, CheckOutput.JSON):
        raise typer.BadParameter("--cost needs --output text or json")
    found = find(file)
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
            print_findings(found, costs)
    if found.code:
        sys.exit(found.code)


def _costs(found: findings.Findings) -> "list[Cost] | None":
    """Return the costs of a valid estate. Only this option of `check` synthesizes."""
    from operations.cost import costs
    from operations.synth import synthesized_stacks

    return costs(synthesized_stacks(found.estate, found.file, os.environ)) if found.estate else None
