"""The policies that `main.py permissions` prints."""

import json
from pathlib import Path
from typing import Any

import pytest

from estate.errors import ExitCode, UserError
from estate.load import load
from local_aws import LocalAws
from modules.bindings.slim import used
from operations.adopt.kinds import KINDS
from operations.permissions.actions import NEED_NOTHING, READS, UNTAGGING, action, actions_of_types, read_actions
from operations.permissions.compose import Policy, permissions
from operations.permissions.jobs import Job
from operations.policy.lint import lint
from tests.support import ROOT
from tests.support.commands import run
from tests.support.synth import synth_all
from tests.support.world import facts_of
from tools.permissions import reads

NEWER = ("ec2:DescribeVpcEncryptionControls",)
"""Actions that AWS added after the linter's list of actions was made; botocore has them."""
KEY = "arn:aws:kms:us-east-1:111111111111"
COMPLETE = ROOT / "examples/complete.yaml"


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return synth_all(load(COMPLETE), tmp_path_factory.mktemp("complete"))


def of(trees: dict[str, Any], *jobs: Job) -> dict[str, list[Policy]]:
    return permissions(load(COMPLETE), trees, jobs, trees)


def test_a_type_without_known_actions_is_refused_by_name() -> None:
    tree = {"resource": {"aws_made_up": {"x": {}}}}
    with pytest.raises(
        UserError, match="account: the actions to read aws_made_up are not known, so the policy would be incomplete"
    ):
        permissions(load(COMPLETE), {"account": tree}, [Job.PLAN], ["account"])


def test_adopt_can_read_the_users_of_resources() -> None:
    tree = {"resource": {"aws_iam_openid_connect_provider": {"x": {}}}}
    found = permissions(load(COMPLETE), {"account": tree}, [Job.ADOPT], ["account"])
    actions = {action for policy in found["account"] for one in policy["Statement"] for action in one["Action"]}
    assert {"iam:ListOpenIDConnectProviders", "iam:GetOpenIDConnectProvider", "iam:ListRoles"} <= actions


def statements(found: dict[str, list[Policy]], name: str) -> list[dict[str, Any]]:
    return [one for policy in found[name] for one in policy["Statement"]]


def test_your_own_credentials_read_the_state_for_a_deployer(trees: dict[str, Any]) -> None:
    found = permissions(load(COMPLETE), trees, [Job.PLAN], ["account"])
    key = "arn:aws:s3:::acme-astro-tfstate/acme/account.tfstate"
    role = "arn:aws:iam::222222222222:role/terraform-deployer"
    assert statements(found, "caller") == [
        {"Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": [role]},
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::acme-astro-tfstate"]},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": [key]},
        {
            "Effect": "Allow",
            "Action": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            "Resource": [f"{key}.tflock"],
        },
    ]
    assert key not in json.dumps(found["account"])
    alone = load(COMPLETE).model_copy(update={"deployer": None})
    found = permissions(alone, trees, [Job.PLAN], ["account"])
    assert found.keys() == {"account"}
    assert key in json.dumps(found["account"])


