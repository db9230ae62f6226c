"""Terraform's errors for requests that must not be accepted, and the remedies, with the real provider.

All mistakes are in one estate, so that one plan has to report them all.
"""

# pyright: reportPrivateUsage=false

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from estate.load import load
from local_aws import LocalAws
from local_aws.facts import Facts, TransitGateway
from operations.terraform import TerraformFailed
from tests.support.synth import synth
from tests.support.terraform import Terraform, cli_environment, running_terraform
from tests.support.world import facts_of

PEERINGS = ("missing", "expired", "rejected", "deleted", "failed", "busy", "account", "region", "range", "vpc", "good")
ATTACHMENTS = (
    *("missing", "rejected", "deleting", "deleted", "failed", "busy", "account", "gateway", "type", "vpc", "good"),
)
US, ASTRO, STRANGER = "111111111111", "333333333333", "999999999999"
LAKE, HUB = "vpc-0123456789abcdef0", "tgw-0123456789abcdef0"
BASE = f"""\
name: acme
state: {{backend: none}}
astro: {{product: hosted-dedicated, organization: acme}}
networks:
  lake:
    account_id: "{US}"
    region: us-east-1
    vpc_id: {LAKE}
    cidrs: [10.20.0.0/16]
    route_tables: {{private: rtb-0aaaaaaaaaaaaaaaa}}
"""


def pcx(number: int) -> str:
    return f"pcx-{number:017x}"


def tgw_attach(number: int) -> str:
    return f"tgw-attach-{number:017x}"


def cluster(name: str, number: int, account: str = ASTRO, more: str = "") -> str:
    return f'  {name}: {{region: us-east-1, account_id: "{account}", cidr: 172.20.{number * 8}.0/21{more}}}\n'


def peering(name: str, number: int | None) -> str:
    given = "" if number is None else f", peering_id: {pcx(number)}"
    return f"  peer-{name}: {{type: vpc_peering, cluster: {name}, network: lake{given}}}\n"


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.fixture
def stack(aws: LocalAws, tmp_path: Path) -> Iterator["Stack"]:
    with running_terraform(cli_environment(tmp_path, {**os.environ, **aws.environment(US)})) as terraform:
        yield Stack(tmp_path, terraform)


class Stack:
    """The stack of the network `lake`, and its Terraform commands."""

    def __init__(self, folder: Path, terraform: Terraform) -> None:
        self._file, self._out = folder / "astro.yaml", folder / "out"
        self._folder = self._out / "stacks/network-lake"
        self._terraform = terraform

    def write(self, clusters: str, connections: str, base: str = BASE) -> Facts:
        """Write the file and synthesize it. Returns the resources that the file expects in AWS."""
        self._file.write_text(f"{base}clusters:\n{clusters}connections:\n{connections}")
        synth(self._file, self._out, hcl=False)
        self._terraform.init(self._folder)
        return facts_of(load(self._file))

    def run(self, command: str, *options: str) -> tuple[list[str], list[str]]:
        """Return the errors and the warnings of a Terraform command, sorted, as a person reads them."""
        try:
            said = self._terraform._run(self._folder, command, "-input=false", "-json", *options)
        except TerraformFailed as error:
            said = error.stderr
        found: list[dict[str, Any]] = [json.loads(line) for line in said.splitlines()]
        messages = [line["diagnostic"] for line in found if line["type"] == "diagnostic"]
        of = {
            severity: sorted(each["detail"] for each in messages if each["severity"] == severity)
            for severity in ("error", "warning")
        }
        return of["error"], of["warning"]

    def forget(self, address: str) -> None:
        self._terraform._run(self._folder, "state", "rm", address)

    def changes(self) -> list[str]:
        planned = self._terraform.plan_json(self._folder)["resource_changes"]
        actions = ((change["address"], change["change"]["actions"]) for change in planned)
        return sorted(f"{' '.join(action)} {address}" for address, action in actions if action != ["no-op"])


