from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from cdktf import TerraformStack, Testing
from pydantic import ValidationError

from modules.cluster import Cluster
from modules.transit_gateway.construct import TransitGateway
from modules.transit_gateway.props import TransitGatewayProps
from tests.support.networks import LAKE, OF_EACH_TABLE, PROD, context_of, network, sides
from tests.support.synth import NewStack, parsed

MINIMAL: dict[str, Any] = {
    "type": "transit_gateway",
    "clusters": ("prod",),
    "network": "lake",
    "transit_gateway_id": "tgw-0123456789abcdef0",
}
NEW: dict[str, Any] = {"type": "transit_gateway", "clusters": ("prod",), "network": "lake", "create": {}}
ATTACHED: dict[str, Any] = {"attachments": {"prod": "tgw-attach-0aaaaaaaaaaaaaaaa"}}
TABLES: dict[str, Any] = {
    "route_tables": {"clusters": "tgw-rtb-0aaaaaaaaaaaaaaaa", "network": "tgw-rtb-0bbbbbbbbbbbbbbbb"}
}
DEV = Cluster(
    product="hosted-dedicated",
    region="us-east-1",
    account_id="333333333333",
    cidr=IPv4Network("172.20.16.0/20"),
    additional_cidrs={"extra": IPv4Network("10.9.0.0/24")},
)
FOUND = "${data.aws_ec2_transit_gateway.hub_gateway.id}"
MADE = "${aws_ec2_transit_gateway.hub_gateway.id}"
SHARE = "${aws_ram_resource_share.hub_share.arn}"
ACCEPTER = "aws_ec2_transit_gateway_vpc_attachment_accepter.accepted_attachments"
ACCEPTED = f'${{{ACCEPTER}["tgw-attach-0aaaaaaaaaaaaaaaa"].id}}'


def hub(new_stack: NewStack, values: dict[str, Any], **clusters: Cluster) -> dict[str, Any]:
    props = TransitGatewayProps.model_validate(values)
    stack = new_stack()
    TransitGateway(stack, "hub", props, sides(LAKE, None, **clusters))
    return parsed(Testing.synth(stack, True))


def test_shares_the_gateway_once_with_each_clusters_account(new_stack: NewStack) -> None:
    tf = hub(new_stack, MINIMAL | {"clusters": ("prod", "dev")}, prod=PROD, dev=DEV)
    postconditions = tf["data"]["aws_ec2_transit_gateway"]["hub_gateway"].pop("lifecycle")["postcondition"]
    assert [each["condition"] for each in postconditions] == [
        '${self.owner_id == "111111111111"}',
        '${self.default_route_table_association == "enable" && self.default_route_table_propagation == "enable"}',
    ]
    assert tf["data"] == {
        "aws_ec2_transit_gateway": {"hub_gateway": {"id": "tgw-0123456789abcdef0"}},
        "aws_ec2_transit_gateway_attachments": {
            f"hub_pending_{name}": {
                "filter": [
                    {"name": "state", "values": ["pendingAcceptance"]},
                    {"name": "resource-type", "values": ["vpc"]},
                    {"name": "resource-owner-id", "values": ["333333333333"]},
                    {"name": "transit-gateway-id", "values": ["tgw-0123456789abcdef0"]},
                ]
            }
            for name in ("prod", "dev")
        },
    }
    assert tf["resource"] == {
        "aws_ram_resource_share": {
            "hub_share": {"name": "acme-conn", "allow_external_principals": True, "tags": {"Name": "acme-conn"}}
        },
        "aws_ram_resource_association": {
            "hub_share-resource_gateway": {
                "resource_arn": "${data.aws_ec2_transit_gateway.hub_gateway.arn}",
                "resource_share_arn": SHARE,
            }
        },
        "aws_ram_principal_association": {
            "hub_share-principal": {
                "for_each": '${toset(["333333333333"])}',
                "principal": "${each.value}",
                "resource_share_arn": SHARE,
            }
        },
    }


