"""A stand-in for Astronomer that performs the steps of its documents (facts A6 to A17), with boto3 only.

Each method is one step in one account of the local AWS, named in the documents' words. A refusal by AWS is boto3's
ClientError. A stranger is the same class in another account.
"""

import base64
import json
from typing import Any

from local_aws import LocalAws
from tests.support.deciding_aws import DecidingAws

CONTROL_PLANE = "406882777402"
MANAGEMENT = "astronomer-remote-management"


class Astronomer:
    """Acts in `account`, which has the VPC of one cluster. `deciding` evaluates IAM policies."""

    def __init__(self, aws: LocalAws, deciding: DecidingAws, account: str, cidr: str) -> None:
        self.account, self._aws, self._deciding = account, aws, deciding
        ec2 = self.client("ec2")
        self.vpc: str = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        first = cidr.replace("/20", "/22")
        self.subnet: str = ec2.create_subnet(VpcId=self.vpc, CidrBlock=first)["Subnet"]["SubnetId"]
        self.route_table: str = ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]

    def client(self, service: str) -> Any:
        return self._aws.client(service, self.account, role=MANAGEMENT)

    # Hybrid: "Create a cross-account role", "Use the external ID".

    def assume_cross_account_role(self, arn: str, external_id: str | None) -> Any:
        """Return an STS client of the session, in the dedicated account."""
        given = {"ExternalId": external_id} if external_id is not None else {}
        sts = self._deciding.role("sts", self.account, "control-plane")
        assumed = sts.assume_role(RoleArn=arn, RoleSessionName="astronomer", **given)
        return self._deciding.session("sts", assumed["Credentials"])

    # "VPC peering": Create Connection, and the route that appears in Routes.

    def create_connection(self, account: str, vpc: str) -> str:
        """Request a peering; return the ID of the pending connection."""
        asked = {"VpcId": self.vpc, "PeerVpcId": vpc, "PeerOwnerId": account, "PeerRegion": "us-east-1"}
        answer = self.client("ec2").create_vpc_peering_connection(**asked)
        return answer["VpcPeeringConnection"]["VpcPeeringConnectionId"]

    def accept_connection(self, peering: str) -> str:
        """Accept the peering, which only the requested account can do; return its new state."""
        answer = self.client("ec2").accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
        return answer["VpcPeeringConnection"]["Status"]["Code"]

    def assume_temporary_role(self, arn: str, sts: Any = None) -> str:
        """Assume the customer's role (Hybrid: "The Astro AWS account will assume this role"); return the session's ARN.

        `sts` is a client of a session in the dedicated account; by default it is this account's client.
        """
        return _assume(sts or self._deciding.role("sts", self.account, MANAGEMENT), arn)

    # "Transit Gateways": approves the resource sharing request, attaches the Astro private subnets, creates routes.

    def sharing_requests(self) -> list[str]:
        invitations = self.client("ram").get_resource_share_invitations()["resourceShareInvitations"]
        return [each["resourceShareInvitationArn"] for each in invitations if each["status"] == "PENDING"]

    def approve_sharing_request(self, invitation: str) -> str:
        answer = self.client("ram").accept_resource_share_invitation(resourceShareInvitationArn=invitation)
        return answer["resourceShareInvitation"]["status"]

    def attach_private_subnets(self, transit_gateway: str) -> str:
        """Attach the VPC; return the attachment's ID."""
        asked = {"TransitGatewayId": transit_gateway, "VpcId": self.vpc, "SubnetIds": [self.subnet]}
        answer = self.client("ec2").create_transit_gateway_vpc_attachment(**asked)
        return answer["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]

    def create_route(self, cidr: str, **target: str) -> None:
        self.client("ec2").create_route(RouteTableId=self.route_table, DestinationCidrBlock=cidr, **target)

    # "Hostname resolution options", "DNS considerations for VPC peering".

    def associate_resolver_rule(self, rule: str) -> str:
        answer = self.client("route53resolver").associate_resolver_rule(ResolverRuleId=rule, VPCId=self.vpc)
        return answer["ResolverRuleAssociation"]["Status"]

    def associate_hosted_zone(self, zone: str, vpc: str | None = None) -> str:
        vpc_id = {"VPCRegion": "us-east-1", "VPCId": vpc or self.vpc}
        answer = self.client("route53").associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=vpc_id)
        return answer["ChangeInfo"]["Status"]

    # "AWS PrivateLink".

    def connect_to_service(self, name: str) -> str:
        """Create the endpoint; return its ID."""
        asked = {"VpcId": self.vpc, "ServiceName": name, "SubnetIds": [self.subnet], "VpcEndpointType": "Interface"}
        return self.client("ec2").create_vpc_endpoint(**asked)["VpcEndpoint"]["VpcEndpointId"]

    # "Connect Astro to AWS data sources", and workload identity.

    def assume_data_role(self, arn: str, namespace: str) -> str:
        """Assume the role as the Deployment in that namespace; return the session's ARN."""
        return _assume(self._deciding.role("sts", self.account, f"astro-{namespace}"), arn)

    def assume_data_role_by_token(
        self, arn: str, issuer: str, subject: str, audience: str = "sts.amazonaws.com"
    ) -> str:
        """Assume the role with a cluster's token; return the session's ARN.

        ministack does not check the token's signature.
        """
        parts = {"alg": "none"}, {"iss": issuer, "aud": audience, "sub": subject}
        token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        sts = self._deciding.root("sts", self.account)
        answer = sts.assume_role_with_web_identity(
            RoleArn=arn, RoleSessionName="astronomer", WebIdentityToken=f"{token}."
        )
        return answer["AssumedRoleUser"]["Arn"]


def _assume(sts: Any, arn: str) -> str:
    return sts.assume_role(RoleArn=arn, RoleSessionName="astronomer")["AssumedRoleUser"]["Arn"]
