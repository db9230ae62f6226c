from __future__ import annotations

import ipaddress
import uuid
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.vpn_connections import VPNConnection
from moto.ec2.responses import EC2Response

from .tools import patch
from .transit_gateway import delete_attachment

_create_customer_gateway = EC2Response.create_customer_gateway
_create_vpn_connection = EC2Response.create_vpn_connection
_delete_customer_gateway = EC2Backend.delete_customer_gateway
_delete_vpn_connection = EC2Backend.delete_vpn_connection
_delete_vpn_gateway = EC2Backend.delete_vpn_gateway
_get_filter_value = VPNConnection.get_filter_value

# AWS spells these members differently in requests and responses.
_ANSWERED_AS = {
    "IKEVersions": "IkeVersions",
    "DPDTimeoutAction": "DpdTimeoutAction",
    "DPDTimeoutSeconds": "DpdTimeoutSeconds",
}
_DROPPED = {"BgpAsnExtended": "bgp_asn_extended", "DeviceName": "device_name", "CertificateArn": "certificate_arn"}
_DEFAULT_OPTIONS = {
    "EnableAcceleration": False,
    "StaticRoutesOnly": False,
    "LocalIpv4NetworkCidr": "0.0.0.0/0",
    "RemoteIpv4NetworkCidr": "0.0.0.0/0",
    "OutsideIpAddressType": "PublicIpv4",
    "TunnelInsideIpVersion": "ipv4",
}


def _as_answered(tunnel: dict[str, Any]) -> dict[str, Any]:
    return {_ANSWERED_AS.get(key, key): value for key, value in tunnel.items()}


def _tunnel(number: int, connection: VPNConnection, requested: dict[str, Any]) -> dict[str, Any]:
    """Return the requested options with AWS's defaults; addresses differ between connections."""
    chosen = int(connection.id.removeprefix("vpn-"), 16) % 200 + 10
    return {
        "TunnelInsideCidr": f"169.254.{chosen}.{4 * number}/30",
        "PreSharedKey": uuid.uuid4().hex,
        "OutsideIpAddress": f"198.51.{100 + number}.{chosen}",
        **_as_answered(requested),
    }


def _identity(gateway: Any) -> tuple[str | None, ...]:
    kept = (getattr(gateway, name, None) for name in _DROPPED.values())
    return gateway.type, gateway.ip_address, gateway.bgp_asn, *kept


@patch(EC2Response)
def create_customer_gateway(self: EC2Response) -> ActionResult:
    """Keep an extended ASN, a name and a certificate, and return the existing gateway for an identical request.

    moto drops these, and creates a second gateway; AWS returns the existing one (facts C5).
    """
    answer = _create_customer_gateway(self)
    gateway = answer.result["CustomerGateway"]  # type: ignore[index]
    for parameter, name in _DROPPED.items():
        setattr(gateway, name, self._get_param(parameter))
    for other in self.ec2_backend.customer_gateways.values():
        if other is not gateway and other.state != "deleted" and _identity(other) == _identity(gateway):
            del self.ec2_backend.customer_gateways[gateway.id]
            return ActionResult({"CustomerGateway": other})
    return answer


def _connections(backend: EC2Backend) -> list[VPNConnection]:
    return [connection for connection in backend.vpn_connections.values() if connection.state != "deleted"]


@patch(EC2Backend)
def delete_customer_gateway(self: EC2Backend, customer_gateway_id: str) -> None:
    """Refuse to delete a customer gateway that a VPN connection uses; moto deletes it."""
    if any(connection.customer_gateway_id == customer_gateway_id for connection in _connections(self)):
        raise EC2ClientError("IncorrectState", "The customer gateway is in use.")
    _delete_customer_gateway(self, customer_gateway_id)


@patch(EC2Backend)
def delete_vpn_gateway(self: EC2Backend, vpn_gateway_id: str) -> Any:
    """Refuse to delete a VPN gateway that a VPN connection uses or that is attached; moto deletes it."""
    attached = [one for one in self.get_vpn_gateway(vpn_gateway_id).vpc_attachments if one.state != "detached"]
    if attached or any(connection.vpn_gateway_id == vpn_gateway_id for connection in _connections(self)):
        raise EC2ClientError("IncorrectState", f"The vpnGateway '{vpn_gateway_id}' is in use.")
    return _delete_vpn_gateway(self, vpn_gateway_id)


@patch(EC2Backend)
def delete_vpn_connection(self: EC2Backend, vpn_connection_id: str) -> VPNConnection:
    """Delete its attachment to a transit gateway too; moto keeps it."""
    for attachment in self.transit_gateway_attachments.values():
        if attachment.resource_id == vpn_connection_id:
            delete_attachment(self, attachment)
    return _delete_vpn_connection(self, vpn_connection_id)


@patch(EC2Response)
def create_vpn_connection(self: EC2Response) -> ActionResult:
    """Keep all options: static routing, both tunnels with their keys, and the storage of the keys; moto drops them."""
    answer = _create_vpn_connection(self)
    connection: Any = answer.result["VpnConnection"]  # type: ignore[index]
    options = dict(self._get_param("Options", {}))
    tunnels = [*options.pop("TunnelOptions", []), {}, {}][:2]
    tunnels = [_tunnel(number, connection, requested) for number, requested in enumerate(tunnels)]
    connection.options = {**_DEFAULT_OPTIONS, **options, "TunnelOptions": tunnels}
    connection.routes = []
    connection.vgw_telemetry = [
        {"OutsideIpAddress": tunnel["OutsideIpAddress"], "Status": "DOWN", "AcceptedRouteCount": 0}
        for tunnel in tunnels
    ]
    _keep_keys(self, connection, tunnels)
    return answer


