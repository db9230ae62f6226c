"""The door. Without an argument it synthesizes the estate, which is what `cdktf` calls it for."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from stacks.estate import Estate, EstateError, json_schema, load

DONE, FAILED, BAD_INPUT, CHECK_FAILED, WARNINGS_ONLY = range(5)

cli = typer.Typer(add_completion=False, no_args_is_help=False, pretty_exceptions_enable=False, rich_markup_mode=None)
EstateFile = Annotated[Path, typer.Argument(envvar="ASTRO_ESTATE", show_envvar=True, metavar="FILE")]


@cli.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Your side of Astro on AWS. Without a command: write the Terraform of the estate, as `cdktf synth` does."""
    if context.invoked_subcommand is None:
        synth()


def synth() -> None:
    estate = _load(Path(os.environ.get("ASTRO_ESTATE", "astro.yaml")))
    from cdktf import App

    from stacks.app import build

    build(App(), estate).synth()


@cli.command()
def check(file: EstateFile = Path("astro.yaml")) -> None:
    """Say everything that is wrong with an estate file, or what it is still waiting for."""
    estate = _load(file)
    waiting = [f"{entry} waits for {a.field} from {a.giver}: {a.how}" for entry, a in estate.awaited()]
    print(f"{file}: {len(estate.networks)} networks, {len(estate.connections)} connections, no mistakes")
    for line in waiting:
        print(line)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of estate files, for editors."""
    import json

    print(json.dumps(json_schema(), indent=2))


def _load(file: Path) -> Estate:
    try:
        return load(file)
    except EstateError as error:
        print(error, file=sys.stderr)
        sys.exit(BAD_INPUT)


if __name__ == "__main__":
    cli()
