"""Walks every path from a cluster to an address, and collects the outcome of each hop."""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network

from estate.errors import ExitCode, UserError
from estate.model import Estate
from modules.catalog import Connection
from modules.egress_hub.props import ANYWHERE, EgressHubProps
from modules.private_link.props import PrivateLinkProps
from modules.remote_agents.props import RemoteAgentsProps
from modules.transit_gateway.props import TransitGatewayProps
from modules.vocabulary import is_private
from modules.vpc_peering.props import VpcPeeringProps
from modules.vpn.props import VpnProps
from operations.aws import Accounts
from operations.handoff.read import Deployed
from operations.handoff.status import report as handoff_report
from operations.reach.agents import from_agents, names_of
from operations.reach.egress import to_internet
from operations.reach.gateway import LiveGateway, Theirs, beyond, device, into_tunnels, to_vpc
from operations.reach.hops import Goal, destination, filters, way_back
from operations.reach.names import literal, resolve
from operations.reach.network import LiveVpc
from operations.reach.service import by_service
from operations.status.check import Check, Outcome, View, done, failed, unknown
from operations.status.connections import checks_of
from operations.status.report import Row, Status, as_row, held_back, outcome_of, where
from operations.status.shared import vpc_of

_TO_VPC = (VpcPeeringProps, TransitGatewayProps)
_WAYS = (*_TO_VPC, PrivateLinkProps, VpnProps, EgressHubProps, RemoteAgentsProps)
_ASK = "ask Astronomer's support: "


def reach(
    estate: Estate,
    stacks: Mapping[str, Deployed],
    now: datetime,
    cluster: str,
    host: str,
    port: int,
    *,
    protocol: str = "tcp",
    ip: IPv4Address | None = None,
    via: str | None = None,
) -> Status:
    """Return the hops from a cluster to HOST and PORT over each connection that could carry it.

    Raises UserError if the file has no such cluster or connection.
    """
    if cluster not in estate.clusters:
        raise UserError(
            f"{cluster}: is not a cluster in the file; available: {_listed(estate.clusters)}", ExitCode.BAD_INPUT
        )
    mine = {name: one for name, one in estate.connections.items() if cluster in one.cluster_names()}
    ways = {name: one for name, one in mine.items() if isinstance(one, _WAYS)}
    ways |= {
        name: one
        for name, one in estate.connections.items()
        if isinstance(one, VpnProps) and _gateway_of(one, cluster, ways)
    }
    if via and via not in ways:
        message = f"{via}: not a connection of {cluster} that carries packets; available: {_listed(ways) or 'none'}"
        raise UserError(message, ExitCode.BAD_INPUT)
    found = handoff_report(estate, stacks, {})
    role = estate.deployer.role if estate.deployer else None
    with Accounts(role, "reach") as accounts:
        # A VPN is checked with its gateway, which another entry names.
        views = {
            name: View(found, entry, *where(estate, entry), accounts, now)
            for name in estate.connections
            if (entry := found.of_connection(name)).stack or name in ways
        }
        question = Question(estate, cluster, host, port, protocol, ip, via)
        named = [view for name, view in views.items() if name in mine and name not in ways]
        return Status(f"{cluster} to {host}:{port}", tuple(_rows(question, views, ways, named)), accounts.readable)


def airflow_commands(host: str, port: int, protocol: str) -> list[str]:
    """Return shell commands for a task in Airflow that resolve HOST and connect to PORT.

    An address needs no lookup, UDP has no connection, and the name of a PrivateLink service is not a host.
    """
    if host.startswith(("com.amazonaws.", "cn.com.amazonaws.")):
        return []
    name = json.dumps(host)
    lookup = f"import socket; print({{one[4][0] for one in socket.getaddrinfo({name}, None)}})"
    connect = f'import socket; socket.create_connection(({name}, {port}), 10); print("connected")'
    needed = [*([] if literal(host) else [lookup]), *([connect] if protocol == "tcp" else [])]
    return [shlex.join(["python3", "-c", code]) for code in needed]


