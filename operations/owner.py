"""Limits an output folder to one estate file, one state and the files of this program.

Terraform stores the location of a stack's state in `.terraform`. If the location changes, because of a second estate
in the same folder or an edit of `state`, Terraform proposes to copy the state from the old location to the new one.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from estate.errors import ExitCode, UserError
from estate.model import Estate
from estate.plan import stacks_of
from estate.state import CloudState, S3State
from modules.documents import DocumentError, read_bytes, read_json

MANIFEST = "manifest.json"
_STACK = re.compile(r"stacks/[\w-]+/cdk\.tf(?:\.json)?")

_Backend = tuple[str, Mapping[str, Any]]
"""The type of a backend, and the settings that locate and read the state."""


def sign(folder: Path, estate: Estate, file: Path) -> None:
    """Write the names of the estate and its file into the manifest of a synthesized folder. `cdktf` keeps them."""
    manifest = folder / MANIFEST
    manifest.write_text(signed(estate, file, json.loads(manifest.read_text("utf-8"))), "utf-8")


def signed(estate: Estate, file: Path, content: Mapping[str, Any]) -> str:
    """Return the text of a manifest, with the names of the estate and its file."""
    return json.dumps({**content, "estate": estate.name, "file": file.name}, indent=2, sort_keys=True)


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a folder: None if there is none, empty if another program wrote it."""
    try:
        content = read_json(folder / MANIFEST)
    except FileNotFoundError:
        return None
    except DocumentError:
        return {}
    return content if isinstance(content, dict) and isinstance(content.get("estate"), str) else {}


def synthesized(folder: Path) -> set[str]:
    """Return the existing files of stacks that a synth wrote into `folder`, by its manifest."""
    stacks = (manifest_of(folder) or {}).get("stacks")
    found: set[str] = set()
    for stack in stacks.values() if isinstance(stacks, dict) else ():
        path = stack.get("synthesizedStackPath") if isinstance(stack, dict) else None
        if isinstance(path, str) and _STACK.fullmatch(path):
            base = path.rpartition("/")[0]
            # Both formats, because a killed synth can leave the other one. With HCL, cdktf's CLI reads
            # metadata.json.
            found |= {f"{base}/cdk.tf", f"{base}/cdk.tf.json"}
            found |= {f"{base}/metadata.json"} if path.endswith("cdk.tf") else set()
    return {name for name in found if (folder / name).is_file()}


def refuse_foreign_files(folder: Path, contents: Mapping[str, bytes], owned: Collection[str]) -> None:
    """Raise UserError if writing `contents` into `folder` would change a file outside `owned`."""
    foreign = [name for name in contents if name not in owned and _differs(folder / name, contents[name])]
    if foreign:
        names = ", ".join(str(folder / name) for name in sorted(foreign))
        what = f"would be overwritten, and {folder / MANIFEST} does not list it as a file of this program"
        raise UserError(f"{names}: {what}; move it away, or write into another folder (--out)", ExitCode.BAD_INPUT)


def _differs(file: Path, content: bytes) -> bool:
    try:
        return file.is_symlink() or read_bytes(file, len(content)) != content
    except FileNotFoundError:
        return False
    except DocumentError:  # longer, or no file
        return True


def refuse_foreign_folder(folder: Path, estate: Estate, file: Path, *, migrates: bool = False) -> None:
    """Raise UserError if `folder` belongs to another estate or estate file, or is initialized with another state.

    Terraform would propose to copy that state. `migrates` is true if the user requested the copy.
    """
    refuse_foreign_estate(folder, estate, file)
    if not migrates and (reasons := list(other_states(folder, estate))):
        raise UserError("\n".join(reasons), ExitCode.BAD_INPUT)


def refuse_foreign_estate(folder: Path, estate: Estate, file: Path) -> None:
    """Raise UserError if `folder` belongs to another estate or estate file."""
    if reason := foreign_estate(folder, estate, file):
        raise UserError(reason, ExitCode.BAD_INPUT)


def refuse_python_package(folder: Path) -> None:
    """Raise UserError if `folder` is in a Python package, whose wheel would contain the files."""
    for one in (folder.absolute(), *folder.absolute().parents):
        if (one / "__init__.py").exists():
            what = "is in a Python package, which Terraform modules must not be written into"
            remedy = "choose another directory, such as terraform-modules"
            raise UserError(f"--out: {folder} {what}; {remedy}", ExitCode.BAD_INPUT)


def foreign_estate(folder: Path, estate: Estate, file: Path | None = None) -> str | None:
    """Return the reason why `folder` does not belong to this estate in `file`; None if it does."""
    manifest = manifest_of(folder)
    if manifest is None:
        return None
    if not manifest:
        return (
            f"{folder / MANIFEST} was written by another program and would be overwritten; write into another folder, "
            "with `--output` for every cdktf command (`--out` for main.py)"
        )
    if manifest["estate"] != estate.name:
        return (
            f"{folder} contains the Terraform of estate {manifest['estate']!r}, and this file is estate "
            f"{estate.name!r}. Use a separate folder, with `--output {folder}-{estate.name}` for every cdktf command "
            "(`--out` for main.py). If you renamed the estate, follow docs/recovery.md, "
            '"The state is somewhere else"'
        )
    if file and manifest.get("file", file.name) != file.name:
        return (
            f"{folder} contains the Terraform of {manifest['file']!r}, not of {file.name!r}, which is also estate "
            f"{estate.name!r}. Use a separate folder, with `--output` for every cdktf command (`--out` for main.py). "
            f'If you renamed the file, write "file": "{file.name}" into {folder / MANIFEST}'
        )
    return None


def other_states(folder: Path, estate: Estate) -> Iterator[str]:
    """Yield a line for each stack in `folder` that Terraform initialized with another state than the file has."""
    for plan in stacks_of(estate):
        stack, there = plan.name, folder / "stacks" / plan.name
        wanted, found = _wanted(estate, plan.state_name), initialized(there)
        if wanted is None or found is None or any(there.glob("*override.tf*")):
            continue
        if found[0] != wanted[0] or any(_plain(found[1].get(key)) != value for key, value in wanted[1].items()):
            old, new = _shown(*found), _shown(*wanted)
            changed = f"now has {new}" if old != new else "now has other settings for it"
            yield (
                f"stack {stack} was initialized with its state in {old}, and the file {changed}: if the file is right, "
                f"run `rm -r {there}/.terraform`; to move the state, follow docs/recovery.md, "
                '"The state is somewhere else"'
            )


def _wanted(estate: Estate, stack: str) -> _Backend | None:
    """Return the backend of `estate.state`; None if Terraform gets it in another way."""
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


def initialized(stack: Path) -> _Backend | None:
    """Return the backend that Terraform uses in the folder of a stack; None before `terraform init`."""
    try:
        backend = read_json(stack / ".terraform/terraform.tfstate")["backend"]
        return backend["type"], backend["config"]
    except FileNotFoundError:
        state = stack / "terraform.tfstate"
        return ("local", {}) if state.is_file() and state.stat().st_size else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _plain(value: Any) -> Any:
    """Return a value without unset keys, which Terraform records as null."""
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
