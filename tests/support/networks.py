"""Networks and clusters, in the file's form and in the form that constructs receive."""

from collections.abc import Mapping
from typing import Any

from modules.cluster import Cluster
from modules.context import ConnectionContext, Context, Network
from modules.vpc.props import VpcProps


def network(*subnets: str, **changes: Any) -> VpcProps:
    """Return an existing VPC with subnets of these names."""
    ids = {name: f"subnet-{number:017x}" for number, name in enumerate(subnets)}
    lake = {"account_id": "111111111111", "region": "us-east-1", "vpc_id": "vpc-0123456789abcdef0"}
    return VpcProps.model_validate(lake | {"cidrs": ("10.20.0.0/16",), "subnets": ids} | changes)


def context_of(network: VpcProps, clusters: Mapping[str, Cluster]) -> Context:
    """Return the context in which a connection of this network is checked."""
    return Context(network.account_id, network.region, network, clusters)


LAKE = Network(
    account_id="111111111111",
    region="us-east-1",
    vpc_id="vpc-0123456789abcdef0",
    cidrs=("10.20.0.0/16",),
    route_tables={"private-a": "rtb-0aaaaaaaaaaaaaaaa", "private-b": "rtb-0bbbbbbbbbbbbbbbb"},
    subnets={"private-a": "subnet-0aaaaaaaaaaaaaaaa", "private-b": "subnet-0bbbbbbbbbbbbbbbb"},
)
OF_EACH_TABLE = {
    "for_each": '${toset(["rtb-0aaaaaaaaaaaaaaaa", "rtb-0bbbbbbbbbbbbbbbb"])}',
    "route_table_id": "${each.value}",
}
"""The arguments of a resource for each route table of `LAKE`."""
PROD = Cluster(product="hosted-dedicated", region="us-east-1", account_id="333333333333")


def sides(network: Network = LAKE, secrets: dict[str, Any] | None = None, **clusters: Cluster) -> ConnectionContext:
    """Return the two sides of a connection named "conn": your network and Astro's clusters, by default `prod`."""
    return ConnectionContext(
        name="acme-conn",
        network=network,
        clusters={name: cluster.side() for name, cluster in (clusters or {"prod": PROD}).items()},
        secrets=secrets or {},
    )
