from datetime import timedelta

from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from constructs import Construct

from modules.context import ConnectionContext
from modules.parts.iam_policy.construct import document, statement
from modules.peering_role.props import PeeringRoleProps
from modules.vocabulary import partition


class PeeringRole(Construct):
    """A role with one permission for one VPC, for the cluster's account, until a day."""

    def __init__(self, scope: Construct, id_: str, props: PeeringRoleProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        network, cluster = context.network, context.clusters[props.cluster]
        self.handoff: dict[str, object] = {
            "account_id": network.account_id,
            "region": network.region,
            "vpc_id": network.vpc_id,
            "cidrs": list(network.cidrs),
            "cluster_id": cluster.id,
        }
        if cluster.account_id is None:
            return

        aws = f"arn:{partition(network.region)}"
        ours = f"{aws}:ec2:{network.region}:{network.account_id}"
        vpc = f"{ours}:vpc/{network.vpc_id}"
        theirs = f"{aws}:ec2:{cluster.region}:{cluster.account_id}:vpc/{cluster.vpc_id or '*'}"
        ends = f"{props.expires + timedelta(days=1)}T00:00:00Z"
        trust = document(
            self,
            "trust",
            statement(
                ["sts:AssumeRole"],
                None,
                ("DateLessThan", "aws:CurrentTime", ends),
                principals=("AWS", [f"{aws}:iam::{cluster.account_id}:root"]),
            ),
        )
        # AWS checks the permission for the peering and for its VPC. Only the peering identifies the requester.
        accept = document(
            self,
            "accept",
            statement(
                ["ec2:AcceptVpcPeeringConnection"],
                [f"{ours}:vpc-peering-connection/*"],
                ("ArnEquals", "ec2:AccepterVpc", vpc),
                ("ArnLike", "ec2:RequesterVpc", theirs),
            ),
            statement(["ec2:AcceptVpcPeeringConnection"], [vpc]),
        )
        role = IamRole(
            self,
            "role",
            name=context.name,
            description=f"Accepts the peering of Astro cluster {props.cluster}, until {props.expires}",
            assume_role_policy=trust,
            # IAM's minimum of one hour.
            max_session_duration=3600,
        )
        IamRolePolicy(self, "policy", name="accept-peering", role=role.name, policy=accept)
        self.handoff["role_arn"] = role.arn
        self.handoff["expires"] = str(props.expires)
