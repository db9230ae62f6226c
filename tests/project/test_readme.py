"""The documents match the code."""

import ast
import os
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from commands.app import app as cli
from tests.support import ROOT
from tests.support.commands import run
from tests.support.yours import yours
from tools.reference import reference

README = ROOT / "README.md"
FIRST_DEPLOYMENT = ROOT / "docs/first-deployment.md"
REFERENCE = ROOT / "docs/reference.md"
DOCUMENTS = [
    README,
    *sorted(ROOT.glob("[CS]*.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("examples/**/*.md")),
    *sorted(ROOT.glob("local_aws/*.md")),
]
CODE = re.compile(r"^ *```\w*\n(.*?)^ *```|`([^`\n]+)`", re.DOTALL | re.MULTILINE)

document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))


def code(text: str) -> list[str]:
    """Return the lines of code blocks, without comments, and inline code."""
    lines = [line for match in CODE.finditer(text) for line in (match[1] or match[2]).splitlines()]
    return [re.sub(r"(^|\s+)#.*", "", line).strip() for line in lines]


def anchors(text: str) -> Counter[str]:
    """Return the headings as GitHub's anchors."""
    titles = re.findall(
        r"^#+ (.*)$", re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )
    return Counter(re.sub(r"[^\w -]", "", title).strip().replace(" ", "-").lower() for title in titles)


