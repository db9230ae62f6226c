"""The handoff: deployed facts, remaining steps and their actors."""

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
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
from operations.handoff import write
from operations.handoff.actions import actions
from operations.handoff.read import Deployed, harmless, read
from operations.handoff.status import Digests, Report, report, tickets
from operations.handoff.write import flowchart
from operations.terraform import find_terraform
from tests.support import EXAMPLES, ROOT
from tests.support.commands import run
from tests.support.estates import BASE
from tests.support.synth import synth, synth_all
from tests.support.terraform import Terraform, cli_environment
from tests.support.world import facts_of

PEERED = {"account_id": "111111111111", "vpc_id": "vpc-0123456789abcdef0", "peering_status": "active", "dns": None}
WAITING = {"account_id": "111111111111", "vpc_id": "vpc-0123456789abcdef0"}
LAKE = Deployed("deployed", facts={"lake-prod": PEERED, "lake-dev": WAITING})
ASKED = (
    "get `peering_id` from the Astro UI: in Organization Settings > Clusters > VPC Peering Connections, create the "
    "connection; the ID is shown once it is Pending"
)
PROD_ID = "clmk2qqia000008mhff3ndjr0"
HYBRID = """\
name: acme
state: {backend: none}
astro: {product: hybrid, organization: acme}
account:
  account_id: "222222222222"
  region: us-east-1
  cross_account_role: {policy_file: policy.json}
  policy_alarm: {subscribers: {security: security@acme.example}}
  service_quotas: {}
"""
ROLE_ARN = "arn:aws:iam::222222222222:role/astronomer-remote-management"
ACCOUNT: Mapping[str, Deployed] = {
    "account": Deployed(
        "deployed",
        facts={
            "cross_account_role": {"account_id": "222222222222", "role_arn": ROLE_ARN},
            "policy_alarm": {"unconfirmed": {"security": True}},
        },
    ),
    "quotas-us-east-1": Deployed(
        "deployed",
        facts={"service_quotas": {"spot": {"quota": "ec2 L-34B43A08", "request_status": "PENDING"}}},
    ),
}


def estate_of(folder: Path, text: str) -> Estate:
    (folder / "policy.json").write_text((ROOT / "examples/policies/astronomer.json").read_text())
    (folder / "astro.yaml").write_text(text)
    return load(folder / "astro.yaml")


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return estate_of(tmp_path, BASE)


def found_in(estate: Estate, deployed: Mapping[str, Deployed] | None = None, digests: Digests | None = None) -> Report:
    """Return the report on an estate with these deployed outputs only."""
    nothing = {stack.name: Deployed("not deployed") for stack in stacks_of(estate)}
    return report(estate, nothing | dict(deployed or {}), digests or {})


def statuses(found: Report) -> dict[str, str]:
    return {entry.path: entry.status for entry in found.entries}


def lines(found: Report) -> list[tuple[str, str | None, str]]:
    return [(one.actor, one.entry, one.action) for one in actions(found)]


def synthesized(estate: Estate, folder: Path) -> dict[str, dict[str, str]]:
    stacks = synth_all(estate, folder)
    return {name: stack["output"]["deployed"]["value"]["digests"] for name, stack in stacks.items()}


def test_each_entry_has_a_status(estate: Estate) -> None:
    lake, prod, dev = "networks.lake", "connections.lake-prod", "connections.lake-dev"
    waiting = {dev: "waiting"}
    assert statuses(found_in(estate)) == {lake: "not deployed", prod: "not deployed", **waiting}
    assert statuses(found_in(estate, {"network-lake": LAKE})) == {lake: "built", prod: "built", **waiting}
    unread = {"network-lake": Deployed("not read", "no credentials")}
    assert statuses(found_in(estate, unread)) == {lake: "not read", prod: "not read", **waiting}
    provisioning = Deployed("deployed", facts={"lake-prod": PEERED | {"peering_status": "provisioning"}})
    assert statuses(found_in(estate, {"network-lake": provisioning}))[prod] == "handed over"
    # An entry that the last deploy did not have.
    other = Deployed("deployed", facts={"lake-dev": WAITING})
    assert statuses(found_in(estate, {"network-lake": other}))[prod] == "not deployed"


def test_an_unknown_account_keeps_a_connection_waiting(tmp_path: Path) -> None:
    unknown = estate_of(tmp_path, BASE.replace('account_id: "333333333333", cidr: 172.20', "cidr: 172.20"))
    found = found_in(unknown, {"network-lake": Deployed("deployed", facts={"lake-prod": WAITING})})
    assert statuses(found)["connections.lake-prod"] == "waiting"
    assert found.of_connection("lake-prod").waits_for == ("account_id",)
    (ticket, *_) = tickets(found)
    assert (ticket.cluster, [one.action for one in ticket.requests]) == (
        "prod",
        ["send us the ID of the AWS account that contains the cluster's VPC"],
    )


