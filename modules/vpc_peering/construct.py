from cdktf import TerraformResourceLifecycle, Token
from cdktf_cdktf_provider_aws.data_aws_vpc_peering_connection import DataAwsVpcPeeringConnection
from cdktf_cdktf_provider_aws.data_aws_vpc_peering_connections import (
    DataAwsVpcPeeringConnections,
    DataAwsVpcPeeringConnectionsFilter,
)
from cdktf_cdktf_provider_aws.vpc_peering_connection_accepter import VpcPeeringConnectionAccepterA
from cdktf_cdktf_provider_aws.vpc_peering_connection_options import (
    VpcPeeringConnectionOptions,
    VpcPeeringConnectionOptionsAccepter,
)
from constructs import Construct

from modules.cluster import ClusterSide
from modules.context import ConnectionContext, Network
from modules.expressions import listed, term
from modules.parts.ingress.construct import let_cluster_in
from modules.parts.lookup.construct import Kind, Lookup, announce, with_dns
from modules.parts.routes.construct import routes
from modules.vpc_peering.props import VpcPeeringProps

_PEERING = Kind(
    one=DataAwsVpcPeeringConnection,
    several=DataAwsVpcPeeringConnections,
    filter=DataAwsVpcPeeringConnectionsFilter,
    id_argument="id",
    id_filter="vpc-peering-connection-id",
)
_OPEN = ("pending-acceptance", "provisioning", "active")
_GONE = {
    "expired": "A request expires after 7 days.",
    "rejected": "Somebody in your account rejected it.",
    "deleted": "Astronomer or somebody in your account deleted it.",
    "failed": "AWS could not create it, which usually means that ranges of the two VPCs overlap.",
}
"""Statuses that are final (facts C7), each with its reason."""


