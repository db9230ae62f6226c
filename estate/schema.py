"""The JSON Schema of estate files, for editors."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from estate.model import Estate
from modules.descriptions import describe_fields


class _Schema(GenerateJsonSchema):
    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Reject map keys that do not match the pattern. Pydantic's schema allows them."""
        result = super().dict_schema(schema)
        if "patternProperties" in result:
            result["additionalProperties"] = False
            result.pop("propertyNames", None)
        return result


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of estate files."""
    describe_fields()
    return {"$schema": _Schema.schema_dialect, **Estate.model_json_schema(schema_generator=_Schema)}
