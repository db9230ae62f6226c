"""A synth of every example with other bindings, in JSON and HCL, writes the same bytes as with requirements.lock.

`make test`, `make test-provider6` and `make test-cdktn` install the other bindings into `.work`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.slow

SYNTH = """
import sys
from importlib.util import find_spec
from pathlib import Path
print(*(name for name in ("cdktf", "cdktn") if find_spec(name)))
from modules.bindings.prepare import prepare; prepare()
from cdktf import App
from stacks.app import build
from estate.load import load
for file in sorted(Path("examples").glob("*.yaml")):
    folder = Path(sys.argv[1], file.stem)
    folder.mkdir(parents=True)
    build(App(outdir=str(folder)), load(file)).synth()
"""


def synth(python: Path, out: Path) -> tuple[str, dict[str, bytes]]:
    """Return whether `python` has cdktf or cdktn, and every file of a synth of all examples, by path."""
    for form in ("json", "hcl"):
        # The output format depends on this variable alone, which Node reads only at its start.
        env = os.environ | {"SYNTH_HCL_OUTPUT": str(form == "hcl").lower()}
        command = [python, "-c", SYNTH, out / form]
        result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.strip(), {str(f.relative_to(out)): f.read_bytes() for f in out.rglob("*") if f.is_file()}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    name, files = synth(Path(sys.executable), tmp_path_factory.mktemp("ours"))
    assert name == "cdktf"
    assert files["json/complete/stacks/account/cdk.tf.json"].startswith(b"{")
    assert files["hcl/complete/stacks/account/cdk.tf"].startswith(b"terraform {")
    return files


def other(name: str) -> Path:
    python = ROOT / ".work" / name / "bin/python"
    if not python.exists():
        pytest.skip(f"`make test-{name}` installs these bindings")
    return python


def test_the_bindings_of_provider6_write_the_same_bytes(tmp_path: Path, ours: dict[str, bytes]) -> None:
    assert synth(other("provider6"), tmp_path) == ("cdktf", ours)


def test_cdktn_writes_the_same_bytes_except_for_its_version(tmp_path: Path, ours: dict[str, bytes]) -> None:
    name, theirs = synth(other("cdktn"), tmp_path)
    assert name == "cdktn"
    assert {path: text.replace(b'"version": "0.24.0"', b'"version": "0.21.0"') for path, text in theirs.items()} == {
        # Its JSON has an empty list on one line.
        path: re.sub(rb"\[\n\s*\]", b"[]", text)
        for path, text in ours.items()
    }
