"""Synthesizes constructs and estates, and reads the output."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cdktf
from cdktf import TerraformStack

from estate.load import load
from estate.model import Estate
from operations.synth import write
from stacks.app import build
from tests.support import ROOT

NewStack = Callable[[], TerraformStack]


def without_metadata(value: Any) -> Any:
    """Return parsed Terraform JSON without the comments that cdktf adds for its own CLI."""
    if isinstance(value, dict):
        return {key: without_metadata(item) for key, item in value.items() if key != "//"}
    return [without_metadata(item) for item in value] if isinstance(value, list) else value


def parsed(terraform: str) -> dict[str, Any]:
    """Return the text of `Testing.synth` as values that a test can compare as a whole."""
    return without_metadata(json.loads(terraform))


def synth_all(estate: Estate, folder: Path) -> dict[str, Any]:
    """Return the parsed JSON of every stack, by name."""
    build(cdktf.App(outdir=str(folder)), estate).synth()
    return {file.parent.name: json.loads(file.read_text()) for file in sorted(folder.glob("stacks/*/cdk.tf.json"))}


def synth(example: Path, out: Path, *, hcl: bool) -> dict[str, Path]:
    """Return the stacks of an example as Terraform folders with local state, by name."""
    if hcl:
        # Node reads this variable at its start, and that of the tests writes JSON.
        env = os.environ | {"ASTRO_ESTATE": str(example), "CDKTF_OUTDIR": str(out), "SYNTH_HCL_OUTPUT": "true"}
        subprocess.run([sys.executable, "main.py"], cwd=ROOT, env=env, check=True)
    else:
        write(load(example), example, out, os.environ, hcl=False)
    folders = {folder.name: folder for folder in sorted((out / "stacks").iterdir())}
    for folder in folders.values():
        # Terraform's override files replace parts of a configuration; this one replaces the backend.
        (folder / "state_override.tf.json").write_text('{"terraform": {"backend": {"local": {}}}}')
    return folders
