from ipaddress import IPv4Network
from typing import Any

import pytest
from cdktf import Testing
from pydantic import ValidationError

from modules.cluster import Cluster
from modules.vpc.construct import Vpc
from modules.vpc.props import VpcProps
from modules.vpc_peering.construct import VpcPeering
from modules.vpc_peering.props import VpcPeeringProps
from tests.support.networks import OF_EACH_TABLE, PROD, sides
from tests.support.synth import NewStack, parsed

MINIMAL: dict[str, Any] = {"type": "vpc_peering", "cluster": "prod", "network": "lake"}
REQUESTED = VpcPeeringProps(**MINIMAL, peering_id="pcx-0123456789abcdef0")
ACCEPTER = "${aws_vpc_peering_connection_accepter.lake-peering_accepter.id}"


def test_accepts_a_request_by_its_id_on_six_conditions(new_stack: NewStack) -> None:
    stack = new_stack()
    VpcPeering(stack, "lake-peering", REQUESTED, sides())
    tf = parsed(Testing.synth(stack, True))
    by_id = {"name": "vpc-peering-connection-id", "values": ["pcx-0123456789abcdef0"]}
    assert tf["data"] == {
        "aws_vpc_peering_connections": {
            "lake-peering_requests": {"filter": [by_id]},
            "lake-peering_request-range": {
                "filter": [by_id, {"name": "requester-vpc-info.cidr-block", "values": ["172.20.0.0/20"]}]
            },
        },
        "aws_vpc_peering_connection": {
            "lake-peering_request": {
                "for_each": "${toset(data.aws_vpc_peering_connections.lake-peering_requests.ids)}",
                "id": "${each.value}",
            }
        },
    }
    accepter = tf["resource"]["aws_vpc_peering_connection_accepter"]["lake-peering_accepter"]
    conditions = accepter.pop("lifecycle")["precondition"]
    assert accepter == {
        "vpc_peering_connection_id": "pcx-0123456789abcdef0",
        "auto_accept": True,
        "tags": {"Name": "acme-conn"},
    }
    ids, one = "data.aws_vpc_peering_connections.lake-peering_requests.ids", "data.aws_vpc_peering_connection"
    found = f"values({one}.lake-peering_request)[*]"
    assert [each["condition"] for each in conditions] == [
        f"${{length({ids}) > 0}}",
        *(
            f"${{length({ids}) == 0 || {condition}}}"
            for condition in (
                f'contains(["pending-acceptance", "provisioning", "active"], join("", compact({found}.status)))',
                f'join("", compact({found}.owner_id)) == "333333333333"',
                f'join("", compact([for one in {found} : try(one.requester_region, one.region)])) == "us-east-1"',
                "length(data.aws_vpc_peering_connections.lake-peering_request-range.ids) > 0",
                f'join("", compact({found}.peer_vpc_id)) == "vpc-0123456789abcdef0" && '
                f'join("", compact({found}.peer_owner_id)) == "111111111111"',
            )
        ),
    ]


def test_a_vpc_that_the_file_names_is_a_condition_too(new_stack: NewStack) -> None:
    known = sides(prod=PROD.model_copy(update={"vpc_id": "vpc-0cccccccccccccccc"}))
    stack = new_stack()
    VpcPeering(stack, "lake-peering", REQUESTED, known)
    tf = parsed(Testing.synth(stack, True))
    accepter = tf["resource"]["aws_vpc_peering_connection_accepter"]["lake-peering_accepter"]
    conditions = [each["condition"] for each in accepter["lifecycle"]["precondition"]]
    found = "values(data.aws_vpc_peering_connection.lake-peering_request)[*]"
    (only,) = (one for one in conditions if "vpc-0cccccccccccccccc" in one)
    assert only.endswith(f'|| join("", compact({found}.vpc_id)) == "vpc-0cccccccccccccccc"}}')


