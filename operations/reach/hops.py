"""The hops between a cluster and an address, in the order of a packet's path there and back."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from operations.reach.exact import Route, Span, best, covers, in_words, pieces, shut
from operations.reach.network import LiveVpc
from operations.status.check import Check, Outcome, View, done, failed, unknown

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


Block = Callable[[int], str]
"""Returns the obstacle for one address, or an empty string."""


def _each(goal: Goal, prefixes: list[IPv4Network], block: Block, well: str, fix: str) -> Outcome:
    """Return the outcome over every address of the cluster: the obstacles, each with its ranges."""
    blocked: dict[str, list[Span]] = {}
    for piece in pieces(goal.sources, prefixes):
        if why := block(piece[0]):
            blocked.setdefault(why, []).append(piece)
    if not blocked:
        return done(well)
    return failed("; ".join(f"{in_words(found)}: {why}" for why, found in blocked.items()), fix)


def _routed(goal: Goal, table: str, routes: list[Route], target: str, fix: str) -> Outcome:
    def block(address: int) -> str:
        route = best(routes, address)
        if route is None:
            return f"{table} has no route"
        if route.state != "active":
            return f"the route {route.prefix} of {table} is a {route.state}"
        return "" if route.target == target else f"the route {route.prefix} of {table} points to {route.target}"

    return _each(goal, [one.prefix for one in routes], block, f"{table} leads to {target}", fix)


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
            return _no_subnet(goal, vpc)
        id_, entries = vpc.acl_of(subnet["SubnetId"], goal.protocol)
        ports = EPHEMERAL if out else (goal.port, goal.port)
        way = "outbound" if out else "inbound"

        def block(address: int) -> str:
            return _shut(id_, way, shut(entries[out], address, ports))

        add = f"add an {way} entry to {id_} that allows {goal.protocol} {_ports(ports)} before the denying entry"
        well = f"{id_} allows {way} {goal.protocol} {_ports(ports)}"
        return _each(goal, [one.prefix for one in entries[out]], block, well, add)

    def group() -> Outcome:
        interface = vpc.interface_of(goal.address)
        if interface is None:
            return unknown(f"no network interface has {goal.address}, so its security groups are unknown", "")
        groups = [one["GroupId"] for one in interface["Groups"]]
        allowed = vpc.let_in(groups, goal.protocol, goal.port)
        named = ", ".join(groups) or "no group"

        def block(address: int) -> str:
            return (
                ""
                if any(covers(one, address) for one in allowed)
                else f"no inbound rule of {named} allows {goal.protocol} {goal.port}"
            )

        fix = f"add an `ingress` rule with {named} and from_port {goal.port} to the connection, and deploy"
        return _each(goal, allowed, block, f"{named} lets in {goal.protocol} {goal.port}", fix)

    yield Check(
        "acl-in", f"the network ACL allows {goal.cluster} to reach {goal.port}", lambda: acl(out=False), "subnet"
    )
    yield Check("acl-out", f"the network ACL allows responses to {goal.cluster}", lambda: acl(out=True), "subnet")
    yield Check("group", f"a security group allows {goal.cluster} to reach {goal.port}", group, "subnet")


def _shut(acl: str, way: str, denied: list[tuple[Span, int]]) -> str:
    told = [f"{_ports(ports)} by rule {'*' if number == 32767 else number}" for ports, number in denied]
    return f"{acl} denies {way} {', '.join(told)}" if told else ""


def _ports(ports: Span) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def _no_subnet(goal: Goal, vpc: LiveVpc) -> Outcome:
    return unknown(f"no subnet of {vpc.id} contains {goal.address}", "correct the address first")


def way_back(goal: Goal, vpc: LiveVpc, target: str) -> Check:
    """Return the check that the subnet's route table leads back to the cluster."""

    def look() -> Outcome:
        subnet = vpc.subnet_of(goal.address)
        if subnet is None:
            return _no_subnet(goal, vpc)
        table, routes = vpc.table_of(subnet["SubnetId"])
        ranges = ", ".join(map(str, goal.sources))
        fix = f"add {table.split()[0]} to `route_tables` of the network, or route {ranges} to {target} there"
        return _routed(goal, table, routes, target, fix)

    return Check("route", f"the subnet's route table leads back to {goal.cluster}", look, "subnet")


