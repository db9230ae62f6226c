"""Creates the resources of `facts.py` in moto's backends, in the server's process."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from moto.ec2.models import (
    customer_gateways,
    ec2_backends,
    network_acls,
    route_tables,
    security_groups,
    subnets,
    transit_gateway,
    transit_gateway_attachments,
    transit_gateway_route_tables,
    vpc_peering_connections,
    vpcs,
    vpn_gateway,
)
from moto.elbv2.models import elbv2_backends
from moto.kms.models import kms_backends
from moto.logs.models import logs_backends
from moto.ram.models import ram_backends
from moto.route53.models import route53_backends
from moto.route53resolver.models import route53resolver_backends
from moto.sns.models import sns_backends

from . import clock
from . import facts as shape
from .patches.ram import is_shared, share
from .patches.transit_gateway import attach_vpc, home_of

_ASTRO_CIDR = "172.20.0.0/20"

# moto generates new IDs with these functions, each in the module that creates the resource.
_GENERATORS = {
    "vpc": (vpcs, "random_vpc_id"),
    "route_table": (route_tables, "random_route_table_id"),
    "subnet": (subnets, "random_subnet_id"),
    "security_group": (security_groups, "random_security_group_id"),
    "network_acl": (network_acls, "random_network_acl_id"),
    "vpn_gateway": (vpn_gateway, "random_vpn_gateway_id"),
    "customer_gateway": (customer_gateways, "random_customer_gateway_id"),
    "transit_gateway": (transit_gateway, "random_transit_gateway_id"),
    "transit_gateway_route_table": (transit_gateway_route_tables, "random_transit_gateway_route_table_id"),
    "transit_gateway_attachment": (transit_gateway_attachments, "random_transit_gateway_attachment_id"),
    "peering": (vpc_peering_connections, "random_vpc_peering_connection_id"),
    "vpc_endpoint": (vpcs, "random_vpc_ep_id"),
}


class _Chosen(threading.local):
    """The IDs for the next resources of this thread; requests in other threads get random ones."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}


_chosen = _Chosen()


def _chosen_or(kind: str, random_id: Callable[[], str]) -> Callable[[], str]:
    return lambda: _chosen.ids.pop(kind, None) or random_id()


for _kind, (_module, _name) in _GENERATORS.items():
    setattr(_module, _name, _chosen_or(_kind, getattr(_module, _name)))


@contextmanager
def _ids(**ids: str | None) -> Generator[None]:
    """Give the next resource of each kind the ID in `ids`, if any."""
    outer, _chosen.ids = _chosen.ids, {kind: id_ for kind, id_ in ids.items() if id_}
    try:
        yield
    finally:
        _chosen.ids = outer


def make(facts: shape.Facts) -> None:
    makers: dict[str, Callable[[Any], None]] = {
        "vpcs": _vpc,
        "vpn_gateways": _vpn_gateway,
        "customer_gateways": _customer_gateway,
        "transit_gateways": _transit_gateway,
        "transit_gateway_attachments": _transit_gateway_attachment,
        "peering_requests": _peering_request,
        "tunnels": _tunnel,
        "vpc_endpoints": _vpc_endpoint,
        "resolver_endpoints": _resolver_endpoint,
        "resolver_rules": _resolver_rule,
        "hosted_zones": _hosted_zone,
        "load_balancers": _load_balancer,
        "endpoint_services": _endpoint_service,
        "log_groups": _log_group,
        "topics": _topic,
        "keys": _key,
    }
    if unknown := facts.keys() - makers.keys():
        raise KeyError(f"unknown kind: {', '.join(sorted(unknown))}; the kinds are {', '.join(makers)}")
    for kind, maker in makers.items():
        for fact in facts.get(kind, []):
            maker(fact)


def _ec2(fact: shape.Place) -> Any:
    return ec2_backends[fact["account"]][fact["region"]]


def _vpc(fact: shape.Vpc) -> None:
    ec2 = _ec2(fact)
    if fact["id"] not in ec2.vpcs:
        with _ids(vpc=fact["id"]):
            vpc = ec2.create_vpc(fact["cidr"])
        vpc.enable_dns_support = fact.get("dns_support", True)
        vpc.enable_dns_hostnames = fact.get("dns_hostnames", False)
        vpc.add_tags(fact.get("tags", {}))
        for cidr in fact.get("secondary_cidrs", []):
            ec2.associate_vpc_cidr_block(vpc.id, cidr, amazon_provided_ipv6_cidr_block=False)
    for route_table in fact.get("route_tables", []):
        if route_table not in ec2.route_tables:
            with _ids(route_table=route_table):
                ec2.create_route_table(fact["id"])
    for subnet in fact.get("subnets", []):
        _subnet(ec2, fact["id"], subnet)
    for group in fact.get("security_groups", []):
        if group not in ec2.groups[fact["id"]]:
            with _ids(security_group=group):
                ec2.create_security_group(group, "exists already", vpc_id=fact["id"])
    for acl in fact.get("network_acls", []):
        if acl not in ec2.network_acls:
            with _ids(network_acl=acl):
                ec2.create_network_acl(fact["id"])


