"""The checks before a plan, on the local AWS: each kind of row in both states."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

from estate.errors import ExitCode
from estate.load import load
from estate.model import Estate
from estate.plan import stacks_of
from local_aws import LocalAws
from modules.vocabulary import PROPS, Arn, Text
from operations.aws import Accounts
from operations.permissions.actions import action, read_actions
from operations.permissions.compose import permissions
from operations.permissions.jobs import Job
from operations.preflight.connections import connection, organization
from operations.preflight.named import BY_ARN, BY_FIELD, lookup_of, named
from operations.preflight.place import Place, key
from operations.preflight.quotas import LIMITS, quotas
from operations.preflight.report import preflight
from operations.state import create_state_bucket
from operations.status.check import Check, Outcome, attempt
from operations.status.report import Status
from operations.status.write import as_values
from operations.synth import synthesized_stacks
from tests.support import ROOT
from tests.support.world import facts_of

OWN, LAKE, HYBRID = "123456789012", "111111111111", "222222222222"
VPC, TABLE, OTHER = "vpc-0123456789abcdef0", "rtb-0aaaaaaaaaaaaaaaa", "0fffffffffffffff9"
MORE = """
  named-rules:
    type: resolver_rules
    clusters: [qa]
    network: lake
    inside_organization: false
    endpoint_id: rslvr-out-0123456789abcdef0
    rules:
      named: {rule_id: rslvr-rr-0123456789abcdef0}
      more: {domain: more.acme.example, targets: [10.8.0.2]}
  named-zone:
    type: hosted_zone
    clusters: [prod]
    network: lake
    zone_id: Z0123456789ABCDEFGHIJ
  named-vpn:
    type: vpn
    network: archive
    gateways: {main: {ip: 203.0.113.99}}
    bgp_asn: 65099
    vpn_gateway_id: vgw-0123456789abcdef0
  gateway-vpn:
    type: vpn
    network: lake
    gateways: {main: {ip: 203.0.113.98}}
    static_routes: {site: 10.78.0.0/16}
    transit_gateway_id: tgw-0123456789abcdef0
    route_tables: {association: tgw-rtb-0bbbbbbbbbbbbbbbb, routes: {network: tgw-rtb-0bbbbbbbbbbbbbbbb}}
  named-service:
    type: private_link
    clusters: [dev]
    network: lake
    service:
      load_balancers: [arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/orders/0123456789abcdef]
  egress:
    type: egress_hub
    clusters: [dev]
    network: lake
    transit_gateway_id: tgw-0123456789abcdef0
    route_table_id: tgw-rtb-0aaaaaaaaaaaaaaaa
    attachment_id: tgw-attach-0eeeeeeeeeeeeeeee
    public_route_tables: {a: rtb-0dddddddddddddddd}
    public_ips: [203.0.113.40]
  agents:
    type: remote_agents
    cluster: dev
    network: lake
    service_name: com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0
  vendor:
    type: private_link
    network: edge
    endpoints:
      warehouse: {service: com.amazonaws.vpce.us-east-1.vpce-svc-0aaaaaaaaaaaaaaaa, private_dns: false}
      abroad: {service: com.amazonaws.vpce.us-west-2.vpce-svc-0bbbbbbbbbbbbbbbb, private_dns: false}
