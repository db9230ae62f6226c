"""The command `main.py permissions`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from commands.current import current
from commands.options import EstateOption
from operations.permissions.jobs import Job
from operations.selection import chosen


def permissions(
    stacks: Annotated[
        list[str] | None, typer.Argument(metavar="STACK", help="The stacks to deploy. Default: all.")
    ] = None,
    jobs: Annotated[list[Job] | None, typer.Option("--for", help="The job. Can be repeated. Default: plan.")] = None,
    file: EstateOption = Path("astro.yaml"),
) -> None:
    """Print the minimum IAM policies for a job, as JSON.

    Prints the policies for each stack. Most actions come from measured API calls. `apply` covers creating and changing
    resources; to also delete them, add `--for destroy`. With a `deployer`, the policies under `caller` are for your own
    credentials. `--for init` alone needs no estate file.

    \b
    Examples:
      main.py permissions
      main.py permissions network-lake --for apply --for destroy
      main.py permissions --for init

    Exit codes: 0 done, 1 failed, 2 invalid input.
    """
    import json

    from operations.permissions.compose import of_init, permissions
    from operations.synth import synthesized_stacks

    if jobs and set(jobs) == {Job.INIT}:
        print(json.dumps({"init": of_init()}, indent=2))
        return
    estate = current(file)
    trees = synthesized_stacks(estate, file, os.environ)
    print(json.dumps(permissions(estate, trees, jobs or [Job.PLAN], chosen(file, stacks, trees)), indent=2))
