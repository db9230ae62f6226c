"""Full disks, closed pipes and stopped runs: the commands print one sentence and leave no partial output."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from estate.load import load
from local_aws import LocalAws
from tests.support import ROOT
from tests.support.world import facts_of

pytestmark = pytest.mark.slow

ESTATE = "examples/complete.yaml"
POLICY = "examples/policies/read-lake.json"
WRITERS = {"synth": ["synth", ESTATE, "--out"], "export": ["export", "--estate", ESTATE, "--out"]}
PRINTERS = {
    "synth": ["synth", ESTATE],
    "export": ["export", "--estate", ESTATE, "--out", "{home}/modules"],
    "synth --check": ["synth", ESTATE, "--out", "nowhere", "--check"],
    "check": ["check", ESTATE],
    "handoff": ["handoff", ESTATE],
    "permissions": ["permissions", "--estate", ESTATE],
    "policy diff": ["policy", "diff", POLICY, "examples/policies/astronomer.json"],
    "policy lint": ["policy", "lint", ESTATE],
    "schema": ["schema"],
    "status": ["status", ESTATE],
    "status --output json": ["status", ESTATE, "--output", "json"],
    "reach": ["reach", "prod", "10.20.0.10", "5432", "--estate", ESTATE],
}
"""Each command that prints without credentials of AWS. `status` and `reach` then print that they cannot read it."""


def run(
    *arguments: str, preexec: Callable[[], None] | None = None, more: Mapping[str, str] = MappingProxyType({})
) -> tuple[int, str]:
    """Return exit code and errors of main.py."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ASTRO_"))} | dict(more)
    command = [sys.executable, "main.py", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=preexec, check=False
    )
    return done.returncode, done.stderr.decode()


def printing_to(output: int, *arguments: str) -> tuple[int, list[str]]:
    """Return exit code and errors of main.py with another standard output."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ASTRO_"))}
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "main.py", *(one.replace("{home}", home) for one in arguments)]
        env |= {"CDKTF_OUTDIR": f"{home}/out", "HOME": home, "AWS_EC2_METADATA_DISABLED": "true"}
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stderr.decode().splitlines()


REMEDY = "make room, or name other folders in TMPDIR and JSII_RUNTIME_PACKAGE_CACHE_ROOT\n"


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("HOME", "/dev/null", "/dev/null/.cache/aws/jsii/package-cache: cannot be written: not a directory; "),
        ("TMPDIR", "/dev/null", "/dev/null/jsii-kernel-XXXXXX: cannot be written: not a directory; "),
        ("TMPDIR", "/nowhere", "/nowhere/jsii-kernel-XXXXXX: cannot be written: no such file or directory; "),
    ],
)
def test_a_folder_that_cannot_be_used_is_named(name: str, variable: str, value: str, told: str, tmp_path: Path) -> None:
    more = {variable: value} | ({"XDG_CACHE_HOME": ""} if variable == "HOME" else {})
    assert run(*WRITERS[name], str(tmp_path / "out"), more=more) == (1, told + REMEDY)
    assert not (tmp_path / "out").exists()


def no_room() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_temporary_folder_leaves_nothing(name: str, tmp_path: Path) -> None:
    told = f"a temporary folder: cannot be written: file too large; {REMEDY}"
    assert run(*WRITERS[name], str(tmp_path / "out"), preexec=no_room) == (1, told)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", PRINTERS)
def test_a_full_disk_is_named(name: str) -> None:
    with Path("/dev/full").open("w") as full:
        code, lines = printing_to(full.fileno(), *PRINTERS[name])
    assert (code, lines[-1]) == (1, "standard output: cannot be written: No space left on device")
    assert not any("Traceback" in line or "Exception" in line for line in lines)


@pytest.mark.parametrize("name", PRINTERS)
def test_a_closed_pipe_is_named(name: str) -> None:
    read, write = os.pipe()
    os.close(read)
    code, lines = printing_to(write, *PRINTERS[name])
    os.close(write)
    assert (code, lines[-1]) == (1, "standard output: cannot be written: Broken pipe")
    assert not any("Traceback" in line or "Exception" in line for line in lines)


def no_room_at_all() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))


@pytest.mark.parametrize("where", ["the file", "standard output"])
def test_init_on_a_full_disk_leaves_a_whole_file_or_none(where: str, tmp_path: Path) -> None:
    file = tmp_path / "estates/astro.yaml"
    file.parent.mkdir()
    command = [sys.executable, "main.py", "init", str(file), "--region", "us-east-1", "--product", "hosted-dedicated"]
    with LocalAws() as aws, Path("/dev/full").open("w") as full:
        aws.make(facts_of(load(ROOT / "examples/vpc_peering.yaml")))
        env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ASTRO_"))}
        env |= aws.environment("111111111111") | {"HOME": str(tmp_path)}
        options = {"preexec_fn": no_room_at_all} if where == "the file" else {"stdout": full}
        done = subprocess.run(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, check=False, **options)  # type: ignore[call-overload]
    told = f"{file}: cannot be written: File too large" if where == "the file" else ""
    told = told or "standard output: cannot be written: No space left on device"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, told)
    assert list(file.parent.iterdir()) == ([] if where == "the file" else [file])
    assert where == "the file" or load(file).networks


def _heed_signals() -> None:
    """Restore the default handlers, because a background process inherits ignored signals."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
@pytest.mark.parametrize("folder", ["jsii-kernel-*", "tmp*"])
def test_a_run_that_is_stopped_leaves_no_folder(number: signal.Signals, folder: str, tmp_path: Path) -> None:
    """The signal goes to Python and Node, as from a terminal, after one of them has created its folder."""
    temporary, out = tmp_path / "temporary", tmp_path / "out"
    temporary.mkdir()
    command = [sys.executable, "main.py", "synth", ESTATE, "--out", str(out)]
    env = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=_heed_signals
    ) as process:
        while not list(temporary.glob(folder)):
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(0.1)  # until the process has recorded the folder
        os.killpg(process.pid, number)
        told = process.communicate(timeout=120)[1]
    assert (process.returncode in (-number, 128 + number), told) == (True, b"")
    ended = time.monotonic() + 30
    while list(temporary.iterdir()) and time.monotonic() < ended:
        time.sleep(0.05)  # Node ends after Python if Python was stopped before a command
    assert (list(temporary.iterdir()), out.exists()) == ([], False)


INTERRUPTED = """
import os, runpy, signal, sys
def interrupt(event, arguments):
    if event == "import" and arguments[0] == {module!r}:
        os.kill(os.getpid(), signal.SIGINT)
sys.argv = ["main.py", "check", "examples/vpc.yaml"]
sys.addaudithook(interrupt)
runpy.run_path("main.py", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["operations.start", "typer", "commands.app", "pydantic", "estate.load"])
def test_ctrl_c_during_an_import_prints_nothing(module: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED.format(module=module)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=_heed_signals)
    assert (done.returncode in (-signal.SIGINT, 128 + signal.SIGINT), done.stdout, done.stderr) == (True, "", "")
