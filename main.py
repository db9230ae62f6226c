"""The door. Without an argument it synthesizes the estate, which is what `cdktf` calls it for."""

import atexit
import errno
import gc
import os
import signal
import sys
import threading

from operations.start import obstacle, other_python

# The imports below need Python 3.11 and the project's packages.
if _obstacle := obstacle():
    if _python := other_python():
        os.execv(_python, [_python, *sys.argv])  # noqa: S606
    sys.exit(_obstacle)

if os.path.basename(sys.argv[0]) in ("main.py", "astro-on-aws"):  # noqa: PTH119 (pathlib is not imported yet)
    # A run is over before its garbage counts, and the interpreter takes everything apart at its end for nothing.
    gc.disable()
    atexit.register(gc.freeze)
    # Until the commands are imported, Ctrl-C has nothing to clean up.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Pydantic would look for plugins among all installed packages.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    # The imports below take as long as Node takes to be ready.
    if sys.argv[1:2] in ([], ["synth"]):
        from modules.bindings.node import start_for_command

        start_for_command(hcl="--hcl" in sys.argv if sys.argv[1:] else os.environ.get("SYNTH_HCL_OUTPUT") == "true")

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from commands.options import EstateFile, Outputs, Reader
from commands.reach import reach
from commands.status import status
from estate.errors import ExitCode, UserError
from estate.load import load
from estate.model import Estate
from estate.schema import json_schema
from estate.source import Source, printable
from estate.state import S3State
from estate.warnings import expired, warnings
from modules.astronomer import ROLE
from operations.permissions.jobs import Job
from operations.selection import chosen


class Commands(TyperGroup):
    """The commands, with the one place where what a person can mend becomes a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        _clean_up_when_stopped()
        try:
            try:
                return super().invoke(ctx)
            finally:
                print(end="", flush=True)
        except UserError as error:
            print(error, file=sys.stderr)
            sys.exit(error.code)
        except OSError as error:
            if error.filename is None and error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
                raise
            with suppress(OSError, ValueError):  # Python would complain once more as it ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            print(f"{error.filename or 'standard output'}: cannot be written: {error.strerror}", file=sys.stderr)
            sys.exit(ExitCode.FAILED)


cli = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
cli.command()(status)
cli.command()(reach)


@cli.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Your side of Astro on AWS. Without a command: write the Terraform of the estate, as `cdktf synth` does."""
    if context.invoked_subcommand is None:
        from operations.cdktf_call import prepare
        from operations.synth import write

        file = Path(os.environ.get("ASTRO_ESTATE", "astro.yaml"))
        out = Path(os.environ.get("CDKTF_OUTDIR", "cdktf.out"))
        hcl = os.environ.get("SYNTH_HCL_OUTPUT") == "true"
        estate = load(file, source := Source(file))
        _warn_of_expired(file, estate, source, prepare(estate, file, out, os.environ, os.getppid()))
        write(estate, file, out, os.environ, hcl=hcl)


@cli.command()
def synth(
    file: EstateFile = Path("astro.yaml"),
    out: Annotated[Path, typer.Option(envvar="CDKTF_OUTDIR", metavar="DIR", help="Where to.")] = Path("cdktf.out"),
    hcl: Annotated[bool, typer.Option("--hcl", help="HCL, formatted by your Terraform, in place of JSON.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 3 if it would change.")] = False,
) -> None:
    """Write the Terraform of the estate as `cdktf synth` does, to be committed: one estate, one output, anywhere.

    Stacks that are no longer in the estate are deleted there, with the other format. Nothing else is touched. --check
    fails on files of others too that Terraform would load, unless `terraform.own_files` of the estate lists them."""
    from operations.loaded import foreign_files
    from operations.output import compare, files, summary
    from operations.owner import refuse_foreign_folder
    from operations.synth import synthesized, write

    estate = _current(file)
    if not check:
        refuse_foreign_folder(out, estate, file)
        installed = write(estate, file, out, os.environ, hcl=hcl)
        for removed in installed.deleted:
            gone = not any((out / removed.parent).glob("cdk.tf*"))
            print(f"{out / removed}: deleted{'; what the stack deployed stays until it is destroyed' * gone}")
        print(f"{out} {'holds' if installed.written else 'is up to date:'} {summary(out)}")
        return

    with synthesized(estate, file, os.environ, hcl=hcl) as fresh:
        changes = list(compare(out, fresh))
        foreign = list(foreign_files(out, files(out) | files(fresh), estate.terraform.own_files))
    for line in (*changes, *foreign):
        print(printable(line))
    if changes:
        command = f"main.py synth {file} --out {out}{' --hcl' * hcl}"
        raise UserError(f"{out} is not what {file} says now; write it again: {command}", ExitCode.CHECK_FAILED)
    if foreign:
        raise UserError(f"{out} holds what {file} does not say, and Terraform would load it", ExitCode.CHECK_FAILED)
    print(f"{out} is up to date: {summary(out)}")


