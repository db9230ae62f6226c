"""`main.py adopt` finds, imports and keeps resources that a person created by following Astronomer's pages."""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cdktf
import pytest

from estate.load import load
from local_aws import LocalAws
from operations.adopt.kinds import KINDS
from operations.adopt.report import Outcome
from operations.adopt.search import adopt
from operations.terraform import find_terraform
from stacks.app import build
from tests.support import ROOT
from tests.support.deployment import SECRETS
from tests.support.terraform import Terraform, cli_environment

OURS, ASTRO = "111111111111", "333333333333"
VPC, PEERING = "vpc-0123456789abcdef0", "pcx-0123456789abcdef0"
EXTERNAL_ID = json.loads(SECRETS["TF_VAR_external_ids"])[0]
ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.fixture
def aws(server: LocalAws, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """The AWS of this process and its child processes."""
    for key, value in server.environment().items():
        monkeypatch.setenv(key, value)
    return server


@pytest.fixture
def account() -> str:
    """An account that no other test uses."""
    return str(uuid.uuid4().int)[:12]


ESTATE = """
name: acme
state: {backend: none}
tags: {owner: data-platform}
astro: {product: hosted-dedicated, organization: acme}
deployer: {role: terraform}
"""
ACCOUNT = """
account:
  account_id: "{account}"
  region: us-east-1
  without_hybrid_reason: the data plane was deleted, and its role stays for the audit
  cross_account_role: {{policy_mode: strict, policy_file: astronomer.json}}
"""
LAKE = """
networks:
  lake:
    account_id: "111111111111"
    region: us-east-1
    vpc_id: vpc-0123456789abcdef0
    cidrs: [10.20.0.0/16]
    route_tables: {private: rtb-0aaaaaaaaaaaaaaaa}
    subnets: {private-a: subnet-0aaaaaaaaaaaaaaaa, private-b: subnet-0bbbbbbbbbbbbbbbb}
clusters:
  prod:
    region: us-east-1
    account_id: "333333333333"
    vpc_id: vpc-0cccccccccccccccc
    oidc_issuer_url: https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF
  dev: {region: us-east-1, account_id: "333333333333", cidr: 172.20.16.0/20}
"""
CONNECTIONS = """
connections:
  lake-prod:
    type: vpc_peering
    cluster: prod
    network: lake
    peering_id: pcx-0123456789abcdef0
    ingress: {postgres: {security_group: sg-0123456789abcdef0, from_port: 5432}}
  hub:
    type: transit_gateway
    clusters: [dev]
    network: lake
    create: {}
    attachments: {dev: tgw-attach-0aaaaaaaaaaaaaaaa}
    propagate: true
  corp-dns:
    type: resolver_rules
    clusters: [prod]
    network: lake
    endpoint_id: ENDPOINT
    associate_network: true
    rules: {corp: {domain: corp.acme.example, targets: [10.8.0.2]}}
  zone: {type: hosted_zone, clusters: [prod], network: lake, domain: data.acme.example}
  office:
    type: vpn
    network: lake
    gateways: {main: {ip: 203.0.113.10}}
    bgp_asn: 65010
    preshared_keys: state
  readers:
    type: workload_identity
    cluster: prod
    network: lake
    identity: oidc
    roles: {audit: {deployments: [quasarian-quantum-1234]}}
"""


def estate_file(folder: Path, *parts: str) -> Path:
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "examples/policies/astronomer.json", folder)
    (folder / "astro.yaml").write_text("\n".join((ESTATE, *parts)))
    return folder / "astro.yaml"


def run(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "main.py", "adopt", str(file), *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **SECRETS}, capture_output=True, text=True)


def make_role(aws: LocalAws, account: str, trusted: str = "arn:aws:iam::406882777402:root") -> None:
    """Create the role as the shell script on Astronomer's page does."""
    iam = aws.client("iam", account)
    document = (ROOT / "examples/policies/astronomer.json").read_text().replace("{{.AWSAccount}}", account)
    about = "Permissions boundary for Astronomer cross-account management role"
    policy = iam.create_policy(PolicyName="AstronomerCrossAccountRole", PolicyDocument=document, Description=about)
    condition = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}
    statement = {"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole", "Condition": condition}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_role(RoleName="astronomer-remote-management", AssumeRolePolicyDocument=trust)
    iam.attach_role_policy(RoleName="astronomer-remote-management", PolicyArn=policy["Policy"]["Arn"])