def _keep_keys(response: EC2Response, connection: Any, tunnels: list[dict[str, Any]]) -> None:
    """Redact keys that are stored in Secrets Manager; no other attribute shows the storage type."""
    if response._get_param("PreSharedKeyStorage") == "SecretsManager":
        place = f"arn:aws:secretsmanager:{response.region}:{response.current_account}:secret"
        connection.pre_shared_key_arn = f"{place}:s2svpn!{connection.id}"
        for tunnel in tunnels:
            tunnel["PreSharedKey"] = "REDACTED"


@patch(VPNConnection)
@property
def customer_gateway_configuration(self: VPNConnection) -> str:
    """Describe the connection's own tunnels and keys; moto returns the same two tunnels for all."""
    options: Any = self.options or {}
    tunnels = "".join(_tunnel_xml(tunnel) for tunnel in options.get("TunnelOptions", []))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><vpn_connection id="{self.id}">'
        f"<customer_gateway_id>{self.customer_gateway_id}</customer_gateway_id>"
        f"<vpn_gateway_id>{self.vpn_gateway_id or ''}</vpn_gateway_id>"
        f"<vpn_connection_type>{self.type}</vpn_connection_type>{tunnels}</vpn_connection>"
    )


def _tunnel_xml(tunnel: dict[str, Any]) -> str:
    theirs, yours = list(ipaddress.ip_network(tunnel["TunnelInsideCidr"]).hosts())
    return (
        "<ipsec_tunnel>"
        f"{_side_xml('customer_gateway', '203.0.113.1', yours, 65000)}"
        f"{_side_xml('vpn_gateway', tunnel['OutsideIpAddress'], theirs, 64512)}"
        f"<ike><pre_shared_key>{tunnel['PreSharedKey']}</pre_shared_key></ike>"
        "</ipsec_tunnel>"
    )


def _side_xml(side: str, outside: str, inside: Any, asn: int) -> str:
    return (
        f"<{side}><tunnel_outside_address><ip_address>{outside}</ip_address></tunnel_outside_address>"
        f"<tunnel_inside_address><ip_address>{inside}</ip_address><network_mask>255.255.255.252</network_mask>"
        f"<network_cidr>30</network_cidr></tunnel_inside_address>"
        f"<bgp><asn>{asn}</asn><hold_time>30</hold_time></bgp></{side}>"
    )


@patch(VPNConnection)
def get_filter_value(self: VPNConnection, filter_name: str, method_name: str | None = None) -> Any:
    """Find connections by their static routes, which moto cannot."""
    if filter_name == "vpn-connection-id":
        return self.id
    if filter_name == "route.destination-cidr-block":
        return [route["DestinationCidrBlock"] for route in self.__dict__["routes"]]
    return _get_filter_value(self, filter_name, method_name)


def _requested_connection(response: EC2Response) -> Any:
    return response.ec2_backend.describe_vpn_connections([response._get_param("VpnConnectionId")])[0]


@patch(EC2Response)
def create_vpn_connection_route(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    cidr = self._get_param("DestinationCidrBlock")
    _requested_connection(self).routes.append({"DestinationCidrBlock": cidr, "Source": "Static", "State": "available"})
    return EmptyResult()


@patch(EC2Response)
def delete_vpn_connection_route(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    connection, cidr = _requested_connection(self), self._get_param("DestinationCidrBlock")
    connection.routes = [route for route in connection.routes if route["DestinationCidrBlock"] != cidr]
    return EmptyResult()


@patch(EC2Response)
def modify_vpn_tunnel_options(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    connection = _requested_connection(self)
    for tunnel in connection.options["TunnelOptions"]:
        if tunnel["OutsideIpAddress"] == self._get_param("VpnTunnelOutsideIpAddress"):
            tunnel.update(_as_answered(self._get_param("TunnelOptions", {})))
            _keep_keys(self, connection, [tunnel])
    return ActionResult({"VpnConnection": connection})


@patch(EC2Response)
def modify_vpn_connection(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks. The connection keeps its tunnels when an end is replaced."""
    connection = _requested_connection(self)
    if customer := self._get_param("CustomerGatewayId"):
        connection.customer_gateway_id = self.ec2_backend.get_customer_gateway(customer).id
    vpn, transit = self._get_param("VpnGatewayId"), self._get_param("TransitGatewayId")
    if vpn or transit:
        connection.vpn_gateway_id = self.ec2_backend.get_vpn_gateway(vpn).id if vpn else None
        connection.transit_gateway_id = transit
    return ActionResult({"VpnConnection": connection})


@patch(EC2Response)
def modify_vpn_connection_options(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    connection = _requested_connection(self)
    for option in ("LocalIpv4NetworkCidr", "RemoteIpv4NetworkCidr"):
        connection.options[option] = self._get_param(option, connection.options[option])
    return ActionResult({"VpnConnection": connection})
