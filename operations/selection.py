"""Selects the stacks of a command."""

from collections.abc import Collection
from pathlib import Path

from estate.errors import ExitCode, UserError


def chosen(file: Path, names: list[str] | None, stacks: Collection[str]) -> Collection[str]:
    """Return the named stacks, or all. Raises UserError for an unknown name."""
    if unknown := sorted(set(names or ()) - set(stacks)):
        raise UserError(f"{', '.join(unknown)}: no stack of {file}; there are: {', '.join(stacks)}", ExitCode.BAD_INPUT)
    return names or stacks
