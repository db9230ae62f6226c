"""Mistakes that AWS or `terraform validate` would report too late, each with its exact message and position.

Other tests cover these mistakes:

- test_estate.py: overlapping ranges (B13, the local AWS peers equal ones), entries that do not exist, account IDs as
  numbers, duplicate keys, and tag keys that begin with `aws:`
- test_estate.py: files that are empty, huge, not YAML, or alias bombs
- test_guards.py: external IDs (B10), which are in no file
- tests/unit/modules: the mistakes of each type

An estate cannot express these mistakes:

- the content of the trust policy, its principals (B11, B28 if no type shares an endpoint service) or a region in it
- a requester block (B15)
- a custom CloudWatch filter pattern (B5), which would need balanced parentheses
- a trail's bucket without its policy
- a route to an existing NAT or internet gateway
- an unknown endpoint service, or private DNS on an endpoint without DNS hostnames
- the size of a prefix list, which is the number of its entries
- the region of a transit gateway, which its ID does not contain: the regions of network and clusters are compared
"""

import cProfile
import json
import time
from pathlib import Path
from typing import Any

import pytest

from estate.load import EstateError, load
from tests.support.catalogue import ENTRIES
from tests.support.estates import BASE, changed, mistakes
from tools.evidence import record


def statements(*actions: int, effect: str = "Allow", **more: Any) -> str:
    """Return a policy with a statement for each number, which has that number of actions of 64 characters."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": effect, "Action": [f"s3:{'A' * 58}{n:03}" for n in range(count)], "Resource": "*", **more}
                for count in actions
            ],
        }
    )


POLICIES = {
    "good": statements(1),
    "too-large": statements(100),
    "too-many": statements(*[60] * 11),
    "misspelt": statements(1, effect="Alow"),
    "trust": statements(1, Principal={"AWS": "*"}),
    "yaml": "Version: 2012-10-17\n",
    "expression": statements(1).replace('"*"', '"arn:aws:s3:::home-${var.username}"'),
    "array": "[" * 100_000,
}


def account(policy: str = "good", more: str = "") -> tuple[str, str]:
    """Return a change of the base that adds an account with this policy file."""
    role = f"cross_account_role: {{policy_file: {policy}.json}}"
    section = f"account: {{account_id: '222222222222', region: us-east-1, {role}{more}}}"
    return "connections:\n", f"{section}\nconnections:\n"


def connection(fields: str, name: str = "x", network: str = "lake") -> tuple[str, str]:
    """Return a change of the base that adds a connection, in line 10."""
    return "connections:\n", f"connections:\n  {name}: {{network: {network}, {fields}}}\n"


def vpn(fields: str, gateways: str = "{a: {ip: 203.0.113.10}}") -> tuple[str, str]:
    return connection(f"type: vpn, gateways: {gateways}, {fields}")


def hub(fields: str) -> tuple[str, str]:
    return connection(f"type: transit_gateway, clusters: [prod], {fields}")


def dns(fields: str) -> tuple[str, str]:
    return connection(f"type: resolver_rules, clusters: [prod], {fields}")


CORP = "rules: {corp: {domain: corp.acme.example, targets: [10.8.0.2]}}"
GATEWAY = "transit_gateway_id: tgw-0123456789abcdef0"
TABLES = "route_tables: {clusters: tgw-rtb-0aaaaaaaaaaaaaaaa, network: tgw-rtb-0bbbbbbbbbbbbbbbb}"
NETWORKS_ON = BASE[BASE.index("networks:") :]
PEERING = "type: vpc_peering, cluster: prod, network: lake, peering_id: pcx-0123456789abcdef0"
HUB = f"type: transit_gateway, clusters: [prod], network: lake, {GATEWAY}"
OFFICE = "on_premises: {office: {cidr: 10.8.0.0/16, attachment_id: tgw-attach-0aaaaaaaaaaaaaaaa}}"

MISTAKES: dict[str, tuple[tuple[str, str], list[str]]] = {
    "B5 a filter of one's own, which could be broken": (
        account(more=', policy_alarm: {subscribers: {a: a@b.example}, filter: "{ ($.eventName = x"}'),
        [
            (
                "9:158: account.policy_alarm.filter: '{ ($.eventName = x' is not one of 'corrected', "
                "'astronomer-hybrid' or 'astronomer-preview'"
            )
        ],
    ),
    "B8 an alarm without a subscriber": (
        account(more=", policy_alarm: {}"),
        [
            (
                "9:118: account.policy_alarm: has neither subscribers nor topic_arn; set one: subscribers of a new "
                "topic, or your own topic"
            )
        ],
    ),
    "B9 a statement that no policy has room for": (
        account("too-large"),
        [
            (
                "9:92: account.cross_account_role.policy_file: 'too-large.json' has 6,783 characters in statement"
                " 1 alone, and a policy can have 6,144; write it as several statements with some of its "
                "actions each"
            )
        ],
    ),
    "B9 more policies than a role may have": (
        account("too-many"),
        [
            (
                "9:92: account.cross_account_role.policy_file: 'too-many.json' needs 11 policies, and a role "
                "can have 10; shorten it"
            )
        ],
    ),
    "B9 a policy file that is not there": (
        account("nowhere"),
        [
            (
                "9:92: account.cross_account_role.policy_file: 'nowhere.json' does not exist, relative to this "
                "file; save the policy document there (Astronomer's own with `main.py policy fetch`)"
            )
        ],
    ),
    "B9 a policy file whose name no file can have": (
        account("a" * 300),
        [f"9:92: account.cross_account_role.policy_file: '{'a' * 57}...' cannot be read: File name too long"],
    ),
    "B9 a policy that is not JSON": (
        account("yaml"),
        [
            (
                "9:92: account.cross_account_role.policy_file: 'yaml.json' is not JSON: Expecting value on line "
                "1, column 1 of that file"
            )
        ],
    ),
    "B9 a policy that is nested without end": (
        account("array"),
        [("9:92: account.cross_account_role.policy_file: 'array.json' is nested deeper than 100 levels")],
    ),
    "B9 an effect that validate takes": (
        account("misspelt"),
        [
            (
                "9:92: account.cross_account_role.policy_file: 'misspelt.json' is not a "
                'valid IAM policy document: statement 1 has the Effect "Alow"; allowed: Allow, Deny'
            )
        ],
    ),
    "B9 an expression of Terraform's in the policy": (
        account("expression"),
        [
            (
                "9:92: account.cross_account_role.policy_file: 'expression.json' is not a "
                "valid IAM policy document: it has ${var.username}, which is not an IAM variable; allowed: "
                "${service:Key}, "
                "such as ${aws:PrincipalTag/team}"
            )
        ],
    ),
    "B11 a trust statement in the policy": (
        account("trust"),
        [
            (
                "9:92: account.cross_account_role.policy_file: 'trust.json' is not a "
                "valid IAM policy document: statement 1 has Principal (a principal belongs to a trust "
                "policy); allowed: Action, "
                "Condition, Effect, NotAction, NotResource, Resource, Sid"
            )
        ],
    ),
    "B10 an external ID in the file": (
        account(more=", external_id: hunter2"),
        ["9:104: account.external_id: is not a valid key here; allowed: account_id, confirmed, cross_account_role ..."],
    ),
    "B30 a Slack webhook in the file": (
        account(more=", policy_alarm: {subscribers: {slack: 'https://hooks.slack.com/services/T0/B0/hunter2'}}"),
        [
            (
                "9:140: account.policy_alarm.subscribers.slack: is a Slack webhook, which does not support SNS"
                " and is also a secret; configure Slack in AWS Chatbot and write "
                "https://global.sns-api.chatbot.amazonaws.com"
            )
        ],
    ),
    "B17 host bits in a static route": (
        vpn("static_routes: {office: 10.8.0.1/16}"),
        [
            (
                "10:92: connections.x.static_routes.office: '10.8.0.1/16' has host bits set, which AWS refuses; "
                "write 10.8.0.0/16"
            )
        ],
    ),
    "B17 host bits in a range of the VPC": (
        ("10.20.0.0/16", "10.20.0.1/16"),
        [("8:96: networks.lake.cidrs.0: '10.20.0.1/16' has host bits set, which AWS refuses; write 10.20.0.0/16")],
    ),
    "B17 a netmask instead of a length": (
        ("10.20.0.0/16", "10.20.0.0/255.255.0.0"),
        [
            (
                "8:96: networks.lake.cidrs.0: '10.20.0.0/255.255.0.0' is not a valid range for a VPC; allowed: an IPv4 "
                "range of /16 to /28"
            )
        ],
    ),
    "B18 on-premises ranges through a peering": (
        connection("type: vpc_peering, cluster: prod, on_premises: {office: 10.8.0.0/16}"),
        [
            (
                "10:56: connections.x.on_premises: is not a valid key here; allowed: cluster, confirmed, dr, ingress, "
                "network, peering_id, resolve_dns, type"
            )
        ],
    ),
    "B19 a root ARN as a principal": (
        hub(GATEWAY + ', share_with: ["arn:aws:iam::333333333333:root"]'),
        [
            (
                "10:119: connections.x.share_with.0: 'arn:aws:iam::333333333333:root' is not a principal that "
                "AWS RAM can share with; allowed: an account's 12 digits in quotes (not arn:...:root), or the "
                "ARN of an "
                "organization or organizational unit, such as \"222222222222\"; did you mean '333333333333'?"
            )
        ],
    ),
    "B19 an account as a number": (
        hub(GATEWAY + ", share_with: [333333333333]"),
        [
            (
                "10:119: connections.x.share_with.0: '333333333333' is not a principal that AWS RAM can share "
                "with; YAML read"
                " a number, so put it in quotes; allowed: an account's 12 digits in quotes (not arn:...:root), or"
                ' the ARN of an organization or organizational unit, such as "222222222222"'
            )
        ],
    ),
    "B20 an ASN that is not private": (
        hub("create: {asn: 65535}"),
        [
            (
                "10:6: connections.x.attach_network: attaches a network without subnets; add `subnets` to it, one in "
                "each availability zone"
            ),
            (
                "10:77: connections.x.create.asn: '65535' is not a private ASN; allowed: 64512 to 65534 and "
                "4200000000 to 4294967294"
            ),
        ],
    ),
    "B20 an attachment and a blackhole for one range": (
        hub(f"{GATEWAY}, {TABLES}, {OFFICE}, blackholes: {{office: 10.8.0.0/16}}"),
        [
            (
                "10:6: connections.x: has 10.8.0.0/16 as a route (on_premises.office) and as a blackhole "
                "(blackholes.office); remove one"
            )
        ],
    ),
    "A15 a gateway in another region": (
        (NETWORKS_ON, NETWORKS_ON.replace("us-east-1", "us-west-2").replace(PEERING, HUB)),
        [
            (
                "10:49: connections.lake-prod.clusters.0: 'prod' is in us-east-1 and the gateway in us-west-2; a "
                "peering between gateways needs static routes: set route_tables, or use a network and gateway in the "
                "cluster's region"
            )
        ],
    ),
    "B22 a rule without targets": (
        dns("endpoint_id: rslvr-out-0123456789abcdef0, rules: {corp: {domain: corp.acme.example}}"),
        [
            (
                "10:118: connections.x.rules.corp: has neither rule_id nor domain and targets; set rule_id, "
                "or domain and targets"
            )
        ],
    ),
    "B22 a new rule without an endpoint": (
        dns(CORP),
        [
            (
                "10:6: connections.x: has neither endpoint_id nor endpoint; set one: an existing outbound endpoint "
                "for corp, or `endpoint: {}`"
            ),
            (
                "10:6: connections.x: needs two subnets in different availability zones for a new endpoint, and "
                "network 'lake' lists none; add them to networks.lake.subnets, or set endpoint_id"
            ),
        ],
    ),
    "B22 a forwarding without an endpoint or servers": (
        connection("type: dns_forwarding, clusters: [prod], domains: [corp.acme.example]"),
        [
            (
                "10:6: connections.x: has neither servers nor endpoint; set one: the addresses of existing servers, or "
                "a new endpoint"
            ),
            (
                "10:6: connections.x: needs two subnets in different availability zones for a new endpoint, and "
                "network 'lake' lists none; add them to networks.lake.subnets, or set servers"
            ),
        ],
    ),
    "B22 an endpoint with one address": (
        dns("endpoint: {subnets: [a]}, " + CORP),
        ["10:82: connections.x.endpoint.subnets: this has too few entries (1); the minimum is 2"],
    ),
    "B22 an endpoint in a network without subnets": (
        dns("endpoint: {}, " + CORP),
        [
            (
                "10:72: connections.x.endpoint: needs two subnets in different availability zones; list them "
                "in the network's subnets (available: none)"
            )
        ],
    ),
    "B22 a name of digits only": (
        dns("endpoint_id: rslvr-out-0123456789abcdef0, " + CORP.replace("corp:", '"42":')),
        [
            (
                "10:112: connections.x.rules.42: '42' is not a name; allowed: 1 to 31 lowercase letters, digits "
                'and single hyphens, beginning with a letter, such as "data-lake"'
            )
        ],
    ),
    "B24 an inside range that AWS keeps": (
        vpn("bgp_asn: 65010", "{a: {ip: 203.0.113.10, tunnel1_inside_cidr: 169.254.0.0/30}}"),
        [
            (
                "10:87: connections.x.gateways.a.tunnel1_inside_cidr: '169.254.0.0/30' is reserved by AWS; take a"
                " /30 of 169.254.6.0 to 169.254.168.255, for example"
            )
        ],
    ),
    "B24 an inside range of elsewhere": (
        vpn("bgp_asn: 65010", "{a: {ip: 203.0.113.10, tunnel1_inside_cidr: 10.0.0.0/30}}"),
        [
            (
                "10:87: connections.x.gateways.a.tunnel1_inside_cidr: '10.0.0.0/30' is not a valid inside range for a "
                "tunnel; allowed: an IPv4 range of /30 inside 169.254.0.0/16"
            )
        ],
    ),
    "B24 one inside range for both tunnels": (
        vpn(
            "bgp_asn: 65010",
            "{a: {ip: 203.0.113.10, tunnel1_inside_cidr: 169.254.10.0/30, tunnel2_inside_cidr: 169.254.10.0/30}}",
        ),
        ["10:43: connections.x.gateways: has the inside range 169.254.10.0/30 twice; each must be unique"],
    ),
    "B25 a key in the file": (
        vpn("bgp_asn: 65010, preshared_keys: hunter2hunter2"),
        [("10:100: connections.x.preshared_keys: this is not one of 'secrets-manager', 'state' or 'variable'")],
    ),
    "B26 group 5 in phase 1": (
        vpn("bgp_asn: 65010, tunnels: {phase1: {dh_groups: [5]}}"),
        [
            (
                "10:115: connections.x.tunnels.phase1.dh_groups.0: '5' is not one of 2, 14, 15, 16, 17, 18, 19, "
                "20, 21, 22, 23, 24 or 35"
            )
        ],
    ),
    "B26 phase 2 as long as phase 1": (
        vpn("bgp_asn: 65010, tunnels: {phase1: {lifetime_seconds: 3600}}"),
        [
            (
                "10:93: connections.x.tunnels: has a phase2.lifetime_seconds of 3600, which is not below phase1's"
                " 3600 as AWS requires; change one"
            )
        ],
    ),
    "B26 a margin of more than half of phase 2": (
        vpn("bgp_asn: 65010, tunnels: {rekey_margin_seconds: 1800, phase2: {lifetime_seconds: 3599}}"),
        [
            (
                "10:93: connections.x.tunnels: has a rekey_margin_seconds of 1800, more than half of "
                "phase2.lifetime_seconds; at most 1799"
            )
        ],
    ),
    "B26 AWS starts what only ikev2 can": (
        vpn(
            "bgp_asn: 65010, tunnels: {ike_versions: [ikev1], phase1: {encryption: [AES256]}, weak_reason: An old one}"
        ),
        [
            (
                "10:93: connections.x.tunnels: has startup_action start, which needs ikev2; set add, with "
                "which your device starts"
            )
        ],
    ),
    "B27 ASN 0": (vpn("bgp_asn: 0"), ["10:77: connections.x.bgp_asn: '0' is too small; the minimum is 1"]),
    "B27 an ASN beyond 32 bits": (
        vpn("bgp_asn: 4294967296"),
        ["10:77: connections.x.bgp_asn: '4294967296' is too large; the maximum is 4294967294"],
    ),
    "B27 BGP and static routes": (
        vpn("bgp_asn: 65010, static_routes: {office: 10.8.0.0/16}"),
        [
            (
                "10:99: connections.x.static_routes: cannot be combined with bgp_asn, because "
                "BGP announces the ranges itself; remove one"
            )
        ],
    ),
    "B27 a private address": (
        vpn("bgp_asn: 65010", "{a: {ip: 10.0.0.1}}"),
        [
            (
                "10:47: connections.x.gateways.a: has the private address 10.0.0.1 without direct_connect_attachment_id"
                "; set the attachment of the Direct Connect gateway that carries the tunnels, or the device's "
                "public IP address"
            )
        ],
    ),
    "B27 two gateways of one address": (
        vpn("bgp_asn: 65010", "{a: {ip: 203.0.113.10}, b: {ip: 203.0.113.10}}"),
        ["10:43: connections.x.gateways: has the address 203.0.113.10 twice; each must be unique"],
    ),
    "B29 a lock table of DynamoDB": (
        ("us-east-1}\nastro", "us-east-1, dynamodb_table: locks}\nastro"),
        [
            (
                "2:69: state.dynamodb_table: is not a valid key here; no table is needed, because Terraform locks the "
                "state with a file in the bucket; allowed: backend, bucket, key_prefix, kms_key, region"
            )
        ],
    ),
    "B31 a VPC whose subnets would be too small": (
        ("vpc_id: vpc-0123456789abcdef0, cidrs: [10.20.0.0/16], route_tables: all", "create: {cidr: 10.30.0.0/25}"),
        [
            (
                "8:72: networks.lake.create.cidr: '10.30.0.0/25' is a /25, not a valid range for a new VPC; allowed: "
                "an IPv4 range of /16 to /24 inside RFC 1918 (10/8, 172.16/12, 192.168/16) or 100.64.0.0/10"
            )
        ],
    ),
    "YAML 1: a type that is a list": (
        ("type: vpc_peering, cluster: prod", "type: [vpc_peering], cluster: prod"),
        ["10:21: connections.lake-prod.type: this is not one of 'vpc_peering' ..."],
    ),
    "YAML 2: a product that is a map": (
        ("product: hosted-dedicated", "product: {a: b}"),
        ["3:18: astro.product: this is not one of 'hybrid', 'hosted-dedicated' or 'hosted-standard'"],
    ),
    "YAML 3: route tables that are neither": (
        ("route_tables: all", "route_tables: some"),
        ["8:125: networks.lake.route_tables: 'some' must be 'all', 'private' or a map"],
    ),
    "YAML 4: a name that YAML reads as true": (
        ("name: acme", "name: true"),
        [
            (
                "1:7: name: 'true' is not a name; YAML read true or false, so put it in quotes; allowed: 1 to 31 "
                'lowercase letters, digits and single hyphens, beginning with a letter, such as "data-lake"'
            )
        ],
    ),
    "YAML 5: the same in YAML 1.1": (
        ("name: acme", "%YAML 1.1\n---\nname: on"),
        [
            (
                "3:7: name: 'on' is not a name; YAML read true or false, so put it in quotes; allowed: 1 to 31 "
                'lowercase letters, digits and single hyphens, beginning with a letter, such as "data-lake"'
            )
        ],
    ),
    "YAML 6: a tag of Python's": (
        ("organization: acme", "organization: !!python/name:os.system acme"),
        [("3:50: astro.organization: has a YAML tag; remove it, or put a value that begins with ! in quotes")],
    ),
    "YAML 7: a tag of nobody's": (
        ("organization: acme", "organization: !foo acme"),
        ["3:50: astro.organization: has a YAML tag; remove it, or put a value that begins with ! in quotes"],
    ),
    "YAML 8: tabs": (
        ("  prod:", "\tprod:"),
        ["5:1: is a tab, but YAML indents with spaces; replace it with spaces"],
    ),
    "YAML 9: a key that is a list": (
        ("name: acme", "name: acme\n? [a]\n: b"),
        ["2:3: has a key that is not a name; keys are plain text"],
    ),
    "YAML 10: keys that are no text": (
        ("name: acme", "name: acme\n1: a\nnull: b\ntrue: c"),
        [
            (
                "2:1: 1: is not a valid key here; allowed: account, astro, clusters, connections, controls, deployer, "
                "name, networks, renamed, state, tags, terraform"
            ),
            (
                "3:1: null: is not a valid key here; allowed: account, astro, clusters, connections, controls, "
                "deployer, name, networks, renamed, state, tags, terraform"
            ),
            (
                "4:1: true: is not a valid key here; allowed: account, astro, clusters, connections, controls, "
                "deployer, name, networks, renamed, state, tags, terraform"
            ),
        ],
    ),
    "YAML 11: a key of a screen's controls": (
        ("name: acme", 'name: acme\n"a\\e[31m\\n": 1'),
        [
            (
                "2:1: a\\x1b[31m\\n: is not a valid key here; allowed: account, astro, clusters, connections, "
                "controls, deployer, name, networks, renamed, state, tags, terraform"
            )
        ],
    ),
    "YAML 12: a key without end": (
        ("name: acme", "name: acme\n" + "k" * 1_000 + ": 1"),
        [
            (
                "2:1: kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...: is not a valid key here; allowed: "
                "account, astro, clusters, connections, controls, deployer, name, networks, renamed, state, tags, "
                "terraform"
            )
        ],
    ),
    "YAML 13: a key twice beside a merge": (
        ("  dev: {region: us-east-1,", "  dev: {<<: {region: us-west-2}, region: moon, region: mars,"),
        [
            ("6:42: clusters.dev.region: 'moon' is not an AWS region; allowed: a region code, such as \"us-east-1\""),
            "6:48: clusters.dev.region: is defined twice, first on line 6; keep one of them",
        ],
    ),
    "YAML 14: a merge of no map": (
        ("  dev: {", "  dev: {<<: 1, "),
        ["6:13: clusters.dev: merges (<<) a value that is not a map; use the anchor of a map"],
    ),
    "YAML 15: a merge of itself": (
        ("  dev: {", "  dev: &dev {<<: *dev, "),
        ["1:1: has more than 100,000 values after its aliases are expanded; remove some"],
    ),
    "YAML 16: a secret as a name's value": (
        ("route_tables: all", "route_tables: {password: hunter2}"),
        [
            (
                "8:136: networks.lake.route_tables.password: is not a route table ID; allowed: rtb- and 8 or 17 "
                'lowercase hexadecimal digits, such as "rtb-0123456789abcdef0"'
            )
        ],
    ),
}
"""Changes of the base with their messages. Each key has the fact (docs/facts.md) or YAML, and a description."""


_ALSO_BROKEN = (
    "account: is only for Hybrid clusters, but there are none",
    "a route table can have only one route per range",
)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_has_its_line_and_column(tmp_path: Path, mistake: str) -> None:
    for name, policy in POLICIES.items():
        (tmp_path / f"{name}.json").write_text(policy)
    change, expected = MISTAKES[mistake]
    found = mistakes(tmp_path, changed(*change))
    if len(expected) < len(found):
        # The change also breaks one of these rules.
        found = [one for one in found if not any(rule in one for rule in _ALSO_BROKEN)]
    assert len(found) == len(expected), found
    for said, wanted in zip(found, expected, strict=True):  # " ..." is a list that grows with the product
        assert said == wanted or (wanted.endswith(" ...") and said.startswith(wanted[:-4]))
    assert "hunter2" not in "".join(found)


def test_a_url_is_not_repeated_when_a_list_is_due(tmp_path: Path) -> None:
    """The URL may contain a password."""
    assert mistakes(tmp_path, changed("[10.20.0.0/16]", "https://me:hunter2@acme.example")) == [
        "8:95: networks.lake.cidrs: is a single value, but must be a list; write cidrs: [a, b]"
    ]


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_move_no_mistake(tmp_path: Path, ending: str, mark: str) -> None:
    text = mark + changed("name: acme", "name: Acme").replace("cluster: dev", "cluster: devs").replace("\n", ending)
    assert [line.split(": ")[:2] for line in mistakes(tmp_path, text)] == [
        ["1:7", "name"],
        ["11:42", "connections.lake-dev.cluster"],
    ]


def test_an_own_key_overrides_a_merged_key_in_any_order(tmp_path: Path) -> None:
    text = changed("  prod: {", "  prod: &prod {").replace("cidr: 172.21.0.0/20", "cidr: 172.21.0.1/20, <<: *prod")
    assert [line.split(": ")[:2] for line in mistakes(tmp_path, text)] == [["6:62", "clusters.dev.cidr"]]


def test_yaml_1_2_reads_on_and_no_as_names(tmp_path: Path) -> None:
    text = changed("name: acme", "name: on").replace("dev", "no")
    assert mistakes(tmp_path, text) == []


MANY = 3_000
PRODS = "prod, " * 50_000


def peerings(network: str) -> str:
    entries = (f"  x{n}: {{type: vpc_peering, cluster: prod, network: {network}{n}}}\n" for n in range(MANY))
    return "connections:\n" + "".join(entries)


NETWORKS = "".join(
    f'  n{n}: {{account_id: "111111111111", region: us-east-1, vpc_id: vpc-{n:08x}, '
    f"cidrs: [10.{n // 256}.{n % 256}.0/24], route_tables: all}}\n"
    for n in range(MANY)
)


@pytest.mark.parametrize(
    ("more", "count"),
    [
        (NETWORKS + peerings("n"), 0),
        (NETWORKS + peerings("m"), MANY),
        (
            NETWORKS
            + f"connections:\n  hub: {{type: transit_gateway, network: n1, create: {{}}, clusters: [{PRODS}]}}\n",
            1,
        ),
    ],
    ids=["many entries", "many unknown names", "one name many times"],
)
@pytest.mark.slow
def test_a_large_file_is_read_in_seconds(tmp_path: Path, more: str, count: int) -> None:
    began = time.process_time()
    found = mistakes(tmp_path, BASE[: BASE.index("  lake:")] + more)
    assert time.process_time() - began < 20
    assert len(found) == count
    assert max(map(len, found), default=0) < 500


@pytest.mark.slow
def test_many_ranges_are_compared_in_seconds(tmp_path: Path) -> None:
    ranges = ", ".join(f"a{n}: 10.{128 + n // 256}.{n % 256}.0/24" for n in range(9_999))
    text = changed("cidr: 172.21.0.0/20", f"cidr: 172.21.0.0/20, additional_cidrs: {{{ranges}, last: 10.128.0.0/24}}")
    assert [line.split("overlaps ")[1].split(",")[0] for line in mistakes(tmp_path, text)] == [
        "10.128.0.0/24 of clusters.dev.additional_cidrs.a0"
    ]


@pytest.mark.proof
def test_the_catalogue_and_the_tests_of_bad_input_are_counted() -> None:
    record("bad estates with their exact message", f"{len(ENTRIES)} in tests/data/catalogue, {len(MISTAKES)} here")


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ["unknown keys", "entries"])
def test_work_grows_linearly_with_the_number_of_mistakes(mistake: str, tmp_path: Path) -> None:
    """Work is counted in function calls, whose number is the same in every run."""

    def calls(number: int) -> int:
        if mistake == "entries":
            lines = "".join(f"  c{one}: {{regoin: us-east-1, cidr: 172.20.0.0/20}}\n" for one in range(number))
            text = BASE.replace("clusters:\n", f"clusters:\n{lines}")
        else:
            text = BASE + "".join(f"k{one}: 1\n" for one in range(number))
        (tmp_path / "astro.yaml").write_text(text)
        profile = cProfile.Profile()
        with pytest.raises(EstateError), profile:
            load(tmp_path / "astro.yaml")
        return sum(entry.callcount for entry in profile.getstats())

    calls(1)  # fills the caches
    assert calls(800) < 5 * calls(200)
