"""Both sides of every connection, in the real order.

Astronomer's side uses boto3 (tests/support/astronomer.py), and yours `cdktf deploy`. A stranger in another account
tries each of Astronomer's steps.

Each account has separate resources in moto, which does not evaluate IAM policies. So ministack evaluates the deployed
trust policies (tests/support/deciding_aws.py).
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from estate.load import load
from local_aws import LocalAws
from operations.terraform import TerraformFailed
from tests.support import ROOT
from tests.support.astronomer import CONTROL_PLANE, Astronomer
from tests.support.deciding_aws import DecidingAws
from tests.support.deployment import SECRETS, Deployment
from tests.support.world import facts_of
from tools.evidence import record as figure

pytestmark = pytest.mark.proof

LAKE, HYBRID, HOSTED, STRANGER = "111111111111", "222222222222", "333333333333", "666666666666"
ISSUER = "https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
NAMESPACE = "quasarian-quantum-1234"
SUBJECT = f"system:serviceaccount:{NAMESPACE}:{NAMESPACE}-worker-serviceaccount"
BALANCER = f"arn:aws:elasticloadbalancing:us-east-1:{LAKE}:loadbalancer/net/orders/0123456789abcdef"
RULE = "rslvr-rr-0123456789abcdef0"
ESTATE = f"""
name: acme
state: {{backend: s3, bucket: acme-astro-tfstate, region: us-east-1}}
astro: {{product: hosted-dedicated, organization: acme}}
deployer: {{role: terraform-deployer}}
clusters:
  prod: {{product: hybrid, region: us-east-1}}
  dev: {{region: us-east-1, account_id: "{HOSTED}", cidr: 172.20.16.0/20, oidc_issuer_url: {ISSUER}}}
  qa: {{region: us-east-1, account_id: "{HOSTED}", cidr: 172.20.32.0/20}}
account:
  account_id: "{HYBRID}"
  region: us-east-1
  cross_account_role: {{policy_file: policies/astronomer.json}}
networks:
  lake:
    account_id: "{LAKE}"
    region: us-east-1
    vpc_id: vpc-0123456789abcdef0
    cidrs: [10.20.0.0/16]
    route_tables: {{private: rtb-0aaaaaaaaaaaaaaaa}}
    subnets: {{private-a: subnet-0aaaaaaaaaaaaaaaa, private-b: subnet-0bbbbbbbbbbbbbbbb}}
connections:
  peering: {{type: vpc_peering, cluster: dev, network: lake}}
  hub: {{type: transit_gateway, clusters: [qa], network: lake, create: {{}}}}
  dns: {{type: resolver_rules, clusters: [dev], network: lake, rules: {{corp: {{rule_id: {RULE}}}}}}}
  zone: {{type: hosted_zone, clusters: [dev], network: lake, zone_id: Z0123456789ABCDEFGHIJ}}
  orders: {{type: private_link, clusters: [dev], network: lake, service: {{load_balancers: [{BALANCER}]}}}}
  temporary: {{type: peering_role, cluster: prod, network: lake, expires: "2099-12-31"}}
  by-role: {{type: workload_identity, cluster: dev, network: lake, roles: {{etl: {{deployments: [{NAMESPACE}]}}}}}}
  by-token:
    type: workload_identity
    cluster: dev
    network: lake
    identity: oidc
    roles: {{etl: {{deployments: [{NAMESPACE}]}}}}
