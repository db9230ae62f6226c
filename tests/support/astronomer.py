"""A stand-in for Astronomer: its steps as its documents (the seeds, facts A6 to A17) tell them, with boto3 only.

Each method is one step, done in one account of the local AWS, and named by the documents' words. AWS's refusal is
boto3's ClientError. A stranger is the same class in another account.
"""

import base64
import json
from typing import Any

from local_aws import LocalAws
from tests.support.deciding_aws import DecidingAws

CONTROL_PLANE = "406882777402"
MANAGEMENT = "astronomer-remote-management"


class Astronomer:
    """Who acts in `account`, with the VPC of one cluster there. What IAM decides is asked of `deciding`."""

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
        """An STS client of the session, in the dedicated account."""
        given = {"ExternalId": external_id} if external_id is not None else {}
        sts = self._deciding.role("sts", self.account, "control-plane")
        assumed = sts.assume_role(RoleArn=arn, RoleSessionName="astronomer", **given)
        return self._deciding.session("sts", assumed["Credentials"])

    # "VPC peering": Create Connection, and the route that appears in Routes.

    def create_connection(self, account: str, vpc: str) -> str:
        """The ID of the peering connection, which is pending."""
        asked = {"VpcId": self.vpc, "PeerVpcId": vpc, "PeerOwnerId": account, "PeerRegion": "us-east-1"}
        answer = self.client("ec2").create_vpc_peering_connection(**asked)
        return answer["VpcPeeringConnection"]["VpcPeeringConnectionId"]

    def accept_connection(self, peering: str) -> str:
        """Only whoever it is asked of can: the state that it has then."""
        answer = self.client("ec2").accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
        return answer["VpcPeeringConnection"]["Status"]["Code"]

    def assume_temporary_role(self, arn: str, sts: Any = None) -> str:
        """Hybrid: "The Astro AWS account will assume this role". `sts` is of a session in the dedicated account, and
        without it this account's own. The session's ARN."""
        return _assume(sts or self._deciding.role("sts", self.account, MANAGEMENT), arn)

    # "Transit Gateways": approves the resource sharing request, attaches the Astro private subnets, creates routes.

    def sharing_requests(self) -> list[str]:
        invitations = self.client("ram").get_resource_share_invitations()["resourceShareInvitations"]
        return [each["resourceShareInvitationArn"] for each in invitations if each["status"] == "PENDING"]

    def approve_sharing_request(self, invitation: str) -> str:
        answer = self.client("ram").accept_resource_share_invitation(resourceShareInvitationArn=invitation)
        return answer["resourceShareInvitation"]["status"]

    def attach_private_subnets(self, transit_gateway: str) -> str:
        """The attachment's ID."""
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
        """The endpoint's ID."""
        asked = {"VpcId": self.vpc, "ServiceName": name, "SubnetIds": [self.subnet], "VpcEndpointType": "Interface"}
        return self.client("ec2").create_vpc_endpoint(**asked)["VpcEndpoint"]["VpcEndpointId"]

    # "Connect Astro to AWS data sources", and workload identity.

    def assume_data_role(self, arn: str, namespace: str) -> str:
        """As the Deployment of that namespace does, by its own role: the session's ARN."""
        return _assume(self._deciding.role("sts", self.account, f"astro-{namespace}"), arn)

    def assume_data_role_by_token(
        self, arn: str, issuer: str, subject: str, audience: str = "sts.amazonaws.com"
    ) -> str:
        """As the bearer of a cluster's token, whose signature ministack does not check: the session's ARN."""
        parts = {"alg": "none"}, {"iss": issuer, "aud": audience, "sub": subject}
        token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        sts = self._deciding.root("sts", self.account)
        answer = sts.assume_role_with_web_identity(
            RoleArn=arn, RoleSessionName="astronomer", WebIdentityToken=f"{token}."
        )
        return answer["AssumedRoleUser"]["Arn"]


def _assume(sts: Any, arn: str) -> str:
    return sts.assume_role(RoleArn=arn, RoleSessionName="astronomer")["AssumedRoleUser"]["Arn"]
