"""The comparison of policies against IAM's evaluation of concrete requests."""

import itertools
import json
import os
import random
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from ipaddress import ip_address, ip_network
from operator import and_
from typing import Any

import pytest

from estate.errors import ExitCode, UserError
from modules.parts.iam_policy.props import listed
from operations.policy.compare import compare
from tools.evidence import record

Document = dict[str, Any]

# Short strings of few characters, which match the patterns below in every possible combination.
TEXTS = ["".join(one) for length in range(5) for one in itertools.product("abx", repeat=length)]
PATTERNS = ["".join(one) for length in (1, 2, 3) for one in itertools.product("ab?*", repeat=length)]
EVERY_TEXT = (1 << len(TEXTS)) - 1
ONE_IN_EACH_ROW = sum(1 << (len(TEXTS) * row) for row in range(len(TEXTS)))
EVERY_REQUEST = (1 << len(TEXTS) ** 2) - 1
VALUES: dict[str, tuple[Any, ...]] = {
    "k": (None, "a", "A", "ab", "b", "x"),
    "n": (None, "4", "5", "6", "x"),
    "s": (None, "true", "false"),
    "i": (None, "10.0.0.1", "10.0.0.2", "10.1.0.1", "x"),
    "d": (None, "1", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "x"),
    "r": (None, "arn:aws:s3:::a", "arn:aws:s3:::b", "arn:aws:s3:a:b:a"),
    "m": tuple(one for size in range(5) for one in itertools.combinations("abxy", size)),
}
"""Values of each context key; a tuple is the value of a key with several."""


@cache
def texts_matching(pattern: str) -> int:
    """Return the strings that a pattern matches, as a bit mask."""
    expression = re.compile("".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern))
    return sum(1 << number for number, text in enumerate(TEXTS) if expression.fullmatch(text))


@cache
def in_rows(actions: int) -> int:
    """Every resource of each action: a request is a bit, and the resources of one action are a row."""
    return sum(EVERY_TEXT << (len(TEXTS) * row) for row in range(len(TEXTS)) if actions >> row & 1)


def matched(statement: Document, element: str) -> int:
    found = 0
    for pattern in statement[element if element in statement else f"Not{element}"]:
        found |= texts_matching(pattern)
    return found if element in statement else EVERY_TEXT & ~found


def conditions_that_hold(statements: list[Document]) -> set[tuple[bool, ...]]:
    """Return the statements whose conditions hold, for every combination of values."""
    result: set[tuple[bool, ...]] = set()
    conditions = [statement.get("Condition", {}) for statement in statements]
    keys = sorted({key for condition in conditions for block in condition.values() for key in block})
    for u in ("a", "ab"):
        together = {(True,) * len(statements)}
        for key in keys:
            holding = {tuple(holds(one, key, {key: value, "u": u}) for one in conditions) for value in VALUES[key]}
            together = {tuple(map(and_, one, other)) for one in together for other in holding}
        result |= together
    return result


def holds(condition: Document, key: str, context: dict[str, Any]) -> bool:
    return all(
        one_holds(operator, context[key], listed(block[key]), context)
        for operator, block in condition.items()
        if key in block
    )


def one_holds(operator: str, found: Any, values: list[Any], context: dict[str, Any]) -> bool:
    quantifier, _, name = operator.rpartition(":")
    if name == "Null":
        return (not found) == (values[0] == "true")
    base = name.removesuffix("IfExists")
    wanted = [
        str(value).lower() if isinstance(value, bool) else value.replace("${u}", context["u"]) for value in values
    ]
    if quantifier:
        if not found and base != name:
            return True
        return (any if quantifier == "ForAnyValue" else all)(value_holds(base, one, wanted) for one in found)
    if found is None:
        return base != name or "Not" in base
    return value_holds(base, found, wanted)


def like(pattern: str, found: str, any_character: str = ".") -> bool:
    expression = "".join({"*": f"{any_character}*", "?": any_character}.get(one, re.escape(one)) for one in pattern)
    return re.fullmatch(expression, found) is not None


def arn_like(pattern: str, found: str) -> bool:
    (*parts, last), (*found_parts, found_last) = pattern.split(":", 5), found.split(":", 5)
    return all(like(*pair, "[^:]") for pair in zip(parts, found_parts, strict=True)) and like(last, found_last)


