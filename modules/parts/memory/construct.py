"""Values of the first deploy that stay in the state: a `terraform_data` whose input never changes."""

from collections.abc import Mapping, Sequence
from typing import Any

from cdktf import Postcondition, TerraformResource, TerraformResourceLifecycle
from constructs import Construct


def remember(
    scope: Construct,
    id_: str,
    value: Mapping[str, Any],
    *,
    keep: bool = True,
    conditions: Sequence[Postcondition] | None = None,
    each: bool = False,
) -> str:
    """Return a reference to `value` as it was at creation, or to the current value unless `keep`.

    With `each`, every item of `value` is remembered separately, from the deploy that adds it to the one that removes
    it.

    cdktf's DataResource runs Terraform to find its version at each synth. This implementation works without Terraform.
    """
    resource = TerraformResource(
        scope,
        id_,
        terraform_resource_type="terraform_data",
        lifecycle=TerraformResourceLifecycle(ignore_changes=["input"], postcondition=conditions) if keep else None,
    )
    if each:
        resource.add_override("for_each", dict(value))
    resource.add_override("input", "${each.value}" if each else dict(value))
    return f"terraform_data.{resource.friendly_unique_id}.input"