def test_an_edited_entry_is_changed_and_no_other_is(tmp_path: Path) -> None:
    rule = "peering_id: pcx-0123456789abcdef0, ingress: {pg: {security_group: sg-0123456789abcdef0, from_port: 5432}}"
    before, after = estate_of(tmp_path, BASE), BASE.replace("peering_id: pcx-0123456789abcdef0", rule)
    was = synthesized(before, tmp_path / "before")
    assert synthesized(before, tmp_path / "again") == was
    edited = estate_of(tmp_path, after)
    deployed = {"network-lake": Deployed("deployed", facts=LAKE.facts, digests=was["network-lake"])}
    same = found_in(before, deployed, was)
    assert [entry.changed for entry in same.entries] == [False, False, False]
    found = found_in(edited, deployed, synthesized(edited, tmp_path / "after"))
    assert {entry.path: entry.changed for entry in found.entries} == {
        "networks.lake": False,
        "connections.lake-prod": True,
        "connections.lake-dev": False,
    }
    assert statuses(found)["connections.lake-prod"] == "changed"
    assert lines(found)[0] == ("you", None, "deploy new and changed entries: `cdktf deploy network-lake`")
    assert "Nothing left to do" not in write.your_page(found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: acme\n", "name: acme\ntags: {owner: data}\n"),
        ("cidr: 172.20.0.0/20", "cidr: 172.20.16.0/20"),
        ("route_tables: all", "route_tables: {a: rtb-0aaaaaaaaaaaaaaaa}"),
        ("peering_id: pcx-0123456789abcdef0", "peering_id: pcx-0fffffffffffffff0"),
        ("peering_id: pcx-0123456789abcdef0", "peering_id: pcx-0123456789abcdef0, resolve_dns: false"),
    ],
)
def test_an_edit_anywhere_that_concerns_a_connection_changes_it(tmp_path: Path, old: str, new: str) -> None:
    was = synthesized(estate_of(tmp_path, BASE), tmp_path / "before")["network-lake"]
    now = synthesized(estate_of(tmp_path, BASE.replace(old, new, 1)), tmp_path / "after")["network-lake"]
    assert was["lake-prod"] != now["lake-prod"]


def test_a_removed_entry_has_to_be_deployed(tmp_path: Path) -> None:
    was = synthesized(estate_of(tmp_path, BASE), tmp_path / "before")
    left = estate_of(tmp_path, "\n".join(BASE.splitlines()[:-1]) + "\n")
    now = synthesized(left, tmp_path / "after")
    deployed = {"network-lake": Deployed("deployed", facts=LAKE.facts, digests=was["network-lake"])}
    assert lines(found_in(left, deployed, now)) == [
        ("you", None, "deploy new and changed entries: `cdktf deploy network-lake`")
    ]


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        ("  lake-prod: ", "  lake-main: ", False),
        (", peering_id: pcx-0123456789abcdef0", "", True),
        ("peering_id: pcx-0123456789abcdef0", "peering_id: pcx-0fffffffffffffff0", True),
        ("type: vpc_peering, cluster: prod, network: lake, peering_id: pcx-0123456789abcdef0", "NOTHING", True),
    ],
)
def test_deleting_a_peering_without_an_entry_is_your_step(tmp_path: Path, old: str, new: str, left: bool) -> None:
    """Neither a removed entry nor a destroy deletes a peering, so the hand-over lists the active one as your step."""
    text = BASE.replace(old, new, 1)
    assert text != BASE
    estate = estate_of(tmp_path, "\n".join(line for line in text.splitlines() if "NOTHING" not in line) + "\n")
    peered = {"lake-prod": PEERED | {"peering_id": "pcx-0123456789abcdef0"}}
    expected = (
        "delete the VPC peering connection pcx-0123456789abcdef0, or ask Astronomer to delete it: AWS keeps it active "
        "after `connections.lake-prod` is deployed without it"
    )
    found = lines(found_in(estate, {"network-lake": Deployed("deployed", facts=peered)}))
    assert (("you", None, expected) in found) == left


def test_a_digest_is_the_same_from_a_synth_that_writes_hcl(tmp_path: Path) -> None:
    file = ROOT / "examples/vpc_peering.yaml"
    folder = tmp_path / "out"
    assert run("synth", str(file), "--out", str(folder), "--hcl")[0] == 0
    text = (folder / "stacks/network-lake/cdk.tf").read_text()
    written = dict(re.findall(r'^ +"?([\w-]+)"? += "([0-9a-f]{16})"$', text, re.MULTILINE))
    assert written == synthesized(load(file), tmp_path / "json")["network-lake"]