@dataclass(frozen=True)
class Question:
    """The question of a user: can a cluster reach a host and port?"""

    estate: Estate
    cluster: str
    host: str
    port: int
    protocol: str
    ip: IPv4Address | None
    via: str | None
    """The only connection to check; None for all."""

    def chosen(self, ways: Mapping[str, Connection]) -> dict[str, Connection]:
        """Return the connections to check."""
        return {name: one for name, one in ways.items() if self.via in (None, name)}

    def goal(self, address: IPv4Address) -> Goal:
        """Return the goal for the host's address."""
        side = self.estate.clusters[self.cluster]
        return Goal(self.cluster, address, self.port, self.protocol, (side.cidr, *side.additional_cidrs.values()))

    def cidrs(self, network: str) -> list[IPv4Network]:
        """Return the ranges of a network."""
        return [cidr for _, cidr in self.estate.networks[network].occupied_cidrs()] if network else []


def _gateway_of(props: VpnProps | EgressHubProps, cluster: str, ways: Mapping[str, Connection]) -> str | None:
    """Return the cluster's `transit_gateway` connection to the gateway that a VPN or a hub attaches to."""
    joined = [
        (cluster in one.attachments, name)
        for name, one in ways.items()
        if isinstance(one, TransitGatewayProps)
        and (name == props.transit_gateway_of or (one.transit_gateway_id or "") == props.transit_gateway_id)
    ]
    return max(joined, default=(False, None))[1]


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(names)


def _rows(
    question: Question, views: Mapping[str, View], ways: Mapping[str, Connection], named: list[View]
) -> Iterator[Row]:
    cluster, host = question.cluster, question.host
    chosen = question.chosen(ways)
    agents = {name: one for name, one in chosen.items() if isinstance(one, RemoteAgentsProps)}
    if meant := [name for name, one in agents.items() if question.via or host in names_of(one, views[name])]:
        for name in meant:
            yield from _walk(views[name], _from_agents(question, views[name], agents[name]))
        return
    services = [name for name, one in chosen.items() if isinstance(one, PrivateLinkProps) and one.service]
    if services and (question.via or "vpce" in host):
        for name in services:
            yield from _walk(views[name], [*by_service(views[name], cluster, question.port), _theirs_of_link(cluster)])
        return
    address, told = (
        (question.ip, done(f"--ip {question.ip}")) if question.ip else (literal(host), done("HOST is an address"))
    )
    if address is None:
        hub = any(isinstance(one, EgressHubProps) for one in chosen.values())
        address, told = _resolved(named, cluster, host, internet=hub)
    entry = f"clusters.{cluster}"
    yield as_row(entry, "cluster", "name", f"{cluster} resolves {host}", told)
    if address is None:
        return
    paths = dict(_paths(question, views, ways, question.goal(address)))
    if not paths:
        yield as_row(entry, "cluster", "way", f"a connection leads to {address}", _no_path(question, chosen, address))
    for name, checks in paths.items():
        yield from _walk(views[name], checks)


def _paths(
    question: Question, views: Mapping[str, View], ways: Mapping[str, Connection], goal: Goal
) -> Iterator[tuple[str, Iterator[Check]]]:
    """Yield the connections that could carry packets to the address, with their hops."""
    chosen = question.chosen(ways)
    vpns = {name: one for name, one in chosen.items() if isinstance(one, VpnProps)}
    to_vpcs = [
        name
        for name, one in chosen.items()
        if isinstance(one, _TO_VPC) and any(goal.address in cidr for cidr in question.cidrs(one.network))
    ]
    behind = [name for name, one in vpns.items() if any(goal.address in cidr for cidr in one.static_routes.values())]
    for name, one in chosen.items():
        if isinstance(one, TransitGatewayProps):
            for place, site in one.on_premises.items():
                if goal.address in site.cidr:
                    yield name, _to_site(views[name], one, goal, place, site.attachment_id)
    # Only the gateway knows the ranges that BGP announces, so the ranges of the file come first.
    announced = [name for name, one in vpns.items() if not one.static_routes and not to_vpcs and not behind]
    for name in to_vpcs:
        yield name, _to_vpc(question, views[name], ways[name], goal)
    for name in (*behind, *announced):
        yield name, _to_devices(views, ways, name, vpns[name], goal)
    for name, one in chosen.items():
        if isinstance(one, EgressHubProps) and not to_vpcs and not behind and not is_private(goal.address):
            yield name, _to_internet(views, ways, name, one, goal)


