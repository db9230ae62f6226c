"""The habits that `tools/prose.py` counts, and the text that it ignores."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools import prose
from tools.prose import Place, of_comments, of_lines, of_markdown, of_python


@pytest.mark.parametrize(
    ("text", "habit"),
    [
        ("What is awaited comes from Astronomer.", "begins with a noun clause"),
        ("The page tells which. Whether it does is another matter.", "storybook verb"),
        ("A key of your own.", "borrowed phrase"),
        ("All but for one.", "borrowed phrase"),
        ("word " * 36 + ".", "more than 35 words"),
        ("The role (facts A6).", "a fact by its number alone"),
    ],
)
def test_a_habit_is_found(text: str, habit: str) -> None:
    assert habit in [place.habit for place in of_markdown(f"# Title\n\n{text}\n", "docs/page.md")]


@pytest.mark.parametrize(
    "text",
    [
        "What is it? Where does it go?",
        "Run `astro tell` and read it.",
        "```sh\nWhat this says is code.\n```",
        "word " * 20 + ".\n\n" + "word " * 20 + ".",
        "AWS returns the existing gateway (facts C5).",
        "| Whom | What for |\n|---|---|\n| you | " + "word " * 30 + "| " + "word " * 30 + "|",
    ],
)
def test_other_text_is_not_a_habit(text: str) -> None:
    assert list(of_markdown(text, "docs/page.md")) == []


def test_a_long_line_is_found_outside_of_tables_and_code() -> None:
    long = "x" * 121
    text = f"{long[1:]}\n| {long} |\n\n```sh\n{long}\n```\n\n{long}\n"
    assert list(of_lines(text, "a.md")) == [Place("a line of more than 120 characters", "a.md", 8, long)]


def test_yaml_is_not_prose() -> None:
    assert list(of_python(f'ESTATE = """{"name: acme and so on, " * 9}\nstate: {{backend: none}}\n"""', "a.py")) == []


def test_a_place_has_its_line() -> None:
    assert list(of_markdown("# Title\n\nFine.\n\nThey are told.\n", "a.md")) == [
        Place("storybook verb", "a.md", 5, "They are told.")
    ]


def test_docstrings_messages_and_comments_are_read() -> None:
    module = '''
"""The file says which of them it is."""
PATTERN = r"told|said"
message = f"{name} stands in the file twice; remove one of them"
hcl = "${var.told}"
# The lines of a comment
# stand together.
number = 1  # of theirs
'''
    assert [(place.line, place.habit) for place in of_python(module, "a.py")] == [
        (6, "storybook verb"),
        (8, "borrowed phrase"),
        (2, "storybook verb"),
        (4, "storybook verb"),
    ]


def test_a_long_test_name_is_found() -> None:
    module = "".join(f"def test_{'a' * length}() -> None: ...\n" for length in (55, 56))
    assert [(place.line, place.habit) for place in of_python(module, "a.py")] == [
        (2, "a test name of more than 60 characters")
    ]


def test_comments_of_yaml_are_read() -> None:
    lines = ["# Two lines of one", "# comment that tells", "key: value  # anew", "url: page#told"]
    assert [(place.line, place.habit) for place in of_comments(enumerate(lines, 1), "a.yaml")] == [
        (1, "storybook verb"),
        (3, "borrowed phrase"),
    ]


def test_long_subjects_after_the_base_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=Acme", "-c", "user.email=acme@acme.example", "-c", "commit.gpgsign=false")
        return subprocess.check_output(["git", *identity, *arguments], cwd=tmp_path, text=True).strip()

    git("init", "--quiet")
    for subject in ("a" * 73, "b" * 72, "c" * 73):
        git("commit", "--quiet", "--allow-empty", "--message", subject)
    (tmp_path / "main.py").touch()
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    monkeypatch.setattr(prose, "_PRODUCT", ("main.py",))

    def run(base: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["prose", "--list", "--commits", base])
        return prose.main(), capsys.readouterr().out.splitlines()

    code, lines = run("HEAD~2")
    assert (code, lines[0], lines[-1]) == (
        1,
        f"{git('rev-parse', '--short', 'HEAD')}:1: a subject of more than 72 characters: {'c' * 73}",
        "a subject of more than 72 characters: 1, allowed 0",
    )
    code, lines = run("HEAD")
    assert (code, [line for line in lines if "subject" in line]) == (0, [])
    # The commit that GitHub tests for a pull request.
    git("checkout", "--quiet", "-b", "change", "HEAD~1")
    git("commit", "--quiet", "--allow-empty", "--message", "d" * 72)
    git("merge", "--quiet", "--no-ff", "--message", "e" * 73, "-")
    code, lines = run("HEAD^2")
    assert (code, [line for line in lines if "subject" in line]) == (0, [])
