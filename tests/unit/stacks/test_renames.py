"""Renamed entries: every resource under a former name is moved to its new address."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from estate.load import EstateError, load
from estate.model import Estate
from estate.plan import stacks_of
from tests.support import EXAMPLES
from tests.support.renames import maps_of_names, renamed
from tests.support.synth import synth_all

IN_PLACE = (
    {"tags", "description", "alarm_description"},
    {
        ("aws_route53_resolver_rule", "name"),
        # A name as a value, for a tag.
        ("aws_ec2_transit_gateway_vpc_attachment_accepter", "for_each"),
    },
)
"""Arguments that AWS changes without a replacement: for all types, and for one type."""


def resources(stacks: Mapping[str, Any], estate: Estate) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the managed resources by the name of their state and their address."""
    return {
        (plan.state_name, f"{type_}.{name}"): body
        for plan in stacks_of(estate)
        for type_, blocks in stacks[plan.name].get("resource", {}).items()
        for name, body in blocks.items()
    }


def references(value: object) -> bool:
    return "${" in str(value)


def unordered(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, list) else value


def cases() -> Iterator[Any]:
    for file in EXAMPLES:
        data = YAML(typ="safe").load(file)
        for where in dict.fromkeys(maps_of_names(load(file))):
            names: Any = data
            for piece in where:
                names = names.get(piece, {}) if isinstance(names, Mapping) else {}
            for name in names if isinstance(names, Mapping) else ():
                yield pytest.param(file, where, str(name), id=f"{file.stem}:{'.'.join((*where, str(name)))}")


@pytest.mark.parametrize(("file", "where", "name"), list(cases()))
def test_a_rename_moves_what_exists(file: Path, where: tuple[str, ...], name: str, tmp_path: Path) -> None:
    data = renamed(YAML(typ="safe").load(file), where, name, "another")
    (tmp_path / "astro.yaml").write_text("")
    (tmp_path / "policies").symlink_to(file.parent / "policies")
    YAML(typ="safe").dump(data, tmp_path / "astro.yaml")
    before, after = load(file), load(tmp_path / "astro.yaml")
    old, stacks = resources(synth_all(before, tmp_path / "old"), before), synth_all(after, tmp_path / "new")
    new = resources(stacks, after)
    moves = {
        (plan.state_name, block["from"]): (plan.state_name, block["to"])
        for plan in stacks_of(after)
        for block in stacks[plan.name].get("moved", [])
        # The others are addresses of version 0.1.
        if (plan.state_name, block["to"]) in new
    }
    assert {moves.get(address, address) for address in old} == set(new)
    assert moves.keys() <= old.keys()
    changed = {
        (address[1].split(".")[0], argument)
        for address, body in old.items()
        for argument in body.keys() | new[moves.get(address, address)].keys()
        if argument not in ("//", "lifecycle", *body.get("lifecycle", {}).get("ignore_changes", ()), *IN_PLACE[0])
        if not references(body.get(argument))
        if unordered(body.get(argument)) != unordered(new[moves.get(address, address)].get(argument))
    }
    assert changed <= IN_PLACE[1]


VPN = (EXAMPLES[0].parent / "vpn.yaml").read_text()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("connections.old: new", "'new' is not in `connections`; available: office, plant, factory"),
        ("connections.plant: office", "'plant' is still an entry of `connections`; a former name cannot be in use"),
        ("connections.old.gateways.y: a", "'a' is not in `connections.old.gateways`; available: none"),
        (
            "connections.plant.gateways.x: floor",
            "'floor' is not in `connections.plant.gateways`; available: main",
        ),
        (
            "networks.lake.route_tables.x: prod",
            "'prod' is not in `networks.lake.route_tables`; available: private-a, private-b",
        ),
    ],
)
def test_a_rename_that_terraform_cannot_follow_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(f"{VPN}renamed: {{{line}}}\n")
    with pytest.raises(EstateError) as error:
        load(file)
    assert [one.message for one in error.value.problems] == [problem]


def test_a_name_of_two_things_of_a_connection_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(f"{VPN.replace('floor:', 'main:')}renamed: {{connections.plant.static_routes.floor: main}}\n")
    with pytest.raises(EstateError, match=r"main' is .*gateways.main and .*static_routes.main, so the"):
        load(file)


