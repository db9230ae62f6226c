"""The rest of Terraform that tests run, and the AWS provider for it where there is a mirror on this machine."""

import json
import shlex
import subprocess
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from operations import terraform
from operations.terraform import TerraformError, TerraformFailed

# Where the Filesystem Hierarchy Standard puts add-on software: a mirror may be any direct child of these.
ADD_ON_ROOTS = (Path("/opt"), Path("/usr/local/share"), Path("/usr/share"))


def find_mirror(environ: Mapping[str, str]) -> Path | None:
    """The folder `<mirror>/<host>/hashicorp/aws` of a provider mirror on this machine, or None.

    `TF_PLUGIN_MIRROR` names the mirror; else the folders that Terraform searches by itself come first, then the
    children of `ADD_ON_ROOTS`. Raises `TerraformError` when `TF_PLUGIN_MIRROR` is set to a folder without the provider.
    """
    if named := environ.get("TF_PLUGIN_MIRROR"):
        for provider in _providers(Path(named).resolve()):
            return provider
        raise TerraformError(
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
    result = {**environ, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    # Terraform would warn on every command of a file that is not there.
    if not Path(result.get("TF_CLI_CONFIG_FILE", "")).is_file():
        result.pop("TF_CLI_CONFIG_FILE", None)
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


@contextmanager
def running_provider(environ: Mapping[str, str]) -> Generator[dict[str, str]]:
    """Start the AWS provider once, with the credentials of `environ`, for many runs of Terraform, which would start it
    several times for each. Yields `environ` with what makes Terraform use it; without a mirror, as it is.

    For folders with one configuration of the provider, one after the other: it keeps the last."""
    if (provider := find_mirror(environ)) is None:
        yield dict(environ)
        return
    binary = next(provider.glob("*/*/terraform-provider-aws*"))
    out, quiet = subprocess.PIPE, subprocess.DEVNULL
    # A provider that runs takes certificates once, and fails when it is configured again.
    env = {key: value for key, value in environ.items() if key != "AWS_CA_BUNDLE"}
    with subprocess.Popen([binary, "-debug"], env=env, stdout=out, stderr=quiet, text=True) as process:
        assert process.stdout
        name = "TF_REATTACH_PROVIDERS"
        line = next(line.strip() for line in process.stdout if line.strip().startswith(f"{name}="))
        # It stops when nobody reads what it prints.
        Thread(target=process.stdout.read, daemon=True).start()
        try:
            yield {**environ, name: shlex.split(line)[0].partition("=")[2]}
        finally:
            process.kill()


def _providers(mirror: Path) -> Iterator[Path]:
    # The host is whatever the mirror was made for: Terraform and OpenTofu have different ones.
    return (folder for folder in sorted(mirror.glob("*/hashicorp/aws")) if any(folder.glob("*")))


class Terraform(terraform.Terraform):
    """Also what installs, plans and applies."""

    def init(self, folder: Path, *, backend: bool = True) -> None:
        """Install providers and modules, and configure the backend unless `backend` is False."""
        self._run(folder, "init", "-input=false", "-no-color", f"-backend={str(backend).lower()}")

    def validate(self, folder: Path) -> list[str]:
        """Errors and warnings of an initialized folder; empty when there are none. Does not raise for findings."""
        # Terraform answers 1 for findings and for its own failures alike: only the former come as JSON.
        try:
            said = self._run(folder, "validate", "-json")
        except TerraformFailed as error:
            said = error.stderr
            if not said.startswith("{"):
                raise
        parts = ("severity", "address", "summary", "detail")
        return [": ".join(one[part] for part in parts if one.get(part)) for one in json.loads(said)["diagnostics"]]

    def plan(self, folder: Path, out: Path | None = None) -> bool:
        """Whether an apply would change anything, outputs included. `out`: where to keep the plan."""
        keep = [f"-out={out.resolve()}"] if out else []
        return self._says(2, folder, "plan", "-input=false", "-no-color", "-detailed-exitcode", *keep) is not None

    def plan_json(self, folder: Path) -> dict[str, Any]:
        """The plan in Terraform's JSON output format (`resource_changes`, `planned_values`, ...), and its `warnings`.

        A plan validates too: this finds all that `validate` does, and the provider, which takes seconds, is loaded once
        less."""
        # A plan holds secrets in the clear: it lives only as long as this call.
        with tempfile.TemporaryDirectory() as temporary:
            plan = Path(temporary, "plan")
            said = map(json.loads, self._run(folder, "plan", "-input=false", "-json", f"-out={plan}").splitlines())
            warnings = [line["diagnostic"] for line in said if line["type"] == "diagnostic"]
            return json.loads(self._run(folder, "show", "-json", str(plan))) | {"warnings": warnings}

    def apply(self, folder: Path) -> str:
        """Plan and apply without asking. What Terraform wrote, for a log."""
        return self._run(folder, "apply", "-input=false", "-no-color", "-auto-approve")

    def forget(self, folder: Path, address: str) -> None:
        """Remove a resource from the state, if it is there. AWS keeps it."""
        if address in self._run(folder, "state", "list"):
            self._run(folder, "state", "rm", address)

    def destroy(self, folder: Path) -> str:
        """Destroy everything in the state without asking. What Terraform wrote, for a log."""
        return self._run(folder, "destroy", "-input=false", "-no-color", "-auto-approve")

    def fmt_check(self, folder: Path) -> list[str]:
        """The `.tf` files below `folder`, relative to it, that `terraform fmt` would rewrite. Changes none."""
        return (self._says(3, folder, "fmt", "-check", "-recursive") or "").splitlines()

    def _says(self, code: int, folder: Path, *arguments: str) -> str | None:
        """What a command says that exits with `code`, by which it answers and does not fail; None where it is done."""
        try:
            self._run(folder, *arguments)
        except TerraformFailed as error:
            if error.exit_status == code:
                return error.stderr
            raise
        return None
