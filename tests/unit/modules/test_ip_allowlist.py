from typing import Any

import pytest
from cdktf import Testing
from pydantic import ValidationError

from modules.cluster import Cluster
from modules.ip_allowlist.construct import IpAllowlist
from modules.ip_allowlist.props import IpAllowlistProps
from tests.support.networks import context_of, network, sides
from tests.support.synth import NewStack, parsed

MINIMAL: dict[str, Any] = {"type": "ip_allowlist", "clusters": ("prod",), "network": "lake"}
INGRESS = {"api": {"security_group": "sg-0123456789abcdef0", "from_port": 443, "to_port": 444}}
BUCKET = {
    "bucket": "acme-exports",
    "region": "eu-west-1",
    "principals": ("arn:aws:iam::333333333333:role/astro-etl",),
}


def cluster(*ips: str, region: str = "us-east-1") -> Cluster:
    return Cluster.model_validate({"product": "hosted-standard", "region": region, "external_ips": ips or None})


ONE = cluster("203.0.113.20", "203.0.113.21")


def test_a_prefix_list_has_every_address_and_spare_entries(new_stack: NewStack) -> None:
    props = IpAllowlistProps.model_validate({**MINIMAL, "clusters": ("one", "two"), "max_entries": 5})
    both = sides(one=ONE, two=cluster("198.51.100.7"))
    stack = new_stack()
    IpAllowlist(stack, "public", props, both)
    assert parsed(Testing.synth(stack, True))["resource"] == {
        "aws_ec2_managed_prefix_list": {
            "public_addresses": {
                "name": "acme-conn",
                "address_family": "IPv4",
                "max_entries": 5,
                "entry": [
                    {"cidr": "203.0.113.20/32", "description": "Astro cluster one"},
                    {"cidr": "203.0.113.21/32", "description": "Astro cluster one"},
                    {"cidr": "198.51.100.7/32", "description": "Astro cluster two"},
                ],
                "tags": {"Name": "acme-conn"},
            }
        }
    }


def test_security_group_rules_refer_to_the_prefix_list(new_stack: NewStack) -> None:
    props = IpAllowlistProps.model_validate({**MINIMAL, "ingress": INGRESS})
    stack = new_stack()
    IpAllowlist(stack, "public", props, sides(prod=ONE))
    tf = parsed(Testing.synth(stack, True))
    assert tf["resource"]["aws_vpc_security_group_ingress_rule"] == {
        "public_ingress_api": {
            "security_group_id": "sg-0123456789abcdef0",
            "description": "Astro clusters by their external addresses",
            "prefix_list_id": "${aws_ec2_managed_prefix_list.public_addresses.id}",
            "ip_protocol": "tcp",
            "from_port": 443,
            "to_port": 444,
        }
    }


def statements(new_stack: NewStack, **bucket: Any) -> list[dict[str, Any]]:
    props = IpAllowlistProps.model_validate({**MINIMAL, "buckets": {"exports": BUCKET | bucket}})
    stack = new_stack()
    IpAllowlist(stack, "public", props, sides(prod=ONE))
    tf = parsed(Testing.synth(stack, True))
    return tf["data"]["aws_iam_policy_document"]["public_bucket_exports"]["statement"]


def test_a_bucket_allows_only_named_roles_from_the_addresses(new_stack: NewStack) -> None:
    common = {"principals": [{"type": "AWS", "identifiers": ["arn:aws:iam::333333333333:role/astro-etl"]}]}
    here = {"test": "IpAddress", "variable": "aws:SourceIp", "values": ["203.0.113.20/32", "203.0.113.21/32"]}
    assert statements(new_stack, prefix="astro/") == [
        {
            **common,
            "sid": "AstroObjects",
            "actions": ["s3:GetObject"],
            "resources": ["arn:aws:s3:::acme-exports/astro/*"],
            "condition": [here],
        },
        {
            **common,
            "sid": "AstroList",
            "actions": ["s3:ListBucket"],
            "resources": ["arn:aws:s3:::acme-exports"],
            "condition": [here, {"test": "StringLike", "variable": "s3:prefix", "values": ["astro/*"]}],
        },
    ]


