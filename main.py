"""The door. Without an argument it synthesizes the estate, which is what `cdktf` calls it for."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from stacks.estate import Estate, EstateError, S3State, json_schema, load

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
    counts = [("network", len(estate.networks)), ("connection", len(estate.connections))]
    counted = ", ".join(f"{n} {noun}{'s' * (n != 1)}" for noun, n in counts)
    print(f"{file}: {counted}, no mistakes")
    for line in waiting:
        print(line)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of estate files, for editors."""
    import json

    print(json.dumps(json_schema(), indent=2))


state = typer.Typer(help="Where Terraform keeps its state.", rich_markup_mode=None)
cli.add_typer(state, name="state")


@state.command()
def create(file: EstateFile = Path("astro.yaml")) -> None:
    """Make the S3 bucket of `state`, or bring an existing one to the same settings; safe to repeat.

    Versioned, encrypted, private, TLS only. Old versions of objects expire after 90 days but for the newest ten, in a
    bucket that exists already too."""
    estate = _load(file)
    if not isinstance(estate.state, S3State):
        _stop(f"{file}: state.backend: {estate.state.backend!r} keeps no state in S3; only s3 has a bucket", BAD_INPUT)
    from operations.state import StateError, create_state_bucket

    try:
        report = create_state_bucket(estate.state.bucket, estate.state.region, estate.state.kms_key)
    except StateError as error:
        _stop(str(error), FAILED)
    print(f"{report.bucket} in account {report.account_id}, {report.region}")
    for setting, outcome in report.settings:
        print(f"  {outcome:8}{setting}")


def _load(file: Path) -> Estate:
    try:
        return load(file)
    except EstateError as error:
        _stop(str(error), BAD_INPUT)


def _stop(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    cli()
