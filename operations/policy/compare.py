"""Compares policy documents of one role by the requests that they allow and deny in IAM."""

import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from estate.errors import ExitCode, UserError
from estate.source import printable
from modules.parts.iam_policy.props import listed
from operations.policy.documents import statements
from operations.policy.requests import MOST_STATES, Classes, Constraint, Key, Patterns, pattern_of


@dataclass(frozen=True)
class Grant:
    """One action on one resource under one condition, as a statement allows or denies it. Patterns are IAM's."""

    effect: str
    action: str
    resource: str
    condition: str

    def __str__(self) -> str:
        on = "" if self.resource == "*" else f" on {self.resource}"
        return f"{self.action}{on}{f' if {self.condition}' if self.condition else ''}"


@dataclass(frozen=True)
class Change:
    """A difference between two sets of documents. `was`: the old grant that it replaces or narrows, if any."""

    kind: Literal["added", "removed", "widened", "narrowed"]
    grant: Grant
    was: Grant | None = None

    @property
    def widens(self) -> bool:
        """True if the role can do more after the change."""
        return self.kind in ("added", "widened")

    def as_values(self) -> dict[str, Any]:
        """Return the change for programs."""
        return {"kind": self.kind, "grant": asdict(self.grant), "was": asdict(self.was) if self.was else None}

    def __str__(self) -> str:
        denial = "deny " if self.grant.effect == "Deny" else ""
        return printable(f"{self.kind:9}{denial}{self.grant}" + (f" (was: {self.was})" if self.was else ""))


def compare(old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]) -> list[Change]:
    """Return the differences between the permissions of a role with `old` and with `new` documents, widenings first.

    It evaluates both sets as IAM does, for every class of requests that their patterns and conditions distinguish. It
    misses no difference. With policy variables, or operators of several kinds (texts, numbers, dates, addresses) on one
    key, it can report a difference for a class that no request is in; otherwise it is exact. It reports the grants that
    decide a request differently. A request is allowed, denied explicitly, or denied because nothing allows it. The last
    two differ, since a resource policy can allow a request that no policy of the role denies.

    Raises UserError for an invalid statement, and for documents with too many classes of requests.

    Source: AWS, "IAM JSON policy evaluation logic" and "IAM JSON policy elements: Condition operators".
    """
    comparison = _Comparison(list(_read(old, "old")), list(_read(new, "new")))
    changes = set(comparison.changes())
    return sorted(changes, key=lambda change: (not change.widens, change.kind, str(change)))


@dataclass(frozen=True)
class _Statement:
    side: Literal["old", "new"]
    effect: str
    actions: Patterns
    resources: Patterns
    constraints: tuple[Constraint, ...]
    condition: str


def _read(documents: Iterable[Mapping[str, Any]], side: Literal["old", "new"]) -> Iterator[_Statement]:
    for document in documents:
        variables = document.get("Version") == "2012-10-17"
        for number, statement in enumerate(statements(document), 1):
            block = statement.get("Condition") or {}
            shown = block | {one: statement[one] for one in ("Principal", "NotPrincipal") if one in statement}
            constraints = [*_constraints(block, variables=variables), *_principals(statement)]
            if mistake := next(filter(None, (one.mistake() for one in constraints)), None):
                raise UserError(f"statement {number} of the {side} document {mistake}", ExitCode.BAD_INPUT)
            yield _Statement(
                side,
                statement["Effect"],
                _patterns(statement, "Action", variables=False, lower=True),
                _patterns(statement, "Resource", variables=variables),
                tuple(sorted(constraints, key=lambda one: (one.key, one.operator, one.values))),
                json.dumps(shown, sort_keys=True) if shown else "",
            )


def _patterns(statement: Mapping[str, Any], element: str, *, variables: bool, lower: bool = False) -> Patterns:
    # A trust policy names no resource; its resource is its role.
    negated = f"Not{element}" in statement
    texts = tuple(map(str, listed(statement.get(f"Not{element}" if negated else element, "*"))))
    patterns = [pattern_of(text.lower() if lower else text, variables=variables) for text in texts]
    return Patterns(texts, tuple(patterns), negated)


def _constraints(block: Mapping[str, Any], *, variables: bool) -> Iterator[Constraint]:
    for operator, keys in block.items():
        for key, value in keys.items():
            values = {str(one).lower() if isinstance(one, bool) else str(one) for one in listed(value)}
            # IAM compares operators and keys without regard to case.
            yield Constraint(operator.lower(), key.lower(), tuple(sorted(values)), variables)


def _principals(statement: Mapping[str, Any]) -> Iterator[Constraint]:
    """Return the principals of a resource policy as a condition on a key that requests do not otherwise have."""
    for element, operator in (("Principal", "stringlike"), ("NotPrincipal", "stringnotlike")):
        if element in statement:
            given = statement[element]
            kinds = given if isinstance(given, Mapping) else {"AWS": given}
            named = [f"{kind}:{one}" for kind, values in kinds.items() for one in listed(values)]
            values = [_ROOT.sub(r"AWS:\1", one) for one in named]
            # "*" alone and {"AWS": "*"} both mean everyone.
            everybody = "AWS:*" in values
            yield Constraint(operator, "(principal)", ("*",) if everybody else tuple(sorted(values)), variables=False)


_ROOT = re.compile(r"AWS:arn:aws:iam::(\d{12}):root", re.ASCII)
"""An account as a principal, which IAM also accepts as the number alone."""
_Where = frozenset[int]


