"""Synthesizes an estate into a folder. The functions import cdktf after they have started Node."""

import errno
import json
import re
import tempfile
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estate.errors import UserError
from estate.model import Estate
from estate.plan import stacks_of
from modules.bindings.node import start_for_command
from operations.imports import drop_stale
from operations.output import Installed, install
from operations.owner import sign
from operations.terraform import Terraform, find_terraform

if TYPE_CHECKING:
    from stacks.app import App


def write(estate: Estate, file: Path, out: Path, environ: MutableMapping[str, str], *, hcl: bool) -> Installed:
    """Synthesize into `out`, and remove import blocks of resources that no longer exist there."""
    with synthesized(estate, file, environ, hcl=hcl) as fresh:
        installed = install(fresh, out)
        for stack in stacks_of(estate):
            drop_stale(out / "stacks" / stack.name)
        return installed


@contextmanager
def synthesized(estate: Estate, file: Path, environ: MutableMapping[str, str], *, hcl: bool = False) -> Generator[Path]:
    """Yield a temporary folder with the output of the estate in `file`."""
    with new_app(environ, hcl=hcl) as app:
        from stacks.app import build

        folder = Path(app.outdir)
        terraform = formatter(environ) if hcl else None
        build(app, estate).synth()
        sign(folder, estate, file)
        if terraform:
            terraform.fmt(folder, sorted(folder.glob("stacks/*/cdk.tf")))
        yield folder


def synthesized_stacks(estate: Estate, file: Path, environ: MutableMapping[str, str]) -> dict[str, Any]:
    """Return the parsed JSON of each stack, by name."""
    with synthesized(estate, file, environ) as fresh:
        return {
            one.parent.name: json.loads(one.read_text("utf-8")) for one in sorted(fresh.glob("stacks/*/cdk.tf.json"))
        }


def formatter(environ: MutableMapping[str, str]) -> Terraform:
    """Return Terraform, which formats HCL so that two machines write the same bytes."""
    why = "It formats HCL, so that all machines write the same bytes. JSON does not need it."
    return Terraform(find_terraform(environ, why), environ)


@contextmanager
def new_app(environ: MutableMapping[str, str], *, hcl: bool = False) -> Generator["App"]:
    """Yield an app that writes one format into a temporary folder, so that a failed synth leaves no partial output.

    Raises UserError if the disk has no space for that folder or for Node's.
    """
    start_for_command(hcl=hcl, environ=environ)
    with _disk_errors():
        # `stacks` configures that Node for jsii before it imports cdktf.
        from stacks.app import App

        with tempfile.TemporaryDirectory() as folder:
            yield App(outdir=folder)


# Node's messages: "ENOSPC: no space left on device, write", or with a path after the last word.
_DISK = re.compile(r"\b(?:EACCES|EDQUOT|EFBIG|EIO|ENOENT|ENOSPC|ENOTDIR|EPERM|EROFS): ([^,]+), \w+(?: '([^']+)')?")


@contextmanager
def _disk_errors() -> Generator[None]:
    try:
        yield
    except OSError as error:
        if error.filename and error.errno not in (errno.EDQUOT, errno.EFBIG, errno.ENOSPC):
            raise
        raise UserError(_no_room(error.filename, error.strerror)) from error
    except Exception as error:
        # The cause of Node's errors is the error in JavaScript. Its class is compared by name, because its package may
        # not be importable yet.
        if type(error.__cause__).__name__ == "JavaScriptError" and (found := _DISK.search(str(error))):
            raise UserError(_no_room(found[2], found[1])) from error
        raise


def _no_room(place: str | None, reason: str | None) -> str:
    return (
        f"{place or 'a temporary folder'}: cannot be written: {reason}; make room, or name other folders in TMPDIR and "
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT"
    )
