"""The commands `main.py state`."""

from pathlib import Path

import typer

from commands.options import Command, EstateFile
from estate.errors import ExitCode, UserError
from estate.load import load
from estate.state import S3State

HELP = """Create the S3 bucket for Terraform's state.

\b
Examples:
  main.py state create

Exit codes: 0 done, 1 failed, 2 invalid input, 4 warnings only.
"""
state = typer.Typer(help=HELP, rich_markup_mode=None)


@state.command(cls=Command)
def create(file: EstateFile = Path("astro.yaml")) -> None:
    """Create or repair the S3 bucket for Terraform's state.

    Makes the bucket in `state` versioned, encrypted, private and TLS-only. Old versions of objects expire after 90
    days, except the newest ten. Repairs these settings if the bucket already exists, so you can repeat the command.

    \b
    Examples:
      main.py state create

    Exit codes: 0 done, 1 failed, 2 invalid input, 4 warnings only.
    """
    estate = load(file)
    if not isinstance(estate.state, S3State):
        raise UserError(
            f"{file}: state.backend: {estate.state.backend!r} does not store state in S3; this command is only for s3",
            ExitCode.BAD_INPUT,
        )
    from operations.state import create_state_bucket

    dedicated_account = estate.account.account_id if estate.account else None
    report = create_state_bucket(
        estate.state.bucket, estate.state.region, estate.state.kms_key, dedicated_account=dedicated_account
    )
    print(f"{report.bucket} in account {report.account_id}, {report.region}")
    for setting, outcome in report.settings:
        print(f"  {outcome:8}{setting}")
    if report.warnings:
        raise UserError("\n".join(f"{report.bucket}: {warning}" for warning in report.warnings), ExitCode.WARNINGS_ONLY)
