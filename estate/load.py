"""Loads an estate file: one frozen model, or every mistake in it at its own line."""

from pathlib import Path

from pydantic import ValidationError

from estate.errors import ExitCode, UserError
from estate.explain import explain, explain_together
from estate.model import SECTIONS, Estate
from estate.source import Problem, Source


class EstateError(UserError):
    """Everything that is wrong with an estate file; `str()` gives a line for each, `file:line:column: field: what`."""

    def __init__(self, file: Path, problems: list[Problem]) -> None:
        self.file = file
        self.problems = sorted(set(problems), key=lambda p: (p.line, p.column, p.message, str(p.path)))
        super().__init__("\n".join(f"{file}:{problem}" for problem in self.problems), ExitCode.BAD_INPUT)


def load(file: Path, source: Source | None = None) -> Estate:
    """The estate in `file`. Raises EstateError with all that is wrong with it. Reads that file, unless its `source` is
    given, and the policy files that it names, and nothing else: no network, no AWS."""
    source = source or Source(file)
    problems = list(source.problems)
    estate = None
    entries = source.value if isinstance(source.value, dict) else {}
    context = {"folder": file.parent, "names": {section: entries.get(section) for section in SECTIONS}}
    if source.value is not None or not problems:
        try:
            estate = Estate.model_validate(source.value, context=context)
        except ValidationError as error:
            found = [problem for details in error.errors() for problem in explain(details, source)]
            problems += found
            problems += explain_together(source, {problem.path for problem in found}, context)
    if problems or estate is None:
        raise EstateError(file, problems)
    return estate
