"""The layout of a user's own repository, as docs/your-repository.md shows it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.yours import yours

PAGE = (ROOT / "docs/your-repository.md").read_text()


def block(language: str, containing: str = "") -> str:
    """Return the first code block of a language that contains a text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return next(one for one in blocks if containing in one)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with every file of the page's layout, and this project in place of the submodule."""
    folder = tmp_path / "astro"
    (folder / ".github/workflows").mkdir(parents=True)
    git(folder, "init", "-q")
    (folder / "astro-on-aws").symlink_to(ROOT)
    (folder / "astro.yaml").write_text(yours((ROOT / "examples/vpc_peering.yaml").read_text()))
    (folder / ".gitignore").write_text(block("gitignore"))
    (folder / ".pre-commit-config.yaml").write_text("repos: []\n")
    (folder / "cdktf.json").write_text("{}")
    shutil.copy(ROOT / "examples/astro.schema.json", folder)
    shutil.copytree(ROOT / "examples/policies", folder / "policies")
    shutil.copy(ROOT / "examples/workflows/github.yml", folder / ".github/workflows/astro.yml")
    return folder


def test_the_commands_of_the_page_run_in_the_layout(repository: Path) -> None:
    (line,) = re.findall(r"^ *python (astro-on-aws/main.py synth .*)$", PAGE, re.MULTILINE)
    for words in (line.split(), [*line.split(), "--check"], ["astro-on-aws/main.py", "check"]):
        subprocess.run([sys.executable, *words], cwd=repository, check=True, capture_output=True)
    shown = {entry.rstrip("/") for entry in re.findall(r"^(\S+)  ", block("text"), re.MULTILINE)}
    tops = {file.name for file in repository.iterdir()} - {".git", ".github"}
    assert shown == tops | {".github/workflows/astro.yml"}


def test_git_ignores_what_can_contain_secrets(repository: Path) -> None:
    stack = repository / "terraform/stacks/network-lake"
    secrets = ["terraform.tfstate", "terraform.tfstate.backup", "a.tfplan", "plan.out", "plan.json"]
    for name in (*secrets, ".terraform/environment", ".terraform.lock.hcl", "cdk.tf.json"):
        (stack / name).parent.mkdir(parents=True, exist_ok=True)
        (stack / name).write_text("")
    (repository / "cdktf.out-dev").mkdir()
    (repository / "cdktf.out-dev/manifest.json").write_text("")
    git(repository, "add", "-A")
    added = [name for name in git(repository, "ls-files").splitlines() if name.startswith(("terraform/", "cdktf.out"))]
    assert added == [f"terraform/stacks/network-lake/{name}" for name in (".terraform.lock.hcl", "cdk.tf.json")]
