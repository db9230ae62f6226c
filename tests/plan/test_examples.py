"""Every example, by the real AWS provider: valid, one plan from JSON and from HCL, and the HCL formatted."""

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
from tests.support.as_modules import account_of, call_modules, export, made_by
from tests.support.deployment import SECRETS
from tests.support.synth import synth
from tests.support.terraform import Terraform, cli_environment
from tests.support.world import facts_of
from tools.evidence import record


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    """A world of its own for each example: they use the same IDs for different things."""
    with LocalAws() as aws:
        yield aws


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_is_valid_and_plans_the_same_from_json_from_hcl_and_as_modules(
    example: Path, tmp_path: Path, aws: LocalAws
) -> None:
    estate = load(example)
    aws.make(facts_of(estate))

    def plan(folder: Path, account: str | None = None) -> dict[str, Any]:
        environment = cli_environment(folder, {**os.environ, **aws.environment(account), **SECRETS})
        terraform = Terraform(find_terraform(environment), environment)
        terraform.init(folder)
        planned = terraform.plan_json(folder)
        assert planned["warnings"] == []
        assert {change["change"]["actions"][0] for change in planned["resource_changes"]} <= {"create", "read", "no-op"}
        compared = ("variables", "planned_values", "resource_changes", "output_changes", "checks")
        return {key: planned.get(key) for key in compared}

    from_json = synth(example, tmp_path / "json", hcl=False)
    from_hcl = synth(example, tmp_path / "hcl", hcl=True)
    assert list(from_json) == list(from_hcl)
    assert Terraform(find_terraform(os.environ), os.environ).fmt_check(tmp_path / "hcl") == []
    modules = export(example, tmp_path / "modules")
    call_modules(tmp_path / "modules", modules, estate, aws)
    folders = [*from_json.values(), *from_hcl.values()]
    with ThreadPoolExecutor(max_workers=2) as pool:
        root = pool.submit(plan, tmp_path / "modules")
        plans = list(pool.map(plan, folders, [account_of(estate, folder.name) for folder in folders]))
    stacks = dict(zip(from_json, plans, strict=False))
    for name, theirs in zip(from_hcl, plans[len(from_json) :], strict=True):
        assert stacks[name] == theirs, name
    for name, module in modules.items():
        assert made_by(root.result(), f"module.{name}") == made_by(stacks[module.name]), name
    planned = sum(len(made_by(stack)) for stack in stacks.values())
    row = "examples planned, the same from JSON, from HCL and as modules"
    record(row, f"1 examples, {len(stacks)} stacks, {planned} resources")
    shutil.rmtree(tmp_path)
