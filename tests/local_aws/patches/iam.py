from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.iam.models import IAMBackend, Role
from moto.iam.responses import IamResponse

from .tools import patch

_is_action_permitted = IAMPolicyStatement.is_action_permitted
_get_account_summary = IamResponse.get_account_summary


@patch(IAMBackend)
def update_role(self: IAMBackend, role_name: str, role_description: str | None, max_session_duration: str) -> Role:
    """Without it, an update that says nothing of the description blanks it."""
    role = self.get_role(role_name)
    if role_description is not None:
        role.description = role_description
    role.max_session_duration = max_session_duration
    return role


@patch(IamResponse)
def set_security_token_service_preferences(self: IamResponse) -> ActionResult:
    """Without it, not implemented. AWS tells the choice by the account summary alone."""
    self.backend.token_version = int(self._get_param("GlobalEndpointTokenVersion")[1])  # type: ignore[attr-defined]
    return EmptyResult()


@patch(IamResponse)
def get_account_summary(self: IamResponse) -> ActionResult:
    """Without it, the version of the global endpoint's tokens is a constant."""
    summary = dict(_get_account_summary(self).result["SummaryMap"])  # type: ignore[index]
    return ActionResult(
        {"SummaryMap": summary | {"GlobalEndpointTokenVersion": getattr(self.backend, "token_version", 1)}}
    )


@patch(IAMPolicyStatement)
def is_action_permitted(self: IAMPolicyStatement, *arguments: Any, **named: Any) -> PermissionResult:
    """Without it, a Deny denies when its condition is not met as well: a bucket that asks for TLS refuses everything.

    Who calls this server is taken for a caller over TLS, as every caller of AWS's own endpoints is, and never for a
    principal that a condition names: moto does not pass on who calls."""
    condition = self._statement.get("Condition") or {}
    unmet = condition == {"Bool": {"aws:SecureTransport": "false"}} or [*condition.get("ArnLike", ())] == [
        "aws:PrincipalArn"
    ]
    if self._statement["Effect"] == "Deny" and unmet:
        return PermissionResult.NEUTRAL
    return _is_action_permitted(self, *arguments, **named)
