from typing import Any

import pytest
from cdktf import Testing
from pydantic import ValidationError

from modules.resolver_rules.construct import ResolverRules
from modules.resolver_rules.props import ResolverRulesProps
from tests.support.networks import context_of, network, sides
from tests.support.synth import NewStack, parsed

BASE: dict[str, Any] = {"type": "resolver_rules", "clusters": ("prod",), "network": "lake"}
SHARED: dict[str, Any] = BASE | {"rules": {"corp": {"rule_id": "rslvr-rr-0123456789abcdef0"}}}
CORP = {"domain": "corp.acme.example", "targets": ("10.8.0.3", "10.8.0.2")}
MADE: dict[str, Any] = BASE | {"rules": {"corp": CORP}, "endpoint_id": "rslvr-out-0123456789abcdef0"}
NEW: dict[str, Any] = BASE | {"rules": {"corp": CORP}, "endpoint": {}}
SHARE = "${aws_ram_resource_share.dns_share.arn}"


def dns(new_stack: NewStack, values: dict[str, Any]) -> dict[str, Any]:
    props = ResolverRulesProps.model_validate(values)
    stack = new_stack()
    ResolverRules(stack, "dns", props, sides())
    return parsed(Testing.synth(stack, True))


def test_shares_a_rule_that_exists_and_makes_nothing_else(new_stack: NewStack) -> None:
    tf = dns(new_stack, SHARED)
    owner = {
        "condition": '${contains(["111111111111"], self.owner_id)}',
        "error_message": "rslvr-rr-0123456789abcdef0 belongs to account ${self.owner_id}, and only its owner can share "
        "it. Ask them to share it with Astronomer, or set domain and targets for a new rule.",
    }
    rule = {"resolver_rule_id": "rslvr-rr-0123456789abcdef0", "lifecycle": {"postcondition": [owner]}}
    assert tf["data"] == {"aws_route53_resolver_rule": {"dns_rule_corp": rule}}
    assert tf["resource"] == {
        "aws_ram_resource_share": {
            "dns_share": {"name": "acme-conn", "allow_external_principals": True, "tags": {"Name": "acme-conn"}}
        },
        "aws_ram_resource_association": {
            "dns_share-resource_corp": {
                "resource_arn": "${data.aws_route53_resolver_rule.dns_rule_corp.arn}",
                "resource_share_arn": SHARE,
            }
        },
        "aws_ram_principal_association": {
            "dns_share-principal": {
                "for_each": '${toset(["333333333333"])}',
                "principal": "${each.value}",
                "resource_share_arn": SHARE,
            }
        },
    }


def test_one_share_holds_every_rule_of_the_connection(new_stack: NewStack) -> None:
    tf = dns(new_stack, MADE | {"rules": SHARED["rules"] | {"lab": CORP}})["resource"]
    assert list(tf["aws_ram_resource_share"]) == ["dns_share"]
    assert {key: one["resource_arn"] for key, one in tf["aws_ram_resource_association"].items()} == {
        "dns_share-resource_corp": "${data.aws_route53_resolver_rule.dns_rule_corp.arn}",
        "dns_share-resource_lab": "${aws_route53_resolver_rule.dns_rule_lab.arn}",
    }


def test_forwards_a_domain_through_an_endpoint_that_exists(new_stack: NewStack) -> None:
    tf = dns(new_stack, MADE)["resource"]
    assert tf["aws_route53_resolver_rule"] == {
        "dns_rule_corp": {
            "name": "corp",
            "rule_type": "FORWARD",
            "domain_name": "corp.acme.example",
            "resolver_endpoint_id": "rslvr-out-0123456789abcdef0",
            "target_ip": [{"ip": "10.8.0.2", "port": 53}, {"ip": "10.8.0.3", "port": 53}],
            "tags": {"Name": "acme-conn-corp"},
        }
    }
    assert not {"aws_route53_resolver_endpoint", "aws_security_group", "aws_route53_resolver_rule_association"} & set(
        tf
    )