def test_sets_dns_on_our_side_only_and_after_accepting(new_stack: NewStack) -> None:
    stack = new_stack()
    VpcPeering(stack, "lake-peering", REQUESTED, sides())
    tf = parsed(Testing.synth(stack, True))
    assert tf["resource"]["aws_vpc_peering_connection_options"] == {
        "lake-peering_options": {
            "vpc_peering_connection_id": ACCEPTER,
            "accepter": {"allow_remote_vpc_dns_resolution": True},
        }
    }


def test_every_named_table_routes_to_every_range_of_the_cluster(new_stack: NewStack) -> None:
    cluster = Cluster(
        region="us-east-1",
        account_id="333333333333",
        cidr=IPv4Network("10.8.0.0/20"),
        pod_cidr=IPv4Network("100.64.0.0/19"),
        additional_cidrs={"extra": IPv4Network("10.9.0.0/24")},
    )
    stack = new_stack()
    VpcPeering(stack, "lake-peering", REQUESTED, sides(prod=cluster))
    tf = parsed(Testing.synth(stack, True))
    assert tf["resource"]["aws_route"] == {
        f"lake-peering_route_{name}": {
            **OF_EACH_TABLE,
            "destination_cidr_block": cidr,
            "vpc_peering_connection_id": ACCEPTER,
        }
        for name, cidr in (("prod", "10.8.0.0/20"), ("prod_extra", "10.9.0.0/24"))
    }


def test_routes_discovered_tables_by_their_ids(new_stack: NewStack) -> None:
    stack = new_stack()
    vpc = VpcProps(
        account_id="111111111111",
        region="us-east-1",
        vpc_id="vpc-0123456789abcdef0",
        cidrs=(IPv4Network("10.20.0.0/16"),),
        route_tables="all",
    )
    VpcPeering(stack, "lake-peering", REQUESTED, sides(Vpc(stack, "lake", vpc, "acme-lake").network))
    tf = parsed(Testing.synth(stack, True))
    found = tf["data"]["aws_route_tables"]
    assert found["lake_route-tables"] == {"vpc_id": "vpc-0123456789abcdef0"}
    assert found["lake_edge-route-tables"]["filter"] == [
        {"name": "association.gateway-id", "values": ["igw-*", "vgw-*"]}
    ]
    assert tf["resource"]["aws_route"] == {
        "lake-peering_route_prod": {
            "for_each": "${setsubtract(data.aws_route_tables.lake_route-tables.ids, "
            "data.aws_route_tables.lake_edge-route-tables.ids)}",
            "route_table_id": "${each.value}",
            "destination_cidr_block": "172.20.0.0/20",
            "vpc_peering_connection_id": ACCEPTER,
        }
    }


def test_lets_the_cluster_in_through_named_security_groups(new_stack: NewStack) -> None:
    props = VpcPeeringProps.model_validate(
        {**MINIMAL, "ingress": {"postgres": {"security_group": "sg-0123456789abcdef0", "from_port": 5432}}}
    )
    stack = new_stack()
    VpcPeering(stack, "lake-peering", props, sides())
    tf = parsed(Testing.synth(stack, True))
    assert tf["resource"] == {
        "aws_vpc_security_group_ingress_rule": {
            "lake-peering_ingress_postgres": {
                "security_group_id": "sg-0123456789abcdef0",
                "description": "Astro cluster prod by peering",
                "cidr_ipv4": "172.20.0.0/20",
                "ip_protocol": "tcp",
                "from_port": 5432,
                "to_port": 5432,
            }
        }
    }


def test_reports_a_pending_request_if_the_file_has_no_id(new_stack: NewStack) -> None:
    waiting = VpcPeeringProps(**MINIMAL)
    assert [(a.field, a.giver) for a in waiting.pending_inputs()] == [("peering_id", "the Astro UI")]
    stack = new_stack()
    VpcPeering(stack, "lake-peering", waiting, sides())
    tf = parsed(Testing.synth(stack, True))
    filters = {
        "status-code": "pending-acceptance",
        "requester-vpc-info.cidr-block": "172.20.0.0/20",
        "accepter-vpc-info.vpc-id": "vpc-0123456789abcdef0",
        "requester-vpc-info.owner-id": "333333333333",
    }
    assert {kind: tf.get(kind) for kind in ("resource", "data")} == {
        "resource": None,
        "data": {
            "aws_vpc_peering_connections": {
                "lake-peering_pending": {"filter": [{"name": key, "values": [one]} for key, one in filters.items()]}
            }
        },
    }
    (check,) = tf["check"]["lake-peering_pending"]["assert"]
    assert check["condition"] == "${length(data.aws_vpc_peering_connections.lake-peering_pending.ids) == 0}"


