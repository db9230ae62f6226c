from pathlib import Path

import pytest
from cdktf import Testing
from pydantic import ValidationError

from estate.load import load
from modules.astronomer import vcpus
from modules.cluster import vcpus_by_region
from modules.service_quotas.construct import ServiceQuotas
from modules.service_quotas.props import Quota, ServiceQuotasProps
from tests.support import ROOT
from tests.support.synth import NewStack, parsed, synth_all

EXAMPLE = ROOT / "examples/service_quotas.yaml"


def quota(code: str, value: int, service: str = "ec2") -> Quota:
    return Quota(service=service, code=code, value=value)


def test_requests_the_needed_quota_and_never_a_lower_one(new_stack: NewStack) -> None:
    stack = new_stack()
    ServiceQuotas(stack, "quotas", ServiceQuotasProps(), vcpus=80)
    tf = parsed(Testing.synth(stack, True))
    assert tf["resource"] == {
        "aws_servicequotas_service_quota": {
            "quotas_on-demand": {
                "service_code": "ec2",
                "quota_code": "L-1216C47A",
                "value": "${max(40, data.aws_servicequotas_service_quota.quotas_on-demand-now.value)}",
            },
            "quotas_spot": {
                "service_code": "ec2",
                "quota_code": "L-34B43A08",
                "value": "${max(40, data.aws_servicequotas_service_quota.quotas_spot-now.value)}",
            },
        }
    }
    assert tf["data"] == {
        "aws_servicequotas_service_quota": {
            "quotas_on-demand-now": {"service_code": "ec2", "quota_code": "L-1216C47A"},
            "quotas_spot-now": {"service_code": "ec2", "quota_code": "L-34B43A08"},
        }
    }


def test_hands_over_the_requests_and_their_status(new_stack: NewStack) -> None:
    given = ServiceQuotas(new_stack(), "quotas", ServiceQuotasProps(), vcpus=0).handoff
    assert given.keys() == {"on-demand", "spot"}
    spot = given["spot"]
    assert isinstance(spot, dict)
    assert spot["quota"] == "ec2 L-34B43A08"
    assert spot["asked"] == 40
    assert spot.keys() == {"quota", "asked", "request_id", "request_status"}


def test_sizes_quotas_for_clusters_and_adds_others() -> None:
    others = {"eips": quota("L-0263D0A3", 10)}
    sized = ServiceQuotasProps(size_for_clusters=True, vcpus=64, others=others)
    assert sized.wanted(80) == {
        "on-demand": quota("L-1216C47A", 80),
        "spot": quota("L-34B43A08", 64),
        "eips": quota("L-0263D0A3", 10),
    }
    assert sized.wanted(60)["on-demand"] == quota("L-1216C47A", 64)
    assert ServiceQuotasProps().wanted(80)["on-demand"] == quota("L-1216C47A", 40)


@pytest.mark.parametrize(
    ("node_type", "expected"),
    [
        ("m5.xlarge", 4),
        ("t2.xlarge", 4),
        ("t3.2xlarge", 8),
        ("m5d.16xlarge", 64),
        ("c6i.24xlarge", 96),
        ("m5.metal", 96),
        ("r6i.metal", 128),
    ],
)
def test_vcpus_are_those_of_aws(node_type: str, expected: int) -> None:
    assert vcpus(node_type) == expected


def test_vcpus_are_summed_by_region_with_twins(tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("policies/astronomer.json", str(EXAMPLE.parent / "policies/astronomer.json"))
    dr = "node_type: m6i.metal, max_nodes: 2, dr: {region: us-west-2, cidr: 172.21.0.0/20}"
    more = f"  big: {{region: us-east-1, cidr: 172.22.0.0/20, {dr}}}\naccount:"
    (tmp_path / "astro.yaml").write_text(text.replace("account:", more, 1))
    estate = load(tmp_path / "astro.yaml")
    assert list(estate.data_plane()) == ["prod", "big", "big-dr"]
    assert vcpus_by_region(estate.data_plane().values()) == {"us-east-1": 80 + 256, "us-west-2": 256}


def test_each_region_of_the_data_plane_has_a_stack(tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("policies/astronomer.json", str(EXAMPLE.parent / "policies/astronomer.json"))
    other = "  eu: {region: eu-west-1}\n  theirs: {region: us-west-2, product: hosted-dedicated}\naccount:"
    (tmp_path / "two.yaml").write_text(text.replace("account:", other, 1))
    stacks = synth_all(load(tmp_path / "two.yaml"), tmp_path / "two")
    assert list(stacks) == ["account", "quotas-eu-west-1", "quotas-us-east-1"]
    assert stacks["quotas-eu-west-1"]["provider"]["aws"] == [
        {"allowed_account_ids": ["222222222222"], "region": "eu-west-1"}
    ]
    (tmp_path / "none.yaml").write_text(
        text.replace("clusters:\n", "").replace(
            "  prod: {region: us-east-1, node_type: m5.xlarge, max_nodes: 20}\n", ""
        )
    )
    assert list(synth_all(load(tmp_path / "none.yaml"), tmp_path / "none")) == ["account", "quotas-us-east-1"]


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("vcpus", 39, "greater than or equal to 40"),
        ("others", {"spot": quota("L-0263D0A3", 1)}, "has spot in others, which vcpus"),
        ("others", {"mine": quota("L-1216C47A", 99)}, "has mine in others, which vcpus"),
        ("others", {"a": quota("L-0263D0A3", 1), "b": quota("L-0263D0A3", 2)}, "twice, as a and as b"),
        ("others", {"a": {"service": "ec2", "code": "l-0263d0a3", "value": 1}}, "is not a quota code"),
        ("others", {"a": {"service": "EC2", "code": "L-0263D0A3", "value": 1}}, "is not a service code"),
        ("others", {"a": {"service": "ec2", "code": "L-0263D0A3", "value": 0}}, "greater than or equal to 1"),
    ],
)
def test_rejects_invalid_values(field: str, value: object, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        ServiceQuotasProps.model_validate({field: value})
