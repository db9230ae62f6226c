"""Situations that platform teams have described in public: tests/data/situations, an estate for each.

Each test is named after its file. It compares the messages of `check` and the synthesized stacks.
"""

import json
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from estate.load import load
from estate.model import Estate
from estate.source import Source
from estate.warnings import warnings
from operations.policy.lint import lint, policies_of
from tests.support import ROOT
from tests.support.estates import mistakes
from tests.support.synth import synth_all, without_metadata

SITUATIONS = ROOT / "tests/data/situations"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policies").symlink_to(SITUATIONS / "policies")
    return tmp_path


def text_of(name: str, changes: Mapping[str, str] | None = None) -> str:
    text = (SITUATIONS / f"{name}.yaml").read_text()
    for old, new in (changes or {}).items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def said(folder: Path, name: str, changes: Mapping[str, str] | None = None) -> list[str]:
    """Return the mistakes in a situation, without lines and columns."""
    return [line.split(": ", 1)[1] for line in mistakes(folder, text_of(name, changes))]


def estate(folder: Path, name: str, changes: Mapping[str, str] | None = None) -> Estate:
    return _load(folder, text_of(name, changes))


def _load(folder: Path, text: str) -> Estate:
    (folder / "astro.yaml").write_text(text)
    return load(folder / "astro.yaml")


def warned(folder: Path, name: str, changes: Mapping[str, str] | None = None) -> list[str]:
    """Return the warnings about a situation, without lines and columns, and without those on placeholders."""
    file = folder / "astro.yaml"
    file.write_text(text_of(name, changes))
    source = Source(file)
    told = [str(one).split(": ", 1)[1] for one in warnings(load(file, source), file, source, date(2026, 11, 1))]
    return [one for one in told if "is a placeholder from the examples" not in one]


def _synthesized(folder: Path, text: str) -> dict[str, Any]:
    return synth_all(_load(folder, text), folder / "out")