controls: {kms_key: alias/logs}
"""
STATE_KEY = "alias/state"


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    folder = tmp_path_factory.mktemp("estate")
    shutil.copytree(ROOT / "examples/policies", folder / "policies")
    complete = (ROOT / "examples/complete.yaml").read_text()
    assert "\n  bucket:" in complete
    encrypted = complete.replace("\n  bucket:", f"\n  kms_key: {STATE_KEY}\n  bucket:")
    (folder / "astro.yaml").write_text(encrypted + MORE)
    return load(folder / "astro.yaml")


@pytest.fixture(scope="module")
def trees(estate: Estate) -> dict[str, Any]:
    return synthesized_stacks(estate, ROOT / "examples/complete.yaml", dict(os.environ))


@pytest.fixture
def aws(estate: Estate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalAws]:
    with LocalAws(calls=tmp_path / "calls") as server:
        for key, value in server.environment().items():
            monkeypatch.setenv(key, value)
        server.make(facts_of(estate))
        yield server


def look(estate: Estate, trees: Mapping[str, Any], path: str | None = None, hours: int = 0) -> Status:
    environ = {**os.environ, **({} if path is None else {"PATH": path})}
    return preflight(estate, trees, datetime.now(UTC) + timedelta(hours=hours), environ, trees)


def states(found: Status) -> dict[str, str]:
    return {f"{row.entry} {row.id}": row.outcome.state for row in found.rows}


def allow(aws: LocalAws, account: str, action: str) -> None:
    iam, nobody = aws.client("iam", account), '{"Version": "2012-10-17", "Statement": []}'
    if not any(one["RoleName"] == "terraform-deployer" for one in iam.list_roles()["Roles"]):
        iam.create_role(RoleName="terraform-deployer", AssumeRolePolicyDocument=nobody)
    document = (
        f'{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": "{action}", "Resource": "*"}}]}}'
    )
    iam.put_role_policy(RoleName="terraform-deployer", PolicyName="all", PolicyDocument=document)


def key_of(aws: LocalAws, account: str, alias: str) -> str:
    return aws.client("kms", account).describe_key(KeyId=alias)["KeyMetadata"]["KeyId"]


def changed(estate: Estate, name: str, **fields: Any) -> Estate:
    one = estate.connections[name].model_copy(update=fields)
    return estate.model_copy(update={"connections": {**estate.connections, name: one}})


def ready(aws: LocalAws) -> None:
    """Create everything that a deploy needs."""
    create_state_bucket("acme-astro-tfstate", "us-east-1", None)
    aws.make({"keys": [{"account": OWN, "region": "us-east-1", "alias": STATE_KEY}]})
    for account in (LAKE, HYBRID, "444444444444"):
        allow(aws, account, "*")
    aws.client("account", HYBRID).enable_region(RegionName="me-south-1")


def test_every_row_is_ok_before_a_deploy_that_succeeds(
    aws: LocalAws, estate: Estate, trees: dict[str, Any], tmp_path: Path
) -> None:
    ready(aws)
    before = len((tmp_path / "calls").read_text().split())
    found = look(estate, trees)
    assert {key: state for key, state in states(found).items() if state != "ok"} == {}
    assert found.code is ExitCode.DONE
    # The policies allow each call, and no other.
    calls = (tmp_path / "calls").read_text().split()[before:]
    called = {action(*one.split(":")) for one in calls} - {"sts:AssumeRole"}
    policies = permissions(estate, trees, [Job.PREFLIGHT], trees)
    allowed = {
        one
        for each in policies.values()
        for policy in each
        for statement in policy["Statement"]
        for one in statement["Action"]
    }
    assert called - allowed == set()
    assert set(read_actions("preflight")) - called == set(NOT_NEEDED)


NOT_NEEDED = (
    "acm:DescribeCertificate",
    "ec2:DescribeRegions",
    "ec2:DescribeVpcEndpointConnections",
    "iam:GetOpenIDConnectProvider",
    "organizations:ListAWSServiceAccessForOrganization",
    "servicequotas:GetAWSDefaultServiceQuota",
)
"""Calls of preflight that other tests make: fallbacks, and those for resources that this estate does not name."""

BROKEN = {
    "machine terraform": "blocked",
    "machine node": "warning",
    "state versioning": "blocked",
    "state public": "blocked",
    "state kms_key": "blocked",
    "state lock:network-lake": "blocked",
    f"accounts.{LAKE}.us-east-1 kms_key": "blocked",
    f"accounts.{HYBRID}.me-south-1 region": "warning",
    f"accounts.{HYBRID}.us-east-1 permissions": "blocked",
    f"accounts.{HYBRID}.us-west-2 permissions": "blocked",
    f"accounts.{HYBRID}.me-south-1 permissions": "blocked",
    f"accounts.{HYBRID}.us-east-1 way:account": "blocked",
    "networks.lake cidrs": "warning",
    "networks.lake dns": "blocked",
    "networks.lake routes": "blocked",
    "networks.lake subnets": "blocked",
    "networks.lake route_tables": "blocked",
    "networks.lake security_groups": "blocked",
    "networks.lake network_acls": "blocked",
    "networks.lake encryption": "blocked",
    "networks.edge public": "blocked",
    "networks.archive vpc": "blocked",
    "connections.lake-prod peering": "blocked",
    "connections.lake-prod-dr range": "blocked",
    "connections.hub gateway": "blocked",
    "connections.hub attachment:dev": "blocked",
    "connections.hub route_tables": "blocked",
    "connections.hub routes": "blocked",
    "connections.named-rules rules": "blocked",
    "connections.named-rules endpoint_id": "blocked",
    "connections.named-zone zone_id": "blocked",
    "connections.named-vpn vpn_gateway_id": "blocked",
    "connections.gateway-vpn transit_gateway_id": "blocked",
    "connections.gateway-vpn route_tables": "blocked",
    "connections.hub on_premises": "blocked",
    "connections.egress transit_gateway_id": "blocked",
    "connections.egress route_table_id": "blocked",
    "connections.egress attachment_id": "blocked",
    "connections.named-service load_balancers": "blocked",
    "connections.agents service:service_name": "blocked",
    "connections.vendor service:warehouse": "blocked",
    "connections.vendor service:abroad": "blocked",
}


def spoil(aws: LocalAws) -> None:
    ec2 = aws.client("ec2", LAKE)
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="acme-astro-tfstate")
    s3.put_object(Bucket="acme-astro-tfstate", Key="acme/network-lake.tfstate.tflock", Body=b"{}")
    for account in (LAKE, "444444444444"):
        allow(aws, account, "*")
    allow(aws, HYBRID, "ec2:Describe*")
    aws.client("iam", HYBRID).create_role(
        RoleName="astronomer-remote-management", AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}'
    )
    aws.client("kms", LAKE).disable_key(KeyId=key_of(aws, LAKE, "alias/logs"))
    ec2.associate_vpc_cidr_block(VpcId=VPC, CidrBlock="10.99.0.0/16")
    ec2.modify_vpc_attribute(VpcId=VPC, EnableDnsHostnames={"Value": False})
    gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=VPC)
    ec2.create_route(RouteTableId=TABLE, DestinationCidrBlock="172.20.0.0/20", GatewayId=gateway)
    control = ec2.create_vpc_encryption_control(VpcId=VPC)["VpcEncryptionControl"]["VpcEncryptionControlId"]
    ec2.modify_vpc_encryption_control(VpcEncryptionControlId=control, Mode="enforce")
    ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode="block-bidirectional")
    ec2.reject_vpc_peering_connection(VpcPeeringConnectionId="pcx-0123456789abcdef0")
    ec2.create_transit_gateway_route(
        TransitGatewayRouteTableId="tgw-rtb-0bbbbbbbbbbbbbbbb", DestinationCidrBlock="172.20.16.0/20", Blackhole=True
    )


def mistaken(estate: Estate) -> Estate:
    """Return the estate with IDs that AWS does not have, and a range that is not the requester's."""
    lake, archive = estate.networks["lake"], estate.networks["archive"]
    networks = {
        **estate.networks,
        "lake": lake.model_copy(
            update={
                "subnets": {**lake.subnets, "private-b": f"subnet-{OTHER}"},
                "route_tables": {"private-a": TABLE, "private-b": f"rtb-{OTHER}"},
            }
        ),
        "archive": archive.model_copy(update={"vpc_id": f"vpc-{OTHER}"}),
    }
    twin = estate.clusters["prod-dr"].model_copy(update={"cidr": estate.clusters["gulf"].cidr})
    estate = estate.model_copy(update={"networks": networks, "clusters": {**estate.clusters, "prod-dr": twin}})
    rules = estate.connections["lake-prod"].ingress["postgres"].model_copy(update={"security_group": f"sg-{OTHER}"})  # type: ignore[union-attr]
    acl = estate.connections["lake-rules"].network_acls["postgres"].model_copy(update={"network_acl": f"acl-{OTHER}"})  # type: ignore[union-attr]
    named = estate.connections["named-rules"].rules  # type: ignore[union-attr]
    wrong = {**named, "named": named["named"].model_copy(update={"rule_id": f"rslvr-rr-{OTHER}"})}
    service = estate.connections["named-service"].service.model_copy(update={"load_balancers": ("arn:aws:none",)})  # type: ignore[union-attr]
    endpoints = {
        key: one.model_copy(update={"service": f"{one.service[:-17]}{OTHER}"})
        for key, one in estate.connections["vendor"].endpoints.items()  # type: ignore[union-attr]
    }
    for name, fields in {
        "lake-prod": {"ingress": {"postgres": rules}},
        "lake-rules": {"network_acls": {"postgres": acl}},
        "hub": {"transit_gateway_id": f"tgw-{OTHER}", "attachments": {"dev": f"tgw-attach-{OTHER}"}},
        "named-rules": {"rules": wrong, "endpoint_id": f"rslvr-out-{OTHER}"},
        "named-zone": {"zone_id": "ZNONE"},
        "named-vpn": {"vpn_gateway_id": f"vgw-{OTHER}"},
        "gateway-vpn": {"transit_gateway_id": f"tgw-{OTHER}"},
        "egress": {
            "transit_gateway_id": f"tgw-{OTHER}",
            "route_table_id": f"tgw-rtb-{OTHER}",
            "attachment_id": f"tgw-attach-{OTHER}",
        },
        "named-service": {"service": service},
        "agents": {"service_name": f"com.amazonaws.vpce.us-east-1.vpce-svc-{OTHER}"},
        "vendor": {"endpoints": endpoints},
    }.items():
        estate = changed(estate, name, **fields)
    return estate