def test_makes_an_endpoint_with_an_address_in_each_subnet(new_stack: NewStack) -> None:
    tf = dns(new_stack, NEW | {"endpoint": {"ips": {"private-b": "10.20.1.10"}}})["resource"]
    assert tf["aws_route53_resolver_endpoint"] == {
        "dns_endpoint": {
            "name": "acme-conn",
            "direction": "OUTBOUND",
            "security_group_ids": ["${aws_security_group.dns_security-group.id}"],
            "ip_address": [
                {"subnet_id": "subnet-0aaaaaaaaaaaaaaaa"},
                {"subnet_id": "subnet-0bbbbbbbbbbbbbbbb", "ip": "10.20.1.10"},
            ],
            "tags": {"Name": "acme-conn"},
        }
    }
    rule = tf["aws_route53_resolver_rule"]["dns_rule_corp"]
    assert rule["resolver_endpoint_id"] == "${aws_route53_resolver_endpoint.dns_endpoint.id}"


def test_the_endpoint_reaches_only_the_servers_of_its_rules(new_stack: NewStack) -> None:
    # Both rules query 10.8.0.3 on port 53. Separate groups would have that rule twice.
    lab = {"domain": "lab.acme.example", "targets": ("10.8.0.3", "10.8.0.4:5353")}
    group = dns(new_stack, NEW | {"rules": {"corp": CORP, "lab": lab}})["resource"]["aws_security_group"]
    unset = dict.fromkeys(("ipv6_cidr_blocks", "prefix_list_ids", "security_groups", "self"))
    assert group == {
        "dns_security-group": {
            "name_prefix": "resolver-acme-conn-",
            "lifecycle": {"create_before_destroy": True, "ignore_changes": ["name_prefix"]},
            "description": "Outbound Resolver endpoint: DNS to the targets of its rules",
            "vpc_id": "vpc-0123456789abcdef0",
            "egress": [
                {
                    "description": f"DNS over {protocol}",
                    "protocol": protocol,
                    "from_port": port,
                    "to_port": port,
                    "cidr_blocks": cidrs,
                    **unset,
                }
                for port, cidrs in ((53, ["10.8.0.2/32", "10.8.0.3/32"]), (5353, ["10.8.0.4/32"]))
                for protocol in ("tcp", "udp")
            ],
            "tags": {"Name": "acme-conn"},
        }
    }


def test_associates_your_vpc_on_request_and_never_astros(new_stack: NewStack) -> None:
    values = MADE | {"rules": SHARED["rules"] | {"lab": CORP}, "associate_network": True}
    assert dns(new_stack, values)["resource"]["aws_route53_resolver_rule_association"] == {
        "dns_association_lab": {
            "name": "lab",
            "resolver_rule_id": "${aws_route53_resolver_rule.dns_rule_lab.id}",
            "vpc_id": "vpc-0123456789abcdef0",
            "lifecycle": {"ignore_changes": ["name"]},
        }
    }


def test_hands_over_rules_domains_and_the_endpoints_addresses(new_stack: NewStack) -> None:
    handoffs: list[dict[str, object]] = []
    for values in (SHARED, NEW):
        props = ResolverRulesProps.model_validate(values)
        handoffs.append(ResolverRules(new_stack(), "dns", props, sides()).handoff)
    shared, new = handoffs
    assert list(shared) == ["account_id", "region", "rules", "resource_share_arn"]
    assert list(new) == ["account_id", "region", "endpoint_ips", "rules", "resource_share_arn"]


def test_forwards_names_that_astro_needs_only_for_a_reason() -> None:
    for domain in (".", "com", "amazonaws.com", "sts.us-east-1.amazonaws.com", "io", "api.astronomer.io"):
        rule = {"domain": domain, "targets": ("10.8.0.2",)}
        with pytest.raises(ValidationError, match="which Astro depends on"):
            ResolverRulesProps.model_validate(MADE | {"rules": {"corp": rule}})
        ResolverRulesProps.model_validate(MADE | {"rules": {"corp": rule | {"forwards_astro": "Ticket OPS-1: proxy"}}})
    # A name with the same ending, but without the dot, is another domain.
    ResolverRulesProps.model_validate(MADE | {"rules": {"corp": CORP | {"domain": "myamazonaws.com"}}})


