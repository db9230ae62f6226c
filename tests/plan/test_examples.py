"""Every example with the real AWS provider: valid, the same plan from JSON and HCL, and formatted HCL."""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from estate.load import load
from local_aws import LocalAws
from operations.terraform import find_terraform
from tests.support import EXAMPLES
from tests.support.as_modules import account_of, call_modules, call_stacks, export, made_by
from tests.support.deployment import SECRETS
from tests.support.rego import MUTATIONS, judge, mutants
from tests.support.synth import synth
from tests.support.terraform import Terraform, cli_environment
from tests.support.world import facts_of
from tools.evidence import record


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    """Yield a separate local AWS for each example, because examples use the same IDs for different objects."""
    with LocalAws() as aws:
        yield aws


def test_the_rules_warn_of_an_account_without_alarm() -> None:
    role = {"name": "astronomer-remote-management", "assume_role_policy": '{"Statement": []}'}
    address = "aws_iam_role.cross-account-role_role"
    change = {"address": address, "mode": "managed", "type": "aws_iam_role", "change": {"after": role}}
    examples = {file.stem: file for file in EXAMPLES}
    found = {
        (stem, kind): judge(examples[stem], {"resource_changes": [change]}, kind)
        for stem in ("cross_account_role", "policy_alarm")
        for kind in ("deny", "warn")
    }
    assert found == {
        ("cross_account_role", "deny"): [],
        ("cross_account_role", "warn"): [f"{address}: has no alarm on changes; add account.policy_alarm"],
        ("policy_alarm", "deny"): [f"{address}: has no alarm on changes in this plan"],
        ("policy_alarm", "warn"): [],
    }


def planned_of(planned: dict[str, Any], name: str) -> str:
    """Return the plan of the module `name`, without that name."""
    address = f"module.{name}"
    changes = [one for one in planned["resource_changes"] if one.get("module_address") == address]
    modules = planned["planned_values"]["root_module"].get("child_modules", ())
    values = [one for one in modules if one["address"] == address]
    checks = [one for one in planned.get("checks", ()) if one["address"].get("module") == address]
    # The declarations: a plan contains the values of a root's variables only.
    called = planned["configuration"]["root_module"]["module_calls"][name]
    declared = [called["module"].get("variables"), sorted(called["module"]["outputs"])]
    outputs = [planned["output_changes"][name], planned["planned_values"]["outputs"][name]]
    told = json.dumps([changes, values, checks, declared, outputs], sort_keys=True, indent=1)
    return told.replace(address, "module.it")


def only(planned: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return the resources and checks of the modules whose address begins with `prefix`."""
    resources = [one for one in planned["resource_changes"] if one.get("module_address", "").startswith(prefix)]
    return {"resource_changes": resources, "checks": planned.get("checks", [])}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_plans_the_same_from_json_hcl_and_modules(example: Path, tmp_path: Path, aws: LocalAws) -> None:
    estate = load(example)
    aws.make(facts_of(estate))
    with ThreadPoolExecutor() as pool:
        hcl = pool.submit(synth, example, tmp_path / "hcl", hcl=True)
        from_json, modules = synth(example, tmp_path / "json", hcl=False), export(example, tmp_path / "modules")
        from_hcl = hcl.result()
    assert list(from_json) == list(from_hcl)
    assert Terraform(find_terraform(os.environ), os.environ).fmt_check(tmp_path / "hcl") == []

    def plan(folder: Path, account: str | None = None) -> dict[str, Any]:
        environment = cli_environment(folder, {**os.environ, **aws.environment(account), **SECRETS})
        terraform = Terraform(find_terraform(environment), environment)
        terraform.init(folder)
        planned = terraform.plan_json(folder)
        assert planned["warnings"] == []
        assert {change["change"]["actions"][0] for change in planned["resource_changes"]} <= {"create", "read", "no-op"}
        return planned

    # Terraform supports import blocks only in a root.
    roots = {name for name, folder in from_json.items() if "import" in json.loads((folder / "cdk.tf.json").read_text())}
    stacks = {f"stack_json_{name}": folder for name, folder in from_json.items() if name not in roots}
    stacks |= {f"stack_hcl_{name}": folder for name, folder in from_hcl.items() if name not in roots}
    call_stacks(tmp_path, stacks, estate, aws)
    call_modules(tmp_path, modules, estate, aws)
    planned = plan(tmp_path)
    resources = 0
    judged = [only(planned, "module.stack_json_")]
    for name in from_json:
        if name in roots:
            by_json, by_hcl = (plan(one[name], account_of(estate, name)) for one in (from_json, from_hcl))
            parts = ("variables", "planned_values", "resource_changes", "output_changes", "checks")
            assert {part: by_json.get(part) for part in parts} == {part: by_hcl.get(part) for part in parts}, name
            made = made_by(by_json)
            judged.append(by_json)
        else:
            assert planned_of(planned, f"stack_json_{name}") == planned_of(planned, f"stack_hcl_{name}"), name
            made = made_by(planned, f"module.stack_json_{name}")
        resources += len(made)
        for syntax in ("json", "hcl"):
            assert made_by(planned, f"module.{syntax}_{name}") == made, name
    row = "examples planned, the same from JSON, from HCL and as modules"
    record(row, f"1 examples, {len(from_json)} stacks, {resources} resources")
    assert [message for one in judged for message in judge(example, one)] == []
    broken: set[str] = set()
    for rule, address, mutant in (mutant for one in judged for mutant in mutants(one)):
        denied = judge(example, mutant)
        assert denied, (rule, address)
        assert [message for message in denied if not message.startswith(f"{address}: ")] == [], rule
        broken.add(rule)
    assert example.stem != "complete" or broken == {rule for rule, _, _ in MUTATIONS}
    shutil.rmtree(tmp_path)
