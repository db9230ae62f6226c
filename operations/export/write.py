"""Writes a stack as a Terraform module, for a root module without Python."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from estate.model import Estate
from operations.export.gates import Address, Block, conditional, gated, index
from operations.export.readme import DOCS, GENERATED, VERSIONS, example, readme
from operations.export.stacks import ExportedStack
from operations.files import delete, write_all
from operations.owner import MANIFEST, manifest_of, refuse_foreign_files, signed
from operations.terraform import Terraform
from stacks.hcl import render

_PARTS = ("variables", "outputs", "main")
_NAMES = {
    *("versions.tf", "examples/basic/main.tf", ".terraform-docs.yml", "README.md"),
    *(f"{part}.tf{end}" for part in _PARTS for end in ("", ".json")),
}


def write(module: Mapping[str, bytes], folder: Path) -> bool:
    """Write the files of a module into `folder`, and delete obsolete files of an earlier export.

    Returns whether a file changed. Before writing, raises UserError for a file that no export wrote.
    """
    listed = (manifest_of(folder) or {}).get("files")
    owned = {MANIFEST, *(_NAMES.intersection(map(str, listed)) if isinstance(listed, list) else ())}
    refuse_foreign_files(folder, module, owned)
    changed = write_all(folder, module)
    stale = [name for name in sorted(owned - module.keys()) if (folder / name).is_file()]
    for name in stale:
        delete(folder, name)
    return bool(changed or stale)


def module(stack: ExportedStack, estate: Estate, file: Path, terraform: Terraform | None) -> dict[str, bytes]:
    """Return the files of the module of `stack`, by name.

    `terraform` formats HCL; without it, the files are JSON. `file` is the estate's file. Raises TerraformFailed.
    """
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
        if terraform:
            texts[f"{part}.tf"] = f"# {GENERATED}\n\n" + render(tree, stack.blocks if part == "main" else {})
        else:
            texts[f"{part}.tf.json"] = json.dumps({"//": GENERATED} | tree, indent=2, ensure_ascii=False) + "\n"
    # The manifest comes first, so that it lists the files even of an interrupted export.
    files = {MANIFEST: signed(estate, file, {"files": sorted(texts)}) + "\n"} | texts
    contents = {name: text.encode() for name, text in files.items()}
    return contents | _formatted(contents, terraform) if terraform else contents


def _formatted(contents: Mapping[str, bytes], terraform: Terraform) -> dict[str, bytes]:
    names = [name for name in contents if name.endswith(".tf")]
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_all(folder, {name: contents[name] for name in names})
        terraform.fmt(folder, map(Path, names))
        return {name: (folder / name).read_bytes() for name in names}


def _outputs(stack: Mapping[str, Any], blocks: Iterable[Address], counted: Iterable[Address]) -> dict[str, Block]:
    facts = stack.get("output", {}).get("handoff", {}).get("value", {})
    outputs = {
        entry.replace("-", "_"): {
            "description": f"The handoff of {entry}: facts for the other side.",
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
    """Return data sources that check the account and region, because a module cannot configure its provider.

    In a stack, `allowed_account_ids` and the provider's region do this.
    """
    return {
        ("data", type_, "module"): {
            "lifecycle": {
                "postcondition": {
                    "condition": f'${{self.{attribute} == "{value}"}}',
                    "error_message": f"This module was exported for {what} {value}; pass it a matching provider.",
                }
            }
        }
        for type_, attribute, value, what in (
            ("aws_caller_identity", "account_id", stack.account_id, "AWS account"),
            # `id` is the region's name in every version of the provider.
            ("aws_region", "id", stack.region, "region"),
        )
    }


def _plain(value: Any) -> Any:
    """Return the value without cdktf's comments."""
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
