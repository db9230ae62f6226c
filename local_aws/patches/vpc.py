from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.nat_gateways import NatGateway
from moto.ec2.models.route_tables import Route, RouteTable
from moto.ec2.models.subnets import Subnet
from moto.ec2.models.vpcs import VPC
from moto.ec2.responses import EC2Response
from moto.elbv2.models import elbv2_backends

from .tools import kept, patch

_create_route = EC2Backend.create_route
_create_dhcp_options = EC2Response.create_dhcp_options
_delete_nat_gateway = EC2Backend.delete_nat_gateway
_delete_subnet = EC2Backend.delete_subnet
_delete_vpc = EC2Backend.delete_vpc
_describe_route_tables = EC2Backend.describe_route_tables
_modify_vpc_endpoint = EC2Backend.modify_vpc_endpoint

# AWS's quota for each table (facts B17), which AWS can raise for an account.
_MOST_ROUTES = 500


@patch(EC2Backend)
def delete_vpc(self: EC2Backend, vpc_id: str) -> VPC:
    """Refuse to delete a VPC in use, and delete its default network ACL with it; moto does neither."""
    if any(_users_of_vpc(self, vpc_id)):
        raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
    vpc = _delete_vpc(self, vpc_id)
    for acl in list(self.network_acls.values()):
        if acl.vpc_id == vpc_id and acl.default:
            del self.network_acls[acl.id]
    return vpc


def _users_of_vpc(backend: EC2Backend, vpc_id: str) -> Iterator[bool]:
    """Yield, for each resource besides subnets, route tables and VPN gateways, whether the VPC waits for it."""
    for gateway in backend.internet_gateways.values():
        yield gateway.vpc is not None and gateway.vpc.id == vpc_id
    for group in backend.groups[vpc_id].values():
        yield group.name != "default"
    for acl in backend.network_acls.values():
        yield acl.vpc_id == vpc_id and not acl.default
    for endpoint in backend.vpc_end_points.values():
        yield endpoint.vpc_id == vpc_id and endpoint.state != "deleted"
    for peering in backend.vpc_pcxs.values():
        yield vpc_id in (peering.vpc.id, peering.peer_vpc.id) and peering.status["Code"] == "active"


@patch(EC2Backend)
def delete_subnet(self: EC2Backend, subnet_id: str) -> Subnet:
    """Refuse to delete a subnet in use by a network interface or an attachment; moto deletes it."""
    # Instances, NAT gateways and endpoints have network interfaces. moto keeps those of terminated instances.
    users = [
        interface.subnet.id
        for interface in self.enis.values()
        if not (interface.instance and interface.instance.state == "terminated")
    ]
    for balancer in elbv2_backends[self.account_id][self.region_name].load_balancers.values():
        users += [subnet.id for subnet in balancer.subnets]
    for attachment in self.transit_gateway_attachments.values():
        users += getattr(attachment, "subnet_ids", ()) if attachment.state != "deleted" else ()
    if subnet_id in users:
        raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
    return _delete_subnet(self, subnet_id)


@patch(EC2Backend)
def delete_nat_gateway(self: EC2Backend, nat_gateway_id: str) -> NatGateway:
    """Delete the network interface of a NAT gateway; moto keeps it."""
    gateway = _delete_nat_gateway(self, nat_gateway_id)
    self.delete_network_interface(gateway._eni.id)
    return gateway


@patch(EC2Response)
def modify_managed_prefix_list(self: EC2Response) -> ActionResult:
    """Keep the name if only the entries change, change the size, and refuse to add and remove a range in one call.

    Moto blanks the name, keeps the size, and accepts both.
    """
    id_, version = self._get_param("PrefixListId"), self._get_param("CurrentVersion")
    added, removed = self._get_param("AddEntries", []), self._get_param("RemoveEntries", [])
    found = self.ec2_backend.managed_prefix_lists[id_]
    for cidr in {entry["Cidr"] for entry in added} & {entry["Cidr"] for entry in removed}:
        message = f"Request cannot contain Cidr {cidr} in both AddPrefixListEntries and RemovePrefixListEntries"
        raise EC2ClientError("InvalidParameterValue", message)
    if size := self._get_param("MaxEntries"):
        if added or removed:
            message = "You cannot modify the entries of a prefix list and modify its size at the same time."
            raise EC2ClientError("InvalidParameterCombination", message)
        found.max_entries = int(size)
    changed = self.ec2_backend.modify_managed_prefix_list(
        add_entry=added,
        remove_entry=removed,
        prefix_list_id=id_,
        current_version=int(version) if version else None,
        prefix_list_name=self._get_param("PrefixListName") or found.prefix_list_name,
    )
    return ActionResult({"PrefixList": changed})


@patch(EC2Response)
def create_dhcp_options(self: EC2Response) -> ActionResult:
    """Keep tags that are given at creation; moto drops them."""
    answer = _create_dhcp_options(self)
    tags = self._parse_tag_specification().get("dhcp-options", {})
    answer.result["DhcpOptions"].add_tags(tags)  # type: ignore[index]
    return answer


@patch(Route)
@property
def state(self: Route) -> str:
    """Report a route as a blackhole when its target is gone; moto reports it as active."""
    return "active" if all(_leads_on(self)) else "blackhole"