def make_network(aws: LocalAws) -> str:
    """Create the resources of Astronomer's page on networks. Return the ID of the resolver endpoint."""
    private = "rtb-0aaaaaaaaaaaaaaaa"
    place = {"account": OURS, "region": "us-east-1"}
    subnets = [
        {"id": "subnet-0aaaaaaaaaaaaaaaa", "cidr": "10.20.0.0/24", "zone": "us-east-1a"},
        {"id": "subnet-0bbbbbbbbbbbbbbbb", "cidr": "10.20.1.0/24", "zone": "us-east-1b"},
    ]
    aws.make(
        {
            "vpcs": [
                {
                    **place,  # type: ignore[typeddict-item]
                    "id": VPC,
                    "cidr": "10.20.0.0/16",
                    "dns_hostnames": True,
                    "route_tables": [private],
                    "subnets": subnets,
                    "security_groups": ["sg-0123456789abcdef0"],
                }
            ],
            "peering_requests": [
                {
                    "id": PEERING,
                    "requester": {
                        "account": ASTRO,
                        "region": "us-east-1",
                        "vpc": "vpc-0cccccccccccccccc",
                        "cidr": "172.20.0.0/20",
                    },
                    "accepter": {**place, "vpc": VPC},  # type: ignore[typeddict-item]
                }
            ],
        }
    )
    ec2 = aws.client("ec2", OURS)

    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=PEERING)
    ec2.modify_vpc_peering_connection_options(
        VpcPeeringConnectionId=PEERING, AccepterPeeringConnectionOptions={"AllowDnsResolutionFromRemoteVpc": True}
    )
    ec2.create_route(RouteTableId=private, DestinationCidrBlock="172.20.0.0/20", VpcPeeringConnectionId=PEERING)
    opened = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": "172.20.0.0/20"}]}
    ec2.authorize_security_group_ingress(GroupId="sg-0123456789abcdef0", IpPermissions=[opened])

    off = {"DefaultRouteTableAssociation": "disable", "DefaultRouteTablePropagation": "disable"}
    hub = ec2.create_transit_gateway(
        Description="Astro", Options={"AmazonSideAsn": 64512, **off}, TagSpecifications=named("transit-gateway", "hub")
    )["TransitGateway"]["TransitGatewayId"]
    dev = "tgw-attach-0aaaaaaaaaaaaaaaa"
    attached = {"account": ASTRO, "region": "us-east-1", "id": dev, "transit_gateway": hub, "cidr": "172.20.16.0/20"}
    aws.make({"transit_gateway_attachments": [attached]})  # type: ignore[typeddict-item]
    ec2.accept_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=dev)
    lake = ec2.create_transit_gateway_vpc_attachment(
        TransitGatewayId=hub, VpcId=VPC, SubnetIds=[subnet["id"] for subnet in subnets]
    )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    for name, associated, propagated in (("clusters", dev, lake), ("network", lake, dev)):
        tags = named("transit-gateway-route-table", f"hub-{name}")
        made = ec2.create_transit_gateway_route_table(TransitGatewayId=hub, TagSpecifications=tags)
        table = made["TransitGatewayRouteTable"]["TransitGatewayRouteTableId"]
        where = {"TransitGatewayRouteTableId": table}
        ec2.associate_transit_gateway_route_table(**where, TransitGatewayAttachmentId=associated)
        ec2.enable_transit_gateway_route_table_propagation(**where, TransitGatewayAttachmentId=propagated)
    ec2.create_route(RouteTableId=private, DestinationCidrBlock="172.20.16.0/20", TransitGatewayId=hub)

    group = ec2.create_security_group(GroupName="dns", Description="DNS", VpcId=VPC)["GroupId"]
    resolver = aws.client("route53resolver", OURS)
    endpoint = resolver.create_resolver_endpoint(
        CreatorRequestId="1",
        SecurityGroupIds=[group],
        Direction="OUTBOUND",
        IpAddresses=[{"SubnetId": subnet["id"]} for subnet in subnets],
    )["ResolverEndpoint"]["Id"]
    rule = resolver.create_resolver_rule(
        CreatorRequestId="1",
        Name="to-corp",
        RuleType="FORWARD",
        DomainName="corp.acme.example",
        ResolverEndpointId=endpoint,
        TargetIps=[{"Ip": "10.8.0.2", "Port": 53, "Protocol": "Do53"}],
    )["ResolverRule"]["Id"]
    resolver.associate_resolver_rule(ResolverRuleId=rule, VPCId=VPC)

    route53 = aws.client("route53", OURS)
    zone = route53.create_hosted_zone(
        Name="data.acme.example", CallerReference="1", VPC={"VPCRegion": "us-east-1", "VPCId": VPC}
    )["HostedZone"]["Id"]
    astros = {"VPCRegion": "us-east-1", "VPCId": "vpc-0cccccccccccccccc"}
    route53.create_vpc_association_authorization(HostedZoneId=zone, VPC=astros)

    gateway = ec2.create_vpn_gateway(Type="ipsec.1", AmazonSideAsn=64512)["VpnGateway"]["VpnGatewayId"]
    ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=VPC)
    device = ec2.create_customer_gateway(Type="ipsec.1", PublicIp="203.0.113.10", BgpAsn=65010)
    ec2.create_vpn_connection(
        Type="ipsec.1",
        CustomerGatewayId=device["CustomerGateway"]["CustomerGatewayId"],
        VpnGatewayId=gateway,
        Options={"StaticRoutesOnly": False},
    )
    aws.client("iam", OURS).create_open_id_connect_provider(
        Url=f"https://{ISSUER}",
        ClientIDList=["sts.amazonaws.com"],
        ThumbprintList=["9e99a48a9960b14926bb7f3b02e22da2b0ab7280"],
    )
    return endpoint