def every_mistake(stack: Stack) -> Facts:
    """Return a file with all connections, and an AWS in which the requests differ from it as their names describe."""
    peered, attached = [f"p-{name}" for name in PEERINGS], [f"t-{name}" for name in ATTACHMENTS]
    numbers = {
        name: number
        for number, name in enumerate(
            [*peered, "p-new", "p-unknown", *attached, "t-new", "p-given", "t-given", "p-requester"]
        )
    }
    clusters = {name: cluster(name, number) for name, number in numbers.items()}
    for name in ("p-unknown", "p-given", "t-given"):
        clusters[name] = clusters[name].replace(f'account_id: "{ASTRO}", ', "")
    clusters["p-requester"] = clusters["p-requester"].replace("}", ", vpc_id: vpc-0aaaaaaaaaaaaaaab}")
    clusters["t-vpc"] = clusters["t-vpc"].replace("}", ", vpc_id: vpc-0aaaaaaaaaaaaaaaa}")
    attachments = ", ".join(f"{name}: {tgw_attach(numbers[name])}" for name in (*attached, "t-given"))
    facts = stack.write(
        "".join(clusters.values()),
        "".join(peering(name, numbers[name]) for name in peered)
        + peering("p-new", None)
        + peering("p-unknown", None)
        + peering("p-given", numbers["p-given"])
        + peering("p-requester", numbers["p-requester"])
        + f"  hub: {{type: transit_gateway, clusters: [{', '.join(attached)}, t-new, t-given], network: lake, "
        f"transit_gateway_id: {HUB}, attachments: {{{attachments}}}}}\n",
    )
    requests: dict[str, Any] = {request["id"]: request for request in facts.get("peering_requests", [])}
    for name in ("p-new", "p-unknown", "p-given"):
        requests[pcx(numbers[name])] = {
            "id": pcx(numbers[name]),
            "requester": {"account": ASTRO, "region": "us-east-1", "cidr": f"172.20.{numbers[name] * 8}.0/21"},
            "accepter": {"account": US, "region": "us-east-1", "vpc": LAKE},
        }
    request = {name: requests[pcx(numbers[f"p-{name}"])] for name in (*PEERINGS, "new", "unknown")}
    # A stranger's request for the same VPC, with the range of a cluster.
    requests["stranger"] = request["new"] | {
        "id": "pcx-0fedcba9876543210",
        "requester": request["new"]["requester"] | {"account": STRANGER},
    }
    del requests[request["missing"]["id"]]
    for name in ("expired", "rejected", "deleted", "failed"):
        request[name]["status"] = name
    request["busy"]["status"] = "initiating-request"
    request["account"]["requester"]["account"] = STRANGER
    request["region"]["requester"]["region"] = "eu-west-1"
    request["range"]["requester"]["cidr"] = "172.31.0.0/21"
    requests[pcx(numbers["p-requester"])]["requester"]["vpc"] = "vpc-0bbbbbbbbbbbbbbbc"
    request["vpc"]["accepter"]["vpc"] = "vpc-0fedcba9876543210"
    facts.setdefault("vpcs", []).append(
        {"account": US, "region": "us-east-1", "id": "vpc-0fedcba9876543210", "cidr": "10.99.0.0/16"}
    )
    facts["peering_requests"] = list(requests.values())

    found: dict[str, Any] = {one["id"]: one for one in facts.get("transit_gateway_attachments", [])}
    attachment = {name: found[tgw_attach(numbers[f"t-{name}"])] for name in ATTACHMENTS}
    found["new"] = attachment["good"] | {"id": tgw_attach(numbers["t-new"]), "cidr": "172.30.0.0/21"}
    found["given"] = attachment["good"] | {"id": tgw_attach(numbers["t-given"]), "cidr": "172.30.8.0/21"}
    found["stranger"] = found["new"] | {"id": "tgw-attach-0fedcba9876543210", "account": STRANGER}
    del found[attachment["missing"]["id"]]
    for name in ("rejected", "deleting", "deleted", "failed"):
        attachment[name]["state"] = name
    attachment["busy"]["state"] = "rollingBack"
    attachment["account"]["account"] = STRANGER
    attachment["gateway"]["transit_gateway"] = "tgw-0fedcba9876543210"
    attachment["type"]["resource_type"] = "vpn"
    attachment["vpc"]["vpc"] = "vpc-0bbbbbbbbbbbbbbbb"
    facts.setdefault("transit_gateways", []).append(
        {"account": US, "region": "us-east-1", "id": "tgw-0fedcba9876543210"}
    )
    facts["transit_gateway_attachments"] = list(found.values())
    return facts


