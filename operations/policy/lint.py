"""Lints the policies that a synthesized estate creates, with parliament, which knows IAM's actions and conditions."""

import json
import re
import textwrap
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from operations.policy.documents import PolicyError, listed


@dataclass(frozen=True)
class Finding:
    """What a linter says of one policy. `severity`: CRITICAL, HIGH, MEDIUM, LOW or INFO."""

    policy: str
    severity: str
    title: str
    detail: str

    def __str__(self) -> str:
        return f"{self.severity:9}{self.policy}: {self.title}{f': {self.detail}' if self.detail else ''}"


def _acknowledged(issue: str, detail: str, document: Mapping[str, Any]) -> bool:
    """What the linter has wrong, each with the reason."""
    if issue == "RESOURCE_STAR":
        # In a resource's own policy, such as a KMS key's, * is that resource.
        return all("Principal" in statement for statement in listed(document["Statement"]))
    if issue == "RESOURCE_MISMATCH":
        # It wants all kinds of resource in one statement. Their conditions differ, and AWS writes two in its guide to
        # VPC peering.
        return "ec2:AcceptVpcPeeringConnection" in detail
    # A key of the encryption context may have any name, and CloudWatch Logs' is the log group's ARN: the CloudWatch
    # Logs user guide writes the key policy so.
    return (
        issue in ("UNKNOWN_CONDITION_FOR_ACTION", "MISMATCHED_TYPE")
        and "kms:EncryptionContext:aws:logs:arn" in json.dumps(document)
        and ("kms:EncryptionContext:aws:logs:arn" in detail or "ArnEquals" in detail)
    )


def lint(policies: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """What parliament, which knows IAM's actions, resources and conditions, finds in policies; by severity.

    It reads what an identity may do and what may be done to a resource, but no trust policies: leave them out. Works
    offline. Raises PolicyError where parliament is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves its own data files open
            import parliament
    except ImportError as error:
        raise PolicyError("parliament is not installed; `make setup` installs it") from error
    findings: set[Finding] = set()
    for name, document in policies.items():
        for found in parliament.analyze_policy_string(json.dumps(document)).findings:
            told = parliament.enhance_finding(found)
            detail = told.detail if isinstance(told.detail, str) else json.dumps(told.detail, default=str)
            if not _acknowledged(found.issue, detail, document):
                # All actions of a service are a page of names.
                findings.add(Finding(name, told.severity, told.title, textwrap.shorten(detail, 160)))
    order = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO")
    return sorted(findings, key=lambda f: (order.index(f.severity), str(f)))


def made(stack: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The policy documents that a synthesized stack makes, by address, without trust policies.

    References to what does not exist yet are samples of their kind."""
    documents = stack.get("data", {}).get("aws_iam_policy_document", {})
    result: dict[str, dict[str, Any]] = {}
    for name, document in documents.items():
        statements = [_statement(one) for one in document.get("statement", [])]
        if all("Resource" in one or "NotResource" in one for one in statements):
            result[name] = {"Version": "2012-10-17", "Statement": statements}
    return result


def _statement(written: Mapping[str, Any]) -> dict[str, Any]:
    """A statement of Terraform's data source as IAM's JSON."""
    result: dict[str, Any] = {"Effect": written.get("effect", "Allow")}
    names = (("sid", "Sid"), ("actions", "Action"), ("not_actions", "NotAction"))
    names += (("resources", "Resource"), ("not_resources", "NotResource"))
    for ours, theirs in names:
        if ours in written:
            result[theirs] = _sampled(written[ours])
    for principal in written.get("principals", []):
        result.setdefault("Principal", {})[principal["type"]] = _sampled(principal["identifiers"])
    for condition in written.get("condition", []):
        values = _sampled(condition["values"])
        # IAM writes one value without a list, and parliament reads no other way where an operator takes one.
        values = values[0] if isinstance(values, list) and len(values) == 1 else values
        result.setdefault("Condition", {}).setdefault(condition["test"], {})[condition["variable"]] = values
    return result


_SAMPLES = {
    "aws_s3_bucket": "arn:aws:s3:::sample",
    "aws_sns_topic": "arn:aws:sns:us-east-1:111111111111:sample",
    "aws_cloudwatch_log_group": "arn:aws:logs:us-east-1:111111111111:log-group:sample",
    "aws_vpc": "arn:aws:ec2:us-east-1:111111111111:vpc/vpc-0123456789abcdef0",
}


def _sampled(value: Any) -> Any:
    if isinstance(value, list):
        return [_sampled(one) for one in value]
    return re.sub(r"\$\{(?:data\.)?(\w+)\.[^}]*\}", lambda found: _SAMPLES.get(found[1], "sample"), value)