def test_no_association_depends_on_which_cluster_comes_first(new_stack: NewStack) -> None:
    both = hub(new_stack, MINIMAL | {"clusters": ("prod", "dev")}, prod=PROD, dev=DEV)
    later = hub(new_stack, MINIMAL | {"clusters": ("dev",)}, dev=DEV)
    kind = "aws_ram_principal_association"
    assert both["resource"][kind] == later["resource"][kind]


def test_shares_only_with_the_named_and_inside_the_organization(new_stack: NewStack) -> None:
    unit = "arn:aws:organizations::111111111111:ou/o-abcdefghij/ou-abcd-12345678"
    tf = hub(new_stack, MINIMAL | {"share_with": ("222222222222", unit), "inside_organization": True})
    assert tf["resource"]["aws_ram_resource_share"]["hub_share"]["allow_external_principals"] is False
    assert tf["resource"]["aws_ram_principal_association"]["hub_share-principal"]["for_each"] == (
        f'${{toset(["222222222222", "{unit}"])}}'
    )


def test_never_shares_with_an_unknown_account_or_our_own(new_stack: NewStack) -> None:
    unknown, ours = Cluster(region="us-east-1"), Cluster(region="us-east-1", account_id="111111111111")
    tf = hub(new_stack, MINIMAL | {"clusters": ("prod", "dev")}, prod=unknown, dev=ours)
    assert sorted(tf["resource"]) == ["aws_ram_resource_association", "aws_ram_resource_share"]


REQUESTS = "data.aws_ec2_transit_gateway_attachments.hub_requests_prod.ids"
REQUEST = "values(data.aws_ec2_transit_gateway_attachment.hub_request_prod)[*]"
STATES = ", ".join(
    f'"{state}"'
    for state in ("initiating", "initiatingRequest", "pendingAcceptance", "pending", "available", "modifying")
)


def conditions(resource: dict[str, Any]) -> list[str]:
    """Remove the conditions of a resource, and return them."""
    return [each["condition"] for each in resource.pop("lifecycle")["precondition"]]


def expected(account: str, *others: str) -> list[str]:
    facts = (
        f'contains([{STATES}], join("", compact({REQUEST}.state)))',
        f'join("", compact({REQUEST}.transit_gateway_id)) == "tgw-0123456789abcdef0"',
        f'join("", compact({REQUEST}.resource_type)) == "vpc"',
        f'join("", compact({REQUEST}.resource_owner_id)) == "{account}"',
        *others,
    )
    return [f"${{length({REQUESTS}) > 0}}", *(f"${{length({REQUESTS}) == 0 || {fact}}}" for fact in facts)]


def test_accepts_an_attachment_by_its_id_on_conditions(new_stack: NewStack) -> None:
    tf = hub(new_stack, MINIMAL | ATTACHED, prod=PROD.model_copy(update={"vpc_id": "vpc-0aaaaaaaaaaaaaaaa"}))
    assert {kind: data for kind, data in tf["data"].items() if "attachment" in kind} == {
        "aws_ec2_transit_gateway_attachments": {
            "hub_requests_prod": {
                "filter": [{"name": "transit-gateway-attachment-id", "values": ["tgw-attach-0aaaaaaaaaaaaaaaa"]}]
            }
        },
        "aws_ec2_transit_gateway_attachment": {
            "hub_request_prod": {
                "for_each": f"${{toset({REQUESTS})}}",
                "transit_gateway_attachment_id": "${each.value}",
            }
        },
    }
    (accepter,) = tf["resource"]["aws_ec2_transit_gateway_vpc_attachment_accepter"].values()
    vpc = f'join("", compact({REQUEST}.resource_id)) == "vpc-0aaaaaaaaaaaaaaaa"'
    assert accepter["lifecycle"]["prevent_destroy"] is True
    assert conditions(accepter) == [
        f'${{each.key != "tgw-attach-0aaaaaaaaaaaaaaaa" || ({one[2:-1]})}}' for one in expected("333333333333", vpc)
    ]
    assert accepter == {
        "for_each": {"tgw-attach-0aaaaaaaaaaaaaaaa": "acme-conn-prod"},
        "transit_gateway_attachment_id": "${each.key}",
        "transit_gateway_default_route_table_association": True,
        "transit_gateway_default_route_table_propagation": True,
        "tags": {"Name": "${each.value}"},
    }
    # With the default table, no associations or routes are needed.
    assert not any("route_table" in kind or kind == "aws_ec2_transit_gateway_route" for kind in tf["resource"])