"""


def attempt(step: Callable[..., Any], *arguments: Any, **named: Any) -> str:
    """Return `done`, or the error code of AWS."""
    try:
        step(*arguments, **named)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "done"


@dataclass
class Play:
    """The results, in AWS's terms."""

    pending: list[str] = field(default_factory=list)
    """The pending inputs before Astronomer's first step."""
    sides: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The final state of each connection for Astronomer, and for you."""
    roles: dict[str, str] = field(default_factory=dict)
    """The result of each attempt to assume a role."""
    stranger: dict[str, str] = field(default_factory=dict)
    """The result of each step of the stranger."""
    unexpected: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Terraform's message for a file with an unexpected request, and the state of the request afterwards."""
    changes: dict[str, bool] = field(default_factory=dict)
    """True for each stack whose final plan has changes."""


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    folder = tmp_path_factory.mktemp("sides")
    with LocalAws() as aws, DecidingAws(tmp_path_factory.mktemp("ministack")) as deciding:
        yield _played(aws, deciding, folder)


def _played(aws: LocalAws, deciding: DecidingAws, folder: Path) -> Play:
    play = Play()
    file = folder / "astro.yaml"
    file.write_text(ESTATE)
    shutil.copytree(ROOT / "examples/policies", folder / "policies")
    aws.make(facts_of(load(file)))
    dev = Astronomer(aws, deciding, HOSTED, "172.20.16.0/20")
    qa = Astronomer(aws, deciding, HOSTED, "172.20.32.0/20")
    stranger = Astronomer(aws, deciding, STRANGER, "172.20.16.0/20")

    # You deploy the parts without pending inputs, and hand over the facts.
    deployment = Deployment(file, folder / "work", aws, print)
    deployment.create_state()
    deployment.deploy()
    play.pending = [f"{entry} {one.field}" for entry, one in load(file).pending_inputs()]
    facts = deployment.outputs()
    lake = facts["network-lake"]
    account, vpc = lake["peering"]["account_id"], lake["peering"]["vpc_id"]
    gateway, service = lake["hub"]["transit_gateway_id"], lake["orders"]["service"]["service_name"]
    rule, zone = lake["dns"]["rules"]["corp"]["id"], lake["zone"]["zone_id"]

    def stranger_tries(when: str) -> None:
        steps: dict[str, Callable[[], Any]] = {
            "attach to the transit gateway": lambda: stranger.attach_private_subnets(gateway),
            "associate the resolver rule": lambda: stranger.associate_resolver_rule(rule),
            "associate the hosted zone with its own VPC": lambda: stranger.associate_hosted_zone(zone),
            "associate the hosted zone with Astro's VPC": lambda: stranger.associate_hosted_zone(zone, dev.vpc),
            "connect to the endpoint service": lambda: stranger.connect_to_service(service),
        }
        play.stranger |= {f"{what}, {when} Astronomer": attempt(step) for what, step in steps.items()}

    stranger_tries("before")

    # Astronomer does its part. Anyone who knows your VPC's ID can request a peering.
    peering = dev.create_connection(account, vpc)
    unexpected = {"of another account": stranger.create_connection(account, vpc)}
    unexpected["of another range"] = qa.create_connection(account, vpc)
    requests = dev.sharing_requests()
    play.stranger["see sharing requests"] = str(stranger.sharing_requests() or "none")
    for request in requests:
        step = attempt(stranger.approve_sharing_request, request)
        play.stranger[f"approve sharing request {requests.index(request) + 1}"] = step
        dev.approve_sharing_request(request)
    play.stranger["accept Astronomer's peering"] = attempt(stranger.accept_connection, peering)
    attachment = qa.attach_private_subnets(gateway)
    play.stranger["route to the transit gateway"] = attempt(
        stranger.create_route, "10.20.0.0/16", TransitGatewayId=gateway
    )
    dev.associate_resolver_rule(rule)
    endpoint = dev.connect_to_service(service)

    # You write Astronomer's values into the file, and deploy.
    text = file.read_text().replace("type: vpc_peering,", f"type: vpc_peering, peering_id: {peering},")
    text = text.replace("create: {}", f"create: {{}}, attachments: {{qa: {attachment}}}")
    file.write_text(text.replace("  dev: {", f"  dev: {{vpc_id: {dev.vpc}, "))
    assert list(load(file).pending_inputs()) == []
    deployment.deploy()
    ours = aws.client("ec2", LAKE)
    stack = deployment.stacks["network-lake"] / "cdk.tf.json"
    right = stack.read_text()
    for what, wrong in unexpected.items():
        stack.write_text(right.replace(peering, wrong))
        try:
            said = deployment.terraform.apply(stack.parent)
        except TerraformFailed as refused:
            plain = re.sub(r"[\s│╷╵]+", " ", refused.stderr)
            reasons = re.findall(r"was requested (.*?), but", re.sub(r"from VPC vpc-\w+", "from another VPC", plain))
            said = ", ".join(sorted(reasons))
        play.unexpected[what] = (said, _status(ours, wrong))
    stack.write_text(right)
    # A person accepts the connection to the service. Terraform does all other steps.
    asked = _connection(ours, endpoint)
    ours.accept_vpc_endpoint_connections(ServiceId=asked["ServiceId"], VpcEndpointIds=[endpoint])

    # Steps that Astronomer can do only now.
    dev.associate_hosted_zone(zone)
    dev.create_route("10.20.0.0/16", VpcPeeringConnectionId=peering)
    qa.create_route("10.20.0.0/16", TransitGatewayId=gateway)
    stranger_tries("after")
    play.changes = deployment.changes()
    play.sides = {
        "peering": (_status(dev.client("ec2"), peering), _status(ours, peering)),
        "routes of the peering": (
            _route(dev.client("ec2"), dev.route_table, VpcPeeringConnectionId=peering),
            _route(ours, TABLE, VpcPeeringConnectionId=peering),
        ),
        "share of the transit gateway": _shared(aws, "acme-hub"),
        "attachment": (_attached(qa.client("ec2"), attachment), _attached(ours, attachment)),
        "routes of the transit gateway": (
            _route(qa.client("ec2"), qa.route_table, TransitGatewayId=gateway),
            _route(ours, TABLE, TransitGatewayId=gateway),
        ),
        "share of the resolver rule": _shared(aws, "acme-dns"),
        "resolver rule": _rule(aws, dev, rule),
        "hosted zone": _zone(aws, dev, zone),
        "endpoint": _endpoint(dev.client("ec2"), ours, endpoint),
    }
    play.roles = _roles(aws, deciding, facts, dev, stranger)
    return play


