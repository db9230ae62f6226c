"""What cdktf 0.21 renders as HCL, made to say what its JSON says.

Without this, Terraform refuses the HCL, warns of it, or reads other values: `tests/test_hcl.py` names each case, and
those that no stack of ours has.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from modules.expressions import bare

_NEXT = r"(?=\n+(?:data|locals|output|provider|resource|variable)\b[^=\n]*\{$|\Z)"
"""Where a block ends: cdktf indents nothing, and leaves its own braces no other way to be told apart."""


def mended(hcl: str, stack: Mapping[str, Any]) -> str:
    """`hcl` as it should be, from the same stack as Terraform JSON. Not formatted."""
    # Values of no known type: digits lose their quotes there, a list of none its commas, what begins with { all of it.
    written = {f'output "{name}"': _block(output) for name, output in stack.get("output", {}).items()}
    if "terraform" in stack:
        # Here it is the least version too, and the project of workspaces: they would be made in another one.
        written["terraform"] = _settings(stack["terraform"])
    for head, block in written.items():
        pattern = rf"^{re.escape(head)} \{{\n.*?{_NEXT}"
        hcl = re.sub(pattern, lambda _, text=f"{head} {block}": text, hcl, flags=re.MULTILINE | re.DOTALL)
    # Of a backslash HCL wants two, and cdktf writes one; of a quote behind a backslash it takes no notice.
    wrong = {_as_cdktf_quotes(text): _quoted(text) for text in strings(stack) if "\\" in text and "${" not in text}
    if wrong:
        either = "|".join(re.escape(text) for text in sorted(wrong, key=len, reverse=True))
        hcl = re.sub(rf"(?:^|(?<== ))(?:{either})(?=,?$)", lambda found: wrong[found[0]], hcl, flags=re.MULTILINE)
    # Keys that HCL would take for an expression.
    hcl = re.sub(r"^(-[\w-]*|for) = ", r'"\1" = ', hcl, flags=re.MULTILINE)
    # References stand in quotes, which Terraform has deprecated, and so do expressions, as in Terraform before 0.12.
    hcl = re.sub(r'(?:^|(?<== ))"(\$\{.*\})"(?=,?$)', lambda found: bare(found[1]) or found[0], hcl, flags=re.MULTILINE)
    return re.sub(
        r"^ *(depends_on|ignore_changes) = \[.*?^\]$",
        lambda found: found[0].replace('"', ""),
        hcl,
        flags=re.MULTILINE | re.DOTALL,
    )


def _settings(settings: Mapping[str, Any]) -> str:
    """The block `terraform`, whose blocks are known."""
    lines = ""
    for key, value in settings.items():
        if key == "backend":
            lines += "".join(f'backend "{kind}" {_block(arguments)}\n' for kind, arguments in value.items())
        elif key in ("cloud", "required_providers"):
            lines += f"{key} {_block(value)}\n"
        else:
            lines += f"{key} = {expression(value)}\n"
    return "{\n" + lines + "}"


def _block(arguments: Mapping[str, Any]) -> str:
    lines = (
        f"{key} {_block(value)}\n" if key == "workspaces" else f"{key} = {expression(value)}\n"
        for key, value in arguments.items()
    )
    return "{\n" + "".join(lines) + "}"


def expression(value: Any) -> str:
    """A value of Terraform's JSON syntax in HCL, not formatted."""
    if isinstance(value, Mapping):
        lines = "".join(f"{_key(key)} = {expression(item)}\n" for key, item in value.items())
        return f"{{\n{lines}}}" if lines else "{}"
    if isinstance(value, list):
        return "[\n" + "".join(f"{expression(item)},\n" for item in value) + "]" if value else "[]"
    return bare(value) or _quoted(value) if isinstance(value, str) else json.dumps(value)


def _key(text: str) -> str:
    return text if re.fullmatch(r"(?!for$)[A-Za-z_][\w-]*", text, re.ASCII) else _quoted(text)


def _quoted(text: str) -> str:
    # An expression has quotes of its own, which stay: no stack has text around one that would need an escape.
    return f'"{text}"' if "${" in text else json.dumps(text, ensure_ascii=False)


def _as_cdktf_quotes(text: str) -> str:
    return '"' + re.sub(r'(?<!\\)"', r"\"", text) + '"'


def strings(value: Any) -> Iterator[str]:
    """The strings of Terraform JSON, without cdktf's own remarks."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key != "//":
                yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value
