"""The time in the local AWS. A test can move it forward, so that deadlines pass without anybody waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_passed = timedelta()


def now() -> datetime:
    """Return the current time, with everything added that a test let pass."""
    return datetime.now(UTC) + _passed


def let_pass(seconds: float) -> None:
    """Move the time forward for every patch that asks for it; moto's own timestamps stay real."""
    global _passed
    _passed += timedelta(seconds=seconds)
