"""What cdktf 0.21 renders as HCL, made to say what its JSON says.

Without this, Terraform refuses the HCL, warns of it, or reads other values: `tests/test_hcl.py` names each case, and
those that no stack of ours has.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_NEXT = r'(?=\n+(?:\w+ (?:"[^"\n]*" )*\{$)|\Z)'
"""Where a block ends: cdktf indents nothing, and leaves its own braces no other way to be told apart."""


def mended(hcl: str, stack: Mapping[str, Any]) -> str:
    """`hcl` as it should be, from the same stack as Terraform JSON. Not formatted."""
    if version := stack.get("terraform", {}).get("required_version"):
        hcl = hcl.replace('0 = "required_version"', f"required_version = {_quoted(version)}", 1)
    # Of workspaces in HCP Terraform cdktf writes the name alone: they would be made in another project.
    if project := stack.get("terraform", {}).get("cloud", {}).get("workspaces", {}).get("project"):
        hcl = re.sub(r"^(\s*workspaces \{\n)", rf"\1project = {_quoted(project)}\n", hcl, count=1, flags=re.MULTILINE)
    # Values of no known type: digits lose their quotes there, a list of none its commas, what begins with { all of it.
    for name, output in stack.get("output", {}).items():
        body = "".join(f"{key} = {expression(value)}\n" for key, value in output.items())
        hcl = re.sub(
            rf'^output "{name}" \{{\n.*?{_NEXT}',
            lambda _, block=f'output "{name}" {{\n{body}}}': block,
            hcl,
            flags=re.MULTILINE | re.DOTALL,
        )
    # Of a backslash HCL wants two, and cdktf writes one; of a quote behind a backslash it takes no notice.
    wrong = {_as_cdktf_quotes(text): _quoted(text) for text in _strings(stack) if "\\" in text}
    if wrong:
        either = "|".join(re.escape(text) for text in sorted(wrong, key=len, reverse=True))
        hcl = re.sub(rf"(?:^|(?<== ))(?:{either})(?=,?$)", lambda found: wrong[found[0]], hcl, flags=re.MULTILINE)
    # Keys that HCL would take for an expression.
    hcl = re.sub(r"^(-[\w-]*|for) = ", r'"\1" = ', hcl, flags=re.MULTILINE)
    # References stand in quotes, which Terraform has deprecated.
    return re.sub(
        r"^ *(depends_on|ignore_changes) = \[.*?^\]$",
        lambda found: found[0].replace('"', ""),
        hcl,
        flags=re.MULTILINE | re.DOTALL,
    )


def expression(value: Any) -> str:
    """A value of Terraform's JSON syntax in HCL, not formatted."""
    if isinstance(value, Mapping):
        return "{\n" + "".join(f"{_key(key)} = {expression(item)}\n" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + "".join(f"{expression(item)},\n" for item in value) + "]" if value else "[]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _key(text: str) -> str:
    return text if re.fullmatch(r"(?!for$)[A-Za-z_][\w-]*", text, re.ASCII) else _quoted(text)


def _quoted(text: str) -> str:
    # An expression has quotes of its own, which stay: no stack has text around one that would need an escape.
    return f'"{text}"' if "${" in text else json.dumps(text, ensure_ascii=False)


def _as_cdktf_quotes(text: str) -> str:
    return '"' + re.sub(r'(?<!\\)"', r"\"", text) + '"'


def _strings(value: Any) -> Iterator[str]:
    """The strings of Terraform JSON, without those that are expressions, and cdktf's own remarks."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key != "//":
                yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str) and "${" not in value:
        yield value