def named(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": f"acme-{name}"}]}]


def plans(file: Path, out: Path) -> dict[str, dict[str, tuple[str, list[str]]]]:
    """Return the plan of the real provider by stack and address: the action and the changed arguments."""
    environ = {**os.environ, **SECRETS, "ASTRO_ESTATE": str(file), "CDKTF_OUTDIR": str(out)}
    subprocess.run([sys.executable, "main.py"], cwd=ROOT, env=environ, check=True)

    def plan(folder: Path) -> dict[str, tuple[str, list[str]]]:
        environment = cli_environment(folder, environ)
        terraform = Terraform(find_terraform(environment), environment)
        terraform.init(folder)
        return {
            one["address"]: changed(one["change"])
            for one in terraform.plan_json(folder)["resource_changes"]
            if one["mode"] == "managed"
        }

    folders = sorted((out / "stacks").iterdir())
    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip((folder.name for folder in folders), pool.map(plan, folders), strict=True))


def changed(change: dict[str, Any]) -> tuple[str, list[str]]:
    before, after = change["before"] or {}, change["after"] or {}
    action = "-".join(change["actions"])
    if "importing" in change:
        action = f"import {action}"
    return action, sorted(key for key in after if before and before.get(key) != after[key])


def planned(file: Path) -> dict[str, Any]:
    """Return the synthesized stacks, by name."""
    out = file.parent / "synthesized"
    build(cdktf.App(outdir=str(out)), load(file)).synth()
    return {one.parent.name: json.loads(one.read_text()) for one in sorted(out.glob("stacks/*/cdk.tf.json"))}


def looked_for(file: Path) -> dict[str, Outcome]:
    """Return the result for each resource, by address."""
    return {one.address: one for stack in adopt(planned(file), [EXTERNAL_ID]) for one in stack.outcomes}


def states(outcomes: dict[str, Outcome]) -> dict[str, list[str]]:
    """Return the addresses by state."""
    found: dict[str, list[str]] = {}
    for address, outcome in outcomes.items():
        found.setdefault(outcome.state, []).append(address)
    return found


def test_every_type_that_a_module_makes_can_be_looked_for() -> None:
    files = [file for file in (ROOT / "modules").rglob("*.py") if "cdktf_cdktf_provider_aws" in file.read_text()]
    imported = {
        name for file in files for name in re.findall(r"cdktf_cdktf_provider_aws\.(\w+) import", file.read_text())
    }
    made = {f"aws_{name}" for name in imported if not name.startswith("data_")} - {"aws_provider"}
    assert len(made) > 60
    assert made | {"terraform_data"} == {kind for kind in KINDS if "." not in kind}


@pytest.mark.slow
def test_resources_created_by_hand_are_imported_and_kept(aws: LocalAws, account: str, tmp_path: Path) -> None:
    make_role(aws, account)
    endpoint = make_network(aws)
    file, out = (
        estate_file(tmp_path, ACCOUNT.format(account=account), LAKE, CONNECTIONS.replace("ENDPOINT", endpoint)),
        tmp_path / "out",
    )
    done = run(file, "--out", str(out))
    assert (done.returncode, done.stderr) == (4, "")
    decisions = [line for line in done.stdout.splitlines() if re.search(r"CONFLICT|AMBIGUOUS| = .*: ", line)]
    assert [re.sub(r"vpn-\w+", "ID", line) for line in decisions] == [
        "  import     aws_vpn_connection.office_connection_main = ID: an apply would change "
        "Options.TunnelOptions[0].Phase1DHGroupNumbers[].Value from None to [20]; an apply would change "
        "Options.TunnelOptions[1].Phase1DHGroupNumbers[].Value from None to [20]"
    ]
    assert EXTERNAL_ID not in done.stdout
    assert all(EXTERNAL_ID not in one.read_text() for one in out.rglob("imports.tf"))

    every = {address: change for stack in plans(file, out).values() for address, change in stack.items()}
    assert sorted(address for address, (action, _) in every.items() if action == "create") == [
        "aws_cloudwatch_metric_alarm.office_alarm_main",
        "aws_iam_role.readers_audit_role",
        "aws_iam_role_policies_exclusive.cross-account-role_no-inline-policies",
        'aws_ram_principal_association.corp-dns_share-principal["333333333333"]',
        'aws_ram_principal_association.hub_share-principal["333333333333"]',
        "aws_ram_resource_association.corp-dns_share-resource_corp",
        "aws_ram_resource_association.hub_share-resource_gateway",
        "aws_ram_resource_share.corp-dns_share",
        "aws_ram_resource_share.hub_share",
        'aws_vpn_gateway_route_propagation.office_propagation["rtb-0aaaaaaaaaaaaaaaa"]',
        "terraform_data.first_place",
        "terraform_data.office_target",
        "terraform_data.policy-alarm-guard",
    ]
    kept = {address: change for address, change in every.items() if change[0] != "create"}
    assert {action for action, _ in kept.values()} == {"import no-op", "import update"}
    assert len(kept) == 26
    changes = {address: set(arguments) - {"tags", "tags_all"} for address, (_, arguments) in kept.items()}
    tunnels = changes.pop("aws_vpn_connection.office_connection_main")
    assert all(re.match("tunnel[12]_", argument) for argument in tunnels)
    # Besides tags: texts that AWS changes in place, and values that only Terraform's state contains.
    assert {address: arguments for address, arguments in changes.items() if arguments} == {
        "aws_iam_role.cross-account-role_role": {"description"},
        "aws_route53_resolver_rule.corp-dns_rule_corp": {"name"},
        "aws_route53_zone.zone_zone": {"comment", "force_destroy"},
        "aws_vpc_peering_connection_accepter.lake-prod_accepter": {"auto_accept"},
        "aws_vpc_security_group_ingress_rule.lake-prod_ingress_postgres": {"description"},
    }


