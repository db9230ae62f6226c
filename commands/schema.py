"""The command `main.py schema`."""

from estate.schema import json_schema


def schema() -> None:
    """Print the JSON Schema of estate files, for editors.

    \b
    Examples:
      main.py schema

    Exit codes: 0 done, 1 failed.
    """
    import json

    print(json.dumps(json_schema(), indent=2))
