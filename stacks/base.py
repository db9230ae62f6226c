"""The base of all stacks: provider, allowed account, backend, tags, variables and addresses."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsii
from cdktf import (
    IStackSynthesizer,
    ISynthesisSession,
    Postcondition,
    TerraformElement,
    TerraformOutput,
    TerraformStack,
    TerraformVariable,
    TerraformVariableValidationConfig,
    Token,
)
from cdktf_cdktf_provider_aws.provider import (
    AwsProvider,
    AwsProviderAssumeRole,
    AwsProviderDefaultTags,
)
from constructs import Construct

from estate.model import Estate
from estate.plan import StackPlan
from modules.entry import Secret
from modules.parts.memory.construct import remember
from stacks.backend import attach_backend
from stacks.controls import apply_controls, refuse_old_policies
from stacks.digests import PENDING, with_digests
from stacks.hcl import Address, Blocks, marked, render

TERRAFORM = ">= 1.10"
"""The first Terraform version whose S3 backend supports lock files."""


def logical_id(path: Iterable[str]) -> str:
    """Return the Terraform name of a construct, from the IDs on its path below the stack."""
    return "_".join(part for part in path if part != "Default")


class ReadableStack(TerraformStack):
    """A stack whose Terraform addresses are the names of its constructs, and whose HCL is equivalent to its JSON."""

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        self._paths: dict[str, str] = {}
        # modules/bindings/node.cjs computes the same addresses, without a message for each.
        self.node.set_context("astro-on-aws/readable-addresses", True)

    def _allocate_logical_id(self, tf_element: Any) -> str:
        """Return the path below the stack joined with `_`: readable, and stable as long as the names are.

        cdktf's own IDs end in a hash, and drop characters so that two elements can collide silently. Raises ValueError
        if two paths have the same ID.
        """
        node = getattr(tf_element, "node", tf_element)
        path: str = node.path
        id_ = logical_id(path.split("/")[1:])
        if self._paths.setdefault(id_, path) != path:
            raise ValueError(f"{path} and {self._paths[id_]} would both have the Terraform name {id_}")
        return id_

    def to_hcl_terraform(self) -> Any:
        """Render the stack's JSON as HCL. cdktf's own renderer changes some values and drops others."""
        tree = self.to_terraform()
        remarks = {
            section: {type_: {name: {"//": one["//"]} for name, one in names.items()} for type_, names in types.items()}
            for section, types in tree.items()
            if section in ("data", "resource")
        }
        metadata = {key: tree[key] for key in ("//", "terraform") if key in tree} | remarks
        return {"hcl": with_digests(render(tree, self.blocks()), tree), "metadata": metadata}

    def blocks(self) -> dict[Address, Blocks]:
        """Return the blocks of the stack in the order of its constructs, and the arguments that are blocks."""
        elements = (node for node in self.node.find_all() if isinstance(node, TerraformElement))
        return {address: blocks for each in elements for address, blocks in marked(each.to_hcl_terraform())}


@jsii.implements(IStackSynthesizer)
class _AddsDigests:
    """Writes a stack, and then its digests."""

    def __init__(self, stack: str, synthesizer: IStackSynthesizer) -> None:
        self._stack, self._synthesizer = stack, synthesizer

    def synthesize(self, session: ISynthesisSession) -> None:
        self._synthesizer.synthesize(session)
        file = Path(session.outdir, "stacks", self._stack, "cdk.tf.json")
        if file.exists():
            text = file.read_text("utf-8")
            file.write_text(with_digests(text, json.loads(text)), "utf-8")


class AstroStack(ReadableStack):
    """A stack with one state, one AWS account and one region."""

    def __init__(self, scope: Construct, plan: StackPlan, estate: Estate) -> None:
        super().__init__(scope, plan.name)
        self.plan = plan
        self._controls = estate.controls
        account_id, region = plan.account_id, plan.region
        attach_backend(self, plan.state_name, estate)
        role = estate.deployer
        # These IDs contain an underscore, which names in the file cannot.
        AwsProvider(
            self,
            "aws_provider",
            region=region,
            allowed_account_ids=[account_id],
            default_tags=[AwsProviderDefaultTags(tags=estate.tags)] if estate.tags else None,
            assume_role=[
                AwsProviderAssumeRole(
                    role_arn=role.arn(account_id, region),
                    session_name=role.session_name,
                    duration=f"{role.duration_minutes}m" if role.duration_minutes else None,
                )
            ]
            if role
            else None,
        )
        # cdktf requires the exact provider version of its bindings; a team may use a newer one.
        version = estate.terraform.aws_provider
        self.add_override("terraform.required_providers.aws", {"source": "hashicorp/aws", "version": version})
        self.add_override("terraform.required_version", TERRAFORM)

    def prepare_stack(self) -> None:
        """Do nothing. cdktf would resolve each stack to find references to other stacks, and these stacks have none."""

    def secret_variables(self, name: str, secrets: Iterable[Secret]) -> dict[str, Any]:
        """Declare a sensitive variable without a default for each secret of the entry `name`, and return them by the
        secret's name.
        """
        variables: dict[str, Any] = {}
        for secret in secrets:
            id_ = secret.variable(name)
            variable = TerraformVariable(
                self,
                id_,
                type=secret.type,
                description=secret.description,
                sensitive=True,
                validation=[
                    TerraformVariableValidationConfig(
                        condition="${" + secret.condition(f"var.{id_}") + "}", error_message=secret.allowed
                    )
                ],
            )
            variables[secret.name] = (
                variable.list_value if secret.type == "list(string)" else Token.as_any(variable.fqn)
            )
        return variables

    def remember_place(self, path: str) -> None:
        """Stop a plan if the account or region at `path` of the file changed since the last deploy.

        In another account or region, Terraform would find none of the stack's resources. It would create all of them
        again, and leave the old ones behind."""
        account_id, region = self.plan.account_id, self.plan.region
        remember(
            self,
            "first_place",
            {"account_id": account_id, "region": region},
            conditions=[
                Postcondition(
                    condition=f'${{self.input.account_id == "{account_id}" && self.input.region == "{region}"}}',
                    error_message=f"{path}: this stack was deployed in account ${{self.input.account_id}}, "
                    f"${{self.input.region}}, but the file now has {account_id}, {region}. Restore both, and destroy "
                    'the stack before you change them: docs/recovery.md, "The account or region changed".',
                )
            ],
        )

    def hand_off(self, facts: dict[str, Any], vpc_id: str | None = None) -> None:
        """Apply the controls, and output the facts and digests that `main.py handoff` reads.

        Called at the end.
        """
        if self._controls:
            apply_controls(self, self._controls, self.plan.account_id, self.plan.region)
        refuse_old_policies(self)
        self._output("handoff", facts, "Facts for Astronomer, by entry of the estate.")
        # Blocks without an entry count for the first one, and the network always exists.
        entries = [*([self.plan.network] if self.plan.network else []), *facts]
        deployed: dict[str, Any] = {"digests": {entry: PENDING.format(entry) for entry in entries}}
        if vpc_id:
            deployed["vpc_id"] = vpc_id
        self._output(
            "deployed", deployed, "Digests of the deployed entries, which the command `handoff` compares with the file."
        )
        self.synthesizer = _AddsDigests(self.node.id, self.synthesizer)

    def _output(self, name: str, value: Any, description: str) -> None:
        # With the name as the ID, it would collide with an entry of that name.
        TerraformOutput(self, f"{name}_output", value=value, description=description).override_logical_id(name)
