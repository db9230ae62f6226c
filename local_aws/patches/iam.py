from __future__ import annotations

import json
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.models import IAMBackend, Role, iam_backends
from moto.iam.responses import IamResponse
from moto.sts.models import STSBackend
from moto.utilities.utils import get_partition

from .. import clock
from .tools import patch

_assume_role = STSBackend.assume_role
_create_role = IAMBackend.create_role
_is_action_permitted = IAMPolicyStatement.is_action_permitted
_update_assume_role_policy = IAMBackend.update_assume_role_policy
_get_account_summary = IamResponse.get_account_summary


@patch(IAMBackend)
def update_role(self: IAMBackend, role_name: str, role_description: str | None, max_session_duration: str) -> Role:
    """Keep the description if an update does not contain it; moto blanks it."""
    role = self.get_role(role_name)
    if role_description is not None:
        role.description = role_description
    role.max_session_duration = max_session_duration
    return role


def _check_principals(document: str, partition: str) -> None:
    statements = json.loads(document).get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        named = principal.get("AWS", []) if isinstance(principal, dict) else []
        for arn in named if isinstance(named, list) else [named]:
            if arn.startswith("arn:") and arn.split(":")[1] != partition:
                raise MalformedPolicyDocument(f'Invalid principal in policy: "AWS":"{arn}"')


@patch(IAMBackend)
def create_role(self: IAMBackend, role_name: str, assume_role_policy_document: str, *args: Any, **kwargs: Any) -> Role:
    """Refuse principals of another partition, where the same number is another account; moto accepts them."""
    _check_principals(assume_role_policy_document, self.partition)
    return _create_role(self, role_name, assume_role_policy_document, *args, **kwargs)


@patch(IAMBackend)
def update_assume_role_policy(self: IAMBackend, role_name: str, policy_document: str) -> None:
    """Refuse the same principals in updates."""
    _check_principals(policy_document, self.partition)
    _update_assume_role_policy(self, role_name, policy_document)


@patch(STSBackend)
def assume_role(self: STSBackend, region_name: str, role_session_name: str, role_arn: str, **kwargs: Any) -> Any:
    """Record the last use of a role; moto never does."""
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    roles: list[Any] = list(iam_backends[account][get_partition(region_name)].roles.values())
    for role in roles:
        if role.name == name:
            role.last_used, role.last_used_region = clock.now(), region_name
    return _assume_role(self, region_name, role_session_name, role_arn, **kwargs)


@patch(IamResponse)
def set_security_token_service_preferences(self: IamResponse) -> ActionResult:
    """Implement an operation that moto lacks. AWS shows the setting only in the account summary."""
    self.backend.token_version = int(self._get_param("GlobalEndpointTokenVersion")[1])  # type: ignore[attr-defined]
    return EmptyResult()


@patch(IamResponse)
def get_account_summary(self: IamResponse) -> ActionResult:
    """Return the configured version of the global endpoint's tokens; moto returns a constant."""
    summary = dict(_get_account_summary(self).result["SummaryMap"])  # type: ignore[index]
    return ActionResult(
        {"SummaryMap": summary | {"GlobalEndpointTokenVersion": getattr(self.backend, "token_version", 1)}}
    )


@patch(IAMPolicyStatement)
def is_action_permitted(self: IAMPolicyStatement, *arguments: Any, **named: Any) -> PermissionResult:
    """Evaluate the condition of a Deny; moto ignores it, so a bucket that requires TLS refuses every call.

    Every call counts as using TLS, as on AWS's endpoints. No caller matches a principal in a condition, because moto
    does not pass the caller to this function.
    """
    condition = self._statement.get("Condition") or {}
    unmet = condition == {"Bool": {"aws:SecureTransport": "false"}} or [*condition.get("ArnLike", ())] == [
        "aws:PrincipalArn"
    ]
    if self._statement["Effect"] == "Deny" and unmet:
        return PermissionResult.NEUTRAL
    return _is_action_permitted(self, *arguments, **named)


def _documents(backend: IAMBackend, arn: str) -> list[str]:
    """Return the policies of a role, inline and attached."""
    role = next(one for one in backend.roles.values() if one.arn == arn)
    attached: list[Any] = [backend.managed_policies[one] for one in role.managed_policies]
    return [*role.policies.values(), *(one.document for one in attached)]


@patch(IamResponse)
def simulate_principal_policy(self: IamResponse) -> ActionResult:
    """Implement an operation that moto lacks, for the policies of roles. Ignores boundaries and organizations."""
    backend: IAMBackend = self.backend
    statements = [
        one
        for document in _documents(backend, self._get_param("PolicySourceArn"))
        for one in json.loads(document)["Statement"]
    ]
    context = {one["ContextKeyName"]: one["ContextKeyValues"][0] for one in self._get_param("ContextEntries", [])}
    results = []
    for action in self._get_param("ActionNames", []):
        for resource in self._get_param("ResourceArns", ["*"]):
            effects = {
                one["Effect"]
                for one in statements
                # The result is the same for a Deny that applies and for an Allow whose condition fails.
                if IAMPolicyStatement({**one, "Effect": "Allow"}).is_action_permitted(
                    action, resource, incoming_condition_values=context
                )
                == PermissionResult.PERMITTED
            }
            decision = "allowed" if effects == {"Allow"} else "explicitDeny" if "Deny" in effects else "implicitDeny"
            results.append({"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision})
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})
