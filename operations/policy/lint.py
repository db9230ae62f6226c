"""Lints the policies of a synthesized estate with parliament, which contains IAM's actions and conditions."""

import json
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from estate.errors import ExitCode, UserError
from estate.source import printable
from modules.parts.iam_policy.props import listed
from operations.policy.documents import statements


@dataclass(frozen=True)
class Finding:
    """A linter's finding for one policy. `severity`: CRITICAL, HIGH, MEDIUM, LOW or INFO."""

    policy: str
    severity: str
    title: str
    detail: str

    def __str__(self) -> str:
        detail = f": {self.detail}" if self.detail else ""
        return printable(f"{self.severity:9}{self.policy}: {self.title}{detail}")


@dataclass(frozen=True)
class Report:
    """The policies of an estate and their findings. Astronomer maintains its document, so its findings are warnings."""

    policies: tuple[str, ...]
    theirs: frozenset[str]
    findings: tuple[Finding, ...]

    @property
    def code(self) -> ExitCode:
        """The exit code: 3 for a finding, 4 if all are in Astronomer's document."""
        if any(one.policy not in self.theirs for one in self.findings):
            return ExitCode.CHECK_FAILED
        return ExitCode.WARNINGS_ONLY if self.findings else ExitCode.DONE

    def lines(self) -> Iterator[str]:
        """Yield the names of the policies, the findings and a summary."""
        yield from (f"{name}{' (of Astronomer)' * (name in self.theirs)}" for name in self.policies)
        yield from map(str, self.findings)
        in_theirs = sum(one.policy in self.theirs for one in self.findings)
        summary = _summary("Your", len(self.policies) - len(self.theirs), len(self.findings) - in_theirs)
        if self.theirs:
            summary += " " + _summary("Astronomer's", len(self.theirs), in_theirs)
        yield summary + " Astronomer maintains its document." * bool(in_theirs)

    def as_values(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "policies": [{"policy": name, "of_astronomer": name in self.theirs} for name in self.policies],
            "findings": [asdict(one) for one in self.findings],
        }


def report(stacks: Mapping[str, Any], vendors: Mapping[str, Any] | None) -> Report:
    """Lint the policies of synthesized stacks. `vendors` is Astronomer's document."""
    policies = {f"{name}: {at}": one for name, stack in stacks.items() for at, one in policies_of(stack).items()}
    theirs = {name for name, one in policies.items() if vendors and written_by(vendors, one)}
    found = lint({name: one for name, one in policies.items() if name not in theirs})
    found_in_theirs = lint({name: policies[name] for name in theirs})
    return Report(tuple(sorted(policies)), frozenset(theirs), (*found, *found_in_theirs))


def _summary(whose: str, policies: int, findings: int) -> str:
    """Return a sentence, such as: Your 15 policies: no findings."""
    count = f"{policies} {'policy' if policies == 1 else 'policies'}"
    return f"{whose} {count}: {findings or 'no'} finding{'s' * (findings != 1)}."


def _acknowledged(issue: str, detail: str, document: Mapping[str, Any]) -> bool:
    """Return whether a finding is a known error of the linter; the reasons are below."""
    if issue == "RESOURCE_STAR":
        # In a resource's own policy, such as a KMS key's, * means that resource.
        return all("Principal" in statement for statement in listed(document["Statement"]))
    if issue == "UNKNOWN_FEDERATION_SOURCE":
        # parliament supports only social identity providers; IAM accepts the ARN of any OIDC provider of the account.
        return ":oidc-provider/" in detail
    if issue == "UNKNOWN_CONDITION_FOR_ACTION" and "sts:AssumeRoleWithWebIdentity" in detail:
        # The keys of a token are named after its issuer, which parliament does not resolve.
        return ":aud" in detail or ":sub" in detail
    if issue == "RESOURCE_MISMATCH":
        # parliament requires all kinds of resource in one statement. Their conditions differ, and AWS's guide to VPC
        # peering uses two statements.
        return "ec2:AcceptVpcPeeringConnection" in detail
    # A key of the encryption context may have any name, and CloudWatch Logs uses the log group's ARN: the CloudWatch
    # Logs user guide contains this key policy.
    return (
        issue in ("UNKNOWN_CONDITION_FOR_ACTION", "MISMATCHED_TYPE")
        and "kms:EncryptionContext:aws:logs:arn" in json.dumps(document)
        and ("kms:EncryptionContext:aws:logs:arn" in detail or "ArnEquals" in detail)
    )


