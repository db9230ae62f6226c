"""Keeps an output folder to one estate and one state.

Terraform remembers in `.terraform` where it found the state of a stack. When that changes under it, through a second
estate in the same folder or an edit of `state`, it proposes to copy the state from the old place to the new one.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from estate.errors import ExitCode, UserError
from estate.model import Estate
from estate.plan import stacks_of
from estate.state import CloudState, S3State

_MANIFEST = "manifest.json"

_Backend = tuple[str, Mapping[str, Any]]
"""Its type, and the settings that decide where the state is and how it is read."""


def sign(folder: Path, estate: Estate) -> None:
    """Write the estate's name into the manifest of a synthesized folder, which `cdktf` reads and leaves as it is."""
    manifest = folder / _MANIFEST
    content = json.loads(manifest.read_text("utf-8"))
    manifest.write_text(json.dumps({**content, "estate": estate.name}, indent=2, sort_keys=True), "utf-8")


def refuse_foreign_folder(folder: Path, estate: Estate, *, migrates: bool = False) -> None:
    """Raise UserError if `folder` is of another estate, or is initialized with another state, which Terraform would
    propose to copy. `migrates`: the person asked for the copy."""
    if reason := foreign_estate(folder, estate):
        raise UserError(reason, ExitCode.BAD_INPUT)
    if not migrates and (reasons := list(other_states(folder, estate))):
        raise UserError("\n".join(reasons), ExitCode.BAD_INPUT)


def refuse_python_package(folder: Path) -> None:
    """Raise UserError if `folder` is in a Python package: a wheel of it would ship what is written there."""
    for one in (folder.absolute(), *folder.absolute().parents):
        if (one / "__init__.py").exists():
            what = "is in a Python package, which Terraform modules must not be written into"
            remedy = "choose another directory, such as terraform-modules"
            raise UserError(f"--out: {folder} {what}; {remedy}", ExitCode.BAD_INPUT)


def foreign_estate(folder: Path, estate: Estate) -> str | None:
    """Return why `folder` is not for this estate; None if it is."""
    try:
        owner = json.loads((folder / _MANIFEST).read_text("utf-8"))["estate"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if owner == estate.name:
        return None
    return (
        f"{folder} holds the Terraform of estate {owner!r}, and this file is estate {estate.name!r}: give each estate "
        f"a folder, with `--output {folder}-{estate.name}` for every cdktf command (`--out` for main.py); if the "
        'estate was renamed, follow docs/recovery.md, "The state is somewhere else"'
    )


def other_states(folder: Path, estate: Estate) -> Iterator[str]:
    """Yield a line for each stack in `folder` that Terraform has initialized with another state than the file's."""
    for plan in stacks_of(estate):
        stack, there = plan.name, folder / "stacks" / plan.name
        wanted, found = _wanted(estate, plan.state_name), _initialized(there)
        if wanted is None or found is None or any(there.glob("*override.tf*")):
            continue
        if found[0] != wanted[0] or any(_plain(found[1].get(key)) != value for key, value in wanted[1].items()):
            old, new = _shown(*found), _shown(*wanted)
            changed = f"now says {new}" if old != new else "now says so with other settings"
            yield (
                f"stack {stack} was initialized with its state in {old}, and the file {changed}: if the file is right, "
                f"run `rm -r {there}/.terraform`; to move the state, follow docs/recovery.md, "
                '"The state is somewhere else"'
            )


def _wanted(estate: Estate, stack: str) -> _Backend | None:
    """Return the backend of `estate.state`; None if it is given to Terraform in another way."""
    match estate.state:
        case S3State() as state:
            key = state.key(estate.name, stack)
            settings = {"bucket": state.bucket, "key": key, "region": state.region, "kms_key_id": state.kms_key}
            return "s3", settings
        case CloudState() as state:
            workspaces = {"name": state.workspace(estate.name, stack), "project": state.project}
            settings = {"hostname": state.hostname, "organization": state.organization, "workspaces": workspaces}
            return "cloud", {key: _plain(value) for key, value in settings.items()}
        case _:
            return None


def _initialized(stack: Path) -> _Backend | None:
    """Return the backend that Terraform uses in the folder of a stack; None before `terraform init`."""
    try:
        backend = json.loads((stack / ".terraform/terraform.tfstate").read_text("utf-8"))["backend"]
        return backend["type"], backend["config"]
    except FileNotFoundError:
        state = stack / "terraform.tfstate"
        return ("local", {}) if state.is_file() and state.stat().st_size else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _plain(value: Any) -> Any:
    """Return a value without what is not set, which Terraform records as null."""
    if isinstance(value, Mapping):
        return {key: one for key, one in value.items() if one is not None}
    return value


def _shown(kind: str, settings: Mapping[str, Any]) -> str:
    workspaces = settings.get("workspaces")
    if kind == "s3":
        return f"s3://{settings.get('bucket')}/{settings.get('key')}"
    if kind == "cloud" and isinstance(workspaces, Mapping):
        return f"workspace {workspaces.get('name')} of {settings.get('organization')}"
    return "a local file" if kind == "local" else f"a backend of type {kind}"
