"""Synthesizes an estate into a folder. Importing this loads no cdktf: the functions do, after Node has been started."""

import json
import tempfile
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estate.model import Estate
from modules.bindings.node import start_for_command
from operations.imports import drop_stale
from operations.output import Installed, install
from operations.owner import sign
from operations.terraform import Terraform, find_terraform

if TYPE_CHECKING:
    from stacks.app import App


def write(estate: Estate, out: Path, environ: MutableMapping[str, str], *, hcl: bool) -> Installed:
    """Synthesize into `out`, and drop the import blocks there of resources that are no longer in it."""
    with synthesized(estate, environ, hcl=hcl) as fresh:
        installed = install(fresh, out)
        for stack in sorted(out.glob("stacks/*")):
            drop_stale(stack)
        return installed


@contextmanager
def synthesized(estate: Estate, environ: MutableMapping[str, str], *, hcl: bool = False) -> Generator[Path]:
    """Yield a folder with the whole output, which is deleted afterwards."""
    with new_app(environ, hcl=hcl) as app:
        from stacks.app import build

        folder = Path(app.outdir)
        terraform = formatter(environ) if hcl else None
        build(app, estate).synth()
        sign(folder, estate)
        if terraform:
            terraform.fmt(folder, sorted(folder.glob("stacks/*/cdk.tf")))
        yield folder


def synthesized_stacks(estate: Estate, environ: MutableMapping[str, str]) -> dict[str, Any]:
    """Return the parsed JSON of each stack, by name."""
    with synthesized(estate, environ) as fresh:
        return {
            one.parent.name: json.loads(one.read_text("utf-8")) for one in sorted(fresh.glob("stacks/*/cdk.tf.json"))
        }


def formatter(environ: MutableMapping[str, str]) -> Terraform:
    """Return Terraform, which formats HCL so that two machines write the same bytes."""
    why = "HCL is formatted by it, so that two machines write the same; JSON needs none."
    return Terraform(find_terraform(environ, why), environ)


@contextmanager
def new_app(environ: MutableMapping[str, str], *, hcl: bool = False) -> Generator["App"]:
    """Yield an app that writes one format, whatever the environment says, into a temporary folder, so that a synth that
    fails leaves nothing half done."""
    start_for_command(hcl=hcl, environ=environ)
    # `stacks` gives jsii that Node, before cdktf is imported.
    from stacks.app import App

    with tempfile.TemporaryDirectory() as folder:
        yield App(outdir=folder)
