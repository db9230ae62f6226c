"""Evaluates routes and network ACLs exactly, for every address of a range.

A range is split at each boundary of a route's or rule's prefix. All addresses of a piece are treated alike, so one
address decides for the whole piece. A property test compares the result with every single address.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, summarize_address_range

Span = tuple[int, int]
"""The first and the last address, or the first and the last port."""


def span(network: IPv4Network) -> Span:
    """Return the first and the last address of a network."""
    return int(network.network_address), int(network.broadcast_address)


def pieces(ranges: Iterable[IPv4Network], prefixes: Collection[IPv4Network]) -> Iterator[Span]:
    """Split ranges so that no prefix begins or ends inside a piece."""
    cuts = {bound for first, last in map(span, prefixes) for bound in (first, last + 1)}
    for first, last in map(span, ranges):
        starts = sorted({first} | {cut for cut in cuts if first < cut <= last})
        yield from zip(starts, [*(start - 1 for start in starts[1:]), last], strict=True)


def in_words(found: Iterable[Span]) -> str:
    """Return the pieces as prefixes, for a message."""
    merged: list[Span] = []
    for first, last in sorted(found):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return ", ".join(str(n) for a, b in merged for n in summarize_address_range(IPv4Address(a), IPv4Address(b)))


def covers(network: IPv4Network, address: int) -> bool:
    """Return whether an address is in a network."""
    first, last = span(network)
    return first <= address <= last


@dataclass(frozen=True)
class Route:
    """A route of a VPC or of a transit gateway. Of two routes with the same prefix, the higher rank wins."""

    prefix: IPv4Network
    rank: int
    state: str
    target: str


def best(routes: Iterable[Route], address: int) -> Route | None:
    """Return the route for an address: the longest prefix. A blackhole can win too, and drops the packet."""
    fitting = (one for one in routes if one.state != "filtered" and covers(one.prefix, address))
    return max(fitting, key=lambda one: (one.prefix.prefixlen, one.rank), default=None)


@dataclass(frozen=True)
class Entry:
    """An entry of a network ACL, for one direction and one protocol."""

    number: int
    prefix: IPv4Network
    ports: Span
    allow: bool


def shut(entries: Iterable[Entry], address: int, ports: Span) -> list[tuple[Span, int]]:
    """Return the ports that an ACL denies for an address, each with the number of the rule.

    32767 is the last rule, which denies everything that no other rule matches.
    """
    left, denied = [ports], list[tuple[Span, int]]()
    for entry in sorted(entries, key=lambda one: one.number):
        if not covers(entry.prefix, address):
            continue
        rest: list[Span] = []
        for low, high in left:
            first, last = max(low, entry.ports[0]), min(high, entry.ports[1])
            if first > last:
                rest.append((low, high))
                continue
            if not entry.allow:
                denied.append(((first, last), entry.number))
            rest += [one for one in ((low, first - 1), (last + 1, high)) if one[0] <= one[1]]
        left = rest
    return sorted([*denied, *((one, 32767) for one in left)])