def _no_path(question: Question, ways: Mapping[str, Connection], address: IPv4Address) -> Outcome:
    if not is_private(address):
        evidence = f"{address} is public, and {question.cluster} has no egress_hub"
        fix = "the traffic leaves from the cluster's external IPs; allow them at the destination, or use --ip"
        return unknown(evidence, fix)
    ranges = [
        f"{network} {cidr}"
        for network in sorted({one.network for one in ways.values() if isinstance(one, _TO_VPC)})
        for cidr in question.cidrs(network)
    ]
    ranges += [
        f"{name} {cidr}"
        for name, one in ways.items()
        if isinstance(one, VpnProps)
        for cidr in one.static_routes.values()
    ]
    there = ", ".join(ranges) or "none"
    evidence = f"no connection of {question.cluster} leads to a network with {address}; available: {there}"
    fix = "add a `vpc_peering` or a `transit_gateway` to the network that contains it, or use another address"
    return failed(evidence, fix)


def _resolved(views: list[View], cluster: str, host: str, *, internet: bool) -> tuple[IPv4Address | None, Outcome]:
    if not views:
        return resolve([], cluster, host, internet=internet)
    found: list[IPv4Address | None] = []

    def look() -> Outcome:
        address, told = resolve(views, cluster, host, internet=internet)
        found.append(address)
        return told

    told = outcome_of(views[0], Check("name", "", look))
    return (found[0] if found else None), told


def _to_vpc(question: Question, v: View, props: Connection, goal: Goal) -> Iterator[Check]:
    vpc = LiveVpc(v, vpc_of(v, props.network))
    yield from destination(goal, vpc)
    if isinstance(props, VpcPeeringProps):
        # The first steps of `status` are the first hops here: the request and its state.
        yield next(check for check in checks_of(props, v) if check.id in ("active", "peering_id"))
        target = props.peering_id or "the peering"
    else:
        assert isinstance(props, TransitGatewayProps)  # noqa: S101  the caller chose it by its type
        target = _gateway_id(v, props)
        theirs = Theirs(props.attachments.get(goal.cluster), v.entry.stack)
        yield from to_vpc(goal, vpc, v, LiveGateway(v, target), theirs)
    yield way_back(goal, vpc, target)
    yield from filters(goal, vpc)
    yield _theirs(goal, ", ".join(str(cidr) for cidr in question.cidrs(props.network)), target)


def _to_site(v: View, props: TransitGatewayProps, goal: Goal, place: str, attachment: str | None) -> Iterator[Check]:
    gateway, theirs = LiveGateway(v, _gateway_id(v, props)), Theirs(props.attachments.get(goal.cluster), v.entry.stack)
    # Without an ID, the existing route shows the network's attachment.
    named = [attachment] if attachment else []
    yield from beyond(goal, gateway, theirs, lambda: named or gateway.targets(theirs.attachment, goal.address))
    yield device(goal, [place])
    yield _theirs(goal, str(goal.address), gateway.id)


