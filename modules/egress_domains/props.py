from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from modules.astronomer import domains_of
from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ConnectionProps
from modules.entry import Claim, PendingInput, Step
from modules.vocabulary import UNIQUE, Props, Text


def _fits_dns(value: str) -> str:
    if len(value) > 253 or any(len(label) > 63 for label in value.split(".")):
        raise ValueError("is too long for a domain; allowed: 253 characters in total and 63 between two dots")
    return value


AllowedDomain = Annotated[
    str,
    Text(
        "a domain to allow",
        r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)+",
        "lowercase names joined by dots, with *. at the beginning to include all subdomains",
        "*.amazonaws.com",
    ),
    AfterValidator(_fits_dns),
]


class DnsFirewall(Props):
    """A Route 53 Resolver DNS Firewall rule group for the network's VPC that allows the domains.

    It filters queries to the VPC's own resolver, not packets. If a domain is an alias, only the queried name is
    compared with the list, because you cannot know the names of Astronomer's content networks.
    """

    priority: Annotated[int, Field(ge=101, le=9899)] = 1000
    """Its position among the VPC's rule groups, from the lowest. It must be lower than that of a group that blocks."""
    others: Literal["leave", "alert", "block"] = "leave"
    """The treatment of every other domain: `leave` it to the VPC's other rule groups, `alert` (log it), or `block` it.
    Check the alerts before you block. A VPC also resolves amazonaws.com, and other names that it needs must be in
    `additional_domains`."""


class EgressDomainsProps(ConnectionProps):
    """The domains that users and CI/CD in a network need for Astro, as a list for your proxy and optionally as a DNS
    firewall."""

    dedicated_only: ClassVar[bool] = False
    routed: ClassVar[bool] = False

    needs_of_clusters: ClassVar[tuple[PendingInput, ...]] = ()
    for_network_team: ClassVar[tuple[str, ...]] = ("domains",)

    type: Literal["egress_domains"]
    subdomains: bool = True
    """Also allow *.astronomer.run, which contains the clusters' registries and their Deployments. False if only
    <organization>.astronomer.run is needed."""
    additional_domains: Annotated[tuple[AllowedDomain, ...], UNIQUE] = ()
    """Other domains to allow, such as your identity provider's."""
    dns_firewall: DnsFirewall | None = None

    def domains(self, organization: str) -> tuple[str, ...]:
        """Return every allowed domain once."""
        return tuple(dict.fromkeys((*domains_of(organization, subdomains=self.subdomains), *self.additional_domains)))

    @property
    def needs_vpc(self) -> bool:
        return self.dns_firewall is not None

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:  # noqa: ARG002
        return ""

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:  # noqa: ARG002
        if facts and not self.dns_firewall:
            yield Step("your network team", "allow the domains of `domains` in the proxy and the firewalls")

    def claims(self) -> Iterator[Claim]:
        yield from super().claims()
        if self.dns_firewall:
            yield Claim(
                ("dns_firewall", "priority"),
                "network",
                ("DNS firewall", self.dns_firewall.priority),
                f"has DNS firewall priority {self.dns_firewall.priority} in network {self.network!r}",
                "a VPC can have only one rule group for each priority: choose another priority",
            )
