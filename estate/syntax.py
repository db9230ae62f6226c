"""Explains why a file is not YAML: the likely mistake and its place, instead of the parser's message."""

import re

from ruamel.yaml.error import MarkedYAMLError

Place = tuple[int, int]
"""Line and column, from 1."""

FILL_IN = "the file does not expand variables; write the value itself"
UNFILLED = f"looks like a template that was not rendered; {FILL_IN}"

_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?:\s|$)", re.MULTILINE)
_ODD_SPACE = re.compile("[\u00a0\u2007\u202f\u3000]")
_ODD_QUOTE = re.compile("[\u2018\u2019\u201c\u201d]")
_NAMED_ITEM = re.compile(r"-\s+name:\s*[\"']?([a-z](?:-?[a-z0-9]){0,30})[\"']?\s*(?:#.*)?$")
_TEMPLATE = re.compile(r"\{\{|\{%|\$\{|<%")


def explain(text: str, error: MarkedYAMLError) -> tuple[str, Place]:
    """Return the likely mistake in `text`, which the parser rejected, with its remedy and place.

    A message never contains quoted text of the file, because it may be a secret.
    """
    marks = [mark for mark in (error.problem_mark, error.context_mark) if mark]
    at = (marks[0].line + 1, marks[0].column + 1) if marks else (1, 1)
    began = (marks[-1].line + 1, marks[-1].column + 1) if marks else at
    problem, context = (error.problem or "").strip(), (error.context or "").strip()
    if found := _CONFLICT.search(text):
        return "is a conflict marker of Git; keep one of the two versions and delete the markers", _place(text, found)
    lines = text.splitlines()
    if quote := _unclosed_quote(lines[: at[0]]):
        return "opens a quote that is not closed on this line; close it", quote
    # An odd space is visible on the line after it.
    for number in range(max(at[0] - 3, 0), min(at[0], len(lines))):
        if found := _ODD_SPACE.search(lines[number]):
            return "is a non-breaking space; replace it with a normal space", (number + 1, found.start() + 1)
    for number in range(max(began[0] - 1, 0), min(at[0], len(lines))):
        if found := _TEMPLATE.search(lines[number]):
            return UNFILLED, (number + 1, found.start() + 1)
        if found := _ODD_QUOTE.search(lines[number]):
            return "is a typographic quotation mark; replace it with a plain one", (number + 1, found.start() + 1)
    if match := re.match(r"did not find expected ',' or '(.)'|expected ',' or '(.)'", problem):
        close = match[1] or match[2]
        if at[0] > began[0]:
            return f"opens a bracket that is not closed before line {at[0]}; close it with {close}", began
        return f"is not expected here: write a comma between entries, and {close} after the last", at
    if "'\\t'" in problem:
        return "is a tab, but YAML indents with spaces; replace it with spaces", at
    if problem == "could not find expected ':'":
        # The parser notices it at the end of the line. The mistake is at the beginning of the word.
        return "is neither a key nor a value; write `key: value`, with a space after the colon", began
    if problem.startswith("expected <block end>"):
        if "'-'" in problem or "sequence" in problem:
            named = _NAMED_ITEM.match(lines[at[0] - 1], at[1] - 1)
            replace = f"`- name: {named[1]}` with `{named[1]}:`" if named else "`-` with `name:`"
            return f"is a list item among keys; replace {replace}", at
        if "'?'" in problem:
            return f"is a key among list items; replace `- ` with `name:` in line {began[0]}", at
        if "block mapping start" in problem:
            return f"is indented differently from the keys around it; align it with line {at[0] - 1}", at
        return "is not expected here: put a value that holds quotes, or begins with one, in quotes as a whole", at
    if problem.startswith("mapping values are not allowed"):
        before = next((number for number in range(at[0] - 1, 0, -1) if lines[number - 1].strip()), 0)
        if before and re.fullmatch(r"\s*[\w-]+\s*(?:#.*)?", lines[before - 1]):
            return "is a key without a colon; add a colon after it", _start(lines, (before, 1))
        if at[0] > 1 and ":" not in lines[at[0] - 1][: at[1] - 1]:
            return f"is indented more than line {at[0] - 1}, and would continue its value; align the two", _start(
                lines, at
            )
        return "is a second colon on one line; put the value in quotes, or begin a new line", at
    if problem.startswith("found undefined alias"):
        return "begins with *, which YAML reads as an alias; put the value in quotes", at
    if problem.startswith("found another document") or "another document" in problem:
        return "starts a second YAML document, but an estate file has only one; delete this `---`", at
    if problem.startswith("found character") and "cannot start" in problem:
        return "is a character that no plain value begins with; put the value in quotes", at
    if problem.startswith("expected the node content"):
        return "has no value here; add one, or remove the extra comma", at
    # Leave out quoted text: it may be a secret that begins with *, & or !.
    words = re.sub(r" '(?![<\\])[^']{2,}'", "", problem or context)
    return f"is not YAML: {f'{context}, {words}' if words.startswith('but ') else words}", at


def _place(text: str, found: "re.Match[str]") -> Place:
    line = text.count("\n", 0, found.start())
    return line + 1, found.start() - (text.rfind("\n", 0, found.start()) + 1) + 1


def _start(lines: list[str], at: Place) -> Place:
    line = lines[at[0] - 1]
    return at[0], len(line) - len(line.lstrip()) + 1


def _unclosed_quote(lines: list[str]) -> Place | None:
    """Return the first quote without a partner on its line. A parser uses the next one of the file."""
    for number, line in enumerate(lines):
        plain = re.sub(r"(?:^|\s)#.*$|\\.", lambda match: " " * len(match[0]), line)
        for quote in "\"'":
            opened = re.search(rf"(?:[:\[{{,-]\s+|^\s*|[\[{{]){quote}", plain)
            if opened and plain.count(quote) % 2:
                return number + 1, opened.end()
    return None
