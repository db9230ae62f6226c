"""The complete example with the commands of a team, on the local AWS with state in S3."""

import json
import shutil
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from estate.load import load
from estate.plan import stacks_of
from estate.state import S3State
from local_aws import LocalAws, inventory
from operations.permissions.actions import OTHERWISE
from operations.permissions.jobs import Job
from tests.support.commands import run
from tests.support.deployment import SECRETS, Deployment
from tests.support.world import facts_of
from tools.demo import EXAMPLE, accounts_and_regions, read_back
from tools.evidence import record

BUCKET = "acme-astro-tfstate"


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


def copy_of_example(folder: Path) -> Path:
    shutil.copytree(EXAMPLE.parent, folder)
    return folder / EXAMPLE.name


def test_a_life_with_a_lost_state_ends_with_nothing_left(aws: LocalAws, tmp_path: Path) -> None:
    file = copy_of_example(tmp_path / "estate")
    estate = load(file)
    assert isinstance(estate.state, S3State)
    aws.make(facts_of(estate))
    lines: list[str] = []
    deployment = Deployment(file, tmp_path / "work", aws, lines.append)
    deployment.create_state()
    accounts, regions = accounts_and_regions(estate)
    before = set(inventory(aws, accounts, regions))

    with only(deployment, Job.APPLY):
        deployment.deploy()
    stacks = ["account", "network-archive", "network-edge", "network-lake"]
    stacks += ["quotas-me-south-1", "quotas-us-east-1", "quotas-us-west-2", "regions"]
    assert list(deployment.stacks) == stacks
    assert locked(aws) == {f"acme/{stack}.tfstate.tflock" for stack in stacks}
    with only(deployment, Job.PLAN):
        assert deployment.changes() == dict.fromkeys(stacks, False)
    assert state_objects(aws) == {f"acme/{stack}.tfstate" for stack in stacks}
    told = {(entry, thing, what) for entry, thing, what in read_back(aws, estate)}
    assert told >= {
        ("account", "IAM role", "arn:aws:iam::222222222222:role/astronomer-remote-management"),
        ("account", "trust", "arn:aws:iam::406882777402:root, only with the external ID"),
        ("lake-prod", "VPC peering", "pcx-0123456789abcdef0 active"),
        ("lake-prod", "route", "rtb-0aaaaaaaaaaaaaaaa: 172.20.0.0/20 -> pcx-0123456789abcdef0"),
        ("archive-prod", "VPC peering", "pcx-0eeeeeeeeeeeeeeee active"),
        ("hub", "RAM share acme-hub", "with 333333333333"),
        ("corp-dns", "RAM share acme-corp-dns", "with 222222222222"),
        ("lake-prod-dr", "VPC peering", "pcx-0fffffffffffffff0 active"),
        ("lake-zone", "hosted zone", "data.acme.example. for vpc-0cccccccccccccccc"),
        ("lake-public", "prefix list", "203.0.113.20/32, 203.0.113.21/32"),
        ("lake-readers", "IAM role", "arn:aws:iam::111111111111:role/acme-lake-readers-audit"),
        ("archive-role", "IAM role", "arn:aws:iam::444444444444:role/acme-archive-role"),
    }

    # Your steps are done and nothing has failed. The others wait for Astronomer, the network team and AWS.
    code, out, err = run("status", str(file), "--output", "json", **aws.environment())
    steps = json.loads(out)["steps"]
    assert (code, err, [step for step in steps if step["state"] == "failed"]) == (4, "", [])
    by_state = Counter(step["state"] for step in steps)
    assert by_state == {"done": 35, "waiting": 30, "unknown": 14}
    yours = {(step["entry"], step["id"]) for step in steps if (step["state"], step["who"]) == ("waiting", "you")}
    assert yours >= {("account.policy_alarm", "subscriber:security"), ("connections.lake-readers", "used:audit")}

    # AWS lists a subscription without an ARN until its address confirms it, so it could not be imported.
    sns = aws.client("sns", "222222222222")
    for one in sns.list_subscriptions()["Subscriptions"]:
        sns.confirm_subscription(TopicArn=one["TopicArn"], Token=one["Endpoint"])

    # AWS accepts one pending request for each quota. The first ones are granted by now.
    aws.pass_time(hours=2)

    # The state is lost, so the resources are adopted.
    for key in state_objects(aws):
        aws.client("s3").delete_object(Bucket=BUCKET, Key=key)
    with only(deployment, Job.ADOPT):
        deployment.adopt()
    adopted = sum(one.read_text().count("import {") for one in (tmp_path / "work").rglob("imports.tf"))
    there = set(inventory(aws, accounts, regions))
    group = "sg-0123456789abcdef0"
    text = file.read_text().replace("owner: data-platform", "owner: platform")
    file.write_text(text.replace(f"{group}, from_port: 5432", f"{group}, from_port: 5433"))
    deployment.deploy()
    assert deployment.changes() == dict.fromkeys(stacks, False)
    # Created again instead of imported: a preference of STS, a target, two route propagations, a default security
    # group, seven resources of Terraform itself, and the empty list of inline policies of Astronomer's role. The stack
    # itself imports the attachment. All resources are the same as before.
    assert (adopted, managed(aws) - adopted) == (123, 14)
    changed_back = {line.replace("5433-5433", "5432-5432") for line in inventory(aws, accounts, regions)}
    assert changed_back == there
    rules = aws.client("ec2", "111111111111").describe_security_group_rules()["SecurityGroupRules"]
    opened = {
        (rule["FromPort"], rule.get("CidrIpv4")) for rule in rules if rule["GroupId"] == group and not rule["IsEgress"]
    }
    assert opened == {(5433, "172.20.0.0/20"), (5433, "172.20.64.0/20"), (443, None)}

    with only(deployment, Job.APPLY, Job.DESTROY):
        deployment.destroy()
    assert set(inventory(aws, accounts, regions)) - before == set()
    made = f"{len(stacks)} stacks, {len(there - before)} objects in AWS"
    record("deployed end to end, adopted, destroyed", f"{made}; adopted: {adopted} imported, 0 destroyed; 0 left")
    external_id = SECRETS["TF_VAR_external_ids"].strip('[]"')
    assert not [line for line in lines if external_id in line]
    written = [path for path in (tmp_path / "work").rglob("*") if path.is_file() and "providers" not in path.parts]
    assert not [path for path in written if external_id.encode() in path.read_bytes()]


