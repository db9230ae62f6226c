"""The first hop that blocks: exactly, over every address, and in each state on the local AWS."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate.errors import UserError
from estate.load import load
from estate.model import Estate
from estate.plan import stacks_of
from local_aws import LocalAws
from operations.handoff.read import Deployed
from operations.reach.exact import Entry, Route, best, in_words, pieces, shut, span
from operations.reach.report import airflow_commands, reach
from operations.status.report import Status
from tests.support import ROOT
from tests.support.commands import run
from tests.support.estates import estate_of
from tests.support.world import facts_of

COMPLETE = ROOT / "examples/complete.yaml"
LAKE, HYBRID, HOSTED = "111111111111", "222222222222", "333333333333"
VPC, PCX, GROUP, ACL = "vpc-0123456789abcdef0", "pcx-0123456789abcdef0", "sg-0123456789abcdef0", "acl-0123456789abcdef0"
TABLE, SUBNET, OTHER = "rtb-0aaaaaaaaaaaaaaaa", "subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"
GATEWAY, THEIRS = "tgw-0123456789abcdef0", "tgw-attach-0aaaaaaaaaaaaaaaa"
FORWARD, BACK = "tgw-rtb-0aaaaaaaaaaaaaaaa", "tgw-rtb-0bbbbbbbbbbbbbbbb"
HOST, IN_B = "10.20.0.10", "10.20.0.26"


BASE = int(IPv4Address("10.0.0.0"))


def networks(longest: int) -> st.SearchStrategy[IPv4Network]:
    return st.builds(
        lambda length, offset: IPv4Network((BASE + (offset >> (32 - length) << (32 - length)), length)),
        st.integers(longest, 32),
        st.integers(0, 255),
    )


ports = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda two: (min(two), max(two)))
routes_ = st.lists(
    st.builds(Route, networks(24), st.integers(1, 3), st.sampled_from(["active", "blackhole", "filtered"]), st.text()),
    max_size=6,
)
entries_ = st.lists(
    st.builds(Entry, st.integers(1, 99), networks(24), ports, st.booleans()),
    max_size=7,
    unique_by=lambda one: one.number,
)


@settings(max_examples=300, deadline=None)
@given(ranges=st.lists(networks(26), min_size=1, max_size=2), routes=routes_, entries=entries_)
def test_a_piece_is_decided_as_each_of_its_addresses(
    ranges: list[IPv4Network], routes: list[Route], entries: list[Entry]
) -> None:
    found = list(pieces(ranges, [*(one.prefix for one in routes), *(one.prefix for one in entries)]))
    covered = sorted(address for first, last in found for address in range(first, last + 1))
    assert covered == sorted(int(address) for one in ranges for address in one)
    for first, last in found:
        chosen, denied = best(routes, first), shut(entries, first, (3, 17))
        for address in range(first, last + 1):
            here = [one for one in routes if IPv4Address(address) in one.prefix and one.state != "filtered"]
            top = max(((one.prefix.prefixlen, one.rank) for one in here), default=None)
            assert (chosen and (chosen.prefix.prefixlen, chosen.rank)) == top
            for port in range(3, 18):
                assert any(low <= port <= high for (low, high), _ in denied) != allowed(entries, address, port)


def allowed(entries: list[Entry], address: int, port: int) -> bool:
    for one in sorted(entries, key=lambda one: one.number):
        if IPv4Address(address) in one.prefix and one.ports[0] <= port <= one.ports[1]:
            return one.allow
    return False


@given(st.lists(networks(24), min_size=1, max_size=5))
def test_pieces_in_words_are_the_same_addresses(found: list[IPv4Network]) -> None:
    words = [IPv4Network(one) for one in in_words(span(one) for one in found).split(", ")]
    assert {address for one in words for address in one} == {address for one in found for address in one}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    with LocalAws() as aws:
        for key, value in aws.environment().items():
            monkeypatch.setenv(key, value)
        aws.make(facts_of(load(COMPLETE)))
        ec2 = aws.client("ec2", LAKE)
        for subnet, address in ((SUBNET, HOST), (OTHER, IN_B)):
            ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=address, Groups=[GROUP])
        yield aws


@pytest.fixture(scope="module")
def estate() -> Estate:
    return load(COMPLETE)


def walk(estate: Estate, cluster: str = "prod", host: str = HOST, port: int = 5432, **more: Any) -> Status:
    facts: dict[str, Any] = more.pop("facts", {})
    deployed = {plan.name: Deployed("deployed", facts=facts) for plan in stacks_of(estate)}
    return reach(estate, deployed, datetime.now(UTC), cluster, host, port, **more)


def blocked(found: Status) -> list[tuple[str, str]]:
    """Return every hop that blocks, with its evidence, in order."""
    return [(row.id, row.outcome.evidence) for row in found.rows if row.outcome.state in ("failed", "waiting")]


def first(found: Status) -> tuple[str, str] | None:
    return next(iter(blocked(found)), None)


def entry(number: int, low: int, high: int, *, out: bool, allow: str = "allow") -> dict[str, Any]:
    return {
        "NetworkAclId": ACL,
        "RuleNumber": number,
        "Protocol": "6",
        "RuleAction": allow,
        "Egress": out,
        "CidrBlock": "172.20.0.0/20",
        "PortRange": {"From": low, "To": high},
    }


def test_a_peering_is_blocked_at_each_hop_until_all_are_open(aws: LocalAws, estate: Estate) -> None:
    ec2 = aws.client("ec2", LAKE)
    assert first(walk(estate)) == ("active", f"{PCX} is pending-acceptance, requested by {HYBRID}")

    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=PCX)
    main = next(
        one["RouteTableId"]
        for one in ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [VPC]}])["RouteTables"]
        if any(each.get("Main") for each in one["Associations"])
    )
    no_route = f"172.20.0.0/20: {main} (the main table; the subnet has no explicit association) has no route"
    assert first(walk(estate)) == ("route", no_route)
    ec2.create_route(RouteTableId=TABLE, DestinationCidrBlock="172.20.0.0/20", VpcPeeringConnectionId=PCX)
    assert first(walk(estate)) == ("route", no_route)

    ec2.associate_route_table(RouteTableId=TABLE, SubnetId=SUBNET)
    assert first(walk(estate)) == ("group", f"172.20.0.0/20: no inbound rule of {GROUP} allows tcp 5432")
    rule = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": "172.20.0.0/21"}]}
    ec2.authorize_security_group_ingress(GroupId=GROUP, IpPermissions=[rule])
    assert first(walk(estate)) == ("group", f"172.20.8.0/21: no inbound rule of {GROUP} allows tcp 5432")
    rule["IpRanges"] = [{"CidrIp": "172.20.8.0/21"}]
    ec2.authorize_security_group_ingress(GroupId=GROUP, IpPermissions=[rule])
    reachable = walk(estate)
    assert blocked(reachable) == []
    assert [row.id for row in reachable.rows if row.outcome.state == "unknown"] == ["astro-routes"]

    # A part of the range is routed elsewhere.
    gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=VPC)
    ec2.create_route(RouteTableId=TABLE, DestinationCidrBlock="172.20.3.0/24", GatewayId=gateway)
    elsewhere = f"172.20.3.0/24: the route 172.20.3.0/24 of {TABLE} points to {gateway}"
    assert blocked(walk(estate)) == [("route", elsewhere)]
    ec2.delete_route(RouteTableId=TABLE, DestinationCidrBlock="172.20.3.0/24")

    # Network ACLs, which are stateless.
    (association,) = [
        each["NetworkAclAssociationId"]
        for one in ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [VPC]}])["NetworkAcls"]
        for each in one["Associations"]
        if each["SubnetId"] == SUBNET
    ]
    ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=ACL)
    closed_in = ("acl-in", f"172.20.0.0/20: {ACL} denies inbound 5432 by rule *")
    closed_out = ("acl-out", f"172.20.0.0/20: {ACL} denies outbound 1024-65535 by rule *")
    assert blocked(walk(estate)) == [closed_in, closed_out]
    ec2.create_network_acl_entry(**entry(100, 5432, 5432, out=False))
    assert blocked(walk(estate)) == [closed_out]
    ec2.create_network_acl_entry(**entry(100, 32768, 60999, out=True))
    some = f"172.20.0.0/20: {ACL} denies outbound 1024-32767 by rule *, 61000-65535 by rule *"
    assert blocked(walk(estate)) == [("acl-out", some)]
    ec2.create_network_acl_entry(**entry(110, 1024, 65535, out=True))
    assert blocked(walk(estate)) == []
    ec2.create_network_acl_entry(**entry(90, 5400, 5500, out=False, allow="deny"))
    assert blocked(walk(estate)) == [("acl-in", f"172.20.0.0/20: {ACL} denies inbound 5432 by rule 90")]
    ec2.delete_network_acl_entry(NetworkAclId=ACL, RuleNumber=90, Egress=False)

    # Other destinations.
    assert first(walk(estate, host=IN_B)) == ("route", no_route)
    other_port = [("acl-in", f"172.20.0.0/20: {ACL} denies inbound 443 by rule *")]
    assert blocked(walk(estate, port=443))[:1] == other_port
    assert [row.id for row in walk(estate, host="10.20.0.11").rows if row.outcome.state == "unknown"] == [
        "interface",
        "group",
        "astro-routes",
    ]
    assert first(walk(estate, host="10.20.200.1")) == (
        "subnet",
        f"no subnet of {VPC} contains 10.20.200.1; the VPC's ranges are 10.20.0.0/16, 10.21.0.0/20",
    )
    assert first(walk(estate, host="10.99.0.1")) == (
        "way",
        "no connection of prod leads to a network with 10.99.0.1; available: archive 10.40.0.0/16, "
        "lake 10.20.0.0/16, lake 10.21.0.0/20",
    )
    assert first(walk(estate, protocol="udp")) == (
        "acl-in",
        f"172.20.0.0/20: {ACL} denies inbound 5432 by rule *",
    )

    aws.client("ec2", HYBRID).delete_vpc_peering_connection(VpcPeeringConnectionId=PCX)
    gone = blocked(walk(estate))
    assert gone[0][0] == "active"
    assert ("route", f"172.20.0.0/20: the route 172.20.0.0/20 of {TABLE} is a blackhole") in gone


def test_a_transit_gateway_blocks_at_each_hop_in_order(aws: LocalAws, estate: Estate) -> None:
    ec2 = aws.client("ec2", LAKE)

    def ids() -> list[str]:
        return [id_ for id_, _ in blocked(walk(estate, "dev"))]

    assert first(walk(estate, "dev")) == ("astro", f"{THEIRS}: pendingAcceptance")
    ec2.accept_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=THEIRS)
    assert first(walk(estate, "dev")) == ("network", f"{GATEWAY}: {VPC} has no attachment")

    ours = ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=GATEWAY, VpcId=VPC, SubnetIds=[OTHER])[
        "TransitGatewayVpcAttachment"
    ]["TransitGatewayAttachmentId"]
    for table in ec2.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"]:
        id_ = table["TransitGatewayRouteTableId"]
        for one in ec2.get_transit_gateway_route_table_associations(TransitGatewayRouteTableId=id_)["Associations"]:
            ec2.disassociate_transit_gateway_route_table(
                TransitGatewayRouteTableId=id_, TransitGatewayAttachmentId=one["TransitGatewayAttachmentId"]
            )
    one_zone = f"{ours} has subnets only in us-east-1b; packets to and from {SUBNET} in us-east-1a are dropped"
    found = dict(blocked(walk(estate, "dev")))
    assert (found["forward"], found["zone"], found["back"]) == (
        f"no route table is associated with {THEIRS}",
        one_zone,
        f"no route table is associated with {ours}",
    )
    for table, attachment in ((FORWARD, THEIRS), (BACK, ours)):
        ec2.associate_transit_gateway_route_table(
            TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=attachment
        )
    found = dict(blocked(walk(estate, "dev")))
    assert (found["forward"], found["back"]) == (
        f"{HOST}/32: {FORWARD} has no route",
        f"172.20.16.0/20: {BACK} has no route",
    )
    opens: list[tuple[str, Callable[[], Any]]] = [
        ("forward", lambda: route(FORWARD, "10.20.0.0/16", ours)),
        ("back", lambda: route(BACK, "172.20.16.0/20", THEIRS)),
        (
            "zone",
            lambda: ec2.modify_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=ours, AddSubnetIds=[SUBNET]),
        ),
        (
            "route",
            lambda: (
                ec2.associate_route_table(RouteTableId=TABLE, SubnetId=SUBNET),
                ec2.create_route(RouteTableId=TABLE, DestinationCidrBlock="172.20.16.0/20", TransitGatewayId=GATEWAY),
            ),
        ),
        (
            "group",
            lambda: ec2.authorize_security_group_ingress(
                GroupId=GROUP, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "172.20.0.0/16"}]}]
            ),
        ),
    ]

    def route(table: str, cidr: str, attachment: str) -> None:
        ec2.create_transit_gateway_route(
            TransitGatewayRouteTableId=table, DestinationCidrBlock=cidr, TransitGatewayAttachmentId=attachment
        )

    # Each change clears its own hop and no other.
    left = ids()
    for hop, open_ in opens:
        open_()
        left.remove(hop)
        assert ids() == left
    assert left == []


PLANT = """  plant:
    type: vpn
    network: lake
    gateways: {main: {ip: 198.51.100.20}}
    static_routes: {floor: 192.168.40.0/24}
    transit_gateway_id: tgw-0123456789abcdef0
    route_tables: {association: tgw-rtb-0bbbbbbbbbbbbbbbb, routes: {clusters: tgw-rtb-0aaaaaaaaaaaaaaaa}}
  factory:
    type: vpn
    terminates: astro
    cluster: dev
    gateways: {main: {ip: 198.51.100.30}}
    static_routes: {halls: 192.168.64.0/20}
