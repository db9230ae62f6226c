from __future__ import annotations

from moto.core.responses import ActionResult, EmptyResult
from moto.iam.models import IAMBackend, Role
from moto.iam.responses import IamResponse

from .tools import patch

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
