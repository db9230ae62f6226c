"""Words of DNS: addresses, servers, domains, endpoints. What several connection types have in common."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from modules.connection import FieldPath
from modules.vocabulary import EACH_ONCE, Props, Slug, Text
from modules.vpc.props import VpcProps

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_ADDRESS = rf"{_OCTET}(?:\.{_OCTET}){{3}}"

ASTRO_NEEDS = ("amazonaws.com", "astronomer.cloud", "astronomer.io", "astronomer.run", "datakin.com")
"""Where the names are that a cluster resolves to work at all (facts A8, A18)."""


def astro_names_in(domains: Iterable[str]) -> list[str]:
    """Of what Astro needs, that which `domains` hold or are part of."""
    return [need for need in ASTRO_NEEDS if any(_one_holds_the_other(domain, need) for domain in domains)]


def _one_holds_the_other(domain: str, other: str) -> bool:
    return domain == "." or f".{other}".endswith(f".{domain}") or f".{domain}".endswith(f".{other}")


def _reachable(value: str) -> str:
    address, _, port = value.partition(":")
    ip = IPv4Address(address)
    if ip.is_unspecified or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_reserved:
        raise ValueError("is not an address that a query can be sent to; give the DNS server's own IPv4 address")
    if port and not 1 <= int(port) <= 65535:
        raise ValueError("has a port that is not 1 to 65535; the usual one, 53, can be left out")
    return value


def _name(value: str) -> str:
    if value != "." and (len(value) > 256 or any(len(label) > 63 for label in value.split("."))):
        raise ValueError("is too long for a domain; allowed: 256 characters, and 63 between two dots")
    return value


Address = Annotated[
    str, Text("an IPv4 address", _ADDRESS, "four numbers of 0 to 255", "10.0.0.2"), AfterValidator(_reachable)
]
Server = Annotated[
    str,
    Text(
        "a DNS server", rf"{_ADDRESS}(?::[1-9]\d{{0,4}})?", "an IPv4 address, with :port unless that is 53", "10.0.0.2"
    ),
    AfterValidator(_reachable),
]
_DOMAIN = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*"
Domain = Annotated[
    str,
    Text(
        "a domain",
        rf"\.|{_DOMAIN}",
        "lower-case names joined by dots, without a dot at either end",
        "corp.acme.example",
    ),
    AfterValidator(_name),
]
DomainName = Annotated[
    str,
    Text("a domain name", _DOMAIN, "lower-case names joined by dots, without a dot at either end", "corp.acme.example"),
    AfterValidator(_name),
]


class ResolverEndpoint(Props):
    """A Route 53 Resolver endpoint to make in your network."""

    subnets: Annotated[tuple[Slug, ...], Field(min_length=2, max_length=20), EACH_ONCE] | None = None
    """Names of the network's subnets, at least two, each in another availability zone. Default: all of them."""
    ips: dict[Slug, Address] = Field(default_factory=dict)
    """A fixed address in a subnet, by the subnet's name, for firewalls that must know it. Default: AWS takes one."""

    @model_validator(mode="after")
    def _has_ips_in_its_subnets_only(self) -> Self:
        if self.subnets is not None and (strangers := sorted(set(self.ips) - set(self.subnets))):
            raise ValueError(
                f"has ips in {', '.join(strangers)}, not in its subnets; there are: {', '.join(self.subnets)}"
            )
        return self

    def disagreements(self, network: VpcProps) -> Iterator[tuple[FieldPath, str]]:
        """What does not fit the network: the field below `endpoint`, and a sentence on it."""
        ranges = [cidr for _, cidr in network.occupied_cidrs()]
        for name, ip in self.ips.items():
            if not any(IPv4Address(ip) in cidr for cidr in ranges):
                message = f"{ip!r} is in none of the network's ranges; give one of subnet {name!r}, inside "
                yield ("ips", name), message + " or ".join(map(str, ranges))
        subnets = network.subnet_names()
        there_are = f"there are: {', '.join(sorted(subnets)) or 'none'}"
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
