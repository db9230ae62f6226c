from __future__ import annotations

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.responses import CloudFormationResponse, StackResourceDTO
from moto.core.responses import ActionResult

from .tools import patch

_describe_stack_resources = CloudFormationResponse.describe_stack_resources


@patch(CloudFormationResponse)
def describe_stack_resources(self: CloudFormationResponse) -> ActionResult:
    """Without it, a stack cannot be found by what it made."""
    made = self._get_param("PhysicalResourceId")
    if not made:
        return _describe_stack_resources(self)
    for stack in self.cloudformation_backend.stacks.values():
        ids = [getattr(one, "physical_resource_id", None) for one in stack.stack_resources]
        if made in ids:
            return ActionResult({"StackResources": [StackResourceDTO(stack, one) for one in stack.stack_resources]})
    raise ValidationError(message=f"Stack for {made} does not exist")
