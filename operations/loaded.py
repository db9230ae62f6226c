"""Finds other files that Terraform would load with a stack, because they could override the reviewed Terraform."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from operations.imports import FILE, ours

# Terraform ignores hidden configuration files, but loads hidden variable files. OpenTofu has further endings.
_LOADED = re.compile(r"[^.].*\.(?:tf|tofu)(?:\.json)?|.*\.tfvars(?:\.json)?", re.DOTALL)
_PROVIDERS = Path("terraform.d/plugins")
"""The folder from which `terraform init` installs providers before it asks a registry: "Implied Local Mirror
Directories" in HashiCorp's documentation of the CLI configuration."""


def foreign_files(folder: Path, own: Collection[Path], listed: Collection[str]) -> Iterator[str]:
    """Yield a line for each file in `folder` that Terraform would load and that this program did not write.

    `own` are the files of a synth, relative to the folder. `listed` are allowed files, as `<stack>/<file>`. Links are
    always reported, because they can lead to other content on another machine.
    """
    for stack in sorted({file.parent for file in own} - {Path()}):
        if link := next((part for part in (stack.parent, stack) if (folder / part).is_symlink()), None):
            yield f"{link}: is a link; replace it by a folder"
            continue
        place = folder / stack
        if (place / _PROVIDERS).exists():
            yield f"{stack / _PROVIDERS}: Terraform would run the providers in it; delete it, or use a provider mirror"
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
                yield f"stacks/{name}: Terraform would load it, and it does not belong to the estate; {remedy}"
