"""Moves resources that were deployed under former names."""

from cdktf import TerraformResource, TerraformStack

from estate.model import Estate
from estate.renames import former_paths
from modules.service_quotas.construct import ServiceQuotas
from modules.workload_identity.construct import WorkloadIdentity
from stacks.base import logical_id


def move_renamed(stack: TerraformStack, estate: Estate) -> None:
    """Give `stack` a `moved` block for each former address of a resource. Called after everything is built."""
    blocks: list[dict[str, str]] = []
    for node in stack.node.find_all() if estate.renamed else ():
        if isinstance(node, TerraformResource):
            to = tuple(node.node.path.split("/")[1:])
            # IDs of these constructs begin with a name, all others with a fixed word.
            by_name = isinstance(stack.node.find_child(to[0]), WorkloadIdentity | ServiceQuotas)
            for former in former_paths(estate, to, 0 if by_name else 1):
                type_ = node.terraform_resource_type
                blocks.append({"from": f"{type_}.{logical_id(former)}", "to": f"{type_}.{logical_id(to)}"})
                to = former
    if blocks:
        stack.add_override("moved", blocks)
