from typing import Any

import pytest
from cdktf import Testing
from pydantic import ValidationError

from modules.cluster import Cluster
from modules.hosted_zone.construct import HostedZone
from modules.hosted_zone.props import HostedZoneProps
from tests.support.networks import LAKE, sides
from tests.support.synth import NewStack, parsed

BASE: dict[str, Any] = {"type": "hosted_zone", "clusters": ("prod", "stage"), "network": "lake"}
EXISTING: dict[str, Any] = BASE | {"zone_id": "Z0123456789ABCDEFGHIJ"}
MADE: dict[str, Any] = BASE | {"domain": "corp.acme.example"}
PROD = Cluster(region="us-east-1", vpc_id="vpc-0cccccccccccccccc")
STAGE = Cluster(region="us-west-2", vpc_id="vpc-0dddddddddddddddd")


def zone(new_stack: NewStack, values: dict[str, Any], **clusters: Cluster) -> tuple[dict[str, Any], dict[str, Any]]:
    """The Terraform and the handoff of a connection."""
    props = HostedZoneProps.model_validate(values)
    joins = sides(LAKE, None, **(clusters or {"prod": PROD, "stage": STAGE}))
    stack = new_stack()
    made = HostedZone(stack, "corp", props, joins)
    tf = parsed(Testing.synth(stack, True))
    return tf, made.handoff


def test_authorizes_each_vpc_of_astros_in_its_own_region(new_stack: NewStack) -> None:
    tf, _ = zone(new_stack, EXISTING)
    private = {
        "condition": "${self.private_zone}",
        "error_message": "connections.corp.zone_id: Z0123456789ABCDEFGHIJ is a public zone, but AWS associates only "
        "private zones with a VPC. Use the ID of the private zone. Names in a public zone need no connection.",
    }
    zone_ = {"zone_id": "Z0123456789ABCDEFGHIJ", "lifecycle": {"postcondition": [private]}}
    assert tf["data"] == {"aws_route53_zone": {"corp_zone": zone_}}
    assert tf["resource"] == {
        "aws_route53_vpc_association_authorization": {
            f"corp_authorization_{name}": {
                "zone_id": "${data.aws_route53_zone.corp_zone.zone_id}",
                "vpc_id": vpc_id,
                "vpc_region": region,
            }
            for name, vpc_id, region in (
                ("prod", "vpc-0cccccccccccccccc", "us-east-1"),
                ("stage", "vpc-0dddddddddddddddd", "us-west-2"),
            )
        }
    }


def test_a_private_zone_keeps_foreign_associations_and_records(new_stack: NewStack) -> None:
    tf, _ = zone(new_stack, MADE)
    assert "data" not in tf
    assert tf["resource"]["aws_route53_zone"] == {
        "corp_zone": {
            "name": "corp.acme.example",
            "comment": "acme-conn",
            "vpc": [{"vpc_id": "vpc-0123456789abcdef0", "vpc_region": "us-east-1"}],
            "force_destroy": False,
            "lifecycle": {"ignore_changes": ["vpc"]},
            "tags": {"Name": "acme-conn"},
        }
    }
    authorized = tf["resource"]["aws_route53_vpc_association_authorization"]["corp_authorization_prod"]
    assert authorized["zone_id"] == "${aws_route53_zone.corp_zone.zone_id}"


def test_a_cluster_without_a_vpc_id_is_not_authorized_yet(new_stack: NewStack) -> None:
    tf, handoff = zone(new_stack, EXISTING, prod=PROD, stage=Cluster(region="us-west-2"))
    assert list(tf["resource"]["aws_route53_vpc_association_authorization"]) == ["corp_authorization_prod"]
    assert list(handoff["associate"]) == ["prod"]
    assert [need.field for need in HostedZoneProps.needs_of_clusters] == ["vpc_id"]


def test_hands_over_what_astronomer_runs(new_stack: NewStack) -> None:
    _, handoff = zone(new_stack, EXISTING, prod=PROD)
    assert list(handoff) == ["account_id", "zone_id", "domain", "associate"]
    command = handoff["associate"]["prod"]
    assert command.startswith("aws route53 associate-vpc-with-hosted-zone --hosted-zone-id ${")
    assert command.endswith(" --vpc VPCRegion=us-east-1,VPCId=vpc-0cccccccccccccccc")


def test_claims_the_zone_name_or_each_authorization() -> None:
    claims = [list(HostedZoneProps.model_validate(values).claims()) for values in (MADE, EXISTING)]
    assert [[(claim.scope, claim.key) for claim in each] for each in claims] == [
        [("network", ("zone", "corp.acme.example"))],
        [("account", ("zone", "Z0123456789ABCDEFGHIJ", cluster)) for cluster in ("prod", "stage")],
    ]


def test_hides_names_that_astro_needs_only_for_a_reason() -> None:
    for domain in ("com", "astronomer.io", "sqs.us-east-1.amazonaws.com"):
        with pytest.raises(ValidationError, match="which Astro depends on"):
            HostedZoneProps.model_validate(MADE | {"domain": domain})
        HostedZoneProps.model_validate(MADE | {"domain": domain, "shadows_astro": "Ticket OPS-1: shared endpoints"})


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"domain": None}, "has neither zone_id nor domain; set one"),
        ({"zone_id": "Z0123456789ABCDEFGHIJ"}, "has both zone_id and domain; keep one"),
        ({"zone_id": "/hostedzone/Z0123456789ABCDEFGHIJ", "domain": None}, "is not the ID of a hosted zone"),
        ({"domain": "."}, "is not a domain name"),
        ({"domain": "Corp.acme.example"}, "is not a domain name"),
        ({"domain": "corp.acme.example."}, "without a leading or trailing dot"),
        ({"clusters": ()}, "at least 1"),
        ({"clusters": ("prod", "prod")}, r"clusters\n.*prod twice"),
        ({"shadows_astro": "Ticket OPS-1: shared endpoints"}, "no domain contains a name that Astro needs"),
    ],
)
def test_rejects_invalid_values(values: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        HostedZoneProps.model_validate(MADE | values)
