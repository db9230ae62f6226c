"""Deployments that are killed, run at the same time, lose their state or are throttled by AWS.

In the end, the resources are those of an undisturbed deployment. The commands are read from docs/recovery.md.
"""

# pyright: reportMissingParameterType=false

import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from local_aws import LocalAws, inventory
from operations.terraform import TerraformFailed, find_terraform
from tests.support import ROOT
from tests.support.deployment import BIN
from tests.support.terraform import Terraform, cli_environment
from tools.evidence import record

pytestmark = pytest.mark.proof

RECOVERY = ROOT / "docs/recovery.md"
BUCKET = "acme-astro-tfstate"
STACK = "network-edge"
# Many types with short waits, in the account to which the local AWS assigns unknown keys.
ESTATE = """
name: acme
state: {backend: s3, bucket: acme-astro-tfstate, region: us-east-1}
tags: {owner: data-platform}
astro: {product: hosted-dedicated, organization: acme}
clusters:
  prod:
    region: us-east-1
    account_id: "333333333333"
    vpc_id: vpc-0cccccccccccccccc
    cidr: 172.20.0.0/20
    external_ips: [203.0.113.20, 203.0.113.21]
    oidc_issuer_url: https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF
networks:
  edge:
    account_id: "123456789012"
    region: us-east-1
    create: {cidr: 10.30.0.0/20, availability_zones: 2, nat: single, flow_logs: {retention_days: 365}}
connections:
  hub: {type: transit_gateway, clusters: [prod], network: edge, create: {asn: 64513}}
  zone: {type: hosted_zone, clusters: [prod], network: edge, domain: data.acme.example}
  domains: {type: egress_domains, network: edge, dns_firewall: {priority: 500}}
  addresses: {type: ip_allowlist, clusters: [prod], network: edge}
  office: {type: vpn, network: edge, gateways: {a: {ip: 203.0.113.10}}, bgp_asn: 65010}
  deployments:
    type: workload_identity
    cluster: prod
    network: edge
    identity: oidc
    roles: {etl: {deployments: [geometric-gyroscope-9932], policy_files: {read: policies/read-lake.json}}}
"""
CHANGES = 57
"""The number of changing calls of an undisturbed deployment, which a test asserts."""
RESOURCES = 55
POINTS = range(1, CHANGES, 6)
AWS_CLI = ROOT / ".work/awscli"
APPLY = f"terraform -chdir=cdktf.out/stacks/{STACK} apply -input=false -no-color -auto-approve"


class Checkout:
    """A checkout of this project with the estate, in which the commands of the documents run unchanged."""

    def __init__(self, folder: Path, aws: LocalAws) -> None:
        self.folder, self.aws = folder, aws
        folder.mkdir(parents=True)
        for name in (".venv", "node_modules", "main.py", "cdktf.json"):
            (folder / name).symlink_to(ROOT / name)
        shutil.copytree(ROOT / "examples/policies", folder / "policies")
        (folder / "astro.yaml").write_text(ESTATE)
        (folder / "bin").mkdir()
        aws_cli = folder / "bin/aws"
        aws_cli.write_text(f'#!/bin/sh\nPYTHONPATH="{AWS_CLI}" exec "{sys.executable}" -m awscli "$@"\n')
        aws_cli.chmod(0o755)
        own = {key: value for key, value in os.environ.items() if key not in ("NODE_OPTIONS", "JSII_NODE")}
        path = os.pathsep.join((str(folder / "bin"), str(BIN), os.environ["PATH"]))
        environ = cli_environment(folder / "home", {**own, "PATH": path, **aws.environment()})
        self.environ = {**environ, "CI": "true", "FORCE_COLOR": "0", "CDKTF_LOG_LEVEL": "error"}
        self.terraform = Terraform(find_terraform(environ), self.environ)
        self.stack = folder / "cdktf.out/stacks" / STACK

    def run(self, command: str, words: Mapping[str, str] | None = None, *, fails: bool = False) -> str:
        """Run a command of a document with its <words> replaced, and return its output."""
        for word, value in (words or {}).items():
            command = command.replace(f"<{word}>", value)
        assert not re.search(r"<\w+>", command), command
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", _without_questions(command)],
            cwd=self.folder,
            env=self.environ,
            input="yes\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        # Adoption exits with 4 if it has remarks.
        assert (done.returncode not in (0, 4)) == fails, f"{command}: exit code {done.returncode}\n{done.stdout}"
        return done.stdout


def _without_questions(command: str) -> str:
    """Add options of cdktf to run without prompts and without lock files of other platforms, which need a registry."""
    command = re.sub(r"cdktf (deploy|diff)", r"cdktf \1 --skip-provider-lock", command)
    return command.replace("cdktf deploy", "cdktf deploy --auto-approve")


