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
from collections.abc import Collection, Iterator
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
from estate.plan import secrets, stacks_of
from estate.schema import json_schema
from estate.source import Problem, Source
from estate.state import CloudState, S3State
from estate.warnings import warnings
from modules.astronomer import ROLE

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
        file, out = os.environ.get("ASTRO_ESTATE", "astro.yaml"), os.environ.get("CDKTF_OUTDIR", "cdktf.out")
        estate = _current(Path(file))
        _prepare_call(estate, Path(out))
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

    if not check:
        _stop_in_foreign_folder(estate := _current(file), out)
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


def _prepare_call(estate: Estate, out: Path) -> None:
    """Exit if a `cdktf` above this process, or its output folder, would lead Terraform somewhere it cannot succeed."""
    from operations.cdktf_call import find_call
    from operations.imports import drop_all
    from operations.terraform import TerraformError, find_terraform

    call = find_call(os.getppid())
    _stop_in_foreign_folder(estate, out, migrates=call is not None and "migrate-state" in call.options)
    if not call:
        return
    # A workspace of HCP Terraform has variables of its own.
    needed = [] if isinstance(estate.state, CloudState) else secrets(estate)
    stacks = [stack.name for stack in stacks_of(estate)]
    reasons = [*filter(None, [call.unanswerable()]), *call.missing(needed, stacks, out / "stacks")]
    keeps_role = estate.account and estate.account.cross_account_role.removal_reason is None
    if call.command == "destroy" and keeps_role and "account" in call.chosen(stacks):
        reasons.append(
            "Terraform does not destroy Astronomer's role in stack account without a reason: write "
            'account.cross_account_role.removal_reason (docs/recovery.md, "Taking it all down")'
        )
    try:
        find_terraform(os.environ)
    except TerraformError as error:
        reasons.append(str(error))
    if reasons:
        raise UserError("\n".join(reasons), ExitCode.BAD_INPUT)
    if call.command == "destroy":
        for stack in call.chosen(stacks):
            drop_all(out / "stacks" / stack)


def _stop_in_foreign_folder(estate: Estate, out: Path, *, migrates: bool = False) -> None:
    """Exit if `out` is of another estate, or is initialized with another state, which Terraform would propose to copy.
    `migrates`: the person asked for the copy."""
    from operations.owner import foreign_estate, other_states

    if reason := foreign_estate(out, estate):
        raise UserError(reason, ExitCode.BAD_INPUT)
    if not migrates and (reasons := list(other_states(out, estate))):
        raise UserError("\n".join(reasons), ExitCode.BAD_INPUT)


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
def _synthesized(estate: Estate, *, hcl: bool = False) -> Iterator[Path]:
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


def _formatter() -> "Terraform":
    """Terraform, which formats HCL so that two machines write the same bytes."""
    from operations.terraform import Terraform, find_terraform

    return Terraform(
        find_terraform(os.environ, "HCL is formatted by it, so that two machines write the same; JSON needs none."),
        os.environ,
    )


@contextmanager
def _app(*, hcl: bool = False) -> Iterator["App"]:
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
    for folder in (out.absolute(), *out.absolute().parents):
        if (folder / "__init__.py").exists():
            what = "is in a Python package, which Terraform modules must not be written into"
            remedy = "choose another directory, such as terraform-modules"
            raise UserError(f"--out: {out} {what}; {remedy}", ExitCode.BAD_INPUT)
    estate = _current(file)
    formatter = _formatter() if syntax is Format.HCL else None
    with _app() as app:
        from operations.export.stacks import exported_stacks
        from operations.export.write import write
        from operations.output import counted

        exported = exported_stacks(app, estate)
    for name in _chosen(file, stacks, exported):
        changed = write(exported[name], out / name, formatter)
        blocks = sum(map(len, exported[name].json.get("resource", {}).values()))
        print(f"{out / name}: {'written' if changed else 'up to date'}, {counted(blocks, 'resource block')}")


