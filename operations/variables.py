"""Reads the values of Terraform variables as Terraform reads them from the environment."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from estate.errors import ExitCode, UserError
from estate.model import Estate
from estate.plan import secrets, stacks_of
from estate.state import CloudState
from modules.cross_account_role.props import EXTERNAL_IDS
from modules.entry import Secret

_TOKEN = re.compile(
    r'(?P<space>\s+|#[^\n]*|//[^\n]*|/\*.*?\*/)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<mark>[\[\]{},=:])|(?P<word>[\w.+-]+)',
    re.DOTALL,
)


@dataclass(frozen=True)
class Needed:
    """A value that Terraform needs for a stack and no file holds. `status` is None for a workspace's variable."""

    stack: str
    variable: str
    type: str
    status: str | None
    description: str
    workspace: str | None = None

    def __str__(self) -> str:
        if self.workspace:
            where = f"workspace {self.workspace} needs the sensitive variable {self.variable}"
            return f"{where}, {self.type}: {self.description}"
        return f"stack {self.stack} needs {self.variable}, {self.type} ({self.status}): {self.description}"


def report(estate: Estate, environ: Mapping[str, str]) -> Iterator[Needed]:
    """Yield each variable that Terraform needs from the environment: its status and description."""
    state_names = {plan.name: plan.state_name for plan in stacks_of(estate)}
    for stack, variable, secret in secrets(estate):
        if isinstance(estate.state, CloudState):
            workspace = estate.state.workspace(estate.name, state_names[stack])
            yield Needed(stack, variable, secret.type, None, secret.description, workspace)
        else:
            name = f"TF_VAR_{variable}"
            found = status(secret, environ.get(name)) or "set"
            yield Needed(stack, name, secret.type, found, secret.description)


def external_ids(environ: Mapping[str, str]) -> list[str]:
    """Return the external IDs of Astronomer's role; an empty list if their variable is not set. Raises UserError."""
    value = environ.get(name := f"TF_VAR_{EXTERNAL_IDS.variable()}")
    if value is None:
        return []
    if problem := status(EXTERNAL_IDS, value):
        raise UserError(f"{name} is {problem}; write it as {EXTERNAL_IDS.example()}", ExitCode.BAD_INPUT)
    ids = literal(value)
    return list(map(str, ids)) if isinstance(ids, list) else []


def status(secret: Secret, value: str | None) -> str | None:
    """Return the problem of a secret's value, without the value; None if there is no problem."""
    if value is None:
        return "not set"
    problem = secret.problem(literal(value))
    return problem and f"set, but {problem}"


def literal(text: str) -> object:
    """Return an HCL literal as lists, dicts and strings, to which Terraform converts numbers and booleans.

    Return None for `null` and for anything else: Terraform refuses expressions in a variable.
    """
    try:
        tokens = _tokens(text)
        value = _value(next(tokens), tokens)
        return value if next(tokens, None) is None else None
    except (StopIteration, ValueError, RecursionError):
        return None


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        if not (match := _TOKEN.match(text, place)):
            raise ValueError(text[place])
        place = match.end()
        if match.lastgroup != "space":
            yield match[0]


def _value(word: str, tokens: Iterator[str]) -> object:
    if word == "[":
        items: list[object] = []
        while (word := next(tokens)) != "]":
            items.append(_value(word, tokens))
            if (word := next(tokens)) == "]":
                break
            _expect(word, ",")
        return items
    if word == "{":
        entries: dict[str, object] = {}
        while (word := next(tokens)) != "}":
            # A new line separates entries as a comma does.
            if word != ",":
                key = _text(word) if word[0] == '"' else word
                _expect(next(tokens), "=:")
                entries[key] = _value(next(tokens), tokens)
        return entries
    if word == "null":
        return None
    if word[0] == '"':
        return _text(word)
    if word in ("true", "false") or re.fullmatch(r"-?\d+(\.\d+)?", word):
        return word
    raise ValueError(word)


def _text(word: str) -> str:
    if re.search(r"(?<!\$)\$\{|(?<!%)%\{", word):
        raise ValueError(word)
    return json.loads(word, strict=False).replace("$${", "${").replace("%%{", "%{")


def _expect(word: str, marks: str) -> None:
    if word not in marks:
        raise ValueError(word)