def lint(policies: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Return parliament's findings on actions, resources and conditions in policies, by severity.

    Adds a finding for a statement that allows everything, which parliament accepts. Works offline. Raises UserError if
    parliament is not installed, or for an invalid document.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # parliament leaves its own data files open
            warnings.filterwarnings("ignore", "pkg_resources is deprecated")
            import parliament
    except ImportError as error:
        raise UserError("parliament is not installed; `make setup` installs it") from error
    findings: set[Finding] = set()
    for name, document in policies.items():
        found_statements = statements(document)
        if any(_allows_everything(one) for one in found_statements):
            findings.add(Finding(name, "HIGH", "Allows every action on every resource", ""))
        # The resource of a trust policy is its role; parliament requires a resource in each statement.
        document = {**document, "Statement": [_with_resource(one) for one in found_statements]}
        for found in parliament.analyze_policy_string(json.dumps(document)).findings:
            told = parliament.enhance_finding(found)
            detail = told.detail if isinstance(told.detail, str) else json.dumps(told.detail, default=str)
            if not _acknowledged(found.issue, detail, document):
                findings.add(Finding(name, told.severity, told.title, _counted(detail)))
    order = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO")
    return sorted(findings, key=lambda f: (order.index(f.severity), str(f)))


def _counted(detail: str) -> str:
    """Return a detail with the first names of a list and the number of the others, which would fill a page."""
    try:
        names = json.loads(detail)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        return " ".join(detail.split())
    others = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + others


def _allows_everything(statement: Mapping[str, Any]) -> bool:
    everything = (set(map(str, listed(statement.get(element, [])))) for element in ("Action", "Resource"))
    anyone = "Principal" in statement or "NotPrincipal" in statement
    return statement["Effect"] == "Allow" and not anyone and all(one & {"*", "*:*"} for one in everything)


def _with_resource(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    return statement if {"Resource", "NotResource"} & statement.keys() else {**statement, "Resource": "*"}


def written_by(vendors: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Return whether every statement is one of the vendor's; a long document is split over several policies."""
    theirs = listed(vendors["Statement"])
    return all(statement in theirs for statement in statements(document))


def policies_of(stack: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every policy document in a synthesized stack by its address.

    These are managed, inline and trust policies, and those of keys, buckets, topics and endpoints. References to
    resources that do not exist yet are replaced by samples of their type. Raises UserError for an unreadable document,
    so that no policy is skipped silently.
    """
    result: dict[str, dict[str, Any]] = {}
    for name, document in stack.get("data", {}).get("aws_iam_policy_document", {}).items():
        written = [_statement(one) for one in document["statement"]]
        result[f"data.aws_iam_policy_document.{name}"] = {"Version": "2012-10-17", "Statement": written}
    for kind, resources in stack.get("resource", {}).items():
        for name, resource in resources.items():
            for argument, text in _policy_arguments(resource):
                address = f"{kind}.{name}.{argument}"
                if (document := _document(text)) is not None:
                    result[address] = document
                elif not _refers_to_document(text):
                    raise UserError(f"{address} is a policy that cannot be read: {textwrap.shorten(text, 100)}")
    return result


def _policy_arguments(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the arguments that contain a policy document, at any depth; AWS's resources use the same names."""
    if isinstance(value, list):
        for one in value:
            yield from _policy_arguments(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if isinstance(one, str) and (key == "policy" or key.endswith("_policy")):
                yield key, one
            else:
                yield from _policy_arguments(one)


def _document(text: str) -> dict[str, Any] | None:
    """Return the document if it is contained in the stack itself."""
    try:
        # In Terraform, $${ is an escaped ${ of an IAM variable.
        document = json.loads(text.replace("$${", "${").replace("%%{", "%{"))
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _refers_to_document(text: str) -> bool:
    return "data.aws_iam_policy_document." in text


def _statement(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return a statement of Terraform's data source as IAM's JSON."""
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
        # IAM writes a single value without a list; parliament requires this for operators with one value.
        values = values[0] if isinstance(values, list) and len(values) == 1 else values
        result.setdefault("Condition", {}).setdefault(condition["test"], {})[condition["variable"]] = values
    return result


_SAMPLES = {
    "aws_s3_bucket": "arn:aws:s3:::sample",
    "aws_sns_topic": "arn:aws:sns:us-east-1:111111111111:sample",
    "aws_cloudwatch_log_group": "arn:aws:logs:us-east-1:111111111111:log-group:sample",
    "aws_vpc": "arn:aws:ec2:us-east-1:111111111111:vpc/vpc-0123456789abcdef0",
    "aws_iam_openid_connect_provider": "arn:aws:iam::111111111111:oidc-provider/oidc.example",
}


def _sampled(value: Any) -> Any:
    if isinstance(value, list):
        return [_sampled(one) for one in value]
    return re.sub(r"\$\{(?:data\.)?(\w+)\.[^}]*\}", lambda found: _SAMPLES.get(found[1], "sample"), value)
