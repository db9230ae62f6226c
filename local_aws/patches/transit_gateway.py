from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import DuplicateTransitGatewayAttachmentError, EC2ClientError, InvalidTransitGatewayID
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.transit_gateway import TransitGateway
from moto.ec2.models.transit_gateway_attachments import TransitGatewayAttachment, TransitGatewayVpcAttachment
from moto.ec2.responses import EC2Response

from .ram import is_shared
from .tools import of_every_account, patch, seen_by

_associate_transit_gateway_route_table = EC2Backend.associate_transit_gateway_route_table
_create_route = EC2Backend.create_route
_create_transit_gateway = EC2Backend.create_transit_gateway
_create_transit_gateway_route = EC2Backend.create_transit_gateway_route
_create_transit_gateway_vpn_attachment = EC2Backend.create_transit_gateway_vpn_attachment
_delete_transit_gateway = EC2Backend.delete_transit_gateway
_describe_transit_gateways = EC2Backend.describe_transit_gateways
_describe_transit_gateway_attachments = EC2Response.describe_transit_gateway_attachments
_describe_transit_gateway_vpc_attachments = EC2Response.describe_transit_gateway_vpc_attachments
_modify_transit_gateway = EC2Backend.modify_transit_gateway
_parse_tags = EC2Response._parse_tag_specification
_replace_route = EC2Response.replace_route
_search_transit_gateway_routes = EC2Backend.search_transit_gateway_routes

_DEFAULT_TABLES = {
    "DefaultRouteTableAssociation": "AssociationDefaultRouteTableId",
    "DefaultRouteTablePropagation": "PropagationDefaultRouteTableId",
}


def home_of(transit_gateway_id: str, region: str) -> EC2Backend | None:
    """Return the backend of the account that owns the transit gateway."""
    backends = of_every_account(ec2_backends, region)
    return next((backend for backend in backends if transit_gateway_id in backend.transit_gateways), None)


def _visible(backend: EC2Backend, transit_gateway_id: str) -> TransitGateway:
    """Return the transit gateway if the account owns it or has access to it through RAM."""
    home = home_of(transit_gateway_id, backend.region_name)
    if home:
        gateway = home.transit_gateways[transit_gateway_id]
        if home is backend or is_shared(gateway.arn, backend.account_id):
            return gateway
    raise InvalidTransitGatewayID(transit_gateway_id)


def _show_default_tables(gateway: TransitGateway) -> None:
    for choice, table in _DEFAULT_TABLES.items():
        if gateway.options[choice] == "enable":
            gateway.options[table] = gateway.default_route_table.id
        else:
            gateway.options.pop(table, None)
    gateway.default_route_table.default_association_route_table = (
        gateway.options["DefaultRouteTableAssociation"] == "enable"
    )
    gateway.default_route_table.default_propagation_route_table = (
        gateway.options["DefaultRouteTablePropagation"] == "enable"
    )


@patch(EC2Backend)
def create_transit_gateway(self: EC2Backend, *args: Any, **kwargs: Any) -> TransitGateway:
    """Hide default route tables that are disabled; moto shows them."""
    gateway = _create_transit_gateway(self, *args, **kwargs)
    gateway.options.setdefault("SecurityGroupReferencingSupport", "disable")
    _show_default_tables(gateway)
    if not any(table in gateway.options for table in _DEFAULT_TABLES.values()):
        del self.transit_gateways_route_tables[gateway.default_route_table.id]
    return gateway


@patch(EC2Backend)
def modify_transit_gateway(self: EC2Backend, *args: Any, **kwargs: Any) -> TransitGateway:
    """Reflect changes of the default route tables, which moto ignores."""
    gateway = _modify_transit_gateway(self, *args, **kwargs)
    _show_default_tables(gateway)
    if any(table in gateway.options for table in _DEFAULT_TABLES.values()):
        self.transit_gateways_route_tables[gateway.default_route_table.id] = gateway.default_route_table
    return gateway


