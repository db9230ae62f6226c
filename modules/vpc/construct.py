from cdktf_cdktf_provider_aws.data_aws_route_tables import DataAwsRouteTables
from constructs import Construct

from modules.connection import Network
from modules.vpc.props import VpcProps


class Vpc(Construct):
    """One of your networks. `network` is what its connections see of it."""

    network: Network

    def __init__(self, scope: Construct, id_: str, props: VpcProps, name: str) -> None:
        super().__init__(scope, id_)
        if props.vpc_id is not None:
            self.network = self._existing(props, props.vpc_id)

    def _existing(self, props: VpcProps, vpc_id: str) -> Network:
        discover = props.route_tables == "all"
        return Network(
            account_id=props.account_id,
            region=props.region,
            vpc_id=vpc_id,
            cidrs=tuple(map(str, props.cidrs)),
            route_tables={} if props.route_tables == "all" else props.route_tables,
            subnets=props.subnets,
            all_route_tables=DataAwsRouteTables(self, "route-tables", vpc_id=vpc_id).ids if discover else None,
        )
