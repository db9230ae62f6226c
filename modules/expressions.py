"""Helpers for values that are known only at apply time.

In an exported module the values of an estate are expressions, such as `${var.vpc_id}`, and a map that may have other
entries is one expression as a whole.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network


class Expression(str):
    """A text that Terraform computes, such as `${var.vpc_id}`. It has no value yet, whatever it will be."""

    __slots__ = ()


@dataclass(frozen=True)
class MapExpression:
    """A map that Terraform computes, such as `var.route_tables`. See `modules/parts/for_each`."""

    expression: str
    filled: bool = True
    """What decides where it matters whether there is an entry at all."""

    def __bool__(self) -> bool:
        return self.filled

    def __getitem__(self, name: str) -> Expression:
        return Expression(f'${{{self.expression}["{name}"]}}')

    def beside(self, name: str, value: object) -> "MapExpression":
        """With one more entry, an expression too, before its own."""
        return MapExpression(f"merge({{{name} = {unwrap(str(value))}}}, {self.expression})")


def subnet(cidr: IPv4Network | Expression, bits: int, number: int) -> str:
    """Of the subnets of `cidr` that are `bits` longer, the one of that number, from 0."""
    if isinstance(cidr, Expression):
        return f"${{cidrsubnet({term(cidr)}, {bits}, {number})}}"
    return str(list(cidr.subnets(prefixlen_diff=bits))[number])


def zone_if_outside_vpc(ip: str, cidrs: Sequence[str], value: str) -> str | None:
    """`value` where the address is in none of `cidrs`, else nothing."""
    if any(map(is_late, cidrs)):
        same = f'cidrhost("{ip}/${{split("/", cidr)[1]}}", 0) == cidrhost(cidr, 0)'
        return f'${{anytrue([for cidr in {listed(cidrs)} : {same}]) ? null : "{value}"}}'
    return None if any(IPv4Address(ip) in IPv4Network(cidr) for cidr in cidrs) else value


def truncated_name(name: str, limit: int) -> str:
    """`name` as long as AWS takes: the end of a longer one tells it from others that begin alike."""
    if is_late(name):
        text = term(name)
        start = f'trimsuffix(substr({text}, 0, {limit - 9}), "-")'
        return f'${{length({text}) <= {limit} ? {text} : "${{{start}}}-${{substr(sha256({text}), 0, 8)}}"}}'
    return name if len(name) <= limit else f"{name[: limit - 9].rstrip('-')}-{sha256(name.encode()).hexdigest()[:8]}"


def listed(texts: Iterable[str]) -> str:
    """A list of texts as a part of an expression."""
    return f"[{', '.join(map(term, texts))}]"


def is_late(value: object) -> bool:
    """Whether a value is, or contains, an expression."""
    return isinstance(value, MapExpression) or "${" in str(value)


def term(value: object) -> str:
    """A text with `${...}` in it as a part of an expression."""
    text = str(value)
    if "${TfToken[" in text:
        # cdktf writes the reference of a token without ${} if it is inside of another.
        return text
    return unwrap(text) or f'"{text}"'


def unwrap(text: str) -> str | None:
    """The expression that `text` is as `${...}`, and nothing else; None where there is none, or more."""
    depth = 0
    for place, character in enumerate(text if text.startswith("${") else ""):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0 and character == "}":
            return text[2:-1].strip() if place == len(text) - 1 else None
    return None


FOR_EACH = object()
"""Marks a map whose entries constructs go through by `each`: in an exported module it may be an `MapExpression`."""
