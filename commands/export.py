"""The command `main.py export`."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from commands.current import warn_of_expired
from estate.load import load
from estate.source import Source
from operations.selection import chosen


class Format(StrEnum):
    JSON = "json"
    HCL = "hcl"


def export(
    stacks: Annotated[list[str] | None, typer.Argument(metavar="[STACK]...", help="Default: all.")] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Directory of the modules, one for each stack.")] = Path(
        "terraform-modules"
    ),
    syntax: Annotated[Format, typer.Option("--format")] = Format.JSON,
    file: Annotated[Path, typer.Option("--estate", envvar="ASTRO_ESTATE")] = Path("astro.yaml"),
) -> None:
    """Write stacks as Terraform modules, for roots that know nothing of Python: no provider, no backend, variables for
    what Terraform may know later.

    Replaces what it wrote before, and nothing else."""
    from operations.owner import refuse_foreign_estate, refuse_python_package
    from operations.synth import formatter, new_app

    refuse_python_package(out)
    estate = load(file, source := Source(file))
    terraform = formatter(os.environ) if syntax is Format.HCL else None
    with new_app(os.environ) as app:
        from operations.export.stacks import exported_stacks
        from operations.export.write import module, write
        from operations.output import counted

        exported = exported_stacks(app, estate)
    names = chosen(file, stacks, exported)
    warn_of_expired(file, estate, source, names)
    for name in names:
        refuse_foreign_estate(out / name, estate, file)
    changed = {name: write(module(exported[name], estate, file, terraform), out / name) for name in names}
    for name in names:
        blocks = sum(map(len, exported[name].json.get("resource", {}).values()))
        print(f"{out / name}: {'written' if changed[name] else 'up to date'}, {counted(blocks, 'resource block')}")
