"""Errors that stop a `cdktf` call before Terraform starts: no way to approve, a missing variable, no Terraform."""

import os
import pty
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from estate.load import load
from estate.plan import secrets
from operations.cdktf_call import CdktfCall, Process, find_call, parse_procargs
from operations.imports import FILE, HEADER
from operations.variables import literal
from tests.support import ROOT
from tests.support.commands import run
from tests.support.estates import BASE
from tests.support.yours import yours

ACCOUNT, VPN = ROOT / "examples/cross_account_role.yaml", ROOT / "examples/vpn.yaml"
IDS = {"TF_VAR_external_ids": '["abc-123"]'}
NOT_SET = "stack account needs TF_VAR_external_ids, which is not set: export TF_VAR_external_ids='[\"…\"]'\n"


@pytest.fixture
def cdktf(tmp_path: Path) -> Path:
    """Write a program that, like the real one, removes TF_VAR_... and runs main.py in a shell with a pipe as standard
    input.

    tests/deploy/test_cdktf_runs.py runs the real one.
    """
    program = tmp_path / "cdktf"
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, subprocess, sys\n"
        "env = {name: value for name, value in os.environ.items() if not name.startswith('TF_VAR_')}\n"
        f"command = '{sys.executable} {ROOT}/main.py; exit $?'\n"
        "sys.exit(subprocess.run(command, shell=True, env=env, stdin=subprocess.PIPE).returncode)\n"
    )
    program.chmod(0o755)
    return program


