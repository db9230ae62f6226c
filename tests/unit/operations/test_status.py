"""The live state of the handshake, on the local AWS: each state that a step can have."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from estate.errors import ExitCode, UserError
from estate.load import load
from estate.model import Account, Estate
from estate.plan import stacks_of
from local_aws import LocalAws
from modules.catalog import TYPES
from modules.remote_agents.props import RemoteAgentsProps
from operations.handoff.read import Deployed
from operations.status.account import BY_SECTION
from operations.status.check import View
from operations.status.connections import BY_TYPE
from operations.status.report import Row, Status, status
from operations.status.write import as_junit, as_text, as_values, last_line
from tests.support import ROOT
from tests.support.commands import printed_on_terminal, run
from tests.support.world import facts_of
from tools.bench import estate_of

COMPLETE = ROOT / "examples/complete.yaml"
LAKE, HYBRID, HOSTED = "111111111111", "222222222222", "333333333333"
VPC, PCX, TABLE = "vpc-0123456789abcdef0", "pcx-0123456789abcdef0", "rtb-0aaaaaaaaaaaaaaaa"
GATEWAY, ATTACHMENT = "tgw-0123456789abcdef0", "tgw-attach-0aaaaaaaaaaaaaaaa"
ROLE = "astronomer-remote-management"


def world(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """Yield the local AWS with the world of the example, for this process."""
    for key, value in aws.environment().items():
        monkeypatch.setenv(key, value)
    aws.make(facts_of(load(COMPLETE)))
    return aws


@pytest.fixture(scope="module")
def server() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.fixture
def aws(server: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    """Shared by tests that change different resources."""
    yield world(server, monkeypatch)
    server.go_wrong({})


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    """For tests that advance the time, or that change shared resources."""
    with LocalAws() as aws:
        yield world(aws, monkeypatch)


@pytest.fixture(scope="module")
def estate() -> Estate:
    return load(COMPLETE)


def look(estate: Estate, entry: str, **facts: Any) -> Status:
    """Return the status of one entry, whose stack is deployed with these outputs."""
    deployed = {plan.name: Deployed("deployed", facts={entry: facts}) for plan in stacks_of(estate)}
    return status(estate, deployed, datetime.now(UTC), [entry])


def states(found: Status) -> dict[str, tuple[str, str | None]]:
    return {row.id: (row.outcome.state, row.outcome.who) for row in found.rows}


def row(found: Status, id_: str) -> Row:
    return next(row for row in found.rows if row.id == id_)


def test_every_type_and_section_has_a_status() -> None:
    assert BY_TYPE.keys() == TYPES.keys()
    props = {name for name, field in Account.model_fields.items() if hasattr(_model(field.annotation), "steps")}
    assert BY_SECTION.keys() == props


def _model(annotation: Any) -> Any:
    return next((one for one in getattr(annotation, "__args__", ()) if hasattr(one, "model_fields")), annotation)


def test_a_pending_peering_waits_for_you_until_it_expires(fresh: LocalAws, estate: Estate) -> None:
    found = look(estate, "lake-prod")
    active = row(found, "active").outcome
    assert (active.state, active.who, active.fix) == ("waiting", "you", "`cdktf deploy network-lake`")
    assert active.until
    assert active.since
    assert active.until - active.since == timedelta(days=7)
    assert active.evidence == f"{PCX} is pending-acceptance, requested by {HYBRID}"
    # Until the peering is active, the steps that need it are waiting and not failed.
    waits = dict.fromkeys(("active", "dns", "route:private-a", "route:private-b"), ("waiting", "you"))
    # The rule does not need the peering, so it has failed because it is missing.
    assert states(found) == {**waits, "ingress:postgres": ("failed", "you")}

    fresh.pass_time(days=8)
    expired = row(look(estate, "lake-prod"), "active").outcome
    assert (expired.state, expired.evidence) == ("failed", f"{PCX} is expired: Expired")
    assert "set peering_id in connections.lake-prod to its new ID" in expired.fix


def test_a_peering_is_done_step_by_step(fresh: LocalAws, estate: Estate) -> None:
    ec2 = fresh.client("ec2", LAKE)
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=PCX)
    options = {"AllowDnsResolutionFromRemoteVpc": True}
    ec2.modify_vpc_peering_connection_options(VpcPeeringConnectionId=PCX, AccepterPeeringConnectionOptions=options)
    for table in (TABLE, "rtb-0bbbbbbbbbbbbbbbb"):
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="172.20.0.0/20", VpcPeeringConnectionId=PCX)
    rule = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": "172.20.0.0/20"}]}
    ec2.authorize_security_group_ingress(GroupId="sg-0123456789abcdef0", IpPermissions=[rule])
    found = look(estate, "lake-prod")
    assert {state for state, _ in states(found).values()} == {"done"}
    assert found.code is ExitCode.DONE

    # A route sends the range elsewhere, and Astronomer deletes the peering.
    gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=VPC)
    ec2.replace_route(RouteTableId=TABLE, DestinationCidrBlock="172.20.0.0/20", GatewayId=gateway)
    elsewhere = row(look(estate, "lake-prod"), "route:private-a").outcome
    assert (elsewhere.state, elsewhere.evidence) == (
        "failed",
        f"{TABLE} routes 172.20.0.0/20 to {gateway}, not to {PCX}",
    )
    fresh.client("ec2", HYBRID).delete_vpc_peering_connection(VpcPeeringConnectionId=PCX)
    found = look(estate, "lake-prod")
    assert states(found)["active"] == ("failed", "you")
    assert found.code is ExitCode.CHECK_FAILED


@pytest.mark.usefixtures("aws")
def test_a_request_of_a_stranger_is_not_to_be_accepted(estate: Estate) -> None:
    clusters = estate.clusters | {"prod": estate.clusters["prod"].model_copy(update={"account_id": "666666666666"})}
    changed = estate.model_copy(update={"clusters": clusters})
    active = row(look(changed, "lake-prod"), "active").outcome
    assert (active.state, active.evidence) == (
        "failed",
        f"account {HYBRID} requested {PCX}, but cluster prod is in 666666666666",
    )
    assert active.fix.startswith("do not accept it")


def test_a_request_that_the_file_does_not_name_is_found(fresh: LocalAws, estate: Estate) -> None:
    unnamed = estate.connections["lake-prod"].model_copy(update={"peering_id": None})
    changed = estate.model_copy(update={"connections": {**estate.connections, "lake-prod": unnamed}})
    found = look(changed, "lake-prod")
    assert row(found, "peering_id").outcome.fix == (
        f"add `peering_id: {PCX}` to connections.lake-prod, then `cdktf deploy network-lake`"
    )
    fresh.pass_time(days=8)
    assert "create the connection" in row(look(changed, "lake-prod"), "peering_id").outcome.fix


def test_a_transit_gateway_is_done_step_by_step(aws: LocalAws, estate: Estate) -> None:
    ours, ram = aws.client("ec2", LAKE), aws.client("ram", LAKE)
    arn = f"arn:aws:ec2:us-east-1:{LAKE}:transit-gateway/{GATEWAY}"
    share = ram.create_resource_share(
        name="acme-hub", resourceArns=[arn], principals=[HOSTED], allowExternalPrincipals=True
    )["resourceShare"]["resourceShareArn"]
    facts: dict[str, Any] = {"resource_share_arn": share, "transit_gateway_id": GATEWAY}
    found = look(estate, "hub", **facts)
    shared = row(found, f"share:{HOSTED}").outcome
    assert shared.since
    assert shared.until
    assert shared.until - shared.since == timedelta(days=7)
    assert states(found) == {
        "gateway": ("done", None),
        "share": ("done", None),
        f"share:{HOSTED}": ("waiting", "Astronomer"),
        "network": ("waiting", "you"),
        "attachment:dev": ("waiting", "you"),
        "association:dev": ("waiting", "you"),
        "back:dev": ("waiting", "you"),
        "attachments.qa": ("waiting", "Astronomer"),
        "forward": ("waiting", "you"),
        "route:private-a": ("waiting", "you"),
        "route:private-b": ("waiting", "you"),
        "step:1": ("unknown", "Astronomer"),
    }

    theirs = aws.client("ram", HOSTED)
    (invitation,) = theirs.get_resource_share_invitations()["resourceShareInvitations"]
    theirs.accept_resource_share_invitation(resourceShareInvitationArn=invitation["resourceShareInvitationArn"])
    ours.accept_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=ATTACHMENT)
    mine = ours.create_transit_gateway_vpc_attachment(
        TransitGatewayId=GATEWAY, VpcId=VPC, SubnetIds=["subnet-0aaaaaaaaaaaaaaaa"]
    )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    clusters, network = "tgw-rtb-0aaaaaaaaaaaaaaaa", "tgw-rtb-0bbbbbbbbbbbbbbbb"
    for table in ours.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"]:
        id_ = table["TransitGatewayRouteTableId"]
        answer = ours.get_transit_gateway_route_table_associations(TransitGatewayRouteTableId=id_)
        for one in answer["Associations"]:
            ours.disassociate_transit_gateway_route_table(
                TransitGatewayRouteTableId=id_, TransitGatewayAttachmentId=one["TransitGatewayAttachmentId"]
            )
    ours.associate_transit_gateway_route_table(
        TransitGatewayRouteTableId=clusters, TransitGatewayAttachmentId=ATTACHMENT
    )
    for table, cidr, to in (
        (clusters, "10.20.0.0/16", mine),
        (clusters, "10.21.0.0/20", mine),
        (network, "172.20.16.0/20", ATTACHMENT),
    ):
        ours.create_transit_gateway_route(
            TransitGatewayRouteTableId=table, DestinationCidrBlock=cidr, TransitGatewayAttachmentId=to
        )
    for table in (TABLE, "rtb-0bbbbbbbbbbbbbbbb"):
        ours.create_route(RouteTableId=table, DestinationCidrBlock="172.20.16.0/20", TransitGatewayId=GATEWAY)
    found = look(estate, "hub", **facts)
    open_ = {"attachments.qa": ("waiting", "Astronomer"), "step:1": ("unknown", "Astronomer")}
    assert states(found) == {**dict.fromkeys(states(found), ("done", None)), **open_}

    # Astronomer attaches the other cluster, and its ID is found.
    theirs_ec2 = aws.client("ec2", HOSTED)
    vpc = theirs_ec2.create_vpc(CidrBlock="172.20.32.0/20")["Vpc"]["VpcId"]
    subnet = theirs_ec2.create_subnet(VpcId=vpc, CidrBlock="172.20.32.0/24")["Subnet"]["SubnetId"]
    attached = theirs_ec2.create_transit_gateway_vpc_attachment(
        TransitGatewayId=GATEWAY, VpcId=vpc, SubnetIds=[subnet]
    )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    fix = row(look(estate, "hub", **facts), "attachments.qa").outcome.fix
    assert f"add `attachments: {{qa: {attached}}}` to connections.hub" in fix


def test_an_invitation_that_expired_needs_a_deploy(fresh: LocalAws, estate: Estate) -> None:
    arn = f"arn:aws:ec2:us-east-1:{LAKE}:transit-gateway/{GATEWAY}"
    share = fresh.client("ram", LAKE).create_resource_share(
        name="acme-hub", resourceArns=[arn], principals=[HOSTED], allowExternalPrincipals=True
    )["resourceShare"]["resourceShareArn"]
    fresh.pass_time(days=8)
    found = row(look(estate, "hub", resource_share_arn=share, transit_gateway_id=GATEWAY), f"share:{HOSTED}").outcome
    assert (found.state, found.evidence) == ("failed", f"GetResourceShareAssociations: {HOSTED} is DISASSOCIATED")
    assert found.fix.startswith("`cdktf deploy network-lake`: the invitation has expired")


def test_a_failed_association_is_removed_before_a_deploy(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    share = f"arn:aws:ram:us-east-1:{LAKE}:resource-share/1"
    failed = {"resourceShareArn": share, "associatedEntity": HOSTED, "status": "FAILED"}
    active = {"resourceShareArn": share, "status": "ACTIVE"}
    answer = {"resourceShares": [active], "resourceShareAssociations": [failed]}
    monkeypatch.setattr(View, "read", lambda *_, **__: answer)
    found = row(look(estate, "hub", resource_share_arn=share, transit_gateway_id=GATEWAY), f"share:{HOSTED}").outcome
    assert (found.state, found.fix) == (
        "failed",
        f"run `aws ram disassociate-resource-share --resource-share-arn {share} --principals {HOSTED} --region "
        "us-east-1`, then `cdktf deploy network-lake` for a new invitation",
    )


def test_a_tunnel_is_up_or_down_and_its_key_stays_secret(aws: LocalAws, estate: Estate) -> None:
    ec2, key = aws.client("ec2", LAKE), "marked.preshared.key"
    gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    device = ec2.create_customer_gateway(Type="ipsec.1", PublicIp="203.0.113.10", BgpAsn=65010)["CustomerGateway"]
    id_ = ec2.create_vpn_connection(
        Type="ipsec.1",
        CustomerGatewayId=device["CustomerGatewayId"],
        VpnGatewayId=gateway,
        Options={"TunnelOptions": [{"PreSharedKey": key}, {"PreSharedKey": key}]},
    )["VpnConnection"]["VpnConnectionId"]
    facts: dict[str, Any] = {"a": {"vpn_connection_id": id_}, "b": {"vpn_connection_id": "vpn-0123456789abcdef0"}}
    place = {"account": LAKE, "region": "us-east-1", "connection": id_}
    aws.make({"tunnels": [{**place, "number": 1, "status": "UP", "accepted_routes": 2}]})  # type: ignore[list-item]
    found = look(estate, "office", **facts)
    assert states(found) == {
        "connection:a": ("done", None),
        "tunnel:a-1": ("done", None),
        "tunnel:a-2": ("waiting", "your network team"),
        "connection:b": ("failed", "you"),
        "tunnel:b-1": ("waiting", "your network team"),
        "tunnel:b-2": ("waiting", "your network team"),
        "step:1": ("unknown", "you"),
    }
    aws.make({"tunnels": [{**place, "number": 2, "status": "UP"}]})  # type: ignore[list-item]
    silent = row(look(estate, "office", **facts), "tunnel:a-2").outcome
    assert silent.evidence.endswith("UP, but BGP announces no route")
    assert (silent.state, silent.who) == ("failed", "your network team")
    printed = f"{as_values('status', found)}{as_junit('status', found)}{list(as_text(found.rows, datetime.now(UTC)))}"
    assert id_ in printed
    assert key not in printed


def test_a_zone_is_authorized_then_associated(aws: LocalAws, estate: Estate) -> None:
    ours, theirs = aws.client("route53", LAKE), aws.client("route53", HYBRID)
    home = {"VPCRegion": "us-east-1", "VPCId": VPC}
    zone = ours.create_hosted_zone(
        Name="data.acme.example", CallerReference="1", VPC=home, HostedZoneConfig={"PrivateZone": True}
    )["HostedZone"]["Id"].rpartition("/")[2]
    assert states(look(estate, "lake-zone", zone_id=zone)) == {"associate:prod": ("failed", "you")}
    vpc = {"VPCRegion": "us-east-1", "VPCId": "vpc-0cccccccccccccccc"}
    aws.make({"vpcs": [{"account": HYBRID, "region": "us-east-1", "id": vpc["VPCId"], "cidr": "172.20.0.0/20"}]})
    ours.create_vpc_association_authorization(HostedZoneId=zone, VPC=vpc)
    command = {"prod": "aws route53 associate-vpc-with-hosted-zone"}
    found = look(estate, "lake-zone", zone_id=zone, associate=command)
    assert states(found) == {"associate:prod": ("waiting", "Astronomer")}
    assert row(found, "associate:prod").outcome.fix.endswith(
        "the VPC's account: aws route53 associate-vpc-with-hosted-zone"
    )
    theirs.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=vpc)
    assert states(look(estate, "lake-zone", zone_id=zone)) == {"associate:prod": ("done", None)}


def test_rules_are_shared_and_queried(aws: LocalAws, estate: Estate) -> None:
    resolver = aws.client("route53resolver", LAKE)
    endpoint = resolver.create_resolver_endpoint(
        CreatorRequestId="1",
        Name="acme-corp-dns",
        Direction="OUTBOUND",
        SecurityGroupIds=["sg-0123456789abcdef0"],
        IpAddresses=[{"SubnetId": "subnet-0aaaaaaaaaaaaaaaa"}, {"SubnetId": "subnet-0bbbbbbbbbbbbbbbb"}],
    )["ResolverEndpoint"]["Id"]
    rule = resolver.create_resolver_rule(
        CreatorRequestId="2",
        Name="corp",
        RuleType="FORWARD",
        DomainName="corp.acme.example",
        TargetIps=[{"Ip": "10.8.0.2", "Port": 53}],
        ResolverEndpointId=endpoint,
    )["ResolverRule"]["Id"]
    facts: dict[str, Any] = {
        "rules": {"corp": {"id": rule, "domain": "corp.acme.example"}},
        "resource_share_arn": "arn:gone",
    }
    found = look(estate, "corp-dns", **facts)
    assert states(found) == {
        "rule:corp": ("done", None),
        "share": ("failed", "you"),
        f"share:{HYBRID}": ("waiting", "you"),
        f"share:{HOSTED}": ("waiting", "you"),
        "endpoint": ("done", None),
        "queries": ("waiting", "Astronomer"),
        "step:1": ("unknown", "Astronomer"),
        "step:2": ("unknown", "Astronomer"),
    }
    aws.client("cloudwatch", LAKE).put_metric_data(
        Namespace="AWS/Route53Resolver",
        MetricData=[
            {
                "MetricName": "OutboundQueryVolume",
                "Dimensions": [{"Name": "EndpointId", "Value": endpoint}],
                "Value": 12.0,
                "Timestamp": datetime.now(UTC) - timedelta(minutes=1),
            }
        ],
    )
    queries = row(look(estate, "corp-dns", **facts), "queries").outcome
    assert (queries.state, queries.evidence) == (
        "done",
        f"OutboundQueryVolume of {endpoint} in the last 24 hours: 12",
    )
    inbound = look(estate, "lake-dns", servers=["10.20.0.21"], domains=["lake.acme.example"])
    assert states(inbound) == {
        "endpoint": ("failed", "you"),
        "queries": ("waiting", "Astronomer"),
        "step:1": ("unknown", "Astronomer"),
    }


def test_a_role_is_unused_until_somebody_assumes_it(aws: LocalAws, estate: Estate) -> None:
    iam = aws.client("iam", LAKE)
    facts: dict[str, Any] = {"roles": {"audit": f"arn:aws:iam::{LAKE}:role/acme-lake-readers-audit"}}
    assert states(look(estate, "lake-readers", **facts)) == {"used:audit": ("failed", "you")}
    iam.create_role(RoleName="acme-lake-readers-audit", AssumeRolePolicyDocument="{}")
    assert states(look(estate, "lake-readers", **facts)) == {"used:audit": ("waiting", "you")}
    aws.client("sts", HOSTED).assume_role(RoleArn=facts["roles"]["audit"], RoleSessionName="task")
    assert states(look(estate, "lake-readers", **facts)) == {"used:audit": ("done", None)}


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_the_trust_needs_an_external_id(aws: LocalAws, estate: Estate) -> None:
    iam = aws.client("iam", HYBRID)
    principal = {"AWS": "arn:aws:iam::406882777402:root"}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    other = {**trust, "Principal": {"AWS": f"arn:aws:iam::{HOSTED}:root"}}
    guarded = {**trust, "Condition": {"StringEquals": {"sts:ExternalId": ["secret-id-1"]}}}
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=policy(trust))
    look_ = lambda: states(look(estate, "cross_account_role", role_arn="arn", account_id=HYBRID))  # noqa: E731
    assert (look_()["trust"], look_()["used"]) == (("failed", "you"), ("waiting", "Astronomer"))
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=policy(guarded))
    found = look(estate, "cross_account_role", role_arn="arn", account_id=HYBRID)
    assert states(found)["trust"] == ("done", None)
    assert "secret-id-1" not in str(as_values("status", found))
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=policy(other))
    assert look_()["trust"] == ("failed", "you")


def test_an_alarm_without_recipients_is_not_done(aws: LocalAws, estate: Estate) -> None:
    sns = aws.client("sns", HYBRID)
    topic = sns.create_topic(Name="acme-policy-alarm")["TopicArn"]
    facts: dict[str, Any] = {"alarm": "acme-policy-alarm", "log_group": "acme-policy-alarm", "topic_arn": topic}
    failed = dict.fromkeys(("trail", "filter", "alarm"), ("failed", "you"))
    nothing = look(estate, "policy_alarm", **facts)
    assert states(nothing) == {**failed, "subscriber:security": ("waiting", "you")}

    aws.client("cloudwatch", HYBRID).put_metric_alarm(
        AlarmName="acme-policy-alarm",
        AlarmActions=[topic],
        Namespace="n",
        MetricName="m",
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="security@acme.example")
    waits = row(look(estate, "policy_alarm", **facts), "subscriber:security").outcome
    assert (waits.state, waits.evidence) == ("waiting", "security@acme.example has not confirmed its subscription")
    sns.confirm_subscription(TopicArn=topic, Token="security@acme.example")
    found = states(look(estate, "policy_alarm", **facts))
    assert (found["alarm"], found["subscriber:security"]) == (("done", None), ("done", None))
    aws.client("cloudwatch", HYBRID).disable_alarm_actions(AlarmNames=["acme-policy-alarm"])
    disabled = row(look(estate, "policy_alarm", **facts), "alarm").outcome
    assert (disabled.state, disabled.evidence) == ("failed", "alarm acme-policy-alarm has its actions disabled")


def test_a_quota_waits_for_aws(fresh: LocalAws, estate: Estate) -> None:
    quotas = fresh.client("service-quotas", HYBRID)
    id_ = "quota:on-demand:us-east-1"
    assert states(look(estate, "service_quotas"))[id_] == ("failed", "you")
    # The request is for fewer than the file has, so a deploy fails until AWS has decided on the request.
    quotas.request_service_quota_increase(ServiceCode="ec2", QuotaCode="L-1216C47A", DesiredValue=20)
    raised = row(look(estate, "service_quotas"), id_).outcome
    assert (raised.state, raised.who) == ("waiting", "AWS")
    assert raised.evidence.endswith(
        "the request for 20 is PENDING; AWS accepts no request for 120 until it has answered that one"
    )
    assert raised.fix == "wait, then `cdktf deploy quotas-us-east-1`; until then write 20"
    fresh.pass_time(hours=2)
    quotas.request_service_quota_increase(ServiceCode="ec2", QuotaCode="L-1216C47A", DesiredValue=120)
    assert states(look(estate, "service_quotas"))[id_] == ("waiting", "AWS")
    fresh.pass_time(hours=2)
    assert states(look(estate, "service_quotas"))[id_] == ("done", None)


def test_a_service_is_connected_step_by_step(aws: LocalAws, estate: Estate) -> None:
    ec2, theirs = aws.client("ec2", LAKE), aws.client("ec2", HOSTED)
    elb = aws.client("elbv2", LAKE)
    balancer = elb.create_load_balancer(Name="orders", Type="network", Subnets=["subnet-0aaaaaaaaaaaaaaaa"])
    arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
    service = ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[arn], AcceptanceRequired=True)[
        "ServiceConfiguration"
    ]
    facts: dict[str, Any] = {"service": {"service_name": service["ServiceName"]}}
    found = look(estate, "lake-service", **facts)
    assert states(found) == {
        "service": ("done", None),
        "connected:dev": ("waiting", "Astronomer"),
        "targets": ("failed", "you"),
    }
    assert row(found, "connected:dev").outcome.fix.startswith(
        "ask Astronomer's support to create an interface endpoint"
    )

    principal = f"arn:aws:iam::{HOSTED}:root"
    ec2.modify_vpc_endpoint_service_permissions(ServiceId=service["ServiceId"], AddAllowedPrincipals=[principal])
    vpc = theirs.create_vpc(CidrBlock="172.20.16.0/20")["Vpc"]["VpcId"]
    endpoint = theirs.create_vpc_endpoint(VpcId=vpc, ServiceName=service["ServiceName"], VpcEndpointType="Interface")[
        "VpcEndpoint"
    ]["VpcEndpointId"]
    asked = row(look(estate, "lake-service", **facts), "connected:dev").outcome
    assert (asked.state, asked.who) == ("waiting", "you")
    assert f"--vpc-endpoint-ids {endpoint}" in asked.fix
    ec2.accept_vpc_endpoint_connections(ServiceId=service["ServiceId"], VpcEndpointIds=[endpoint])
    assert states(look(estate, "lake-service", **facts))["connected:dev"] == ("done", None)
    ec2.reject_vpc_endpoint_connections(ServiceId=service["ServiceId"], VpcEndpointIds=[endpoint])
    assert states(look(estate, "lake-service", **facts))["connected:dev"] == ("failed", "Astronomer")


def test_a_prefix_list_has_the_addresses_and_no_other(aws: LocalAws, estate: Estate) -> None:
    ec2 = aws.client("ec2", LAKE)
    list_ = ec2.create_managed_prefix_list(
        PrefixListName="astro",
        MaxEntries=5,
        AddressFamily="IPv4",
        Entries=[{"Cidr": "203.0.113.20/32"}, {"Cidr": "198.51.100.1/32"}],
    )["PrefixList"]["PrefixListId"]
    found = look(estate, "lake-public", prefix_list_id=list_, addresses=["203.0.113.20"])
    assert row(found, "addresses").outcome.evidence == f"{list_} lacks 203.0.113.21/32"
    ec2.modify_managed_prefix_list(PrefixListId=list_, CurrentVersion=1, AddEntries=[{"Cidr": "203.0.113.21/32"}])
    found = look(estate, "lake-public", prefix_list_id=list_, addresses=["203.0.113.20"])
    assert row(found, "addresses").outcome.evidence == f"{list_} also allows 198.51.100.1/32"


def test_an_acl_lets_the_cluster_in(aws: LocalAws, estate: Estate) -> None:
    assert states(look(estate, "lake-rules")) == {"acl:postgres": ("failed", "you")}
    aws.client("ec2", LAKE).create_network_acl_entry(
        NetworkAclId="acl-0123456789abcdef0",
        RuleNumber=200,
        Protocol="6",
        RuleAction="allow",
        Egress=False,
        CidrBlock="172.20.0.0/20",
        PortRange={"From": 5432, "To": 5432},
    )
    assert states(look(estate, "lake-rules")) == {"acl:postgres": ("done", None)}


def test_a_denied_call_makes_its_steps_unknown_and_no_other(aws: LocalAws, estate: Estate) -> None:
    aws.go_wrong({"denied": ["ec2:DescribeRouteTables"]})
    found = look(estate, "lake-prod")
    route = row(found, "route:private-a").outcome
    assert (route.state, route.evidence) == ("unknown", f"account {LAKE} denies ec2:DescribeRouteTables")
    assert route.fix == f"allow ec2:DescribeRouteTables in account {LAKE}; it is a read-only action"
    assert states(found)["active"] == ("waiting", "you")


@pytest.mark.usefixtures("aws")
def test_undeployed_entries_are_reported_as_such(estate: Estate) -> None:
    nothing = {plan.name: Deployed("not deployed") for plan in stacks_of(estate)}
    found = status(estate, nothing, datetime.now(UTC), ["connections.lake-public"])
    assert {row.outcome.fix for row in found.rows} == {"deploy it: `cdktf deploy network-lake`"}
    unread = {plan.name: Deployed("not read", "no bucket") for plan in stacks_of(estate)}
    found = status(estate, unread, datetime.now(UTC), ["connections.lake-public"])
    why = "the outputs of network-lake were not read: no bucket"
    assert {(row.outcome.state, row.outcome.evidence) for row in found.rows} == {("unknown", why)}


def test_calls_grow_by_account_and_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, file = tmp_path / "calls", tmp_path / "astro.yaml"
    found: dict[int, Counter[str]] = {}
    with LocalAws(calls=log) as aws:
        for key, value in aws.environment(LAKE).items():
            monkeypatch.setenv(key, value)
        for networks in (1, 10, 50):
            file.write_text(estate_of(networks))
            many = load(file)
            aws.make(facts_of(many))
            log.write_text("")
            facts: dict[str, Any] = {name: {} for name in many.connections}
            deployed = {plan.name: Deployed("deployed", facts=facts) for plan in stacks_of(many)}
            rows = status(many, deployed, datetime.now(UTC)).rows
            assert len({row.entry for row in rows}) == 3 * networks
            found[networks] = Counter(log.read_text().splitlines())
    # The local AWS has 10 rules on a page, and AWS has 100.
    assert found[50].pop("route53resolver:ListResolverRules") == 5
    assert found[1].pop("route53resolver:ListResolverRules") == found[10].pop("route53resolver:ListResolverRules") == 1
    assert found[1] == found[10] == found[50]
    assert set(found[1].values()) == {1}


def test_an_entry_that_the_file_does_not_have_is_refused(estate: Estate) -> None:
    with pytest.raises(UserError, match=r"nowhere: not in the file; available: account\.opt_in_region, "):
        look(estate, "nowhere")


def test_missing_credentials_end_in_an_error_not_a_traceback(tmp_path: Path) -> None:
    no_role = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null"}
    nowhere = no_role | {"AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "HOME": str(tmp_path)}
    code, out, err = run("status", str(COMPLETE), "--only", "lake-prod", "--output", "json", **nowhere)
    found = json.loads(out)
    assert (code, err, found["exit_code"]) == (1, "", 1)
    assert {step["state"] for step in found["steps"]} == {"unknown"}
    assert f"account {LAKE} cannot be read with role" in found["steps"][0]["evidence"]
    assert "Unable to locate credentials" in found["steps"][0]["evidence"]


@pytest.mark.usefixtures("aws")
def test_credentials_of_another_account_are_named(estate: Estate) -> None:
    found = look(estate.model_copy(update={"deployer": None}), "lake-prod")
    evidence = row(found, "active").outcome.evidence
    assert evidence.startswith(f"account {LAKE} cannot be read: your credentials are for account 123456789012")
    assert found.code is ExitCode.FAILED


@pytest.mark.usefixtures("aws")
def test_each_form_shows_every_step(estate: Estate) -> None:
    found = look(estate, "lake-prod")
    values = as_values("status", found)
    assert [step["id"] for step in values["steps"]] == [one.id for one in found.rows]
    jsonschema.validate(values, json.loads((ROOT / "docs/report.schema.json").read_text()))
    suite = ET.fromstring(as_junit("status", found))  # noqa: S314
    counts = {name: suite.get(name) for name in ("tests", "failures", "skipped")}
    assert counts == {"tests": "5", "failures": "1", "skipped": "4"}
    text = ["".join(part for part, _ in line) for line in as_text(found.rows, datetime.now(UTC))]
    assert text[0] == "connections.lake-prod (vpc_peering)"
    assert text[1].startswith(f"  [..] You: VPC peering connection {PCX} is active (since ")
    assert "expires in 6 days, " in text[1]
    assert last_line(found).startswith("4 waiting, 1 failed. Next: connections.lake-prod: `cdktf deploy network-lake`")


def test_the_command_prints_the_requested_format(aws: LocalAws, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps({"network-lake": {"handoff": {"lake-prod": {"vpc_id": VPC}}}}))
    arguments = ("status", str(COMPLETE), "--outputs", str(outputs), "--only", "lake-prod")
    code, out, err = run(*arguments, "--for", "astronomer", **aws.environment())
    assert (code, out, err) == (0, "\nno steps\n", "")
    code, out, err = run(*arguments, **aws.environment())
    assert (code, err) == (3, "")
    assert "\x1b" not in out
    assert f"  [..] You: VPC peering connection {PCX} is active (since " in out


def test_a_watch_prints_what_changed_until_all_is_done(fresh: LocalAws, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps({"network-lake": {"handoff": {"lake-rules": {}}}}))
    command = [sys.executable, str(ROOT / "main.py"), "status", str(COMPLETE), "--outputs", str(outputs)]
    command += ["--only", "lake-rules", "--output", "json", "--watch", "1"]
    env = {**os.environ, **fresh.environment()}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout
        # Each report is one line.
        before = json.loads(watch.stdout.readline())
        assert before["exit_code"] == 3
        for network, number in (("172.20.0.0/20", 200), ("172.20.64.0/20", 210)):
            fresh.client("ec2", LAKE).create_network_acl_entry(
                NetworkAclId="acl-0123456789abcdef0",
                RuleNumber=number,
                Protocol="6",
                RuleAction="allow",
                Egress=False,
                CidrBlock=network,
                PortRange={"From": 5432, "To": 5432},
            )
        changed = [json.loads(line) for line in watch.stdout]
        assert watch.wait(30) == 0
    assert {state["state"] for one in changed for state in one["steps"]} == {"done"}
    assert {step["id"] for one in changed for step in one["steps"]} == {step["id"] for step in before["steps"]}


def test_junit_cannot_be_watched() -> None:
    told = "--watch with --output junit: a JUnit file has only one report; use json\n"
    assert run("status", str(COMPLETE), "--watch", "1", "--output", "junit") == (2, "", told)


def test_text_follows_the_terminal() -> None:
    command = ("status", str(COMPLETE), "--only", "lake-zone")
    environment = {"COLUMNS": "60", "AWS_EC2_METADATA_DISABLED": "true"}
    colour = re.compile(r"\x1b\[(?:\d+;)*3[0-7]m")
    plain = printed_on_terminal("stdout", *command, **environment, NO_COLOR="1")
    assert "[??]" in plain
    assert not colour.search(plain)
    assert colour.search(printed_on_terminal("stdout", *command, **environment))
    assert max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in plain.splitlines()) <= 60


def test_an_endpoint_of_agents_waits_for_astronomer(fresh: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in fresh.environment(LAKE).items():
        monkeypatch.setenv(key, value)
    agents = load(ROOT / "examples/remote_agents.yaml")
    fresh.make(facts_of(agents))
    props = agents.connections["prod-agents"]
    assert isinstance(props, RemoteAgentsProps)
    ec2, vpc_id = fresh.client("ec2", LAKE), agents.networks["agents"].vpc_id
    endpoint = ec2.create_vpc_endpoint(VpcId=vpc_id, ServiceName=props.service_name, VpcEndpointType="Interface")[
        "VpcEndpoint"
    ]["VpcEndpointId"]
    vpc = {"VPCRegion": "us-east-1", "VPCId": vpc_id}
    zone = fresh.client("route53", LAKE).create_hosted_zone(Name="x.example", CallerReference="1", VPC=vpc)
    facts = {"endpoint_id": endpoint, "zone_id": zone["HostedZone"]["Id"].rpartition("/")[2]}
    found, by_hand = look(agents, "prod-agents", **facts), {"step:2": ("unknown", "you")}
    assert states(found) == {"endpoint": ("waiting", "Astronomer"), "name": ("done", None), **by_hand}
    assert row(found, "endpoint").outcome.evidence == f"{endpoint} is pendingAcceptance"
    theirs = fresh.client("ec2", "999999999999")
    service_id = str(props.service_name).rpartition(".")[2]
    theirs.accept_vpc_endpoint_connections(ServiceId=service_id, VpcEndpointIds=[endpoint])
    found = look(agents, "prod-agents", **facts)
    assert states(found) == {"endpoint": ("done", None), "name": ("done", None), **by_hand}
