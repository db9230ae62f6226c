"""Finds resources in AWS that an estate can refer to: networks, requests of Astronomer, gateways, rules and zones. It
only reads."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from operations.aws import Aws

_CALLS = (
    ("ec2:describe_vpcs", {}),
    ("ec2:describe_route_tables", {}),
    ("ec2:describe_subnets", {}),
    ("ec2:describe_vpc_peering_connections", {}),
    ("ec2:describe_transit_gateways", {}),
    ("ec2:describe_transit_gateway_attachments", {}),
    ("ec2:describe_customer_gateways", {}),
    ("route53resolver:list_resolver_rules", {}),
    ("route53resolver:list_resolver_endpoints", {}),
)
"""The calls, each made once for an account and a region."""


@dataclass(frozen=True)
class Network:
    """An existing VPC. Tables and subnets are IDs by the text of their `Name` tag, or by the ID."""

    account_id: str
    region: str
    vpc_id: str
    name: str
    cidrs: list[str]
    route_tables: dict[str, str]
    subnets: dict[str, str]


@dataclass(frozen=True)
class Request:
    """A VPC peering or an attachment of a transit gateway, by another account."""

    id: str
    account_id: str
    region: str
    target: str
    """The VPC or the transit gateway."""
    cidr: str | None = None
    requester_region: str | None = None


@dataclass
class Found:
    """The resources of one account in one region."""

    account_id: str
    region: str
    networks: list[Network] = field(default_factory=list)
    peerings: list[Request] = field(default_factory=list)
    attachments: list[Request] = field(default_factory=list)
    gateways: dict[str, list[str]] = field(default_factory=dict)
    """The transit gateways, each with the VPCs that are attached to it."""
    customer_gateways: list[tuple[str, str, str]] = field(default_factory=list)
    """The ID, address and ASN of each."""
    rules: list[tuple[str, str, str | None]] = field(default_factory=list)
    """The ID and domain of each FORWARD rule, and the VPC of its endpoint."""
    zones: list[tuple[str, str, str]] = field(default_factory=list)
    """The ID and name of each private zone, and its VPC."""
    denied: list[str] = field(default_factory=list)
    """The IAM actions that were denied, whose results are missing."""


def discover(aws: Aws, only: Collection[str]) -> Found:
    """Return the resources of an account in a region. `only` are the VPCs to read; if it is empty, all except the
    default VPC."""
    with ThreadPoolExecutor(len(_CALLS)) as pool:
        answers = list(pool.map(lambda call: aws.ask(call[0], **call[1]), _CALLS))
    vpcs, tables, subnets, peerings, gateways, attachments, customers, rules, endpoints = answers
    found = Found(aws.account_id, aws.region)
    found.networks = list(_networks(aws, only, vpcs, tables, subnets))
    ours = {network.vpc_id for network in found.networks}
    for one in peerings.get("VpcPeeringConnections", []):
        theirs, mine = one["RequesterVpcInfo"], one["AccepterVpcInfo"]
        waits = one["Status"]["Code"] == "pending-acceptance"
        if waits and mine.get("VpcId") in ours and theirs["OwnerId"] != aws.account_id:
            # Not every request contains the range.
            cidr, region = theirs.get("CidrBlock"), theirs.get("Region")
            found.peerings.append(
                Request(one["VpcPeeringConnectionId"], theirs["OwnerId"], aws.region, mine["VpcId"], cidr, region)
            )
    for one in gateways.get("TransitGateways", []):
        if one.get("OwnerId") == aws.account_id and one.get("State") == "available":
            found.gateways[one["TransitGatewayId"]] = []
    for one in attachments.get("TransitGatewayAttachments", []):
        gateway = one["TransitGatewayId"]
        if one.get("ResourceType") != "vpc" or gateway not in found.gateways:
            continue
        if one.get("ResourceId") in ours:
            found.gateways[gateway].append(one["ResourceId"])
        elif one.get("ResourceOwnerId") != aws.account_id and one["State"] in ("pendingAcceptance", "available"):
            found.attachments.append(
                Request(one["TransitGatewayAttachmentId"], one["ResourceOwnerId"], aws.region, gateway)
            )
    found.customer_gateways = [
        (one["CustomerGatewayId"], one.get("IpAddress", ""), str(one.get("BgpAsn", "")))
        for one in customers.get("CustomerGateways", [])
        if one.get("State") == "available"
    ]
    vpc_of = {one["Id"]: one.get("HostVPCId") for one in endpoints.get("ResolverEndpoints", [])}
    found.rules = [
        (one["Id"], one["DomainName"], vpc_of.get(one.get("ResolverEndpointId", "")))
        for one in rules.get("ResolverRules", [])
        # Rules of the types SYSTEM, RECURSIVE and DELEGATE forward nothing for a cluster.
        if one.get("RuleType") == "FORWARD" and one.get("OwnerId", aws.account_id) == aws.account_id
    ]
    with ThreadPoolExecutor(8) as pool:
        zones = list(pool.map(lambda network: list(_zones(aws, network.vpc_id)), found.networks))
    found.zones = list({one[0]: one for each in zones for one in each}.values())
    found.denied = sorted(aws.denied)
    return found


def _zones(aws: Aws, vpc_id: str) -> Iterator[tuple[str, str, str]]:
    answer = aws.ask("route53:list_hosted_zones_by_vpc", VPCId=vpc_id, VPCRegion=aws.region)
    for one in answer.get("HostedZoneSummaries", []):
        if one.get("Owner", {}).get("OwningAccount") == aws.account_id:
            yield one["HostedZoneId"], one["Name"], vpc_id


def _networks(
    aws: Aws, only: Collection[str], vpcs: dict[str, Any], tables: dict[str, Any], subnets: dict[str, Any]
) -> Iterator[Network]:
    tables_of, subnets_of = defaultdict[str, list[dict[str, Any]]](list), defaultdict[str, list[dict[str, Any]]](list)
    for one in tables.get("RouteTables", []):
        tables_of[one["VpcId"]].append(one)
    for one in subnets.get("Subnets", []):
        subnets_of[one["VpcId"]].append(one)
    for vpc in vpcs.get("Vpcs", []):
        id_ = vpc["VpcId"]
        if id_ not in only if only else vpc.get("IsDefault"):
            continue
        # If another account shares a VPC, only that account connects it.
        if vpc.get("OwnerId", aws.account_id) != aws.account_id:
            continue
        blocks = [
            one["CidrBlock"]
            for one in vpc.get("CidrBlockAssociationSet", [])
            if one.get("CidrBlockState", {}).get("State") == "associated"
        ]
        cidrs = list(dict.fromkeys([vpc["CidrBlock"], *blocks]))
        private, by_subnet = _private(tables_of[id_])
        # Private subnets first, one for each zone.
        ordered = sorted(
            subnets_of[id_], key=lambda one: (by_subnet.get(one["SubnetId"], by_subnet[""]), one["SubnetId"])
        )
        zones = {one["AvailabilityZone"]: one for one in reversed(ordered)}
        named = {_name(one, one["SubnetId"]): one["SubnetId"] for _, one in sorted(zones.items())}
        yield Network(aws.account_id, aws.region, id_, _name(vpc, id_), cidrs, private, named)


def _private(tables: list[dict[str, Any]]) -> tuple[dict[str, str], dict[str, bool]]:
    """Return the tables without a route to an internet gateway, or all if each has one, and whether each subnet's table
    has one. The key of the main table is "".
    """
    public: dict[str, bool] = {"": False}
    kept: dict[str, str] = {}
    every: dict[str, str] = {}
    for table in tables:
        out = any(str(one.get("GatewayId", "")).startswith("igw-") for one in table["Routes"])
        for one in table["Associations"]:
            public["" if one.get("Main") else one.get("SubnetId", "-")] = out
        id_ = table["RouteTableId"]
        every[_name(table, id_)] = id_
        if not out:
            kept[_name(table, id_)] = id_
    return kept or every, public


def _name(one: dict[str, Any], id_: str) -> str:
    tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}
    return f"{tags['Name']} {id_}" if tags.get("Name") else id_