@pytest.mark.parametrize(
    ("endpoint", "subnets", "fields"),
    [
        ({}, ("private-a", "private-b"), []),
        ({}, ("private-a",), [("endpoint",)]),
        ({"ips": {"c": "10.20.0.4"}}, ("private-a", "private-b"), [("endpoint", "ips", "c")]),
        ({"ips": {"private-a": "10.21.0.4"}}, ("private-a", "private-b"), [("endpoint", "ips", "private-a")]),
        ({"ips": {"private-a": "10.20.0.4"}}, ("private-a", "private-b"), []),
        ({"subnets": ("private-a", "b")}, ("private-a", "private-b"), [("endpoint", "subnets", 1)]),
    ],
)
def test_an_endpoint_is_in_two_subnets_of_the_network(
    endpoint: dict[str, Any], subnets: tuple[str, ...], fields: list[Any]
) -> None:
    props = ResolverRulesProps.model_validate(NEW | {"endpoint": endpoint})
    assert [field for field, _ in props.check(context_of(network(*subnets), {}))] == fields


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"rules": {}}, "at least 1"),
        ({"rules": {"corp": {}}}, "has neither rule_id nor domain and targets"),
        ({"rules": {"corp": {"domain": "corp.acme.example"}}}, "has neither rule_id nor domain and targets"),
        ({"rules": {"corp": CORP | SHARED["rules"]["corp"]}}, "set only rule_id"),
        ({"rules": {"corp": {"rule_id": "rslvr-out-0123456789abcdef0"}}}, "is not a Route 53 Resolver rule ID"),
        ({"rules": SHARED["rules"]}, "has endpoint_id but creates no rule"),
        (
            {"endpoint_id": None},
            "has neither endpoint_id nor endpoint; set one: an existing outbound endpoint for",
        ),
        ({"endpoint": {}}, "has both endpoint_id and endpoint; keep one"),
        ({"endpoint_id": "rslvr-in-0123456789abcdef0"}, "is not the ID of an outbound"),
        ({"endpoint": {"subnets": ("private-a",)}}, "at least 2"),
        ({"endpoint": {"subnets": ("private-a", "private-a")}}, r"subnets\n.*private-a twice"),
        ({"endpoint": {"subnets": ("a", "b"), "ips": {"c": "10.0.0.4"}}}, "has c in ips but not in subnets"),
        ({"endpoint": {"ips": {"a": "10.0.0.256"}}}, "is not an IPv4 address"),
        ({"rules": {"corp": CORP | {"domain": ".corp.acme.example"}}}, "without a leading or trailing dot"),
        ({"rules": {"corp": CORP | {"domain": "Corp.acme.example"}}}, "is not a domain"),
        ({"rules": {"corp": CORP | {"domain": "a" * 64 + ".example"}}}, "is too long for a domain"),
        ({"rules": {"corp": CORP | {"domain": "a." * 128 + "b"}}}, "is too long for a domain"),
        ({"rules": {"corp": CORP | {"targets": ("dns.acme.example",)}}}, "is not a DNS server"),
        ({"rules": {"corp": CORP | {"targets": ("10.0.0.2:65536",)}}}, "an invalid port; allowed: 1 to 65535"),
        ({"rules": {"corp": CORP | {"targets": ("169.254.169.253",)}}}, "cannot receive queries"),
        ({"rules": {"corp": CORP | {"targets": tuple(f"10.0.0.{n}" for n in range(1, 8))}}}, "at most 6 items"),
        ({"rules": {"corp": CORP | {"targets": ("10.0.0.2", "10.0.0.2")}}}, r"targets\n.*10.0.0.2 twice"),
        ({"rules": {"corp": CORP, "lab": CORP}}, "two rules for corp.acme.example"),
        ({"rules": {"corp": CORP | {"forwards_astro": "Ticket OPS-1: proxy"}}}, "contains no name that Astro needs"),
        ({"rules": {"corp": CORP | {"forwards_astro": "no"}}}, "is not a reason"),
    ],
)
def test_rejects_invalid_values(values: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        ResolverRulesProps.model_validate(MADE | values)