TABLE = "rtb-0aaaaaaaaaaaaaaaa"


def _status(ec2: Any, peering: str) -> str:
    [found] = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[peering])["VpcPeeringConnections"]
    return found["Status"]["Code"]


def _route(ec2: Any, table: str, **target: str) -> str:
    [found] = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    there = (each for each in found["Routes"] if target.items() <= each.items())
    return ", ".join(f"{each['DestinationCidrBlock']} {each['State']}" for each in there)


def _shared(aws: LocalAws, name: str) -> tuple[str, str]:
    found = [
        aws.client("ram", account).get_resource_shares(resourceOwner=owner, name=name)["resourceShares"]
        for account, owner in ((HOSTED, "OTHER-ACCOUNTS"), (LAKE, "SELF"))
    ]
    [[theirs], [ours]] = found
    return theirs["status"], ours["status"]


def _attached(ec2: Any, attachment: str) -> str:
    found = ec2.describe_transit_gateway_vpc_attachments(TransitGatewayAttachmentIds=[attachment])
    return found["TransitGatewayVpcAttachments"][0]["State"]


def _rule(aws: LocalAws, dev: Astronomer, rule: str) -> tuple[str, str]:
    associated = dev.client("route53resolver").list_resolver_rule_associations()["ResolverRuleAssociations"]
    [theirs] = [each for each in associated if each["ResolverRuleId"] == rule and each["VPCId"] == dev.vpc]
    ours = aws.client("route53resolver", LAKE).get_resolver_rule(ResolverRuleId=rule)["ResolverRule"]
    return theirs["Status"], ours["Status"]


