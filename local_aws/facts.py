"""Resources that exist before a deploy, with the IDs that an estate file names.

There is one list for each kind. `LocalAws.make` accepts any subset and creates the missing resources. It creates the
kinds in the order of `Facts`, so that references point to existing resources.
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


class CustomerGateway(Place):
    id: str
    ip: str
    asn: NotRequired[int]
    """Default: 65000."""


class TransitGateway(Place):
    id: str
    asn: NotRequired[int]
    default_association: NotRequired[bool]
    default_propagation: NotRequired[bool]
    """Both default to true, as in AWS."""
    auto_accept: NotRequired[bool]
    """Accept the attachments of other accounts automatically. Default: false, as in AWS."""
    default_route_table: NotRequired[str]
    route_tables: NotRequired[list[str]]
    """Route tables besides the default one."""
    shared_with: NotRequired[list[str]]
    """Accounts that accepted a share of the gateway."""


class TransitGatewayAttachment(Place):
    """A VPC attachment that another account created; it needs no RAM share."""

    id: str
    transit_gateway: str
    vpc: NotRequired[str]
    cidr: NotRequired[str]
    """The VPC's range. A missing VPC is created with one subnet. Default: 172.20.0.0/20."""
    state: NotRequired[str]
    """Default: pendingAcceptance, or available if the gateway accepts attachments automatically."""
    resource_type: NotRequired[str]
    """Default: vpc."""


class PeeringRequester(Place):
    vpc: NotRequired[str]
    cidr: NotRequired[str]
    """The VPC's range. A missing VPC is created. Default: 172.20.0.0/20."""
    secondary_cidrs: NotRequired[list[str]]


class PeeringAccepter(Place):
    vpc: str


class PeeringRequest(TypedDict):
    """A pending request from another account, and possibly from another region."""

    id: str
    requester: PeeringRequester
    accepter: PeeringAccepter
    status: NotRequired[str]
    """Default: pending-acceptance. AWS continues to list expired, rejected, failed and deleted requests."""


class Tunnel(Place):
    """The reported status of a tunnel of an existing VPN connection, which the device at the other end determines."""

    connection: str
    number: int
    """1 or 2."""
    status: str
    """UP or DOWN."""
    accepted_routes: NotRequired[int]


class VpcEndpoint(Place):
    """An interface endpoint that another account connects to an endpoint service."""

    id: str
    service: str
    """The name of the service."""
    vpc: NotRequired[str]
    cidr: NotRequired[str]
    """The VPC's range. A missing VPC is created. Default: 172.20.0.0/20."""
    state: NotRequired[str]
    """Also applies to an endpoint that already exists. Default: pendingAcceptance."""


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
    """A private zone; `region` is its VPC's region."""

    id: str
    domain: str
    vpc: str


class LoadBalancer(Place):
    """A network load balancer."""

    arn: str
    subnets: list[str]


class EndpointService(Place):
    """An endpoint service of another vendor that requires acceptance."""

    name: str
    """Its full name, whose last part is its ID."""
    principals: list[str]
    zones: NotRequired[list[str]]
    """The names of its zones in the caller's account. Default: all of the region."""
    regions: NotRequired[list[str]]
    """The other regions in which it is offered."""


class LogGroup(Place):
    name: str


class Topic(Place):
    name: str


class Key(Place):
    alias: str
    """With or without the prefix `alias/`."""


class Facts(TypedDict, total=False):
    vpcs: list[Vpc]
    vpn_gateways: list[VpnGateway]
    customer_gateways: list[CustomerGateway]
    transit_gateways: list[TransitGateway]
    transit_gateway_attachments: list[TransitGatewayAttachment]
    peering_requests: list[PeeringRequest]
    tunnels: list[Tunnel]
    vpc_endpoints: list[VpcEndpoint]
    resolver_endpoints: list[ResolverEndpoint]
    resolver_rules: list[ResolverRule]
    hosted_zones: list[HostedZone]
    load_balancers: list[LoadBalancer]
    endpoint_services: list[EndpointService]
    log_groups: list[LogGroup]
    topics: list[Topic]
    keys: list[Key]
