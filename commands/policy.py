"""The commands `main.py policy`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from commands.options import Command, EstateFile, EstateOption, Format, TextOrJson
from estate.errors import ExitCode, UserError
from estate.load import load
from modules.astronomer import ROLE
from operations.result import as_json

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
    output: Format = TextOrJson.TEXT,
) -> None:
    """Download and pin Astronomer's policy document.

    Saves the document as the estate's `policy_file`, and its SHA-256 in a file next to it. If the document differs from
    the pinned one, saves it with the suffix .new, compares the two, and exits with 3.

    \b
    Examples:
      main.py policy fetch
      main.py policy fetch --accept
      main.py policy fetch --to policies/astronomer.json --output json

    Exit codes: 0 done, 1 failed, 2 invalid input, 3 the document differs.
    """
    from modules.astronomer import URL
    from operations.policy.compare import compare
    from operations.policy.documents import fetch as fetch_document
    from operations.policy.documents import policy_file, read

    document = to or policy_file(file)
    outcome = fetch_document(document, url or URL, accept=accept)
    differs = outcome == "changed" and not accept
    beside = document.with_name(document.name + ".new")
    changes = compare([read(document)], [read(beside)]) if differs else []
    code = ExitCode.CHECK_FAILED if differs else ExitCode.DONE
    if output is TextOrJson.JSON:
        result = "differs" if differs else "unchanged" if outcome == "same" else "saved"
        files = {"file": str(document), "new_file": str(beside) if differs else None}
        values = {"result": result, **files, "changes": [one.as_values() for one in changes]}
        print(as_json("policy fetch", code, values))
    elif differs:
        print(f"{document} differs from the published document, saved as {beside}; replace it with --accept:")
        for change in changes:
            print(f"  {change}")
    else:
        print(f"{document}: {'unchanged' if outcome == 'same' else 'saved and pinned'}")
    sys.exit(code)


@policy.command(cls=Command)
def diff(
    old: Annotated[
        Path | None, typer.Argument(help="The old document. Default: the policies of the role in the account.")
    ] = None,
    new: Annotated[Path | None, typer.Argument(help="The new document. Default: the estate's `policy_file`.")] = None,
    file: EstateOption = Path("astro.yaml"),
    output: Format = TextOrJson.TEXT,
) -> None:
    """Compare two policy documents, action by action.

    Without arguments, compares the account's policies with the estate's document. Exits with 3 if NEW allows more.

    \b
    Examples:
      main.py policy diff
      main.py policy diff policies/astronomer.json policies/astronomer.json.new
      main.py policy diff --output json

    Exit codes: 0 the new document allows no more, 1 failed, 2 invalid input, 3 it allows more.
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
    code = ExitCode.CHECK_FAILED if any(change.widens for change in changes) else ExitCode.DONE
    if output is TextOrJson.JSON:
        print(as_json("policy diff", code, {"changes": [change.as_values() for change in changes]}))
        sys.exit(code)
    for change in changes:
        print(change)
    if not code:
        print("the new document allows no more" if changes else "both documents allow the same")
    sys.exit(code)


@policy.command(cls=Command)
def lint(file: EstateFile = Path("astro.yaml"), output: Format = TextOrJson.TEXT) -> None:
    """Lint every IAM policy of the estate, offline.

    Includes trust policies. Uses the linter parliament. Exits with 3 if there are findings, or with 4 if they are only
    in Astronomer's document, which you cannot change.

    \b
    Examples:
      main.py policy lint
      main.py policy lint --output json

    Exit codes: 0 no findings, 1 failed, 2 invalid input, 3 findings, 4 findings in Astronomer's document only.
    """
    from operations.policy.documents import policy_file, read
    from operations.policy.lint import report
    from operations.synth import synthesized_stacks

    estate = load(file)
    vendors = read(policy_file(file), estate.account.account_id) if estate.account else None
    found = report(synthesized_stacks(estate, file, os.environ), vendors)
    if output is TextOrJson.JSON:
        print(as_json("policy lint", found.code, found.as_values()))
    else:
        print("\n".join(found.lines()))
    sys.exit(found.code)
