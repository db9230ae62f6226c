from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ACCOUNT_ID, INVITATION, SharingProps
from modules.context import Context
from modules.entry import Claim, FieldPath, PendingInput, Step, in_words
from modules.expressions import FOR_EACH
from modules.vocabulary import (
    BY_REFERENCE,
    AccountId,
    Cidr,
    PrivateAsn,
    Props,
    Slug,
    Text,
    TransitGatewayAttachmentId,
    TransitGatewayId,
    TransitGatewayRouteTableId,
    duplicates,
    not_one,
)


class NewTransitGateway(Props):
    """A transit gateway to create.

    It accepts, associates and propagates nothing automatically. It has two route tables. The clusters' table leads to
    your network but not to other clusters. Your network's table leads to the clusters.
    """

    asn: PrivateAsn = 64512
    """The gateway's side of BGP: 64512 to 65534, or 4200000000 to 4294967294 (facts B20)."""
    description: Annotated[
        str, Text("a description", r"[\w .,:/()+-]{1,255}", "up to 255 letters, digits, spaces and .,:/()+-_", "Astro")
    ] = "Astro"


class RouteTables(Props):
    """Route tables of an existing gateway. An attachment uses the table that it is associated with.

    With one table for both, clusters can reach each other. Two tables separate them.
    """

    clusters: TransitGatewayRouteTableId
    """The table of the clusters' attachments, with the routes to your network."""
    network: TransitGatewayRouteTableId
    """The table of your network's attachment, with the routes back to the clusters."""
    others: Annotated[dict[Slug, TransitGatewayRouteTableId], FOR_EACH] = Field(default_factory=dict)
    """Other tables that need the routes back, by a name of your choice, such as those of a VPN or an inspection VPC."""

    @model_validator(mode="after")
    def _each_table_once(self) -> Self:
        if "network" in self.others:
            raise ValueError("has a table network in others, but that name is reserved; rename it")
        ids = [self.network, *self.others.values()]
        if twice := duplicates(ids):
            raise ValueError(f"has {', '.join(twice)} twice in network and others; list each table once")
        return self


class OnPremises(Props):
    """A range behind the gateway that is not in your network."""

    cidr: Cidr
    attachment_id: TransitGatewayAttachmentId | None = None
    """The gateway's attachment of the range, for a static route in the clusters' table. Default: no route, because the
    table already has one."""


class PeerGateway(Props):
    """Astronomer's transit gateway in the region of a cluster, which has a peering with yours."""

    transit_gateway_id: TransitGatewayId | None = None
    """Its ID. A peering with another gateway is then rejected. Default: any gateway of that account and region."""
    account_id: AccountId | None = None
    """The AWS account of its owner. Default: the cluster's."""


