from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.vpc_peering_connections import VPCPeeringConnection
from moto.ec2.responses import EC2Response
from moto.ec2.utils import generic_filter

from ..clock import now
from .tools import kept, patch, seen_by

_describe_vpc_peering_connections = EC2Response.describe_vpc_peering_connections
_get_filter_value = VPCPeeringConnection.get_filter_value


def _info(vpc: Any, options: dict[str, Any]) -> dict[str, Any]:
    blocks = [block["cidr_block"] for block in vpc.cidr_block_association_set]
    return {
        "OwnerId": vpc.owner_id,
        "Region": vpc.region,
        "VpcId": vpc.id,
        "CidrBlock": vpc.cidr_block,
        "CidrBlockSet": [{"CidrBlock": block} for block in blocks],
        "PeeringOptions": options,
    }


@patch(VPCPeeringConnection)
@property
def requester_vpc_info(self: VPCPeeringConnection) -> dict[str, Any]:
    """Return the VPC's secondary ranges, which moto omits."""
    return _info(self.vpc, self.requester_options)


@patch(VPCPeeringConnection)
@property
def accepter_vpc_info(self: VPCPeeringConnection) -> dict[str, Any]:
    """Return the VPC's secondary ranges, which moto omits."""
    return _info(self.peer_vpc, self.accepter_options)


def _expires(peering: VPCPeeringConnection) -> datetime:
    requested: datetime = kept(peering, "requested", now())
    return requested + timedelta(days=7)


@patch(VPCPeeringConnection)
@property
def status(self: VPCPeeringConnection) -> dict[str, str]:
    """Expire requests, which moto never does."""
    if self._status.code == "pending-acceptance" and now() >= _expires(self):
        self._status.code, self._status.message = "expired", "Expired"
    return {"Code": self._status.code, "Message": self._status.message}


@patch(VPCPeeringConnection)
@property
def expiration_time(self: VPCPeeringConnection) -> datetime | None:
    """Return the expiration time of a request, which moto omits."""
    return _expires(self) if self.status["Code"] == "pending-acceptance" else None


@patch(VPCPeeringConnection)
def get_filter_value(self: VPCPeeringConnection, filter_name: str, method_name: str | None = None) -> Any:
    """Distinguish filters; moto distinguishes only filters on tags."""
    values = {"vpc-peering-connection-id": self.id, "status-code": self.status["Code"]}
    for side, info in (("requester", self.requester_vpc_info), ("accepter", self.accepter_vpc_info)):
        values[f"{side}-vpc-info.owner-id"] = info["OwnerId"]
        values[f"{side}-vpc-info.vpc-id"] = info["VpcId"]
        values[f"{side}-vpc-info.cidr-block"] = info["CidrBlock"]
    return values.get(filter_name) or _get_filter_value(self, filter_name, method_name)


@patch(EC2Response)
def describe_vpc_peering_connections(self: EC2Response) -> ActionResult:
    """Apply filters, and hide the other account's tags; moto does neither."""
    found = _describe_vpc_peering_connections(self).result["VpcPeeringConnections"]  # type: ignore[index]
    for connection in found:
        # The request stores them, because each account sees a copy.
        _expires(connection)
    mine = [seen_by(self.ec2_backend, connection) for connection in found]
    return ActionResult({"VpcPeeringConnections": generic_filter(self._filters_from_querystring(), mine)})
