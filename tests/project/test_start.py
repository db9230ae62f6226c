"""main.py starts in any environment with the packages, and prints one sentence in any other."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from operations.start import PACKAGES
from tests.support import ROOT
from tests.support.yours import yours

# These are not part of a fresh clone.
MADE = shutil.ignore_patterns(
    ".git", ".venv", ".work", "node_modules", "cdktf.out", "dist", "tests", "*cache*", "*.egg-info", "astro.yaml"
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a copy of the repository without installed packages."""
    return copy_to(tmp_path / "clone")


def copy_to(folder: Path) -> Path:
    shutil.copytree(ROOT, folder, ignore=MADE)
    (folder / "astro.yaml").write_text(yours((folder / "examples/vpc_peering.yaml").read_text()))
    return folder


def environment(folder: Path, *, packages: bool = False) -> Path:
    """Create a virtual environment, without packages or with the test packages; return its `bin`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    if packages:
        (site,) = folder.glob("lib/python3*/site-packages")
        (tests,) = Path(sys.prefix).glob("lib/python3*/site-packages")
        (site / "tests.pth").write_text(f"{tests}\n")
    return folder / "bin"


def run(folder: Path, *command: object, path: Path) -> tuple[int, str, str]:
    """Return exit code, output and errors of a command with `path` first on the PATH; the environment contains only
    Node.
    """
    node = Path(shutil.which("node") or "").parent
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "TMPDIR", "LANG")}
    env = kept | {"PATH": f"{path}:{folder / '.node'}:/usr/bin:/bin", "CI": "true", "CHECKPOINT_DISABLE": "1"}
    (folder / ".node").mkdir(exist_ok=True)
    if not (link := folder / ".node/node").exists():
        link.symlink_to(node / "node")
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)  # type: ignore[call-overload]
    return done.returncode, done.stdout, done.stderr


def stacks(folder: Path) -> list[str]:
    return sorted(file.parent.name for file in folder.glob("cdktf.out/stacks/*/cdk.tf.json"))


def own_configuration() -> str:
    """Return the cdktf.json that docs/first-deployment.md shows for a separate repository."""
    (block,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs/first-deployment.md").read_text(), re.DOTALL)
    return block


CDKTF = ROOT / "node_modules/.bin/cdktf"


def test_setup_announces_its_steps_and_the_next_command(clone: Path) -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory", "-n", "setup"], cwd=clone, capture_output=True, text=True, check=True
    ).stdout
    echoes = [text for line in shown.splitlines() for text in re.findall(r"echo [\"'](.*?)[\"'](?: &&|$)", line)]
    assert re.match(r"Set-up in 5 steps: 2 to 5 minutes, 1\.2 GB ", echoes[0])
    assert re.findall(r"\[(\d)/5\]", "\n".join(echoes)) == ["1", "2", "3", "4", "5"]
    assert echoes[-2:] == [
        f'  export PATH="{clone}/.venv/bin:{clone}/node_modules/.bin:$PATH"',
        "Then write a first estate file with \\`python main.py init\\`; docs/first-deployment.md has every step.",
    ]


def test_every_dependency_is_looked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert sorted(PACKAGES) == sorted(re.split("[<>=]", one)[0] for one in project["dependencies"])


@pytest.mark.parametrize("file", ["main.py", "operations/__init__.py", "operations/start.py"])
def test_an_old_python_can_parse_what_refuses_it(file: str) -> None:
    ast.parse((ROOT / file).read_text(), feature_version=(3, 8))


def test_an_old_python_is_refused_in_one_sentence(clone: Path, tmp_path: Path) -> None:
    bin_ = environment(tmp_path / "old", packages=True)
    (clone / "old.py").write_text(
        "import runpy, sys\nsys.version_info = (3, 8, 18, 'final', 0)\nrunpy.run_path('main.py', run_name='__main__')\n"
    )
    assert run(clone, "python3", "old.py", path=bin_) == (
        1,
        "",
        f"main.py needs Python 3.11, 3.12 or 3.13, and {bin_}/python3 is Python 3.8.18: with one of them, run "
        f"`python3.11 -m venv .venv && .venv/bin/python3 -m pip install .` in {clone}\n",
    )


def test_missing_packages_are_named_with_the_command(clone: Path, tmp_path: Path) -> None:
    bin_ = environment(tmp_path / "own")
    expected = (
        f"main.py needs packages that {bin_}/python3 lacks ({', '.join(PACKAGES)}): "
        f"run `python3 -m pip install .` in {clone}\n"
    )
    assert run(clone, "python3", "main.py", "check", path=bin_) == (1, "", expected)
    code, _, error = run(clone, CDKTF, "synth", path=bin_)
    assert (code, expected.strip() in error, "Traceback" in error) == (1, True, False)


def test_only_the_packages_that_are_missing_are_named(clone: Path, tmp_path: Path) -> None:
    bin_ = environment(tmp_path / "own")
    (site,) = (tmp_path / "own").glob("lib/python3*/site-packages")
    for names in PACKAGES.values():
        if names[0] not in ("typer", "ruamel.yaml"):
            (site / f"{names[0]}.py").touch()
    error = run(clone, "python3", "main.py", "check", path=bin_)[2]
    assert "lacks (ruamel.yaml, typer): " in error


def test_a_venv_next_to_main_py_is_used(clone: Path, tmp_path: Path) -> None:
    bin_ = environment(tmp_path / "own")
    environment(clone / ".venv", packages=True)
    said = run(clone, "python3", "main.py", "check", "astro.yaml", path=bin_)
    assert said == (0, "astro.yaml: 1 network, 1 connection, no mistakes\n", "")


def test_a_venv_without_packages_is_not_used_forever(clone: Path, tmp_path: Path) -> None:
    bin_ = environment(tmp_path / "own")
    environment(clone / ".venv")
    code, out, error = run(clone, "python3", "main.py", "check", path=bin_)
    assert (code, out) == (1, "")
    assert error.startswith(f"main.py needs packages that {clone}/.venv/bin/python3 lacks (boto3, ")


def test_a_repository_of_ones_own_runs_the_installed_command() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert json.loads(own_configuration())["app"] in scripts


@pytest.mark.slow
def test_cdktf_synthesizes_with_the_python_that_is_active(clone: Path, tmp_path: Path) -> None:
    bin_ = environment(tmp_path / "own", packages=True)
    code, out, error = run(clone, CDKTF, "synth", path=bin_)
    assert (code, error) == (0, ""), out
    assert stacks(clone) == ["network-lake"]
    assert not (clone / ".venv").exists()


@pytest.mark.proof
def test_pip_install_is_all_that_cdktf_needs(clone: Path, tmp_path: Path) -> None:
    venv = tmp_path / "fresh"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    # Not compiled, because only a few of thousands of files run.
    pip = [venv / "bin/python3", "-m", "pip", "install", "-q", "--no-compile", "--disable-pip-version-check"]
    subprocess.run([*pip, clone], check=True, cwd=clone)
    code, out, error = run(clone, CDKTF, "synth", path=venv / "bin")
    assert (code, error) == (0, ""), out
    assert stacks(clone) == ["network-lake"]

    # A separate repository, as docs/first-deployment.md shows it.
    own = tmp_path / "own"
    own.mkdir()
    shutil.copy(clone / "astro.yaml", own)
    (own / "cdktf.json").write_text(own_configuration())
    code, out, error = run(own, CDKTF, "synth", path=venv / "bin")
    assert (code, error) == (0, ""), out
    assert stacks(own) == ["network-lake"]
    assert run(own, "astro-on-aws", "check", path=venv / "bin")[0] == 0
