"""An output folder belongs to one estate and one state, because Terraform would offer to copy a state over another."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws import LocalAws
from operations.imports import HEADER, drop_all
from operations.terraform import find_terraform
from tests.support.commands import run
from tests.support.estates import BASE
from tests.support.terraform import Terraform, cli_environment

ELSEWHERE = 'docs/recovery.md, "The state is somewhere else"\n'
CLOUD = "{backend: cloud, organization: acme}"
S3 = "{backend: s3, bucket: acme-astro-tfstate, region: us-east-1}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "astro.yaml"
    file.write_text(BASE)
    return file


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def stack(out: Path) -> Path:
    return out / "stacks/network-lake"


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def initialize(stack: Path, kind: str, **config: Any) -> None:
    """Leave the folder of a stack as `terraform init` does: unset values are null."""
    (stack / ".terraform").mkdir(parents=True)
    record = {"version": 3, "backend": {"type": kind, "config": {"profile": None, **config}, "hash": 1}}
    (stack / ".terraform/terraform.tfstate").write_text(json.dumps(record))


def s3(bucket: str = "acme-astro-tfstate", key: str = "acme/network-lake.tfstate", **more: Any) -> dict[str, Any]:
    return {"bucket": bucket, "key": key, "region": "us-east-1", "kms_key_id": None, "use_lockfile": True, **more}


@pytest.mark.parametrize("command", [["synth"], ["adopt"], []])
def test_a_second_estate_is_refused_before_anything_is_written(file: Path, out: Path, command: list[str]) -> None:
    assert run("synth", str(file), "--out", str(out))[0] == 0
    before = snapshot(out)
    file.write_text(BASE.replace("name: acme", "name: acme-dev"))
    assert run(*command, ASTRO_ESTATE=str(file), CDKTF_OUTDIR=str(out)) == (
        2,
        "",
        f"{out} contains the Terraform of estate 'acme', and this file is estate 'acme-dev'. Use a separate folder, "
        f"with `--output {out}-acme-dev` for every cdktf command (`--out` for main.py). If you renamed the estate, "
        f"follow {ELSEWHERE}",
    )
    assert snapshot(out) == before
    assert run(ASTRO_ESTATE=str(file), CDKTF_OUTDIR=f"{out}-acme-dev") == (0, "", "")


@pytest.mark.parametrize(
    ("state", "kind", "config", "old", "new"),
    [
        (S3, "s3", s3(bucket="acme-typo"), "s3://acme-typo/acme/network-lake.tfstate", True),
        (S3, "s3", s3(key="other/network-lake.tfstate"), "s3://acme-astro-tfstate/other/network-lake.tfstate", True),
        (S3, "s3", s3(region="eu-west-1"), "s3://acme-astro-tfstate/acme/network-lake.tfstate", False),
        (S3, "s3", s3(kms_key_id="alias/a"), "s3://acme-astro-tfstate/acme/network-lake.tfstate", False),
        (S3, "gcs", {"bucket": "b"}, "a backend of type gcs", True),
        (
            S3,
            "cloud",
            {"organization": "acme", "workspaces": {"name": "acme-network-lake", "tags": None}},
            "workspace acme-network-lake of acme",
            True,
        ),
        (CLOUD, "s3", s3(), "s3://acme-astro-tfstate/acme/network-lake.tfstate", True),
        (
            CLOUD,
            "cloud",
            {"organization": "other", "workspaces": {"name": "acme-network-lake"}},
            "workspace acme-network-lake of other",
            True,
        ),
    ],
)
def test_another_state_is_refused_with_both_places(
    file: Path, out: Path, stack: Path, state: str, kind: str, config: dict[str, Any], old: str, new: bool
) -> None:
    file.write_text(BASE.replace(S3, state))
    initialize(stack, kind, **config)
    before = snapshot(out)
    code, said, error = run(ASTRO_ESTATE=str(file), CDKTF_OUTDIR=str(out))
    place = (
        "workspace acme-network-lake of acme" if state == CLOUD else "s3://acme-astro-tfstate/acme/network-lake.tfstate"
    )
    changed = f"now has {place}" if new else "now has other settings for it"
    assert (code, said, error) == (
        2,
        "",
        f"stack network-lake was initialized with its state in {old}, and the file {changed}: if the file is right, "
        f"run `rm -r {stack}/.terraform`; to move the state, follow {ELSEWHERE}",
    )
    assert snapshot(out) == before
    shutil.rmtree(stack / ".terraform")
    assert run(ASTRO_ESTATE=str(file), CDKTF_OUTDIR=str(out)) == (0, "", "")


@pytest.mark.parametrize(
    ("state", "kind", "config"),
    [
        (S3, "s3", s3()),
        (CLOUD, "cloud", {"hostname": None, "organization": "acme", "workspaces": {"name": "acme-network-lake"}}),
        ("{backend: none}", "s3", s3(bucket="of-an-override-file")),
        ("{backend: none, partial: gcs}", "gcs", {"bucket": "b"}),
    ],
)
def test_the_same_or_a_partial_state_is_accepted(
    file: Path, out: Path, stack: Path, state: str, kind: str, config: dict[str, Any]
) -> None:
    file.write_text(BASE.replace(S3, state))
    initialize(stack, kind, **config)
    for _ in range(2):
        assert run(ASTRO_ESTATE=str(file), CDKTF_OUTDIR=str(out)) == (0, "", "")


def test_a_local_state_is_not_copied_to_s3_unasked(file: Path, out: Path, stack: Path) -> None:
    stack.mkdir(parents=True)
    (stack / "terraform.tfstate").write_text("{}")
    code, _, error = run(ASTRO_ESTATE=str(file), CDKTF_OUTDIR=str(out))
    assert code == 2
    assert error.startswith("stack network-lake was initialized with its state in a local file, and the file now has ")


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.mark.terraform
def test_the_record_of_terraform_is_read(file: Path, out: Path, stack: Path, tmp_path: Path, aws: LocalAws) -> None:
    for bucket in ("acme-typo", "acme-astro-tfstate"):
        aws.client("s3").create_bucket(Bucket=bucket)
    right = file.read_text()
    file.write_text(right.replace("acme-astro-tfstate", "acme-typo"))
    environment = cli_environment(tmp_path, {**os.environ, **aws.environment()})
    terraform = Terraform(find_terraform(environment), environment)
    for _ in range(2):
        assert run("synth", str(file), "--out", str(out))[0] == 0
        terraform.init(stack)
    file.write_text(right)
    assert run("synth", str(file), "--out", str(out))[0] == 2
    shutil.rmtree(stack / ".terraform")
    assert run("synth", str(file), "--out", str(out))[0] == 0
    terraform.init(stack)


def block(address: str) -> str:
    return f'import {{\n  to = {address}\n  id = "i-1"\n}}\n'


@pytest.mark.parametrize("hcl", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_synth_drops_imports_of_resources_that_are_gone(file: Path, out: Path, stack: Path, hcl: bool) -> None:
    imports = stack / "imports.tf"
    here = block("aws_vpc_peering_connection_accepter.lake-prod_accepter")
    gone = block("aws_route.lake-prod_route_gone_prod")
    stack.mkdir(parents=True)
    command = ["synth", str(file), "--out", str(out), *["--hcl"] * hcl]
    imports.write_text("\n".join([HEADER, here, gone]))
    assert run(*command)[0] == 0
    assert imports.read_text() == "\n".join([HEADER, here])
    imports.write_text("\n".join([HEADER, gone]))
    run(*command)
    assert not imports.exists()
    imports.write_text(f"# mine\n{gone}")
    run(*command)
    assert imports.read_text() == f"# mine\n{gone}"


def test_imports_end_with_their_resources(stack: Path) -> None:
    stack.mkdir(parents=True)
    (stack / "imports.tf").write_text(f"{HEADER}\n{block('aws_route.a')}")
    drop_all(stack)
    assert list(stack.iterdir()) == []
    (stack / "imports.tf").write_text(block("aws_route.a"))
    drop_all(stack)
    assert len(list(stack.iterdir())) == 1