def call(
    cdktf: Path, arguments: str, estate: Path, environ: Mapping[str, str] | None = None, stdin: str = ""
) -> tuple[int, str]:
    """Return exit code and errors of a call in a terminal; `stdin` is a redirection of the shell."""
    unset = ("CI", "CONTINUOUS_INTEGRATION", "BUILD_NUMBER", "RUN_ID", "TERRAFORM_BINARY_NAME")
    own = {name: value for name, value in os.environ.items() if name not in unset and not name.startswith("TF_")}
    env = own | {"ASTRO_ESTATE": str(estate), "CDKTF_OUTDIR": str(cdktf.parent / "cdktf.out"), **(environ or {})}
    primary, secondary = pty.openpty()
    try:
        done = subprocess.run(
            ["sh", "-c", f"{cdktf} {arguments} {stdin}"],
            stdin=secondary,
            env=env,
            cwd=cdktf.parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(primary)
        os.close(secondary)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", ["deploy account", "apply 'acc*'", "diff account", "plan"])
def test_a_variable_that_is_not_set_stops_the_call(cdktf: Path, command: str) -> None:
    assert call(cdktf, command, ACCOUNT) == (2, NOT_SET)
    assert not (cdktf.parent / "cdktf.out").exists()


@pytest.mark.parametrize("stdin", ["", "0<&-", "</dev/null"])
def test_an_approved_call_with_its_variables_goes_on(cdktf: Path, stdin: str) -> None:
    assert call(cdktf, "deploy account --auto-approve", ACCOUNT, {**IDS, "CI": "true"}, stdin) == (0, "")
    assert (cdktf.parent / "cdktf.out/stacks/account/cdk.tf.json").exists()


@pytest.mark.parametrize("command", ["synth", "list", "output account"])
def test_a_call_that_does_not_run_terraform_goes_on(cdktf: Path, command: str) -> None:
    assert call(cdktf, command, ACCOUNT, {"TERRAFORM_BINARY_NAME": "none"}, "</dev/null") == (0, "")


@pytest.mark.parametrize(
    ("environ", "stdin", "why"),
    [
        ({}, "</dev/null", "standard input is not a terminal"),
        ({}, "0<&-", "standard input is not a terminal"),
        ({"CI": "true"}, "", "CI is set"),
        ({"BUILD_NUMBER": "7"}, "", "BUILD_NUMBER is set"),
    ],
)
@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_no_approval_is_requested_without_a_terminal(
    cdktf: Path, command: str, environ: dict[str, str], stdin: str, why: str
) -> None:
    code, said = call(cdktf, f"{command} account", ACCOUNT, {**IDS, **environ}, stdin)
    assert (code, said.splitlines()[0]) == (
        2,
        f"`cdktf {command}` needs an approval that nobody can give here, because {why}: review "
        "`cdktf diff <stack>`, then add --auto-approve",
    )


def test_the_account_is_not_destroyed_without_a_reason(cdktf: Path, tmp_path: Path) -> None:
    command = "destroy account --auto-approve"
    code, said = call(cdktf, command, ACCOUNT, IDS)
    assert (code, said) == (
        2,
        "Terraform does not destroy Astronomer's role in stack account without a reason: write "
        'account.cross_account_role.removal_reason (docs/recovery.md, "Taking it all down")\n',
    )
    shutil.copytree(ACCOUNT.parent, tmp_path / "examples")
    estate = tmp_path / "examples" / ACCOUNT.name
    reason = "  cross_account_role:\n    removal_reason: Astro is no longer used here\n"
    estate.write_text(estate.read_text().replace("  cross_account_role:\n", reason))
    assert call(cdktf, command, estate, IDS) == (0, "")


def test_a_destroy_drops_the_imports_and_a_deploy_keeps_them(cdktf: Path) -> None:
    estate, stack = ROOT / "examples/vpc_peering.yaml", cdktf.parent / "cdktf.out/stacks/network-lake"
    imports = stack / FILE
    stack.mkdir(parents=True)
    to = "aws_vpc_peering_connection_accepter.lake-peering_accepter"
    imports.write_text(f'{HEADER}\nimport {{\n  to = {to}\n  id = "pcx-1"\n}}\n')
    there = {}
    for command in ("deploy", "diff", "destroy"):
        assert call(cdktf, f"{command} network-lake --auto-approve", estate) == (0, "")
        there[command] = imports.exists()
    assert there == {"deploy": True, "diff": True, "destroy": False}


def test_all_reasons_are_given_at_once(cdktf: Path) -> None:
    code, said = call(cdktf, "deploy '*'", VPN, {"TERRAFORM_BINARY_NAME": "none"}, "</dev/null")
    assert (code, said.splitlines()) == (
        2,
        [
            "`cdktf deploy` needs an approval that nobody can give here, because standard input is not a terminal: "
            "review `cdktf diff <stack>`, then add --auto-approve",
            "stack network-lake needs TF_VAR_plant_preshared_keys, which is not set: "
            'export TF_VAR_plant_preshared_keys=\'{"main-1": "…", "main-2": "…"}\'',
            "`none` is not on the PATH. Install Terraform 1.10 or newer, or name another binary in "
            "TERRAFORM_BINARY_NAME (for example: tofu).",
        ],
    )


def test_an_old_terraform_stops_the_call(cdktf: Path) -> None:
    old = cdktf.parent / "old"
    old.write_text("""#!/bin/sh\necho '{"terraform_version": "1.5.7"}'\n""")
    old.chmod(0o755)
    code, said = call(cdktf, "diff account", ACCOUNT, {**IDS, "TERRAFORM_BINARY_NAME": str(old)})
    assert code == 2
    assert said.startswith(f"{old} is version 1.5.7; 1.10 or newer is needed")


def parsed(
    *arguments: str, environ: Mapping[str, str] | None = None, has_terminal: bool | None = True
) -> CdktfCall | None:
    process = Process(1, ("node", "/x/node_modules/.bin/cdktf", *arguments), environ or {}, has_terminal)
    return find_call(7, {7: process}.get)


@pytest.mark.parametrize(
    ("arguments", "command", "stacks"),
    [
        ("deploy a b", "deploy", ("a", "b")),
        ("apply * --auto-approve", "deploy", ("*",)),
        ("--log-level debug plan a", "diff", ("a",)),
        ("deploy -o out a --output=x --parallelism 2 b", "deploy", ("a", "b")),
        ("deploy --auto-approve a", "deploy", ("a",)),
        ("deploy --auto-approve true a", "deploy", ("a",)),
        ("deploy a --var x=1 y=2 --no-color b", "deploy", ("a", "b")),
        ("destroy -- a", "destroy", ("a",)),
    ],
)
def test_a_call_is_parsed_as_cdktf_parses_it(arguments: str, command: str, stacks: tuple[str, ...]) -> None:
    found = parsed(*arguments.split())
    assert found
    assert (found.command, found.stacks) == (command, stacks)


@pytest.mark.parametrize("arguments", ["", "synth", "list --output x", "--help", "watch --auto-approve"])
def test_other_calls_are_ignored(arguments: str) -> None:
    assert parsed(*arguments.split()) is None


@pytest.mark.parametrize(
    ("arguments", "environ", "refused"),
    [
        ("deploy a", {}, True),
        ("diff a", {}, False),
        ("deploy a --auto-approve", {}, False),
        ("deploy a --autoApprove", {}, False),
        ("deploy a --auto-approve=true", {}, False),
        ("deploy a --auto-approve false", {}, True),
        ("deploy a", {"CDKTF_AUTO_APPROVE": "true"}, False),
        ("deploy a", {"TF_CLI_ARGS_apply": "-auto-approve"}, False),
        ("destroy a", {"CI": "true"}, True),
    ],
)
def test_approval_in_advance_is_seen_wherever_it_is(arguments: str, environ: dict[str, str], refused: bool) -> None:
    found = parsed(*arguments.split(), environ=environ, has_terminal=False)
    assert found
    assert (found.unanswerable() is not None) == refused


def test_a_terminal_that_cannot_be_read_refuses_nothing() -> None:
    found = parsed("deploy", "a", has_terminal=None)
    assert found
    assert found.unanswerable() is None


@pytest.mark.parametrize(
    ("arguments", "environ", "missing"),
    [
        ("deploy account", {}, True),
        ("deploy network-lake", {}, False),
        ("deploy *", {}, True),
        ("deploy acc?unt", {}, True),
        ("deploy", {}, False),  # there are two stacks, so cdktf requires a name
        ("deploy account", IDS, False),
        ("deploy account", {"TF_VAR_external_ids": "abc-123"}, True),
        ('deploy account --var external_ids=["abc-123"]', {}, False),
        ("deploy account --var external_ids=abc", IDS, True),
        ("deploy account --var-file x.tfvars", {}, False),
        ("deploy account", {"CDKTF_VAR_FILE": "x.tfvars"}, False),
        ("deploy account", {"TF_CLI_ARGS_apply": "-var-file=x.tfvars"}, False),
        ("deploy account", {"TF_CLI_ARGS": "-parallelism=2"}, True),
    ],
)
def test_a_value_is_looked_for_wherever_terraform_does(
    tmp_path: Path, arguments: str, environ: dict[str, str], missing: bool
) -> None:
    found = parsed(*arguments.split(), environ=environ)
    assert found
    lines = list(found.missing(secrets(load(ACCOUNT)), ["account", "network-lake"], tmp_path))
    assert (len(lines) == 1) == missing


def test_a_value_in_a_file_that_terraform_loads_is_enough(tmp_path: Path) -> None:
    (tmp_path / "account").mkdir()
    (tmp_path / "account/own.auto.tfvars").write_text('external_ids = ["abc-123"]\n')
    found = parsed("deploy", "account")
    assert found
    assert list(found.missing(secrets(load(ACCOUNT)), ["account"], tmp_path)) == []


def test_the_nearest_cdktf_above_counts_and_none_is_silent() -> None:
    chain = {
        9: Process(8, ("python3", "main.py"), {}, False),
        8: Process(7, ("/bin/sh", "-c", "python3 main.py"), {}, False),
        7: Process(6, ("node", "--max-old-space-size=4096", "/x/cdktf.js", "diff", "a"), {}, True),
        6: Process(1, ("bash", "-c", "cdktf deploy b"), {}, True),
    }
    found = find_call(9, chain.get)
    assert found
    assert (found.command, found.stacks) == ("diff", ("a",))
    assert find_call(6, chain.get) is None
    assert find_call(9, {9: chain[9]}.get) is None
    assert find_call(9, {}.get) is None


def test_without_a_cdktf_above_there_is_no_call() -> None:
    assert find_call(os.getpid()) is None


def test_the_answer_of_macos_is_parsed() -> None:
    strings = [b"/bin/node", b"", b"", b"node", b"/x/cdktf", b"diff", b"a b", b"PATH=/bin", b"X=1=2", b""]
    block = struct.pack("i", 4) + b"\0".join(strings)
    assert parse_procargs(block) == (("node", "/x/cdktf", "diff", "a b"), {"PATH": "/bin", "X": "1=2"})
    hidden = struct.pack("i", 1) + b"/bin/node\0\0node\0"
    assert parse_procargs(hidden) == (("node",), None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["a", "b"]', ["a", "b"]),
        ('["a",\n "b",\n]', ["a", "b"]),
        ("[]", []),
        ("[12, true]", ["12", "true"]),
        ("[null]", [None]),
        ('["a", "b",]', ["a", "b"]),
        ('{"a-1": "x", "b": "y"}', {"a-1": "x", "b": "y"}),
        ('{\n a-1 = "x" # why\n b = "y"\n}', {"a-1": "x", "b": "y"}),
        ('"a\\"b$${c}"', 'a"b${c}'),
        ("", None),
        ("abc", None),
        ('["a"', None),
        ('["a"] "b"', None),
        ('["a" "b"]', None),
        ('["${a}"]', None),
        ("[abc]", None),
        ("{a}", None),
        ("[" * 5000, None),
    ],
)
def test_a_variable_is_read_as_terraform_reads_it(text: str, value: object) -> None:
    assert literal(text) == value


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, "not set"),
        ({"TF_VAR_plant_preshared_keys": '{"main-1": "abcdefgh", "main-2": "abcdefgh"}'}, "set"),
        ({"TF_VAR_plant_preshared_keys": "marked"}, "set, but not a map of strings"),
        (
            {"TF_VAR_plant_preshared_keys": '{"main-1": "marked.key"}'},
            "set, but not valid: a key for each of main-1, main-2, and no other; each has 8 to 64 of a-z A-Z "
            "0-9 . _ and does not begin with 0 (AWS's rule)",
        ),
    ],
)
def test_check_reports_whether_each_variable_is_set(environ: dict[str, str], found: str) -> None:
    code, out, err = run("check", str(VPN), **environ)
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == [
        f"stack network-lake needs TF_VAR_plant_preshared_keys, map(string) ({found}): "
        "The pre-shared keys of the tunnels: main-1, main-2."
    ]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("deploy network-lake", 2),
        ("deploy '*'", 2),
        ("diff network-lake", 2),
        ("deploy network-edge", 0),
        ("destroy network-lake", 0),
        ("synth", 0),
    ],
)
def test_an_entry_after_its_last_day_is_not_deployed(cdktf: Path, command: str, code: int) -> None:
    """Other stacks, and commands that remove the entry, still run."""
    estate, approved = cdktf.parent / "astro.yaml", " --auto-approve" * (command.split()[0] in ("deploy", "destroy"))
    edge = '  edge: {account_id: "111111111111", region: us-east-1, create: {cidr: 10.30.0.0/20}}\n'
    role = "  role: {type: peering_role, cluster: prod, network: lake, expires: 2020-01-31}\n"
    estate.write_text(yours(BASE).replace("connections:\n", f"{edge}connections:\n") + role)
    line, column = len(estate.read_text().splitlines()), role.index("2020") + 1
    told = (
        f"{estate}:{line}:{column}: connections.role.expires: '2020-01-31' was the role's last day; "
        "remove the entry and deploy to delete the role, or set a later day\n"
    )
    assert call(cdktf, command + approved, estate) == (code, told)
    assert (cdktf.parent / "cdktf.out").exists() == (code == 0)
