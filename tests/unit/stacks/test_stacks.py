"""The common parts of all stacks, and the Terraform addresses of every example."""

import json
from pathlib import Path
from typing import Any

import cdktf
import pytest
from cdktf_cdktf_provider_aws.eip import Eip
from constructs import Construct

from estate.load import load
from stacks.app import build
from stacks.base import ReadableStack
from tests.support import EXAMPLES, ROOT
from tests.support.estates import BASE, estate_of
from tests.support.synth import synth_all, without_metadata


def test_a_stack_is_one_state_one_account_one_region(tmp_path: Path) -> None:
    more = (
        '  sea: {account_id: "444444444444", region: eu-west-1, vpc_id: vpc-0bbbbbbbbbbbbbbbb, cidrs: [10.40.0.0/16]}\n'
        "connections:\n"
    )
    text = BASE.replace("connections:\n", more).replace("name: acme\n", "name: acme\ntags: {owner: data}\n", 1)
    stacks = synth_all(estate_of(tmp_path, text), tmp_path / "out")
    assert list(stacks) == ["network-lake", "network-sea"]
    assert stacks["network-sea"]["provider"] == {
        "aws": [
            {
                "allowed_account_ids": ["444444444444"],
                "region": "eu-west-1",
                "default_tags": [{"tags": {"owner": "data"}}],
            }
        ]
    }
    assert stacks["network-sea"]["terraform"] == {
        "required_version": ">= 1.10",
        "required_providers": {"aws": {"source": "hashicorp/aws", "version": "~> 5.100"}},
        "backend": {
            "s3": {
                "bucket": "acme-astro-tfstate",
                "key": "acme/network-sea.tfstate",
                "region": "us-east-1",
                "encrypt": True,
                "use_lockfile": True,
            }
        },
    }
    assert stacks["network-lake"]["terraform"]["backend"]["s3"]["key"] == "acme/network-lake.tfstate"


def test_a_secret_is_a_sensitive_variable_without_a_default(tmp_path: Path) -> None:
    variables: dict[str, Any] = {}
    for name in ("cross_account_role", "vpn"):
        for stack in synth_all(load(ROOT / f"examples/{name}.yaml"), tmp_path / name).values():
            variables |= stack.get("variable", {})
    assert {name: (one["sensitive"], "default" in one) for name, one in variables.items()} == {
        "external_ids": (True, False),
        "plant_preshared_keys": (True, False),
    }


def test_an_estate_can_require_another_provider_version(tmp_path: Path) -> None:
    text = BASE.replace("name: acme\n", 'name: acme\nterraform: {aws_provider: "~> 6.0"}\n', 1)
    stacks = synth_all(estate_of(tmp_path, text), tmp_path / "out")
    assert [stack["terraform"]["required_providers"] for stack in stacks.values()] == [
        {"aws": {"source": "hashicorp/aws", "version": "~> 6.0"}}
    ]


def test_a_deployer_is_assumed_in_each_account(tmp_path: Path) -> None:
    text = BASE.replace("name: acme\n", "name: acme\ndeployer: {role: terraform}\n", 1)
    provider = synth_all(estate_of(tmp_path, text), tmp_path / "out")["network-lake"]["provider"]["aws"][0]
    assert provider["assume_role"] == [{"role_arn": "arn:aws:iam::111111111111:role/terraform"}]


IN_USE = ("aws_customer_gateway", "aws_lb_target_group", "aws_security_group")
"""Types that other resources refer to by ID. AWS deletes them only after the references have changed."""


def test_a_used_resource_is_replaced_before_it_is_destroyed(tmp_path: Path) -> None:
    found = {
        (type_, resource.get("lifecycle", {}).get("create_before_destroy"))
        for example in EXAMPLES
        for stack in synth_all(load(example), tmp_path / example.stem).values()
        for type_ in IN_USE
        for resource in stack.get("resource", {}).get(type_, {}).values()
    }
    assert found == {(type_, True) for type_ in IN_USE}


