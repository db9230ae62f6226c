"""The documentation of an exported module: its README, its example, and the tables of terraform-docs."""

import json
from collections.abc import Mapping

from operations.export.gates import Block
from operations.export.stacks import ExportedStack

TERRAFORM = ">= 1.5"
AWS_PROVIDER = ">= 5.100, < 7.0"

VERSIONS = f"""\
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
DOCS = """\
# terraform-docs generates exactly the tables of README.md.
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
    """Return a formatted block from one-line expressions and formatted inner blocks."""
    width = max(map(len, arguments))
    lines = [f"  {name:{width}} = {value}\n" for name, value in arguments.items()]
    indented = ["\n" + "".join(f"  {line}\n" for line in block.splitlines()) for block in inside]
    return f"{header} {{\n{''.join(lines + indented)}}}\n"


def _call(stack: ExportedStack, variables: Mapping[str, Block], source: str) -> str:
    required = {name: f"var.{name}" for name, one in variables.items() if "default" not in one}
    return _aligned(f'module "{_identifier(stack)}"', {"source": json.dumps(source)} | required)


def _identifier(stack: ExportedStack) -> str:
    return stack.name.replace("-", "_")


def example(stack: ExportedStack, variables: Mapping[str, Block], outputs: Mapping[str, Block]) -> str:
    tags = {"tags": f"{{ {', '.join(f'{json.dumps(key)} = {json.dumps(tag)}' for key, tag in stack.tags.items())} }}"}
    provider = {"region": json.dumps(stack.region), "allowed_account_ids": json.dumps([stack.account_id])}
    parts = [
        _aligned('provider "aws"', provider, *([_aligned("default_tags", tags)] if stack.tags else [])),
        # The module validates its values.
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


def readme(stack: ExportedStack, variables: Mapping[str, Block], outputs: Mapping[str, Block]) -> str:
    of_all = f"; the estate has {', '.join(f'`{key}: {tag}`' for key, tag in stack.tags.items())}" if stack.tags else ""
    notes = [
        f"Configure the provider for account {stack.account_id} and region {stack.region}; the module rejects others.",
        f"Set the tags of all resources in its `default_tags`{of_all}.",
        "Defaults are the estate's values. The module supports `count`, `for_each` and `depends_on`. Another copy in",
        "the same account needs a different `name`.",
    ]
    for names, what in (
        (
            [name for name, one in variables.items() if one.get("default", "") is None],
            "pending, and null until it is set; resources that need it are not created",
        ),
        (
            [name for name, one in variables.items() if one.get("sensitive")],
            "secret; Terraform's state and saved plans contain it",
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
    """Return a table in the format of terraform-docs."""
    rules = (":------:" if head == "Required" else "-" * len(head) for head in heads)
    return [f"| {' | '.join(row)} |" for row in (heads, tuple(rules), *rows)] if rows else [otherwise]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(variable: Block) -> str:
    """Return a default value in the format of terraform-docs."""
    if "default" not in variable:
        return "n/a"
    text = json.dumps(variable["default"], indent=2, sort_keys=True)
    return f"<pre>{text}</pre>".replace("\n", "<br/>") if "\n" in text else f"`{text}`"
