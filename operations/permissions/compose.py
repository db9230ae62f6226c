"""Composes the least IAM policies for jobs on the stacks of an estate."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from estate.errors import UserError
from estate.model import Estate
from estate.plan import StackPlan, stacks_of
from estate.state import S3State
from modules.vocabulary import partition
from operations.adopt.kinds import KINDS, Kind
from operations.adopt.remarks import CALLS
from operations.permissions.actions import (
    NEED_NOTHING,
    PASSES_ROLE,
    STATE_BUCKET,
    UNTAGGING,
    actions_of_types,
    adopt_action,
    read_actions,
)
from operations.permissions.jobs import Job

Policy = dict[str, Any]
Statement = dict[str, Any]

_POLICY_SIZE = 6_144
"""IAM's quota for a managed policy, without white space (facts B9)."""
_GLOBAL = {"account", "iam", "route53", "sts"}
"""Services whose requests always go to a fixed region."""


def permissions(
    estate: Estate, trees: Mapping[str, Any], jobs: Collection[Job], chosen: Collection[str]
) -> dict[str, list[Policy]]:
    """Return the policies for the jobs by stack; `state` is the key of those that create the state's bucket,
    and `init` of those that write a first file.

    With a `deployer`, the policies of a stack are for that role. Those of the key `caller` are for your own
    credentials, because Terraform's backend does not assume the role (Terraform's documentation of the backend `s3`).
    The synthesized stacks are in `trees`, and `chosen` has the names of the stacks to include.
    """
    found: dict[str, list[Policy]] = {}
    if Job.STATE_CREATE in jobs and isinstance(estate.state, S3State):
        bucket = f"arn:{partition(estate.state.region)}:s3:::{estate.state.bucket}"
        others = _statement(["kms:DescribeKey", "sts:GetCallerIdentity"], ["*"])
        found["state"] = list(_policies([_statement(STATE_BUCKET, [bucket]), others]))
    if Job.INIT in jobs:
        found["init"] = of_init()
    if of_stacks := [job for job in jobs if job not in (Job.STATE_CREATE, Job.INIT)]:
        plans = [plan for plan in stacks_of(estate) if plan.name in chosen]
        for plan in plans:
            statements = list(of_stack(plan, trees[plan.name], of_stacks))
            if not estate.deployer:
                statements += _of_state(estate, [plan], of_stacks)
            found[plan.name] = list(_policies(statements))
        if estate.deployer:
            arns = [estate.deployer.arn(plan.account_id, plan.region) for plan in plans]
            assume = _statement(["sts:AssumeRole"], arns)
            found["caller"] = list(_policies([assume, *_of_state(estate, plans, of_stacks)]))
    return found


def of_init() -> list[Policy]:
    """Return the policies of `main.py init`, which needs no file, for each account that it reads."""
    return list(_policies([_statement(read_actions("init"), ["*"])]))


_READS = {Job.STATUS: ("status",), Job.REACH: ("reach", "status"), Job.DRIFT: ("status",)}
"""The commands whose calls a job makes. `reach` runs the checks of a connection too."""


def of_stack(plan: StackPlan, tree: Any, jobs: Collection[Job]) -> Iterator[Statement]:
    """Yield the statements for jobs on one stack, without those for its state. Raises UserError."""
    known = actions_of_types()
    resources, data = tree.get("resource", {}), tree.get("data", {})
    actions = {"sts:GetCallerIdentity"}
    for job in jobs:
        actions.update(*map(read_actions, _READS.get(job, ())))
    for type_ in sorted({one for one in (*resources, *data) if one.startswith("aws_")} - NEED_NOTHING):
        for job in jobs:
            if job in (Job.ADOPT, Job.PREFLIGHT):
                actions |= {adopt_action(call) for call in _lookups(type_)}
            elif job not in (Job.STATUS, Job.REACH):
                reads = job in (Job.PLAN, Job.DRIFT) or type_ not in resources
                needed = {"read"} if reads else {"read", job.value}
                if missing := sorted(needed - known.get(type_, {}).keys()):
                    what = f"the actions to {' and '.join(missing)} {type_}"
                    raise UserError(f"{plan.name}: {what} are not known, so the policy would be incomplete")
                actions.update(*(known[type_][one] for one in needed))
    if Job.APPLY in jobs:
        # The measurement added tags, which a deploy can also remove.
        for service, name in [action.split(":") for action in actions]:
            if name in UNTAGGING:
                actions.add(f"{service}:{UNTAGGING[name]}")
        actions |= {"iam:PassRole"} if PASSES_ROLE & resources.keys() else set()
    if Job.PREFLIGHT in jobs:
        of_buckets = _preflight_of_bucket()
        yield _statement([one for one in read_actions("preflight") if one not in of_buckets], ["*"])
    scoped = list(_names(resources, plan))
    by_place: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for action in sorted(actions):
        arns = tuple(arn for kind, arn in scoped if _is_about(action, kind))
        by_place.setdefault((arns or ("*",), action.split(":")[0] in _GLOBAL), []).append(action)
    for (arns, everywhere), names in by_place.items():
        condition = {} if everywhere or arns != ("*",) else {"aws:RequestedRegion": plan.region}
        yield _statement(names, arns, condition)


def _lookups(type_: str) -> Iterator[str]:
    for key, kind in KINDS.items():
        if isinstance(kind, Kind) and key.removeprefix("data.").split(".")[0] == type_:
            yield kind.call
            yield from [kind.each[0]] if kind.each else []
            yield from [kind.users.call] if kind.users else []
    yield from CALLS.get(type_, ())


