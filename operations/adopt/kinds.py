"""Descriptions of how to find each type of resource in AWS by its planned arguments, and of the ID to import it by. The
provider's documentation lists these IDs for each type, under "Import".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from modules.astronomer import POLICY, ROLE

NAME = "Tags[?Key=='Name'].Value | [0]"
"""The JMESPath of the name of an EC2 resource."""


@dataclass(frozen=True)
class Kind:
    """Describes how to list the resources of a type in AWS, and how to recognize the planned one. All but `call` are
    JMESPath.

    `ask`, and the values of `same`, `fixed`, `unfinished` and `told`, are applied to the planned arguments, which also
    have `_account`, `_region` and `_partition`. The other expressions are applied to AWS's responses.
    """

    call: str
    """service:operation of boto3."""
    items: str
    """The items in the response, or the single item."""
    id: str
    """The import ID of the provider's documentation: a field of the item, or a text with fields and arguments in
    braces."""
    ask: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the call."""
    each: tuple[str, Mapping[str, str]] | None = None
    """A second call for each item, with its parameters. Its response is added to the item."""
    same: Mapping[str, str] = field(default_factory=dict)
    """Fields that identify the planned resource. Fields that the plan leaves open are not compared."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Fields that Terraform can change only by a replacement. An item that differs is reported, not imported."""
    unfinished: Mapping[str, str] = field(default_factory=dict)
    """Fields that identify the planned resource if none matches `same`: an apply was killed before it attached the
    resource, or a person created it without a name."""
    told: Mapping[str, str] = field(default_factory=dict)
    """Fields that an apply changes in place, and that are reported because a plan could hide them among others."""
    arn: str = ""
    users: "Users | None" = None
    """Possible users. An item with users outside the stack is reported, not imported."""
    remedy: str = ""
    """The remedy for an item that differs in `fixed`, or that has other users."""

    @property
    def shows_id(self) -> bool:
        """True if AWS has an ID for it; otherwise, its import ID combines others."""
        return "{" not in self.id


@dataclass(frozen=True)
class Users:
    """Resources of one type that use another: their descriptions contain its ID."""

    type: str
    """The Terraform type of the users. Planned resources of this type belong to the stack."""
    call: str
    items: str
    id: str
    """The field with their import ID."""


@dataclass(frozen=True)
class Unimportable:
    """A type that the provider cannot import, or not with the planned arguments.

    `made_again` describes the effect of an apply if the resource exists.
    """

    made_again: str


_NAMED = {NAME: "tags.Name"}
_NAMELESS = {f"{NAME} || ''": "''"}
"""A resource that a person created without a name. Another name means another purpose."""
_VPN_CONNECTIONS = Users(
    "aws_vpn_connection", "ec2:describe_vpn_connections", "VpnConnections[?State != 'deleted']", "VpnConnectionId"
)
_IAM = "join('', ['arn:', _partition, ':iam::', _account, "
_ALIVE = "@.State == 'available' || @.State == 'pending'"


def _of_bucket(operation: str, items: str) -> Kind:
    """Return the kind of a bucket's setting, which the provider imports by the bucket's name."""
    return Kind(f"s3:{operation}", items, "{bucket}", ask={"Bucket": "bucket"})


def _associated(what: str, argument: str) -> Kind:
    """Return the kind of a RAM share's resources or principals."""
    return Kind(
        "ram:get_resource_share_associations",
        "resourceShareAssociations[?status == 'ASSOCIATED' || status == 'ASSOCIATING']",
        f"{{resource_share_arn}},{{{argument}}}",
        ask={"associationType": f"'{what}'", "resourceShareArns": "[resource_share_arn]"},
        same={"associatedEntity": argument},
    )


def _in_gateway_table(operation: str, items: str) -> Kind:
    """Return the kind of an association or a propagation of a transit gateway's route table."""
    return Kind(
        f"ec2:{operation}",
        items,
        "{transit_gateway_route_table_id}_{transit_gateway_attachment_id}",
        ask={"TransitGatewayRouteTableId": "transit_gateway_route_table_id"},
        same={"TransitGatewayAttachmentId": "transit_gateway_attachment_id"},
    )


_ACTIVE_PEERING = Kind(
    "ec2:describe_vpc_peering_connections",
    # The apply accepts a pending one.
    "VpcPeeringConnections[?Status.Code == 'active']",
    "VpcPeeringConnectionId",
    same={"VpcPeeringConnectionId": "vpc_peering_connection_id"},
)

