"""Plans each stack of a synthesized estate by Terraform, and counts the changes."""

import json
import shutil
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from estate.errors import ExitCode, UserError
from estate.model import Estate
from estate.plan import secrets
from estate.source import printable
from estate.state import CloudState
from operations import result
from operations.cdktf_call import is_in_a_file
from operations.imports import drop_stale
from operations.owner import initialized, refuse_foreign_folder
from operations.owner import synthesized as synthesized_files
from operations.synth import synthesized, write
from operations.terraform import Terraform, TerraformFailed, find_terraform
from operations.variables import status

_SIGNS = {"create": "+", "update": "~", "delete": "-", "replace": "-/+", "import": "=", "move": ">", "forget": "."}
_REFUSED = (
    "Resource precondition failed",
    "Resource postcondition failed",
    "Module output value precondition failed",
    "Instance cannot be destroyed",
)
"""The errors with which Terraform refuses a plan that a stack does not allow."""


@dataclass(frozen=True)
class StackPlan:
    """The changes of a stack, each with its action and address, or the errors that end its plan."""

    stack: str
    changes: tuple[tuple[str, str], ...] = ()
    refusals: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    drift: tuple[tuple[str, str], ...] = ()
    """The resources that differ from the state, each with its action and address."""

    def counts(self) -> tuple[int, int, int]:
        """Return the number of resources to add, to change and to destroy."""
        actions = Counter(action for action, _ in self.changes)
        replaced = actions["replace"]
        return actions["create"] + replaced, actions["update"], actions["delete"] + replaced

    def lines(self) -> Iterator[str]:
        """Yield a line for each change and each error."""
        for action, address in self.changes:
            yield f"  {_SIGNS.get(action, action)} {printable(address)}"
        for error in (*self.refusals, *self.failures):
            yield f"  {error}"


def plan(terraform: Terraform, stack: str, folder: Path) -> StackPlan:
    """Plan a stack in its folder, without a plan file."""
    return _planned(terraform, stack, folder, lock=True)


def drifted(terraform: Terraform, stack: str, folder: Path) -> StackPlan:
    """Return the changes that a deploy would undo, because something else made them since the last one."""
    found = _planned(terraform, stack, folder, lock=False)
    undone = {address for _, address in found.changes}
    # Terraform also reports as drift what AWS fills in later, such as the routes of a table. No deploy changes that.
    changes = tuple(one for one in found.drift if one[1] in undone)
    # The folder is temporary.
    return replace(found, changes=changes, failures=tuple(one.replace(f" in {folder}", "") for one in found.failures))


def _planned(terraform: Terraform, stack: str, folder: Path, *, lock: bool) -> StackPlan:
    try:
        terraform.prepare(folder)
        messages = list(_messages(terraform.plan_messages(folder, lock=lock)))
    except TerraformFailed as error:
        found = list(_errors(error.stderr))
        refusals = tuple(text for text, refused in found if refused)
        failures = tuple(text for text, refused in found if not refused)
        return StackPlan(stack, (), refusals, failures if found else (str(error),))
    changes, drift = (
        tuple(
            (one["change"]["action"], one["change"]["resource"]["addr"]) for one in messages if one.get("type") == type_
        )
        for type_ in ("planned_change", "resource_drift")
    )
    return StackPlan(stack, changes, drift=drift)


def exit_code(plans: Collection[StackPlan]) -> ExitCode:
    """Return the exit code for all plans: the worst first."""
    if any(one.failures for one in plans):
        return ExitCode.FAILED
    if any(one.refusals for one in plans):
        return ExitCode.CHECK_FAILED
    return ExitCode.WARNINGS_ONLY if any(one.changes for one in plans) else ExitCode.DONE


