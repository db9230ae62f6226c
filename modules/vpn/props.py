from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ConnectionProps
from modules.context import Context
from modules.entry import Claim, FieldPath, PendingInput, Secret, Step, fact, foreign_topic, in_words
from modules.expressions import FOR_EACH
from modules.vocabulary import (
    Cidr,
    PrivateAsn,
    Props,
    PublicIp,
    Range,
    RetentionDays,
    Slug,
    TopicArn,
    TransitGatewayId,
    TransitGatewayRouteTableId,
    VpnGatewayId,
    duplicates,
)
from modules.vpn.tunnels import Tunnels

_RESERVED = {IPv4Network(f"169.254.{third}.0/30") for third in range(6)} | {IPv4Network("169.254.169.252/30")}
# Amazon's own, which a customer gateway cannot have.
_AMAZONS = (7224, 9059, 10124, 17943)


def _free(cidr: IPv4Network) -> IPv4Network:
    if cidr in _RESERVED:
        raise ValueError("is reserved by AWS; take a /30 of 169.254.6.0 to 169.254.168.255, for example")
    return cidr


def _not_amazons(asn: int) -> int:
    if asn in _AMAZONS:
        raise ValueError(f"is an ASN of Amazon's ({', '.join(map(str, _AMAZONS))}); give your network's own")
    return asn


InsideCidr = Annotated[
    IPv4Network,
    Range("an inside range of a tunnel", 30, 30, (IPv4Network("169.254.0.0/16"),), "169.254.0.0/16"),
    AfterValidator(_free),
]
Asn = Annotated[int, Field(ge=1, le=4294967294), AfterValidator(_not_amazons)]


