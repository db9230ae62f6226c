"""Creates the existing resources of an estate on the local AWS, with the IDs of the file."""

from estate.model import Estate
from local_aws.facts import (
    CustomerGateway,
    EndpointService,
    Facts,
    HostedZone,
    Key,
    LoadBalancer,
    LogGroup,
    PeeringRequest,
    PeeringRequester,
    ResolverEndpoint,
    ResolverRule,
    Subnet,
    TransitGateway,
    TransitGatewayAttachment,
    Vpc,
    VpnGateway,
)
from modules.egress_hub.props import EgressHubProps
from modules.ip_allowlist.props import IpAllowlistProps
from modules.network_rules.props import NetworkRulesProps
from modules.private_link.props import PrivateLinkProps
from modules.remote_agents.props import RemoteAgentsProps
from modules.transit_gateway.props import TransitGatewayProps
from modules.vpc_peering.props import VpcPeeringProps
from modules.vpn.props import VpnProps


def facts_of(estate: Estate) -> Facts:
    """Return your existing networks and Astronomer's requests so far: peerings and attachments."""
    facts: Facts = {
        "vpcs": _vpcs(estate),
        "vpn_gateways": _vpn_gateways(estate),
        "customer_gateways": _customer_gateways(estate),
        "transit_gateways": _transit_gateways(estate),
        "transit_gateway_attachments": _transit_gateway_attachments(estate),
        "peering_requests": _peering_requests(estate),
        "resolver_endpoints": _resolver_endpoints(estate),
        "resolver_rules": _resolver_rules(estate),
        "hosted_zones": _hosted_zones(estate),
        "load_balancers": _load_balancers(estate),
        "endpoint_services": _endpoint_services(estate),
        "log_groups": _log_groups(estate),
        "keys": _keys(estate),
    }
    return facts


