"""Networks as the file has them, for the props of connections."""

from collections.abc import Mapping
from typing import Any

from modules.cluster import Cluster
from modules.context import Context
from modules.vpc.props import VpcProps


def network(*subnets: str, **changes: Any) -> VpcProps:
    """An existing VPC with subnets of these names."""
    ids = {name: f"subnet-{number:017x}" for number, name in enumerate(subnets)}
    lake = {"account_id": "111111111111", "region": "us-east-1", "vpc_id": "vpc-0123456789abcdef0"}
    return VpcProps.model_validate(lake | {"cidrs": ("10.20.0.0/16",), "subnets": ids} | changes)


def context_of(network: VpcProps, clusters: Mapping[str, Cluster]) -> Context:
    """What a connection of this network is checked against."""
    return Context(network.account_id, network.region, network, clusters)
