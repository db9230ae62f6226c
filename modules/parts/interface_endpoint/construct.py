"""Interface endpoints to services of AWS, of Astronomer and of other vendors, and private names for them."""

from typing import Any

from cdktf import Precondition, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.route53_record import Route53Record, Route53RecordAlias
from cdktf_cdktf_provider_aws.route53_zone import Route53Zone, Route53ZoneVpc
from cdktf_cdktf_provider_aws.security_group import SecurityGroupIngress
from cdktf_cdktf_provider_aws.vpc_endpoint import VpcEndpoint
from constructs import Construct

from modules.context import Network
from modules.parts.ingress.construct import new_group
from modules.vocabulary import construct_id


def interface_endpoint(
    scope: Construct,
    name: str,
    network: Network,
    *,
    tag: str,
    what: str,
    ingress: SecurityGroupIngress,
    service: str,
    region: str | None,
    subnets: tuple[str, ...] | None,
    conditions: list[Precondition] | None = None,
    **arguments: Any,
) -> VpcEndpoint:
    """Create an endpoint to `service` in `subnets` of the network, with a security group that has one rule, `ingress`.

    `region` is the service's region if its name contains one. `what` is the service in words."""
    group = new_group(
        scope,
        construct_id("security-group", name),
        f"endpoint-{tag}",
        description=f"Endpoint to {what}",
        vpc_id=network.vpc_id,
        ingress=[ingress],
        tag=tag,
    )
    return VpcEndpoint(
        scope,
        construct_id("endpoint", name),
        vpc_id=network.vpc_id,
        service_name=service,
        service_region=region if region != network.region else None,
        vpc_endpoint_type="Interface",
        subnet_ids=[network.subnets[subnet] for subnet in subnets or network.subnets],
        security_group_ids=[group.id],
        tags={"Name": tag},
        lifecycle=TerraformResourceLifecycle(precondition=conditions) if conditions else None,
        **arguments,
    )


def private_zone(
    scope: Construct, network: Network, endpoint: VpcEndpoint, domain: str, tag: str, *names: str
) -> Route53Zone:
    """Create a private zone of the network in which `domain` resolves to the endpoint.

    The zone has exactly this name, so that it hides no other name of the domain's owner."""
    zone = Route53Zone(
        scope,
        construct_id("zone", *names),
        name=domain,
        comment=tag,
        vpc=[Route53ZoneVpc(vpc_id=network.vpc_id, vpc_region=network.region)],
        # Clusters' VPCs are associated in their own account. Without this, Terraform would remove them.
        lifecycle=TerraformResourceLifecycle(ignore_changes=["vpc"]),
        tags={"Name": tag},
    )
    Route53Record(
        scope,
        construct_id("record", *names),
        zone_id=zone.zone_id,
        name=domain,
        type="A",
        alias=Route53RecordAlias(
            name=f"${{{endpoint.fqn}.dns_entry[0].dns_name}}",
            zone_id=f"${{{endpoint.fqn}.dns_entry[0].hosted_zone_id}}",
            evaluate_target_health=True,
        ),
    )
    return zone
