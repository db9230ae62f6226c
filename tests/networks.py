"""Networks as the file has them, for the props of connections."""

from typing import Any

from modules.vpc.props import VpcProps


def network(*subnets: str, **changes: Any) -> VpcProps:
    """An existing VPC with subnets of these names."""
    ids = {name: f"subnet-{number:017x}" for number, name in enumerate(subnets)}
    lake = {"account_id": "111111111111", "region": "us-east-1", "vpc_id": "vpc-0123456789abcdef0"}
    return VpcProps.model_validate(lake | {"cidrs": ("10.20.0.0/16",), "subnets": ids} | changes)
