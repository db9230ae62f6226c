from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

Member = TypeVar("Member")


def patch(owner: type) -> Callable[[Member], Member]:
    """Put a function or a property into the class, in the place of the member of the same name."""

    def put(member: Member) -> Member:
        function: Any = getattr(member, "fget", member)
        setattr(owner, function.__name__, member)
        return member

    return put


def kept(resource: Any, name: str, first: Member) -> Member:
    """What a patch remembers of one of moto's objects, in an attribute that moto's class does not have."""
    return resource.__dict__.setdefault(name, first)


def of_every_account(backends: Any, region: str) -> list[Any]:
    """The backends of one region that exist so far, one for each account that has been there."""
    found = (accounts.get(region) for accounts in list(backends.values()))
    return [backend for backend in found if backend is not None]


def seen_by(backend: Any, resource: Any) -> Any:
    """What two accounts share as one of them sees it: tags belong to the account that set them."""
    view = copy.copy(resource)
    view.ec2_backend = backend
    return view
