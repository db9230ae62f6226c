"""Finds Terraform (or OpenTofu) and the AWS provider on this machine, and runs it.

Everything is captured and nothing printed: a failure is an exception with a message for the person who ran the command.
"""
# ruff: noqa: N818  (the base class says that they are errors, the names say what happened)

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NEEDED = (1, 10)

# Where the Filesystem Hierarchy Standard puts add-on software: a mirror may be any direct child of these.
ADD_ON_ROOTS = (Path("/opt"), Path("/usr/local/share"), Path("/usr/share"))


class TerraformError(Exception):
    """What can go wrong around Terraform itself; the message is complete."""


class TerraformMissing(TerraformError):
    """No binary that answers `version`."""


class TerraformTooOld(TerraformError):
    """A binary older than `NEEDED`."""


class MirrorMissing(TerraformError):
    """`TF_PLUGIN_MIRROR` names a folder that holds no AWS provider."""


class TerraformFailed(TerraformError):
    """A Terraform command exited with an error. `stderr` is what Terraform wrote, unshortened."""

    def __init__(self, command: list[str], folder: Path, code: int, stderr: str) -> None:
        self.command, self.folder, self.code, self.stderr = command, folder, code, stderr
        shown = " ".join([Path(command[0]).name, *command[1:]])
        super().__init__(f"`{shown}` in {folder} failed (exit code {code}):\n{stderr.strip()}")