def time(text: str) -> float:
    return float(text) if text.isdigit() else datetime.fromisoformat(text).timestamp()


def value_holds(base: str, found: str, wanted: list[str]) -> bool:
    tests: dict[str, Callable[[], bool]] = {
        "StringEquals": lambda: found in wanted,
        "StringEqualsIgnoreCase": lambda: found.lower() in [value.lower() for value in wanted],
        "StringLike": lambda: any(like(one, found) for one in wanted),
        "ArnLike": lambda: any(arn_like(one, found) for one in wanted),
        "Bool": lambda: found in wanted,
        "NumericLessThan": lambda: float(found) < float(wanted[0]),
        "NumericEquals": lambda: float(found) == float(wanted[0]),
        "DateLessThan": lambda: time(found) < time(wanted[0]),
        "IpAddress": lambda: any(ip_address(found) in ip_network(one) for one in wanted),
    }
    positive = "IpAddress" if base == "NotIpAddress" else base.replace("Not", "")
    try:
        return tests[positive]() == (positive == base)
    except ValueError:
        # The value is not of the operator's kind.
        return positive != base


def evaluated(statements: list[Document], holding: tuple[bool, ...]) -> tuple[int, int]:
    """Return the requests that are allowed, and those that are denied explicitly."""
    hit = {"Allow": 0, "Deny": 0}
    for statement, holds_now in zip(statements, holding, strict=True):
        if holds_now:
            hit[statement["Effect"]] |= requests_of(json.dumps(statement))
    return hit["Allow"] & ~hit["Deny"], hit["Deny"]


@cache
def requests_of(statement: str) -> int:
    read = json.loads(statement)
    return in_rows(matched(read, "Action")) & matched(read, "Resource") * ONE_IN_EACH_ROW


def truth(old: Document, new: Document) -> tuple[bool, bool]:
    """Return whether some request gets more from `new`, and whether some request gets less."""
    wider = narrower = False
    before, after = old["Statement"], new["Statement"]
    for holding in conditions_that_hold([*before, *after]):
        allowed, denied = evaluated(before, holding[: len(before)])
        allowed_after, denied_after = evaluated(after, holding[len(before) :])
        wider = wider or bool(allowed_after & ~allowed | denied & ~denied_after)
        narrower = narrower or bool(allowed & ~allowed_after | denied_after & ~denied)
    return wider, narrower


CONDITIONS: list[Document] = [
    {},
    {},
    {},
    {"StringEquals": {"k": "a"}},
    {"StringEquals": {"k": ["a", "b"]}},
    {"StringEqualsIgnoreCase": {"k": "a"}},
    {"StringLike": {"k": "a?"}},
    {"StringLike": {"k": ["a*", "b"]}},
    {"StringNotEquals": {"k": "a"}},
    {"StringNotLikeIfExists": {"k": "a*"}},
    {"StringEqualsIfExists": {"k": "b"}},
    {"Null": {"k": "true"}},
    {"Bool": {"s": True}},
    {"Bool": {"s": "false"}, "StringEquals": {"k": "ab"}},
    {"NumericLessThan": {"n": "5"}},
    {"NumericEquals": {"n": "5"}, "Null": {"s": "false"}},
    {"IpAddress": {"i": "10.0.0.0/16"}},
    {"NotIpAddress": {"i": ["10.0.0.2", "10.1.0.0/16"]}},
    {"DateLessThan": {"d": "2026-06-01T00:00:00Z"}},
    {"ArnLike": {"r": "arn:aws:s3:*:*:a"}},
    {"ForAnyValue:StringEquals": {"m": "a"}, "ForAnyValue:StringLike": {"m": ["b", "c*"]}},
    {"ForAllValues:StringEquals": {"m": ["a", "b"]}},
    {"ForAllValues:StringNotEquals": {"m": "x"}, "ForAnyValue:StringEquals": {"m": "b"}},
]
MIXED: list[Document] = [
    {"IpAddress": {"i": "0.0.0.0/0"}, "StringLike": {"i": "*"}},
    {"IpAddress": {"i": "10.0.0.0/16"}, "StringNotEquals": {"i": "10.0.0.1"}},
    {"StringEquals": {"i": "10.0.0.1"}},
    {"DateLessThan": {"d": "2026-06-01T00:00:00Z"}, "StringLike": {"d": "*"}},
    {"NumericLessThan": {"d": "5"}, "DateLessThan": {"d": "2026-06-01T00:00:00Z"}},
    {"NumericLessThan": {"n": "6"}, "StringLike": {"n": ["4", "5*"]}},
    {"ArnLike": {"r": "arn:aws:s3:*:*:a"}, "StringNotLike": {"r": "arn:aws:s3:?:*"}},
    {"StringEquals": {"k": "${u}"}},
    {"StringEquals": {"k": "${u}"}, "StringLike": {"k": "a*"}},
    {"StringNotEquals": {"k": ["${u}", "b"]}},
]
"""Conditions for which `compare` can report a difference that no request shows, but must not miss one."""


