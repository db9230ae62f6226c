"""The inventory: it lists every object that the project creates, and no deleted object."""

# pyright: reportMissingParameterType=false

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest

from local_aws import LocalAws, inventory

ASTRO = "406882777402"
ACCOUNTS = (f"{number:012}" for number in itertools.count(111111111111))
DOCUMENT = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.fixture
def account() -> str:
    return next(ACCOUNTS)


@pytest.fixture
def ec2(aws, account) -> Any:
    return aws.client("ec2", account=account)


class Change:
    """Return the new objects, without the account and without generated IDs."""

    def __init__(self, aws: LocalAws, account: str) -> None:
        self.now = lambda: inventory(aws, [account], ["us-east-1"])
        self.before = self.now()
        self.account = account

    def __call__(self) -> list[str]:
        lines = set(self.now()) - set(self.before)
        return sorted(self.told(line) for line in lines)

    def told(self, line: str) -> str:
        line = line.removeprefix(f"{self.account} ").replace(self.account, "us")
        line = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[A-Z0-9]{20,}\b|/[0-9a-f]{16}\b", "ID", line)
        return re.sub(r"\b((?:[a-z]+-)+)[0-9a-f]{8,}\b", lambda match: match[1].rstrip("-"), line)


@pytest.fixture
def change(aws, account) -> Change:
    return Change(aws, account)


def test_it_lists_the_objects_of_an_account(aws, account, change):
    iam, logs, sns, kms = (aws.client(service, account=account) for service in ("iam", "logs", "sns", "kms"))
    iam.create_role(RoleName="astro", AssumeRolePolicyDocument=DOCUMENT)
    iam.put_role_policy(RoleName="astro", PolicyName="inline", PolicyDocument=DOCUMENT)
    policy = iam.create_policy(PolicyName="policy", PolicyDocument=DOCUMENT)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="astro", PolicyArn=policy)
    iam.create_open_id_connect_provider(Url="https://oidc.example", ThumbprintList=["a" * 40])
    aws.client("s3", account=account).create_bucket(Bucket=f"trail-{account}")
    aws.client("cloudtrail", account=account).create_trail(Name="trail", S3BucketName=f"trail-{account}")
    logs.create_log_group(logGroupName="trail")
    logs.put_metric_filter(
        logGroupName="trail",
        filterName="changes",
        filterPattern="{ $.a = 1 }",
        metricTransformations=[{"metricName": "changes", "metricNamespace": "astro", "metricValue": "1"}],
    )
    aws.client("cloudwatch", account=account).put_metric_alarm(
        AlarmName="changes",
        MetricName="changes",
        Namespace="astro",
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
    topic = sns.create_topic(Name="pages")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="security@acme.example")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/pages", TargetKeyId=key)
    assert change() == [
        "global OIDC provider arn:aws:iam::us:oidc-provider/oidc.example",
        "global bucket trail-us",
        "global policy arn:aws:iam::us:policy/policy v1",
        "global role astro",
        "global role astro attached arn:aws:iam::us:policy/policy",
        "global role astro inline inline",
        "us-east-1 alarm changes",
        "us-east-1 alias alias/pages ID",
        "us-east-1 key ID",
        "us-east-1 log group trail",
        "us-east-1 metric filter trail changes",
        "us-east-1 subscription arn:aws:sns:us-east-1:us:pages email security@acme.example",
        "us-east-1 topic arn:aws:sns:us-east-1:us:pages",
        "us-east-1 trail arn:aws:cloudtrail:us-east-1:us:trail/trail",
    ]


