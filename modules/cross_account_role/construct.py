import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cdktf import Fn, Precondition, TerraformResourceLifecycle, TerraformStack
from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policies_exclusive import IamRolePoliciesExclusive
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from cdktf_cdktf_provider_aws.iam_role_policy_attachments_exclusive import IamRolePolicyAttachmentsExclusive
from constructs import Construct

from modules.astronomer import ASTRONOMER_ACCOUNT, POLICY, ROLE
from modules.cross_account_role.props import EXTERNAL_IDS, CrossAccountRoleProps
from modules.parts.iam_policy.construct import document, statement
from modules.parts.iam_policy.props import POLICIES
from modules.parts.memory.construct import remember
from modules.vocabulary import partition


class CrossAccountRole(Construct):
    """The role that Astronomer's account assumes with one of your external IDs, the only protection of the role (facts
    A6)."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        props: CrossAccountRoleProps,
        *,
        account_id: str,
        region: str,
        secrets: Mapping[str, Any],
    ) -> None:
        super().__init__(scope, id_)
        trust = document(
            self,
            "trust",
            statement(
                ["sts:AssumeRole"],
                None,
                ("StringEquals", "sts:ExternalId", secrets[EXTERNAL_IDS.name]),
                principals=("AWS", [f"arn:{partition(region)}:iam::{ASTRONOMER_ACCOUNT}:root"]),
            ),
        )
        keep = props.removal_reason is None
        # The party that controls the role's permissions also controls its boundary, unless the file sets a boundary.
        vendor_decides = props.policy_mode == "vendor-managed"
        unbounded = vendor_decides and props.permissions_boundary is None
        role = IamRole(
            self,
            "role",
            name=ROLE,
            description="Astronomer manages the Astro data plane of this account",
            # After Terraform has read the document, values from the sensitive variable are no longer marked as
            # sensitive, so plans would show the IDs.
            assume_role_policy=Fn.sensitive(trust),
            permissions_boundary=props.permissions_boundary,
            lifecycle=TerraformResourceLifecycle(
                prevent_destroy=keep, ignore_changes=["permissions_boundary"] if unbounded else None
            ),
        )
        self.role_name = role.name
        # AWS cannot change a description. A policy from Astronomer's own steps has another one, and Terraform would
        # replace it after adoption. Astronomer changes the document in place (facts A5).
        ignore = ["description", *(["policy"] if vendor_decides else [])]
        policies = props.policies(account_id)
        grown = self._unless_grown(len(policies)) if vendor_decides else None
        self._attached: list[str] = []
        differs: list[dict[str, str]] = []
        for name, text in policies.items():
            part = name.removeprefix(POLICY)
            policy = IamPolicy(
                self,
                f"policy{part}",
                name=name,
                description="Permissions of Astronomer in this account",
                policy=text,
                lifecycle=TerraformResourceLifecycle(prevent_destroy=keep, ignore_changes=ignore, precondition=grown),
            )
            attachment = IamRolePolicyAttachment(self, f"attachment{part}", role=role.name, policy_arn=policy.arn)
            self._attached.append(attachment.policy_arn)
            if vendor_decides:
                differs.append(self._unless_changed(name, text, policy))
        if differs:
            # cdktf has no class for checks.
            TerraformStack.of(self).add_override(f"check.{self.node.id}_document", {"assert": differs})
        if keep:
            self._forget(range(len(policies) + 1, POLICIES + 1), attachments=vendor_decides)
        # Astronomer's document allows the role to attach policies, also to itself (facts A2). A plan shows additional
        # policies.
        self._only: IamRolePolicyAttachmentsExclusive | None = None
        if props.policy_mode == "strict":
            self._only = IamRolePolicyAttachmentsExclusive(
                self, "only-attachments", role_name=role.name, policy_arns=self._attached
            )
            IamRolePoliciesExclusive(self, "no-inline-policies", role_name=role.name, policy_names=[])
        self.handoff: dict[str, object] = {
            "account_id": account_id,
            "role_arn": role.arn,
            "policies": list(policies),
            "note": "AWS takes some seconds to replicate a new role: wait a minute before you hand it over.",
        }

    def _unless_changed(self, name: str, text: str, policy: IamPolicy) -> dict[str, str]:
        """Return the assertion that the policy in AWS allows the same as the file. In this case, the provider keeps the
        form of the file. A comparison of data sources would warn in the first plan, before it is possible."""
        found = f"{policy.terraform_resource_type}.{policy.friendly_unique_id}.policy"
        return {
            "condition": f'${{sha256(jsonencode(jsondecode({found}))) == "{_fingerprint(text)}"}}',
            "error_message": f"account.cross_account_role.policy_file: the policy {name} in AWS differs from the "
            "file, and this deploy keeps it (policy_mode: vendor-managed). `main.py policy diff` shows the "
            "difference. Save Astronomer's document with `main.py policy fetch --accept`, or set policy_mode: strict.",
        }

    def _unless_grown(self, parts: int) -> list[Precondition]:
        """Return the condition that the document needs no more policies than the role had at creation."""
        given = f"{remember(self, 'first', {'policies': parts})}.policies"
        return [
            Precondition(
                condition=f"${{{given} >= {parts}}}",
                error_message=f"account.cross_account_role.policy_file: needs {parts} policies, but the role was "
                f"created with ${{{given}}}. With policy_mode: vendor-managed, Terraform attaches no further policies. "
                "Restore the earlier document (see `main.py policy diff`), or set policy_mode: strict.",
            )
        ]

    def _forget(self, parts: range, *, attachments: bool) -> None:
        """Keep policies in AWS that a shorter document no longer needs. A `removed` block would not protect them."""
        types = [("aws_iam_policy", "policy"), ("aws_iam_role_policy_attachment", "attachment")]
        left = types if attachments else types[:1]
        blocks = [
            {"from": f"{type_}.{self.node.id}_{name}-{part}", "lifecycle": {"destroy": False}}
            for part in parts
            for type_, name in left
        ]
        if blocks:
            TerraformStack.of(self).add_override("removed", blocks)

    def keeps(self, policy_arn: str) -> None:
        """Make Terraform keep another policy of the role, `policy_arn`, whose attachment is a different resource."""
        self._attached.append(policy_arn)
        if self._only:
            self._only.policy_arns = self._attached


def _fingerprint(text: str) -> str:
    """Return the SHA-256 of a document in the format of Terraform's `jsonencode`."""
    canonical = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        canonical = canonical.replace(character, f"\\u{ord(character):04x}")
    return hashlib.sha256(canonical.encode()).hexdigest()