def test_after_the_account_the_role_is_sent_next(tmp_path: Path) -> None:
    found = found_in(estate_of(tmp_path, HYBRID + "clusters: {prod: {region: us-east-1}}\n"), ACCOUNT)
    send = f"send Astronomer the role {ROLE_ARN}: `main.py handoff --for astronomer` writes the ticket"
    role, alarm, quotas = (f"account.{one}" for one in ("cross_account_role", "policy_alarm", "service_quotas"))
    assert lines(found) == [
        ("you", role, f"{send}. Wait a minute after the deploy, until AWS has replicated the role"),
        ("Astronomer", role, f"create the cluster prod in account 222222222222, with the role {ROLE_ARN}"),
        ("you", role, "copy the IDs of prod from the Astro UI to `clusters.*.id`"),
        ("you", alarm, "confirm the subscription of security@acme.example to the alarm's SNS topic"),
        (
            "you",
            quotas,
            "wait until AWS grants the quota ec2 L-34B43A08 in us-east-1; the request was PENDING at the last deploy",
        ),
    ]
    assert [one.deadline for one in actions(found) if one.entry == alarm] == ["within 3 days of the deploy"]
    assert "Nothing left to do" not in write.your_page(found)


def test_an_account_whose_clusters_exist_has_nothing_left(tmp_path: Path) -> None:
    text = HYBRID + f"clusters: {{prod: {{region: us-east-1, id: {PROD_ID}}}}}\n"
    confirmed = dict(ACCOUNT["account"].facts) | {"policy_alarm": {"unconfirmed": {"security": False}}}
    granted = {"service_quotas": {"spot": {"quota": "ec2 L-34B43A08", "request_status": "APPROVED"}}}
    done = {
        "account": Deployed("deployed", facts=confirmed),
        "quotas-us-east-1": Deployed("deployed", facts=granted),
    }
    found = found_in(estate_of(tmp_path, text), done)
    assert actions(found) == []
    assert "## Next\n\nNothing left to do.\n" in write.your_page(found)
    by_hand = text.replace("  account_id", "  confirmed: 2026-11-26\n  account_id", 1)
    assert actions(found_in(estate_of(tmp_path, by_hand), ACCOUNT)) == []


def test_an_account_without_a_cluster_gives_a_ticket_and_no_map(tmp_path: Path) -> None:
    found = found_in(estate_of(tmp_path, HYBRID), ACCOUNT)
    assert write.ticket_page(found) == (
        "Subject: Astro on AWS, organization acme: set up account 222222222222\n\n"
        "Hello,\n\n"
        "This is about a new Astro Hybrid cluster of organization acme.\n\n"
        "1. Please create a cluster in our dedicated AWS account, with your defaults unless we specify other "
        "values.\n\n"
        "| fact | value |\n|---|---|\n"
        f"| account ID | `222222222222` |\n| role ARN | `{ROLE_ARN}` |\n\n"
        "Please confirm in this ticket when it is done.\n"
    )
    assert "mermaid" not in write.your_page(found)
    # A ticket that is sent without the cluster does not mention it.
    steps = [action for _, entry, action in lines(found) if entry == "account.cross_account_role"]
    assert [step.split()[0] for step in steps] == ["send", "create", "describe"]
    assert "if `clusters` already has one. Wait" in steps[0]
    assert write.ticket_page(found_in(found.estate)).startswith(
        "**Do not send yet**: the stack `account` is not deployed.\n"
    )


STEPS = {
    "cross_account_role": {"you", "Astronomer"},
    "policy_alarm": {"you"},
    "service_quotas": {"you"},
    "opt_in_region": {"you"},
    "dns_forwarding": {"you", "Astronomer"},
    "egress_domains": {"your network team"},
    "egress_hub": {"you", "Astronomer"},
    "hosted_zone": {"Astronomer"},
    "ip_allowlist": {"you"},
    "network_rules": set[str](),
    "peering_role": {"you", "Astronomer"},
    "private_link": {"you", "Astronomer"},
    "remote_agents": {"you", "Astronomer"},
    "resolver_rules": {"you", "Astronomer"},
    "transit_gateway": {"you", "Astronomer"},
    "vpc_peering": {"you", "Astronomer"},
    "vpn": {"you", "Astronomer", "your network team"},
    "workload_identity": {"you"},
    "network": set[str](),
}
"""Return the actors of the open steps after the deploy of an entry of a type."""


def test_a_deployed_entry_is_not_done_while_steps_are_open(tmp_path: Path) -> None:
    """The hand-over names each step that Astronomer or somebody else still has to do, and is never empty before."""
    acting: dict[str, set[str]] = {}
    for file in EXAMPLES:
        estate = load(file)
        outputs = {name: one["output"] for name, one in synth_all(estate, tmp_path / file.stem).items()}
        deployed = {name: Deployed("deployed", facts=one["handoff"]["value"]) for name, one in outputs.items()}
        found = found_in(estate, deployed)
        for entry in found.entries:
            acting.setdefault(entry.type, set()).update(step.actor for step in entry.steps)
            if entry.open_steps:
                assert entry.status in ("waiting", "handed over", "for Astronomer to create")
        if any(entry.open_steps for entry in found.entries):
            assert "Nothing left to do" not in write.your_page(found)
    assert acting == STEPS