def test_connections_accept_in_one_place_each_with_its_tables(new_stack: NewStack) -> None:
    def two(stack: TerraformStack) -> None:
        for name, number, more in (("hub", "a", {}), ("spoke", "b", TABLES)):
            values = MINIMAL | {"attachments": {"prod": f"tgw-attach-0{number * 16}"}} | more
            props = TransitGatewayProps.model_validate(values)
            TransitGateway(stack, name, props, replace(sides(LAKE, None, prod=PROD), name=f"acme-{name}"))

    stack = new_stack()
    two(stack)
    tf = parsed(Testing.synth(stack, True))
    (accepter,) = tf["resource"]["aws_ec2_transit_gateway_vpc_attachment_accepter"].values()
    assert accepter["for_each"] == {
        "tgw-attach-0aaaaaaaaaaaaaaaa": "acme-hub-prod",
        "tgw-attach-0bbbbbbbbbbbbbbbb": "acme-spoke-prod",
    }
    in_default = '${contains(["tgw-attach-0aaaaaaaaaaaaaaaa"], each.key)}'
    assert accepter["transit_gateway_default_route_table_association"] == in_default
    assert [block["to"] for block in tf["import"]] == [f"{ACCEPTER}[each.key]"]


def test_an_attachment_must_be_to_the_new_gateway(new_stack: NewStack) -> None:
    (accepter,) = hub(new_stack, NEW | ATTACHED)["resource"]["aws_ec2_transit_gateway_vpc_attachment_accepter"].values()
    assert conditions(accepter)[2].endswith("== aws_ec2_transit_gateway.hub_gateway.id)}")


def test_an_attachment_of_our_account_needs_no_acceptance(new_stack: NewStack) -> None:
    ours = Cluster(region="us-east-1", account_id="111111111111")
    tf = hub(new_stack, MINIMAL | ATTACHED | TABLES, prod=ours)
    assert "aws_ec2_transit_gateway_vpc_attachment_accepter" not in tf["resource"]
    association = tf["resource"]["aws_ec2_transit_gateway_route_table_association"]["hub_association_prod"]
    assert conditions(association) == expected("111111111111")
    assert association == {
        "transit_gateway_attachment_id": "tgw-attach-0aaaaaaaaaaaaaaaa",
        "transit_gateway_route_table_id": "tgw-rtb-0aaaaaaaaaaaaaaaa",
        "replace_existing_association": True,
    }
    after = ["aws_ec2_transit_gateway_route_table_association.hub_association_prod"]
    for kind in ("aws_ec2_transit_gateway_route", "aws_route"):
        assert all(route["depends_on"] == after for route in tf["resource"][kind].values())


def test_routes_to_our_own_attachment_have_the_same_conditions(new_stack: NewStack) -> None:
    tf = hub(new_stack, MINIMAL | ATTACHED, prod=Cluster(region="us-east-1", account_id="111111111111"))
    routes = tf["resource"]["aws_route"]
    assert [conditions(route) for route in routes.values()] == [expected("111111111111")] * len(routes)


def test_routes_only_to_the_ranges_of_attached_clusters(new_stack: NewStack) -> None:
    values = MINIMAL | {"clusters": ("prod", "dev"), "attachments": {"dev": "tgw-attach-0aaaaaaaaaaaaaaaa"}}
    assert hub(new_stack, values, prod=PROD, dev=DEV)["resource"]["aws_route"] == {
        f"hub_route_{name}": {
            **OF_EACH_TABLE,
            "destination_cidr_block": cidr,
            "transit_gateway_id": FOUND,
            "depends_on": [ACCEPTER],
        }
        for name, cidr in (("dev", "172.20.16.0/20"), ("dev_extra", "10.9.0.0/24"))
    }


