"""What a synth leaves in a folder: which files are its own, which are stale, and how two such folders differ.

Everything else beside them stays untouched: `.terraform`, lock files, and files of yours.
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
    """What some synth wrote, relative to `folder`, by its manifest: none where there is no such folder."""
    own = {MANIFEST} if manifest_of(folder) else set[str]()
    return {Path(name) for name in own | synthesized(folder)}


class Installed(NamedTuple):
    """The files that a synth wrote, and those that it deleted, relative to the folder."""

    written: list[Path]
    deleted: list[Path]


def install(fresh: Path, folder: Path) -> Installed:
    """Make what a synth wrote in `folder` the same as in `fresh`; what is the same already is not written again.

    Deletes what is not in `fresh`: stacks that are no longer in the estate, and the other format, which Terraform would
    load too. Raises UserError, for a file that is not a synth's before any is written.
    """
    owned = sorted(map(str, files(folder)))
    contents = {str(file): (fresh / file).read_bytes() for file in sorted(files(fresh))}
    refuse_foreign_files(folder, contents, owned)
    # The manifest first, so that it lists what a synth that is killed leaves.
    written = write_all(folder, contents)
    stale = [name for name in owned if name not in contents]
    for name in stale:
        delete(folder, name)
        with suppress(OSError):
            (folder / name).parent.rmdir()  # if it is empty
    return Installed([Path(name) for name in written], [Path(name) for name in stale])


def summary(folder: Path) -> str:
    """Return how many stacks and resources a synthesized folder holds, with the names of the stacks."""
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
    """Return a number with its noun, in the plural if it is not one."""
    return f"{number} {noun}{'s' * (number != 1)}"


def compare(committed: Path, fresh: Path) -> Iterator[str]:
    """What `install` would change, a line each; nothing where it would change no byte."""
    old, new = files(committed), files(fresh)
    for file in sorted(old | new):
        if file not in new:
            yield f"{file}: is of no stack of the estate, or of the other format"
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
        # The other files say again what stacks there are, and what is in them.
        yield f"{file}: differs"
        return
    changes = list(_differences(before, after, ()))
    # A digest follows from the other changes, and says nothing beside them.
    told = [change for change in changes if "output.deployed.value.digests." not in change]
    yield from (f"{file}: {change}" for change in told or changes or ["says the same in other bytes"])


def _differences(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Each at its Terraform address: `+` and `-` what is there once only, `~` what is another value."""
    if isinstance(old, dict) and isinstance(new, dict):
        # "//": cdktf's own remarks, of no meaning to Terraform.
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
"""How many keys name one thing, in the sections where Terraform has names."""


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
    """The object that a string holds as JSON; None where it holds none."""
    try:
        document = parsed(value) if isinstance(value, str) else None
    except DocumentError:
        return None
    return document if isinstance(document, dict) else None
