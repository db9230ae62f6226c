from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from cdktf import Testing
from pydantic import ValidationError

from modules.cluster import Cluster
from modules.context import ConnectionContext, NewGateway
from modules.egress_hub.construct import EgressHub
from modules.egress_hub.props import EgressHubProps
from tests.support.networks import LAKE, PROD, context_of, network, sides
from tests.support.synth import NewStack, parsed

GATEWAY, TABLE = "tgw-0123456789abcdef0", "tgw-rtb-0123456789abcdef0"
ATTACHMENT = "tgw-attach-0123456789abcdef0"
BASE: dict[str, Any] = {"type": "egress_hub", "clusters": ("prod",), "network": "lake"}
PUBLIC = {"public-a": "rtb-0dddddddddddddddd"}
EXISTING = BASE | {
    "transit_gateway_id": GATEWAY,
    "route_table_id": TABLE,
    "attachment_id": ATTACHMENT,
    "public_route_tables": PUBLIC,
    "public_ips": ("203.0.113.30",),
}


def dropped(table: str) -> dict[str, Any]:
    ranges = {
        "rfc1918-10": "10.0.0.0/8",
        "rfc1918-172": "172.16.0.0/12",
        "rfc1918-192": "192.168.0.0/16",
        "rfc6598": "100.64.0.0/10",
    }
    return {
        f"egress_dropped_{name}": {
            "destination_cidr_block": cidr,
            "blackhole": True,
            "transit_gateway_route_table_id": table,
        }
        for name, cidr in ranges.items()
    }


def hub(new_stack: NewStack, values: dict[str, Any], joins: ConnectionContext) -> Any:
    """The resources of a connection, and its handoff."""
    stack = new_stack()
    made = EgressHub(stack, "egress", EgressHubProps.model_validate(values), joins)
    return parsed(Testing.synth(stack, True))["resource"], made.handoff


def test_clusters_leave_through_the_hub_and_answers_return(new_stack: NewStack) -> None:
    resource, handoff = hub(new_stack, EXISTING, sides())
    assert resource == {
        "aws_ec2_transit_gateway_route": {
            "egress_default": {
                "destination_cidr_block": "0.0.0.0/0",
                "transit_gateway_attachment_id": ATTACHMENT,
                "transit_gateway_route_table_id": TABLE,
            },
            **dropped(TABLE),
        },
        "aws_route": {
            "egress_route_prod": {
                "for_each": f'${{toset(["{PUBLIC["public-a"]}"])}}',
                "route_table_id": "${each.value}",
                "destination_cidr_block": "172.20.0.0/20",
                "transit_gateway_id": GATEWAY,
            }
        },
    }
    assert handoff == {
        "account_id": "111111111111",
        "region": "us-east-1",
        "transit_gateway_id": GATEWAY,
        "route_table_id": TABLE,
        "attachment_id": ATTACHMENT,
        "public_route_tables": PUBLIC,
        "public_ips": ["203.0.113.30"],
    }


def test_a_new_hub_waits_for_its_attachment(new_stack: NewStack) -> None:
    made = NewGateway("tgw-new", "rtb-clusters", "rtb-network", "attach-new", "tgw-attached")
    lake = replace(LAKE, public_route_tables={"public": "rtb-public"}, nat_ips=("203.0.113.40",))
    joins = replace(sides(lake), gateway=made)
    resource, handoff = hub(new_stack, BASE | {"transit_gateway_of": "hub"}, joins)
    assert resource["aws_route"] == {
        "egress_route_prod": {
            "for_each": '${toset(["rtb-public"])}',
            "route_table_id": "${each.value}",
            "destination_cidr_block": "172.20.0.0/20",
            "transit_gateway_id": "tgw-attached",
        }
    }
    assert resource["aws_ec2_transit_gateway_route"] == {
        "egress_default": {
            "destination_cidr_block": "0.0.0.0/0",
            "transit_gateway_attachment_id": "attach-new",
            "transit_gateway_route_table_id": "rtb-clusters",
        },
        **dropped("rtb-clusters"),
    }
    assert handoff["public_ips"] == ["203.0.113.40"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (BASE, "has neither transit_gateway_of nor transit_gateway_id; set one"),
        (EXISTING | {"transit_gateway_of": "hub"}, "has both transit_gateway_of and transit_gateway_id; keep one"),
        (BASE | {"transit_gateway_of": "hub", "route_table_id": TABLE}, "has transit_gateway_of and route_table_id"),
        (BASE | {"transit_gateway_id": GATEWAY}, "has transit_gateway_id without route_table_id"),
        (EXISTING | {"dropped": {"all": "0.0.0.0/0"}}, "has 0.0.0.0/0 in dropped"),
    ],
)
def test_rejects_what_cannot_work(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        EgressHubProps.model_validate(values)


NEW: dict[str, Any] = {"vpc_id": None, "cidrs": (), "create": {"cidr": "10.30.0.0/20", "nat": "per_az"}}


@pytest.mark.parametrize(
    ("values", "changes", "field", "told"),
    [
        ({"public_route_tables": {}}, {}, (), "has no public_route_tables"),
        ({"dropped": {"ten": "10.0.0.0/8"}}, {}, ("dropped", "ten"), "is named 'rfc1918-10' by default; use that name"),
        ({}, NEW, ("public_route_tables",), "is only for an existing VPC"),
        ({"public_route_tables": {}}, NEW | {"create": {"cidr": "10.30.0.0/20"}}, ("network",), "set create.nat"),
    ],
)
def test_the_hub_needs_a_way_in_and_back(
    values: dict[str, Any], changes: dict[str, Any], field: tuple[Any, ...], told: str
) -> None:
    found = EgressHubProps.model_validate(EXISTING | values).check(context_of(network(**changes), {"prod": PROD}))
    assert [(path, told in message) for path, message in found] == [(field, True)]


def test_a_range_of_one_table_has_one_route() -> None:
    keys = {claim.key for claim in EgressHubProps.model_validate(EXISTING).claims()}
    assert ("gateway route", TABLE, IPv4Network("0.0.0.0/0")) in keys
    assert ("public route", "prod") in keys
    assert ("route", "prod") not in keys  # A transit_gateway routes the network's other tables.


def test_astronomer_switches_and_you_allow_the_new_addresses() -> None:
    props, clusters = EgressHubProps.model_validate(EXISTING), {"prod": Cluster(region="us-east-1")}
    assert list(props.steps({}, clusters)) == []
    steps = props.steps({"transit_gateway_id": GATEWAY, "public_ips": ["203.0.113.30"]}, clusters)
    assert [step.actor for step in steps] == ["Astronomer", "you"]