@cli.command()
def check(file: EstateFile = Path("astro.yaml")) -> None:
    """Say everything that is wrong with an estate file, or what it is still waiting for, and what Terraform will ask.

    Exits with 4 if there are warnings only. They stop no synth, except an entry whose last day is over."""
    source = Source(file)
    estate = _load(file, source)
    # What a cluster lacks is a warning, with what it blocks.
    waiting = [
        f"{entry} waits for {a.field} from {a.giver}: {a.how}"
        for entry, a in estate.pending_inputs()
        if entry.startswith("connections.")
    ]
    counts = [("network", len(estate.networks)), ("connection", len(estate.connections))]
    counted = ", ".join(f"{n} {noun}{'s' * (n != 1)}" for noun, n in counts)
    print(f"{file}: {counted}, no mistakes")
    for line in (*waiting, *_secrets(estate)):
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
    estate = _load(file)
    import json

    from operations.handoff import read, status, write

    stacks = read.read(estate, outputs, Path(os.environ.get("CDKTF_OUTDIR", "cdktf.out"), "stacks"), os.environ)
    digests: dict[str, dict[str, str]] = {}
    if any(stack.digests for stack in stacks.values()):
        with _synthesized(estate) as fresh:
            for name in stacks:
                synthesized = json.loads((fresh / f"stacks/{name}/cdk.tf.json").read_text("utf-8"))
                digests[name] = synthesized["output"]["deployed"]["value"]["digests"]
    found = status.report(estate, stacks, digests)
    as_values, as_text = {
        Reader.YOU: (write.yours, write.your_page),
        Reader.ASTRONOMER: (write.astronomers, write.ticket_page),
        Reader.NETWORK_TEAM: (write.network_teams, write.team_page),
    }[reader]
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
    import json

    from operations.adopt.search import adopt as look_for

    estate, external_ids = _current(file), _external_ids()
    _stop_in_foreign_folder(estate, out)
    with _synthesized(estate) as fresh:
        stacks = {one.parent.name: json.loads(one.read_text()) for one in sorted(fresh.glob("stacks/*/cdk.tf.json"))}
    chosen = _chosen(file, stack, stacks)
    adoptions = look_for({name: stacks[name] for name in chosen}, external_ids)
    files = [adoption.write(out / "stacks" / adoption.stack) for adoption in adoptions]
    words = {"found": "import", "absent": "make", "unimportable": "again", "alike": "ALIKE", "several": "SEVERAL"}
    for adoption in adoptions:
        count = f"{len(adoption.those('found'))} of {len(adoption.outcomes)} to import"
        print(f"{adoption.stack} (account {adoption.account_id}, {adoption.region}): {count}")
        for one in adoption.outcomes:
            told = (f" = {one.id}" if one.id else "", f": {one.detail}" if one.detail else "")
            print(f"  {words[one.state]:8}{one.address}{''.join(told)}")
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
    estate = _load(file)
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
    from operations.policy.documents import read

    document = to or _policy_file(file)
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
    from operations.policy.documents import in_account, read

    if old and new:
        before, after = [read(old)], [read(new)]
    else:
        estate = _load(file)
        if estate.account is None:
            raise UserError(f"{file}: has no `account`, so no policy to compare", ExitCode.BAD_INPUT)
        account_id = estate.account.account_id
        before = [read(old, account_id)] if old else in_account(ROLE, account_id)
        after = [read(_policy_file(file), account_id)]
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
    import json

    from operations.policy.documents import listed, read, statements
    from operations.policy.lint import lint as lint_policies
    from operations.policy.lint import policies_of

    estate = _load(file)
    with _synthesized(estate) as fresh:
        stacks = {one.parent.name: json.loads(one.read_text()) for one in sorted(fresh.glob("stacks/*/cdk.tf.json"))}
    policies = {f"{name}: {at}": one for name, stack in stacks.items() for at, one in policies_of(stack).items()}
    vendors = []
    if estate.account:
        vendors = listed(read(_policy_file(file), estate.account.account_id)["Statement"])
    # A long document is split over several policies.
    theirs = {name for name, one in policies.items() if vendors and all(s in vendors for s in statements(one))}
    found = lint_policies({name: one for name, one in policies.items() if name not in theirs})
    found_in_theirs = lint_policies({name: policies[name] for name in theirs})
    for name in sorted(policies):
        print(f"{name}{' (of Astronomer)' * (name in theirs)}")
    for finding in (*found, *found_in_theirs):
        print(finding)
    print(
        f"{len(policies) - len(theirs)} policies of the estate: {len(found)} findings; "
        f"{len(theirs)} of Astronomer: {len(found_in_theirs)}"
    )
    if found or found_in_theirs:
        sys.exit(ExitCode.CHECK_FAILED if found else ExitCode.WARNINGS_ONLY)


def _secrets(estate: Estate) -> Iterator[str]:
    """Yield a line for each value that Terraform needs and no file holds: whether it is set, and what it is."""
    from operations.variables import status

    state_names = {plan.name: plan.state_name for plan in stacks_of(estate)}
    for stack, variable, secret in secrets(estate):
        if isinstance(estate.state, CloudState):
            workspace = estate.state.workspace(estate.name, state_names[stack])
            where = f"workspace {workspace} needs the sensitive variable {variable}"
            yield f"{where}, {secret.type}: {secret.description}"
        else:
            name = f"TF_VAR_{variable}"
            found = status(secret, os.environ.get(name)) or "set"
            yield f"stack {stack} needs {name}, {secret.type} ({found}): {secret.description}"


def _external_ids() -> list[str]:
    """Return the value of the variable; an empty list if it is not set."""
    from modules.cross_account_role.props import EXTERNAL_IDS
    from operations.variables import literal, status

    value = os.environ.get(name := f"TF_VAR_{EXTERNAL_IDS.variable()}")
    if value is None:
        return []
    if problem := status(EXTERNAL_IDS, value):
        raise UserError(f"{name} is {problem}; write it as {EXTERNAL_IDS.example()}", ExitCode.BAD_INPUT)
    ids = literal(value)
    return list(map(str, ids)) if isinstance(ids, list) else []


def _policy_file(file: Path) -> Path:
    """The `policy_file` of an estate file, which need not be there yet, or right."""
    value = Source(file).value
    for key in ("account", "cross_account_role", "policy_file"):
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, str):
        raise UserError(
            f"{file}: has no account.cross_account_role.policy_file; name the file that the document goes to",
            ExitCode.BAD_INPUT,
        )
    return file.parent / value


def _expired(file: Path, estate: Estate) -> list[str]:
    """What was to be gone by now, a line each: the only thing here that depends on the day."""
    if not (expired := list(estate.expired(datetime.now(UTC).date()))):
        return []
    source = Source(file)
    return [f"{file}:{Problem(one.path, one.message, *source.where(one.path))}" for one in expired]


def _load(file: Path, source: Source | None = None) -> Estate:
    return load(file, source)


def _current(file: Path) -> Estate:
    """The estate, where nothing in it should be gone by now."""
    estate = _load(file)
    if expired := _expired(file, estate):
        raise UserError("\n".join(expired), ExitCode.BAD_INPUT)
    return estate


def _chosen(file: Path, names: list[str] | None, stacks: Collection[str]) -> Collection[str]:
    """The stacks that are named, or all."""
    if unknown := sorted(set(names or ()) - set(stacks)):
        raise UserError(f"{', '.join(unknown)}: no stack of {file}; there are: {', '.join(stacks)}", ExitCode.BAD_INPUT)
    return names or stacks


if __name__ == "__main__":
    cli()
