"""Every example, by the real AWS provider: valid, one plan from JSON and from HCL, and the HCL formatted."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from estate.load import load
from operations.terraform import find_terraform
from tests.as_modules import account_of, call_modules, export, made_by
from tests.deployment import SECRETS
from tests.evidence import record
from tests.local_aws import LocalAws
from tests.terraform import Terraform, cli_environment
from tests.world import facts_of

pytestmark = pytest.mark.terraform

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    """A world of its own for each example: they use the same IDs for different things."""
    with LocalAws() as aws:
        yield aws


def synth(example: Path, out: Path, *, hcl: bool) -> dict[str, Path]:
    """The stacks of an example as Terraform folders with local state, by name."""
    env = os.environ | {"ASTRO_ESTATE": str(example), "CDKTF_OUTDIR": str(out)}
    if hcl:
        env["SYNTH_HCL_OUTPUT"] = "true"
    subprocess.run([sys.executable, "main.py"], cwd=ROOT, env=env, check=True)
    folders = {folder.name: folder for folder in sorted((out / "stacks").iterdir())}
    for folder in folders.values():
        # Terraform's own way to replace what a configuration says: here, where the state is kept.
        (folder / "state_override.tf.json").write_text('{"terraform": {"backend": {"local": {}}}}')
    return folders


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