class TransitGatewayProps(SharingProps):
    """Share a transit gateway with Astro, accept Astro's attachments, and route both ways.

    A cluster in another region than the network is connected by a peering of gateways, which Astronomer's support
    requests. Its attachment is accepted and gets static routes, and the gateway is not shared for it.

    The gateway is in the network's account, unless `accept_clusters` is false. It does not forward DNS queries: see
    `resolver_rules`.
    """

    blocked: ClassVar[str] = "the gateway is not shared with it and its attachment is not accepted"
    for_astronomer: ClassVar[tuple[str, ...]] = ("transit_gateway_id", "cidrs")
    for_network_team: ClassVar[tuple[str, ...]] = ("account_id", "region", "transit_gateway_id", "cidrs")

    per_region_fields: ClassVar[tuple[str, ...]] = (*SharingProps.per_region_fields, "attachments")
    shared_range_fields: ClassVar[tuple[str, ...]] = ("on_premises",)

    type: Literal["transit_gateway"]
    transit_gateway_id: TransitGatewayId | None = None
    """An existing gateway. Alternative to `create`."""
    create: NewTransitGateway | None = None
    """A gateway to create. Alternative to `transit_gateway_id`."""
    attach_network: bool | None = None
    """Attach your network's VPC to the gateway, in every listed subnet of the network. Default: true for a new gateway.
    For an existing gateway it is false, because it usually has that attachment."""
    accept_clusters: bool = True
    """Share the gateway with the clusters' accounts and accept their attachments. Set it to false if another connection
    of the same gateway does this, or the gateway's owner in another account. Then only your network is attached and
    routed."""
    attachments: Annotated[dict[Slug, TransitGatewayAttachmentId], BY_REFERENCE] = Field(default_factory=dict)
    """The attachment of each cluster, by the cluster's name. Leave it out until Astronomer has attached the cluster.
    For a cluster in another region, it is the attachment of the peering of gateways."""
    peer_gateways: Annotated[dict[Slug, PeerGateway], BY_REFERENCE] = Field(default_factory=dict)
    """Known facts about Astronomer's gateway for a cluster in another region, by the cluster's name."""
    route_tables: RouteTables | None = None
    """The existing gateway's tables for association and routes. Default: the gateway's own default association and
    propagation. The two are never combined (facts B21: static routes take precedence over propagated ones)."""
    propagate: bool = False
    """Propagate all ranges of the clusters' VPCs into the tables with the routes back. Default: a static route for each
    range of the clusters in the file only (Astronomer, *Create a network connection*)."""
    on_premises: dict[Slug, OnPremises] = Field(default_factory=dict)
    """Ranges behind the gateway, by name, that Astronomer should route to it in addition to the network's."""
    blackholes: Annotated[dict[Slug, Cidr], FOR_EACH] = Field(default_factory=dict)
    """Ranges, by name, that the clusters' table drops although a wider route matches them."""

    @property
    def attaches(self) -> bool:
        """Return whether the network's VPC is attached here."""
        return self.create is not None if self.attach_network is None else self.attach_network

    @model_validator(mode="after")
    def _exists_or_is_made(self) -> Self:
        if (self.transit_gateway_id is None) == (self.create is None):
            is_wrong = not_one("transit_gateway_id", "create", both=self.create is not None)
            raise ValueError(f"{is_wrong}: the ID of an existing gateway, or a new one")
        if self.create:
            for field, contradicts in (
                ("attach_network: false", self.attach_network is False),
                ("accept_clusters: false", not self.accept_clusters),
                ("route_tables", self.route_tables is not None),
            ):
                if contradicts:
                    raise ValueError(
                        f"cannot combine create with {field}, because a new gateway always attaches the network and "
                        f"accepts the clusters; remove {field}, or set transit_gateway_id of an existing gateway"
                    )
        return self

    @model_validator(mode="after")
    def _each_cluster_attaches_once(self) -> Self:
        for field in ("attachments", "peer_gateways"):
            if strangers := sorted(set(getattr(self, field)) - set(self.clusters)):
                there = ", ".join(self.clusters)
                raise ValueError(f"has {', '.join(strangers)} in {field} but not in clusters; allowed: {there}")
        ids = list(self.attachments.values())
        if twice := duplicates(ids):
            raise ValueError(f"has {', '.join(twice)} for two clusters; each cluster needs its own attachment")
        return self

    @model_validator(mode="after")
    def _routes_have_a_table(self) -> Self:
        static = [f"on_premises.{name}.attachment_id" for name, one in self.on_premises.items() if one.attachment_id]
        fields = static + [field for field in ("blackholes", "propagate") if getattr(self, field)]
        if fields and not (self.create or self.route_tables):
            raise ValueError(
                f"has {', '.join(fields)} without route_tables, but the default tables only propagate routes: set "
                f"route_tables, or remove {fields[0]}"
            )
        if not self.accept_clusters:
            fields += [field for field in ("attachments", "share_with", "inside_organization") if getattr(self, field)]
            if fields:
                raise ValueError(
                    f"has accept_clusters: false and {', '.join(fields)}; set these in the entry that accepts clusters"
                )
        routed = {one.cidr: name for name, one in self.on_premises.items() if one.attachment_id}
        for name, cidr in self.blackholes.items():
            if cidr in routed:
                raise ValueError(
                    f"has {cidr} as a route (on_premises.{routed[cidr]}) and as a blackhole (blackholes.{name}); "
                    "remove one"
                )
        return self

    @property
    def transit_gateway(self) -> str | None:
        return self.transit_gateway_id

    @property
    def makes_transit_gateway(self) -> bool:
        return self.create is not None

    @property
    def pods_meet(self) -> bool:
        return self.propagate  # An attachment propagates every range of its VPC.

    def occupied_cidrs(self) -> Iterator[tuple[FieldPath, IPv4Network]]:
        for name, one in self.on_premises.items():
            yield ("on_premises", name, "cidr"), one.cidr

    def claims(self) -> Iterator[Claim]:
        yield from super().claims()
        for name, attachment in self.attachments.items() if self.accept_clusters else ():
            yield Claim(
                ("attachments", name),
                "account",
                ("attachment", attachment),
                f"accepts {attachment}",
                "an attachment can be accepted once: set accept_clusters: false in one entry",
            )
        # A table that this entry creates has no ID yet.
        table = self.route_tables.clusters if self.route_tables else ""
        routed = {name: one.cidr for name, one in self.on_premises.items() if one.attachment_id}
        fields: dict[FieldPath, IPv4Network] = {("blackholes", name): cidr for name, cidr in self.blackholes.items()}
        fields |= {("on_premises", name, "attachment_id"): cidr for name, cidr in routed.items()}
        for field, cidr in fields.items():
            does, remove = ("drops", "it") if field[0] == "blackholes" else ("routes", "attachment_id")
            yield Claim(
                field,
                "account" if table else "network",
                ("gateway route", table, cidr),
                f"{does} {cidr} in {table or 'the table of the clusters'}",
                f"a route table can have only one route per range: remove {remove} from one entry",
            )

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        for index, name in enumerate(self.clusters):
            if (cluster := context.clusters.get(name)) is None:
                continue
            elsewhere = cluster.region != context.region
            if elsewhere and self.accept_clusters and not (self.create or self.route_tables):
                message = (
                    f"{name!r} is in {cluster.region} and the gateway in {context.region}; a peering between gateways "
                    "needs static routes: set route_tables, or use a network and gateway in the cluster's region"
                )
                yield ("clusters", index), message
            if elsewhere and self.accept_clusters and self.propagate:
                message = (
                    f"is true, but {name!r} is in {cluster.region}, and a peering between gateways does not propagate "
                    "routes: remove it, or move the cluster to another entry"
                )
                yield ("propagate",), message
            if not elsewhere and name in self.peer_gateways:
                yield (
                    ("peer_gateways", name),
                    f"is only for a cluster in another region, but {name!r} is also in {context.region}; remove it",
                )
        if self.attaches and context.network and context.network.has_vpc and not context.subnets:
            yield (
                ("attach_network",),
                "attaches a network without subnets; add `subnets` to it, one in each availability zone",
            )

    @property
    def needs_of_clusters(self) -> tuple[PendingInput, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The account ID, if this entry accepts the clusters."""
        return (ACCOUNT_ID,) if self.accept_clusters else ()

    @property
    def needs_vpc(self) -> bool:
        return self.attaches

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:  # noqa: ARG002
        return "the gateway is not connected with the twin's region"

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:
        if not facts:
            return
        gateway = f"transit gateway {in_words(facts.get('transit_gateway_id'))}"
        if not self.accept_clusters:
            yield Step("you", f"check with whoever accepts the clusters on {gateway} that they are attached and routed")
            return
        for name in self.clusters:
            attachment = self.attachments.get(name)
            if attachment:
                test = f"test the connection over {gateway}; attachment {attachment} is accepted and the routes exist"
                yield Step("Astronomer", test, cluster=name)
            elif clusters[name].region != facts.get("region"):
                region = clusters[name].region
                yield Step(
                    "Astronomer",
                    f"peer your transit gateway in {region} with {gateway}, route "
                    f"{in_words(facts.get('cidrs'))} to it, and send us the ID of the peering's attachment",
                    # A request for a peering of gateways expires after 7 days in AWS.
                    cluster=name,
                    key=f"attachments.{name}",
                )
            elif clusters[name].account_id:
                invited = self.invites(clusters[name], facts)
                accept = f"accept the resource share of {gateway}, " if invited else ""
                attach = "attach the cluster's private subnets to it" if invited else f"attach the cluster to {gateway}"
                route = f"route {in_words(facts.get('cidrs'))} to it, and send us the ID of the attachment"
                yield Step(
                    "Astronomer",
                    f"{accept}{attach}, {route}",
                    INVITATION if invited else None,
                    name,
                    key=f"attachments.{name}",
                )

    def on_premises_facts(self) -> dict[str, object]:
        ranges = {name: str(one.cidr) for name, one in self.on_premises.items()}
        return {"on_premises": ranges} if ranges else {}

    def pending_inputs(self) -> tuple[PendingInput, ...]:
        if not self.accept_clusters:
            return ()
        how = (
            "send their support the ticket of `main.py handoff --for astronomer` when the gateway is deployed; they "
            "attach the cluster and send you the attachment's ID"
        )
        return tuple(
            PendingInput(f"attachments.{name}", "Astronomer", how)
            for name in self.clusters
            if name not in self.attachments
        )
