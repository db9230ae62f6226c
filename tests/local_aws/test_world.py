"""Resources that exist before a deploy, with the IDs of a file."""

# pyright: reportMissingParameterType=false

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws

OURS, ASTRO, STRANGER = "111111111111", "406882777402", "333333333333"
EAST = {"account": OURS, "region": "us-east-1"}
LAKE = {"id": "vpc-0123456789abcdef0", "cidr": "10.20.0.0/16", **EAST}
HUB = {"id": "tgw-0123456789abcdef0", **EAST}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


def test_a_vpc_has_its_ranges_its_parts_and_its_dns(aws):
    vpc = {
        **LAKE,
        "secondary_cidrs": ["10.21.0.0/16"],
        "dns_hostnames": True,
        "route_tables": ["rtb-0aaaaaaaaaaaaaaaa", "rtb-0bbbbbbbbbbbbbbbb"],
        "subnets": [
            {"id": "subnet-0aaaaaaaaaaaaaaaa", "cidr": "10.20.0.0/24", "route_table": "rtb-0aaaaaaaaaaaaaaaa"},
            {"id": "subnet-0bbbbbbbbbbbbbbbb", "cidr": "10.21.0.0/24", "zone": "us-east-1b"},
        ],
        "security_groups": ["sg-0aaaaaaaaaaaaaaaa"],
        "tags": {"Name": "lake"},
    }
    aws.make({"vpcs": [vpc]})
    ec2 = aws.client("ec2", account=OURS)
    [found] = ec2.describe_vpcs(VpcIds=[LAKE["id"]])["Vpcs"]
    assert found["OwnerId"] == OURS
    assert [block["CidrBlock"] for block in found["CidrBlockAssociationSet"]] == ["10.20.0.0/16", "10.21.0.0/16"]
    assert found["Tags"] == [{"Key": "Name", "Value": "lake"}]
    for attribute, expected in {"enableDnsSupport": True, "enableDnsHostnames": True}.items():
        answer = ec2.describe_vpc_attribute(VpcId=LAKE["id"], Attribute=attribute)
        assert answer[attribute[0].upper() + attribute[1:]] == {"Value": expected}

    of_vpc = [{"Name": "vpc-id", "Values": [LAKE["id"]]}]
    subnets = ec2.describe_subnets(Filters=of_vpc)["Subnets"]
    assert [(s["SubnetId"], s["CidrBlock"], s["AvailabilityZone"]) for s in subnets] == [
        ("subnet-0aaaaaaaaaaaaaaaa", "10.20.0.0/24", "us-east-1a"),
        ("subnet-0bbbbbbbbbbbbbbbb", "10.21.0.0/24", "us-east-1b"),
    ]
    tables = {t["RouteTableId"]: t for t in ec2.describe_route_tables(Filters=of_vpc)["RouteTables"]}
    main = next(id_ for id_, table in tables.items() if any(a["Main"] for a in table["Associations"]))
    assert set(tables) == {main, "rtb-0aaaaaaaaaaaaaaaa", "rtb-0bbbbbbbbbbbbbbbb"}
    associated = [a["SubnetId"] for a in tables["rtb-0aaaaaaaaaaaaaaaa"]["Associations"]]
    assert associated == ["subnet-0aaaaaaaaaaaaaaaa"]
    groups = ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"]
    assert [g["GroupId"] for g in groups if g["GroupName"] != "default"] == ["sg-0aaaaaaaaaaaaaaaa"]


def test_existing_resources_stay(aws):
    aws.make({"vpcs": [LAKE]})
    ec2 = aws.client("ec2", account=OURS)
    ec2.create_tags(Resources=[LAKE["id"]], Tags=[{"Key": "kept", "Value": "yes"}])
    before = ec2.describe_route_tables()["RouteTables"]
    aws.make({"vpcs": [{**LAKE, "cidr": "10.99.0.0/16"}]})
    [vpc] = ec2.describe_vpcs(VpcIds=[LAKE["id"]])["Vpcs"]
    assert (vpc["CidrBlock"], {"Key": "kept", "Value": "yes"} in vpc["Tags"]) == ("10.20.0.0/16", True)
    assert ec2.describe_route_tables()["RouteTables"] == before


