"""Patches for moto 5.2.5 where it differs from AWS, for the resources that this project creates.

Importing the package patches moto's classes in this process. Each docstring describes moto's behaviour without the
patch, so that the patch can be deleted when moto is fixed. The patches model AWS from its documentation.
"""

from . import (
    account,
    cloudformation,
    cloudtrail,
    cloudwatch,
    endpoint_service,
    events,
    iam,
    logs,
    organizations,
    peering,
    ram,
    resolver,
    resolver_firewall,
    route53,
    s3,
    security_group,
    service_quotas,
    sns,
    transit_gateway,
    vpc,
    vpn,
)

__all__ = [
    "account",
    "cloudformation",
    "cloudtrail",
    "cloudwatch",
    "endpoint_service",
    "events",
    "iam",
    "logs",
    "organizations",
    "peering",
    "ram",
    "resolver",
    "resolver_firewall",
    "route53",
    "s3",
    "security_group",
    "service_quotas",
    "sns",
    "transit_gateway",
    "vpc",
    "vpn",
]
