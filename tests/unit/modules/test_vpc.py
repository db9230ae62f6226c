from ipaddress import IPv4Network
from typing import Any

import pytest
from cdktf import Testing
from pydantic import ValidationError

from modules.context import Network
from modules.expressions import subnet
from modules.vpc.construct import Vpc
from modules.vpc.props import NewVpc, VpcProps
from tests.support.synth import NewStack, parsed

PLACE: dict[str, Any] = {"account_id": "111111111111", "region": "us-east-1"}
EXISTING: dict[str, Any] = {**PLACE, "vpc_id": "vpc-0123456789abcdef0", "cidrs": ("10.20.0.0/16",)}
VPC = "${aws_vpc.edge_vpc.id}"
WITH_INTERNET = "${aws_internet_gateway.edge_internet-gateway.vpc_id}"


def made(**create: Any) -> VpcProps:
    return VpcProps.model_validate({**PLACE, "create": {"cidr": "10.30.0.0/20", **create}})


def placed(new_stack: NewStack, props: VpcProps) -> dict[str, Any]:
    stack = new_stack()
    Vpc(stack, "edge", props, "acme-edge")
    return parsed(Testing.synth(stack, True))


# Cutting the range


def subnets(create: NewVpc) -> dict[str, tuple[str, IPv4Network]]:
    """Return the zone and range of each subnet."""
    return {
        name: (letter, IPv4Network(subnet(create.cidr, bits, number)))
        for name, (letter, bits, number) in create.cuts().items()
    }


@pytest.mark.parametrize(
    ("cidr", "private", "public"),
    [
        ("10.30.0.0/20", ["10.30.0.0/22", "10.30.4.0/22", "10.30.8.0/22"], ["12.0/24", "13.0/24", "14.0/24"]),
        (
            "10.30.12.0/24",
            ["10.30.12.0/26", "10.30.12.64/26", "10.30.12.128/26"],
            ["12.192/28", "12.208/28", "12.224/28"],
        ),
        ("10.30.0.0/16", ["10.30.0.0/18", "10.30.64.0/18", "10.30.128.0/18"], ["192.0/20", "208.0/20", "224.0/20"]),
    ],
)
def test_private_subnets_get_a_quarter_each_and_public_the_rest(
    cidr: str, private: list[str], public: list[str]
) -> None:
    create = NewVpc(cidr=IPv4Network(cidr), availability_zones=3)
    expected = {f"private-{letter}": (letter, IPv4Network(cut)) for letter, cut in zip("abc", private, strict=True)}
    expected |= {
        f"public-{letter}": (letter, IPv4Network(f"10.30.{cut}")) for letter, cut in zip("abc", public, strict=True)
    }
    assert subnets(create) == expected


def test_a_third_zone_moves_no_subnet() -> None:
    cidr = IPv4Network("10.30.0.0/20")
    two, three = (subnets(NewVpc(cidr=cidr, availability_zones=n)) for n in (2, 3))
    assert two.items() <= three.items()
    assert set(three) - set(two) == {"private-c", "public-c"}


@pytest.mark.parametrize("size", range(16, 25))
def test_subnets_do_not_overlap_and_have_valid_sizes(size: int) -> None:
    whole = IPv4Network((10 << 24, size))
    cuts = [cidr for _, cidr in subnets(NewVpc(cidr=whole, availability_zones=3)).values()]
    assert all(cut.subnet_of(whole) and 16 <= cut.prefixlen <= 28 for cut in cuts)
    assert sum(cut.overlaps(other) for cut in cuts for other in cuts) == len(cuts)


# Created resources


def test_makes_public_and_private_subnets_in_each_zone(new_stack: NewStack) -> None:
    tf = placed(new_stack, made())["resource"]
    assert tf["aws_vpc"] == {
        "edge_vpc": {
            "cidr_block": "10.30.0.0/20",
            "enable_dns_support": True,
            "enable_dns_hostnames": True,
            "tags": {"Name": "acme-edge"},
        }
    }
    assert tf["aws_subnet"] == {
        f"edge_subnet_{name}": {
            "vpc_id": vpc,
            "availability_zone": zone,
            "cidr_block": cidr,
            "map_public_ip_on_launch": False,
            "tags": {"Name": f"acme-edge-{name}"},
        }
        for name, vpc, zone, cidr in (
            ("private-a", VPC, "us-east-1a", "10.30.0.0/22"),
            ("public-a", WITH_INTERNET, "us-east-1a", "10.30.12.0/24"),
            ("private-b", VPC, "us-east-1b", "10.30.4.0/22"),
            ("public-b", WITH_INTERNET, "us-east-1b", "10.30.13.0/24"),
        )
    }


