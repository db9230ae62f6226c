"""The planned arguments of a resource, and how they compare with what AWS shows."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jmespath

from operations.adopt.kinds import NAME, Kind

_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp"}


class UnknownError(Exception):
    """An argument depends on a resource that does not exist. The message is its address, or the expression."""


@dataclass(frozen=True)
class Arguments:
    """The planned arguments of one resource, and the account, region and partition."""

    planned: Mapping[str, Any]
    resolve: Callable[[Any], Any]
    """Replaces references by the values that were found. Raises UnknownError."""

    def get(self, expression: str) -> Any:
        """Return the value of a JMESPath, or None. Raises UnknownError."""
        return self.resolve(jmespath.search(expression, self.planned))


def expected_of(fields: Mapping[str, str], arguments: Arguments, *, known: bool = True) -> dict[str, Any]:
    """Return the planned values of an item's fields. Raises UnknownError if a value must be `known` and is not yet."""
    expected: dict[str, Any] = {}
    for theirs, ours in fields.items():
        try:
            expected[theirs] = arguments.get(ours)
        except UnknownError as error:
            if known:
                raise
            expected[theirs] = f"that of {error}, which does not exist yet"
    return expected


def differences(item: Mapping[str, Any], expected: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return (field, actual, expected) for each mismatch. A field that is expected to be None is not compared."""
    values = ((theirs, jmespath.search(theirs, item), planned) for theirs, planned in expected.items())
    return [
        ("Name" if theirs == NAME else theirs, value, planned)
        for theirs, value, planned in values
        if planned is not None and _plain(value) != _plain(planned)
    ]


def _plain(value: Any) -> Any:
    """Return equal values for equal meanings: AWS and Terraform differ in numbers, final dots, protocols and order."""
    if isinstance(value, list):
        return sorted(_plain(one) for one in value)
    text = str(value).removeprefix("https://").rstrip(".")
    return _PROTOCOLS.get(text, text)


def import_id(kind: Kind, item: Mapping[str, Any], arguments: Arguments) -> str:
    """Return the ID to import an item by."""
    if kind.shows_id:
        return str(jmespath.search(kind.id, item))
    return re.sub(r"\{(\w+)\}", lambda name: _text(item.get(name[1]) or arguments.get(name[1])), kind.id)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
