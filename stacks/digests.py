"""Digests of the synthesized entries, by which `main.py handoff` detects edits since the last deploy.

A digest needs the Terraform of a whole stack. Node resolves a stack only once, when it writes the file, so the digests
are added to that file.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from modules.parts.attachments.construct import ID as ATTACHMENTS

# Terraform's environment and credentials change no resource.
_OF_THE_RUN = ("assume_role", "allowed_account_ids")


PENDING = "<digest of {}>"
"""The value of the digest of an entry until `with_digests` replaces it."""


def with_digests(text: str, stack: Mapping[str, Any]) -> str:
    """Return the text of a stack, given as Terraform JSON, with its digests."""
    pending = stack.get("output", {}).get("deployed", {}).get("value", {}).get("digests", {})
    for entry, digest in _digests(stack, pending).items():
        text = text.replace(json.dumps(PENDING.format(entry)), json.dumps(digest))
    return text


def _digests(stack: Mapping[str, Any], entries: Iterable[str]) -> dict[str, str]:
    """Return a digest for each of `entries` of a stack, given as Terraform JSON.

    A digest depends only on the entry's resources and facts, and on the provider's settings. Blocks that belong to no
    entry count for the first. These are blocks of a section of `account` that another stack contains.
    """
    names = {entry.replace("_", "-"): entry for entry in entries}
    first = next(iter(names.values()), "")
    parts: dict[str, dict[str, Any]] = {entry: {} for entry in names.values()}
    for section in ("data", "resource"):
        for type_, blocks in stack.get(section, {}).items():
            for name, block in blocks.items():
                if name == ATTACHMENTS:
                    # Several entries share the block. Each has a lookup and routes that change with it.
                    continue
                parts.setdefault(names.get(name.split("_")[0], first), {})[f"{section}.{type_}.{name}"] = block
    facts = stack.get("output", {}).get("handoff", {}).get("value", {})
    settings = [
        {key: value for key, value in provider.items() if key not in _OF_THE_RUN}
        for provider in stack.get("provider", {}).get("aws", [])
    ]
    return {entry: _digest([settings, part, facts.get(entry)]) for entry, part in parts.items()}


def _digest(value: Any) -> str:
    text = json.dumps(_without_remarks(value), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


_REMARKS = ("//", "precondition", "postcondition")
"""cdktf's metadata, and conditions, which change no resource."""


def _without_remarks(value: Any) -> Any:
    if isinstance(value, Mapping):
        items = ((key, item) for key, item in value.items() if key not in _REMARKS and item is not None)
        return {key: _without_remarks(item) for key, item in items}
    return [_without_remarks(item) for item in value] if isinstance(value, list) else value
