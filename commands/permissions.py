"""The command `main.py permissions`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from commands.current import current
from operations.permissions.jobs import Job
from operations.selection import chosen


def permissions(
    stacks: Annotated[list[str] | None, typer.Argument(metavar="[STACK]...", help="Default: all.")] = None,
    jobs: Annotated[list[Job] | None, typer.Option("--for", help="Repeat for several. Default: plan.")] = None,
    file: Annotated[Path, typer.Option("--estate", envvar="ASTRO_ESTATE")] = Path("astro.yaml"),
) -> None:
    """Print the least IAM policies for a job, by stack, as JSON.

    The actions were measured. `apply` changes and creates; add `--for destroy` for a role that may also remove."""
    import json

    from operations.permissions.compose import permissions
    from operations.synth import synthesized_stacks

    estate = current(file)
    trees = synthesized_stacks(estate, file, os.environ)
    print(json.dumps(permissions(estate, trees, jobs or [Job.PLAN], chosen(file, stacks, trees)), indent=2))
