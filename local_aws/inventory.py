"""Lists every object that the project can create; equal lists before and after prove that nothing was left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from .server import LocalAws

# How a client lists one kind of object. The words after the kind identify the object and its mutable attributes.
Lister = Callable[[Any], Iterable[str]]


def inventory(aws: LocalAws, accounts: Iterable[str], regions: Sequence[str]) -> list[str]:
    """Return one line for each object, sorted: account, region (or `global`), kind and identity.

    Omits deleted objects, which AWS lists for a while and moto lists forever.
    """
    return sorted(line for place in places(accounts, regions) for line in listed(aws, place))


class Place(NamedTuple):
    account: str
    region: str
    """`global` for a service without regions."""
    service: str


def places(accounts: Iterable[str], regions: Sequence[str]) -> Iterator[Place]:
    """Yield each service in each account and region."""
    for account in accounts:
        yield from (Place(account, "global", service) for service in _GLOBAL)
        yield from (Place(account, region, service) for region in regions for service in _REGIONAL)


def listed(aws: LocalAws, place: Place) -> Iterator[str]:
    """Yield the lines of one service in one account and region."""
    account, region, service = place
    client = aws.client(service, account, "us-east-1" if region == "global" else region)
    for kind, lister in (_GLOBAL if region == "global" else _REGIONAL)[service].items():
        yield from (f"{account} {region} {kind} {which}" for which in lister(client))


def has_changed(place: Place, changed: Iterable[str]) -> bool:
    """Return whether a report's `changed` places include this one."""
    service = {"elbv2": "elasticloadbalancing"}.get(place.service, place.service)
    return any(
        account == place.account and name == service and place.region in (region, "global")
        for account, region, name in map(str.split, changed)
    )