def find_terraform(environ: Mapping[str, str]) -> Path:
    """The binary to run: `TERRAFORM_BINARY_NAME` as cdktf-cli reads it (`tofu`, or a path), else `terraform`.

    Raises `TerraformMissing` or `TerraformTooOld`.
    """
    name = environ.get("TERRAFORM_BINARY_NAME") or "terraform"
    needed = ".".join(map(str, NEEDED))
    remedy = (
        f"Install Terraform {needed} or newer, or name another binary in TERRAFORM_BINARY_NAME (for example: tofu)."
    )
    found = shutil.which(name, path=environ.get("PATH", ""))
    if found is None:
        raise TerraformMissing(f"`{name}` is not on the PATH. {remedy}")
    # Not resolved: version managers link one shim under many names and look at the name they were called by.
    binary = Path(found).absolute()
    try:
        # The update check would wait for the network, and OpenTofu spells the key the same.
        answer = subprocess.run(
            [binary, "version", "-json"],
            env=_usable(environ) | {"CHECKPOINT_DISABLE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        version = str(json.loads(answer.stdout)["terraform_version"])
    except (OSError, subprocess.CalledProcessError, ValueError, KeyError, TypeError) as error:
        why = (getattr(error, "stderr", "") or str(error)).strip()
        raise TerraformMissing(f"{binary} does not answer `version -json`: {why}\n{remedy}") from error
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < NEEDED:
        raise TerraformTooOld(
            f"{binary} is version {version}; {needed} or newer is needed, because the state is locked by a file beside"
            f" it in S3 (use_lockfile). {remedy}"
        )
    return binary


def find_mirror(environ: Mapping[str, str]) -> Path | None:
    """The folder `<mirror>/<host>/hashicorp/aws` of a provider mirror on this machine, or None.

    `TF_PLUGIN_MIRROR` names the mirror; else the folders that Terraform searches by itself come first, then the
    children of `ADD_ON_ROOTS`. Raises `MirrorMissing` when `TF_PLUGIN_MIRROR` is set to a folder without the provider.
    """
    if named := environ.get("TF_PLUGIN_MIRROR"):
        for provider in _providers(Path(named).resolve()):
            return provider
        raise MirrorMissing(
            f"TF_PLUGIN_MIRROR is {named}, and no folder <host>/hashicorp/aws is in it. Make one with"
            " `terraform providers mirror`, or unset the variable to download the provider."
        )
    shared = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    data = [Path(folder) for folder in shared.split(":") if folder]
    mirrors: list[Path] = []
    if home := environ.get("HOME"):
        mirrors.append(Path(home, ".terraform.d", "plugins"))
        data.insert(0, Path(environ.get("XDG_DATA_HOME") or Path(home, ".local", "share")))
    mirrors += [folder / "terraform" / "plugins" for folder in data]
    mirrors += [child for root in ADD_ON_ROOTS if root.is_dir() for child in sorted(root.iterdir())]
    return next((provider for mirror in mirrors for provider in _providers(mirror)), None)


def cli_environment(work_folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The whole environment for Terraform and cdktf-cli; with a provider mirror on this machine, `init` works offline.

    Writes one CLI configuration file into `work_folder`, and only when there is a mirror; without one the user's own
    configuration stays in force. As in Terraform's own search, a provider in the mirror is not looked for elsewhere.
    """
    result = _usable(environ) | {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    if (provider := find_mirror(environ)) is None:
        return result
    mirror, host = provider.parents[2], provider.parents[1].name
    aws, path = json.dumps([f"{host}/hashicorp/aws"]), json.dumps(str(mirror), ensure_ascii=False)
    configuration = work_folder.resolve() / "terraform.tfrc"
    configuration.parent.mkdir(parents=True, exist_ok=True)
    # Without the exclude, Terraform asks the registry for versions as well, and fails where it cannot be reached.
    configuration.write_text(
        "provider_installation {\n"
        f"  filesystem_mirror {{\n    path    = {path}\n    include = {aws}\n  }}\n"
        f"  direct {{\n    exclude = {aws}\n  }}\n"
        "}\n",
        encoding="utf-8",
    )
    return result | {"TF_CLI_CONFIG_FILE": str(configuration)}


def _providers(mirror: Path) -> Iterator[Path]:
    # The host is whatever the mirror was made for: Terraform and OpenTofu have different ones.
    return (folder for folder in sorted(mirror.glob("*/hashicorp/aws")) if any(folder.glob("*")))


def _usable(environ: Mapping[str, str]) -> dict[str, str]:
    """A copy without a `TF_CLI_CONFIG_FILE` that names no file: Terraform would warn about it on every command."""
    result = dict(environ)
    if not Path(result.get("TF_CLI_CONFIG_FILE", "")).is_file():
        result.pop("TF_CLI_CONFIG_FILE", None)
    return result


@dataclass(frozen=True)
class Diagnostic:
    """One finding of `terraform validate`. `address` is empty where Terraform names no resource."""

    severity: str  # "error" or "warning"
    summary: str
    detail: str = ""
    address: str = ""

    def __str__(self) -> str:
        text = f"{self.severity}: {self.address + ': ' if self.address else ''}{self.summary}"
        return f"{text}\n{self.detail}" if self.detail else text


@dataclass(frozen=True)
class Terraform:
    """Runs `binary` in a folder with `environ` and nothing else of this process's environment.

    Every method raises `TerraformFailed` when the command fails, unless it says otherwise.
    """

    binary: Path
    environ: Mapping[str, str]

    def init(self, folder: Path, *, backend: bool = True) -> None:
        """Install providers and modules, and configure the backend unless `backend` is False."""
        self._run(folder, "init", "-input=false", "-no-color", f"-backend={str(backend).lower()}")

    def validate(self, folder: Path) -> list[Diagnostic]:
        """Errors and warnings of an initialized folder; empty when there are none. Does not raise for findings."""
        # Terraform answers 1 for findings and for its own failures alike: only the former come as JSON.
        found = self._run(folder, "validate", "-json", accept=(0, 1))
        try:
            return [
                Diagnostic(one["severity"], one["summary"], one.get("detail", ""), one.get("address", ""))
                for one in json.loads(found.stdout)["diagnostics"]
            ]
        except (ValueError, KeyError):
            raise TerraformFailed(found.args, folder, found.returncode, found.stderr or found.stdout) from None

    def plan(self, folder: Path, out: Path | None = None) -> bool:
        """Whether an apply would change anything, outputs included. `out`: where to keep the plan."""
        keep = [f"-out={out.resolve()}"] if out else []
        planned = self._run(folder, "plan", "-input=false", "-no-color", "-detailed-exitcode", *keep, accept=(0, 2))
        return planned.returncode == 2

    def plan_json(self, folder: Path) -> dict[str, Any]:
        """The plan in Terraform's JSON output format (`resource_changes`, `planned_values`, ...)."""
        # A plan holds secrets in the clear: it lives only as long as this call.
        with tempfile.TemporaryDirectory() as temporary:
            plan = Path(temporary, "plan")
            self.plan(folder, out=plan)
            return json.loads(self._run(folder, "show", "-json", str(plan)).stdout)

    def apply(self, folder: Path) -> str:
        """Plan and apply without asking. What Terraform wrote, for a log."""
        return self._run(folder, "apply", "-input=false", "-no-color", "-auto-approve").stdout

    def destroy(self, folder: Path) -> str:
        """Destroy everything in the state without asking. What Terraform wrote, for a log."""
        return self._run(folder, "destroy", "-input=false", "-no-color", "-auto-approve").stdout

    def output(self, folder: Path) -> dict[str, Any]:
        """The root outputs in the state, name to value, sensitive ones in the clear."""
        outputs = json.loads(self._run(folder, "output", "-json", "-no-color").stdout)
        return {name: output["value"] for name, output in outputs.items()}

    def fmt_check(self, folder: Path) -> list[str]:
        """The `.tf` files below `folder`, relative to it, that `terraform fmt` would rewrite. Changes none."""
        return self._run(folder, "fmt", "-check", "-recursive", accept=(0, 3)).stdout.splitlines()

    def fmt(self, folder: Path, files: Iterable[Path]) -> None:
        """Write `files`, relative to `folder`, as Terraform would. One process; no other file is looked at."""
        self._run(folder, "fmt", *map(str, files))

    def _run(self, folder: Path, *arguments: str, accept: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
        command = [str(self.binary), *arguments]
        # Not subprocess.run: on Ctrl-C it kills the child, and a killed apply leaves a lock and resources in no state.
        # Terraform gets the same Ctrl-C from the terminal, finishes what it has begun and saves the state.
        process = subprocess.Popen(
            command, cwd=folder, env=dict(self.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            stdout, stderr = process.communicate()
        except KeyboardInterrupt:
            process.communicate()
            raise
        if process.returncode not in accept:
            raise TerraformFailed(command, folder, process.returncode, stderr or stdout)
        return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
