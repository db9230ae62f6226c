"""The command line: the output and the exit code of each command."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from commands.app import app as cli
from local_aws import LocalAws
from operations.terraform import find_terraform
from tests.support import ROOT
from tests.support.commands import run
from tests.support.estates import BASE
from tests.support.yours import yours


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "astro.yaml"
    file.write_text(BASE)
    return file


def test_check_lists_pending_inputs(file: Path) -> None:
    file.write_text(yours(BASE))
    code, out, err = run("check", str(file))
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{file}: 1 network, 2 connections, no mistakes",
        "connections.lake-dev waits for peering_id from the Astro UI: in Organization Settings > Clusters > VPC "
        "Peering Connections, create the connection; the ID is shown once it is Pending",
    ]


def test_a_leftover_after_its_last_day_is_a_warning(file: Path, tmp_path: Path) -> None:
    base, role = yours(BASE), "  role: {type: peering_role, cluster: prod, network: lake, expires: 2020-01-31}\n"
    file.write_text(base + role)
    line = len((base + role).splitlines())
    told = (
        f"{file}:{line}:{role.index('2020') + 1}: connections.role.expires: '2020-01-31' was the role's last day; "
        "remove the entry and deploy to delete the role, or set a later day\n"
    )
    code, out, err = run("check", str(file))
    assert (code, err) == (4, told)
    assert "no mistakes" in out
    out_folder = str(tmp_path / "cdktf.out")
    assert run(ASTRO_ESTATE=str(file), CDKTF_OUTDIR=out_folder) == (0, "", told)
    code, _, err = run("synth", str(file), "--out", out_folder, "--check")
    assert (code, err) == (0, told)
    file.write_text(base + role.replace("2020", "2999"))
    assert run("check", str(file))[0] == 0


@pytest.mark.parametrize("text", [BASE, BASE.replace("name: acme", "name: Acme"), "- no estate\n"])
def test_check_finds_the_same_without_options(file: Path, text: str) -> None:
    file.write_text(text)
    assert run("check", ASTRO_ESTATE=str(file)) == run("check", "--output", "text", ASTRO_ESTATE=str(file))
    assert run("check", ASTRO_ESTATE="") == run("check", "--output", "text", ASTRO_ESTATE="")


@pytest.mark.parametrize("arguments", [["check"], []])
def test_a_mistake_exits_with_2_and_leaves_nothing_half_done(file: Path, tmp_path: Path, arguments: list[str]) -> None:
    file.write_text(BASE.replace("name: acme", "name: Acme"))
    out = tmp_path / "cdktf.out"
    code, said, err = run(*arguments, ASTRO_ESTATE=str(file), CDKTF_OUTDIR=str(out))
    assert (code, said) == (2, "")
    assert err.startswith(f"{file}:1:7: name: 'Acme' is not a name; ")
    assert not out.exists()


@pytest.mark.parametrize("arguments", [["check", "nowhere.yaml"], ["state", "create", "nowhere.yaml"]])
def test_a_missing_estate_is_named(arguments: list[str]) -> None:
    expected = "nowhere.yaml: does not exist; pass the path of the estate file, or set ASTRO_ESTATE\n"
    assert run(*arguments) == (2, "", expected)


def test_a_file_of_a_similar_name_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "astro.yml").write_text(BASE)
    missing = tmp_path / "astro.yaml"
    expected = (
        f"{missing}: does not exist; did you mean {tmp_path / 'astro.yml'}?; pass the path of the estate file, or "
        "set ASTRO_ESTATE\n"
    )
    assert run("check", str(missing)) == (2, "", expected)


def test_without_a_command_the_terraform_is_written(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(ASTRO_ESTATE=str(file), CDKTF_OUTDIR=str(out)) == (0, "", "")
    assert (out / "stacks/network-lake/cdk.tf.json").exists()


def test_a_word_that_is_no_command_exits_with_2() -> None:
    code, out, err = run("chekc")
    assert (code, out) == (2, "")
    assert "No such command 'chekc'. Did you mean 'check'?" in err


@pytest.mark.parametrize("word", ["apply", "deploy", "destroy", "list", "output", "watch"])
def test_a_command_of_cdktf_is_run_with_cdktf(word: str) -> None:
    code, out, err = run(word, "network-lake", "--auto-approve")
    assert (code, out) == (2, "")
    assert err.endswith(f"No such command '{word}'. Instead, run `cdktf {word}`.\n")


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


def state_in(bucket: str, file: Path) -> None:
    file.write_text(BASE.replace("acme-astro-tfstate", bucket))


def test_state_create_reports_changes_and_is_idempotent(file: Path, aws: LocalAws) -> None:
    state_in("acme-twice", file)
    for outcome in ("made", "kept"):
        said = (
            "acme-twice in account 123456789012, us-east-1\n"
            f"  {outcome}    bucket\n"
            f"  {outcome}    public access block\n"
            f"  {outcome}    object ownership\n"
            f"  {outcome}    access policy\n"
            f"  {outcome}    versioning\n"
            f"  {outcome}    encryption\n"
            f"  {outcome}    expiry of old versions\n"
        )
        assert run("state", "create", str(file), **aws.environment()) == (0, said, "")


def test_state_create_refuses_a_bucket_of_another_account(file: Path, aws: LocalAws) -> None:
    state_in("acme-others", file)
    aws.client("s3").create_bucket(Bucket="acme-others")
    role = aws.client("sts", account="999999999999").get_caller_identity()["Arn"]
    assert run("state", "create", str(file), **aws.environment("999999999999")) == (
        1,
        "",
        f"the bucket acme-others is not in account 999999999999, or {role} has no access to it (s3:ListBucket). Bucket "
        "names are unique across AWS: choose another, or sign in to the account that owns it.\n",
    )


def test_state_create_without_credentials_explains_the_sign_in(file: Path, tmp_path: Path) -> None:
    nothing = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    code, out, err = run("state", "create", str(file), **nothing)
    assert (code, out) == (1, "")
    assert "no usable AWS credentials" in err
    code, out, err = run("state", "create", str(file), **nothing, AWS_PROFILE="nobody")
    assert (code, out) == (1, "")
    assert "The config profile (nobody) could not be found" in err


def test_state_create_needs_an_s3_state(file: Path) -> None:
    s3 = "{backend: s3, bucket: acme-astro-tfstate, region: us-east-1}"
    file.write_text(BASE.replace(s3, "{backend: none}"))
    expected = f"{file}: state.backend: 'none' does not store state in S3; this command is only for s3\n"
    assert run("state", "create", str(file)) == (2, "", expected)


def test_policies_are_linted_in_any_format_and_after_expiry(file: Path) -> None:
    file.write_text(BASE + "  role: {type: peering_role, cluster: prod, network: lake, expires: 2020-01-31}\n")
    told = (
        "network-lake: data.aws_iam_policy_document.role_accept\n"
        "network-lake: data.aws_iam_policy_document.role_trust\n"
        "Your 2 policies: no findings.\n"
    )
    assert run("policy", "lint", str(file), SYNTH_HCL_OUTPUT="true") == (0, told, "")


def test_an_expired_entry_stops_the_export_of_its_stack_alone(file: Path, tmp_path: Path) -> None:
    edge = '  edge: {account_id: "111111111111", region: us-east-1, create: {cidr: 10.30.0.0/20}}\n'
    role = "  role: {type: peering_role, cluster: prod, network: lake, expires: 2020-01-31}\n"
    file.write_text(BASE.replace("connections:\n", f"{edge}connections:\n") + role)
    out, modules = str(tmp_path / "out"), str(tmp_path / "modules")
    for command, expected in (
        (("synth", str(file), "--out", out), 0),
        (("synth", str(file), "--out", out, "--check"), 0),
        (("export", "network-edge", "--estate", str(file), "--out", modules), 0),
        (("export", "network-lake", "--estate", str(file), "--out", modules), 2),
        (("permissions", "network-lake", "--estate", str(file), "--for", "plan"), 0),
    ):
        code, _, err = run(*command)
        told = "connections.role.expires: '2020-01-31' was the role's last day" in err
        assert (command, code, told) == (command, expected, True), err


@pytest.mark.parametrize("value", ["", "5", '"abc"', '["abc", null]', '{"a": "b"}', "null"])
def test_invalid_external_ids_are_refused_before_calling_aws(file: Path, value: str) -> None:
    told = "TF_VAR_external_ids is set, but not a list of strings; write it as '[\"…\"]'\n"
    assert run("adopt", str(file), TF_VAR_external_ids=value) == (2, "", told)


@pytest.mark.terraform
def test_handoff_uses_your_terraform_configuration_read_only(file: Path, tmp_path: Path) -> None:
    stack, configuration = tmp_path / "out/stacks/network-lake", tmp_path / "own.tfrc"
    (stack / ".terraform").mkdir(parents=True)
    (stack / "terraform.tfstate").write_text('{"version": 4, "serial": 1, "lineage": "a", "outputs": {}}')
    configuration.write_text("")
    terraform = tmp_path / "terraform"
    terraform.write_text(
        f'#!/bin/sh\necho "$TF_CLI_CONFIG_FILE" >> {tmp_path}/used\nexec {find_terraform(os.environ)} "$@"\n'
    )
    terraform.chmod(0o755)
    file.write_text(re.sub(r"^state: .*$", "state: {backend: none}", BASE, flags=re.MULTILINE))
    before = sorted(tmp_path.rglob("*"))
    settings = {"CDKTF_OUTDIR": str(tmp_path / "out"), "TF_CLI_CONFIG_FILE": str(configuration)}
    code, out, err = run("handoff", str(file), "--json", **settings, TERRAFORM_BINARY_NAME=str(terraform))
    assert (code, err) == (0, "")
    assert [one["status"] for one in json.loads(out)["connections"].values()] == ["not deployed", "waiting"]
    assert (tmp_path / "used").read_text() == f"{configuration}\n" * 2
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "used"])


WITHOUT_NETWORK = {
    "check": ["check", "examples/complete.yaml"],
    "synth": ["synth", "examples/complete.yaml", "--out", "{}/cdktf.out"],
    "export": ["export", "--estate", "examples/complete.yaml", "--out", "{}/modules"],
    "permissions": ["permissions", "--estate", "examples/complete.yaml"],
    "schema": ["schema"],
    "completion": ["completion", "bash"],
    "policy diff": ["policy", "diff", "examples/policies/read-lake.json", "examples/policies/read-lake.json"],
    "policy lint": ["policy", "lint", "examples/complete.yaml"],
}
OFFLINE = """
import runpy, sys
from pathlib import Path
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise RuntimeError(event)
    if event == "subprocess.Popen" and Path(arguments[0]).name != "node":
        raise RuntimeError(f"{event} {arguments[0]}")
