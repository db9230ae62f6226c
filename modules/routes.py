"""Routes in a network's route tables, named or discovered."""

from ipaddress import IPv4Network
from typing import Any

from cdktf import TerraformIterator, Token
from cdktf_cdktf_provider_aws.route import Route
from constructs import Construct

from modules.connection import Network
from modules.vocabulary import joined


def route(scope: Construct, name: str, network: Network, cidr: IPv4Network, **target: Any) -> None:
    """Route `cidr` to `target` (an argument of `aws_route`) in every route table of `network`.

    A route's address holds the names of its table and range, never an index or a range, so that adding one replaces no
    other (facts B17). Discovered tables are keyed by their IDs.
    """
    destination = str(cidr)
    if network.all_route_tables is not None:
        # The VPC's tables are read while planning, so that their IDs may key a for_each.
        tables = TerraformIterator.from_list(network.all_route_tables)
        Route(
            scope,
            joined("route", name),
            for_each=tables,
            route_table_id=Token.as_string(tables.value),
            destination_cidr_block=destination,
            **target,
        )
        return
    for table, table_id in network.route_tables.items():
        Route(
            scope,
            joined("route", table, name),
            route_table_id=table_id,
            destination_cidr_block=destination,
            **target,
        )