def test_without_resources_an_earlier_import_file_is_deleted(aws: LocalAws, account: str, tmp_path: Path) -> None:
    file, out = estate_file(tmp_path, ACCOUNT.format(account=account)), tmp_path / "out"
    make_role(aws, account)
    assert run(file, "--out", str(out)).returncode == 0
    written = out / "stacks/account/imports.tf"
    policy = f"arn:aws:iam::{account}:policy/AstronomerCrossAccountRole"
    assert written.read_text() == (
        "# Written by `main.py adopt`. Once these are applied, the file has done its work and may be deleted.\n\n"
        f'import {{\n  to = aws_iam_policy.cross-account-role_policy\n  id = "{policy}"\n}}\n\n'
        'import {\n  to = aws_iam_role.cross-account-role_role\n  id = "astronomer-remote-management"\n}\n\n'
        "import {\n  to = aws_iam_role_policy_attachment.cross-account-role_attachment\n"
        f'  id = "astronomer-remote-management/{policy}"\n}}\n\n'
        "import {\n  to = aws_iam_role_policy_attachments_exclusive.cross-account-role_only-attachments\n"
        '  id = "astronomer-remote-management"\n}\n'
    )
    iam = aws.client("iam", account)
    iam.detach_role_policy(RoleName="astronomer-remote-management", PolicyArn=policy)
    iam.delete_role(RoleName="astronomer-remote-management")
    iam.delete_policy(PolicyArn=policy)
    done = run(file, "--out", str(out))
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            f"account (account {account}, us-east-1): 0 of 7 to import",
            "  create     aws_iam_policy.cross-account-role_policy",
            "  create     aws_iam_role.cross-account-role_role",
            "  create     aws_iam_role_policies_exclusive.cross-account-role_no-inline-policies: goes with "
            "aws_iam_role.cross-account-role_role",
            "  create     aws_iam_role_policy_attachment.cross-account-role_attachment: goes with "
            "aws_iam_role.cross-account-role_role",
            "  create     aws_iam_role_policy_attachments_exclusive.cross-account-role_only-attachments: goes with "
            "aws_iam_role.cross-account-role_role",
            "  again      terraform_data.first_place: it exists only in the state, as a record of earlier deploys",
            "  again      terraform_data.policy-alarm-guard: it exists only in the state, as a record of earlier "
            "deploys",
            "No existing resources match the estate, so there is nothing to import.",
        ],
    )
    assert not written.exists()


def test_filters_of_other_names_are_reported_and_trails_found(aws: LocalAws, account: str, tmp_path: Path) -> None:
    logs = aws.client("logs", account)
    logs.create_log_group(logGroupName="aws-cloudtrail-logs")
    pattern = '{ ($.eventName = AttachRolePolicy) && ($.requestParameters.policyArn = "*AstronomerCrossAccountRole") }'
    logs.put_metric_filter(
        logGroupName="aws-cloudtrail-logs",
        filterName="AstroPolicyChanges",
        filterPattern=pattern,
        metricTransformations=[{"metricName": "Changes", "metricNamespace": "Astro", "metricValue": "1"}],
    )
    bucket = f"acme-policy-alarm-{account}"
    aws.client("s3", account).create_bucket(Bucket=bucket)
    aws.client("cloudtrail", account).create_trail(Name="acme-policy-alarm", S3BucketName=bucket)
    file = estate_file(
        tmp_path, ACCOUNT.format(account=account), "  policy_alarm: {subscribers: {security: security@acme.example}}"
    )
    found = looked_for(file)
    assert found["aws_cloudwatch_log_metric_filter.policy-alarm_filter"] == Outcome(
        "aws_cloudwatch_log_metric_filter.policy-alarm_filter",
        "alike",
        detail="filterName AstroPolicyChanges, not acme-policy-alarm and logGroupName aws-cloudtrail-logs, not that of "
        "aws_cloudwatch_log_group.policy-alarm_log-group, which does not exist yet; to keep its log group and topic, "
        "set account.policy_alarm.log_group and topic_arn; after your deploy, delete this filter and its alarm",
    )
    assert states(found)["found"] == [
        "aws_cloudtrail.policy-alarm_trail",
        "aws_s3_bucket.policy-alarm_bucket",
    ]


