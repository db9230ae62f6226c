import json
from pathlib import Path

import pytest
from cdktf import Testing
from pydantic import ValidationError

from estate.load import EstateError, load
from modules.astronomer import REGIONS
from modules.aws import OPT_IN
from modules.opt_in_region.construct import OptInRegion, RegionPermissions
from modules.opt_in_region.props import OptInRegionProps
from tests.support import ROOT
from tests.support.synth import NewStack, parsed, synth_all

EXAMPLE = ROOT / "examples/opt_in_region.yaml"
PROPS = OptInRegionProps(regions=("me-south-1", "af-south-1"))


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    text = EXAMPLE.read_text()
    for old, new in (("policies/astronomer.json", str(EXAMPLE.parent / "policies/astronomer.json")), *changes):
        assert old in text
        text = text.replace(old, new)
    (folder / "astro.yaml").write_text(text)
    return folder / "astro.yaml"


def test_regions_are_enabled_and_accept_global_tokens(new_stack: NewStack) -> None:
    stack = new_stack()
    OptInRegion(stack, "opt", PROPS)
    tf = parsed(Testing.synth(stack, True))
    assert tf["resource"] == {
        "aws_iam_security_token_service_preferences": {"opt_tokens": {"global_endpoint_token_version": "v2Token"}},
        "aws_account_region": {
            f"opt_{region}": {
                "region_name": region,
                "enabled": True,
                "timeouts": {"create": "6h", "update": "6h"},
            }
            for region in ("me-south-1", "af-south-1")
        },
    }


def test_astronomers_role_may_switch_these_regions_and_no_others(new_stack: NewStack) -> None:
    account, role = "arn:aws:account::222222222222:account", "astronomer-remote-management"
    stack = new_stack()
    RegionPermissions(stack, "opt", PROPS, account_id="222222222222", role_name=role)
    tf = parsed(Testing.synth(stack, True))
    assert tf["data"]["aws_iam_policy_document"]["opt_document"] == {
        "statement": [
            {
                "actions": ["account:DisableRegion", "account:EnableRegion"],
                "resources": [account],
                "condition": [
                    {
                        "test": "StringEquals",
                        "variable": "account:TargetRegion",
                        "values": ["me-south-1", "af-south-1"],
                    }
                ],
            },
            {"actions": ["account:GetRegionOptStatus", "account:ListRegions"], "resources": [account]},
        ]
    }
    assert tf["resource"] == {
        "aws_iam_policy": {
            "opt_policy": {
                "name": "AstronomerOptInRegions",
                "description": "Regions that Astronomer may enable and disable",
                "policy": "${data.aws_iam_policy_document.opt_document.json}",
            }
        },
        "aws_iam_role_policy_attachment": {
            "opt_attachment": {
                "role": role,
                "policy_arn": "${aws_iam_policy.opt_policy.arn}",
            }
        },
    }


