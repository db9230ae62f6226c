"""Finds Terraform (or OpenTofu) on this machine, and runs it.

All output is captured. A failure raises an exception with a message for the user.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estate.errors import UserError

NEEDED = (1, 10)


class TerraformError(UserError):
    """Terraform is missing or failed. The message is complete."""


class TerraformFailed(TerraformError):  # noqa: N818  (the name of the base class ends in Error)
    """A Terraform command failed. `stderr` is the complete standard error of Terraform."""

    def __init__(self, command: list[str], folder: Path, code: int, stderr: str) -> None:
        shown = " ".join([Path(command[0]).name, *command[1:]])
        super().__init__(f"`{shown}` in {folder} failed (exit code {code}):\n{stderr.strip()}")
        self.exit_status, self.stderr = code, stderr


def find_terraform(environ: Mapping[str, str], reason: str = "") -> Path:
    """Return the binary: `TERRAFORM_BINARY_NAME` as cdktf-cli reads it (`tofu`, or a path), otherwise `terraform`.

    Raises `TerraformError` if there is none, it does not run, or it is older than `NEEDED`. `reason` is its purpose,
    for the message.
    """
    name = environ.get("TERRAFORM_BINARY_NAME") or "terraform"
    needed = ".".join(map(str, NEEDED))
    remedy = (
        f"Install Terraform {needed} or newer, or name another binary in TERRAFORM_BINARY_NAME (for example: tofu)."
        f"{reason and chr(10)}{reason}"
    )
    found = shutil.which(name, path=environ.get("PATH", ""))
    if found is None:
        raise TerraformError(f"`{name}` is not on the PATH. {remedy}")
    # Links are not resolved, because version managers use one shim with many names.
    binary = Path(found).absolute()
    try:
        # The update check would wait for the network. OpenTofu uses the same key in its answer.
        answer = subprocess.run(
            [binary, "version", "-json"],
            env={**environ, "CHECKPOINT_DISABLE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        version = str(json.loads(answer.stdout)["terraform_version"])
    except (OSError, subprocess.CalledProcessError, ValueError, KeyError, TypeError) as error:
        why = (getattr(error, "stderr", "") or str(error)).strip()
        raise TerraformError(f"{binary} failed to run `version -json`: {why}\n{remedy}") from error
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < NEEDED:
        raise TerraformError(
            f"{binary} is version {version}; {needed} or newer is needed, because S3 state is locked by a file next to"
            f" it (use_lockfile). {remedy}"
        )
    return binary


@dataclass(frozen=True)
class Terraform:
    """Runs `binary` in a folder, with `environ` as its whole environment.

    Every method raises `TerraformFailed` if the command fails.
    """

    binary: Path
    environ: Mapping[str, str]

    def output(self, folder: Path, timeout: float | None = None) -> dict[str, Any]:
        """Return the root outputs in the state by name, including sensitive values. `timeout` is in seconds."""
        outputs = json.loads(self._run(folder, "output", "-json", "-no-color", timeout=timeout))
        return {name: output["value"] for name, output in outputs.items()}

    def prepare(self, folder: Path) -> None:
        """Install the provider of a folder, and configure its backend."""
        self._run(folder, "init", "-input=false", "-no-color")

    def plan_messages(self, folder: Path, *, lock: bool = True) -> str:
        """Return the messages of a plan, each as JSON on one line. No plan file is saved."""
        return self._run(folder, "plan", f"-lock={str(lock).lower()}", "-json", "-input=false", "-no-color")

    def fmt(self, folder: Path, files: Iterable[Path]) -> None:
        """Format `files`, relative to `folder`, in one process. Other files are not read."""
        self._run(folder, "fmt", *map(str, files))

    def _run(self, folder: Path, *arguments: str, timeout: float | None = None) -> str:
        command = [str(self.binary), *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TerraformFailed(command, folder, 124, f"it did not answer in {timeout:.0f} seconds") from None
        if done.returncode != 0:
            raise TerraformFailed(command, folder, done.returncode, done.stderr or done.stdout)
        return done.stdout