def test_the_file_can_allow_writing(new_stack: NewStack) -> None:
    objects, listing = statements(new_stack, access="read-write")
    assert objects["actions"] == ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    assert (objects["resources"], len(listing["condition"])) == (["arn:aws:s3:::acme-exports/*"], 1)


def test_a_cluster_without_addresses_is_not_allowed_yet(new_stack: NewStack) -> None:
    assert [(a.field, a.giver) for a in IpAllowlistProps.needs_of_clusters] == [("external_ips", "the Astro UI")]
    props = IpAllowlistProps.model_validate({**MINIMAL, "ingress": INGRESS, "buckets": {"exports": BUCKET}})
    stack = new_stack()
    IpAllowlist(stack, "public", props, sides(prod=cluster()))
    tf = parsed(Testing.synth(stack, True))
    assert (tf.get("resource"), tf.get("data")) == (None, None)


def test_hands_over_the_list_and_the_policies(new_stack: NewStack) -> None:
    props = IpAllowlistProps.model_validate({**MINIMAL, "buckets": {"exports": BUCKET}})
    handoff = IpAllowlist(new_stack(), "public", props, sides(prod=ONE)).handoff
    assert handoff["addresses"] == ["203.0.113.20", "203.0.113.21"]
    assert {"prefix_list_id", "bucket_policies"} < set(handoff)


@pytest.mark.parametrize(
    ("changes", "clusters", "said"),
    [
        ({"max_entries": 1}, {"prod": ONE}, [("max_entries",)]),
        ({"clusters": ("prod", "dev")}, {"prod": ONE, "dev": cluster("203.0.113.21")}, [("clusters",)]),
        ({"buckets": {"exports": BUCKET}}, {"prod": cluster(region="eu-west-1")}, [("buckets", "exports", "region")]),
        ({"buckets": {"exports": BUCKET}}, {"prod": ONE}, []),
    ],
)
def test_disagrees_with_clusters_that_it_cannot_serve(
    changes: dict[str, Any], clusters: dict[str, Cluster], said: list[tuple[str, ...]]
) -> None:
    props = IpAllowlistProps.model_validate(MINIMAL | changes)
    assert [field for field, _ in props.check(context_of(network(), clusters))] == said


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("clusters", (), "at least 1"),
        ("clusters", ("prod", "prod"), "has prod twice"),
        ("max_entries", 1001, "1000"),
        ("ingress", {"a": INGRESS["api"], "b": INGRESS["api"]}, "has the same rule as a and b"),
        ("ingress", {"a": {**INGRESS["api"], "to_port": 80}}, "has to_port 80 below from_port 443"),
        ("buckets", {"exports": {**BUCKET, "principals": ("*",)}}, "is not an IAM role or user"),
        ("buckets", {"exports": {**BUCKET, "prefix": "*"}}, "is not a prefix of object keys"),
        ("buckets", {"exports": {**BUCKET, "bucket": "Exports"}}, "is not an S3 bucket name"),
    ],
)
def test_rejects_invalid_values(field: str, value: object, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        IpAllowlistProps.model_validate({**MINIMAL, field: value})


@pytest.mark.parametrize(
    ("ips", "hint"),
    [
        (("10.0.0.1",), "is not a public IPv4 address"),
        (("203.0.113.20/32",), "is not an IPv4 address"),
        (("203.0.113.20", "203.0.113.20"), "has 203.0.113.20 twice"),
        ((), "at least 1"),
    ],
)
def test_external_addresses_are_public_and_named_once(ips: tuple[str, ...], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        Cluster.model_validate({"region": "us-east-1", "external_ips": ips})