S3 = "{backend: s3, bucket: acme-astro-tfstate, region: us-east-1}"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (
            "{backend: s3, bucket: states, region: eu-west-1, kms_key: alias/states, key_prefix: astro/prod}",
            {
                "backend": {
                    "s3": {
                        "bucket": "states",
                        "key": "astro/prod/network-lake.tfstate",
                        "region": "eu-west-1",
                        "encrypt": True,
                        "kms_key_id": "alias/states",
                        "use_lockfile": True,
                    }
                }
            },
        ),
        (
            "{backend: cloud, organization: acme, project: astro}",
            {
                "cloud": {
                    "organization": "acme",
                    "workspaces": {"name": "acme-network-lake", "project": "astro"},
                }
            },
        ),
        (
            "{backend: cloud, organization: acme, workspace_prefix: astro-}",
            {"cloud": {"organization": "acme", "workspaces": {"name": "astro-network-lake"}}},
        ),
        ("{backend: none}", {}),
        ("{backend: none, partial: s3}", {"backend": {"s3": {}}}),
    ],
)
def test_the_backend_is_that_of_the_file(tmp_path: Path, state: str, expected: dict[str, Any]) -> None:
    stacks = synth_all(estate_of(tmp_path, BASE.replace(S3, state)), tmp_path / "out")
    terraform = stacks["network-lake"]["terraform"]
    assert {key: terraform[key] for key in terraform if key in ("backend", "cloud")} == expected


@pytest.mark.parametrize("name", ["handoff", "handoff-output", "deployed", "aws-provider", "terraform", "default"])
def test_an_entry_can_have_the_name_of_a_construct(name: str, tmp_path: Path) -> None:
    (stack,) = synth_all(estate_of(tmp_path, BASE.replace("  lake-prod:", f"  {name}:")), tmp_path / "out").values()
    assert list(stack["output"]) == ["deployed", "handoff"]
    assert name in stack["output"]["deployed"]["value"]["digests"]
    assert name in stack["output"]["handoff"]["value"]


def test_two_paths_never_share_an_address(tmp_path: Path) -> None:
    stack = ReadableStack(cdktf.Testing.app(outdir=str(tmp_path)), "stack")
    Eip(Construct(stack, "a"), "b")
    Eip(stack, "a_b")
    with pytest.raises(Exception, match=r"stack/a_b and stack/a/b|stack/a/b and stack/a_b"):
        cdktf.Testing.synth(stack)


REPLACED_BY_DESCRIPTION = ("aws_iam_policy", "aws_security_group")
"""Types whose description AWS cannot change, so that Terraform replaces the resource if one word changes."""


def addresses(stacks: dict[str, Any]) -> list[str]:
    """Return `stack: address` for everything that has an address, and the descriptions that cannot change."""
    found: list[str] = []
    for name, stack in stacks.items():
        for kind in REPLACED_BY_DESCRIPTION:
            found += [
                f"{name}: {kind}.{key}.description: {block['description']}"
                for key, block in stack.get("resource", {}).get(kind, {}).items()
            ]
        for section, prefix in (("resource", ""), ("data", "data.")):
            found += [f"{name}: {prefix}{kind}.{key}" for kind, each in stack.get(section, {}).items() for key in each]
        found += [f"{name}: var.{key}" for key in stack.get("variable", {})]
        found += [f"{name}: output.{key}" for key in stack.get("output", {})]
    return sorted(found)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_addresses_of_an_example_change_only_on_purpose(
    file: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """A change here moves or replaces users' resources; `pytest --golden` accepts it."""
    golden = ROOT / "tests/data/golden" / f"{file.stem}.txt"
    found = "".join(line + "\n" for line in addresses(synth_all(load(file), tmp_path)))
    if pytestconfig.getoption("golden"):
        golden.write_text(found)
    assert found == golden.read_text()


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_output_of_an_example_holds_no_path_of_this_machine(file: Path, tmp_path: Path) -> None:
    text = json.dumps(synth_all(load(file), tmp_path))
    assert str(ROOT) not in text
    assert str(tmp_path) not in text


def test_a_stack_synthesized_by_testing_is_the_same(tmp_path: Path) -> None:
    estate = estate_of(tmp_path, BASE)
    app = build(cdktf.Testing.app(outdir=str(tmp_path)), estate)
    stack = next(child for child in app.node.children if isinstance(child, cdktf.TerraformStack))
    by_testing = without_metadata(json.loads(cdktf.Testing.synth(stack, True)))
    by_app = without_metadata(synth_all(estate, tmp_path / "out")["network-lake"])
    # Digests are added to files only.
    digests, pending = (one["output"]["deployed"]["value"].pop("digests") for one in (by_app, by_testing))
    assert pending == {entry: f"<digest of {entry}>" for entry in digests}
    assert by_testing == by_app
