"""Moves resources that were deployed at other addresses."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from cdktf import TerraformResource, TerraformStack

from estate.model import Estate
from estate.renames import former_paths
from modules.parts.customer_gateway.construct import gateways_in
from modules.service_quotas.construct import ServiceQuotas
from modules.workload_identity.construct import WorkloadIdentity
from stacks.base import logical_id

Block = dict[str, str]


def move_renamed(stack: TerraformStack, estate: Estate, more: Iterable[Block] = ()) -> None:
    """Give `stack` a `moved` block for each former address of a resource, and `more`. Called after everything is
    built."""
    # Another connection of a device may have created its customer gateway, if the order of the file was different.
    shared = {paths[0]: paths for _, paths in gateways_in(stack).created.values() if len(paths) > 1}
    # The order of the file does not matter.
    blocks = sorted(more, key=lambda block: (block["to"], block["from"]))
    for node in stack.node.find_all() if estate.renamed or shared else ():
        if isinstance(node, TerraformResource):
            path = tuple(node.node.path.split("/")[1:])
            # IDs of these constructs begin with a name, all others with a fixed word.
            by_name = isinstance(stack.node.find_child(path[0]), WorkloadIdentity | ServiceQuotas)
            chain = [
                logical_id(one)
                for each in shared.get(path, [path])
                for one in (each, *former_paths(estate, each, 0 if by_name else 1))
            ]
            blocks += _chained(node.terraform_resource_type, chain)
    if blocks:
        stack.add_override("moved", blocks)


def moved_to_ids(estate: Estate, connection: str, keyed: Mapping[str, list[str]]) -> Iterator[Block]:
    """Yield a `moved` block for each resource of a connection that is keyed by the ID of a route table.

    Version 0.1 had a resource for each name of a table instead. `keyed`: the construct IDs of the resources, by type.
    """
    tables = estate.networks[estate.connections[connection].network].route_tables
    for type_, ids in keyed.items():
        for id_ in ids:
            for table, table_id in tables.items() if isinstance(tables, Mapping) else ():
                word, *names = id_.split("_")
                named = (connection, "_".join([word, table, *names]))
                to = f'{logical_id((connection, id_))}["{table_id}"]'
                yield from _chained(type_, [to, *map(logical_id, (named, *former_paths(estate, named, 1)))])


def _chained(type_: str, names: list[str]) -> Iterator[Block]:
    """Yield the blocks from each former name of a resource to the next, the latest first."""
    return ({"from": f"{type_}.{former}", "to": f"{type_}.{to}"} for to, former in pairwise(names))
