"""The command `main.py init`."""

import os
import re
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from commands.check import CheckOutput, check
from commands.options import EstateFile
from commands.report import progress
from estate.errors import ExitCode, UserError
from estate.source import printable
from modules.aws import REGIONS

_ACCOUNT = r"\d{12}"
_SLUG = r"[a-z](?:-?[a-z0-9]){0,30}"
_VPC = r"vpc-[0-9a-f]{8,17}"
_ROLE = r"[\w+=,.@-]{1,64}"
_PRODUCTS = ("hybrid", "hosted-dedicated", "hosted-standard")


def init(
    file: EstateFile = Path("astro.yaml"),
    account: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID", help="Read this account. Can be repeated. Default: the account of your credentials."
        ),
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option(metavar="REGION", help="Read this region. Can be repeated. Default: AWS_REGION.")
    ] = None,
    product: Annotated[str | None, typer.Option(help=f"Your Astro product: {', '.join(_PRODUCTS)}.")] = None,
    organization: Annotated[
        str | None, typer.Option(metavar="NAME", help="The short name of your Astro organization.")
    ] = None,
    vpc: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Read only this VPC. Can be repeated. Default: all.")
    ] = None,
    astro_account: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID", help="An account of Astronomer's clusters. Its requests become connections. Can be repeated."
        ),
    ] = None,
    role: Annotated[str | None, typer.Option(metavar="NAME", help="Assume this role in each account.")] = None,
) -> None:
    """Write a first estate file from data in AWS and Astro's API.

    Reads AWS, writes the file, and checks it. To include the clusters of your organization, set ASTRO_API_TOKEN. On a
    terminal, prompts for missing values. Changes nothing in AWS, and never overwrites a file.

    \b
    Examples:
      main.py init
      main.py init --region us-east-1 --product hosted-dedicated --account 111111111111

    Exit codes: 0 done, 1 AWS or Astro's API could not be read, 2 invalid input, 4 warnings only.
    """
    if os.path.lexists(file):
        raise UserError(
            f"{file}: already exists, and init never overwrites a file; name another file", ExitCode.BAD_INPUT
        )
    if not file.parent.is_dir():
        raise UserError(f"{file}: {file.parent} is not a folder; create it first", ExitCode.BAD_INPUT)
    asks = sys.stdin.isatty() and sys.stdout.isatty()
    regions = region or [one for one in (os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),) if one]
    if not regions:
        regions = [_asked(asks, "--region", "AWS region of your networks", "us-east-1")]
    product = product or _asked(asks, "--product", f"Astro product ({', '.join(_PRODUCTS)})", "hosted-dedicated")
    if asks and not organization:
        organization = str(typer.prompt("Short name of your Astro organization", default="my-organization"))
    _one_of("--region", regions, REGIONS)
    _one_of("--product", [product], _PRODUCTS)
    for option, values, form, told in (
        ("--account", account, _ACCOUNT, "12 digits"),
        ("--astro-account", astro_account, _ACCOUNT, "12 digits"),
        ("--vpc", vpc, _VPC, "an ID such as vpc-0123456789abcdef0"),
        ("--organization", [organization] if organization else [], _SLUG, "lowercase letters, digits and hyphens"),
        ("--role", [role] if role else [], _ROLE, "the name of a role, not its ARN"),
    ):
        for value in values or ():
            if not re.fullmatch(form, value, re.ASCII):
                raise UserError(f"{option} {printable(value)}: write {told}", ExitCode.BAD_INPUT)

    from operations.files import create
    from operations.init.astro import API, clusters
    from operations.init.compose import Answers, text
    from operations.init.run import own_account, read

    with progress("Reading AWS"):
        token = os.environ.get("ASTRO_API_TOKEN")
        astro = clusters(token, os.environ.get("ASTRO_API_URL", API)) if token else []
        found = read(account or [own_account(regions[0])], regions, role, vpc or ())
    seen = {one.vpc_id for each in found for one in each.networks}
    if missing := [one for one in vpc or () if one not in seen]:
        raise UserError(f"--vpc {', '.join(missing)}: not in the accounts and regions that were read")
    known = {*(astro_account or ()), *(one["account_id"] for one in astro if one["account_id"])}
    requesters = {one.account_id for each in found for one in (*each.peerings, *each.attachments)}
    for stranger in sorted(requesters - known) if asks else ():
        if typer.confirm(
            f"Account {stranger} requests a connection. Did Astronomer's support give you this account ID?"
        ):
            known.add(stranger)
    content = text(Answers(product, organization, role, known), found, astro)
    try:
        create(file, content)
    except FileExistsError:
        raise UserError(
            f"{file}: already exists, and init never overwrites a file; name another file", ExitCode.BAD_INPUT
        ) from None
    print(f"{file}: written")
    check(file, CheckOutput.TEXT)


def _asked(asks: bool, option: str, question: str, default: str) -> str:
    if not asks:
        raise UserError(f"{option} is missing, and there is no terminal to prompt on; pass it", ExitCode.BAD_INPUT)
    return str(typer.prompt(question, default=default))


def _one_of(option: str, values: list[str], allowed: Collection[str]) -> None:
    for value in values:
        if value not in allowed:
            listed = f"; one of {', '.join(allowed)}" if isinstance(allowed, tuple) else "; such as us-east-1"
            raise UserError(f"{option} {printable(value)}: is not known{listed}", ExitCode.BAD_INPUT)
