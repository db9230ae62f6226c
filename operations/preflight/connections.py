"""The checks of a connection: whether the IDs in the file exist in AWS and are usable."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from botocore import exceptions, xform_name

from modules.connection import ConnectionProps, SharingProps
from modules.egress_hub.props import EgressHubProps
from modules.hosted_zone.props import HostedZoneProps
from modules.private_link.props import PrivateLinkProps
from modules.remote_agents.props import RemoteAgentsProps
from modules.resolver_rules.props import ResolverRulesProps
from modules.transit_gateway.props import TransitGatewayProps
from modules.vocabulary import partition
from modules.vpc_peering.props import VpcPeeringProps
from modules.vpn.props import VpnProps
from operations.preflight.named import named
from operations.preflight.place import Place, blocked, elsewhere, ok, warning
from operations.status.check import Check, Outcome, View, unknown
from operations.status.connections import checks_of


def connection(p: Place, props: ConnectionProps, v: View) -> Iterator[Check]:
    """Check one connection. `v` lets its checks of `main.py status` be used here too."""
    if isinstance(props, VpcPeeringProps) and props.peering_id:
        id_ = props.peering_id
        yield Check("peering", f"{id_} can be accepted", lambda: _peering(props, v))
        title = f"the requester's range is that of {props.cluster}"
        yield Check("range", title, lambda: _requester(p, props, id_), "peering")
    if isinstance(props, TransitGatewayProps):
        yield from _transit_gateway(p, props)
    if isinstance(props, SharingProps) and props.inside_organization:
        yield Check("organization", "RAM shares in your AWS organization", lambda: organization(p))
    yield from named(p, props.model_dump())
    for id_, name, region, subnets in _services(props):
        title = f"{name} is offered to you"
        service = name, region or p.region, subnets
        look = lambda service=service: _offered(p, props, *service)  # noqa: E731
        yield Check(f"service:{id_}", title, look)
    for one in (one for one in _named(p, props) if one.ids):
        title = f"{', '.join(one.ids)} {'exists' if len(one.ids) == 1 else 'exist'}"
        yield Check(one.field, title, lambda one=one: _exist(p, one))


def _services(props: ConnectionProps) -> Iterator[tuple[str, str, str | None, tuple[str, ...] | None]]:
    """Yield each endpoint service of another account: the entry's name for it, its name, its region and the subnets."""
    if isinstance(props, RemoteAgentsProps) and props.service_name:
        yield "service_name", props.service_name, props.service_region(), props.subnets
    if isinstance(props, PrivateLinkProps):
        for key, one in props.endpoints.items():
            if one.is_vendors:
                yield key, one.service, one.region(), one.subnets


def _offered(p: Place, props: ConnectionProps, name: str, region: str, subnets: Collection[str] | None) -> Outcome:
    owner = "Astronomer" if isinstance(props, RemoteAgentsProps) else "the vendor"
    abroad: dict[str, Any] = {} if region == p.region else {"ServiceRegions": [region]}
    answer = p.read("ec2:describe_vpc_endpoint_services", ServiceNames=[name], **abroad).get("ServiceDetails", [])
    found = next((one for one in answer if one["ServiceName"] == name), None)
    if found is None:
        # AWS returns the same error for a name that does not exist.
        asked = f"arn:{partition(p.region)}:iam::{p.account_id}:root" + (f" and {p.region}" if abroad else "")
        fix = f"compare the name; if it is right, ask {owner} to allow {asked}"
        return blocked(f"AWS offers no {name} to account {p.account_id} in {p.region}", fix)
    evidence = f"{name} of account {found['Owner']}"
    # AWS compares zones only for a service in the endpoint's region. It lists the zones by your account's names.
    if abroad:
        return ok(f"{evidence} is offered in {p.region}")
    zones = found["AvailabilityZones"]
    evidence = f"{evidence} is in {', '.join(zones) or 'none of your zones'}"
    if wrong := [f"{one} is in {zone}" for one, zone in _zones(p, props, subnets) if zone not in zones]:
        return blocked(f"{evidence}, and {', '.join(wrong)}", "name subnets in these zones in `subnets`")
    return ok(evidence)


