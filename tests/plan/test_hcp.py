"""HCP Terraform: the real Terraform reads the `cloud` block and calls a stub of the API that `cdktf diff` needs.

The stub plans nothing, and records all requests.
"""

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from estate.load import load
from estate.plan import secrets
from estate.state import CloudState
from operations.terraform import find_terraform
from tests.support import ROOT
from tests.support.deployment import SECRETS
from tests.support.synth import synth_all
from tests.support.terraform import Terraform, cli_environment, find_mirror

HOST = "terraform.acme.example"
STATE = f"{{backend: cloud, hostname: {HOST}, organization: acme, project: Data platform}}"


def with_state(estate: str) -> str:
    """Return an estate with its state in HCP Terraform."""
    written, times = re.subn(r"^state:.*\n(?: .*\n)*", f"state: {STATE}\n", estate, flags=re.MULTILINE)
    assert times == 1
    return written


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the complete example with its state in HCP Terraform."""
    (tmp_path / "policies").symlink_to(ROOT / "examples/policies")
    (tmp_path / "astro.yaml").write_text(with_state((ROOT / "examples/complete.yaml").read_text()))
    return tmp_path / "astro.yaml"


def run(*command: str, **environment: str) -> tuple[int, str]:
    """Return exit code and output."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("TF_VAR_")} | environment
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def test_check_names_workspaces_that_need_sensitive_variables(file: Path) -> None:
    code, said = run(sys.executable, "main.py", "check", str(file))
    assert code in (0, 4)
    assert [line for line in said.splitlines() if " needs " in line] == [
        "workspace acme-account needs the sensitive variable external_ids, list(string): The AWS External IDs of your "
        "Astro organization, from the Astro UI, Organization Settings > General."
    ]


def test_names_follow_the_rules_of_hcp_terraform() -> None:
    state = {"backend": "cloud", "organization": "acme"}
    assert CloudState.model_validate(state).workspace("acme", "network-lake") == "acme-network-lake"
    whole = {**state, "project": "Default Project", "workspace_prefix": "astro_", "hostname": HOST}
    assert CloudState.model_validate(whole).workspace("acme", "account") == "astro_account"
    for field_, wrong in [
        ("workspace_prefix", "astro/"),
        ("workspace_prefix", 51 * "a"),
        ("project", " astro"),
        ("project", "ab"),
        ("organization", "a.b"),
        ("hostname", "https://terraform.acme.example"),
        ("hostname", "localhost"),
        ("hostname", "terraform.acme.example:8443"),
    ]:
        with pytest.raises(ValueError, match="is not "):
            CloudState.model_validate({**state, field_: wrong})


@dataclass
class StandIn:
    """A stub that records calls (method and path), bodies, tokens and the upload."""

    calls: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    upload: bytes = b""
    port: int = 0

    def answer(self, method: str, path: str, body: bytes) -> object:
        """Return a JSON:API document or bytes, or None for an unknown path."""
        here = f"http://127.0.0.1:{self.port}"
        if path == "/upload":
            self.upload = body
            return b""
        if path == "/log":
            return b"\x02the plan of the stand-in\n\x03"
        if path == "/api/v2/ping":
            return b""
        self.calls.append(f"{method} {path}")
        if body:
            self.bodies.append(json.loads(body)["data"])
        created = [each["attributes"] for each in self.bodies if each["type"] == "workspaces"]
        allowed = dict.fromkeys(("can-queue-run", "can-queue-apply", "can-update"), True)
        workspace = {"name": created[0]["name"] if created else "", "operations": True, "permissions": allowed}
        run_ = {"status": "planned_and_finished", "actions": {}, "permissions": {}, "has-changes": False}
        plan = {"status": "finished", "has-changes": False, "log-read-url": f"{here}/log"}
        kind, attributes = {
            "/organizations/acme/entitlement-set": ("entitlement-sets", {"operations": True, "state-storage": True}),
            "/organizations/acme/workspaces": ("workspaces", workspace),
            "/workspaces/id": ("workspaces", workspace | {"terraform-version": "~> 1.10"}),
            "/workspaces/id/configuration-versions": ("configuration-versions", {"upload-url": f"{here}/upload"}),
            "/configuration-versions/id": ("configuration-versions", {"status": "uploaded"}),
            "/runs": ("runs", run_),
            "/runs/id": ("runs", run_),
            "/plans/id": ("plans", plan),
        }.get(path.removeprefix("/api/v2"), (None, {}))
        if path == "/api/v2/organizations/acme/projects":
            return {"data": [{"id": "id", "type": "projects", "attributes": {"name": "Data platform"}}]}
        if path.endswith("/run-events"):
            return {"data": []}
        if created and path == f"/api/v2/organizations/acme/workspaces/{workspace['name']}":
            kind, attributes = "workspaces", workspace
        related = {name: {"data": {"id": "id", "type": f"{name}s"}} for name in ("plan", "workspace")}
        return kind and {"data": {"id": "id", "type": kind, "attributes": attributes, "relationships": related}}


