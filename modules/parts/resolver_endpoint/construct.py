"""A Route 53 Resolver endpoint, and the security group that limits its DNS queries."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from cdktf import Token
from cdktf_cdktf_provider_aws.route53_resolver_endpoint import (
    Route53ResolverEndpoint,
    Route53ResolverEndpointIpAddress,
)
from constructs import Construct

from modules.context import ConnectionContext
from modules.parts.ingress.construct import new_group
from modules.parts.resolver_endpoint.props import ResolverEndpoint
from modules.vocabulary import construct_id

DNS = 53


def resolver_endpoint(
    scope: Construct,
    props: ResolverEndpoint,
    context: ConnectionContext,
    direction: Literal["INBOUND", "OUTBOUND"],
    description: str,
    *groups: Mapping[str, Iterable[Any]],
) -> tuple[str, list[str]]:
    """Create the endpoint and return its ID and addresses. `description` and `groups` (`ingress` or `egress`) are for
    its security groups."""
    subnets = context.network.subnets
    ids = [
        new_group(
            scope,
            construct_id("security-group", str(number) if number > 1 else ""),
            # Not the name alone: AWS refuses a name that begins with "sg-".
            f"resolver-{context.name}",
            description=description,
            vpc_id=context.network.vpc_id,
            tag=context.name,
            # Inline rules: duplicate ranges then need no names, and nobody can add another rule.
            **rules,
        ).id
        for number, rules in enumerate(groups, start=1)
    ]
    endpoint = Route53ResolverEndpoint(
        scope,
        "endpoint",
        name=context.name,
        direction=direction,
        security_group_ids=ids,
        ip_address=[
            Route53ResolverEndpointIpAddress(subnet_id=subnets[name], ip=props.ips.get(name))
            for name in props.subnets or subnets
        ],
        tags={"Name": context.name},
    )
    return endpoint.id, Token.as_list(f"${{{endpoint.fqn}.ip_address[*].ip}}")
