"""The import blocks that `main.py adopt` writes beside a stack's Terraform, and their end."""

import re
from pathlib import Path

from operations.output import addresses

FILE = "imports.tf"
HEADER = "# Written by `main.py adopt`. Once these are applied, the file has done its work and may be deleted.\n"
_BLOCK = re.compile(r"import \{\n  to = (\S+)\n  id = [^\n]*\n\}\n")


def drop_stale(stack: Path) -> list[str]:
    """Remove the blocks for resources that the stack no longer has, and return their addresses."""
    file = stack / FILE
    if not is_ours(file):
        return []
    there, text = addresses(stack), file.read_text("utf-8")
    stale = [address for address in _BLOCK.findall(text) if address.partition("[")[0] not in there]
    if stale:
        kept = [block[0] for block in _BLOCK.finditer(text) if block[1] not in stale]
        if kept:
            file.write_text("\n".join([HEADER, *kept]), "utf-8")
        else:
            file.unlink()
    return stale


def drop_all(stack: Path) -> None:
    """Remove the blocks of a stack that is about to be destroyed: they could not be imported again."""
    if is_ours(file := stack / FILE):
        file.unlink()


def is_ours(file: Path) -> bool:
    """Return whether `main.py adopt` wrote the file."""
    return file.is_file() and file.read_text("utf-8", "replace").startswith(HEADER)