@pytest.mark.parametrize(
    ("key", "resource", "condition"),
    [
        (f"{KEY}:key/1234", f"{KEY}:key/1234", {}),
        ("alias/state", "*", {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/state"}}),
        (f"{KEY}:alias/state", "*", {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/state"}}),
    ],
)
def test_state_under_a_key_needs_its_use(
    trees: dict[str, Any], key: str, resource: str, condition: dict[str, Any]
) -> None:
    estate = load(COMPLETE)
    encrypted = estate.model_copy(update={"state": estate.state.model_copy(update={"kms_key": key})})
    for job, look in ((Job.PLAN, []), (Job.PREFLIGHT, ["kms:DescribeKey"])):
        wanted = {"Effect": "Allow", "Action": ["kms:Decrypt", *look, "kms:GenerateDataKey"], "Resource": [resource]}
        found = permissions(encrypted, trees, [job], ["account"])
        assert statements(found, "caller")[-1] == wanted | ({"Condition": condition} if condition else {})


def test_the_actions_of_every_type_in_use_are_known() -> None:
    """Measured, or read in the source of the AWS provider."""
    for name in used() - {"provider"}:
        type_ = "aws_" + name.removeprefix("data_aws_")
        jobs = {"read"} if name.startswith("data_") else {"read", "apply", "destroy"}
        assert type_ in NEED_NOTHING or jobs <= actions_of_types()[type_].keys(), type_


def test_the_calls_of_the_source_are_listed() -> None:
    assert json.loads(READS.read_text()) == reads()


def actions_of(policies: list[Policy]) -> set[str]:
    return {action for policy in policies for one in policy["Statement"] for action in one["Action"]}


def test_a_command_may_make_its_calls(trees: dict[str, Any], tmp_path: Path) -> None:
    log, address = tmp_path / "calls", "10.20.0.10"
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps({"network-lake": {"handoff": {"lake-prod": {}}}}))
    with LocalAws(calls=log) as aws:
        aws.make(facts_of(load(COMPLETE)))
        commands = {
            Job.STATUS: ["status", str(COMPLETE), "--outputs", str(outputs)],
            Job.REACH: ["reach", "prod", address, "5432", "--file", str(COMPLETE), "--outputs", str(outputs)],
            Job.INIT: ["init", str(tmp_path / "astro.yaml"), "--product", "hybrid", "--account", "111111111111"],
        }
        for job, arguments in commands.items():
            log.write_text("")
            account = "111111111111" if job is Job.INIT else None
            code, _, err = run(*arguments, **aws.environment(account))
            assert code in (ExitCode.DONE, ExitCode.CHECK_FAILED, ExitCode.WARNINGS_ONLY), err
            called = {action(*one.split(":")) for one in log.read_text().split()} - {"sts:AssumeRole"}
            assert len(called) > 5
            found = of(trees, job)
            allowed = actions_of(found["init"] if job is Job.INIT else [one for each in found.values() for one in each])
            assert called <= allowed, job


def test_drift_may_do_what_plan_and_status_may_but_lock_nothing(trees: dict[str, Any]) -> None:
    drift, plan, status = (of(trees, job) for job in (Job.DRIFT, Job.PLAN, Job.STATUS))
    for stack in trees:
        expected = actions_of(plan[stack]) | actions_of(status[stack])
        assert actions_of(drift[stack]) == expected
    assert "s3:PutObject" in actions_of(plan["caller"])
    assert actions_of(drift["caller"]) == {"sts:AssumeRole", "s3:ListBucket", "s3:GetObject"}
    assert actions_of(status["caller"]) == {"sts:AssumeRole", "s3:GetObject"}


def test_init_needs_no_file() -> None:
    code, out, err = run("permissions", "--for", "init", ASTRO_ESTATE="/nowhere/astro.yaml")
    assert (code, err) == (0, "")
    assert actions_of(json.loads(out)["init"]) == set(read_actions("init"))


@pytest.mark.parametrize("job", [Job.ADOPT, Job.PREFLIGHT, Job.STATUS, Job.REACH, Job.INIT, Job.STATE_CREATE])
def test_policies_are_of_actions_that_exist_and_fit_iam(trees: dict[str, Any], job: Job) -> None:
    found = of(trees, job)
    assert set(found) == {Job.STATE_CREATE: {"state"}, Job.INIT: {"init"}}.get(job, {*trees, "caller"})
    for policies in found.values():
        for policy in policies:
            assert len(json.dumps(policy, separators=(",", ":"))) <= 6_144
            found_by_lint = [
                one for one in lint({"policy": policy}) if "nknown" in one.title or "alformed" in one.title
            ]
            assert [one for one in found_by_lint if not one.detail.endswith(NEWER)] == []
            assert not any("*" in one for statement in policy["Statement"] for one in statement["Action"])


def test_iam_narrows_permissions_by_name_and_region(trees: dict[str, Any]) -> None:
    """Actions on named resources are limited by ARN, and other actions by region, except those of global services."""
    policies = of(trees, Job.APPLY)["account"]
    found = {
        action: (one["Resource"], one.get("Condition"))
        for policy in policies
        for one in policy["Statement"]
        for action in one["Action"]
    }
    local, of_iam = "us-east-1:222222222222", "arn:aws:iam::222222222222"
    bucket, topic = "arn:aws:s3:::acme-policy-alarm-222222222222", f"arn:aws:sns:{local}:acme-policy-alarm"
    named = {
        "cloudtrail:CreateTrail": [f"arn:aws:cloudtrail:{local}:trail/acme-policy-alarm"],
        "events:PutRule": [
            f"arn:aws:events:{local}:rule/acme-policy-alarm-{rule}" for rule in ("access", "itself", "storage")
        ],
        "iam:CreatePolicy": [
            f"{of_iam}:policy/AstronomerCrossAccountRole",
            f"{of_iam}:policy/AstronomerOptInRegions",
        ],
        "s3:CreateBucket": [bucket, f"{bucket}/*"],
        "sns:CreateTopic": [topic, f"{topic}:*"],
    }
    roles = [f"{of_iam}:role/acme-policy-alarm-delivery", f"{of_iam}:role/astronomer-remote-management"]
    # The last two were not measured.
    named |= dict.fromkeys(("iam:CreateRole", "iam:PassRole", "iam:UntagRole"), roles)
    assert {action: found[action] for action in named} == {action: (arns, None) for action, arns in named.items()}
    in_region = {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}
    anywhere = {action: condition for action, (arns, condition) in found.items() if arns == ["*"]}
    assert anywhere == {**dict.fromkeys(anywhere, in_region), "sts:GetCallerIdentity": None}


def test_names_of_actions_are_those_of_iam() -> None:
    assert action("monitoring", "PutMetricAlarm") == "cloudwatch:PutMetricAlarm"
    assert action("s3", "HeadBucket") == "s3:ListBucket"
    assert len(KINDS) > 40
    assert all(adding != removing or adding.startswith("Change") for adding, removing in UNTAGGING.items())


def test_adoption_has_permission_for_each_of_its_calls(trees: dict[str, Any]) -> None:
    """Besides listing: the call about each item, and the calls for its users, parts and remarks."""
    policies = permissions(load(COMPLETE), trees, [Job.ADOPT], trees)
    allowed = {
        action
        for name in policies
        for policy in policies[name]
        for one in policy["Statement"]
        for action in one["Action"]
    }
    assert allowed >= {
        "cloudformation:DescribeStackResources",
        "iam:GetPolicyVersion",
        "kms:DescribeKey",
        "kms:ListGrants",
        "route53:ListHostedZonesByVPC",
    }
