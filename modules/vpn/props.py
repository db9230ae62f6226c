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
    """Route tables of the transit gateway that replace its default ones."""

    association: TransitGatewayRouteTableId | None = None
    """The table that routes traffic from the tunnels. Default: the gateway's default association."""
    routes: Annotated[dict[Slug, TransitGatewayRouteTableId], FOR_EACH] = Field(default_factory=dict)
    """Tables, by a name of your choice, that get routes into the tunnels: static ones, or those that BGP announces.
    Leave out the gateway's default table if it learns routes from BGP itself."""


class VpnProps(ConnectionProps):
    """Reach on-premises networks, or another cloud, through an AWS Site-to-Site VPN.

    With a virtual private gateway, only this network is reachable, because neither it nor a peering forwards traffic of
    other networks (facts B18). For access from Astro's clusters, attach the VPN to a transit gateway that the clusters
    are also attached to. Astronomer can also create the VPN in the cluster's own VPC: `terminates: astro`.
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
    """The entry of `networks` that this connects. Required unless Astronomer creates the VPN (`terminates: astro`)."""
    terminates: Literal["network", "astro"] = "network"
    """The end of the VPN in AWS. `network`: your own `network`. `astro`: the VPC of your `cluster`, in which Astronomer
    creates it (Astronomer, *Create a network connection*). Nothing is then created here, and `main.py handoff` writes
    the request to their support."""
    cluster: Slug | None = None
    """The entry of `clusters` that Astronomer connects, with `terminates: astro`."""
    gateways: Annotated[dict[Slug, Gateway], Field(min_length=1, max_length=10)]
    """Your devices, by name. Use two so that the connection survives the loss of one."""
    bgp_asn: Asn | None = None
    """Your network's ASN, 1 to 4294967294, if the devices use BGP. Otherwise set `static_routes`."""
    static_routes: Annotated[dict[Slug, Cidr], FOR_EACH] = Field(default_factory=dict)
    """The ranges behind the devices, by name, if the devices do not use BGP."""
    transit_gateway_id: TransitGatewayId | None = None
    """The transit gateway to attach to, in this account and region. The network's own route tables get no routes from
    it. If the network also needs the ranges, add routes to the gateway there. A change replaces every VPN connection,
    and your devices need the new addresses and keys."""
    transit_gateway_of: Slug | None = None
    """The `transit_gateway` connection of the same network whose `create` creates the gateway to attach to. Its tables
    then route the clusters and the network into the tunnels, and back."""
    accelerated: bool = False
    """Route the tunnels to the nearest edge of AWS's network through AWS Global Accelerator. Only on a transit
    gateway."""
    route_tables: RouteTables = RouteTables()
    """Route tables of the transit gateway. Required with `static_routes`. Otherwise its default tables are
    sufficient."""
    vpn_gateway_id: VpnGatewayId | None = None
    """The virtual private gateway to attach to, which must be attached to the network's VPC. Default without
    `transit_gateway_id`: a new one. In both cases, the network's route tables learn the ranges from it. Connections
    only keep their tunnels when they move between two existing virtual private gateways."""
    amazon_asn: PrivateAsn | None = None
    """The ASN of AWS's side of BGP, if a virtual private gateway is created. Default: 64512. A change replaces the
    gateway and every VPN connection, and your devices need the new addresses and keys."""
    tunnels: Tunnels = Tunnels()
    """The settings of all tunnels, if your devices do not support the defaults."""
    preshared_keys: Literal["secrets-manager", "state", "variable"] = "secrets-manager"
    """The source of the tunnels' keys. With `secrets-manager`, AWS generates them and stores them in AWS Secrets
    Manager. With `state`, AWS generates them, and they are in Terraform's state. With `variable`, you set them in a
    sensitive variable, and they are in the state and in plan files."""
    tunnel_log_days: RetentionDays | None = None
    """Log the tunnels' negotiations to CloudWatch and keep the logs for this number of days. Default: no log."""
    alarm_topic: TopicArn | None = None
    """The SNS topic that is notified when a tunnel is down. Default: the alarms exist but send no notification."""

    @field_validator("terminates")
    @classmethod
    def _ends_once(cls, end: str, info: ValidationInfo) -> str:
        if end == "astro" and info.data.get("network"):
            raise ValueError(
                "cannot be combined with network, because Astronomer creates the VPN in the cluster's VPC; remove one"
            )
        return end

    @field_validator("cluster")
    @classmethod
    def _is_connected_by_astronomer(cls, cluster: str | None, info: ValidationInfo) -> str | None:
        if cluster and info.data.get("terminates") == "network":
            raise ValueError(
                "is only for a VPN that Astronomer creates, but this one ends in your network; set terminates: astro "
                "instead of network, or remove cluster"
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
            raise ValueError("is not supported with terminates: astro; remove it")
        return value

    @field_validator("gateways")
    @classmethod
    def _are_told_apart(cls, gateways: dict[str, Gateway]) -> dict[str, Gateway]:
        # AWS returns the existing gateway for a second request with the same address (facts B27).
        addresses = [gateway.ip for gateway in gateways.values() if gateway.ip]
        inside = [str(cidr) for gateway in gateways.values() for cidr in gateway.inside_cidrs() if cidr]
        for what, values in (("address", addresses), ("inside range", inside)):
            if twice := duplicates(values):
                raise ValueError(f"has the {what} {', '.join(twice)} twice; each must be unique")
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
            raise ValueError("cannot be combined with transit_gateway_id; a VPN attaches to one gateway: remove one")
        return connection

    @field_validator("transit_gateway_id", "transit_gateway_of")
    @classmethod
    def _has_one_way_for_each_range(cls, gateway_id: str | None, info: ValidationInfo) -> str | None:
        if gateway_id and info.data.get("static_routes") and len(info.data.get("gateways", ())) > 1:
            raise ValueError(
                "can have only one static route for each range, so two devices need BGP; set bgp_asn, or keep one "
                "device"
            )
        return gateway_id

    @field_validator("accelerated")
    @classmethod
    def _accelerates_public_tunnels(cls, accelerated: bool, info: ValidationInfo) -> bool:
        on_gateway = info.data.get("transit_gateway_id") or info.data.get("transit_gateway_of")
        if accelerated and "transit_gateway_id" in info.data and not on_gateway:
            raise ValueError("is only for a VPN on a transit gateway, but transit_gateway_id is not set; remove it")
        private = [name for name, one in info.data.get("gateways", {}).items() if one.direct_connect_attachment_id]
        if accelerated and private:
            raise ValueError(f"is only for tunnels over the internet, but {private[0]} uses Direct Connect; remove it")
        return accelerated

    @field_validator("route_tables")
    @classmethod
    def _are_of_a_transit_gateway(cls, tables: RouteTables, info: ValidationInfo) -> RouteTables:
        if "transit_gateway_id" in info.data and info.data["transit_gateway_id"] is None:
            raise ValueError("has transit gateway route tables, but transit_gateway_id is not set; remove them")
        return tables

    @field_validator("vpn_gateway_id")
    @classmethod
    def _attaches_to_one(cls, gateway_id: str | None, info: ValidationInfo) -> str | None:
        beside = [field for field in _TRANSIT if info.data.get(field)]
        if gateway_id and beside:
            raise ValueError(f"cannot be combined with {beside[0]}; a VPN attaches to one gateway: remove one")
        return gateway_id

    @field_validator("amazon_asn")
    @classmethod
    def _is_of_a_gateway_to_be_made(cls, asn: int | None, info: ValidationInfo) -> int | None:
        beside = [field for field in (*_TRANSIT, "vpn_gateway_id") if info.data.get(field)]
        if asn and beside:
            raise ValueError(f"is only for a new gateway, but {beside[0]} is an existing one; remove one")
        return asn

    @model_validator(mode="after")
    def _ends_somewhere(self) -> Self:
        if self.terminates == "astro" and not self.cluster:
            raise ValueError("has terminates: astro without cluster; set cluster to an entry of `clusters`")
        if self.terminates == "network" and not self.network:
            raise ValueError(
                "has no network; set network to an entry of `networks`, or set cluster and terminates: astro"
            )
        return self

    @model_validator(mode="after")
    def _has_a_table_for_its_routes(self) -> Self:
        if self.transit_gateway_id and self.static_routes and not self.route_tables.routes:
            raise ValueError(
                "has static_routes to a transit gateway without route_tables.routes for them; set a table, such as "
                "{main: tgw-rtb-0123456789abcdef0}"
            )
        return self

    @model_validator(mode="after")
    def _has_two_asns(self) -> Self:
        amazons = self.amazon_asn or 64512
        if self.makes_gateway() and amazons in {self.asn(gateway) for gateway in self.gateways.values()}:
            raise ValueError(
                f"has {amazons} as bgp_asn and as AWS's own ASN; BGP requires different ASNs: change amazon_asn"
            )
        return self

    @model_validator(mode="after")
    def _carries_private_addresses(self) -> Self:
        for name, gateway in self.gateways.items():
            if gateway.direct_connect_attachment_id and not self.on_transit_gateway:
                raise ValueError(
                    f"has gateways.{name}.direct_connect_attachment_id without transit_gateway_id; tunnels over "
                    "Direct Connect need a transit gateway"
                )
        return self

    @model_validator(mode="after")
    def _has_devices_of_its_side(self) -> Self:
        for name, gateway in self.gateways.items():
            yours = [field for field in OF_YOUR_ACCOUNT if getattr(gateway, field)]
            if yours and self.terminates == "astro":
                raise ValueError(
                    f"has gateways.{name}.{yours[0]}, which is in your account, but Astronomer creates this VPN in the "
                    "cluster's account; remove it"
                )
        return self

    @model_validator(mode="after")
    def _is_started_by_a_device_with_a_certificate(self) -> Self:
        for name, gateway in self.gateways.items():
            starts = self.tunnels.startup_action == "start" and "startup_action" in self.tunnels.model_fields_set
            if gateway.certificate_arn and not gateway.tunnels and starts:
                raise ValueError(
                    f"has tunnels.startup_action start, but AWS does not know the address of gateways.{name}, which "
                    "uses a certificate, and cannot initiate its tunnels; remove startup_action"
                )
        return self

    def asn(self, gateway: Gateway) -> int | None:
        """Return the ASN of a device, or None without BGP."""
        return gateway.bgp_asn or self.bgp_asn

    def negotiation(self, gateway: Gateway) -> Tunnels:
        """Return the tunnel settings of a device. A device with a certificate starts the tunnels itself."""
        tunnels = gateway.tunnels or self.tunnels
        return tunnels.model_copy(update={"startup_action": "add"}) if gateway.certificate_arn else tunnels

    def makes_gateway(self) -> bool:
        """Return whether a virtual private gateway is created."""
        return self.terminates == "network" and not self.on_transit_gateway and not self.vpn_gateway_id

    @property
    def on_transit_gateway(self) -> bool:
        """Return whether it attaches to a transit gateway."""
        return bool(self.transit_gateway_id or self.transit_gateway_of)

    def known_gateways(self) -> dict[str, Gateway]:
        """Return the gateways with enough data to create or connect them."""
        return {
            name: gateway
            for name, gateway in self.gateways.items()
            if gateway.is_known and (self.static_routes or self.asn(gateway))
        }

    def cluster_names(self) -> tuple[str, ...]:
        return (self.cluster,) if self.cluster else ()

    def devices(self) -> Mapping[str, str | None]:
        return {name: gateway.ip for name, gateway in self.gateways.items()}

    def on_premises_facts(self) -> dict[str, object]:
        return {"devices": self._devices(), **self._routing()}

    def asked_of_astronomer(self) -> dict[str, object]:
        if self.terminates == "network":
            return {}
        tunnels = self.tunnels.model_dump(mode="json", exclude={"weak_reason"})
        return {"gateways": self._devices(), **self._routing(), "tunnels": tunnels}

    def _devices(self) -> dict[str, dict[str, Any]]:
        """Return the settings of each device in the file. A pending address is None."""
        return {
            name: ({} if gateway.is_known else {"ip": None}) | gateway.model_dump(mode="json", exclude_none=True)
            for name, gateway in self.gateways.items()
        }

    def _routing(self) -> dict[str, object]:
        """Return the ranges behind the devices, or the ASN. A pending ASN is None."""
        if self.static_routes:
            return {"static_routes": {name: str(cidr) for name, cidr in self.static_routes.items()}}
        return {"bgp_asn": self.bgp_asn} if self.bgp_asn or self._waits_for_asn else {}

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
                yield Step(
                    "you", f"give your network team access to the pre-shared keys of {in_words(keyed)}: {secrets}"
                )
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
                        "inside ranges of a gateway must be unique: choose another /30",
                    )
        if not self.on_transit_gateway:
            field = "vpn_gateway_id" if self.vpn_gateway_id else "type"
            yield Claim(
                (field,),
                "network",
                ("virtual private gateway",),
                f"{'creates' if self.makes_gateway() else 'uses'} the virtual private gateway of {self.network!r}",
                "a VPC can have only one: put the gateways into one entry, or use the same vpn_gateway_id in both",
                shared=self.vpn_gateway_id,
            )

    @property
    def leads_back(self) -> bool:
        # A virtual private gateway propagates its routes into the tables. A transit gateway propagates none to a VPC.
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
        return "the VPN ends in the failed cluster's VPC"

    @property
    def _waits_for_asn(self) -> bool:
        return not self.static_routes and not all(self.asn(gateway) for gateway in self.gateways.values())

    def pending_inputs(self) -> tuple[PendingInput, ...]:
        missing = [
            PendingInput(f"gateways.{name}.ip", "your network team", "the public, static IPv4 address of the device")
            for name, gateway in self.gateways.items()
            if not gateway.is_known
        ]
        if self._waits_for_asn:
            how = "the ASN of the devices for BGP, or without BGP the ranges behind them for static_routes"
            missing.append(PendingInput("bgp_asn", "your network team", how))
        return tuple(missing)

    def secrets(self) -> tuple[Secret, ...]:
        if self.preshared_keys != "variable":
            return ()
        keyed = [name for name, gateway in self.gateways.items() if not gateway.certificate_arn]
        wanted = sorted(f"{name}-{tunnel}" for name in keyed for tunnel in (1, 2))
        # AWS's rule for keys (facts B25).
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
