from ipaddress import IPv4Network
from typing import Any

import pytest
from cdktf import TerraformOutput, Testing
from pydantic import ValidationError

from modules.cluster import Cluster
from modules.private_link.construct import PrivateLink
from modules.private_link.props import PrivateLinkProps
from tests.support.networks import LAKE, context_of, network, sides
from tests.support.synth import NewStack, parsed

NLB = "arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/orders/0123456789abcdef"
ROLE = "arn:aws:iam::333333333333:role/astronomer-remote-management"
TOPIC = "arn:aws:sns:us-east-1:111111111111:security"
BASE: dict[str, Any] = {"type": "private_link", "network": "lake"}
EXISTING: dict[str, Any] = BASE | {"clusters": ("prod",), "service": {"load_balancers": (NLB,)}}
BALANCER: dict[str, Any] = {
    "port": 443,
    "target_port": 8443,
    "targets": {"one": "10.20.0.20", "on-premises": "10.8.0.20"},
}
NEW: dict[str, Any] = BASE | {"clusters": ("prod",), "service": {"load_balancer": BALANCER}}
SECRETS: dict[str, Any] = {"service": "secretsmanager"}
ENDPOINT: dict[str, Any] = BASE | {"endpoints": {"secrets": SECRETS}}
SQS: dict[str, Any] = BASE | {"clusters": ("prod",), "endpoints": {"queues": {"service": "sqs", "for_clusters": True}}}
PROD = Cluster(region="us-east-1", account_id="333333333333", pod_cidr=IPv4Network("100.64.0.0/19"))
ANY_ADDRESS = dict.fromkeys(("ipv6_cidr_blocks", "prefix_list_ids", "security_groups", "self"))


def link(new_stack: NewStack, values: dict[str, Any], name: str = "acme-conn", **clusters: Cluster) -> Any:
    """The resources and data of a connection, and its handoff."""
    props = PrivateLinkProps.model_validate(values)
    joins = sides(LAKE, None, **(clusters or {"prod": PROD}))
    joins = type(joins)(name=name, network=joins.network, clusters=joins.clusters)
    stack = new_stack()
    made = PrivateLink(stack, "pl", props, joins)
    TerraformOutput(stack, "handoff", value=made.handoff)
    tf = parsed(Testing.synth(stack, True))
    return tf["resource"], tf.get("data", {}), tf["output"]["handoff"]["value"]


UNNAMED = {
    "condition": '${self.private_dns_name == null || self.private_dns_name == ""}',
    "error_message": "connections.pl.service.private_dns_name: ${self.id} still has the name ${self.private_dns_name}, "
    "and Terraform cannot remove it. Remove it with `aws ec2 modify-vpc-endpoint-service-configuration --service-id "
    "${self.id} --remove-private-dns-name`, and deploy again.",
}


def rule(description: str, port: int, *cidrs: str) -> dict[str, Any]:
    ports = {"protocol": "tcp", "from_port": port, "to_port": port}
    return {"description": description, **ports, "cidr_blocks": list(cidrs), **ANY_ADDRESS}


def test_a_service_allows_astronomers_role_and_needs_acceptance(new_stack: NewStack) -> None:
    resource, data, handoff = link(new_stack, EXISTING)
    assert data == {"aws_availability_zones": {"pl_zones": {}}}
    assert resource == {
        "aws_vpc_endpoint_service": {
            "pl_service": {
                "acceptance_required": True,
                "allowed_principals": [ROLE],
                "network_load_balancer_arns": [NLB],
                "supported_regions": ["us-east-1"],
                "lifecycle": {"postcondition": [UNNAMED]},
                "tags": {"Name": "acme-conn"},
            }
        }
    }
    service, zones = "aws_vpc_endpoint_service.pl_service", "data.aws_availability_zones.pl_zones"
    ids = f"{zones}.zone_ids[number] if contains({service}.availability_zones, name)"
    assert handoff == {
        "account_id": "111111111111",
        "region": "us-east-1",
        "service": {
            "service_name": f"${{{service}.service_name}}",
            "availability_zones": f"${{tolist({service}.availability_zones)}}",
            # The name of a zone is another zone in another account.
            "availability_zone_ids": f"${{[for number, name in {zones}.names : {ids}]}}",
        },
    }


