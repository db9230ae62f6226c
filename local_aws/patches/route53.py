from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models import ec2_backends
from moto.route53 import urls
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import Route53Backend, route53_backends
from moto.route53.responses import Route53

from .tools import kept, of_every_account, patch

_associate_vpc_with_hosted_zone = Route53Backend.associate_vpc_with_hosted_zone
_create_hosted_zone = Route53Backend.create_hosted_zone
_get_hosted_zone = Route53Backend.get_hosted_zone
_list_hosted_zones_by_vpc = Route53Backend.list_hosted_zones_by_vpc

for _operation in ("authorizevpcassociation", "deauthorizevpcassociation"):
    urls.url_paths[rf"{{0}}/(?P<api_version>[\d_-]+)/hostedzone/(?P<zone_id>[^/]+)/{_operation}/?$"] = Route53.dispatch


def _everywhere() -> list[Route53Backend]:
    return of_every_account(route53_backends, "aws")


def _authorized(zone: Any) -> list[dict[str, str]]:
    return kept(zone, "authorized_vpcs", [])


def _asked_vpc(response: Route53) -> dict[str, str]:
    return {"VPCRegion": response._get_param("VPC.VPCRegion"), "VPCId": response._get_param("VPC.VPCId")}


@patch(Route53)
def _get_bool_param(self: Route53, param_name: str, if_none: Any = None) -> Any:
    """Create a private zone if a VPC is given, as AWS does.

    moto requires HostedZoneConfig.PrivateZone, which the AWS provider does not send.
    """
    if param_name == "HostedZoneConfig.PrivateZone" and self._get_param("VPC.VPCId"):
        return True
    return super(Route53, self)._get_bool_param(param_name, if_none)


@patch(Route53Backend)
def get_hosted_zone(self: Route53Backend, id_: str) -> Any:
    """Show an authorized VPC's account the zone of the other account; moto does not."""
    zone_id = id_.replace("/hostedzone/", "")
    owner = next((backend for backend in _everywhere() if zone_id in backend.zones), self)
    return _get_hosted_zone(owner, id_)


@patch(Route53Backend)
def list_hosted_zones_by_vpc(self: Route53Backend, vpc_id: str) -> list[dict[str, Any]]:  # noqa: ARG001
    """Include a VPC's zones of other accounts, which moto omits."""
    return [zone for backend in _everywhere() for zone in _list_hosted_zones_by_vpc(backend, vpc_id)]


@patch(Route53Backend)
def associate_vpc_with_hosted_zone(self: Route53Backend, zone_id: str, vpcid: str, vpcregion: str) -> Any:
    """Require an authorization for a VPC of another account; moto does not."""
    if vpcid not in ec2_backends[self.account_id][vpcregion].vpcs:
        raise Route53ClientError("InvalidVPCId", f"The VPC {vpcid} is not one of account {self.account_id}.")
    vpc = {"VPCRegion": vpcregion, "VPCId": vpcid}
    if zone_id not in self.zones and vpc not in _authorized(self.get_hosted_zone(zone_id)):
        raise Route53ClientError("NotAuthorizedException", f"{vpcid} is not authorized for hosted zone {zone_id}.")
    return _associate_vpc_with_hosted_zone(self, zone_id, vpcid, vpcregion)


@patch(Route53)
def create_vpc_association_authorization(self: Route53) -> ActionResult:
    """Implement an operation that moto lacks. Only private zones can have VPCs."""
    zone_id, vpc = self._get_param("HostedZoneId"), _asked_vpc(self)
    if not self.backend.get_hosted_zone(zone_id).private_zone:
        raise Route53ClientError("InvalidInput", f"{zone_id} is a public hosted zone; a VPC needs a private one.")
    authorized = _authorized(self.backend.get_hosted_zone(zone_id))
    if vpc not in authorized:
        authorized.append(vpc)
    return ActionResult({"HostedZoneId": zone_id, "VPC": vpc})


@patch(Route53)
def delete_vpc_association_authorization(self: Route53) -> ActionResult:
    """Implement an operation that moto lacks."""
    _authorized(self.backend.get_hosted_zone(self._get_param("HostedZoneId"))).remove(_asked_vpc(self))
    return EmptyResult()


@patch(Route53)
def list_vpc_association_authorizations(self: Route53) -> ActionResult:
    """Implement an operation that moto lacks."""
    zone_id = self._get_param("HostedZoneId")
    return ActionResult({"HostedZoneId": zone_id, "VPCs": _authorized(self.backend.get_hosted_zone(zone_id))})
