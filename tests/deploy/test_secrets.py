"""External IDs and keys are in Terraform's state and in saved plans, and nowhere else, after every command.

The exception is `terraform show`, which prints the state. Logs of TF_LOG are not searched. For secrets in the YAML
file, see test_bad_input.py and test_estate_properties.py in tests/unit/estate.
"""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from estate.load import load
from local_aws import LocalAws
from operations.terraform import find_terraform
from tests.support import ROOT
from tests.support.deployment import BIN, SECRETS
from tests.support.terraform import cli_environment
from tests.support.world import facts_of
from tools.evidence import record

pytestmark = pytest.mark.proof

ACCOUNT, BUCKET = "222222222222", "acme-astro-tfstate"
ESTATE = f"""\
name: acme
state: {{backend: s3, bucket: {BUCKET}, region: us-east-1}}
astro: {{product: hybrid, organization: acme}}
account:
  account_id: "{ACCOUNT}"
  region: us-east-1
  cross_account_role: {{policy_file: policies/astronomer.json, removal_reason: The test destroys what it made}}
networks:
  lake:
    account_id: "{ACCOUNT}"
    region: us-east-1
    vpc_id: vpc-0123456789abcdef0
    cidrs: [10.20.0.0/16]
    routes_elsewhere: This VPC has no route table
connections:
  plant:
    type: vpn
    network: lake
    gateways: {{main: {{ip: 198.51.100.20}}}}
    bgp_asn: 65010
    preshared_keys: variable
"""
REFUSED = {
    "TF_VAR_external_ids": '["marked#refused#id"]',
    "TF_VAR_plant_preshared_keys": '{"main-1": "0marked.refused.key", "main-2": "marked.preshared.key.2"}',
}
"""Values that the validation of the variables rejects."""
CUT = {"TF_VAR_external_ids": SECRETS["TF_VAR_external_ids"][:-1], "TF_VAR_plant_preshared_keys": "marked.cut.key"}
"""Values that are neither a list nor a map."""

TRUST = {
    "Effect": "Allow",
    "Action": "sts:AssumeRole",
    "Principal": {"AWS": "arn:aws:iam::406882777402:root"},
    "Condition": {"StringEquals": {"sts:ExternalId": "marked.other.id"}},
}
"""The trust policy of an existing role."""

MARKED = re.findall(r"[\w.#-]*marked[\w.#-]+", f"{SECRETS} {REFUSED} {CUT} {TRUST}")


def held(content: bytes) -> set[str]:
    """Return the secrets in a file or in an output, also in the encoding of URLs."""
    return {secret for secret in MARKED if secret.encode() in content or quote(secret, safe="").encode() in content}


class Search:
    """Runs commands, and searches their output and files for secrets. `found` has the secrets by place.

    `unexpected` collects commands with an unexpected exit code,
    so that one run of several minutes shows all failures.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.commands = 0
        self.unexpected: list[str] = []
        self.found: dict[str, set[str]] = {}
        self._environment = environment

    def run(self, *command: str | Path, code: int = 0, **environment: str) -> str:
        """Run a command that should exit with `code`, and return its output."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env=self._environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said = done.stdout.decode()
        self.commands += 1
        if done.returncode != code:
            self.unexpected.append(f"{command}: {done.returncode}\n{said}")
        self.look(f"output of {' '.join(map(str, command[1:]))}", done.stdout)
        return said

    def look(self, place: str, content: bytes) -> None:
        if secrets := held(content):
            self.found[place] = self.found.get(place, set()) | secrets

    def files(self) -> None:
        """Search every file below the folder except the provider, and inside archives, such as saved plans."""
        for file in self.folder.rglob("*"):
            if not file.is_file() or "providers" in file.parts:
                continue
            name = str(file.relative_to(self.folder))
            self.look(name, file.read_bytes())
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    for member in archive.namelist():
                        self.look(f"{name}:{member}", archive.read(member))


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