def test_a_role_that_differs_is_imported_with_a_remark(aws: LocalAws, account: str, tmp_path: Path) -> None:
    make_role(aws, account, trusted="arn:aws:iam::999999999999:root")
    iam, name = aws.client("iam", account), "astronomer-remote-management"
    boundary = iam.create_policy(PolicyName="Boundary", PolicyDocument=document("s3:*"))["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
    policy = f"arn:aws:iam::{account}:policy/AstronomerCrossAccountRole"
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=document("s3:*"), SetAsDefault=True)
    iam.attach_role_policy(RoleName=name, PolicyArn=boundary)
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document("s3:*"))
    file = estate_file(tmp_path, ACCOUNT.format(account=account))
    (stack,) = adopt(planned(file), ["another-external-id"])
    assert [(one.id, one.detail) for one in stack.outcomes if one.to_decide] == [
        (
            policy,
            "an apply would replace the document in AWS, which allows other actions, by the one in the file: "
            "`main.py policy diff` shows the difference, `policy_mode: vendor-managed` keeps the document in AWS",
        ),
        (
            name,
            f"an apply would remove its permissions boundary {boundary}: write it as `permissions_boundary`; its "
            "external IDs differ from TF_VAR_external_ids; a plan does not show that, and an apply would lock out "
            "everyone who uses another ID; an apply would no longer trust arn:aws:iam::999999999999:root",
        ),
        (name, "an apply would change PolicyNames from ['inline'] to []"),
        (name, f"an apply would change AttachedPolicies[].PolicyArn from {[policy, boundary]} to {[policy]}"),
    ]
    file.write_text(file.read_text().replace("policy_mode: strict", "policy_mode: vendor-managed"))
    assert not looked_for(file)["aws_iam_policy.cross-account-role_policy"].to_decide


def test_a_role_without_trust_has_other_external_ids(aws: LocalAws, account: str, tmp_path: Path) -> None:
    name = "astronomer-remote-management"
    aws.client("iam", account).create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17"})
    )
    found = looked_for(estate_file(tmp_path, ACCOUNT.format(account=account)))
    assert found["aws_iam_role.cross-account-role_role"].detail == (
        "its external IDs differ from TF_VAR_external_ids; a plan does not show that, and an apply would lock out "
        "everyone who uses another ID"
    )


def document(action: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})


def test_a_cloudformation_stack_is_named_and_releases_the_role(aws: LocalAws, account: str, tmp_path: Path) -> None:
    """The steps of docs/adopt.md, "Deleting the CloudFormation stack": set Retain, then delete the stack."""
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}
    trust["Statement"][0]["Principal"] = {"AWS": "arn:aws:iam::406882777402:root"}  # type: ignore[index]
    trust["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}  # type: ignore[index]
    role = {"RoleName": "astronomer-remote-management", "AssumeRolePolicyDocument": trust}
    policy = {"ManagedPolicyName": "AstronomerCrossAccountRole", "PolicyDocument": json.loads(document("s3:*"))}
    template: dict[str, Any] = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "Policy": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {**policy, "Roles": [{"Ref": "Role"}]},
        },
    }
    stacks = aws.client("cloudformation", account)
    stacks.create_stack(StackName="AstroCrossAccount", TemplateBody=json.dumps({"Resources": template}))
    file = estate_file(tmp_path, ACCOUNT.format(account=account))
    address = "aws_iam_role.cross-account-role_role"
    assert looked_for(file)[address].detail == (
        "CloudFormation stack AstroCrossAccount in us-east-1 also deletes the role: see docs/adopt.md first"
    )
    for resource in template.values():
        # AWS accepts a new DeletionPolicy only with another change.
        resource |= {"DeletionPolicy": "Retain", "Metadata": {"KeptBy": "Terraform"}}
    stacks.update_stack(StackName="AstroCrossAccount", TemplateBody=json.dumps({"Resources": template}))
    stacks.delete_stack(StackName="AstroCrossAccount")
    found = looked_for(file)
    assert (found[address].id, found[address].detail) == ("astronomer-remote-management", "")
    # It has no inline policy that an apply would remove.
    none = "aws_iam_role_policies_exclusive.cross-account-role_no-inline-policies"
    guards = ["terraform_data.first_place", "terraform_data.policy-alarm-guard"]
    assert states(found) == {
        "found": [one for one in found if one not in (none, *guards)],
        "absent": [none],
        "unimportable": guards,
    }


SHARED = """
clusters:
  prod: {{region: us-east-1, account_id: "333333333333", oidc_issuer_url: "https://{issuer}"}}
networks:
  lake:
    account_id: "{account}"
    region: us-east-1
    vpc_id: {vpc}
    cidrs: [10.20.0.0/16]
    route_tables: all
connections:
  office: {{type: vpn, network: lake, gateways: {{a: {{ip: 203.0.113.10}}}}, bgp_asn: 65010}}
  readers:
    type: workload_identity
    cluster: prod
    network: lake
    identity: oidc
    roles: {{etl: {{deployments: [geometric-gyroscope-9932]}}}}
"""


