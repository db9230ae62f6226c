"""The classes of requests that the patterns and conditions of policies distinguish."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from estate.errors import UserError
from estate.source import printable

MOST_STATES = 100_000
"""The limit on the work for one comparison. Larger documents are an error, and are never reported as equal."""


class _Variable(NamedTuple):
    """A policy variable such as ${aws:username}; only the request has its text."""

    text: str


_ANY_ONE, _ANY_MANY, _ONE_IN_PART, _MANY_IN_PART = object(), object(), object(), object()
Pattern = tuple[Any, ...]


def pattern_of(text: str, *, variables: bool, wildcards: bool = True, arn: bool = False) -> Pattern:
    """Return the characters, wildcards and variables of a pattern. In Version 2008-10-17, `${` has no meaning.

    The operators on an ARN compare its six parts one by one, so a wildcard in the first five matches no colon.
    """
    if arn and text.count(":") >= 5:
        *parts, last = text.split(":", 5)
        first = pattern_of(":".join(parts) + ":", variables=variables)
        within = {_ANY_ONE: _ONE_IN_PART, _ANY_MANY: _MANY_IN_PART}
        return tuple(within.get(one, one) for one in first) + pattern_of(last, variables=variables)
    result: list[Any] = []
    for variable, character in re.findall(r"(\$\{[^{}]*\})|(.)", text, re.DOTALL):
        if variable and variables:
            # ${*}, ${?} and ${$} escape the characters themselves.
            result.append(variable[2] if variable in ("${*}", "${?}", "${$}") else _Variable(variable.lower()))
            continue
        for one in variable or character:
            if wildcards and one == "*":
                if not result or result[-1] is not _ANY_MANY:
                    result.append(_ANY_MANY)
            else:
                result.append(_ANY_ONE if wildcards and one == "?" else one)
    return tuple(result)


@dataclass(frozen=True)
class Patterns:
    """A set of patterns, or everything outside it (NotAction, NotResource)."""

    texts: tuple[str, ...]
    patterns: tuple[Pattern, ...]
    negated: bool = False

    def parts(self) -> Iterator[tuple[str, "Patterns"]]:
        """Yield the parts of a grant: each pattern, or all exceptions, with its text."""
        if self.negated:
            yield f"all but {', '.join(sorted(self.texts))}", self
        else:
            for text, pattern in zip(self.texts, self.patterns, strict=True):
                yield text, Patterns((text,), (pattern,))


@dataclass(frozen=True)
class Constraint:
    """One operator on one key of a Condition block."""

    operator: str
    key: str
    values: tuple[str, ...]
    variables: bool

    @cached_property
    def quantifier(self) -> str:
        return self.operator.partition(":")[0] if ":" in self.operator else ""

    @cached_property
    def optional(self) -> bool:
        return self.operator.endswith("ifexists")

    @cached_property
    def name(self) -> str:
        return self.operator.rpartition(":")[2].removesuffix("ifexists")

    @cached_property
    def negative(self) -> bool:
        return "not" in self.name

    @cached_property
    def kind(self) -> str | None:
        """Return what the operator compares: "text", "number", "date", "address", or "null" for presence."""
        return next((kind for kind, names in _KINDS.items() if self.name in names), None)

    def mistake(self) -> str | None:
        """Return the reason why it cannot be compared, or None."""
        if self.kind is None or self.quantifier not in ("", "foranyvalue", "forallvalues"):
            return f"has the operator {printable(self.operator)}, which is not one of IAM's"
        for value in self.values if self.kind in _BOUNDS else ():
            if not list(_BOUNDS[self.kind]([value])):
                what = f"{'an' if self.kind == 'address' else 'a'} {self.kind}"
                return f"has {printable(value)} in {self.operator} of {printable(self.key)}, which is not {what}"
        return None

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """Return the patterns for the key's text; empty for an operator on numbers, dates, addresses or presence."""
        if self.kind != "text":
            return ()
        arn = self.name.startswith("arn")
        values = [value.lower() if self.ignores_case else value for value in self.values]
        return tuple(
            pattern_of(value, variables=self.variables, wildcards=arn or "like" in self.name, arn=arn)
            for value in values
        )

    @cached_property
    def ignores_case(self) -> bool:
        return "ignorecase" in self.name or self.name == "bool"