PEERING_AGAIN = (
    "Remove peering_id from the file to deploy without it. To connect again, create the connection in the Astro UI and "
    "enter its new ID."
)
ATTACHMENT_AGAIN = (
    "from the file to deploy without it. To connect again, ask Astronomer's support to attach the cluster, and enter "
    "the new ID."
)
CONFIRM = "Accept it only if Astronomer confirms that"
PEERING_ERRORS = {
    "missing": f".peering_id: {pcx(0)} does not exist in account {US}, us-east-1. Compare it with the ID in the Astro "
    f"UI. {PEERING_AGAIN}",
    "expired": f".peering_id: {pcx(1)} is expired. A request expires after 7 days. {PEERING_AGAIN}",
    "rejected": f".peering_id: {pcx(2)} is rejected. Somebody in your account rejected it. {PEERING_AGAIN}",
    "deleted": f".peering_id: {pcx(3)} is deleted. Astronomer or somebody in your account deleted it. {PEERING_AGAIN}",
    "failed": f".peering_id: {pcx(4)} is failed. AWS could not create it, which usually means that ranges of the two "
    f"VPCs overlap. {PEERING_AGAIN}",
    "busy": f".peering_id: {pcx(5)} is initiating-request. AWS may finish this in a few minutes. {PEERING_AGAIN}",
    "account": f": {pcx(6)} was requested by AWS account {STRANGER}, but clusters.p-account.account_id is {ASTRO}. "
    f"{CONFIRM} account: then correct account_id.",
    "region": f": {pcx(7)} was requested from region eu-west-1, but clusters.p-region.region is us-east-1. Enter the "
    "ID of this cluster's connection, or correct region if the Astro UI shows that one.",
    "range": f": {pcx(8)} was requested from a VPC with range 172.31.0.0/21, but clusters.p-range.cidr is "
    "172.20.64.0/21. Enter the ID of this cluster's connection, or correct cidr if the Astro UI shows that one.",
    "vpc": f": {pcx(9)} targets VPC vpc-0fedcba9876543210 of account {US}, but the network is {LAKE} of account {US}. "
    "Enter the ID of the connection with this VPC, or create that connection in the Astro UI.",
    "requester": f": {pcx(27)} was requested from VPC vpc-0bbbbbbbbbbbbbbbc, but clusters.p-requester.vpc_id is "
    f"vpc-0aaaaaaaaaaaaaaab. {CONFIRM} VPC: then correct vpc_id.",
}
ATTACHMENT_ERRORS = {
    "missing": f"{tgw_attach(13)} does not exist in account {US}, us-east-1. Compare it with the ID that Astronomer "
    f"gave you. Remove attachments.t-missing {ATTACHMENT_AGAIN}",
    "rejected": f"{tgw_attach(14)} is rejected. Somebody in your account rejected it. Remove attachments.t-rejected "
    f"{ATTACHMENT_AGAIN}",
    "deleting": f"{tgw_attach(15)} is deleting. Astronomer or somebody in your account is deleting it. Remove "
    f"attachments.t-deleting {ATTACHMENT_AGAIN}",
    "deleted": f"{tgw_attach(16)} is deleted. Astronomer or somebody in your account deleted it. Remove "
    f"attachments.t-deleted {ATTACHMENT_AGAIN}",
    "failed": f"{tgw_attach(17)} is failed. AWS could not create it. Remove attachments.t-failed {ATTACHMENT_AGAIN}",
    "busy": f"{tgw_attach(18)} is rollingBack. AWS may finish this in a few minutes. Remove attachments.t-busy "
    f"{ATTACHMENT_AGAIN}",
    "account": f"{tgw_attach(19)} is of AWS account {STRANGER}, but clusters.t-account.account_id is {ASTRO}. "
    f"{CONFIRM} account: then correct account_id.",
    "gateway": f"{tgw_attach(20)} is attached to tgw-0fedcba9876543210, but this connection's gateway is {HUB}. Enter "
    "the ID of the attachment to this gateway.",
    "type": f"{tgw_attach(21)} attaches a vpn, but a cluster attaches a vpc. Enter the ID that Astronomer gave you.",
    "vpc": f"{tgw_attach(22)} attaches vpc-0bbbbbbbbbbbbbbbb, but clusters.t-vpc.vpc_id is vpc-0aaaaaaaaaaaaaaaa. "
    f"{CONFIRM} VPC: then correct vpc_id.",
}
PENDING = [
    f"connections.hub: {tgw_attach(24)} is pending, from AWS account {ASTRO}. To accept it as the attachment of "
    f"cluster t-new, add `t-new: {tgw_attach(24)}` to connections.hub.attachments, and deploy again.",
    f"connections.hub: {tgw_attach(26)} is pending, from an AWS account. To accept it as the attachment of cluster "
    "t-given, add `account_id` to clusters.t-given after Astronomer has confirmed that the account is theirs, and "
    "deploy again.",
    f"connections.peer-p-given: {pcx(25)} is pending, from an AWS account with range 172.20.200.0/21. To accept it, "
    "add `account_id` to clusters.p-given after Astronomer has confirmed the requester's account, and deploy again.",
    f"connections.peer-p-new: {pcx(11)} is pending, from AWS account {ASTRO} with range 172.20.88.0/21. To accept it, "
    f"add `peering_id: {pcx(11)}` to connections.peer-p-new, and deploy again.",
    f"connections.peer-p-unknown: {pcx(12)} is pending, from an AWS account with range 172.20.96.0/21. To accept it, "
    "add `account_id` to clusters.p-unknown after Astronomer has confirmed the requester's account, and "
    f"`peering_id: {pcx(12)}` to connections.peer-p-unknown, and deploy again.",
]


