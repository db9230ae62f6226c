"""Astronomer's policy document over time: fetched and pinned, compared, linted."""

import hashlib
import http.client
import json
import re
import textwrap
import urllib.request
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import boto3
from botocore import exceptions

from modules.astronomer import URL
from modules.opt_in_region.props import POLICY as OPT_IN_REGIONS
from modules.policy_file import pin_file
from operations.aws import PATIENCE

MAX_BYTES = 1_000_000


class PolicyError(Exception):
    """Why a document could not be fetched, read or linted; the message is for the person who asked."""


# Fetch and pin


def fetch(document: Path, url: str = URL, *, accept: bool = False) -> Literal["new", "same", "changed"]:
    """Save what `url` serves as `document`, and pin it.

    What differs from the pinned document is saved only with `accept`: "changed" without it means that nothing was
    written but `<document>.new`, to be compared. Raises PolicyError where nothing usable is served.
    """
    served = _download(url)
    digest = hashlib.sha256(served).hexdigest()
    pin = pin_file(document)
    beside = document.with_name(document.name + ".new")
    try:
        # A pin that was emptied or overwritten pins nothing that is served.
        pinned = pin.read_text("utf-8", "replace").split()[:1] if pin.exists() else None
        if pinned == [digest] and document.exists() and document.read_bytes() == served:
            beside.unlink(missing_ok=True)
            return "same"
        if (pinned is not None or document.exists()) and not accept:
            beside.write_bytes(served)
            return "changed"
        document.parent.mkdir(parents=True, exist_ok=True)
        document.write_bytes(served)
        pin.write_text(f"{digest}  {document.name}\n")
        beside.unlink(missing_ok=True)
    except OSError as error:
        raise PolicyError(f"{error.filename} cannot be written: {error.strerror}") from error
    return "new" if pinned is None else "changed"


def _download(url: str) -> bytes:
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise PolicyError(f"{url} is not an https address; a policy is not fetched over anything else")
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 (checked above)
            served: bytes = answer.read(MAX_BYTES + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:  # a URL without sense is a ValueError
        reason = getattr(error, "reason", error)
        raise PolicyError(
            f"{url} cannot be fetched: {reason}. Save the document by hand, and name it in the estate"
        ) from error
    if len(served) > MAX_BYTES:
        raise PolicyError(f"{url} serves more than {MAX_BYTES:,} bytes; a policy document has a few thousand")
    try:
        document = json.loads(served)
    except ValueError as error:
        raise PolicyError(f"{url} does not serve a JSON policy document: {error}") from None
    if not isinstance(document, dict):
        raise PolicyError(f"{url} does not serve a JSON policy document: not an object")
    return served


# Compare


@dataclass(frozen=True)
class Grant:
    """One action on one resource under one condition, as a statement allows or denies it. Patterns as in IAM."""

    effect: str
    action: str
    resource: str
    condition: str

    def __str__(self) -> str:
        on = "" if self.resource == "*" else f" on {self.resource}"
        return f"{self.action}{on}{f' if {self.condition}' if self.condition else ''}"

    def covers(self, other: "Grant") -> bool:
        """Whether whatever `other` matches, this matches too. Never true when it is not; conditions must be equal."""
        return (
            self.effect == other.effect
            and _covers(self.action.lower(), other.action.lower())
            and _covers(self.resource, other.resource)
            and self.condition in ("", other.condition)
        )


@dataclass(frozen=True)
class Change:
    """`widens`: the role may do more after it. `was`: the grant that it comes from or that remains, if any."""

    kind: Literal["added", "removed", "widened", "narrowed"]
    grant: Grant
    was: Grant | None = None

    @property
    def widens(self) -> bool:
        return self.kind in ("added", "widened")

    def __str__(self) -> str:
        denial = "deny " if self.grant.effect == "Deny" else ""
        return f"{self.kind:9}{denial}{self.grant}" + (f" (was: {self.was})" if self.was else "")


def compare(old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]) -> list[Change]:
    """What a role with the documents `new` may do and with `old` may not, and the other way round.

    Documents are those of one role: IAM judges by all of their statements together. NotAction and NotResource are
    compared as they are written: any change of one is a removal and an addition.
    """
    before, after = list(_grants(old)), list(_grants(new))
    changes = [*_changes(before, after, "Allow"), *_changes(after, before, "Deny")]
    return sorted(changes, key=lambda c: (not c.widens, c.kind, str(c)))