class Gateway(Props):
    """A device of yours at the other end: a customer gateway with a VPN connection of two tunnels."""

    ip: PublicIp | None = None
    """Its public, static IPv4 address; absent until your network team gives it."""
    tunnel1_inside_cidr: InsideCidr | None = None
    """A /30 of 169.254.0.0/16, the first address AWS's and the second yours. Default: AWS chooses."""
    tunnel2_inside_cidr: InsideCidr | None = None
    """The same, of the second tunnel. All inside ranges of a connection differ."""

    def inside_cidrs(self) -> tuple[IPv4Network | None, IPv4Network | None]:
        """Of tunnel 1 and 2."""
        return self.tunnel1_inside_cidr, self.tunnel2_inside_cidr


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
    where the network is to reach the ranges as well, route them to the gateway there."""
    route_tables: RouteTables = RouteTables()
    """Of the transit gateway. Needed there with `static_routes`; else its default tables will do."""
    vpn_gateway_id: VpnGatewayId | None = None
    """Attach to this virtual private gateway, which is attached to the network's VPC. Default, where there is no
    `transit_gateway_id`: one is made. Either way, the network's route tables learn the ranges from it."""
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
        if routes and info.data.get("bgp_asn"):
            raise ValueError("cannot be combined with bgp_asn, because BGP announces the ranges itself; remove one")
        return routes

    @field_validator("transit_gateway_id")
    @classmethod
    def _has_one_way_for_each_range(cls, gateway_id: str | None, info: ValidationInfo) -> str | None:
        if gateway_id and info.data.get("static_routes") and len(info.data.get("gateways", ())) > 1:
            raise ValueError(
                "takes one static route for each range, so that two devices need BGP; set bgp_asn, or keep one device"
            )
        return gateway_id

    @field_validator("route_tables")
    @classmethod
    def _are_of_a_transit_gateway(cls, tables: RouteTables, info: ValidationInfo) -> RouteTables:
        if "transit_gateway_id" in info.data and info.data["transit_gateway_id"] is None:
            raise ValueError("names tables of a transit gateway, and there is no transit_gateway_id; take it out")
        return tables

    @field_validator("vpn_gateway_id")
    @classmethod
    def _attaches_to_one(cls, gateway_id: str | None, info: ValidationInfo) -> str | None:
        if gateway_id and info.data.get("transit_gateway_id"):
            raise ValueError("stands beside transit_gateway_id; a VPN attaches to one gateway: take one out")
        return gateway_id

    @field_validator("amazon_asn")
    @classmethod
    def _is_of_a_gateway_to_be_made(cls, asn: int | None, info: ValidationInfo) -> int | None:
        beside = [field for field in ("transit_gateway_id", "vpn_gateway_id") if info.data.get(field)]
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
        if self.makes_gateway() and self.bgp_asn == (self.amazon_asn or 64512):
            raise ValueError(
                f"has {self.bgp_asn} as bgp_asn and as AWS's own ASN; BGP joins two networks of different ASNs: "
                "set amazon_asn to another"
            )
        return self

    def makes_gateway(self) -> bool:
        """Whether a virtual private gateway is made."""
        return self.terminates == "network" and not self.transit_gateway_id and not self.vpn_gateway_id

    def known_gateways(self) -> dict[str, tuple[str, Gateway]]:
        """The gateways that can be made, with their addresses."""
        if not self.bgp_asn and not self.static_routes:
            return {}
        return {name: (gateway.ip, gateway) for name, gateway in self.gateways.items() if gateway.ip}

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
        devices = in_words(made)
        match self.preshared_keys:
            case "secrets-manager":
                secrets = in_words([fact(facts, name, "preshared_keys_secret") for name in made])
                yield Step("you", f"let your network team read the pre-shared keys of {devices}: {secrets}")
            case "state":
                how = "give your network team the pre-shared keys from Terraform's state through a protected channel"
                yield Step("you", how)
            case "variable":
                pass
        yield Step(
            "your network team", f"configure {devices} with the tunnel addresses and the pre-shared keys", key="tunnel"
        )

    def claims(self) -> Iterator[Claim]:
        if self.terminates == "astro":
            return
        for name, (ip, gateway) in self.known_gateways().items():
            yield Claim(
                ("gateways", name, "ip"),
                "account",
                ("customer gateway", ip),
                f"has a customer gateway of {ip}",
                "AWS answers with the same gateway to the second, and either destroys the other's: put the connections "
                "in one entry, or use another address",
            )
            for number, cidr in enumerate(gateway.inside_cidrs(), start=1):
                if cidr and self.vpn_gateway_id:
                    yield Claim(
                        ("gateways", name, f"tunnel{number}_inside_cidr"),
                        "account",
                        (self.vpn_gateway_id, cidr),
                        f"has tunnels of {cidr} on {self.vpn_gateway_id}",
                        "inside ranges of one gateway differ: choose another /30",
                    )
        if not self.transit_gateway_id:
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
        return self.terminates == "network" and not self.transit_gateway_id

    @property
    def routes_behind(self) -> bool:
        return self.terminates == "network"

    @property
    def transit_gateway(self) -> str | None:
        return self.transit_gateway_id

    def occupied_cidrs(self) -> Iterator[tuple[FieldPath, IPv4Network]]:
        for name, cidr in self.static_routes.items():
            yield ("static_routes", name), cidr

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        for message in foreign_topic(self.alarm_topic, context.region):
            yield ("alarm_topic",), message

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:  # noqa: ARG002
        return "the VPN ends in the VPC that was left"

    def pending_inputs(self) -> tuple[PendingInput, ...]:
        missing = [
            PendingInput(f"gateways.{name}.ip", "your network team", "the public, static IPv4 address of the device")
            for name, gateway in self.gateways.items()
            if gateway.ip is None
        ]
        if not self.bgp_asn and not self.static_routes:
            how = "the ASN that the devices use for BGP; or, without BGP, the ranges behind them for static_routes"
            missing.append(PendingInput("bgp_asn", "your network team", how))
        return tuple(missing)

    def secrets(self) -> tuple[Secret, ...]:
        if self.preshared_keys != "variable":
            return ()
        wanted = sorted(f"{name}-{tunnel}" for name in self.gateways for tunnel in (1, 2))
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
