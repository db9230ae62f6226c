"""The part of CloudWatch Logs' filter patterns for JSON events that this project uses, as AWS documents it.

Terms compare a property with a value (`=`, `!=`), `*` in a value matches any text, and `&&` binds more tightly than
`||`. A comparison with a property that an event lacks does not match; `NOT EXISTS` does. Values may be unquoted, as in
Astronomer's pages. This is more lenient than AWS, which requires quotes around all but letters and digits.
"""

import re
from collections.abc import Callable
from typing import Any

Match = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<operator>&&|\|\||!=|=|\(|\))
      | (?P<property>\$(?:\.[\w-]+)+)
      | "(?P<quoted>[^"]*)"
      | (?P<bare>[\w*:/.-]+)
    )\s*""",
    re.VERBOSE,
)


def compiled(pattern: str) -> Match:
    """Return a function that returns whether an event matches `pattern`. Raises ValueError for an invalid pattern."""
    body = re.fullmatch(r"\s*\{(.*)\}\s*", pattern, re.DOTALL)
    if not body:
        raise ValueError("a JSON pattern must be in braces")
    parser = _Parser(_tokens(body[1]))
    match = parser.any_of()
    if parser.tokens:
        raise ValueError(f"unexpected {parser.tokens[0][1]!r} after the end")
    return match


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if not token:
            raise ValueError(f"cannot read {text[position : position + 20]!r}")
        assert token.lastgroup
        found.append((token.lastgroup, token[token.lastgroup]))
        position = token.end()
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens

    def _take(self, *kinds: str) -> str:
        kind, text = self.tokens.pop(0) if self.tokens else ("", "the end")
        if kind not in kinds:
            raise ValueError(f"{' or '.join(kinds)} expected, not {text!r}")
        return text

    def _joined(self, by: str, part: Callable[[], Match]) -> list[Match]:
        parts = [part()]
        while self.tokens[:1] == [("operator", by)]:
            self.tokens.pop(0)
            parts.append(part())
        return parts

    def any_of(self) -> Match:
        parts = self._joined("||", self._all_of)
        return lambda event: any(part(event) for part in parts)

    def _all_of(self) -> Match:
        parts = self._joined("&&", self._term)
        return lambda event: all(part(event) for part in parts)

    def _term(self) -> Match:
        if self.tokens[:1] == [("operator", "(")]:
            self.tokens.pop(0)
            inside = self.any_of()
            if self._take("operator") != ")":
                raise ValueError("missing closing parenthesis")
            return inside
        path = self._take("property").split(".")[1:]
        if self.tokens[:2] == [("bare", "NOT"), ("bare", "EXISTS")]:
            del self.tokens[:2]
            return lambda event: not _has(event, path)
        operator = self._take("operator")
        if operator not in ("=", "!="):
            raise ValueError(f"= or != expected, not {operator!r}")
        wanted = re.compile(".*".join(map(re.escape, self._take("quoted", "bare").split("*"))), re.DOTALL)

        def match(event: Any) -> bool:
            value = event
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            return value is not None and bool(wanted.fullmatch(str(value))) == (operator == "=")

        return match


def _has(event: Any, path: list[str]) -> bool:
    for key in path:
        if not isinstance(event, dict) or key not in event:
            return False
        event = event[key]
    return True
