"""Invalid input in place of a document: each command prints one sentence within two seconds, and exits with 2."""

import os
import signal
import socket
import time
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from commands.app import app as cli
from modules.documents import MAX_DEPTH, DocumentError, parsed
from tests.support import ROOT
from tests.support.estates import BASE

POLICY = str(ROOT / "examples/policies/read-lake.json")
ESTATE = str(ROOT / "examples/cross_account_role.yaml")
READS: dict[tuple[str, str], list[str]] = {
    ("synth", "file"): ["synth", "{}"],
    ("plan", "file"): ["plan", "--file", "{}"],
    ("drift", "file"): ["drift", "--file", "{}"],
    ("drift", "outputs"): ["drift", "--file", ESTATE, "--outputs", "{}"],
    ("diff", "file"): ["diff", "--file", "{}"],
    ("export", "file"): ["export", "--estate", "{}"],
    ("init", "file"): ["init", "{}"],
    ("check", "file"): ["check", "{}"],
    ("handoff", "file"): ["handoff", "{}"],
    ("handoff", "outputs"): ["handoff", ESTATE, "--outputs", "{}"],
    ("adopt", "file"): ["adopt", "{}"],
    ("state create", "file"): ["state", "create", "{}"],
    ("policy fetch", "file"): ["policy", "fetch", "{}"],
    ("policy fetch", "to"): ["policy", "fetch", "--to", "{}"],
    ("policy diff", "old"): ["policy", "diff", "{}", POLICY],
    ("policy diff", "new"): ["policy", "diff", POLICY, "{}"],
    ("policy diff", "file"): ["policy", "diff", "--estate", "{}"],
    ("policy lint", "file"): ["policy", "lint", "{}"],
    ("permissions", "file"): ["permissions", "--estate", "{}"],
    ("preflight", "file"): ["preflight", "{}"],
    ("status", "file"): ["status", "{}"],
    ("status", "outputs"): ["status", ESTATE, "--outputs", "{}"],
    ("status", "html"): ["status", ESTATE, "--html", "{}"],
    ("reach", "file"): ["reach", "prod", "10.20.0.10", "443", "--estate", "{}"],
    ("reach", "outputs"): ["reach", "prod", "10.20.0.10", "443", "--estate", ESTATE, "--outputs", "{}"],
    ("", "ASTRO_ESTATE"): [],
}
"""A call for each document that a command reads, by the command and its parameter."""
FOLDERS = {("synth", "out"), ("export", "out"), ("plan", "out"), ("drift", "out"), ("diff", "out"), ("adopt", "out")}
"""Output paths, which tests/unit/operations/test_files.py tests."""
KINDS = ("folder", "pipe", "device", "socket", "loop", "huge", "deep", "encoding", "binary", "below a file")


def paths(command: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Return the command and the name of each parameter that is a path."""
    for parameter, type_ in typing.get_type_hints(command.callback).items() if command.callback else ():
        if Path in (type_, *typing.get_args(type_)):
            yield name, parameter
    for below, one in getattr(command, "commands", {}).items():
        yield from paths(one, f"{name} {below}".strip())


def test_every_path_of_every_command_has_its_row() -> None:
    assert set(paths(typer.main.get_command(cli))) == READS.keys() - {("", "ASTRO_ESTATE")} | FOLDERS


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    folder = tmp_path_factory.mktemp("bad")
    files = {kind: folder / kind for kind in KINDS} | {"device": Path("/dev/zero")}
    files["folder"].mkdir()
    os.mkfifo(files["pipe"])
    files["loop"].symlink_to(files["loop"])
    files["huge"].write_bytes(b"a: 1\n" * 3_000_000)
    files["deep"].write_text("[" * 100_000)
    files["encoding"].write_text(BASE, encoding="utf-16")
    files["binary"].write_bytes(bytes(range(256)))
    (folder / "file").write_text("")
    files["below a file"] = folder / "file/astro.yaml"
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(folder)  # the name of a socket must be short
        server.bind("socket")
        os.chdir(ROOT)
        yield files


def refuse(*_: object) -> None:
    raise TimeoutError


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("read", READS, ids=lambda read: " ".join(read).strip())
def test_an_irregular_file_is_refused_at_once(
    read: tuple[str, str], kind: str, bad: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("operations.policy.documents._download", lambda _: Path(POLICY).read_bytes())
    if read == ("policy fetch", "to") and kind in ("huge", "deep", "encoding", "binary", "below a file"):
        return  # a replaced document is not parsed
    environment = {"CDKTF_OUTDIR": str(tmp_path / "out")}
    if not READS[read]:
        environment["ASTRO_ESTATE"] = str(bad[kind])
    arguments = [argument.replace("{}", str(bad[kind])) for argument in READS[read]]
    before = signal.signal(signal.SIGALRM, refuse)
    signal.alarm(30)
    began = time.process_time()
    try:
        result = CliRunner(env=environment).invoke(cli, arguments)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert time.process_time() - began < 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes on line 1, column 2 of that file"),
        ("[" * 100_000, f"is nested deeper than {MAX_DEPTH} levels"),
        ("[" * 500 + "]" * 500, f"is nested deeper than {MAX_DEPTH} levels"),
        ("1" * 10_000, "has a number with thousands of digits"),
    ],
)
def test_invalid_json_has_a_message_of_this_project(text: str, told: str) -> None:
    with pytest.raises(DocumentError) as raised:
        parsed(text)
    assert str(raised.value) == told


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "loop", "huge", "deep", "encoding"])
def test_an_invalid_policy_file_is_reported_at_its_line(kind: str, bad: dict[str, Path], tmp_path: Path) -> None:
    text = Path(ESTATE).read_text().replace("policies/astronomer.json", str(bad[kind]))
    (tmp_path / "astro.yaml").write_text(text)
    result = CliRunner().invoke(cli, ["check", str(tmp_path / "astro.yaml")])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert ": account.cross_account_role.policy_file: " in result.stderr
