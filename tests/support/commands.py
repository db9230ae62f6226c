"""Runs the commands of main.py."""

import contextlib
import os
import pty
import subprocess
import sys
from typing import Literal

from tests.support import ROOT


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of main.py."""
    command, env = _call(arguments, environment)
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout, result.stderr


def printed_on_terminal(stream: Literal["stdout", "stderr"], *arguments: str, **environment: str) -> str:
    """Return what main.py prints to a stream that is a terminal."""
    leader, follower = pty.openpty()
    command, env = _call(arguments, {"TERM": "xterm"} | environment)
    out, err = (follower, subprocess.DEVNULL) if stream == "stdout" else (subprocess.DEVNULL, follower)
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=err) as process:
        os.close(follower)
        printed = b""
        # Linux reports the end of a terminal as an error.
        with contextlib.suppress(OSError):
            while chunk := os.read(leader, 4096):
                printed += chunk
        process.wait()
    os.close(leader)
    return printed.decode().replace("\r\n", "\n")


def _call(arguments: tuple[str, ...], environment: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the command, and its environment without the caller's accounts, estates and colours."""
    removed = ("AWS_", "ASTRO_", "NO_COLOR", "FORCE_COLOR")
    env = {key: value for key, value in os.environ.items() if not key.startswith(removed)}
    return [sys.executable, str(ROOT / "main.py"), *arguments], env | environment
