"""Reads files that users name. It limits their size, and rejects pipes and devices, which may never end."""

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_BYTES = 1_000_000
MAX_DEPTH = 100
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}


class DocumentError(ValueError):
    """The reason why a document cannot be read, as a clause without the file's name."""


def read_bytes(file: Path, limit: int = MAX_BYTES) -> bytes:
    """Return the content of a regular file of up to `limit` bytes. Raises FileNotFoundError and DocumentError."""
    try:
        # Opening a pipe would otherwise wait for its writer.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise DocumentError("is a folder; set the path of a file in it")
            if not stat.S_ISREG(mode):
                raise DocumentError(f"is {_KINDS.get(stat.S_IFMT(mode), 'no file')}; save the document in a file")
            with os.fdopen(descriptor, "rb", closefd=False) as opened:
                content = opened.read(limit + 1)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, DocumentError):
        raise
    except NotADirectoryError as error:
        raise FileNotFoundError(*error.args) from None
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise DocumentError("is a socket; save the document in a file") from None
        raise DocumentError(f"cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL in the name
        raise DocumentError("is not a file path") from None
    if len(content) > limit:
        raise DocumentError(f"has more than {limit:,} bytes")
    return content


def decoded(content: bytes) -> str:
    """Return text in UTF-8, with a byte order mark or without. Raises DocumentError."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"is not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def parsed(text: str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Parse JSON. `pairs` creates the objects if given. Raises DocumentError."""
    try:
        value = json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        where = f"on line {error.lineno}, column {error.colno} of that file"
        raise DocumentError(f"is not JSON: {error.msg} {where}") from None
    except RecursionError:
        raise DocumentError(_TOO_DEEP) from None
    except DocumentError:
        raise
    except ValueError:  # Python's limit
        raise DocumentError("has a number with thousands of digits") from None
    level, depth = [value], 0
    while level := [inner for one in level for inner in _inner(one)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise DocumentError(_TOO_DEEP)
    return value


_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels"


def _inner(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def read_json(file: Path, limit: int = MAX_BYTES) -> Any:
    """Read a JSON file. Raises FileNotFoundError and DocumentError."""
    return parsed(decoded(read_bytes(file, limit)))
