"""OpenTofu: the output uses only its language, and the commands run it if it is configured.

OpenTofu itself is not installed here: the `tofu` of these tests is Terraform under that name.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from estate.load import load
from operations.terraform import NEEDED, find_terraform
from stacks.base import TERRAFORM
from tests.support import EXAMPLES, ROOT
from tests.support.commands import run
from tests.support.synth import synth_all, without_metadata

# OpenTofu 1.6 is a fork of Terraform 1.5 and has its entire language.
BLOCKS = {"terraform", "provider", "variable", "data", "resource", "output", "check", "import", "moved", "removed"}
CHECK = {"assert"}
IMPORT = {"to", "for_each", "id"}
SETTINGS = {"required_version", "required_providers", "backend"}
VARIABLE = {"type", "description", "sensitive", "validation"}
OUTPUT = {"description", "value"}
META_ARGUMENTS = {"depends_on", "for_each", "lifecycle"}
LIFECYCLE = {
    "create_before_destroy",
    "ignore_changes",
    "postcondition",
    "precondition",
    "prevent_destroy",
    "replace_triggered_by",
}
FUNCTIONS = {
    "alltrue",
    "can",
    "coalesce",
    "compact",
    "contains",
    "join",
    "jsondecode",
    "jsonencode",
    "keys",
    "length",
    "lookup",
    "max",
    "regex",
    "sensitive",
    "sha256",
    "setsubtract",
    "tolist",
    "toset",
    "try",
    "values",
}
MODULE_FUNCTIONS = {
    "anytrue",
    "cidrhost",
    "cidrnetmask",
    "cidrsubnet",
    "concat",
    "distinct",
    "merge",
    "one",
    "setproduct",
    "sort",
    "split",
    "tonumber",
}
S3 = {"bucket", "encrypt", "key", "kms_key_id", "region"}
# Newer features, and the first versions of Terraform and OpenTofu with them.
YOUNGER = {"use_lockfile": ((1, 10), (1, 10))}

ANY_META_ARGUMENT = META_ARGUMENTS | {"count", "provider", "provisioner", "connection", "dynamic"}


def expressions(value: Any) -> Iterator[str]:
    """Return the contents of `${...}`, without the strings in it."""
    if isinstance(value, dict):
        for each in (*value, *value.values()):
            yield from expressions(each)
    elif isinstance(value, list):
        for each in value:
            yield from expressions(each)
    elif isinstance(value, str):
        yield from (re.sub(r'"[^"]*"', '""', found) for found in re.findall(r"\$\{(.*)\}", value, re.DOTALL))


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return every stack of every example."""
    folder = tmp_path_factory.mktemp("examples")
    return [
        without_metadata(stack)
        for example in EXAMPLES
        for stack in synth_all(load(example), folder / example.stem).values()
    ]


@pytest.mark.slow
def test_the_output_uses_only_the_common_language(stacks: list[dict[str, Any]]) -> None:
    """For a new name, look up the first release of each tool that supports it, and compare the required version."""
    things = [
        thing
        for stack in stacks
        for kind in ("resource", "data")
        for each in stack.get(kind, {}).values()
        for thing in each.values()
    ]
    backends = [stack["terraform"]["backend"]["s3"] for stack in stacks]
    assert {key for stack in stacks for key in stack} == BLOCKS
    assert {key for stack in stacks for key in stack["terraform"]} == SETTINGS
    assert {key for stack in stacks for each in stack.get("variable", {}).values() for key in each} == VARIABLE
    assert {key for stack in stacks for each in stack.get("check", {}).values() for key in each} == CHECK
    assert {key for stack in stacks for each in stack.get("import", []) for key in each} == IMPORT
    assert {key for stack in stacks for each in stack["output"].values() for key in each} == OUTPUT
    assert {key for thing in things for key in thing} & ANY_META_ARGUMENT == META_ARGUMENTS
    assert {key for thing in things for key in thing.get("lifecycle", {})} == LIFECYCLE
    assert {key for backend in backends for key in backend} <= S3 | set(YOUNGER)
    called = {
        name
        for stack in stacks
        for expression in expressions(stack)
        for name in re.findall(r"([A-Za-z0-9_:]+)\(", expression)
    }
    assert called == FUNCTIONS
    assert all(version <= NEEDED for since in YOUNGER.values() for version in since)
    needed = ".".join(map(str, NEEDED))
    assert f">= {needed}" == TERRAFORM  # each tool compares its own version with it


