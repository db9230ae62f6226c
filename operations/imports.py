"""Recognizes and removes the import blocks that `main.py adopt` writes into a stack's folder."""

import re
from pathlib import Path

from modules.documents import DocumentError, decoded, read_bytes
from operations.files import delete, write
from operations.output import addresses

FILE = "imports.tf"
HEADER = "# Written by `main.py adopt`. Once these are applied, the file has done its work and may be deleted.\n"
# Nothing else is accepted: an ID that is an expression could read any file.
_BLOCK = re.compile(
    r'import \{\n  to = ([\w.-]+(?:\[(?:\d+|"[^"\\$%\n]*")\])?)\n  id = "(?:[^"\\$%\n]|\\.|[$%](?![{$%]))*"\n\}\n'
)
_WHOLE = re.compile(f"{re.escape(HEADER)}(?:\n{_BLOCK.pattern})+")
_MAX_BYTES = 10_000_000


def drop_stale(stack: Path) -> list[str]:
    """Remove the blocks for resources that the stack no longer has, and return their addresses."""
    text = ours(stack)
    if not text:
        return []
    there = addresses(stack)
    stale = [address for address in _BLOCK.findall(text) if address.partition("[")[0] not in there]
    if stale:
        kept = [block[0] for block in _BLOCK.finditer(text) if block[1] not in stale]
        if kept:
            write(stack / FILE, "\n".join([HEADER, *kept]))
        else:
            delete(stack, FILE)
    return stale


def drop_all(stack: Path) -> None:
    """Remove the blocks of a stack before a destroy: Terraform could not import the resources again."""
    if ours(stack):
        delete(stack, FILE)


def ours(stack: Path) -> str:
    """Return the text of a stack's import file; empty if there is none, or if it has content of others."""
    file = stack / FILE
    try:
        text = "" if file.is_symlink() else decoded(read_bytes(file, _MAX_BYTES))
    except (OSError, DocumentError):
        return ""
    return text if _WHOLE.fullmatch(text) else ""