def test_each_kind_of_row_finds_its_broken_state(aws: LocalAws, estate: Estate, trees: dict[str, Any]) -> None:
    spoil(aws)
    found = look(mistaken(estate), trees, path="", hours=2)
    there = states(found)
    assert {key: there.get(key) for key in BROKEN} == BROKEN
    assert found.code is ExitCode.CHECK_FAILED
    # Every kind of row is in the table, or has a separate test below.
    kinds = {row.id.partition(":")[0] for row in found.rows}
    own = {"bucket", "encryption", "credentials", "quota"}
    assert kinds == {key.split()[1].partition(":")[0] for key in BROKEN} | own
    jsonschema.validate(as_values("preflight", found), json.loads((ROOT / "docs/report.schema.json").read_text()))
    fixless = [row.id for row in found.rows if row.outcome.state == "blocked" and not row.outcome.fix]
    assert fixless == []


def test_a_missing_bucket_is_created_by_a_command(aws: LocalAws, estate: Estate, trees: dict[str, Any]) -> None:
    found = look(estate, {"regions": trees["regions"]} | trees)
    bucket = next(row.outcome for row in found.rows if row.id == "bucket")
    assert (bucket.state, bucket.evidence, bucket.fix) == (
        "blocked",
        "acme-astro-tfstate does not exist",
        "`main.py state create`",
    )
    assert {row.outcome.state for row in found.rows if row.id.startswith("lock:")} == {"unknown"}
    denied = ["iam:SimulatePrincipalPolicy", "ec2:DescribeVpcs"]
    for account in (LAKE, HYBRID, "444444444444"):
        allow(aws, account, "*")
    aws.go_wrong({"denied": denied})
    found = look(estate, trees)
    unread = {row.id: row.outcome for row in found.rows if row.entry.endswith("111111111111.us-east-1")}
    assert unread["permissions"].evidence == f"account {LAKE} denies iam:SimulatePrincipalPolicy"
    assert states(found)["networks.lake vpc"] == "unknown"
    assert states(found)["connections.hub gateway"] == "ok"


