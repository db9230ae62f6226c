from typing import Any

from cdktf import Fn, TerraformResourceLifecycle, Token
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import CloudwatchMetricAlarm
from cdktf_cdktf_provider_aws.ec2_transit_gateway_route import Ec2TransitGatewayRoute
from cdktf_cdktf_provider_aws.ec2_transit_gateway_route_table_association import Ec2TransitGatewayRouteTableAssociation
from cdktf_cdktf_provider_aws.ec2_transit_gateway_route_table_propagation import Ec2TransitGatewayRouteTablePropagation
from cdktf_cdktf_provider_aws.vpn_connection import (
    VpnConnection,
    VpnConnectionTunnel1LogOptions,
    VpnConnectionTunnel1LogOptionsCloudwatchLogOptions,
    VpnConnectionTunnel2LogOptions,
    VpnConnectionTunnel2LogOptionsCloudwatchLogOptions,
)
from cdktf_cdktf_provider_aws.vpn_connection_route import VpnConnectionRoute
from cdktf_cdktf_provider_aws.vpn_gateway import VpnGateway
from cdktf_cdktf_provider_aws.vpn_gateway_route_propagation import VpnGatewayRoutePropagation
from constructs import Construct

from modules.context import ConnectionContext, Network
from modules.parts.customer_gateway.construct import customer_gateway
from modules.parts.for_each.construct import by_name, each
from modules.parts.memory.construct import remember
from modules.parts.routes.construct import each_table
from modules.vocabulary import construct_id
from modules.vpn.gateways import Gateway
from modules.vpn.props import VpnProps
from modules.vpn.tunnels import Tunnels