def test_resources_that_others_use_are_not_adopted(aws: LocalAws, account: str, tmp_path: Path) -> None:
    ec2, iam = aws.client("ec2", account), aws.client("iam", account)
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    file = estate_file(tmp_path, SHARED.format(account=account, vpc=vpc, issuer=ISSUER))
    gateway, theirs = (ec2.create_vpn_gateway(Type="ipsec.1", AmazonSideAsn=64512)["VpnGateway"] for _ in "ab")
    ec2.attach_vpn_gateway(VpnGatewayId=gateway["VpnGatewayId"], VpcId=vpc)
    device = ec2.create_customer_gateway(Type="ipsec.1", PublicIp="203.0.113.10", BgpAsn=65010)["CustomerGateway"]
    provider = iam.create_open_id_connect_provider(
        Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["9" * 40]
    )["OpenIDConnectProviderArn"]
    shared = {
        "aws_vpn_gateway.office_gateway": gateway["VpnGatewayId"],
        "aws_customer_gateway.office_customer-gateway_a": device["CustomerGatewayId"],
        "aws_iam_openid_connect_provider.readers_provider": provider,
    }
    found = looked_for(file)
    assert {address: (found[address].state, found[address].id) for address in shared} == {
        address: ("found", id_) for address, id_ in shared.items()
    }

    ids = {"CustomerGatewayId": device["CustomerGatewayId"]}
    made = ec2.create_vpn_connection(Type="ipsec.1", VpnGatewayId=theirs["VpnGatewayId"], **ids)
    other = ec2.create_customer_gateway(Type="ipsec.1", PublicIp="203.0.113.99", BgpAsn=65010)["CustomerGateway"]
    ids = {"CustomerGatewayId": other["CustomerGatewayId"]}
    elsewhere = ec2.create_vpn_connection(Type="ipsec.1", VpnGatewayId=gateway["VpnGatewayId"], **ids)
    trust = {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": provider}}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    iam.create_role(RoleName="of-another-team", AssumeRolePolicyDocument=document)
    users = (elsewhere["VpnConnection"]["VpnConnectionId"], made["VpnConnection"]["VpnConnectionId"], "of-another-team")
    remedies = ("to keep it unchanged, set vpn_gateway_id", None, "name it in provider_arn")
    found = looked_for(file)
    assert {address: (found[address].state, found[address].detail) for address in shared} == {
        address: (
            "alike",
            "; ".join(filter(None, (f"{id_} is used by {user}, which this stack does not create", remedy))),
        )
        for (address, id_), user, remedy in zip(shared.items(), users, remedies, strict=True)
    }


PRIVATE = """
clusters:
  prod: {{region: us-east-1, account_id: "333333333333"}}
networks:
  lake:
    account_id: "{account}"
    region: us-east-1
    vpc_id: {vpc}
    cidrs: [10.20.0.0/16]
    route_tables: {wanted}
connections:
  peering: {{type: vpc_peering, cluster: prod, network: lake, peering_id: pcx-0123456789abcdef0}}
"""


def test_route_tables_are_found_as_a_plan_finds_them(aws: LocalAws, account: str, tmp_path: Path) -> None:
    ec2 = aws.client("ec2", account)
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=vpc)
    (main,) = (
        one["RouteTableId"]
        for one in ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    )
    edge, public, private = (ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(3))
    ec2.associate_route_table(RouteTableId=edge, GatewayId=internet)
    ec2.create_route(RouteTableId=public, DestinationCidrBlock="0.0.0.0/0", GatewayId=internet)
    for id_, name in ((public, "acme-public"), (private, "acme-private")):
        tags = [{"Key": "Name", "Value": name}, {"Key": "tier", "Value": name.removeprefix("acme-")}]
        ec2.create_tags(Resources=[id_], Tags=tags)
    for wanted, tables in {
        "all": {main, public, private},
        "private": {main, private},
        "{by_name: [acme-*]}": {public, private},
        "{by_name: [acme-*], by_tag: {tier: public}}": {public},
    }.items():
        text = PRIVATE.format(account=account, vpc=vpc, wanted=wanted)
        (stack,) = adopt(planned(estate_file(tmp_path, text)))
        found = {one.address for one in stack.outcomes if one.address.startswith("aws_route.")}
        assert found == {f'aws_route.peering_route_prod["{table}"]' for table in tables}, wanted
        note = f"{public}: has routes or rules that this stack does not create."
        assert (note in stack.report()) == (public in tables)