@pytest.mark.slow
def test_the_provider_is_named_without_a_registry(stacks: list[dict[str, Any]]) -> None:
    """Each tool looks the name up in its default registry."""
    sources = {each["source"] for stack in stacks for each in stack["terraform"]["required_providers"].values()}
    assert sources == {"hashicorp/aws"}


@pytest.fixture
def tofu(tmp_path: Path) -> Path:
    """Return a PATH with a `tofu` that records its arguments, and without `terraform`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "tofu"
    real = find_terraform(os.environ)
    script.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked"\nexec "{real}" "$@"\n')
    script.chmod(0o755)
    assert shutil.which("terraform", path=str(folder)) is None
    return folder


def asked(tofu: Path) -> list[str]:
    """Return the subcommands that `tofu` was run with."""
    return [line.split()[0] for line in (tofu.parent / "asked").read_text().splitlines()]


def test_handoff_reads_the_state_by_tofu(tofu: Path, tmp_path: Path) -> None:
    stack = tmp_path / "out/stacks/network-lake"
    (stack / ".terraform").mkdir(parents=True)
    handoff = {"lake-peering": {"peering_id": "pcx-0123456789abcdef0"}}
    outputs = {"handoff": {"value": handoff, "type": ["object", {"lake-peering": ["map", "string"]}]}}
    state = {"version": 4, "terraform_version": "1.10.0", "serial": 1, "lineage": "a", "outputs": outputs}
    (stack / "terraform.tfstate").write_text(json.dumps(state | {"resources": []}))
    environment = {"PATH": str(tofu), "TERRAFORM_BINARY_NAME": "tofu", "CDKTF_OUTDIR": str(tmp_path / "out")}
    text = (ROOT / "examples/vpc_peering.yaml").read_text()
    (tmp_path / "astro.yaml").write_text(re.sub(r"(?m)^state:.*", "state: {backend: none}", text))
    code, said, err = run("handoff", str(tmp_path / "astro.yaml"), "--json", **environment)
    assert (code, err) == (0, "")
    assert json.loads(said)["connections"]["lake-peering"]["status"] == "handed over"
    assert asked(tofu) == ["version", "output"]


def test_hcl_is_formatted_by_tofu(tofu: Path, tmp_path: Path) -> None:
    environment = {"PATH": str(tofu), "TERRAFORM_BINARY_NAME": "tofu"}
    example = str(ROOT / "examples/vpc_peering.yaml")
    code, _, err = run("synth", example, "--out", str(tmp_path / "out"), "--hcl", **environment)
    assert (code, err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.tf")) == ["cdk.tf"]
    assert asked(tofu) == ["version", "fmt"]


def test_a_module_is_formatted_by_tofu(tofu: Path, tmp_path: Path) -> None:
    environment = {"PATH": str(tofu), "TERRAFORM_BINARY_NAME": "tofu"}
    options = ["--estate", str(ROOT / "examples/vpc_peering.yaml"), "--format", "hcl", "--out", str(tmp_path / "out")]
    code, _, err = run("export", *options, **environment)
    assert (code, err) == (0, "")
    assert asked(tofu) == ["version", "fmt"]


@pytest.mark.slow
def test_a_module_is_in_the_language_of_both(tmp_path: Path) -> None:
    code, _, err = run("export", "--estate", str(ROOT / "examples/complete.yaml"), "--out", str(tmp_path))
    assert (code, err) == (0, "")
    files = [json.loads(file.read_text()) for file in tmp_path.rglob("*.tf.json")]
    called = {name for each in expressions(files) for name in re.findall(r"([A-Za-z0-9_:]+)\(", each)}
    assert called - FUNCTIONS == MODULE_FUNCTIONS
