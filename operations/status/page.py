"""Writes the status as one HTML page, which loads nothing from elsewhere."""

from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from estate.errors import ExitCode, UserError
from estate.model import Estate
from modules.documents import DocumentError, read_bytes
from operations.files import write
from operations.status.check import State
from operations.status.map import SEVERITY, drawing, mark, worst
from operations.status.report import Row, Status
from operations.status.write import next_step, times

_STYLE = Path(__file__).with_suffix(".css")
_MAX_BYTES = 50_000_000
_ONE_PAGE = 1_800
"""The height of a map up to which it is readable on one printed page. A higher one continues on the next."""


def refuse_foreign_page(file: Path, name: str) -> None:
    """Raise UserError if `file` cannot be a page of this estate, or is a file that this command did not write."""
    if not file.parent.is_dir():
        raise UserError(f"{file}: {file.parent} is not a folder; create it first", ExitCode.BAD_INPUT)
    try:
        foreign = file.is_symlink() or not read_bytes(file, _MAX_BYTES).startswith(_begin(name).encode())
    except FileNotFoundError:
        return
    except DocumentError as error:
        raise UserError(f"{file}: {error}; name another file with --html", ExitCode.BAD_INPUT) from None
    if foreign:
        what = f"is not a page of `main.py status --html` for estate {name!r}"
        raise UserError(f"{file}: {what}; name another file", ExitCode.BAD_INPUT)


def write_page(file: Path, estate: Estate, status: Status, now: datetime) -> None:
    """Write the page. Raises UserError if the file has other content."""
    refuse_foreign_page(file, status.name)
    write(file, as_html(estate, status, now))


def _begin(name: str) -> str:
    """Return the first lines of a page. They mark its owner."""
    return f"<!DOCTYPE html>\n<!-- Written by `main.py status --html` for estate {name}. -->\n"


def as_html(estate: Estate, status: Status, now: datetime) -> str:
    """Return the page: the map, and the checklist with a table for each entry."""
    page = Element("html", {"lang": "en"})
    head, body = SubElement(page, "head"), SubElement(page, "body")
    SubElement(head, "meta", {"charset": "utf-8"})
    # Text by others is escaped; if it were not, no browser would load or run anything.
    policy = {"http-equiv": "Content-Security-Policy", "content": "default-src 'none'; style-src 'unsafe-inline'"}
    SubElement(head, "meta", policy)
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    SubElement(head, "title").text = f"Status of {status.name}"
    SubElement(head, "style").text = _STYLE.read_text("utf-8")

    header = SubElement(body, "header")
    SubElement(header, "h1").text = f"Status of {status.name}"
    SubElement(header, "p").text = f"Astro on AWS, read from AWS on {now:%A, %Y-%m-%d at %H:%M} UTC"
    _counts(header, status)
    _text(SubElement(header, "p", {"class": "next"}), next_step(status))

    SubElement(body, "h2").text = "Map"
    entries: dict[str, list[Row]] = {}
    for row in status.rows:
        entries.setdefault(row.entry, []).append(row)
    states: dict[str, list[State]] = {entry: [row.outcome.state for row in rows] for entry, rows in entries.items()}
    SubElement(body, "p", {"class": "hint"}).text = "The map is wider than this window: scroll it sideways."
    SubElement(body, "div", {"class": "map", "tabindex": "0"}).append(picture := drawing(estate, states))
    if float(picture.get("height", 0)) < _ONE_PAGE:
        picture.set("class", "one-page")
    SubElement(body, "h2").text = "Steps"
    for rows in entries.values():
        _entry(body, rows, now)
    indent(body, space="")
    return _begin(status.name) + tostring(page, "unicode", method="html") + "\n"


def _counts(parent: Element, status: Status) -> None:
    counts = SubElement(parent, "ul", {"class": "counts"})
    states = [row.outcome.state for row in status.rows]
    for state in SEVERITY:
        item = SubElement(counts, "li", {"class": state})
        _mark(item, state)
        SubElement(item, "b").text = str(states.count(state))
        SubElement(item, "span").text = f"{state}: {_MEANINGS[state]}"


_MEANINGS = {
    "failed": "AWS reports a failure",
    "waiting": "someone has to act",
    "unknown": "your account cannot see it",
    "done": "AWS confirms it",
}


def _entry(parent: Element, rows: list[Row], now: datetime) -> None:
    section = SubElement(parent, "section", {"id": rows[0].entry})
    heading = SubElement(section, "h3")
    _mark(heading, worst([row.outcome.state for row in rows]) or "unknown")
    SubElement(heading, "span").text = rows[0].entry
    SubElement(heading, "small").text = rows[0].type
    for row in rows:
        outcome = row.outcome
        step = SubElement(section, "article", {"class": outcome.state})
        state = SubElement(step, "p", {"class": "state"})
        _mark(state, outcome.state)
        SubElement(state, "b").text = outcome.state
        SubElement(state, "span").text = outcome.who or ""
        what = SubElement(step, "div")
        _text(SubElement(what, "p", {"class": "title"}), f"{row.title}{times(outcome, now)}")
        _text(SubElement(what, "p", {"class": "evidence"}), outcome.evidence)
        if outcome.fix and outcome.state != "done":
            _text(SubElement(what, "p", {"class": "fix"}), f"Next: {outcome.fix}")


def _mark(parent: Element, state: State) -> None:
    measures = {"viewBox": "-.5 -.5 17 17", "width": "17", "height": "17", "aria-hidden": "true"}
    mark(state, SubElement(parent, "svg", measures))


def _text(parent: Element, text: str) -> None:
    """Append a text, in which backticks mark commands and values."""
    parts = text.split("`")
    parent.text, last = parts[0], None
    for number, part in enumerate(parts[1:], 1):
        if number % 2:
            last = SubElement(parent, "code")
            last.text = part
        elif last is not None:
            last.tail = part
