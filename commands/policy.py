"""The commands `main.py policy`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from commands.options import EstateFile
from estate.errors import ExitCode, UserError
from estate.load import load
from modules.astronomer import ROLE

policy = typer.Typer(help="Astronomer's policy document over time.", rich_markup_mode=None)


@policy.command()
def fetch(
    file: EstateFile = Path("astro.yaml"),
    url: Annotated[str | None, typer.Option(help="Where from. Default: where Astronomer publishes it.")] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Replace a document that differs.")] = False,
    to: Annotated[Path | None, typer.Option(help="Save it here, where there is no estate yet.")] = None,
) -> None:
    """Save Astronomer's document as the estate's `policy_file` and pin it by its SHA-256, in a file beside it.

    A document that differs from the pinned one is saved beside it as .new, compared, and exits with 3."""
    from modules.astronomer import URL
    from operations.policy.compare import compare
    from operations.policy.documents import fetch as fetch_document
    from operations.policy.documents import policy_file, read

    document = to or policy_file(file)
    outcome = fetch_document(document, url or URL, accept=accept)
    if outcome != "changed" or accept:
        print(f"{document}: {'unchanged' if outcome == 'same' else 'saved and pinned'}")
        return
    beside = document.with_name(document.name + ".new")
    print(f"{document} is not what Astronomer publishes now, saved as {beside}; --accept replaces it:")
    changes = compare([read(document)], [read(beside)])
    for change in changes:
        print(f"  {change}")
    sys.exit(ExitCode.CHECK_FAILED)


@policy.command()
def diff(
    old: Annotated[Path | None, typer.Argument(help="A document. Default: what the account's role has.")] = None,
    new: Annotated[Path | None, typer.Argument(help="A document. Default: the estate's `policy_file`.")] = None,
    file: Annotated[Path, typer.Option("--estate", envvar="ASTRO_ESTATE")] = Path("astro.yaml"),
) -> None:
    """Compare two documents, or the account's with the estate's, action by action; exits with 3 if NEW allows more."""
    from operations.policy.compare import compare
    from operations.policy.documents import in_account, policy_file, read

    if old and new:
        before, after = [read(old)], [read(new)]
    else:
        estate = load(file)
        if estate.account is None:
            raise UserError(f"{file}: has no `account`, so no policy to compare", ExitCode.BAD_INPUT)
        account_id = estate.account.account_id
        before = [read(old, account_id)] if old else in_account(ROLE, account_id)
        after = [read(policy_file(file), account_id)]
    changes = compare(before, after)
    for change in changes:
        print(change)
    if any(change.widens for change in changes):
        sys.exit(ExitCode.CHECK_FAILED)
    print("the new one allows no more" if changes else "both allow the same")


@policy.command()
def lint(file: EstateFile = Path("astro.yaml")) -> None:
    """Lint every policy that the estate creates, trust policies included, offline, by parliament; exits with 3 on a
    finding.

    Findings in Astronomer's own document are reported, and exit with 4: Astronomer maintains it."""
    from operations.policy.documents import policy_file, read
    from operations.policy.lint import report
    from operations.synth import synthesized_stacks

    estate = load(file)
    vendors = read(policy_file(file), estate.account.account_id) if estate.account else None
    lines, code = report(synthesized_stacks(estate, file, os.environ), vendors)
    print("\n".join(lines))
    if code:
        sys.exit(code)
