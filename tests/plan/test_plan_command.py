"""`main.py plan` with the real Terraform: the summary of an estate and its exit code."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from estate.errors import ExitCode, UserError
from estate.load import load
from local_aws import LocalAws
from operations.plan import StackPlan, exit_code, plan, synthesized_copy, table
from operations.terraform import Terraform, find_terraform
from tests.support.commands import run
from tests.support.terraform import cli_environment


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


EDGE = """\
name: acme
state: {backend: s3, bucket: BUCKET, region: us-east-1}
astro: {product: hosted-dedicated, organization: acme}
networks:
  edge: {account_id: "123456789012", region: us-east-1, create: {cidr: 10.30.0.0/20, availability_zones: 2}}
"""

PROTECTED = {
    "terraform_data": {
        "a": {
            "lifecycle": {
                "precondition": [{"condition": "${length(terraform.workspace) > 100}", "error_message": "No."}]
            }
        }
    }
}

PLACE = "resource.terraform_data.a.lifecycle.precondition[0]"


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, StackPlan("s")),
        ({"terraform_data": {"a": {}}}, StackPlan("s", (("create", "terraform_data.a"),))),
        (
            PROTECTED,
            StackPlan(
                "s",
                refusals=(f"{PLACE}: Resource precondition failed: No.",),
            ),
        ),
    ],
)
def test_a_plan_counts_changes_and_refusals(resources: object, expected: StackPlan, tmp_path: Path) -> None:
    (tmp_path / "cdk.tf.json").write_text(json.dumps({"resource": resources} if resources else {}))
    environ = cli_environment(tmp_path / "home", dict(os.environ))
    assert plan(Terraform(find_terraform(environ), environ), "s", tmp_path) == expected


def test_a_plan_that_terraform_cannot_make_has_failed(tmp_path: Path) -> None:
    (tmp_path / "cdk.tf.json").write_text('{"output": {"a": {"value": "${nothing.at_all}"}}}')
    environ = cli_environment(tmp_path / "home", dict(os.environ))
    found = plan(Terraform(find_terraform(environ), environ), "s", tmp_path)
    assert (found.changes, found.refusals, len(found.failures)) == ((), (), 1)
    assert "Reference to undeclared resource" in found.failures[0]


def test_the_worst_stack_decides_the_exit_code() -> None:
    quiet, changed = StackPlan("a"), StackPlan("b", (("replace", "x.y"), ("update", "x.z")))
    refused, failed = StackPlan("c", refusals=("No.",)), StackPlan("d", failures=("Why.",))
    expected = [ExitCode.DONE, ExitCode.WARNINGS_ONLY, ExitCode.CHECK_FAILED, ExitCode.FAILED]
    plans = [quiet, changed, refused, failed]
    assert [exit_code(plans[: number + 1]) for number in range(4)] == expected
    assert list(table(plans)) == [
        "stack     add  change  destroy  refused",
        "a           0       0        0        0",
        "b           1       1        1        0",
        "c           0       0        0        1",
        "d      failed                         0",
    ]


def test_the_command_plans_the_estate(aws: LocalAws, tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(EDGE.replace("BUCKET", "acme-plans"))
    environ = cli_environment(tmp_path / "home", aws.environment())
    assert run("state", "create", str(file), **environ)[0] == 0
    code, out, err = run("plan", "--file", str(file), "--out", str(tmp_path / "out"), **environ)
    assert (code, err) == (4, "")
    assert "  + aws_vpc." in out
    assert out.splitlines()[-2].split() == ["stack", "add", "change", "destroy", "refused"]
    stack, add, *others = out.splitlines()[-1].split()
    assert (stack, int(add) > 5, others) == ("network-edge", True, ["0", "0", "0"])


def content(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {one: (one.stat().st_mtime_ns, one.read_bytes()) for one in folder.rglob("*") if one.is_file()}


def test_changes_since_the_deploy_are_named(aws: LocalAws, tmp_path: Path) -> None:
    file, out = tmp_path / "astro.yaml", tmp_path / "out"
    file.write_text(EDGE.replace("BUCKET", "acme-drift"))
    environ = cli_environment(tmp_path / "home", aws.environment())
    assert run("state", "create", str(file), **environ)[0] == 0
    assert run("plan", "--file", str(file), "--out", str(out), **environ)[0] == 4
    apply = [str(find_terraform(os.environ)), "apply", "-auto-approve", "-input=false"]
    subprocess.run(apply, cwd=out / "stacks/network-edge", env=os.environ | environ, check=True, capture_output=True)

    def drifted() -> tuple[int, list[tuple[str, str, str]]]:
        code, said, _ = run("drift", "--file", str(file), "--out", str(out), "--output", "json", **environ)
        rows = json.loads(said)["steps"]
        return code, [(row["entry"], row["state"], row["evidence"]) for row in rows]

    assert drifted() == (0, [("stacks.network-edge", "done", "a deploy would undo nothing")])
    ec2 = aws.client("ec2", "123456789012")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.30.0.0/20"]}])["Vpcs"]
    ec2.modify_vpc_attribute(VpcId=vpc["VpcId"], EnableDnsHostnames={"Value": False})
    before = content(out)
    file.write_text(f"# An edit that is not deployed.\n{file.read_text()}tags: {{owner: data}}\n")
    code, rows = drifted()
    assert content(out) == before
    (lock,) = out.glob("stacks/*/.terraform.lock.hcl")
    lock.write_text("This is no lock.")
    code_of_mine, mine = drifted()
    assert (code_of_mine, {state for entry, state, _ in mine if entry == "stacks.network-edge"}) == (1, {"unknown"})
    assert (code, ("networks.edge", "failed", "aws_vpc.edge_vpc was changed outside Terraform") in rows) == (3, True)


def test_drift_plans_in_a_copy_with_your_files(tmp_path: Path) -> None:
    file, out = tmp_path / "astro.yaml", tmp_path / "out"
    file.write_text(EDGE.replace("{backend: s3, bucket: BUCKET, region: us-east-1}", "{backend: none}"))
    stack = out / "stacks/network-edge"
    provider = Path(".terraform/providers/registry.example/hashicorp/aws/6.0.0/linux_amd64")
    manifest = {"estate": "acme", "stacks": {"network-edge": {"synthesizedStackPath": "stacks/network-edge/cdk.tf"}}}
    yours = (".terraform/environment", ".terraform.lock.hcl", "a.auto.tfvars", "b_override.tf", "terraform.tfstate")
    for path in (provider / "provider", *yours, "cdk.tf"):
        (stack / path).parent.mkdir(parents=True, exist_ok=True)
        (stack / path).write_text("{}")
    (out / "manifest.json").write_text(json.dumps(manifest))

    def copied() -> tuple[set[str], bool]:
        with synthesized_copy(load(file), file, out, ["network-edge"], os.environ) as (_, folder):
            copy = folder / "network-edge"
            link = copy / provider
            assert link.resolve() == stack / provider
            return {str(one.relative_to(copy)) for one in copy.rglob("*") if one.is_file()}, link.is_symlink()

    assert copied() == ({*yours, "cdk.tf.json"}, True)
    (stack / ".terraform/terraform.tfstate").write_text('{"backend": {"type": "local", "config": {"path": "../x"}}}')
    with pytest.raises(UserError, match=r"has its state in \.\./x; .*; set an absolute path$"):
        copied()
    (stack / ".terraform/terraform.tfstate").unlink()
    os.mkfifo(stack / "pipe")
    with pytest.raises(UserError, match=r"pipe: cannot be copied: .*named pipe") as raised:
        copied()
    assert raised.value.code is ExitCode.BAD_INPUT


def test_a_missing_variable_stops_the_plan(tmp_path: Path) -> None:
    example = "examples/cross_account_role.yaml"
    code, out, err = run("plan", "--file", example, "--out", str(tmp_path / "out"))
    assert (code, out) == (2, "")
    assert "stack account needs TF_VAR_external_ids, which is not set: export " in err
    assert not (tmp_path / "out").exists()
