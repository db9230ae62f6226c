"""The action, hooks, container file and templates for a user's CI and a public host."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support import ROOT
from tests.support.yours import yours

BIN = Path(sys.executable).parent
ESTATE = yours((ROOT / "examples/vpc_peering.yaml").read_text())


def read(name: str) -> Any:
    return YAML(typ="safe", pure=True).load(ROOT / name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "check-jsonschema --builtin-schema vendor.github-actions action.yml",
        "check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yml",
        "check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml",
        "check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/feature.yml",
        "check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml",
        "check-jsonschema --builtin-schema vendor.renovate examples/workflows/renovate.json",
        "zizmor --offline --no-progress --persona=auditor action.yml .github/workflows/ci.yml",
    ],
)
def test_a_linter_has_no_complaint(command: str) -> None:
    tool, *arguments = command.split()
    result = subprocess.run([BIN / tool, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("file", "count"), [("action.yml", 1), (".github/workflows/ci.yml", 3)])
def test_every_action_is_pinned_by_its_commit(file: str, count: int) -> None:
    uses = re.findall(r"uses: (.*)", (ROOT / file).read_text())
    assert len(uses) == count
    for each in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each), each


def test_the_public_ci_runs_our_script() -> None:
    steps = read(".github/workflows/ci.yml")["jobs"]["test"]["steps"]
    runs = {step["run"]: step for step in steps if "run" in step}
    prose = 'python -m tools.prose --commits "$BASE"'
    assert list(runs) == [prose, "bash .ci/run"]
    assert (runs[prose]["if"], runs[prose]["env"]) == (
        "github.event_name == 'pull_request'",
        {"BASE": "${{ github.event.pull_request.base.sha }}"},
    )


def test_code_owners_own_paths_that_exist() -> None:
    lines = [line.split() for line in (ROOT / ".github/CODEOWNERS").read_text().splitlines() if line[0] != "#"]
    assert lines[0][0] == "*"
    assert [path for path, _ in lines[1:] if not (ROOT / path.strip("/")).exists()] == []


def step(name: str, folder: Path, path: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a step of the action as GitHub does, with commands of `path` before all others."""
    (run,) = (step["run"] for step in read("action.yml")["runs"]["steps"] if step.get("name") == name)
    environment = {
        **os.environ,
        "GITHUB_ACTION_PATH": str(ROOT),
        "PATH": os.pathsep.join(filter(None, (str(path or ""), os.environ["PATH"]))),
        **env,
    }
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", run]
    return subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_action_annotates_each_mistake(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(ESTATE)
    assert step("Check the estate", tmp_path, ESTATE="astro.yaml").returncode == 0
    file.write_text(ESTATE.replace("cluster: prod", "cluster: prd"))
    result = step("Check the estate", tmp_path, ESTATE="astro.yaml")
    assert result.returncode == 2
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "prd" in text)
    (found,) = (text for text in result.stdout.splitlines() if text.startswith("::"))
    assert re.match(
        rf"::error file=astro\.yaml,line={line},col=\d+::connections\.lake-peering\.cluster: 'prd' is", found
    )


def test_the_action_annotates_warnings_and_passes(tmp_path: Path) -> None:
    (tmp_path / "astro.yaml").write_text((ROOT / "examples/vpc_peering.yaml").read_text())
    result = step("Check the estate", tmp_path, ESTATE="astro.yaml")
    found = [text for text in result.stdout.splitlines() if text.startswith("::warning file=astro.yaml,line=")]
    assert (result.returncode, found != []) == (0, True)


@pytest.mark.slow
def test_the_action_fails_on_stale_terraform(tmp_path: Path) -> None:
    (tmp_path / "astro.yaml").write_text(ESTATE)
    result = step("Check the committed Terraform", tmp_path, ESTATE="astro.yaml", OUTPUT="terraform")
    assert result.returncode == 3


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    return subprocess.check_output(["git", *identity, *arguments], cwd=folder, text=True).strip()


