"""Deploys after the first: changes in the file change AWS, and other people's resources stay."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cdktf
import pytest

from estate.load import load
from local_aws import LocalAws
from operations.terraform import TerraformFailed, find_terraform
from stacks.app import build
from tests.support import ROOT
from tests.support.deployment import SECRETS
from tests.support.terraform import Terraform, cli_environment, running_provider

pytestmark = pytest.mark.proof

OURS = "111111111111"
VPC = "vpc-0123456789abcdef0"
PLACE = {"account": OURS, "region": "us-east-1"}
SUBNETS = {"a": "subnet-0aaaaaaaaaaaaaaaa", "b": "subnet-0bbbbbbbbbbbbbbbb"}
ESTATE = f"""
name: acme
state: {{backend: none}}
astro: {{product: hosted-dedicated, organization: acme}}
clusters: {{prod: {{region: us-east-1, account_id: "333333333333"}}}}
networks:
  edge:
    account_id: "{OURS}"
    region: us-east-1
    vpc_id: {VPC}
    cidrs: [10.20.0.0/16]
    route_tables: {{private: rtb-0aaaaaaaaaaaaaaaa}}
    subnets: {{a: {SUBNETS["a"]}, b: {SUBNETS["b"]}}}
connections:
"""
OFFICE = "  office: {type: vpn, network: edge, gateways: {a: {ip: 203.0.113.10}}, bgp_asn: 65010}"
ENDPOINTS = "  aws: {type: private_link, network: edge, endpoints: {queues: {service: sqs}}}"

NAMES = {
    "office:": "hq:",
    "aws:": "services:",
    "{a: {ip": "{main: {ip",
    "queues:": "messages:",
    "private:": "inner:",
}
LINES = (
    "connections.office: hq",
    "connections.aws: services",
    "connections.hq.gateways.a: main",
    "connections.services.endpoints.queues: messages",
    "networks.edge.route_tables.private: inner",
)


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        vpc = {"id": VPC, "cidr": "10.20.0.0/16", "dns_hostnames": True, "route_tables": ["rtb-0aaaaaaaaaaaaaaaa"]}
        subnets = [
            {"id": id_, "cidr": f"10.20.{number}.0/24", "zone": f"us-east-1{zone}"}
            for number, (zone, id_) in enumerate(SUBNETS.items())
        ]
        aws.make({"vpcs": [{**PLACE, **vpc, "subnets": subnets}]})  # type: ignore[typeddict-item]
        yield aws


class Deployed:
    """A stack that is deployed from several versions of the file, in order."""

    def __init__(self, aws: LocalAws, folder: Path, stack: str, environ: Mapping[str, str]) -> None:
        self._file, self._out = folder / "astro.yaml", folder / "out"
        self._stack = self._out / "stacks" / stack
        self._terraform = Terraform(find_terraform(environ), environ)
        self.ec2 = aws.client("ec2", OURS)

    def set_variable(self, name: str, value: str) -> None:
        environ = {**self._terraform.environ, f"TF_VAR_{name}": value}
        self._terraform = Terraform(self._terraform.binary, environ)

    def deploy(self, estate: str) -> None:
        self._write(estate)
        self._terraform.apply(self._stack)

    def _write(self, estate: str) -> None:
        self._file.write_text(estate)
        build(cdktf.App(outdir=str(self._out)), load(self._file)).synth()
        (self._stack / "state_override.tf.json").write_text('{"terraform": {"backend": {"local": {}}}}')
        self._terraform.init(self._stack)

    def move(self, type_: str, name: str, former: str) -> None:
        """Give the only instance of a resource in the state another name, and no key."""
        file = self._stack / "terraform.tfstate"
        state = json.loads(file.read_text())
        (resource,) = [one for one in state["resources"] if (one["type"], one["name"]) == (type_, name)]
        resource["name"] = former
        del resource["instances"][0]["index_key"]
        file.write_text(json.dumps(state))

    def settled(self) -> bool:
        return not self._terraform.plan(self._stack)

    def warnings(self) -> list[str]:
        return [one["detail"] for one in self._terraform.plan_json(self._stack)["warnings"]]

    def changes(self, estate: str) -> set[str]:
        """Return the planned actions of a deploy of `estate`."""
        self._write(estate)
        planned = self._terraform.plan_json(self._stack)["resource_changes"]
        return {action for change in planned for action in change["change"]["actions"]} - {"no-op", "read"}

    def destroy(self) -> None:
        self._terraform.destroy(self._stack)


@pytest.fixture
def environ(aws: LocalAws, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    with running_provider(cli_environment(tmp_path, {**os.environ, **aws.environment(OURS), **SECRETS})) as environ:
        yield environ


@pytest.fixture
def network(aws: LocalAws, tmp_path: Path, environ: Mapping[str, str]) -> Deployed:
    return Deployed(aws, tmp_path, "network-edge", environ)


def alive(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the resources that are not deleted; AWS also lists deleted ones for a while."""
    return [one for one in found if one["State"] != "deleted"]