def _to_devices(
    views: Mapping[str, View], ways: Mapping[str, Connection], name: str, vpn: VpnProps, goal: Goal
) -> Iterator[Check]:
    if joined := _gateway_of(vpn, goal.cluster, ways):
        props = ways[joined]
        assert isinstance(props, TransitGatewayProps)  # noqa: S101  _gateway_of chose it by its type
        theirs = Theirs(props.attachments.get(goal.cluster), views[joined].entry.stack)
        target = _gateway_id(views[joined], props)
        # The VPN's account owns the gateway, and sees all its attachments.
        yield from into_tunnels(goal, vpn, views[name], LiveGateway(views[name], target), theirs)
    else:
        target = "the VPN in the cluster's VPC"
    yield device(goal, vpn.gateways)
    yield _theirs(goal, str(goal.address), target)


def _to_internet(
    views: Mapping[str, View], ways: Mapping[str, Connection], name: str, hub: EgressHubProps, goal: Goal
) -> Iterator[Check]:
    v = views[name]
    gateway = LiveGateway(v, _gateway_id(v, hub))
    account, attachment = v.estate.clusters[goal.cluster].account_id, None
    if joined := ways.get(_gateway_of(hub, goal.cluster, ways) or ""):
        assert isinstance(joined, TransitGatewayProps)  # noqa: S101  _gateway_of chose it by its type
        attachment = joined.attachments.get(goal.cluster)
    elif len(found := [id_ for id_, one in gateway.attachments().items() if one["ResourceOwnerId"] == account]) == 1:
        # The gateway's owner accepts attachments elsewhere, so that only AWS shows the cluster's.
        attachment = found[0]
    vpc, ours = LiveVpc(v, vpc_of(v, hub.network)), hub.attachment_id or str(v.fact("attachment_id"))
    yield from to_internet(goal, vpc, v, gateway, Theirs(attachment, v.entry.stack), ours)
    yield _theirs(goal, str(ANYWHERE), gateway.id)


def _gateway_id(v: View, props: TransitGatewayProps | EgressHubProps) -> str:
    return props.transit_gateway_id or str(v.fact("transit_gateway_id"))


def _theirs(goal: Goal, ranges: str, target: str) -> Check:
    """Return the last hop, which is in Astronomer's account."""
    question = f"does cluster {goal.cluster} route {ranges} to {target}, and allow packets to {goal.port}?"
    look = lambda: unknown("your account cannot see it in AWS", f"{_ASK}{question}", "Astronomer")  # noqa: E731
    return Check("astro-routes", f"Astronomer routes {ranges} to {target}", look)


def _theirs_of_link(cluster: str) -> Check:
    ask = f"{_ASK}does the endpoint's security group allow cluster {cluster}?"
    look = lambda: unknown("your account cannot see it in AWS", ask, "Astronomer")  # noqa: E731
    return Check("astro", "the endpoint's own security group allows the cluster", look)


def _from_agents(question: Question, v: View, props: RemoteAgentsProps) -> Iterator[Check]:
    vpc = LiveVpc(v, vpc_of(v, props.network))
    yield from from_agents(props, v, vpc, question.protocol, question.port)
    yield _theirs_of_agents(question.cluster)


def _theirs_of_agents(cluster: str) -> Check:
    ask = f"{_ASK}does the service for Remote Execution Agents of cluster {cluster} answer?"
    look = lambda: unknown("your account cannot see it in AWS", ask, "Astronomer")  # noqa: E731
    return Check("astro", f"Astronomer's service leads to {cluster}", look)


def _walk(v: View, hops: Iterable[Check]) -> Iterator[Row]:
    """Return the rows of one path, whose checks run concurrently."""
    checks: list[Check] = []
    # A path names resources that a deploy creates.
    begin = Check("path", f"{v.entry.path} is deployed", lambda: checks.extend(hops) or done(""))
    if (outcome := outcome_of(v, begin)).state != "done":
        yield as_row(v.entry.path, v.entry.type, begin.id, begin.title, outcome)
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda check: outcome_of(v, check), checks))
    found = {check.id: (check, outcome) for check, outcome in zip(checks, outcomes, strict=True)}
    for check, outcome in found.values():
        yield as_row(v.entry.path, v.entry.type, check.id, check.title, held_back(found, check, outcome))
