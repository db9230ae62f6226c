"""Shared test code: estates, runners of the tested programs, and the other side of a connection."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
SITUATIONS = ("hub_with_on_premises", "hybrid_from_nothing", "regions_with_failover")
"""The examples of a common situation. Each other example is named after a type, except the complete one."""