def _names(resources: Mapping[str, Any], plan: StackPlan) -> Iterator[tuple[str, str]]:
    """Yield the resources that IAM can narrow an action to if the name is known: their kind and ARN."""
    aws = partition(plan.region)
    of_account = f"arn:{aws}:{{}}:{plan.region}:{plan.account_id}:"
    forms = {
        "aws_iam_role": (("iam:role", f"arn:{aws}:iam::{plan.account_id}:role{{path}}{{name}}"),),
        "aws_iam_policy": (("iam:policy", f"arn:{aws}:iam::{plan.account_id}:policy{{path}}{{name}}"),),
        "aws_s3_bucket": (("s3:bucket", f"arn:{aws}:s3:::{{name}}"), ("s3:bucket", f"arn:{aws}:s3:::{{name}}/*")),
        "aws_cloudtrail": (("cloudtrail:trail", of_account.format("cloudtrail") + "trail/{name}"),),
        "aws_cloudwatch_event_rule": (("events:rule", of_account.format("events") + "rule/{name}"),),
        "aws_sns_topic": (
            ("sns:topic", of_account.format("sns") + "{name}"),
            ("sns:topic", of_account.format("sns") + "{name}:*"),
        ),
    }
    for type_, kinds in forms.items():
        for resource in resources.get(type_, {}).values():
            name = resource.get("name", resource.get("bucket"))
            for kind, form in kinds:
                yield kind, form.format(path=resource.get("path", "/"), name=name)


_LISTS = {"cloudtrail:DescribeTrails", "iam:ListPolicies", "iam:ListRoles", "s3:ListAllMyBuckets", "sns:ListTopics"}


def _is_about(action: str, kind: str) -> bool:
    """Return whether IAM can narrow an action to resources of a kind, such as `iam:role`."""
    service, name = action.split(":")
    wanted, what = kind.split(":")
    if service != wanted or action in _LISTS or "OpenID" in name or "SecurityToken" in name:
        return False
    if service == "iam":
        return ("Role" in name and "ServiceLinkedRole" not in name) == (what == "role")
    return True


def _preflight_of_bucket() -> set[str]:
    """Return the actions of `preflight` on the state's bucket and its objects."""
    return {one for one in read_actions("preflight") if one.startswith("s3:") and one not in _LISTS}


def _of_state(estate: Estate, plans: Sequence[StackPlan], jobs: Collection[Job]) -> Iterator[Statement]:
    """Yield the statements for the states of stacks and their locks, in S3."""
    state = estate.state
    if not isinstance(state, S3State):
        return
    bucket = f"arn:{partition(state.region)}:s3:::{state.bucket}"
    keys = [f"{bucket}/{state.key(estate.name, plan.state_name)}" for plan in plans]
    if Job.PREFLIGHT in jobs:
        yield _statement(sorted(_preflight_of_bucket() - {"s3:GetObject"}), [bucket])
    if set(jobs) <= {Job.PREFLIGHT, Job.STATUS, Job.REACH, Job.DRIFT}:
        # `drift` initializes Terraform's backend, which lists the bucket, and locks nothing.
        yield from [_statement(["s3:ListBucket"], [bucket])] if Job.DRIFT in jobs else []
        yield _statement(["s3:GetObject"], keys)
    else:
        yield _statement(["s3:ListBucket"], [bucket])
        yield _statement(["s3:GetObject", "s3:PutObject"], keys)
        yield _statement(["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], [f"{key}.tflock" for key in keys])
    if state.kms_key:
        yield _of_key(state.kms_key, jobs)


def _of_key(key: str, jobs: Collection[Job]) -> Statement:
    """Return the statement for objects that S3 encrypts with a KMS key, named by its ARN or by an alias."""
    actions = ["kms:Decrypt", "kms:GenerateDataKey", *(["kms:DescribeKey"] if Job.PREFLIGHT in jobs else [])]
    alias = re.search(r"alias/.+", key)
    if not alias:
        return _statement(actions, [key])
    # For an alias as the resource, IAM would evaluate the permission to manage the alias, not to use its key.
    condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias[0]}}
    return {**_statement(actions, ["*"]), "Condition": condition}


def _statement(actions: Sequence[str], arns: Sequence[str], condition: Mapping[str, str] | None = None) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": sorted(set(arns))}
    return {**statement, "Condition": {"StringEquals": dict(condition)}} if condition else statement


def _policies(statements: Sequence[Statement]) -> Iterator[Policy]:
    """Return the statements in as few policies as possible."""
    fitting = [part for statement in statements for part in _parts(statement)]
    group: list[Statement] = []
    for part in fitting:
        if group and _size([*group, part]) > _POLICY_SIZE:
            yield _policy(group)
            group = []
        group.append(part)
    yield _policy(group)


def _parts(statement: Statement) -> Iterator[Statement]:
    """Yield the statement, or its halves if it is too large."""
    if _size([statement]) <= _POLICY_SIZE:
        yield statement
        return
    longer = max(("Action", "Resource"), key=lambda field: len(json.dumps(statement[field])))
    middle = len(statement[longer]) // 2
    for half in (statement[longer][:middle], statement[longer][middle:]):
        yield from _parts({**statement, longer: half})


def _policy(statements: list[Statement]) -> Policy:
    return {"Version": "2012-10-17", "Statement": statements}


def _size(statements: list[Statement]) -> int:
    return len(json.dumps(_policy(statements), separators=(",", ":")))
