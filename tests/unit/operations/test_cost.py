"""The fixed cost of an estate, counted from its Terraform."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from estate.load import load
from modules.bindings.slim import used
from operations.cost import FREE, PRICED, as_values, costs, table
from tests.support import ROOT
from tests.support.commands import run
from tests.support.estates import BASE
from tests.support.synth import synth_all

COMPLETE = [
    (
        "Fixed cost in USD, at AWS's list prices of June 2026 for us-east-1. Other regions differ. "
        "Traffic, requests, logs and storage are not included."
    ),
    "stack         entry         item                       quantity         price   month",
    "account       policy-alarm  KMS key                           2    1.00/month    2.00",
    "account       policy-alarm  CloudWatch custom metric          1    0.30/month    0.30",
    "account       policy-alarm  CloudWatch alarm                  1    0.10/month    0.10",
    "network-edge  edge          NAT gateway                       1    0.045/hour   32.85",
    "network-edge  edge          public IPv4 address               1    0.005/hour    3.65",
    "network-edge  edge-domains  DNS Firewall domain              10  0.0005/month  < 0.01",
    "network-edge  office        VPN connection                    2     0.05/hour   73.00",
    "network-edge  office        public IPv4 address               4    0.005/hour   14.60",
    "network-edge  office        CloudWatch alarm                  2    0.10/month    0.20",
    "network-lake  corp-dns      Resolver endpoint address         2    0.125/hour  182.50",
    "network-lake  lake-dns      Resolver endpoint address         2    0.125/hour  182.50",
    "network-lake  lake-service  Network Load Balancer             1   0.0225/hour   16.42",
    "network-lake  lake-zone     hosted zone                       1    0.50/month    0.50",
    "total                                                              0.697/hour  508.63",
]


def test_check_prints_the_cost_of_the_complete_example() -> None:
    file = str(ROOT / "examples/complete.yaml")
    code, plain, warnings = run("check", file)
    assert run("check", file, "--cost") == (code, plain + "\n".join(["", *COMPLETE, "", ""]), warnings)


def test_every_type_is_priced_or_free() -> None:
    created = {f"aws_{name}" for name in used() if not name.startswith("data_aws_")} - {"aws_provider"}
    assert created | {"terraform_data"} == PRICED.keys() | FREE
    assert not PRICED.keys() & FREE


@pytest.mark.parametrize("file", sorted(ROOT.glob("examples/*.yaml")), ids=lambda file: file.stem)
def test_a_priced_block_is_one_resource(file: Path, tmp_path: Path) -> None:
    stacks = synth_all(load(file), tmp_path)
    blocks = [
        block
        for stack in stacks.values()
        for type_, named in stack.get("resource", {}).items()
        for block in named.values()
        if type_ in PRICED and not {"for_each", "count"}.isdisjoint(block)
    ]
    assert blocks == []
    assert all(one.quantity > 0 for one in costs(stacks))


@pytest.mark.parametrize(
    ("type_", "block", "month"),
    [
        ("aws_vpc_endpoint", {"vpc_endpoint_type": "Interface", "subnet_ids": ["a", "b"]}, "14.60"),
        ("aws_vpc_endpoint", {"vpc_endpoint_type": "Gateway"}, "0"),
        ("aws_vpn_connection", {"vpn_gateway_id": "vgw"}, "43.80"),
        ("aws_vpn_connection", {"transit_gateway_id": "tgw"}, "80.30"),
        ("aws_vpn_connection", {"transit_gateway_id": "tgw", "enable_acceleration": True}, "116.80"),
        ("aws_vpn_connection", {"transit_gateway_id": "tgw", "outside_ip_address_type": "PrivateIpv4"}, "73.00"),
        ("aws_ec2_transit_gateway_vpc_attachment", {}, "36.50"),
        ("aws_ec2_transit_gateway_vpc_attachment_accepter", {}, "0"),
        ("aws_s3_bucket", {}, "0"),
    ],
)
def test_a_resource_costs_what_its_arguments_cause(type_: str, block: dict[str, Any], month: str) -> None:
    found = costs({"network-lake": {"resource": {type_: {"office_one": block}}}})
    assert sum((one.monthly for one in found), Decimal()) == Decimal(month)


def test_an_estate_without_cost_has_a_total_of_zero() -> None:
    assert list(table([]))[1:] == [
        "stack  entry  item  quantity       price  month",
        "total                         0.000/hour   0.00",
    ]
    assert as_values([])["month"] == "0"


def test_the_json_has_the_same_cost() -> None:
    code, out, err = run("check", str(ROOT / "examples/vpn.yaml"), "--cost", "--output", "json")
    values = json.loads(out)
    jsonschema.validate(values, json.loads((ROOT / "docs/report.schema.json").read_text()))
    assert (code, err) == (values["exit_code"], "")
    cost = values["cost"]
    assert Decimal(cost["month"]) == sum(Decimal(one["month"]) for one in cost["items"]) > 0


def test_a_wrong_file_has_no_cost(tmp_path: Path) -> None:
    (file := tmp_path / "astro.yaml").write_text(BASE.replace("10.20.0.0/16", "10.20.0.1/16"))
    assert run("check", str(file), "--cost") == run("check", str(file))
    code, out, _ = run("check", str(file), "--cost", "--output", "json")
    assert (code, "cost" in json.loads(out)) == (2, False)


def test_annotations_have_no_cost() -> None:
    code, out, err = run("check", str(ROOT / "examples/vpc.yaml"), "--cost", "--output", "github")
    assert (code, out) == (2, "")
    assert "--cost needs --output text or json" in err