@pytest.mark.usefixtures("aws")
def test_credentials_of_another_account_block(estate: Estate, trees: dict[str, Any]) -> None:
    found = look(estate.model_copy(update={"deployer": None}), trees)
    row = next(row for row in found.rows if row.id == "credentials")
    assert (row.outcome.state, found.code) == ("blocked", ExitCode.FAILED)
    assert "your credentials are for account 123456789012" in row.outcome.evidence
    of_accounts = {row.outcome.state for row in found.rows if row.entry not in ("machine", "state")}
    assert of_accounts == {"blocked", "unknown"}


@pytest.mark.usefixtures("aws")
def test_every_quota_has_room_until_it_has_none(estate: Estate) -> None:
    plan = next(plan for plan in stacks_of(estate) if plan.name == "network-lake")
    # Creating the clients of an account takes longer than all checks.
    with Accounts("terraform-deployer", "test") as accounts:
        for limit in LIMITS:
            told = {}
            for count in (1, 6_000):
                instances = {limit.of: "id-1", "for_each": dict.fromkeys(map(str, range(count)))}
                kind = {"vpc_endpoint_type": "Interface"} if "interface" in limit.noun else {}
                trees = {plan.name: {"resource": {limit.type: {"x": kind | instances}}}}
                state = {plan.name: frozenset[str]()}
                p = Place(estate, LAKE, "us-east-1", (plan,), trees, state, accounts, datetime.now(UTC))
                (check,) = [one for one in quotas(p) if one.id == f"quota:{limit.code}"]
                told[count] = attempt(check, LAKE, "us-east-1").state
            assert told == {1: "ok", 6_000: "blocked"}, limit.noun


