"""Selects the stacks of a command."""

from collections.abc import Collection
from pathlib import Path

from estate.errors import ExitCode, UserError
from estate.source import did_you_mean


def chosen(file: Path, names: list[str] | None, stacks: Collection[str]) -> Collection[str]:
    """Return the named stacks, or all. Raises UserError for an unknown name."""
    if unknown := sorted(set(names or ()) - set(stacks)):
        meant = did_you_mean(unknown[0], list(stacks)) if len(unknown) == 1 else ""
        wrong = ", ".join(map(repr, unknown))
        raise UserError(f"{file}: has no stack {wrong}; available: {', '.join(stacks)}{meant}", ExitCode.BAD_INPUT)
    return names or stacks
