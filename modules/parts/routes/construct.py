"""Routes in a network's route tables, named or discovered."""

from typing import Any

from cdktf_cdktf_provider_aws.route import Route
from constructs import Construct

from modules.context import Network
from modules.parts.for_each.construct import Entries, each
from modules.vocabulary import construct_id


def routes(scope: Construct, name: str, network: Network, ranges: Entries, **target: Any) -> None:
    """Route each of `ranges` to `target` (an argument of `aws_route`) in every route table of `network`.

    The address of a route contains the names of its table and range. It contains no index and no range, so adding a
    route replaces no other (facts B17). Discovered tables are keyed by their IDs.
    """
    for (table, range_name), (table_id, cidr), over in each(network.route_tables, ranges):
        Route(
            scope,
            construct_id("route", table, name, range_name),
            for_each=over,
            route_table_id=table_id,
            destination_cidr_block=cidr,
            **target,
        )
