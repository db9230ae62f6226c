"""Loads an estate file: one frozen model, or every mistake in it at its own line."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from estate.errors import ExitCode, UserError
from estate.explain import explain, locate
from estate.model import SECTIONS, Astro, Estate
from estate.rules import check
from estate.source import Location, Problem, Source
from estate.twins import default_product, expand


class EstateError(UserError):
    """Everything that is wrong with an estate file; `str()` gives a line for each, `file:line:column: field: what`."""

    def __init__(self, file: Path, problems: list[Problem]) -> None:
        self.file = file
        self.problems = sorted(set(problems), key=lambda p: (p.line, p.column, p.message, str(p.path)))
        super().__init__("\n".join(f"{file}:{problem}" for problem in self.problems), ExitCode.BAD_INPUT)


def load(file: Path, source: Source | None = None) -> Estate:
    """Return the estate in `file`. Raises EstateError with everything that is wrong with it.

    Reads that file, unless its `source` is given, and the policy files that it names, and nothing else: no network, no
    AWS."""
    source = source or Source(file)
    problems = list(source.problems)
    if source.value is None and problems:
        raise EstateError(file, problems)
    written: dict[str, Any] = source.value if isinstance(source.value, dict) else {}
    data, context = expand(source.value), {"folder": file.parent}
    try:
        estate = valid = Estate.model_validate(data, context=context)
    except ValidationError as error:
        wrong = list(explain(error, data, source))
        problems += wrong
        estate, valid = None, _valid_part(written, {problem.path for problem in wrong}, context)
    if valid:
        names = {section: entries if isinstance(entries := written.get(section), dict) else {} for section in SECTIONS}
        problems += [locate(problem, source) for problem in check(valid, names)]
    if problems or estate is None:
        raise EstateError(file, problems)
    return estate


def _valid_part(written: dict[str, Any], wrong: set[Location], context: dict[str, Any]) -> Estate | None:
    """Return the entries that are valid by themselves, so that one run reports every mistake; None if there are none.

    It has what the rules look at: no name, no state, no tags."""
    left: dict[str, Any] = {section: dict(v) if isinstance(v, dict) else v for section, v in written.items()}
    for section, *rest in filter(None, wrong):
        if rest and section in SECTIONS and isinstance(left.get(section), dict):
            left[section].pop(rest[0], None)
        elif section != "astro":
            left[str(section)] = None
    data = expand(left)
    parts: dict[str, Any] = {}
    for section in (*SECTIONS, "account"):
        if (value := data.get(section)) is not None:
            type_: Any = Estate.model_fields[section].annotation
            try:
                parts[section] = TypeAdapter[Any](type_).validate_python(value, context=context)
            except ValidationError:
                return None
    return Estate.model_construct(astro=Astro.model_construct(product=default_product(written)), **parts)
