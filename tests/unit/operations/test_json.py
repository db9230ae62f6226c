"""`--output json` of commands without a checklist: the same facts as the text, in the form of the schema."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
from typer.testing import CliRunner

from commands.app import app as cli
from local_aws import LocalAws
from operations.adopt.report import Adoption, Outcome, as_json
from operations.plan import StackPlan
from operations.plan import as_json as plans_as_json
from operations.policy import documents
from tests.support import ROOT
from tests.support.commands import run

SCHEMA = json.loads((ROOT / "docs/report.schema.json").read_text())
ASTRONOMERS = ROOT / "examples/policies/astronomer.json"


def valid(text: str) -> dict[str, Any]:
    values = json.loads(text)
    jsonschema.validate(values, SCHEMA)
    return values


def called(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a command in this process, and return its exit code and its JSON."""
    result = CliRunner().invoke(cli, [*arguments, "--output", "json"])
    assert result.stderr == ""
    values = valid(result.stdout)
    assert values["exit_code"] == result.exit_code
    return result.exit_code, values


EDGE = """\
name: acme
state: {backend: none}
astro: {product: hosted-dedicated, organization: acme}
networks:
  edge: {account_id: "123456789012", region: us-east-1, create: {cidr: 10.30.0.0/20, availability_zones: 2}}
"""
WITHOUT = {"completion", "init", "permissions", "schema", "state create"}
"""Commands without `--output`, because their result has only one format."""
FILES = {"synth": ["json", "hcl"], "export": ["json", "hcl"]}


def test_every_command_with_a_result_prints_it_as_json() -> None:
    found: dict[str, list[str]] = {}
    pending: list[tuple[str, Any]] = [("", typer.main.get_command(cli))]
    while pending:
        path, command = pending.pop()
        if hasattr(command, "commands"):
            pending += [(f"{path} {name}".strip(), one) for name, one in command.commands.items()]
            continue
        choices = [param.type_descriptor.annotation for param in command.params if "--output" in param.opts]
        found[path] = [str(one) for one in choices[0]] if choices else []
    assert {path for path, choices in found.items() if not choices} == WITHOUT
    for path, choices in found.items():
        if choices:
            assert choices[:2] == FILES.get(path, ["text", "json"]), path


def test_adopt_prints_each_address_and_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, out = tmp_path / "astro.yaml", tmp_path / "out"
    file.write_text(EDGE)
    with LocalAws() as aws:
        for key, value in aws.environment("123456789012").items():
            monkeypatch.setenv(key, value)
        code, values = called("adopt", str(file), "--out", str(out))
        assert (code, [one["stack"] for one in values["stacks"]]) == (0, ["network-edge"])
        (stack,) = values["stacks"]
        assert (stack["file"], {one["result"] for one in stack["resources"]}) == (None, {"again", "create"})
        assert "aws_vpc.edge_vpc" in {one["address"] for one in stack["resources"]}


def test_each_result_of_adopt_has_a_word() -> None:
    outcomes = (
        Outcome("aws_route.a", "found", "rtb-1_10.0.0.0/8"),
        Outcome("aws_route.b", "absent"),
        Outcome("aws_vpn_connection.c", "unimportable", detail="its keys are replaced"),
        Outcome("aws_vpc.d", "alike", detail="\x1b[2Jhas another range"),
        Outcome("aws_vpc.e", "several", detail="vpc-1, vpc-2"),
    )
    adoption = Adoption("network-lake", "111111111111", "us-east-1", outcomes, foreign=("rtb-1",))
    text = as_json([adoption], [Path("imports.tf")])
    assert "\x1b" not in text
    values = valid(text)
    assert (values["exit_code"], values["stacks"][0]["file"]) == (4, "imports.tf")
    found = {one["address"]: (one["result"], one["id"], one["detail"]) for one in values["stacks"][0]["resources"]}
    assert found == {
        "aws_route.a": ("import", "rtb-1_10.0.0.0/8", None),
        "aws_route.b": ("create", None, None),
        "aws_vpn_connection.c": ("again", None, "its keys are replaced"),
        "aws_vpc.d": ("conflict", None, "\x1b[2Jhas another range"),
        "aws_vpc.e": ("ambiguous", None, "vpc-1, vpc-2"),
    }


def test_plans_have_their_changes_and_errors() -> None:
    plans = [
        StackPlan("a", (("replace", "aws_vpc.a"), ("update", "aws_vpc.b"))),
        StackPlan("b", refusals=("No.",), failures=("broken",)),
    ]
    values = valid(plans_as_json(plans))
    counts = {"add": 0, "change": 0, "destroy": 0}
    assert (values["exit_code"], values["stacks"]) == (
        1,
        [
            {
                "stack": "a",
                "add": 1,
                "change": 1,
                "destroy": 1,
                "changes": [
                    {"action": "replace", "address": "aws_vpc.a"},
                    {"action": "update", "address": "aws_vpc.b"},
                ],
                "refusals": [],
                "failures": [],
            },
            {**counts, "stack": "b", "changes": [], "refusals": ["No."], "failures": ["broken"]},
        ],
    )


def test_policy_diff_prints_grants(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    for file, action in ((old, "s3:GetObject"), (new, "s3:*")):
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        file.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    grant = {"effect": "Allow", "action": "s3:*", "resource": "*", "condition": ""}
    was = {**grant, "action": "s3:GetObject"}
    code, values = called("policy", "diff", str(old), str(new))
    assert (code, values["changes"]) == (3, [{"kind": "widened", "grant": grant, "was": was}])
    assert called("policy", "diff", str(new), str(new)) == (
        0,
        {"version": 1, "command": "policy diff", "exit_code": 0, "changes": []},
    )


def test_policy_fetch_prints_its_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "astronomer.json"
    served = [ASTRONOMERS.read_bytes()]
    monkeypatch.setattr(documents, "_download", lambda _: served[0])
    fetch = ("policy", "fetch", "--to", str(document))
    assert [called(*fetch)[1]["result"] for _ in range(2)] == ["saved", "unchanged"]
    changed = json.loads(served[0])
    changed["Statement"] = changed["Statement"][:-1]
    served[0] = json.dumps(changed).encode()
    code, values = called(*fetch)
    assert (code, values["result"], values["new_file"]) == (3, "differs", f"{document}.new")
    assert values["changes"]
    assert called(*fetch, "--accept")[1]["result"] == "saved"


def test_policy_lint_prints_policies_and_findings() -> None:
    code, values = called("policy", "lint", "examples/cross_account_role.yaml")
    text_code, text, _ = run("policy", "lint", "examples/cross_account_role.yaml")
    assert text_code == code
    lines = text.splitlines()
    assert [one["policy"] for one in values["policies"]] == [
        line.removesuffix(" (of Astronomer)") for line in lines[: len(values["policies"])]
    ]
    assert len(values["findings"]) == len(lines) - len(values["policies"]) - 1