def test_each_known_instance_is_planned_until_it_is_deployed(estate: Estate) -> None:
    plan = next(plan for plan in stacks_of(estate) if plan.name == "network-lake")
    routes = {
        "both": {"for_each": '${toset(["rtb-1", "rtb-2"])}', "route_table_id": "${each.value}"},
        "found": {"for_each": "${data.aws_route_tables.lake.ids}", "route_table_id": "${each.value}"},
        "done": {"for_each": "${data.aws_route_tables.lake.ids}", "route_table_id": "${each.value}"},
        "one": {"route_table_id": "rtb-3"},
    }
    there = frozenset({'aws_route.both["rtb-1"]', 'aws_route.done["rtb-1"]'})
    trees = {plan.name: {"resource": {"aws_route": routes}}}
    with Accounts("terraform-deployer", "test") as accounts:
        p = Place(estate, LAKE, "us-east-1", (plan,), trees, {plan.name: there}, accounts, datetime.now(UTC))
        assert [one["route_table_id"] for one in p.planned("aws_route")] == ["rtb-2", "${each.value}", "rtb-3"]


def test_the_organization_must_let_ram_share(aws: LocalAws, estate: Estate) -> None:
    with Accounts("terraform-deployer", "test") as accounts:
        p = Place(estate, LAKE, "us-east-1", (), {}, {}, accounts, datetime.now(UTC))
        assert organization(p).evidence == f"account {LAKE} is in no AWS organization"
        client = aws.client("organizations", LAKE)
        client.create_organization(FeatureSet="ALL")
    with Accounts("terraform-deployer", "test") as accounts:
        p = Place(estate, LAKE, "us-east-1", (), {}, {}, accounts, datetime.now(UTC))
        assert organization(p).state == "blocked"
        client.enable_aws_service_access(ServicePrincipal="ram.amazonaws.com")
    with Accounts("terraform-deployer", "test") as accounts:
        p = Place(estate, LAKE, "us-east-1", (), {}, {}, accounts, datetime.now(UTC))
        assert organization(p).state == "ok"


def outcome_of(check: Callable[[Accounts], Outcome]) -> tuple[str, str, str]:
    with Accounts("terraform-deployer", "test") as accounts:
        found = attempt(Check("", "", lambda: check(accounts)), LAKE, "us-east-1")
    return found.state, found.evidence, found.fix


def test_a_key_must_exist_and_encrypt(aws: LocalAws) -> None:
    kms = aws.client("kms", LAKE)
    id_ = key_of(aws, LAKE, "alias/logs")
    signing = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]
    arn = f"arn:aws:kms:us-east-1:{LAKE}"

    def found(name: str) -> tuple[str, str, str]:
        return outcome_of(lambda accounts: key(accounts.of(LAKE, "us-east-1"), name))

    def told(name: str, state: str) -> str:
        return f"{name} is {id_} of account {LAKE}, which is {state} and SYMMETRIC_DEFAULT"

    for name in ("alias/logs", f"{arn}:alias/logs", f"{arn}:key/{id_}"):
        assert found(name) == ("ok", told(name, "Enabled"), "")
    missing = f"alias/none does not exist in account {LAKE}, us-east-1"
    assert found("alias/none") == ("blocked", missing, "create it there, or correct kms_key in the file")
    west = f"arn:aws:kms:us-west-2:{LAKE}:key/{id_}"
    fix = "use a key in that region, and correct kms_key in the file"
    assert found(west) == ("blocked", f"{west} is not in us-east-1", fix)
    assert found(signing["Arn"])[::2] == (
        "blocked",
        "use a key for symmetric encryption, and correct kms_key in the file",
    )
    kms.disable_key(KeyId=id_)
    enable = f"`aws kms enable-key --key-id {id_}`"
    assert found("alias/logs") == ("blocked", told("alias/logs", "Disabled"), enable)
    kms.schedule_key_deletion(KeyId=id_)
    cancel = f"`aws kms cancel-key-deletion --key-id {id_}`, then {enable}"
    assert found("alias/logs") == ("blocked", told("alias/logs", "PendingDeletion"), cancel)
    aws.go_wrong({"denied": ["kms:DescribeKey"]})
    assert found("alias/logs")[:2] == ("unknown", f"account {LAKE} denies kms:DescribeKey")