def test_it_lists_the_objects_of_a_network(aws, account, ec2, change):
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.21.0.0/16")
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.0.0/24")["Subnet"]["SubnetId"]
    [main] = [
        table["RouteTableId"]
        for table in ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    ]
    internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=vpc)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)
    ec2.create_route(RouteTableId=main, DestinationCidrBlock="0.0.0.0/0", GatewayId=internet)
    ec2.associate_route_table(RouteTableId=main, SubnetId=subnet)
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[main])
    ec2.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::{aws.client('s3', account=account).create_bucket(Bucket='flow')['Location'][1:]}",
    )
    group = ec2.create_security_group(GroupName="lake", Description="lake", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=53, ToPort=53, CidrIp="172.20.0.0/20"
    )
    ec2.create_managed_prefix_list(
        PrefixListName="astro", MaxEntries=5, AddressFamily="IPv4", Entries=[{"Cidr": "172.20.0.0/20"}]
    )
    ec2.create_dhcp_options(DhcpConfigurations=[{"Key": "domain-name", "Values": ["corp.example"]}])
    ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=vpc)
    balancer = aws.client("elbv2", account=account).create_load_balancer(
        Name="service", Type="network", Scheme="internal", Subnets=[subnet]
    )["LoadBalancers"][0]["LoadBalancerArn"]
    service = ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[balancer])
    service_id = service["ServiceConfiguration"]["ServiceId"]
    ec2.modify_vpc_endpoint_service_permissions(
        ServiceId=service_id, AddAllowedPrincipals=[f"arn:aws:iam::{ASTRO}:root"]
    )
    topic = f"arn:aws:sns:us-east-1:{account}:network"
    ec2.create_vpc_endpoint_connection_notification(
        ServiceId=service_id, ConnectionNotificationArn=topic, ConnectionEvents=["Connect"]
    )
    assert change() == [
        "global bucket flow",
        "us-east-1 DHCP options dopt",
        "us-east-1 NAT gateway nat",
        "us-east-1 VPC vpc 10.20.0.0/16 10.21.0.0/16",
        "us-east-1 elastic IP eipalloc",
        "us-east-1 endpoint notification vpce-nfn vpce-svc",
        "us-east-1 endpoint service vpce-svc",
        f"us-east-1 endpoint service vpce-svc allows arn:aws:iam::{ASTRO}:root",
        "us-east-1 endpoint vpce com.amazonaws.us-east-1.s3",
        "us-east-1 flow log fl vpc",
        "us-east-1 internet gateway igw vpc",
        "us-east-1 load balancer arn:aws:elasticloadbalancing:us-east-1:us:loadbalancer/app/serviceID",
        "us-east-1 network ACL acl",
        "us-east-1 network ACL acl in 100 allow -1 0.0.0.0/0",
        "us-east-1 network ACL acl in 32767 deny -1 0.0.0.0/0",
        "us-east-1 network ACL acl out 100 allow -1 0.0.0.0/0",
        "us-east-1 network ACL acl out 32767 deny -1 0.0.0.0/0",
        "us-east-1 network interface eni",
        "us-east-1 peering connection pcx",
        "us-east-1 prefix list pl 172.20.0.0/20",
        "us-east-1 prefix list pl astro",
        "us-east-1 route table rtb",
        "us-east-1 route table rtb 0.0.0.0/0 to igw",
        "us-east-1 route table rtb 10.20.0.0/16 to local",
        "us-east-1 route table rtb 10.21.0.0/16 to local",
        "us-east-1 route table rtb of subnet",
        "us-east-1 route table rtb of the VPC",
        "us-east-1 route table rtb pl to vpce",
        "us-east-1 security group sg default",
        "us-east-1 security group sg in tcp 53-53 172.20.0.0/20",
        "us-east-1 security group sg lake",
        "us-east-1 security group sg out -1 all-all 0.0.0.0/0",
        "us-east-1 security group sg out -1 all-all 0.0.0.0/0",
        "us-east-1 subnet subnet 10.20.0.0/24",
    ]


def make_hybrid_network(aws: LocalAws, account: str) -> dict[str, str]:
    """Create a transit gateway, a VPN, Resolver rules, a zone and a share; return the data for deleting them."""
    ec2, ram = aws.client("ec2", account=account), aws.client("ram", account=account)
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.0.0/24")["Subnet"]["SubnetId"]
    hub = ec2.create_transit_gateway()["TransitGateway"]
    table = hub["Options"]["AssociationDefaultRouteTableId"]
    attachment = ec2.create_transit_gateway_vpc_attachment(
        TransitGatewayId=hub["TransitGatewayId"], VpcId=vpc, SubnetIds=[subnet]
    )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    ec2.create_transit_gateway_route(
        TransitGatewayRouteTableId=table, DestinationCidrBlock="10.20.0.0/16", TransitGatewayAttachmentId=attachment
    )
    ec2.create_transit_gateway_route(
        TransitGatewayRouteTableId=table, DestinationCidrBlock="192.168.0.0/16", Blackhole=True
    )
    share = ram.create_resource_share(name="hub", resourceArns=[hub["TransitGatewayArn"]], principals=[ASTRO])

    gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
    office = ec2.create_customer_gateway(Type="ipsec.1", PublicIp="203.0.113.10", BgpAsn=65010)["CustomerGateway"]
    vpn = ec2.create_vpn_connection(
        Type="ipsec.1", CustomerGatewayId=office["CustomerGatewayId"], VpnGatewayId=gateway
    )["VpnConnection"]["VpnConnectionId"]
    ec2.create_vpn_connection_route(VpnConnectionId=vpn, DestinationCidrBlock="192.168.0.0/16")
    private = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.enable_vgw_route_propagation(RouteTableId=private, GatewayId=gateway)

    group = ec2.create_security_group(GroupName="dns", Description="dns", VpcId=vpc)["GroupId"]
    resolver = aws.client("route53resolver", account=account)
    endpoint = resolver.create_resolver_endpoint(
        CreatorRequestId="once",
        SecurityGroupIds=[group],
        Direction="OUTBOUND",
        Name="out",
        IpAddresses=[{"SubnetId": subnet}, {"SubnetId": subnet}],
    )["ResolverEndpoint"]["Id"]
    rule = resolver.create_resolver_rule(
        CreatorRequestId="once",
        RuleType="FORWARD",
        DomainName="corp.example",
        Name="corp",
        TargetIps=[{"Ip": "10.0.0.53", "Port": 53}],
        ResolverEndpointId=endpoint,
    )["ResolverRule"]["Id"]
    resolver.associate_resolver_rule(ResolverRuleId=rule, VPCId=vpc)
    where = {"VPCRegion": "us-east-1", "VPCId": vpc}
    zone = aws.client("route53", account=account).create_hosted_zone(
        Name="corp.example", CallerReference="once", VPC=where
    )["HostedZone"]["Id"]
    return {
        "attachment": attachment,
        "hub": hub["TransitGatewayId"],
        "share": share["resourceShare"]["resourceShareArn"],
        "gateway": gateway,
        "vpc": vpc,
        "vpn": vpn,
        "office": office["CustomerGatewayId"],
        "private": private,
        "rule": rule,
        "endpoint": endpoint,
        "zone": zone,
    }


