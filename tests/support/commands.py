"""Runs the commands of main.py."""

import os
import subprocess
import sys

from tests.support import ROOT


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of main.py."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ASTRO_"))} | environment
    command = [sys.executable, str(ROOT / "main.py"), *arguments]
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout, result.stderr
