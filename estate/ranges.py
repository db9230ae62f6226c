"""The rule on ranges that overlap."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from estate.model import Estate
from estate.source import Location, Problem
from estate.twins import TWIN
from modules.catalog import Connection
from modules.cluster import Cluster
from modules.vpc.props import VpcProps


def overlaps(estate: Estate) -> Iterator[Problem]:
    """Ranges that overlap and meet: AWS refuses such a peering (facts B13), and a route table has one way to a range.

    These meet: a network and all that it is connected with; a cluster and all that it is connected with, by whatever
    networks; and all that is on one transit gateway. A cluster is there with the ranges of its twin, which must be
    free before the failover. Some that meet may overlap:

    - a cluster and its twin, which has the same ranges by default (facts C10), unless both are connected with one
      network or one transit gateway;
    - the pods of two clusters, because neither is routed, and 100.64.0.0/19 is usual for each;
    - a range behind a connection, if it holds the other, such as 10.0.0.0/8 behind a transit gateway and a VPC of
      10.20.0.0/16: of two routes AWS takes that of the longer prefix, and a VPC's own before all others;
    - one range that two connections have on premises behind one transit gateway: it is one place.
    """
    # A twin's ranges stand in the entry of its cluster.
    twins = estate.twins()
    networks = {name: _places(("networks", name), network) for name, network in estate.networks.items()}
    clusters = {name: _places(("clusters", name), one) for name, one in estate.clusters.items() if name not in twins}
    behind = {name: _places(("connections", name), one) for name, one in estate.connections.items() if one.routed}
    meeting = {f"clusters.{name}": dict(ranges) for name, ranges in clusters.items()}
    meeting |= {f"networks.{name}": dict(ranges) for name, ranges in networks.items()}
    connected: dict[str, set[str]] = {}
    for name, ours in behind.items():
        connection, theirs = estate.connections[name], _Ranges()
        ours = networks.get(connection.network, {}) | ours
        for cluster in connection.cluster_names():
            reached = clusters.get(twins.get(cluster, cluster), {})
            meeting.setdefault(estate.cluster_entry(cluster), dict(reached)).update(ours)
            theirs |= reached
        network = f"networks.{connection.network}" if connection.network else None
        for place in filter(None, (network, connection.transit_gateway)):
            meeting.setdefault(place, {}).update(ours | theirs)
            connected.setdefault(place, set()).update(connection.cluster_names())

    sections = (networks, clusters, behind)
    ranges = {place: cidr for section in sections for part in section.values() for place, cidr in part.items()}
    turn = {place: number for number, place in enumerate(ranges)}
    told: set[tuple[Location, ...]] = set()
    for where, together in meeting.items():
        for pair in _overlapping(together):
            one, other = sorted(pair, key=turn.__getitem__)
            apart = _are_twins(one, other) and not {one[1], f"{one[1]}{TWIN}"} <= connected.get(where, set())
            if (one, other) not in told and not apart and not _may_overlap(estate, ranges, one, other):
                told.add((one, other))
                met = where if one[:2] != other[:2] else ".".join(map(str, one[:2]))
                yield Problem(
                    other,
                    f"{str(ranges[other])!r} overlaps {ranges[one]} of {'.'.join(map(str, one))}, and the two meet at "
                    f"{met}; AWS cannot route between ranges that overlap: change one",
                )


_Ranges = dict[Location, IPv4Network]


def _places(entry: Location, part: Cluster | VpcProps | Connection) -> _Ranges:
    return {(*entry, *field): cidr for field, cidr in part.occupied_cidrs()}


def _are_twins(one: Location, other: Location) -> bool:
    """Whether the ranges are of a cluster and of its twin, which stand in one entry."""
    return one[:2] == other[:2] and one[0] == "clusters" and (one[2] == "dr") != (other[2] == "dr")


def _may_overlap(estate: Estate, ranges: _Ranges, *places: Location) -> bool:
    """Whether two ranges that overlap and meet do no harm, as `overlaps` says."""
    if all(place[0] == "clusters" and place[-1] in Cluster.unrouted_fields for place in places):
        return True
    one, other = places
    if ranges[one] != ranges[other]:
        return min(places, key=lambda place: ranges[place].prefixlen)[0] == "connections"
    if {one[0], other[0]} != {"connections"}:
        return False
    behind = [(place[2], estate.connections[str(place[1])]) for place in places]
    gateways = {connection.transit_gateway for _, connection in behind}
    shared = any(field in connection.shared_range_fields for field, connection in behind)
    return shared and len(gateways) == 1 and None not in gateways


def _overlapping(ranges: _Ranges) -> Iterator[tuple[Location, Location]]:
    """Two ranges are apart, or one holds the other. In the order of addresses, those that hold the next are open."""
    by_address = sorted(ranges.items(), key=lambda item: (int(item[1].network_address), item[1].prefixlen))
    open_: list[Location] = []
    for place, cidr in by_address:
        while open_ and not cidr.subnet_of(ranges[open_[-1]]):
            open_.pop()
        for holder in open_:
            yield holder, place
        if not open_ or cidr != ranges[open_[-1]]:
            open_.append(place)