def test_private_subnets_have_own_tables_and_public_ones_share(new_stack: NewStack) -> None:
    tf = placed(new_stack, made())["resource"]
    assert tf["aws_internet_gateway"] == {"edge_internet-gateway": {"vpc_id": VPC, "tags": {"Name": "acme-edge"}}}
    assert tf["aws_route_table"] == {
        f"edge_route-table_{name}": {"vpc_id": VPC, "tags": {"Name": f"acme-edge-{name}"}}
        for name in ("public", "private-a", "private-b")
    }
    assert tf["aws_route_table_association"] == {
        f"edge_association_{subnet}": {
            "subnet_id": f"${{aws_subnet.edge_subnet_{subnet}.id}}",
            "route_table_id": f"${{aws_route_table.edge_route-table_{table}.id}}",
        }
        for subnet, table in (
            ("public-a", "public"),
            ("public-b", "public"),
            ("private-a", "private-a"),
            ("private-b", "private-b"),
        )
    }
    assert tf["aws_route"] == {
        "edge_route_public": {
            "route_table_id": "${aws_route_table.edge_route-table_public.id}",
            "destination_cidr_block": "0.0.0.0/0",
            "gateway_id": "${aws_internet_gateway.edge_internet-gateway.id}",
        }
    }
    assert "aws_nat_gateway" not in tf
    assert "aws_eip" not in tf


@pytest.mark.parametrize(
    ("nat", "homes", "ways"), [("single", "a", {"a": "a", "b": "a"}), ("per_az", "ab", {"a": "a", "b": "b"})]
)
def test_private_subnets_reach_the_internet_through_nat(
    new_stack: NewStack, nat: str, homes: str, ways: dict[str, str]
) -> None:
    tf = placed(new_stack, made(nat=nat))["resource"]
    assert tf["aws_eip"] == {
        f"edge_nat-address_{home}": {
            "domain": "vpc",
            "tags": {"Name": f"acme-edge-{home}"},
        }
        for home in homes
    }
    assert tf["aws_nat_gateway"] == {
        f"edge_nat_{home}": {
            "allocation_id": f"${{aws_eip.edge_nat-address_{home}.id}}",
            "subnet_id": f"${{aws_subnet.edge_subnet_public-{home}.id}}",
            "tags": {"Name": f"acme-edge-{home}"},
        }
        for home in homes
    }
    del tf["aws_route"]["edge_route_public"]
    assert tf["aws_route"] == {
        f"edge_route_private-{letter}": {
            "route_table_id": f"${{aws_route_table.edge_route-table_private-{letter}.id}}",
            "destination_cidr_block": "0.0.0.0/0",
            "nat_gateway_id": f"${{aws_nat_gateway.edge_nat_{home}.id}}",
        }
        for letter, home in ways.items()
    }


def test_closes_the_default_security_group(new_stack: NewStack) -> None:
    tf = placed(new_stack, made())["resource"]
    assert tf["aws_default_security_group"] == {
        "edge_default-security-group": {"vpc_id": VPC, "tags": {"Name": "acme-edge-closed"}}
    }
    assert "aws_security_group" not in tf


def test_reaches_s3_without_the_internet_by_default(new_stack: NewStack) -> None:
    tf = placed(new_stack, made())["resource"]
    assert tf["aws_vpc_endpoint"] == {
        "edge_s3": {
            "vpc_id": VPC,
            "service_name": "com.amazonaws.us-east-1.s3",
            "vpc_endpoint_type": "Gateway",
            "route_table_ids": [
                f"${{aws_route_table.edge_route-table_{table}.id}}" for table in ("public", "private-a", "private-b")
            ],
            "tags": {"Name": "acme-edge-s3"},
        }
    }
    assert "aws_vpc_endpoint" not in placed(new_stack, made(s3_endpoint=False))["resource"]


