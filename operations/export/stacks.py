"""Exports the stacks of an estate as Terraform modules."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdktf import App

from estate.model import Estate
from operations.export.variables import Variable, for_modules
from stacks.app import build
from stacks.base import AstroStack
from stacks.hcl import Address, Blocks


@dataclass(frozen=True)
class ExportedStack:
    """A stack of an estate as a Terraform module.

    `json`: its Terraform JSON.

    `blocks`: the arguments that are blocks.

    `variables`: all variables that it refers to, or more.

    `pending`: the expressions that are null while a value is pending, by variable.

    `tags`: the provider's default tags.
    """

    name: str
    account_id: str
    region: str
    tags: Mapping[str, str]
    json: Mapping[str, Any]
    blocks: Mapping[Address, Blocks]
    variables: Mapping[str, Variable]
    pending: Mapping[str, Collection[str]]


def exported_stacks(app: App, estate: Estate) -> dict[str, ExportedStack]:
    """Return every stack of the estate, by name. Raises ValueError if two values would have the same variable."""
    changed, inputs = for_modules(estate)
    stacks = [stack for stack in build(app, changed).node.children if isinstance(stack, AstroStack)]
    app.synth()
    pending: dict[str, list[str]] = {}
    for one in inputs[None].pending:
        pending.setdefault(re.findall(r"\bvar\.(\w+)", one)[0], []).append(one)
    return {
        stack.plan.name: ExportedStack(
            name=stack.plan.name,
            account_id=stack.plan.account_id,
            region=stack.plan.region,
            tags=estate.tags,
            # Read from the written file, because a value loses its nulls on the way from Node to Python.
            json=json.loads(Path(app.outdir, "stacks", stack.plan.name, "cdk.tf.json").read_text("utf-8")),
            blocks=stack.blocks(),
            variables=inputs[None].variables | inputs[stack.plan.network].variables,
            pending=pending,
        )
        for stack in stacks
    }
