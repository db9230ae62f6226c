"""Loads the estate for a command, and warns of expired entries."""

import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from estate.errors import ExitCode, UserError
from estate.load import load
from estate.model import Estate
from estate.source import Source
from estate.warnings import expired


def estate_file() -> Path:
    """Return the estate file of a call that names none."""
    return Path(os.environ.get("ASTRO_ESTATE") or "astro.yaml")


def current(file: Path) -> Estate:
    """Return the estate, with a warning for each expired entry."""
    estate = load(file, source := Source(file))
    warn_of_expired(file, estate, source, ())
    return estate


def warn_of_expired(file: Path, estate: Estate, source: Source, stacks: Iterable[str]) -> None:
    """Print the entries whose last day is over. Raises UserError if one of these stacks has such an entry."""
    gone = expired(estate, file, source, datetime.now(UTC).date())
    # A connection and its twin are one entry of the file.
    if refused := dict.fromkeys(line for stack in stacks for line in gone.get(stack, ())):
        raise UserError("\n".join(refused), ExitCode.BAD_INPUT)
    for line in dict.fromkeys(line for lines in gone.values() for line in lines):
        print(line, file=sys.stderr)