def test_named_tables_take_the_place_of_the_default_ones(new_stack: NewStack) -> None:
    values = (
        MINIMAL | ATTACHED | {"route_tables": TABLES["route_tables"] | {"others": {"vpn": "tgw-rtb-0cccccccccccccccc"}}}
    )
    tf = hub(new_stack, values)["resource"]
    accepter = tf["aws_ec2_transit_gateway_vpc_attachment_accepter"]["accepted_attachments"]
    assert accepter["transit_gateway_default_route_table_association"] is False
    assert accepter["transit_gateway_default_route_table_propagation"] is False
    assert tf["aws_ec2_transit_gateway_route_table_association"] == {
        "hub_association_prod": {
            "transit_gateway_attachment_id": ACCEPTED,
            "transit_gateway_route_table_id": "tgw-rtb-0aaaaaaaaaaaaaaaa",
        }
    }
    assert tf["aws_ec2_transit_gateway_route"] == {
        f"hub_back_{table}_prod": {
            "destination_cidr_block": "172.20.0.0/20",
            "transit_gateway_attachment_id": ACCEPTED,
            "transit_gateway_route_table_id": table_id,
        }
        for table, table_id in (("network", "tgw-rtb-0bbbbbbbbbbbbbbbb"), ("vpn", "tgw-rtb-0cccccccccccccccc"))
    }
    assert "aws_ec2_transit_gateway_route_table_propagation" not in tf


def test_can_propagate_instead_of_static_routes(new_stack: NewStack) -> None:
    tf = hub(new_stack, MINIMAL | ATTACHED | TABLES | {"propagate": True})["resource"]
    assert tf["aws_ec2_transit_gateway_route_table_propagation"] == {
        "hub_propagation_network_prod": {
            "transit_gateway_attachment_id": ACCEPTED,
            "transit_gateway_route_table_id": "tgw-rtb-0bbbbbbbbbbbbbbbb",
        }
    }
    assert "aws_ec2_transit_gateway_route" not in tf


def test_a_static_route_has_an_attachment_or_is_a_blackhole(new_stack: NewStack) -> None:
    values = {
        "on_premises": {
            "office": {"cidr": "10.8.0.0/16", "attachment_id": "tgw-attach-0fffffffffffffff0"},
            "plant": {"cidr": "10.7.0.0/16"},
        },
        "blackholes": {"printers": "10.8.99.0/24"},
    }
    assert hub(new_stack, MINIMAL | TABLES | values)["resource"]["aws_ec2_transit_gateway_route"] == {
        "hub_on-premises_office": {
            "destination_cidr_block": "10.8.0.0/16",
            "transit_gateway_attachment_id": "tgw-attach-0fffffffffffffff0",
            "transit_gateway_route_table_id": "tgw-rtb-0aaaaaaaaaaaaaaaa",
        },
        "hub_blackhole_printers": {
            "destination_cidr_block": "10.8.99.0/24",
            "blackhole": True,
            "transit_gateway_route_table_id": "tgw-rtb-0aaaaaaaaaaaaaaaa",
        },
    }