class Classes:
    """Return texts, one for each way in which texts can match a set of patterns.

    A variable can have any text. Each of its positions is independent of the others, so that two patterns may match
    together although no text of the variable allows it. No way in which a request can match is missed.
    """

    def __init__(self, patterns: Iterable[Pattern], *, ignore_case: Iterable[Pattern] = ()) -> None:
        self._bits: dict[tuple[Pattern, bool], int] = {}
        self._literal: dict[str, int] = {}
        self._variables: dict[_Variable, int] = {}
        self._one = self._many = self._in_part = self._first = last = 0
        for pattern, folded in [*((one, False) for one in patterns), *((one, True) for one in ignore_case)]:
            if (pattern, folded) in self._bits:
                continue
            self._first |= 1 << last
            for symbol in pattern:
                bit = 1 << last
                if symbol in (_ONE_IN_PART, _MANY_IN_PART):
                    self._in_part |= bit
                if symbol in (_ANY_ONE, _ONE_IN_PART):
                    self._one |= bit
                elif symbol in (_ANY_MANY, _MANY_IN_PART):
                    self._many |= bit
                elif isinstance(symbol, _Variable):
                    self._variables[symbol] = self._variables.get(symbol, 0) | bit
                else:
                    for same in {symbol.lower(), symbol.upper()} if folded else {symbol}:
                        self._literal[same] = self._literal.get(same, 0) | bit
                last += 1
            self._bits[pattern, folded] = 1 << last
            last += 1
        ends = sum(self._bits.values())
        # A character that occurs in no pattern represents all such characters.
        self._literal.setdefault(next(chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in self._literal), 0)
        reached = self._reachable(ends)
        self.numbers = frozenset(range(len(reached)))
        self._matching = {
            key: frozenset(number for number, end in enumerate(reached) if end & bit) for key, bit in self._bits.items()
        }

    def matching(self, pattern: Pattern, *, folded: bool = False) -> frozenset[int]:
        """Return the classes whose texts match the pattern."""
        return self._matching[pattern, folded]

    def only_texts(self) -> dict[int, str]:
        """Return the text of each class that has one text: those that match a pattern without wildcards."""
        return {
            number: "".join(pattern)
            for (pattern, _), numbers in self._matching.items()
            if all(isinstance(symbol, str) for symbol in pattern)
            for number in numbers
        }

    def _reachable(self, ends: int) -> list[int]:
        """Return the matching patterns for each combination that a text can have.

        Runs all patterns at once over every text, as automata. A state is the set of positions in the patterns after a
        text, as a bit mask, and those after the variables that have begun in the text.
        """
        waiting: list[tuple[int, int]] = [(self._closed(self._first), 0)]
        seen, found = set(waiting), {waiting[0][0] & ends: None}
        while waiting:
            for after in self._after(*waiting.pop()):
                if after not in seen:
                    if len(seen) >= MOST_STATES:
                        raise UserError("the two documents have too many patterns to compare; compare parts of them")
                    seen.add(after)
                    found[after[0] & ends] = None
                    waiting.append(after)
        return list(found)

    def _after(self, state: int, begun: int) -> Iterator[tuple[int, int]]:
        """Yield the states after another character, or after the beginning or the end of a variable."""
        for character, literal in self._literal.items():
            without = self._in_part if character == ":" else 0
            one, many = self._one & ~without | literal, self._many & ~without
            yield self._closed((state & one) << 1 | state & many), begun
        for variable in self._variables.values():
            yield state, begun | (state & variable) << 1
        yield self._closed(state | begun), begun

    def _closed(self, state: int) -> int:
        """Return the positions, including those after a `*`, which can match nothing."""
        return state | (state & self._many) << 1


_Meaning = dict[str, Any]
"""The number, date and address that a text is, by kind."""


