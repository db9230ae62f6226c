"""The JSON of a command's result, as docs/report.schema.json describes it."""

import json
from collections.abc import Mapping
from typing import Any

from estate.errors import ExitCode

VERSION = 1
"""The version of the JSON. It changes if a member is removed or changes its meaning."""


def as_json(command: str, code: ExitCode, values: Mapping[str, Any]) -> str:
    """Return the values of a command, after the members that every result has."""
    return json.dumps({"version": VERSION, "command": command, "exit_code": code, **values}, indent=2)