def _zones(p: Place, props: ConnectionProps, subnets: Collection[str] | None) -> Iterator[tuple[str, str]]:
    """Return the names of subnets of the network, each with its zone. Those that do not exist have another check."""
    network = p.estate.networks[props.network]
    if new := network.create:
        zones = {f"private-{letter}": new.zone(p.region, letter) for letter in new.letters()}
    else:
        answer = p.read("ec2:describe_subnets").get("Subnets", [])
        there = {one["SubnetId"]: one["AvailabilityZone"] for one in answer}
        zones = {one: there[id_] for one, id_ in network.subnets.items() if id_ in there}
    return ((one, zone) for one, zone in zones.items() if subnets is None or one in subnets)


def _peering(props: VpcPeeringProps, v: View) -> Outcome:
    found = next(check for check in checks_of(props, v) if check.id == "active").look()
    if found.state == "done" or "is pending-acceptance" in found.evidence:
        return ok(found.evidence)
    return warning(found.evidence, found.fix) if found.state == "waiting" else blocked(found.evidence, found.fix)


def _requester(p: Place, props: VpcPeeringProps, id_: str) -> Outcome:
    answer = p.read("ec2:describe_vpc_peering_connections").get("VpcPeeringConnections", [])
    theirs = next((one["RequesterVpcInfo"] for one in answer if one["VpcPeeringConnectionId"] == id_), {})
    blocks = {str(one["CidrBlock"]) for one in [*theirs.get("CidrBlockSet", []), theirs] if one.get("CidrBlock")}
    cidr = str(p.estate.clusters[props.cluster].cidr)
    if not blocks:
        # AWS may show the ranges only after the acceptance.
        ask = f"ask Astronomer's support: is the range of {props.cluster}'s VPC {cidr}?"
        return unknown(f"AWS does not show the ranges of the requester of {id_} yet", ask)
    if cidr not in blocks:
        fix = f"correct cidr of clusters.{props.cluster}: the routes would lead nowhere"
        return blocked(f"{id_} is of a VPC with {', '.join(sorted(blocks))}, not {cidr}", fix)
    return ok(f"{id_} is of a VPC with {', '.join(sorted(blocks))}")


def _transit_gateway(p: Place, props: TransitGatewayProps) -> Iterator[Check]:
    if id_ := props.transit_gateway_id:
        yield Check("gateway", f"{id_} is yours and available", lambda: _gateway(p, id_))
    for cluster, attachment in props.attachments.items():
        title = f"{attachment} of {cluster} can be accepted"
        look = lambda cluster=cluster, attachment=attachment: _attachment(p, props, cluster, attachment)  # noqa: E731
        yield Check(f"attachment:{cluster}", title, look)
    if props.route_tables:
        tables = {props.route_tables.clusters, props.route_tables.network, *props.route_tables.others.values()}
        title = f"{', '.join(sorted(tables))} belong to the gateway"
        yield Check("route_tables", title, lambda: _tables(p, props, tables))
        network = props.route_tables.network
        title = f"no route of {network} leads a cluster's range elsewhere"
        yield Check("routes", title, lambda: _routes(p, props, network))


def _gateway(p: Place, id_: str) -> Outcome:
    answer = p.read("ec2:describe_transit_gateways").get("TransitGateways", [])
    found = next((one for one in answer if one["TransitGatewayId"] == id_), None)
    if found is None:
        return blocked(f"{id_} does not exist in account {p.account_id}, {p.region}", "correct transit_gateway_id")
    owner = found.get("OwnerId", p.account_id)
    if owner != p.account_id:
        fix = f"move the connection to a network of account {owner}: only the owner can share the gateway"
        return blocked(f"{id_} belongs to account {owner}", fix)
    if found["State"] != "available":
        return blocked(f"{id_} is {found['State']}", "wait until it is available")
    return ok(f"{id_} of account {owner} is available")