def test_a_new_gateway_accepts_nothing_and_isolates_clusters(new_stack: NewStack) -> None:
    tf = hub(new_stack, NEW | {"create": {"asn": 4200000000}} | ATTACHED)["resource"]
    assert tf["aws_ec2_transit_gateway"] == {
        "hub_gateway": {
            "description": "Astro",
            "amazon_side_asn": 4200000000,
            "auto_accept_shared_attachments": "disable",
            "default_route_table_association": "disable",
            "default_route_table_propagation": "disable",
            "dns_support": "enable",
            "tags": {"Name": "acme-conn"},
        }
    }
    assert tf["aws_ec2_transit_gateway_route_table"] == {
        f"hub_table-{name}": {"transit_gateway_id": MADE, "tags": {"Name": f"acme-conn-{name}"}}
        for name in ("clusters", "network")
    }
    clusters, network = (
        f"${{aws_ec2_transit_gateway_route_table.hub_table-{name}.id}}" for name in ("clusters", "network")
    )
    attachment = "${aws_ec2_transit_gateway_vpc_attachment.hub_network.id}"
    assert tf["aws_ec2_transit_gateway_vpc_attachment"] == {
        "hub_network": {
            "transit_gateway_id": MADE,
            "vpc_id": "vpc-0123456789abcdef0",
            "subnet_ids": ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"],
            "transit_gateway_default_route_table_association": False,
            "transit_gateway_default_route_table_propagation": False,
            "tags": {"Name": "acme-conn"},
        }
    }
    assert tf["aws_ec2_transit_gateway_route_table_association"] == {
        "hub_network-association": {
            "transit_gateway_attachment_id": attachment,
            "transit_gateway_route_table_id": network,
        },
        "hub_association_prod": {
            "transit_gateway_attachment_id": ACCEPTED,
            "transit_gateway_route_table_id": clusters,
        },
    }
    # Only the network propagates into the clusters' table, so that it has no routes between clusters.
    assert tf["aws_ec2_transit_gateway_route_table_propagation"] == {
        "hub_network-propagation": {
            "transit_gateway_attachment_id": attachment,
            "transit_gateway_route_table_id": clusters,
        }
    }
    assert {one["transit_gateway_route_table_id"] for one in tf["aws_ec2_transit_gateway_route"].values()} == {network}


def test_a_vpc_is_routed_to_the_gateway_only_once_it_is_attached(new_stack: NewStack) -> None:
    tf = hub(new_stack, MINIMAL | ATTACHED | {"attach_network": True})["resource"]
    assert tf["aws_ec2_transit_gateway_vpc_attachment"]["hub_network"]["transit_gateway_id"] == FOUND
    assert {one["transit_gateway_id"] for one in tf["aws_route"].values()} == {
        "${aws_ec2_transit_gateway_vpc_attachment.hub_network.transit_gateway_id}"
    }


def test_a_network_joins_a_gateway_that_somebody_else_shares(new_stack: NewStack) -> None:
    tf = hub(new_stack, MINIMAL | {"accept_clusters": False, "attach_network": True})
    assert "data" not in tf
    assert sorted(tf["resource"]) == ["aws_ec2_transit_gateway_vpc_attachment", "aws_route"]
    attachment = tf["resource"]["aws_ec2_transit_gateway_vpc_attachment"]["hub_network"]
    assert attachment["transit_gateway_id"] == "tgw-0123456789abcdef0"
    assert list(tf["resource"]["aws_route"]) == ["hub_route_prod"]


def test_waits_for_each_cluster_that_astronomer_has_not_attached(new_stack: NewStack) -> None:
    waiting = TransitGatewayProps.model_validate(MINIMAL | ATTACHED | {"clusters": ("prod", "dev")})
    assert [(a.field, a.giver) for a in waiting.pending_inputs()] == [("attachments.dev", "Astronomer")]
    assert TransitGatewayProps.model_validate(MINIMAL | {"accept_clusters": False}).pending_inputs() == ()
    # Without the cluster's account, its attachment cannot be distinguished from a stranger's.
    tf = hub(new_stack, MINIMAL | ATTACHED, prod=Cluster(region="us-east-1"))
    assert sorted(tf["resource"]) == ["aws_ram_resource_association", "aws_ram_resource_share"]


def test_hands_over_what_astronomer_routes_and_the_tables_made(new_stack: NewStack) -> None:
    handoffs: list[dict[str, object]] = []
    office = {"on_premises": {"office": {"cidr": "10.8.0.0/16"}}}
    for values in (MINIMAL | office, NEW):
        props = TransitGatewayProps.model_validate(values)
        handoffs.append(TransitGateway(new_stack(), "hub", props, sides()).handoff)
    found, made = handoffs
    assert found["cidrs"] == ["10.20.0.0/16", "10.8.0.0/16"]
    assert list(found) == ["account_id", "region", "cidrs", "transit_gateway_id", "resource_share_arn"]
    assert list(made) == [*list(found)[:3], "route_tables", *list(found)[3:]]


def test_on_premises_ranges_count_in_the_overlap_check() -> None:
    props = TransitGatewayProps.model_validate(MINIMAL | {"on_premises": {"office": {"cidr": "10.8.0.0/16"}}})
    assert list(props.occupied_cidrs()) == [(("on_premises", "office", "cidr"), IPv4Network("10.8.0.0/16"))]


