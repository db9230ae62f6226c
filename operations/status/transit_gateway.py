"""The checks of `main.py status` for a transit gateway: the share, the attachments, the routes and a hub on it."""

from collections.abc import Iterator, Mapping
from typing import Any

from modules.egress_hub.props import ANYWHERE, EgressHubProps
from modules.transit_gateway.props import RouteTables, TransitGatewayProps
from operations.status import shared
from operations.status.check import Check, Outcome, View, done, failed, waiting


def transit_gateway(p: TransitGatewayProps, v: View) -> Iterator[Check]:
    """Check the gateway, its share, each cluster's attachment, and the routes in both directions."""
    yield Check("gateway", "the transit gateway is available", lambda: _gateway(p, v))
    if p.accept_clusters:
        yield from shared.share(v, p)
    has_vpc = v.estate.networks[p.network].has_vpc
    if has_vpc:
        yield Check("network", f"the VPC of {p.network} is attached", lambda: _network(p, v), "gateway")
    tables = p.route_tables
    for name in p.clusters if p.accept_clusters else ():
        id_ = p.attachments.get(name)
        if id_ is None:
            field = f"attachments.{name}"
            yield Check(field, f"{name} is attached", lambda name=name: _unnamed(p, v, name), "gateway")
            continue
        attached = f"attachment:{name}"
        yield Check(attached, f"{id_} of {name} is available", lambda id_=id_: _attached(p, v, id_), "gateway")
        if tables:
            yield from _looked_up(v, name, id_, tables, attached)
    if tables and p.accept_clusters and has_vpc:
        table = tables.clusters
        yield Check("forward", f"{table} leads to {p.network}", lambda: _forward(p, v, table), "network")
    routed = [name for name in p.clusters if name in p.attachments or not p.accept_clusters]
    if routed and has_vpc:
        yield from shared.routes(v, p.network, routed, lambda: _id(p, v), "network")


def _looked_up(v: View, cluster: str, id_: str, tables: RouteTables, attached: str) -> Iterator[Check]:
    title = f"{cluster} looks up {tables.clusters}"
    yield Check(f"association:{cluster}", title, lambda: _associated(v, id_, tables.clusters), attached)
    cidrs = list(shared.ranges(v, cluster).values())
    title = f"{tables.network} has a return route to {cluster}"
    yield Check(f"back:{cluster}", title, lambda: _routes(v, tables.network, cidrs, id_), attached)


def _id(p: TransitGatewayProps, v: View) -> str:
    return p.transit_gateway_id or v.fact("transit_gateway_id")


def _gateway(p: TransitGatewayProps, v: View) -> Outcome:
    id_ = _id(p, v)
    answer = v.read("ec2:describe_transit_gateways").get("TransitGateways", [])
    state = next((one["State"] for one in answer if one["TransitGatewayId"] == id_), "absent")
    if state == "available":
        return done(f"{id_} is available")
    if state in ("pending", "modifying"):
        return waiting("AWS", f"{id_} is {state}", "wait a few minutes, and check again")
    return v.gone(f"{id_} is {state}")


def _attachments(p: TransitGatewayProps, v: View) -> list[dict[str, Any]]:
    answer = v.read("ec2:describe_transit_gateway_attachments").get("TransitGatewayAttachments", [])
    return [one for one in answer if one["TransitGatewayId"] == _id(p, v)]


def _of_network(p: TransitGatewayProps, v: View) -> dict[str, Any]:
    vpc_id = shared.vpc_of(v, p.network)
    mine = [one for one in _attachments(p, v) if one.get("ResourceId") == vpc_id]
    return next((one for one in mine if one["State"] == "available"), mine[0] if mine else {})


def _network(p: TransitGatewayProps, v: View) -> Outcome:
    found = _of_network(p, v)
    evidence = f"{found.get('TransitGatewayAttachmentId', shared.vpc_of(v, p.network))}: {found.get('State', 'absent')}"
    if found.get("State") == "available":
        return done(evidence)
    if p.attaches:
        return v.gone(evidence)
    fix = f"attach the VPC to {_id(p, v)}, or add `attach_network: true` to {v.entry.path}"
    return waiting("you", f"{evidence} at {_id(p, v)}", fix)


