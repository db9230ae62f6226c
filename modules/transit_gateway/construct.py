from dataclasses import dataclass
from typing import Any

from cdktf import Postcondition, Precondition, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.data_aws_ec2_transit_gateway import DataAwsEc2TransitGateway
from cdktf_cdktf_provider_aws.data_aws_ec2_transit_gateway_attachment import DataAwsEc2TransitGatewayAttachment
from cdktf_cdktf_provider_aws.data_aws_ec2_transit_gateway_attachments import (
    DataAwsEc2TransitGatewayAttachments,
    DataAwsEc2TransitGatewayAttachmentsFilter,
)
from cdktf_cdktf_provider_aws.ec2_transit_gateway import Ec2TransitGateway
from cdktf_cdktf_provider_aws.ec2_transit_gateway_route import Ec2TransitGatewayRoute
from cdktf_cdktf_provider_aws.ec2_transit_gateway_route_table import Ec2TransitGatewayRouteTable
from cdktf_cdktf_provider_aws.ec2_transit_gateway_route_table_association import (
    Ec2TransitGatewayRouteTableAssociation,
)
from cdktf_cdktf_provider_aws.ec2_transit_gateway_route_table_propagation import (
    Ec2TransitGatewayRouteTablePropagation,
)
from cdktf_cdktf_provider_aws.ec2_transit_gateway_vpc_attachment import Ec2TransitGatewayVpcAttachment
from constructs import Construct

from modules.cluster import ClusterSide
from modules.context import ConnectionContext, NewGateway
from modules.expressions import MapExpression, is_late, listed, term
from modules.parts.attachments.construct import accept, accept_peering
from modules.parts.for_each.construct import Entries, each
from modules.parts.lookup.construct import Kind, Lookup, announce
from modules.parts.ram_share.construct import share
from modules.parts.routes.construct import routes
from modules.transit_gateway.props import NewTransitGateway, TransitGatewayProps
from modules.vocabulary import construct_id

_ATTACHMENT = Kind(
    one=DataAwsEc2TransitGatewayAttachment,
    several=DataAwsEc2TransitGatewayAttachments,
    filter=DataAwsEc2TransitGatewayAttachmentsFilter,
    id_argument="transit_gateway_attachment_id",
    id_filter="transit-gateway-attachment-id",
)
_OPEN = ("initiating", "initiatingRequest", "pendingAcceptance", "pending", "available", "modifying")
_GONE = {
    "rejected": "Somebody in your account rejected it.",
    "deleting": "Astronomer or somebody in your account is deleting it.",
    "deleted": "Astronomer or somebody in your account deleted it.",
    "failed": "AWS could not create it.",
}
"""States that are final, each with its reason."""


@dataclass(frozen=True)
class _Tables:
    """IDs of route tables: the clusters', the network's, and by name all those with routes back to the clusters."""

    clusters: str
    network: str
    back: Entries


