"""The subnets of interface endpoints and load balancers."""

from collections.abc import Collection, Iterator
from typing import Annotated

from pydantic import Field

from modules.entry import FieldPath
from modules.vocabulary import UNIQUE, Props, Slug


class InSubnets(Props):
    """Base of props of a resource with a network interface in each of several subnets."""

    subnets: Annotated[tuple[Slug, ...], Field(min_length=1), UNIQUE] | None = None
    """Names of the network's subnets, each in a different availability zone. Default: all of them."""


def unknown_subnets(given: Collection[str] | None, subnets: Collection[str]) -> Iterator[tuple[FieldPath, str]]:
    """Yield the names that are not in the network's `subnets`, and a network without subnets."""
    there_are = f"available: {', '.join(sorted(subnets)) or 'none'}"
    for index, name in enumerate(given or ()):
        if name not in subnets:
            yield ("subnets", index), f"{name!r} is not a subnet of the network; {there_are}"
    if given is None and not subnets:
        yield (), "needs a subnet, and the network has none; list some in the network's subnets"