class _Comparison:
    """Two sets of statements, and the classes of actions, resources and context values that they distinguish."""

    def __init__(self, old: list[_Statement], new: list[_Statement]) -> None:
        self._statements = old + new
        self._actions = Classes(pattern for one in self._statements for pattern in one.actions.patterns)
        self._resources = Classes(pattern for one in self._statements for pattern in one.resources.patterns)
        by_key: dict[str, dict[Constraint, None]] = {}
        for one in self._statements:
            for constraint in one.constraints:
                by_key.setdefault(constraint.key, {})[constraint] = None
        self._keys = {key: Key(list(constraints)) for key, constraints in by_key.items()}
        self._grants = [list(self._grants_of(one)) for one in self._statements]

    def changes(self) -> Iterator[Change]:
        by_actions = self._by_statements(self._actions, lambda one: one.actions)
        by_resources = self._by_statements(self._resources, lambda one: one.resources)
        decided: dict[frozenset[int], set[tuple[bool, int]]] = {}
        deciding: dict[tuple[bool, int, Grant, _Where, _Where], None] = {}
        for acting, actions in by_actions.items():
            for holding, resources in by_resources.items():
                together = acting & holding
                if together not in decided:
                    decided[together] = set(self._decisive(together))
                for widens, number in decided[together]:
                    for grant, on_actions, on_resources in self._grants[number]:
                        if on_actions & actions and on_resources & resources:
                            deciding[widens, number, grant, on_actions, on_resources] = None
        for widens, number, grant, on_actions, on_resources in deciding:
            within = self._contained(number, on_actions, on_resources, widens=widens)
            yield _change(grant, within, widens=widens)

    def _by_statements(
        self, classes: Classes, patterns: Callable[[_Statement], Patterns]
    ) -> dict[frozenset[int], _Where]:
        """Return the classes by the statements that match them."""
        where = [self._where(classes, patterns(one)) for one in self._statements]
        found: dict[frozenset[int], set[int]] = {}
        for number in classes.numbers:
            found.setdefault(frozenset(n for n, one in enumerate(where) if number in one), set()).add(number)
        return {statements: frozenset(numbers) for statements, numbers in found.items()}

    def _where(self, classes: Classes, patterns: Patterns) -> _Where:
        hit = frozenset(number for pattern in patterns.patterns for number in classes.matching(pattern))
        return classes.numbers - hit if patterns.negated else hit

    def _decisive(self, together: frozenset[int]) -> Iterator[tuple[bool, int]]:
        """Yield the statements that decide differently for the action and resource; True means that more is allowed."""
        statements = {number: self._statements[number] for number in sorted(together)}
        for holds in self._contexts(list(statements.values())):
            hit = [number for number, one in statements.items() if all(holds[each] for each in one.constraints)]
            old, new = self._outcome(hit, "old"), self._outcome(hit, "new")
            if old == new:
                continue
            # The side that denies explicitly decides, otherwise the side that allows.
            effect = "Deny" if -1 in (old, new) else "Allow"
            side = "new" if (new > old) == (effect == "Allow") else "old"
            for number in hit:
                if (statements[number].side, statements[number].effect) == (side, effect):
                    yield new > old, number

    def _contexts(self, statements: Sequence[_Statement]) -> Iterator[dict[Constraint, bool]]:
        """Return the constraints of the statements that hold, for each class of context that they distinguish."""
        wanted = {constraint: None for one in statements for constraint in one.constraints}
        choices: list[list[dict[Constraint, bool]]] = []
        for key in dict.fromkeys(constraint.key for constraint in wanted):
            truths = self._keys[key].truths
            distinct = {tuple((one, value) for one, value in truth.items() if one in wanted): None for truth in truths}
            choices.append([dict(one) for one in distinct])
        if math.prod(map(len, choices)) > MOST_STATES:
            raise UserError("the two documents have too many conditions to compare; compare parts of them")
        for context in itertools.product(*choices):
            yield {constraint: value for truth in context for constraint, value in truth.items()}

    def _outcome(self, hit: Iterable[int], side: str) -> int:
        """Return -1 for denied explicitly, 0 for not allowed, and 1 for allowed."""
        effects = {self._statements[number].effect for number in hit if self._statements[number].side == side}
        return -1 if "Deny" in effects else int("Allow" in effects)

    def _grants_of(self, statement: _Statement) -> Iterator[tuple[Grant, _Where, _Where]]:
        for action, actions in statement.actions.parts():
            for resource, resources in statement.resources.parts():
                grant = Grant(statement.effect, action, resource, statement.condition)
                yield grant, self._where(self._actions, actions), self._where(self._resources, resources)

    def _contained(self, number: int, actions: _Where, resources: _Where, *, widens: bool) -> Grant | None:
        """Return a grant of the other side that a grant of the statement contains."""
        mine = self._statements[number]
        other = "old" if (mine.effect == "Allow") == widens else "new"
        for statement, grants in zip(self._statements, self._grants, strict=True):
            if (statement.side, statement.effect) != (other, mine.effect):
                continue
            for grant, on_actions, on_resources in grants:
                if on_actions <= actions and on_resources <= resources and self._implies(statement, mine):
                    return grant
        return None

    def _implies(self, one: _Statement, other: _Statement) -> bool:
        """Return whether the condition of `other` implies that of `one`."""
        return all(
            all(holds[each] for each in other.constraints)
            for holds in self._contexts([one, other])
            if all(holds[each] for each in one.constraints)
        )


def _change(grant: Grant, within: Grant | None, *, widens: bool) -> Change:
    """Report a grant that decides differently; `within` is the grant of the other side that it contains."""
    if grant.effect == "Deny":
        return Change("widened" if widens else "narrowed", grant, within)
    if widens:
        return Change("widened", grant, within) if within else Change("added", grant)
    return Change("narrowed", within, grant) if within else Change("removed", grant)