SERVICES = """
clusters:
  prod: {{region: us-east-1, account_id: "333333333333", vpc_id: vpc-0cccccccccccccccc}}
networks:
  lake:
    account_id: "{account}"
    region: us-east-1
    vpc_id: {vpc}
    cidrs: [10.20.0.0/16]
    route_tables: all
    subnets: {{a: {subnet}}}
connections:
  hub:
    type: transit_gateway
    clusters: [prod]
    network: lake
    transit_gateway_id: {hub}
    attach_network: true
  corp:
    type: resolver_rules
    clusters: [prod]
    network: lake
    endpoint_id: {endpoint}
    rules: {{corp: {{domain: corp.acme.example, targets: [10.8.0.2]}}}}
  zone: {{type: hosted_zone, clusters: [prod], network: lake, domain: data.acme.example}}
  link:
    type: private_link
    clusters: [prod]
    network: lake
    endpoints: {{queues: {{service: sqs}}}}
    service: {{load_balancers: [{balancer}]}}
"""


def test_resources_that_serve_others_are_not_adopted(aws: LocalAws, account: str, tmp_path: Path) -> None:
    ec2, route53, resolver = (aws.client(service, account) for service in ("ec2", "route53", "route53resolver"))
    vpc, other = (ec2.create_vpc(CidrBlock=f"10.{n}.0.0/16")["Vpc"]["VpcId"] for n in (20, 50))
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.0.0/24")["Subnet"]["SubnetId"]
    second = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="dns", Description="DNS", VpcId=vpc)["GroupId"]
    hub = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    attachment = ec2.create_transit_gateway_vpc_attachment(
        TransitGatewayId=hub,
        VpcId=vpc,
        SubnetIds=[subnet],
        TagSpecifications=named("transit-gateway-attachment", "backbone"),
    )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    endpoint = resolver.create_resolver_endpoint(
        CreatorRequestId="1",
        SecurityGroupIds=[group],
        Direction="OUTBOUND",
        IpAddresses=[{"SubnetId": one} for one in (subnet, second)],
    )["ResolverEndpoint"]["Id"]
    rule = resolver.create_resolver_rule(
        CreatorRequestId="1",
        RuleType="FORWARD",
        DomainName="corp.acme.example",
        ResolverEndpointId=endpoint,
        TargetIps=[{"Ip": "10.8.0.2", "Port": 53, "Protocol": "Do53"}],
    )["ResolverRule"]["Id"]
    place = {"VPCRegion": "us-east-1", "VPCId": vpc}
    zone = route53.create_hosted_zone(Name="data.acme.example", CallerReference=account, VPC=place)["HostedZone"]["Id"]
    queues = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName="com.amazonaws.us-east-1.sqs", VpcEndpointType="Interface", SubnetIds=[subnet]
    )["VpcEndpoint"]["VpcEndpointId"]
    arn = f"arn:aws:elasticloadbalancing:us-east-1:{account}:loadbalancer/net/orders/0123456789abcdef"
    aws.make({"load_balancers": [{"account": account, "region": "us-east-1", "arn": arn, "subnets": [subnet]}]})
    service = ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[arn], AcceptanceRequired=False)
    names = service["ServiceConfiguration"]
    file = estate_file(
        tmp_path,
        SERVICES.format(account=account, vpc=vpc, subnet=subnet, hub=hub, endpoint=endpoint, balancer=arn),
    )
    addresses = {
        "aws_ec2_transit_gateway_vpc_attachment.hub_network": attachment,
        "aws_route53_resolver_rule.corp_rule_corp": rule,
        "aws_route53_zone.zone_zone": zone.removeprefix("/hostedzone/"),
        "aws_vpc_endpoint.link_endpoint_queues": queues,
        "aws_vpc_endpoint_service.link_service": names["ServiceId"],
    }
    found = looked_for(file)
    # Only the network uses these. Their names do not matter.
    unused = [address for address in addresses if found[address].state == "found"]
    assert unused == [
        "aws_route53_resolver_rule.corp_rule_corp",
        "aws_route53_zone.zone_zone",
        "aws_vpc_endpoint_service.link_service",
    ]

    associated = resolver.associate_resolver_rule(ResolverRuleId=rule, VPCId=other)["ResolverRuleAssociation"]["Id"]
    route53.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC={**place, "VPCId": other})
    ec2.create_vpc_endpoint(
        VpcId=other, ServiceName=names["ServiceName"], VpcEndpointType="Interface", SubnetIds=[subnet]
    )
    found = looked_for(file)
    assert {address: (found[address].state, found[address].detail) for address in addresses} == {
        "aws_ec2_transit_gateway_vpc_attachment.hub_network": (
            "alike",
            f"{attachment} has Name acme-backbone, not acme-hub; it already attaches the network: omit "
            "attach_network, or give it the Name to adopt it",
        ),
        "aws_route53_resolver_rule.corp_rule_corp": (
            "alike",
            f"{rule} is used by {associated}, which this stack does not create; to keep it unchanged, set its rule_id",
        ),
        "aws_route53_zone.zone_zone": (
            "alike",
            f"{addresses['aws_route53_zone.zone_zone']} has HostedZone.Config.Comment None, not acme-zone; to keep it "
            "unchanged, set its zone_id",
        ),
        "aws_vpc_endpoint.link_endpoint_queues": (
            "alike",
            f"{queues} has Name None, not acme-link-queues; everything in the VPC can use it: omit it from "
            "endpoints, or give it the Name to adopt it",
        ),
        "aws_vpc_endpoint_service.link_service": (
            "alike",
            f"{names['ServiceId']} has Name None, not acme-link; others are connected to it: omit service, or "
            "give it the Name to adopt it",
        ),
    }


