"""The classes of requests that the patterns and conditions of policies distinguish."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from estate.errors import UserError

MOST_STATES = 100_000
"""The limit on the work for one comparison; larger documents are refused, never reported as equal."""


class _Variable(NamedTuple):
    """A policy variable such as ${aws:username}; only the request has its text."""

    text: str


_ANY_ONE, _ANY_MANY = object(), object()
Pattern = tuple[Any, ...]


def pattern_of(text: str, *, variables: bool, wildcards: bool = True) -> Pattern:
    """Return the characters, wildcards and variables of a pattern. In Version 2008-10-17, `${` has no meaning."""
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
    def patterns(self) -> tuple[Pattern, ...]:
        """Return the patterns for the key's text; empty for an operator on numbers, dates, addresses or presence."""
        if not self.name.startswith(("string", "arn", "binary", "bool")):
            return ()
        wildcards = "like" in self.name or self.name.startswith("arn")
        values = [value.lower() if self.ignores_case else value for value in self.values]
        return tuple(pattern_of(value, variables=self.variables, wildcards=wildcards) for value in values)

    @cached_property
    def ignores_case(self) -> bool:
        return "ignorecase" in self.name or self.name == "bool"


class Classes:
    """Return texts, one for each way in which texts can match a set of patterns."""

    def __init__(self, patterns: Iterable[Pattern], *, ignore_case: Iterable[Pattern] = ()) -> None:
        self._bits: dict[tuple[Pattern, bool], int] = {}
        self._literal: dict[Any, int] = {}
        self._one = self._many = self._first = last = 0
        for pattern, folded in [*((one, False) for one in patterns), *((one, True) for one in ignore_case)]:
            if (pattern, folded) in self._bits:
                continue
            self._first |= 1 << last
            for symbol in pattern:
                bit = 1 << last
                if symbol is _ANY_ONE:
                    self._one |= bit
                elif symbol is _ANY_MANY:
                    self._many |= bit
                else:
                    for same in {symbol.lower(), symbol.upper()} if folded and isinstance(symbol, str) else {symbol}:
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

    def _reachable(self, ends: int) -> list[int]:
        """Return the matching patterns for each combination that a text can have.

        Runs all patterns at once over every text, as automata. A state is the set of positions in the patterns after a
        text, as a bit mask.
        """
        state = self._closed(self._first)
        seen, found, waiting = {state}, {state & ends: None}, [state]
        while waiting:
            state = waiting.pop()
            for symbol, literal in self._literal.items():
                # A variable's text can have any length, so ? does not reliably match it.
                one = 0 if isinstance(symbol, _Variable) else self._one
                after = self._closed(((state & (one | literal)) << 1) | (state & self._many))
                if after not in seen:
                    if len(seen) >= MOST_STATES:
                        raise UserError("the patterns of the two are too many to compare: compare parts of them")
                    seen.add(after)
                    found[after & ends] = None
                    waiting.append(after)
        return list(found)

    def _closed(self, state: int) -> int:
        """Return the positions, including those after a `*`, which can match nothing."""
        return state | (state & self._many) << 1


class Key:
    """Return the values of a context key in requests, one for each way in which conditions can distinguish them."""

    def __init__(self, constraints: Sequence[Constraint]) -> None:
        self._texts = Classes(
            (pattern for one in constraints if not one.ignores_case for pattern in one.patterns),
            ignore_case=(pattern for one in constraints if one.ignores_case for pattern in one.patterns),
        )
        values: list[Any] = [("text", number) for number in sorted(self._texts.numbers)]
        for kind, bounds in _BOUNDS.items():
            points = {point for one in constraints if one.name in _KINDS[kind] for point in bounds(one.values)}
            values += [(kind, point) for point in sorted(points)]
        several = any(one.quantifier for one in constraints)
        # A request has no value, one value or, for a key with several, any set. Sets of up to three distinguish any two
        # conditions.
        sizes = (1, 2, 3) if several and len(values) <= 12 else (1, 2) if several else (1,)
        truths = {tuple(self._holds(one, ()) for one in constraints): None}
        for size in sizes:
            for chosen in itertools.combinations(values, size):
                truths[tuple(self._holds(one, chosen) for one in constraints)] = None
        self.truths = [dict(zip(constraints, truth, strict=True)) for truth in truths]

    def _holds(self, constraint: Constraint, values: Sequence[tuple[str, Any]]) -> bool:
        if constraint.name == "null":
            return (not values) == ("true" in constraint.values)
        if constraint.quantifier == "foranyvalue":
            return any(self._matches(constraint, value) for value in values) or (constraint.optional and not values)
        if constraint.quantifier == "forallvalues":
            return all(self._matches(constraint, value) for value in values)
        if not values:
            return constraint.optional or constraint.negative
        return all(self._matches(constraint, value) for value in values)

    def _matches(self, constraint: Constraint, value: tuple[str, Any]) -> bool:
        kind, found = value
        if constraint.patterns:
            if kind != "text":
                return constraint.negative
            folded = constraint.ignores_case
            hit = any(found in self._texts.matching(one, folded=folded) for one in constraint.patterns)
            return hit != constraint.negative
        if kind == "text" or constraint.name not in _KINDS[kind]:
            return constraint.negative
        return _TESTS[kind](constraint.name, found, constraint.values)


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


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