def test_secrets_are_in_state_and_saved_plans_only(aws: LocalAws, tmp_path: Path) -> None:
    file, out, python = tmp_path / "astro.yaml", tmp_path / "cdktf.out", sys.executable
    file.write_text(ESTATE)
    (tmp_path / "policies").mkdir()
    policy = (ROOT / "examples/policies/astronomer.json").read_text()
    (tmp_path / "policies/astronomer.json").write_text(policy)
    (tmp_path / "wrong.yaml").write_text(ESTATE.replace("name: acme", "name: Acme"))
    aws.make(facts_of(load(file)))
    own = {key: value for key, value in os.environ.items() if key not in ("NODE_OPTIONS", "JSII_NODE")}
    path = os.pathsep.join((str(BIN), os.environ["PATH"]))
    environment = cli_environment(tmp_path, {**own, "PATH": path, **aws.environment(ACCOUNT), **SECRETS})
    environment |= {"ASTRO_ESTATE": str(file), "CDKTF_OUTDIR": str(out), "CI": "true", "FORCE_COLOR": "0"}
    search = Search(tmp_path, environment | {"CDKTF_LOG_LEVEL": "debug", "PYTHONWARNINGS": "default"})
    terraform = find_terraform(environment)

    def main(*arguments: str | Path, code: int = 0, **environment: str) -> str:
        return search.run(python, ROOT / "main.py", *arguments, code=code, **environment)

    def cdktf(command: str, *stacks: str, code: int = 0, **environment: str) -> str:
        options = ["--auto-approve", "--skip-provider-lock", "--output", out]
        return search.run(ROOT / "node_modules/.bin/cdktf", command, *stacks, *options, code=code, **environment)

    def in_stack(stack: str, *arguments: str, code: int = 0, **environment: str) -> str:
        return search.run(terraform, f"-chdir={out / 'stacks' / stack}", *arguments, code=code, **environment)

    # Commands without AWS, successful and failed.
    main("check", code=4)
    main("check", tmp_path / "wrong.yaml", code=2)
    main("schema")
    # No bucket to read the state from.
    main("handoff", code=4)
    main("synth")
    main("synth", "--check")
    main("synth", "--check", "--out", tmp_path / "stale", code=3)
    main("synth", "--hcl", "--out", tmp_path / "hcl")
    main("synth", tmp_path / "wrong.yaml", code=2)
    main("export", "--out", tmp_path / "json")
    main("export", "--format", "hcl", "--out", tmp_path / "hcl-modules")
    main("export", "no-such-stack", code=2)
    main("policy", "lint", code=4)
    main("policy", "fetch", "--url", "http://127.0.0.1:9/none.json", code=1)
    main("policy", "diff", tmp_path / "policies/astronomer.json", ROOT / "examples/policies/read-lake.json", code=3)

    # Variables that Terraform or this program rejects, an apply that AWS stops, and one that succeeds.
    # The bucket is in the dedicated account.
    main("state", "create", code=4)
    main("adopt", code=2, TF_VAR_external_ids=CUT["TF_VAR_external_ids"])
    for stack in ("account", "network-lake"):
        cdktf("deploy", stack, code=1, **REFUSED)
        # This program rejects them before Terraform starts, and Terraform does too.
        in_stack(stack, "init", "-input=false")
        in_stack(stack, "plan", "-input=false", "-json", code=1, **REFUSED)
        in_stack(stack, "plan", "-input=false", code=1, **CUT)
    iam = aws.client("iam", ACCOUNT)
    document = json.dumps({"Version": "2012-10-17", "Statement": TRUST})
    iam.create_role(RoleName="astronomer-remote-management", AssumeRolePolicyDocument=document)
    assert "EntityAlreadyExists" in cdktf("deploy", "account", code=1)
    in_stack("account", "apply", "-input=false", "-auto-approve", "-json", code=1)
    main("adopt", "--stack", "account", code=4)
    iam.delete_role(RoleName="astronomer-remote-management")
    (out / "stacks/account/imports.tf").unlink(missing_ok=True)
    in_stack("network-lake", "plan", "-input=false", "-json")
    cdktf("deploy", "*", "--outputs-file", str(tmp_path / "outputs.json"), "--outputs-file-include-sensitive-outputs")
    plan = out / "stacks/account/plan"
    assert not plan.exists()
    search.run(ROOT / "node_modules/.bin/cdktf", "diff", "account", "--skip-provider-lock", "--output", out)
    assert plan.exists()

    # Commands after the deploy.
    main("adopt", "--out", tmp_path / "adopted")
    main("policy", "diff")
    main("handoff")
    main("handoff", "--json")
    main("handoff", "--outputs", tmp_path / "outputs.json")
    for stack in ("account", "network-lake"):
        in_stack(stack, "plan", "-input=false", "-out=saved")
        in_stack(stack, "show", "-no-color", "saved")
        in_stack(stack, "show", "-no-color")
        in_stack(stack, "output", "-json")
        in_stack(stack, "plan", "-input=false", "-destroy", "-json")
        state = aws.client("s3", ACCOUNT).get_object(Bucket=BUCKET, Key=f"acme/{stack}.tfstate")["Body"].read()
        search.look(f"state of {stack}", state)
    search.files()
    plan.unlink()
    cdktf("destroy", "*")
    assert not plan.exists()
    search.files()

    assert search.unexpected == []
    ids, keys = ({secret for secret in MARKED if f'"{secret}"' in value} for value in SECRETS.values())
    allowed = re.compile(r"state of .*|cdktf\.out/stacks/[\w-]+/(?:plan|saved):tf(?:plan|state|state-prev)")
    # `terraform show` prints the state, in which the trust policy is no longer marked as sensitive.
    shown = f"output of -chdir={out / 'stacks/account'} show -no-color"
    outside = {place: found for place, found in search.found.items() if not allowed.fullmatch(place)}
    assert outside == {shown: ids}
    # The search finds them in their expected places.
    assert search.found["state of account"] == search.found["cdktf.out/stacks/account/saved:tfplan"] == ids
    assert search.found["state of network-lake"] == search.found["cdktf.out/stacks/network-lake/saved:tfplan"] == keys
    record(
        "secrets: places searched, found outside state and plans",
        f"{search.commands} commands, done and failed, and every file that they left; 0 but `terraform show`",
    )