def test_the_same_id_in_another_account_is_another_vpc(aws):
    aws.make({"vpcs": [LAKE, {**LAKE, "account": STRANGER, "cidr": "10.30.0.0/16"}]})
    [theirs] = aws.client("ec2", account=STRANGER).describe_vpcs(VpcIds=[LAKE["id"]])["Vpcs"]
    assert (theirs["OwnerId"], theirs["CidrBlock"]) == (STRANGER, "10.30.0.0/16")


def test_an_id_is_spent_on_one_resource(aws):
    aws.make({"vpcs": [LAKE]})
    ec2 = aws.client("ec2", account=OURS)
    assert ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"] != LAKE["id"]


def test_a_vpn_gateway_is_attached_to_its_vpc(aws):
    vgw = {"id": "vgw-0123456789abcdef0", "vpc": LAKE["id"], "asn": 64600, **EAST}
    aws.make({"vpcs": [LAKE], "vpn_gateways": [vgw]})
    [found] = aws.client("ec2", account=OURS).describe_vpn_gateways(VpnGatewayIds=[vgw["id"]])["VpnGateways"]
    assert (found["AmazonSideAsn"], found["VpcAttachments"]) == (64600, [{"State": "attached", "VpcId": LAKE["id"]}])


def test_a_customer_gateway_is_returned_for_an_identical_request(aws):
    office = {"id": "cgw-0123456789abcdef0", "ip": "203.0.113.10", "asn": 65010, **EAST}
    aws.make({"customer_gateways": [office]})
    asked = {"Type": "ipsec.1", "IpAddress": "203.0.113.10", "BgpAsn": 65010}
    found = aws.client("ec2", account=OURS).create_customer_gateway(**asked)["CustomerGateway"]
    assert found["CustomerGatewayId"] == office["id"]


def test_a_transit_gateway_has_its_options_and_route_tables(aws):
    hub = {
        "id": "tgw-0aaaaaaaaaaaaaaaa",
        "asn": 64700,
        "default_propagation": False,
        "auto_accept": True,
        "default_route_table": "tgw-rtb-0aaaaaaaaaaaaaaaa",
        "route_tables": ["tgw-rtb-0bbbbbbbbbbbbbbbb"],
        **EAST,
    }
    aws.make({"transit_gateways": [hub]})
    ec2 = aws.client("ec2", account=OURS)
    [found] = ec2.describe_transit_gateways(TransitGatewayIds=[hub["id"]])["TransitGateways"]
    options = found["Options"]
    assert (options["AmazonSideAsn"], options["AutoAcceptSharedAttachments"]) == (64700, "enable")
    assert options["AssociationDefaultRouteTableId"] == "tgw-rtb-0aaaaaaaaaaaaaaaa"
    assert options["DefaultRouteTablePropagation"] == "disable"
    assert "PropagationDefaultRouteTableId" not in options
    tables = ec2.describe_transit_gateway_route_tables(Filters=[{"Name": "transit-gateway-id", "Values": [hub["id"]]}])[
        "TransitGatewayRouteTables"
    ]
    assert [t["TransitGatewayRouteTableId"] for t in tables] == [
        "tgw-rtb-0aaaaaaaaaaaaaaaa",
        "tgw-rtb-0bbbbbbbbbbbbbbbb",
    ]


