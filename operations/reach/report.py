"""Walks every path from a cluster to an address, and collects the outcome of each hop."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network

from estate.errors import ExitCode, UserError
from estate.model import Estate
from modules.catalog import Connection
from modules.private_link.props import PrivateLinkProps
from modules.transit_gateway.props import TransitGatewayProps
from modules.vpc_peering.props import VpcPeeringProps
from operations.aws import Accounts
from operations.handoff.read import Deployed
from operations.handoff.status import Entry
from operations.handoff.status import report as handoff_report
from operations.reach.hops import Goal, by_gateway, destination, filters, way_back
from operations.reach.names import literal, resolve
from operations.reach.network import LiveVpc
from operations.reach.service import by_service
from operations.status.check import Check, Outcome, View, done, failed, unknown
from operations.status.connections import checks_of
from operations.status.report import Row, Status, as_row, held_back, outcome_of, where
from operations.status.shared import vpc_of

_ROUTED = (VpcPeeringProps, TransitGatewayProps)
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
            f"{cluster}: not a cluster in the file; available: {_listed(estate.clusters)}", ExitCode.BAD_INPUT
        )
    mine = {name: one for name, one in estate.connections.items() if cluster in one.cluster_names()}
    ways = {name: one for name, one in mine.items() if isinstance(one, (*_ROUTED, PrivateLinkProps))}
    if via and via not in ways:
        message = f"{via}: not a connection of {cluster} that carries packets; available: {_listed(ways) or 'none'}"
        raise UserError(message, ExitCode.BAD_INPUT)
    found = handoff_report(estate, stacks, {})
    role = estate.deployer.role if estate.deployer else None
    with Accounts(role, "reach") as accounts:
        views = {
            name: View(found, entry, *where(estate, entry), accounts, now)
            for name in mine
            if (entry := found.of_connection(name)).stack
        }
        rows = list(_rows(views, ways, cluster, host, port, protocol, ip, via))
        return Status(f"{cluster} to {host}:{port}", tuple(rows), accounts.readable)


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(names)


def _rows(
    views: Mapping[str, View],
    ways: Mapping[str, Connection],
    cluster: str,
    host: str,
    port: int,
    protocol: str,
    ip: IPv4Address | None,
    via: str | None,
) -> Iterator[Row]:
    services = [name for name, one in ways.items() if isinstance(one, PrivateLinkProps) and one.service]
    by_link = [name for name in services if via == name or (not via and "vpce" in host)]
    if by_link:
        for name in by_link:
            yield from _walk(views[name], [*by_service(views[name], cluster, port), _theirs_of_link(cluster)])
        return
    address, told = (ip, done(f"--ip {ip}")) if ip else (literal(host), done("HOST is an address"))
    if address is None:
        names = [view for name, view in views.items() if name not in ways]
        address, told = _resolved(names, cluster, host)
    entry = Entry(f"clusters.{cluster}", "cluster", None, "built", None, None, None)
    yield as_row(entry, "name", f"{cluster} resolves {host}", told)
    if address is None:
        return
    carrying = [
        name
        for name, one in ways.items()
        if isinstance(one, _ROUTED) and via in (None, name) and _has(views[name], one.network, address)
    ]
    if not carrying:
        networks = sorted({one.network for name, one in ways.items() if via in (None, name)})
        ranges = ", ".join(f"{name} {cidr}" for name in networks for cidr in _cidrs(next(iter(views.values())), name))
        evidence = f"no connection of {cluster} leads to a network with {address}; available: {ranges or 'none'}"
        fix = "add a `vpc_peering` or a `transit_gateway` to the network that contains it, or use another address"
        yield as_row(entry, "way", f"a connection leads to {address}", failed(evidence, fix))
        return
    for name in carrying:
        yield from _walk(views[name], list(_hops(views[name], ways[name], cluster, address, port, protocol)))


def _resolved(views: list[View], cluster: str, host: str) -> tuple[IPv4Address | None, Outcome]:
    if not views:
        return resolve([], cluster, host)
    found: list[IPv4Address | None] = []

    def look() -> Outcome:
        address, told = resolve(views, cluster, host)
        found.append(address)
        return told

    told = outcome_of(views[0], Check("name", "", look))
    return (found[0] if found else None), told


def _cidrs(v: View, network: str) -> list[IPv4Network]:
    return [cidr for _, cidr in v.estate.networks[network].occupied_cidrs()] if network else []


def _has(v: View, network: str, address: IPv4Address) -> bool:
    return any(address in cidr for cidr in _cidrs(v, network))


def _hops(v: View, props: Connection, cluster: str, address: IPv4Address, port: int, protocol: str) -> Iterator[Check]:
    side = v.estate.clusters[cluster]
    sources = (side.cidr, *side.additional_cidrs.values())
    goal = Goal(cluster, address, port, protocol, sources)
    vpc = LiveVpc(v, vpc_of(v, props.network))
    ranges = ", ".join(str(cidr) for cidr in _cidrs(v, props.network))
    yield from destination(goal, vpc)
    if isinstance(props, VpcPeeringProps):
        # The first steps of `status` are the first hops here: the request and its state.
        yield next(check for check in checks_of(props, v) if check.id in ("active", "peering_id"))
        target = props.peering_id or "the peering"
    else:
        assert isinstance(props, TransitGatewayProps)  # noqa: S101  the caller chose it by its type
        target = props.transit_gateway_id or str(v.fact("transit_gateway_id"))
        yield from by_gateway(goal, vpc, v, target, props.attachments.get(cluster))
    yield way_back(goal, vpc, target)
    yield from filters(goal, vpc)
    question = f"does cluster {cluster} route {ranges} to {target}, and allow packets to {port}?"
    look = lambda: unknown("your account cannot see it in AWS", f"{_ASK}{question}", "Astronomer")  # noqa: E731
    yield Check("astro-routes", f"Astronomer routes {ranges} to {target}", look)


def _theirs_of_link(cluster: str) -> Check:
    ask = f"{_ASK}does the endpoint's security group allow cluster {cluster}?"
    look = lambda: unknown("your account cannot see it in AWS", ask, "Astronomer")  # noqa: E731
    return Check("astro", "the endpoint's own security group allows the cluster", look)


def _walk(v: View, checks: list[Check]) -> Iterator[Row]:
    """Return the rows of one path, whose checks run concurrently."""
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda check: outcome_of(v, check), checks))
    found = {check.id: (check, outcome) for check, outcome in zip(checks, outcomes, strict=True)}
    for check, outcome in found.values():
        yield as_row(v.entry, check.id, check.title, held_back(found, check, outcome))
