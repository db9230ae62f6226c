"""What constructs make of a value that Terraform knows later.

A root has every value of the estate, and a construct makes one resource for each entry of a map, with the entry's name
in its address. In an exported module (`stacks/module.py`) the values are expressions, such as `${var.vpc_id}`, and a
map that may have other entries is a `Late`: then one resource has a `for_each`. Constructs say the same for both.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network
from itertools import product
from typing import Any

from cdktf import TerraformIterator, Token

from modules.vocabulary import Late, bare

Entries = Mapping[str, Any] | Late


def each(*maps: Entries) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], Any]]:
    """Every combination of one entry of each map: the names, the values as text, and the `for_each` if there is one.

    A `Late` has the name "", and of several the resource's keys are the names joined by `_`.
    """
    late = [map_ for map_ in maps if isinstance(map_, Late)]
    over = TerraformIterator.from_map(Token.as_any_map(_combined(late))) if late else None
    several = (f"${{each.value[{number}]}}" for number in range(len(late)))
    ours = iter(["${each.value}"]) if len(late) == 1 else several
    parts = [[("", next(ours))] if isinstance(map_, Late) else list(map_.items()) for map_ in maps]
    for combination in product(*parts):
        yield tuple(name for name, _ in combination), tuple(str(value) for _, value in combination), over


def _combined(late: list[Late]) -> str:
    if len(late) == 1:
        return f"${{{late[0].expression}}}"
    keys = ", ".join(f"keys({one.expression})" for one in late)
    values = ", ".join(f"{one.expression}[names[{number}]]" for number, one in enumerate(late))
    return f'${{{{for names in setproduct({keys}) : join("_", names) => [{values}]}}}}'


def values(*maps: Entries) -> list[str]:
    """All values as text, each once, in the order of their letters."""
    known = sorted({str(value) for map_ in maps if not isinstance(map_, Late) for value in map_.values()})
    late = [f"values({map_.expression})" for map_ in maps if isinstance(map_, Late)]
    if not late:
        return known
    return Token.as_list(f"${{sort(distinct(concat({', '.join([listed(known), *late])})))}}")


def by_name(ranges: Entries) -> Any:
    """A cluster's ranges for a handoff."""
    if isinstance(ranges, Late):
        return Token.as_any(f"${{{ranges.expression}}}")
    return {name or "cidr": str(cidr) for name, cidr in ranges.items()}


def subnet(cidr: IPv4Network, bits: int, number: int) -> str:
    """Of the subnets of `cidr` that are `bits` longer, the one of that number, from 0."""
    if is_late(cidr):
        return f"${{cidrsubnet({term(cidr)}, {bits}, {number})}}"
    return str(list(cidr.subnets(prefixlen_diff=bits))[number])


def only_if_outside(ip: str, cidrs: Sequence[str], value: str) -> str | None:
    """`value` where the address is in none of `cidrs`, else nothing."""
    if any(map(is_late, cidrs)):
        same = f'cidrhost("{ip}/${{split("/", cidr)[1]}}", 0) == cidrhost(cidr, 0)'
        return f'${{anytrue([for cidr in {listed(cidrs)} : {same}]) ? null : "{value}"}}'
    return None if any(IPv4Address(ip) in IPv4Network(cidr) for cidr in cidrs) else value


def fitted(name: str, limit: int) -> str:
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
    """Whether Terraform knows it later."""
    return isinstance(value, Late) or "${" in str(value)


def term(value: object) -> str:
    """A text with `${...}` in it as a part of an expression."""
    text = str(value)
    if Token.is_unresolved(text):
        # cdktf writes the reference of a token without ${} if it is inside of another.
        return text
    return bare(text) or f'"{text}"'