def test_a_shared_transit_gateway_is_seen_by_those_accounts_only(aws):
    hub = {"id": "tgw-0aaaaaaaaaaaaaaab", "shared_with": ["444444444444"], **EAST}
    aws.make({"transit_gateways": [hub]})
    for account, sees in ((OURS, True), ("444444444444", True), ("555555555555", False)):
        found = aws.client("ec2", account=account).describe_transit_gateways()["TransitGateways"]
        assert (hub["id"] in [one["TransitGatewayId"] for one in found]) is sees


def test_an_endpoint_of_another_account_waits_or_has_its_state(aws):
    owner = "222222222222"
    ec2, elb = aws.client("ec2", account=owner), aws.client("elbv2", account=owner)
    parts = [{"id": "subnet-0aaaaaaaaaaaaaaaa", "cidr": "10.20.0.0/24"}]
    aws.make({"vpcs": [{**LAKE, "account": owner, "subnets": parts}]})
    balancer = elb.create_load_balancer(Name="orders", Type="network", Subnets=["subnet-0aaaaaaaaaaaaaaaa"])[
        "LoadBalancers"
    ][0]["LoadBalancerArn"]
    asked = {"NetworkLoadBalancerArns": [balancer], "AcceptanceRequired": True}
    service = ec2.create_vpc_endpoint_service_configuration(**asked)["ServiceConfiguration"]["ServiceName"]
    endpoint = {"id": "vpce-0aaaaaaaaaaaaaaaa", "account": STRANGER, "region": "us-east-1", "service": service}
    found = []
    for more in ({}, {"state": "rejected"}, {}):
        aws.make({"vpc_endpoints": [{**endpoint, **more}]})
        found += ec2.describe_vpc_endpoint_connections()["VpcEndpointConnections"]
    assert [(one["VpcEndpointId"], one["VpcEndpointOwner"], one["VpcEndpointState"]) for one in found] == [
        ("vpce-0aaaaaaaaaaaaaaaa", STRANGER, state) for state in ("pendingAcceptance", "rejected", "rejected")
    ]


def test_an_attachment_of_another_account_waits_for_acceptance(aws):
    attachment = {
        "id": "tgw-attach-0123456789abcdef0",
        "transit_gateway": HUB["id"],
        "vpc": "vpc-0a5720000000000aa",
        "cidr": "172.20.0.0/20",
        "account": ASTRO,
        "region": "us-east-1",
    }
    for _ in range(2):
        aws.make({"transit_gateways": [HUB], "transit_gateway_attachments": [attachment]})
    ec2 = aws.client("ec2", account=OURS)

    def found(client):
        ids = [attachment["id"]]
        return client.describe_transit_gateway_vpc_attachments(TransitGatewayAttachmentIds=ids)[
            "TransitGatewayVpcAttachments"
        ]

    [ours] = found(ec2)
    assert (ours["State"], ours["VpcOwnerId"], ours["VpcId"]) == ("pendingAcceptance", ASTRO, attachment["vpc"])
    ec2.accept_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment["id"])
    [theirs] = found(aws.client("ec2", account=ASTRO))
    assert theirs["State"] == "available"


def test_auto_accept_makes_an_attachment_available_at_once(aws):
    hub = {**HUB, "id": "tgw-0bbbbbbbbbbbbbbbb", "auto_accept": True}
    attachment = {"id": "tgw-attach-0bbbbbbbbbbbbbbbb", "transit_gateway": hub["id"], "account": ASTRO}
    aws.make({"transit_gateways": [hub], "transit_gateway_attachments": [{**attachment, "region": "us-east-1"}]})
    [found] = aws.client("ec2", account=OURS).describe_transit_gateway_attachments(
        TransitGatewayAttachmentIds=[attachment["id"]]
    )["TransitGatewayAttachments"]
    assert (found["State"], found["TransitGatewayOwnerId"], found["ResourceOwnerId"]) == ("available", OURS, ASTRO)


