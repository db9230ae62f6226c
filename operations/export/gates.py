"""Adds conditions for pending values: a `count` or a filtered `for_each` on every block that refers to one."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from modules.expressions import unwrap

Block = dict[str, Any]
"""The body of a block, in Terraform's JSON syntax."""
Address = tuple[str, str, str]
"""The address of a block: `resource` or `data`, type and name."""


_REFERENCES = re.compile(r"(?<![\w.-])(?:data\.)?\w+\.[\w-]+")
_ATTRIBUTES = re.compile(rf"({_REFERENCES.pattern})\.(\w+)")


def gated(blocks: Mapping[Address, Block], pending: Mapping[str, Iterable[str]]) -> dict[Address, tuple[str, ...]]:
    """Return the blocks that need pending values, directly or through references, with those values' expressions.

    A block whose `for_each` contains a pending value has no instance without it, and needs no condition. `pending`: the
    expressions by variable.
    """
    texts = {address: "\n".join(_strings(block)) for address, block in blocks.items()}

    def awaited(text: str) -> set[str]:
        variables = set(re.findall(r"\bvar\.(\w+)", text))
        return {one for name in variables for one in pending.get(name, ()) if _mentions(text, one)}

    handled = {address: awaited(str(block.get("for_each", ""))) for address, block in blocks.items()}
    gated = {address: awaited(text) - handled[address] for address, text in texts.items()}
    names = {_reference(address): address for address in blocks}
    referred = {
        address: [names[one] for one in set(_REFERENCES.findall(text)) if one in names]
        for address, text in texts.items()
    }
    changed = True
    while changed:
        changed = False
        for address, others in referred.items():
            needed = set[str]().union(*(gated[other] for other in others)) - handled[address]
            if not needed <= gated[address]:
                gated[address] |= needed
                changed = True
    return {address: tuple(sorted(expressions)) for address, expressions in gated.items() if expressions}


def _mentions(text: str, what: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(what)}(?![\w-])", text) is not None


def _reference(address: Address) -> str:
    section, type_, name = address
    return f"data.{type_}.{name}" if section == "data" else f"{type_}.{name}"


def conditional(block: Block, expressions: tuple[str, ...]) -> Block:
    if not expressions:
        return block
    if "for_each" in block:
        over = unwrap(block["for_each"])
        return block | {"for_each": f"${{{_each(str(over), expressions)}}}"}
    return {"count": f"${{{_count(expressions)}}}"} | block


def _count(expressions: tuple[str, ...]) -> str:
    return f"{' || '.join(f'{one} == null' for one in expressions)} ? 0 : 1"


def _each(over: str, expressions: tuple[str, ...]) -> str:
    return f"{{for key, value in {over} : key => value if {' && '.join(f'{one} != null' for one in expressions)}}}"


def index(addresses: Iterable[Address], form: str) -> Callable[[str], str]:
    """Return a function that replaces each reference to an attribute of one of `addresses` by `form`."""
    names = set(map(_reference, addresses))

    def replaced(found: re.Match[str]) -> str:
        return form.format(*found.groups()) if found[1] in names else found[0]

    return lambda text: _ATTRIBUTES.sub(replaced, text)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value
