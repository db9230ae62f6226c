"""Writes a stack as a Terraform module, for a root that knows nothing of Python."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from operations.export.gates import Address, Block, conditional, gated, index
from operations.export.readme import DOCS, VERSIONS, example, readme
from operations.export.stacks import ExportedStack
from operations.terraform import Terraform
from stacks.hcl import render


def write(stack: ExportedStack, folder: Path, terraform: Terraform | None) -> bool:
    """Write the module of `stack` into `folder`: as HCL where `terraform` is given, which formats it, else as JSON.

    Replaces what it wrote before, in either format, and no other file. Returns whether a file changed. Raises OSError
    and TerraformFailed."""
    before = _files(folder)
    blocks: dict[Address, Block] = {
        (section, type_, name): _plain(block)
        for section in ("data", "resource")
        for type_, names in stack.json.get(section, {}).items()
        for name, block in names.items()
    }
    unless = gated(blocks, stack.pending)
    counted = {address for address in unless if "for_each" not in blocks[address]}
    outputs = _outputs(stack.json, blocks, counted)
    named = set(re.findall(r"\bvar\.(\w+)", json.dumps([list(blocks.values()), outputs])))
    declared = {**stack.json.get("variable", {}), **stack.variables}
    variables = {name: _plain(declared[name]) for name in sorted(named)}
    guards = _guards(stack)
    indexed = index(counted, "{}[0].{}")

    main = {address: conditional(block, unless.get(address, ())) for address, block in blocks.items()}
    main = {address: _on_strings(block, indexed) for address, block in main.items()}
    trees = {
        "variables": {"variable": variables} if variables else {},
        "outputs": {"output": outputs},
        "main": _nested(guards | main),
    }
    texts = {
        "versions.tf": VERSIONS,
        "examples/basic/main.tf": example(stack, variables, outputs),
        ".terraform-docs.yml": DOCS,
        "README.md": readme(stack, variables, outputs),
    }
    for part, tree in trees.items():
        (folder / f"{part}.tf{'.json' if terraform else ''}").unlink(missing_ok=True)
        if terraform:
            texts[f"{part}.tf"] = render(tree, stack.blocks if part == "main" else {})
        else:
            texts[f"{part}.tf.json"] = json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    if terraform:
        terraform.fmt(folder, [Path(name) for name in texts if name.endswith(".tf")])
    return _files(folder) != before


def _files(folder: Path) -> dict[Path, bytes]:
    """The content of the files that are, or could be, written by us."""
    names = ("*.tf", "*.tf.json", "*.md", ".terraform-docs.yml", "examples/basic/*.tf")
    return {file: file.read_bytes() for name in names for file in folder.glob(name)}


def _outputs(stack: Mapping[str, Any], blocks: Iterable[Address], counted: Iterable[Address]) -> dict[str, Block]:
    facts = stack.get("output", {}).get("handoff", {}).get("value", {})
    outputs = {
        entry.replace("-", "_"): {
            "description": f"The handoff of {entry}: what the other side asks for.",
            "value": _on_strings(value, index(counted, "one({}[*].{})")),
        }
        for entry, value in facts.items()
    }
    for type_, output, what in _OF_A_VPC:
        found = {
            address[2]: f"${{{type_}.{address[2]}.id}}" for address in blocks if address[:2] == ("resource", type_)
        }
        if type_ == "aws_vpc" and found:
            (value,) = found.values()
            outputs[output] = {"description": what, "value": value}
        elif found:
            outputs[output] = {"description": what, "value": {name.split("_")[-1]: id_ for name, id_ in found.items()}}
    return dict(sorted(outputs.items()))


_OF_A_VPC = (
    ("aws_vpc", "vpc_id", "The VPC."),
    ("aws_subnet", "subnet_ids", "The VPC's subnets, by name."),
    ("aws_route_table", "route_table_ids", "The VPC's route tables, by name."),
)


def _guards(stack: ExportedStack) -> dict[Address, Block]:
    """What `allowed_account_ids` and the region of a root's provider are for: a module has no provider of its own."""
    return {
        ("data", type_, "module"): {
            "lifecycle": {
                "postcondition": {
                    "condition": f'${{self.{attribute} == "{value}"}}',
                    "error_message": f"This module is made for {what} {value}: give it a provider there.",
                }
            }
        }
        for type_, attribute, value, what in (
            ("aws_caller_identity", "account_id", stack.account_id, "AWS account"),
            # `id` is its name in every version of the provider.
            ("aws_region", "id", stack.region, "region"),
        )
    }


def _plain(value: Any) -> Any:
    """Without cdktf's remarks."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if key != "//"}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _on_strings(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _on_strings(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_on_strings(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def _nested(blocks: Mapping[Address, Block]) -> dict[str, dict[str, dict[str, Block]]]:
    nested: dict[str, dict[str, dict[str, Block]]] = {}
    for (section, type_, name), block in blocks.items():
        nested.setdefault(section, {}).setdefault(type_, {})[name] = block
    return nested