def test_one_plan_reports_every_mistake_and_no_apply_accepts_one(aws: LocalAws, stack: Stack) -> None:
    aws.make(every_mistake(stack))
    peerings = {f"connections.peer-p-{name}{message}" for name, message in PEERING_ERRORS.items()}
    attachments = {f"connections.hub.attachments.t-{name}: {message}" for name, message in ATTACHMENT_ERRORS.items()}
    expected = sorted(peerings | attachments), PENDING
    assert stack.run("plan") == expected
    assert stack.run("apply", "-auto-approve") == expected
    ec2 = aws.client("ec2", US)
    active = [{"Name": "status-code", "Values": ["active"]}]
    assert ec2.describe_vpc_peering_connections(Filters=active)["VpcPeeringConnections"] == []
    available = [{"Name": "state", "Values": ["available"]}]
    assert ec2.describe_transit_gateway_attachments(Filters=available)["TransitGatewayAttachments"] == []


def test_a_gateway_that_cannot_do_its_part_is_refused(aws: LocalAws, stack: Stack) -> None:
    tables = ", route_tables: {clusters: tgw-rtb-0aaaaaaaaaaaaaaaa, network: tgw-rtb-0bbbbbbbbbbbbbbbb}"
    entries = {
        "without-tables": ("tgw-0aaaaaaaaaaaaaaaa", ""),
        "not-ours": ("tgw-0bbbbbbbbbbbbbbbb", tables),
        "tables-not-ours": ("tgw-0cccccccccccccccc", f", accept_clusters: false{tables}"),
    }
    connections = "".join(
        f"  {name}: {{type: transit_gateway, clusters: [c{number}], network: lake, transit_gateway_id: {id_}{more}}}\n"
        for number, (name, (id_, more)) in enumerate(entries.items())
    )
    facts = stack.write("".join(cluster(f"c{number}", number) for number in range(len(entries))), connections)
    without, *theirs = (id_ for id_, _ in entries.values())
    gateways = [TransitGateway(account=STRANGER, region="us-east-1", id=id_) for id_ in theirs]
    gateways.append(
        TransitGateway(account=US, region="us-east-1", id=without, default_association=False, default_propagation=False)
    )
    aws.make({"vpcs": facts.get("vpcs", []), "transit_gateways": gateways})
    arns = [f"arn:aws:ec2:us-east-1:{STRANGER}:transit-gateway/{id_}" for id_ in theirs]
    share = {"name": "theirs", "allowExternalPrincipals": True, "resourceArns": arns, "principals": [US]}
    aws.client("ram", STRANGER).create_resource_share(**share)
    ours = aws.client("ram", US)
    (invitation,) = ours.get_resource_share_invitations()["resourceShareInvitations"]
    ours.accept_resource_share_invitation(resourceShareInvitationArn=invitation["resourceShareInvitationArn"])
    others = f"is of AWS account {STRANGER}, but the network is of account {US}:"
    assert stack.run("plan") == (
        sorted(
            [
                f"connections.without-tables.transit_gateway_id: {without} has default association disabled and "
                "default propagation disabled, and without both there are no routes to the clusters and back: set the "
                "tables in route_tables.",
                f"connections.not-ours.transit_gateway_id: {theirs[0]} {others} set accept_clusters: false, and leave "
                "sharing and accepting to its owner.",
                f"connections.tables-not-ours.transit_gateway_id: {theirs[1]} {others} remove route_tables, which only "
                "its owner can associate.",
            ]
        ),
        [],
    )