def test_a_cluster_without_an_account_is_not_allowed_yet(new_stack: NewStack) -> None:
    resource, _, _ = link(new_stack, EXISTING, prod=Cluster(region="us-east-1"))
    assert resource["aws_vpc_endpoint_service"]["pl_service"]["allowed_principals"] == []
    # Clusters of one account are one principal.
    resource, _, _ = link(new_stack, EXISTING, prod=PROD, stage=PROD)
    assert resource["aws_vpc_endpoint_service"]["pl_service"]["allowed_principals"] == [ROLE]


def test_guards_are_changed_by_the_file_only(new_stack: NewStack) -> None:
    service = {
        "load_balancers": (NLB,),
        "allowed_principals": ("arn:aws:iam::333333333333:root",),
        "acceptance_off_reason": "Ticket OPS-1: one principal",
        "notify": TOPIC,
        "private_dns_name": "orders.acme.example",
    }
    resource, _, handoff = link(new_stack, EXISTING | {"service": service})
    assert resource == {
        "aws_vpc_endpoint_service": {
            "pl_service": {
                "acceptance_required": False,
                "allowed_principals": ["arn:aws:iam::333333333333:root"],
                "network_load_balancer_arns": [NLB],
                "private_dns_name": "orders.acme.example",
                "supported_regions": ["us-east-1"],
                "tags": {"Name": "acme-conn"},
            }
        },
        "aws_vpc_endpoint_connection_notification": {
            "pl_notification": {
                "vpc_endpoint_service_id": "${aws_vpc_endpoint_service.pl_service.id}",
                "connection_notification_arn": TOPIC,
                "connection_events": ["Accept", "Connect", "Delete", "Reject"],
            }
        },
    }
    assert "private_dns_record" in handoff["service"]


def test_a_protected_internal_balancer_forwards_to_the_targets(new_stack: NewStack) -> None:
    resource, _, _ = link(new_stack, NEW)
    assert resource["aws_lb"] == {
        "pl_load-balancer": {
            "name": "pl-acme-conn",
            "lifecycle": {"ignore_changes": ["name"]},
            "load_balancer_type": "network",
            "internal": True,
            "enable_cross_zone_load_balancing": True,
            "enable_deletion_protection": True,
            "security_groups": ["${aws_security_group.pl_load-balancer-security-group.id}"],
            "subnets": list(LAKE.subnets.values()),
            "tags": {"Name": "acme-conn"},
        }
    }
    assert resource["aws_lb_target_group"] == {
        "pl_targets": {
            "name": "pl-8443-acme-conn",
            "vpc_id": "vpc-0123456789abcdef0",
            "target_type": "ip",
            "protocol": "TCP",
            "port": 8443,
            "lifecycle": {"create_before_destroy": True},
            "tags": {"Name": "acme-conn"},
        }
    }
    group = "${aws_lb_target_group.pl_targets.arn}"
    # An address outside the VPC has no zone that AWS could look up.
    assert resource["aws_lb_target_group_attachment"] == {
        "pl_target_one": {"target_group_arn": group, "target_id": "10.20.0.20"},
        "pl_target_on-premises": {"target_group_arn": group, "target_id": "10.8.0.20", "availability_zone": "all"},
    }
    assert resource["aws_lb_listener"] == {
        "pl_listener": {
            "load_balancer_arn": "${aws_lb.pl_load-balancer.arn}",
            "protocol": "TCP",
            "port": 443,
            "default_action": [{"type": "forward", "target_group_arn": group}],
            "tags": {"Name": "acme-conn"},
        }
    }
    service = resource["aws_vpc_endpoint_service"]["pl_service"]
    assert service["network_load_balancer_arns"] == ["${aws_lb.pl_load-balancer.arn}"]


def test_the_balancer_accepts_clusters_and_reaches_only_targets(new_stack: NewStack) -> None:
    resource, _, _ = link(new_stack, NEW)
    assert resource["aws_security_group"] == {
        "pl_load-balancer-security-group": {
            "name_prefix": "load-balancer-acme-conn-",
            "lifecycle": {"create_before_destroy": True, "ignore_changes": ["name_prefix"]},
            "description": "PrivateLink: from the Astro clusters to the targets",
            "vpc_id": "vpc-0123456789abcdef0",
            "ingress": [rule("Astro clusters", 443, "100.64.0.0/19", "172.20.0.0/20")],
            "egress": [rule("Targets", 8443, "10.20.0.20/32", "10.8.0.20/32")],
            "tags": {"Name": "acme-conn"},
        }
    }


def test_a_reason_turns_off_the_balancers_deletion_protection(new_stack: NewStack) -> None:
    balancer = {"port": 5432, "targets": {"db": "10.20.0.20"}, "removal_reason": "Ticket OPS-1: replaced"}
    resource, _, _ = link(new_stack, NEW | {"service": {"load_balancer": balancer}})
    assert resource["aws_lb"]["pl_load-balancer"]["enable_deletion_protection"] is False
    assert resource["aws_lb_target_group"]["pl_targets"]["port"] == 5432