def test_keeps_flow_logs_that_only_this_vpcs_service_can_write(new_stack: NewStack) -> None:
    tf = placed(new_stack, made(flow_logs={"retention_days": 365}))
    group, role = "aws_cloudwatch_log_group.edge_flow-logs", "aws_iam_role.edge_flow-logs-role"
    assert tf["data"] == {
        "aws_iam_policy_document": {
            "edge_flow-logs-trust": {
                "statement": [
                    {
                        "actions": ["sts:AssumeRole"],
                        "principals": [{"type": "Service", "identifiers": ["vpc-flow-logs.amazonaws.com"]}],
                        "condition": [
                            {"test": "StringEquals", "variable": "aws:SourceAccount", "values": ["111111111111"]},
                            {
                                "test": "ArnLike",
                                "variable": "aws:SourceArn",
                                "values": ["arn:aws:ec2:us-east-1:111111111111:vpc-flow-log/*"],
                            },
                        ],
                    }
                ]
            },
            "edge_flow-logs-delivery": {
                "statement": [
                    {
                        "actions": [
                            "logs:CreateLogStream",
                            "logs:DescribeLogStreams",
                            "logs:PutLogEvents",
                        ],
                        "resources": [f"${{{group}.arn}}:*"],
                    },
                    {"actions": ["logs:DescribeLogGroups"], "resources": ["*"]},
                ]
            },
        }
    }
    made_of = {kind: tf["resource"][kind] for kind in tf["resource"] if "iam" in kind or "log" in kind}
    assert made_of == {
        "aws_cloudwatch_log_group": {
            "edge_flow-logs": {"name": "/aws/vpc-flow-logs/acme-edge", "retention_in_days": 365}
        },
        "aws_iam_role": {
            "edge_flow-logs-role": {
                "name": "acme-edge",
                "path": "/vpc-flow-logs/",
                "description": "Lets VPC Flow Logs write to their log group",
                "assume_role_policy": "${data.aws_iam_policy_document.edge_flow-logs-trust.json}",
                "tags": {"customeraudit": "TRUE"},
            }
        },
        "aws_iam_role_policy": {
            "edge_flow-logs-policy": {
                "role": f"${{{role}.id}}",
                "policy": "${data.aws_iam_policy_document.edge_flow-logs-delivery.json}",
            }
        },
        "aws_flow_log": {
            "edge_flow-log": {
                "vpc_id": VPC,
                "traffic_type": "ALL",
                "log_destination": f"${{{group}.arn}}",
                "iam_role_arn": f"${{{role}.arn}}",
                "tags": {"Name": "acme-edge"},
            }
        },
    }


def test_keeps_no_flow_logs_for_a_reason(new_stack: NewStack) -> None:
    tf = placed(new_stack, made(flow_logs={"off_reason": "The firewall in the inspection VPC logs all of it"}))
    assert "data" not in tf
    assert not {kind for kind in tf["resource"] if "iam" in kind or "log" in kind}
    assert "aws_flow_log" in placed(new_stack, made())["resource"]


def test_connections_use_the_private_subnets_of_a_new_vpc(new_stack: NewStack) -> None:
    seen: list[Network] = []
    names = ("private-a", "private-b", "private-c")
    stack = new_stack()
    seen.append(network := Vpc(stack, "edge", made(availability_zones=3), "acme-edge").network)
    stack.add_override("output.seen.value", [network.vpc_id, network.route_tables, network.subnets])
    assert parsed(Testing.synth(stack, True))["output"]["seen"]["value"] == [
        VPC,
        {name: f"${{aws_route_table.edge_route-table_{name}.id}}" for name in names},
        {name: f"${{aws_subnet.edge_subnet_{name}.id}}" for name in names},
    ]
    assert (seen[0].account_id, seen[0].region, seen[0].cidrs) == ("111111111111", "us-east-1", ("10.30.0.0/20",))
    assert made(availability_zones=3).subnet_names() == names


def test_an_existing_vpc_is_only_read(new_stack: NewStack) -> None:
    tf = placed(new_stack, VpcProps.model_validate(EXISTING))
    assert tf.get("resource") is None
    assert {type_: list(blocks) for type_, blocks in tf["data"].items()} == {
        "aws_vpc": ["edge_vpc"],
        "aws_vpcs": ["edge_vpcs"],
    }
    conditions = [one["condition"] for one in tf["data"]["aws_vpc"]["edge_vpc"]["lifecycle"]["postcondition"]]
    ranges = '[for one in self.cidr_block_associations : one.cidr_block if one.state == "associated"]'
    assert conditions == [
        f'${{length(setsubtract({ranges}, ["10.20.0.0/16"])) == 0}}',
        f'${{length(setsubtract(["10.20.0.0/16"], {ranges})) == 0}}',
    ]


def test_uses_the_zones_that_the_file_names(new_stack: NewStack) -> None:
    props = VpcProps.model_validate(
        {**PLACE, "region": "ap-northeast-1", "create": {"cidr": "10.30.0.0/20", "zones": {"b": "ap-northeast-1c"}}}
    )
    zones = {
        name: subnet["availability_zone"] for name, subnet in placed(new_stack, props)["resource"]["aws_subnet"].items()
    }
    assert zones == {
        f"edge_subnet_{kind}-{letter}": zone
        for kind in ("private", "public")
        for letter, zone in (("a", "ap-northeast-1a"), ("b", "ap-northeast-1c"))
    }