@contextmanager
def only(deployment: Deployment, *jobs: Job) -> Generator[None]:
    """Let the accounts make only the calls that `main.py permissions` lists for the jobs, on any resource."""
    options = [argument for job in jobs for argument in ("--for", job.value)]
    printed = json.loads(deployment.command("permissions", "--file", str(deployment.estate), *options))
    accounts = {plan.name: plan.account_id for plan in stacks_of(load(deployment.estate))}
    accounts["caller"] = LocalAws.FIRST_ACCOUNT
    allowed: dict[str, list[str]] = {}
    for name, policies in printed.items():
        for statement in [one for policy in policies for one in policy["Statement"]]:
            region = statement.get("Condition", {}).get("StringEquals", {}).get("aws:RequestedRegion", "*")
            # IAM allows every caller to request its own identity.
            for action in {*statement["Action"], "sts:GetCallerIdentity"}:
                calls = {action, *(call for call, name in OTHERWISE.items() if name == action)}
                allowed.setdefault(accounts[name], []).extend(f"{region}/{call}" for call in calls)
    deployment.aws.go_wrong({"allowed": allowed})
    yield
    deployment.aws.go_wrong({})


def state_objects(aws: LocalAws) -> set[str]:
    return {one["Key"] for one in aws.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])}


def locked(aws: LocalAws) -> set[str]:
    """Return all lock files that were written; the bucket keeps old versions."""
    pages = aws.client("s3").get_paginator("list_object_versions").paginate(Bucket=BUCKET)
    return {one["Key"] for page in pages for one in page.get("Versions", []) if one["Key"].endswith(".tflock")}


def managed(aws: LocalAws) -> int:
    """Return the number of AWS resources in the states of all stacks."""
    s3 = aws.client("s3")
    states = [json.load(s3.get_object(Bucket=BUCKET, Key=key)["Body"]) for key in state_objects(aws)]
    parts = [part for state in states for part in state["resources"] if part["mode"] == "managed"]
    return sum(len(part["instances"]) for part in parts)
