"""Writes a stack as a Terraform module, for a root that knows nothing of Python."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from modules.expressions import bare
from operations.terraform import Terraform
from stacks.hcl import render
from stacks.module import Module

TERRAFORM = ">= 1.5"
AWS_PROVIDER = ">= 5.100, < 7.0"

Block = dict[str, Any]
"""What stands between the braces of a block, in Terraform's JSON syntax."""
Address = tuple[str, str, str]
"""`resource` or `data`, type and name."""


def write(stack: Module, folder: Path, terraform: Terraform | None) -> None:
    """Write the module of `stack` into `folder`: as HCL where `terraform` is given, which formats it, else as JSON.

    Replaces what it wrote before, in either format, and no other file. Raises OSError and TerraformFailed."""
    blocks: dict[Address, Block] = {
        (section, type_, name): _plain(block)
        for section in ("data", "resource")
        for type_, names in stack.json.get(section, {}).items()
        for name, block in names.items()
    }
    unless = _gated(blocks, stack.awaited)
    counted = {address for address in unless if "for_each" not in blocks[address]}
    outputs = _outputs(stack.json, blocks, counted)
    named = set(re.findall(r"\bvar\.(\w+)", json.dumps([list(blocks.values()), outputs])))
    declared = {**stack.json.get("variable", {}), **stack.variables}
    variables = {name: _plain(declared[name]) for name in sorted(named)}
    guards = _guards(stack)
    indexed = _index(counted, "{}[0].{}")

    main = {address: _conditional(block, unless.get(address, ())) for address, block in blocks.items()}
    main = {address: _on_strings(block, indexed) for address, block in main.items()}
    trees = {
        "variables": {"variable": variables} if variables else {},
        "outputs": {"output": outputs},
        "main": _nested(guards | main),
    }
    texts = {
        "versions.tf": _VERSIONS,
        "examples/basic/main.tf": _example(stack, variables, outputs),
        ".terraform-docs.yml": _DOCS,
        "README.md": _readme(stack, variables, outputs),
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


# What waits: made only once an expression is not null.


def _gated(blocks: Mapping[Address, Block], awaited: Iterable[str]) -> dict[Address, tuple[str, ...]]:
    """The blocks that need awaited values, themselves or by what they refer to, with the expressions of these."""
    texts = {address: "\n".join(_strings(block)) for address, block in blocks.items()}
    gated = {address: {one for one in awaited if _mentions(text, one)} for address, text in texts.items()}
    changed = True
    while changed:
        changed = False
        for address, text in texts.items():
            for other, expressions in gated.items():
                if not expressions <= gated[address] and _mentions(text, _reference(other)):
                    gated[address] |= expressions
                    changed = True
    return {address: tuple(sorted(expressions)) for address, expressions in gated.items() if expressions}


def _mentions(text: str, what: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(what)}(?![\w-])", text) is not None


def _reference(address: Address) -> str:
    section, type_, name = address
    return f"data.{type_}.{name}" if section == "data" else f"{type_}.{name}"


def _conditional(block: Block, expressions: tuple[str, ...]) -> Block:
    if not expressions:
        return block
    if "for_each" in block:
        over = bare(block["for_each"])
        return block | {"for_each": f"${{{_each(str(over), expressions)}}}"}
    return {"count": f"${{{_count(expressions)}}}"} | block


def _count(expressions: tuple[str, ...]) -> str:
    return f"{' || '.join(f'{one} == null' for one in expressions)} ? 0 : 1"


def _each(over: str, expressions: tuple[str, ...]) -> str:
    return f"{{for key, value in {over} : key => value if {' && '.join(f'{one} != null' for one in expressions)}}}"


def _index(addresses: Iterable[Address], form: str) -> Callable[[str], str]:
    """Replaces each reference to an attribute of one of `addresses` by `form`, of the two."""
    either = "|".join(re.escape(_reference(address)) for address in sorted(addresses))
    if not either:
        return lambda text: text
    return lambda text: re.sub(rf"(?<![\w.-])({either})\.(\w+)", lambda found: form.format(*found.groups()), text)


# Outputs and guards


def _outputs(stack: Mapping[str, Any], blocks: Iterable[Address], counted: Iterable[Address]) -> dict[str, Block]:
    facts = stack.get("output", {}).get("handoff", {}).get("value", {})
    outputs = {
        entry.replace("-", "_"): {
            "description": f"The handoff of {entry}: what the other side asks for.",
            "value": _on_strings(value, _index(counted, "one({}[*].{})")),
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


def _guards(stack: Module) -> dict[Address, Block]:
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


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value


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


# What people read


_VERSIONS = f"""\
terraform {{
  required_version = "{TERRAFORM}"

  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = "{AWS_PROVIDER}"
    }}
  }}
}}
"""
_DOCS = """\
# terraform-docs finds the tables of README.md as it would write them.
formatter: markdown table
sections:
  show: [inputs, outputs]
output:
  file: README.md
  mode: inject
settings:
  anchor: false
  escape: false
"""


def _aligned(header: str, arguments: Mapping[str, str], *inside: str) -> str:
    """A block, formatted, of expressions of one line, and of formatted blocks."""
    width = max(map(len, arguments))
    lines = [f"  {name:{width}} = {value}\n" for name, value in arguments.items()]
    indented = ["\n" + "".join(f"  {line}\n" for line in block.splitlines()) for block in inside]
    return f"{header} {{\n{''.join(lines + indented)}}}\n"


def _call(stack: Module, variables: Mapping[str, Block], source: str) -> str:
    required = {name: f"var.{name}" for name, one in variables.items() if "default" not in one}
    return _aligned(f'module "{_identifier(stack)}"', {"source": json.dumps(source)} | required)


def _identifier(stack: Module) -> str:
    return stack.name.replace("-", "_")


def _example(stack: Module, variables: Mapping[str, Block], outputs: Mapping[str, Block]) -> str:
    tags = {"tags": f"{{ {', '.join(f'{json.dumps(key)} = {json.dumps(tag)}' for key, tag in stack.tags.items())} }}"}
    provider = {"region": json.dumps(stack.region), "allowed_account_ids": json.dumps([stack.account_id])}
    parts = [
        _aligned('provider "aws"', provider, *([_aligned("default_tags", tags)] if stack.tags else [])),
        # The rules of values are the module's.
        *(
            _aligned(
                f'variable "{name}"',
                {"type": one["type"]}
                | {key: json.dumps(one[key]) for key in ("description", "sensitive") if key in one},
            )
            for name, one in variables.items()
            if "default" not in one
        ),
        _call(stack, variables, "../.."),
    ]
    if outputs:
        parts.append(_aligned(f'output "{_identifier(stack)}"', {"value": f"module.{_identifier(stack)}"}))
    return "\n".join(parts)


def _readme(stack: Module, variables: Mapping[str, Block], outputs: Mapping[str, Block]) -> str:
    of_all = f"; the estate has {', '.join(f'`{key}: {tag}`' for key, tag in stack.tags.items())}" if stack.tags else ""
    notes = [
        f"The provider is yours, of account {stack.account_id} and region {stack.region}: the module refuses another.",
        f"The tags of all resources go into its `default_tags`{of_all}.",
        "Each default is the estate's value. It works under `count`, `for_each` and `depends_on`; a second one in the",
        "same account needs another `name`.",
    ]
    for names, what in (
        (
            [name for name, one in variables.items() if one.get("default", "") is None],
            "awaited, and null until then; what needs it is not made",
        ),
        (
            [name for name, one in variables.items() if one.get("sensitive")],
            "secret; Terraform's state and saved plans hold it",
        ),
    ):
        if names:
            notes.append(f"{', '.join(f'`{name}`' for name in names)}: {what}.")
    inputs = [
        (
            name,
            _cell(one.get("description", "")),
            f"`{one['type']}`",
            _default(one),
            "no" if "default" in one else "yes",
        )
        for name, one in variables.items()
    ]
    results = [(name, _cell(one["description"])) for name, one in outputs.items()]
    return "\n".join(
        [
            f"# {stack.name}",
            "",
            f"The stack `{stack.name}` of the estate as a Terraform module: the customer's side of Astro on AWS.",
            "Written by `main.py export`: change the estate and export it again, not these files.",
            "",
            f"```hcl\n{_call(stack, variables, f'./{stack.name}')}```",
            "",
            *notes,
            "",
            "<!-- BEGIN_TF_DOCS -->",
            "## Inputs",
            "",
            *_table(("Name", "Description", "Type", "Default", "Required"), inputs, "No inputs."),
            "",
            "## Outputs",
            "",
            *_table(("Name", "Description"), results, "No outputs."),
            "<!-- END_TF_DOCS -->",
            "",
        ]
    )


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]], otherwise: str) -> list[str]:
    """As terraform-docs writes it."""
    rules = (":------:" if head == "Required" else "-" * len(head) for head in heads)
    return [f"| {' | '.join(row)} |" for row in (heads, tuple(rules), *rows)] if rows else [otherwise]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(variable: Block) -> str:
    """As terraform-docs has it in a table."""
    if "default" not in variable:
        return "n/a"
    text = json.dumps(variable["default"], indent=2, sort_keys=True)
    return f"<pre>{text}</pre>".replace("\n", "<br/>") if "\n" in text else f"`{text}`"
