"""`cdktf` is the installed package or CDK Terrain; tested on stub packages of the same layout."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a folder of packages with CDK Terrain and its bindings only."""
    for package in ("cdktn", "cdktn_provider_aws", "cdktn_provider_aws/vpc"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("print('loaded', __name__)\nclass Vpc: pass\n")
    return tmp_path


def run(site: Path, code: str) -> list[str]:
    """Return the output of a Python with no other packages than those in `site`."""
    # -S excludes the packages of the current interpreter.
    command = [sys.executable, "-S", "-c", f"import sys; sys.path += {[str(ROOT), str(site)]}; {code}"]
    return subprocess.run(command, cwd=site, capture_output=True, text=True, check=True).stdout.splitlines()


def test_cdktf_is_an_alias_if_only_cdk_terrain_is_installed(site: Path) -> None:
    code = (
        "import modules, cdktf, cdktn, cdktn_provider_aws.vpc\n"
        "from cdktf_cdktf_provider_aws.vpc import Vpc\n"
        "import cdktf_cdktf_provider_aws as aws\n"
        "print(cdktf is cdktn, Vpc is cdktn_provider_aws.vpc.Vpc, aws.vpc.Vpc is Vpc)\n"
    )
    assert run(site, code) == [
        "loaded cdktn",
        "loaded cdktn_provider_aws",
        "loaded cdktn_provider_aws.vpc",
        "True True True",
    ]


def test_with_both_installed_cdktf_is_used(site: Path) -> None:
    (site / "cdktf.py").write_text("print('loaded', __name__)\n")
    assert run(site, "import modules, cdktf") == ["loaded cdktf"]


def test_with_neither_installed_cdktf_is_missing(tmp_path: Path) -> None:
    code = "import modules\ntry: import cdktf\nexcept ModuleNotFoundError as error: print(error.name)"
    assert run(tmp_path, code) == ["cdktf"]
