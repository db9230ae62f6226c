"""The door. Without an argument it synthesizes the estate, which is what `cdktf` calls it for."""

import os
import sys

from operations.start import obstacle, other_python

# The imports below need Python 3.11 and the project's packages.
if _obstacle := obstacle():
    if _python := other_python():
        os.execv(_python, [_python, *sys.argv])  # noqa: S606
    sys.exit(_obstacle)

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from estate.errors import ExitCode, UserError
from estate.load import load
from estate.model import Estate
from estate.schema import json_schema
from estate.source import Problem, Source
from estate.state import S3State
from estate.warnings import warnings
from modules.astronomer import ROLE
from operations.permissions.jobs import Job
from operations.selection import chosen

if TYPE_CHECKING:
    from cdktf import App

    from operations.output import Installed
    from operations.terraform import Terraform


class Commands(TyperGroup):
    """The commands, with the one place where what a person can mend becomes a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            print(error, file=sys.stderr)
            sys.exit(error.code)
        except BrokenPipeError:
            # Whoever read our output has seen enough; Python would complain once more as it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(ExitCode.FAILED)
        except OSError as error:
            if error.filename is None:
                raise
            print(f"{error.filename}: cannot be written: {error.strerror}", file=sys.stderr)
            sys.exit(ExitCode.FAILED)


cli = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
EstateFile = Annotated[Path, typer.Argument(envvar="ASTRO_ESTATE", show_envvar=True, metavar="FILE")]


@cli.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Your side of Astro on AWS. Without a command: write the Terraform of the estate, as `cdktf synth` does."""
    if context.invoked_subcommand is None:
        from operations.cdktf_call import prepare

        file, out = os.environ.get("ASTRO_ESTATE", "astro.yaml"), os.environ.get("CDKTF_OUTDIR", "cdktf.out")
        estate = _current(Path(file))
        prepare(estate, Path(out), os.environ, os.getppid())
        _write(estate, Path(out), hcl=os.environ.get("SYNTH_HCL_OUTPUT") == "true")


@cli.command()
def synth(
    file: EstateFile = Path("astro.yaml"),
    out: Annotated[Path, typer.Option(envvar="CDKTF_OUTDIR", metavar="DIR", help="Where to.")] = Path("cdktf.out"),
    hcl: Annotated[bool, typer.Option("--hcl", help="HCL, formatted by your Terraform, in place of JSON.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 3 if it would change.")] = False,
) -> None:
    """Write the Terraform of the estate as `cdktf synth` does, to be committed: one estate, one output, anywhere.

    Stacks that are no longer in the estate are deleted there, with the other format. Nothing else is touched."""
    from operations.output import compare, summary
    from operations.owner import refuse_foreign_folder

    if not check:
        refuse_foreign_folder(out, estate := _current(file))
        installed = _write(estate, out, hcl=hcl)
        for removed in installed.deleted:
            gone = not any((out / removed.parent).glob("cdk.tf*"))
            print(f"{out / removed}: deleted{'; what the stack deployed stays until it is destroyed' * gone}")
        print(f"{out} {'holds' if installed.written else 'is up to date:'} {summary(out)}")
        return

    with _synthesized(_current(file), hcl=hcl) as fresh:
        changes = list(compare(out, fresh))
    if changes:
        print("\n".join(changes))
        command = f"main.py synth {file} --out {out}{' --hcl' * hcl}"
        raise UserError(f"{out} is not what {file} says now; write it again: {command}", ExitCode.CHECK_FAILED)
    print(f"{out} is up to date: {summary(out)}")


def _write(estate: Estate, out: Path, *, hcl: bool) -> "Installed":
    """Synthesize into `out`, and drop the import blocks there of resources that are no longer in it."""
    from operations.imports import drop_stale
    from operations.output import install

    with _synthesized(estate, hcl=hcl) as fresh:
        installed = install(fresh, out)
        for stack in sorted(out.glob("stacks/*")):
            drop_stale(stack)
        return installed


@contextmanager
def _synthesized(estate: Estate, *, hcl: bool = False) -> Generator[Path]:
    """The whole output, in a folder that is gone afterwards."""
    with _app(hcl=hcl) as app:
        from operations.owner import sign
        from stacks.app import build

        folder = Path(app.outdir)
        formatter = _formatter() if hcl else None
        build(app, estate).synth()
        sign(folder, estate)
        if formatter:
            formatter.fmt(folder, sorted(folder.glob("stacks/*/cdk.tf")))
        yield folder