def _vpcs(estate: Estate) -> list[Vpc]:
    found: list[Vpc] = []
    for name, network in estate.networks.items():
        if network.vpc_id is None:
            continue
        tables = dict(network.route_tables) if isinstance(network.route_tables, dict) else {}
        for connection in estate.connections.values():
            if isinstance(connection, EgressHubProps) and connection.network == name:
                tables |= connection.public_route_tables
        groups = [
            rule.security_group
            for connection in estate.connections.values()
            if isinstance(connection, VpcPeeringProps | IpAllowlistProps | NetworkRulesProps)
            and connection.network == name
            for rule in connection.ingress.values()
        ]
        groups += [
            group
            for connection in estate.connections.values()
            if isinstance(connection, RemoteAgentsProps) and connection.network == name
            for group in connection.agents_security_groups
        ]
        acls = {
            rule.network_acl
            for connection in estate.connections.values()
            if connection.type == "network_rules" and connection.network == name
            for rule in connection.network_acls.values()
        }
        primary, *others = map(str, network.cidrs + network.unrouted_cidrs)
        # The file does not contain the ranges of its subnets, so any valid ranges will do.
        ranges = network.cidrs[0].subnets(new_prefix=28)
        found.append(
            Vpc(
                account=network.account_id,
                region=network.region,
                id=network.vpc_id,
                cidr=primary,
                secondary_cidrs=others,
                dns_hostnames=True,
                route_tables=sorted(set(tables.values())),
                subnets=[
                    Subnet(id=subnet, cidr=str(cidr), zone=f"{network.region}{zone}")
                    for subnet, cidr, zone in zip(network.subnets.values(), ranges, "abcdef", strict=False)
                ],
                security_groups=sorted(set(groups)),
                network_acls=sorted(acls),
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
        requester = PeeringRequester(account=cluster.account_id, region=cluster.region, cidr=str(cluster.cidr))
        if cluster.vpc_id:
            requester["vpc"] = cluster.vpc_id
        found.append(
            {
                "id": connection.peering_id,
                "requester": requester,
                "accepter": {"account": network.account_id, "region": network.region, "vpc": network.vpc_id},
            }
        )
    return found


def _transit_gateways(estate: Estate) -> list[TransitGateway]:
    """Return the transit gateways, each with every route table that a connection names."""
    found: dict[str, TransitGateway] = {}
    for connection in estate.connections.values():
        if isinstance(connection, VpnProps):
            named = [connection.route_tables.association, *connection.route_tables.routes.values()]
        elif isinstance(connection, TransitGatewayProps):
            tables = connection.route_tables
            named = [tables.clusters, tables.network, *tables.others.values()] if tables else []
        elif isinstance(connection, EgressHubProps):
            named = [connection.route_table_id]
        else:
            continue
        if id_ := connection.transit_gateway_id:
            network = estate.networks[connection.network]
            gateway = found.setdefault(id_, TransitGateway(account=network.account_id, region=network.region, id=id_))
            gateway["route_tables"] = sorted({*gateway.get("route_tables", []), *filter(None, named)})
            others = {*gateway.get("shared_with", []), network.account_id} - {gateway["account"]}
            gateway["shared_with"] = sorted(others)
    return list(found.values())


def _vpn_gateways(estate: Estate) -> list[VpnGateway]:
    found: list[VpnGateway] = []
    for connection in estate.connections.values():
        if connection.type == "vpn" and connection.vpn_gateway_id:
            network = estate.networks[connection.network]
            assert network.vpc_id
            found.append(
                VpnGateway(
                    account=network.account_id,
                    region=network.region,
                    id=connection.vpn_gateway_id,
                    vpc=network.vpc_id,
                )
            )
    return found


def _customer_gateways(estate: Estate) -> list[CustomerGateway]:
    return [
        CustomerGateway(
            account=estate.networks[connection.network].account_id,
            region=estate.networks[connection.network].region,
            id=gateway.customer_gateway_id,
            ip="203.0.113.200",
        )
        for connection in estate.connections.values()
        if connection.type == "vpn" and connection.network
        for gateway in connection.gateways.values()
        if gateway.customer_gateway_id
    ]


def _transit_gateway_attachments(estate: Estate) -> list[TransitGatewayAttachment]:
    """Return the attachments of the clusters' accounts, and one VPC attachment in place of the premises."""
    found: list[TransitGatewayAttachment] = []
    for connection in estate.connections.values():
        if connection.type == "egress_hub" and connection.transit_gateway_id and connection.attachment_id:
            network = estate.networks[connection.network]
            assert network.vpc_id
            found.append(
                TransitGatewayAttachment(
                    account=network.account_id,
                    region=network.region,
                    id=connection.attachment_id,
                    transit_gateway=connection.transit_gateway_id,
                    vpc=network.vpc_id,
                )
            )
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


def _resolver_endpoints(estate: Estate) -> list[ResolverEndpoint]:
    return [
        ResolverEndpoint(
            account=estate.networks[connection.network].account_id,
            region=estate.networks[connection.network].region,
            id=connection.endpoint_id,
            subnets=list(estate.networks[connection.network].subnets.values()),
            security_groups=[],
        )
        for connection in estate.connections.values()
        if connection.type == "resolver_rules" and connection.endpoint_id
    ]


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


def _hosted_zones(estate: Estate) -> list[HostedZone]:
    """Return the zones, each associated with the first network of its connections, which the file may omit."""
    found: dict[str, HostedZone] = {}
    for name, connection in estate.connections.items():
        if connection.type == "hosted_zone" and connection.zone_id:
            network = estate.networks[connection.network]
            assert network.vpc_id
            found.setdefault(
                connection.zone_id,
                HostedZone(
                    account=network.account_id,
                    region=network.region,
                    id=connection.zone_id,
                    domain=f"{name}.acme.example",
                    vpc=network.vpc_id,
                ),
            )
    return list(found.values())


def _load_balancers(estate: Estate) -> list[LoadBalancer]:
    return [
        LoadBalancer(
            account=estate.networks[connection.network].account_id,
            region=estate.networks[connection.network].region,
            arn=arn,
            subnets=list(estate.networks[connection.network].subnets.values()),
        )
        for connection in estate.connections.values()
        if connection.type == "private_link" and connection.service
        for arn in connection.service.load_balancers
    ]


def _endpoint_services(estate: Estate) -> list[EndpointService]:
    """Return Astronomer's services for Remote Execution Agents, and those of other vendors."""
    return [
        EndpointService(
            account="999999999999",
            region=name.split(".")[3],
            name=name,
            principals=[f"arn:aws:iam::{estate.networks[connection.network].account_id}:root"],
            regions=[estate.networks[connection.network].region],
        )
        for connection in estate.connections.values()
        for name in _services_of(connection)
    ]


def _services_of(connection: object) -> list[str]:
    if isinstance(connection, PrivateLinkProps):
        return [one.service for one in connection.endpoints.values() if one.is_vendors]
    return [connection.service_name] if isinstance(connection, RemoteAgentsProps) and connection.service_name else []


def _log_groups(estate: Estate) -> list[LogGroup]:
    account = estate.account
    if account is None or account.policy_alarm is None or account.policy_alarm.log_group is None:
        return []
    return [LogGroup(account=account.account_id, region=account.region, name=account.policy_alarm.log_group)]


def _keys(estate: Estate) -> list[Key]:
    """Return the key of the log groups in each account and region."""
    if estate.controls is None or estate.controls.kms_key is None:
        return []
    places = {(network.account_id, network.region) for network in estate.networks.values()}
    return [Key(account=account, region=region, alias=estate.controls.kms_key) for account, region in sorted(places)]
