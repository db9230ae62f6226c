"""Warnings about the lifecycle rules that others gave the bucket of Terraform's state."""

from typing import Any

import pytest

from operations.state import lifecycle_warnings

EXPIRES = "lifecycle rule 'logs' expires all objects, and deletes state"


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"Expiration": {"Days": 30}}, [EXPIRES]),
        ({"Expiration": {"Date": "2030-01-01"}}, [EXPIRES]),
        ({"Expiration": {"ExpiredObjectDeleteMarker": True}}, []),
        ({"Expiration": {"Days": 30}, "Status": "Disabled"}, []),
        (
            {"Expiration": {"Days": 30}, "Filter": {"And": {"Prefix": "a/"}}},
            ["lifecycle rule 'logs' expires objects under a/, and deletes state"],
        ),
        ({"NoncurrentVersionExpiration": {"NoncurrentDays": 90}}, []),
        (
            {"NoncurrentVersionExpiration": {"NoncurrentDays": 89}},
            ["lifecycle rule 'logs' deletes old versions of all objects after 89 days"],
        ),
        ({"NoncurrentVersionExpiration": {"NoncurrentDays": 1}, "ID": "astro-on-aws-state"}, []),
        (
            {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}, "Expiration": {"Days": 1}},
            [EXPIRES, "lifecycle rule 'logs' deletes old versions of all objects after 1 days"],
        ),
        ({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}, []),
    ],
)
def test_a_rule_that_deletes_state_is_reported(rule: dict[str, Any], told: list[str]) -> None:
    assert list(lifecycle_warnings([{"ID": "logs", "Status": "Enabled"} | rule])) == told
