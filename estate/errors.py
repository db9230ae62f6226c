"""The exit codes of every command, and the exception for errors of a user."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit code of a command."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    CHECK_FAILED = 3
    WARNINGS_ONLY = 4


class UserError(Exception):
    """An error that the user can correct. The message is complete, and main.py prints it."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code