class Vpn(Construct):
    """A VPN connection to each of your devices, from the network's virtual private gateway or a transit gateway."""

    def __init__(self, scope: Construct, id_: str, props: VpnProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        self._props, self._context = props, context
        self._transit_gateway_id = context.gateway.id if context.gateway else props.transit_gateway_id
        tables = props.route_tables
        self._association, self._tables = tables.association, tables.routes
        if made := context.gateway:
            # The tables of the new gateway contain only static routes. The VPN uses the network's table, which leads to
            # the clusters, and with this route also to the network.
            self._association, self._tables = made.network_table, made.tables()
            Ec2TransitGatewayRouteTablePropagation(
                self,
                "network-propagation",
                transit_gateway_attachment_id=made.network_attachment,
                transit_gateway_route_table_id=made.network_table,
            )
        self._vpn_gateway_id = self._vpn_gateway(context.network)
        # A plan that moves a connection in place to another kind of gateway or another transit gateway fails. It uses
        # the old attachment for the new gateway, and deletes the gateway before the connection leaves it.
        given = props.vpn_gateway_id and "vpn_gateway_id"
        target = self._transit_gateway_id or given or self._vpn_gateway_id
        self._target = remember(self, "target", {"gateway": target}, keep=False)
        self._logs = (
            CloudwatchLogGroup(
                self,
                "tunnel-logs",
                # With this prefix, AWS keeps one policy for all log groups. Otherwise it adds one for each, up to a
                # limit.
                name=f"/aws/vendedlogs/vpn/{context.name}",
                retention_in_days=props.tunnel_log_days,
            )
            if props.tunnel_log_days
            else None
        )
        self.handoff: dict[str, object] = {
            name: self._connect(name, gateway) for name, gateway in props.known_gateways().items()
        }

    def _vpn_gateway(self, network: Network) -> str | None:
        """Return the ID of the virtual private gateway, which propagates the ranges behind it to the network's route
        tables."""
        if self._props.on_transit_gateway:
            return None
        gateway_id = self._props.vpn_gateway_id
        if gateway_id is None:
            gateway_id = VpnGateway(
                self,
                "gateway",
                vpc_id=network.vpc_id,
                amazon_side_asn=str(self._props.amazon_asn or 64512),
                tags={"Name": self._context.name},
            ).id
        for id_, (table_id,), over in each_table(network, "aws_vpn_gateway_route_propagation", "propagation"):
            VpnGatewayRoutePropagation(self, id_, for_each=over, route_table_id=table_id, vpn_gateway_id=gateway_id)
        return gateway_id

    def _customer_gateway(self, name: str, gateway: Gateway, tag: str) -> str:
        """Return the ID of the device's customer gateway in AWS."""
        if gateway.customer_gateway_id:
            return gateway.customer_gateway_id
        return customer_gateway(
            self,
            construct_id("customer-gateway", name),
            tag,
            ip=gateway.ip,
            certificate=gateway.certificate_arn,
            # AWS also requires an ASN without BGP. This is its default.
            asn=self._props.asn(gateway) or 65000,
        )

    def _connect(self, name: str, gateway: Gateway) -> dict[str, object]:
        props = self._props
        tags = {"Name": f"{self._context.name}-{name}"}
        storage = "SecretsManager" if props.preshared_keys == "secrets-manager" else "Standard"
        connection = VpnConnection(
            self,
            construct_id("connection", name),
            type="ipsec.1",
            customer_gateway_id=self._customer_gateway(name, gateway, tags["Name"]),
            transit_gateway_id=self._transit_gateway_id,
            vpn_gateway_id=self._vpn_gateway_id,
            static_routes_only=bool(props.static_routes),
            preshared_key_storage=None if gateway.certificate_arn else storage,
            # Without the argument, Terraform keeps the value in AWS.
            enable_acceleration=props.accelerated if props.on_transit_gateway else None,
            outside_ip_address_type="PrivateIpv4" if gateway.direct_connect_attachment_id else None,
            transport_transit_gateway_attachment_id=gateway.direct_connect_attachment_id,
            tags=tags,
            # A VPC has one gateway, so the old one must be deleted first. AWS does not delete a gateway in use.
            lifecycle=TerraformResourceLifecycle(replace_triggered_by=[self._target]),
            **self._tunnels(name, gateway),
        )
        self._route(name, connection)
        former = self._context.former_name(("connections", self.node.id, "gateways"), name)
        CloudwatchMetricAlarm(
            self,
            construct_id("alarm", name),
            alarm_name=f"{self._context.name}-{former}-tunnel-down",
            alarm_description=f"A tunnel of VPN connection {self._context.name}-{name} was down in the last 5 minutes",
            namespace="AWS/VPN",
            metric_name="TunnelState",
            dimensions={"VpnId": connection.id},
            # Both tunnels report in this dimension, so the minimum is 1 only while both are up.
            statistic="Minimum",
            comparison_operator="LessThanThreshold",
            threshold=1,
            period=300,
            evaluation_periods=1,
            treat_missing_data="breaching",
            alarm_actions=[props.alarm_topic] if props.alarm_topic else None,
            ok_actions=[props.alarm_topic] if props.alarm_topic else None,
        )
        return self._facts(gateway, connection)

    def _tunnels(self, name: str, gateway: Gateway) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        for number, cidr in enumerate(gateway.inside_cidrs(), start=1):
            options = _negotiation(self._props.negotiation(gateway))
            options["inside_cidr"] = str(cidr) if cidr else None
            if self._props.preshared_keys == "variable" and not gateway.certificate_arn:
                keys = self._context.secrets["preshared_keys"]
                options["preshared_key"] = Token.as_string(Fn.lookup(keys, f"{name}-{number}"))
            arguments |= {f"tunnel{number}_{option}": value for option, value in options.items()}
        if self._logs:
            to: dict[str, Any] = {"log_enabled": True, "log_group_arn": self._logs.arn, "log_output_format": "json"}
            arguments["tunnel1_log_options"] = VpnConnectionTunnel1LogOptions(
                cloudwatch_log_options=VpnConnectionTunnel1LogOptionsCloudwatchLogOptions(**to)
            )
            arguments["tunnel2_log_options"] = VpnConnectionTunnel2LogOptions(
                cloudwatch_log_options=VpnConnectionTunnel2LogOptionsCloudwatchLogOptions(**to)
            )
        return arguments

    def _route(self, name: str, connection: VpnConnection) -> None:
        """Create the routes into the tunnels. A virtual private gateway propagates its routes, and a transit gateway
        needs its own."""
        props = self._props
        if not props.on_transit_gateway:
            for (range_name,), (cidr,), over in each(props.static_routes):
                VpnConnectionRoute(
                    self,
                    construct_id("route", name, range_name),
                    for_each=over,
                    vpn_connection_id=connection.id,
                    destination_cidr_block=cidr,
                )
            return
        attachment = connection.transit_gateway_attachment_id
        if table_id := self._association:
            Ec2TransitGatewayRouteTableAssociation(
                self,
                construct_id("association", name),
                transit_gateway_attachment_id=attachment,
                transit_gateway_route_table_id=table_id,
                # The gateway may have associated the new attachment with its default table already.
                replace_existing_association=True,
            )
        if not props.static_routes:
            for (table,), (table_id,), over in each(self._tables):
                Ec2TransitGatewayRouteTablePropagation(
                    self,
                    construct_id("propagation", name, table),
                    for_each=over,
                    transit_gateway_attachment_id=attachment,
                    transit_gateway_route_table_id=table_id,
                )
            return
        for (table, range_name), (table_id, cidr), over in each(self._tables, props.static_routes):
            Ec2TransitGatewayRoute(
                self,
                construct_id("route", name, table, range_name),
                for_each=over,
                destination_cidr_block=cidr,
                transit_gateway_attachment_id=attachment,
                transit_gateway_route_table_id=table_id,
            )

    def _facts(self, gateway: Gateway, connection: VpnConnection) -> dict[str, object]:
        """Return the facts that the device's owner needs, without the keys."""
        facts: dict[str, object] = {
            "vpn_connection_id": connection.id,
            **({"ip": gateway.ip} if gateway.ip else {}),
            **self._routing(gateway),
            "tunnels": {
                "1": {
                    "aws_ip": connection.tunnel1_address,
                    "aws_inside_ip": connection.tunnel1_vgw_inside_address,
                    "your_inside_ip": connection.tunnel1_cgw_inside_address,
                    "inside_cidr": connection.tunnel1_inside_cidr,
                    "aws_bgp_asn": connection.tunnel1_bgp_asn,
                },
                "2": {
                    "aws_ip": connection.tunnel2_address,
                    "aws_inside_ip": connection.tunnel2_vgw_inside_address,
                    "your_inside_ip": connection.tunnel2_cgw_inside_address,
                    "inside_cidr": connection.tunnel2_inside_cidr,
                    "aws_bgp_asn": connection.tunnel2_bgp_asn,
                },
            },
        }
        if self._props.on_transit_gateway:
            facts["transit_gateway_attachment_id"] = connection.transit_gateway_attachment_id
        if self._props.preshared_keys == "secrets-manager" and not gateway.certificate_arn:
            facts["preshared_keys_secret"] = connection.preshared_key_arn
        return facts

    def _routing(self, gateway: Gateway) -> dict[str, object]:
        """Return how each side learns the ranges of the other."""
        if not self._props.static_routes:
            return {"bgp_asn": self._props.asn(gateway)}
        told: dict[str, object] = {"static_routes": by_name(self._props.static_routes)}
        if self._props.on_transit_gateway:
            told["note"] = (
                "The transit gateway routes these ranges into the tunnels. The network's own route tables have no "
                "such routes. If the network needs them, add routes to the gateway there."
            )
        return told


def _negotiation(tunnels: Tunnels) -> dict[str, Any]:
    """Return the arguments of one tunnel without its number. All are set, because defaults of AWS and the provider
    change."""
    return {
        "ike_versions": list(tunnels.ike_versions),
        "phase1_encryption_algorithms": list(tunnels.phase1.encryption),
        "phase1_integrity_algorithms": list(tunnels.phase1.integrity),
        "phase1_dh_group_numbers": list(tunnels.phase1.dh_groups),
        "phase1_lifetime_seconds": tunnels.phase1.lifetime_seconds,
        "phase2_encryption_algorithms": list(tunnels.phase2.encryption),
        "phase2_integrity_algorithms": list(tunnels.phase2.integrity),
        "phase2_dh_group_numbers": list(tunnels.phase2.dh_groups),
        "phase2_lifetime_seconds": tunnels.phase2.lifetime_seconds,
        "rekey_margin_time_seconds": tunnels.rekey_margin_seconds,
        "rekey_fuzz_percentage": tunnels.rekey_fuzz_percent,
        "replay_window_size": tunnels.replay_window_packets,
        "dpd_timeout_seconds": tunnels.dpd_timeout_seconds,
        "dpd_timeout_action": tunnels.dpd_timeout_action,
        "startup_action": tunnels.startup_action,
    }
