"""Guards against dangerous applies, with the real provider on the local AWS."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_aws import LocalAws
from operations.terraform import TerraformFailed, find_terraform
from tests.support import ROOT
from tests.support.deployment import SECRETS
from tests.support.estates import estate_of
from tests.support.synth import synth, synth_all
from tests.support.terraform import Terraform, cli_environment

PEERING = ROOT / "examples/vpc_peering.yaml"
ROLE = ROOT / "examples/cross_account_role.yaml"


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


def failure(aws: LocalAws, folder: Path, account: str, **environment: str) -> str:
    """Return Terraform's error when it refuses to apply the stack in `folder` with the credentials of `account`."""
    environ = cli_environment(folder, {**os.environ, **aws.environment(account), **SECRETS, **environment})
    terraform = Terraform(find_terraform(environ), environ)
    terraform.init(folder)
    with pytest.raises(TerraformFailed) as refused:
        terraform.apply(folder)
    return " ".join(str(refused.value).split())


def test_a_stack_is_not_applied_in_another_account(aws: LocalAws, tmp_path: Path) -> None:
    said = failure(aws, synth(PEERING, tmp_path, hcl=False)["network-lake"], "999999999999")
    assert "AWS account ID not allowed: 999999999999" in said


@pytest.mark.parametrize("external_ids", ['["x"]', "[]", '["schlüssel-1"]', '["good-id", "with space"]', "[null]"])
def test_an_invalid_external_id_stops_the_plan_and_is_not_shown(
    aws: LocalAws, tmp_path: Path, external_ids: str
) -> None:
    folder = synth(ROLE, tmp_path, hcl=False)["account"]
    said = failure(aws, folder, "222222222222", TF_VAR_external_ids=external_ids)
    assert "Invalid value for variable" in said
    for part in ("schlüssel-1", "with space", "good-id"):
        assert part not in said
    assert aws.client("iam", "222222222222").list_roles()["Roles"] == []


@pytest.fixture
def apply(tmp_path: Path) -> Callable[[str, str], None]:
    """Return a function that applies the guards of a stack, which need no AWS."""
    environ = cli_environment(tmp_path, dict(os.environ))
    terraform = Terraform(find_terraform(environ), environ)
    shutil.copytree(ROOT / "examples/policies", tmp_path / "policies")
    folder = tmp_path / "guard"
    folder.mkdir()

    def apply(estate: str, stack: str) -> None:
        memory = synth_all(estate_of(tmp_path, estate), tmp_path / "out")[stack]["resource"]["terraform_data"]
        (folder / "main.tf.json").write_text(json.dumps({"resource": {"terraform_data": memory}}))
        terraform.init(folder)
        terraform.apply(folder)

    return apply


@pytest.mark.parametrize(
    ("example", "stack", "path", "account", "region"),
    [
        ("vpc", "network-edge", "networks.edge", "111111111111", "us-east-1"),
        ("policy_alarm", "account", "account", "222222222222", "us-east-1"),
    ],
)
def test_no_plan_leaves_behind_what_another_place_has(
    apply: Callable[[str, str], None], example: str, stack: str, path: str, account: str, region: str
) -> None:
    text = (ROOT / f"examples/{example}.yaml").read_text()
    apply(text, stack)
    for there, elsewhere in ((account, "999999999999"), (region, "us-east-2")):
        assert there in text
        with pytest.raises(TerraformFailed) as refused:
            apply(text.replace(there, elsewhere), stack)
        said = " ".join(refused.value.stderr.replace("│", " ").split())
        assert f"{path}: this stack was deployed in account {account}, {region}, but the file now has" in said
    apply(text, stack)


def test_no_plan_replaces_a_created_vpc_or_its_subnets(apply: Callable[[str, str], None]) -> None:
    place = '  edge: {account_id: "111111111111", region: us-east-1, create: '
    text = (
        "name: acme\nstate: {backend: none}\nastro: {product: hosted-dedicated, organization: acme}\nnetworks:\n"
        f"{place}{{cidr: 10.30.0.0/20, availability_zones: 2, zones: {{b: us-east-1d}}}}}}\n"
    )

    def refusal(old: str, new: str) -> str:
        assert old in text
        with pytest.raises(TerraformFailed) as refused:
            apply(text.replace(old, new), "network-edge")
        return " ".join(refused.value.stderr.replace("│", " ").split())

    apply(text, "network-edge")
    said = refusal("10.30.0.0/20", "10.31.0.0/20")
    assert "networks.edge.create.cidr: the VPC was created with 10.30.0.0/20, but the file now has 10.31.0.0/20" in said
    three = text.replace("zones: 2, zones: {b: us-east-1d", "zones: 3, zones: {b: us-east-1d, c: us-east-1b")
    apply(three, "network-edge")
    text = three
    for old, new, path, values in (
        ("b: us-east-1d, c: us-east-1b", "c: us-east-1d", "zones.b", "us-east-1d, but the file now has us-east-1b"),
        ("c: us-east-1b", "c: us-east-1c", "zones.c", "us-east-1b, but the file now has us-east-1c"),
    ):
        assert f"networks.edge.create.{path}: the VPC was created with {values}" in refusal(old, new)
    # A letter that is added again has no memory.
    apply(text.replace("zones: 3", "zones: 2"), "network-edge")
    apply(text.replace("c: us-east-1b", "c: us-east-1c"), "network-edge")


def test_removing_its_section_does_not_destroy_an_alarm(apply: Callable[[str, str], None]) -> None:
    text = (ROOT / "examples/policy_alarm.yaml").read_text()
    without = text[: text.index("  policy_alarm:")]
    reason = "  policy_alarm_removal_reason: The account is closed\n"
    apply(without, "account")  # Nothing was deployed yet.
    apply(text, "account")
    with pytest.raises(TerraformFailed, match=r"account\.policy_alarm: is not in the file"):
        apply(without, "account")
    apply(text, "account")
    apply(without + reason, "account")
    apply(without, "account")