def _unnamed(p: TransitGatewayProps, v: View, cluster: str) -> Outcome:
    account, named = v.estate.clusters[cluster].account_id, set(p.attachments.values())
    for one in _attachments(p, v):
        id_ = one["TransitGatewayAttachmentId"]
        if one.get("ResourceOwnerId") == account and id_ not in named and one["State"] == "pendingAcceptance":
            write = f"confirm that it belongs to {cluster}, add `attachments: {{{cluster}: {id_}}}` to {v.entry.path}"
            since = shared.moment(one.get("CreationTime"))
            return waiting(
                "you", f"{id_} of account {account} is pendingAcceptance", f"{write}, then {v.deploy}", since
            )
    evidence = f"account {account} has no attachment that is missing from the file"
    return waiting("Astronomer", evidence, "send their support the ticket of `main.py handoff --for astronomer`")


def _attached(p: TransitGatewayProps, v: View, id_: str) -> Outcome:
    found = next((one for one in _attachments(p, v) if one["TransitGatewayAttachmentId"] == id_), {})
    state, since = found.get("State", "absent"), shared.moment(found.get("CreationTime"))
    evidence = f"{id_} of account {found.get('ResourceOwnerId', 'unknown')} is {state}"
    match state:
        case "available":
            return done(evidence, since)
        case "pendingAcceptance":
            return waiting("you", evidence, v.deploy, since)
        case "initiating" | "initiatingRequest" | "pending" | "modifying":
            return waiting("AWS", evidence, "wait a few minutes, and check again", since)
        case _:
            ask = "ask Astronomer's support to attach the cluster again, and enter the new ID in the file"
            return failed(evidence, ask, "Astronomer", since)


def _associated(v: View, attachment: str, table: str) -> Outcome:
    answer = v.read("ec2:get_transit_gateway_route_table_associations", TransitGatewayRouteTableId=table)
    found = next((one for one in answer.get("Associations", []) if one["TransitGatewayAttachmentId"] == attachment), {})
    evidence = f"the association of {attachment} with {table} is {found.get('State', 'absent')}"
    return done(evidence) if found.get("State") == "associated" else v.gone(evidence)


def egress_hub(p: EgressHubProps, v: View) -> Iterator[Check]:
    """Check the clusters' default route to the hub, and the routes back from the public subnets."""
    title = f"traffic to the internet goes to {p.network}"
    yield Check("default", title, lambda: _default(v))
    tables = v.facts.get("public_route_tables")
    if isinstance(tables, Mapping):
        gateway = lambda: str(v.fact("transit_gateway_id"))  # noqa: E731
        yield from shared.routes_in(v, tables, p.clusters, gateway, "default")


def _default(v: View) -> Outcome:
    return _routes(v, v.fact("route_table_id"), [str(ANYWHERE)], v.fact("attachment_id"))


def _routes(v: View, table: str, cidrs: list[str], attachment: str) -> Outcome:
    """Check that each range has a specific route to the attachment, or that the attachment propagates its ranges."""
    propagated = v.read("ec2:get_transit_gateway_route_table_propagations", TransitGatewayRouteTableId=table)
    states = {
        one["TransitGatewayAttachmentId"]: one["State"]
        for one in propagated.get("TransitGatewayRouteTablePropagations", [])
    }
    either = [{"Name": "state", "Values": ["active", "blackhole"]}]
    answer = v.read("ec2:search_transit_gateway_routes", TransitGatewayRouteTableId=table, Filters=either)
    there = {one.get("DestinationCidrBlock"): one for one in answer.get("Routes", [])}
    for cidr in cidrs:
        route = there.get(cidr)
        ids = [one["TransitGatewayAttachmentId"] for one in (route or {}).get("TransitGatewayAttachments", [])]
        if route is None and states.get(attachment) != "enabled":
            return v.gone(f"{table} has no route to {cidr}")
        if route and route["State"] != "active":
            return failed(f"the route of {table} to {cidr} is a {route['State']}", f"make {attachment} available")
        if route and attachment not in ids:
            return failed(f"{table} routes {cidr} to {', '.join(ids)}, not to {attachment}", v.deploy)
    return done(f"{table}: {', '.join(cidrs)} to {attachment}")


def _forward(p: TransitGatewayProps, v: View, table: str) -> Outcome:
    attachment = _of_network(p, v).get("TransitGatewayAttachmentId")
    if attachment is None:
        return failed(f"the VPC of {p.network} is not attached", f"attach it to {_id(p, v)}")
    cidrs = [str(cidr) for cidr in v.estate.networks[p.network].routed_cidrs()]
    return _routes(v, table, cidrs, attachment)
