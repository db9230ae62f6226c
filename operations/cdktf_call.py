"""Reads the `cdktf` command that this process synthesizes for, from the processes above it.

`cdktf` runs main.py in the same way for every command, and removes TF_VAR_... from its environment. Terraform then
prompts for a missing variable, and cdktf hides the prompt. A deploy that nobody can approve crashes with the state
locked. If a process cannot be read, the call is allowed, so that no valid call is blocked.
"""

import ctypes
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from estate.errors import ExitCode, UserError
from estate.model import Estate
from estate.plan import secrets, stacks_of
from estate.state import CloudState
from modules.documents import DocumentError, read_bytes
from modules.entry import Secret
from operations.imports import drop_all
from operations.owner import refuse_foreign_folder
from operations.terraform import TerraformError, find_terraform
from operations.variables import status

COMMANDS = {"deploy": "deploy", "apply": "deploy", "destroy": "destroy", "diff": "diff", "plan": "diff"}
"""The commands that run Terraform, each with its first name."""
_VALUED = {"app", "a", "output", "o", "outputs-file", "parallelism", "terraform-parallelism", "log-level"}
_LISTS = {"var", "var-file"}
_CI = ("CI", "CONTINUOUS_INTEGRATION", "BUILD_NUMBER", "RUN_ID")
"""Variables of CI runners, with which cdktf's terminal library shows no prompt."""


@dataclass(frozen=True)
class Process:
    """A running process. Parts that cannot be read are None."""

    parent: int
    argv: tuple[str, ...]
    environ: Mapping[str, str] | None
    has_terminal: bool | None
    """True if its standard input is a terminal; None if that cannot be read."""


@dataclass(frozen=True)
class CdktfCall:
    """A `cdktf` command that runs Terraform. `stacks` contains names and patterns, `options` the other options."""

    command: str
    stacks: tuple[str, ...]
    options: Mapping[str, tuple[str, ...]]
    process: Process

    def chosen(self, stacks: Collection[str]) -> list[str]:
        """Return the stacks of the command; none if cdktf itself rejects the call."""
        if not self.stacks:
            return list(stacks) if len(stacks) == 1 else []
        return [one for one in stacks if any(fnmatchcase(one, pattern) for pattern in self.stacks)]

    def unanswerable(self) -> str | None:
        """Return the reason why nobody can approve the command. None if somebody can, or if no approval is needed."""
        environ = self.process.environ or {}
        approved = self.options.get("auto-approve") or (environ.get("CDKTF_AUTO_APPROVE"),)
        if self.command == "diff" or approved[-1] in ("", "true") or "-auto-approve" in self._terraform_arguments():
            return None
        variables = [name for name in _CI if environ.get(name) and environ.get("CI") != "false"]
        if not variables and self.process.has_terminal is not False:
            return None
        why = f"{variables[0]} is set" if variables else "standard input is not a terminal"
        return (
            f"`cdktf {self.command}` needs an approval that nobody can give here, because {why}: review "
            "`cdktf diff <stack>`, then add --auto-approve"
        )

    def missing(
        self, secrets: Iterable[tuple[str, str, Secret]], stacks: Collection[str], folder: Path
    ) -> Iterator[str]:
        """Yield a line for each of `secrets` (stack, variable, secret) that Terraform would prompt for or refuse.

        `stacks` are the stacks of the estate, and `folder` contains their folders.
        """
        environ = self.process.environ
        if environ is None or self._has_other_values(environ):
            return
        given = dict(one.split("=", 1) for one in self.options.get("var", ()) if "=" in one)
        chosen = self.chosen(stacks)
        for stack, variable, secret in secrets:
            name = f"TF_VAR_{variable}"
            if stack not in chosen or is_in_a_file(folder / stack, variable):
                continue
            if problem := status(secret, given.get(variable, environ.get(name))):
                yield f"stack {stack} needs {name}, which is {problem}: export {name}={secret.example()}"

    def _has_other_values(self, environ: Mapping[str, str]) -> bool:
        return (
            "var-file" in self.options
            or bool(environ.get("CDKTF_VAR") or environ.get("CDKTF_VAR_FILE"))
            or re.search(r"(^|\s)--?var\b", self._terraform_arguments()) is not None
        )

    def _terraform_arguments(self) -> str:
        environ = self.process.environ or {}
        return " ".join(value for name, value in environ.items() if name.startswith("TF_CLI_ARGS"))


def prepare(estate: Estate, file: Path, out: Path, environ: Mapping[str, str], pid: int) -> list[str]:
    """Raise UserError if the `cdktf` call at or above process `pid` cannot succeed with this output folder.

    Otherwise remove the import blocks of the stacks that it destroys, and return the stacks that it plans or deploys.
    """
    call = find_call(pid)
    refuse_foreign_folder(out, estate, file, migrates=call is not None and "migrate-state" in call.options)
    if not call:
        return []
    stacks = [stack.name for stack in stacks_of(estate)]
    if reasons := list(_obstacles(call, estate, stacks, out / "stacks", environ)):
        raise UserError("\n".join(reasons), ExitCode.BAD_INPUT)
    if call.command == "destroy":
        for stack in call.chosen(stacks):
            drop_all(out / "stacks" / stack)
        return []
    return call.chosen(stacks)