def test_it_lists_the_connections_of_networks(aws, account, change):
    make_hybrid_network(aws, account)
    kinds = ("VPN", "transit", "customer", "resolver", "hosted", "share", "route table rtb from")
    assert [line for line in change() if line.split(" ", 1)[1].startswith(kinds)] == [
        "global hosted zone ID NS corp.example.",
        "global hosted zone ID SOA corp.example.",
        "global hosted zone ID corp.example. vpc",
        "us-east-1 VPN connection vpn",
        "us-east-1 VPN connection vpn 192.168.0.0/16",
        "us-east-1 VPN gateway vgw",
        "us-east-1 VPN gateway vgw at vpc",
        "us-east-1 customer gateway cgw 203.0.113.10",
        "us-east-1 resolver endpoint rslvr-out",
        "us-east-1 resolver rule association rslvr-rr vpc",
        "us-east-1 resolver rule rslvr-rr corp.example.",
        "us-east-1 route table rtb from vgw",
        "us-east-1 share arn:aws:ram:us-east-1:us:resource-share/ID hub",
        f"us-east-1 share arn:aws:ram:us-east-1:us:resource-share/ID principal {ASTRO}",
        "us-east-1 share arn:aws:ram:us-east-1:us:resource-share/ID resource "
        "arn:aws:ec2:us-east-1:us:transit-gateway/tgw",
        "us-east-1 transit gateway attachment tgw-attach vpc",
        "us-east-1 transit gateway route table tgw-rtb",
        "us-east-1 transit gateway route table tgw-rtb 10.20.0.0/16 to tgw-attach",
        "us-east-1 transit gateway route table tgw-rtb 192.168.0.0/16 to nothing",
        "us-east-1 transit gateway route table tgw-rtb associates tgw-attach",
        "us-east-1 transit gateway route table tgw-rtb learns from tgw-attach",
        "us-east-1 transit gateway tgw",
    ]


def test_deleted_objects_do_not_count(aws, account, ec2, change):
    made = make_hybrid_network(aws, account)
    resolver, kms = aws.client("route53resolver", account=account), aws.client("kms", account=account)
    peering = ec2.create_vpc_peering_connection(VpcId=made["vpc"], PeerVpcId=made["vpc"])["VpcPeeringConnection"]
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering["VpcPeeringConnectionId"])
    kms.schedule_key_deletion(KeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    aws.client("ram", account=account).delete_resource_share(resourceShareArn=made["share"])
    ec2.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=made["attachment"])
    ec2.delete_transit_gateway(TransitGatewayId=made["hub"])
    ec2.disable_vgw_route_propagation(RouteTableId=made["private"], GatewayId=made["gateway"])
    ec2.delete_vpn_connection(VpnConnectionId=made["vpn"])
    ec2.delete_customer_gateway(CustomerGatewayId=made["office"])
    ec2.detach_vpn_gateway(VpnGatewayId=made["gateway"], VpcId=made["vpc"])
    ec2.delete_vpn_gateway(VpnGatewayId=made["gateway"])
    resolver.disassociate_resolver_rule(ResolverRuleId=made["rule"], VPCId=made["vpc"])
    resolver.delete_resolver_rule(ResolverRuleId=made["rule"])
    resolver.delete_resolver_endpoint(ResolverEndpointId=made["endpoint"])
    aws.client("route53", account=account).delete_hosted_zone(Id=made["zone"])
    assert {line.split()[1] for line in change()} == {"VPC", "network", "route", "security", "subnet"}


def test_it_covers_every_account_and_region_that_is_named(aws, account):
    vpcs = [
        aws.client("ec2", account=who, region=region).create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
        for who in (account, ASTRO)
        for region in ("us-east-1", "eu-west-1")
    ]
    lines = inventory(aws, [account, ASTRO], ["us-east-1", "eu-west-1"])
    assert lines == sorted(lines)
    assert {line.split()[3] for line in lines if line.endswith("VPC " + line.split()[3] + " 10.99.0.0/16")} == set(vpcs)