@patch(EC2Backend)
def delete_transit_gateway(self: EC2Backend, transit_gateway_id: str) -> TransitGateway:
    """Delete the default route table with its gateway; moto keeps it."""
    gateway = _delete_transit_gateway(self, transit_gateway_id)
    self.transit_gateways_route_tables.pop(gateway.default_route_table.id, None)
    return gateway


@patch(EC2Backend)
def describe_transit_gateways(
    self: EC2Backend, filters: Any, transit_gateway_ids: list[str] | None, **kwargs: Any
) -> list[TransitGateway]:
    """Include the transit gateways that are shared with the account; moto omits them."""
    found = list(_describe_transit_gateways(self, filters, transit_gateway_ids, **kwargs))
    for other in of_every_account(ec2_backends, self.region_name):
        if other is not self:
            theirs = _describe_transit_gateways(other, filters, transit_gateway_ids, **kwargs)
            found += [seen_by(self, gateway) for gateway in theirs if is_shared(gateway.arn, self.account_id)]
    return found


@patch(TransitGateway)
@property
def owner_id(self: TransitGateway) -> str:
    """Return the gateway's real owner; moto returns the caller."""
    home = home_of(self.id, self.ec2_backend.region_name) or self.ec2_backend
    return home.account_id


@patch(TransitGateway)
@property
def arn(self: TransitGateway) -> str:
    """Put the owner into the ARN; moto puts the caller there."""
    return f"arn:aws:ec2:{self.ec2_backend.region_name}:{self.owner_id}:transit-gateway/{self.id}"


def _open(home: EC2Backend, gateway: TransitGateway, attachment: TransitGatewayAttachment) -> None:
    """Activate the attachment and add it to the transit gateway's default route tables."""
    attachment.state = "available"
    if table := gateway.options.get("AssociationDefaultRouteTableId"):
        home.associate_transit_gateway_route_table(attachment.id, table)
    if table := gateway.options.get("PropagationDefaultRouteTableId"):
        home.enable_transit_gateway_route_table_propagation(attachment.id, table)


def attach_vpc(
    backend: EC2Backend, gateway: TransitGateway, vpc_id: str, subnet_ids: list[str], tags: Any, options: Any
) -> TransitGatewayVpcAttachment:
    """Attach the account's VPC. Both accounts see the attachment, and the gateway's owner must accept it."""
    home = home_of(gateway.id, backend.region_name) or backend
    attachment: Any = TransitGatewayVpcAttachment(backend, gateway, vpc_id, subnet_ids, tags, options)
    for side in (backend, home):
        side.transit_gateway_attachments[attachment.id] = attachment
    if home is backend or gateway.options["AutoAcceptSharedAttachments"] == "enable":
        _open(home, gateway, attachment)
    else:
        attachment.state = "pendingAcceptance"
    return attachment


@patch(EC2Backend)
def create_transit_gateway_vpc_attachment(
    self: EC2Backend, transit_gateway_id: str, vpc_id: str, subnet_ids: list[str], tags: Any = None, options: Any = None
) -> TransitGatewayVpcAttachment:
    """Let other accounts attach, and respect the default route table settings; moto does neither."""
    gateway = _visible(self, transit_gateway_id)
    for other in self.transit_gateway_attachments.values():
        same = (other.transit_gateway_id, other.resource_id) == (transit_gateway_id, vpc_id)
        if same and other.state != "deleted":
            raise DuplicateTransitGatewayAttachmentError(transit_gateway_id)
    return attach_vpc(self, gateway, vpc_id, subnet_ids, tags, options)


@patch(EC2Response)
def _parse_tag_specification(self: EC2Response, expected_type: str | None = None) -> dict[str, dict[str, str]]:
    """Keep tags of a new VPC attachment; moto looks for them under the name of route tables."""
    tags = _parse_tags(self, expected_type)
    if "transit-gateway-attachment" in tags:
        tags["transit-gateway-route-table"] = tags["transit-gateway-attachment"]
    return tags


