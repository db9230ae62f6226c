from typing import Any

import pytest
from cdktf import Testing
from pydantic import ValidationError

from modules.cluster import Cluster
from modules.network_rules.construct import NetworkRules
from modules.network_rules.props import NetworkRulesProps
from tests.support.networks import context_of, network, sides
from tests.support.synth import NewStack, parsed

MINIMAL: dict[str, Any] = {"type": "network_rules", "cluster": "prod", "network": "lake"}
GROUP = {"security_group": "sg-0123456789abcdef0", "from_port": 5432}
ACL: dict[str, Any] = {"network_acl": "acl-0123456789abcdef0", "from_port": 5432, "rule_number": 200}
BATCH = ACL | {"additional_rule_numbers": {"batch": 201}}
WITH_BATCH = Cluster.model_validate(
    {"region": "us-east-1", "cidr": "172.20.0.0/20", "additional_cidrs": {"batch": "10.9.0.0/24"}}
)


def props(**fields: Any) -> NetworkRulesProps:
    return NetworkRulesProps.model_validate(MINIMAL | fields)


def test_a_security_group_allows_every_range_of_the_cluster(new_stack: NewStack) -> None:
    rules = props(ingress={"postgres": GROUP})
    stack = new_stack()
    NetworkRules(stack, "rules", rules, sides(prod=WITH_BATCH))
    tf = parsed(Testing.synth(stack, True))
    assert tf["resource"] == {
        "aws_vpc_security_group_ingress_rule": {
            f"rules_ingress_postgres{suffix}": {
                "security_group_id": "sg-0123456789abcdef0",
                "description": "Astro cluster prod",
                "cidr_ipv4": cidr,
                "ip_protocol": "tcp",
                "from_port": 5432,
                "to_port": 5432,
            }
            for suffix, cidr in (("", "172.20.0.0/20"), ("_batch", "10.9.0.0/24"))
        }
    }


def test_a_network_acl_allows_requests_and_their_replies(new_stack: NewStack) -> None:
    rules = props(network_acls={"postgres": BATCH | {"to_port": 5433}})
    stack = new_stack()
    NetworkRules(stack, "rules", rules, sides(prod=WITH_BATCH))
    tf = parsed(Testing.synth(stack, True))
    assert tf["resource"] == {
        "aws_network_acl_rule": {
            f"rules_acl_{way}_postgres{suffix}": {
                "network_acl_id": "acl-0123456789abcdef0",
                "egress": way == "out",
                "rule_number": number,
                "rule_action": "allow",
                "protocol": "tcp",
                "cidr_block": cidr,
                "from_port": first,
                "to_port": last,
            }
            for suffix, number, cidr in (("", 200, "172.20.0.0/20"), ("_batch", 201, "10.9.0.0/24"))
            for way, first, last in (("in", 5432, 5433), ("out", 1024, 65535))
        }
    }


def test_icmp_has_types_and_codes_in_place_of_ports(new_stack: NewStack) -> None:
    path_mtu = {"protocol": "icmp", "icmp_type": 3, "icmp_code": 4}
    rules = props(
        ingress={"mtu": {"security_group": "sg-0123456789abcdef0", **path_mtu}},
        network_acls={"icmp": {"network_acl": "acl-0123456789abcdef0", "rule_number": 70, "protocol": "icmp"}},
    )
    stack = new_stack()
    NetworkRules(stack, "rules", rules, sides())
    tf = parsed(Testing.synth(stack, True))["resource"]
    (rule,) = tf["aws_vpc_security_group_ingress_rule"].values()
    assert (rule["ip_protocol"], rule["from_port"], rule["to_port"]) == ("icmp", 3, 4)
    both = [(one["egress"], one["icmp_type"], one["icmp_code"]) for one in tf["aws_network_acl_rule"].values()]
    assert both == [(False, -1, -1), (True, -1, -1)]
    assert not any("from_port" in one for one in tf["aws_network_acl_rule"].values())


def test_a_rule_that_is_added_moves_no_other(new_stack: NewStack) -> None:
    def built(**rules: Any) -> dict[str, Any]:
        stack = new_stack()
        NetworkRules(stack, "rules", props(network_acls=rules), sides())
        tf = parsed(Testing.synth(stack, True))
        return tf["resource"]["aws_network_acl_rule"]

    before = built(postgres=ACL)
    after = built(alpha=ACL | {"rule_number": 100}, postgres=ACL)
    assert before.items() < after.items()


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (ACL, "has no number for batch of cluster 'prod'; add a number for each"),
        (
            ACL | {"additional_rule_numbers": {"batch": 201, "other": 202}},
            "has other, missing from additional_cidrs of cluster 'prod'; allowed: batch",
        ),
    ],
)
def test_every_range_has_its_number_and_no_other(rule: dict[str, Any], said: str) -> None:
    rules = props(network_acls={"postgres": rule})
    assert list(rules.check(context_of(network(), {"prod": WITH_BATCH}))) == [
        (("network_acls", "postgres", "additional_rule_numbers"), said)
    ]
    assert list(props(network_acls={"postgres": BATCH}).check(context_of(network(), {"prod": WITH_BATCH}))) == []


def test_claims_what_two_connections_cannot_both_have() -> None:
    rules = props(ingress={"postgres": GROUP}, network_acls={"postgres": BATCH})
    assert {claim.field: claim.key for claim in rules.claims()} == {
        ("ingress", "postgres"): ("ingress", "prod", "sg-0123456789abcdef0", "tcp", 5432, 5432),
        ("network_acls", "postgres", "rule_number"): ("network ACL", "acl-0123456789abcdef0", 200),
        ("network_acls", "postgres", "additional_rule_numbers", "batch"): (
            "network ACL",
            "acl-0123456789abcdef0",
            201,
        ),
    }


@pytest.mark.parametrize(
    ("rules", "hint"),
    [
        ({"a": ACL | {"rule_number": 0}}, "greater than or equal to 1"),
        ({"a": ACL | {"rule_number": 32767}}, "less than or equal to 32766"),
        ({"a": ACL | {"network_acl": "default"}}, "is not a network ACL ID"),
        ({"a": ACL | {"to_port": 5000}}, "has to_port 5000 below from_port 5432"),
        ({"a": ACL, "b": ACL | {"from_port": 443}}, "number 200 of acl-0123456789abcdef0 twice, for a and for b"),
        ({"a": ACL | {"additional_rule_numbers": {"x": 200}}}, "twice, for a and for a.x"),
    ],
)
def test_rejects_invalid_values(rules: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        props(network_acls=rules)
