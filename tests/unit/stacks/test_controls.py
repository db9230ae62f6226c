"""`controls` apply to every resource of their type, in every example."""

import re
from pathlib import Path
from typing import Any

import pytest

from estate.load import load
from modules.astronomer import ROLE
from modules.private_link.props import VENDORS
from modules.vpc.props import FLOW_LOGS_PATH
from tests.support import EXAMPLES, ROOT
from tests.support.estates import estate_of
from tests.support.synth import synth_all

CONTROLS = """
controls:
  permissions_boundary: bank/boundary
  role_path: /astro/
  kms_key: alias/bank
  endpoint_principal_accounts: ["111111111111"]
  endpoint_resource_accounts: ["111111111111", "333333333333"]
"""
KINDS = {"aws_iam_role", "aws_cloudwatch_log_group", "aws_vpc_endpoint"}


def resources(stacks: dict[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {
        (stack, type_, name): resource
        for stack, tree in stacks.items()
        for type_ in KINDS
        for name, resource in tree.get("resource", {}).get(type_, {}).items()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policies").symlink_to(ROOT / "examples/policies")
    return tmp_path


def synthesized(folder: Path, file: Path, more: str) -> dict[str, Any]:
    return synth_all(estate_of(folder, file.read_text() + more), folder / "out")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_every_resource_of_an_example_has_the_controls(example: Path, folder: Path) -> None:
    controlled = synthesized(folder, example, CONTROLS)
    plain = synth_all(load(example), folder / "plain")
    assert resources(controlled).keys() == resources(plain).keys()
    for (stack, type_, name), resource in resources(controlled).items():
        before = resources(plain)[stack, type_, name]
        match type_:
            case "aws_iam_role":
                boundary = resource["permissions_boundary"]
                assert boundary == before.get("permissions_boundary", boundary)
                assert boundary.endswith(":policy/bank/boundary") or "permissions_boundary" in before
                given = before.get("path", FLOW_LOGS_PATH)
                expected = "/astro/" if given == FLOW_LOGS_PATH else given
                assert resource.get("path") == (None if resource["name"] == ROLE else expected)
            case "aws_cloudwatch_log_group":
                key = "${data.aws_kms_alias.log_key.target_key_arn}"
                assert resource["kms_key_id"] == before.get("kms_key_id", key)
            case _ if VENDORS.fullmatch(resource["service_name"]):
                assert "policy" not in resource
            case _:
                policy = "${data.aws_iam_policy_document.endpoint_policy.json}"
                assert resource["policy"] == before.get("policy", policy)
                [statement] = controlled[stack]["data"]["aws_iam_policy_document"]["endpoint_policy"]["statement"]
                assert {one["variable"]: one["values"] for one in statement["condition"]} == {
                    "aws:PrincipalAccount": ["111111111111"],
                    "aws:ResourceAccount": ["111111111111", "333333333333"],
                }


def test_a_policy_that_is_removed_is_refused_with_its_remedy(folder: Path) -> None:
    """The provider keeps a policy that is missing in the file."""
    lake = synthesized(folder, ROOT / "examples/private_link.yaml", "")["network-lake"]["resource"]["aws_vpc_endpoint"]
    limited, open_ = lake["lake-endpoints_endpoint_secrets"], lake["lake-endpoints_endpoint_registry"]
    # Both also need the DNS settings of the VPC.
    assert ("policy" in limited, list(limited["lifecycle"])) == (True, ["precondition"])
    assert ("policy" in open_, list(open_["lifecycle"])) == (False, ["postcondition", "precondition"])
    [condition] = open_["lifecycle"]["postcondition"]
    assert condition["error_message"] == (
        "${self.id} still has a policy that the file no longer has, and Terraform cannot remove it. Reset it with `aws "
        "ec2 modify-vpc-endpoint --vpc-endpoint-id ${self.id} --reset-policy`, and deploy again."
    )


def test_the_examples_have_resources_of_every_kind(tmp_path: Path) -> None:
    complete = synth_all(load(ROOT / "examples/complete.yaml"), tmp_path)
    assert {type_ for _, type_, _ in resources(complete)} == KINDS


def test_your_boundary_is_not_left_to_astronomer(folder: Path) -> None:
    example = (ROOT / "examples/cross_account_role.yaml").read_text()
    text = re.sub(r"    policy_mode: .*\n", "", example).replace(
        "policy_file:", "policy_mode: vendor-managed\n    policy_file:"
    )
    for more, ignored in (("", ["permissions_boundary"]), (CONTROLS, None)):
        stacks = synth_all(estate_of(folder, text + more), folder / f"out{len(more)}")
        role = stacks["account"]["resource"]["aws_iam_role"]["cross-account-role_role"]
        assert role["lifecycle"].get("ignore_changes") == ignored


def test_sessions_of_a_deployer_have_a_name_and_an_end(folder: Path) -> None:
    more = "\ndeployer: {role: terraform, session_name: astro, duration_minutes: 60}\n"
    [provider] = synthesized(folder, ROOT / "examples/vpc_peering.yaml", more)["network-lake"]["provider"]["aws"]
    role = "arn:aws:iam::111111111111:role/terraform"
    assert provider["assume_role"] == [{"role_arn": role, "session_name": "astro", "duration": "60m"}]