def test_reports_a_request_that_waits_for_its_account(new_stack: NewStack) -> None:
    unknown = Cluster(product="hosted-dedicated", region="us-east-1")
    stack = new_stack()
    VpcPeering(stack, "lake-peering", REQUESTED, sides(prod=unknown))
    tf = parsed(Testing.synth(stack, True))
    assert "resource" not in tf
    found = tf["data"]["aws_vpc_peering_connections"]["lake-peering_pending"]["filter"]
    assert {"name": "vpc-peering-connection-id", "values": ["pcx-0123456789abcdef0"]} in found
    (check,) = tf["check"]["lake-peering_pending"]["assert"]
    assert check["error_message"].endswith(
        " is pending, from an AWS account with range 172.20.0.0/20. To accept it, add `account_id` to clusters.prod "
        "after Astronomer has confirmed the requester's account, and deploy again."
    )


def test_a_new_vpc_has_no_pending_request_before_its_deploy(new_stack: NewStack) -> None:
    """The ID is known only after the apply, so Terraform would warn that it cannot run the check."""
    stack = new_stack()
    vpc = VpcProps.model_validate(
        {"account_id": "111111111111", "region": "us-east-1", "create": {"cidr": "10.20.0.0/16"}}
    )
    VpcPeering(stack, "lake-peering", VpcPeeringProps(**MINIMAL), sides(Vpc(stack, "lake", vpc, "acme").network))
    found = parsed(Testing.synth(stack, True))["data"]["aws_vpc_peering_connections"]["lake-peering_pending"]
    assert "${" not in str(found)


def test_a_request_must_be_for_the_vpc_that_the_stack_makes(new_stack: NewStack) -> None:
    stack = new_stack()
    vpc = VpcProps.model_validate(
        {"account_id": "111111111111", "region": "us-east-1", "create": {"cidr": "10.20.0.0/16"}}
    )
    VpcPeering(stack, "lake-peering", REQUESTED, sides(Vpc(stack, "lake", vpc, "acme").network))
    accepter = parsed(Testing.synth(stack, True))["resource"]["aws_vpc_peering_connection_accepter"][
        "lake-peering_accepter"
    ]
    last = accepter["lifecycle"]["precondition"][-1]
    assert "== aws_vpc.lake_vpc.id &&" in last["condition"]
    assert "but the network is ${aws_vpc.lake_vpc.id} of account" in last["error_message"]


@pytest.mark.parametrize("resolve_dns", [True, False])
def test_writes_the_dns_option_whatever_its_value(new_stack: NewStack, resolve_dns: bool) -> None:
    """Removing it would change nothing in AWS (facts C4)."""
    props = REQUESTED.model_copy(update={"resolve_dns": resolve_dns})
    stack = new_stack()
    VpcPeering(stack, "lake-peering", props, sides())
    tf = parsed(Testing.synth(stack, True))
    options = tf["resource"]["aws_vpc_peering_connection_options"]["lake-peering_options"]
    assert options["accepter"] == {"allow_remote_vpc_dns_resolution": resolve_dns}


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("peering_id", "vpc-0123456789abcdef0", "is not a VPC peering connection ID"),
        ("cluster", "Prod", "is not a name"),
        ("ingress", {"db": {"security_group": "sg-0123456789abcdef0", "from_port": 65536}}, "65535"),
        ("ingress", {"db": {"security_group": "default", "from_port": 5432}}, "is not a security group ID"),
    ],
)
def test_rejects_invalid_values(field: str, value: object, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        VpcPeeringProps.model_validate({**MINIMAL, field: value})