def test_a_list_of_domains_and_a_gateway_of_others_leave_steps() -> None:
    domains = (
        load(ROOT / "examples/complete.yaml").connections["edge-domains"].model_copy(update={"dns_firewall": None})
    )
    (step,) = domains.steps({"domains": ["cloud.astronomer.io"]}, {})
    assert step.actor == "your network team"
    hub = load(ROOT / "examples/complete.yaml").connections["hub"].model_copy(update={"accept_clusters": False})
    (step,) = hub.steps({"transit_gateway_id": "tgw-1"}, {})
    assert (step.actor, "tgw-1" in step.action) == ("you", True)


def test_only_pending_options_of_a_vpn_are_not_known(tmp_path: Path) -> None:
    certificate = "arn:aws:acm:us-east-1:111111111111:certificate/11111111-2222-3333-4444-555555555555"
    estate = estate_of(
        tmp_path,
        BASE[: BASE.index("connections:")]
        + f"""\
connections:
  office:
    type: vpn
    network: lake
    gateways:
      a: {{tunnel2_inside_cidr: 169.254.10.0/30}}
      b: {{ip: 203.0.113.11, bgp_asn: 65010}}
  plant:
    type: vpn
    network: lake
    gateways:
      main: {{ip: 198.51.100.20, bgp_asn: 65020}}
    transit_gateway_id: tgw-0123456789abcdef0
  mobile:
    type: vpn
    network: lake
    gateways:
      van: {{certificate_arn: "{certificate}"}}
    static_routes: {{floor: 192.168.40.0/24}}
    transit_gateway_id: tgw-0123456789abcdef0
    route_tables: {{routes: {{main: tgw-rtb-0123456789abcdef0}}}}
""",
    )
    assert write.team_page(found_in(estate)).splitlines() == [
        "# Astro on AWS: acme, for the network team",
        "",
        "## office: vpn, network lake",
        "",
        "- Please provide `gateways.a.ip`: the public, static IPv4 address of the device.",
        "- Please provide `bgp_asn`: the ASN of the devices for BGP, or without BGP the ranges behind them for "
        "static_routes.",
        "",
        "| fact | value |",
        "|---|---|",
        "| devices, a, IP | not known |",
        "| devices, a, tunnel2 inside CIDR | `169.254.10.0/30` |",
        "| devices, b, IP | `203.0.113.11` |",
        "| devices, b, BGP ASN | `65010` |",
        "| BGP ASN | not known |",
        "",
        "## plant: vpn, network lake",
        "",
        "| fact | value |",
        "|---|---|",
        "| devices, main, IP | `198.51.100.20` |",
        "| devices, main, BGP ASN | `65020` |",
        "",
        "## mobile: vpn, network lake",
        "",
        "| fact | value |",
        "|---|---|",
        f"| devices, van, certificate ARN | `{certificate}` |",
        "| static routes, floor | `192.168.40.0/24` |",
    ]


def test_a_confirmed_connection_has_nothing_left(tmp_path: Path) -> None:
    text = (ROOT / "examples/dns_forwarding.yaml").read_text()
    text = re.sub(r"type: dns_forwarding", "type: dns_forwarding, confirmed: 2026-11-26", text)
    estate = estate_of(
        tmp_path, re.sub(r"^    type: (\w+), confirmed", r"    type: \1\n    confirmed", text, flags=re.MULTILINE)
    )
    facts = {name: {"domains": ["x.example"], "servers": ["10.0.0.2"]} for name in estate.connections}
    found = found_in(estate, {"network-lake": Deployed("deployed", facts=facts)})
    assert {entry.status for entry in found.entries if entry.type == "dns_forwarding"} == {"confirmed"}
    assert tickets(found) == []


def test_a_share_names_its_deadline_and_a_zone_its_proof() -> None:
    rules = load(ROOT / "examples/resolver_rules.yaml")
    connection = next(iter(rules.connections.values()))
    facts = {"account_id": "111111111111", "rules": {"corp": {"id": "rslvr-rr-1", "domain": "corp.example"}}}
    first, *_ = connection.steps(facts, rules.clusters)
    assert (first.actor, first.deadline) == ("Astronomer", "within 7 days of the deploy")
    assert first.action.startswith("accept the resource share of the Route 53 Resolver rules rslvr-rr-1 and associate")
    zone = load(ROOT / "examples/complete.yaml").connections["lake-zone"]
    clusters = load(ROOT / "examples/complete.yaml").clusters
    associate = {"zone_id": "Z1", "associate": {"prod": "aws route53 associate"}}
    assert [step.done for step in zone.steps(associate, clusters)] == [False]
    assert [step.done for step in zone.steps(associate | {"vpc_ids": [clusters["prod"].vpc_id]}, clusters)] == [True]


def test_a_step_in_the_astro_ui_is_yours(estate: Estate) -> None:
    assert lines(found_in(estate, {"network-lake": LAKE})) == [("you", "connections.lake-dev", ASKED)]


