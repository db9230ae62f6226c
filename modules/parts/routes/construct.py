"""Resources of a network's route tables, such as routes. The tables are named or discovered."""

from collections.abc import Iterator, Mapping
from typing import Any

from cdktf_cdktf_provider_aws.route import Route
from constructs import Construct

from modules.context import Network
from modules.expressions import MapExpression, is_late, listed
from modules.parts.for_each.construct import Entries, each
from modules.vocabulary import construct_id


def each_table(network: Network, type_: str, name: str, *ranges: Entries) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Yield every combination of a route table and one entry of each of `ranges`, for a resource of `type_`.

    Each has a construct ID that begins with `name`, the values as text, and the `for_each` if there is one.

    Existing tables are a set of their IDs, the keys of one resource. Rules such as `private` find the same IDs. AWS
    identifies a route by its table and range, and Terraform cannot replace a route with an equal one (facts C6). The
    address of a route must therefore not depend on the name of a table, or on how the file chooses it. The tables of a
    new VPC have names, because their IDs are not yet known.
    """
    first, *others = name.split("_")
    tables: Entries = network.route_tables
    are_known = False
    if isinstance(tables, Mapping) and (ids := sorted(tables.values())) and not any(map(is_late, ids)):
        tables, are_known = MapExpression(f"toset({listed(ids)})"), True
    for (table, *names), values, over in each(tables, *ranges):
        id_ = construct_id(first, table, *others, *names)
        if are_known:
            network.keyed.setdefault(type_, []).append(id_)
        yield id_, values, over


def routes(scope: Construct, name: str, network: Network, ranges: Entries, **target: Any) -> None:
    """Route each of `ranges` to `target` (an argument of `aws_route`) in every route table of `network`.

    The address of a route contains the name of its range, and the ID of an existing table or the name of a new one. It
    contains no index and no range, so adding a route replaces no other (facts B17).
    """
    for id_, (table_id, cidr), over in each_table(network, "aws_route", construct_id("route", name), ranges):
        Route(scope, id_, for_each=over, route_table_id=table_id, destination_cidr_block=cidr, **target)
