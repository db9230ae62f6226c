"""The JSON Schema of estate files, for editors."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from estate.model import Estate
from modules.descriptions import describe_fields


class _Schema(GenerateJsonSchema):
    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Pydantic names the pattern of a map's keys and lets every other key pass: refuse them."""
        result = super().dict_schema(schema)
        if "patternProperties" in result:
            result["additionalProperties"] = False
            result.pop("propertyNames", None)
        return result


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of estate files."""
    describe_fields()
    return {"$schema": _Schema.schema_dialect, **Estate.model_json_schema(schema_generator=_Schema)}