def _zone(aws: LocalAws, dev: Astronomer, zone: str) -> tuple[str, str]:
    asked = {"VPCId": dev.vpc, "VPCRegion": "us-east-1"}
    [theirs] = dev.client("route53").list_hosted_zones_by_vpc(**asked)["HostedZoneSummaries"]
    vpcs = [each["VPCId"] for each in aws.client("route53", LAKE).get_hosted_zone(Id=zone)["VPCs"]]
    return f"of {theirs['Owner']['OwningAccount']}", "with Astro's VPC" if dev.vpc in vpcs else "without Astro's VPC"


def _connection(ours: Any, endpoint: str) -> dict[str, Any]:
    found = ours.describe_vpc_endpoint_connections()["VpcEndpointConnections"]
    return next(each for each in found if each["VpcEndpointId"] == endpoint)


def _endpoint(theirs: Any, ours: Any, endpoint: str) -> tuple[str, str]:
    [seen] = theirs.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"]
    return seen["State"], _connection(ours, endpoint)["VpcEndpointState"]


def _roles(
    aws: LocalAws, deciding: DecidingAws, facts: dict[str, Any], dev: Astronomer, stranger: Astronomer
) -> dict[str, str]:
    """Create the deployed roles in the AWS that evaluates policies."""
    for account in (LAKE, HYBRID):
        deciding.copy_roles(aws.client("iam", account), account)
    control = Astronomer(aws, deciding, CONTROL_PLANE, "172.20.48.0/20")
    [external_id] = json.loads(SECRETS["TF_VAR_external_ids"])
    cross, lake = facts["account"]["cross_account_role"]["role_arn"], facts["network-lake"]
    by_role, by_token = (lake[entry]["roles"]["etl"] for entry in ("by-role", "by-token"))
    temporary = lake["temporary"]["role_arn"]
    steps: dict[str, Callable[[], Any]] = {
        "cross-account: Astronomer, external ID": lambda: control.assume_cross_account_role(cross, external_id),
        "cross-account: Astronomer, no ID": lambda: control.assume_cross_account_role(cross, None),
        "cross-account: Astronomer, wrong ID": lambda: control.assume_cross_account_role(cross, "wrong-id"),
        "cross-account: Astronomer, ID in capitals": lambda: control.assume_cross_account_role(
            cross, external_id.upper()
        ),
        "cross-account: stranger, external ID": lambda: stranger.assume_cross_account_role(cross, external_id),
        "cross-account: stranger, no ID": lambda: stranger.assume_cross_account_role(cross, None),
        "cross-account: a Hosted cluster's account, external ID": lambda: dev.assume_cross_account_role(
            cross, external_id
        ),
        "temporary: Astronomer in the dedicated account": lambda: control.assume_temporary_role(
            temporary, control.assume_cross_account_role(cross, external_id)
        ),
        "temporary: another cluster's account": lambda: dev.assume_temporary_role(temporary),
        "temporary: stranger": lambda: stranger.assume_temporary_role(temporary),
        "data: the Deployment": lambda: dev.assume_data_role(by_role, NAMESPACE),
        "data: another Deployment": lambda: dev.assume_data_role(by_role, "other-deployment-1"),
        "data: stranger, role of the same name": lambda: stranger.assume_data_role(by_role, NAMESPACE),
        "data by token: the Deployment": lambda: dev.assume_data_role_by_token(by_token, ISSUER, SUBJECT),
        "data by token: another Deployment": lambda: dev.assume_data_role_by_token(
            by_token, ISSUER, SUBJECT.replace(NAMESPACE, "other-deployment-1")
        ),
        "data by token: another audience": lambda: dev.assume_data_role_by_token(
            by_token, ISSUER, SUBJECT, "acme.example"
        ),
        "data by token: another cluster": lambda: stranger.assume_data_role_by_token(
            by_token, ISSUER.replace("0", "F"), SUBJECT
        ),
    }
    return {what: attempt(step) for what, step in steps.items()}


