"""Remarks on resources that were found: changes that a plan hides, or shows in an inconspicuous place."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jmespath

from estate.errors import UserError
from modules.astronomer import ASTRONOMER_ACCOUNT, POLICY, ROLE
from modules.parts.iam_policy.props import listed
from operations.adopt.arguments import Arguments, UnknownError
from operations.aws import Aws
from operations.policy.compare import compare

CALLS: Mapping[str, tuple[str, ...]] = {
    "aws_iam_role": ("cloudformation:describe_stack_resources",),
    "aws_iam_policy": ("iam:get_policy_version",),
    "aws_kms_key": ("kms:list_grants",),
}
"""The further calls about a resource that was found, by its type."""


def remarks_on(
    address: str, arguments: Arguments, item: Mapping[str, Any], aws: Aws, external_ids: frozenset[str]
) -> Iterator[str]:
    """Yield the changes that need a decision, and that a plan hides or shows in an inconspicuous place."""
    type_ = address.split(".")[0]
    if type_ == "aws_iam_role":
        boundary = jmespath.search("PermissionsBoundary.PermissionsBoundaryArn", item)
        if boundary and not arguments.get("permissions_boundary"):
            yield f"an apply would remove its permissions boundary {boundary}: write it as `permissions_boundary`"
        if item["RoleName"] == ROLE:
            yield from trust_remarks(item["AssumeRolePolicyDocument"], external_ids)
            yield from _cloudformation(aws)
    elif type_ == "aws_kms_key":
        # A plan does not show grants. Anyone who can create a key can give it this description.
        if grants := aws.ask("kms:list_grants", KeyId=item["KeyId"]).get("Grants"):
            keeps = f"{len(grants)} grant{'s' if len(grants) > 1 else ''}"
            yield f"has {keeps}, which an apply keeps; `aws kms list-grants --key-id {item['KeyId']}` lists them"
    elif type_ == "aws_iam_policy" and "policy" not in (arguments.get("lifecycle.ignore_changes") or ()):
        version = aws.ask("iam:get_policy_version", PolicyArn=item["Arn"], VersionId=item["DefaultVersionId"])
        there, planned = jmespath.search("PolicyVersion.Document", version), _document(arguments)
        if there and planned and not _allow_the_same(there, planned):
            yield "an apply would replace the document in AWS, which allows other actions, by the one in the file" + (
                ": `main.py policy diff` shows the difference, `policy_mode: vendor-managed` keeps the document in AWS"
                if item["PolicyName"].startswith(POLICY)
                else ""
            )


def _allow_the_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two documents allow the same. Different documents that cannot be compared do not."""
    try:
        return one == other or not compare([one], [other])
    except UserError:
        return False


def trust_remarks(document: Mapping[str, Any], external_ids: frozenset[str]) -> Iterator[str]:
    """Yield the differences of the trust policy, which a plan hides because of the external IDs in it."""
    allowing = [one for one in listed(document.get("Statement", [])) if one.get("Effect") == "Allow"]
    there = frozenset(
        value
        for statement in allowing
        for keys in statement.get("Condition", {}).values()
        for key, values in keys.items()
        if key.lower() == "sts:externalid"  # IAM's condition keys have no case
        for value in listed(values)
    )
    if there != external_ids:
        yield (
            "its external IDs differ from TF_VAR_external_ids; a plan does not show that, and an apply would lock out "
            "everyone who uses another ID"
        )
    if others := sorted({one for statement in allowing for one in _principals(statement) if not _astronomers(one)}):
        yield f"an apply would no longer trust {', '.join(others)}"


def _principals(statement: Mapping[str, Any]) -> Iterator[str]:
    if "NotPrincipal" in statement:
        yield "everybody except its NotPrincipal"
    principal = statement.get("Principal", {})
    for values in principal.values() if isinstance(principal, Mapping) else (principal,):
        yield from listed(values)


def _astronomers(principal: str) -> bool:
    """Return whether a principal is Astronomer's account, or in it."""
    return ASTRONOMER_ACCOUNT in (principal, *principal.split(":")[4:5])


def _document(arguments: Arguments) -> dict[str, Any] | None:
    """Return the planned policy document, if the plan contains it as text."""
    try:
        return json.loads(arguments.get("policy"))
    except (UnknownError, ValueError):
        return None


def _cloudformation(aws: Aws) -> Iterator[str]:
    """Yield the CloudFormation stacks that own the role.

    Astronomer's link creates its stack in us-east-1, in whatever region the clusters are.
    """
    for region in dict.fromkeys(("us-east-1", aws.region)):
        answer = aws.ask("cloudformation:describe_stack_resources", region, PhysicalResourceId=ROLE)
        for stack in sorted({one["StackName"] for one in answer.get("StackResources", [])}):
            yield f"CloudFormation stack {stack} in {region} also deletes the role: see docs/adopt.md first"
