"""Loads an estate file as one frozen model, or reports every mistake with its line."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from estate.errors import ExitCode, UserError
from estate.explain import explain, locate
from estate.model import SECTIONS, Estate
from estate.partial import parts
from estate.rules import check
from estate.source import Problem, Source, did_you_mean
from estate.syntax import UNFILLED
from estate.twins import expand


class EstateError(UserError):
    """All mistakes in an estate file. `str()` returns a line for each, `file:line:column: field: what`."""

    def __init__(self, file: Path, problems: list[Problem], code: ExitCode = ExitCode.BAD_INPUT) -> None:
        self.file = file
        self.problems = sorted(set(problems), key=lambda p: (p.line, p.column, p.message, str(p.path)))
        super().__init__("\n".join(f"{file}:{problem}" for problem in self.problems), code)


def load(file: Path, source: Source | None = None, *, modules: bool = False) -> Estate:
    """Return the estate in `file`. Raises EstateError with all its mistakes.

    With `modules`, the file can be one for `main.py export` only. Only reads that file, unless its `source` is given,
    and the policy files in it. It needs no network and no AWS.
    """
    source = source or Source(file)
    problems = list(source.problems)
    if source.value is None and problems:
        raise EstateError(file, problems)
    written: dict[str, Any] = source.value if isinstance(source.value, dict) else {}
    data, context = expand(source.value), {"folder": file.parent}
    estate, sound, broken = None, None, list[Problem]()
    try:
        estate = whole = Estate.model_validate(data, context=context)
    except ValidationError as error:
        problems += explain(error, data, source)
        whole, sound, broken = parts(data, error, context)
        # A template has no value, so another message would be less precise.
        templates = {problem.path for problem in source.problems if problem.message == UNFILLED}
        problems = [one for one in problems if one.path not in templates or one.message == UNFILLED]
    names = {section: _entries(written, section) for section in SECTIONS}
    problems += [locate(problem, source) for problem in (*broken, *check(whole, names, sound, modules=modules))]
    if problems or estate is None:
        raise EstateError(file, problems)
    return estate


def _entries(written: dict[str, Any], section: str) -> dict[str, Any]:
    """Return the entries that the file has for a section, also if it has them as a list, under a similar key or at
    another place. References to them are valid."""
    elsewhere: list[Any] = [written.get(section)]
    if section not in written:
        allowed = [*Estate.model_fields]
        elsewhere += [value for key, value in written.items() if repr(section) in did_you_mean(key, allowed)]
        elsewhere += [value[section] for value in written.values() if isinstance(value, dict) and section in value]
    for entries in elsewhere:
        if isinstance(entries, dict):
            return entries
        if isinstance(entries, tuple):
            maps = [item for item in entries if isinstance(item, dict)]
            named = [{item["name"]: item} if isinstance(item.get("name"), str) else item for item in maps]
            return {name: entry for one in named for name, entry in one.items()}
    return {}
