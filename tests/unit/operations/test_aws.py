"""Reading AWS: pages, several calls at a time, and what adoption remarks on."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.loaders import JSONFileLoader
from botocore.stub import Stubber

from operations.adopt import remarks
from operations.adopt.arguments import Arguments
from operations.adopt.remarks import CALLS, remarks_on, trust_remarks
from operations.aws import Aws, _descriptions, remedy, session_as  # pyright: ignore[reportPrivateUsage]
from tests.support import ROOT

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


class Session:
    """A session whose clients return prepared answers."""

    def __init__(self, tell: Callable[[Any], None]) -> None:
        self._tell = tell

    def client(self, service: str, **_: Any) -> Any:
        client = boto3.client(service, region_name="us-east-1", **KEYS)  # type: ignore[call-overload]
        self._tell(client)
        return client


def aws_that(tell: Callable[[Any], None]) -> Aws:
    return Aws(Session(tell), "111111111111", "us-east-1")  # type: ignore[arg-type]


def test_accounts_at_once_read_a_description_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = JSONFileLoader.load_file

    def load_file(self: JSONFileLoader, path: str) -> Any:
        content = original(self, path)
        if content is not None:
            read.append(path)
        return content

    monkeypatch.setattr(JSONFileLoader, "load_file", load_file)
    _descriptions.cache_clear()
    together = threading.Barrier(4, timeout=30)
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "test")

    def start(_: int) -> None:
        session = session_as("", "test")
        together.wait()
        session.client("ec2", region_name="us-east-1").close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(start, range(4)))
    assert len([path for path in read if "/ec2/" in path and "service-2" in path]) == 1


def test_a_call_without_a_paginator_gets_every_page() -> None:
    def zone(number: int) -> dict[str, Any]:
        owner = {"OwningAccount": "111111111111"}
        return {"HostedZoneId": f"Z{number}", "Name": f"{number}.example.", "Owner": owner}

    vpc = {"VPCId": "vpc-0123456789abcdef0", "VPCRegion": "us-east-1"}

    def tell(client: Any) -> None:
        assert not client.can_paginate("list_hosted_zones_by_vpc")
        stub = Stubber(client)
        for number in range(3):
            page: dict[str, Any] = {"HostedZoneSummaries": [zone(number)], "MaxItems": "1"}
            page |= {"NextToken": f"t{number}"} if number < 2 else {}
            asked = vpc | ({"NextToken": f"t{number - 1}"} if number else {})
            stub.add_response("list_hosted_zones_by_vpc", page, asked)
        stub.activate()

    found = aws_that(tell).read("route53:list_hosted_zones_by_vpc", **vpc)
    assert [one["HostedZoneId"] for one in found["HostedZoneSummaries"]] == ["Z0", "Z1", "Z2"]


def test_many_keys_are_described_several_at_a_time() -> None:
    both = threading.Barrier(4, timeout=30)

    class Keys:
        def can_paginate(self, _: str) -> bool:
            return False

        def describe_key(self, KeyId: str) -> dict[str, Any]:  # noqa: N803 (boto3's name)
            both.wait()  # until four calls run at the same time
            return {"KeyMetadata": {"KeyId": KeyId}}

    class Fixed:
        def client(self, *_: Any, **__: Any) -> Keys:
            return Keys()

    asked = [{"KeyId": str(number)} for number in range(16)]
    answers = Aws(Fixed(), "111111111111", "us-east-1").ask_each("kms:describe_key", asked)  # type: ignore[arg-type]
    assert [one["KeyMetadata"]["KeyId"] for one in answers] == [one["KeyId"] for one in asked]


@pytest.mark.parametrize(
    ("code", "throttled"),
    [
        ("ThrottlingException", True),
        ("RequestLimitExceeded", True),
        ("TooManyRequestsException", True),
        ("AccessDenied", False),
        ("ExpiredToken", False),
    ],
)
def test_the_advice_is_about_the_error(code: str, throttled: bool) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "m"}}, "DescribeKey")
    assert ("in a minute" in remedy(error), "Sign in" in remedy(error)) == (throttled, not throttled)
    assert "network" in remedy(EndpointConnectionError(endpoint_url="https://sts.example"))


ROOT_OF_ASTRONOMER = "arn:aws:iam::406882777402:root"
OTHER_IDS = (
    "its external IDs differ from TF_VAR_external_ids; a plan does not show that, and an apply would lock out everyone "
    "who uses another ID"
)


def trust(principal: Any, condition: Any, effect: str = "Allow") -> dict[str, Any]:
    statement = {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition}
    return {"Version": "2012-10-17", "Statement": statement}


@pytest.mark.parametrize("key", ["sts:ExternalId", "sts:externalid", "STS:EXTERNALID"])
@pytest.mark.parametrize("values", ["id-1", ["id-1"]])
@pytest.mark.parametrize("principal", [ROOT_OF_ASTRONOMER, [ROOT_OF_ASTRONOMER], "406882777402"])
def test_a_trust_is_the_same_in_any_spelling(key: str, values: Any, principal: Any) -> None:
    document = trust({"AWS": principal}, {"StringEquals": {key: values}})
    assert list(trust_remarks(document, frozenset({"id-1"}))) == []
    assert list(trust_remarks(document, frozenset({"id-2"}))) == [OTHER_IDS]


@pytest.mark.parametrize(
    ("principal", "lost"),
    [
        ("*", "*"),
        ({"AWS": "*"}, "*"),
        ({"AWS": "arn:aws:iam::666666666666:role/x-406882777402"}, "arn:aws:iam::666666666666:role/x-406882777402"),
        ({"Service": "ec2.amazonaws.com", "AWS": ROOT_OF_ASTRONOMER}, "ec2.amazonaws.com"),
        ({"Federated": "arn:aws:iam::406882777402:saml-provider/x"}, None),
    ],
)
def test_whoever_loses_trust_is_named(principal: Any, lost: str | None) -> None:
    document = trust(principal, {"StringEquals": {"sts:ExternalId": "id-1"}})
    expected = [f"an apply would no longer trust {lost}"] if lost else []
    assert list(trust_remarks(document, frozenset({"id-1"}))) == expected


def test_a_denying_statement_trusts_no_principal() -> None:
    document = trust({"AWS": ROOT_OF_ASTRONOMER}, {"StringEquals": {"sts:ExternalId": "id-1"}})
    document["Statement"] = [document["Statement"], trust("*", {}, effect="Deny")["Statement"]]
    assert list(trust_remarks(document, frozenset({"id-1"}))) == []


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        ([0], []),
        ([1], ["has 1 grant, which an apply keeps; `aws kms list-grants --key-id key-1` lists them"]),
        ([2, 1], ["has 3 grants, which an apply keeps; `aws kms list-grants --key-id key-1` lists them"]),
    ],
)
def test_grants_of_an_adopted_key_are_reported(pages: list[int], told: list[str]) -> None:
    """Anyone who can create a key can give it the description by which it is found."""

    def tell(client: Any) -> None:
        stub = Stubber(client)
        for number, grants in enumerate(pages, start=1):
            later = {"Truncated": True, "NextMarker": str(number)} if number < len(pages) else {"Truncated": False}
            marker = {"Marker": str(number - 1)} if number > 1 else {}
            answer = {"Grants": [{"GrantId": f"{number}-{grant}"} for grant in range(grants)], **later}
            stub.add_response("list_grants", answer, {"KeyId": "key-1", **marker})
        stub.activate()

    arguments = Arguments({}, lambda value: value)
    found = remarks_on("aws_kms_key.topic-key", arguments, {"KeyId": "key-1"}, aws_that(tell), frozenset())
    assert list(found) == told


def test_the_calls_of_remarks_are_listed_for_permissions() -> None:
    asked = re.findall(r'aws\.ask\("([\w:]+)"', (ROOT / str(remarks.__file__)).read_text())
    assert sorted(asked) == sorted(call for calls in CALLS.values() for call in calls)