def _leads_on(route: Route) -> Iterator[bool]:
    """Yield, for each target of a route, whether it forwards traffic."""
    backend, vpc = route.route_table.ec2_backend, route.route_table.vpc_id
    gateway: Any = route.gateway
    if route.vpc_pcx:
        yield route.vpc_pcx.status["Code"] == "active"
    if route.nat_gateway:
        yield route.nat_gateway.state == "available"
    if route.transit_gateway:
        attachments = backend.transit_gateway_attachments.values()
        wanted = (route.transit_gateway.id, vpc, "available")
        yield wanted in [(one.transit_gateway_id, one.resource_id, one.state) for one in attachments]
    if gateway and gateway.id.startswith("igw-"):
        yield gateway.id in backend.internet_gateways and gateway.vpc is not None
    if gateway and gateway.id.startswith("vgw-"):
        yield any((one.vpc_id, one.state) == (vpc, "attached") for one in gateway.vpc_attachments)


@patch(EC2Backend)
def create_route(self: EC2Backend, route_table_id: str, *args: Any, **kwargs: Any) -> Route:
    """Limit the number of routes in a table, and the targets in a table of a gateway; moto does not."""
    table = self.get_route_table(route_table_id)
    targets = ("nat_gateway_id", "transit_gateway_id", "vpc_peering_connection_id", "gateway_id")
    if _gateways(table) and any(kwargs.get(target) for target in targets):
        message = f"The route table {route_table_id} of a gateway cannot have a route with this target."
        raise EC2ClientError("InvalidParameterValue", message)
    if len(table.routes) >= _MOST_ROUTES:
        raise EC2ClientError("RouteLimitExceeded", f"The maximum number of routes in {route_table_id} is reached.")
    return _create_route(self, route_table_id, *args, **kwargs)


def _gateways(table: RouteTable) -> list[str]:
    """Return the gateways that a table is associated with. It routes their traffic into the VPC."""
    return [one for one in table._associations.values() if one.startswith(("igw-", "vgw-"))]


@patch(EC2Backend)
def describe_route_tables(
    self: EC2Backend, route_table_ids: list[str] | None = None, filters: Any = None
) -> list[RouteTable]:
    """Filter by the gateway of an association; moto does not support that filter."""
    others = {name: values for name, values in (filters or {}).items() if name != "association.gateway-id"}
    found = _describe_route_tables(self, route_table_ids, others)
    if patterns := (filters or {}).get("association.gateway-id"):
        return [one for one in found if any(fnmatch(gateway, by) for gateway in _gateways(one) for by in patterns)]
    return found


@patch(EC2Backend)
def modify_vpc_endpoint(self: EC2Backend, vpc_id: str, **kwargs: Any) -> None:
    """Add and remove the routes of a gateway endpoint with its route tables; moto changes only the list of tables."""
    _modify_vpc_endpoint(self, vpc_id, **kwargs)
    if prefixes := self.vpc_end_points[vpc_id].destination_prefix_list_id:
        for table in kwargs["add_route_tables"] or ():
            self.create_route(table, None, gateway_id=vpc_id, destination_prefix_list_id=prefixes)
        for table in kwargs["remove_route_tables"] or ():
            self.delete_route(table, prefixes)


def _propagating(table: RouteTable) -> list[str]:
    return kept(table, "propagating_ids", [])


@patch(RouteTable)
@property
def propagating_vgws(self: RouteTable) -> list[dict[str, str]]:
    """Return the VPN gateways that propagate into the table; moto omits them."""
    return [{"GatewayId": gateway_id} for gateway_id in _propagating(self)]


@patch(EC2Response)
def enable_vgw_route_propagation(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    table = self.ec2_backend.get_route_table(self._get_param("RouteTableId"))
    gateway = self.ec2_backend.get_vpn_gateway(self._get_param("GatewayId"))
    if gateway.id not in _propagating(table):
        _propagating(table).append(gateway.id)
    return EmptyResult()


@patch(EC2Response)
def disable_vgw_route_propagation(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    table = self.ec2_backend.get_route_table(self._get_param("RouteTableId"))
    _propagating(table).remove(self._get_param("GatewayId"))
    return EmptyResult()


def _controls(response: EC2Response) -> dict[str, dict[str, Any]]:
    return kept(response.ec2_backend, "encryption_controls", {})


@patch(EC2Response)
def create_vpc_encryption_control(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    vpc_id = self._get_param("VpcId")
    id_ = f"vpcec-{vpc_id.removeprefix('vpc-')}"
    control = {"VpcEncryptionControlId": id_, "VpcId": vpc_id, "Mode": "monitor", "State": "available"}
    _controls(self)[id_] = control
    return ActionResult({"VpcEncryptionControl": control})


@patch(EC2Response)
def modify_vpc_encryption_control(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    control = _controls(self)[self._get_param("VpcEncryptionControlId")]
    control["Mode"] = self._get_param("Mode") or control["Mode"]
    state = "enabled" if self._get_param("VpcPeeringExclusion") == "enable" else "disabled"
    control["ResourceExclusions"] = {"VpcPeering": {"State": state}}
    return ActionResult({"VpcEncryptionControl": control})


@patch(EC2Response)
def describe_vpc_encryption_controls(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    return ActionResult({"VpcEncryptionControls": list(_controls(self).values())})


@patch(EC2Response)
def modify_vpc_block_public_access_options(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    options = kept(self.ec2_backend, "block_public_access", {"InternetGatewayBlockMode": "off", "ManagedBy": "account"})
    options["InternetGatewayBlockMode"] = self._get_param("InternetGatewayBlockMode")
    return ActionResult({"VpcBlockPublicAccessOptions": options})


@patch(EC2Response)
def describe_vpc_block_public_access_options(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    default = {"InternetGatewayBlockMode": "off", "ManagedBy": "account"}
    return ActionResult({"VpcBlockPublicAccessOptions": kept(self.ec2_backend, "block_public_access", default)})
