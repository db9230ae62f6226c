"""The handler of all errors that a user can fix."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

from estate.errors import ExitCode, UserError
from estate.source import printable


@contextmanager
def reported() -> Generator[None]:
    """Print an error that a user can fix, and exit with its code."""
    _clean_up_when_stopped()
    try:
        try:
            yield
        finally:
            print(end="", flush=True)
    except UserError as error:
        if sys.stderr.isatty():
            from commands.snippet import print_error

            print_error(error, sys.stderr)
        else:
            # The texts of AWS and of files are in it.
            print(*map(printable, str(error).split("\n")), sep="\n", file=sys.stderr)
        sys.exit(error.code)
    except OSError as error:
        if error.filename is None and error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
            raise
        with suppress(OSError, ValueError):  # Python would report the error again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"{error.filename or 'standard output'}: cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(ExitCode.FAILED)


def _clean_up_when_stopped() -> None:
    """Turn the signals that would end the process at once into exceptions, so that temporary folders are deleted."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda received, _: sys.exit(128 + received))