class Format(StrEnum):
    JSON = "json"
    HCL = "hcl"


@cli.command()
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
    _warn_of_expired(file, estate, source, names)
    for name in names:
        refuse_foreign_estate(out / name, estate, file)
    changed = {name: write(module(exported[name], estate, file, terraform), out / name) for name in names}
    for name in names:
        blocks = sum(map(len, exported[name].json.get("resource", {}).values()))
        print(f"{out / name}: {'written' if changed[name] else 'up to date'}, {counted(blocks, 'resource block')}")


@cli.command()
def permissions(
    stacks: Annotated[list[str] | None, typer.Argument(metavar="[STACK]...", help="Default: all.")] = None,
    jobs: Annotated[list[Job] | None, typer.Option("--for", help="Repeat for several. Default: plan.")] = None,
    file: Annotated[Path, typer.Option("--estate", envvar="ASTRO_ESTATE")] = Path("astro.yaml"),
) -> None:
    """Print the least IAM policies for a job, by stack, as JSON.

    The actions were measured. `apply` changes and creates; add `--for destroy` for a role that may also remove."""
    import json

    from operations.permissions.compose import permissions
    from operations.synth import synthesized_stacks

    estate = _current(file)
    trees = synthesized_stacks(estate, file, os.environ)
    print(json.dumps(permissions(estate, trees, jobs or [Job.PLAN], chosen(file, stacks, trees)), indent=2))


@cli.command()
def check(file: EstateFile = Path("astro.yaml")) -> None:
    """Say everything that is wrong with an estate file, or what it is still waiting for, and what Terraform will ask.

    Exits with 4 if there are warnings only. They stop no synth. An entry whose last day is over stops deploys
    of its stack."""
    from operations.variables import report

    source = Source(file)
    estate = load(file, source)
    # What a cluster lacks is a warning, with what it blocks.
    waiting = [
        f"{entry} waits for {a.field} from {a.giver}: {a.how}"
        for entry, a in estate.pending_inputs()
        if entry.startswith("connections.")
    ]
    counts = [("network", len(estate.networks)), ("connection", len(estate.connections))]
    counted = ", ".join(f"{n} {noun}{'s' * (n != 1)}" for noun, n in counts)
    print(f"{file}: {counted}, no mistakes")
    for line in (*waiting, *report(estate, os.environ)):
        print(line)
    if found := warnings(estate, file, source, datetime.now(UTC).date()):
        raise UserError("\n".join(f"{file}:{problem}" for problem in found), ExitCode.WARNINGS_ONLY)


