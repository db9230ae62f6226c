"""The connection types.

This module lists the props of each type. The construct is found by name: `vpc_peering` is `VpcPeering` in
`modules/vpc_peering/construct.py`.
"""

import importlib
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

from modules.connection import ConnectionProps
from modules.dns_forwarding.props import DnsForwardingProps
from modules.egress_domains.props import EgressDomainsProps
from modules.egress_hub.props import EgressHubProps
from modules.hosted_zone.props import HostedZoneProps
from modules.ip_allowlist.props import IpAllowlistProps
from modules.network_rules.props import NetworkRulesProps
from modules.peering_role.props import PeeringRoleProps
from modules.private_link.props import PrivateLinkProps
from modules.remote_agents.props import RemoteAgentsProps
from modules.resolver_rules.props import ResolverRulesProps
from modules.transit_gateway.props import TransitGatewayProps
from modules.vpc_peering.props import VpcPeeringProps
from modules.vpn.props import VpnProps
from modules.workload_identity.props import WorkloadIdentityProps

Connection = Annotated[
    VpcPeeringProps
    | TransitGatewayProps
    | ResolverRulesProps
    | VpnProps
    | IpAllowlistProps
    | NetworkRulesProps
    | EgressDomainsProps
    | PeeringRoleProps
    | WorkloadIdentityProps
    | DnsForwardingProps
    | HostedZoneProps
    | PrivateLinkProps
    | RemoteAgentsProps
    | EgressHubProps,
    Field(discriminator="type"),
]


TYPES: Mapping[str, type[ConnectionProps]] = {
    typing.get_args(props.model_fields["type"].annotation)[0]: props
    for props in typing.get_args(typing.get_args(Connection)[0])
}
"""The props of each type, by its name in the file."""


def construct_for(props: Connection) -> Callable[..., Any]:
    """Return the construct class of a connection. Importing it loads cdktf."""
    module = importlib.import_module(f"{__package__}.{props.type}.construct")
    return getattr(module, "".join(word.capitalize() for word in props.type.split("_")))