def test_a_vpn_outlives_its_devices_and_its_gateway(network: Deployed) -> None:
    ec2 = network.ec2
    # Another team's device has the same address and ASN. AWS would return it for a request without a name (facts C5).
    theirs = ec2.create_customer_gateway(Type="ipsec.1", IpAddress="203.0.113.10", BgpAsn=65010)["CustomerGateway"]

    def connection() -> dict[str, Any]:
        [found] = alive(ec2.describe_vpn_connections()["VpnConnections"])
        return found

    def devices() -> dict[str, tuple[str, str]]:
        """Return our devices, by ID."""
        found = alive(ec2.describe_customer_gateways()["CustomerGateways"])
        by_id = {one["CustomerGatewayId"]: (one["IpAddress"], one["BgpAsn"]) for one in found}
        assert by_id.pop(theirs["CustomerGatewayId"]) == ("203.0.113.10", "65010")
        return by_id

    network.deploy(ESTATE + OFFICE)
    first = connection()
    assert devices() == {first["CustomerGatewayId"]: ("203.0.113.10", "65010")}

    network.deploy(ESTATE + OFFICE.replace("203.0.113.10", "203.0.113.99").replace("65010", "65011"))
    moved = connection()
    assert {**moved, "CustomerGatewayId": "", "CustomerGatewayConfiguration": ""} == {
        **first,
        "CustomerGatewayId": "",
        "CustomerGatewayConfiguration": "",
    }
    assert devices() == {moved["CustomerGatewayId"]: ("203.0.113.99", "65011")}

    network.deploy(ESTATE + OFFICE.replace("a:", "main:").replace("65010", "65010, amazon_asn: 64900"))
    last = connection()
    assert devices() == {last["CustomerGatewayId"]: ("203.0.113.10", "65010")}
    [gateway] = alive(ec2.describe_vpn_gateways()["VpnGateways"])
    attached = [one["VpcId"] for one in gateway["VpcAttachments"] if one["State"] == "attached"]
    assert (gateway["VpnGatewayId"], gateway["AmazonSideAsn"], attached) == (last["VpnGatewayId"], 64900, [VPC])
    [table] = ec2.describe_route_tables(RouteTableIds=["rtb-0aaaaaaaaaaaaaaaa"])["RouteTables"]
    assert table["PropagatingVgws"] == [{"GatewayId": gateway["VpnGatewayId"]}]
    assert network.settled()
    network.destroy()
    assert devices() == {}


def test_new_names_replace_nothing(network: Deployed) -> None:
    ec2, old = network.ec2, f"{ESTATE}{OFFICE}\n{ENDPOINTS}\n"

    def ids() -> list[str]:
        return sorted(
            [
                *(one["CustomerGatewayId"] for one in alive(ec2.describe_customer_gateways()["CustomerGateways"])),
                *(one["VpnConnectionId"] for one in alive(ec2.describe_vpn_connections()["VpnConnections"])),
                *(one["VpnGatewayId"] for one in alive(ec2.describe_vpn_gateways()["VpnGateways"])),
                *(one["VpcEndpointId"] for one in alive(ec2.describe_vpc_endpoints()["VpcEndpoints"])),
                *(one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]),
            ]
        )

    network.deploy(old)
    before = ids()
    # The address of version 0.1.
    network.move("aws_vpn_gateway_route_propagation", "office_propagation", "office_propagation_private")
    new = old
    for name, other in NAMES.items():
        assert old.count(name) == 1
        new = new.replace(name, other)
    new += f"renamed: {{{', '.join(LINES)}}}\n"
    assert network.changes(new) == {"update"}
    network.deploy(new)
    assert ids() == before
    assert network.settled()


