from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

Member = TypeVar("Member")


def patch(owner: type) -> Callable[[Member], Member]:
    """Put a function or property into the class in place of the member of the same name."""

    def put(member: Member) -> Member:
        function: Any = getattr(member, "fget", member)
        setattr(owner, function.__name__, member)
        return member

    return put


def kept(resource: Any, name: str, first: Member) -> Member:
    """Return the data that a patch stores on one of moto's objects, in an extra attribute."""
    return resource.__dict__.setdefault(name, first)


def of_every_account(backends: Any, region: str) -> list[Any]:
    """Return the existing backends of one region, one for each account that has been used there."""
    found = (accounts.get(region) for accounts in list(backends.values()))
    return [backend for backend in found if backend is not None]


def seen_by(backend: Any, resource: Any) -> Any:
    """Return a shared object from the view of one account: tags belong to the account that set them."""
    view = copy.copy(resource)
    view.ec2_backend = backend
    return view