class TransitGateway(Construct):
    """Shares the gateway, accepts only the attachments from the clusters' own accounts, and routes both ways."""

    def __init__(self, scope: Construct, id_: str, props: TransitGatewayProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        self._props, self._context = props, context
        network = context.network
        self.handoff: dict[str, object] = {
            "account_id": network.account_id,
            "region": network.region,
            "cidrs": [*network.cidrs, *(str(one.cidr) for _, one in sorted(props.on_premises.items()))],
        }

        gateway = self._make(props.create) if props.create else self._find()
        self._gateway_id = gateway.id if gateway else str(props.transit_gateway_id)
        self._tables = self._route_tables()
        self.handoff["transit_gateway_id"] = self._gateway_id
        near = any(cluster.region == network.region for cluster in context.clusters.values())
        if gateway and props.accept_clusters and (near or props.share_with):
            self.handoff["resource_share_arn"] = share(self, props, context, {"gateway": gateway.arn})

        # AWS allows a route to a gateway only in an attached VPC. The reference makes Terraform wait for the
        # attachment.
        attachment = self._attach_network() if props.attaches else None
        way_out = attachment.transit_gateway_id if attachment else self._gateway_id
        self.gateway = (
            NewGateway(self._gateway_id, self._tables.clusters, self._tables.network, attachment.id, way_out)
            if props.create and self._tables and attachment
            else None
        )
        for name, cluster in context.clusters.items():
            # A route to a cluster needs an accepted attachment, which this stack or somebody else accepted.
            after = self._accept(name, cluster) if props.accept_clusters else {}
            if after is not None:
                routes(self, name, network, cluster.routed_cidrs(), transit_gateway_id=way_out, **after)
        if self._tables:
            self._route_clusters(self._tables.clusters)

    def _make(self, new: NewTransitGateway) -> Ec2TransitGateway:
        return Ec2TransitGateway(
            self,
            "gateway",
            description=new.description,
            amazon_side_asn=new.asn,
            auto_accept_shared_attachments="disable",
            default_route_table_association="disable",
            default_route_table_propagation="disable",
            dns_support="enable",
            tags={"Name": self._context.name},
        )

    def _find(self) -> DataAwsEc2TransitGateway | None:
        """Return the existing gateway, if something here requires its owner or its tables."""
        props, account = self._props, self._context.network.account_id
        if not (props.accept_clusters or props.route_tables):
            return None
        field = f"connections.{self.node.id}.transit_gateway_id"
        remedy = (
            "set accept_clusters: false, and leave sharing and accepting to its owner"
            if props.accept_clusters
            else "remove route_tables, which only its owner can associate"
        )
        conditions = [
            Postcondition(
                condition=f"${{self.owner_id == {term(account)}}}",
                error_message=f"{field}: {props.transit_gateway_id} is of AWS account ${{self.owner_id}}, but the "
                f"network is of account {account}: {remedy}.",
            )
        ]
        if not props.route_tables:
            # Otherwise AWS would associate nothing, and each plan would want to change that (facts B21: the default
            # tables).
            both = ("self.default_route_table_association", "self.default_route_table_propagation")
            conditions.append(
                Postcondition(
                    condition=f'${{{both[0]} == "enable" && {both[1]} == "enable"}}',
                    error_message=f"{field}: {props.transit_gateway_id} has default association ${{{both[0]}}}d and "
                    f"default propagation ${{{both[1]}}}d, and without both there are no routes to the clusters and "
                    "back: set the tables in route_tables.",
                )
            )
        return DataAwsEc2TransitGateway(
            self,
            "gateway",
            id=props.transit_gateway_id,
            lifecycle=TerraformResourceLifecycle(postcondition=conditions),
        )

    def _route_tables(self) -> _Tables | None:
        if self._props.create:
            clusters, network = (self._new_table(name) for name in ("clusters", "network"))
            self.handoff["route_tables"] = {"clusters": clusters, "network": network}
            return _Tables(clusters, network, {"network": network})
        if tables := self._props.route_tables:
            others = tables.others
            late = isinstance(others, MapExpression)
            back = others.beside("network", tables.network) if late else {"network": tables.network, **others}
            return _Tables(tables.clusters, tables.network, back)
        return None

    def _new_table(self, name: str) -> str:
        return Ec2TransitGatewayRouteTable(
            self,
            f"table-{name}",
            transit_gateway_id=self._gateway_id,
            tags={"Name": f"{self._context.name}-{name}"},
        ).id

    def _attach_network(self) -> Ec2TransitGatewayVpcAttachment:
        """Attach the network's VPC, and propagate its ranges to the clusters' table."""
        attachment = Ec2TransitGatewayVpcAttachment(
            self,
            "network",
            transit_gateway_id=self._gateway_id,
            vpc_id=self._context.network.vpc_id,
            subnet_ids=list(self._context.network.subnets.values()),
            transit_gateway_default_route_table_association=self._tables is None,
            transit_gateway_default_route_table_propagation=self._tables is None,
            tags={"Name": self._context.name},
        )
        if self._tables:
            Ec2TransitGatewayRouteTableAssociation(
                self,
                "network-association",
                transit_gateway_attachment_id=attachment.id,
                transit_gateway_route_table_id=self._tables.network,
            )
            Ec2TransitGatewayRouteTablePropagation(
                self,
                "network-propagation",
                transit_gateway_attachment_id=attachment.id,
                transit_gateway_route_table_id=self._tables.clusters,
            )
        return attachment

    def _accept(self, name: str, cluster: ClusterSide) -> dict[str, Any] | None:
        """Accept the cluster's attachment and route back.

        Return the arguments that make other resources wait for it, or None while the attachment or the cluster's
        account is unknown.
        """
        attachment_id = self._props.attachments.get(name)
        if attachment_id is None or cluster.account_id is None:
            self._announce(name, cluster, attachment_id)
            return None
        # The ID does not come from the request. While the gateway changes, even a tag, Terraform would read the request
        # later. It would then remove the attachment whose ID it does not know.
        peered = cluster.region != self._context.network.region
        request = self._request(name, attachment_id, cluster, peered=peered)
        if peered:
            return self._accept_peering(name, cluster, attachment_id, request)
        if cluster.account_id == self._context.network.account_id:
            # AWS itself accepts the attachments of the gateway's own account, and associates them with the gateway's
            # default table if it has one (facts C3: an attachment has one association).
            if not self._tables:
                return {"lifecycle": request.lifecycle}
            associated = self._associate(
                self._tables, name, attachment_id, replace_existing_association=True, lifecycle=request.lifecycle
            )
            self._route_back(self._tables.back, name, cluster, attachment_id, [associated])
            return {"depends_on": [associated]}
        full_name = f"{self._context.name}-{name}"
        accepted = accept(self, attachment_id, full_name, request, default_tables=self._tables is None)
        if self._tables:
            self._associate(self._tables, name, accepted.reference(attachment_id))
            self._route_back(self._tables.back, name, cluster, accepted.reference(attachment_id))
        after: dict[str, Any] = {"depends_on": [accepted.resource]}
        if is_late(attachment_id):
            # A module has no route to a cluster with a pending attachment, because the route needs its ID.
            known = Precondition(condition=f"${{{term(attachment_id)} != null}}", error_message="It is not attached.")
            after["lifecycle"] = TerraformResourceLifecycle(precondition=[known])
        return after

    def _accept_peering(
        self, name: str, cluster: ClusterSide, attachment_id: str, request: Lookup
    ) -> dict[str, Any] | None:
        """Accept a peering of gateways. It has no default tables, because AWS propagates no routes over it."""
        accepted = accept_peering(self, attachment_id, f"{self._context.name}-{name}", request)
        if self._tables:
            associated = self._associate(
                self._tables, name, accepted.reference(attachment_id), replace_existing_association=True
            )
            self._route_back(self._tables.back, name, cluster, accepted.reference(attachment_id), [associated])
        return {"depends_on": [accepted.resource]}

    def _associate(
        self, tables: _Tables, name: str, attachment_id: str, **arguments: Any
    ) -> Ec2TransitGatewayRouteTableAssociation:
        return Ec2TransitGatewayRouteTableAssociation(
            self,
            construct_id("association", name),
            transit_gateway_attachment_id=attachment_id,
            transit_gateway_route_table_id=tables.clusters,
            **arguments,
        )

    def _request(self, name: str, attachment_id: str, cluster: ClusterSide, *, peered: bool) -> Lookup:
        """Return the attachment with everything that must be true of it. Everyone with the share may attach, and anyone
        may request a peering."""
        network, side = self._context.network, f"clusters.{name}"
        peer = self._props.peer_gateways.get(name)
        account_id = peer.account_id if peer and peer.account_id else cluster.account_id
        if peer and peer.account_id:
            side = f"connections.{self.node.id}.peer_gateways.{name}"
        field = f"connections.{self.node.id}.attachments.{name}"
        again = (
            f"Remove attachments.{name} from the file to deploy without it. To connect again, ask Astronomer's support "
            "to attach the cluster, and enter the new ID."
        )
        request = Lookup(
            self,
            _ATTACHMENT,
            attachment_id,
            f"{field}: {attachment_id} does not exist in account {network.account_id}, {network.region}. Compare it "
            f"with the ID that Astronomer gave you. {again}",
            name,
        )
        state = request.found("state")
        why = ", ".join(f'{code} = "{reason}"' for code, reason in _GONE.items())
        request.expect(
            f"contains({listed(_OPEN)}, {state})",
            f"{field}: {attachment_id} is ${{{state}}}. "
            f'${{lookup({{{why}}}, {state}, "AWS may finish this in a few minutes.")}} {again}',
        )
        gateway, ours = request.found("transit_gateway_id"), self._props.transit_gateway_id or self._gateway_id
        request.expect(
            f"{gateway} == {term(ours)}",
            f"{field}: {attachment_id} is attached to ${{{gateway}}}, but this connection's gateway is "
            f"{ours}. Enter the ID of the attachment to this gateway.",
        )
        type_ = request.found("resource_type")
        expected, whose = ("peering", "a cluster in another region") if peered else ("vpc", "a cluster")
        request.expect(
            f'{type_} == "{expected}"',
            f"{field}: {attachment_id} attaches a ${{{type_}}}, but {whose} attaches a {expected}. Enter the ID that "
            "Astronomer gave you.",
        )
        account = request.found("resource_owner_id")
        request.expect(
            f"{account} == {term(account_id)}",
            f"{field}: {attachment_id} is of AWS account ${{{account}}}, but {side}.account_id is {account_id}. "
            "Accept it only if Astronomer confirms that account: then correct account_id.",
        )
        if peer and peer.transit_gateway_id:
            theirs = request.found("resource_id")
            request.expect(
                f"{theirs} == {term(peer.transit_gateway_id)}",
                f"{field}: {attachment_id} peers with ${{{theirs}}}, but peer_gateways.{name}.transit_gateway_id is "
                f"{peer.transit_gateway_id}. Accept it only if Astronomer confirms that gateway.",
            )
        if cluster.vpc_id and not peered:
            vpc = request.found("resource_id")
            request.expect(
                f"{vpc} == {term(cluster.vpc_id)}",
                f"{field}: {attachment_id} attaches ${{{vpc}}}, but {side}.vpc_id is {cluster.vpc_id}. Accept it only "
                "if Astronomer confirms that VPC: then correct vpc_id.",
            )
        return request

    def _announce(self, name: str, cluster: ClusterSide, attachment_id: str | None) -> None:
        """Warn of pending attachments that are or could be the cluster's, with the way to accept one."""
        entry, account, gateway = f"connections.{self.node.id}", cluster.account_id, self._props.transit_gateway_id
        if account == self._context.network.account_id or (account is None and attachment_id is None):
            return
        peered = cluster.region != self._context.network.region
        filters = {"state": "pendingAcceptance", "resource-type": "peering" if peered else "vpc"}
        owner = f"AWS account {account}" if account else "an AWS account"
        if account:
            filters["resource-owner-id"] = account
        if gateway:
            filters["transit-gateway-id"] = gateway
        if attachment_id:
            filters["transit-gateway-attachment-id"] = attachment_id
            remedy = f"add `account_id` to clusters.{name} after Astronomer has confirmed that the account is theirs"
        else:
            remedy = f"add `{name}: {{}}` to {entry}.attachments"
        announce(
            self,
            _ATTACHMENT,
            construct_id("pending", name),
            filters,
            f"{entry}: {{}} is pending, from {owner}. To accept it as the attachment of cluster {name}, {remedy}, and "
            "deploy again.",
            () if attachment_id else self._props.attachments.values(),
        )

    def _route_back(
        self,
        tables: Entries,
        name: str,
        cluster: ClusterSide,
        attachment_id: str,
        after: list[Ec2TransitGatewayRouteTableAssociation] | None = None,
    ) -> None:
        if self._props.propagate:
            for (table,), (table_id,), over in each(tables):
                Ec2TransitGatewayRouteTablePropagation(
                    self,
                    construct_id("propagation", table, name),
                    for_each=over,
                    transit_gateway_attachment_id=attachment_id,
                    transit_gateway_route_table_id=table_id,
                    depends_on=after,
                )
            return
        for (table, range_name), (table_id, cidr), over in each(tables, cluster.routed_cidrs()):
            Ec2TransitGatewayRoute(
                self,
                construct_id("back", table, name, range_name),
                for_each=over,
                destination_cidr_block=cidr,
                transit_gateway_attachment_id=attachment_id,
                transit_gateway_route_table_id=table_id,
                depends_on=after,
            )

    def _route_clusters(self, table_id: str) -> None:
        """Create the clusters' routes to places besides your network, and their blackholes."""
        for name, one in self._props.on_premises.items():
            if one.attachment_id:
                Ec2TransitGatewayRoute(
                    self,
                    construct_id("on-premises", name),
                    destination_cidr_block=str(one.cidr),
                    transit_gateway_attachment_id=one.attachment_id,
                    transit_gateway_route_table_id=table_id,
                )
        for (name,), (cidr,), over in each(self._props.blackholes):
            Ec2TransitGatewayRoute(
                self,
                construct_id("blackhole", name),
                for_each=over,
                destination_cidr_block=cidr,
                blackhole=True,
                transit_gateway_route_table_id=table_id,
            )