def test_a_vpc_that_differs_from_the_file_is_refused(aws: LocalAws, stack: Stack) -> None:
    """The error also stops unrelated plans; a destroy continues."""

    def write(cidrs: str, dns: str) -> Facts:
        options = {
            "aws": f"type: private_link, endpoints: {{queues: {{service: sqs, private_dns: {dns}}}}}",
            "peer": f"type: vpc_peering, cluster: dev, peering_id: {pcx(1)}, resolve_dns: {dns}",
        }
        if dns == "true":
            options["zone"] = "type: hosted_zone, clusters: [dev], domain: acme.example"
        network = BASE.replace("10.20.0.0/16", cidrs) + "    subnets: {a: subnet-0aaaaaaaaaaaaaaaa}\n"
        connections = "".join(f"  {name}: {{network: lake, {option}}}\n" for name, option in options.items())
        return stack.write(cluster("dev", 1), connections, network)

    facts = write("10.20.0.0/16, 10.22.0.0/20", "true")
    assert stack.run("plan")[0][1:] == [
        f"networks.lake.vpc_id: {LAKE} does not exist in account {US}, us-east-1. Correct vpc_id. If the VPC was "
        "deleted, destroy this stack before you remove the network from the file."
    ]
    for vpc in facts.get("vpcs", []):
        vpc["secondary_cidrs"], vpc["dns_hostnames"] = ["10.21.0.0/16"], False
    aws.make(facts)
    assert stack.run("plan")[0] == [
        f"networks.lake.cidrs: {LAKE} also has 10.21.0.0/16. Add every range of the VPC to cidrs, or to unrouted_cidrs "
        "if Astro does not need to reach it: ranges that are not listed are not checked for overlaps.",
        f"networks.lake.cidrs: {LAKE} does not have 10.22.0.0/20. Remove it from cidrs or unrouted_cidrs, or associate "
        "it with the VPC.",
    ]
    write("10.20.0.0/16, 10.21.0.0/16", "true")
    settings = "DNS resolution and DNS hostnames, but they are not both on. Turn them on"
    needs = f"needs both DNS settings of {LAKE}, {settings}"
    assert stack.run("plan")[0] == [
        f"connections.{field} {needs} (aws ec2 modify-vpc-attribute), or {remedy}."
        for field, remedy in (
            ("aws.endpoints.queues.private_dns: true", "write connections.aws.endpoints.queues.private_dns: false"),
            ("peer.resolve_dns: true", "write connections.peer.resolve_dns: false"),
            ("zone.domain", "name the zone of another VPC in zone_id"),
        )
    ]
    write("10.20.0.0/16, 10.21.0.0/16", "false")
    assert stack.run("apply", "-auto-approve") == ([], [])
    assert stack.changes() == []
    ours = aws.client("ec2", US)
    ours.modify_vpc_attribute(VpcId=LAKE, EnableDnsHostnames={"Value": True})
    write("10.20.0.0/16, 10.21.0.0/16", "true")
    assert stack.run("apply", "-auto-approve") == ([], [])
    ours.associate_vpc_cidr_block(VpcId=LAKE, CidrBlock="10.23.0.0/16")
    assert len(stack.run("plan")[0]) == 1
    assert stack.run("destroy", "-auto-approve")[0] == []


@pytest.mark.parametrize("by", ["the gateway", "a person"])
def test_an_attachment_that_is_available_already_is_imported(aws: LocalAws, stack: Stack, by: str) -> None:
    """AWS accepts each request once (facts C2), and the next plan is empty."""
    attachments = f"attachments: {{dev: {tgw_attach(1)}}}"
    facts = stack.write(
        cluster("dev", 1),
        f"  hub: {{type: transit_gateway, clusters: [dev], network: lake, transit_gateway_id: {HUB}, {attachments}}}\n",
    )
    for gateway in facts.get("transit_gateways", []):
        gateway["auto_accept"] = by == "the gateway"
    aws.make(facts)
    if by == "a person":
        ec2 = aws.client("ec2", US)
        ec2.accept_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=tgw_attach(1))
    assert stack.run("apply", "-auto-approve") == ([], [])
    assert stack.changes() == []