def _attachment(p: Place, props: TransitGatewayProps, cluster: str, id_: str) -> Outcome:
    answer = p.read("ec2:describe_transit_gateway_attachments").get("TransitGatewayAttachments", [])
    found = next((one for one in answer if one["TransitGatewayAttachmentId"] == id_), None)
    ask = "ask Astronomer's support to attach the cluster, and enter the ID in the file"
    if found is None:
        return blocked(f"{id_} does not exist in account {p.account_id}, {p.region}", ask)
    account = p.estate.clusters[cluster].account_id
    evidence = f"{id_} of account {found.get('ResourceOwnerId')} at {found['TransitGatewayId']} is {found['State']}"
    if account and found.get("ResourceOwnerId") != account:
        return blocked(f"{evidence}, but {cluster} is in account {account}", "do not accept it; correct the ID")
    if props.transit_gateway_id and found["TransitGatewayId"] != props.transit_gateway_id:
        return blocked(evidence, f"correct the ID: it must be attached to {props.transit_gateway_id}")
    if found["State"] in ("pendingAcceptance", "available"):
        return ok(evidence)
    if found["State"] in ("initiating", "initiatingRequest", "pending", "modifying"):
        return warning(evidence, "wait a few minutes, and check again")
    return blocked(evidence, ask)


def _tables(p: Place, props: TransitGatewayProps, ids: Collection[str]) -> Outcome:
    answer = p.read("ec2:describe_transit_gateway_route_tables").get("TransitGatewayRouteTables", [])
    there = {one["TransitGatewayRouteTableId"]: one["TransitGatewayId"] for one in answer}
    wanted = props.transit_gateway_id
    wrong = [
        f"{one} belongs to {there[one]}" if one in there else f"{one} does not exist"
        for one in sorted(ids)
        if one not in there or (wanted and there[one] != wanted)
    ]
    if wrong:
        return blocked(", ".join(wrong), "correct the ID; `aws ec2 describe-transit-gateway-route-tables` lists them")
    return ok(f"{', '.join(sorted(ids))} of {wanted or 'the gateway'}")


def _routes(p: Place, props: TransitGatewayProps, table: str) -> Outcome:
    either = [{"Name": "state", "Values": ["active", "blackhole"]}]
    answer = p.read("ec2:search_transit_gateway_routes", TransitGatewayRouteTableId=table, Filters=either)
    taken: list[str] = []
    narrower: list[str] = []
    for cluster in props.clusters:
        side, ours = p.estate.clusters[cluster], props.attachments.get(cluster)
        for cidr in (side.cidr, *side.additional_cidrs.values()):
            for one in answer.get("Routes", []):
                ids = [to["TransitGatewayAttachmentId"] for to in one.get("TransitGatewayAttachments", [])]
                there = IPv4Network(one.get("DestinationCidrBlock", "0.0.0.0/32"))
                told = f"{table} routes {there} to {', '.join(ids) or 'nothing'}"
                if ours in ids or not there.subnet_of(cidr):
                    continue
                if there == cidr and one.get("Type") != "propagated":
                    taken.append(f"{told}, the range of {cluster}")
                else:
                    narrower.append(f"{told}, a part of {cidr} of {cluster}")
    return elsewhere(taken, narrower, f"{table} has no other route to a cluster's range")


def organization(p: Place) -> Outcome:
    """Return whether RAM may share in the organization of an account."""
    try:
        answer = p.read("organizations:list_aws_service_access_for_organization", "us-east-1")
    except exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "AWSOrganizationsNotInUseException":
            raise
        return blocked(f"account {p.account_id} is in no AWS organization", "remove inside_organization")
    if "ram.amazonaws.com" in [one["ServicePrincipal"] for one in answer.get("EnabledServicePrincipals", [])]:
        return ok("ram.amazonaws.com has access to the organization")
    fix = "`aws ram enable-sharing-with-aws-organization` in the management account"
    return blocked("ram.amazonaws.com has no access to the organization", fix)


@dataclass(frozen=True)
class _Named:
    """IDs in the file. `usable` returns why a resource that exists cannot be used, or an empty string."""

    field: str
    ids: tuple[str, ...]
    call: str
    items: str
    id: str
    usable: Callable[[Mapping[str, Any]], str] = lambda _: ""