@pytest.mark.parametrize(("region", "id_"), [("us-east-1", "pcx-0aaaaaaaaaaaaaaaa"), ("eu-west-1", "pcx-0bbbbbbbb")])
def test_a_peering_request_waits_for_the_accepter_in_any_region(aws, region, id_):
    astro = {"account": ASTRO, "region": region, "vpc": "vpc-0a57200000000000bb", "cidr": "172.20.0.0/19"}
    request = {"id": id_, "requester": astro, "accepter": {**EAST, "vpc": LAKE["id"]}}
    for _ in range(2):
        aws.make({"vpcs": [LAKE], "peering_requests": [request]})
    ec2 = aws.client("ec2", account=OURS)
    [found] = [
        connection
        for connection in ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]
        if connection["RequesterVpcInfo"]["Region"] == region
    ]
    assert found["VpcPeeringConnectionId"] == id_
    assert found["Status"]["Code"] == "pending-acceptance"
    requester, accepter = found["RequesterVpcInfo"], found["AccepterVpcInfo"]
    assert (requester["OwnerId"], requester["Region"]) == (ASTRO, region)
    assert (requester["VpcId"], requester["CidrBlock"]) == (astro["vpc"], "172.20.0.0/19")
    assert (accepter["OwnerId"], accepter["VpcId"]) == (OURS, LAKE["id"])
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=id_)
    [theirs] = aws.client("ec2", account=ASTRO, region=region).describe_vpc_peering_connections(
        VpcPeeringConnectionIds=[id_]
    )["VpcPeeringConnections"]
    assert theirs["Status"]["Code"] == "active"


def test_resolver_endpoints_and_rules_are_found_by_their_ids(aws):
    vpc = {
        **LAKE,
        "id": "vpc-0ccccccccccccccccc",
        "subnets": [
            {"id": "subnet-0cccccccccccccccc", "cidr": "10.20.0.0/24"},
            {"id": "subnet-0dddddddddddddddd", "cidr": "10.20.1.0/24", "zone": "us-east-1b"},
        ],
        "security_groups": ["sg-0cccccccccccccccc"],
    }
    endpoint = {
        "id": "rslvr-out-0123456789abcdef0",
        "subnets": ["subnet-0cccccccccccccccc", "subnet-0dddddddddddddddd"],
        "security_groups": ["sg-0cccccccccccccccc"],
        **EAST,
    }
    rule = {
        "id": "rslvr-rr-0123456789abcdef0",
        "domain": "corp.example",
        "endpoint": endpoint["id"],
        "targets": ["10.0.0.53"],
        **EAST,
    }
    for _ in range(2):
        aws.make({"vpcs": [vpc], "resolver_endpoints": [endpoint], "resolver_rules": [rule]})
    resolver = aws.client("route53resolver", account=OURS)
    found = resolver.get_resolver_endpoint(ResolverEndpointId=endpoint["id"])["ResolverEndpoint"]
    assert (found["Direction"], found["HostVPCId"], found["IpAddressCount"]) == ("OUTBOUND", vpc["id"], 2)
    found = resolver.get_resolver_rule(ResolverRuleId=rule["id"])["ResolverRule"]
    assert (found["DomainName"], found["ResolverEndpointId"]) == ("corp.example.", endpoint["id"])
    assert found["TargetIps"] == [{"Ip": "10.0.0.53", "Port": 53}]
    assert found["Arn"] == f"arn:aws:route53resolver:us-east-1:{OURS}:resolver-rule/{rule['id']}"


def test_a_network_load_balancer_has_the_arn_that_a_file_names(aws):
    arn = f"arn:aws:elasticloadbalancing:us-east-1:{OURS}:loadbalancer/net/orders/0123456789abcdef"
    subnet = {"id": "subnet-0dddddddddddddddd", "cidr": "10.70.0.0/24"}
    facts = {
        "vpcs": [{"id": "vpc-0dddddddddddddddd", "cidr": "10.70.0.0/16", "subnets": [subnet], **EAST}],
        "load_balancers": [{"arn": arn, "subnets": [subnet["id"]], **EAST}],
    }
    for _ in range(2):
        aws.make(facts)
    [found] = aws.client("elbv2", account=OURS).describe_load_balancers()["LoadBalancers"]
    assert (found["LoadBalancerArn"], found["LoadBalancerName"], found["Type"]) == (arn, "orders", "network")