def _subnet(ec2: Any, vpc_id: str, fact: shape.Subnet) -> None:
    if any(fact["id"] in in_zone for in_zone in ec2.subnets.values()):
        return
    with _ids(subnet=fact["id"]):
        ec2.create_subnet(vpc_id, fact["cidr"], availability_zone=fact.get("zone", f"{ec2.region_name}a"))
    if "route_table" in fact:
        ec2.associate_route_table(fact["route_table"], subnet_id=fact["id"])


def _vpn_gateway(fact: shape.VpnGateway) -> None:
    ec2 = _ec2(fact)
    if fact["id"] not in ec2.vpn_gateways:
        with _ids(vpn_gateway=fact["id"]):
            ec2.create_vpn_gateway(amazon_side_asn=str(fact.get("asn", 64512)))
        if "vpc" in fact:
            ec2.attach_vpn_gateway(fact["id"], fact["vpc"])


def _customer_gateway(fact: shape.CustomerGateway) -> None:
    ec2 = _ec2(fact)
    if fact["id"] not in ec2.customer_gateways:
        with _ids(customer_gateway=fact["id"]):
            ec2.create_customer_gateway("ipsec.1", ip_address=fact["ip"], bgp_asn=fact.get("asn", 65000))


def _transit_gateway(fact: shape.TransitGateway) -> None:
    ec2 = _ec2(fact)
    if fact["id"] not in ec2.transit_gateways:
        options = {
            "AmazonSideAsn": str(fact.get("asn", 64512)),
            "AutoAcceptSharedAttachments": _enabled(fact.get("auto_accept", False)),
            "DefaultRouteTableAssociation": _enabled(fact.get("default_association", True)),
            "DefaultRouteTablePropagation": _enabled(fact.get("default_propagation", True)),
        }
        with _ids(transit_gateway=fact["id"], transit_gateway_route_table=fact.get("default_route_table")):
            ec2.create_transit_gateway(description="exists already", options=options)
    for route_table in fact.get("route_tables", []):
        if route_table not in ec2.transit_gateways_route_tables:
            with _ids(transit_gateway_route_table=route_table):
                ec2.create_transit_gateway_route_table(fact["id"])
    gateway = ec2.transit_gateways[fact["id"]]
    for account in fact.get("shared_with", []):
        if not is_shared(gateway.arn, account):
            share(ram_backends[fact["account"]][fact["region"]], gateway.arn, account)


def _enabled(choice: bool) -> str:
    return "enable" if choice else "disable"


def _vpc_of(fact: Any) -> Any:
    """Return the VPC that a fact of another account names; create it if it does not exist."""
    ec2 = _ec2(fact)
    if fact.get("vpc") not in ec2.vpcs:
        with _ids(vpc=fact.get("vpc")):
            vpc = ec2.create_vpc(fact.get("cidr", _ASTRO_CIDR))
        for cidr in fact.get("secondary_cidrs", []):
            ec2.associate_vpc_cidr_block(vpc.id, cidr, amazon_provided_ipv6_cidr_block=False)
        return vpc
    return ec2.vpcs[fact["vpc"]]


def _transit_gateway_attachment(fact: shape.TransitGatewayAttachment) -> None:
    ec2 = _ec2(fact)
    if fact["id"] in ec2.transit_gateway_attachments:
        return
    home = home_of(fact["transit_gateway"], fact["region"])
    if home is None:
        raise KeyError(f"no transit gateway {fact['transit_gateway']} in {fact['region']}")
    vpc = _vpc_of(fact)
    in_vpc = ec2.describe_subnets(filters={"vpc-id": [vpc.id]})
    subnet = in_vpc[0] if in_vpc else ec2.create_subnet(vpc.id, vpc.cidr_block, availability_zone=f"{fact['region']}a")
    with _ids(transit_gateway_attachment=fact["id"]):
        attachment = attach_vpc(ec2, home.transit_gateways[fact["transit_gateway"]], vpc.id, [subnet.id], {}, {})
    attachment.state = fact.get("state", attachment.state)
    attachment.resource_type = fact.get("resource_type", attachment.resource_type)


def _peering_request(fact: shape.PeeringRequest) -> None:
    requester, accepter = _ec2(fact["requester"]), _ec2(fact["accepter"])
    if fact["id"] not in requester.vpc_pcxs:
        theirs, ours = _vpc_of(fact["requester"]), accepter.get_vpc(fact["accepter"]["vpc"])
        with _ids(peering=fact["id"]):
            request = requester.create_vpc_peering_connection(theirs, ours)
        if status := fact.get("status"):
            request._status.code = status