def test_names_change_again_and_lines_stay(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    lines = "{connections.first: second, connections.second: office, connections.office.gateways.x: a}"
    file.write_text(f"{VPN}renamed: {lines}\n")
    stack = synth_all(load(file), tmp_path / "out")["network-lake"]
    kind = "aws_customer_gateway"
    assert [block for block in stack["moved"] if block["from"].startswith(kind)] == [
        {"from": f"{kind}.office_customer-gateway_x", "to": f"{kind}.office_customer-gateway_a"},
        {"from": f"{kind}.second_customer-gateway_x", "to": f"{kind}.office_customer-gateway_x"},
        {"from": f"{kind}.first_customer-gateway_x", "to": f"{kind}.second_customer-gateway_x"},
        {"from": f"{kind}.second_customer-gateway_b", "to": f"{kind}.office_customer-gateway_b"},
        {"from": f"{kind}.first_customer-gateway_b", "to": f"{kind}.second_customer-gateway_b"},
    ]
    assert stack["resource"]["aws_vpn_gateway"]["office_gateway"]["tags"] == {"Name": "acme-first"}


def test_the_order_of_lines_for_different_maps_does_not_matter(tmp_path: Path) -> None:
    file, kind = tmp_path / "astro.yaml", "aws_customer_gateway"
    lines = "{connections.office.gateways.x: a, connections.first: second, connections.second: office}"
    file.write_text(f"{VPN}renamed: {lines}\n")
    moved = {one["to"]: one["from"] for one in synth_all(load(file), tmp_path / "out")["network-lake"]["moved"]}
    address = f"{kind}.office_customer-gateway_a"
    while address in moved:
        address = moved[address]
    assert address == f"{kind}.first_customer-gateway_x"


def test_a_cluster_and_its_twin_change_their_name_twice(tmp_path: Path) -> None:
    data = YAML(typ="safe").load(EXAMPLES[0].parent / "complete.yaml")
    data = renamed(data, ("clusters",), "prod", "third")
    data["renamed"] = {"clusters.prod": "second", "clusters.second": "third"}
    (tmp_path / "policies").symlink_to(EXAMPLES[0].parent / "policies")
    YAML(typ="safe").dump(data, tmp_path / "astro.yaml")
    stack = synth_all(load(tmp_path / "astro.yaml"), tmp_path / "out")["network-lake"]
    routes = [(one["from"], one["to"]) for one in stack["moved"] if "aws_route.lake-prod" in one["to"]]
    # The others are addresses of version 0.1, which contain the name of a table.
    assert [one for one in routes if "_private-" not in one[0]] == [
        (f"aws_route.{entry}_route_{before}{end}", f"aws_route.{entry}_route_{after}{end}")
        for entry, end in (("lake-prod-dr", "-dr"), ("lake-prod", ""))
        for before, after in (("second", "third"), ("prod", "second"))
    ]


def test_routes_of_version_0_1_move_to_the_ids_of_their_tables(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    lines = "{connections.old: lake-peering, networks.lake.route_tables.b: private-b}"
    file.write_text(f"{(EXAMPLES[0].parent / 'vpc_peering.yaml').read_text()}renamed: {lines}\n")
    stack = synth_all(load(file), tmp_path / "out")["network-lake"]
    routes = [(one["from"], one["to"]) for one in stack["moved"] if one["to"].startswith("aws_route.")]
    moved = {one for one in routes if one[1] != "aws_route.lake-peering_route_prod"}
    table_a, table_b = (f'aws_route.lake-peering_route_prod["rtb-0{letter * 16}"]' for letter in "ab")
    assert moved == {
        ("aws_route.lake-peering_route_private-a_prod", table_a),
        ("aws_route.old_route_private-a_prod", "aws_route.lake-peering_route_private-a_prod"),
        ("aws_route.lake-peering_route_private-b_prod", table_b),
        ("aws_route.lake-peering_route_b_prod", "aws_route.lake-peering_route_private-b_prod"),
        ("aws_route.old_route_b_prod", "aws_route.lake-peering_route_b_prod"),
    }
