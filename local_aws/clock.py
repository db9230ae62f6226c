"""The time in the local AWS. A test can advance it, so that deadlines pass without waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_passed = timedelta()


def now() -> datetime:
    """Return the current time plus the time that tests have added."""
    return datetime.now(UTC) + _passed


def let_pass(seconds: float) -> None:
    """Advance the time for every patch that uses it; moto's own timestamps stay real."""
    global _passed
    _passed += timedelta(seconds=seconds)