@cli.command()
def handoff(
    file: EstateFile = Path("astro.yaml"),
    reader: Annotated[Reader, typer.Option("--for", help="Who reads it.")] = Reader.YOU,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of Markdown.")] = False,
    outputs: Outputs = None,
) -> None:
    """Print what is deployed, what remains to be done and by whom: for you, or what to send to whom.

    Reads the state from where the estate keeps it, and writes nothing. Exits with 4 if a stack could not be read."""
    import json

    from operations.handoff import read, write
    from operations.handoff.status import report
    from operations.synth import synthesized_stacks

    estate = load(file)
    stacks = read.read(estate, outputs, Path(os.environ.get("CDKTF_OUTDIR", "cdktf.out"), "stacks"), os.environ)
    fresh = synthesized_stacks(estate, file, os.environ) if any(stack.digests for stack in stacks.values()) else {}
    digests = {name: fresh[name]["output"]["deployed"]["value"]["digests"] for name in stacks if fresh}
    found = report(estate, stacks, digests)
    as_values, as_text = write.BY_READER[reader]
    print(json.dumps(as_values(found), indent=2) if as_json else as_text(found))
    if unread := [f"{name} was not read: {stack.why}" for name, stack in stacks.items() if stack.status == "not read"]:
        raise UserError("\n".join(unread), ExitCode.WARNINGS_ONLY)


@cli.command()
def adopt(
    file: EstateFile = Path("astro.yaml"),
    out: Annotated[Path, typer.Option(envvar="CDKTF_OUTDIR", metavar="DIR", help="Where to.")] = Path("cdktf.out"),
    stack: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this one; may be repeated.")] = None,
) -> None:
    """Find in AWS what the estate describes and is there already, and write Terraform's import blocks for it.

    They go beside what a synth writes, as stacks/<stack>/imports.tf: the next `cdktf deploy` shows what it imports, and
    asks. Only reads AWS. Exits with 4 where a person has to decide something."""
    from operations.adopt.report import refuse_foreign_imports
    from operations.adopt.search import adopt as look_for
    from operations.owner import refuse_foreign_folder
    from operations.synth import synthesized_stacks
    from operations.variables import external_ids

    estate, ids = _current(file), external_ids(os.environ)
    refuse_foreign_folder(out, estate, file)
    stacks = synthesized_stacks(estate, file, os.environ)
    names = chosen(file, stack, stacks)
    for name in names:
        refuse_foreign_imports(out / "stacks" / name)
    adoptions = look_for({name: stacks[name] for name in names}, ids)
    files = [adoption.write(out / "stacks" / adoption.stack) for adoption in adoptions]
    for adoption in adoptions:
        print(adoption.report())
    if not any(files):
        print("Nothing of the estate is there yet: there is nothing to import.")
    else:
        print(f"Written: {', '.join(str(one) for one in files if one)}")
        print("Next: `cdktf diff <stack>` shows what is imported and changed, `cdktf deploy <stack>` does it.")
    if any(one.to_decide for adoption in adoptions for one in adoption.outcomes):
        sys.exit(ExitCode.WARNINGS_ONLY)


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
    estate = load(file)
    if not isinstance(estate.state, S3State):
        raise UserError(
            f"{file}: state.backend: {estate.state.backend!r} keeps no state in S3; only s3 has a bucket",
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


policy = typer.Typer(help="Astronomer's policy document over time.", rich_markup_mode=None)
cli.add_typer(policy, name="policy")


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


def _clean_up_when_stopped() -> None:
    """End by an exception on the signals that would end the process at once, so that temporary folders are deleted."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda received, _: sys.exit(128 + received))


def _current(file: Path) -> Estate:
    """The estate, with a warning of what should be gone by now."""
    estate = load(file, source := Source(file))
    _warn_of_expired(file, estate, source, ())
    return estate


def _warn_of_expired(file: Path, estate: Estate, source: Source, stacks: Iterable[str]) -> None:
    """Print what should be gone by now, the only thing here that depends on the day. Raises UserError if one of these
    stacks has it."""
    gone = expired(estate, file, source, datetime.now(UTC).date())
    if refused := [line for stack in stacks for line in gone.get(stack, ())]:
        raise UserError("\n".join(refused), ExitCode.BAD_INPUT)
    for lines in gone.values():
        print("\n".join(lines), file=sys.stderr)


if __name__ == "__main__":
    cli()