def test_a_request_that_expires_is_deployed_in_time(estate: Estate) -> None:
    first = actions(found_in(estate))[0]
    assert (first.action, first.deadline) == (
        "deploy new and changed entries: `cdktf deploy network-lake`",
        "lake-prod within 7 days of Astro's request",
    )


def test_a_ticket_names_the_cluster_by_its_id(tmp_path: Path) -> None:
    text = (ROOT / "examples/resolver_rules.yaml").read_text()
    estate = estate_of(tmp_path, text)
    facts = {"rules": {"corp": {"id": "rslvr-rr-0123456789abcdef0", "domain": "corp.example"}}}
    deployed = {"network-lake": Deployed("deployed", facts=dict.fromkeys(estate.connections, facts))}
    entries = {entry for _, entry, action in lines(found_in(estate, deployed)) if action.startswith("copy `id`")}
    assert entries == {estate.cluster_entry(one.cluster or "") for one in tickets(found_in(estate, deployed))}
    named = estate.model_copy(
        update={"clusters": {name: one.model_copy(update={"id": PROD_ID}) for name, one in estate.clusters.items()}}
    )
    page = write.ticket_page(found_in(named, deployed))
    assert page.startswith("Subject: Astro on AWS, organization ")
    assert page.count(f", cluster ID {PROD_ID}, of organization") == len(tickets(found_in(named, deployed)))
    assert not [line for line in lines(found_in(named, deployed)) if line[2].startswith("copy `id`")]


FACTORY = """\
  factory: {type: vpn, terminates: astro, cluster: prod, gateways: {a: IP}, static_routes: {halls: 192.168.64.0/20}}
"""


def test_a_vpn_of_astronomer_is_requested_once_it_is_whole(tmp_path: Path) -> None:
    def found(gateway: str) -> Report:
        connected = "\n".join(BASE.splitlines()[:-1]) + "\n" + FACTORY.replace("IP", gateway)
        return found_in(estate_of(tmp_path, connected), {"network-lake": LAKE})

    whole, waiting = found("{ip: 203.0.113.10}"), found("{}")
    entry = whole.of_connection("factory")
    assert (entry.status, entry.stack) == ("for Astronomer to create", None)
    (request,) = tickets(whole)[0].requests
    assert request.action == "create a VPN connection from the cluster's VPC with the following settings"
    assert request.facts == whole.estate.connections["factory"].asked_of_astronomer()
    assert ("you", "connections.factory") in [line[:2] for line in lines(whole)]
    assert tickets(waiting) == []
    assert lines(waiting) == [
        (
            "your network team",
            "connections.factory",
            "provide `gateways.a.ip`: the public, static IPv4 address of the device",
        )
    ]
    assert "Please provide `gateways.a.ip`" not in write.ticket_page(waiting)


def test_json_contains_values_and_marks_defaults(tmp_path: Path) -> None:
    made = 'networks:\n  edge: {account_id: "111111111111", region: us-east-1, create: {cidr: 10.30.0.0/20}}\n'
    estate = estate_of(tmp_path, HYBRID + "clusters: {prod: {region: us-east-1, max_nodes: 30}}\n" + made)
    told = write.yours(found_in(estate))
    assert told["clusters"]["prod"] == {
        "id": None,
        "product": {"value": "hybrid", "is_default": False},
        "region": {"value": "us-east-1", "is_default": False},
        "account_id": {"value": "222222222222", "is_default": False},
        "node_type": {"value": "m5.xlarge", "is_default": True},
        "max_nodes": {"value": 30, "is_default": False},
        "db_type": {"value": "db.m6g.large", "is_default": True},
        "cidr": {"value": "172.20.0.0/20", "is_default": True},
        "pod_cidr": {"value": None, "is_default": False},
        "additional_cidrs": {},
    }
    edge = {"account_id": "111111111111", "region": "us-east-1", "cidrs": ["10.30.0.0/20"], "dns_servers": []}
    assert told["networks"]["edge"] == {
        "status": "not deployed",
        "deployed": False,
        "changed": None,
        "vpc_id": None,
        **edge,
    }
    created = {"network-edge": Deployed("deployed", vpc_id="vpc-0made")}
    assert write.yours(found_in(estate, created))["networks"]["edge"]["vpc_id"] == "vpc-0made"
    assert "vpc-0made" in write.your_page(found_in(estate, created))


def test_dns_servers_are_null_until_they_are_known() -> None:
    estate = load(ROOT / "examples/dns_forwarding.yaml")

    def told(servers: Any) -> Any:
        facts = {"lake-dns": {"servers": servers}} if servers else {}
        found = found_in(estate, {"network-lake": Deployed("deployed", facts=facts)})
        return write.yours(found)["networks"]["lake"]["dns_servers"]

    assert told(None) is None
    assert told(["10.20.0.10", "10.20.1.7"]) == ["10.20.0.10", "10.20.1.7", "10.20.8.2"]


