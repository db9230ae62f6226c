"""The tables of AWS match AWS's published data and contain Astronomer's lists. Each addition is one line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from modules.astronomer import NODE_TYPES, vcpus
from modules.astronomer import REGIONS as ASTRO_REGIONS
from modules.aws import INSTANCE_FAMILIES, OPT_IN, REGIONS
from modules.vocabulary import partition
from tests.support import ROOT


def test_the_regions_are_those_of_botocore() -> None:
    published = botocore.session.get_session().get_component("data_loader").load_data("partitions")["partitions"]
    assert dict(REGIONS) == {
        region: one["id"] for one in published for region in one["regions"] if not region.endswith("-global")
    }


def test_the_instance_families_are_those_of_botocore() -> None:
    shape: Any = botocore.session.get_session().get_service_model("ec2").shape_for("InstanceType")
    types = shape.enum
    assert {one.split(".")[0] for one in types} == INSTANCE_FAMILIES
    assert set(NODE_TYPES) <= set(types)


@pytest.mark.parametrize("node_type", NODE_TYPES)
def test_the_vcpus_of_every_published_type_are_known(node_type: str) -> None:
    assert vcpus(node_type)


def test_astronomers_regions_are_of_the_partition_aws() -> None:
    assert {partition(region) for regions in ASTRO_REGIONS.values() for region in regions} == {"aws"}


def test_only_newer_regions_of_the_aws_partition_are_opt_in() -> None:
    assert {REGIONS[region] for region in OPT_IN} == {"aws"}
    assert {"us-east-1", "eu-north-1", "ca-west-1", "me-south-1"} & set(OPT_IN) == {"ca-west-1", "me-south-1"}


# The region and the node type of this cluster exist in AWS, but not in Astronomer's lists.
ESTATE = """\
name: acme
state: {backend: none}
astro: {product: hybrid, organization: quarry}
clusters: {prod: {region: eu-north-1, node_type: m7i.metal, max_nodes: 3}}
account:
  account_id: "604823197015"
  region: us-east-1
  cross_account_role: {policy_file: policy.json}
  service_quotas: {size_for_clusters: true}
"""


def run(project: Path, *arguments: str) -> tuple[int, str]:
    """Return the exit code and standard error of main.py in a project."""
    command = [sys.executable, str(project / "main.py"), *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ASTRO", "PYTHON"))}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the project, with an estate."""
    for part in ("commands", "estate", "modules", "operations", "stacks"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "main.py", tmp_path)
    shutil.copy(ROOT / "examples/policies/astronomer.json", tmp_path / "policy.json")
    (tmp_path / "astro.yaml").write_text(ESTATE.replace("m7i.metal", "m7i.4xlarge"))
    return tmp_path


def asked(project: Path, region: str) -> object:
    """Return the number of vCPUs that a synth requests in a region."""
    assert run(project, "synth", "astro.yaml") == (0, "")
    stack = json.loads((project / f"cdktf.out/stacks/quotas-{region}/cdk.tf.json").read_text())
    return stack["output"]["handoff"]["value"]["service_quotas"]["on-demand"]["asked"]


@pytest.mark.slow
def test_an_unlisted_node_type_warns_and_has_its_quota(project: Path) -> None:
    code, said = run(project, "check")
    assert (code, [line.split(" ", 2)[1] for line in said.splitlines()]) == (
        4,
        ["clusters.prod.region:", "clusters.prod.node_type:"],
    )
    assert asked(project, "eu-north-1") == 3 * 16


@pytest.mark.slow
def test_a_new_node_family_or_region_is_one_line(project: Path) -> None:
    astronomer = project / "modules/astronomer.py"
    text = astronomer.read_text()
    for old, new in (('"m5": 96,', '"m7i": 192, "m5": 96,'), ('"hybrid": [', '"hybrid": [\n        "eu-north-1",')):
        assert text.count(old) == 1
        text = text.replace(old, new)
    astronomer.write_text(text)
    (project / "astro.yaml").write_text(ESTATE)
    assert run(project, "check") == (0, "")
    assert asked(project, "eu-north-1") == 3 * 192