def _stacks(estate: Estate) -> dict[str, Any]:
    """The parsed JSON of each stack, by name."""
    import json

    with _synthesized(estate) as fresh:
        return {
            one.parent.name: json.loads(one.read_text("utf-8")) for one in sorted(fresh.glob("stacks/*/cdk.tf.json"))
        }


def _formatter() -> "Terraform":
    """Terraform, which formats HCL so that two machines write the same bytes."""
    from operations.terraform import Terraform, find_terraform

    return Terraform(
        find_terraform(os.environ, "HCL is formatted by it, so that two machines write the same; JSON needs none."),
        os.environ,
    )


@contextmanager
def _app(*, hcl: bool = False) -> Generator["App"]:
    """An app that writes one format, whatever the environment says, into a folder of its own: a synth that fails leaves
    nothing half done."""
    # The stacks look at nothing else, and Node at what there was when it started.
    os.environ["SYNTH_HCL_OUTPUT"] = str(hcl).lower()
    from cdktf import App

    with tempfile.TemporaryDirectory() as folder:
        yield App(outdir=folder)


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
    from operations.owner import refuse_python_package

    refuse_python_package(out)
    estate = _current(file)
    formatter = _formatter() if syntax is Format.HCL else None
    with _app() as app:
        from operations.export.stacks import exported_stacks
        from operations.export.write import write
        from operations.output import counted

        exported = exported_stacks(app, estate)
    for name in chosen(file, stacks, exported):
        changed = write(exported[name], out / name, formatter)
        blocks = sum(map(len, exported[name].json.get("resource", {}).values()))
        print(f"{out / name}: {'written' if changed else 'up to date'}, {counted(blocks, 'resource block')}")


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

    estate = _current(file)
    trees = _stacks(estate)
    print(json.dumps(permissions(estate, trees, jobs or [Job.PLAN], chosen(file, stacks, trees)), indent=2))


@cli.command()
def check(file: EstateFile = Path("astro.yaml")) -> None:
    """Say everything that is wrong with an estate file, or what it is still waiting for, and what Terraform will ask.

    Exits with 4 if there are warnings only. They stop no synth, except an entry whose last day is over."""
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


class Reader(StrEnum):
    YOU = "you"
    ASTRONOMER = "astronomer"
    NETWORK_TEAM = "network-team"


@cli.command()
def handoff(
    file: EstateFile = Path("astro.yaml"),
    reader: Annotated[Reader, typer.Option("--for", help="Who reads it.")] = Reader.YOU,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of Markdown.")] = False,
    outputs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The file that `cdktf deploy --outputs-file` wrote. Default: read the stacks' state."
        ),
    ] = None,
) -> None:
    """Print what is deployed, what remains to be done and by whom: for you, or what to send to whom.

    Reads the state from where the estate keeps it, and writes nothing. Exits with 4 if a stack could not be read."""
    import json

    from operations.handoff import read, status, write

    estate = load(file)
    stacks = read.read(estate, outputs, Path(os.environ.get("CDKTF_OUTDIR", "cdktf.out"), "stacks"), os.environ)
    fresh = _stacks(estate) if any(stack.digests for stack in stacks.values()) else {}
    digests = {name: fresh[name]["output"]["deployed"]["value"]["digests"] for name in stacks if fresh}
    found = status.report(estate, stacks, digests)
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
    from operations.adopt.search import adopt as look_for
    from operations.owner import refuse_foreign_folder
    from operations.variables import external_ids

    estate, ids = _current(file), external_ids(os.environ)
    refuse_foreign_folder(out, estate)
    stacks = _stacks(estate)
    adoptions = look_for({name: stacks[name] for name in chosen(file, stack, stacks)}, ids)
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

    estate = load(file)
    vendors = read(policy_file(file), estate.account.account_id) if estate.account else None
    lines, code = report(_stacks(estate), vendors)
    print("\n".join(lines))
    if code:
        sys.exit(code)


def _expired(file: Path, estate: Estate) -> list[str]:
    """What was to be gone by now, a line each: the only thing here that depends on the day."""
    if not (expired := list(estate.expired(datetime.now(UTC).date()))):
        return []
    source = Source(file)
    return [f"{file}:{Problem(one.path, one.message, *source.where(one.path))}" for one in expired]


def _current(file: Path) -> Estate:
    """The estate, where nothing in it should be gone by now."""
    estate = load(file)
    if expired := _expired(file, estate):
        raise UserError("\n".join(expired), ExitCode.BAD_INPUT)
    return estate


if __name__ == "__main__":
    cli()
