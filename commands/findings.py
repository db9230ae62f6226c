"""Prints the findings of `check` as text, without a parser of arguments, whose import takes a tenth of a check."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from estate.load import EstateError
from operations.findings import Findings, findings

if TYPE_CHECKING:
    from operations.cost import Cost


def find(file: Path) -> Findings:
    """Return what `check` finds in a file today."""
    return findings(file, os.environ, datetime.now(UTC).date())


def print_findings(found: Findings, costs: "list[Cost] | None" = None) -> None:
    """Print the findings for a person. Raises EstateError, with the exit code, for errors and warnings."""
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
