"""The checks of quotas: existing resources and those that the stacks add, compared with AWS's limits."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jmespath

from operations.preflight.place import Place, blocked, ok, warning
from operations.status.check import Check, Outcome, unknown


@dataclass(frozen=True)
class Limit:
    """A quota of AWS, and the resources that count towards it.

    `of` is the argument that names the parent that the quota is for, such as a route table. It is empty for a quota of
    a region. `used` is an expression that finds the existing resources: with `of`, as IDs of parents, or as pairs of
    such an ID and a number.
    """

    service: str
    code: str
    noun: str
    type: str
    call: str
    used: str
    of: str = ""
    counts: Callable[[Mapping[str, Any]], bool] = lambda _: True


_ALIVE = "State!='deleted'"
LIMITS = (
    Limit("vpc", "L-F678F1CE", "VPCs", "aws_vpc", "ec2:describe_vpcs", "Vpcs"),
    Limit("ec2", "L-0263D0A3", "elastic IP addresses", "aws_eip", "ec2:describe_addresses", "Addresses"),
    Limit(
        "vpc",
        "L-A4707A72",
        "internet gateways",
        "aws_internet_gateway",
        "ec2:describe_internet_gateways",
        "InternetGateways",
    ),
    Limit(
        "ec2",
        "L-A2478D36",
        "transit gateways",
        "aws_ec2_transit_gateway",
        "ec2:describe_transit_gateways",
        f"TransitGateways[?{_ALIVE}]",
    ),
    Limit(
        "ec2",
        "L-E0233F82",
        "attachments of a transit gateway",
        "aws_ec2_transit_gateway_vpc_attachment",
        "ec2:describe_transit_gateway_attachments",
        f"TransitGatewayAttachments[?{_ALIVE}].TransitGatewayId",
        "transit_gateway_id",
    ),
    Limit(
        "ec2",
        "L-3E6EC3A3",
        "VPN connections",
        "aws_vpn_connection",
        "ec2:describe_vpn_connections",
        f"VpnConnections[?{_ALIVE}]",
    ),
    Limit(
        "ec2",
        "L-4FB7FF5D",
        "customer gateways",
        "aws_customer_gateway",
        "ec2:describe_customer_gateways",
        f"CustomerGateways[?{_ALIVE}]",
    ),
    Limit(
        "ec2",
        "L-7029FAB6",
        "virtual private gateways",
        "aws_vpn_gateway",
        "ec2:describe_vpn_gateways",
        f"VpnGateways[?{_ALIVE}]",
    ),
    Limit(
        "vpc",
        "L-1B52E74A",
        "gateway endpoints",
        "aws_vpc_endpoint",
        "ec2:describe_vpc_endpoints",
        "VpcEndpoints[?VpcEndpointType=='Gateway']",
        counts=lambda planned: planned.get("vpc_endpoint_type", "Gateway") == "Gateway",
    ),
    Limit(
        "vpc",
        "L-29B6F2EB",
        "interface endpoints of a VPC",
        "aws_vpc_endpoint",
        "ec2:describe_vpc_endpoints",
        "VpcEndpoints[?VpcEndpointType=='Interface'].VpcId",
        "vpc_id",
        counts=lambda planned: planned.get("vpc_endpoint_type") == "Interface",
    ),
    Limit(
        "route53resolver",
        "L-4A669CC0",
        "Resolver endpoints",
        "aws_route53_resolver_endpoint",
        "route53resolver:list_resolver_endpoints",
        "ResolverEndpoints",
    ),
    Limit(
        "vpc",
        "L-E79EC296",
        "security groups",
        "aws_security_group",
        "ec2:describe_security_groups",
        "SecurityGroups",
    ),
    Limit(
        "vpc",
        "L-93826ACB",
        "routes of a route table",
        "aws_route",
        "ec2:describe_route_tables",
        # A propagated route does not count.
        "RouteTables[].[RouteTableId, length(Routes[?Origin!='EnableVgwRoutePropagation'])]",
        "route_table_id",
    ),
    Limit(
        "vpc",
        "L-0EA8095F",
        "inbound rules of a security group",
        "aws_vpc_security_group_ingress_rule",
        "ec2:describe_security_group_rules",
        "SecurityGroupRules[?!IsEgress].GroupId",
        "security_group_id",
    ),
)
"""The quotas that a deploy can reach (AWS, Service Quotas)."""


def quotas(p: Place) -> Iterator[Check]:
    """Check each quota that the stacks of an account and region add to."""
    for limit in LIMITS:
        if planned := _planned(p, limit):
            title = f"the quota of {limit.noun} in {p.region} has room"
            look = lambda limit=limit, planned=planned: _room(p, limit, planned)  # noqa: E731
            yield Check(f"quota:{limit.code}", title, look, "credentials")


def _planned(p: Place, limit: Limit) -> Counter[str]:
    """Return the planned resources by the parent of the quota, except in parents that the stacks create."""
    found: Counter[str] = Counter()
    for one in p.planned(limit.type):
        place = str(one.get(limit.of, "")) if limit.of else ""
        if limit.counts(one) and "${" not in place:
            found[place] += 1
    return found


def _room(p: Place, limit: Limit, planned: Counter[str]) -> Outcome:
    which = {"ServiceCode": limit.service, "QuotaCode": limit.code}
    # GetServiceQuota does not return some quotas that were never changed.
    answer = p.read("service-quotas:get_service_quota", **which)
    answer = answer or p.read("service-quotas:get_aws_default_service_quota", **which)
    value = answer.get("Quota", {}).get("Value")
    if value is None:
        return unknown(f"AWS does not show the quota {limit.code}", "check it in the Service Quotas console")
    used: Counter[str] = Counter()
    for one in jmespath.search(limit.used, p.read(limit.call)) or []:
        id_, count = one if isinstance(one, list) else (one if limit.of else "", 1)
        used[str(id_)] += count
    place, more = max(planned.items(), key=lambda one: used[one[0]] + one[1])
    evidence = f"{f'{place}: ' if place else ''}{used[place]} exist, {more} planned, {limit.code} is {value:g}"
    if used[place] + more <= value:
        return ok(evidence)
    wanted = f"--service-code {limit.service} --quota-code {limit.code} --desired-value {used[place] + more}"
    fix = f"`aws service-quotas request-service-quota-increase {wanted} --region {p.region}`, and wait for AWS"
    unread = any(p.deployed[plan.name] is None for plan in p.plans)
    # Without the state of a stack, its deployed resources would count twice.
    return warning(evidence, fix) if unread else blocked(evidence, fix)