def test_the_estate_reference_is_that_of_the_model(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("golden"):
        REFERENCE.write_text(reference())
    assert REFERENCE.read_text() == reference()


@document
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if not target.startswith("https://"):
            path, _, heading = target.partition("#")
            there = document.parent / path if path else document
            assert there.exists(), target
            assert not heading or anchors(there.read_text())[heading] == 1, target


def linked_tests(text: str) -> list[tuple[str, str]]:
    """Return the tests that a document links to: name and file."""
    return re.findall(r"\[(?:[\w/]*/)?(test_\w+)[^\]]*\]\(([^)#]+\.py)\)", text)


SOURCE = re.compile(r"^\*AWS\* \|$|\((?:facts|evidence)\.md\)")
"""The source of a statement without a test."""


@document
def test_every_test_that_it_names_exists(document: Path) -> None:
    for name, target in linked_tests(document.read_text()):
        file = document.parent / target
        tests = {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}
        assert name in {file.stem, *tests}, (name, target)


def test_every_statement_of_the_security_page_has_a_proof() -> None:
    """A proof is a test, a fact, a measured result or AWS's documentation."""
    text = (ROOT / "docs/security.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    headers = [row for row in rows if re.search(r"\| (?:proof|silenced by) \|$", row)]
    proofs = [row.rsplit(" | ", 1)[1] for row in rows if row not in headers]
    proven = [proof for proof in proofs if linked_tests(proof)]
    assert [proof for proof in proofs if proof not in proven and not SOURCE.search(proof)] == []
    assert (len(headers), len(proven) > 70) == (text.count("|---|\n"), True)


@document
def test_every_command_that_it_names_exists(document: Path) -> None:
    targets = re.findall(r"^([\w -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    made = {target for line in targets for target in line.split()}
    for line in code(document.read_text()):
        for words in re.findall(r"\bmain\.py ([a-z]+(?: .*)?)$", line):
            command: Any = typer.main.get_command(cli)
            for word in words.split():
                if word.startswith("--"):
                    assert word in {name for option in command.params for name in option.opts}, line
                elif hasattr(command, "commands"):
                    assert word in command.commands, line
                    command = command.commands[word]
        for target in re.findall(r"^make (?:-C \S+ )?([\w-]+)", line):
            assert target in made, line


def test_the_commands_that_are_searched_for_are_found() -> None:
    found = {line for file in DOCUMENTS for line in code(file.read_text())}
    assert {"python main.py check", "make setup", "main.py policy diff"} <= found


@document
def test_cdktf_and_the_shell_take_its_cdktf_commands(document: Path) -> None:
    for line in code(document.read_text()):
        for call in re.findall(r"(?:^|[ $&;])cdktf ((?:diff|deploy|destroy)(?: [^|;&]*)?)", line):
            # Unquoted, a shell replaces the pattern with file names.
            assert "*" not in call.replace("'*'", ""), line
            command, *words = re.sub(r'"\$\(.*?\)"', "NAME", call).split()
            stacks = [word for word in words if not word.startswith("-")]
            assert command != "diff" or (len(stacks) <= 1 and "'*'" not in stacks), line


def test_a_pipeline_gets_a_deploy_without_questions() -> None:
    lines = [line for file in DOCUMENTS for line in file.read_text().splitlines() if "pipeline" in line]
    deploys = [line for line in lines if "cdktf deploy" in line]
    assert len(deploys) == 2
    assert all("`cdktf deploy '*' --auto-approve`" in line for line in deploys)


def test_the_loop_previews_each_stack_by_itself(tmp_path: Path) -> None:
    (loop,) = re.findall(r"^(cdktf synth && for .*)$", FIRST_DEPLOYMENT.read_text(), re.MULTILINE)
    program = tmp_path / "cdktf"
    program.write_text(
        '#!/bin/sh\necho "$@" >> calls\n'
        "[ $1 = diff ] || mkdir -p cdktf.out/stacks/account cdktf.out/stacks/network-b cdktf.out/stacks/network-c\n"
        '[ "$2" != network-b ]\n'
    )
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-c", loop], cwd=tmp_path, env=os.environ | {"PATH": path}, check=True)
    assert (tmp_path / "calls").read_text().splitlines() == ["synth", "diff account", "diff network-b"]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        # cdktf waits for an answer here, which no script expects.
        (
            "docs/first-deployment.md",
            ["Enter approves", "Dismiss", "exits with 0", "Ctrl-C", "recovery.md#the-state-is-locked"],
        ),
        ("docs/first-deployment.md", ["Quote the `*`", "`cdktf diff` accepts one stack"]),
        ("docs/first-deployment.md", ["A separate repository", '"app": "astro-on-aws"']),
        ("docs/first-deployment.md", ["`python main.py plan` shows the changes of all stacks"]),
        ("docs/troubleshooting.md", ["color codes", "FORCE_COLOR=0"]),
        ("docs/troubleshooting.md", ["`lifecycle.prevent_destroy`", "recovery.md#taking-it-all-down"]),
        # The exact words of Terraform, its provider and cdktf, each with the command that helps.
        (
            "docs/troubleshooting.md",
            ["| `Backend configuration changed` |", "recovery.md#the-state-is-somewhere-else"],
        ),
        ("docs/troubleshooting.md", ["| `no matching EC2 VPC Peering Connection found` |", "`status --only ENTRY`"]),
        ("docs/troubleshooting.md", ["| `Cannot import non-existent remote object` |", "run `adopt` again"]),
        ("docs/troubleshooting.md", ["| `AWS account ID not allowed` |", "`aws sts get-caller-identity`"]),
        ("docs/troubleshooting.md", ["| `execvp(3) failed` |", "`terraform version`", "`TERRAFORM_BINARY_NAME`"]),
        ("docs/recovery.md", ["Dismiss", "Error acquiring the state lock", "force-unlock <ID>"]),
        ("docs/recovery.md", ["`-migrate-state`", "Never use it"]),
        ("docs/recovery.md", ["nor a `destroy` deletes a peering", "run `main.py handoff` before the next deploy"]),
        ("docs/recovery.md", ["cdktf destroy '*'", "`removal_reason`", "`lifecycle.prevent_destroy`"]),
    ],
)
def test_common_obstacles_are_documented(document: str, told: list[str]) -> None:
    text = " ".join((ROOT / document).read_text().split())
    assert [words for words in told if words not in text] == []


def test_check_prints_the_output_in_the_readme(tmp_path: Path) -> None:
    readme = README.read_text()
    (estate,) = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    wrong, right = re.findall(r"\$ python main\.py check[^\n]*\n((?:astro\.yaml.*\n)+)", readme)
    file, good = tmp_path / "astro.yaml", yours(estate)
    for text, told in (
        (good.replace("10.20.0.0/16", "10.20.0.1/16").replace("cluster: prod", "cluster: prd"), wrong),
        (good, right),
    ):
        file.write_text(text)
        _, out, err = run("check", str(file))
        assert told.splitlines() == (out + err).replace(str(file), file.name).splitlines()
    assert "`check` also warns about each one and exits with 4" in readme
    file.write_text(estate)
    code, out, err = run("check", str(file))
    assert (code, out.replace(str(file), file.name)) == (4, right)
    assert {line.partition("' ")[2] for line in err.splitlines()} == {
        "is a placeholder from the examples; replace it with your own value"
    }


def tree(text: str) -> Iterator[str]:
    """Return the paths of the tree in CONTRIBUTING.md, which indents the contents of a folder."""
    folder = ""
    for indent, entry in re.findall(r"^( {0,2})(\S+) {2,}\S", text, re.MULTILINE):
        folder = folder if indent else entry
        yield folder + entry if indent else entry


def test_every_path_in_contributing_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (shown,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    named = {*tree(shown), *re.findall(r"`((?:\w+/)+[\w.<>*]*)`", text)}
    assert {"modules/astronomer.py", "tests/unit/modules/test_<type>.py", "estate/load.py", "tests/plan/"} <= named
    assert [path for path in sorted(named) if not any(ROOT.glob(re.sub("<.*?>", "*", path)))] == []


def test_every_type_has_its_row() -> None:
    rows = {match[1] for match in re.finditer(r"^\| \[.*\]\(examples/(\w+)\.yaml\)", README.read_text(), re.MULTILINE)}
    assert rows == {file.parent.name for file in (ROOT / "modules").glob("*/props.py")}


def test_every_fact_that_is_referred_to_exists() -> None:
    facts = set(re.findall(r"\b[ABC]\d+\b", (ROOT / "docs/facts.md").read_text()))
    parts = ("commands", "estate", "modules", "stacks", "operations", "local_aws", "tests", "tools", "examples")
    sources = [
        ROOT / "main.py",
        *DOCUMENTS,
        *(file for part in parts for file in (ROOT / part).rglob("*") if file.suffix in (".py", ".yaml")),
    ]
    found: set[str] = set()
    for file in sources:
        for named in re.findall(r"\bfacts ([ABC]\d+(?:(?:,| to| and) [ABC]\d+)*)", file.read_text()):
            found |= set(re.findall(r"[ABC]\d+", named))
    assert {"A6", "B16", "C1"} <= found
    assert found - facts == set()


def test_each_decision_has_its_date() -> None:
    records = (ROOT / "docs/decisions.md").read_text().split("\n### ")[1:]
    assert [record for record in records if not re.match(r".+\n\n\*20\d\d-\d\d-\d\d\*\n\n", record)] == []


def test_the_changelog_has_the_version_with_a_date() -> None:
    versions = re.findall(
        r"^## \[(.+?)\](?: - (20\d\d-\d\d-\d\d))?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert versions[0] == ("Unreleased", "")
    assert versions[1][0] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert all(date for _, date in versions[1:])