class VpcPeering(Construct):
    """Accepts only the request that matches the cluster's account, region, range and VPC and our VPC."""

    def __init__(self, scope: Construct, id_: str, props: VpcPeeringProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        self._props = props
        network, cluster = context.network, context.clusters[props.cluster]
        self.handoff: dict[str, object] = {
            "account_id": network.account_id,
            "region": network.region,
            "vpc_id": network.vpc_id,
            "cidrs": list(network.cidrs),
        }

        let_cluster_in(self, props.ingress, cluster, f"Astro cluster {props.cluster} by peering")
        if props.peering_id is None or cluster.account_id is None:
            self._announce(network, cluster)
            return

        # The ID does not come from the request. While our VPC changes, even a tag, Terraform would read the request
        # later. It would then replace the accepter whose ID it does not know.
        accepter = VpcPeeringConnectionAccepterA(
            self,
            "accepter",
            vpc_peering_connection_id=props.peering_id,
            auto_accept=True,
            tags={"Name": context.name},
            lifecycle=self._request(props.peering_id, cluster.account_id, network, cluster).lifecycle,
        )
        # Options require an active peering, so the ID of the accepter makes Terraform wait. They are set even if false,
        # because destroying them changes nothing in AWS (facts C4).
        field = f"connections.{id_}.resolve_dns"
        dns = with_dns(network, f"{field}: true", f"write {field}: false") if props.resolve_dns else None
        VpcPeeringConnectionOptions(
            self,
            "options",
            vpc_peering_connection_id=accepter.id,
            accepter=VpcPeeringConnectionOptionsAccepter(allow_remote_vpc_dns_resolution=props.resolve_dns),
            lifecycle=TerraformResourceLifecycle(precondition=dns) if dns else None,
        )
        routes(self, props.cluster, network, cluster.routed_cidrs(), vpc_peering_connection_id=accepter.id)
        self.handoff["peering_id"] = accepter.id
        self.handoff["peering_status"] = accepter.accept_status

    def _request(self, peering_id: str, account_id: str, network: Network, cluster: ClusterSide) -> Lookup:
        """Return the request with everything that must be true of it. Anyone may request a peering with our VPC (facts
        B16)."""
        entry, side = f"connections.{self.node.id}", f"clusters.{self._props.cluster}"
        again = (
            "Remove peering_id from the file to deploy without it. To connect again, create the connection in the "
            "Astro UI and enter its new ID."
        )
        request = Lookup(
            self,
            _PEERING,
            peering_id,
            f"{entry}.peering_id: {peering_id} does not exist in account {network.account_id}, {network.region}. "
            f"Compare it with the ID in the Astro UI. {again}",
        )
        status = request.found("status")
        why = ", ".join(f'{code} = "{reason}"' for code, reason in _GONE.items())
        request.expect(
            f"contains({listed(_OPEN)}, {status})",
            f"{entry}.peering_id: {peering_id} is ${{{status}}}. "
            f'${{lookup({{{why}}}, {status}, "AWS may finish this in a few minutes.")}} {again}',
        )
        account = request.found("owner_id")
        request.expect(
            f"{account} == {term(account_id)}",
            f"{entry}: {peering_id} was requested by AWS account ${{{account}}}, but {side}.account_id is "
            f"{account_id}. Accept it only if Astronomer confirms that account: then correct account_id.",
        )
        # The second is the name in version 5 of the provider. In version 6, it is the region of the provider.
        region = request.found("requester_region", "region")
        request.expect(
            f"{region} == {term(cluster.region)}",
            f"{entry}: {peering_id} was requested from region ${{{region}}}, but {side}.region is {cluster.region}. "
            "Enter the ID of this cluster's connection, or correct region if the Astro UI shows that one.",
        )
        cidr = request.found("cidr_block")
        request.expect(
            request.matches("request-range", {"requester-vpc-info.cidr-block": str(cluster.cidr)}),
            f"{entry}: {peering_id} was requested from a VPC with range "
            f'${{coalesce({cidr}, "unknown (AWS does not show it)")}}, but {side}.cidr is {cluster.cidr}. '
            "Enter the ID of this cluster's connection, or correct cidr if the Astro UI shows that one.",
        )
        if cluster.vpc_id:
            theirs = request.found("vpc_id")
            request.expect(
                f"{theirs} == {term(cluster.vpc_id)}",
                f"{entry}: {peering_id} was requested from VPC ${{{theirs}}}, but {side}.vpc_id is {cluster.vpc_id}. "
                "Accept it only if Astronomer confirms that VPC: then correct vpc_id.",
            )
        vpc, owner = request.found("peer_vpc_id"), request.found("peer_owner_id")
        request.expect(
            f"{vpc} == {term(network.vpc_id)} && {owner} == {term(network.account_id)}",
            f"{entry}: {peering_id} targets VPC ${{{vpc}}} of account ${{{owner}}}, but the network is "
            f"{network.vpc_id} of account {network.account_id}. Enter the ID of the connection with this VPC, or "
            "create that connection in the Astro UI.",
        )
        return request

    def _announce(self, network: Network, cluster: ClusterSide) -> None:
        """Warn of a pending request that is or could be this connection's, with the way to accept it."""
        entry, side = f"connections.{self.node.id}", f"clusters.{self._props.cluster}"
        add_id = f"`peering_id: {{}}` to {entry}"
        filters = {"status-code": "pending-acceptance", "requester-vpc-info.cidr-block": str(cluster.cidr)}
        if not Token.is_unresolved(network.vpc_id):
            filters["accepter-vpc-info.vpc-id"] = network.vpc_id
        if self._props.peering_id:
            filters["vpc-peering-connection-id"] = self._props.peering_id
        if cluster.account_id:
            filters["requester-vpc-info.owner-id"] = cluster.account_id
            if cluster.vpc_id:
                filters["requester-vpc-info.vpc-id"] = cluster.vpc_id
            account, remedy = f"AWS account {cluster.account_id}", f"add {add_id}"
        else:
            account = "an AWS account"
            remedy = f"add `account_id` to {side} after Astronomer has confirmed the requester's account"
            remedy += f", and {add_id}" if not self._props.peering_id else ""
        announce(
            self,
            _PEERING,
            "pending",
            filters,
            f"{entry}: {{}} is pending, from {account} with range {cluster.cidr}. To accept it, {remedy}, and deploy "
            "again.",
        )
