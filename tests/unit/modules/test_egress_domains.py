from dataclasses import replace
from typing import Any

import pytest
from cdktf import Testing
from pydantic import ValidationError

from modules.egress_domains.construct import EgressDomains
from modules.egress_domains.props import EgressDomainsProps
from tests.support.networks import sides
from tests.support.synth import NewStack, parsed

MINIMAL: dict[str, Any] = {"type": "egress_domains", "network": "lake"}
SIDES = replace(sides(), organization="acme", clusters={})
NEEDED = [
    "cloud.astronomer.io",
    "api.astronomer.io",
    "auth.astronomer.io",
    "updates.astronomer.io",
    "install.astronomer.io",
    "images.astronomer.cloud",
    "astro-acme.datakin.com",
    "acme.astronomer.run",
]
TAGS = {"Name": "acme-conn"}
GROUP = "${aws_route53_resolver_firewall_rule_group.domains_group.id}"


def props(**fields: Any) -> EgressDomainsProps:
    return EgressDomainsProps.model_validate(MINIMAL | fields)


def lists(name: str) -> str:
    return f"${{aws_route53_resolver_firewall_domain_list.{name}.id}}"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [*NEEDED, "*.astronomer.run"]),
        ({"subdomains": False}, NEEDED),
        (
            {"additional_domains": ("login.acme.example", "api.astronomer.io")},
            [*NEEDED, "*.astronomer.run", "login.acme.example"],
        ),
    ],
)
def test_hands_over_every_domain_of_the_organization_once(
    new_stack: NewStack, fields: dict[str, Any], expected: list[str]
) -> None:
    stack = new_stack()
    assert EgressDomains(stack, "domains", props(**fields), SIDES).handoff == {"domains": expected}
    tf = parsed(Testing.synth(stack, True))
    assert tf.get("resource") is None


def test_the_dns_firewall_allows_only_the_listed_domains(new_stack: NewStack) -> None:
    asked = props(subdomains=False, dns_firewall={"priority": 500})
    stack = new_stack()
    EgressDomains(stack, "domains", asked, SIDES)
    assert parsed(Testing.synth(stack, True))["resource"] == {
        "aws_route53_resolver_firewall_rule_group": {"domains_group": {"name": "acme-conn", "tags": TAGS}},
        "aws_route53_resolver_firewall_domain_list": {
            "domains_domains": {"name": "acme-conn", "domains": [f"{name}." for name in NEEDED], "tags": TAGS}
        },
        "aws_route53_resolver_firewall_rule": {
            "domains_allow": {
                "name": "astro",
                "action": "ALLOW",
                "priority": 100,
                "firewall_rule_group_id": GROUP,
                "firewall_domain_list_id": lists("domains_domains"),
                "firewall_domain_redirection_action": "TRUST_REDIRECTION_DOMAIN",
            }
        },
        "aws_route53_resolver_firewall_rule_group_association": {
            "domains_association": {
                "name": "acme-conn",
                "firewall_rule_group_id": GROUP,
                "vpc_id": "vpc-0123456789abcdef0",
                "priority": 500,
                "tags": TAGS,
            }
        },
    }


@pytest.mark.parametrize(
    ("others", "answer"), [("alert", {"action": "ALERT"}), ("block", {"action": "BLOCK", "block_response": "NXDOMAIN"})]
)
def test_all_other_domains_come_after_the_allowed_ones(
    new_stack: NewStack, others: str, answer: dict[str, str]
) -> None:
    asked = props(dns_firewall={"others": others})
    stack = new_stack()
    EgressDomains(stack, "domains", asked, SIDES)
    tf = parsed(Testing.synth(stack, True))["resource"]
    assert tf["aws_route53_resolver_firewall_domain_list"]["domains_every-domain"] == {
        "name": "acme-conn-others",
        "domains": ["*."],
        "tags": TAGS,
    }
    assert tf["aws_route53_resolver_firewall_rule"]["domains_others"] == {
        **answer,
        "name": "others",
        "priority": 200,
        "firewall_rule_group_id": GROUP,
        "firewall_domain_list_id": lists("domains_every-domain"),
    }


def test_two_firewalls_of_a_network_have_two_priorities() -> None:
    assert [(claim.field, claim.key) for claim in props(dns_firewall={}).claims()] == [
        (("dns_firewall", "priority"), ("DNS firewall", 1000))
    ]
    assert list(props().claims()) == []


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("dns_firewall", {"priority": 100}, "greater than or equal to 101"),
        ("dns_firewall", {"priority": 9900}, "less than or equal to 9899"),
        ("dns_firewall", {"others": "drop"}, "'leave', 'alert' or 'block'"),
        ("additional_domains", ("https://acme.example",), "is not a domain to allow"),
        ("additional_domains", ("*",), "is not a domain to allow"),
        ("additional_domains", ("acme.*.example",), "is not a domain to allow"),
        ("additional_domains", (f"{'a' * 64}.example",), "is too long for a domain"),
        ("additional_domains", ("a.example", "a.example"), "has a.example twice"),
    ],
)
def test_rejects_invalid_values(field: str, value: object, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        props(**{field: value})