@pytest.fixture
def hcp() -> Iterator[StandIn]:
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = stand_in.answer(self.command, path, body)
            if path.startswith("/api/"):
                stand_in.tokens.add(self.headers.get("Authorization"))
            content = found if isinstance(found, bytes) else json.dumps(found).encode()
            if path == "/log" and "offset=0" not in query:
                content = b""
            self.send_response(404 if found is None else 200)
            self.send_header("TFP-API-Version", "2.6")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815 (the names are http.server's)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Suppress the log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield stand_in
        server.shutdown()
        thread.join()


def environment_for(hcp: StandIn, folder: Path) -> dict[str, str]:
    """Return credentials and services of HOST in the form of a user's CLI configuration."""
    environment = cli_environment(folder, os.environ)
    configuration = folder / "hcp.tfrc"
    api = f"http://127.0.0.1:{hcp.port}/api/v2/"
    services = "".join(f'    "tfe.{version}" = "{api}"\n' for version in ("v2", "v2.1", "v2.2"))
    mirror = Path(environment.get("TF_CLI_CONFIG_FILE", os.devnull)).read_text()
    configuration.write_text(f'{mirror}host "{HOST}" {{\n  services = {{\n{services}  }}\n}}\n')
    return environment | {"TF_CLI_CONFIG_FILE": str(configuration), "TF_TOKEN_terraform_acme_example": "marked-token"}


@pytest.mark.slow
def test_the_variables_that_are_named_are_those_of_the_stacks(tmp_path: Path) -> None:
    for example in sorted(ROOT.glob("examples/*.yaml")):
        estate = load(example)
        asked = {
            (name, variable)
            for name, stack in synth_all(estate, tmp_path / example.stem).items()
            for variable in stack.get("variable", {})
        }
        assert asked == {(stack, variable) for stack, variable, _ in secrets(estate)}, example


def test_cdktf_uploads_the_stack_and_its_lock_file_and_no_secret(file: Path, hcp: StandIn, tmp_path: Path) -> None:
    environment = environment_for(hcp, tmp_path) | {"ASTRO_ESTATE": str(file), "CI": "true", "FORCE_COLOR": "0"}
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), environment["PATH"]))
    out = tmp_path / "cdktf.out"
    command = [str(ROOT / "node_modules/.bin/cdktf"), "diff", "account", "--skip-provider-lock", "--output", str(out)]
    code, said = run(*command, **environment)
    assert code == 0, said
    assert "the plan of the stand-in" in said

    created, _, version, remote = hcp.bodies
    assert created["attributes"]["name"] == "acme-account"
    assert created["relationships"] == {"project": {"data": {"type": "projects", "id": "id"}}}
    assert version["attributes"]["speculative"] is True
    assert remote["attributes"]["variables"] == []
    assert hcp.tokens == {"Bearer marked-token"}

    there = tmp_path / "uploaded"
    with tarfile.open(fileobj=io.BytesIO(hcp.upload)) as archive:
        archive.extractall(there, filter="data")
    assert sorted(each.name for each in there.iterdir()) == [".terraform.lock.hcl", "cdk.tf.json"]
    assert not any(secret in path.read_text() for secret in SECRETS.values() for path in there.iterdir())

    # As docs/ways.md recommends: the file contains the checksums of the platform of remote runs.
    mirror = find_mirror(os.environ)
    source = [f"-fs-mirror={mirror.parents[2]}"] if mirror else []
    lock = [str(find_terraform(environment)), f"-chdir={there}", "providers", "lock", *source, "-platform=linux_amd64"]
    code, said = run(*lock, **environment)
    assert (code, "All checksums for this platform were already tracked" in said) == (0, True), said

    # A remote run on linux_amd64 has only the upload, and keeps the lock file.
    (there / "state_override.tf.json").write_text('{"terraform": {"backend": {"local": {}}}}')
    terraform = Terraform(find_terraform(environment), environment | {"TF_CLI_ARGS_init": "-lockfile=readonly"})
    terraform.init(there)
    assert terraform.validate(there) == []


def test_hcl_names_the_same_workspace(hcp: StandIn, file: Path, tmp_path: Path) -> None:
    file.write_text(with_state((ROOT / "examples/vpc_peering.yaml").read_text()))
    out = tmp_path / "terraform"
    code, said = run(sys.executable, "main.py", "synth", str(file), "--out", str(out), "--hcl")
    assert code == 0, said
    environment = environment_for(hcp, tmp_path)
    Terraform(find_terraform(environment), environment).init(out / "stacks/network-lake")
    created = hcp.bodies[0]
    assert created["attributes"]["name"] == "acme-network-lake"
    assert created["relationships"] == {"project": {"data": {"type": "projects", "id": "id"}}}
