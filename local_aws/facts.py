"""What is to exist before anything is deployed, with the IDs that a file will name.

One list for each kind; `LocalAws.make` takes the whole, in any number of portions, and makes what is not there yet.
Within one portion the kinds are made in the order of `Facts`, so that what names another comes after it.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Place(TypedDict):
    account: str
    region: str


class Subnet(TypedDict):
    id: str
    cidr: str
    zone: NotRequired[str]
    """Default: the region's first zone."""
    route_table: NotRequired[str]
    """The ID of one of the VPC's route tables. Default: the main one."""


class Vpc(Place):
    id: str
    cidr: str
    secondary_cidrs: NotRequired[list[str]]
    dns_support: NotRequired[bool]
    """Default: true, as in AWS."""
    dns_hostnames: NotRequired[bool]
    """Default: false, as in AWS."""
    route_tables: NotRequired[list[str]]
    """Route tables besides the main one."""
    subnets: NotRequired[list[Subnet]]
    security_groups: NotRequired[list[str]]
    network_acls: NotRequired[list[str]]
    """Network ACLs besides the default one."""
    tags: NotRequired[dict[str, str]]


class VpnGateway(Place):
    id: str
    vpc: NotRequired[str]
    """The VPC that it is attached to."""
    asn: NotRequired[int]


class TransitGateway(Place):
    id: str
    asn: NotRequired[int]
    default_association: NotRequired[bool]
    default_propagation: NotRequired[bool]
    """Both default to true, as in AWS."""
    auto_accept: NotRequired[bool]
    """Accept the attachments of other accounts unasked. Default: false, as in AWS."""
    default_route_table: NotRequired[str]
    route_tables: NotRequired[list[str]]
    """Route tables besides the default one."""


class TransitGatewayAttachment(Place):
    """Another account has attached a VPC of its own; no RAM share is asked for."""

    id: str
    transit_gateway: str
    vpc: NotRequired[str]
    cidr: NotRequired[str]
    """Of the VPC, which is made with one subnet unless it is there. Default: 172.20.0.0/20."""
    state: NotRequired[str]
    """Default: pendingAcceptance, or available if the gateway accepts it by itself."""
    resource_type: NotRequired[str]
    """Default: vpc."""


class PeeringRequester(Place):
    vpc: NotRequired[str]
    cidr: NotRequired[str]
    """Of the VPC, which is made unless it is there. Default: 172.20.0.0/20."""
    secondary_cidrs: NotRequired[list[str]]


class PeeringAccepter(Place):
    vpc: str


class PeeringRequest(TypedDict):
    """A request that waits for the accepter, in another account and possibly in another region."""

    id: str
    requester: PeeringRequester
    accepter: PeeringAccepter
    status: NotRequired[str]
    """Default: pending-acceptance. AWS goes on to show a request that is expired, rejected, failed or deleted."""


class Tunnel(Place):
    """What AWS reports of a tunnel of a VPN connection that exists; the device at the other end decides it."""

    connection: str
    number: int
    """1 or 2."""
    status: str
    """UP or DOWN."""
    accepted_routes: NotRequired[int]


class ResolverEndpoint(Place):
    id: str
    direction: NotRequired[str]
    """INBOUND or OUTBOUND. Default: OUTBOUND."""
    subnets: list[str]
    security_groups: list[str]


class ResolverRule(Place):
    id: str
    domain: str
    endpoint: NotRequired[str]
    targets: NotRequired[list[str]]


class HostedZone(Place):
    """A private zone; `region` is that of its VPC."""

    id: str
    domain: str
    vpc: str


class LoadBalancer(Place):
    """A network load balancer."""

    arn: str
    subnets: list[str]


class LogGroup(Place):
    name: str


class Topic(Place):
    name: str


class Key(Place):
    alias: str
    """With or without its `alias/`."""


class Facts(TypedDict, total=False):
    vpcs: list[Vpc]
    vpn_gateways: list[VpnGateway]
    transit_gateways: list[TransitGateway]
    transit_gateway_attachments: list[TransitGatewayAttachment]
    peering_requests: list[PeeringRequest]
    tunnels: list[Tunnel]
    resolver_endpoints: list[ResolverEndpoint]
    resolver_rules: list[ResolverRule]
    hosted_zones: list[HostedZone]
    load_balancers: list[LoadBalancer]
    log_groups: list[LogGroup]
    topics: list[Topic]
    keys: list[Key]
