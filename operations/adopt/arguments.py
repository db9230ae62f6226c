"""The planned arguments of a resource, and how they compare with what AWS shows."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jmespath

from operations.adopt.kinds import NAME, Kind

_PROTOCOLS = {"6": "tcp", "17": "udp"}


class UnknownError(Exception):
    """An argument that hangs on what is not there: its address, or the expression."""


@dataclass(frozen=True)
class Arguments:
    """The planned arguments of one resource, with the account, region and partition beside them."""

    planned: Mapping[str, Any]
    resolve: Callable[[Any], Any]
    """Puts what references are found as in their place. Raises UnknownError."""

    def get(self, expression: str) -> Any:
        """The value of a JMESPath; None if there is none. Raises UnknownError."""
        return self.resolve(jmespath.search(expression, self.planned))


def expected_of(fields: Mapping[str, str], arguments: Arguments, *, known: bool = True) -> dict[str, Any]:
    """What the plan says of the fields of an item. Raises UnknownError where that must be `known`, and is not yet."""
    expected: dict[str, Any] = {}
    for theirs, ours in fields.items():
        try:
            expected[theirs] = arguments.get(ours)
        except UnknownError as error:
            if known:
                raise
            expected[theirs] = f"that of {error}, which is to be made"
    return expected


def differences(item: Mapping[str, Any], expected: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """In what an item is not as expected: the field, what it is, what it is to be. None is expected of nothing."""
    values = ((theirs, jmespath.search(theirs, item), planned) for theirs, planned in expected.items())
    return [
        ("Name" if theirs == NAME else theirs, value, planned)
        for theirs, value, planned in values
        if planned is not None and _plain(value) != _plain(planned)
    ]


def _plain(value: Any) -> Any:
    """Alike for what AWS and Terraform write differently: numbers, final dots of domains, protocols, order."""
    if isinstance(value, list):
        return sorted(_plain(one) for one in value)
    text = str(value).removeprefix("https://").rstrip(".")
    return _PROTOCOLS.get(text, text)


def import_id(kind: Kind, item: Mapping[str, Any], arguments: Arguments) -> str:
    if kind.shows_id:
        return str(jmespath.search(kind.id, item))
    return re.sub(r"\{(\w+)\}", lambda name: _text(item.get(name[1]) or arguments.get(name[1])), kind.id)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