@patch(EC2Response)
def accept_transit_gateway_vpc_attachment(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks. AWS: "The VPC attachment must be in the pendingAcceptance state"."""
    backend = self.ec2_backend
    attachment = backend.transit_gateway_attachments[self._get_param("TransitGatewayAttachmentId")]
    if attachment.state != "pendingAcceptance":
        raise EC2ClientError("IncorrectState", f"Transit Gateway Attachment {attachment.id} is in invalid state.")
    _open(backend, backend.transit_gateways[attachment.transit_gateway_id], attachment)
    return ActionResult({"TransitGatewayVpcAttachment": seen_by(backend, attachment)})


@patch(EC2Backend)
def associate_transit_gateway_route_table(
    self: EC2Backend, transit_gateway_attachment_id: str, transit_gateway_route_table_id: str
) -> Any:
    """Refuse a second association; moto replaces the first."""
    if transit_gateway_attachment_id in self.transit_gateway_associations:
        raise EC2ClientError(
            "Resource.AlreadyAssociated",
            f"Transit Gateway Attachment {transit_gateway_attachment_id} is already associated to a route table.",
        )
    return _associate_transit_gateway_route_table(self, transit_gateway_attachment_id, transit_gateway_route_table_id)


def delete_attachment(backend: EC2Backend, attachment: TransitGatewayAttachment) -> None:
    """Show an attachment as deleted, and remove it from the route tables of its gateway."""
    attachment.state = "deleted"
    home = home_of(attachment.transit_gateway_id, backend.region_name) or backend
    home.transit_gateway_associations.pop(attachment.id, None)
    for table in home.transit_gateways_route_tables.values():
        table.route_table_associations.pop(attachment.id, None)
        home.disable_route_table_propagation(attachment.id, table.id)


@patch(EC2Backend)
def create_transit_gateway_vpn_attachment(self: EC2Backend, *args: Any, **kwargs: Any) -> TransitGatewayAttachment:
    """Add a VPN to the default route tables; moto does not."""
    attachment = _create_transit_gateway_vpn_attachment(self, *args, **kwargs)
    _open(self, self.transit_gateways[attachment.transit_gateway_id], attachment)
    return attachment


@patch(EC2Backend)
def delete_transit_gateway_vpc_attachment(
    self: EC2Backend, transit_gateway_attachment_id: str
) -> TransitGatewayAttachment:
    """Show a deleted attachment as deleted, and remove it from the gateway's route tables.

    In moto it disappears at once, although the AWS provider waits for the state, and the route tables keep it.
    """
    attachment = self.transit_gateway_attachments[transit_gateway_attachment_id]
    delete_attachment(self, attachment)
    return attachment


@patch(TransitGatewayAttachment)
@property
def transit_gateway_owner_id(self: TransitGatewayAttachment) -> str:
    """Return the gateway's real owner; moto returns the owner of the VPC."""
    home = home_of(self.transit_gateway_id, self.ec2_backend.region_name)
    return home.account_id if home else self.resource_owner_id


@patch(TransitGatewayAttachment)
@property
def association(self: TransitGatewayAttachment) -> dict[str, str] | None:
    """Return the real association; moto reports the default route table for every attachment."""
    home = home_of(self.transit_gateway_id, self.ec2_backend.region_name)
    for table in home.transit_gateways_route_tables.values() if home else ():
        if self.id in table.route_table_associations:
            return {"State": "associated", "TransitGatewayRouteTableId": table.id}
    return None


_FILTERS: dict[str, Callable[[Any], str]] = {
    "resource-id": lambda attachment: attachment.resource_id,
    "resource-owner-id": lambda attachment: attachment.resource_owner_id,
    "resource-type": lambda attachment: attachment.resource_type,
    "state": lambda attachment: attachment.state,
    "transit-gateway-attachment-id": lambda attachment: attachment.id,
    "transit-gateway-id": lambda attachment: attachment.transit_gateway_id,
    "transit-gateway-owner-id": lambda attachment: attachment.transit_gateway_owner_id,
    "vpc-id": lambda attachment: attachment.resource_id,
}


def _mine(response: EC2Response, found: list[TransitGatewayAttachment]) -> list[TransitGatewayAttachment]:
    filters = response._filters_from_querystring()
    asked = response._get_param("TransitGatewayAttachmentIds", []) or filters.get("transit-gateway-attachment-id", [])
    return [
        seen_by(response.ec2_backend, attachment)
        for attachment in found
        if attachment.state != "deleted" or attachment.id in asked
        if all(_FILTERS[name](attachment) in values for name, values in filters.items() if name in _FILTERS)
    ]


@patch(EC2Response)
def describe_transit_gateway_attachments(self: EC2Response) -> ActionResult:
    """Hide the other account's tags and deleted attachments, and apply filters; moto does none of these."""
    found = _describe_transit_gateway_attachments(self).result["TransitGatewayAttachments"]  # type: ignore[index]
    return ActionResult({"TransitGatewayAttachments": _mine(self, found)})


@patch(EC2Response)
def describe_transit_gateway_vpc_attachments(self: EC2Response) -> ActionResult:
    """Apply the same to VPC attachments; moto includes VPN attachments."""
    answer: Any = _describe_transit_gateway_vpc_attachments(self).result
    found = [each for each in answer["TransitGatewayVpcAttachments"] if each.resource_type == "vpc"]
    return ActionResult({"TransitGatewayVpcAttachments": _mine(self, found)})


@patch(EC2Backend)
def disable_transit_gateway_route_table_propagation(
    self: EC2Backend, transit_gateway_attachment_id: str, transit_gateway_route_table_id: str
) -> Any:
    """Disable propagation in each of several route tables; moto supports only one."""
    self.disable_route_table_propagation(transit_gateway_attachment_id, transit_gateway_route_table_id)
    attachment = self.transit_gateway_attachments[transit_gateway_attachment_id]
    return SimpleNamespace(
        transit_gateway_attachment_id=attachment.id,
        transit_gateway_route_table_id=transit_gateway_route_table_id,
        resource_id=attachment.resource_id,
        resource_type=attachment.resource_type,
        state="disabled",
    )


@patch(EC2Backend)
def create_transit_gateway_route(
    self: EC2Backend, transit_gateway_route_table_id: str, destination_cidr_block: str, *args: Any, **kwargs: Any
) -> dict[str, str | None]:
    """Refuse a second static route to a range; moto replaces the first."""
    if destination_cidr_block in self.transit_gateways_route_tables[transit_gateway_route_table_id].routes:
        message = (
            f"Route {destination_cidr_block} already exists in Transit Gateway Route Table "
            f"{transit_gateway_route_table_id}."
        )
        raise EC2ClientError("RouteAlreadyExists", message)
    return _create_transit_gateway_route(self, transit_gateway_route_table_id, destination_cidr_block, *args, **kwargs)


@patch(EC2Backend)
def search_transit_gateway_routes(self: EC2Backend, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
    """Return a route's attachments as a list; moto omits them."""
    return [
        {**route, "transitGatewayAttachments": [attachment] if attachment else []}
        for route in _search_transit_gateway_routes(self, *args, **kwargs)
        for attachment in [route.get("transitGatewayAttachments")]
    ]


@patch(EC2Backend)
def create_route(self: EC2Backend, *args: Any, transit_gateway_id: str | None = None, **kwargs: Any) -> Any:
    """Set the target of a route to another account's transit gateway; moto leaves it empty."""
    gateway = _visible(self, transit_gateway_id) if transit_gateway_id else None
    route = _create_route(self, *args, **kwargs)
    route.transit_gateway = gateway
    return route


@patch(EC2Response)
def replace_route(self: EC2Response) -> ActionResult:
    """Set the same target when a route is replaced."""
    gateway_id = self._get_param("TransitGatewayId")
    gateway = _visible(self.ec2_backend, gateway_id) if gateway_id else None
    answer = _replace_route(self)
    cidr = self._get_param("DestinationCidrBlock")
    for route in self.ec2_backend.get_route_table(self._get_param("RouteTableId")).routes:
        if gateway and route.destination_cidr_block == cidr:
            route.transit_gateway = gateway
    return answer
