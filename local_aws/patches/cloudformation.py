from __future__ import annotations

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.responses import CloudFormationResponse, StackResourceDTO
from moto.core.responses import ActionResult

from .tools import patch

_describe_stack_resources = CloudFormationResponse.describe_stack_resources


@patch(CloudFormationResponse)
def describe_stack_resources(self: CloudFormationResponse) -> ActionResult:
    """Find a stack by a resource that it created, which moto cannot."""
    created = self._get_param("PhysicalResourceId")
    if not created:
        return _describe_stack_resources(self)
    for stack in self.cloudformation_backend.stacks.values():
        ids = [getattr(one, "physical_resource_id", None) for one in stack.stack_resources]
        if created in ids:
            return ActionResult({"StackResources": [StackResourceDTO(stack, one) for one in stack.stack_resources]})
    raise ValidationError(message=f"Stack for {created} does not exist")
