from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Annotated, Self

from pydantic import Field, model_validator

from modules.context import CheckedProps, Context
from modules.entry import FieldPath
from modules.vocabulary import BY_REFERENCE, UNIQUE, Address, Slug


class ResolverEndpoint(CheckedProps):
    """A Route 53 Resolver endpoint to create in your network."""

    subnets: Annotated[tuple[Slug, ...], Field(min_length=2, max_length=20), UNIQUE] | None = None
    """Names of at least two subnets of the network, each in a different availability zone. Default: all of them."""
    ips: Annotated[dict[Slug, Address], BY_REFERENCE] = Field(default_factory=dict)
    """Fixed addresses by subnet name, if firewalls need them. Default: AWS chooses an address."""

    @model_validator(mode="after")
    def _has_ips_in_its_subnets_only(self) -> Self:
        if self.subnets is not None and (strangers := sorted(set(self.ips) - set(self.subnets))):
            raise ValueError(
                f"has {', '.join(strangers)} in ips but not in subnets; allowed: {', '.join(self.subnets)}"
            )
        return self

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        """Yield the problems in the context of the network: the field below `endpoint`, and a sentence on its value."""
        ranges = context.ranges
        for name, ip in self.ips.items():
            if not any(IPv4Address(ip) in cidr for cidr in ranges):
                message = f"{ip!r} is outside the network's ranges; use an address of subnet {name!r}, in "
                yield ("ips", name), message + " or ".join(map(str, ranges))
        subnets = context.subnets
        there_are = f"available: {', '.join(sorted(subnets)) or 'none'}"
        for index, name in enumerate(self.subnets or ()):
            if name not in subnets:
                yield ("subnets", index), f"{name!r} is not a subnet of the network; {there_are}"
        if self.subnets is None:
            for name in self.ips:
                if name not in subnets:
                    yield ("ips", name), f"is in {name!r}, not a subnet of the network; {there_are}"
            if len(subnets) < 2:
                message = "needs two subnets in different availability zones; list them in the network's subnets"
                yield (), f"{message} ({there_are})"


def check_without_endpoint(context: Context, network: str, other: str) -> Iterator[tuple[FieldPath, str]]:
    """Yield what a new endpoint needs first, for an entry that has neither one nor its alternative, the field `other`.

    Otherwise `check` would report it only after the endpoint is added.
    """
    if context.network and (count := len(context.subnets)) < 2:
        message = (
            "needs two subnets in different availability zones for a new endpoint, and network "
            f"{network!r} lists {count or 'none'}; add them to networks.{network}.subnets, or set {other}"
        )
        yield (), message