def test_the_action_comments_on_changes_of_the_hand_over(tmp_path: Path) -> None:
    repository, bin_ = tmp_path / "repository", tmp_path / "bin"
    repository.mkdir()
    bin_.mkdir()
    # A stub of GitHub's client, which would need GitHub.
    (bin_ / "gh").write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncp "$7" {tmp_path}/comment.md\n',
    )
    (bin_ / "gh").chmod(0o755)
    git(repository, "init", "-q")
    (repository / "astro.yaml").write_text(ESTATE)
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "Add the estate")
    base = git(repository, "rev-parse", "HEAD")

    def comment() -> subprocess.CompletedProcess[str]:
        given = {"ESTATE": "astro.yaml", "BASE": base, "NUMBER": "7", "GH_TOKEN": ""}
        return step("Comment on the hand-over", repository, bin_, **given)

    same = comment()
    assert (same.returncode, (tmp_path / "comment.md").exists()) == (0, False), same.stderr
    (repository / "astro.yaml").write_text(ESTATE.replace("10.20.0.0/16", "10.21.0.0/16"))
    changed = comment()
    assert changed.returncode == 0, changed.stderr
    assert (tmp_path / "arguments").read_text().startswith("pr comment 7 --edit-last --create-if-none --body-file ")
    body = (tmp_path / "comment.md").read_text()
    assert [line[0] for line in body.splitlines() if re.search(r"10\.2[01]\.0\.0/16", line)] == ["-", "+", "-", "+"]


def hooks() -> Mapping[str, dict[str, Any]]:
    return {hook["id"]: hook for hook in read(".pre-commit-hooks.yaml")}


@pytest.mark.parametrize(
    ("text", "code"),
    [(ESTATE, 0), ((ROOT / "examples/vpc_peering.yaml").read_text(), 0), ("name: acme\n", 1)],
    ids=["sound", "warnings", "mistakes"],
)
def test_the_hook_checks_the_estate(text: str, code: int, tmp_path: Path) -> None:
    command = tmp_path / "bin/astro-on-aws"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "main.py"} "$@"\n')
    command.chmod(0o755)
    (tmp_path / "astro.yaml").write_text(text)
    environment = {**os.environ, "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}
    entry = shlex.split(hooks()["astro-check"]["entry"])
    assert subprocess.run(entry, cwd=tmp_path, env=environment, capture_output=True, check=False).returncode == code


def test_hooks_run_the_command_of_the_wheel() -> None:
    assert hooks().keys() == {"astro-check", "astro-synth-check"}
    assert all("astro-on-aws" in hook["entry"] and hook["language"] == "python" for hook in hooks().values())


def test_the_container_file_is_sound() -> None:
    """No builder is needed: the images, the commands and the user are read, and each shell command is parsed."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Containerfile").read_text())
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    images = [argument.split()[0] for word, argument in lines if word == "FROM"]
    assert images == ["hashicorp/terraform:1.11.4", "python:3.12-slim-bookworm"]
    runs = [argument for word, argument in lines if word == "RUN"]
    for run in runs:
        subprocess.run(["sh", "-n", "-c", run], check=True)
    assert runs[-1] == "make setup"
    assert [argument for word, argument in lines if word == "USER"] == ["astro"]
    words = [word for word, _ in lines]
    assert words.index("USER") < words.index("RUN", words.index("USER"))
    assert lines[-2:] == [["ENTRYPOINT", '["python", "/opt/astro-on-aws/main.py"]'], ["CMD", '["--help"]']]


def test_the_container_has_what_its_commands_need() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    needed = {"Makefile", "main.py", "requirements.lock", "package-lock.json", "tools", "modules", "stacks", "commands"}
    assert needed.isdisjoint(ignored)
    assert all((ROOT / name).exists() for name in needed)


@pytest.mark.parametrize("line", ['terraform: {aws_provider: "~> 6.0"}\n', "  aws_provider: ~> 6.0\n"])
def test_renovate_finds_the_version_of_the_provider(line: str) -> None:
    (manager,) = json.loads((ROOT / "examples/workflows/renovate.json").read_text())["customManagers"]
    (match,) = manager["matchStrings"]
    found = re.search(match.replace("(?<", "(?P<"), line)
    assert found
    assert found["currentValue"].strip() == "~> 6.0"
