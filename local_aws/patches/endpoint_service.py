from __future__ import annotations

import uuid
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.responses import EC2Response
from moto.sts.models import sts_backends

from .tools import kept, of_every_account, patch

_create_service = EC2Backend.create_vpc_endpoint_service_configuration
_create_vpc_endpoint = EC2Response.create_vpc_endpoint
_describe_services = EC2Response.describe_vpc_endpoint_services
_delete_services = EC2Response.delete_vpc_endpoint_service_configurations
_modify_vpc_endpoint = EC2Response.modify_vpc_endpoint


def _service_named(region: str, name: str) -> Any | None:
    services = (
        service for backend in of_every_account(ec2_backends, region) for service in backend.configurations.values()
    )
    return next((service for service in services if service.service_name == name), None)


def _endpoints_of(service: Any, region: str) -> list[Any]:
    return [
        endpoint
        for backend in of_every_account(ec2_backends, region)
        for endpoint in backend.vpc_end_points.values()
        if endpoint.service_name == service.service_name and endpoint.state != "deleted"
    ]


def _permissions(service_id: str, principals: list[str]) -> list[dict[str, str]]:
    return [
        {
            "ServicePermissionId": f"vpce-svc-perm-{uuid.uuid5(uuid.NAMESPACE_URL, service_id + principal).hex[:17]}",
            "ServiceId": service_id,
            "Principal": principal,
            "PrincipalType": "Account" if principal.endswith(":root") else "Role",
        }
        for principal in principals
    ]


@patch(EC2Backend)
def create_vpc_endpoint_service_configuration(
    self: EC2Backend, *args: Any, supported_regions: Any, **kwargs: Any
) -> Any:
    """Offer a service in its region by default; moto does not."""
    return _create_service(self, *args, supported_regions=supported_regions or [self.region_name], **kwargs)


@patch(EC2Response)
def modify_vpc_endpoint_service_permissions(self: EC2Response) -> ActionResult:
    """Return the permission IDs, which the AWS provider reads and moto omits."""
    service_id = self._get_param("ServiceId")
    added, removed = self._get_param("AddAllowedPrincipals", []), self._get_param("RemoveAllowedPrincipals", [])
    self.ec2_backend.modify_vpc_endpoint_service_permissions(service_id, added, removed)
    return ActionResult({"AddedPrincipals": _permissions(service_id, added), "ReturnValue": True})


@patch(EC2Response)
def describe_vpc_endpoint_service_permissions(self: EC2Response) -> ActionResult:
    """Return the permission IDs, which moto omits."""
    service_id = self._get_param("ServiceId")
    principals = sorted(self.ec2_backend.describe_vpc_endpoint_service_permissions(service_id))
    return ActionResult({"AllowedPrincipals": _permissions(service_id, principals)})


def _allows(service: Any, response: EC2Response) -> bool:
    account = response.current_account
    role = sts_backends[account]["aws"].get_assumed_role_from_access_key(response.access_key)
    callers = {"*", f"arn:aws:iam::{account}:root", role.role_arn if role else ""}
    owner = service.id in response.ec2_backend.configurations
    return owner or bool(callers & set(service.principals))


@patch(EC2Response)
def describe_vpc_endpoint_services(self: EC2Response) -> ActionResult:
    """Show a named service to the accounts that it allows, in the regions in which it is offered.

    moto knows only the caller's own services, and ignores `ServiceRegions`. AWS returns the same error for a forbidden
    service as for an unknown one.
    """
    names = [name for name in self._get_param("ServiceNames", []) if ".vpce-svc-" in name]
    if not names:
        return _describe_services(self)
    details: list[dict[str, Any]] = []
    for name in names:
        regions = self._get_param("ServiceRegions", []) or [self.region]
        found = [(region, service) for region in regions if (service := _service_named(region, name))]
        if not found or not _allows(found[0][1], self) or self.region not in found[0][1]._supported_region_names:
            raise EC2ClientError("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist")
        details.append(found[0][1].to_dict() | {"ServiceRegion": found[0][0]})
    return ActionResult({"ServiceNames": names, "ServiceDetails": details})


def _check_private_dns(response: EC2Response, vpc_id: str, service: str, mine: str = "") -> None:
    """Check that the VPC has both DNS settings on, and no other endpoint with the same private name."""
    vpc = response.ec2_backend.get_vpc(vpc_id)
    if not (vpc.enable_dns_support and vpc.enable_dns_hostnames):
        raise EC2ClientError(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true "
            f"for {vpc_id}",
        )
    for other in response.ec2_backend.vpc_end_points.values():
        same = (other.vpc_id, other.service_name, other.private_dns_enabled) == (vpc_id, service, True)
        if same and other.id != mine and other.state != "deleted":
            raise EC2ClientError(
                "InvalidParameter",
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
                f"{service} in the VPC {vpc_id}",
            )


def _place_interfaces(backend: EC2Backend, endpoint: Any) -> None:
    """Give an endpoint's interfaces addresses of their subnets, and its security groups."""
    for id_ in endpoint.network_interface_ids:
        backend.delete_network_interface(id_)
    endpoint.network_interface_ids = [
        backend.create_network_interface(backend.get_subnet(subnet), "", group_ids=endpoint.security_group_ids).id
        for subnet in endpoint.subnet_ids or ()
    ]