def table(plans: Collection[StackPlan]) -> Iterator[str]:
    """Yield the lines of the summary."""
    rows: list[tuple[str, ...]] = [("stack", "add", "change", "destroy", "refused")]
    for one in plans:
        counts = ("failed", "", "") if one.failures else map(str, one.counts())
        rows.append((one.stack, *counts, str(len(one.refusals))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        numbers = "  ".join(text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
        yield f"{first.ljust(widths[0])}  {numbers}"


def as_json(plans: Collection[StackPlan]) -> str:
    """Return the plans for programs, as docs/report.schema.json describes them."""
    stacks = [
        {
            "stack": one.stack,
            **dict(zip(("add", "change", "destroy"), one.counts(), strict=True)),
            "changes": [{"action": action, "address": address} for action, address in one.changes],
            "refusals": list(one.refusals),
            "failures": list(one.failures),
        }
        for one in plans
    ]
    return result.as_json("plan", exit_code(plans), {"stacks": stacks})


def synthesize(
    estate: Estate, file: Path, out: Path, stacks: Collection[str], environ: MutableMapping[str, str]
) -> Terraform:
    """Write the stacks to plan below `out`, and return the Terraform that plans them.

    Raises UserError if there is no Terraform, a variable is missing, or the folder is another estate's.
    """
    terraform = _ready(estate, file, out, stacks, environ)
    write(estate, file, out, environ, hcl=False)
    return terraform


@contextmanager
def synthesized_copy(
    estate: Estate, file: Path, out: Path, stacks: Collection[str], environ: MutableMapping[str, str]
) -> Generator[tuple[Terraform, Path]]:
    """Yield the Terraform that plans the stacks, and a temporary folder that contains them and your files of `out`.

    Terraform writes only there. Raises UserError as `synthesize` does.
    """
    terraform = _ready(estate, file, out, stacks, environ)
    # A folder in this variable would be the one that your own runs use.
    private = replace(terraform, environ={key: one for key, one in environ.items() if key != "TF_DATA_DIR"})
    with synthesized(estate, file, environ) as fresh:
        for name in stacks:
            _copy(out, fresh, name)
        yield private, fresh / "stacks"


def _copy(out: Path, fresh: Path, name: str) -> None:
    """Copy the files of a stack that are not synthesized: overrides, variables, the backend and the provider's lock.

    A provider takes hundreds of MB, so it is linked, as Terraform does for its plugin cache.
    """
    source, target = out / "stacks" / name, fresh / "stacks" / name
    if not source.is_dir():
        return
    _refuse_relative_state(source)
    ours = {out / one for one in synthesized_files(out)}

    def ignored(folder: str, names: Collection[str]) -> list[str]:
        providers = Path(folder) == source / ".terraform"
        return [one for one in names if Path(folder, one) in ours or (providers and one == "providers")]

    try:
        shutil.copytree(source, target, ignore=ignored, ignore_dangling_symlinks=True, dirs_exist_ok=True)
    except shutil.Error as error:
        path, _, reason = error.args[0][0]
        raise UserError(f"{path}: cannot be copied: {reason}; move it out of {source}", ExitCode.BAD_INPUT) from None
    drop_stale(target)
    for package in source.glob(".terraform/providers/*/*/*/*/*"):
        link = target / package.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(package.resolve())


def _refuse_relative_state(stack: Path) -> None:
    """Raise UserError if the copy of a stack would not find a local state that is outside its folder."""
    kind, settings = initialized(stack) or ("", {})
    path = settings.get("path")
    if kind == "local" and isinstance(path, str) and ".." in Path(path).parts:
        what = f"{stack}: the local backend has its state in {printable(path)}"
        raise UserError(f"{what}; drift runs in a copy of the directory; set an absolute path", ExitCode.BAD_INPUT)


def _ready(estate: Estate, file: Path, out: Path, stacks: Collection[str], environ: Mapping[str, str]) -> Terraform:
    refuse_foreign_folder(out, estate, file)
    terraform = Terraform(find_terraform(environ), environ)
    refuse_missing_variables(estate, stacks, out / "stacks", environ)
    return terraform


def refuse_missing_variables(estate: Estate, stacks: Collection[str], folder: Path, environ: Mapping[str, str]) -> None:
    """Raise UserError if a stack needs a variable that is not set. Terraform would prompt for it."""
    # A workspace of HCP Terraform has its own variables.
    needed = [] if isinstance(estate.state, CloudState) else secrets(estate)
    missing = [
        f"stack {stack} needs {name}, which is {problem}: export {name}={secret.example()}"
        for stack, variable, secret in needed
        if stack in stacks and not is_in_a_file(folder / stack, variable)
        for name in (f"TF_VAR_{variable}",)
        if (problem := status(secret, environ.get(name)))
    ]
    if missing:
        raise UserError("\n".join(missing), ExitCode.BAD_INPUT)


def _errors(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the text of each error of Terraform, and whether it is a refusal."""
    for message in _messages(text):
        found = message.get("diagnostic", {})
        if found.get("severity") == "error":
            # The error of a condition names its resource only in the context of its source.
            resource = found.get("address") or (found.get("snippet") or {}).get("context")
            parts = [part for part in (resource, found.get("summary"), found.get("detail")) if part]
            yield ": ".join(printable(" ".join(part.split())) for part in parts), found.get("summary") in _REFUSED


def _messages(text: str) -> Iterator[dict[str, Any]]:
    """Yield the messages of `terraform plan -json`, one JSON object on each line."""
    for line in text.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict):
            yield message
