"""The commands `main.py policy`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from commands.options import Command, EstateFile, EstateOption
from estate.errors import ExitCode, UserError
from estate.load import load
from modules.astronomer import ROLE

HELP = """Fetch, compare and lint Astronomer's policy document.

\b
Examples:
  main.py policy fetch
  main.py policy diff

Exit codes: 0 done, 1 failed, 2 invalid input, 3 a check failed, 4 warnings only.
"""
policy = typer.Typer(help=HELP, rich_markup_mode=None)


@policy.command(cls=Command)
def fetch(
    file: EstateFile = Path("astro.yaml"),
    url: Annotated[
        str | None, typer.Option(help="Download this URL. Default: the URL that Astronomer publishes.")
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Replace the saved document if it differs.")] = False,
    to: Annotated[Path | None, typer.Option(help="Save to this path, for example without an estate.")] = None,
) -> None:
    """Download and pin Astronomer's policy document.

    Saves the document as the estate's `policy_file`, with its SHA-256 in a file in the same directory. If the document
    differs from the pinned one, saves it with the suffix .new, compares the two, and exits with 3.

    \b
    Examples:
      main.py policy fetch
      main.py policy fetch --accept
      main.py policy fetch --to policies/astronomer.json

    Exit codes: 0 done, 1 failed, 2 invalid input, 3 the document differs.
    """
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
    print(f"{document} differs from the published document, saved as {beside}; replace it with --accept:")
    changes = compare([read(document)], [read(beside)])
    for change in changes:
        print(f"  {change}")
    sys.exit(ExitCode.CHECK_FAILED)


@policy.command(cls=Command)
def diff(
    old: Annotated[
        Path | None, typer.Argument(help="The old document. Default: the policies of the role in the account.")
    ] = None,
    new: Annotated[Path | None, typer.Argument(help="The new document. Default: the estate's `policy_file`.")] = None,
    file: EstateOption = Path("astro.yaml"),
) -> None:
    """Compare two policy documents, action by action.

    Without arguments, compares the account's policies with the estate's document. Exits with 3 if NEW allows more.

    \b
    Examples:
      main.py policy diff
      main.py policy diff policies/astronomer.json policies/astronomer.json.new

    Exit codes: 0 the new one allows no more, 1 failed, 2 invalid input, 3 it allows more.
    """
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


@policy.command(cls=Command)
def lint(file: EstateFile = Path("astro.yaml")) -> None:
    """Lint every IAM policy of the estate, offline.

    Includes trust policies. The linter is parliament. Exits with 3 for a finding, but with 4 for one in Astronomer's
    document, because Astronomer maintains it.

    \b
    Examples:
      main.py policy lint

    Exit codes: 0 no findings, 1 failed, 2 invalid input, 3 findings, 4 findings in Astronomer's document only.
    """
    from operations.policy.documents import policy_file, read
    from operations.policy.lint import report
    from operations.synth import synthesized_stacks

    estate = load(file)
    vendors = read(policy_file(file), estate.account.account_id) if estate.account else None
    lines, code = report(synthesized_stacks(estate, file, os.environ), vendors)
    print("\n".join(lines))
    if code:
        sys.exit(code)