ACCEPTER = "aws_ec2_transit_gateway_vpc_attachment_accepter.accepted_attachments"
FIREWALL = "  allow: {type: egress_domains, network: lake, dns_firewall: {}}\n"


def test_terraform_never_deletes_what_astronomer_attached(aws: LocalAws, stack: Stack) -> None:
    """An accepter survives a rename, the removal of its line or entry, and a destroy (facts C1)."""

    def hub(entry: str, **attached: int) -> tuple[str, str]:
        lines = ", ".join(f"{name}: {tgw_attach(number)}" for name, number in attached.items())
        names = ", ".join(attached) or "none"
        connection = f"type: transit_gateway, clusters: [{names}], network: lake, transit_gateway_id: {HUB}"
        clusters = "".join(cluster(name, number) for name, number in attached.items()) or cluster("none", 1)
        if entry == "none":
            return clusters, FIREWALL
        return clusters, f"  {entry}: {{{connection}, attachments: {{{lines}}}}}\n"

    def states() -> list[str]:
        found = aws.client("ec2", ASTRO).describe_transit_gateway_attachments()["TransitGatewayAttachments"]
        return [one["State"] for one in found]

    aws.make(stack.write(*hub("hub", dev=1, qa=2)))
    assert stack.run("apply", "-auto-approve") == ([], [])

    stack.write(*hub("hub", development=1, qa=2))
    assert [one for one in stack.changes() if ACCEPTER in one] == [f'update {ACCEPTER}["{tgw_attach(1)}"]']
    assert stack.run("apply", "-auto-approve") == ([], [])
    stack.write(*hub("center", development=1, qa=2))
    assert not [one for one in stack.changes() if ACCEPTER in one and "update" not in one]

    for connection, numbers in ((hub("hub", development=1), [2]), (hub("hub"), [1, 2]), (hub("none"), [1, 2])):
        stack.write(*connection)
        for options in ((), ("-destroy",)):
            errors, _ = stack.run("plan", *options)
            refused = {
                f'Resource {ACCEPTER}["{tgw_attach(number)}"] has lifecycle.prevent_destroy set'
                for number in ((1, 2) if options else numbers)
            }
            assert {one.partition(", but")[0] for one in errors} <= refused
            assert errors
    stack.forget(ACCEPTER)
    assert stack.run("destroy", "-auto-approve") == ([], [])
    assert states() == ["available", "available"]


def test_a_deleted_request_does_not_block_the_network(aws: LocalAws, stack: Stack) -> None:
    """The remedy of docs/recovery.md: Astronomer deletes the peering and the attachment of a network."""
    clusters = cluster("prod", 0) + cluster("dev", 1)
    hub = f"  hub: {{type: transit_gateway, clusters: [dev], network: lake, transit_gateway_id: {HUB}"
    attached = f"{hub}, attachments: {{dev: {tgw_attach(1)}}}}}\n"
    aws.make(stack.write(clusters, peering("prod", 0) + attached))
    assert stack.run("apply", "-auto-approve") == ([], [])
    assert stack.changes() == []

    theirs = aws.client("ec2", ASTRO)
    theirs.delete_vpc_peering_connection(VpcPeeringConnectionId=pcx(0))
    theirs.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=tgw_attach(1))
    stack.write(clusters, peering("prod", 0) + attached + FIREWALL)
    gone = [
        f"connections.hub.attachments.dev: {tgw_attach(1)} is deleted. Astronomer or somebody in your account deleted "
        f"it. Remove attachments.dev {ATTACHMENT_AGAIN}",
        f"connections.peer-prod.peering_id: {pcx(0)} is deleted. Astronomer or somebody in your account deleted it. "
        f"{PEERING_AGAIN}",
    ]
    assert stack.run("plan") == (gone, [])
    assert stack.run("plan", "-destroy") == ([], [])
    # The same for an ID that AWS no longer returns, or never did.
    stack.write(clusters, peering("prod", 7) + hub + "}\n")
    assert stack.run("plan", "-destroy") == ([], [])

    stack.write(clusters, peering("prod", None) + hub + "}\n" + FIREWALL)
    assert stack.run("apply", "-auto-approve") == ([], [])
    assert stack.changes() == []
    assert len(aws.client("route53resolver", US).list_firewall_rule_groups()["FirewallRuleGroups"]) == 1
    assert stack.run("destroy", "-auto-approve") == ([], [])
