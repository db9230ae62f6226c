"""What an estate says exists already, made on the local AWS with the very IDs of the file."""

from stacks.estate import Estate
from tests.local_aws.facts import (
    Facts,
    PeeringRequest,
    ResolverRule,
    Subnet,
    TransitGateway,
    TransitGatewayAttachment,
    Vpc,
)


def facts_of(estate: Estate) -> Facts:
    """Your existing networks, and what Astronomer has done so far: requested peerings, attached to gateways."""
    facts: Facts = {
        "vpcs": _vpcs(estate),
        "transit_gateways": _transit_gateways(estate),
        "transit_gateway_attachments": _transit_gateway_attachments(estate),
        "peering_requests": _peering_requests(estate),
        "resolver_rules": _resolver_rules(estate),
    }
    return facts


def _vpcs(estate: Estate) -> list[Vpc]:
    found: list[Vpc] = []
    for name, network in estate.networks.items():
        if network.vpc_id is None:
            continue
        tables = network.route_tables
        groups = [
            rule.security_group
            for connection in estate.connections.values()
            if connection.type == "vpc_peering" and connection.network == name
            for rule in connection.ingress.values()
        ]
        primary, *others = map(str, network.cidrs)
        # The file does not say what ranges its subnets have: any that fit do.
        ranges = network.cidrs[0].subnets(new_prefix=28)
        found.append(
            Vpc(
                account=network.account_id,
                region=network.region,
                id=network.vpc_id,
                cidr=primary,
                secondary_cidrs=others,
                dns_hostnames=True,
                route_tables=[] if tables == "all" else list(tables.values()),
                subnets=[
                    Subnet(id=subnet, cidr=str(cidr), zone=f"{network.region}{zone}")
                    for subnet, cidr, zone in zip(network.subnets.values(), ranges, "abcdef", strict=False)
                ],
                security_groups=sorted(set(groups)),
            )
        )
    return found


def _peering_requests(estate: Estate) -> list[PeeringRequest]:
    found: list[PeeringRequest] = []
    for connection in estate.connections.values():
        if connection.type != "vpc_peering" or connection.peering_id is None:
            continue
        network, cluster = estate.networks[connection.network], estate.clusters[connection.cluster]
        if network.vpc_id is None or cluster.account_id is None:
            continue
        found.append(
            {
                "id": connection.peering_id,
                "requester": {"account": cluster.account_id, "region": cluster.region, "cidr": str(cluster.cidr)},
                "accepter": {"account": network.account_id, "region": network.region, "vpc": network.vpc_id},
            }
        )
    return found


def _transit_gateways(estate: Estate) -> list[TransitGateway]:
    found: list[TransitGateway] = []
    for connection in estate.connections.values():
        if connection.type == "transit_gateway" and connection.transit_gateway_id:
            network, tables = estate.networks[connection.network], connection.route_tables
            named = [tables.clusters, tables.network, *tables.others.values()] if tables else []
            found.append(
                TransitGateway(
                    account=network.account_id,
                    region=network.region,
                    id=connection.transit_gateway_id,
                    route_tables=sorted(set(named)),
                )
            )
    return found


def _transit_gateway_attachments(estate: Estate) -> list[TransitGatewayAttachment]:
    """What the clusters' accounts attached, and a VPC of another account in place of what leads on-premises."""
    found: list[TransitGatewayAttachment] = []
    for connection in estate.connections.values():
        if connection.type != "transit_gateway" or connection.transit_gateway_id is None:
            continue
        region = estate.networks[connection.network].region
        attached = [
            (estate.clusters[name].account_id, attachment, estate.clusters[name].cidr)
            for name, attachment in connection.attachments.items()
        ]
        attached += [("999999999999", one.attachment_id, one.cidr) for one in connection.on_premises.values()]
        for account, attachment, cidr in attached:
            if account and attachment:
                found.append(
                    TransitGatewayAttachment(
                        account=account,
                        region=region,
                        id=attachment,
                        transit_gateway=connection.transit_gateway_id,
                        cidr=str(cidr),
                    )
                )
    return found


def _resolver_rules(estate: Estate) -> list[ResolverRule]:
    return [
        ResolverRule(
            account=estate.networks[connection.network].account_id,
            region=estate.networks[connection.network].region,
            id=rule.rule_id,
            domain=f"{name}.acme.example",
            targets=["10.8.0.4"],
        )
        for connection in estate.connections.values()
        if connection.type == "resolver_rules"
        for name, rule in connection.rules.items()
        if rule.rule_id
    ]