def by_gateway(goal: Goal, vpc: LiveVpc, v: View, gateway: str, theirs: str | None) -> Iterator[Check]:
    """Yield the hops over a transit gateway: attachments, zone, and the route tables in both directions."""

    def attachments() -> dict[str, dict[str, Any]]:
        answer = v.read("ec2:describe_transit_gateway_attachments").get("TransitGatewayAttachments", [])
        return {one["TransitGatewayAttachmentId"]: one for one in answer if one["TransitGatewayId"] == gateway}

    def mine() -> dict[str, Any]:
        found = [one for one in attachments().values() if one.get("ResourceId") == vpc.id]
        return next((one for one in found if one["State"] == "available"), found[0] if found else {})

    def available(found: Mapping[str, Any], absent: str, fix: str) -> Outcome:
        state = found.get("State", absent)
        evidence = f"{found.get('TransitGatewayAttachmentId', gateway)}: {state}"
        return done(evidence) if state == "available" else failed(evidence, fix)

    def zone() -> Outcome:
        id_, subnet = mine().get("TransitGatewayAttachmentId", vpc.id), vpc.subnet_of(goal.address)
        if subnet is None:
            return _no_subnet(goal, vpc)
        answer = v.read("ec2:describe_transit_gateway_vpc_attachments").get("TransitGatewayVpcAttachments", [])
        attached = next((one["SubnetIds"] for one in answer if one["TransitGatewayAttachmentId"] == id_), [])
        zones = {vpc.subnets[one]["AvailabilityZone"] for one in attached if one in vpc.subnets}
        if subnet["AvailabilityZone"] in zones:
            return done(f"{id_} has a subnet in {subnet['AvailabilityZone']}")
        evidence = f"{id_} has subnets only in {', '.join(sorted(zones)) or 'no zone'}; packets to and from "
        return failed(
            f"{evidence}{subnet['SubnetId']} in {subnet['AvailabilityZone']} are dropped",
            f"add a subnet of {subnet['AvailabilityZone']} to the attachment {id_}",
        )

    def table_of(attachment: str | None) -> str | None:
        found = attachments().get(attachment or "", {}).get("Association") or {}
        return found.get("TransitGatewayRouteTableId") if found.get("State") == "associated" else None

    def routes_of(table: str) -> list[Route]:
        either = [{"Name": "state", "Values": ["active", "blackhole"]}]
        answer = v.read("ec2:search_transit_gateway_routes", TransitGatewayRouteTableId=table, Filters=either)
        return [
            Route(
                IPv4Network(prefix),
                3 if one.get("Type") == "static" else 1,
                one["State"],
                ", ".join(each["TransitGatewayAttachmentId"] for each in one.get("TransitGatewayAttachments", [])),
            )
            for one in answer.get("Routes", [])
            for prefix in ([one["DestinationCidrBlock"]] if one.get("DestinationCidrBlock") else prefixes(one))
        ]

    def prefixes(route: Mapping[str, Any]) -> list[str]:
        return vpc.prefix_list(route["PrefixListId"]) if route.get("PrefixListId") else []

    def forward() -> Outcome:
        table, ours = table_of(theirs), mine().get("TransitGatewayAttachmentId", "your attachment")
        if table is None:
            fix = f"associate a route table of {gateway} with {theirs}"
            return failed(f"no route table is associated with {theirs}", fix)
        there = Goal(goal.cluster, goal.address, goal.port, goal.protocol, (IPv4Network(goal.address),))
        return _routed(there, table, routes_of(table), ours, f"route the network's ranges to {ours} in {table}")

    def back() -> Outcome:
        ours = mine().get("TransitGatewayAttachmentId")
        table = table_of(ours)
        if table is None:
            fix = f"associate a route table of {gateway} with {ours or vpc.id}"
            return failed(f"no route table is associated with {ours or vpc.id}", fix)
        return _routed(
            goal, table, routes_of(table), theirs or "", f"route the cluster's ranges to {theirs} in {table}"
        )

    named = "add the cluster's attachment to `attachments` in the file, and deploy"
    yield Check(
        "astro",
        f"{goal.cluster} is attached to {gateway}",
        lambda: available(attachments().get(theirs or "", {}), "absent", f"`cdktf deploy {v.entry.stack}`, or {named}"),
    )
    yield Check(
        "network",
        f"{vpc.id} is attached to {gateway}",
        lambda: available(
            mine(),
            f"{vpc.id} has no attachment",
            f"attach {vpc.id} to {gateway}, for example with `attach_network: true`",
        ),
    )
    yield Check("forward", f"the gateway routes {goal.cluster} to {goal.address}", forward)
    yield Check("zone", "the attachment has a subnet in the zone of the address", zone, "network")
    yield Check("back", f"the gateway routes responses to {goal.cluster}", back)
