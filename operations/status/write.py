"""Writes the checklist of a command as text, as JSON, and as JUnit XML for tools that display test results.

docs/report.schema.json describes the JSON.
"""

import json
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

from operations.handoff.read import harmless
from operations.result import VERSION
from operations.status.check import Outcome
from operations.status.report import Row, Status

_GOOD, _BAD = ("done", "ok"), ("failed", "blocked")
_MARKS = {
    "done": ("[ok]", "green"),
    "waiting": ("[..]", "yellow"),
    "failed": ("[!!]", "red"),
    "ok": ("[ok]", "green"),
    "warning": ("[..]", "yellow"),
    "blocked": ("[!!]", "red"),
    "unknown": ("[??]", "magenta"),
}


Line = tuple[tuple[str, str], ...]
"""The parts of a line, each with its style. A pipe needs no styles, and importing Rich takes time."""


def as_text(rows: Collection[Row], now: datetime) -> Iterator[Line]:
    """Yield the lines of the checklist. Marks carry the same information as colours."""
    entry = ""
    for row in rows:
        if row.entry != entry:
            if entry:
                yield ()
            entry = row.entry
            yield (entry, "bold"), (f" ({row.type})", "")
        mark, colour = _MARKS[row.outcome.state]
        who = f"{_capital(row.outcome.who)}: " if row.outcome.who else ""
        yield ("  ", ""), (mark, colour), (f" {who}{row.title}{times(row.outcome, now)}", "")
        if row.outcome.state not in _GOOD:
            yield ((f"       {row.outcome.evidence}", "dim"),)
            if row.outcome.fix:
                yield ((f"       next: {row.outcome.fix}", ""),)


def last_line(status: Status) -> str:
    """Return the number of steps in each state, and your next step."""
    states = [row.outcome.state for row in status.rows]
    counted = ", ".join(f"{states.count(state)} {state}" for state in _MARKS if state in states) or "no steps"
    following = next_step(status)
    return f"{counted}. {following}" if following else counted


def next_step(status: Status) -> str:
    """Return your most urgent step; empty if there is none."""
    urgent = sorted(status.rows, key=lambda row: (row.outcome.state not in _BAD, row.outcome.until is None))
    mine = [row for row in urgent if row.outcome.who == "you" and row.outcome.state in (*_BAD, "waiting", "warning")]
    return f"Next: {mine[0].entry}: {mine[0].outcome.fix or mine[0].title}" if mine else ""


def times(outcome: Outcome, now: datetime) -> str:
    """Return the start and the deadline of a step, in parentheses; empty if neither is known."""
    told: list[str] = []
    if outcome.since and outcome.state not in _GOOD:
        told.append(f"since {outcome.since:%Y-%m-%d %H:%M}")
    if outcome.until:
        left = outcome.until - now
        days, hours = left.days, left.seconds // 3600
        span = f"{days} days" if days > 1 else f"{days * 24 + hours} hours"
        told.append(f"expires in {span}, {outcome.until:%a %Y-%m-%d %H:%M} UTC")
    return f" ({'; '.join(told)})" if told else ""


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def as_json(command: str, status: Status, *, indent: int | None = 2) -> str:
    """Return the checklist as JSON."""
    return json.dumps(as_values(command, status), indent=indent)


def as_values(command: str, status: Status) -> dict[str, Any]:
    """Return the checklist as values for programs. Times are ISO 8601; absent values are null."""
    return {
        "version": VERSION,
        "command": command,
        "name": harmless(status.name),
        "exit_code": int(status.code),
        "steps": [_values(row) for row in status.rows],
    }


def _values(row: Row) -> dict[str, Any]:
    outcome = row.outcome
    return {
        "entry": row.entry,
        "type": row.type,
        "id": row.id,
        "title": row.title,
        "state": outcome.state,
        "who": outcome.who,
        "since": outcome.since.isoformat() if outcome.since else None,
        "until": outcome.until.isoformat() if outcome.until else None,
        "evidence": outcome.evidence,
        "fix": outcome.fix or None,
    }


def as_junit(command: str, status: Status) -> str:
    """Return JUnit XML with a test case for each step. Waiting and unknown steps are skipped, with the reason."""
    states = [row.outcome.state for row in status.rows]
    failures = sum(states.count(state) for state in _BAD)
    skipped = len(states) - failures - sum(states.count(state) for state in _GOOD)
    counts = {"tests": str(len(states)), "failures": str(failures), "skipped": str(skipped)}
    suite = ElementTree.Element("testsuite", {"name": f"{command} of {harmless(status.name)}", **counts})
    for row in status.rows:
        case = ElementTree.SubElement(suite, "testcase", {"classname": row.entry, "name": f"{row.id}: {row.title}"})
        if row.outcome.state not in _GOOD:
            kind = "failure" if row.outcome.state in _BAD else "skipped"
            message = f"{row.outcome.state}: {row.outcome.evidence}"
            ElementTree.SubElement(case, kind, {"message": message}).text = row.outcome.fix
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, "unicode", xml_declaration=True)
