"""The readers of each fact: a table over every type, compared with the stacks' outputs and with each page."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from estate.load import load
from estate.model import Estate
from estate.plan import stacks_of
from operations.handoff import write
from operations.handoff.read import Deployed
from operations.handoff.status import Report, report
from tests.support import EXAMPLES
from tests.support.synth import synth_all

A, N, YOU = {"astronomer"}, {"network team"}, set[str]()
READERS: Mapping[str, Mapping[str, set[str]]] = {
    "cross_account_role": {"account_id": A, "role_arn": A, "policies": YOU, "note": YOU},
    "policy_alarm": {"alarm": YOU, "log_group": YOU, "topic_arn": YOU, "unconfirmed.*": YOU},
    "opt_in_region": {"*": YOU},
    "service_quotas": {"*.quota": YOU, "*.asked": YOU, "*.request_id": YOU, "*.request_status": YOU},
    "dns_forwarding": {"account_id": YOU, "region": YOU, "domains": A | N, "servers": A | N},
    "egress_domains": {"domains": N, "rule_group_id": YOU},
    "egress_hub": {
        "account_id": A,
        "region": A,
        "transit_gateway_id": A,
        "public_ips": A,
        "route_table_id": YOU,
        "attachment_id": YOU,
        "public_route_tables.*": YOU,
        "public_route_tables.public": YOU,
    },
    "hosted_zone": {"account_id": YOU, "zone_id": A, "domain": A, "associate.*": A, "vpc_ids": YOU},
    "ip_allowlist": {
        "account_id": YOU,
        "region": YOU,
        "addresses": YOU,
        "prefix_list_id": YOU,
        "bucket_policies.*": YOU,
    },
    "network_rules": {
        "account_id": YOU,
        "region": YOU,
        "open_to.*": YOU,
        "security_groups": YOU,
        "network_acls": YOU,
    },
    "peering_role": {
        "account_id": A,
        "region": A,
        "vpc_id": A,
        "cidrs": A,
        "cluster_id": YOU,
        "role_arn": A,
        "expires": A,
    },
    "private_link": {
        "account_id": YOU,
        "region": A,
        "service.service_name": A,
        "service.availability_zones": YOU,
        "service.availability_zone_ids": A,
        "service.private_dns_record": YOU,
        "endpoints.*.id": YOU,
        "endpoints.*.service": YOU,
        "endpoints.*.dns_names": YOU,
    },
    "remote_agents": {
        "account_id": A,
        "region": A,
        "endpoint_id": A,
        "dns_names": YOU,
        "domain": YOU,
        "zone_id": YOU,
    },
    "resolver_rules": {
        "account_id": YOU,
        "region": N,
        "rules.*.id": A,
        "rules.*.domain": N,
        "resource_share_arn": YOU,
        "endpoint_ips": N,
    },
    "transit_gateway": {
        "account_id": N,
        "region": N,
        "cidrs": A | N,
        "transit_gateway_id": A | N,
        "resource_share_arn": YOU,
        "route_tables.clusters": YOU,
        "route_tables.network": YOU,
    },
    "vpc_peering": {
        "account_id": A,
        "region": A,
        "vpc_id": A,
        "cidrs": A,
        "peering_id": YOU,
        "peering_status": YOU,
    },
    "vpn": {
        "*.vpn_connection_id": N,
        "*.ip": YOU,
        "*.bgp_asn": YOU,
        "*.static_routes.*": YOU,
        "*.note": YOU,
        "*.tunnels.1.aws_ip": N,
        "*.tunnels.1.aws_inside_ip": N,
        "*.tunnels.1.your_inside_ip": N,
        "*.tunnels.1.inside_cidr": N,
        "*.tunnels.1.aws_bgp_asn": N,
        "*.tunnels.2.aws_ip": N,
        "*.tunnels.2.aws_inside_ip": N,
        "*.tunnels.2.your_inside_ip": N,
        "*.tunnels.2.inside_cidr": N,
        "*.tunnels.2.aws_bgp_asn": N,
        "*.transit_gateway_attachment_id": N,
        "*.preshared_keys_secret": YOU,
    },
    "workload_identity": {"account_id": YOU, "roles.*": YOU},
}
"""The facts of each type, and their readers besides you. Astronomer's are those that its pages request,
and the zones of your endpoint service, by ID."""


def names_in(value: Any) -> Iterator[str]:
    """Return the names that the user chose in an entry, which are the keys of its maps."""
    if isinstance(value, BaseModel):
        for field in type(value).model_fields.keys() - {"dr"}:
            yield from names_in(getattr(value, field))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from names_in(item)


class HandedOver:
    """An example with its synthesized facts, in which a mark for its path replaces each leaf."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.estate = load(file)
        synthesized = synth_all(self.estate, folder)
        self.facts = {name: one["output"]["handoff"]["value"] for name, one in synthesized.items()}
        self.keys: dict[str, set[str]] = {}
        self.marks: dict[str, tuple[str, str]] = {}

    def type_of(self, entry: str) -> str:
        connection = self.estate.connections.get(entry)
        return connection.type if connection else entry

    def marked(self) -> dict[str, Deployed]:
        stacks = {stack.name: Deployed("not deployed") for stack in stacks_of(self.estate)}
        for stack, entries in self.facts.items():
            stacks[stack] = Deployed(
                "deployed", facts={entry: self._mark(entry, facts, ()) for entry, facts in entries.items()}
            )
        return stacks

    def _mark(self, entry: str, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, Mapping):
            return {key: self._mark(entry, item, (*path, key)) for key, item in value.items()}
        known = set(names_in(self.estate.connections.get(entry) or self.estate.account)) | set(self.estate.clusters)
        known |= {*(f"{name}-2" for name in known)}
        if entry in ("opt_in_region", "service_quotas"):
            known |= {path[0]}
        if path[:1] == ("open_to",):
            known |= {*path[1:]}
        key = ".".join("*" if part in known and part != "service" else part for part in path)
        self.keys.setdefault(self.type_of(entry), set()).add(key)
        mark = f"mark{len(self.marks)}end"
        self.marks[mark] = (self.type_of(entry), key)
        return [mark] if isinstance(value, list) else mark


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[HandedOver]:
    # A fact that no example has.
    named = tmp_path_factory.mktemp("named") / "private_link.yaml"
    text = (EXAMPLES[0].parent / "private_link.yaml").read_text()
    assert text.count("    service:\n") == 1
    named.write_text(text.replace("    service:\n", "    service:\n      private_dns_name: orders.acme.example\n"))
    return [HandedOver(file, tmp_path_factory.mktemp(file.stem)) for file in (*EXAMPLES, named)]


