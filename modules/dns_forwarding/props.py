from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from modules.astronomer import astro_names_in
from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ConnectionProps
from modules.context import Context
from modules.entry import FieldPath, PendingInput, Step, in_words
from modules.parts.resolver_endpoint.props import ResolverEndpoint, check_without_endpoint
from modules.vocabulary import UNIQUE, Domain, Reason, Server, Slug, not_one


class InboundEndpoint(ResolverEndpoint):
    """An inbound Resolver endpoint to create in your network. Astro sends its queries to its addresses. It resolves the
    same names as the network's VPC: its private hosted zones, its rules, public names."""


class DnsForwardingProps(ConnectionProps):
    """Give Astronomer the domains to forward to your DNS servers, without sharing a resolver rule.

    Astronomer creates the rules on its side. The queries come from the clusters' ranges over `vpc_peering` or
    `transit_gateway`. Add such a connection, because this entry creates no routes.
    """

    routed: ClassVar[bool] = False
    needs_of_clusters: ClassVar[tuple[PendingInput, ...]] = ()

    for_astronomer: ClassVar[tuple[str, ...]] = ("domains", "servers")
    for_network_team: ClassVar[tuple[str, ...]] = ("domains", "servers")

    type: Literal["dns_forwarding"]
    clusters: Annotated[tuple[Slug, ...], Field(min_length=1), UNIQUE]
    """The entries of `clusters` that forward, and whose ranges may query a new endpoint."""
    domains: Annotated[tuple[Domain, ...], Field(min_length=1), UNIQUE]
    """The domains to resolve with your servers, including all names below them."""
    servers: Annotated[tuple[Server, ...], Field(max_length=6), UNIQUE] = ()
    """Your DNS servers that the clusters can reach: IPv4 addresses, with `:port` unless it is 53. A rule of AWS has up
    to six. Alternative to `endpoint`; nothing is created."""
    endpoint: InboundEndpoint | None = None
    """The inbound endpoint to create if you have no DNS server. Alternative to `servers`."""
    forwards_astro: Reason | None = None
    """The reason why names that Astro itself needs also go to your servers, as with the domain `.` or a domain within
    `amazonaws.com`. A cluster stops working if the servers do not resolve them. Default: such a domain is an error."""

    @model_validator(mode="after")
    def _has_servers_or_makes_an_endpoint(self) -> Self:
        if bool(self.servers) == (self.endpoint is not None):
            is_wrong = not_one("servers", "endpoint", both=bool(self.servers))
            raise ValueError(f"{is_wrong}: the addresses of existing servers, or a new endpoint")
        return self

    @model_validator(mode="after")
    def _leaves_astro_its_names(self) -> Self:
        taken = astro_names_in(self.domains)
        if taken and not self.forwards_astro:
            raise ValueError(
                f"would forward names of {', '.join(taken)}, which Astro depends on, to your DNS servers; use other "
                "domains, or explain in forwards_astro"
            )
        if self.forwards_astro and not taken:
            raise ValueError("has forwards_astro, but no domain contains a name that Astro needs; remove it")
        return self

    @property
    def needs_vpc(self) -> bool:
        return self.endpoint is not None

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:  # noqa: ARG002
        return "the twin's resolver has no forwarding rules for your names"

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:  # noqa: ARG002
        if facts:
            domains, servers = in_words(facts.get("domains")), in_words(facts.get("servers"))
            yield Step("Astronomer", f"forward DNS queries for {domains} to {servers}")
            yield Step("you", "after that, resolve a name of these domains from a Deployment", key="queries")

    def dns_servers(self, facts: Mapping[str, Any]) -> tuple[str, ...] | None:
        known = self.servers or facts.get("servers")
        return tuple(map(str, known)) if known and isinstance(known, list | tuple) else None

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        for field, message in self.endpoint.check(context) if self.endpoint else ():
            yield ("endpoint", *field), message
        if self.endpoint is None and not self.servers:
            yield from check_without_endpoint(context, self.network, "servers")
