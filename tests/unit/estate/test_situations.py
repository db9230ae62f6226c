"""Situations that platform teams have described in public: tests/data/situations, an estate for each.

Each test is named after its file: what `check` says of it, and what is written for it.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from estate.load import load
from estate.model import Estate
from estate.source import Source
from estate.warnings import warnings
from tests.support import ROOT
from tests.support.estates import mistakes
from tests.support.synth import synth_all

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
    """What is wrong with a situation, without lines and columns."""
    return [line.split(": ", 1)[1] for line in mistakes(folder, text_of(name, changes))]


def estate(folder: Path, name: str, changes: Mapping[str, str] | None = None) -> Estate:
    (folder / "astro.yaml").write_text(text_of(name, changes))
    return load(folder / "astro.yaml")


def warned(folder: Path, name: str, changes: Mapping[str, str] | None = None) -> list[str]:
    """The warnings on a situation, without lines and columns, and without those on placeholders."""
    file = folder / "astro.yaml"
    file.write_text(text_of(name, changes))
    source = Source(file)
    told = [str(one).split(": ", 1)[1] for one in warnings(load(file, source), file, source, date(2026, 11, 1))]
    return [one for one in told if "is a placeholder of the examples" not in one]


def built(folder: Path, name: str, changes: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The resources and data sources of each stack, by type and name."""
    stacks = synth_all(estate(folder, name, changes), folder / "out")
    return {stack: tree.get("data", {}) | tree.get("resource", {}) for stack, tree in stacks.items()}


def test_eks_secondary_range_behind_gateway(folder: Path) -> None:
    name = "eks-secondary-range-behind-gateway"
    assert warned(folder, name) == [
        "networks.eks.cidrs.1: '100.64.0.0/16' overlaps the pods of clusters.prod (100.64.0.0/19), so that they do not "
        "reach all of it; if they need not, move it to unrouted_cidrs"
    ]
    unrouted = {"[10.20.0.0/16, 100.64.0.0/16]": "[10.20.0.0/16]\n    unrouted_cidrs: [100.64.0.0/16]"}
    assert warned(folder, name, unrouted) == []
    routes = built(folder, name, unrouted)["network-eks"]["aws_route"]
    assert [route["destination_cidr_block"] for route in routes.values()] == ["172.20.0.0/20"]


def test_pods_that_a_gateway_announces_count(folder: Path) -> None:
    name = "eks-secondary-range-behind-gateway"
    propagate = {"    route_tables:\n": "    propagate: true\n    route_tables:\n"}
    assert said(folder, name, propagate) == [
        "clusters.prod.pod_cidr: '100.64.0.0/19' overlaps 100.64.0.0/16 of networks.eks.cidrs.1, and the two meet at "
        "clusters.prod; AWS cannot route between ranges that overlap: change one"
    ]


def test_a_peering_counts_ranges_that_are_not_routed(folder: Path) -> None:
    name = "eks-secondary-range-behind-gateway"
    text = text_of(name, {"[10.20.0.0/16, 100.64.0.0/16]": "[10.20.0.0/16]\n    unrouted_cidrs: [100.64.0.0/16]"})
    peering = text[: text.index("  hub:")] + "  lake: {type: vpc_peering, cluster: prod, network: eks}\n"
    assert [line.split(": ", 1)[1] for line in mistakes(folder, peering)] == [
        "clusters.prod.pod_cidr: '100.64.0.0/19' overlaps 100.64.0.0/16 of networks.eks.unrouted_cidrs.0, and the two "
        "meet at clusters.prod; AWS cannot route between ranges that overlap: change one"
    ]


def test_an_unrouted_range_does_not_hide_a_cluster(folder: Path) -> None:
    hides = {"[10.20.0.0/16, 100.64.0.0/16]": "[10.20.0.0/16]\n    unrouted_cidrs: [172.20.0.0/16]"}
    assert said(folder, "eks-secondary-range-behind-gateway", hides) == [
        "clusters.prod.cidr: '172.20.0.0/20' overlaps 172.20.0.0/16 of networks.eks.unrouted_cidrs.0, and the two meet "
        "at networks.eks; AWS cannot route between ranges that overlap: change one"
    ]


def test_public_secondary_range(folder: Path) -> None:
    name = "public-secondary-range"
    assert said(folder, name) == [
        "connections.peering.network: 'lake' has 11.20.0.0/16, and Astronomer asks for RFC 1918 ranges for a VPC "
        "peering (Create a network connection, Prerequisites); if Astro need not reach it, move it to the network's "
        "unrouted_cidrs, otherwise use transit_gateway or private_link"
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
    assert sorted(routes) == sorted(
        f"p-{region}_route_{table}_{region}"
        for region in ("us", "eu", "au")
        for table in ("private-a", "private-b", "db")
    )


def test_one_place_may_be_named_twice(folder: Path) -> None:
    """A range on premises is another network on the same gateway, or is reached by its own VPN too."""
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
    """Astronomer's default (facts C10)."""
    twin = "    pod_cidr: 100.64.0.0/19\n    dr: {region: us-east-1, cidr: 172.20.0.0/20, pod_cidr: 100.64.0.0/19}"
    text = text_of(
        "eks-secondary-range-behind-gateway",
        {"[10.20.0.0/16, 100.64.0.0/16]": "[10.20.0.0/16]", "    pod_cidr: 100.64.0.0/19": twin},
    )
    assert mistakes(folder, text) == []
    both = mistakes(folder, text.replace("clusters: [prod]", "clusters: [prod, prod-dr]"))
    assert [line.split(": ", 1)[1] for line in both] == [
        "clusters.prod.dr.cidr: '172.20.0.0/20' overlaps 172.20.0.0/20 of clusters.prod.cidr, and both clusters are "
        "connected with networks.eks, which has one way to a range; request another range for the twin, or connect "
        "the twin with another network or gateway"
    ]
