"""Installs, lists and compares the files of a synth in a folder.

Other files in the folder stay: `.terraform`, lock files, and your files.
"""

import difflib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from modules.documents import DocumentError, parsed
from operations.files import delete, write_all
from operations.owner import MANIFEST, manifest_of, refuse_foreign_files, synthesized


def files(folder: Path) -> set[Path]:
    """Return the files of a synth in `folder`, by its manifest and relative to the folder."""
    own = {MANIFEST} if manifest_of(folder) else set[str]()
    return {Path(name) for name in own | synthesized(folder)}


class Installed(NamedTuple):
    """The files that a synth wrote, and those that it deleted, relative to the folder."""

    written: list[Path]
    deleted: list[Path]


def install(fresh: Path, folder: Path) -> Installed:
    """Replace the synthesized files in `folder` by those in `fresh`; files without a difference are not written.

    Deletes stale files: stacks that are no longer in the estate, and the other format, which Terraform would load too.
    Raises UserError before the first write if a file is not of a synth.
    """
    owned = sorted(map(str, files(folder)))
    contents = {str(file): (fresh / file).read_bytes() for file in sorted(files(fresh))}
    refuse_foreign_files(folder, contents, owned)
    # The manifest comes first, so that it lists the files even of a killed synth.
    written = write_all(folder, contents)
    stale = [name for name in owned if name not in contents]
    for name in stale:
        delete(folder, name)
        with suppress(OSError):
            (folder / name).parent.rmdir()  # if it is empty
    return Installed([Path(name) for name in written], [Path(name) for name in stale])


def summary(folder: Path) -> str:
    """Return the numbers of stacks and resources in a synthesized folder, with the names of the stacks."""
    stacks = sorted({file.parent for file in files(folder)} - {Path()})
    counts = {stack.name: len(addresses(folder / stack)) for stack in stacks}
    names = ", ".join(f"{name} ({counted(count, 'resource')})" for name, count in counts.items())
    return f"{counted(len(counts), 'stack')}: {names}"


def addresses(stack: Path) -> set[str]:
    """Return the Terraform addresses of the resources of a synthesized stack."""
    if (file := stack / "cdk.tf.json").is_file():
        document = _document(file.read_text("utf-8", "replace")) or {}
        return {f"{kind}.{name}" for kind, named in document.get("resource", {}).items() for name in named}
    text = file.read_text("utf-8") if (file := stack / "cdk.tf").is_file() else ""
    return {f"{kind}.{name}" for kind, name in re.findall(r'^resource "([^"]+)" "([^"]+)"', text, re.MULTILINE)}


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural except after 1."""
    return f"{number} {noun}{'s' * (number != 1)}"


def compare(committed: Path, fresh: Path) -> Iterator[str]:
    """Yield a line for each change that `install` would make."""
    old, new = files(committed), files(fresh)
    for file in sorted(old | new):
        if file not in new:
            yield f"{file}: belongs to no stack of the estate, or to the other format"
        elif file not in old:
            yield f"{file}: is missing"
        elif (before := (committed / file).read_bytes()) != (after := (fresh / file).read_bytes()):
            yield from _changes(file, before.decode("utf-8", "replace"), after.decode("utf-8"))


def _changes(file: Path, old: str, new: str) -> Iterator[str]:
    if file.name == "cdk.tf":
        yield from difflib.unified_diff(old.splitlines(), new.splitlines(), f"{file} there", f"{file} now", lineterm="")
        return
    before, after = _document(old), _document(new)
    if file.name != "cdk.tf.json" or before is None:
        # The other files repeat the list of stacks and their content.
        yield f"{file}: differs"
        return
    changes = list(_differences(before, after, ()))
    # A digest follows from the other changes.
    notable = [change for change in changes if "output.deployed.value.digests." not in change]
    yield from (f"{file}: {change}" for change in notable or changes or ["has the same content in other bytes"])


def _differences(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Yield the differences by Terraform address: `+` for new, `-` for removed, `~` for changed values."""
    if isinstance(old, dict) and isinstance(new, dict):
        # "//" contains comments of cdktf, which Terraform ignores.
        for key in sorted((old.keys() | new.keys()) - {"//"}):
            if key in old and key in new:
                yield from _differences(old[key], new[key], (*path, key))
            else:
                sign, value = ("-", old[key]) if key in old else ("+", new[key])
                yield from _once(sign, value, (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(before, after, (*path, str(number)))
    elif old != new:
        documents = _document(old), _document(new)
        if None in documents or documents[0] == documents[1]:
            yield f"~ {_address(path)}: {_shown(old)} -> {_shown(new)}"
        else:
            yield from _differences(*documents, path)


_DEPTH = {"resource": 3, "data": 3, "variable": 2, "output": 2}
"""The number of keys in an address, in the sections where Terraform has addresses."""


def _once(sign: str, value: Any, path: tuple[str, ...]) -> Iterator[str]:
    missing = _DEPTH.get(path[0], 0) - len(path)
    if missing > 0 and isinstance(value, dict):
        for key, inner in sorted(value.items()):
            yield from _once(sign, inner, (*path, key))
    elif missing >= 0:
        yield f"{sign} {_address(path)}"
    else:
        yield f"{sign} {_address(path)}: {_shown(value)}"


def _address(path: tuple[str, ...]) -> str:
    section, *rest = path
    prefix = {"resource": (), "variable": ("var",)}.get(section, (section,))
    return ".".join((*prefix, *rest))


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _document(value: Any) -> Any:
    """Return the object in a JSON string; None if it contains none."""
    try:
        document = parsed(value) if isinstance(value, str) else None
    except DocumentError:
        return None
    return document if isinstance(document, dict) else None