def _obstacles(
    call: CdktfCall, estate: Estate, stacks: Collection[str], folder: Path, environ: Mapping[str, str]
) -> Iterator[str]:
    if reason := call.unanswerable():
        yield reason
    # A workspace of HCP Terraform has its own variables.
    needed = [] if isinstance(estate.state, CloudState) else secrets(estate)
    yield from call.missing(needed, stacks, folder)
    keeps_role = estate.account and estate.account.cross_account_role.removal_reason is None
    if call.command == "destroy" and keeps_role and "account" in call.chosen(stacks):
        yield (
            "Terraform does not destroy Astronomer's role in stack account without a reason: write "
            'account.cross_account_role.removal_reason (docs/recovery.md, "Taking it all down")'
        )
    try:
        find_terraform(environ)
    except TerraformError as error:
        yield str(error)


def find_call(pid: int, read: Callable[[int], Process | None] | None = None) -> CdktfCall | None:
    """Return the call of the nearest `cdktf` at or above process `pid`; None without one that runs Terraform."""
    read = read or (_read_macos if sys.platform == "darwin" else _read_linux)
    while pid > 1 and (process := read(pid)):
        for place, argument in enumerate(process.argv[:4]):
            if Path(argument).name in ("cdktf", "cdktf.js", "cdktn", "cdktn.js"):
                return _parse(process, process.argv[place + 1 :])
        pid = process.parent
    return None


def _parse(process: Process, arguments: tuple[str, ...]) -> CdktfCall | None:
    """Parse the arguments as cdktf's yargs does: a list option takes all words up to the next option."""
    words: list[str] = []
    options: dict[str, tuple[str, ...]] = {}
    name = ""
    for number, argument in enumerate(arguments):
        if argument == "--":
            words += arguments[number + 1 :]
            break
        if re.match(r"--?[a-zA-Z]", argument):
            written, equals, value = argument.lstrip("-").partition("=")
            name = re.sub(r"[A-Z]", lambda letter: f"-{letter[0].lower()}", written)
            options[name] = (*options.get(name, ()), *([value] if equals or name not in _LISTS else []))
            if equals and name not in _LISTS:
                name = ""
        elif name in _LISTS:
            options[name] = (*options[name], argument)
        elif name in _VALUED or (name and argument in ("true", "false")):
            options[name], name = (*options[name][:-1], argument), ""
        else:
            words, name = [*words, argument], ""
    command = COMMANDS.get(words[0]) if words else None
    return CdktfCall(command, tuple(words[1:]), options, process) if command else None


def is_in_a_file(stack: Path, variable: str) -> bool:
    """Return whether a file that Terraform loads by itself mentions the variable."""
    files = [*stack.glob("terraform.tfvars*"), *stack.glob("*.auto.tfvars*")]
    return any(variable.encode() in _content(file) for file in files)


def _content(file: Path) -> bytes:
    try:
        return read_bytes(file)
    except (OSError, DocumentError):
        return b""


def _read_linux(pid: int) -> Process | None:
    folder = Path("/proc", str(pid))
    try:
        # The name of the program, in parentheses, can contain any character.
        parent = int((folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
        argv = _strings((folder / "cmdline").read_bytes())
    except (OSError, ValueError, IndexError):
        return None
    try:
        environ = _environ(_strings((folder / "environ").read_bytes()))
    except OSError:
        environ = None
    return Process(parent, argv, environ, _is_terminal(folder / "fd/0"))


def _is_terminal(file: Path) -> bool | None:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except PermissionError:
        return None
    except OSError:
        # Closed, or a socket, which cannot be opened.
        return False
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)


def _read_macos(pid: int) -> Process | None:  # pyright: ignore[reportUnusedFunction] (elsewhere, pyright reads macOS as never)
    try:
        shown = subprocess.run(["ps", "-o", "ppid=,tty=", "-p", str(pid)], capture_output=True, text=True, check=True)
        parent, terminal = shown.stdout.split()
        kern_procargs2, size = (ctypes.c_int * 3)(1, 49, pid), ctypes.c_size_t(1 << 20)
        buffer = ctypes.create_string_buffer(size.value)
        failed = ctypes.CDLL(None).sysctl(kern_procargs2, 3, buffer, ctypes.byref(size), None, ctypes.c_size_t(0))
        argv, environ = parse_procargs(b"" if failed else buffer.raw[: size.value])
        # `??` is a process without a terminal. A process with one can have another standard input.
        return Process(int(parent), argv, environ, False if terminal.startswith("?") else None)
    except (OSError, ValueError, AttributeError, struct.error, subprocess.CalledProcessError):
        return None


def parse_procargs(block: bytes) -> tuple[tuple[str, ...], Mapping[str, str] | None]:
    """Parse the result of macOS's KERN_PROCARGS2: the number of arguments, the program, arguments and environment."""
    (count,) = struct.unpack_from("i", block)
    # The program's path is padded with zeros.
    strings = _strings(block[4:].partition(b"\0")[2].lstrip(b"\0"))
    return strings[:count], _environ(strings[count:]) or None


def _strings(block: bytes) -> tuple[str, ...]:
    return tuple(one.decode("utf-8", "surrogateescape") for one in block.removesuffix(b"\0").split(b"\0"))


def _environ(strings: tuple[str, ...]) -> dict[str, str]:
    return dict(one.split("=", 1) for one in strings if "=" in one)