EDGE = """
networks:
  edge: {{account_id: "{account}", region: us-east-1, create: {{cidr: 10.30.0.0/20, nat: none, availability_zones: 2}}}}
"""


def test_a_vpc_is_found_by_range_and_name_unless_there_are_two(aws: LocalAws, account: str, tmp_path: Path) -> None:
    ec2, file = aws.client("ec2", account), estate_file(tmp_path, EDGE.format(account=account))
    legacy = ec2.create_vpc(CidrBlock="10.30.0.0/20", TagSpecifications=named("vpc", "legacy"))["Vpc"]["VpcId"]
    found = looked_for(file)
    assert (found["aws_vpc.edge_vpc"].state, found["aws_vpc.edge_vpc"].detail) == (
        "alike",
        f"{legacy} has Name acme-legacy, not acme-edge; to keep it unchanged, set vpc_id and its parts instead of "
        "create; to adopt it, give it the Name",
    )
    ours = ec2.create_vpc(CidrBlock="10.30.0.0/20", TagSpecifications=named("vpc", "edge"))["Vpc"]["VpcId"]
    cidr = planned(file)["network-edge"]["resource"]["aws_subnet"]["edge_subnet_private-a"]["cidr_block"]
    # An apply was killed before it attached this one.
    gateway = ec2.create_internet_gateway(TagSpecifications=named("internet-gateway", "edge"))["InternetGateway"]
    made = ec2.create_subnet(VpcId=ours, CidrBlock=cidr, AvailabilityZone="us-east-1c")["Subnet"]
    found = looked_for(file)
    assert found["aws_vpc.edge_vpc"] == Outcome("aws_vpc.edge_vpc", "found", ours)
    assert found["aws_default_security_group.edge_default-security-group"].state == "unimportable"
    address = "aws_internet_gateway.edge_internet-gateway"
    assert found[address] == Outcome(address, "found", gateway["InternetGatewayId"])
    assert (
        found["aws_subnet.edge_subnet_private-a"].detail
        == f"{made['SubnetId']} has AvailabilityZone us-east-1c, not us-east-1a"
    )
    other = ec2.create_vpc(CidrBlock="10.30.0.0/20", TagSpecifications=named("vpc", "edge"))["Vpc"]["VpcId"]
    found = looked_for(file)
    assert found["aws_vpc.edge_vpc"].state == "several"
    assert {ours, other} == set(re.findall(r"vpc-\w+", found["aws_vpc.edge_vpc"].detail))
    assert found["aws_internet_gateway.edge_internet-gateway"] == Outcome(
        "aws_internet_gateway.edge_internet-gateway", "absent", detail="goes with aws_vpc.edge_vpc"
    )
    assert "found" not in states(found)


@pytest.mark.usefixtures("aws")
def test_credentials_of_another_account_are_refused(account: str, tmp_path: Path) -> None:
    file = estate_file(tmp_path, ACCOUNT.format(account=account), EDGE.format(account=LocalAws.FIRST_ACCOUNT))
    file.write_text(file.read_text().replace("deployer: {role: terraform}", ""))
    done = run(file, "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"account: your credentials are for account 123456789012, but the stack is in {account}; sign in to that "
        "account, set `deployer.role` to assume a role in each account, or select the stacks of your account "
        "with --stack\n",
    )
    done = run(file, "--out", str(tmp_path / "out"), "--stack", "network-edge")
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        0,
        "network-edge (account 123456789012, us-east-1): 0 of 22 to import",
    )
    done = run(file, "--stack", "edge")
    told = f"{file}: has no stack 'edge'; available: account, network-edge; did you mean 'network-edge'?\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)


def test_every_action_that_is_denied_is_named_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with LocalAws() as aws:
        aws.go_wrong({"allowed": {LocalAws.FIRST_ACCOUNT: ["*/sts:GetCallerIdentity"]}})
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        file = estate_file(tmp_path, *(part.format(account=LocalAws.FIRST_ACCOUNT) for part in (ACCOUNT, EDGE)))
        file.write_text(file.read_text().replace("deployer: {role: terraform}", ""))
        done = run(file, "--out", str(tmp_path / "out"))
        assert (done.returncode, done.stdout, done.stderr.splitlines()) == (
            1,
            "",
            [
                "account 123456789012 denies ec2:DescribeFlowLogs, ec2:DescribeInternetGateways, "
                "ec2:DescribeRouteTables, ec2:DescribeSubnets, ec2:DescribeVpcEndpoints, ec2:DescribeVpcs, "
                "iam:GetPolicy, iam:GetRole, logs:DescribeLogGroups",
                "Allow these read-only actions, and run the command again. Nothing was written.",
            ],
        )
