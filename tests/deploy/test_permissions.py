"""The permissions are measured again, and evaluated by ministack, which implements a part of IAM."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from estate.errors import ExitCode
from estate.load import load
from local_aws import LocalAws
from operations.permissions.actions import MEASURED, STATE_BUCKET, action
from operations.permissions.compose import permissions
from operations.permissions.jobs import Job
from operations.terraform import TerraformFailed, find_terraform
from tests.support import ROOT
from tests.support.deciding_aws import DecidingAws
from tests.support.synth import synth_all
from tests.support.terraform import Terraform, cli_environment
from tools.permissions import measure

pytestmark = pytest.mark.proof

ACCOUNT = "222222222222"
EXAMPLE = ROOT / "examples/cross_account_role.yaml"


def test_the_measured_actions_are_those_of_the_examples(tmp_path: Path) -> None:
    kept = json.loads(MEASURED.read_text())
    for type_, jobs in measure(EXAMPLE, tmp_path / "example").items():
        for job, actions in jobs.items():
            assert actions <= set(kept[type_][job]), (type_, job)


def test_the_state_bucket_is_created_with_what_is_listed(tmp_path: Path) -> None:
    with LocalAws(calls=tmp_path / "calls") as aws:
        for _ in range(2):
            command = [sys.executable, "main.py", "state", "create", str(EXAMPLE)]
            done = subprocess.run(command, cwd=ROOT, env={**os.environ, **aws.environment(ACCOUNT)}, check=False)
            assert done.returncode == ExitCode.WARNINGS_ONLY
    called = {action(*call.split(":")) for call in (tmp_path / "calls").read_text().split()}
    assert {one for one in called if one.startswith("s3:")} <= set(STATE_BUCKET)


NOT_NARROWED = ["iam:CreatePolicy"]
"""Actions that ministack evaluates without the name of the new resource. It also ignores the path of a new role, so a
stack with flow logs cannot be created there."""


def test_terraform_needs_no_more_than_these_policies(tmp_path: Path) -> None:
    """Plan, apply and destroy, each by a role with the printed policies alone."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    file = tmp_path / "examples" / EXAMPLE.name
    file.write_text(
        file.read_text().replace("    policy_mode:", "    removal_reason: The test is over\n    policy_mode:")
    )
    estate = load(file)
    trees = synth_all(estate, tmp_path / "out")
    stack = tmp_path / "out/stacks/account"
    (stack / "state_override.tf.json").write_text('{"terraform": {"backend": {"local": {}}}}')
    jobs = {"plan": [Job.PLAN], "apply": [Job.APPLY], "destroy": [Job.APPLY, Job.DESTROY]}
    with DecidingAws(tmp_path) as aws:
        for command, allowed in jobs.items():
            policies = permissions(estate, trees, allowed, trees)["account"]
            if command != "plan":
                anywhere = {"Effect": "Allow", "Action": NOT_NARROWED, "Resource": "*"}
                policies = [*policies, {"Version": "2012-10-17", "Statement": [anywhere]}]
            own = aws.environment(ACCOUNT, command, policies)
            environment = cli_environment(tmp_path, {**os.environ, **own, "TF_VAR_external_ids": '["abc-1234"]'})
            terraform = Terraform(find_terraform(environment), environment)
            match command:
                case "plan":
                    terraform.init(stack)
                    assert terraform.plan(stack)
                    with pytest.raises(TerraformFailed, match="AccessDenied"):
                        terraform.apply(stack)
                case "apply":
                    assert "Apply complete! " in terraform.apply(stack)
                case _:
                    assert "Destroy complete! " in terraform.destroy(stack)


def test_iam_lets_a_role_with_these_policies_do_this_and_no_more(tmp_path: Path) -> None:
    estate, trees = load(EXAMPLE), synth_all(load(EXAMPLE), tmp_path / "out")
    with DecidingAws(tmp_path) as aws:
        sessions = {}
        for job in (Job.PLAN, Job.APPLY):
            policies = permissions(estate, trees, [job], trees)["account"]
            sessions[job] = aws.session("iam", aws.role_with(ACCOUNT, job.value, policies))
        name, document = "astronomer-remote-management", json.dumps({"Version": "2012-10-17", "Statement": []})
        with pytest.raises(ClientError, match="AccessDenied"):
            sessions[Job.PLAN].create_role(RoleName=name, AssumeRolePolicyDocument=document)
        with pytest.raises(ClientError, match="AccessDenied"):
            sessions[Job.APPLY].create_role(RoleName="admin", AssumeRolePolicyDocument=document)
        sessions[Job.APPLY].create_role(RoleName=name, AssumeRolePolicyDocument=document)
        assert sessions[Job.PLAN].get_role(RoleName=name)["Role"]["RoleName"] == name
        with pytest.raises(ClientError, match="AccessDenied"):
            sessions[Job.APPLY].delete_role(RoleName=name)
