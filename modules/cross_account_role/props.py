from collections.abc import Iterator
from typing import Literal

from modules.astronomer import POLICY
from modules.entry import Secret
from modules.policy_file import PolicyDocument
from modules.vocabulary import PolicyArn, Props, Reason

_ID = "[a-zA-Z0-9_+=,.@:/-]"
EXTERNAL_IDS = Secret(
    name="external_ids",
    type="list(string)",
    description="The AWS External IDs of your Astro organization, from the Astro UI, Organization Settings > General.",
    # Terraform's regular expressions count to 1,000 at a time.
    rule=(
        "length({var}) > 0 && "
        f'alltrue([for id in {{var}} : can(regex("^{_ID}{{{{2,1000}}}}{_ID}{{{{0,224}}}}$", id))])'
    ),
    allowed="At least one external ID; each has 2 to 1224 characters of a-z A-Z 0-9 _ + = , . @ : / - (IAM's rule).",
)


class CrossAccountRoleProps(Props):
    """The role that Astronomer assumes in the dedicated account (Hybrid)."""

    policy_file: PolicyDocument
    """Your copy of Astronomer's policy document (JSON), relative to the estate file. `{{.AWSAccount}}` in it becomes
    the account's ID. Astronomer publishes it; this project does not (facts A1)."""
    policy_mode: Literal["strict", "vendor-managed"] = "strict"
    """Who changes what the role may do once it is made. Default `strict`: this file does. A plan shows what anyone else
    changed in the policy, attached to the role or wrote into it, and an apply takes that back. `vendor-managed`:
    Astronomer does, and Terraform leaves the document and further policies alone."""
    permissions_boundary: PolicyArn | None = None
    """The ARN of a managed policy that bounds the role; with `OperationalBoundary` in its name, as Astronomer's have,
    `policy_alarm` hears when it is changed. Default: none, as in Astronomer's own template."""
    removal_reason: Reason | None = None
    """Why the role and its policies may be destroyed: Astronomer cannot manage a data plane without them. Default:
    Terraform refuses to."""

    def policies(self, account_id: str) -> dict[str, str]:
        """The role's policies by name: the document, in as many parts as it takes."""
        return self.policy_file.policies(account_id, POLICY)

    def disagreements(self, account_id: str) -> Iterator[tuple[str, str]]:
        """What does not fit the account: the field, and a sentence on its value."""
        boundary = self.permissions_boundary
        if boundary and boundary.split(":")[4] not in (account_id, "aws"):
            yield "permissions_boundary", f"{boundary!r} is not in account {account_id}; a role takes one of its own"

    def secrets(self) -> tuple[Secret, ...]:
        return (EXTERNAL_IDS,)
