"""The command line: help, version, completion, and the same options in every command."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from commands.app import app as cli
from operations.start import version
from tests.support import ROOT
from tests.support.commands import run
from tests.support.estates import BASE
from tests.support.yours import yours

ROOT_COMMAND: Any = typer.main.get_command(cli)


def commands(command: Any = ROOT_COMMAND, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command with the words that call it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{path} {name}".strip())


ALL = dict(commands())
ESTATES = [path for path, one in ALL.items() if any(param.name == "file" for param in one.params)]


def parse(words: list[str], command: Any = ROOT_COMMAND, above: Any = None) -> str:
    """Return the path of the command that parses the words, without running it."""
    context = command.make_context(command.name or "main.py", list(words), parent=above)
    if not hasattr(command, "commands"):
        return str(command.name)
    left = [*context._protected_args, *context.args]
    if not left:
        return ""
    name, below, rest = command.resolve_command(context, left)
    return f"{name} {parse(rest, below, context)}" if hasattr(below, "commands") else parse(rest, below, context)


@pytest.mark.parametrize("path", ALL)
def test_every_help_has_examples_that_parse(path: str) -> None:
    examples = re.findall(r"^ +main\.py (.*)$", ALL[path].help, re.MULTILINE)
    assert examples
    for example in examples:
        # `diff` is a second name for `plan`.
        assert parse(shlex.split(example)).startswith("plan" if path == "diff" else path)


@pytest.mark.parametrize("path", ALL)
def test_no_usage_has_brackets_in_brackets(path: str) -> None:
    usage = ALL[path].get_usage(ALL[path].context_class(ALL[path], info_name="main.py"))
    assert "[[" not in usage


def test_commands_that_wait_for_aws_or_terraform_show_progress() -> None:
    called = re.compile(r"\bprogress\(f?\"")
    shown = {file.stem for file in (ROOT / "commands").glob("*.py") if called.search(file.read_text())}
    assert shown == {"adopt", "drift", "init", "plan", "preflight", "reach", "status"}


def test_main_py_runs_as_a_program() -> None:
    result = subprocess.run([ROOT / "main.py", "--version"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"astro-on-aws {version()}\n", "")


@pytest.mark.parametrize("path", ALL)
def test_every_help_lists_the_exit_codes(path: str) -> None:
    (listed,) = re.findall(r"^ *Exit codes: (.*?)\.$", ALL[path].help, re.MULTILINE | re.DOTALL)
    codes = re.findall(r"\b[0-4] [a-z]", listed)
    assert codes == sorted(set(codes))
    assert codes


def test_a_wrong_example_does_not_parse() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["check", "--fiel", "dev.yaml"])


@pytest.mark.parametrize("path", ["", "check", "policy", "policy diff"])
def test_h_prints_the_help(path: str) -> None:
    code, out, err = run(*path.split(), "-h")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: main.py {path}".rstrip())
    assert "Exit codes: " in out


def test_the_version_is_that_of_the_project() -> None:
    assert run("--version") == (0, f"astro-on-aws {version()}\n", "")
    assert f'version = "{version()}"\n' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("path", ESTATES)
def test_every_command_takes_the_estate_as_file(path: str) -> None:
    needed = {"reach": ["prod", "10.0.0.1", "443"]}.get(path, [])
    for option in (["--file", "own.yaml"], ["-f", "own.yaml"], ["--file=own.yaml"], ["--estate", "own.yaml"]):
        context = ALL[path].make_context(path, [*needed, *option])
        assert context.params["file"] == Path("own.yaml")


def test_the_estate_is_given_once() -> None:
    code, out, err = run("check", "a.yaml", "--file", "b.yaml")
    assert (code, out) == (2, "")
    assert "unexpected extra argument" in err


def test_check_reads_the_file_of_the_option(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(yours(BASE))
    assert run("check", "--file", str(file)) == run("check", str(file))


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["chekc"], "Did you mean 'check'?"),
        (["polcy"], "Did you mean 'policy'?"),
        (["synth", "--ouput", "hcl"], "--output"),
        (["export", "network-lak", "--file", "examples/vpc_peering.yaml"], "did you mean 'network-lake'?"),
    ],
)
def test_a_misspelt_word_is_corrected(words: list[str], meant: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert meant in err


def test_formats_have_one_spelling() -> None:
    shown = [param for one in ALL.values() for param in one.params if not getattr(param, "hidden", False)]
    names = {name for param in shown for name in param.opts}
    assert "--output" in names
    assert not names & {"--json", "--hcl", "--format"}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("che", ["check"]),
        ("policy ", ["fetch", "diff", "lint"]),
        ("policy fetch --acc", ["--accept"]),
        ("synth --output ", ["json", "hcl"]),
        ("check ", []),
        ("handoff --for n", ["network-team"]),
    ],
)
def test_bash_completes(line: str, offered: list[str]) -> None:
    script = run("completion", "bash")[1]
    words = shlex.join(["main.py", *line.split(" ")])
    ask = f"COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); _astro_on_aws; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == (offered, "")