def built(folder: Path, name: str, changes: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the resources and data sources of each stack, by type and name."""
    stacks = synth_all(estate(folder, name, changes), folder / "out")
    plain = without_metadata(stacks)
    return {stack: tree.get("data", {}) | tree.get("resource", {}) for stack, tree in plain.items()}


def test_eks_secondary_range_behind_gateway(folder: Path) -> None:
    name = "eks-secondary-range-behind-gateway"
    assert warned(folder, name) == [
        "networks.eks.cidrs.1: '100.64.0.0/16' overlaps the pods of clusters.prod (100.64.0.0/19), so pods cannot "
        "reach all of it; if they do not need to, move it to unrouted_cidrs"
    ]
    unrouted = {"[10.20.0.0/16, 100.64.0.0/16]": "[10.20.0.0/16]\n    unrouted_cidrs: [100.64.0.0/16]"}
    assert warned(folder, name, unrouted) == []
    routes = built(folder, name, unrouted)["network-eks"]["aws_route"]
    assert [route["destination_cidr_block"] for route in routes.values()] == ["172.20.0.0/20"]


def test_pods_that_a_gateway_announces_count(folder: Path) -> None:
    name = "eks-secondary-range-behind-gateway"
    propagate = {"    route_tables:\n": "    propagate: true\n    route_tables:\n"}
    assert said(folder, name, propagate) == [
        "clusters.prod.pod_cidr: '100.64.0.0/19' overlaps 100.64.0.0/16 of networks.eks.cidrs.1, and clusters.prod "
        "needs routes to both; AWS cannot route between overlapping ranges: change one"
    ]


def test_a_peering_counts_ranges_that_are_not_routed(folder: Path) -> None:
    name = "eks-secondary-range-behind-gateway"
    text = text_of(name, {"[10.20.0.0/16, 100.64.0.0/16]": "[10.20.0.0/16]\n    unrouted_cidrs: [100.64.0.0/16]"})
    peering = text[: text.index("  hub:")] + "  lake: {type: vpc_peering, cluster: prod, network: eks}\n"
    assert [line.split(": ", 1)[1] for line in mistakes(folder, peering)] == [
        "clusters.prod.pod_cidr: '100.64.0.0/19' overlaps 100.64.0.0/16 of networks.eks.unrouted_cidrs.0, and "
        "clusters.prod needs routes to both; AWS cannot route between overlapping ranges: change one"
    ]


def test_an_unrouted_range_does_not_hide_a_cluster(folder: Path) -> None:
    hides = {"[10.20.0.0/16, 100.64.0.0/16]": "[10.20.0.0/16]\n    unrouted_cidrs: [172.20.0.0/16]"}
    assert said(folder, "eks-secondary-range-behind-gateway", hides) == [
        "clusters.prod.cidr: '172.20.0.0/20' overlaps 172.20.0.0/16 of networks.eks.unrouted_cidrs.0, and "
        "networks.eks needs routes to both; AWS cannot route between overlapping ranges: change one"
    ]


def test_public_secondary_range(folder: Path) -> None:
    name = "public-secondary-range"
    assert said(folder, name) == [
        "connections.peering.network: 'lake' has 11.20.0.0/16, and Astronomer requires RFC 1918 ranges for a VPC "
        "peering (Create a network connection, Prerequisites); if Astro does not need to reach it, move it to the "
        "network's unrouted_cidrs, otherwise use transit_gateway or private_link"
    ]
    gateway = {
        "{type: vpc_peering, cluster: prod, network: lake, peering_id: pcx-0123456789abcdef0}": (
            "{type: transit_gateway, clusters: [prod], network: lake, transit_gateway_id: tgw-0123456789abcdef0}"
        )
    }
    assert said(folder, name, gateway) == []
    assert said(folder, name, {", 11.20.0.0/16]": "]\n    unrouted_cidrs: [11.20.0.0/16]"}) == []


def test_overlapping_vpc_by_privatelink(folder: Path) -> None:
    assert warned(folder, "overlapping-vpc-by-privatelink") == []


def test_clusters_in_three_regions(folder: Path) -> None:
    routes = built(folder, "clusters-in-three-regions")["network-lake"]["aws_route"]
    assert [(name, one["for_each"].count("rtb-")) for name, one in sorted(routes.items())] == [
        (f"p-{region}_route_{region}", 3) for region in ("au", "eu", "us")
    ]


def test_one_place_may_be_named_twice(folder: Path) -> None:
    """An on-premises range is another network on the same gateway, or also has a VPN."""
    text = text_of("eks-secondary-range-behind-gateway", {"[10.20.0.0/16, 100.64.0.0/16]": "[10.20.0.0/16]"})
    sea = (
        'networks:\n  sea: {account_id: "111111111111", region: us-east-1, vpc_id: vpc-0bbbbbbbbbbbbbbbb, '
        "cidrs: [10.30.0.0/16], route_tables: all}\n"
    )
    more = (
        "    on_premises: {sea: {cidr: 10.30.0.0/16}, office: {cidr: 10.8.0.0/16}}\n"
        "  sea-hub: {type: transit_gateway, clusters: [prod], network: sea, accept_clusters: false, "
        "transit_gateway_id: tgw-0123456789abcdef0}\n"
        "  office: {type: vpn, network: sea, gateways: {a: {ip: 203.0.113.10}}, static_routes: {office: 10.8.0.0/16}}\n"
    )
    assert mistakes(folder, text.replace("networks:\n", sea) + more) == []


def test_a_twin_has_the_ranges_of_its_cluster(folder: Path) -> None:
    """By default, a twin has the ranges of its cluster (facts C10)."""
    twin = "    pod_cidr: 100.64.0.0/19\n    dr: {region: us-east-1, cidr: 172.20.0.0/20, pod_cidr: 100.64.0.0/19}"
    text = text_of(
        "eks-secondary-range-behind-gateway",
        {"[10.20.0.0/16, 100.64.0.0/16]": "[10.20.0.0/16]", "    pod_cidr: 100.64.0.0/19": twin},
    )
    assert mistakes(folder, text) == []
    both = mistakes(folder, text.replace("clusters: [prod]", "clusters: [prod, prod-dr]"))
    assert [line.split(": ", 1)[1] for line in both] == [
        "clusters.prod.dr.cidr: '172.20.0.0/20' overlaps 172.20.0.0/20 of clusters.prod.cidr, and both clusters are "
        "connected with networks.eks, which has one route per range; request another range for the twin, or connect "
        "the twin with another network or gateway"
    ]


def test_one_firewall_two_vpcs(folder: Path) -> None:
    """Each stack has a customer gateway with a different name, or uses an existing one."""
    name = "one-firewall-two-vpcs"
    gateways = [stack["aws_customer_gateway"] for stack in built(folder, name).values()]
    names = [one["device_name"] for stack in gateways for one in stack.values()]
    assert names == ["acme-office-dev-firewall", "acme-office-prod-firewall"]
    text = text_of(name)
    named = text.replace("{ip: 203.0.113.10}", "{customer_gateway_id: cgw-0aaaaaaaaaaaaaaaa}")
    stacks = synth_all(_load(folder, named), folder / "named")
    assert [
        (stack["resource"].get("aws_customer_gateway"), one["customer_gateway_id"])
        for stack in stacks.values()
        for one in stack["resource"]["aws_vpn_connection"].values()
    ] == [(None, "cgw-0aaaaaaaaaaaaaaaa")] * 2


def test_connections_of_a_network_share_a_device(folder: Path) -> None:
    """One customer gateway has an address and ASN. Its address follows the order of the file."""
    shared = {"network: dev": "network: prod\n    transit_gateway_id: tgw-0123456789abcdef0"}
    text = text_of("one-firewall-two-vpcs", shared)
    first, second = text.index("  office-prod:"), text.index("  office-dev:")
    swapped = text[:first] + text[second:] + text[first:second]
    kind = "aws_customer_gateway"
    for order, (owner, other) in ((text, ("prod", "dev")), (swapped, ("dev", "prod"))):
        (tree,) = (stack for name, stack in _synthesized(folder, order).items() if name == "network-prod")
        address, unused = (f"{kind}.office-{one}_customer-gateway_firewall" for one in (owner, other))
        assert [f"{kind}.{name}" for name in tree["resource"][kind]] == [address]
        assert [one["customer_gateway_id"] for one in tree["resource"]["aws_vpn_connection"].values()] == [
            f"${{{address}.id}}"
        ] * 2
        assert [one for one in tree["moved"] if kind in one["to"]] == [{"from": unused, "to": address}]
    other_asn = text[:second] + text[second:].replace("65010", "65011")
    tree = _synthesized(folder, other_asn)["network-prod"]
    assert (len(tree["resource"][kind]), [one for one in tree["moved"] if kind in one["to"]]) == (2, [])


def test_a_shared_device_follows_renamed_connections(folder: Path) -> None:
    shared = {"network: dev": "network: prod\n    transit_gateway_id: tgw-0123456789abcdef0"}
    text = text_of("one-firewall-two-vpcs", shared)
    text += "renamed: {connections.plant: office-prod, connections.lab: office-dev}\n"
    moved = _synthesized(folder, text)["network-prod"]["moved"]
    kind = "aws_customer_gateway."
    names = ["lab", "office-dev", "plant", "office-prod"]
    assert [one for one in moved if one["to"].startswith(kind)] == [
        {"from": f"{kind}{former}_customer-gateway_firewall", "to": f"{kind}{to}_customer-gateway_firewall"}
        for former, to in reversed([*pairwise(names)])
    ]


def test_vpn_over_direct_connect(folder: Path) -> None:
    name = "vpn-over-direct-connect"
    assert said(folder, name) == [
        "connections.office.gateways.dc: has the private address 10.200.0.1 without direct_connect_attachment_id; "
        "set the attachment of the Direct Connect gateway that carries the tunnels, or the device's public "
        "IP address"
    ]
    carried = {"ip: 10.200.0.1": "ip: 10.200.0.1, direct_connect_attachment_id: tgw-attach-0aaaaaaaaaaaaaaaa"}
    (vpn,) = built(folder, name, carried)["network-lake"]["aws_vpn_connection"].values()
    assert (vpn["outside_ip_address_type"], vpn["transport_transit_gateway_attachment_id"]) == (
        "PrivateIpv4",
        "tgw-attach-0aaaaaaaaaaaaaaaa",
    )
    ends_elsewhere = said(folder, name, carried | {"    transit_gateway_id: tgw-0123456789abcdef0\n": ""})
    assert [line.split("; ")[0] for line in ends_elsewhere] == [
        "connections.office: has gateways.dc.direct_connect_attachment_id without transit_gateway_id"
    ]


def test_vpn_with_certificates(folder: Path) -> None:
    made = built(folder, "vpn-with-certificates")["network-lake"]
    (gateway,), (vpn,) = made["aws_customer_gateway"].values(), made["aws_vpn_connection"].values()
    assert "ip_address" not in gateway
    assert gateway["certificate_arn"].startswith("arn:aws:acm:us-east-1:111111111111:certificate/")
    assert (vpn["tunnel1_startup_action"], vpn["tunnel2_startup_action"]) == ("add", "add")
    assert "preshared_key_storage" not in vpn


def test_azure_active_active_vpn(folder: Path) -> None:
    made = built(folder, "azure-active-active-vpn")["network-lake"]
    assert len(made["aws_customer_gateway"]) == 2
    assert [
        (one["tunnel1_inside_cidr"], one["tunnel2_inside_cidr"], one["vpn_gateway_id"])
        for one in made["aws_vpn_connection"].values()
    ] == [
        ("169.254.21.0/30", "169.254.22.0/30", "${aws_vpn_gateway.azure_gateway.id}"),
        ("169.254.21.4/30", "169.254.22.4/30", "${aws_vpn_gateway.azure_gateway.id}"),
    ]


def test_gateway_account_without_vpc(folder: Path) -> None:
    name = "gateway-account-without-vpc"
    assert warned(folder, name) == []
    made = built(folder, name)["network-hub"]
    assert sorted(made) == [
        "aws_ec2_transit_gateway",
        "aws_ec2_transit_gateway_attachments",
        "aws_ec2_transit_gateway_vpc_attachment_accepter",
        "aws_ram_principal_association",
        "aws_ram_resource_association",
        "aws_ram_resource_share",
    ]
    attached = {
        "    transit_gateway_id: tgw-0123456789abcdef0": (
            "    transit_gateway_id: tgw-0123456789abcdef0\n    attachments: {prod: tgw-attach-0aaaaaaaaaaaaaaaa}\n"
            "    route_tables: {clusters: tgw-rtb-0aaaaaaaaaaaaaaaa, network: tgw-rtb-0bbbbbbbbbbbbbbbb}\n"
            "    on_premises: {warehouse: {cidr: 10.20.0.0/16}}"
        )
    }
    made = built(folder, name, attached)["network-hub"]
    assert [route["destination_cidr_block"] for route in made["aws_ec2_transit_gateway_route"].values()] == [
        "172.20.0.0/20"
    ]
    assert not {"aws_route", "aws_vpc", "aws_ec2_transit_gateway_vpc_attachment"} & made.keys()


def test_a_network_without_a_vpc_cannot_be_attached(folder: Path) -> None:
    attach = {"transit_gateway_id: tgw-0123456789abcdef0": "create: {}"}
    assert said(folder, "gateway-account-without-vpc", attach)[0] == (
        "connections.tgw.network: 'hub' has no VPC, and this transit_gateway needs one; add vpc_id and cidrs, or "
        "create, to networks.hub"
    )


def test_shared_vpc_participant(folder: Path) -> None:
    stacks = built(folder, "shared-vpc-participant")
    assert {name: sorted(stack) for name, stack in stacks.items()} == {
        "network-data-account": [
            "aws_ec2_transit_gateway_vpc_attachment_accepter",
            "aws_vpc",
            "aws_vpc_security_group_ingress_rule",
            "aws_vpcs",
        ],
        "network-network-account": [
            "aws_ec2_transit_gateway_vpc_attachment_accepter",
            "aws_route",
            "aws_vpc",
            "aws_vpc_peering_connection",
            "aws_vpc_peering_connection_accepter",
            "aws_vpc_peering_connection_options",
            "aws_vpc_peering_connections",
            "aws_vpcs",
        ],
    }


def test_a_participant_takes_no_peering_and_has_no_route_tables(folder: Path) -> None:
    name = "shared-vpc-participant"
    peered = {"    network: network-account\n": "    network: data-account\n"}
    assert said(folder, name, peered) == [
        "connections.peering.network: 'data-account' is a participant's side of a shared VPC, but only the owner's "
        "account can have a vpc_peering; use 'network-account', or the owner's entry"
    ]
    routes = {"routes_elsewhere: The network account owns the route tables": "route_tables: all"}
    assert said(folder, name, routes) == [
        "networks.data-account.route_tables: 'vpc-0aaaaaaaaaaaaaaaa' belongs to networks.network-account, in account "
        "111111111111, and only its owner can change its route tables; set routes_elsewhere here"
    ]


def test_gateway_in_another_region(folder: Path) -> None:
    name = "gateway-in-another-region"
    made = built(folder, name)["network-lake"]
    accepter = made["aws_ec2_transit_gateway_peering_attachment_accepter"]["accepted_peerings"]
    assert (accepter["for_each"], accepter["lifecycle"]["prevent_destroy"]) == (
        {"tgw-attach-0aaaaaaaaaaaaaaaa": "acme-hub-prod"},
        True,
    )
    conditions = [one["error_message"] for one in accepter["lifecycle"]["precondition"]]
    assert any("a cluster in another region attaches a peering" in one for one in conditions)
    (associated,) = made["aws_ec2_transit_gateway_route_table_association"].values()
    (back,) = made["aws_ec2_transit_gateway_route"].values()
    (route,) = made["aws_route"].values()
    assert associated["transit_gateway_route_table_id"] == "tgw-rtb-0aaaaaaaaaaaaaaaa"
    assert (back["destination_cidr_block"], back["transit_gateway_route_table_id"]) == (
        "172.20.0.0/20",
        "tgw-rtb-0bbbbbbbbbbbbbbbb",
    )
    assert (route["destination_cidr_block"], route["transit_gateway_id"]) == (
        "172.20.0.0/20",
        "${data.aws_ec2_transit_gateway.hub_gateway.id}",
    )
    # A peering of gateways needs no share.
    assert "aws_ram_resource_share" not in made


def test_a_peering_of_gateways_needs_named_tables(folder: Path) -> None:
    tables = "    route_tables: {clusters: tgw-rtb-0aaaaaaaaaaaaaaaa, network: tgw-rtb-0bbbbbbbbbbbbbbbb}\n"
    assert said(folder, "gateway-in-another-region", {tables: ""}) == [
        "connections.hub.clusters.0: 'prod' is in eu-west-1 and the gateway in us-east-1; a peering between "
        "gateways needs static "
        "routes: set route_tables, or use a network and gateway in the cluster's region"
    ]


def test_gateway_in_another_region_accepted_by_its_owner(folder: Path) -> None:
    made = built(folder, "gateway-in-another-region-accepted-by-its-owner")["network-lake"]
    (route,) = made["aws_route"].values()
    assert (route["destination_cidr_block"], route["transit_gateway_id"]) == ("172.20.0.0/20", "tgw-0123456789abcdef0")


def test_gateway_that_accepts_and_associates_by_default(folder: Path) -> None:
    made = built(folder, "gateway-that-accepts-and-associates-by-default")["network-lake"]
    associated = made["aws_ec2_transit_gateway_route_table_association"]
    # AWS accepts and associates attachments of the gateway's account automatically.
    assert associated["hub_association_own"]["replace_existing_association"] is True
    assert associated["hub_association_own"]["transit_gateway_attachment_id"] == "tgw-attach-0bbbbbbbbbbbbbbbb"


def test_a_vpn_on_a_gateway_that_the_file_makes(folder: Path) -> None:
    text = text_of("gateway-account-without-vpc").replace(
        "region: us-east-1\nconnections", "region: us-east-1\n    create: {cidr: 10.30.0.0/20}\nconnections"
    )
    text = text.replace("transit_gateway_id: tgw-0123456789abcdef0", "create: {}")
    office = "  a-office: {type: vpn, network: hub, gateways: {a: {ip: 203.0.113.10}}, bgp_asn: 65010, "
    text = text.replace("connections:\n", "connections:\n" + office + "transit_gateway_of: tgw}\n")
    made = synth_all(_load(folder, text), folder / "out")["network-hub"]["resource"]
    (vpn,) = made["aws_vpn_connection"].values()
    assert vpn["transit_gateway_id"] == "${aws_ec2_transit_gateway.tgw_gateway.id}"
    attachment = "${aws_vpn_connection.a-office_connection_a.transit_gateway_attachment_id}"
    tables = {name: f"${{aws_ec2_transit_gateway_route_table.tgw_table-{name}.id}}" for name in ("clusters", "network")}
    assert {
        name: (one["transit_gateway_attachment_id"], one["transit_gateway_route_table_id"])
        for type_ in ("association", "propagation")
        for name, one in made[f"aws_ec2_transit_gateway_route_table_{type_}"].items()
        if name.startswith("a-office")
    } == {
        "a-office_association_a": (attachment, tables["network"]),
        "a-office_network-propagation": (
            "${aws_ec2_transit_gateway_vpc_attachment.tgw_network.id}",
            tables["network"],
        ),
        "a-office_propagation_a_clusters": (attachment, tables["clusters"]),
        "a-office_propagation_a_network": (attachment, tables["network"]),
    }


def test_policy_with_variables(folder: Path) -> None:
    """The output has `$${`, and AWS gets the unchanged document."""
    made = built(folder, "policy-with-variables")["network-lake"]
    (policy,) = made["aws_iam_policy"].values()
    assert "arn:aws:s3:::acme-lake/$${aws:PrincipalTag/team}/*" in policy["policy"]
    document = json.loads((SITUATIONS / "policies/abac.json").read_text())
    assert json.loads(policy["policy"].replace("$${", "${")) == document
    stack = synth_all(estate(folder, "policy-with-variables"), folder / "again")["network-lake"]
    assert document in policies_of(stack).values()


@pytest.mark.parametrize(
    ("variable", "said_of_it"),
    [
        (
            "$${aws:PrincipalTag/team}",
            "which is Terraform's notation for an IAM variable; write ${aws:PrincipalTag/team}",
        ),
        (
            "&{aws:PrincipalTag/team}",
            "which AWS reads as text and not as a variable; write ${aws:PrincipalTag/team} (&{ is Terraform's "
            "notation inside aws_iam_policy_document)",
        ),
        ("${var.team}", "which is not an IAM variable; allowed: ${service:Key}, such as ${aws:PrincipalTag/team}"),
        (
            "%{aws:PrincipalTag/team}",
            "which is not an IAM variable; allowed: ${service:Key}, such as ${aws:PrincipalTag/team}",
        ),
    ],
)
def test_an_unknown_variable_of_iam_is_refused(tmp_path: Path, variable: str, said_of_it: str) -> None:
    text = (SITUATIONS / "policies/abac.json").read_text().replace("${aws:PrincipalTag/team}", variable)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/abac.json").write_text(text)
    (line,) = said(tmp_path, "policy-with-variables")
    assert line.endswith(f"is not a valid IAM policy document: it has {variable}, {said_of_it}")


def test_variables_of_iam_may_have_defaults_and_escapes(tmp_path: Path) -> None:
    text = (SITUATIONS / "policies/abac.json").read_text()
    (tmp_path / "policies").mkdir()
    for variable in ("${aws:PrincipalTag/team, 'none'}", "${*}", "${?}", "${$}", "${s3:prefix}"):
        (tmp_path / "policies/abac.json").write_text(text.replace("${aws:PrincipalTag/team}", variable))
        assert said(tmp_path, "policy-with-variables") == [], variable


def test_policy_lint_skips_deployment_roles(folder: Path) -> None:
    stack = synth_all(estate(folder, "policy-lint-skips-deployment-roles"), folder / "out")["network-lake"]
    found = [(finding.severity, finding.title) for finding in lint(policies_of(stack))]
    assert len(found) >= 2
    assert ("HIGH", "Allows every action on every resource") in found


def test_privatelink_service_in_another_region(folder: Path) -> None:
    name = "privatelink-service-in-another-region"
    (service,) = built(folder, name)["network-lake"]["aws_vpc_endpoint_service"].values()
    assert service["supported_regions"] == ["eu-west-1", "us-east-1"]
    # Without the list, the provider would keep the other region.
    near = text_of(name).replace("eu-west-1", "us-east-1")
    made = synth_all(_load(folder, near), folder / "near")["network-lake"]["resource"]
    assert made["aws_vpc_endpoint_service"]["orders_service"]["supported_regions"] == ["us-east-1"]


def test_named_endpoints_are_accepted_and_dns_names_verified(folder: Path) -> None:
    more = {
        "    service:\n": (
            "    service:\n      accepted_endpoints: {prod: vpce-0aaaaaaaaaaaaaaaa}\n"
            "      private_dns_name: orders.acme.example\n      verify_private_dns: true\n"
        )
    }
    made = built(folder, "privatelink-service-in-another-region", more)["network-lake"]
    assert made["aws_vpc_endpoint_connection_accepter"] == {
        "orders_accepted_prod": {
            "vpc_endpoint_id": "vpce-0aaaaaaaaaaaaaaaa",
            "vpc_endpoint_service_id": "${aws_vpc_endpoint_service.orders_service.id}",
            "lifecycle": {
                "postcondition": [
                    {
                        "condition": '${self.vpc_endpoint_state == "available"}',
                        "error_message": "connections.orders.service.accepted_endpoints.prod: vpce-0aaaaaaaaaaaaaaaa "
                        "is ${self.vpc_endpoint_state}, because somebody rejected it or deleted the endpoint. Remove "
                        "it from the file, and deploy. To accept the connection after all, add it again.",
                    }
                ]
            },
        }
    }
    assert made["aws_vpc_endpoint_service_private_dns_verification"] == {
        "orders_private-dns-verification": {"service_id": "${aws_vpc_endpoint_service.orders_service.id}"}
    }


def test_endpoint_to_another_vendor(folder: Path) -> None:
    named = {"private_dns: false": "private_dns: false, names: [acme.privatelink.vendor.example]"}
    made = built(folder, "endpoint-to-another-vendor", named)["network-lake"]
    (endpoint,), (zone,) = made["aws_vpc_endpoint"].values(), made["aws_route53_zone"].values()
    (record,), (group,) = made["aws_route53_record"].values(), made["aws_security_group"].values()
    assert endpoint["service_name"] == "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"
    assert "service_region" not in endpoint
    assert group["ingress"][0]["cidr_blocks"] == ["10.20.0.0/16", "172.20.0.0/20"]
    assert (zone["name"], record["name"]) == ("acme.privatelink.vendor.example", "acme.privatelink.vendor.example")
    assert record["alias"]["name"] == "${aws_vpc_endpoint.snowflake_endpoint_snowflake.dns_entry[0].dns_name}"


@pytest.mark.parametrize(
    ("service", "name", "region"),
    [
        ("secretsmanager", "com.amazonaws.us-east-1.secretsmanager", None),
        ("com.amazonaws.eu-west-1.kms", "com.amazonaws.eu-west-1.kms", "eu-west-1"),
        ("aws.sagemaker.us-east-1.notebook", "aws.sagemaker.us-east-1.notebook", None),
    ],
)
def test_a_service_has_a_short_name_or_its_name_in_full(
    folder: Path, service: str, name: str, region: str | None
) -> None:
    vendors = {"com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0": service}
    (endpoint,) = built(folder, "endpoint-to-another-vendor", vendors)["network-lake"]["aws_vpc_endpoint"].values()
    assert (endpoint["service_name"], endpoint.get("service_region")) == (name, region)


def test_tags_that_differ_in_case(folder: Path) -> None:
    name = "tags-that-differ-in-case"
    assert said(folder, name) == ["tags: has name, and IAM reads it as Name (facts C15) and rejects both; rename name"]
    assert said(folder, name, {"name: astro, ": ""}) == [
        "tags: has CustomerAudit, and IAM reads it as customeraudit (facts C15) and rejects both; rename CustomerAudit"
    ]
    twice = {'{name: astro, Environment: prod, CustomerAudit: "no"}': "{environment: prod, Environment: prod}"}
    assert said(folder, name, twice) == [
        "tags: has Environment, and IAM reads it as environment (facts C15) and rejects both; rename Environment"
    ]


def test_many_dns_servers(folder: Path) -> None:
    made = built(folder, "many-dns-servers")["network-lake"]
    counts = [
        sum(len(rule["cidr_blocks"]) for rule in group["egress"]) for group in made["aws_security_group"].values()
    ]
    assert max(counts) == 60
    (endpoint,) = made["aws_route53_resolver_endpoint"].values()
    assert len(endpoint["security_group_ids"]) == len(counts) > 1


def test_rules_of_a_group_are_counted(folder: Path) -> None:
    ranges = ", ".join(f"r{number}: 172.21.{number}.0/24" for number in range(60))
    many = {"au: {region: ap-southeast-2,": f"au: {{additional_cidrs: {{{ranges}}}, region: ap-southeast-2,"}
    assert warned(folder, "clusters-in-three-regions", many) == [
        "connections.p-au.ingress: raises sg-0123456789abcdef0 to 63 rules, but the default quota is 60; use several "
        "groups, or request an increase of quota L-0EA8095F"
    ]


def test_control_tower_log_group(folder: Path) -> None:
    """The plan reads a log group. If the group is in another account, EventBridge notifies without it."""
    (folder / "policies").unlink()
    (folder / "policies").symlink_to(ROOT / "examples/policies")
    name = "control-tower-log-group"
    made = built(folder, name)["account"]
    assert made["aws_cloudwatch_log_group"] == {"policy-alarm_log-group": {"name": "aws-controltower/CloudTrailLogs"}}
    (counted,) = made["aws_cloudwatch_log_metric_filter"].values()
    assert counted["log_group_name"] == "${data.aws_cloudwatch_log_group.policy-alarm_log-group.name}"
    elsewhere = text_of(name, {"log_group: aws-controltower/CloudTrailLogs": "organization_trail: true"})
    stacks = synth_all(_load(folder, elsewhere), folder / "elsewhere")
    resources = stacks["account"]["resource"]
    assert sorted(type_ for type_ in resources if "cloud" in type_) == [
        "aws_cloudwatch_event_rule",
        "aws_cloudwatch_event_target",
    ]
    assert "alarm" in stacks  # Forwards IAM's events from us-east-1.


def test_boundary_and_path_demanded_by_scp(folder: Path) -> None:
    """`controls` sets both for every role."""
    (folder / "policies").unlink()
    (folder / "policies").symlink_to(ROOT / "examples/policies")
    controls = {
        "state: {backend: none}\n": (
            "state: {backend: none}\ncontrols: {permissions_boundary: developer-boundary, role_path: /teams/}\n"
        )
    }
    roles = {
        name: (role["permissions_boundary"], role.get("path"))
        for stack in built(folder, "boundary-and-path-demanded-by-scp", controls).values()
        for name, role in stack.get("aws_iam_role", {}).items()
    }
    ours = ("arn:aws:iam::111111111111:policy/developer-boundary", "/teams/")
    theirs = "arn:aws:iam::222222222222:policy/developer-boundary"
    assert roles == {
        "accept_role": ours,
        "cross-account-role_role": (theirs, None),
        "lake_flow-logs-role": ours,
        "policy-alarm_delivery-role": (theirs, "/teams/"),
        "readers_etl_role": ours,
    }


def test_govcloud_network(folder: Path) -> None:
    refused = [line.split(": ", 1)[0] for line in said(folder, "govcloud-network")]
    assert refused == [f"connections.{name}.network" for name in ("peering", "accept", "readers", "tokens")]