def test_long_names_differ_within_32_characters(new_stack: NewStack) -> None:
    names = [f"{'a' * 31}-{'b' * 30}{end}" for end in "xy"]
    made = [link(new_stack, NEW, name)[0]["aws_lb"]["pl_load-balancer"]["name"] for name in names]
    assert len(set(made)) == 2
    assert all(len(name) <= 32 for name in made)


def test_an_endpoint_is_open_to_the_network_alone(new_stack: NewStack) -> None:
    resource, data, handoff = link(new_stack, ENDPOINT)
    assert data == {}
    assert resource == {
        "aws_security_group": {
            "pl_security-group_secrets": {
                "name_prefix": "endpoint-acme-conn-secrets-",
                "lifecycle": {"create_before_destroy": True, "ignore_changes": ["name_prefix"]},
                "description": "Endpoint to secretsmanager",
                "vpc_id": "vpc-0123456789abcdef0",
                "ingress": [rule("secretsmanager", 443, "10.20.0.0/16")],
                "tags": {"Name": "acme-conn-secrets"},
            }
        },
        "aws_vpc_endpoint": {
            "pl_endpoint_secrets": {
                "vpc_id": "vpc-0123456789abcdef0",
                "service_name": "com.amazonaws.us-east-1.secretsmanager",
                "vpc_endpoint_type": "Interface",
                "private_dns_enabled": True,
                "subnet_ids": list(LAKE.subnets.values()),
                "security_group_ids": ["${aws_security_group.pl_security-group_secrets.id}"],
                "tags": {"Name": "acme-conn-secrets"},
            }
        },
    }
    endpoint = "aws_vpc_endpoint.pl_endpoint_secrets"
    assert handoff["endpoints"] == {
        "secrets": {
            "id": f"${{{endpoint}.id}}",
            "service": "com.amazonaws.us-east-1.secretsmanager",
            "dns_names": f"${{{endpoint}.dns_entry[*].dns_name}}",
        }
    }


def test_an_endpoint_can_be_open_to_clusters(new_stack: NewStack) -> None:
    resource, _, _ = link(new_stack, SQS)
    group = resource["aws_security_group"]["pl_security-group_queues"]
    assert group["ingress"] == [rule("sqs", 443, "10.20.0.0/16", "172.20.0.0/20")]


def test_an_endpoint_can_be_limited_to_named_accounts(new_stack: NewStack) -> None:
    resource, data, _ = link(
        new_stack, BASE | {"endpoints": {"secrets": SECRETS | {"only_accounts": ("111111111111",)}}}
    )
    policy = "${data.aws_iam_policy_document.pl_policy_secrets.json}"
    assert resource["aws_vpc_endpoint"]["pl_endpoint_secrets"]["policy"] == policy
    assert data["aws_iam_policy_document"]["pl_policy_secrets"]["statement"] == [
        {
            "actions": ["*"],
            "resources": ["*"],
            "principals": [{"type": "AWS", "identifiers": ["*"]}],
            "condition": [{"test": "StringEquals", "variable": "aws:PrincipalAccount", "values": ["111111111111"]}],
        }
    ]


@pytest.mark.parametrize(
    ("record", "first"),
    [
        ([], "deploy once more, which outputs the TXT record of orders.acme.example"),
        (
            [{"name": "_x"}],
            "create the TXT record of `service.private_dns_record` in the public zone of orders.acme.example, then "
            "write `verify_private_dns: true` and deploy",
        ),
    ],
)
def test_a_name_added_later_needs_one_more_deploy(record: list[Any], first: str) -> None:
    """The provider does not know that the record changes, so the first deploy outputs the one from before."""
    service = {"load_balancers": (NLB,), "private_dns_name": "orders.acme.example"}
    props = PrivateLinkProps.model_validate(EXISTING | {"service": service})
    step, *_ = props.steps({"service": {"service_name": "svc", "private_dns_record": record}}, {})
    assert (step.actor, step.action) == ("you", first)


def test_claims_the_names_that_its_endpoints_answer_for() -> None:
    quiet = {"service": "s3", "private_dns": False}
    props = PrivateLinkProps.model_validate(BASE | {"endpoints": {"secrets": SECRETS, "objects": quiet}})
    assert [(claim.scope, claim.key) for claim in props.claims()] == [("network", ("private DNS", "secretsmanager"))]


