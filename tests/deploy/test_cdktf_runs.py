"""main.py as the real `cdktf` runs it, for behaviour that a stub would not show."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.proof


def cdktf(folder: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    """Return exit code and output of a call without standard input, with its output in `folder`."""
    ours = ("NODE_OPTIONS", "JSII_NODE")
    own = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith("TF_VAR_")}
    path = os.pathsep.join((str(Path(sys.executable).parent), own["PATH"]))
    done = subprocess.run(
        [ROOT / "node_modules/.bin/cdktf", *arguments, "--output", folder / "cdktf.out"],
        cwd=ROOT,
        env=own | {"PATH": path, "CHECKPOINT_DISABLE": "1", "FORCE_COLOR": "0", **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_hopeless_deploy_ends_before_terraform_starts(tmp_path: Path) -> None:
    estate = str(ROOT / "examples/cross_account_role.yaml")
    code, said = cdktf(tmp_path, "deploy", "account", ASTRO_ESTATE=estate, TERRAFORM_BINARY_NAME="none")
    assert code == 1
    for reason in (
        "`cdktf deploy` needs an approval that nobody can give here, because ",
        "stack account needs TF_VAR_external_ids, which is not set: export TF_VAR_external_ids='[\"…\"]'",
        "`none` is not on the PATH. ",
    ):
        assert reason in said
    assert "Traceback" not in said
    assert not (tmp_path / "cdktf.out").exists()