def _all(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
    """Yield the items that an operation lists, on all pages."""
    if client.can_paginate(operation):
        for page in client.get_paginator(operation).paginate(**arguments):
            yield from page[key]
    else:
        yield from getattr(client, operation)(**arguments)[key]


def _each(operation: str, key: str, *members: str) -> Lister:
    """Return a lister that identifies each element by these members, and omits deleted elements."""
    return lambda client: (_said(each, members) for each in _all(client, operation, key) if not _is_gone(each))


def _said(element: Any, members: Iterable[str]) -> str:
    return " ".join(str(element[member]) for member in members if element.get(member) not in (None, ""))


def _is_gone(element: dict[str, Any]) -> bool:
    state = element.get("State") or element.get("Status") or element.get("status")
    if isinstance(state, dict):
        state = state["Code"]
    return str(state).lower() in {"deleted", "deleting", "delete-complete", "rejected", "expired", "failed"}


def _roles(iam: Any) -> Iterator[str]:
    for role in _all(iam, "list_roles", "Roles"):
        name = role["RoleName"]
        yield name
        for policy in _all(iam, "list_role_policies", "PolicyNames", RoleName=name):
            yield f"{name} inline {policy}"
        for policy in _all(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=name):
            yield f"{name} attached {policy['PolicyArn']}"


def _policies(iam: Any) -> Iterator[str]:
    return (f"{p['Arn']} {p['DefaultVersionId']}" for p in _all(iam, "list_policies", "Policies", Scope="Local"))


def _keys(kms: Any) -> Iterator[str]:
    for key in _all(kms, "list_keys", "Keys"):
        found = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if found["KeyState"] != "PendingDeletion" and found["KeyManager"] == "CUSTOMER":
            yield key["KeyId"]


def _aliases(kms: Any) -> Iterator[str]:
    for alias in _all(kms, "list_aliases", "Aliases"):
        if not alias["AliasName"].startswith("alias/aws/"):
            yield f"{alias['AliasName']} {alias['TargetKeyId']}"


def _vpcs(ec2: Any) -> Iterator[str]:
    for vpc in _all(ec2, "describe_vpcs", "Vpcs"):
        yield " ".join([vpc["VpcId"], *(each["CidrBlock"] for each in vpc["CidrBlockAssociationSet"])])


def _route_tables(ec2: Any) -> Iterator[str]:
    for table in _all(ec2, "describe_route_tables", "RouteTables"):
        id_ = table["RouteTableId"]
        yield id_
        for association in table["Associations"]:
            yield f"{id_} of {association.get('SubnetId') or association.get('GatewayId') or 'the VPC'}"
        for gateway in table["PropagatingVgws"]:
            yield f"{id_} from {gateway['GatewayId']}"
        for route in table["Routes"]:
            yield f"{id_} {_destination(route)} to {_target(route)}"


def _destination(route: dict[str, Any]) -> str:
    return next(value for key, value in route.items() if key.startswith("Destination") and value)


def _target(route: dict[str, Any]) -> str:
    return next((value for key, value in route.items() if key.endswith("Id") and "Destination" not in key), "nothing")


def _security_groups(ec2: Any) -> Iterator[str]:
    for group in _all(ec2, "describe_security_groups", "SecurityGroups"):
        yield f"{group['GroupId']} {group['GroupName']}"
        for way in ("IpPermissions", "IpPermissionsEgress"):
            for rule in group[way]:
                ports = f"{rule['IpProtocol']} {rule.get('FromPort', 'all')}-{rule.get('ToPort', 'all')}"
                for peer in (
                    *(each["CidrIp"] for each in rule["IpRanges"]),
                    *(each["CidrIpv6"] for each in rule["Ipv6Ranges"]),
                    *(each["PrefixListId"] for each in rule["PrefixListIds"]),
                    *(each["GroupId"] for each in rule["UserIdGroupPairs"]),
                ):
                    yield f"{group['GroupId']} {'in' if way == 'IpPermissions' else 'out'} {ports} {peer}"


def _network_acls(ec2: Any) -> Iterator[str]:
    for acl in _all(ec2, "describe_network_acls", "NetworkAcls"):
        yield acl["NetworkAclId"]
        for entry in acl["Entries"]:
            way = "out" if entry["Egress"] else "in"
            words = (entry["RuleNumber"], entry["RuleAction"], entry["Protocol"], entry.get("CidrBlock"))
            yield f"{acl['NetworkAclId']} {way} {' '.join(map(str, words))}"


def _prefix_lists(ec2: Any) -> Iterator[str]:
    for each in _all(ec2, "describe_managed_prefix_lists", "PrefixLists"):
        if each["OwnerId"] != "AWS" and not _is_gone(each):
            id_ = each["PrefixListId"]
            yield f"{id_} {each['PrefixListName']}"
            for entry in _all(ec2, "get_managed_prefix_list_entries", "Entries", PrefixListId=id_):
                yield f"{id_} {entry['Cidr']}"


def _transit_gateway_route_tables(ec2: Any) -> Iterator[str]:
    for table in _all(ec2, "describe_transit_gateway_route_tables", "TransitGatewayRouteTables"):
        if _is_gone(table):
            continue
        id_ = table["TransitGatewayRouteTableId"]
        asked = {"TransitGatewayRouteTableId": id_}
        yield id_
        for each in _all(ec2, "get_transit_gateway_route_table_associations", "Associations", **asked):
            yield f"{id_} associates {each['TransitGatewayAttachmentId']}"
        propagations = "TransitGatewayRouteTablePropagations"
        for each in _all(ec2, "get_transit_gateway_route_table_propagations", propagations, **asked):
            yield f"{id_} learns from {each['TransitGatewayAttachmentId']}"
        static = [{"Name": "type", "Values": ["static"]}]
        for route in ec2.search_transit_gateway_routes(Filters=static, **asked)["Routes"]:
            ends = [each["TransitGatewayAttachmentId"] for each in route["TransitGatewayAttachments"]]
            yield " ".join([id_, route["DestinationCidrBlock"], "to", *(ends or ["nothing"])])


def _vpn_gateways(ec2: Any) -> Iterator[str]:
    for gateway in _all(ec2, "describe_vpn_gateways", "VpnGateways"):
        if not _is_gone(gateway):
            yield gateway["VpnGatewayId"]
            for attachment in gateway["VpcAttachments"]:
                if attachment["State"] == "attached":
                    yield f"{gateway['VpnGatewayId']} at {attachment['VpcId']}"


def _vpn_connections(ec2: Any) -> Iterator[str]:
    for connection in _all(ec2, "describe_vpn_connections", "VpnConnections"):
        if not _is_gone(connection):
            yield connection["VpnConnectionId"]
            for route in connection["Routes"]:
                yield f"{connection['VpnConnectionId']} {route['DestinationCidrBlock']}"


def _internet_gateways(ec2: Any) -> Iterator[str]:
    for gateway in _all(ec2, "describe_internet_gateways", "InternetGateways"):
        yield " ".join([gateway["InternetGatewayId"], *(each["VpcId"] for each in gateway["Attachments"])])


def _endpoint_services(ec2: Any) -> Iterator[str]:
    for service in _all(ec2, "describe_vpc_endpoint_service_configurations", "ServiceConfigurations"):
        id_ = service["ServiceId"]
        yield id_
        for each in _all(ec2, "describe_vpc_endpoint_service_permissions", "AllowedPrincipals", ServiceId=id_):
            yield f"{id_} allows {each['Principal']}"


def _shares(ram: Any) -> Iterator[str]:
    for share in _all(ram, "get_resource_shares", "resourceShares", resourceOwner="SELF"):
        if not _is_gone(share):
            arn = share["resourceShareArn"]
            yield f"{arn} {share['name']}"
            for kind in ("RESOURCE", "PRINCIPAL"):
                asked = {"associationType": kind, "resourceShareArns": [arn]}
                for each in _all(ram, "get_resource_share_associations", "resourceShareAssociations", **asked):
                    yield f"{arn} {kind.lower()} {each['associatedEntity']}"


def _zones(route53: Any) -> Iterator[str]:
    for zone in _all(route53, "list_hosted_zones", "HostedZones"):
        id_ = zone["Id"].removeprefix("/hostedzone/")
        found = route53.get_hosted_zone(Id=id_)
        yield " ".join([id_, zone["Name"], *(vpc["VPCId"] for vpc in found.get("VPCs", []))])
        for vpc in route53.list_vpc_association_authorizations(HostedZoneId=id_)["VPCs"]:
            yield f"{id_} authorizes {vpc['VPCId']}"
        for record in _all(route53, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=id_):
            yield f"{id_} {record['Type']} {record['Name']}"


_GLOBAL: dict[str, dict[str, Lister]] = {
    "iam": {
        "role": _roles,
        "policy": _policies,
        "OIDC provider": lambda iam: (
            p["Arn"] for p in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        ),
    },
    "s3": {"bucket": _each("list_buckets", "Buckets", "Name")},
    "route53": {"hosted zone": _zones},
}

_REGIONAL: dict[str, dict[str, Lister]] = {
    "cloudtrail": {
        # By default, every region also lists the trails of the others.
        "trail": lambda client: (t["TrailARN"] for t in client.describe_trails(includeShadowTrails=False)["trailList"])
    },
    "logs": {
        "log group": _each("describe_log_groups", "logGroups", "logGroupName"),
        "metric filter": _each("describe_metric_filters", "metricFilters", "logGroupName", "filterName"),
    },
    "cloudwatch": {"alarm": _each("describe_alarms", "MetricAlarms", "AlarmName")},
    "events": {"rule": _each("list_rules", "Rules", "Name")},
    "sns": {
        "topic": _each("list_topics", "Topics", "TopicArn"),
        "subscription": _each("list_subscriptions", "Subscriptions", "TopicArn", "Protocol", "Endpoint"),
    },
    "kms": {"key": _keys, "alias": _aliases},
    "ec2": {
        "VPC": _vpcs,
        "subnet": _each("describe_subnets", "Subnets", "SubnetId", "CidrBlock"),
        "route table": _route_tables,
        "internet gateway": _internet_gateways,
        "NAT gateway": _each("describe_nat_gateways", "NatGateways", "NatGatewayId"),
        "elastic IP": _each("describe_addresses", "Addresses", "AllocationId"),
        "network interface": _each("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
        "DHCP options": _each("describe_dhcp_options", "DhcpOptions", "DhcpOptionsId"),
        "endpoint": _each("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", "ServiceName"),
        "endpoint service": _endpoint_services,
        "endpoint notification": _each(
            "describe_vpc_endpoint_connection_notifications",
            "ConnectionNotificationSet",
            "ConnectionNotificationId",
            "ServiceId",
        ),
        "flow log": _each("describe_flow_logs", "FlowLogs", "FlowLogId", "ResourceId"),
        "security group": _security_groups,
        "network ACL": _network_acls,
        "prefix list": _prefix_lists,
        "peering connection": _each(
            "describe_vpc_peering_connections", "VpcPeeringConnections", "VpcPeeringConnectionId"
        ),
        "transit gateway": _each("describe_transit_gateways", "TransitGateways", "TransitGatewayId"),
        "transit gateway route table": _transit_gateway_route_tables,
        "transit gateway attachment": _each(
            "describe_transit_gateway_attachments",
            "TransitGatewayAttachments",
            "TransitGatewayAttachmentId",
            "ResourceId",
        ),
        "VPN gateway": _vpn_gateways,
        "customer gateway": _each("describe_customer_gateways", "CustomerGateways", "CustomerGatewayId", "IpAddress"),
        "VPN connection": _vpn_connections,
    },
    "ram": {"share": _shares},
    "route53resolver": {
        "resolver endpoint": _each("list_resolver_endpoints", "ResolverEndpoints", "Id"),
        "resolver rule": _each("list_resolver_rules", "ResolverRules", "Id", "DomainName"),
        "resolver rule association": _each(
            "list_resolver_rule_associations", "ResolverRuleAssociations", "ResolverRuleId", "VPCId"
        ),
        "DNS firewall list": _each("list_firewall_domain_lists", "FirewallDomainLists", "Id", "Name"),
        "DNS firewall group": _each("list_firewall_rule_groups", "FirewallRuleGroups", "Id", "Name"),
        "DNS firewall association": _each(
            "list_firewall_rule_group_associations", "FirewallRuleGroupAssociations", "FirewallRuleGroupId", "VpcId"
        ),
    },
    "elbv2": {"load balancer": _each("describe_load_balancers", "LoadBalancers", "LoadBalancerArn")},
}
