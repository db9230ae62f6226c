"""Loads an estate file as one frozen model, or reports every mistake with its line."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from estate.errors import ExitCode, UserError
from estate.explain import explain, locate
from estate.model import SECTIONS, Estate
from estate.partial import parts
from estate.rules import check
from estate.source import Problem, Source
from estate.twins import expand


class EstateError(UserError):
    """All mistakes in an estate file. `str()` returns a line for each, `file:line:column: field: what`."""

    def __init__(self, file: Path, problems: list[Problem]) -> None:
        self.file = file
        self.problems = sorted(set(problems), key=lambda p: (p.line, p.column, p.message, str(p.path)))
        super().__init__("\n".join(f"{file}:{problem}" for problem in self.problems), ExitCode.BAD_INPUT)


def load(file: Path, source: Source | None = None) -> Estate:
    """Return the estate in `file`. Raises EstateError with all its mistakes.

    Only reads that file, unless its `source` is given, and the policy files in it. It needs no network and no AWS.
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
    names = {section: entries if isinstance(entries := written.get(section), dict) else {} for section in SECTIONS}
    problems += [locate(problem, source) for problem in (*broken, *check(whole, names, sound))]
    if problems or estate is None:
        raise EstateError(file, problems)
    return estate