sys.addaudithook(refuse)
sys.argv = ["main.py", *sys.argv[1:]]
runpy.run_path("main.py", run_name="__main__")
"""
NODE_OFFLINE = """
const refuse = () => { throw new Error("RuntimeError: no network in Node"); };
require("net").Socket.prototype.connect = require("dgram").createSocket = refuse;
for (const dns of [require("dns"), require("dns").promises]) dns.lookup = dns.resolve = refuse;
"""
"""Python and Node are the only programs of these commands, and neither may open a connection."""


def offline(folder: Path, *arguments: str, node: str = "") -> subprocess.CompletedProcess[str]:
    """Run main.py without network. `node` is code that Node runs first."""
    (folder / "offline.cjs").write_text(NODE_OFFLINE + node)
    env = {**os.environ, "NODE_OPTIONS": f"--require {folder}/offline.cjs"}
    command = [sys.executable, "-c", OFFLINE, *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITHOUT_NETWORK)
def test_a_command_without_aws_opens_no_connection(name: str, tmp_path: Path) -> None:
    arguments = [argument.format(tmp_path) for argument in WITHOUT_NETWORK[name]]
    done = offline(tmp_path, *arguments)
    assert (done.returncode in (0, 4), "RuntimeError" in done.stderr) == (True, False), done.stderr


def test_each_command_is_in_the_list_of_network_connections() -> None:
    root: Any = typer.main.get_command(cli)
    commands = {
        f"{name} {below}".strip()
        for name, one in root.commands.items()
        for below in getattr(one, "commands", {"": one})
    }
    section = (ROOT / "docs/security.md").read_text().split("## Network connections\n")[1].split("\n## ")[0]
    offline, online = section.split("\nThe other commands call AWS")
    assert {one for one in commands if f"`{one}`" in offline} == {*WITHOUT_NETWORK, "policy fetch", "handoff"}
    assert {one for one in commands if f"`{one}`" in online} == commands - WITHOUT_NETWORK.keys() - {"policy fetch"} | {
        "policy diff"
    }


@pytest.mark.slow
def test_a_connection_would_be_seen(tmp_path: Path) -> None:
    fetch = offline(tmp_path, "policy", "fetch", "--to", "/dev/null/x", "--url", "https://localhost/")
    assert "socket." in fetch.stderr
    for node in ('require("net").connect(9, "127.0.0.1");', 'require("https").get("https://localhost/");'):
        synth = offline(tmp_path, "synth", "examples/vpc.yaml", "--out", str(tmp_path / "out"), node=node)
        assert (synth.returncode, "no network in Node" in synth.stderr) == (1, True), synth.stderr
    plan = offline(tmp_path, "plan", "--file", "examples/vpc.yaml", "--out", str(tmp_path / "out"))
    assert "subprocess.Popen" in plan.stderr