def random_statement(dice: random.Random, conditions: list[Document]) -> Document:
    def some() -> list[str]:
        return dice.sample(PATTERNS, dice.choice((1, 1, 1, 2)))

    action, resource = (dice.choices(("", "Not"), (5, 1))[0] + element for element in ("Action", "Resource"))
    statement = {"Effect": dice.choices(("Allow", "Deny"), (3, 1))[0], action: some(), resource: some()}
    condition = dice.choice(conditions)
    return statement | ({"Condition": condition} if condition else {})


def random_pair(dice: random.Random, conditions: list[Document] = CONDITIONS) -> tuple[Document, Document]:
    """Return two documents that usually have something in common."""
    old = [random_statement(dice, conditions) for _ in range(dice.choice((1, 2, 2, 3)))]
    new = [one if dice.random() < 0.7 else random_statement(dice, conditions) for one in old]
    if dice.random() < 0.3:
        new.append(random_statement(dice, conditions))
    if dice.random() < 0.3:
        one = dict(dice.choice(new))
        element = next(element for element in ("Action", "NotAction") if element in one)
        one[element] = [pattern.replace("?", "*", 1) for pattern in one[element]]
        new.append(one)
    version = {"Version": "2012-10-17"}
    return version | {"Statement": old}, version | {"Statement": new}


def rewritten(document: Document, dice: random.Random) -> Document:
    """Return the same document, as AWS or another tool may write it."""
    statements = [dict(one) for one in document["Statement"]]
    dice.shuffle(statements)
    for statement in statements:
        for element in ("Action", "Resource"):
            if element in statement:
                values = [*statement[element], *dice.sample(statement[element], dice.choice((0, 1)))]
                dice.shuffle(values)
                statement[element] = values[0] if len(values) == 1 else values
        if "Condition" in statement:
            statement["Condition"] = {
                dice.choice((operator, operator.lower(), operator.upper())): {
                    dice.choice((key, key.upper())): rewritten_values(values, dice) for key, values in keys.items()
                }
                for operator, keys in dice.sample(list(statement["Condition"].items()), len(statement["Condition"]))
            }
    return document | {"Statement": statements[0] if len(statements) == 1 else statements}


def rewritten_values(values: Any, dice: random.Random) -> Any:
    several = [str(one).lower() if isinstance(one, bool) else one for one in listed(values)]
    dice.shuffle(several)
    return dice.choice((several, several[0])) if len(several) == 1 else several


# ASTRO_POLICY_PAIRS sets the number. Fuzzing in an audit used 50,000.
PAIRS = int(os.environ.get("ASTRO_POLICY_PAIRS", "1500"))


@pytest.mark.slow
def test_a_widening_is_reported_exactly_when_a_request_gets_more() -> None:
    dice = random.Random(14)  # noqa: S311
    wider = narrower = same = 0
    for number in range(PAIRS):
        old, new = random_pair(dice)
        changes = compare([old], [new])
        expected = truth(old, new)
        assert (
            any(change.widens for change in changes),
            any(not change.widens for change in changes),
        ) == expected, f"pair {number}: {json.dumps([old, new])} {list(map(str, changes))}"
        wider, narrower, same = wider + expected[0], narrower + expected[1], same + (expected == (False, False))
        assert compare([old], [rewritten(old, dice)]) == [], f"pair {number}: {json.dumps(old)}"
    assert min(wider, narrower, same) > PAIRS / 20
    if PAIRS == 1500:
        record("pairs of policies compared as IAM evaluates them", f"{PAIRS:,}; 0 differences missed or invented")