def shown(example: HandedOver, page: str) -> set[tuple[str, str]]:
    return {example.marks[mark] for mark in re.findall(r"mark\d+end", page)}


def allowed(reader: set[str]) -> set[tuple[str, str]]:
    return {(type_, key) for type_, keys in READERS.items() for key, readers in keys.items() if reader <= readers}


def pages(found: Report) -> dict[str, tuple[str, set[str]]]:
    return {
        "tickets": (write.ticket_page(found) + json.dumps(write.astronomers(found)), A),
        "page of the network team": (write.team_page(found) + json.dumps(write.network_teams(found)), N),
    }


def test_each_reader_gets_the_facts_of_the_table_and_no_other(examples: list[HandedOver]) -> None:
    keys: dict[str, set[str]] = {}
    seen: dict[str, set[tuple[str, str]]] = {}
    for example in examples:
        found = report(example.estate, example.marked(), {})
        for page, (text, reader) in pages(found).items():
            got = shown(example, text)
            assert got <= allowed(reader), f"{page} of {example.estate.name}"
            seen.setdefault(page, set()).update(got)
        for type_, found_keys in example.keys.items():
            keys.setdefault(type_, set()).update(found_keys)
    # A fact of a construct must be listed above before any page shows it.
    assert {type_: sorted(found_keys) for type_, found_keys in keys.items()} == {
        type_: sorted(listed) for type_, listed in READERS.items()
    }
    assert seen == {"tickets": allowed(A), "page of the network team": allowed(N)}


def test_no_key_secret_alarm_or_policy_leaves_your_own_page(examples: list[HandedOver]) -> None:
    kept = {"preshared_keys_secret", "alarm", "log_group", "topic_arn", "bucket_policies", "policies"}
    given = {(type_, key) for type_, keys in READERS.items() for key, readers in keys.items() if readers}
    assert not {(type_, key) for type_, key in given if kept & set(key.split("."))}
    for example in examples:
        mine = shown(example, write.your_page(report(example.estate, example.marked(), {})))
        assert {key for _, key in mine if kept & set(key.split("."))} == {
            key for keys in example.keys.values() for key in keys if kept & set(key.split("."))
        }


def test_an_estate_that_is_not_deployed_names_no_fact_of_a_stack() -> None:
    for file in EXAMPLES:
        estate: Estate = load(file)
        found = report(estate, {stack.name: Deployed("not deployed") for stack in stacks_of(estate)}, {})
        text = "".join(text for text, _ in pages(found).values())
        assert "${" not in text
        assert "rslvr-rr-" not in text
