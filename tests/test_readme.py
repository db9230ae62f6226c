"""The README says what is so."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from main import cli
from tests.reference import reference

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
MARKED = re.compile(r"(<!-- reference: [^\n]* -->\n).*?(<!-- end of reference -->)", re.DOTALL)


def test_the_estate_reference_is_that_of_the_model(pytestconfig: pytest.Config) -> None:
    text = README.read_text()
    fresh = MARKED.sub(lambda found: f"{found[1]}\n{reference()}\n\n{found[2]}", text)
    if pytestconfig.getoption("golden"):
        README.write_text(fresh)
    assert README.read_text() == fresh


def test_every_link_leads_somewhere() -> None:
    text = README.read_text()
    anchors = {
        re.sub(r"[^\w -]", "", title).strip().replace(" ", "-").lower()
        for title in re.findall(r"^#+ (.*)$", text, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target[1:] in anchors if target.startswith("#") else (ROOT / target).exists(), target


def test_every_command_that_it_names_exists() -> None:
    named = re.findall(r"`[^`\n]*main\.py ([a-z ]+)`", MARKED.sub("", README.read_text()))
    assert {"check", "state create", "policy fetch"} <= set(named)
    for words in named:
        command: Any = typer.main.get_command(cli)
        for word in words.split():
            command = command.commands[word]


def test_every_type_has_its_row() -> None:
    rows = {match[1] for match in re.finditer(r"^\| .*\[yaml\]\(examples/(\w+)\.yaml\)", README.read_text(), re.M)}
    assert rows == {file.parent.name for file in (ROOT / "modules").glob("*/props.py")}


def test_every_fact_that_is_referred_to_is_told() -> None:
    told = set(re.findall(r"\b[AB]\d+\b|\b00\d\b", (ROOT / "docs/facts.md").read_text()))
    sources = [
        ROOT / "main.py",
        README,
        *(
            f
            for part in ("modules", "stacks", "operations", "tests", "examples")
            for f in (ROOT / part).rglob("*")
            if f.suffix in (".py", ".yaml", ".md")
        ),
    ]
    found: set[str] = set()
    for file in sources:
        for named in re.findall(
            r"\b(?:facts|seeds?) ((?:[AB]\d+|00\d)(?:(?:,| to| and) (?:[AB]\d+|00\d))*)", file.read_text()
        ):
            found |= set(re.findall(r"[AB]\d+|00\d", named))
    assert found - told == set()
