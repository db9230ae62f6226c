"""Helpers for values that are known only at apply time.

In an exported module, the values of an estate are expressions such as `${var.vpc_id}`. A map whose entries are unknown
is one expression as a whole.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network


class Expression(str):
    """A text that Terraform computes, such as `${var.vpc_id}`. Its value is unknown until an apply."""

    __slots__ = ()


@dataclass(frozen=True)
class MapExpression:
    """A map that Terraform computes, such as `var.route_tables`. See `modules/parts/for_each`."""

    expression: str
    filled: bool = True
    """Its truth value, for code that depends on whether the map has entries."""

    def __bool__(self) -> bool:
        return self.filled

    def __getitem__(self, name: str) -> Expression:
        return Expression(f'${{{self.expression}["{name}"]}}')

    def beside(self, name: str, value: object) -> "MapExpression":
        """Return the map with one more entry, which may be an expression, before the others."""
        return MapExpression(f"merge({{{name} = {unwrap(str(value))}}}, {self.expression})")


def subnet(cidr: IPv4Network | Expression, bits: int, number: int) -> str:
    """Return a subnet of `cidr` whose prefix is `bits` longer, by its number from 0."""
    if isinstance(cidr, Expression):
        return f"${{cidrsubnet({term(cidr)}, {bits}, {number})}}"
    return str(list(cidr.subnets(prefixlen_diff=bits))[number])


def zone_if_outside_vpc(ip: str, cidrs: Sequence[str], value: str) -> str | None:
    """Return `value` if the address is in none of `cidrs`, otherwise None."""
    if any(map(is_late, cidrs)):
        same = f'cidrhost("{ip}/${{split("/", cidr)[1]}}", 0) == cidrhost(cidr, 0)'
        return f'${{anytrue([for cidr in {listed(cidrs)} : {same}]) ? null : "{value}"}}'
    return None if any(IPv4Address(ip) in IPv4Network(cidr) for cidr in cidrs) else value


def truncated_name(name: str, limit: int) -> str:
    """Truncate `name` to the limit of AWS. The end of a truncated name is a hash, so names with the same beginning
    differ."""
    if is_late(name):
        text = term(name)
        start = f'trimsuffix(substr({text}, 0, {limit - 9}), "-")'
        return f'${{length({text}) <= {limit} ? {text} : "${{{start}}}-${{substr(sha256({text}), 0, 8)}}"}}'
    return name if len(name) <= limit else f"{name[: limit - 9].rstrip('-')}-{sha256(name.encode()).hexdigest()[:8]}"


def listed(texts: Iterable[str]) -> str:
    """Return a list of texts as part of an expression."""
    return f"[{', '.join(map(term, texts))}]"


def is_late(value: object) -> bool:
    """Return whether a value is or contains an expression."""
    return isinstance(value, MapExpression) or "${" in str(value)


def term(value: object) -> str:
    """Return a text that may contain `${...}` as part of an expression."""
    text = str(value)
    if "${TfToken[" in text:
        # Inside another reference, cdktf renders a token's reference without ${}.
        return text
    return unwrap(text) or f'"{text}"'


def unwrap(text: str) -> str | None:
    """Return the expression inside `${...}` if the text is exactly one expression, otherwise None."""
    depth = 0
    for place, character in enumerate(text if text.startswith("${") else ""):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0 and character == "}":
            return text[2:-1].strip() if place == len(text) - 1 else None
    return None


FOR_EACH = object()
"""Marks a map that constructs iterate over with `each`. In an exported module it may be a `MapExpression`."""
