"""The files of `examples/workflows/`: a linter reads them if there is one, and their commands run up to AWS."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from operations.terraform import find_terraform
from tests.support import ROOT
from tests.support.terraform import Terraform, cli_environment

WORKFLOWS = ROOT / "examples/workflows"
BIN = Path(sys.executable).parent
STACKS = ["network-edge", "network-lake"]


def read(name: str) -> Any:
    return YAML(typ="safe", pure=True).load(WORKFLOWS / name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "check-jsonschema --builtin-schema vendor.github-workflows {}/github.yml",
        "check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci {}/gitlab-ci.yml",
        "zizmor --offline --no-progress --persona=auditor {}/github.yml",
        "terraform fmt -check {}/hcp-terraform.tf",
    ],
    ids=lambda command: command.split()[0],
)
def test_a_linter_has_no_complaint(command: str) -> None:
    tool, *arguments = command.format(WORKFLOWS).split()
    tool = tool if tool == "terraform" else str(BIN / tool)
    result = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_action_is_pinned_by_its_commit() -> None:
    """A tag can be moved to other code."""
    uses = re.findall(r"uses: (.*)", (WORKFLOWS / "github.yml").read_text())
    assert len(uses) == 12
    for each in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each), each


def test_each_workflow_is_for_the_stacks_of_the_estate() -> None:
    folders = [f"terraform/stacks/{stack}" for stack in STACKS]
    github = read("github.yml")["jobs"]
    for job in ("plan", "apply"):
        assert github[job]["strategy"]["matrix"]["stack"] == STACKS
        assert github[job]["defaults"]["run"]["working-directory"] == "terraform/stacks/${{ matrix.stack }}"
    assert read("gitlab-ci.yml")[".stack"]["parallel"]["matrix"] == [{"STACK": STACKS}]
    assert [project["dir"] for project in read("atlantis.yaml")["projects"]] == folders
    assert [stack["project_root"] for stack in read("spacelift.yml")["stacks"].values()] == folders
    assert f'toset(["{STACKS[0]}", "{STACKS[1]}"])' in (WORKFLOWS / "hcp-terraform.tf").read_text()


def test_files_without_a_linter_have_the_documented_keys() -> None:
    atlantis, spacelift = read("atlantis.yaml"), read("spacelift.yml")
    assert atlantis.keys() == {"version", "projects"}
    assert atlantis["version"] == 3
    for project in atlantis["projects"]:
        assert project.keys() == {"name", "dir", "terraform_version", "autoplan"}
        assert project["autoplan"].keys() == {"enabled", "when_modified"}
    assert spacelift.keys() == {"version", "stack_defaults", "stacks"}
    assert spacelift["stack_defaults"].keys() == {"terraform_version"}
    assert {key for stack in spacelift["stacks"].values() for key in stack} == {"project_root"}


def test_nothing_is_planned_before_the_gate() -> None:
    """A plan runs the committed files, and a data source in an unlisted file could run any program."""
    github, gitlab = read("github.yml")["jobs"], read("gitlab-ci.yml")
    runs = {job: " ".join(step.get("run", "") for step in body["steps"]).split() for job, body in github.items()}
    assert [job for job, words in runs.items() if "--check" in words] == ["fresh"]
    assert [job for job, words in runs.items() if words.count("terraform") > 1] == ["plan", "apply"]
    assert (github["plan"]["needs"], github["apply"]["needs"]) == ("fresh", "plan")
    assert gitlab["stages"] == ["check", "plan", "apply"]
    assert [gitlab[job]["stage"] for job in ("fresh", "plan", "apply")] == gitlab["stages"]
    assert not any("needs" in job or "allow_failure" in job for job in gitlab.values() if isinstance(job, dict))
    assert {project["autoplan"]["enabled"] for project in read("atlantis.yaml")["projects"]} == {False}
    assert "speculative_enabled = false" in (WORKFLOWS / "hcp-terraform.tf").read_text()


def test_a_scheduled_run_fails_on_drift() -> None:
    workflow = read("github.yml")
    drift, gate, plan = (workflow["jobs"][job] for job in ("drift", "fresh", "plan"))
    assert [list(one) for one in workflow["on"]["schedule"]] == [["cron"]]
    assert (drift["needs"], drift["if"]) == ("fresh", "github.event_name == 'schedule'")
    assert "if" not in gate
    assert plan["if"].startswith("github.event_name == 'push' || github.event.pull_request.")
    # Its exit code becomes that of the step and of the job.
    assert drift["steps"][-1] == {"run": "astro-on-aws/.venv/bin/python astro-on-aws/main.py drift --out terraform"}
    assert drift.keys() == {"name", "needs", "if", "runs-on", "timeout-minutes", "permissions", "steps"}


def test_a_scheduled_pipeline_of_gitlab_fails_on_drift() -> None:
    jobs = read("gitlab-ci.yml")
    scheduled = '$CI_PIPELINE_SOURCE == "schedule"'
    assert jobs["drift"]["rules"] == [{"if": scheduled}]
    assert "rules" not in jobs["fresh"]
    others = [rule["if"] for job in (".stack", "apply") for rule in jobs[job]["rules"]]
    assert all(one.endswith(scheduled.replace("==", "!=")) for one in others)
    # Its exit code becomes that of the job. The image has the program at this path.
    assert jobs["drift"]["script"] == ["python /opt/astro-on-aws/main.py drift --out terraform"]
    assert 'ENTRYPOINT ["python", "/opt/astro-on-aws/main.py"]' in (ROOT / "Containerfile").read_text()


def commands() -> list[str]:
    """Return the unique commands of the workflows, in order."""
    github = [step["run"] for job in read("github.yml")["jobs"].values() for step in job["steps"] if "run" in step]
    jobs = [job for job in read("gitlab-ci.yml").values() if isinstance(job, dict)]
    gitlab = [line for job in jobs for part in ("before_script", "script") for line in job.get(part, [])]
    return list(dict.fromkeys((*github, *gitlab)))


def test_every_run_command_is_known() -> None:
    """Any new command must be run below, or listed as an exception."""
    assert commands() == [
        "make -C astro-on-aws setup",
        "astro-on-aws/.venv/bin/python astro-on-aws/main.py synth astro.yaml --out terraform --check",
        "terraform init -input=false -lockfile=readonly",
        "terraform validate",
        "terraform plan -input=false",
        "terraform apply -input=false -auto-approve",
        "astro-on-aws/.venv/bin/python astro-on-aws/main.py drift --out terraform",
        """(umask 077 && printf '%s' "$AWS_TOKEN" > "$AWS_WEB_IDENTITY_TOKEN_FILE")""",
        'cd "terraform/stacks/$STACK"',
        "python /opt/astro-on-aws/main.py drift --out terraform",
    ]


@pytest.mark.terraform
def test_commands_run_in_a_repository_with_committed_output(tmp_path: Path) -> None:
    """Run all commands except `plan`, `apply` and `drift`, which need AWS and belong to the end-to-end test."""
    repository = tmp_path / "repository"
    repository.mkdir()
    shutil.copy(WORKFLOWS / "astro.yaml", repository)
    (repository / "astro-on-aws").symlink_to(ROOT)
    environment = cli_environment(tmp_path, os.environ) | {
        "AWS_TOKEN": "marked-token",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "PATH": os.pathsep.join((str(BIN), os.environ["PATH"])),
    }

    def run(command: str, folder: Path = repository) -> subprocess.CompletedProcess[str]:
        shell = ["sh", "-c", command]
        return subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    make, synth, init, validate, *_, token, _, _ = commands()
    assert "setup" in (ROOT / "Makefile").read_text().split(".PHONY:")[1].splitlines()[0]
    assert shlex.split(make)[-1] == "setup"
    write = synth.removesuffix(" --check")
    assert run(write).returncode == 0
    assert sorted(folder.name for folder in (repository / "terraform/stacks").iterdir()) == STACKS
    stack = repository / "terraform/stacks" / STACKS[1]
    # The lock file is committed with the output, and a synth leaves it unchanged.
    Terraform(find_terraform(environment), environment).init(stack, backend=False)
    assert run(write).returncode == 0
    assert (stack / ".terraform.lock.hcl").is_file()
    for command, folder in ((synth, repository), (f"{init} -backend=false", stack), (validate, stack)):
        result = run(command, folder)
        assert result.returncode == 0, result.stdout + result.stderr
    assert run(token).returncode == 0
    assert (tmp_path / "token").read_text() == "marked-token"
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0
    estate = repository / "astro.yaml"
    estate.write_text(estate.read_text().replace("10.30.0.0/20", "10.31.0.0/20"))
    stale = run(synth)
    assert stale.returncode == 3
    assert 'aws_vpc.edge_vpc.cidr_block: "10.30.0.0/20" -> "10.31.0.0/20"' in stale.stdout
