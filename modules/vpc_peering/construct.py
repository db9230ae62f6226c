from cdktf_cdktf_provider_aws.data_aws_vpc_peering_connection import (
    DataAwsVpcPeeringConnection,
    DataAwsVpcPeeringConnectionFilter,
)
from cdktf_cdktf_provider_aws.vpc_peering_connection_accepter import VpcPeeringConnectionAccepterA
from cdktf_cdktf_provider_aws.vpc_peering_connection_options import (
    VpcPeeringConnectionOptions,
    VpcPeeringConnectionOptionsAccepter,
)
from constructs import Construct

from modules.connection import Sides
from modules.parts.ingress.construct import let_cluster_in
from modules.parts.routes.construct import routes
from modules.vpc_peering.props import VpcPeeringProps


class VpcPeering(Construct):
    """Accepts the request that matches the cluster's account, its range and our VPC, and no other (facts B16)."""

    def __init__(self, scope: Construct, id_: str, props: VpcPeeringProps, sides: Sides) -> None:
        super().__init__(scope, id_)
        network, cluster = sides.network, sides.clusters[props.cluster]
        self.handoff: dict[str, object] = {
            "account_id": network.account_id,
            "region": network.region,
            "vpc_id": network.vpc_id,
            "cidrs": list(network.cidrs),
        }

        let_cluster_in(self, props.ingress, cluster, f"Astro cluster {props.cluster} by peering")
        if props.peering_id is None or cluster.account_id is None:
            return

        # Anyone may ask to peer with our VPC. A request that is not from this account, for this VPC and of this range
        # is not found here, and then the plan fails and nothing is accepted. Its ID is not taken from here: while our
        # VPC is to change, a tag even, Terraform reads this later, and would make anew what has an ID it does not know.
        request = DataAwsVpcPeeringConnection(
            self,
            "request",
            id=props.peering_id,
            filter=[
                _filter("requester-vpc-info.owner-id", cluster.account_id),
                _filter("requester-vpc-info.cidr-block", str(cluster.cidr)),
                _filter("accepter-vpc-info.owner-id", network.account_id),
                _filter("accepter-vpc-info.vpc-id", network.vpc_id),
            ],
        )
        accepter = VpcPeeringConnectionAccepterA(
            self,
            "accepter",
            vpc_peering_connection_id=props.peering_id,
            auto_accept=True,
            tags={"Name": sides.name},
            depends_on=[request],
        )
        if props.resolve_dns:
            # Options apply to an active peering only: the id of the accepter makes Terraform wait for it.
            VpcPeeringConnectionOptions(
                self,
                "options",
                vpc_peering_connection_id=accepter.id,
                accepter=VpcPeeringConnectionOptionsAccepter(allow_remote_vpc_dns_resolution=True),
            )
        routes(self, props.cluster, network, cluster.routed_cidrs(), vpc_peering_connection_id=accepter.id)
        self.handoff["peering_id"] = accepter.id
        self.handoff["peering_status"] = accepter.accept_status


def _filter(name: str, value: str) -> DataAwsVpcPeeringConnectionFilter:
    return DataAwsVpcPeeringConnectionFilter(name=name, values=[value])
