"""Acceptance of transit gateway attachments that other accounts created.

When Terraform destroys an accepter, it deletes the attachment (facts C1), and only the attachment's owner can create it
again. One resource of a stack therefore accepts all attachments. Its address contains no names from the file and its
keys are the IDs of the attachments, so a rename changes nothing. Every stack of a network has the resource. Terraform
therefore refuses to destroy an accepted attachment even after it is removed from the file. A second resource accepts
the peerings of gateways. Only stacks with a cluster in another region have it.
"""

from typing import Any

from cdktf import Precondition, TerraformResourceLifecycle, TerraformStack
from cdktf_cdktf_provider_aws.ec2_transit_gateway_peering_attachment_accepter import (
    Ec2TransitGatewayPeeringAttachmentAccepter,
)
from cdktf_cdktf_provider_aws.ec2_transit_gateway_vpc_attachment_accepter import (
    Ec2TransitGatewayVpcAttachmentAccepter,
)
from constructs import Construct

from modules.expressions import is_late, listed, term
from modules.parts.lookup.construct import Lookup

# Names in the file never contain an underscore.
ID = "accepted_attachments"
_PEERINGS = "accepted_peerings"


def accept(scope: Construct, attachment_id: str, name: str, request: Lookup, *, default_tables: bool) -> "Accepted":
    """Accept an attachment if everything expected of its `request` is true, and tag it with `name`.

    With `default_tables`, the gateway's default route tables associate and propagate it."""
    accepted = accepted_in(TerraformStack.of(scope))
    accepted.add(attachment_id, name, request, default_tables=default_tables)
    return accepted


def accept_peering(scope: Construct, attachment_id: str, name: str, request: Lookup) -> "Accepted":
    """Accept a peering of gateways if everything expected of its `request` is true, and tag it with `name`."""
    accepted = _in(TerraformStack.of(scope), _PEERINGS)
    accepted.add(attachment_id, name, request, default_tables=False)
    return accepted


def accepted_in(stack: TerraformStack) -> "Accepted":
    """Return the attachments that a stack accepts; create the construct if necessary."""
    return _in(stack, ID)


def _in(stack: TerraformStack, id_: str) -> "Accepted":
    found = stack.node.try_find_child(id_)
    return found if isinstance(found, Accepted) else Accepted(stack, id_)


class Accepted(Construct):
    """The attachments that a stack accepts."""

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        self._names: dict[str, str] = {}
        self._defaults: list[str] = []
        self._available: list[str] = []
        self._conditions: list[Precondition] = []
        self._peerings = id_ == _PEERINGS
        accepter = (
            Ec2TransitGatewayPeeringAttachmentAccepter if self._peerings else Ec2TransitGatewayVpcAttachmentAccepter
        )
        self._address = f"{accepter.TF_RESOURCE_TYPE}.{id_}"
        self.imports: list[dict[str, str]] = []
        self.resource = accepter(
            self, "Default", transit_gateway_attachment_id="${each.key}", tags={"Name": "${each.value}"}
        )
        self._render()

    def add(self, attachment_id: str, name: str, request: Lookup, *, default_tables: bool) -> None:
        key = term(attachment_id)
        self._names[attachment_id] = name
        self._defaults += [attachment_id] if default_tables else []
        self._available.append(request.ids_if("state", "available"))
        self._conditions += [
            Precondition(
                condition=f"${{each.key != {key} || ({condition})}}",
                # Terraform evaluates the messages of all attachments, and in a module the ID of a pending attachment is
                # null.
                error_message=message.replace(attachment_id, "${each.key}"),
            )
            for condition, message in request.expectations
        ]
        self._render()

    def reference(self, attachment_id: str) -> str:
        """Return an expression of the attachment's ID, which is known after acceptance."""
        return f"${{{self._address}[{term(attachment_id)}].id}}"

    def _render(self) -> None:
        over: Any = self._names or "${toset([])}"
        if any(map(is_late, self._names)):
            # The ID of a pending attachment is null.
            pairs = ", ".join(f"[{term(id_)}, {term(name)}]" for id_, name in self._names.items())
            over = f"${{{{for one in [{pairs}] : one[0] => one[1] if one[0] != null}}}}"
        self.resource.add_override("for_each", over)
        default: Any = bool(self._defaults)
        if default and len(self._defaults) < len(self._names):
            default = f"${{contains({listed(self._defaults)}, each.key)}}"
        for argument in () if self._peerings else ("association", "propagation"):
            self.resource.add_override(f"transit_gateway_default_route_table_{argument}", default)
        self.resource.lifecycle = TerraformResourceLifecycle(
            prevent_destroy=True, precondition=self._conditions or None
        )
        if not self._available:
            return
        # AWS refuses to accept an attachment that is already available, because the gateway or a person accepted it
        # (facts C2). Such an attachment is imported. Terraform skips the import of an attachment that is in its state.
        available = self._available[0] if len(self._available) == 1 else f"concat({', '.join(self._available)})"
        block = {"to": f"{self._address}[each.key]", "for_each": f"${{toset({available})}}", "id": "${each.key}"}
        self.imports = [block]
        stack = TerraformStack.of(self)
        accepted = [one for one in stack.node.children if isinstance(one, Accepted)]
        stack.add_override("import", [block for one in accepted for block in one.imports])