KEYS = [
    "rules",
    "id",
    "peering_id",
    "corp",
    "service",
    "cidrs",
    "associate",
    "prod",
    "roles",
    "peering_status",
    "a",
    "servers",
]


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.lists(st.text()),
        lambda one: st.dictionaries(st.sampled_from(KEYS), one),
    )
)
def test_outputs_of_any_shape_are_printed(value: Any) -> None:
    for name in ("resolver_rules", "hosted_zone", "vpn", "service_quotas", "private_link"):
        estate = load(ROOT / f"examples/{name}.yaml")
        entries = [*estate.connections, "cross_account_role", "service_quotas"]
        facts = value if isinstance(value, dict) else {}
        found = found_in(
            estate,
            {stack.name: Deployed("deployed", facts=dict.fromkeys(entries, facts)) for stack in stacks_of(estate)},
        )
        for page in (write.your_page, write.ticket_page, write.team_page):
            assert page(found)
        for values in (write.yours, write.astronomers, write.network_teams):
            assert json.dumps(values(found))


def test_external_text_is_sanitized(tmp_path: Path) -> None:
    hostile = "a\x1b[31m\u202e` <img src=x> | [x](http://evil.example)\n# Title"
    file = tmp_path / "outputs.json"
    facts = {"lake-prod": {"peering_status": hostile, "note": hostile}}
    file.write_text(json.dumps({"network-lake": {"handoff": facts}}))
    estate = estate_of(tmp_path, BASE)
    found = report(estate, read(estate, file, tmp_path, {}), {})
    page = write.your_page(found)
    assert not set(page) & {"\x1b", "\u202e"}
    assert "| note | `a\ufffd[31m\ufffd' <img src=x> \\| [x](http://evil.example) # Title` |" in page.splitlines()
    assert harmless({"a\x07": ["\u2028", "\n", 1]}) == {"a\ufffd": ["\ufffd", "\n", 1]}


def test_the_map_has_every_entry_and_dots_what_is_not_built(estate: Estate) -> None:
    assert flowchart(found_in(estate, {"network-lake": LAKE})).splitlines() == [
        "flowchart LR",
        '  subgraph astro["Astro clusters"]',
        '    cluster_prod["prod<br/>hosted-dedicated<br/>us-east-1<br/>172.20.0.0/20<br/>100.64.0.0/19"]',
        '    cluster_dev["dev<br/>hosted-dedicated<br/>us-east-1<br/>172.21.0.0/20"]',
        "  end",
        '  subgraph yours["Your networks"]',
        '    network_lake["lake<br/>111111111111<br/>us-east-1<br/>10.20.0.0/16"]',
        "  end",
        '  connection_lake_prod(["lake-prod<br/>vpc_peering<br/>built"])',
        "  network_lake --- connection_lake_prod",
        "  connection_lake_prod --- cluster_prod",
        '  connection_lake_dev(["lake-dev<br/>vpc_peering<br/>waiting"])',
        "  network_lake -.- connection_lake_dev",
        "  connection_lake_dev -.- cluster_dev",
    ]


def test_the_map_hangs_a_vpn_on_its_transit_gateway(tmp_path: Path) -> None:
    estate = estate_of(
        tmp_path,
        BASE[: BASE.index("connections:")].replace(
            "route_tables", "subnets: {a: subnet-0aaaaaaaaaaaaaaaa}, route_tables"
        )
        + """\
connections:
  hub: {type: transit_gateway, network: lake, clusters: [prod], create: {}}
  office:
    type: vpn
    network: lake
    gateways: {a: {ip: 203.0.113.10}, b: {}}
    bgp_asn: 65010
    transit_gateway_of: hub
  plant: {type: vpn, network: lake, gateways: {main: {ip: 198.51.100.20}}, bgp_asn: 65020}
""",
    )
    chart = flowchart(found_in(estate)).splitlines()
    assert chart[chart.index("  end", chart.index("  end") + 1) + 1 :] == [
        '  connection_hub(["hub<br/>transit_gateway<br/>waiting"])',
        "  network_lake -.- connection_hub",
        "  connection_hub -.- cluster_prod",
        '  connection_office(["office<br/>vpn<br/>waiting<br/>a 203.0.113.10<br/>b"])',
        "  connection_hub -.- connection_office",
        '  connection_plant(["plant<br/>vpn<br/>not deployed<br/>main 198.51.100.20"])',
        "  network_lake -.- connection_plant",
    ]


