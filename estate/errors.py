"""The exit codes of every command, and the one exception for what a person can mend."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command tells the program that ran it."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    CHECK_FAILED = 3
    WARNINGS_ONLY = 4


class UserError(Exception):
    """Something that the person who ran the command can mend. The message is complete, and main.py prints it."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code
