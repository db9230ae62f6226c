"""The command `main.py export`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from commands.current import warn_of_expired
from commands.options import EstateOption, Syntax
from estate.load import load
from estate.source import Source
from operations.selection import chosen


def export(
    stacks: Annotated[
        list[str] | None, typer.Argument(metavar="STACK", help="The stacks to export. Default: all.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The directory for the modules, one for each stack.")] = Path(
        "terraform-modules"
    ),
    output: Annotated[
        Syntax, typer.Option(help="The syntax of the files. hcl needs Terraform, to format them.")
    ] = Syntax.JSON,
    format_: Annotated[
        Syntax | None, typer.Option("--format", hidden=True, help="The former spelling of --output.")
    ] = None,
    file: EstateOption = Path("astro.yaml"),
) -> None:
    """Write stacks as Terraform modules that need no Python.

    The modules have no provider and no backend. Values that your root module can compute, such as IDs, are variables.
    Overwrites only the files of an earlier export.

    \b
    Examples:
      main.py export
      main.py export network-lake --output hcl --out modules-of-astro

    Exit codes: 0 done, 1 failed, 2 invalid input.
    """
    from operations.owner import refuse_foreign_estate, refuse_python_package
    from operations.synth import formatter, new_app

    refuse_python_package(out)
    estate = load(file, source := Source(file), modules=True)
    terraform = formatter(os.environ) if (format_ or output) is Syntax.HCL else None
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