"""


@pytest.fixture
def behind(tmp_path: Path) -> Estate:
    """The complete estate, with a VPN on its transit gateway and one that Astronomer creates."""
    shutil.copytree(COMPLETE.parent / "policies", tmp_path / "policies")
    return estate_of(tmp_path, COMPLETE.read_text().replace("\nconnections:\n", "\nconnections:\n" + PLANT, 1))


def test_a_vpn_blocks_at_each_hop_until_all_are_open(aws: LocalAws, behind: Estate) -> None:
    ec2 = aws.client("ec2", LAKE)
    device = ec2.create_customer_gateway(Type="ipsec.1", PublicIp="198.51.100.20", BgpAsn=65000)["CustomerGateway"]
    id_ = ec2.create_vpn_connection(
        Type="ipsec.1", CustomerGatewayId=device["CustomerGatewayId"], TransitGatewayId=GATEWAY
    )["VpnConnection"]["VpnConnectionId"]
    facts = {"plant": {"main": {"vpn_connection_id": id_}}}
    every = ec2.describe_transit_gateway_attachments()["TransitGatewayAttachments"]
    tunnels = next(one["TransitGatewayAttachmentId"] for one in every if one["ResourceId"] == id_)

    def look() -> list[str]:
        return [hop for hop, _ in blocked(walk(behind, "dev", "192.168.40.7", facts=facts))]

    def route(table: str, cidr: str, attachment: str) -> None:
        ec2.create_transit_gateway_route(
            TransitGatewayRouteTableId=table, DestinationCidrBlock=cidr, TransitGatewayAttachmentId=attachment
        )

    def associate(attachment: str, table: str) -> None:
        ec2.associate_transit_gateway_route_table(
            TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=attachment
        )

    ec2.accept_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=THEIRS)
    for table in ec2.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"]:
        name = table["TransitGatewayRouteTableId"]
        for one in ec2.get_transit_gateway_route_table_associations(TransitGatewayRouteTableId=name)["Associations"]:
            ec2.disassociate_transit_gateway_route_table(
                TransitGatewayRouteTableId=name, TransitGatewayAttachmentId=one["TransitGatewayAttachmentId"]
            )
    assert look() == ["forward", "back", "tunnel"]
    associate(THEIRS, FORWARD)
    route(FORWARD, "192.168.40.0/24", tunnels)
    assert look() == ["back", "tunnel"]
    associate(tunnels, BACK)
    route(BACK, "172.20.16.0/20", THEIRS)
    assert look() == ["tunnel"]
    up = {"account": LAKE, "region": "us-east-1", "connection": id_, "number": 2, "status": "UP"}
    aws.make({"tunnels": [up]})  # type: ignore[list-item]
    found = walk(behind, "dev", "192.168.40.7", facts=facts)
    assert blocked(found) == []
    assert walk(behind, "dev", "192.168.40.7", facts=facts, via="plant") == found
    assert [row.outcome.fix for row in found.rows if row.id == "device"] == [
        "ask your network team: does main route 172.20.16.0/20 back, and allow 5432?"
    ]
    route(FORWARD, "192.168.40.7/32", THEIRS)
    assert first(walk(behind, "dev", "192.168.40.7", facts=facts)) == (
        "forward",
        f"192.168.40.7/32: the route 192.168.40.7/32 of {FORWARD} points to {THEIRS}",
    )


@pytest.mark.usefixtures("aws")
def test_a_range_behind_the_gateway_is_followed(behind: Estate) -> None:
    found = walk(behind, "dev", "10.8.0.2")
    assert [(row.entry, row.id) for row in found.rows] == [
        ("clusters.dev", "name"),
        *(("connections.hub", hop) for hop in ("astro", "forward", "back", "device", "astro-routes")),
    ]
    assert first(found) == ("astro", f"{THEIRS}: pendingAcceptance")


@pytest.mark.usefixtures("aws")
def test_a_vpn_of_the_cluster_is_a_question(behind: Estate) -> None:
    rows = walk(behind, "dev", "192.168.64.9").rows
    assert [(row.id, row.outcome.state, row.outcome.fix) for row in rows if row.entry == "connections.factory"] == [
        ("device", "unknown", "ask your network team: does main route 172.20.16.0/20 back, and allow 5432?"),
        (
            "astro-routes",
            "unknown",
            "ask Astronomer's support: does cluster dev route 192.168.64.9 to the VPN in the cluster's VPC, and allow "
            "packets to 5432?",
        ),
    ]


def test_a_service_is_blocked_at_each_hop_until_all_are_open(aws: LocalAws, estate: Estate) -> None:
    ec2, theirs, elb = aws.client("ec2", LAKE), aws.client("ec2", HOSTED), aws.client("elbv2", LAKE)
    balancer = elb.create_load_balancer(Name="orders", Type="network", Subnets=[SUBNET])["LoadBalancers"][0]
    service = ec2.create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[balancer["LoadBalancerArn"]], AcceptanceRequired=True
    )["ServiceConfiguration"]
    id_, name = service["ServiceId"], service["ServiceName"]
    facts = {"lake-service": {"service": {"service_name": name}}}

    def look() -> list[tuple[str, str]]:
        return blocked(walk(estate, "dev", name, facts=facts))

    assert look() == [
        ("principal", f"{id_} allows no principal of account {HOSTED}"),
        ("endpoint", f"{id_} has no endpoint of account {HOSTED}"),
        ("listener", "the load balancer listens on none, not on 5432"),
        ("targets", "no target is registered for 5432"),
    ]
    principal = f"arn:aws:iam::{HOSTED}:role/astronomer-remote-management"
    ec2.modify_vpc_endpoint_service_permissions(ServiceId=id_, AddAllowedPrincipals=[principal])
    vpc = theirs.create_vpc(CidrBlock="172.20.16.0/20")["Vpc"]["VpcId"]
    endpoint = aws.client("ec2", HOSTED, role="astronomer-remote-management").create_vpc_endpoint(
        VpcId=vpc, ServiceName=name, VpcEndpointType="Interface"
    )["VpcEndpoint"]["VpcEndpointId"]
    assert look()[0] == ("endpoint", f"{endpoint} is pendingAcceptance")
    ec2.accept_vpc_endpoint_connections(ServiceId=id_, VpcEndpointIds=[endpoint])
    assert look()[0][0] == "listener"
    group = elb.create_target_group(Name="db", Protocol="TCP", Port=5432, VpcId=VPC, TargetType="ip")["TargetGroups"][0]
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="TCP",
        Port=5432,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}],
    )
    assert look() == [("targets", "no target is registered for 5432")]
    elb.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[{"Id": HOST, "Port": 5432}])
    assert look() == []


def test_a_name_is_looked_up_where_astro_looks(aws: LocalAws, estate: Estate) -> None:
    dns = aws.client("route53", LAKE)
    home = {"VPCRegion": "us-east-1", "VPCId": VPC}
    zone = dns.create_hosted_zone(
        Name="data.acme.example", CallerReference="1", VPC=home, HostedZoneConfig={"PrivateZone": True}
    )["HostedZone"]["Id"].rpartition("/")[2]
    facts = {"lake-zone": {"zone_id": zone}}

    def look() -> Status:
        return walk(estate, host="db.data.acme.example", facts=facts)

    assert first(look()) == (
        "name",
        f"the private zone data.acme.example ({zone}) has no record for db.data.acme.example",
    )
    record = {"Name": "db.data.acme.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": HOST}]}
    dns.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    )
    unseen = "which is not associated with vpc-0cccccccccccccccc"
    assert first(look()) == ("name", f"db.data.acme.example resolves to {HOST} in {zone}, {unseen}")
    astro = {"VPCRegion": "us-east-1", "VPCId": "vpc-0cccccccccccccccc"}
    aws.make({"vpcs": [{"account": HYBRID, "region": "us-east-1", "id": astro["VPCId"], "cidr": "172.20.0.0/20"}]})
    dns.create_vpc_association_authorization(HostedZoneId=zone, VPC=astro)
    aws.client("route53", HYBRID).associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=astro)
    assert first(look()) == ("active", f"{PCX} is pending-acceptance, requested by {HYBRID}")
    lost = first(walk(estate, host="no-such-host.invalid", facts=facts))
    assert lost == (
        "name",
        "no-such-host.invalid does not resolve here, and no private zone of the cluster contains it",
    )


def test_a_denied_call_blames_no_hop(aws: LocalAws, estate: Estate) -> None:
    aws.go_wrong({"denied": ["ec2:DescribeNetworkAcls"]})
    told = {row.id: (row.outcome.state, row.outcome.evidence) for row in walk(estate).rows}
    assert told["acl-in"] == told["acl-out"] == ("unknown", f"account {LAKE} denies ec2:DescribeNetworkAcls")


def test_an_unknown_cluster_or_entry_is_refused(estate: Estate) -> None:
    with pytest.raises(UserError, match="nowhere: is not a cluster in the file; available: prod, gulf, "):
        walk(estate, "nowhere")
    with pytest.raises(
        UserError, match="office: not a connection of prod that carries packets; available: lake-prod, "
    ):
        walk(estate, via="office")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("prod", HOST, "70000"), "Invalid value for 'port': Input should be less than or equal to 65535"),
        (
            ("prod", HOST, "5432", "--ip", "10.20.0"),
            "--ip 10.20.0: not an IPv4 address; use an address such as 10.20.0.5",
        ),
    ],
)
def test_a_wrong_argument_is_explained(arguments: tuple[str, ...], told: str) -> None:
    code, out, err = run("reach", *arguments, "--estate", str(COMPLETE))
    assert (code, out) == (2, "")
    assert told in " ".join(err.split())


def test_the_command_names_the_first_hop_that_blocks(aws: LocalAws, tmp_path: Any) -> None:
    outputs = tmp_path / "outputs.json"
    outputs.write_text('{"network-lake": {"handoff": {"lake-prod": {}}}}')
    arguments = ("reach", "prod", HOST, "5432", "--estate", str(COMPLETE), "--outputs", str(outputs))
    code, out, err = run(*arguments, **aws.environment())
    assert (code, err) == (3, "")
    blocked, *hint = out.splitlines()[-3:]
    assert blocked.startswith("Blocked at connections.lake-prod: 172.20.0.0/20: rtb-")
    assert hint == [
        "To test the connection from Airflow, run in a task of a Deployment in cluster prod:",
        f"""  python3 -c 'import socket; socket.create_connection(("{HOST}", 5432), 10); print("connected")'""",
    ]
    code, out, err = run(*arguments, "--output", "json", **aws.environment())
    assert (code, err, "Airflow" in out) == (3, "", False)


def test_commands_for_airflow_resolve_and_connect() -> None:
    def told(command: str) -> tuple[int, str, str]:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.strip(), done.stderr.strip().rpartition("\n")[2].partition(":")[0]

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        lookup, connect = airflow_commands("localhost", port, "tcp")
        code, addresses, err = told(lookup)
        assert (code, "127.0.0.1" in addresses, err) == (0, True, "")
        assert told(connect) == (0, "connected", "")
    assert told(connect) == (1, "", "ConnectionRefusedError")
    assert airflow_commands("localhost", 53, "udp") == [lookup]
    assert airflow_commands("127.0.0.1", port, "tcp") == [connect.replace("localhost", "127.0.0.1")]
    assert airflow_commands("com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0", 443, "tcp") == []
    hostile = "a'\"$(touch x)\x1b\n"
    assert [told(command)[2] for command in airflow_commands(hostile, 1, "tcp")] == ["socket.gaierror"] * 2
    assert not {"\x1b", "\n"} & set("".join(airflow_commands(hostile, 1, "tcp")))
