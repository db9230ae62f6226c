from typing import Any

import pytest
from cdktf import Testing
from pydantic import ValidationError

from modules.cluster import Cluster
from modules.remote_agents.construct import RemoteAgents
from modules.remote_agents.props import RemoteAgentsProps
from tests.support.networks import LAKE, context_of, network, sides
from tests.support.synth import NewStack, parsed

SERVICE = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"
BASE: dict[str, Any] = {"type": "remote_agents", "cluster": "prod", "network": "lake"}
READY = BASE | {"service_name": SERVICE}
ID = "clmk2qqia000008mhff3ndjr0"
PROD = Cluster(region="us-east-1", id=ID)
NAME = f"{ID}.external.astronomer.run"


def agents(new_stack: NewStack, values: dict[str, Any], prod: Cluster = PROD) -> Any:
    """The resources and data of a connection, and its handoff."""
    props, joins = RemoteAgentsProps.model_validate(values), sides(LAKE, None, prod=prod)
    stack = new_stack()
    made = RemoteAgents(stack, "agents", props, joins)
    tf = parsed(Testing.synth(stack, True))
    return tf.get("resource", {}), tf.get("data", {}), made.handoff


def test_an_endpoint_has_the_name_of_the_cluster(new_stack: NewStack) -> None:
    resource, data, handoff = agents(new_stack, READY)
    group = resource.pop("aws_security_group")["agents_security-group"]
    assert [(one["from_port"], one["to_port"], one["cidr_blocks"]) for one in group["ingress"]] == [
        (443, 443, ["10.20.0.0/16"])
    ]
    assert "egress" not in group
    endpoint = "${aws_vpc_endpoint.agents_endpoint.dns_entry[0].%s}"
    assert resource == {
        "aws_vpc_endpoint": {
            "agents_endpoint": {
                "vpc_id": LAKE.vpc_id,
                "service_name": SERVICE,
                "vpc_endpoint_type": "Interface",
                "private_dns_enabled": False,
                "subnet_ids": list(LAKE.subnets.values()),
                "security_group_ids": ["${aws_security_group.agents_security-group.id}"],
                "tags": {"Name": "acme-conn"},
            }
        },
        "aws_route53_zone": {
            "agents_zone": {
                "name": NAME,
                "comment": "acme-conn",
                "vpc": [{"vpc_id": LAKE.vpc_id, "vpc_region": "us-east-1"}],
                "lifecycle": {"ignore_changes": ["vpc"]},
                "tags": {"Name": "acme-conn"},
            }
        },
        "aws_route53_record": {
            "agents_record": {
                "zone_id": "${aws_route53_zone.agents_zone.zone_id}",
                "name": NAME,
                "type": "A",
                "alias": {
                    "name": endpoint % "dns_name",
                    "zone_id": endpoint % "hosted_zone_id",
                    "evaluate_target_health": True,
                },
            }
        },
    }
    assert data == {}
    assert list(handoff) == ["account_id", "region", "endpoint_id", "dns_names", "domain", "zone_id"]


def test_agents_alone_may_use_the_endpoint(new_stack: NewStack) -> None:
    resource, _, _ = agents(new_stack, READY | {"agents_security_groups": ("sg-0123456789abcdef0",)})
    (rule,) = resource["aws_security_group"]["agents_security-group"]["ingress"]
    assert (rule["security_groups"], rule["cidr_blocks"]) == (["sg-0123456789abcdef0"], None)


def test_nothing_is_built_before_the_service_exists(new_stack: NewStack) -> None:
    assert agents(new_stack, BASE) == ({}, {}, {"account_id": "111111111111", "region": "us-east-1"})


def test_a_cluster_without_an_id_has_no_name_yet(new_stack: NewStack) -> None:
    resource, _, handoff = agents(new_stack, READY, Cluster(region="us-east-1"))
    assert (sorted(resource), "domain" in handoff) == (["aws_security_group", "aws_vpc_endpoint"], False)


def test_a_service_of_another_region_is_named_with_it(new_stack: NewStack) -> None:
    resource, _, _ = agents(new_stack, BASE | {"service_name": SERVICE.replace("us-east-1", "eu-west-1")})
    assert resource["aws_vpc_endpoint"]["agents_endpoint"]["service_region"] == "eu-west-1"


def test_each_subnet_must_be_in_a_zone_of_the_service(new_stack: NewStack) -> None:
    values = {"availability_zone_ids": ("use1-az1", "use1-az6"), "subnets": ("private-b",)}
    resource, data, _ = agents(new_stack, READY | values)
    assert resource["aws_vpc_endpoint"]["agents_endpoint"]["subnet_ids"] == [LAKE.subnets["private-b"]]
    condition = {
        "condition": '${contains(["use1-az1", "use1-az6"], self.availability_zone_id)}',
        "error_message": "connections.agents.subnets: private-b is in ${self.availability_zone_id}, and Astronomer's "
        "service is in use1-az1, use1-az6. Use subnets in these zones, or add such a subnet to the network.",
    }
    assert data == {
        "aws_subnet": {
            "agents_subnet_private-b": {
                "id": LAKE.subnets["private-b"],
                "lifecycle": {"postcondition": [condition]},
            }
        }
    }


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("service_name", "vpce-svc-0123456789abcdef0", "is not the name of an endpoint service"),
        ("availability_zone_ids", ("us-east-1a",), "is not the ID of an availability zone"),
        ("availability_zone_ids", ("use1-az1", "use1-az1"), "has use1-az1 twice"),
        ("agents_security_groups", ("sg-1",), "is not a security group ID"),
    ],
)
def test_rejects_what_cannot_work(field: str, value: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        RemoteAgentsProps.model_validate(READY | {field: value})


@pytest.mark.parametrize(
    ("values", "subnets", "field", "told"),
    [
        ({}, (), (), "needs a subnet, and the network has none"),
        ({"subnets": ("c",)}, ("a", "b"), ("subnets", 0), "'c' is not a subnet of the network; available: a, b"),
        (
            {"service_name": SERVICE.replace("us-east-1", "us-east-9")},
            ("a",),
            ("service_name",),
            "contains 'us-east-9', which is not an AWS region",
        ),
        (
            {"service_name": SERVICE.replace("us-east-1", "eu-west-1"), "availability_zone_ids": ("euw1-az1",)},
            ("a",),
            ("availability_zone_ids",),
            "are zones of the service's region eu-west-1, but the network is in us-east-1",
        ),
    ],
)
def test_rejects_what_does_not_fit_the_network(
    values: dict[str, Any], subnets: tuple[str, ...], field: tuple[Any, ...], told: str
) -> None:
    found = list(RemoteAgentsProps.model_validate(READY | values).check(context_of(network(*subnets), {"prod": PROD})))
    assert [(path, told in message) for path, message in found] == [(field, True)]


def test_astronomer_creates_the_service_and_then_accepts() -> None:
    waiting, ready = RemoteAgentsProps.model_validate(BASE), RemoteAgentsProps.model_validate(READY)
    assert [one.field for one in waiting.pending_inputs()] == ["service_name"]
    assert [step.actor for step in waiting.steps({}, {"prod": PROD})] == ["Astronomer"]
    assert list(ready.pending_inputs()) == []
    assert list(ready.steps({}, {"prod": PROD})) == []
    assert [(step.actor, step.action) for step in ready.steps({"endpoint_id": "vpce-1"}, {"prod": PROD})] == [
        ("Astronomer", f"accept the connection of endpoint vpce-1 to {SERVICE}"),
        ("you", f"check from an agent that {NAME} resolves to the private addresses of endpoint vpce-1"),
    ]
