"""docs/evidence.md: what is claimed, and the figure that a run gave. Tests record the figures."""

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
        "statements, rules and shares of the examples: nobody, nothing and no port more than is meant",
        "dependencies locked by hash",
        "wheel built twice",
    ),
    "make proof": (
        "handshakes completed, both sides active",
        "steps refused to a stranger",
        "role refusals (no ID, wrong ID, other account)",
        "alarm: events that must ring / missed",
        "alarm: unrelated events / false alarms",
        "seeds' own patterns: missed",
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
"""By the command whose tests record them, in the order of the page."""


def record(row: str, figure: str) -> None:
    """Record what the running test found for a row of the page, in the file that ASTRO_EVIDENCE names, if it is set.

    The figure is the same in every run: no timings. Where several tests record the same words with other numbers, the
    numbers are added up.
    """
    if not (file := os.environ.get("ASTRO_EVIDENCE")):
        return
    test = os.environ["PYTEST_CURRENT_TEST"].rsplit(" ", 1)[0]
    with Path(file).open("a") as lines:
        lines.write(json.dumps({"row": row, "test": test, "figure": figure}) + "\n")


def _sum(figures: list[str]) -> str:
    """`2 stacks, 1 read` and `3 stacks, 0 read` are `5 stacks, 1 read`; other words stand beside each other."""
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
    """The page for what was recorded. Raises LookupError naming each row that is missing, or unknown."""
    figures: dict[str, dict[str, str]] = {}
    for line in map(json.loads, recorded.splitlines()):
        figures.setdefault(line["row"], {})[line["test"]] = line["figure"]
    known = {row: command for command, rows in ROWS.items() for row in rows}
    wrong = [f"{row}: not recorded; `{command}` does" for row, command in known.items() if row not in figures]
    wrong += [f"{row}: not a row of tools/evidence.py" for row in figures.keys() - known.keys()]
    if wrong:
        raise LookupError("\n".join(sorted(wrong)))
    lines = [
        "# Evidence",
        "",
        "Written by `make proof` from what the tests recorded; a run that gives other figures fails. What a local AWS",
        "cannot show is among the [known limits](../README.md#known-limits).",
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
    """Hold the committed page to what the named files have; `--golden`, or where there is none yet, write it."""
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
    if told := "\n".join(changes):
        accept = f"python -m tools.evidence --golden {' '.join(map(str, files))}"
        sys.exit(f"docs/evidence.md is not what this run gives; `{accept}` accepts:\n{told}")


if __name__ == "__main__":
    main()
