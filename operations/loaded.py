"""Finds the files of others that Terraform would load with a stack: they could change whatever a review has seen."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from operations.imports import FILE, ours

# Terraform skips hidden files of configuration, but not of variables. OpenTofu prefers its own endings.
_LOADED = re.compile(r"[^.].*\.(?:tf|tofu)(?:\.json)?|.*\.tfvars(?:\.json)?")


def foreign_files(folder: Path, own: Collection[Path], listed: Collection[str]) -> Iterator[str]:
    """Yield a line for each file that would be loaded with the stacks in `folder`, and that no command here wrote.

    `own` are the files of a synth, relative to the folder; `listed` may be there, as `<stack>/<file>`. A link is
    reported whoever made it: it may lead to other content elsewhere."""
    for stack in sorted({file.parent for file in own} - {Path()}):
        if link := next((part for part in (stack.parent, stack) if (folder / part).is_symlink()), None):
            yield f"{link}: is a link; replace it by a folder"
            continue
        place = folder / stack
        for file in sorted(place.iterdir()) if place.is_dir() else ():
            name = f"{stack.name}/{file.name}"
            if not _LOADED.fullmatch(file.name) or (file.is_dir() and not file.is_symlink()):
                continue
            if file.is_symlink():
                yield f"stacks/{name}: is a link; replace it by a file"
            elif stack / file.name in own or name in listed or (file.name == FILE and ours(place)):
                continue
            else:
                remedy = f"delete it, or give its reason in the estate as `terraform: {{own_files: {{{name}: ...}}}}`"
                yield f"stacks/{name}: Terraform would load it, and it is not of the estate; {remedy}"
