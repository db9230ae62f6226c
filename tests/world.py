"""What an estate says exists already, made on the local AWS with the very IDs of the file."""

from stacks.estate import Estate
from tests.local_aws.facts import Facts, PeeringRequest, Subnet, Vpc


def facts_of(estate: Estate) -> Facts:
    """Your existing networks, and what Astronomer has done so far: requested peerings, attached to gateways."""
    facts: Facts = {"vpcs": _vpcs(estate), "peering_requests": _peering_requests(estate)}
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