LET_IN = [
    "cross-account: Astronomer, external ID",
    "temporary: Astronomer in the dedicated account",
    "data: the Deployment",
    "data by token: the Deployment",
]
REFUSED = [
    "cross-account: Astronomer, no ID",
    "cross-account: Astronomer, wrong ID",
    "cross-account: Astronomer, ID in capitals",
    "cross-account: stranger, external ID",
    "cross-account: stranger, no ID",
    "cross-account: a Hosted cluster's account, external ID",
    "temporary: another cluster's account",
    "temporary: stranger",
    "data: another Deployment",
    "data: stranger, role of the same name",
    "data by token: another Deployment",
    "data by token: another audience",
    "data by token: another cluster",
]


def test_parts_without_pending_inputs_are_deployed_first(play: Play) -> None:
    assert play.pending == [
        "clusters.dev vpc_id",
        "connections.peering peering_id",
        "connections.hub attachments.qa",
    ]


def test_each_connection_is_active_on_both_sides(play: Play) -> None:
    assert play.sides == {
        "peering": ("active", "active"),
        "routes of the peering": ("10.20.0.0/16 active", "172.20.16.0/20 active"),
        "share of the transit gateway": ("ACTIVE", "ACTIVE"),
        "attachment": ("available", "available"),
        "routes of the transit gateway": ("10.20.0.0/16 active", "172.20.32.0/20 active"),
        "share of the resolver rule": ("ACTIVE", "ACTIVE"),
        "resolver rule": ("COMPLETE", "COMPLETE"),
        "hosted zone": (f"of {LAKE}", "with Astro's VPC"),
        "endpoint": ("available", "available"),
    }
    figure("handshakes completed, both sides active", f"{len(play.sides)} connections")


def test_a_plan_does_not_undo_astronomers_steps(play: Play) -> None:
    assert play.changes == {"account": False, "network-lake": False}


def test_only_the_named_principals_can_assume_the_roles(play: Play) -> None:
    assert play.roles == dict.fromkeys(LET_IN, "done") | dict.fromkeys(REFUSED, "AccessDenied")
    figure("handshakes completed, both sides active", f"{len(LET_IN)} roles assumed")
    figure("role refusals (no ID, wrong ID, other account)", f"{len(REFUSED)} of {len(REFUSED)}")


def test_a_stranger_gets_nowhere(play: Play) -> None:
    steps = {
        "attach to the transit gateway": "InvalidTransitGatewayID.NotFound",
        "associate the resolver rule": "ResourceNotFoundException",
        "associate the hosted zone with its own VPC": "NotAuthorizedException",
        "associate the hosted zone with Astro's VPC": "InvalidVPCId",
        "connect to the endpoint service": "InvalidServiceName",
    }
    assert play.stranger == {
        **{f"{step}, before Astronomer": code for step, code in steps.items()},
        **{f"{step}, after Astronomer": code for step, code in steps.items()},
        "see sharing requests": "none",
        "approve sharing request 1": "ResourceShareInvitationArnNotFoundException",
        "approve sharing request 2": "ResourceShareInvitationArnNotFoundException",
        "accept Astronomer's peering": "InvalidVpcPeeringConnectionId.NotFound",
        "route to the transit gateway": "InvalidTransitGatewayID.NotFound",
    }
    figure("steps refused to a stranger", f"{len(play.stranger)} of {len(play.stranger)}")


def test_a_peering_that_was_not_expected_is_never_accepted(play: Play) -> None:
    assert play.unexpected == {
        "of another account": (f"by AWS account {STRANGER}, from another VPC", "pending-acceptance"),
        "of another range": ("from a VPC with range 172.20.32.0/20, from another VPC", "pending-acceptance"),
    }
    figure("steps refused to a stranger", f"{len(play.unexpected)} peerings not accepted")
