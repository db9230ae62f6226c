"""What moto 5.2.5 lacks, or does unlike AWS, for the resources that this project makes.

Importing the package patches moto's classes in this process. Each docstring says what moto does without the patch:
when a new moto does it right, the patch and nothing else can go. They are a model of AWS, made from its documentation.
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
