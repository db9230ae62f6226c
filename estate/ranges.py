"""The rule on overlapping ranges."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from estate.model import Estate
from estate.source import Location, Problem
from estate.twins import TWIN
from modules.catalog import Connection
from modules.cluster import Cluster
from modules.vpc.props import VARIABLE, VpcProps


def overlaps(estate: Estate) -> Iterator[Problem]:
    """Yield overlapping ranges that meet in a route table or in a peering. A route table has one route per range, and
    AWS rejects a peering of VPCs with any range in common (facts B13).

    These ranges meet in route tables: those of a network and everything connected to it; those of a cluster and
    everything connected to it, through any network; and those of everything on one transit gateway. Only routed ranges
    count. Pods count only if a gateway announces them, and `unrouted_cidrs` never do. A cluster also counts with the
    ranges of its twin, which must be free before the failover. Some ranges that meet may overlap:

    - a cluster and its twin, which have the same ranges by default (facts C10), unless both are connected to one
      network or one transit gateway;
    - the pods of two clusters, because 100.64.0.0/19 is usual for each;
    - a range behind a connection that contains the other range, such as 10.0.0.0/8 behind a transit gateway and a VPC
      of 10.20.0.0/16. AWS prefers the route with the longer prefix, and a VPC's local route over all others;
    - one place that the file describes twice: a range that two connections have on premises behind one transit gateway,
      another network on that gateway, or a VPC that two accounts share.
    """
    # The ranges of a twin are in the entry of its cluster.
    twins = estate.twins()
    networks = {name: _places(("networks", name), network) for name, network in estate.networks.items()}
    clusters = {name: _places(("clusters", name), one) for name, one in estate.clusters.items() if name not in twins}
    behind = {name: _places(("connections", name), one) for name, one in estate.connections.items() if one.routed}
    meeting = {f"clusters.{name}": _Meeting(_routed(ranges)) for name, ranges in clusters.items()}
    meeting |= {f"networks.{name}": _Meeting(dict(ranges)) for name, ranges in networks.items()}
    whole = [(f"clusters.{name}", _Meeting(ranges)) for name, ranges in clusters.items()]
    for name, ranges in behind.items():
        connection, theirs = estate.connections[name], _Ranges()
        own = networks.get(connection.network, {})
        ours = _routed(own) | ranges
        for cluster in connection.cluster_names():
            every = clusters.get(twins.get(cluster, cluster), {})
            entry = estate.cluster_entry(cluster)
            meeting.setdefault(entry, _Meeting(_routed(every))).ranges.update(ours)
            if connection.pods_meet:
                whole.append((entry, _Meeting(every | (own if connection.whole_vpcs_meet else ours))))
            theirs |= _routed(every)
        network = f"networks.{connection.network}" if connection.network else None
        for place in filter(None, (network, connection.transit_gateway)):
            met = meeting.setdefault(place, _Meeting())
            met.ranges.update(theirs if place == network and not connection.routes_behind else ours | theirs)
            met.clusters.update(connection.cluster_names())

    sections = (networks, clusters, behind)
    ranges = {place: cidr for section in sections for part in section.values() for place, cidr in part.items()}
    turn = {place: number for number, place in enumerate(ranges)}
    told: set[tuple[Location, ...]] = set()
    for where, met in (*meeting.items(), *whole):
        for pair in _overlapping(met.ranges):
            one, other = sorted(pair, key=turn.__getitem__)
            twins_meet = {one[1], f"{one[1]}{TWIN}"} <= met.clusters
            apart = _are_twins(one, other) and not twins_meet
            if (one, other) not in told and not apart and not _may_overlap(estate, ranges, one, other):
                told.add((one, other))
                place = where if one[:2] != other[:2] else ".".join(map(str, one[:2]))
                both = (
                    f"{str(ranges[other])!r}{_default(estate, other)} overlaps {ranges[one]} of "
                    f"{'.'.join(map(str, one))}{_default(estate, one)}"
                )
                if _are_twins(one, other) and ranges[one] == ranges[other]:
                    yield Problem(
                        other,
                        f"{both}, and both clusters are connected with {where}, which has one route per range; request "
                        "another range for the twin, or connect the twin with another network or gateway",
                    )
                else:
                    yield Problem(
                        other,
                        f"{both}, and {place} needs routes to both; AWS cannot route between overlapping ranges: "
                        "change one",
                    )


_Ranges = dict[Location, IPv4Network]


@dataclass
class _Meeting:
    """The ranges of a route table, or of both sides of a peering, and the connected clusters."""

    ranges: _Ranges = field(default_factory=_Ranges)
    clusters: set[str] = field(default_factory=set[str])


def _places(entry: Location, part: Cluster | VpcProps | Connection) -> _Ranges:
    return {(*entry, *field): cidr for field, cidr in part.occupied_cidrs()}


def _is_pods(place: Location) -> bool:
    return place[0] == "clusters" and place[-1] in Cluster.unrouted_fields


def _is_unrouted(place: Location) -> bool:
    return place[0] == "networks" and place[2] in VpcProps.unrouted_fields


def _routed(ranges: Mapping[Location, IPv4Network]) -> _Ranges:
    """Return the ranges of a cluster or network that get routes."""
    return {place: cidr for place, cidr in ranges.items() if not _is_pods(place) and not _is_unrouted(place)}


def _default(estate: Estate, place: Location) -> str:
    """Return a remark on a range that the file does not have."""
    cluster = estate.clusters.get(str(place[1])) if place[0] == "clusters" else None
    return " (Astro's default)" if cluster and place[2:] == ("cidr",) and "cidr" not in cluster.model_fields_set else ""


def _are_twins(one: Location, other: Location) -> bool:
    """Return whether the ranges belong to a cluster and its twin, which are in one entry."""
    return one[:2] == other[:2] and one[0] == "clusters" and (one[2] == "dr") != (other[2] == "dr")


def _may_overlap(estate: Estate, ranges: _Ranges, *places: Location) -> bool:
    """Return whether two overlapping ranges are allowed by the exceptions of `overlaps`."""
    if all(map(_is_pods, places)):
        return True
    one, other = places
    sections = {one[0], other[0]}
    if any(map(_is_unrouted, places)) and "connections" in sections:
        return True
    if sections == {"networks"} and one[1] != other[1]:
        vpcs = [estate.networks[str(place[1])].vpc_id for place in places]
        return vpcs[0] not in (None, VARIABLE) and vpcs[0] == vpcs[1]
    if sections == {"networks", "connections"} and _is_the_network(estate, ranges, *places):
        return True
    if ranges[one] != ranges[other]:
        return min(places, key=lambda place: ranges[place].prefixlen)[0] == "connections"
    if sections != {"connections"}:
        return False
    behind = [(place[2], estate.connections[str(place[1])]) for place in places]
    gateways = {connection.transit_gateway for _, connection in behind}
    shared = any(field in connection.shared_range_fields for field, connection in behind)
    return shared and len(gateways) == 1 and None not in gateways


def _is_the_network(estate: Estate, ranges: _Ranges, *places: Location) -> bool:
    """Return whether an on-premises range is in another network of the same transit gateway, with two names."""
    network, behind = sorted(places, key=lambda place: place[0] == "connections")
    connection = estate.connections[str(behind[1])]
    on_it = {
        one.network
        for one in estate.connections.values()
        if one.transit_gateway == connection.transit_gateway is not None
    }
    return (
        behind[2] in connection.shared_range_fields
        and network[1] != connection.network
        and network[1] in on_it
        and ranges[behind].subnet_of(ranges[network])
    )


def _overlapping(ranges: _Ranges) -> Iterator[tuple[Location, Location]]:
    """Yield the overlapping ranges. Two ranges are either disjoint, or one contains the other. In the order of
    addresses, the ranges that contain the next one are open."""
    by_address = sorted(
        ranges.items(), key=lambda item: (int(item[1].network_address), item[1].prefixlen, str(item[0][0]))
    )
    open_: list[Location] = []
    for place, cidr in by_address:
        while open_ and not cidr.subnet_of(ranges[open_[-1]]):
            open_.pop()
        for holder in open_:
            yield holder, place
        # Of equal ranges, one of each section is compared with the rest, because many clusters have the same.
        if not open_ or cidr != ranges[open_[-1]] or place[0] != open_[-1][0]:
            open_.append(place)
