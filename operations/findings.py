"""Writes the findings of `check` as JSON, as annotations of GitHub Actions, and as SARIF for code scanning.

docs/report.schema.json describes the JSON.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from estate.errors import ExitCode
from estate.load import EstateError, load
from estate.model import Estate
from estate.source import Problem, Source, printable
from estate.warnings import warnings
from operations.result import VERSION
from operations.variables import Needed, report

if TYPE_CHECKING:
    from operations.cost import Cost

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Pending:
    """A value that an entry waits for, and the one who provides it."""

    entry: str
    field: str
    giver: str
    how: str

    def __str__(self) -> str:
        return f"{self.entry} waits for {self.field} from {self.giver}: {self.how}"


@dataclass(frozen=True)
class Findings:
    """The errors of an estate file; if it has none, its warnings, its pending inputs and its variables."""

    file: Path
    estate: Estate | None
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    pending: tuple[tuple[Pending, int, int], ...] = ()
    """Each with the line and the column of its entry."""
    variables: tuple[Needed, ...] = ()

    @property
    def code(self) -> ExitCode:
        """Return the exit code of `check`."""
        if self.errors:
            return ExitCode.BAD_INPUT
        return ExitCode.WARNINGS_ONLY if self.warnings else ExitCode.DONE

    def located(self) -> Iterator[tuple[Level, str, str, int, int]]:
        """Yield each finding with a place in the file: its level, field, message, line and column."""
        for one in self.errors:
            yield "error", _field(one), printable(one.message), one.line, one.column
        for one in self.warnings:
            yield "warning", _field(one), printable(one.message), one.line, one.column
        for waiting, line, column in self.pending:
            yield "note", f"{waiting.entry}.{waiting.field}", printable(str(waiting)), line, column


def _field(problem: Problem) -> str:
    return printable(".".join(map(str, problem.path)))


def findings(file: Path, environ: Mapping[str, str], today: date) -> Findings:
    """Return what `check` finds in a file."""
    source = Source(file)
    try:
        estate = load(file, source, modules=True)
    except EstateError as error:
        return Findings(file, None, tuple(error.problems))
    # A warning names what a cluster lacks, with what it blocks.
    pending = [
        (Pending(entry, one.field, one.giver, one.how), *source.where(tuple(entry.split("."))))
        for entry, one in estate.pending_inputs()
        if entry.startswith("connections.")
    ]
    warned = warnings(estate, file, source, today)
    return Findings(file, estate, (), tuple(warned), tuple(pending), tuple(report(estate, environ)))


def as_json(found: Findings, costs: "list[Cost] | None" = None) -> str:
    """Return the findings as JSON, with the costs if they were counted. A finding without a place in the file has no
    line and no column."""
    estate = found.estate
    values: dict[str, Any] = {
        "version": VERSION,
        "command": "check",
        "file": printable(str(found.file)),
        "exit_code": int(found.code),
        "networks": len(estate.networks) if estate else None,
        "connections": len(estate.connections) if estate else None,
        "findings": [
            {"level": level, "field": field, "message": message, "line": line or None, "column": column or None}
            for level, field, message, line, column in found.located()
        ],
        "pending": [asdict(one) for one, _, _ in found.pending],
        "variables": [asdict(one) for one in found.variables],
    }
    if costs is not None:
        from operations.cost import as_values

        values["cost"] = as_values(costs)
    return json.dumps(values, indent=2)


_ANNOTATIONS: Mapping[Level, str] = {"error": "error", "warning": "warning", "note": "notice"}


def as_github(found: Findings) -> Iterator[str]:
    """Yield workflow commands, which GitHub shows at the line of the file in a pull request."""
    for level, field, message, line, column in found.located():
        place = f",line={line},col={column}" if line else ""
        text = f"{field}: {message}" if field else message
        yield f"::{_ANNOTATIONS[level]} file={_property(str(found.file))}{place},title=astro check::{_data(text)}"


def _data(text: str) -> str:
    """Return a text that cannot begin another workflow command."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


_RULES: Mapping[Level, str] = {
    "error": "The estate file is invalid",
    "warning": "The estate file is valid, and should be reviewed",
    "note": "An entry waits for a value that someone else provides",
}


def as_sarif(found: Findings) -> str:
    """Return SARIF 2.1.0, which code scanning of GitHub, GitLab and Azure DevOps reads."""
    results = [
        {
            "ruleId": f"estate-{level}",
            "ruleIndex": list(_RULES).index(level),
            "level": level,
            "message": {"text": f"{field}: {message}" if field else message},
            "locations": [{"physicalLocation": _location(found.file, line, column)}],
            # The same finding on another line stays the same alert.
            "partialFingerprints": {"finding/v1": hashlib.sha256(f"{field}\0{message}".encode()).hexdigest()},
        }
        for level, field, message, line, column in found.located()
    ]
    rules = [
        {"id": f"estate-{level}", "shortDescription": {"text": told}, "defaultConfiguration": {"level": level}}
        for level, told in _RULES.items()
    ]
    driver = {"name": "astro-on-aws", "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def _location(file: Path, line: int, column: int) -> dict[str, Any]:
    # A relative address is one of the repository, which is where the annotation appears.
    inside = file.resolve().is_relative_to(Path.cwd()) if file.is_absolute() else False
    relative = file.resolve().relative_to(Path.cwd()) if inside else file
    uri = quote(relative.as_posix(), errors="surrogateescape") if not relative.is_absolute() else relative.as_uri()
    region = {"region": {"startLine": line, "startColumn": column}} if line else {}
    return {"artifactLocation": {"uri": uri}, **region}