EDGE = [{"name": "association.gateway-id", "values": ["igw-*", "vgw-*"]}]
PUBLIC = [{"name": "route.gateway-id", "values": ["igw-*"]}]
BY_NAME_AND_TAG = [
    {"name": "tag:Name", "values": ["acme-private-*", "acme-db"]},
    {"name": "tag:tier", "values": ["private"]},
]


@pytest.mark.parametrize(
    ("wanted", "filters", "left_out"),
    [
        ("all", None, {"edge": EDGE}),
        ("private", None, {"edge": EDGE, "public": PUBLIC}),
        (
            {"by_name": ("acme-private-*", "acme-db"), "by_tag": {"tier": "private"}},
            BY_NAME_AND_TAG,
            {"edge": EDGE},
        ),
    ],
)
def test_each_plan_finds_the_route_tables(
    new_stack: NewStack, wanted: Any, filters: Any, left_out: dict[str, Any]
) -> None:
    found = placed(new_stack, VpcProps.model_validate({**EXISTING, "route_tables": wanted}))["data"]["aws_route_tables"]
    assert {name: table.get("filter") for name, table in found.items()} == {
        "edge_route-tables": filters,
        **{f"edge_{kind}-route-tables": by for kind, by in left_out.items()},
    }
    for one in (found[f"edge_{kind}-route-tables"] for kind in left_out):
        (condition,) = one["lifecycle"]["postcondition"]
        assert condition["condition"].startswith("${length(setsubtract(")
        assert "networks.edge.route_tables: vpc-" in condition["error_message"]


NEW: dict[str, Any] = {"cidr": "10.30.0.0/20"}


@pytest.mark.parametrize(
    ("entry", "where", "hint"),
    [
        ({**EXISTING, "cidrs": ()}, (), "has vpc_id without cidrs"),
        ({**EXISTING, "create": NEW}, ("create",), "cannot be combined with vpc_id, cidrs; use"),
        ({**PLACE, "cidrs": ("10.20.0.0/16",), "create": NEW}, ("create",), "cannot be combined with cidrs; use"),
        ({**PLACE, "route_tables": "all", "create": NEW}, ("create",), "cannot be combined with route_tables"),
        (
            {**PLACE, "subnets": {"a": "subnet-0123456789abcdef0"}, "create": NEW},
            ("create",),
            "cannot be combined with subnets; use",
        ),
        (
            {**PLACE, "routes_elsewhere": "The network team routes", "create": NEW},
            ("create",),
            "cannot be combined with routes_elsewhere; use",
        ),
        ({**EXISTING, "cidrs": ("10.20.0.0/29",)}, ("cidrs", 0), "is a /29, not a valid range for a VPC"),
        ({**EXISTING, "route_tables": {"a": "all"}}, ("route_tables", "map", "a"), "is not a route table ID"),
        ({**PLACE, "create": {"cidr": "10.30.0.0/25"}}, ("create", "cidr"), "/25, not a valid range for a new VPC"),
        ({**PLACE, "create": {"cidr": "10.0.0.0/15"}}, ("create", "cidr"), "/16 to /24"),
        ({**PLACE, "create": {"cidr": "11.0.0.0/16"}}, ("create", "cidr"), "RFC 1918"),
        ({**PLACE, "create": {**NEW, "availability_zones": 4}}, ("create", "availability_zones"), "2 or 3"),
        ({**PLACE, "create": {**NEW, "nat": "both"}}, ("create", "nat"), "'per_az'"),
        (
            {**PLACE, "create": {**NEW, "zones": {"a": "us-west-2a"}}},
            ("create",),
            "not in the network's region us-east-1",
        ),
        (
            {**PLACE, "create": {**NEW, "zones": {"a": "use1-az1"}}},
            ("create", "zones", "a"),
            "not an availability zone",
        ),
        ({**PLACE, "create": {**NEW, "zones": {"a": "us-east-1b"}}}, ("create",), "uses us-east-1b twice"),
        (
            {**PLACE, "region": "ap-northeast-1", "create": NEW},
            ("create",),
            "ap-northeast-1b, which AWS does not offer",
        ),
        (
            {**PLACE, "create": {**NEW, "flow_logs": {"retention_days": 100}}},
            ("create", "flow_logs", "retention_days"),
            "90, 120",
        ),
        (
            {**PLACE, "create": {**NEW, "flow_logs": {"off_reason": "no"}}},
            ("create", "flow_logs", "off_reason"),
            "is not a reason",
        ),
    ],
)
def test_rejects_invalid_values(entry: dict[str, Any], where: tuple[str, ...], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint) as caught:
        VpcProps.model_validate(entry)
    assert caught.value.errors()[0]["loc"] == where
