from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ConnectionProps
from modules.context import Context
from modules.entry import Claim, FieldPath, PendingInput, Secret, Step, fact, foreign_topic, in_words
from modules.expressions import FOR_EACH
from modules.vocabulary import (
    Cidr,
    PrivateAsn,
    Props,
    RetentionDays,
    Slug,
    TopicArn,
    TransitGatewayId,
    TransitGatewayRouteTableId,
    VpnGatewayId,
    arn_account,
    arn_region,
    duplicates,
)
from modules.vpn.gateways import OF_YOUR_ACCOUNT, Asn, Gateway
from modules.vpn.tunnels import Tunnels

_TRANSIT = ("transit_gateway_id", "transit_gateway_of")


class RouteTables(Props):
    """Route tables of the transit gateway, where its default ones do not do."""

    association: TransitGatewayRouteTableId | None = None
    """Where traffic out of the tunnels looks up its way. Default: the gateway's default association."""
    routes: Annotated[dict[Slug, TransitGatewayRouteTableId], FOR_EACH] = Field(default_factory=dict)
    """Tables, by a name of your choice, that get the way into the tunnels: static routes, or what BGP brings. Not the
    gateway's default table, where that learns from BGP by itself."""


class VpnProps(ConnectionProps):
    """Reach on-premises networks, or another cloud, through an AWS Site-to-Site VPN.

    By a virtual private gateway it reaches this network only: neither that nor a peering passes traffic on (facts B18).
    For Astro's clusters to get through, attach it to a transit gateway that they are attached to as well. Or Astronomer
    makes the VPN, of the cluster's own VPC: `terminates: astro`.
    """

    needs_of_clusters: ClassVar[tuple[PendingInput, ...]] = ()
    uses_field: ClassVar[str] = "transit_gateway_of"

    for_network_team: ClassVar[tuple[str, ...]] = (
        "*.vpn_connection_id",
        "*.tunnels",
        "*.transit_gateway_attachment_id",
    )

    type: Literal["vpn"]
    network: Slug = Field(default_factory=str)
    """The entry of `networks` that this connects; needed unless Astronomer makes the VPN (`terminates: astro`)."""
    terminates: Literal["network", "astro"] = "network"
    """Where AWS's end is. `network`: in your own `network`. `astro`: in the VPC of your `cluster`, where Astronomer
    makes it (seed 003): nothing is made here, and `main.py handoff` tells what to send to their support."""
    cluster: Slug | None = None
    """The entry of `clusters` that Astronomer connects, with `terminates: astro`."""
    gateways: Annotated[dict[Slug, Gateway], Field(min_length=1, max_length=10)]
    """Your devices, by name. With two, the connection outlives one of them."""
    bgp_asn: Asn | None = None
    """Your network's ASN, 1 to 4294967294, where the devices speak BGP; else give `static_routes`."""
    static_routes: Annotated[dict[Slug, Cidr], FOR_EACH] = Field(default_factory=dict)
    """The ranges behind the devices, by name, where they do not speak BGP."""
    transit_gateway_id: TransitGatewayId | None = None
    """Attach to this transit gateway, of this account and region. The network's own route tables learn nothing from it:
    where the network is to reach the ranges as well, route them to the gateway there. A change replaces every VPN
    connection: your devices need the new addresses and keys."""
    transit_gateway_of: Slug | None = None
    """The `transit_gateway` connection of the same network whose `create` makes the gateway to attach to. Its tables
    then lead the clusters and the network into the tunnels, and back."""
    accelerated: bool = False
    """Route the tunnels to the nearest edge of AWS's network, by AWS Global Accelerator. Only on a transit gateway."""
    route_tables: RouteTables = RouteTables()
    """Of the transit gateway. Needed there with `static_routes`; else its default tables will do."""
    vpn_gateway_id: VpnGatewayId | None = None
    """Attach to this virtual private gateway, which is attached to the network's VPC. Default, where there is no
    `transit_gateway_id`: one is made. Either way, the network's route tables learn the ranges from it. Connections keep
    their tunnels only when they move from one existing virtual private gateway to another."""
    amazon_asn: PrivateAsn | None = None
    """The ASN of AWS's side of BGP, if a virtual private gateway is created. Default: 64512. A change replaces the
    gateway and every VPN connection: your devices need the new addresses and keys."""
    tunnels: Tunnels = Tunnels()
    """How all tunnels are negotiated, where your devices cannot do what is the default."""
    preshared_keys: Literal["secrets-manager", "state", "variable"] = "secrets-manager"
    """Where the tunnels' keys come from. `secrets-manager`: AWS makes them and keeps them in AWS Secrets Manager.
    `state`: AWS makes them, and they stand in Terraform's state. `variable`: you give them in a sensitive variable, and
    they stand in the state and in plan files."""
    tunnel_log_days: RetentionDays | None = None
    """Log the tunnels' negotiations to CloudWatch and keep them for so many days. Default: no log."""
    alarm_topic: TopicArn | None = None
    """The SNS topic that is told when a tunnel is down. Default: the alarms are there and tell nobody."""

    @field_validator("terminates")
    @classmethod
    def _ends_once(cls, end: str, info: ValidationInfo) -> str:
        if end == "astro" and info.data.get("network"):
            raise ValueError("stands beside network, and Astronomer makes the VPN in the cluster's VPC; take one out")
        return end

    @field_validator("cluster")
    @classmethod
    def _is_connected_by_astronomer(cls, cluster: str | None, info: ValidationInfo) -> str | None:
        if cluster and info.data.get("terminates") == "network":
            raise ValueError(
                "is for a VPN that Astronomer makes, and this one ends in your network; write terminates: astro in "
                "place of network, or take cluster out"
            )
        return cluster

    @field_validator(
        "transit_gateway_id",
        "transit_gateway_of",
        "accelerated",
        "route_tables",
        "vpn_gateway_id",
        "amazon_asn",
        "preshared_keys",
        "tunnel_log_days",
        "alarm_topic",
    )
    @classmethod
    def _is_in_your_account(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("terminates") == "astro":
            raise ValueError(
                "is of a VPN of your own network, and with terminates: astro Astronomer makes the cluster's; take it "
                "out"
            )
        return value

    @field_validator("gateways")
    @classmethod
    def _are_told_apart(cls, gateways: dict[str, Gateway]) -> dict[str, Gateway]:
        # AWS answers a second request for one address with the gateway that exists (facts B27).
        addresses = [gateway.ip for gateway in gateways.values() if gateway.ip]
        inside = [str(cidr) for gateway in gateways.values() for cidr in gateway.inside_cidrs() if cidr]
        for what, values in (("address", addresses), ("inside range", inside)):
            if twice := duplicates(values):
                raise ValueError(f"has the {what} {', '.join(twice)} twice; each has its own")
        return gateways

    @field_validator("static_routes")
    @classmethod
    def _static_or_bgp(cls, routes: dict[str, IPv4Network], info: ValidationInfo) -> dict[str, IPv4Network]:
        own = [f"gateways.{name}.bgp_asn" for name, one in info.data.get("gateways", {}).items() if one.bgp_asn]
        if routes and (info.data.get("bgp_asn") or own):
            with_ = "bgp_asn" if info.data.get("bgp_asn") else own[0]
            raise ValueError(f"cannot be combined with {with_}, because BGP announces the ranges itself; remove one")
        return routes

    @field_validator("transit_gateway_of")
    @classmethod
    def _names_one_gateway(cls, connection: str | None, info: ValidationInfo) -> str | None:
        if connection and info.data.get("transit_gateway_id"):
            raise ValueError("stands beside transit_gateway_id; a VPN attaches to one gateway: take one out")
        return connection

    @field_validator("transit_gateway_id", "transit_gateway_of")
    @classmethod
    def _has_one_way_for_each_range(cls, gateway_id: str | None, info: ValidationInfo) -> str | None:
        if gateway_id and info.data.get("static_routes") and len(info.data.get("gateways", ())) > 1:
            raise ValueError(
                "takes one static route for each range, so that two devices need BGP; set bgp_asn, or keep one device"
            )
        return gateway_id

    @field_validator("accelerated")
    @classmethod
    def _accelerates_public_tunnels(cls, accelerated: bool, info: ValidationInfo) -> bool:
        on_gateway = info.data.get("transit_gateway_id") or info.data.get("transit_gateway_of")
        if accelerated and "transit_gateway_id" in info.data and not on_gateway:
            raise ValueError("is for a VPN of a transit gateway, and there is no transit_gateway_id; take it out")
        private = [name for name, one in info.data.get("gateways", {}).items() if one.direct_connect_attachment_id]
        if accelerated and private:
            raise ValueError(f"is for tunnels over the internet, and {private[0]} uses Direct Connect; take it out")
        return accelerated

    @field_validator("route_tables")
    @classmethod
    def _are_of_a_transit_gateway(cls, tables: RouteTables, info: ValidationInfo) -> RouteTables:
        if "transit_gateway_id" in info.data and info.data["transit_gateway_id"] is None:
            raise ValueError("names tables of a transit gateway, and there is no transit_gateway_id; take it out")
        return tables

    @field_validator("vpn_gateway_id")
    @classmethod
    def _attaches_to_one(cls, gateway_id: str | None, info: ValidationInfo) -> str | None:
        beside = [field for field in _TRANSIT if info.data.get(field)]
        if gateway_id and beside:
            raise ValueError(f"stands beside {beside[0]}; a VPN attaches to one gateway: take one out")
        return gateway_id

    @field_validator("amazon_asn")
    @classmethod
    def _is_of_a_gateway_to_be_made(cls, asn: int | None, info: ValidationInfo) -> int | None:
        beside = [field for field in (*_TRANSIT, "vpn_gateway_id") if info.data.get(field)]
        if asn and beside:
            raise ValueError(f"is for a gateway to be made, and {beside[0]} names one that exists; take one out")
        return asn

    @model_validator(mode="after")
    def _ends_somewhere(self) -> Self:
        if self.terminates == "astro" and not self.cluster:
            raise ValueError("has terminates: astro and no cluster; name the entry of `clusters` to connect")
        if self.terminates == "network" and not self.network:
            raise ValueError(
                "has no network; name the entry of `networks` to connect, or the cluster and terminates: astro"
            )
        return self

    @model_validator(mode="after")
    def _can_route(self) -> Self:
        if self.transit_gateway_id and self.static_routes and not self.route_tables.routes:
            raise ValueError(
                "has static_routes to a transit gateway and no route_tables.routes to write them in; "
                "name one table, such as {main: tgw-rtb-0123456789abcdef0}"
            )
        amazons = self.amazon_asn or 64512
        if self.makes_gateway() and amazons in {self.asn(gateway) for gateway in self.gateways.values()}:
            raise ValueError(
                f"has {amazons} as bgp_asn and as AWS's own ASN; BGP joins two networks of different ASNs: "
                "set amazon_asn to another"
            )
        for name, gateway in self.gateways.items():
            if gateway.direct_connect_attachment_id and not self.on_transit_gateway:
                raise ValueError(
                    f"has gateways.{name}.direct_connect_attachment_id and no transit_gateway_id; tunnels over Direct "
                    "Connect end at a transit gateway"
                )
            yours = [field for field in OF_YOUR_ACCOUNT if getattr(gateway, field)]
            if yours and self.terminates == "astro":
                raise ValueError(
                    f"has gateways.{name}.{yours[0]}, which is in your account, and Astronomer makes this VPN in the "
                    "cluster's; take it out"
                )
            starts = self.tunnels.startup_action == "start" and "startup_action" in self.tunnels.model_fields_set
            if gateway.certificate_arn and not gateway.tunnels and starts:
                raise ValueError(
                    f"has tunnels.startup_action start, and gateways.{name} has a certificate and no address that AWS "
                    "could start to; leave it out, and the device starts"
                )
        return self

    def asn(self, gateway: Gateway) -> int | None:
        """Return the ASN of a device; None without BGP."""
        return gateway.bgp_asn or self.bgp_asn

    def negotiation(self, gateway: Gateway) -> Tunnels:
        """Return how the tunnels of a device are negotiated. One with a certificate starts them itself."""
        tunnels = gateway.tunnels or self.tunnels
        return tunnels.model_copy(update={"startup_action": "add"}) if gateway.certificate_arn else tunnels

    def makes_gateway(self) -> bool:
        """Whether a virtual private gateway is made."""
        return self.terminates == "network" and not self.on_transit_gateway and not self.vpn_gateway_id

    @property
    def on_transit_gateway(self) -> bool:
        """Whether it attaches to a transit gateway."""
        return bool(self.transit_gateway_id or self.transit_gateway_of)

    def known_gateways(self) -> dict[str, Gateway]:
        """The gateways that can be made or connected."""
        return {
            name: gateway
            for name, gateway in self.gateways.items()
            if gateway.is_known and (self.static_routes or self.asn(gateway))
        }

    def cluster_names(self) -> tuple[str, ...]:
        return (self.cluster,) if self.cluster else ()

    def on_premises_facts(self) -> dict[str, object]:
        ranges = {name: str(cidr) for name, cidr in self.static_routes.items()}
        return {
            "devices": {name: gateway.model_dump(mode="json") for name, gateway in self.gateways.items()},
            **({"static_routes": ranges} if ranges else {"bgp_asn": self.bgp_asn}),
        }

    def asked_of_astronomer(self) -> dict[str, object]:
        if self.terminates == "network":
            return {}
        ranges = {name: str(cidr) for name, cidr in self.static_routes.items()}
        return {
            "gateways": {
                name: {"ip": None} | gateway.model_dump(mode="json", exclude_none=True)
                for name, gateway in self.gateways.items()
            },
            **({"static_routes": ranges} if ranges else {"bgp_asn": self.bgp_asn}),
            "tunnels": self.tunnels.model_dump(mode="json", exclude={"weak_reason"}),
        }

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:  # noqa: ARG002
        if self.terminates == "astro":
            if self.pending_inputs():
                return
            yield Step("Astronomer", "create a VPN connection from the cluster's VPC with the following settings")
            keys = "exchange the pre-shared keys through a channel that Astronomer's support names, never in a ticket"
            yield Step("you", keys)
            return
        made = [name for name in self.known_gateways() if name in facts]
        if not made:
            return
        keyed = [name for name in made if not self.gateways[name].certificate_arn]
        devices = in_words(made)
        match self.preshared_keys if keyed else "variable":
            case "secrets-manager":
                secrets = in_words([fact(facts, name, "preshared_keys_secret") for name in keyed])
                yield Step("you", f"let your network team read the pre-shared keys of {in_words(keyed)}: {secrets}")
            case "state":
                how = "give your network team the pre-shared keys from Terraform's state through a protected channel"
                yield Step("you", how)
            case "variable":
                pass
        yield Step(
            "your network team",
            f"configure {devices} with the tunnel addresses and the {'pre-shared keys' if keyed else 'certificates'}",
            key="tunnel",
        )

    def claims(self) -> Iterator[Claim]:
        if self.terminates == "astro":
            return
        for name, gateway in self.known_gateways().items():
            for number, cidr in enumerate(gateway.inside_cidrs(), start=1):
                if cidr and self.vpn_gateway_id:
                    yield Claim(
                        ("gateways", name, f"tunnel{number}_inside_cidr"),
                        "account",
                        (self.vpn_gateway_id, cidr),
                        f"has tunnels of {cidr} on {self.vpn_gateway_id}",
                        "inside ranges of one gateway differ: choose another /30",
                    )
        if not self.on_transit_gateway:
            field = "vpn_gateway_id" if self.vpn_gateway_id else "type"
            yield Claim(
                (field,),
                "network",
                ("virtual private gateway",),
                f"{'makes' if self.makes_gateway() else 'uses'} a virtual private gateway of network {self.network!r}",
                "a VPC attaches one: put the gateways in one entry, or name one vpn_gateway_id in both",
                shared=self.vpn_gateway_id,
            )

    @property
    def leads_back(self) -> bool:
        # A virtual private gateway propagates its routes into the tables; a transit gateway propagates none to a VPC.
        return self.terminates == "network" and not self.on_transit_gateway

    @property
    def needs_owner(self) -> bool:
        return self.needs_vpc

    @property
    def routes_behind(self) -> bool:
        return self.terminates == "network"

    @property
    def transit_gateway(self) -> str | None:
        return self.transit_gateway_id

    @property
    def uses(self) -> str | None:
        return self.transit_gateway_of

    def occupied_cidrs(self) -> Iterator[tuple[FieldPath, IPv4Network]]:
        for name, cidr in self.static_routes.items():
            yield ("static_routes", name), cidr

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        for message in foreign_topic(self.alarm_topic, context.region):
            yield ("alarm_topic",), message
        for name, gateway in self.gateways.items():
            arn_, here = gateway.certificate_arn, (context.region, context.account_id)
            if arn_ and (arn_region(arn_), arn_account(arn_)) != here:
                message = f"{arn_!r} is not in account {context.account_id} and {context.region}, where the VPN is"
                yield ("gateways", name, "certificate_arn"), message

    @property
    def needs_vpc(self) -> bool:
        return self.terminates == "network" and not (self.on_transit_gateway or self.vpn_gateway_id)

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:  # noqa: ARG002
        return "the VPN ends in the VPC that was left"

    def pending_inputs(self) -> tuple[PendingInput, ...]:
        missing = [
            PendingInput(f"gateways.{name}.ip", "your network team", "the public, static IPv4 address of the device")
            for name, gateway in self.gateways.items()
            if not gateway.is_known
        ]
        if not self.static_routes and not all(self.asn(gateway) for gateway in self.gateways.values()):
            how = "the ASN that the devices use for BGP; or, without BGP, the ranges behind them for static_routes"
            missing.append(PendingInput("bgp_asn", "your network team", how))
        return tuple(missing)

    def secrets(self) -> tuple[Secret, ...]:
        if self.preshared_keys != "variable":
            return ()
        keyed = [name for name, gateway in self.gateways.items() if not gateway.certificate_arn]
        wanted = sorted(f"{name}-{tunnel}" for name in keyed for tunnel in (1, 2))
        # AWS's rule for keys: facts B25.
        return (
            Secret(
                name="preshared_keys",
                type="map(string)",
                description=f"The pre-shared keys of the tunnels: {', '.join(wanted)}.",
                pattern="[1-9a-zA-Z._][0-9a-zA-Z._]{7,63}",
                allowed=f"A key for each of {', '.join(wanted)}, and no other; each has 8 to 64 of a-z A-Z 0-9 . _ and "
                "does not begin with 0 (AWS's rule).",
                keys=tuple(wanted),
            ),
        )
