"""The comparison of policies against IAM's evaluation of concrete requests."""

import itertools
import json
import os
import random
import re
from functools import cache
from typing import Any

import pytest

from operations.policy.compare import compare
from tools.evidence import record

Document = dict[str, Any]

# Short strings of few characters, which match the patterns below in every possible combination.
TEXTS = ["".join(one) for length in range(5) for one in itertools.product("abx", repeat=length)]
PATTERNS = ["".join(one) for length in (1, 2, 3) for one in itertools.product("ab?*", repeat=length)]
EVERY_TEXT = (1 << len(TEXTS)) - 1
ONE_IN_EACH_ROW = sum(1 << (len(TEXTS) * row) for row in range(len(TEXTS)))
EVERY_REQUEST = (1 << len(TEXTS) ** 2) - 1
CONTEXTS: list[dict[str, str]] = [
    {key: value for key, value in (("k", k), ("n", n), ("s", s)) if value is not None}
    for k in (None, "a", "A", "ab", "b", "x")
    for n in (None, "4", "5", "6")
    for s in (None, "true", "false")
]


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


def holds(condition: Document, context: dict[str, str]) -> bool:
    return all(
        one_holds(operator, context.get(key), values if isinstance(values, list) else [values])
        for operator, keys in condition.items()
        for key, values in keys.items()
    )


def one_holds(operator: str, found: str | None, values: list[Any]) -> bool:
    if operator == "Null":
        return (found is None) == (values[0] == "true")
    base = operator.removesuffix("IfExists")
    if found is None:
        return base != operator or "Not" in base
    wanted = [str(value).lower() if isinstance(value, bool) else value for value in values]
    return {
        "StringEquals": lambda: found in wanted,
        "StringNotEquals": lambda: found not in wanted,
        "StringEqualsIgnoreCase": lambda: found.lower() in [value.lower() for value in wanted],
        "StringLike": lambda: any(re.fullmatch(one.replace("?", ".").replace("*", ".*"), found) for one in wanted),
        "StringNotLike": lambda: (
            not any(re.fullmatch(one.replace("?", ".").replace("*", ".*"), found) for one in wanted)
        ),
        "Bool": lambda: found in wanted,
        "NumericLessThan": lambda: float(found) < float(wanted[0]),
        "NumericEquals": lambda: float(found) == float(wanted[0]),
    }[base]()


def evaluated(document: Document, context: dict[str, str]) -> tuple[int, int]:
    """Return the requests that are allowed, and those that are denied explicitly."""
    hit = {"Allow": 0, "Deny": 0}
    for statement in document["Statement"]:
        if holds(statement.get("Condition", {}), context):
            resources = matched(statement, "Resource") * ONE_IN_EACH_ROW
            hit[statement["Effect"]] |= in_rows(matched(statement, "Action")) & resources
    return hit["Allow"] & ~hit["Deny"], hit["Deny"]


def truth(old: Document, new: Document) -> tuple[bool, bool]:
    """Return whether some request gets more from `new`, and whether some request gets less."""
    wider = narrower = False
    for context in CONTEXTS:
        (allowed, denied), (allowed_after, denied_after) = evaluated(old, context), evaluated(new, context)
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
]


def random_statement(dice: random.Random) -> Document:
    def some() -> list[str]:
        return dice.sample(PATTERNS, dice.choice((1, 1, 1, 2)))

    action, resource = (dice.choices(("", "Not"), (5, 1))[0] + element for element in ("Action", "Resource"))
    statement = {"Effect": dice.choices(("Allow", "Deny"), (3, 1))[0], action: some(), resource: some()}
    condition = dice.choice(CONDITIONS)
    return statement | ({"Condition": condition} if condition else {})


def random_pair(dice: random.Random) -> tuple[Document, Document]:
    """Return two documents that usually have something in common."""
    old = [random_statement(dice) for _ in range(dice.choice((1, 2, 2, 3)))]
    new = [one if dice.random() < 0.7 else random_statement(dice) for one in old]
    if dice.random() < 0.3:
        new.append(random_statement(dice))
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
    several = [
        str(one).lower() if isinstance(one, bool) else one for one in (values if isinstance(values, list) else [values])
    ]
    dice.shuffle(several)
    return dice.choice((several, several[0])) if len(several) == 1 else several


# Fuzzers of the audit tried 50,000; ASTRO_POLICY_PAIRS sets the number.
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
