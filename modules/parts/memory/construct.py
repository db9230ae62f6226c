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
) -> str:
    """Return a reference to `value` as it was at creation, or to the current value unless `keep`.

    cdktf's DataResource runs Terraform to find its version at each synth. This implementation works without Terraform.
    """
    resource = TerraformResource(
        scope,
        id_,
        terraform_resource_type="terraform_data",
        lifecycle=TerraformResourceLifecycle(ignore_changes=["input"], postcondition=conditions) if keep else None,
    )
    resource.add_override("input", dict(value))
    return f"terraform_data.{resource.friendly_unique_id}.input"