KINDS: Mapping[str, Kind | Unimportable] = {
    "aws_account_region": Kind(
        "account:get_region_opt_status",
        "[@][?contains(['ENABLED', 'ENABLED_BY_DEFAULT', 'ENABLING'], RegionOptStatus)]",
        "{region_name}",
        ask={"RegionName": "region_name"},
    ),
    "aws_cloudtrail": Kind(
        "cloudtrail:describe_trails",
        "trailList",
        "TrailARN",
        same={"Name": "name", "HomeRegion": "_region"},
    ),
    "aws_cloudwatch_event_rule": Kind(
        "events:list_rules",
        "Rules",
        "{name}",
        ask={"NamePrefix": "name"},
        same={"Name": "name"},
    ),
    "aws_cloudwatch_event_target": Kind(
        "events:list_targets_by_rule",
        "Targets",
        "{rule}/{target_id}",
        ask={"Rule": "rule"},
        same={"Id": "target_id"},
    ),
    "aws_cloudwatch_log_group": Kind(
        "logs:describe_log_groups",
        "logGroups",
        "{name}",
        ask={"logGroupNamePrefix": "name"},
        same={"logGroupName": "name"},
        arn="arn",
    ),
    "aws_cloudwatch_log_metric_filter": Kind(
        "logs:describe_metric_filters",
        # Its name can be anything, but the patterns of Astronomer's pages contain these names.
        f"metricFilters[?contains(filterPattern || '', '{POLICY}') || contains(filterPattern || '', '{ROLE}')]",
        "{log_group_name}:{name}",
        fixed={"filterName": "name", "logGroupName": "log_group_name"},
        remedy="to keep its log group and topic, set account.policy_alarm.log_group and topic_arn; after your deploy, "
        "delete this filter and its alarm",
    ),
    "aws_cloudwatch_metric_alarm": Kind(
        "cloudwatch:describe_alarms",
        "MetricAlarms",
        "{alarm_name}",
        ask={"AlarmNamePrefix": "alarm_name"},
        same={"AlarmName": "alarm_name"},
    ),
    "aws_customer_gateway": Kind(
        "ec2:describe_customer_gateways",
        f"CustomerGateways[?{_ALIVE}]",
        "CustomerGatewayId",
        same={"IpAddress": "ip_address", "DeviceName": "device_name"},
        fixed={"BgpAsn || BgpAsnExtended": "bgp_asn || bgp_asn_extended", "Type": "type"},
        users=_VPN_CONNECTIONS,
        unfinished={
            "IpAddress": "ip_address",
            "DeviceName || ''": "''",
            "BgpAsn || BgpAsnExtended": "bgp_asn || bgp_asn_extended",
        },
    ),
    # After an import its rules would stay. Only a create removes them.
    "aws_default_security_group": Unimportable("the existing group is used, and its rules are removed"),
    "aws_ec2_managed_prefix_list": Kind(
        "ec2:describe_managed_prefix_lists",
        "PrefixLists",
        "PrefixListId",
        same={"PrefixListName": "name", "OwnerId": "_account"},
        fixed={"AddressFamily": "address_family"},
    ),
    "aws_ec2_transit_gateway": Kind(
        "ec2:describe_transit_gateways",
        f"TransitGateways[?{_ALIVE}]",
        "TransitGatewayId",
        same={**_NAMED, "OwnerId": "_account"},
        fixed={"Options.AmazonSideAsn": "amazon_side_asn"},
        arn="TransitGatewayArn",
        remedy="to keep it unchanged, set transit_gateway_id instead of create",
    ),
    "aws_ec2_transit_gateway_route": Kind(
        "ec2:search_transit_gateway_routes",
        "Routes",
        "{transit_gateway_route_table_id}_{destination_cidr_block}",
        ask={
            "TransitGatewayRouteTableId": "transit_gateway_route_table_id",
            "Filters": """`[{"Name": "type", "Values": ["static"]}]`""",
        },
        same={"DestinationCidrBlock": "destination_cidr_block"},
        fixed={
            "TransitGatewayAttachments[0].TransitGatewayAttachmentId": "transit_gateway_attachment_id",
            "State == 'blackhole'": "blackhole",
        },
    ),
    "aws_ec2_transit_gateway_route_table": Kind(
        "ec2:describe_transit_gateway_route_tables",
        f"TransitGatewayRouteTables[?{_ALIVE}]",
        "TransitGatewayRouteTableId",
        same={**_NAMED, "TransitGatewayId": "transit_gateway_id"},
    ),
    "aws_ec2_transit_gateway_route_table_association": _in_gateway_table(
        "get_transit_gateway_route_table_associations",
        "Associations[?State == 'associated' || State == 'associating']",
    ),
    "aws_ec2_transit_gateway_route_table_propagation": _in_gateway_table(
        "get_transit_gateway_route_table_propagations",
        "TransitGatewayRouteTablePropagations[?State == 'enabled' || State == 'enabling']",
    ),
    "aws_ec2_transit_gateway_peering_attachment_accepter": Kind(
        "ec2:describe_transit_gateway_peering_attachments",
        "TransitGatewayPeeringAttachments[?State == 'available']",
        "TransitGatewayAttachmentId",
        same={"TransitGatewayAttachmentId": "transit_gateway_attachment_id"},
    ),
    "aws_ec2_transit_gateway_vpc_attachment": Kind(
        "ec2:describe_transit_gateway_vpc_attachments",
        f"TransitGatewayVpcAttachments[?{_ALIVE} || @.State == 'pendingAcceptance']",
        "TransitGatewayAttachmentId",
        same={"TransitGatewayId": "transit_gateway_id", "VpcId": "vpc_id"},
        fixed=_NAMED,
        unfinished={"TransitGatewayId": "transit_gateway_id", "VpcId": "vpc_id", **_NAMELESS},
        remedy="it already attaches the network: omit attach_network, or give it the Name to adopt it",
    ),
    "aws_ec2_transit_gateway_vpc_attachment_accepter": Kind(
        "ec2:describe_transit_gateway_vpc_attachments",
        # The apply accepts a pending one.
        "TransitGatewayVpcAttachments[?State == 'available']",
        "TransitGatewayAttachmentId",
        same={"TransitGatewayAttachmentId": "transit_gateway_attachment_id"},
    ),
    "aws_eip": Kind("ec2:describe_addresses", "Addresses", "AllocationId", same={**_NAMED, "Domain": "domain"}),
    "aws_flow_log": Kind(
        "ec2:describe_flow_logs",
        "FlowLogs",
        "FlowLogId",
        same={"ResourceId": "vpc_id"},
        fixed={"TrafficType": "traffic_type", "DeliverLogsPermissionArn": "iam_role_arn"},
        remedy="networks.*.create.flow_logs.off_reason keeps the existing flow logs",
    ),
    "aws_iam_openid_connect_provider": Kind(
        "iam:list_open_id_connect_providers",
        "OpenIDConnectProviderList",
        "Arn",
        each=("iam:get_open_id_connect_provider", {"OpenIDConnectProviderArn": "Arn"}),
        same={"Url": "url"},
        users=Users("aws_iam_role", "iam:list_roles", "Roles", "RoleName"),
        remedy="name it in provider_arn",
    ),
    "aws_iam_policy": Kind(
        "iam:get_policy",
        "Policy",
        "Arn",
        ask={"PolicyArn": f"{_IAM}':policy', path || '/', name])"},
        arn="Arn",
    ),
    "aws_iam_role": Kind(
        "iam:get_role",
        "Role",
        "{name}",
        ask={"RoleName": "name"},
        fixed={"Path": "path || '/'"},
        arn="Arn",
    ),
    # Found only if there is something to remove, so that the plan after an import shows it.
    "aws_iam_role_policies_exclusive": Kind(
        "iam:list_role_policies",
        "PolicyNames && [@]",
        "{role_name}",
        ask={"RoleName": "role_name"},
        told={"PolicyNames": "policy_names"},
    ),
    "aws_iam_role_policy": Kind(
        "iam:list_role_policies",
        "PolicyNames[].{Name: @}",
        "{role}:{Name}",
        ask={"RoleName": "role"},
        same={"Name": "name"},
    ),
    "aws_iam_role_policy_attachment": Kind(
        "iam:list_attached_role_policies",
        "AttachedPolicies",
        "{role}/{policy_arn}",
        ask={"RoleName": "role"},
        same={"PolicyArn": "policy_arn"},
    ),
    "aws_iam_role_policy_attachments_exclusive": Kind(
        "iam:list_attached_role_policies",
        "AttachedPolicies && [@]",
        "{role_name}",
        ask={"RoleName": "role_name"},
        told={"AttachedPolicies[].PolicyArn": "policy_arns"},
    ),
    "aws_iam_security_token_service_preferences": Unimportable("the preference is set again, which changes nothing"),
    "aws_internet_gateway": Kind(
        "ec2:describe_internet_gateways",
        "InternetGateways",
        "InternetGatewayId",
        same={"Attachments[0].VpcId": "vpc_id"},
        unfinished={**_NAMED, "length(Attachments)": "`0`"},
    ),
    "aws_kms_key": Kind(
        "kms:list_keys",
        "Keys",
        "KeyId",
        each=("kms:describe_key", {"KeyId": "KeyId"}),
        same={"KeyMetadata.Description": "description", "KeyMetadata.KeyState": "'Enabled'"},
        arn="KeyArn",
    ),
    "aws_lb": Kind(
        "elbv2:describe_load_balancers",
        "LoadBalancers",
        "LoadBalancerArn",
        same={"LoadBalancerName": "name"},
        fixed={"Type": "load_balancer_type", "Scheme == 'internal'": "internal"},
    ),
    "aws_lb_listener": Kind(
        "elbv2:describe_listeners",
        "Listeners",
        "ListenerArn",
        ask={"LoadBalancerArn": "load_balancer_arn"},
        same={"Port": "port"},
    ),
    "aws_lb_target_group": Kind(
        "elbv2:describe_target_groups",
        "TargetGroups",
        "TargetGroupArn",
        same={"TargetGroupName": "name"},
        fixed={"VpcId": "vpc_id", "TargetType": "target_type", "Protocol": "protocol", "Port": "port"},
    ),
    "aws_lb_target_group_attachment": Unimportable("the target is registered again, which changes nothing"),
    "aws_nat_gateway": Kind(
        "ec2:describe_nat_gateways",
        f"NatGateways[?{_ALIVE}]",
        "NatGatewayId",
        same={"SubnetId": "subnet_id"},
        fixed={"NatGatewayAddresses[0].AllocationId": "allocation_id"},
    ),
    "aws_network_acl_rule": Kind(
        "ec2:describe_network_acls",
        "NetworkAcls[].Entries[]",
        "{network_acl_id}:{rule_number}:{protocol}:{egress}",
        ask={"NetworkAclIds": "[network_acl_id]"},
        same={"RuleNumber": "rule_number", "Egress": "egress"},
        fixed={
            "CidrBlock": "cidr_block",
            "RuleAction": "rule_action",
            "Protocol": "protocol",
            "PortRange.From": "from_port",
            "PortRange.To": "to_port",
            "IcmpTypeCode.Type": "icmp_type",
            "IcmpTypeCode.Code": "icmp_code",
        },
        remedy="choose an unused network_acls.*.rule_number",
    ),
    "aws_ram_principal_association": _associated("PRINCIPAL", "principal"),
    "aws_ram_resource_association": _associated("RESOURCE", "resource_arn"),
    "aws_ram_resource_share": Kind(
        "ram:get_resource_shares",
        "resourceShares[?status == 'ACTIVE']",
        "resourceShareArn",
        ask={"resourceOwner": "'SELF'", "name": "name"},
        same={"name": "name"},
    ),
    "aws_route": Kind(
        "ec2:describe_route_tables",
        "RouteTables[].Routes[?Origin == 'CreateRoute'][]",
        "{route_table_id}_{destination_cidr_block}",
        ask={"RouteTableIds": "[route_table_id]"},
        same={"DestinationCidrBlock": "destination_cidr_block"},
        told={
            "GatewayId": "gateway_id",
            "NatGatewayId": "nat_gateway_id",
            "TransitGatewayId": "transit_gateway_id",
            "VpcPeeringConnectionId": "vpc_peering_connection_id",
        },
    ),
    "aws_route53_resolver_endpoint": Kind(
        "route53resolver:list_resolver_endpoints",
        "ResolverEndpoints",
        "Id",
        same={"Name": "name", "Direction": "direction"},
        fixed={"SecurityGroupIds": "security_group_ids"},
    ),
    "aws_route53_resolver_firewall_domain_list": Kind(
        "route53resolver:list_firewall_domain_lists",
        "FirewallDomainLists",
        "Id",
        same={"Name": "name"},
    ),
    "aws_route53_resolver_firewall_rule": Kind(
        "route53resolver:list_firewall_rules",
        "FirewallRules",
        "{firewall_rule_group_id}:{firewall_domain_list_id}",
        ask={"FirewallRuleGroupId": "firewall_rule_group_id"},
        same={"FirewallDomainListId": "firewall_domain_list_id"},
    ),
    "aws_route53_resolver_firewall_rule_group": Kind(
        "route53resolver:list_firewall_rule_groups",
        "FirewallRuleGroups",
        "Id",
        same={"Name": "name", "OwnerId": "_account"},
    ),
    "aws_route53_resolver_firewall_rule_group_association": Kind(
        "route53resolver:list_firewall_rule_group_associations",
        "FirewallRuleGroupAssociations",
        "Id",
        ask={"VpcId": "vpc_id"},
        same={"FirewallRuleGroupId": "firewall_rule_group_id"},
    ),
    "aws_route53_resolver_rule": Kind(
        "route53resolver:list_resolver_rules",
        "ResolverRules",
        "Id",
        same={"DomainName": "domain_name", "RuleType": "rule_type", "OwnerId": "_account"},
        arn="Arn",
        users=Users(
            "aws_route53_resolver_rule_association",
            "route53resolver:list_resolver_rule_associations",
            "ResolverRuleAssociations",
            "Id",
        ),
        remedy="to keep it unchanged, set its rule_id",
    ),
    "aws_route53_resolver_rule_association": Kind(
        "route53resolver:list_resolver_rule_associations",
        "ResolverRuleAssociations",
        "Id",
        same={"ResolverRuleId": "resolver_rule_id", "VPCId": "vpc_id"},
    ),
    "aws_route53_record": Kind(
        "route53:list_resource_record_sets",
        "ResourceRecordSets",
        "{zone_id}_{name}_{type}",
        ask={"HostedZoneId": "zone_id"},
        same={"Name": "name", "Type": "type"},
    ),
    "aws_route53_vpc_association_authorization": Kind(
        "route53:list_vpc_association_authorizations",
        "VPCs",
        "{zone_id}:{vpc_id}",
        ask={"HostedZoneId": "zone_id"},
        same={"VPCId": "vpc_id"},
    ),
    "aws_route53_zone": Kind(
        # A VPC has one private zone of each name.
        "route53:list_hosted_zones_by_vpc",
        "HostedZoneSummaries",
        "HostedZoneId",
        ask={"VPCId": "vpc[0].vpc_id", "VPCRegion": "vpc[0].vpc_region"},
        same={"Name": "name", "Owner.OwningAccount": "_account"},
        each=("route53:get_hosted_zone", {"Id": "HostedZoneId"}),
        # A zone that an estate created has its name in the comment, and may have Astronomer's VPCs. A zone that a
        # person created belongs to the network only if no other VPC uses it.
        fixed={"HostedZone.Config.Comment": "comment"},
        unfinished={
            "Name": "name",
            "Owner.OwningAccount": "_account",
            "VPCs[].VPCId": "vpc[].vpc_id",
        },
        remedy="to keep it unchanged, set its zone_id",
    ),
    "aws_route_table": Kind(
        "ec2:describe_route_tables",
        "RouteTables",
        "RouteTableId",
        same={**_NAMED, "VpcId": "vpc_id"},
    ),
    "aws_route_table_association": Kind(
        "ec2:describe_route_tables",
        "RouteTables[].Associations[]",
        "{subnet_id}/{route_table_id}",
        same={"SubnetId": "subnet_id"},
        fixed={"RouteTableId": "route_table_id"},
        remedy="a subnet has one route table: remove the association in AWS",
    ),
    "aws_s3_bucket": Kind("s3:list_buckets", "Buckets", "Name", same={"Name": "bucket"}),
    "aws_s3_bucket_lifecycle_configuration": _of_bucket("get_bucket_lifecycle_configuration", "Rules && [@]"),
    "aws_s3_bucket_ownership_controls": _of_bucket("get_bucket_ownership_controls", "OwnershipControls"),
    "aws_s3_bucket_policy": _of_bucket("get_bucket_policy", "Policy && [@]"),
    "aws_s3_bucket_public_access_block": _of_bucket("get_public_access_block", "PublicAccessBlockConfiguration"),
    "aws_s3_bucket_server_side_encryption_configuration": _of_bucket(
        "get_bucket_encryption", "ServerSideEncryptionConfiguration"
    ),
    "aws_s3_bucket_versioning": _of_bucket("get_bucket_versioning", "Status && [@]"),
    "aws_security_group": Kind(
        "ec2:describe_security_groups",
        "SecurityGroups",
        "GroupId",
        # Terraform generates the end of its name.
        same={"VpcId": "vpc_id", "Description": "description", **_NAMED},
    ),
    "aws_servicequotas_service_quota": Kind(
        "service-quotas:get_service_quota",
        "Quota",
        "{service_code}/{quota_code}",
        ask={"ServiceCode": "service_code", "QuotaCode": "quota_code"},
    ),
    "aws_sns_topic": Kind(
        "sns:get_topic_attributes",
        "Attributes",
        "TopicArn",
        ask={"TopicArn": "join(':', ['arn', _partition, 'sns', _region, _account, name])"},
    ),
    "aws_sns_topic_policy": Kind("sns:get_topic_attributes", "Attributes", "TopicArn", ask={"TopicArn": "arn"}),
    "aws_sns_topic_subscription": Kind(
        "sns:list_subscriptions_by_topic",
        # A subscription that is not confirmed has no ARN. The apply requests the confirmation again.
        "Subscriptions[?starts_with(SubscriptionArn, 'arn:')]",
        "SubscriptionArn",
        ask={"TopicArn": "topic_arn"},
        same={"Protocol": "protocol", "Endpoint": "endpoint"},
    ),
    "aws_subnet": Kind(
        "ec2:describe_subnets",
        "Subnets",
        "SubnetId",
        same={"VpcId": "vpc_id", "CidrBlock": "cidr_block"},
        fixed={"AvailabilityZone": "availability_zone"},
    ),
    "aws_vpc": Kind(
        "ec2:describe_vpcs",
        "Vpcs",
        "VpcId",
        same={"CidrBlock": "cidr_block", "OwnerId": "_account"},
        # AWS would allow the import, but a VPC with the same range can belong to someone else.
        fixed=_NAMED,
        remedy="to keep it unchanged, set vpc_id and its parts instead of create; to adopt it, give it the Name",
    ),
    "aws_vpc_endpoint": Kind(
        "ec2:describe_vpc_endpoints",
        f"VpcEndpoints[?{_ALIVE} || @.State == 'pendingAcceptance']",
        "VpcEndpointId",
        same={"VpcId": "vpc_id", "ServiceName": "service_name", "VpcEndpointType": "vpc_endpoint_type"},
        # AWS does not show the users of an endpoint, and an apply changes its security group and policy.
        fixed=_NAMED,
        remedy="everything in the VPC can use it: omit it from endpoints, or give it the Name to adopt it",
    ),
    "aws_vpc_endpoint_connection_notification": Kind(
        "ec2:describe_vpc_endpoint_connection_notifications",
        "ConnectionNotificationSet",
        "ConnectionNotificationId",
        same={
            "ServiceId": "vpc_endpoint_service_id",
            "ConnectionNotificationArn": "connection_notification_arn",
        },
    ),
    "aws_vpc_endpoint_connection_accepter": Unimportable("the connection is accepted again, which changes nothing"),
    "aws_vpc_endpoint_service_private_dns_verification": Unimportable("AWS verifies the name again"),
    "aws_vpc_endpoint_service": Kind(
        "ec2:describe_vpc_endpoint_service_configurations",
        "ServiceConfigurations",
        "ServiceId",
        each=("ec2:describe_vpc_endpoint_connections", {"Filters": "[{Name: 'service-id', Values: [ServiceId]}]"}),
        same={"NetworkLoadBalancerArns": "network_load_balancer_arns"},
        fixed=_NAMED,
        # A service that a person created, without connections.
        unfinished={
            "NetworkLoadBalancerArns": "network_load_balancer_arns",
            **_NAMELESS,
            "length(VpcEndpointConnections)": "`0`",
        },
        remedy="others are connected to it: omit service, or give it the Name to adopt it",
    ),
    "aws_vpc_peering_connection_accepter": _ACTIVE_PEERING,
    "aws_vpc_peering_connection_options": _ACTIVE_PEERING,
    "aws_vpc_security_group_ingress_rule": Kind(
        "ec2:describe_security_group_rules",
        "SecurityGroupRules[?!IsEgress]",
        "SecurityGroupRuleId",
        same={
            "GroupId": "security_group_id",
            "IpProtocol": "ip_protocol",
            "FromPort": "from_port",
            "ToPort": "to_port",
            "CidrIpv4": "cidr_ipv4",
            "PrefixListId": "prefix_list_id",
        },
    ),
    "aws_vpn_connection": Kind(
        "ec2:describe_vpn_connections",
        f"VpnConnections[?{_ALIVE}]",
        "VpnConnectionId",
        same={
            "CustomerGatewayId": "customer_gateway_id",
            "VpnGatewayId": "vpn_gateway_id",
            "TransitGatewayId": "transit_gateway_id",
        },
        fixed={
            "Options.StaticRoutesOnly": "static_routes_only",
            "PreSharedKeyArn && 'SecretsManager' || 'Standard'": "preshared_key_storage",
            "Options.TunnelOptions[0].TunnelInsideCidr": "tunnel1_inside_cidr",
            "Options.TunnelOptions[1].TunnelInsideCidr": "tunnel2_inside_cidr",
        },
        told={
            "Options.TunnelOptions[0].Phase1DHGroupNumbers[].Value": "tunnel1_phase1_dh_group_numbers",
            "Options.TunnelOptions[1].Phase1DHGroupNumbers[].Value": "tunnel2_phase1_dh_group_numbers",
        },
    ),
    "aws_vpn_connection.transit_gateway_attachment_id": Kind(
        "ec2:describe_transit_gateway_attachments",
        "TransitGatewayAttachments[?ResourceType == 'vpn']",
        "TransitGatewayAttachmentId",
        same={"ResourceId": "id"},
    ),
    "aws_vpn_connection_route": Unimportable("the route is created again, which changes nothing"),
    "aws_vpn_gateway": Kind(
        "ec2:describe_vpn_gateways",
        f"VpnGateways[?{_ALIVE}]",
        "VpnGatewayId",
        same={"VpcAttachments[?State == 'attached'].VpcId | [0]": "vpc_id"},
        users=_VPN_CONNECTIONS,
        fixed={"AmazonSideAsn": "amazon_side_asn"},
        unfinished={
            **_NAMED,
            "length(VpcAttachments[?State != 'detached'])": "`0`",
            "AmazonSideAsn": "amazon_side_asn",
        },
        remedy="to keep it unchanged, set vpn_gateway_id",
    ),
    "aws_vpn_gateway_route_propagation": Unimportable("propagation is turned on again, which changes nothing"),
    "data.aws_ec2_transit_gateway": Kind(
        "ec2:describe_transit_gateways",
        "TransitGateways",
        "TransitGatewayId",
        same={"TransitGatewayId": "id"},
        arn="TransitGatewayArn",
    ),
    "data.aws_ec2_transit_gateway_attachment": Kind(
        "ec2:describe_transit_gateway_attachments",
        "TransitGatewayAttachments",
        "TransitGatewayAttachmentId",
        same={"TransitGatewayAttachmentId": "transit_gateway_attachment_id"},
    ),
    "data.aws_route53_resolver_rule": Kind(
        "route53resolver:list_resolver_rules",
        "ResolverRules",
        "Id",
        same={"Id": "resolver_rule_id"},
        arn="Arn",
    ),
    "data.aws_route53_zone": Kind("route53:get_hosted_zone", "HostedZone", "{zone_id}", ask={"Id": "zone_id"}),
    "data.aws_route_tables": Kind(
        "ec2:describe_route_tables",
        "RouteTables",
        "RouteTableId",
        ask={"Filters": "[[{Name: 'vpc-id', Values: [vpc_id]}], filter[].{Name: name, Values: values} || `[]`][]"},
    ),
    "data.aws_vpc_peering_connection": Kind(
        "ec2:describe_vpc_peering_connections",
        "VpcPeeringConnections",
        "VpcPeeringConnectionId",
        same={"VpcPeeringConnectionId": "id"},
    ),
    # A resource of Terraform itself.
    "terraform_data": Unimportable("it exists only in the state, as a record of earlier deploys"),
}
