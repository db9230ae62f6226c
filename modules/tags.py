"""Tags of resources, with the rules of AWS and of IAM."""

import re
from typing import Annotated

from pydantic import AfterValidator


def _tag_key(key: str) -> str:
    if not re.fullmatch(r"[\w .:/=+@-]{1,128}", key) or key.lower().startswith("aws:"):
        raise ValueError(
            "is not a tag key; allowed: 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:"
        )
    if _SECRET_TAG.search(key):
        raise ValueError("may be the name of a secret, and tags appear in the generated Terraform; rename the tag")
    return key


_SECRET_TAG = re.compile(
    r"(?:^|[^a-z])(?:psk|pin|pass|pwd|passwd|password|secret|token|credentials?|(?:api|access|private|shared).?key)$",
    re.I,
)


def _tag_value(value: str) -> str:
    if not re.fullmatch(r"[\w .:/=+@-]{0,256}", value):
        raise ValueError("is not a tag value; allowed: up to 256 letters, digits, spaces and _.:/=+-@")
    return value


_OURS = {"name": "Name", "customeraudit": "customeraudit"}
"""Tags that constructs set on resources, by their keys in lower case."""


def _differ_in_more_than_case(tags: dict[str, str]) -> dict[str, str]:
    first: dict[str, str] = {}
    for key in tags:
        other = first.setdefault(key.casefold(), _OURS.get(key.casefold(), key))
        if other != key:
            raise ValueError(f"has {key}, and IAM reads it as {other} (facts C15) and rejects both; rename {key}")
    return tags


TagKey = Annotated[str, AfterValidator(_tag_key)]
TagValue = Annotated[str, AfterValidator(_tag_value)]
Tags = Annotated[dict[TagKey, TagValue], AfterValidator(_differ_in_more_than_case)]
