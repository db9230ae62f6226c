from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Address
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from modules.connection import Cluster, FieldPath
from modules.sharing import SharingProps
from modules.vocabulary import Props, Reason, ResolverEndpointId, ResolverRuleId, Slug, Text, repeated

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_ADDRESS = rf"{_OCTET}(?:\.{_OCTET}){{3}}"

ASTRO_NEEDS = ("amazonaws.com", "astronomer.cloud", "astronomer.io", "astronomer.run", "datakin.com")
"""Where the names are that a cluster resolves to work at all (facts A8, A18)."""


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


def _one_holds_the_other(domain: str, other: str) -> bool:
    return domain == "." or f".{other}".endswith(f".{domain}") or f".{domain}".endswith(f".{other}")


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
Domain = Annotated[
    str,
    Text(
        "a domain",
        r"\.|[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*",
        "lower-case names joined by dots, without a dot at either end",
        "corp.acme.example",
    ),
    AfterValidator(_name),
]


class Endpoint(Props):
    """An outbound Resolver endpoint to make in your network: the addresses that the queries come from."""

    subnets: Annotated[tuple[Slug, ...], Field(min_length=2, max_length=20)] | None = None
    """Names of the network's subnets, at least two, each in another availability zone. Default: all of them."""
    ips: dict[Slug, Address] = Field(default_factory=dict)
    """A fixed address in a subnet, by the subnet's name, for firewalls that must know it. Default: AWS takes one."""

    @model_validator(mode="after")
    def _each_subnet_once(self) -> Self:
        if self.subnets is None:
            return self
        if twice := repeated(self.subnets):
            raise ValueError(f"has {', '.join(twice)} twice in subnets; name each once")
        if strangers := sorted(set(self.ips) - set(self.subnets)):
            raise ValueError(
                f"has ips in {', '.join(strangers)}, not in its subnets; there are: {', '.join(self.subnets)}"
            )
        return self


class Rule(Props):
    """A rule to share that exists (`rule_id`), or one to make (`domain`, `targets`)."""

    rule_id: ResolverRuleId | None = None
    domain: Domain | None = None
    """The domain whose names, and all names below it, are asked of `targets`."""
    targets: tuple[Server, ...] = ()
    """Your DNS servers: IPv4 addresses, with `:port` where it is not 53."""
    forwards_astro: Reason | None = None
    """Why names that Astro itself needs go to your servers too (as with the domain `.`, or within `amazonaws.com`): a
    cluster whose servers do not answer for them stops working. Default: such a rule is refused."""

    @model_validator(mode="after")
    def _exists_or_is_made(self) -> Self:
        if self.rule_id and (self.domain or self.targets or self.forwards_astro):
            raise ValueError("has a rule_id and what a new rule has; give rule_id alone for a rule that exists")
        if not self.rule_id and not (self.domain and self.targets):
            raise ValueError("is neither a rule that exists nor a new one; give rule_id, or domain and targets")
        if twice := repeated(self.targets):
            raise ValueError(f"has {', '.join(twice)} twice in targets; name each once")
        return self

    @model_validator(mode="after")
    def _leaves_astro_its_names(self) -> Self:
        taken = [need for need in ASTRO_NEEDS if self.domain and _one_holds_the_other(self.domain, need)]
        if taken and not self.forwards_astro:
            raise ValueError(
                f"would send names of {', '.join(taken)} to your DNS servers, which Astro needs to work; give another "
                "domain, or the reason in forwards_astro"
            )
        if self.forwards_astro and not taken:
            raise ValueError("has forwards_astro and a domain that holds nothing Astro needs; take the reason out")
        return self


class ResolverRulesProps(SharingProps):
    """Share Route 53 Resolver rules with Astro, so that clusters resolve names of your private domains.

    Astronomer associates the rules with the clusters' VPCs. The queries leave through an outbound endpoint in your
    network, so that the clusters need no route to your DNS servers, only to what the names stand for."""

    routed: ClassVar[bool] = False
    same_region: ClassVar[str] = "a resolver rule works in its own region only: use a network in the cluster's region"

    type: Literal["resolver_rules"]
    rules: Annotated[dict[Slug, Rule], Field(min_length=1)]
    """The rules to share, by a name of your choice, which is the name in AWS of those made here."""
    endpoint: Endpoint | None = None
    """The outbound endpoint to make for new rules; or `endpoint_id`."""
    endpoint_id: ResolverEndpointId | None = None
    """An existing outbound endpoint for new rules; or `endpoint`."""
    associate_network: bool = False
    """Let your network use the rules made here, too."""

    @model_validator(mode="after")
    def _new_rules_have_an_endpoint(self) -> Self:
        new = sorted(name for name, rule in self.rules.items() if rule.domain)
        endpoints = [field for field in ("endpoint", "endpoint_id") if getattr(self, field)]
        if new and len(endpoints) != 1:
            raise ValueError(
                f"makes the rules {', '.join(new)} and names neither or both of endpoint and endpoint_id; give "
                "endpoint_id for an outbound endpoint that exists, or endpoint"
            )
        if not new and (endpoints or self.associate_network):
            fields = [*endpoints, *(["associate_network"] if self.associate_network else [])]
            raise ValueError(
                f"has {', '.join(fields)} and makes no rule; take that out, or give a rule domain and targets"
            )
        domains = [rule.domain for rule in self.rules.values() if rule.domain]
        if twice := repeated(domains):
            raise ValueError(f"has two rules for {', '.join(twice)}, and a VPC takes one; merge their targets")
        return self

    def disagreements(
        self, subnets: Collection[str], clusters: Mapping[str, Cluster]
    ) -> Iterator[tuple[FieldPath, str]]:
        yield from super().disagreements(subnets, clusters)
        if self.endpoint is None:
            return
        there_are = f"there are: {', '.join(sorted(subnets)) or 'none'}"
        for index, name in enumerate(self.endpoint.subnets or ()):
            if name not in subnets:
                yield ("endpoint", "subnets", index), f"{name!r} is not a subnet of the network; {there_are}"
        if self.endpoint.subnets is None:
            for name in self.endpoint.ips:
                if name not in subnets:
                    yield ("endpoint", "ips", name), f"is in {name!r}, not a subnet of the network; {there_are}"
            if len(subnets) < 2:
                yield (
                    ("endpoint",),
                    f"needs two subnets of the network, each in another availability zone; {there_are}",
                )
