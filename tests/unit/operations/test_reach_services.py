"""`reach` through an egress hub and from Remote Execution Agents: each blocked state on the local AWS."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from estate.load import load
from estate.model import Estate
from estate.plan import stacks_of
from local_aws import LocalAws
from operations.handoff.read import Deployed
from operations.reach.report import reach
from operations.status.report import Status
from tests.support import ROOT
from tests.support.world import facts_of

OWN, HOSTED = "111111111111", "333333333333"
SITE, CLUSTER = "203.0.113.200", "172.20.16.0/20"
GATEWAY, TABLE, HUB = "tgw-0123456789abcdef0", "tgw-rtb-0123456789abcdef0", "tgw-attach-0123456789abcdef0"
THEIRS, VPC = "tgw-attach-0aaaaaaaaaaaaaaaa", "vpc-0123456789abcdef0"
PUBLIC = "rtb-0aaaaaaaaaaaaaaaa"


def walk(estate: Estate, cluster: str, host: str, port: int, facts: dict[str, Any], **more: Any) -> Status:
    deployed = {plan.name: Deployed("deployed", facts=facts) for plan in stacks_of(estate)}
    return reach(estate, deployed, datetime.now(UTC), cluster, host, port, **more)


def told(found: Status, *states: str) -> dict[str, tuple[str, str]]:
    """Return the evidence and the fix of each row in one of the states."""
    return {
        row.id: (row.outcome.evidence, row.outcome.fix)
        for row in found.rows
        if row.outcome.state in (states or ("failed",))
    }


@dataclass(frozen=True)
class Hub:
    """The hub of the example in us-west-2, open at every hop, with the calls that close each."""

    ec2: Any
    private: str
    public: str
    private_table: str
    nat: str
    internet: str

    def route(self, table: str, **target: str) -> None:
        self.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)

    def unroute(self, table: str, cidr: str = "0.0.0.0/0") -> None:
        self.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=cidr)

    def gateway_route(self, table: str, cidr: str, attachment: str) -> None:
        self.ec2.create_transit_gateway_route(
            TransitGatewayRouteTableId=table, DestinationCidrBlock=cidr, TransitGatewayAttachmentId=attachment
        )

    def associate(self, **tables: str) -> None:
        """Associate attachments with tables of the gateway, instead of the default ones."""
        for table in self.ec2.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"]:
            id_ = {"TransitGatewayRouteTableId": table["TransitGatewayRouteTableId"]}
            for one in self.ec2.get_transit_gateway_route_table_associations(**id_)["Associations"]:
                attachment = {"TransitGatewayAttachmentId": one["TransitGatewayAttachmentId"]}
                self.ec2.disassociate_transit_gateway_route_table(**id_, **attachment)
        for attachment, table in tables.items():
            self.ec2.associate_transit_gateway_route_table(
                TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=attachment
            )


@pytest.fixture(scope="module")
def hubs() -> Estate:
    return load(ROOT / "examples/egress_hub.yaml")


@pytest.fixture
def hub(hubs: Estate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with LocalAws() as aws:
        for key, value in aws.environment(OWN).items():
            monkeypatch.setenv(key, value)
        facts = facts_of(hubs)
        # The attachment of the hub needs a subnet.
        facts["vpcs"][-1]["subnets"] = [  # type: ignore[typeddict-item]
            {"id": "subnet-0aaaaaaaaaaaaaaaa", "cidr": "10.40.0.0/28", "zone": "us-west-2a"},
            {"id": "subnet-0bbbbbbbbbbbbbbbb", "cidr": "10.40.0.16/28", "zone": "us-west-2a"},
        ]
        place = {"account": HOSTED, "region": "us-west-2", "transit_gateway": GATEWAY}
        theirs = {**place, "id": THEIRS, "cidr": CLUSTER, "state": "pendingAcceptance"}
        facts["transit_gateway_attachments"].append(theirs)  # type: ignore[typeddict-item]
        aws.make(facts)
        ec2 = aws.client("ec2", OWN, region="us-west-2")
        private, public = "subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"
        internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=VPC)
        ec2.associate_route_table(RouteTableId=PUBLIC, SubnetId=public)
        table = ec2.create_route_table(VpcId=VPC)["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=table, SubnetId=private)
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        nat = ec2.create_nat_gateway(SubnetId=public, AllocationId=address)["NatGateway"]["NatGatewayId"]
        yield Hub(ec2, private, public, table, nat, internet)


def test_the_way_to_the_internet_blocks_until_all_hops_are_open(hub: Hub, hubs: Estate) -> None:
    facts = {"west-egress": {}}

    def look() -> dict[str, tuple[str, str]]:
        return told(walk(hubs, "west", SITE, 443, facts))

    hub.associate()
    pending = look()
    assert list(pending) == ["astro", "forward", "nat-route", "back"]
    assert pending["astro"] == (
        f"{THEIRS}: pendingAcceptance",
        "`cdktf deploy network-west-hub`, or add the cluster's attachment to `attachments` in the file, and deploy",
    )
    hub.ec2.accept_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=THEIRS)
    other = hub.ec2.create_transit_gateway_route_table(TransitGatewayId=GATEWAY)["TransitGatewayRouteTable"]
    back = other["TransitGatewayRouteTableId"]
    hub.associate(**{THEIRS: TABLE, HUB: back})
    assert list(look()) == ["forward", "nat-route", "back"]
    hub.gateway_route(TABLE, "0.0.0.0/0", HUB)
    assert list(look()) == ["nat-route", "back"]
    hub.gateway_route(back, CLUSTER, THEIRS)
    assert look() == {
        "nat-route": (
            f"{SITE}/32: {hub.private_table} of {hub.private} has no route",
            f"route 0.0.0.0/0 to a NAT gateway in {hub.private_table}",
        )
    }
    # An internet gateway drops a packet whose source has no public address.
    hub.route(hub.private_table, GatewayId=hub.internet)
    at_internet = f"{SITE}/32: the route 0.0.0.0/0 of {hub.private_table} of {hub.private} points to {hub.internet}"
    assert look()["nat-route"][0] == at_internet
    hub.unroute(hub.private_table)
    hub.route(hub.private_table, NatGatewayId=hub.nat)
    opened = look()
    assert opened == {
        "internet": (
            f"{SITE}/32: {PUBLIC} of {hub.public} has no route",
            f"route 0.0.0.0/0 to the internet gateway of {VPC} in {PUBLIC}",
        ),
        "route": (
            f"{CLUSTER}: {PUBLIC} of {hub.public} has no route",
            f"add {PUBLIC} to `public_route_tables` of west-egress, or route {CLUSTER} to {GATEWAY} there",
        ),
    }
    hub.route(PUBLIC, GatewayId=hub.internet)
    assert list(look()) == ["route"]
    hub.ec2.create_route(RouteTableId=PUBLIC, DestinationCidrBlock=CLUSTER, TransitGatewayId=GATEWAY)
    assert look() == {}
    reached = walk(hubs, "west", SITE, 443, facts)
    (address,) = hub.ec2.describe_nat_gateways()["NatGateways"][0]["NatGatewayAddresses"]
    assert told(reached, "done")["nat"][0] == f"{hub.nat} is available with {address['PublicIp']}"
    assert told(reached, "unknown") == {
        "astro-routes": (
            "your account cannot see it in AWS",
            f"ask Astronomer's support: does cluster west route 0.0.0.0/0 to {GATEWAY}, and allow packets to 443?",
        )
    }

    # Each of the following faults blocks exactly one hop.
    acl = next(one["NetworkAclId"] for one in hub.ec2.describe_network_acls()["NetworkAcls"] if one["VpcId"] == VPC)
    for out, cidr, low, high in (
        (False, "172.20.16.0/24", 443, 443),
        (True, "172.20.16.0/24", 1024, 65535),
        (True, f"{SITE}/32", 443, 443),
        (False, f"{SITE}/32", 2000, 2000),
    ):
        entry = {"RuleNumber": 1, "Protocol": "6", "RuleAction": "deny", "Egress": out, "CidrBlock": cidr}
        hub.ec2.create_network_acl_entry(NetworkAclId=acl, PortRange={"From": low, "To": high}, **entry)
        ports = str(low) if low == high else f"{low}-{high}"
        evidence = f"{cidr}: {acl} denies {'outbound' if out else 'inbound'} {ports} by rule 1"
        assert {hop: one[0] for hop, one in look().items()} == {"acl": evidence}
        hub.ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=1, Egress=out)
    dropped = {"TransitGatewayRouteTableId": TABLE, "DestinationCidrBlock": "203.0.113.0/24"}
    hub.ec2.create_transit_gateway_route(**dropped, Blackhole=True)
    assert look()["forward"][0] == f"{SITE}/32: the route 203.0.113.0/24 of {TABLE} is a blackhole"
    hub.ec2.delete_transit_gateway_route(**dropped)
    hub.ec2.detach_internet_gateway(InternetGatewayId=hub.internet, VpcId=VPC)
    assert look()["internet"][0] == f"{SITE}/32: the route 0.0.0.0/0 of {PUBLIC} of {hub.public} is a blackhole"
    hub.ec2.attach_internet_gateway(InternetGatewayId=hub.internet, VpcId=VPC)
    assert look() == {}
    hub.ec2.delete_nat_gateway(NatGatewayId=hub.nat)
    assert look()["nat-route"][0].endswith("is a blackhole")


@pytest.mark.usefixtures("hub")
def test_only_public_addresses_leave_through_the_hub(hubs: Estate) -> None:
    assert told(walk(hubs, "west", "10.99.0.1", 443, {"west-egress": {}})) == {
        "way": (
            "no connection of west leads to a network with 10.99.0.1; available: none",
            "add a `vpc_peering` or a `transit_gateway` to the network that contains it, or use another address",
        )
    }


def test_without_a_hub_a_public_address_is_astronomers(hub: Hub, hubs: Estate) -> None:
    del hub
    alone = hubs.model_copy(update={"connections": {}})
    found = walk(alone, "west", SITE, 443, {})
    assert told(found, "unknown") == {
        "way": (
            f"{SITE} is public, and west has no egress_hub",
            "the traffic leaves from the cluster's external IPs; allow them at the destination, or use --ip",
        )
    }


def test_a_hub_that_is_not_deployed_is_a_step(hub: Hub, hubs: Estate) -> None:
    del hub
    nothing = {plan.name: Deployed("not deployed") for plan in stacks_of(hubs)}
    found = reach(hubs, nothing, datetime.now(UTC), "prod", SITE, 443)
    assert [(row.entry, row.id, row.outcome.state) for row in found.rows] == [
        ("clusters.prod", "name", "done"),
        ("connections.egress", "path", "waiting"),
    ]


AGENTS, ENDPOINTS = "sg-0123456789abcdef0", "subnet-0bbbbbbbbbbbbbbbb"
AGENT_SUBNET, NAME = "subnet-0aaaaaaaaaaaaaaaa", "clmk2qqia000008mhff3ndjr0.external.astronomer.run"
SERVICE = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"


@dataclass(frozen=True)
class Agents:
    """The network of the agents, with an endpoint that no client may use yet."""

    aws: LocalAws
    ec2: Any
    dns: Any
    zone: str
    endpoint: dict[str, Any]
    group: str
    facts: dict[str, Any]


@pytest.fixture(scope="module")
def remote() -> Estate:
    return load(ROOT / "examples/remote_agents.yaml")


@pytest.fixture
def agents(remote: Estate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agents]:
    with LocalAws() as aws:
        for key, value in aws.environment(OWN).items():
            monkeypatch.setenv(key, value)
        aws.make(facts_of(remote))
        ec2, dns = aws.client("ec2", OWN), aws.client("route53", OWN)
        group = ec2.create_security_group(GroupName="endpoint", Description="endpoint", VpcId=VPC)["GroupId"]
        endpoint = ec2.create_vpc_endpoint(
            VpcId=VPC, ServiceName=SERVICE, VpcEndpointType="Interface", SubnetIds=[ENDPOINTS], SecurityGroupIds=[group]
        )["VpcEndpoint"]
        home = {"VPCRegion": "us-east-1", "VPCId": VPC}
        config = {"PrivateZone": True}
        made = dns.create_hosted_zone(Name=NAME, CallerReference="1", VPC=home, HostedZoneConfig=config)["HostedZone"]
        zone = made["Id"].rpartition("/")[2]
        facts = {"prod-agents": {"endpoint_id": endpoint["VpcEndpointId"], "zone_id": zone, "domain": NAME}}
        yield Agents(aws, ec2, dns, zone, endpoint, group, facts)


def test_agents_are_blocked_at_each_hop_until_all_are_open(agents: Agents, remote: Estate) -> None:
    ec2, id_ = agents.ec2, agents.endpoint["VpcEndpointId"]

    def look() -> dict[str, tuple[str, str]]:
        return told(walk(remote, "prod", NAME, 443, agents.facts))

    pending = walk(remote, "prod", NAME, 443, agents.facts)
    assert told(pending, "waiting")["endpoint"][0] == f"{id_} is pendingAcceptance"
    place = {"account": OWN, "region": "us-east-1", "id": id_, "service": SERVICE, "state": "available"}
    agents.aws.make({"vpc_endpoints": [place]})  # type: ignore[list-item]
    assert look()["name"] == (
        f"{agents.zone} has no A record for {NAME}",
        "`cdktf deploy network-agents` creates it again; find out why it was deleted",
    )
    assert told(walk(remote, "prod", NAME, 443, agents.facts), "unknown")["agents"] == (
        f"no network interface has {AGENTS} now",
        "start an agent, then run this command again",
    )

    def alias(target: str) -> None:
        record = {
            "Name": NAME,
            "Type": "A",
            "AliasTarget": {"HostedZoneId": "Z7HUB22UULQXV", "DNSName": target, "EvaluateTargetHealth": True},
        }
        agents.dns.change_resource_record_sets(
            HostedZoneId=agents.zone, ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        )

    own = agents.endpoint["DnsEntries"][0]["DnsName"]
    alias("elsewhere.example")
    assert look()["name"][0] == f"{NAME} in {agents.zone} is an alias of elsewhere.example, not of {own}"
    alias(own)
    agent = ec2.create_network_interface(SubnetId=AGENT_SUBNET, PrivateIpAddress="10.20.0.10", Groups=[AGENTS])
    assert agent["NetworkInterface"]["PrivateIpAddress"] == "10.20.0.10"
    assert look() == {
        "group": (
            f"10.20.0.10/32: no inbound rule of {agents.group} allows tcp 443",
            "add the agents' group to `agents_security_groups` of prod-agents, and deploy; agents use TCP port 443",
        )
    }
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": AGENTS}]}
    ec2.authorize_security_group_ingress(GroupId=agents.group, IpPermissions=[rule])
    assert look() == {}
    for host, more in ((SERVICE, {}), ("anything", {"via": "prod-agents"})):
        assert told(walk(remote, "prod", host, 443, agents.facts, **more), "unknown") == {
            "astro": (
                "your account cannot see it in AWS",
                "ask Astronomer's support: does the service for Remote Execution Agents of cluster prod answer?",
            )
        }
    assert list(told(walk(remote, "prod", NAME, 80, agents.facts))) == ["group"]

    # The agents' group and the ACLs of both subnets.
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.revoke_security_group_egress(GroupId=AGENTS, IpPermissions=[everything])
    (interface,) = ec2.describe_network_interfaces(NetworkInterfaceIds=agents.endpoint["NetworkInterfaceIds"])[
        "NetworkInterfaces"
    ]
    address = interface["PrivateIpAddress"]
    assert look() == {
        "agents-group": (
            f"{address}/32: no outbound rule of {AGENTS} allows tcp 443",
            f"add an outbound rule to {AGENTS} for tcp 443 to {agents.group}",
        )
    }
    to_group = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": agents.group}]}
    ec2.authorize_security_group_egress(GroupId=AGENTS, IpPermissions=[to_group])
    assert look() == {}
    acl = next(one["NetworkAclId"] for one in ec2.describe_network_acls()["NetworkAcls"] if one["VpcId"] == VPC)
    for out, cidr, low, words in (
        (True, f"{address}/32", 443, f"{address}/32: {acl} denies outbound 443 by rule 1"),
        (False, f"{address}/32", 3000, f"{address}/32: {acl} denies inbound 3000 by rule 1"),
        (True, "10.20.0.10/32", 3000, f"10.20.0.10/32: {acl} denies outbound 3000 by rule 1"),
        (False, "10.20.0.10/32", 443, f"10.20.0.10/32: {acl} denies inbound 443 by rule 1"),
    ):
        entry = {"RuleNumber": 1, "Protocol": "6", "RuleAction": "deny", "Egress": out, "CidrBlock": cidr}
        ec2.create_network_acl_entry(NetworkAclId=acl, PortRange={"From": low, "To": low}, **entry)
        assert {hop: one[0] for hop, one in look().items()} == {"acl": words}
        ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=1, Egress=out)

    ec2.modify_vpc_attribute(VpcId=VPC, EnableDnsHostnames={"Value": False})
    assert look() == {
        "dns": (
            f"enableDnsHostnames of {VPC} is off",
            f"turn it on: private zones of {VPC} need both",
        )
    }


def test_without_the_agents_groups_the_whole_vpc_is_checked(agents: Agents, remote: Estate) -> None:
    own = remote.connections["prod-agents"].model_copy(update={"agents_security_groups": ()})
    estate = remote.model_copy(update={"connections": {**remote.connections, "prod-agents": own}})
    place = {"account": OWN, "region": "us-east-1", "id": agents.endpoint["VpcEndpointId"], "service": SERVICE}
    agents.aws.make({"vpc_endpoints": [{**place, "state": "available"}]})  # type: ignore[list-item]
    ranges = [{"CidrIp": "10.20.0.0/17"}]
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": ranges}
    agents.ec2.authorize_security_group_ingress(GroupId=agents.group, IpPermissions=[rule])
    found = walk(estate, "prod", NAME, 443, agents.facts)
    assert told(found)["group"][0] == f"10.20.128.0/17: no inbound rule of {agents.group} allows tcp 443"
    assert told(found, "unknown")["agents"][0] == (
        f"the file has no agents_security_groups, so all ranges of {VPC} are checked"
    )
    assert "agents-group" not in {row.id for row in found.rows}


def test_agents_wait_for_the_service_of_astronomer(agents: Agents, remote: Estate) -> None:
    found = walk(remote, "prod", "", 443, agents.facts, via="west-agents")
    (pending,) = remote.connections["west-agents"].pending_inputs()
    assert told(found, "waiting") == {"service_name": ("the file has no service_name", pending.how)}
