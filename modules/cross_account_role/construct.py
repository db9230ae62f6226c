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
    """Lets Astronomer's account in, if it says one of your external IDs: nothing else guards the role (facts A6)."""

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
        # Whoever decides what the role may do also decides what bounds it, unless the file names a boundary.
        vendor_decides = props.policy_mode == "vendor-managed"
        unbounded = vendor_decides and props.permissions_boundary is None
        role = IamRole(
            self,
            "role",
            name=ROLE,
            description="Astronomer manages the Astro data plane of this account",
            # Terraform forgets that what it reads is made from a sensitive value, and would show the IDs in plans.
            assume_role_policy=Fn.sensitive(trust),
            permissions_boundary=props.permissions_boundary,
            lifecycle=TerraformResourceLifecycle(
                prevent_destroy=keep, ignore_changes=["permissions_boundary"] if unbounded else None
            ),
        )
        self.role_name = role.name
        # AWS cannot change a description, and a policy that Astronomer's own steps made has another one: adopted, it
        # would be made anew. The document Astronomer changes in place (facts A5).
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
                description="What Astronomer may do in this account",
                policy=text,
                lifecycle=TerraformResourceLifecycle(prevent_destroy=keep, ignore_changes=ignore, precondition=grown),
            )
            attachment = IamRolePolicyAttachment(self, f"attachment{part}", role=role.name, policy_arn=policy.arn)
            self._attached.append(attachment.policy_arn)
            if vendor_decides:
                differs.append(self._unless_changed(name, text, policy))
        if differs:
            # cdktf has no class for a check.
            TerraformStack.of(self).add_override(f"check.{self.node.id}_document", {"assert": differs})
        if keep:
            self._forget(range(len(policies) + 1, POLICIES + 1), attachments=vendor_decides)
        # Astronomer's document lets the role attach policies, to itself too (facts A2): a plan shows what it has more.
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
            "note": "AWS takes some seconds to know a new role everywhere: wait a minute before you hand it over.",
        }

    def _unless_changed(self, name: str, text: str, policy: IamPolicy) -> dict[str, str]:
        """The assertion that the policy in AWS allows what the file does: while it does, the provider keeps the form of
        the file. A comparison of data sources would warn in the first plan, before it can be made."""
        found = f"{policy.terraform_resource_type}.{policy.friendly_unique_id}.policy"
        return {
            "condition": f'${{sha256(jsonencode(jsondecode({found}))) == "{_fingerprint(text)}"}}',
            "error_message": f"account.cross_account_role.policy_file: the policy {name} in AWS differs from it, and "
            "this deploy leaves it as it is (policy_mode: vendor-managed). `main.py policy diff` shows the difference. "
            "Save Astronomer's document with `main.py policy fetch --accept`, or let the file decide: "
            "policy_mode: strict.",
        }

    def _unless_grown(self, parts: int) -> list[Precondition]:
        """The condition that the document takes no more policies than the role was given at first."""
        given = f"{remember(self, 'first', {'policies': parts})}.policies"
        return [
            Precondition(
                condition=f"${{{given} >= {parts}}}",
                error_message=f"account.cross_account_role.policy_file: takes {parts} policies, and took ${{{given}}} "
                "when the role was created. With policy_mode vendor-managed Astronomer decides what the role may do: "
                "nothing is attached to it any more. Restore the earlier document (`main.py policy diff` shows what is "
                "in AWS), or let the file decide: policy_mode: strict.",
            )
        ]

    def _forget(self, parts: range, *, attachments: bool) -> None:
        """Leave policies in AWS that a shorter document no longer takes: without a block nothing guards them."""
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
        """Leave the role one more policy: the `policy_arn` of an attachment that something else of yours makes."""
        self._attached.append(policy_arn)
        if self._only:
            self._only.policy_arns = self._attached


def _fingerprint(text: str) -> str:
    """The SHA-256 of a document as Terraform's `jsonencode` writes it."""
    canonical = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        canonical = canonical.replace(character, f"\\u{ord(character):04x}")
    return hashlib.sha256(canonical.encode()).hexdigest()
