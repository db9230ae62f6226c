"""Renders Terraform's JSON syntax as HCL.

JSON does not distinguish a block from an argument; HCL does. The blocks of the Terraform language itself are listed
here. cdktf's elements mark the blocks of their resource type.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Blocks = dict[str, "Blocks"]
"""The arguments of a block that are blocks themselves, with their own blocks."""
Address = tuple[str, ...]
"""The keyword of a block and its labels, such as `("resource", "aws_vpc", "main")`."""

_LABELS = {
    **dict.fromkeys(("backend", "check", "module", "output", "provider", "provisioner", "variable"), 1),
    **dict.fromkeys(("data", "resource"), 2),
}
_LIFECYCLE: Blocks = {"lifecycle": {"precondition": {}, "postcondition": {}}}
_LANGUAGE: dict[str, Blocks] = {
    "check": {"assert": {}, "data": {}},
    "data": _LIFECYCLE,
    "output": {"precondition": {}},
    "removed": {"lifecycle": {}},
    "resource": _LIFECYCLE | {"connection": {}, "provisioner": {"connection": {}}},
    "terraform": {"backend": {}, "cloud": {"workspaces": {}}, "required_providers": {}},
    "variable": {"validation": {}},
}
_REFERENCES = {
    *((keyword, "depends_on") for keyword in ("check", "data", "module", "output", "resource")),
    *((keyword, "provider") for keyword in ("data", "import", "resource")),
    *((keyword, "lifecycle", name) for keyword in _LANGUAGE for name in ("ignore_changes", "replace_triggered_by")),
    ("check", "data", "depends_on"),
    ("check", "data", "provider"),
    ("import", "to"),
    ("module", "providers"),
    ("moved", "from"),
    ("moved", "to"),
    ("removed", "from"),
    ("variable", "type"),
}
"""Arguments whose JSON strings are references or types, by the keywords that lead to them."""
_LITERALS = {
    ("module", "source"),
    ("module", "version"),
    ("output", "description"),
    ("terraform",),
    ("variable", "default"),
    ("variable", "description"),
}
"""Arguments whose JSON strings Terraform does not evaluate, by the keywords that lead to them."""
_PLACES = {"count": 0, "for_each": 0, "provider": 0, "lifecycle": 3, "depends_on": 4}
"""Meta-arguments that come before the other arguments (position 1), or after the blocks (position 2)."""


def render(tree: Mapping[str, Any], blocks: Mapping[Address, Blocks]) -> str:
    """Return Terraform JSON as unformatted HCL, in the order of `blocks`, which lists the marked blocks."""
    order = {address: place for place, address in enumerate(blocks)}
    entries = [
        (address, body)
        for keyword, content in tree.items()
        if keyword != "//"
        for address, body in _split(keyword, content)
    ]
    entries.sort(key=lambda entry: order.get(entry[0], -1))
    return "\n".join(
        _block(address, body, _LANGUAGE.get(address[0], {}) | blocks.get(address, {}), address[:1])
        for address, body in entries
    )


def marked(fragment: Mapping[str, Any]) -> Iterator[tuple[Address, Blocks]]:
    """Yield the blocks of a cdktf element, from its `to_hcl_terraform()`."""
    for keyword, content in fragment.items():
        for address, body in _split(keyword, content):
            yield address, _marks(body)


def _marks(arguments: Mapping[str, Any]) -> Blocks:
    found: Blocks = {}
    for name, argument in arguments.items():
        # cdktf converts the keys of some elements to snake case, including its own marks.
        if isinstance(argument, Mapping) and (argument.get("isBlock") or argument.get("is_block")):
            inner = found[name] = {}
            for body in _bodies(argument.get("value")):
                inner.update(_marks(body))
    return found


def _split(keyword: str, content: Any) -> Iterator[tuple[Address, Mapping[str, Any]]]:
    """Yield each block of a keyword, with its labels."""
    found: list[tuple[Address, Any]] = [((keyword,), content)]
    for _ in range(_LABELS.get(keyword, 0)):
        found = [
            ((*address, label), inner)
            for address, labels in found
            for body in _bodies(labels)
            for label, inner in body.items()
        ]
    for address, inner in found:
        for body in _bodies(inner):
            yield address, body


def _bodies(value: Any) -> list[Mapping[str, Any]]:
    """Return the bodies of a block that may occur more than once."""
    return [body for body in (value if isinstance(value, list) else [value]) if isinstance(body, Mapping)]


def _block(address: Address, arguments: Mapping[str, Any], blocks: Blocks, path: tuple[str, ...]) -> str:
    """Return one block. `path`: the keywords of the surrounding blocks, and its own.

    A null argument is omitted, which is equivalent, except for the default of a variable.
    """
    keyword, *labels = address
    lines = [" ".join([keyword, *map(_quoted, labels), "{\n"])]
    places = {name: _PLACES.get(name, 2 if name in blocks else 1) for name in arguments}
    for name in sorted(places, key=lambda name: places[name]):
        value, inside = arguments[name], (*path, name)
        # An expression can replace the blocks of an argument.
        if name in blocks and not isinstance(value, str):
            lines += (_block(each, body, blocks[name], inside) for each, body in _split(name, value))
        elif name != "//" and (value is not None or path == ("variable",)):
            lines.append(f"{name} = {_value(value, _text_of(inside))}\n")
    return "".join([*lines, "}\n"])


def _text_of(path: tuple[str, ...]) -> Callable[[str], str]:
    if path in _REFERENCES:
        return _reference
    return _quoted if path in _LITERALS or path[:1] in _LITERALS else _template


def _value(value: Any, text: Callable[[str], str]) -> str:
    if isinstance(value, Mapping):
        lines = "".join(f"{_key(key, text)} = {_value(item, text)}\n" for key, item in value.items())
        return f"{{\n{lines}}}" if lines else "{}"
    if isinstance(value, list):
        return "[\n" + "".join(f"{_value(item, text)},\n" for item in value) + "]" if value else "[]"
    return text(value) if isinstance(value, str) else json.dumps(value)


def _key(key: str, text: Callable[[str], str]) -> str:
    if re.fullmatch(r"(?!for$)[A-Za-z_][\w-]*", key, re.ASCII):
        return key
    # A key in parentheses is an expression.
    return quoted if (quoted := text(key)).startswith('"') else f"({quoted})"


def _reference(text: str) -> str:
    return _expression(text) or text


def _quoted(text: str) -> str:
    """Return a string without expressions."""
    literal = re.sub(r"([$%])(?={)", r"\1\1", text)
    return f'"{_escaped(literal)}"'


def _template(text: str) -> str:
    """Return a string that may contain expressions, or the expression that makes up the whole string."""
    if expression := _expression(text):
        return expression
    # JSON has escaped the text around an expression, but differently from HCL; the expression itself is HCL.
    return '"' + "".join(part if inside else _escaped(part) for inside, part in _parts(text)) + '"'


def _expression(text: str) -> str | None:
    parts = list(_parts(text))
    return text[2:-1].strip() if [inside for inside, _ in parts] == [True] and text.startswith("${") else None


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


_CONTROLS = {chr(number): f"\\u{number:04x}" for number in range(32)}
_ESCAPES = str.maketrans(_CONTROLS | {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the parts of a template: whether each is an expression or directive, and its text."""
    start = 0
    for found in re.finditer(r"\$\$\{|%%\{|[$%]\{", text):
        if found.start() < start or len(found[0]) == 3:
            continue
        if found.start() > start:
            yield False, text[start : found.start()]
        start = _end(text, found.end())
        yield True, text[found.start() : start]
    if start < len(text):
        yield False, text[start:]


def _end(text: str, start: int) -> int:
    """Return the end of an expression that begins with a brace before `start`; braces in its strings do not count."""
    opened = ["{"]
    place = start
    while opened and place < len(text):
        character, quoted = text[place], opened[-1] == '"'
        if quoted and character == "\\":
            place += 1
        elif quoted and text[place : place + 2] in ("${", "%{"):
            opened.append("{")
            place += 1
        elif character == '"':
            opened.pop() if quoted else opened.append('"')
        elif not quoted and character in "{}":
            opened.append("{") if character == "{" else opened.pop()
        place += 1
    return place
