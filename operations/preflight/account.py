"""The checks of an account and region: credentials, region, permissions, quotas, and conflicting existing resources."""

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from estate.errors import UserError
from estate.plan import StackPlan
from modules.aws import OPT_IN
from modules.vocabulary import partition
from operations.adopt.search import Search
from operations.aws import DeniedError
from operations.permissions.compose import of_stack
from operations.permissions.jobs import Job
from operations.preflight.named import named
from operations.preflight.place import Place, blocked, key, ok, warning
from operations.preflight.quotas import quotas
from operations.status.check import Check, Outcome, unknown

_NAMES = 100
"""The number of actions in one call of SimulatePrincipalPolicy."""
_SHOWN = 6


def account(p: Place) -> Iterator[Check]:
    """Check the preconditions of all stacks in an account and region."""
    yield Check("credentials", f"your credentials are for account {p.account_id}", lambda: _credentials(p))
    if p.region in OPT_IN:
        yield Check("region", f"{p.region} is enabled", lambda: _region(p), "credentials")
    yield Check("permissions", "IAM allows a plan and a deploy", lambda: _permissions(p), "credentials")
    name = p.estate.controls.kms_key if p.estate.controls else None
    if name and any("aws_kms_alias" in p.trees[plan.name].get("data", {}) for plan in p.plans):
        yield Check("kms_key", f"{name} can encrypt log groups", lambda: key(p.aws, name), "credentials")
    if boundary := p.estate.controls.boundary(partition(p.region), p.account_id) if p.estate.controls else None:
        yield from named(p, {"controls": {"permissions_boundary": boundary}})
    if p.estate.account and any(plan.kind == "account" for plan in p.plans):
        yield from named(p, {"account": p.estate.account.model_dump()})
    yield from quotas(p)
    for plan in p.plans:
        title = f"nothing that {plan.name} creates exists already"
        yield Check(f"way:{plan.name}", title, lambda plan=plan: _in_the_way(p, plan), "credentials")


def _credentials(p: Place) -> Outcome:
    try:
        # STS does not respond in a disabled region, and the account is the same in every region.
        arn = p.aws.read("sts:get_caller_identity", "us-east-1" if p.region in OPT_IN else "")["Arn"]
    except UserError as error:
        return blocked(str(error), "correct the credentials; nothing of this account could be checked")
    return ok(f"{arn} is of account {p.account_id}")


def _region(p: Place) -> Outcome:
    try:
        answer = p.read("account:get_region_opt_status", "us-east-1", RegionName=p.region)
        status = answer.get("RegionOptStatus", "unknown")
    except DeniedError:
        # Fewer roles lack the permission for this call.
        answer = p.read("ec2:describe_regions", "us-east-1", AllRegions=True, RegionNames=[p.region])
        status = next((one["OptInStatus"] for one in answer.get("Regions", [])), "unknown")
    evidence = f"{p.region} is {status}"
    if status.upper() in ("ENABLED", "ENABLED_BY_DEFAULT", "OPTED-IN", "OPT-IN-NOT-REQUIRED"):
        return ok(evidence)
    section = p.estate.account and p.estate.account.opt_in_region
    if section and p.region in section.regions:
        return warning(evidence, "deploy the stack `regions` first; it enables the region")
    return blocked(evidence, f"`aws account enable-region --region-name {p.region}`, and wait until it is ENABLED")


