"""Shared test code: estates, runners of the tested programs, and the other side of a connection."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
