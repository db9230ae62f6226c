from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ConnectionProps
from modules.context import Context
from modules.entry import Claim, FieldPath, PendingInput, Step, in_words
from modules.expressions import FOR_EACH
from modules.vocabulary import (
    UNIQUE,
    Cidr,
    PublicIp,
    RouteTableId,
    Slug,
    TransitGatewayAttachmentId,
    TransitGatewayId,
    TransitGatewayRouteTableId,
    not_one,
)

ANYWHERE = IPv4Network("0.0.0.0/0")
_DROPPED = {
    "rfc1918-10": IPv4Network("10.0.0.0/8"),
    "rfc1918-172": IPv4Network("172.16.0.0/12"),
    "rfc1918-192": IPv4Network("192.168.0.0/16"),
    "rfc6598": IPv4Network("100.64.0.0/10"),
}
_NAMES = {cidr: name for name, cidr in _DROPPED.items()}
_EXISTING = ("transit_gateway_id", "route_table_id", "attachment_id")


class EgressHubProps(ConnectionProps):
    """Send the clusters' traffic to the internet through your transit gateway and the NAT gateways of your hub VPC.

    Astronomer calls this Customer Managed Egress (facts C14). The network is the hub. A `transit_gateway` connection
    shares the gateway and accepts the clusters' attachments. This entry adds the clusters' default route to the hub,
    and the return routes from the NAT gateways to the clusters. The clusters' private subnets must route to the transit
    gateway, and the hub's private subnets to the NAT gateways. Astronomer's steps are inferred, because its page is not
    public: confirm them with its support.
    """

    same_region: ClassVar[str] = "a cluster can only use a hub in its own region; use a network there"
    uses_field: ClassVar[str] = "transit_gateway_of"
    needs_of_clusters: ClassVar[tuple[PendingInput, ...]] = ()
    for_astronomer: ClassVar[tuple[str, ...]] = ("account_id", "region", "transit_gateway_id", "public_ips")
    per_region_fields: ClassVar[tuple[str, ...]] = (
        *ConnectionProps.per_region_fields,
        *_EXISTING,
        "transit_gateway_of",
        "public_route_tables",
        "public_ips",
    )

    type: Literal["egress_hub"]
    clusters: Annotated[tuple[Slug, ...], Field(min_length=1), UNIQUE]
    """The entries of `clusters` whose traffic leaves through the hub."""
    transit_gateway_of: Slug | None = None
    """The `transit_gateway` connection of the same network that creates the gateway. Alternative to
    `transit_gateway_id`."""
    transit_gateway_id: TransitGatewayId | None = None
    """An existing gateway in the network's account, with `route_table_id` and `attachment_id`."""
    route_table_id: TransitGatewayRouteTableId | None = None
    """The existing gateway's table of the clusters' attachments. It gets the default route."""
    attachment_id: TransitGatewayAttachmentId | None = None
    """The existing gateway's attachment of the hub VPC."""
    public_route_tables: Annotated[dict[Slug, RouteTableId], FOR_EACH] = Field(default_factory=dict)
    """The tables of the existing VPC's public subnets with NAT gateways, by a name of your choice. They get routes back
    to the clusters. A new VPC has its own table."""
    dropped: Annotated[dict[Slug, Cidr], FOR_EACH] = Field(default_factory=lambda: dict(_DROPPED))
    """Ranges, by name, that the clusters' table drops unless a more specific route leads there. Default: all private
    ranges, named `rfc1918-10`, `rfc1918-172`, `rfc1918-192` and `rfc6598`. Without them, a cluster could reach
    other clusters and your other networks through the hub, with the address of a NAT gateway."""
    public_ips: Annotated[tuple[PublicIp, ...], UNIQUE] = ()
    """The public addresses of the hub's NAT gateways. The clusters' traffic comes from them, so an `ip_allowlist` of
    the clusters must have the same ones in `external_ips`."""

    @model_validator(mode="after")
    def _names_one_gateway(self) -> Self:
        if (self.transit_gateway_of is None) == (self.transit_gateway_id is None):
            is_wrong = not_one("transit_gateway_of", "transit_gateway_id", both=self.transit_gateway_id is not None)
            raise ValueError(f"{is_wrong}: the connection that creates the gateway, or the ID of an existing one")
        given = [field for field in _EXISTING if getattr(self, field)]
        if self.transit_gateway_of and given:
            raise ValueError(f"has transit_gateway_of and {given[0]}, which is for an existing gateway; remove one")
        missing = [field for field in _EXISTING if field not in given]
        if self.transit_gateway_id and missing:
            raise ValueError(f"has transit_gateway_id without {missing[0]}; set it, or use transit_gateway_of")
        if ANYWHERE in self.dropped.values():
            raise ValueError("has 0.0.0.0/0 in dropped, which is the route to the hub; remove it")
        return self

    @property
    def leads_back(self) -> bool:
        return False  # Its routes are in the public tables, and those of the network in transit_gateway.

    @property
    def transit_gateway(self) -> str | None:
        return self.transit_gateway_id

    @property
    def source_addresses(self) -> tuple[str, ...] | None:
        return self.public_ips

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:  # noqa: ARG002
        return "the twin's traffic to the internet does not leave through the hub"

    def claims(self) -> Iterator[Claim]:
        for cluster in self.clusters:
            yield Claim(
                ("clusters",),
                "network",
                ("public route", cluster),
                f"routes the public subnets of {self.network!r} to cluster {cluster!r}",
                "a route table can have only one route per range: remove one",
            )
        remedy = "a route table can have only one route per range: remove one, or list all clusters in one entry"
        routes: dict[FieldPath, IPv4Network] = {("type",): ANYWHERE}
        routes |= {("dropped", name): cidr for name, cidr in self.dropped.items()}
        for field, cidr in routes.items():
            table = self.route_table_id or ""
            yield Claim(
                field,
                "account" if table else "network",
                ("gateway route", table, cidr),
                f"{'drops' if len(field) > 1 else 'routes'} {cidr} in {table or 'the table of the clusters'}",
                remedy,
            )

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        for name, cidr in self.dropped.items():
            # The default may have been deployed, and Terraform cannot replace a route with an equal one.
            if (by_default := _NAMES.get(cidr, name)) != name:
                yield ("dropped", name), f"'{cidr}' is named {by_default!r} by default; use that name for it"
        network = context.network
        if network is None or not network.has_vpc:
            return
        if network.create and network.create.nat == "none":
            yield ("network",), f"{self.network!r} creates a VPC without NAT gateways; set create.nat to per_az"
        if network.create and self.public_route_tables:
            message = "is only for an existing VPC, but a created VPC has its own public route table; remove it"
            yield ("public_route_tables",), message
        if not network.create and not self.public_route_tables:
            message = (
                "has no public_route_tables, so there is no return route from the internet to the clusters; set it to "
                "the route tables of the NAT gateways' subnets"
            )
            yield (), message

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:  # noqa: ARG002
        if not facts:
            return
        gateway = f"transit gateway {in_words(facts.get('transit_gateway_id'))}"
        yield Step(
            "Astronomer",
            f"send the cluster's traffic to the internet through {gateway} (Customer Managed Egress), after its "
            "attachment is accepted",
        )
        addresses = in_words(facts.get("public_ips"))
        yield Step("you", f"allow the addresses of the hub's NAT gateways wherever Astro's are allowed: {addresses}")