def _permissions(p: Place) -> Outcome:
    arn = p.read("sts:get_caller_identity")["Arn"]
    principal = _principal(p, arn)
    if principal is None:
        return unknown(f"IAM cannot simulate {arn}", "compare its policies with `main.py permissions --for apply`")
    wanted: dict[tuple[str, ...], set[str]] = {}
    for plan in p.plans:
        for one in of_stack(plan, p.trees[plan.name], [Job.PLAN, Job.APPLY]):
            wanted.setdefault(tuple(one["Resource"]), set()).update(one["Action"])
    calls = [
        (arns, sorted(actions)[start : start + _NAMES])
        for arns, actions in wanted.items()
        for start in range(0, len(actions), _NAMES)
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda call: _simulated(p, principal, *call), calls))
    denied: dict[str, str] = {}
    partly: set[str] = set()
    for results in answers:
        by_action: dict[str, list[Mapping[str, Any]]] = {}
        for one in results:
            by_action.setdefault(one["EvalActionName"], []).append(one)
        for action, decisions in by_action.items():
            refused = [one for one in decisions if one["EvalDecision"] != "allowed"]
            if len(refused) == len(decisions):
                denied[action] = _by_whom(refused[0])
            elif refused:
                partly.add(action)
    count = len({action for _, actions in calls for action in actions})
    if denied:
        evidence = f"{principal} is denied {len(denied)} of {count} actions: {_listed(sorted(denied))}"
        if {"a service control policy"} == set(denied.values()):
            return blocked(f"{evidence} (by a service control policy)", "ask your organization's administrators")
        by = {one for one in denied.values() if one}
        fix = "allow the policies that `main.py permissions --for apply` prints"
        return blocked(f"{evidence}{f' (by {_listed(sorted(by))})' if by else ''}", fix)
    if partly:
        evidence = f"{principal} is allowed {_listed(sorted(partly))} on some of the resources only"
        return warning(evidence, "compare its policies with `main.py permissions --for apply`")
    return ok(f"IAM allows {principal} all {count} actions; it does not simulate resource and session policies")


def _principal(p: Place, arn: str) -> str | None:
    """Return the ARN to simulate: the role of a session, with its path. Root and federated users have none."""
    if session := re.fullmatch(r"arn:[\w-]+:sts::\d+:assumed-role/([^/]+)/.+", arn):
        return p.read("iam:get_role", RoleName=session[1]).get("Role", {}).get("Arn")
    return arn if ":user/" in arn else None


def _simulated(p: Place, principal: str, arns: tuple[str, ...], actions: list[str]) -> list[Mapping[str, Any]]:
    region = {
        "ContextKeyName": "aws:RequestedRegion",
        "ContextKeyValues": [p.region],
        "ContextKeyType": "string",
    }
    asked: dict[str, Any] = {"PolicySourceArn": principal, "ActionNames": actions, "ContextEntries": [region]}
    if arns != ("*",):
        asked["ResourceArns"] = list(arns)
    return p.read("iam:simulate_principal_policy", **asked).get("EvaluationResults", [])


def _by_whom(decision: Mapping[str, Any]) -> str:
    if decision.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations") is False:
        return "a service control policy"
    if decision.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary") is False:
        return "the permissions boundary"
    return "a statement that denies it" if decision["EvalDecision"] == "explicitDeny" else ""


_HARMLESS = {
    "aws_account_region",
    "aws_cloudwatch_log_metric_filter",
    "aws_ec2_transit_gateway_vpc_attachment_accepter",
    "aws_iam_security_token_service_preferences",
    "aws_servicequotas_service_quota",
    "aws_vpc_peering_connection_accepter",
    "aws_vpc_peering_connection_options",
}
"""Types that exist before a deploy, or that a deploy sets again without an error."""


def _in_the_way(p: Place, plan: StackPlan) -> Outcome:
    there = p.deployed[plan.name]
    found = [
        one
        for one in Search(p.trees[plan.name], p.aws, frozenset()).outcomes()
        if one.address.split(".")[0] not in _HARMLESS and one.address not in (there or ())
    ]
    existing = [f"{one.address} = {one.id}" for one in found if one.state == "found"]
    alike = [f"{one.address}: {one.detail}" for one in found if one.state in ("alike", "several")]
    adopt = f"`main.py adopt --stack {plan.name}` imports what is yours; rename or delete the rest"
    if existing or alike:
        evidence = f"exists already: {_listed([*existing, *alike], '; ')}"
        if there is None:
            return warning(evidence, f"if {plan.name} has deployed it, nothing is wrong; otherwise {adopt}")
        return blocked(evidence, adopt)
    if p.aws.denied:
        actions = ", ".join(sorted(p.aws.denied))
        return unknown(f"account {p.account_id} denies {actions}", f"allow {actions}, which only read")
    return ok(f"none of the {len(found)} resources that {plan.name} would create exists")


def _listed(names: list[str], separator: str = ", ") -> str:
    more = len(names) - _SHOWN
    return separator.join(names[:_SHOWN]) + (f"{separator}and {more} more" if more > 0 else "")
