"""The tables of AWS are those that AWS publishes, and Astronomer's lists are of what AWS has."""

import botocore.session
import pytest

from modules.astronomer import NODE_TYPES, vcpus
from modules.astronomer import REGIONS as ASTRO_REGIONS
from modules.aws import INSTANCE_FAMILIES, REGIONS
from modules.vocabulary import partition


def test_the_regions_are_those_of_botocore() -> None:
    published = botocore.session.get_session().get_component("data_loader").load_data("partitions")["partitions"]
    assert dict(REGIONS) == {
        region: one["id"] for one in published for region in one["regions"] if not region.endswith("-global")
    }


def test_the_instance_families_are_those_of_botocore() -> None:
    types = botocore.session.get_session().get_service_model("ec2").shape_for("InstanceType").enum
    assert {one.split(".")[0] for one in types} == INSTANCE_FAMILIES
    assert set(NODE_TYPES) <= set(types)


@pytest.mark.parametrize("node_type", NODE_TYPES)
def test_the_vcpus_of_every_published_type_are_known(node_type: str) -> None:
    assert vcpus(node_type)


def test_astronomers_regions_are_of_the_partition_aws() -> None:
    assert {partition(region) for regions in ASTRO_REGIONS.values() for region in regions} == {"aws"}