def test_an_endpoint_service_must_be_offered_in_the_zones(aws: LocalAws, estate: Estate) -> None:
    def found(estate: Estate, name: str, id_: str, region: str = "us-east-1") -> tuple[str, str, str]:
        def look(accounts: Accounts) -> Outcome:
            p = Place(estate, LAKE, region, (), {}, {}, accounts, datetime.now(UTC))
            checks = {one.id: one for one in connection(p, estate.connections[name], None)}  # type: ignore[arg-type]
            return checks[f"service:{id_}"].look()

        return outcome_of(look)

    def offer(name: str, **fields: Any) -> str:
        allowed = [f"arn:aws:iam::{LAKE}:root"]
        place = {"account": "999999999999", "region": "us-east-1", "name": name}
        aws.make({"endpoint_services": [{**place, "principals": allowed, **fields}]})  # type: ignore[typeddict-item]
        return name

    agents = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"
    every = ", ".join(f"us-east-1{letter}" for letter in "abcdef")
    assert found(estate, "agents", "service_name") == (
        "ok",
        f"{agents} of account 999999999999 is in {every}",
        "",
    )
    state, evidence, _ = found(estate, "vendor", "abroad")
    assert (state, evidence.endswith(" of account 999999999999 is offered in us-east-1")) == ("ok", True)

    forbidden = offer(agents[:-17] + "0cccccccccccccccc", principals=[])
    assert found(changed(estate, "agents", service_name=forbidden), "agents", "service_name") == (
        "blocked",
        f"AWS offers no {forbidden} to account {LAKE} in us-east-1",
        f"compare the name; if it is right, ask Astronomer to allow arn:aws:iam::{LAKE}:root",
    )
    elsewhere = "com.amazonaws.vpce.us-west-2.vpce-svc-0dddddddddddddddd"
    assert found(changed(estate, "agents", service_name=elsewhere), "agents", "service_name")[2] == (
        f"compare the name; if it is right, ask Astronomer to allow arn:aws:iam::{LAKE}:root and us-east-1"
    )
    single = offer(agents[:-17] + "0eeeeeeeeeeeeeeee", zones=["us-east-1b"])
    one_zone = changed(estate, "agents", service_name=single)
    assert found(one_zone, "agents", "service_name") == (
        "blocked",
        f"{single} of account 999999999999 is in us-east-1b, and private-a is in us-east-1a",
        "name subnets in these zones in `subnets`",
    )
    assert found(changed(one_zone, "agents", subnets=("private-b",)), "agents", "service_name")[0] == "ok"
    vendors = {"warehouse": estate.connections["vendor"].endpoints["warehouse"].model_copy(update={"service": single})}  # type: ignore[union-attr]
    assert found(changed(estate, "vendor", endpoints=vendors), "vendor", "warehouse")[0] == "blocked"
    aws.go_wrong({"denied": ["ec2:DescribeVpcEndpointServices"]})
    assert found(estate, "vendor", "warehouse")[:2] == (
        "unknown",
        f"account {LAKE} denies ec2:DescribeVpcEndpointServices",
    )


