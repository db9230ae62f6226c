"""Remarks on what was found: changes that a plan does not show, or not so that one would see them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jmespath

from modules.astronomer import ASTRONOMER_ACCOUNT, POLICY, ROLE
from modules.parts.iam_policy.props import listed
from operations.adopt.arguments import Arguments, UnknownError
from operations.aws import Aws
from operations.policy.compare import compare


def remarks_on(
    address: str, arguments: Arguments, item: Mapping[str, Any], aws: Aws, external_ids: frozenset[str]
) -> Iterator[str]:
    """What a plan does not show, or not so that one would see it, and a person should decide."""
    type_ = address.split(".")[0]
    if type_ == "aws_iam_role":
        boundary = jmespath.search("PermissionsBoundary.PermissionsBoundaryArn", item)
        if boundary and not arguments.get("permissions_boundary"):
            yield f"an apply would take off its permissions boundary {boundary}: write it as `permissions_boundary`"
        if item["RoleName"] == ROLE:
            yield from _trust(item["AssumeRolePolicyDocument"], external_ids)
            yield from _cloudformation(aws)
    elif type_ == "aws_iam_policy" and "policy" not in (arguments.get("lifecycle.ignore_changes") or ()):
        version = aws.ask("iam:get_policy_version", PolicyArn=item["Arn"], VersionId=item["DefaultVersionId"])
        there, planned = jmespath.search("PolicyVersion.Document", version), _document(arguments)
        if there and planned and compare([there], [planned]):
            yield "an apply would put the file's document in the place of the one in AWS, which allows other things" + (
                ": `main.py policy diff` tells them, `policy_mode: vendor-managed` leaves AWS's"
                if item["PolicyName"].startswith(POLICY)
                else ""
            )


def _trust(document: Mapping[str, Any], external_ids: frozenset[str]) -> Iterator[str]:
    """A plan hides the whole trust policy, for it holds the external IDs."""
    there = _values('Statement[].Condition.*."sts:ExternalId"', document)
    if there != external_ids:
        yield (
            "its external IDs are not those of TF_VAR_external_ids, a plan does not show that, and an apply would lock "
            "out whoever uses another one"
        )
    if others := sorted(one for one in _values("Statement[].Principal.*", document) if ASTRONOMER_ACCOUNT not in one):
        yield f"an apply would no longer trust {', '.join(others)}"


def _values(expression: str, document: Mapping[str, Any]) -> frozenset[str]:
    """What IAM writes as one value or as a list, here or there."""
    found = jmespath.search(f"{expression}[] | []", {"Statement": listed(document.get("Statement", []))})
    return frozenset(found or ())


def _document(arguments: Arguments) -> dict[str, Any] | None:
    """The planned policy document, where it stands in the plan as text."""
    try:
        return json.loads(arguments.get("policy"))
    except (UnknownError, ValueError):
        return None


def _cloudformation(aws: Aws) -> Iterator[str]:
    """Astronomer's link makes its stack in us-east-1, whatever region the clusters are in."""
    for region in dict.fromkeys(("us-east-1", aws.region)):
        answer = aws.ask("cloudformation:describe_stack_resources", region, PhysicalResourceId=ROLE)
        for stack in sorted({one["StackName"] for one in answer.get("StackResources", [])}):
            yield f"CloudFormation stack {stack} in {region} would delete it with itself: see docs/adopt.md first"
