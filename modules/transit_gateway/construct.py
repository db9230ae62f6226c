from dataclasses import dataclass

from cdktf_cdktf_provider_aws.data_aws_ec2_transit_gateway import (
    DataAwsEc2TransitGateway,
    DataAwsEc2TransitGatewayFilter,
)
from cdktf_cdktf_provider_aws.data_aws_ec2_transit_gateway_attachment import (
    DataAwsEc2TransitGatewayAttachment,
    DataAwsEc2TransitGatewayAttachmentFilter,
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
from cdktf_cdktf_provider_aws.ec2_transit_gateway_vpc_attachment_accepter import (
    Ec2TransitGatewayVpcAttachmentAccepter,
)
from constructs import Construct

from modules.connection import Cluster, Sides
from modules.parts.for_each.construct import Entries, each
from modules.parts.ram_share.construct import share
from modules.parts.routes.construct import routes
from modules.transit_gateway.props import NewTransitGateway, TransitGatewayProps
from modules.vocabulary import Late, joined


@dataclass(frozen=True)
class _Tables:
    """IDs of route tables: the clusters', the network's own, and by name all those that lead back to them."""

    clusters: str
    network: str
    back: Entries


class TransitGateway(Construct):
    """Shares the gateway, accepts what the clusters' own accounts attached and nothing else, and routes both ways."""

    def __init__(self, scope: Construct, id_: str, props: TransitGatewayProps, sides: Sides) -> None:
        super().__init__(scope, id_)
        self._props, self._sides = props, sides
        network = sides.network
        self.handoff: dict[str, object] = {
            "account_id": network.account_id,
            "region": network.region,
            "cidrs": [*network.cidrs, *(str(one.cidr) for _, one in sorted(props.on_premises.items()))],
        }

        gateway = self._make(props.create) if props.create else self._find()
        self._gateway_id = gateway.id if gateway else str(props.transit_gateway_id)
        self._tables = self._route_tables()
        self.handoff["transit_gateway_id"] = self._gateway_id
        if gateway:
            self.handoff["resource_share_arn"] = share(self, props, sides, {"gateway": gateway.arn})

        # A route in a VPC can name a gateway only once the VPC is attached to it: the reference makes Terraform wait.
        way_out = self._attach_network().transit_gateway_id if props.attaches else self._gateway_id
        for name, cluster in sides.clusters.items():
            accepted = self._accepted(name, cluster) if props.accept_clusters else None
            if accepted or not props.accept_clusters:
                # Nothing leads to a cluster before it is there.
                after = [accepted] if accepted else None
                routes(self, name, network, cluster.routed_cidrs(), transit_gateway_id=way_out, depends_on=after)
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
            tags={"Name": self._sides.name},
        )

    def _find(self) -> DataAwsEc2TransitGateway | None:
        """Only the gateway's owner can share it and accept: one of another account is not found."""
        if not self._props.accept_clusters:
            return None
        return DataAwsEc2TransitGateway(
            self,
            "gateway",
            id=self._props.transit_gateway_id,
            filter=[DataAwsEc2TransitGatewayFilter(name="owner-id", values=[self._sides.network.account_id])],
        )

    def _route_tables(self) -> _Tables | None:
        if self._props.create:
            clusters, network = (self._new_table(name) for name in ("clusters", "network"))
            self.handoff["route_tables"] = {"clusters": clusters, "network": network}
            return _Tables(clusters, network, {"network": network})
        if tables := self._props.route_tables:
            others = tables.others
            late = isinstance(others, Late)
            back = others.beside("network", tables.network) if late else {"network": tables.network, **others}
            return _Tables(tables.clusters, tables.network, back)
        return None

    def _new_table(self, name: str) -> str:
        return Ec2TransitGatewayRouteTable(
            self,
            f"table-{name}",
            transit_gateway_id=self._gateway_id,
            tags={"Name": f"{self._sides.name}-{name}"},
        ).id

    def _attach_network(self) -> Ec2TransitGatewayVpcAttachment:
        """Our own VPC: its ranges are announced to the clusters."""
        attachment = Ec2TransitGatewayVpcAttachment(
            self,
            "network",
            transit_gateway_id=self._gateway_id,
            vpc_id=self._sides.network.vpc_id,
            subnet_ids=list(self._sides.network.subnets.values()),
            transit_gateway_default_route_table_association=self._tables is None,
            transit_gateway_default_route_table_propagation=self._tables is None,
            tags={"Name": self._sides.name},
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

    def _accepted(
        self, name: str, cluster: Cluster
    ) -> Ec2TransitGatewayVpcAttachmentAccepter | DataAwsEc2TransitGatewayAttachment | None:
        """Accept the cluster's attachment and route back; None while it, or the cluster's account, is awaited."""
        attachment_id = self._props.attachments.get(name)
        if attachment_id is None or cluster.account_id is None:
            return None
        # Whoever the gateway is shared with may attach. What is not a VPC of this account, on this gateway, is not
        # found here, and then the plan fails and nothing is accepted. Its ID is not taken from here: while the gateway
        # is to change, a tag even, Terraform reads this later, and would detach what has an ID that it does not know.
        request = DataAwsEc2TransitGatewayAttachment(
            self,
            joined("request", name),
            transit_gateway_attachment_id=attachment_id,
            filter=[
                _filter("transit-gateway-id", self._gateway_id),
                _filter("resource-type", "vpc"),
                _filter("resource-owner-id", cluster.account_id),
            ],
        )
        accepted, attached, first = request, attachment_id, [request]
        if cluster.account_id != self._sides.network.account_id:  # AWS accepts an account's own by itself
            accepted = Ec2TransitGatewayVpcAttachmentAccepter(
                self,
                joined("accepter", name),
                transit_gateway_attachment_id=attachment_id,
                transit_gateway_default_route_table_association=self._tables is None,
                transit_gateway_default_route_table_propagation=self._tables is None,
                tags={"Name": f"{self._sides.name}-{name}"},
                depends_on=[request],
            )
            attached, first = accepted.id, None
        if self._tables:
            Ec2TransitGatewayRouteTableAssociation(
                self,
                joined("association", name),
                transit_gateway_attachment_id=attached,
                transit_gateway_route_table_id=self._tables.clusters,
                depends_on=first,
            )
            self._route_back(self._tables.back, name, cluster, attached, first)
        return accepted

    def _route_back(
        self,
        tables: Entries,
        name: str,
        cluster: Cluster,
        attachment_id: str,
        first: list[DataAwsEc2TransitGatewayAttachment] | None,
    ) -> None:
        if self._props.propagate:
            for (table,), (table_id,), over in each(tables):
                Ec2TransitGatewayRouteTablePropagation(
                    self,
                    joined("propagation", table, name),
                    for_each=over,
                    transit_gateway_attachment_id=attachment_id,
                    transit_gateway_route_table_id=table_id,
                    depends_on=first,
                )
            return
        for (table, range_name), (table_id, cidr), over in each(tables, cluster.routed_cidrs()):
            Ec2TransitGatewayRoute(
                self,
                joined("back", table, name, range_name),
                for_each=over,
                destination_cidr_block=cidr,
                transit_gateway_attachment_id=attachment_id,
                transit_gateway_route_table_id=table_id,
                depends_on=first,
            )

    def _route_clusters(self, table_id: str) -> None:
        """Where the clusters can go besides your network, and where not."""
        for name, one in self._props.on_premises.items():
            if one.attachment_id:
                Ec2TransitGatewayRoute(
                    self,
                    joined("on-premises", name),
                    destination_cidr_block=str(one.cidr),
                    transit_gateway_attachment_id=one.attachment_id,
                    transit_gateway_route_table_id=table_id,
                )
        for (name,), (cidr,), over in each(self._props.blackholes):
            Ec2TransitGatewayRoute(
                self,
                joined("blackhole", name),
                for_each=over,
                destination_cidr_block=cidr,
                blackhole=True,
                transit_gateway_route_table_id=table_id,
            )


def _filter(name: str, value: str) -> DataAwsEc2TransitGatewayAttachmentFilter:
    return DataAwsEc2TransitGatewayAttachmentFilter(name=name, values=[value])