def test_a_table_of_another_gateway_is_no_table_of_the_hub(aws: LocalAws, estate: Estate) -> None:
    ec2 = aws.client("ec2", LAKE)
    other = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    made = ec2.create_transit_gateway_route_table(TransitGatewayId=other)["TransitGatewayRouteTable"]
    table = made["TransitGatewayRouteTableId"]
    hub = changed(estate, "egress", route_table_id=table)

    def look(accounts: Accounts) -> Outcome:
        p = Place(hub, LAKE, "us-east-1", (), {}, {}, accounts, datetime.now(UTC))
        checks = {one.id: one for one in connection(p, hub.connections["egress"], None)}  # type: ignore[arg-type]
        return checks["route_table_id"].look()

    evidence = f"{table} belongs to {other} in account {LAKE}, us-east-1"
    assert outcome_of(look) == ("blocked", evidence, "correct route_table_id in the file")


READ = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:List*", "Resource": "*"}]}'


def created(aws: LocalAws) -> dict[str, Any]:
    """Create a resource of each kind that the file names by an ARN or a name, and return the fields."""
    iam, key = aws.client("iam", LAKE), {"DomainName": "orders.acme.example"}
    provider = iam.create_open_id_connect_provider(Url="https://oidc.acme.example", ThumbprintList=["a" * 40])
    aws.client("logs", LAKE).create_log_group(logGroupName="trail")
    aws.client("s3", LAKE).create_bucket(Bucket="acme-lake")
    return {
        "alarm_topic": aws.client("sns", LAKE).create_topic(Name="pages")["TopicArn"],
        "policy_arns": {"read": iam.create_policy(PolicyName="read", PolicyDocument=READ)["Policy"]["Arn"]},
        "provider_arn": provider["OpenIDConnectProviderArn"],
        "certificate_arn": aws.client("acm", LAKE).request_certificate(**key)["CertificateArn"],
        "log_group": "trail",
        "buckets": {"lake": {"bucket": "acme-lake"}},
    }


def test_arns_and_names_in_the_file_must_exist(aws: LocalAws, estate: Estate) -> None:
    there = created(aws)

    def states_of(entry: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        with Accounts("terraform-deployer", "test") as accounts:
            p = Place(estate, LAKE, "us-east-1", (), {}, {}, accounts, datetime.now(UTC))
            checks = list(named(p, entry))
            found = {one.id: attempt(one, LAKE, "us-east-1") for one in checks}
        return {id_: (one.state, one.fix) for id_, one in found.items()}

    fields = ("alarm_topic", "policy_arns.read", "provider_arn", "certificate_arn", "log_group", "buckets.lake.bucket")
    assert states_of(there) == {f"named:{field}": ("ok", "") for field in fields}
    text = json.dumps(there)
    identity = there["certificate_arn"].rpartition("/")[2]
    for old in (":pages", "policy/read", "oidc.acme", identity, '"trail', "acme-lake"):
        # The certificate's ID is random.
        text = text.replace(old, f"{old[:-1]}{'1' if old.endswith('0') else '0'}")
    assert states_of(json.loads(text)) == {
        f"named:{field}": ("blocked", f"create it, or correct {field} in the file") for field in fields
    }
    used = {lookup_of(field, value) for field, value in (("log_group", "trail"), ("bucket", "acme-lake"))}
    used |= {lookup_of("", there[field]) for field in ("alarm_topic", "provider_arn", "certificate_arn")}
    assert used | {lookup_of("", there["policy_arns"]["read"])} == {*BY_ARN.values(), *BY_FIELD.values()}
    aws.go_wrong({"denied": ["sns:GetTopicAttributes"]})
    allow = f"allow sns:GetTopicAttributes in account {LAKE}; it is a read-only action"
    assert states_of(there)["named:alarm_topic"] == ("unknown", allow)


def test_gateways_and_endpoints_of_others_must_exist(aws: LocalAws, estate: Estate) -> None:
    ec2 = aws.client("ec2", LAKE)
    made = ec2.create_customer_gateway(Type="ipsec.1", PublicIp="203.0.113.98", BgpAsn=65000)["CustomerGateway"]
    vpn = estate.connections["gateway-vpn"]
    service = estate.connections["named-service"].service  # type: ignore[union-attr]

    def states_of(gateway: str, endpoint: str) -> dict[str, str]:
        gateways = {"main": vpn.gateways["main"].model_copy(update={"ip": None, "customer_gateway_id": gateway})}  # type: ignore[union-attr]
        accepted = service.model_copy(update={"accepted_endpoints": {"dev": endpoint}})  # type: ignore[union-attr]
        own = changed(changed(estate, "gateway-vpn", gateways=gateways), "named-service", service=accepted)
        with Accounts("terraform-deployer", "test") as accounts:
            p = Place(own, LAKE, "us-east-1", (), {}, {}, accounts, datetime.now(UTC))
            checks = [
                check
                for name in ("gateway-vpn", "named-service")
                for check in connection(p, own.connections[name], None)  # type: ignore[arg-type]
                if check.id in ("gateways", "accepted_endpoints")
            ]
            return {one.id: attempt(one, LAKE, "us-east-1").state for one in checks}

    offered = ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=service.load_balancers)  # type: ignore[union-attr]
    name = offered["ServiceConfiguration"]["ServiceName"]
    endpoint = {"account": HYBRID, "region": "us-east-1", "id": f"vpce-{OTHER}", "service": name}
    aws.make({"vpc_endpoints": [endpoint]})  # type: ignore[list-item]
    known, unknown = made["CustomerGatewayId"], f"cgw-{OTHER}"
    assert states_of(known, f"vpce-{OTHER}") == {"gateways": "ok", "accepted_endpoints": "ok"}
    assert states_of(unknown, "vpce-0123456789abcdef0") == {"gateways": "blocked", "accepted_endpoints": "blocked"}