@contextmanager
def checkout(folder: Path, synthesized: Path) -> Generator[Checkout]:
    """Yield a checkout with a separate AWS, which has only the state bucket. The stack is initialized."""
    with LocalAws() as aws:
        s3 = aws.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        there = Checkout(folder, aws)
        shutil.copytree(synthesized, there.stack)
        there.terraform.init(there.stack)
        yield there


def steps(heading: str) -> list[str]:
    """Return the commands below a heading of docs/recovery.md."""
    section = RECOVERY.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines()]


def things(aws: LocalAws) -> Counter[str]:
    """Return the inventory without generated IDs, so that deployments can be compared."""
    return Counter(
        re.sub(
            r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Z0-9]{21,22})\b|(?<=-)[0-9a-f]{17}\b|\d{18}[0-9a-f]{8}\b",
            "#",
            line,
        )
        for line in inventory(aws, [LocalAws.FIRST_ACCOUNT], ["us-east-1"])
    )


def kill_in_the_middle(there: Checkout, command: list[str], changes: int) -> None:
    """Kill a command and its child processes after a number of changes, before it gets the last answer."""
    there.aws.go_wrong({"stand_still_after": changes})
    with (there.folder / "killed.log").open("w+") as log:
        process = subprocess.Popen(
            command, cwd=there.folder, env=there.environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        try:
            while there.aws.report()["changes"] < changes:
                assert process.poll() is None, f"ended before change {changes}:\n{Path(log.name).read_text()}"
                time.sleep(0.05)
        finally:
            for one in (process.pid, *descendants(process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            process.wait()
            there.aws.go_wrong({"drop": True})


def descendants(process: int) -> list[int]:
    listed = subprocess.run(["ps", "-Ao", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed.splitlines())}
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the stack."""
    with LocalAws() as aws:
        there = Checkout(tmp_path_factory.mktemp("synthesized") / "checkout", aws)
        there.run(".venv/bin/python main.py synth")
        return there.stack


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, synthesized: Path) -> Generator[Checkout]:
    """Return the inventory of a deployment without faults."""
    with checkout(tmp_path_factory.mktemp("undisturbed") / "checkout", synthesized) as there:
        there.run(".venv/bin/python main.py state create")
        there.aws.go_wrong({})
        there.terraform.apply(there.stack)
        assert there.aws.report()["changes"] == CHANGES
        yield there


@pytest.fixture(scope="module")
def expected(undisturbed: Checkout) -> Counter[str]:
    return things(undisturbed.aws)


def cut_off_and_deploy_again(folder: Path, synthesized: Path, changes: int) -> tuple[Counter[str], bool, str]:
    """The final inventory, the changes of a plan, and the output of the adoption."""
    unlock, adopt, deploy = steps("A deploy that was killed")
    with checkout(folder, synthesized) as there:
        # One point uses cdktf, which takes longer and runs the same Terraform.
        by_cdktf = changes == POINTS[5]
        command = deploy.replace("<stack>", STACK) if by_cdktf else APPLY
        kill_in_the_middle(there, _without_questions(command).split(), changes)
        with pytest.raises(TerraformFailed, match="Error acquiring the state lock") as refused:
            there.terraform.apply(there.stack)
        lock = re.search(r"Lock Info:\W+ID:\s+(\S+)", refused.value.stderr)
        assert lock
        there.run(unlock, {"stack": STACK, "ID": lock[1]})
        told = there.run(adopt, {"stack": STACK})
        if by_cdktf:
            there.run(deploy, {"stack": STACK})
        else:
            there.terraform.apply(there.stack)
        return things(there.aws), there.terraform.plan(there.stack), told


@pytest.fixture(scope="module")
def cut_off(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, synthesized: Path
) -> Iterator[Mapping[int, Future[tuple[Counter[str], bool, str]]]]:
    """Run every requested point, several at a time, because most of the time is waiting."""
    folder = tmp_path_factory.mktemp("cut-off")
    asked = {call.params.get("point") for item in request.session.items if (call := getattr(item, "callspec", None))}
    with ThreadPoolExecutor(max_workers=3) as pool:
        yield {
            point: pool.submit(cut_off_and_deploy_again, folder / str(point), synthesized, point)
            for point in POINTS
            if point in asked
        }


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"after {point} of {CHANGES} changes")
def test_a_killed_deploy_is_adopted_and_ends_like_any_other(cut_off, expected, point: int) -> None:
    there, changes, told = cut_off[point].result()
    assert (there - expected, expected - there) == (Counter(), Counter()), told
    assert not changes, told
    record(
        "kill -9 during apply: points, converged, orphans healed",
        f"points: 1, converged: 1; changes of AWS made by then: {point}, left over, missing or made twice: 0",
    )


def test_the_second_of_two_deploys_names_the_holder_of_the_lock(tmp_path, synthesized, expected) -> None:
    deploy = steps("Two deploys at once")[0].replace("<stack>", STACK)
    with checkout(tmp_path / "first", synthesized) as first, ThreadPoolExecutor() as pool:
        second = Checkout(tmp_path / "second", first.aws)
        first.aws.go_wrong({"stand_still_after": 1})
        going_on = pool.submit(first.run, deploy)
        while not first.aws.report()["changes"]:
            assert not going_on.done(), going_on.result()
            time.sleep(0.05)
        try:
            said = second.run(deploy, fails=True)
        finally:
            first.aws.go_wrong({})
        assert "Error acquiring the state lock" in said
        told = dict(re.findall(r"(ID|Path|Operation|Who): +(\S+)", said.partition("Lock Info:")[2]))
        assert told.pop("ID")
        assert told == {
            "Path": f"{BUCKET}/acme/{STACK}.tfstate",
            "Operation": "OperationTypeApply",
            "Who": f"{getpass.getuser()}@{socket.gethostname()}",
        }
        assert f"Apply complete! Resources: {RESOURCES} added" in going_on.result()
        assert "No changes. Your infrastructure matches the configuration" in second.run(deploy)
        assert things(first.aws) == expected
    record("two deploys at once", "1 continues, 1 is refused with the holder of the lock; 0 resources created twice")


def test_refused_calls_are_repeated_until_everything_exists(tmp_path, synthesized, expected) -> None:
    with checkout(tmp_path / "checkout", synthesized) as there:
        there.aws.go_wrong({"rate": 0.1, "seed": 7})
        there.terraform.apply(there.stack)
        assert not there.terraform.plan(there.stack)
        report = there.aws.report()
        there.aws.go_wrong({})
        assert things(there.aws) == expected
    assert report["calls"] > 200
    assert 0.05 < sum(report["faults"].values()) / report["calls"] < 0.2
    # The refused calls depend on the order, and each protocol has its own error codes. Both kinds occur.
    refused = report["faults"].keys()
    slower, broken = {"RequestLimitExceeded", "SlowDown", "Throttling"}, {"InternalError", "ServiceUnavailable"}
    assert refused <= slower | broken
    assert refused & slower
    assert refused & broken
    record(
        "throttling and 5xx at 10 %: calls, faults",
        "over 200 calls, every tenth or so refused by 400, 500 or 503; applied, second plan empty, 0 things missing",
    )


needs_aws_cli = pytest.mark.skipif(not AWS_CLI.is_dir(), reason="`make proof` installs the AWS CLI")


@needs_aws_cli
@pytest.mark.parametrize("harm", ["deleted", "overwritten", "bucket emptied"])
def test_a_lost_state_is_put_back_from_an_older_version(undisturbed: Checkout, expected, harm: str) -> None:
    s3, key = undisturbed.aws.client("s3"), f"acme/{STACK}.tfstate"
    if harm == "overwritten":
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"\0 no state")
        with pytest.raises(TerraformFailed, match="state"):
            undisturbed.terraform.plan(undisturbed.stack)
    else:
        for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"] if harm == "bucket emptied" else [{"Key": key}]:
            s3.delete_object(Bucket=BUCKET, Key=one["Key"])
        assert undisturbed.terraform.plan(undisturbed.stack)
    look, put_back, diff = steps("The state is lost or broken")
    words = {"bucket": BUCKET, "name": "acme", "stack": STACK}
    versions = undisturbed.run(look, words).splitlines()
    version = versions[1 if harm == "overwritten" else 0].split()[-1]
    undisturbed.run(put_back, {**words, "version": version})
    assert "No changes. Your infrastructure matches the configuration" in undisturbed.run(diff, words)
    assert things(undisturbed.aws) == expected
    record("state lost and restored", f"{harm}: restored from an older version")


def test_without_any_version_of_the_state_all_is_adopted(undisturbed: Checkout, expected) -> None:
    s3 = undisturbed.aws.client("s3")
    versions = s3.list_object_versions(Bucket=BUCKET)
    for one in [*versions["Versions"], *versions.get("DeleteMarkers", [])]:
        s3.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
    for command in steps("No version of the state is left"):
        undisturbed.run(command, {"stack": STACK})
    assert not undisturbed.terraform.plan(undisturbed.stack)
    assert things(undisturbed.aws) == expected
    record("state lost and restored", "every version deleted: adopted")
