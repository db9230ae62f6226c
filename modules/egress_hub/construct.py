from dataclasses import replace
from typing import Any

from cdktf_cdktf_provider_aws.ec2_transit_gateway_route import Ec2TransitGatewayRoute
from constructs import Construct

from modules.context import ConnectionContext
from modules.egress_hub.props import ANYWHERE, EgressHubProps
from modules.parts.for_each.construct import by_name, each
from modules.parts.routes.construct import routes
from modules.vocabulary import construct_id


class EgressHub(Construct):
    """The clusters' default route to the hub, and the routes back from its public subnets (facts C14)."""

    def __init__(self, scope: Construct, id_: str, props: EgressHubProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        network, made = context.network, context.gateway
        gateway = made.id if made else props.transit_gateway_id
        table = made.clusters_table if made else str(props.route_table_id)
        attachment = made.network_attachment if made else props.attachment_id
        Ec2TransitGatewayRoute(
            self,
            "default",
            destination_cidr_block=str(ANYWHERE),
            transit_gateway_attachment_id=attachment,
            transit_gateway_route_table_id=table,
        )
        for (name,), (cidr,), over in each(props.dropped):
            Ec2TransitGatewayRoute(
                self,
                construct_id("dropped", name),
                for_each=over,
                destination_cidr_block=cidr,
                blackhole=True,
                transit_gateway_route_table_id=table,
            )
        public = network.public_route_tables or props.public_route_tables
        # Version 0.1 had no egress_hub, so nothing moves.
        hub = replace(network, route_tables=public, keyed={})
        # AWS allows a route to a gateway only in an attached VPC.
        way_back: Any = made.attached_id if made else gateway
        for name, cluster in context.clusters.items():
            routes(self, name, hub, cluster.routed_cidrs(), transit_gateway_id=way_back)
        self.handoff: dict[str, object] = {
            "account_id": network.account_id,
            "region": network.region,
            "transit_gateway_id": gateway,
            "route_table_id": table,
            "attachment_id": attachment,
            "public_route_tables": by_name(public),
            "public_ips": list(network.nat_ips or props.public_ips),
        }
