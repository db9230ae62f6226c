"""The hops between a cluster and an address, in the order of a packet's path there and back."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

from operations.reach.exact import Route, Span, best, covers, in_words, pieces, shut
from operations.reach.network import LiveVpc
from operations.status.check import Check, Outcome, done, failed, unknown

EPHEMERAL = (1024, 65535)
"""The client ports that responses can be sent to."""


@dataclass(frozen=True)
class Goal:
    """A cluster's target, and the ranges that its packets come from."""

    cluster: str
    address: IPv4Address
    port: int
    protocol: str
    sources: tuple[IPv4Network, ...]

    def to_address(self) -> "Goal":
        """Return a goal whose only range is the address, to check the tables on the way to it."""
        return replace(self, sources=(IPv4Network(self.address),))


Block = Callable[[int], str]
"""Returns the obstacle for one address, or an empty string."""


def each(ranges: Sequence[IPv4Network], prefixes: list[IPv4Network], block: Block, well: str, fix: str) -> Outcome:
    """Return the outcome over every address of some ranges: the obstacles, each with its ranges."""
    blocked: dict[str, list[Span]] = {}
    for piece in pieces(ranges, prefixes):
        if why := block(piece[0]):
            blocked.setdefault(why, []).append(piece)
    if not blocked:
        return done(well)
    return failed("; ".join(f"{in_words(found)}: {why}" for why, found in blocked.items()), fix)


def routed(goal: Goal, table: str, routes: list[Route], targets: Collection[str], fix: str) -> Outcome:
    """Return whether a table's routes lead each address of the goal to one of the targets, by their IDs."""

    def block(address: int) -> str:
        route = best(routes, address)
        if route is None:
            return f"{table} has no route"
        if route.state != "active":
            return f"the route {route.prefix} of {table} is a {route.state}"
        # A transit gateway spreads packets over all attachments of a route.
        wrong = [target for target in route.target.split(", ") if target not in targets]
        return f"the route {route.prefix} of {table} points to {', '.join(wrong)}" if wrong else ""

    return each(goal.sources, [one.prefix for one in routes], block, f"{table} leads to {', '.join(targets)}", fix)


def destination(goal: Goal, vpc: LiveVpc) -> Iterator[Check]:
    """Check that the address is in the VPC, and that a network interface has it."""

    def subnet() -> Outcome:
        found = vpc.subnet_of(goal.address)
        if found:
            return done(f"{goal.address} is in {found['SubnetId']}")
        return failed(
            f"no subnet of {vpc.id} contains {goal.address}; the VPC's ranges are {', '.join(vpc.ranges) or 'unknown'}",
            "check the address that HOST resolves to, and the network's IDs in the file",
        )

    def interface() -> Outcome:
        found = vpc.interface_of(goal.address)
        if found:
            return done(f"{found['NetworkInterfaceId']} has {goal.address}")
        return unknown(
            f"no network interface has {goal.address} now",
            "start the service that listens there, then run this command again",
        )

    yield Check("subnet", f"{goal.address} is in a subnet of {vpc.id}", subnet)
    yield Check("interface", f"a network interface has {goal.address}", interface, "subnet")


def filters(goal: Goal, vpc: LiveVpc) -> Iterator[Check]:
    """Check that the subnet's ACL and the interface's groups allow packets in and responses out."""

    def acl(*, out: bool) -> Outcome:
        subnet = vpc.subnet_of(goal.address)
        if subnet is None:
            return no_subnet(goal, vpc)
        ports = EPHEMERAL if out else (goal.port, goal.port)
        return acl_allows(vpc, subnet["SubnetId"], goal.sources, goal.protocol, ports, out=out)

    def group() -> Outcome:
        interface = vpc.interface_of(goal.address)
        if interface is None:
            return unknown(f"no network interface has {goal.address}, so its security groups are unknown", "")
        groups = [one["GroupId"] for one in interface["Groups"]]
        allowed, _ = vpc.allowed(groups, goal.protocol, goal.port)
        named = ", ".join(groups) or "no group"

        def block(address: int) -> str:
            return (
                ""
                if any(covers(one, address) for one in allowed)
                else f"no inbound rule of {named} allows {goal.protocol} {goal.port}"
            )

        fix = f"add an `ingress` rule with {named} and from_port {goal.port} to the connection, and deploy"
        return each(goal.sources, allowed, block, f"{named} lets in {goal.protocol} {goal.port}", fix)

    yield Check(
        "acl-in", f"the network ACL allows {goal.cluster} to reach {goal.port}", lambda: acl(out=False), "subnet"
    )
    yield Check("acl-out", f"the network ACL allows responses to {goal.cluster}", lambda: acl(out=True), "subnet")
    yield Check("group", f"a security group allows {goal.cluster} to reach {goal.port}", group, "subnet")


def acl_allows(
    vpc: LiveVpc, subnet_id: str, ranges: Sequence[IPv4Network], protocol: str, ports: Span, *, out: bool
) -> Outcome:
    """Return whether the ACL of a subnet allows packets from every address of some ranges, or to them (`out`)."""
    id_, entries = vpc.acl_of(subnet_id, protocol)
    way = "outbound" if out else "inbound"

    def block(address: int) -> str:
        return _shut(id_, way, shut(entries[out], address, ports))

    add = f"add an {way} entry to {id_} that allows {protocol} {_ports(ports)} before the denying entry"
    return each(
        ranges, [one.prefix for one in entries[out]], block, f"{id_} allows {way} {protocol} {_ports(ports)}", add
    )


def all_of(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the first outcome that fails, then the first that is unknown, and otherwise that all are done."""
    found = list(outcomes)
    for state in ("failed", "unknown"):
        if one := next((one for one in found if one.state == state), None):
            return one
    return done("; ".join(dict.fromkeys(one.evidence for one in found)))


def _shut(acl: str, way: str, denied: list[tuple[Span, int]]) -> str:
    told = [f"{_ports(ports)} by rule {'*' if number == 32767 else number}" for ports, number in denied]
    return f"{acl} denies {way} {', '.join(told)}" if told else ""


def _ports(ports: Span) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def no_subnet(goal: Goal, vpc: LiveVpc) -> Outcome:
    """Return the outcome of a hop that depends on a subnet, where none contains the address."""
    return unknown(f"no subnet of {vpc.id} contains {goal.address}", "correct the address first")


def way_back(goal: Goal, vpc: LiveVpc, target: str) -> Check:
    """Return the check that the subnet's route table has a return route to the cluster."""

    def look() -> Outcome:
        subnet = vpc.subnet_of(goal.address)
        if subnet is None:
            return no_subnet(goal, vpc)
        table, routes = vpc.table_of(subnet["SubnetId"])
        ranges = ", ".join(map(str, goal.sources))
        fix = f"add {table.split()[0]} to `route_tables` of the network, or route {ranges} to {target} there"
        return routed(goal, table, routes, [target], fix)

    return Check("route", f"the subnet's route table has a return route to {goal.cluster}", look, "subnet")
