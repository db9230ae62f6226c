"""Writes and deletes files: completely or not at all, and never through a link out of a folder.

Content goes to a temporary file first, which then replaces the old file. After a full disk or a `kill -9`, the old
file is unchanged.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from estate.errors import ExitCode, UserError


def write_all(folder: Path, contents: Mapping[str, str | bytes]) -> list[str]:
    """Write files by their names relative to `folder`, and return the names of those that changed.

    Raises UserError before the first write if a name is a link, is not a file, or leads out of `folder`.
    """
    for name in contents:
        refuse_links(folder, name)
    return [name for name, content in contents.items() if _write(folder / name, content)]


def write(file: Path, content: str | bytes) -> bool:
    """Write a file, and return whether it changed. Raises UserError."""
    return bool(write_all(file.parent, {file.name: content}))


def create(file: Path, content: str) -> None:
    """Write a new file. Raises FileExistsError if there is one, and UserError."""
    _write(file, content, new=True)


def delete(folder: Path, name: str) -> None:
    """Delete a file by its name relative to `folder`, if it exists. Raises UserError."""
    refuse_links(folder, name)
    try:
        (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{folder / name}: cannot be deleted: {error.strerror}") from error


def refuse_links(folder: Path, name: str) -> None:
    """Raise UserError if a name relative to `folder` is a link or no regular file, or leads out of the folder."""
    file = folder / name
    try:
        if file.is_symlink():
            what = f"is a link, to {os.readlink(file)}, and links are not followed; replace it by a file"  # noqa: PTH115
        elif not file.parent.resolve().is_relative_to(folder.resolve()):
            what = f"leads to {file.parent.resolve()}, out of {folder}; replace the link by a folder"
        elif file.exists() and not file.is_file():
            what = "is not a file; move it away"
        else:
            return
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError before Python 3.13
        what = f"cannot be written: {getattr(error, 'strerror', None) or error}"
    raise UserError(f"{file}: {what}", ExitCode.BAD_INPUT)


def _write(file: Path, content: str | bytes, *, new: bool = False) -> bool:
    data = content.encode("utf-8") if isinstance(content, str) else content
    # Terraform loads no file of this name.
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    try:
        if not new and file.exists() and file.read_bytes() == data:
            return False
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = file.stat().st_mode & 0o777 if not new and file.exists() else None
        try:
            with temporary.open("xb") as opened:
                if mode is not None:
                    os.fchmod(opened.fileno(), mode)
                opened.write(data)
                opened.flush()
                os.fsync(opened.fileno())
            if new:
                file.hardlink_to(temporary)  # unlike a replacement, it fails if there is a file
            else:
                temporary.replace(file)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    except OSError as error:
        if new and isinstance(error, FileExistsError):
            raise
        raise UserError(f"{file}: cannot be written: {error.strerror}") from error
    return True