def test_they_come_first_from_a_region_that_every_account_has(tmp_path: Path) -> None:
    existing = {"sea": ("222222222222", "me-south-1"), "lake": ("222222222222", "us-east-1")}
    existing["else"] = ("111111111111", "me-south-1")
    networks = "".join(
        f'  {name}: {{account_id: "{account}", region: {region}, vpc_id: vpc-{number:08}, cidrs: [10.0.0.0/16]}}\n'
        for number, (name, (account, region)) in enumerate(existing.items())
    )
    at_home = ("  region: us-east-1\n  cross", "  region: me-south-1\n  cross")
    strict = ("policy_file:", "policy_mode: strict, policy_file:")
    file = written(tmp_path, ("  opt_in_region:", "  service_quotas: {}\n  opt_in_region:"), at_home, strict)
    file.write_text(file.read_text() + "networks:\n" + networks)
    stacks = synth_all(load(file), tmp_path / "out")
    assert stacks["regions"]["provider"]["aws"] == [{"allowed_account_ids": ["222222222222"], "region": "us-east-1"}]
    attachments = stacks["account"]["resource"]["aws_iam_role_policy_attachment"]
    assert attachments["opt-in-region_attachment"]["role"] == "${aws_iam_role.cross-account-role_role.name}"
    (only,) = stacks["account"]["resource"]["aws_iam_role_policy_attachments_exclusive"].values()
    assert only["policy_arns"] == [
        "${aws_iam_role_policy_attachment.cross-account-role_attachment.policy_arn}",
        "${aws_iam_role_policy_attachment.opt-in-region_attachment.policy_arn}",
    ]
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())["stacks"]
    assert {name: stack["dependencies"] for name, stack in manifest.items()} == {
        "account": ["regions"],
        "quotas-me-south-1": ["regions"],
        "regions": [],
        "network-sea": ["regions"],
        "network-lake": [],
        "network-else": [],
    }


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("gulf: {region: me-south-1}", "gulf: {region: ap-east-1}", "clusters.gulf.region"),
        (
            "gulf: {region: me-south-1}",
            "gulf: {region: me-south-1, dr: {region: ap-east-1, cidr: 172.21.0.0/20}}",
            "clusters.gulf.dr.region",
        ),
        ("  region: us-east-1\n", "  region: ap-east-1\n", "account.region"),
    ],
)
def test_a_disabled_region_is_reported_at_its_line(tmp_path: Path, old: str, new: str, field: str) -> None:
    with pytest.raises(EstateError) as caught:
        load(written(tmp_path, (old, new)))
    (problem,) = caught.value.problems
    assert ".".join(map(str, problem.path)) == field
    assert problem.message == (
        "'ap-east-1' is an opt-in region, disabled by default; enable it with "
        "account.opt_in_region: {regions: [me-south-1, ap-east-1]}"
    )


def test_the_section_is_optional_but_not_for_such_a_region(tmp_path: Path) -> None:
    section = ("  opt_in_region: {regions: [me-south-1]}\n", "")
    with pytest.raises(EstateError, match=r"enable it with account.opt_in_region: \{regions: \[me-south-1\]\}"):
        load(written(tmp_path, section))
    assert load(written(tmp_path, section, ("me-south-1", "us-east-1")))
    elsewhere = ("gulf: {region: me-south-1}", "gulf: {region: me-south-1, product: hosted-dedicated}")
    assert load(written(tmp_path, section, elsewhere, ("account:\n", "  eu: {region: eu-west-1}\naccount:\n")))


def test_a_role_that_is_full_has_no_room_for_the_policy(tmp_path: Path) -> None:
    statement = {"Effect": "Allow", "Action": "s3:" + "x" * 5800, "Resource": "*"}
    (tmp_path / "full.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement] * 10}))
    with pytest.raises(EstateError, match=r"account\.opt_in_region\.regions: .*already has the maximum of 10"):
        load(written(tmp_path, (str(EXAMPLE.parent / "policies/astronomer.json"), "full.json")))


def test_hybrid_regions_that_are_off_can_be_enabled() -> None:
    assert set(OPT_IN) & set(REGIONS["hybrid"]) == {"af-south-1", "ap-east-1", "eu-south-1", "me-south-1"}


def test_a_region_that_astronomer_may_have_added_can_be_enabled(tmp_path: Path) -> None:
    with pytest.raises(EstateError, match=r"'ap-southeast-3' is an opt-in region, disabled by default"):
        load(written(tmp_path, ("gulf: {region: me-south-1}", "gulf: {region: ap-southeast-3}")))
    assert load(written(tmp_path, ("me-south-1", "ap-southeast-3")))


@pytest.mark.parametrize(
    ("regions", "hint"),
    [
        ((), "at least 1 item"),
        (("us-east-1",), "is not an AWS opt-in region; allowed: af-south-1, ap-east-1, "),
        (("me-south-1", "me-south-1"), "has me-south-1 twice"),
    ],
)
def test_rejects_invalid_values(regions: tuple[str, ...], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        OptInRegionProps.model_validate({"regions": regions})
