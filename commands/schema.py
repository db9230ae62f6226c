"""The command `main.py schema`."""

from estate.schema import json_schema


def schema() -> None:
    """Print the JSON Schema of estate files, for editors."""
    import json

    print(json.dumps(json_schema(), indent=2))
