from ipaddress import IPv4Network
from typing import Any

import pytest
from cdktf import Testing
from pydantic import ValidationError

from modules.cluster import Cluster
from modules.dns_forwarding.construct import DnsForwarding
from modules.dns_forwarding.props import DnsForwardingProps
from tests.support.networks import context_of, network, sides
from tests.support.synth import NewStack, parsed

BASE: dict[str, Any] = {
    "type": "dns_forwarding",
    "clusters": ("prod", "stage"),
    "network": "lake",
    "domains": ("corp.acme.example",),
}
SERVERS: dict[str, Any] = BASE | {"servers": ("10.20.8.2", "10.20.8.3:5353")}
NEW: dict[str, Any] = BASE | {"endpoint": {"ips": {"private-b": "10.20.1.10"}}}
PROD = Cluster(region="us-east-1", additional_cidrs={"extra": IPv4Network("10.9.0.0/24")})
STAGE = Cluster(region="us-east-1", cidr=IPv4Network("172.20.0.0/20"), pod_cidr=IPv4Network("100.64.0.0/19"))


def dns(new_stack: NewStack, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The Terraform and the handoff of a connection."""
    props = DnsForwardingProps.model_validate(values)
    stack = new_stack()
    made = DnsForwarding(stack, "dns", props, sides(prod=PROD, stage=STAGE))
    tf = parsed(Testing.synth(stack, True))
    return tf, made.handoff


def test_existing_servers_are_handed_over(new_stack: NewStack) -> None:
    tf, handoff = dns(new_stack, SERVERS)
    assert not {"resource", "data"} & set(tf)
    assert handoff == {
        "account_id": "111111111111",
        "region": "us-east-1",
        "domains": ["corp.acme.example"],
        "servers": ["10.20.8.2", "10.20.8.3:5353"],
    }


def test_an_inbound_endpoint_has_an_address_in_each_subnet(new_stack: NewStack) -> None:
    tf, handoff = dns(new_stack, NEW)
    assert tf["resource"]["aws_route53_resolver_endpoint"] == {
        "dns_endpoint": {
            "name": "acme-conn",
            "direction": "INBOUND",
            "security_group_ids": ["${aws_security_group.dns_security-group.id}"],
            "ip_address": [
                {"subnet_id": "subnet-0aaaaaaaaaaaaaaaa"},
                {"subnet_id": "subnet-0bbbbbbbbbbbbbbbb", "ip": "10.20.1.10"},
            ],
            "tags": {"Name": "acme-conn"},
        }
    }
    assert list(handoff) == ["account_id", "region", "domains", "servers"]


def test_only_the_clusters_can_query_the_endpoint(new_stack: NewStack) -> None:
    # The clusters share one range. Queries of pods come from the address of their node.
    tf, _ = dns(new_stack, NEW)
    unset = dict.fromkeys(("ipv6_cidr_blocks", "prefix_list_ids", "security_groups", "self"))
    assert tf["resource"]["aws_security_group"] == {
        "dns_security-group": {
            "name_prefix": "resolver-acme-conn-",
            "lifecycle": {"create_before_destroy": True, "ignore_changes": ["name_prefix"]},
            "description": "Inbound Resolver endpoint: DNS from the Astro clusters",
            "vpc_id": "vpc-0123456789abcdef0",
            "ingress": [
                {
                    "description": f"DNS over {protocol}",
                    "protocol": protocol,
                    "from_port": 53,
                    "to_port": 53,
                    "cidr_blocks": ["10.9.0.0/24", "172.20.0.0/20"],
                    **unset,
                }
                for protocol in ("tcp", "udp")
            ],
            "tags": {"Name": "acme-conn"},
        }
    }


def test_forwards_names_that_astro_needs_only_for_a_reason() -> None:
    for domain in (".", "com", "s3.amazonaws.com", "astronomer.run"):
        with pytest.raises(ValidationError, match="which Astro depends on"):
            DnsForwardingProps.model_validate(SERVERS | {"domains": (domain,)})
        DnsForwardingProps.model_validate(SERVERS | {"domains": (domain,), "forwards_astro": "Ticket OPS-1: proxy"})


@pytest.mark.parametrize(
    ("endpoint", "subnets", "fields"),
    [
        ({}, ("private-a", "private-b"), []),
        ({}, ("private-a",), [("endpoint",)]),
        ({"ips": {"c": "10.20.0.4"}}, ("private-a", "private-b"), [("endpoint", "ips", "c")]),
        ({"ips": {"private-a": "10.21.0.4"}}, ("private-a", "private-b"), [("endpoint", "ips", "private-a")]),
        ({"subnets": ("private-a", "b")}, ("private-a", "private-b"), [("endpoint", "subnets", 1)]),
    ],
)
def test_an_endpoint_is_in_two_subnets_of_the_network(
    endpoint: dict[str, Any], subnets: tuple[str, ...], fields: list[Any]
) -> None:
    props = DnsForwardingProps.model_validate(BASE | {"endpoint": endpoint})
    assert [field for field, _ in props.check(context_of(network(*subnets), {}))] == fields


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"servers": ()}, "has neither servers nor endpoint; set one"),
        ({"endpoint": {}}, "has both servers and endpoint; keep one"),
        ({"servers": ("dns.acme.example",)}, "is not a DNS server"),
        ({"servers": ("127.0.0.1",)}, "cannot receive queries"),
        ({"servers": ("10.0.0.2", "10.0.0.2")}, r"servers\n.*10.0.0.2 twice"),
        ({"servers": tuple(f"10.0.0.{last}" for last in range(1, 8))}, "at most 6"),
        ({"domains": ()}, "at least 1"),
        ({"domains": ("corp.acme.example", "corp.acme.example")}, r"domains\n.*twice"),
        ({"domains": ("corp.acme.example.",)}, "without a leading or trailing dot"),
        ({"clusters": ()}, "at least 1"),
        ({"clusters": ("prod", "prod")}, r"clusters\n.*prod twice"),
        ({"servers": (), "endpoint": {"subnets": ("private-a",)}}, "at least 2"),
        ({"servers": (), "endpoint": {"subnets": ("a", "b"), "ips": {"c": "10.0.0.4"}}}, "has c in ips"),
        ({"forwards_astro": "Ticket OPS-1: proxy"}, "no domain contains a name that Astro needs"),
    ],
)
def test_rejects_invalid_values(values: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        DnsForwardingProps.model_validate(SERVERS | values)
