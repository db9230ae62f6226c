"""Moves resources that were deployed under former names."""

from itertools import pairwise

from cdktf import TerraformResource, TerraformStack

from estate.model import Estate
from estate.renames import former_paths
from modules.parts.customer_gateway.construct import gateways_in
from modules.service_quotas.construct import ServiceQuotas
from modules.workload_identity.construct import WorkloadIdentity
from stacks.base import logical_id


def move_renamed(stack: TerraformStack, estate: Estate) -> None:
    """Give `stack` a `moved` block for each former address of a resource. Called after everything is built."""
    # Another connection of a device may have created its customer gateway, if the order of the file was different.
    shared = {paths[0]: paths for _, paths in gateways_in(stack).created.values() if len(paths) > 1}
    blocks: list[dict[str, str]] = []
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
            type_ = node.terraform_resource_type
            blocks += [{"from": f"{type_}.{former}", "to": f"{type_}.{to}"} for to, former in pairwise(chain)]
    if blocks:
        stack.add_override("moved", blocks)