class Key:
    """Return the values of a context key in requests, one for each way in which conditions can distinguish them.

    A value is a text, which may be a number, a date or an address. If a key has operators of several of these kinds,
    some of the values may be in no request. None that a request can have is missed.
    """

    def __init__(self, constraints: Sequence[Constraint]) -> None:
        self._constraints = constraints
        self._texts = Classes(
            (pattern for one in constraints if not one.ignores_case for pattern in one.patterns),
            ignore_case=(pattern for one in constraints if one.ignores_case for pattern in one.patterns),
        )
        missing = tuple(self._holds_for_none(one) for one in constraints)
        single = {tuple(self._matches(one, *value) for one in constraints): None for value in self._values()}
        several = self._sets(list(single)) if any(one.quantifier for one in constraints) else ()
        truths = dict.fromkeys([missing, *single, *several])
        self.truths = [dict(zip(constraints, truth, strict=True)) for truth in truths]

    def _values(self) -> Iterator[tuple[int, _Meaning]]:
        """Yield the class of each value's text with the value's meaning."""
        points: dict[str, set[Any]] = {kind: set() for kind in _BOUNDS}
        for one in self._constraints:
            if (kind := one.kind) in _BOUNDS:
                points[kind].update(_BOUNDS[kind](one.values))
        # Date operators accept numbers, too, as seconds since 1970.
        numbers = sorted(points["number"] | points["date"])
        meanings: list[_Meaning] = [
            {},
            *({"number": number, "date": number} for number in numbers),
            *({"date": date} for date in sorted(points["date"])),
            *({"address": address} for address in sorted(points["address"])),
        ]
        known = self._texts.only_texts()
        for number in sorted(self._texts.numbers):
            for meaning in [_meaning(known[number])] if number in known else meanings:
                yield number, meaning

    def _sets(self, single: list[tuple[bool, ...]]) -> Iterator[tuple[bool, ...]]:
        """Yield the truths for sets of values: ForAnyValue holds if it holds for one of them, others for all."""
        seen, waiting = set(single), list(single)
        while waiting:
            one = waiting.pop()
            for other in single:
                pairs = zip(self._constraints, one, other, strict=True)
                both = tuple(a or b if each.quantifier == "foranyvalue" else a and b for each, a, b in pairs)
                if both not in seen:
                    if len(seen) >= MOST_STATES:
                        raise UserError("the two documents have too many conditions to compare; compare parts of them")
                    seen.add(both)
                    waiting.append(both)
                    yield both

    def _holds_for_none(self, constraint: Constraint) -> bool:
        if constraint.name == "null":
            return "true" in constraint.values
        if constraint.quantifier:
            return constraint.quantifier == "forallvalues" or constraint.optional
        return constraint.optional or constraint.negative

    def _matches(self, constraint: Constraint, text: int, meaning: _Meaning) -> bool:
        if constraint.kind == "null":
            return "true" not in constraint.values
        if constraint.kind == "text":
            folded = constraint.ignores_case
            hit = any(text in self._texts.matching(one, folded=folded) for one in constraint.patterns)
            return hit != constraint.negative
        if constraint.kind not in meaning:
            return constraint.negative
        return _TESTS[constraint.kind](constraint.name, meaning[constraint.kind], constraint.values)


def _meaning(text: str) -> _Meaning:
    found: _Meaning = {"number": _number(text), "date": _timestamp(text), "address": _address(text)}
    return {kind: value for kind, value in found.items() if value is not None}


def _address(value: str) -> tuple[int, int] | None:
    try:
        address = ip_address(value)
    except ValueError:
        return None
    return address.version, int(address)


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _timestamp(value: str) -> float | None:
    if (number := _number(value)) is not None:
        return number
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _addresses(values: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Return the first address of each range and its neighbours; the result is constant between them."""
    for value in values:
        try:
            network = ip_network(value, strict=False)
        except ValueError:
            continue
        first, last = int(network.network_address), int(network.broadcast_address)
        yield from ((network.version, number) for number in (first, last + 1, first - 1) if number >= 0)


def _around(read: Callable[[str], float | None]) -> Callable[[Iterable[str]], Iterator[float]]:
    """Return each value and its neighbours; the result is constant between them."""

    def points(values: Iterable[str]) -> Iterator[float]:
        for value in values:
            if (number := read(value)) is not None:
                yield from (number, number - 0.5, number + 0.5)

    return points


def _compares(read: Callable[[str], float | None]) -> Callable[[str, float, Sequence[str]], bool]:
    def holds(operator: str, found: float, values: Sequence[str]) -> bool:
        wanted = [number for value in values if (number := read(value)) is not None]
        if "equals" in operator and "than" not in operator:
            return (found in wanted) != ("not" in operator)
        less, equal = "less" in operator, "equals" in operator
        return any((found < one if less else found > one) or (equal and found == one) for one in wanted)

    return holds


def _inside(operator: str, found: tuple[int, int], values: Sequence[str]) -> bool:
    version, number = found
    inside = False
    for value in values:
        try:
            network = ip_network(value, strict=False)
        except ValueError:
            continue
        if network.version == version and number < 2**network.max_prefixlen:
            address = ip_address(number) if version == 4 else ip_address(number.to_bytes(16, "big"))
            inside = inside or address in network
    return inside != ("not" in operator)


_COMPARISONS = ("equals", "notequals", "lessthan", "lessthanequals", "greaterthan", "greaterthanequals")
_KINDS: dict[str, tuple[str, ...]] = {
    "number": tuple(f"numeric{one}" for one in _COMPARISONS),
    "date": tuple(f"date{one}" for one in _COMPARISONS),
    "address": ("ipaddress", "notipaddress"),
    "text": (
        *(f"string{one}" for one in ("equals", "notequals", "like", "notlike")),
        *("stringequalsignorecase", "stringnotequalsignorecase", "binaryequals", "bool"),
        *(f"arn{one}" for one in ("equals", "notequals", "like", "notlike")),
    ),
    "null": ("null",),
}
_BOUNDS: dict[str, Callable[[Iterable[str]], Iterator[Any]]] = {
    "number": _around(_number),
    "date": _around(_timestamp),
    "address": _addresses,
}
_TESTS: dict[str, Callable[[str, Any, Sequence[str]], bool]] = {
    "number": _compares(_number),
    "date": _compares(_timestamp),
    "address": _inside,
}