def test_an_endpoint_service_accepts_its_principals_only(aws):
    name = "com.amazonaws.vpce.us-east-1.vpce-svc-0dddddddddddddddd"
    vpc = {"id": "vpc-0eeeeeeeeeeeeeeee", "cidr": "10.71.0.0/16", **EAST}
    service = {"account": "999999999999", "region": "us-east-1", "name": name}
    for _ in range(2):
        aws.make(
            {"vpcs": [vpc], "endpoint_services": [{**service, "principals": [f"arn:aws:iam::{OURS}:root"]}]},
        )
    wanted = {"VpcId": vpc["id"], "ServiceName": name, "VpcEndpointType": "Interface"}
    made = aws.client("ec2", account=OURS).create_vpc_endpoint(**wanted)["VpcEndpoint"]
    assert (made["ServiceName"], made["State"]) == (name, "pendingAcceptance")


def test_an_endpoint_service_is_shown_where_it_is_offered(aws):
    name = "com.amazonaws.vpce.us-east-1.vpce-svc-0eeeeeeeeeeeeeeee"
    service = {"account": "999999999999", "region": "us-east-1", "name": name, "zones": ["us-east-1b"]}
    aws.make(
        {"endpoint_services": [{**service, "principals": [f"arn:aws:iam::{OURS}:root"], "regions": ["us-west-2"]}]}
    )

    def zones(account, region):
        ec2 = aws.client("ec2", account=account, region=region)
        wanted = {"ServiceNames": [name], "ServiceRegions": ["us-east-1"]}
        return ec2.describe_vpc_endpoint_services(**wanted)["ServiceDetails"][0]["AvailabilityZones"]

    assert (zones(OURS, "us-east-1"), zones(OURS, "us-west-2")) == (["us-east-1b"], ["us-east-1b"])
    for account, region in ((OURS, "eu-west-1"), ("888888888888", "us-east-1")):
        with pytest.raises(ClientError, match="InvalidServiceName"):
            zones(account, region)


def test_log_groups_topics_and_keys_are_found_by_their_names(aws):
    facts = {
        "log_groups": [{"name": "trail", **EAST}],
        "topics": [{"name": "pages", **EAST}],
        "keys": [{"alias": "alias/state", **EAST}],
    }
    for _ in range(2):
        aws.make(facts)
    groups = aws.client("logs", account=OURS).describe_log_groups()["logGroups"]
    assert [group["logGroupName"] for group in groups] == ["trail"]
    topics = aws.client("sns", account=OURS).list_topics()["Topics"]
    assert topics == [{"TopicArn": f"arn:aws:sns:us-east-1:{OURS}:pages"}]
    aliases = aws.client("kms", account=OURS).list_aliases()["Aliases"]
    [alias] = [alias for alias in aliases if not alias["AliasName"].startswith("alias/aws/")]
    key = aws.client("kms", account=OURS).describe_key(KeyId="alias/state")["KeyMetadata"]
    assert (alias["AliasName"], alias["TargetKeyId"], key["Enabled"]) == ("alias/state", key["KeyId"], True)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"buckets": []}, "unknown kind: buckets"),
        ({"vpcs": [{"id": "vpc-0123"}]}, "KeyError: 'account'"),
        (
            {"transit_gateway_attachments": [{"id": "x", "transit_gateway": "tgw-0", **EAST}]},
            "no transit gateway tgw-0 in us-east-1",
        ),
    ],
)
def test_facts_that_make_no_sense_are_refused(aws, facts, message):
    with pytest.raises(ValueError, match=message):
        aws.make(facts)