def _named(p: Place, props: ConnectionProps) -> Iterator[_Named]:
    if isinstance(props, ResolverRulesProps):
        rules = tuple(one.rule_id for one in props.rules.values() if one.rule_id)
        forwards = lambda one: "" if one["RuleType"] == "FORWARD" else f"is a rule of type {one['RuleType']}"  # noqa: E731
        yield _Named("rules", rules, "route53resolver:list_resolver_rules", "ResolverRules", "Id", forwards)
        out = lambda one: "" if one["Direction"] == "OUTBOUND" else f"is {one['Direction']}"  # noqa: E731
        ids = (props.endpoint_id,) if props.endpoint_id else ()
        yield _Named("endpoint_id", ids, "route53resolver:list_resolver_endpoints", "ResolverEndpoints", "Id", out)
    if isinstance(props, HostedZoneProps):
        private = lambda one: "" if one["Config"]["PrivateZone"] else "is public"  # noqa: E731
        ids = (f"/hostedzone/{props.zone_id}",) if props.zone_id else ()
        yield _Named("zone_id", ids, "route53:list_hosted_zones", "HostedZones", "Id", private)
    if isinstance(props, VpnProps):
        vpc_id = p.estate.networks[props.network].vpc_id if props.network else None
        attached = lambda one: (  # noqa: E731
            "" if vpc_id in [to["VpcId"] for to in one.get("VpcAttachments", [])] else f"is not attached to {vpc_id}"
        )
        ids = (props.vpn_gateway_id,) if props.vpn_gateway_id else ()
        yield _Named("vpn_gateway_id", ids, "ec2:describe_vpn_gateways", "VpnGateways", "VpnGatewayId", attached)
        ids = (props.transit_gateway_id,) if props.transit_gateway_id else ()
        yield _Named("transit_gateway_id", ids, "ec2:describe_transit_gateways", "TransitGateways", "TransitGatewayId")
        ids = tuple(one.customer_gateway_id for one in props.gateways.values() if one.customer_gateway_id)
        yield _Named("gateways", ids, "ec2:describe_customer_gateways", "CustomerGateways", "CustomerGatewayId")
        ids = tuple({id_ for one in props.gateways.values() if (id_ := one.direct_connect_attachment_id)})
        yield _of_gateway("direct_connect_attachment_id", ids, props)
        tables = props.route_tables
        ids = tuple(sorted({one for one in (tables.association, *tables.routes.values()) if one}))
        yield _of_gateway("route_tables", ids, props)
    if isinstance(props, TransitGatewayProps):
        ids = tuple(one.attachment_id for one in props.on_premises.values() if one.attachment_id)
        yield _of_gateway("on_premises", ids, props)
    if isinstance(props, EgressHubProps) and props.transit_gateway_id:
        ids = (props.transit_gateway_id,)
        yield _Named("transit_gateway_id", ids, "ec2:describe_transit_gateways", "TransitGateways", "TransitGatewayId")
        for field in ("route_table_id", "attachment_id"):
            yield _of_gateway(field, (getattr(props, field),), props)
    if isinstance(props, PrivateLinkProps) and props.service:
        ids = props.service.load_balancers
        yield _Named("load_balancers", ids, "elbv2:describe_load_balancers", "LoadBalancers", "LoadBalancerArn")
        connected = "ec2:describe_vpc_endpoint_connections"
        ids = tuple(props.service.accepted_endpoints.values())
        yield _Named("accepted_endpoints", ids, connected, "VpcEndpointConnections", "VpcEndpointId")


def _of_gateway(field: str, ids: tuple[str, ...], props: ConnectionProps) -> _Named:
    """Return the IDs of route tables or attachments, which have to belong to the connection's transit gateway."""
    what = "TransitGatewayRouteTable" if ids and ids[0].startswith("tgw-rtb-") else "TransitGatewayAttachment"
    call = f"ec2:describe_{xform_name(what)}s"

    def belongs(one: Mapping[str, Any]) -> str:
        gateway = one["TransitGatewayId"]
        return "" if props.transit_gateway in (None, gateway) else f"belongs to {gateway}"

    return _Named(field, ids, call, f"{what}s", f"{what}Id", belongs)


def _exist(p: Place, named: _Named) -> Outcome:
    there = {one[named.id]: one for one in p.read(named.call).get(named.items, [])}
    wrong = [
        f"{id_} {named.usable(there[id_]) if id_ in there else 'does not exist'}"
        for id_ in named.ids
        if id_ not in there or named.usable(there[id_])
    ]
    if wrong:
        fix = f"correct {named.field} in the file"
        return blocked(f"{', '.join(wrong)} in account {p.account_id}, {p.region}", fix)
    return ok(f"{', '.join(named.ids)} in account {p.account_id}")