@patch(EC2Response)
def create_vpc_endpoint(self: EC2Response) -> ActionResult:
    """Check the caller's permission, the acceptance and the private DNS of an endpoint, and place its interfaces.

    Without the patch, anyone who knows a service's name connects to it, without permission or acceptance. AWS returns
    the same error for a forbidden service as for an unknown one. moto also enables private DNS in a VPC without DNS,
    or for the same name twice. Its interfaces have random addresses and the default security group.
    """
    name = self._get_param("ServiceName")
    service = _service_named(self.region, name)
    if ".vpce-svc-" in name and not (service and _allows(service, self)):
        raise EC2ClientError("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist")
    if self._get_param("VpcEndpointType") == "Interface" and self._get_bool_param("PrivateDnsEnabled", False):
        _check_private_dns(self, self._get_param("VpcId"), name)
    answer = _create_vpc_endpoint(self)
    if self._get_param("VpcEndpointType") == "Interface":
        _place_interfaces(self.ec2_backend, answer.result["VpcEndpoint"])  # type: ignore[index]
    if service and service.acceptance_required:
        answer.result["VpcEndpoint"].state = "pendingAcceptance"  # type: ignore[index]
    return answer


@patch(EC2Response)
def modify_vpc_endpoint(self: EC2Response) -> Any:
    """Turn private DNS on or off, unless the VPC has no DNS or another endpoint has the name; moto ignores it."""
    endpoint = self.ec2_backend.get_vpc_end_point(self._get_param("VpcEndpointId"))
    private = self._get_bool_param("PrivateDnsEnabled", endpoint.private_dns_enabled)
    if private and endpoint.vpc_endpoint_type == "Interface":
        _check_private_dns(self, endpoint.vpc_id, endpoint.service_name, endpoint.id)
    endpoint.private_dns_enabled = private
    return _modify_vpc_endpoint(self)


@patch(EC2Response)
def delete_vpc_endpoint_service_configurations(self: EC2Response) -> ActionResult:
    """Refuse to delete a service with connected endpoints; AWS requires rejecting them first, and moto does not."""
    for service_id in self._get_param("ServiceIds", []):
        service = self.ec2_backend.configurations.get(service_id)
        connected = _endpoints_of(service, self.region) if service else []
        if any(endpoint.state in ("available", "pendingAcceptance") for endpoint in connected):
            message = f"Service {service_id} has existing active VPC Endpoint connections!"
            error = {"Code": "ExistingVpcEndpointConnections", "Message": message}
            return ActionResult({"Unsuccessful": [{"ResourceId": service_id, "Error": error}]})
    return _delete_services(self)


@patch(EC2Response)
def describe_vpc_endpoint_connections(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    filters = self._filters_from_querystring()
    connections = [
        {
            "ServiceId": service.id,
            "VpcEndpointId": endpoint.id,
            "VpcEndpointOwner": endpoint.owner_id,
            "VpcEndpointState": endpoint.state,
        }
        for service in self.ec2_backend.configurations.values()
        for endpoint in _endpoints_of(service, self.region)
        if service.id in filters.get("service-id", [service.id])
    ]
    return ActionResult({"VpcEndpointConnections": connections})


def _decide(response: EC2Response, state: str) -> ActionResult:
    service = response.ec2_backend.configurations[response._get_param("ServiceId")]
    for endpoint in _endpoints_of(service, response.region):
        if endpoint.id in response._get_param("VpcEndpointIds", []):
            endpoint.state = state
    return ActionResult({"Unsuccessful": []})


@patch(EC2Response)
def accept_vpc_endpoint_connections(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    return _decide(self, "available")


@patch(EC2Response)
def reject_vpc_endpoint_connections(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    return _decide(self, "rejected")


@patch(EC2Response)
def start_vpc_endpoint_service_private_dns_verification(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks. AWS verifies only a name that the service has."""
    service = self.ec2_backend.configurations[self._get_param("ServiceId")]
    if not service.private_dns_name:
        raise EC2ClientError("InvalidParameter", f"{service.id} does not have a private DNS name.")
    return ActionResult({"ReturnValue": True})


def _notifications(response: EC2Response) -> dict[str, dict[str, Any]]:
    return kept(response.ec2_backend, "connection_notifications", {})


@patch(EC2Response)
def create_vpc_endpoint_connection_notification(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    id_ = f"vpce-nfn-{uuid.uuid4().hex[:17]}"
    _notifications(self)[id_] = {
        "ConnectionNotificationId": id_,
        "ServiceId": self._get_param("ServiceId"),
        "ConnectionNotificationType": "Topic",
        "ConnectionNotificationArn": self._get_param("ConnectionNotificationArn"),
        "ConnectionEvents": self._get_param("ConnectionEvents", []),
        "ConnectionNotificationState": "Enabled",
    }
    return ActionResult({"ConnectionNotification": _notifications(self)[id_]})


@patch(EC2Response)
def describe_vpc_endpoint_connection_notifications(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    asked = self._get_param("ConnectionNotificationId")
    found = [one for id_, one in _notifications(self).items() if asked in (None, id_)]
    if asked and not found:
        raise EC2ClientError("InvalidConnectionNotification", f"The notification '{asked}' does not exist")
    return ActionResult({"ConnectionNotificationSet": found})


@patch(EC2Response)
def delete_vpc_endpoint_connection_notifications(self: EC2Response) -> ActionResult:
    """Implement an operation that moto lacks."""
    for id_ in self._get_param("ConnectionNotificationIds", []):
        _notifications(self).pop(id_, None)
    return ActionResult({"Unsuccessful": []})