def _changes(before: list[Grant], after: list[Grant], effect: str) -> Iterator[Change]:
    """For Allow, what `after` gives more or less than `before`; a Deny that is gone gives more: before is after."""
    old = [grant for grant in before if grant.effect == effect]
    new = [grant for grant in after if grant.effect == effect]
    for grant in new:
        if not any(one.covers(grant) for one in old):
            within = next((one for one in old if grant.covers(one)), None)
            # Of a Deny, this is what is no longer denied.
            yield Change("widened", grant, within) if within or effect == "Deny" else Change("added", grant)
    for grant in old:
        if not any(one.covers(grant) for one in new):
            left = next((one for one in new if grant.covers(one)), None)
            if left is not None:
                yield Change("narrowed", left, grant)
            else:
                yield Change("narrowed" if effect == "Deny" else "removed", grant)


def _grants(documents: Iterable[Mapping[str, Any]]) -> Iterator[Grant]:
    for document in documents:
        for statement in _listed(document.get("Statement", [])):
            condition = json.dumps(statement["Condition"], sort_keys=True) if statement.get("Condition") else ""
            for action in _patterns(statement, "Action"):
                for resource in _patterns(statement, "Resource"):
                    yield Grant(statement["Effect"], action, resource, condition)


def _patterns(statement: Mapping[str, Any], element: str) -> list[str]:
    if element in statement:
        return [str(value) for value in _listed(statement[element])]
    return [f"all but {', '.join(sorted(map(str, _listed(statement.get(f'Not{element}', [])))))}"]


def _covers(pattern: str, other: str) -> bool:
    if "all but " in (pattern[:8], other[:8]):
        return pattern in (other, "*")
    return re.fullmatch("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern), other) is not None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def read(file: Path, account_id: str | None = None) -> dict[str, Any]:
    """A document from a file, with `{{.AWSAccount}}` replaced where an account is given. Raises PolicyError."""
    try:
        text = file.read_text("utf-8-sig")
        document = json.loads(text.replace("{{.AWSAccount}}", account_id) if account_id else text)
    except OSError as error:
        raise PolicyError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise PolicyError(f"{file} is not JSON: {error}") from None
    if not isinstance(document, dict) or "Statement" not in document:
        raise PolicyError(f"{file} is not a policy document: it has no Statement")
    return document


def in_account(role: str, account_id: str) -> list[dict[str, Any]]:
    """The documents that are attached to Astronomer's role in the caller's account, or written into it, but for that of
    `opt_in_region`: it stands beside Astronomer's. Raises PolicyError."""
    try:
        session = boto3.Session()
        with (
            closing(session.client("sts", region_name="us-east-1", config=PATIENCE)) as sts,
            closing(session.client("iam", region_name="us-east-1", config=PATIENCE)) as iam,
        ):
            caller = sts.get_caller_identity()["Account"]
            if caller != account_id:
                raise PolicyError(
                    f"your credentials are of account {caller}, and the role is in {account_id}; sign in there"
                )
            return list(_documents(iam, role))
    except (exceptions.BotoCoreError, exceptions.ClientError) as error:
        raise PolicyError(f"the policies of role {role} cannot be read: {error}") from error


def _documents(iam: Any, role: str) -> Iterator[dict[str, Any]]:
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        for policy in page["AttachedPolicies"]:
            version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
            found = iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)["PolicyVersion"]
            # Under that name, but with other grants, it is not ours.
            of_regions = all(grant.action.startswith("account:") for grant in _grants([found["Document"]]))
            if policy["PolicyName"] != OPT_IN_REGIONS or not of_regions:
                yield found["Document"]
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=role):
        for name in page["PolicyNames"]:
            yield iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]


# Lint


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
        return all("Principal" in statement for statement in _listed(document["Statement"]))
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