@pytest.mark.slow
def test_mixed_conditions_and_variables_hide_no_difference() -> None:
    dice = random.Random(14)  # noqa: S311
    found = [0, 0]
    for number in range(PAIRS // 3):
        old, new = random_pair(dice, MIXED)
        changes = compare([old], [new])
        for index, expected in enumerate(truth(old, new)):
            found[index] += expected
            assert not expected or any(change.widens == (index == 0) for change in changes), (
                f"pair {number}: {json.dumps([old, new])} {list(map(str, changes))}"
            )
        assert compare([old], [rewritten(old, dice)]) == [], f"pair {number}: {json.dumps(old)}"
    assert min(found) > PAIRS / 60


def allow(condition: Document, resource: str = "*", **more: Any) -> Document:
    statement = {"Effect": "Allow", "Action": "iam:*", "Resource": resource, "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [statement | more]}


ARNS = "arn:aws:iam::*:role/a"
FOUR = ("StringEquals", "StringLike", "ArnLike", "Bool")
ACCOUNT = {"AWS": "arn:aws:iam::111111111111:root"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (None, allow({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}, "StringLike": {"aws:SourceIp": "*"}})),
        (None, allow({"DateLessThan": {"aws:CurrentTime": "2030-01-01"}, "StringLike": {"aws:CurrentTime": "*"}})),
        (None, allow({"NumericLessThan": {"aws:EpochTime": "9"}, "DateLessThan": {"aws:EpochTime": "2030-01-01"}})),
        (None, allow({"StringEquals": {"k": "${aws:username}"}, "StringLike": {"k": "bob*"}})),
        (None, allow({"StringEquals": {"k": ["${a:b}"]}, "StringLike": {"k": "${a:c}"}})),
        (
            None,
            allow({f"ForAnyValue:{name}": {"k": name} for name in ("StringEquals", "StringLike", "ArnLike", "Bool")}),
        ),
        (allow({"ArnLike": {"k": ARNS}}), allow({"StringLike": {"k": ARNS}})),
        (allow({}, Principal={"AWS": "111111111111"}), allow({}, Principal={"AWS": "111111111112"})),
    ],
)
def test_a_widening_is_reported(old: Document | None, new: Document) -> None:
    assert any(change.widens for change in compare([old] if old else [], [new]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (allow({}, Principal={"AWS": "111111111111"}), allow({}, Principal=ACCOUNT)),
        (
            allow({"StringEquals": {"k": "10.0.0.1"}}),
            allow({"StringEquals": {"k": "10.0.0.1"}, "IpAddress": {"k": "10.0.0.0/8"}}),
        ),
        (
            allow({"StringEquals": {"k": "5"}}),
            allow({"StringEquals": {"k": "5"}, "NumericLessThan": {"k": "6"}, "DateLessThan": {"k": "2000-01-01"}}),
        ),
    ],
)
def test_documents_with_one_meaning_are_equal(old: Document, new: Document) -> None:
    assert compare([old], [new]) == []


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ({"DateLessThan": {"k": "tomorrow"}}, "has tomorrow in datelessthan of k, which is not a date"),
        ({"IpAddress": {"k": "all"}}, "has all in ipaddress of k, which is not an address"),
        ({"NumericEquals": {"k": "nan"}}, "has nan in numericequals of k, which is not a number"),
        ({"StringIs\x07": {"k": "a"}}, "has the operator stringis\\x07, which is not one of IAM's"),
        ({"Each:StringLike": {"k": "a"}}, "has the operator each:stringlike, which is not one of IAM's"),
    ],
)
def test_a_condition_that_cannot_be_read_is_never_equal(condition: Document, told: str) -> None:
    with pytest.raises(UserError) as refused:
        compare([], [allow(condition)])
    assert (str(refused.value), refused.value.code) == (f"statement 1 of the new document {told}", ExitCode.BAD_INPUT)
