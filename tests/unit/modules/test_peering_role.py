from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cdktf import Testing
from pydantic import ValidationError

from commands.current import current
from estate.load import EstateError, load
from modules.cluster import Cluster
from modules.peering_role.construct import PeeringRole
from modules.peering_role.props import PeeringRoleProps
from tests.support import ROOT
from tests.support.networks import PROD, sides
from tests.support.synth import NewStack, parsed

EXAMPLE = ROOT / "examples/peering_role.yaml"
MINIMAL: dict[str, Any] = {"type": "peering_role", "cluster": "prod", "network": "lake", "expires": "2026-12-31"}
ID = "clmk2qqia000008mhff3ndjr0"


def props(**more: Any) -> PeeringRoleProps:
    return PeeringRoleProps.model_validate({**MINIMAL, **more})


def test_only_the_clusters_account_can_assume_it_until_the_day(new_stack: NewStack) -> None:
    stack = new_stack()
    PeeringRole(stack, "conn", props(), sides())
    tf = parsed(Testing.synth(stack, True))
    assert tf["data"]["aws_iam_policy_document"]["conn_trust"] == {
        "statement": [
            {
                "actions": ["sts:AssumeRole"],
                "principals": [{"type": "AWS", "identifiers": ["arn:aws:iam::333333333333:root"]}],
                "condition": [
                    {"test": "DateLessThan", "variable": "aws:CurrentTime", "values": ["2027-01-01T00:00:00Z"]}
                ],
            }
        ]
    }


@pytest.mark.parametrize(
    ("vpc_id", "theirs"),
    [
        (None, "arn:aws:ec2:us-east-1:333333333333:vpc/*"),
        ("vpc-0aaaaaaaaaaaaaaaa", "arn:aws:ec2:us-east-1:333333333333:vpc/vpc-0aaaaaaaaaaaaaaaa"),
    ],
)
def test_it_can_only_accept_peerings_with_this_vpc(new_stack: NewStack, vpc_id: str | None, theirs: str) -> None:
    stack = new_stack()
    PeeringRole(stack, "conn", props(), sides(prod=PROD.model_copy(update={"vpc_id": vpc_id})))
    tf = parsed(Testing.synth(stack, True))
    vpc = "arn:aws:ec2:us-east-1:111111111111:vpc/vpc-0123456789abcdef0"
    assert tf["data"]["aws_iam_policy_document"]["conn_accept"] == {
        "statement": [
            {
                "actions": ["ec2:AcceptVpcPeeringConnection"],
                "resources": ["arn:aws:ec2:us-east-1:111111111111:vpc-peering-connection/*"],
                "condition": [
                    {"test": "ArnEquals", "variable": "ec2:AccepterVpc", "values": [vpc]},
                    {"test": "ArnLike", "variable": "ec2:RequesterVpc", "values": [theirs]},
                ],
            },
            {"actions": ["ec2:AcceptVpcPeeringConnection"], "resources": [vpc]},
        ]
    }
    assert tf["resource"] == {
        "aws_iam_role": {
            "conn_role": {
                "name": "acme-conn",
                "description": "Accepts the peering of Astro cluster prod, until 2026-12-31",
                "assume_role_policy": "${data.aws_iam_policy_document.conn_trust.json}",
                "max_session_duration": 3600,
            }
        },
        "aws_iam_role_policy": {
            "conn_policy": {
                "name": "accept-peering",
                "role": "${aws_iam_role.conn_role.name}",
                "policy": "${data.aws_iam_policy_document.conn_accept.json}",
            }
        },
    }


def test_hands_over_the_data_for_astronomers_support(new_stack: NewStack) -> None:
    cluster = Cluster(product="hybrid", region="us-east-1", account_id="333333333333", id=ID)
    given = PeeringRole(new_stack(), "conn", props(), sides(prod=cluster)).handoff
    assert given.pop("role_arn")
    assert given == {
        "account_id": "111111111111",
        "region": "us-east-1",
        "vpc_id": "vpc-0123456789abcdef0",
        "cidrs": ["10.20.0.0/16"],
        "cluster_id": ID,
        "expires": "2026-12-31",
    }


def test_without_the_clusters_account_no_role_is_created(new_stack: NewStack) -> None:
    cluster = Cluster(product="hosted-dedicated", region="us-east-1")
    stack = new_stack()
    PeeringRole(stack, "conn", props(), sides(prod=cluster))
    tf = parsed(Testing.synth(stack, True))
    assert tf.get("resource", {}) == {}


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 12, 31), []),
        (
            date(2027, 1, 1),
            [
                (
                    ("expires",),
                    "'2026-12-31' was the role's last day; remove the entry and deploy to delete the role, or "
                    "set a later day",
                )
            ],
        ),
    ],
)
def test_its_last_day_is_the_one_in_the_file(today: date, expected: list[object]) -> None:
    assert list(props().expired(today)) == expected


def test_expired_entries_are_reported_and_the_estate_loads() -> None:
    estate = load(EXAMPLE)
    assert list(estate.expired(date(2099, 12, 31))) == []
    (problem,) = estate.expired(date(2100, 1, 1))
    assert problem.path == ("connections", "lake-role", "expires")


def test_overlapping_ranges_are_refused_before_the_request(tmp_path: Path) -> None:
    (tmp_path / "astro.yaml").write_text(EXAMPLE.read_text().replace("10.20.0.0/16", "172.20.0.0/16"))
    with pytest.raises(EstateError, match="overlaps"):
        load(tmp_path / "astro.yaml")


def test_it_can_be_combined_with_its_peering(tmp_path: Path) -> None:
    peering = "  lake-peering: {type: vpc_peering, cluster: prod, network: lake}\n"
    routed = EXAMPLE.read_text().replace("cidrs: [10.20.0.0/16]", "cidrs: [10.20.0.0/16], route_tables: all")
    (tmp_path / "astro.yaml").write_text(routed + peering)
    assert list(load(tmp_path / "astro.yaml").connections) == ["lake-role", "lake-peering"]


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("expires", "31.12.2026", "is not a date; allowed: YYYY-MM-DD"),
        ("expires", "2026-02-30", "is not a date"),
        ("expires", "20261231", "is not a date"),
        ("expires", 2026, "is not a date"),
    ],
)
def test_rejects_invalid_values(field: str, value: object, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        props(**{field: value})


def test_a_role_without_an_end_is_no_temporary_one() -> None:
    with pytest.raises(ValidationError, match="expires"):
        PeeringRoleProps.model_validate({key: value for key, value in MINIMAL.items() if key != "expires"})


def test_an_expired_entry_with_a_twin_is_reported_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "examples/peering_role.yaml").read_text().replace("2099-12-31", "2020-01-01")
    dr = "id: clmk2qqia000008mhff3ndjr0, cidr: 172.20.0.0/20, dr: {region: us-west-2, cidr: 172.21.0.0/20}}"
    west = "\n  west: {account_id: '111111111111', region: us-west-2, vpc_id: vpc-0a0a0a0a, cidrs: [10.30.0.0/16]}"
    text = text.replace("id: clmk2qqia000008mhff3ndjr0}", dr).replace("[10.20.0.0/16]}", "[10.20.0.0/16]}" + west)
    (file := tmp_path / "astro.yaml").write_text(text.replace("network: lake,", "network: lake, dr: {network: west},"))
    estate = load(file)
    assert len(list(estate.expired(date(2026, 1, 1)))) == 2
    current(file)
    (line,) = capsys.readouterr().err.splitlines()
    assert "connections.lake-role.expires: '2020-01-01' was the role's last day" in line
