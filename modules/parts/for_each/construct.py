"""Iteration over the entries of maps, some of which may be known only at apply time.

A root has every value of the estate. A construct creates one resource for each entry of a map, with the entry's name in
its address. In an exported module, the values are expressions such as `${var.vpc_id}`, and a map with unknown entries
is a `MapExpression`. In this case, one resource has a `for_each`. The code of constructs is the same for both.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import Any

from cdktf import TerraformIterator, Token

from modules.expressions import MapExpression, listed

Entries = Mapping[str, Any] | MapExpression


def each(*maps: Entries) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], Any]]:
    """Yield every combination of one entry of each map: the names, the values as text, and the `for_each` if there is
    one.

    An entry of a `MapExpression` has the name "". With several of them, the keys of the resource are the names joined
    by `_`.
    """
    late = [map_ for map_ in maps if isinstance(map_, MapExpression)]
    over = _over(_combined(late)) if late else None
    several = (f"${{each.value[{number}]}}" for number in range(len(late)))
    ours = iter(["${each.value}"]) if len(late) == 1 else several
    parts = [[("", next(ours))] if isinstance(map_, MapExpression) else list(map_.items()) for map_ in maps]
    for combination in product(*parts):
        yield tuple(name for name, _ in combination), tuple(str(value) for _, value in combination), over


@lru_cache(maxsize=64)
def _over(expression: str) -> TerraformIterator:
    # Many resources use the same map, and each iterator costs two messages to Node.
    return TerraformIterator.from_map(Token.as_any_map(expression))


def _combined(late: list[MapExpression]) -> str:
    if len(late) == 1:
        return f"${{{late[0].expression}}}"
    keys = ", ".join(f"keys({one.expression})" for one in late)
    values = ", ".join(f"{one.expression}[names[{number}]]" for number, one in enumerate(late))
    return f'${{{{for names in setproduct({keys}) : join("_", names) => [{values}]}}}}'


def values(*maps: Entries) -> list[str]:
    """Return the distinct values of all maps as text, sorted."""
    known = sorted({str(value) for map_ in maps if not isinstance(map_, MapExpression) for value in map_.values()})
    late = [f"values({map_.expression})" for map_ in maps if isinstance(map_, MapExpression)]
    if not late:
        return known
    return Token.as_list(f"${{sort(distinct(concat({', '.join([listed(known), *late])})))}}")


def by_name(ranges: Entries) -> Any:
    """Return the ranges of a cluster for a hand-over."""
    if isinstance(ranges, MapExpression):
        return Token.as_any(f"${{{ranges.expression}}}")
    return {name or "cidr": str(cidr) for name, cidr in ranges.items()}
