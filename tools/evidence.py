"""Writes docs/evidence.md: each claim with the figure that the tests recorded in a run."""

import difflib
import json
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/evidence.md"

ROWS = {
    "make test": (
        "examples planned, the same from JSON, from HCL and as modules",
        "deployed end to end, adopted, destroyed",
        "policies of the examples, by parliament",
        "pairs of policies compared as IAM evaluates them",
        "statements, rules and shares of the examples: unintended access",
        "dependencies locked by hash",
        "wheel built twice",
    ),
    "make proof": (
        "handshakes completed, both sides active",
        "steps refused to a stranger",
        "role refusals (no ID, wrong ID, other account)",
        "alarm: relevant events / missed",
        "alarm: unrelated events / false alarms",
        "Astronomer's own patterns: events missed",
        "kill -9 during apply: points, converged, orphans healed",
        "two deploys at once",
        "state lost and restored",
        "lives of entries: every field changed, every name, entry removed",
        "throttling and 5xx at 10 %: calls, faults",
        "bad estates with their exact message",
        "random estates: tried, accepted, tracebacks",
        "random estates validated by Terraform",
        "order, adding, removing: estates tried",
        "secrets: places searched, found outside state and plans",
        "Checkov, offline, over every example's Terraform",
        "SBOM of the wheel, twice the same",
        "mutations caught",
    ),
}
"""The rows by the command whose tests record them, in the order of the page."""


def record(row: str, figure: str) -> None:
    """Record a figure for a row of the page, in the file that ASTRO_EVIDENCE names, if it is set.

    The figure is the same in every run, so it contains no timings. Figures of several tests with the same words are
    added up.
    """
    if not (file := os.environ.get("ASTRO_EVIDENCE")):
        return
    test = os.environ["PYTEST_CURRENT_TEST"].rsplit(" ", 1)[0]
    with Path(file).open("a") as lines:
        lines.write(json.dumps({"row": row, "test": test, "figure": figure}) + "\n")


def _sum(figures: list[str]) -> str:
    """Add up figures with the same words: `2 stacks, 1 read` and `3 stacks, 0 read` give `5 stacks, 1 read`. Others are
    joined.
    """
    number = r"(\d+(?:,\d{3})*)"
    alike: dict[tuple[str, ...], list[str]] = {}
    for figure in figures:
        alike.setdefault(tuple(re.split(number, figure)[::2]), []).append(figure)
    summed: list[str] = []
    for words, same in alike.items():
        columns = zip(*(re.findall(number, figure) for figure in same), strict=True)
        sums = [f"{sum(int(one.replace(',', '')) for one in column):,}" for column in columns]
        summed.append(words[0] + "".join(sum_ + rest for sum_, rest in zip(sums, words[1:], strict=True)))
    return "; ".join(summed)


def page(recorded: str) -> str:
    """Return the page for the recorded figures. Raises LookupError naming each missing or unknown row."""
    figures: dict[str, dict[str, str]] = {}
    for line in map(json.loads, recorded.splitlines()):
        figures.setdefault(line["row"], {})[line["test"]] = line["figure"]
    known = {row: command for command, rows in ROWS.items() for row in rows}
    wrong = [f"{row}: not recorded; run `{command}`" for row, command in known.items() if row not in figures]
    wrong += [f"{row}: not a row of tools/evidence.py" for row in figures.keys() - known.keys()]
    if wrong:
        raise LookupError("\n".join(sorted(wrong)))
    lines = [
        "# Evidence",
        "",
        "`make proof` writes this page from the figures of the tests, and fails if they change. The local AWS has",
        "[known limits](../README.md#known-limits).",
        "",
        "| claim | figure | test | command |",
        "|---|---|---|---|",
    ]
    for row, command in known.items():
        tests = sorted({re.sub(r"\[.*", "", test) for test in figures[row]})
        links = ", ".join(f"[{test.split('::')[-1]}](../{test.split('::')[0]})" for test in tests)
        figure = _sum([figures[row][test] for test in sorted(figures[row])]).replace("|", "\\|")
        lines.append(f"| {row} | {figure} | {links} | `{command}` |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Compare the committed page with the named files. Write it with `--golden`, or if it does not exist."""
    files = [Path(argument) for argument in sys.argv[1:] if argument != "--golden"]
    try:
        text = page("".join(file.read_text() for file in files))
    except LookupError as error:
        sys.exit(f"docs/evidence.md cannot be written:\n{error}")
    if "--golden" in sys.argv or not PAGE.exists():
        PAGE.write_text(text)
    changes = difflib.unified_diff(
        PAGE.read_text().splitlines(), text.splitlines(), "committed", "this run", "", "", 0, ""
    )
    if difference := "\n".join(changes):
        accept = f"python -m tools.evidence --golden {' '.join(map(str, files))}"
        sys.exit(f"docs/evidence.md differs from this run; to accept the changes, run `{accept}`:\n{difference}")


if __name__ == "__main__":
    main()