LOOKED_UP = {
    "a KMS key": "kms_key",
    "a Route 53 Resolver rule ID": "rules",
    "a VPC ID": "vpc",
    "a VPC peering connection ID": "peering",
    "a certificate of ACM": "named",
    "a customer gateway ID": "gateways",
    "a managed policy": "named",
    "a network ACL ID": "network_acls",
    "a network load balancer": "load_balancers",
    "a route table ID": "route_tables",
    "a security group ID": "security_groups",
    "a subnet ID": "subnets",
    "a transit gateway ID": "gateway",
    "a transit gateway attachment ID": "attachment",
    "a transit gateway route table ID": "route_tables",
    "a virtual private gateway ID": "vpn_gateway_id",
    "an OIDC provider": "named",
    "an S3 bucket name": "bucket",
    "an SNS topic": "named",
    "an alias of a KMS key": "kms_key",
    "the ID of a VPC endpoint": "accepted_endpoints",
    "the ID of a hosted zone": "zone_id",
    "the ID of an outbound Route 53 Resolver endpoint": "endpoint_id",
    "the name of a log group": "named",
    "the name of a managed policy": "named",
    "the name of an endpoint service": "service",
}
"""The type of each value that names a resource of AWS, with a kind of row that looks it up."""
NOT_LOOKED_UP = {
    "a principal that AWS RAM can share with",  # an account or an organization
    "a valid principal for an endpoint service",  # a role of another account
    "an IAM role or user",  # of another account
    "an IAM role name",  # the deployer's, which every row uses, and that of a role that `adopt` imports
    "an AWS account ID",
    "an AWS region",
    "an availability zone",
    "the ID of an availability zone",  # a postcondition of the plan compares it
    "the name of a service",  # AWS's own services; vendors' are in the kind `service`
}
OF_AWS = re.compile(
    r"\b(ID|ARN|SNS|S3|KMS|IAM|AWS|ACM|OIDC provider|VPC|zone|policy|log group|load balancer|service)\b"
)
NO_RESOURCE = {
    "a cluster ID",  # Astronomer's
    "an IAM path",
    "a service code",
    "an AWS provider version constraint",
}


def test_every_type_that_names_a_resource_has_a_lookup() -> None:
    def types(annotation: Any) -> Iterator[Text]:
        for one in (annotation, *getattr(annotation, "__metadata__", ())):
            if isinstance(one, Text):
                yield one
        for one in get_args(annotation):
            yield from types(one)

    found = {
        one
        for model in PROPS
        for field in model.model_fields.values()
        for part in (field.annotation, *field.metadata)
        for one in types(part)
    }
    of_aws = {one.what for one in found if isinstance(one, Arn) or OF_AWS.search(one.what)}
    assert of_aws - NO_RESOURCE == {*LOOKED_UP, *NOT_LOOKED_UP}
    apart = {"bucket", "named", "gateways", "accepted_endpoints"}
    assert set(LOOKED_UP.values()) - apart <= {key.split()[1].partition(":")[0] for key in BROKEN}
