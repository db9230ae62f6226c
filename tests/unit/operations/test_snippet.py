"""The line of a mistake below its message, on a terminal."""

import re
from pathlib import Path

import pytest

from commands.snippet import with_lines
from estate.load import EstateError, load
from estate.source import Problem
from tests.support import ROOT
from tests.support.commands import printed_on_terminal, run
from tests.support.estates import BASE

WRONG = BASE.replace("10.20.0.0/16", "10.20.0.1/16")


def lines_of(tmp_path: Path, text: str, columns: int = 500, **options: bool) -> list[str]:
    """Return the printed lines for the mistakes of a file, without the file's name."""
    file = tmp_path / "astro.yaml"
    file.write_text(text)
    with pytest.raises(EstateError) as caught:
        load(file)
    found = with_lines(caught.value, columns, colours=options.get("colours", False))
    return [line.replace(f"{file}:", "") for line in found]


def of_problem(tmp_path: Path, text: str, column: int, columns: int = 80) -> list[str]:
    """Return the lines below a message on line 1."""
    (tmp_path / "astro.yaml").write_text(text)
    error = EstateError(tmp_path / "astro.yaml", [Problem(("a",), "is wrong", 1, column)])
    # The path of the file can be longer than a line.
    return [line for line in with_lines(error, columns, colours=False) if re.match(r" *\d* \| ", line)]


def test_the_value_is_marked_below_its_line(tmp_path: Path) -> None:
    assert lines_of(tmp_path, "name: Acme\n" + BASE.partition("\n")[2]) == [
        "1:7: name: 'Acme' is not a name; allowed: 1 to 31 lowercase letters, digits and single hyphens, beginning "
        "with a letter, such as \"data-lake\"; did you mean 'acme'?",
        "1 | name: Acme",
        "  |       ^^^^",
    ]


@pytest.mark.parametrize(
    ("text", "column", "shown"),
    [
        ("a: [b, cd]", 8, ["1 | a: [b, cd]", "  |        ^^"]),
        ('a: "b c", d', 4, ['1 | a: "b c", d', "  |    ^^^^^"]),
        ("key: 1", 1, ["1 | key: 1", "  | ^^^"]),
        ("a: arn:aws:iam::1:root", 4, ["1 | a: arn:aws:iam::1:root", "  |    ^^^^^^^^^^^^^^^^^^^"]),
        ("\ta: 1", 1, ["1 |     a: 1", "  | ^^^^"]),
        ("a:\tbc", 4, ["1 | a:    bc", "  |       ^^"]),
        ("東京: bc", 5, ["1 | 東京: bc", "  |       ^^"]),
        ("a: 東京", 4, ["1 | a: 東京", "  |    ^^^^"]),
        ("e\u0301: bc", 5, ["1 | e\u0301: bc", "  |    ^^"]),
        ("a: \x1b[31m", 4, ["1 | a: \\x1b[31m", "  |    ^^^^^^^^"]),
        ("a: b", 99, []),
        ("", 1, []),
    ],
)
def test_the_mark_is_aligned(text: str, column: int, shown: list[str], tmp_path: Path) -> None:
    assert of_problem(tmp_path, text, column) == shown


@pytest.mark.parametrize("columns", [20, 80, 200, 1_000])
@pytest.mark.parametrize("column", [1, 151, 996])
def test_a_long_line_is_cut_around_its_mark(columns: int, column: int, tmp_path: Path) -> None:
    shown, mark = of_problem(tmp_path, " ".join(["word"] * 400), column, columns)
    assert len(shown) <= min(columns, 200)
    assert len(mark) <= min(columns, 200)
    begin = mark.index("^")
    assert shown[begin : begin + mark.count("^")] == "word"


@pytest.mark.parametrize(
    "text",
    [
        "a: {b: 1, password: hunter2}",
        "a: https://me:hunter2@acme.example",
        "a: 1 # token hunter2",
    ],
)
def test_a_line_that_may_have_a_secret_is_not_shown(text: str, tmp_path: Path) -> None:
    assert of_problem(tmp_path, text, 4) == []


def test_a_secret_on_the_lines_after_its_key_is_not_shown(tmp_path: Path) -> None:
    text = "external_ids:\n  - !x hunter2\npassword: |\n\n  *hunter2\n"
    text += "surprise: hunter2\nother:\n  more: hunter2\n  regoin: 1\n"
    shown = "\n".join(lines_of(tmp_path, BASE + text))
    assert "hunter2" not in shown
    assert "surprise:\n" in shown
    assert "other:\n" in shown


def test_colours_are_those_of_a_terminal(tmp_path: Path) -> None:
    shown = lines_of(tmp_path, WRONG, colours=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", "\n".join(shown)) == "\n".join(lines_of(tmp_path, WRONG))
    assert shown[-1].endswith("\x1b[1;31m^^^^^^^^^^^^\x1b[0m")


def test_a_missing_file_has_its_message_alone(tmp_path: Path) -> None:
    with pytest.raises(EstateError) as caught:
        load(tmp_path / "nowhere.yaml")
    assert "\n".join(with_lines(caught.value, 500, colours=False)) == str(caught.value)


def on_terminal(file: Path, *arguments: str, **environment: str) -> str:
    """Return the standard error of `check` on a terminal."""
    return printed_on_terminal("stderr", "check", str(file), *arguments, **environment)


def test_only_a_terminal_has_lines_and_colours(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(WRONG)
    code, _, piped = run("check", str(file), FORCE_COLOR="1")
    assert code == 2
    assert len(piped.splitlines()) == 1
    assert "\x1b" not in piped
    assert "\x1b[1;31m^" in on_terminal(file)
    for environment in ({"NO_COLOR": "1"}, {"FORCE_COLOR": "0"}, {"TERM": "dumb"}):
        plain = on_terminal(file, COLUMNS="500", **environment)
        assert "\x1b" not in plain
        assert plain.splitlines()[0] == piped.strip()
        assert plain.splitlines()[2].strip(" |") == "^" * 12
    assert on_terminal(file, "--output", "github") == ""


def test_messages_are_wrapped_between_words_on_a_terminal(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(WRONG)
    for arguments in (["check", str(file)], ["reach", "prod", "10.0.0.1", "443", "--ip", "10.20.0"]):
        _, _, piped = run(*arguments)
        printed = printed_on_terminal("stderr", *arguments, COLUMNS="60", NO_COLOR="1")
        message = [line for line in printed.splitlines() if "|" not in line]
        assert " ".join(line.strip() for line in message) == piped.strip()
        assert len(message) > 1
        assert all(len(line) <= 60 or " " not in line.strip() for line in message)


def test_force_color_0_colours_no_report_in_a_pipe() -> None:
    example = str(ROOT / "examples/complete.yaml")
    _, text, _ = run("status", example, "--only", "lake-zone", FORCE_COLOR="0", AWS_EC2_METADATA_DISABLED="true")
    assert "[??]" in text
    assert "\x1b" not in text