def test_a_network_without_subnets_cannot_be_attached() -> None:
    for values in (NEW, MINIMAL | {"attach_network": True}):
        props = TransitGatewayProps.model_validate(values)
        assert [field for field, _ in props.check(context_of(network(), {}))] == [("attach_network",)]
        assert list(props.check(context_of(network("private-a"), {}))) == []
    assert list(TransitGatewayProps.model_validate(MINIMAL).check(context_of(network(), {}))) == []


TABLE = "tgw-rtb-0aaaaaaaaaaaaaaaa"
OFFICE = {"office": {"cidr": "10.8.0.0/16", "attachment_id": "tgw-attach-0ffffffffffffffff"}}


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"clusters": ()}, "at least 1"),
        ({"clusters": ("prod", "prod")}, r"clusters\n.*prod twice"),
        ({"transit_gateway_id": None}, "has neither transit_gateway_id nor create; set one"),
        ({"create": {}}, "has both transit_gateway_id and create; keep one"),
        ({"transit_gateway_id": "tgw-attach-0123456789abcdef0"}, "is not a transit gateway ID"),
        ({"transit_gateway_id": None, "create": {"asn": 65535}}, "is not a private ASN; allowed: 64512 to 65534"),
        ({"transit_gateway_id": None, "create": {"asn": 4294967295}}, "is not a private ASN"),
        ({"transit_gateway_id": None, "create": {"asn": 1}}, "is not a private ASN"),
        ({"transit_gateway_id": None, "create": {"description": 'say "${hi}"'}}, "is not a description"),
        (
            {"transit_gateway_id": None, "create": {}, "attach_network": False},
            "cannot combine create with attach_network: false",
        ),
        (
            {"transit_gateway_id": None, "create": {}, "accept_clusters": False},
            "cannot combine create with accept_clusters: false",
        ),
        ({"transit_gateway_id": None, "create": {}, **TABLES}, "cannot combine create with route_tables"),
        ({"attachments": {"dev": "tgw-attach-0aaaaaaaaaaaaaaaa"}}, "has dev in attachments but not in clusters"),
        ({"attachments": {"prod": "tgw-0123456789abcdef0"}}, "is not a transit gateway attachment ID"),
        (
            {"clusters": ("prod", "dev"), "attachments": dict.fromkeys(("prod", "dev"), "tgw-attach-01234567")},
            "tgw-attach-01234567 for two clusters",
        ),
        (
            {"share_with": ("arn:aws:iam::222222222222:root",)},
            "is not a principal that AWS RAM can share with.*not arn:...:root",
        ),
        ({"share_with": (222222222222,)}, "put it in quotes"),
        ({"share_with": ("222222222222", "222222222222")}, r"share_with\n.*222222222222 twice"),
        ({"propagate": True}, "has propagate without route_tables"),
        ({"blackholes": {"office": "10.8.0.0/16"}}, "has blackholes without route_tables"),
        ({"on_premises": OFFICE}, "has on_premises.office.attachment_id without route_tables"),
        ({"on_premises": OFFICE, "blackholes": {"x": "10.8.0.0/16"}, **TABLES}, "has 10.8.0.0/16 as a route"),
        ({"accept_clusters": False, **ATTACHED}, "has accept_clusters: false and attachments"),
        ({"accept_clusters": False, "propagate": True, **TABLES}, "has accept_clusters: false and propagate"),
        ({"accept_clusters": False, "inside_organization": True}, "has accept_clusters: false and inside_organization"),
        (
            {"route_tables": {"clusters": TABLE, "network": TABLE, "others": {"vpn": TABLE}}},
            f"has {TABLE} twice in network and others",
        ),
        (
            {"route_tables": {"clusters": TABLE, "network": TABLE, "others": {"network": "tgw-rtb-01234567"}}},
            "that name is reserved",
        ),
    ],
)
def test_rejects_invalid_values(values: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        TransitGatewayProps.model_validate(MINIMAL | values)