def _tunnel(fact: shape.Tunnel) -> None:
    connection: Any = _ec2(fact).vpn_connections[fact["connection"]]
    connection.vgw_telemetry[fact["number"] - 1] |= {
        "Status": fact["status"],
        "AcceptedRouteCount": fact.get("accepted_routes", 0),
        "LastStatusChange": clock.now(),
    }


def _vpc_endpoint(fact: shape.VpcEndpoint) -> None:
    ec2 = _ec2(fact)
    if fact["id"] not in ec2.vpc_end_points:
        with _ids(vpc_endpoint=fact["id"]):
            endpoint = ec2.create_vpc_endpoint(_vpc_of(fact).id, fact["service"], "Interface", None, [])
        endpoint.state = "pendingAcceptance"
    if state := fact.get("state"):
        ec2.vpc_end_points[fact["id"]].state = state


def _resolver_endpoint(fact: shape.ResolverEndpoint) -> None:
    resolver = route53resolver_backends[fact["account"]][fact["region"]]
    if fact["id"] not in resolver.resolver_endpoints:
        endpoint = resolver.create_resolver_endpoint(
            region=fact["region"],
            creator_request_id=str(uuid.uuid4()),
            name="exists-already",
            security_group_ids=fact["security_groups"],
            direction=fact.get("direction", "OUTBOUND"),
            ip_addresses=[{"SubnetId": subnet} for subnet in fact["subnets"]],
            tags=[],
        )
        # moto generates this ID inside the function, so it is replaced afterwards.
        resolver.resolver_endpoints[fact["id"]] = resolver.resolver_endpoints.pop(endpoint.id)
        endpoint.id = fact["id"]


def _resolver_rule(fact: shape.ResolverRule) -> None:
    resolver = route53resolver_backends[fact["account"]][fact["region"]]
    if fact["id"] not in resolver.resolver_rules:
        rule = resolver.create_resolver_rule(
            region=fact["region"],
            creator_request_id=str(uuid.uuid4()),
            name="exists-already",
            rule_type="FORWARD",
            domain_name=fact["domain"],
            target_ips=[{"Ip": ip, "Port": 53} for ip in fact.get("targets", [])],
            resolver_endpoint_id=fact.get("endpoint", ""),
            tags=[],
        )
        resolver.resolver_rules[fact["id"]] = resolver.resolver_rules.pop(rule.id)
        rule.id = rule.rule_id = fact["id"]


def _hosted_zone(fact: shape.HostedZone) -> None:
    route53 = route53_backends[fact["account"]]["aws"]
    if fact["id"] not in route53.zones:
        zone = route53.create_hosted_zone(fact["domain"], True, vpcid=fact["vpc"], vpcregion=fact["region"])
        route53.zones[fact["id"]] = route53.zones.pop(zone.resource_id)
        zone.resource_id = fact["id"]


def _load_balancer(fact: shape.LoadBalancer) -> None:
    elb = elbv2_backends[fact["account"]][fact["region"]]
    if fact["arn"] not in elb.load_balancers:
        name = fact["arn"].split("/")[2]
        balancer = elb.create_load_balancer(name, [], fact["subnets"], scheme="internal", loadbalancer_type="network")
        # moto's own ARN describes an application load balancer.
        elb.load_balancers[fact["arn"]] = elb.load_balancers.pop(balancer.arn)
        balancer.arn = fact["arn"]


def _endpoint_service(fact: shape.EndpointService) -> None:
    ec2, id_ = _ec2(fact), fact["name"].rpartition(".")[2]
    if id_ not in ec2.configurations:
        regions = [fact["region"], *fact.get("regions", [])]
        service = ec2.create_vpc_endpoint_service_configuration([], True, "", [], supported_regions=regions)
        ec2.configurations[id_] = ec2.configurations.pop(service.id)
        service.id, service.service_name = id_, fact["name"]
        service.principals = list(fact["principals"])
        service.availability_zones = fact.get("zones") or [zone.name for zone in ec2.describe_availability_zones()]


def _log_group(fact: shape.LogGroup) -> None:
    logs = logs_backends[fact["account"]][fact["region"]]
    if fact["name"] not in logs.groups:
        logs.create_log_group(fact["name"], {})


def _topic(fact: shape.Topic) -> None:
    sns_backends[fact["account"]][fact["region"]].create_topic(fact["name"])


def _key(fact: shape.Key) -> None:
    kms = kms_backends[fact["account"]][fact["region"]]
    alias = f"alias/{fact['alias'].removeprefix('alias/')}"
    if not kms.alias_exists(alias):
        key = kms.create_key(
            policy="",
            key_usage="ENCRYPT_DECRYPT",
            key_spec="SYMMETRIC_DEFAULT",
            description="exists already",
            tags=[],
        )
        kms.create_alias(key.id, alias)