def test_a_renamed_estate_keeps_used_resources(network: Deployed) -> None:
    def there() -> list[list[str]]:
        endpoints = network.ec2.describe_vpc_endpoints()["VpcEndpoints"]
        groups = network.ec2.describe_security_groups()["SecurityGroups"]
        ids = [one["GroupId"] for one in groups if one["GroupName"] != "default"]
        return [[one["VpcEndpointId"] for one in endpoints if one["State"] != "deleted"], ids]

    network.deploy(ESTATE + ENDPOINTS)
    before = there()
    network.deploy((ESTATE + ENDPOINTS).replace("name: acme", "name: emca"))
    assert there() == before
    assert [len(ids) for ids in before] == [1, 1]
    assert network.settled()


def test_a_vendor_managed_role_keeps_the_vendors_changes(
    aws: LocalAws, tmp_path: Path, environ: Mapping[str, str]
) -> None:
    account = Deployed(aws, tmp_path, "account", environ)
    iam = aws.client("iam", OURS)
    role, policy = "astronomer-remote-management", f"arn:aws:iam::{OURS}:policy/AstronomerCrossAccountRole"
    boundary = f"arn:aws:iam::{OURS}:policy/AstronomerOperationalBoundary"
    text = f"""
name: acme
state: {{backend: none}}
astro: {{product: hybrid, organization: acme}}
account:
  account_id: "{OURS}"
  region: us-east-1
  cross_account_role: {{policy_file: policy.json, policy_mode: vendor-managed}}
"""

    def deploy(parts: int, mode: str = "vendor-managed") -> None:
        actions = [[f"ec2:Describe{'X' * 100}{part}{number:02}" for number in range(50)] for part in range(parts)]
        statements = [{"Effect": "Allow", "Action": names, "Resource": "*"} for names in actions]
        document = {"Version": "2012-10-17", "Statement": statements}
        (tmp_path / "policy.json").write_text(json.dumps(document))
        account.deploy(text.replace("vendor-managed", mode))

    def attached() -> list[str]:
        found = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return sorted(one["PolicyArn"].removeprefix(policy) for one in found)

    def in_aws() -> list[str]:
        found = iam.list_policies(Scope="Local")["Policies"]
        return sorted(one["Arn"].removeprefix(policy) for one in found if one["Arn"].startswith(policy))

    deploy(2)
    assert attached() == ["", "-2"]
    assert account.warnings() == []
    # Astronomer reduces its policy, and adds a boundary to its role.
    reduced = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]}
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=json.dumps(reduced), SetAsDefault=True)
    iam.create_policy(PolicyName="AstronomerOperationalBoundary", PolicyDocument=json.dumps(reduced))
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)
    assert account.settled()
    [warning] = account.warnings()
    assert "the policy AstronomerCrossAccountRole in AWS differs from the file, and this deploy keeps it" in warning
    with pytest.raises(TerraformFailed, match="needs 3 policies, but") as refused:
        deploy(3)
    assert "policy_mode: strict" in " ".join(refused.value.stderr.split())
    deploy(1)
    assert (attached(), in_aws()) == (["", "-2"], ["", "-2"])
    assert iam.get_role(RoleName=role)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    # From here on, the file determines the policies. Others are detached, but still exist.
    deploy(1, "strict")
    assert (attached(), in_aws()) == ([""], ["", "-2"])
    assert "PermissionsBoundary" not in iam.get_role(RoleName=role)["Role"]


HYBRID = f"""
name: acme
state: {{backend: none}}
astro: {{product: hybrid, organization: acme}}
account:
  account_id: "{OURS}"
  region: us-east-1
  cross_account_role: {{policy_file: astronomer.json}}
clusters: {{prod: {{region: us-east-1, account_id: "{OURS}"}}}}
"""


def test_an_external_id_is_replaced_without_a_gap(aws: LocalAws, tmp_path: Path, environ: Mapping[str, str]) -> None:
    """The steps of docs/recovery.md, "An external ID is replaced"."""
    shutil.copy(ROOT / "examples/policies/astronomer.json", tmp_path)
    stack, iam = Deployed(aws, tmp_path, "account", environ), aws.client("iam", OURS)
    ids: set[str] = set()
    for trusted in (["old-id"], ["old-id", "new-id"], ["new-id"]):
        stack.set_variable("external_ids", json.dumps(trusted))
        stack.deploy(HYBRID)
        role = iam.get_role(RoleName="astronomer-remote-management")["Role"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        found = statement["Condition"]["StringEquals"]["sts:ExternalId"]
        assert sorted([found] if isinstance(found, str) else found) == sorted(trusted)
        ids.add(role["RoleId"])
    assert len(ids) == 1