@pytest.mark.parametrize(
    ("values", "subnets", "fields"),
    [
        (NEW, ("private-a",), []),
        (NEW, (), [("service", "load_balancer")]),
        (ENDPOINT, (), [("endpoints", "secrets")]),
        (
            BASE | {"endpoints": {"secrets": SECRETS | {"subnets": ("private-a", "b")}}},
            ("private-a",),
            [("endpoints", "secrets", "subnets", 1)],
        ),
    ],
)
def test_new_resources_are_in_subnets_of_the_network(
    values: dict[str, Any], subnets: tuple[str, ...], fields: list[Any]
) -> None:
    props = PrivateLinkProps.model_validate(values)
    assert [field for field, _ in props.check(context_of(network(*subnets), {}))] == fields


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({}, []),
        (
            {"account_id": "222222222222"},
            [
                (
                    ("service", "load_balancers", 0),
                    f"{NLB!r} is not in account 222222222222 and us-east-1; an endpoint service needs load balancers "
                    "in its account and region",
                )
            ],
        ),
        (
            {"region": "us-west-2"},
            [
                (
                    ("service", "load_balancers", 0),
                    f"{NLB!r} is not in account 111111111111 and us-west-2; an endpoint service needs load balancers "
                    "in its account and region",
                ),
                (
                    ("service", "notify"),
                    "'arn:aws:sns:us-east-1:555555555555:links' is not in us-west-2; the topic must be in the "
                    "network's region",
                ),
            ],
        ),
    ],
)
def test_balancers_and_topic_are_in_the_networks_region(place: dict[str, str], said: list[Any]) -> None:
    service = EXISTING["service"] | {"notify": "arn:aws:sns:us-east-1:555555555555:links"}
    props = PrivateLinkProps.model_validate(EXISTING | {"service": service})
    assert list(props.check(context_of(network(**place), {}))) == said


def balancer(**values: Any) -> dict[str, Any]:
    return {"service": {"load_balancer": BALANCER | values}}


def endpoint(**values: Any) -> dict[str, Any]:
    return {"endpoints": {"secrets": SECRETS | values}}


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"service": None}, "neither service nor endpoints"),
        ({"service": {}}, "has neither load_balancers nor load_balancer; set one"),
        (
            {"service": {"load_balancers": (NLB,), "load_balancer": BALANCER}},
            "has both load_balancers and load_balancer",
        ),
        ({"service": {"load_balancers": (NLB.replace("/net/", "/app/"),)}}, "is not a network load balancer"),
        ({"service": {"load_balancers": (NLB, NLB)}}, r"load_balancers\n.*twice"),
        (
            {"service": {"load_balancers": (NLB,), "allowed_principals": ("foo",)}},
            "is not a valid principal for an endpoint service",
        ),
        (
            {"service": {"load_balancers": (NLB,), "allowed_principals": ("*",)}},
            "is not a valid principal for an endpoint service",
        ),
        ({"service": {"load_balancers": (NLB,), "acceptance_off_reason": "no"}}, "is not a reason"),
        ({"service": {"load_balancers": (NLB,), "notify": "security@acme.example"}}, "is not an SNS topic"),
        ({"service": {"load_balancers": (NLB,), "private_dns_name": "https://orders"}}, "is not a domain name"),
        (balancer(targets={}), "at least 1"),
        (balancer(targets={"one": "8.8.8.8"}), "is not a private address"),
        (balancer(targets={"one": "10.20.0.20", "two": "10.20.0.20"}), "10.20.0.20 twice in targets"),
        (balancer(port=0), "greater than or equal to 1"),
        (balancer(subnets=("private-a", "private-a")), r"subnets\n.*private-a twice"),
        (balancer(removal_reason="no"), "is not a reason"),
        ({"clusters": ()}, "service for clusters, but clusters is empty"),
        ({"clusters": ("prod", "prod")}, r"clusters\n.*prod twice"),
        ({"service": None} | endpoint(), "has clusters, but nothing for them"),
        (
            {"service": None, "clusters": ()} | endpoint(for_clusters=True),
            "endpoints.secrets for clusters, but clusters is empty",
        ),
        (endpoint(service="com.amazonaws.sqs"), "contains no AWS region"),
        (endpoint(service="s3"), "the VPC's free gateway endpoint"),
        (endpoint(only_accounts=("acme",)), "is not an AWS account ID"),
    ],
)
def test_rejects_invalid_values(values: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        PrivateLinkProps.model_validate(EXISTING | values)