def parse(chart: str) -> subprocess.CompletedProcess[str]:
    command = ["node", "tests/support/mermaid.mjs"]
    return subprocess.run(command, cwd=ROOT, input=chart, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_mermaid_reads_the_map(file: Path) -> None:
    read = parse(flowchart(found_in(load(file))))
    assert (read.returncode, read.stdout.strip()) == (0, "flowchart-v2"), read.stderr


@pytest.mark.slow
def test_mermaid_would_not_read_a_broken_map() -> None:
    assert parse('flowchart LR\n  a["x" --> b\n').returncode != 0


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


def signed_in(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


STATE = {"version": 4, "resources": [{}], "outputs": {"handoff": {"value": {"lake-prod": PEERED}, "type": "x"}}}


def test_state_is_read_from_the_bucket_of_the_file(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    signed_in(monkeypatch, aws.environment("111111111111"))
    estate = estate_of(tmp_path, BASE)

    def told() -> Deployed:
        return read(estate, None, tmp_path / "not/there", {})["network-lake"]

    where = "s3://acme-astro-tfstate/acme/network-lake.tfstate"
    assert told() == Deployed("not read", f"AWS returned NoSuchBucket for GetObject of {where}")
    s3 = aws.client("s3", "111111111111")
    s3.create_bucket(Bucket="acme-astro-tfstate")
    assert told() == Deployed("not deployed")
    for content, expected in (
        (json.dumps(STATE), Deployed("deployed", facts={"lake-prod": PEERED})),
        (json.dumps({"version": 4, "resources": [], "outputs": {}}), Deployed("not deployed")),
        ("<html>", Deployed("not read", f"{where} is not a Terraform state")),
        ("[]", Deployed("not read", f"{where} is not a Terraform state")),
    ):
        s3.put_object(Bucket="acme-astro-tfstate", Key="acme/network-lake.tfstate", Body=content)
        assert told() == expected
    before = s3.list_objects_v2(Bucket="acme-astro-tfstate")["KeyCount"]
    assert before == 1


def test_an_unreadable_state_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    estate = estate_of(tmp_path, BASE)
    signed_in(
        monkeypatch,
        {
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
        },
    )
    (stack,) = read(estate, None, tmp_path, {}).values()
    assert (stack.status, "127.0.0.1:9" in str(stack.why)) == ("not read", True)
    page = write.your_page(report(estate, {"network-lake": stack}, {}))
    assert "not deployed" not in page
    assert "network-lake not read: Could not connect" in page


def test_without_s3_an_uninitialized_stack_is_not_read(tmp_path: Path) -> None:
    estate = estate_of(tmp_path, HYBRID)
    found = read(estate, None, tmp_path / "stacks", {"PATH": ""})
    assert {stack.status for stack in found.values()} == {"not read"}
    (tmp_path / "stacks/account/.terraform").mkdir(parents=True)
    found = read(estate, None, tmp_path / "stacks", {"PATH": ""})
    assert str(found["account"].why).startswith("`terraform` is not on the PATH.")
    # The stack of that name belongs to another estate.
    (tmp_path / "manifest.json").write_text('{"estate": "meridian"}')
    whys = {stack.why for stack in read(estate, None, tmp_path / "stacks", {"PATH": ""}).values()}
    (why,) = whys
    assert str(why).startswith(
        f"{tmp_path} contains the Terraform of estate 'meridian', and this file is estate 'acme'"
    )


def test_an_outputs_file_covers_only_its_stacks(tmp_path: Path) -> None:
    estate, file = estate_of(tmp_path, BASE), tmp_path / "outputs.json"
    outputs = {
        "handoff": {"lake-prod": PEERED},
        "other": "kept out",
        "deployed": {"vpc_id": "vpc-1", "digests": {"a": "b"}},
    }
    file.write_text(json.dumps({"network-lake": outputs, "x": {}}))
    expected = Deployed("deployed", facts={"lake-prod": PEERED}, vpc_id="vpc-1", digests={"a": "b"})
    assert read(estate, file, tmp_path, {}) == {"network-lake": expected}
    # cdktf itself names them by the IDs of their constructs.
    ids = synth_all(estate, tmp_path / "out")["network-lake"]["//"]["outputs"]["network-lake"]
    file.write_text(json.dumps({"network-lake": {id_: outputs[name] for id_, name in ids.items()}}))
    assert read(estate, file, tmp_path, {}) == {"network-lake": expected}
    file.write_text("{}")
    assert read(estate, file, tmp_path, {})["network-lake"].status == "not read"


OF_ANOTHER_SHAPE = (
    ' has no output `handoff` by stack and entry, such as {"network-lake": {"handoff": {"lake-peering": {...}}}}'
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name: acme", ": is not JSON: Expecting value on line 1, column 1 of that file"),
        ("", ": is not JSON: Expecting value on line 1, column 1 of that file"),
        ("\udcff", ": is not UTF-8 text (byte 0); save it as UTF-8"),
        ("[" * 100_000, ": is nested deeper than 100 levels"),
        ("[]", OF_ANOTHER_SHAPE),
        ("null", OF_ANOTHER_SHAPE),
        ('{"network-lake": null}', OF_ANOTHER_SHAPE),
        ('{"network-lake": {"other": "x"}}', OF_ANOTHER_SHAPE),
        ('{"handoff": {"sensitive": false, "value": {}}}', OF_ANOTHER_SHAPE),
    ],
)
def test_an_outputs_file_not_from_cdktf_is_refused(tmp_path: Path, content: str, said: str) -> None:
    file, estate = tmp_path / "outputs.json", estate_of(tmp_path, BASE)
    file.write_text(content, errors="surrogateescape")
    with pytest.raises(UserError) as caught:
        read(estate, file, tmp_path, {})
    assert str(caught.value) == f"{file}{said}; pass the file that `cdktf deploy --outputs-file FILE` wrote"


def test_a_missing_outputs_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"outputs\.json: does not exist; pass the file"):
        read(estate_of(tmp_path, BASE), tmp_path / "outputs.json", tmp_path, {})


def test_the_command_prints_for_each_reader(tmp_path: Path) -> None:
    file, outputs = tmp_path / "astro.yaml", tmp_path / "outputs.json"
    file.write_text(BASE)
    digests = synthesized(load(file), tmp_path / "synth")["network-lake"]
    told = {"handoff": {"lake-prod": PEERED, "lake-dev": WAITING}, "deployed": {"digests": digests}}
    outputs.write_text(json.dumps({"network-lake": told}))
    given = ("handoff", str(file), "--outputs", str(outputs))
    code, out, err = run(*given)
    assert (code, err) == (0, "")
    assert "| connections.lake-prod | vpc_peering | network-lake | built |  |\n" in out
    code, out, err = run(*given, "--json")
    entry = json.loads(out)["connections"]["lake-prod"]
    assert (code, entry["status"], entry["changed"]) == (0, "built", False)
    assert run(*given, "--for", "astronomer") == (0, "Nothing to request from Astronomer.\n\n", "")
    assert json.loads(run(*given, "--for", "astronomer", "--json")[1]) == {"tickets": []}
    assert run(*given, "--for", "network-team")[0] == 0
    file.write_text(BASE.replace("172.20.0.0/20", "172.20.16.0/20"))
    assert "| connections.lake-prod | vpc_peering | network-lake | changed |  |\n" in run(*given)[1]
    code, out, err = run("handoff", str(file), "--outputs", str(file))
    assert (code, out) == (2, "")
    assert str(file) in err


def test_the_command_exits_with_4_where_a_state_was_not_read(tmp_path: Path) -> None:
    (tmp_path / "astro.yaml").write_text(
        BASE.replace("{backend: s3, bucket: acme-astro-tfstate, region: us-east-1}", "{backend: none}")
    )
    code, out, err = run("handoff", str(tmp_path / "astro.yaml"), CDKTF_OUTDIR=str(tmp_path / "out"))
    assert code == 4
    assert "| connections.lake-prod | vpc_peering | network-lake | not read |  |\n" in out
    assert err.startswith("network-lake was not read: Terraform is not initialized in ")


@pytest.mark.terraform
def test_the_command_reads_what_terraform_deployed(tmp_path: Path) -> None:
    text = (ROOT / "examples/vpc_peering.yaml").read_text()
    file, out = tmp_path / "astro.yaml", tmp_path / "out"
    file.write_text(re.sub(r"^state: .*$", "state: {backend: none}", text, flags=re.MULTILINE))
    with LocalAws() as aws:
        aws.make(facts_of(load(file)))
        stack = synth(file, out, hcl=False)["network-lake"]
        environment = cli_environment(stack, {**os.environ, **aws.environment("111111111111")})
        terraform = Terraform(find_terraform(environment), environment)
        terraform.init(stack)
        empty = run("handoff", str(file), "--json", CDKTF_OUTDIR=str(out))
        terraform.apply(stack)
    code, said, err = run("handoff", str(file), "--json", CDKTF_OUTDIR=str(out))
    assert (empty[0], code, err) == (0, 0, "")
    assert json.loads(empty[1])["connections"]["lake-peering"]["status"] == "not deployed"
    told = json.loads(said)["connections"]["lake-peering"]
    assert (told["status"], told["changed"], told["facts"]["peering_id"]) == ("built", False, "pcx-0123456789abcdef0")
    (stack / "terraform.tfstate").write_text("no state")
    code, said, err = run("handoff", str(file), CDKTF_OUTDIR=str(out))
    assert code == 4
    assert "output -json" in err


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH: the map is read by Mermaid's parser, not drawn")
def test_a_browser_draws_the_map_of_everything(tmp_path: Path) -> None:
    estate = load(ROOT / "examples/complete.yaml")
    page = tmp_path / "map.html"
    script = (ROOT / "node_modules/mermaid/dist/mermaid.min.js").as_uri()
    drawing = html.escape(flowchart(found_in(estate)))
    page.write_text(f'<meta charset="utf-8"><pre class="mermaid">{drawing}</pre><script src="{script}"></script>')
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={tmp_path}/user"]
    command += ["--allow-file-access-from-files", "--virtual-time-budget=20000", "--dump-dom", page.as_uri()]
    drawn = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Syntax error" not in drawn
    assert re.search(r"<svg[^>]* aria-roledescription=\"flowchart", drawn)
    for name in (*estate.clusters, *estate.networks, *estate.connections):
        assert name in drawn, name
