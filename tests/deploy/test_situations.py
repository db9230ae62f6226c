"""The examples of common situations, deployed on the local AWS.

test_end_to_end.py deploys the complete example, and test_lives.py every type, including the first peering."""

import os
from pathlib import Path

import pytest

from estate.load import load
from local_aws import LocalAws
from operations.terraform import find_terraform
from tests.support import ROOT, SITUATIONS
from tests.support.as_modules import call_stacks
from tests.support.deployment import SECRETS
from tests.support.synth import synth
from tests.support.terraform import Terraform, cli_environment
from tests.support.world import facts_of


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_is_deployed_and_settles(name: str, tmp_path: Path) -> None:
    """One root calls all stacks, with a provider for each account. A second plan is empty."""
    example = ROOT / f"examples/{name}.yaml"
    estate = load(example)
    with LocalAws() as aws:
        aws.make(facts_of(estate))
        stacks = synth(example, tmp_path / "out", hcl=False)
        call_stacks(tmp_path, {one.replace("-", "_"): folder for one, folder in stacks.items()}, estate, aws)
        environment = cli_environment(tmp_path, {**os.environ, **aws.environment(), **SECRETS})
        terraform = Terraform(find_terraform(environment), environment)
        terraform.init(tmp_path)
        terraform.apply(tmp_path)
        assert not terraform.plan(tmp_path)
