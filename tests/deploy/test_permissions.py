"""The measured permissions, measured again, and decided by IAM's rules as far as ministack has them."""

import json
import os
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
from tests.support import ROOT
from tests.support.deciding_aws import DecidingAws
from tests.support.synth import synth_all
from tools.permissions import measure

pytestmark = pytest.mark.proof

ACCOUNT = "222222222222"
EXAMPLE = ROOT / "examples/cross_account_role.yaml"


def test_what_an_example_needs_is_what_was_measured(tmp_path: Path) -> None:
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


def test_iam_lets_a_role_with_these_policies_do_this_and_no_more(tmp_path: Path) -> None:
    estate, trees = load(EXAMPLE), synth_all(load(EXAMPLE), tmp_path / "out")
    with DecidingAws(tmp_path) as aws:
        root = aws.root("iam", ACCOUNT)
        sessions = {}
        for job in (Job.PLAN, Job.APPLY):
            trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT}}
            document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
            root.create_role(RoleName=job.value, AssumeRolePolicyDocument=document)
            for number, policy in enumerate(permissions(estate, trees, [job], trees)["account"]):
                root.put_role_policy(RoleName=job.value, PolicyName=f"p{number}", PolicyDocument=json.dumps(policy))
            arn = f"arn:aws:iam::{ACCOUNT}:role/{job}"
            assumed = aws.root("sts", ACCOUNT).assume_role(RoleArn=arn, RoleSessionName="local")
            sessions[job] = aws.session("iam", assumed["Credentials"])
        name, document = "astronomer-remote-management", json.dumps({"Version": "2012-10-17", "Statement": []})
        with pytest.raises(ClientError, match="AccessDenied"):
            sessions[Job.PLAN].create_role(RoleName=name, AssumeRolePolicyDocument=document)
        with pytest.raises(ClientError, match="AccessDenied"):
            sessions[Job.APPLY].create_role(RoleName="admin", AssumeRolePolicyDocument=document)
        sessions[Job.APPLY].create_role(RoleName=name, AssumeRolePolicyDocument=document)
        assert sessions[Job.PLAN].get_role(RoleName=name)["Role"]["RoleName"] == name
        with pytest.raises(ClientError, match="AccessDenied"):
            sessions[Job.APPLY].delete_role(RoleName=name)
