"""Data that Astronomer publishes about Astro on AWS. It changes over time, so each table names its source and date."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator

from modules.aws import AS_OF as AWS_AS_OF
from modules.aws import INSTANCE_FAMILIES
from modules.vocabulary import PRIVATE, RFC_1918, Range, Text

Product = Literal["hybrid", "hosted-dedicated", "hosted-standard"]

AS_OF = "2024-08"
"""The month of Astronomer's published lists in this module. Astronomer offers more regions and sizes on request (facts
C11)."""

_HOSTED_REGIONS = [
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-south-1",
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
]

REGIONS: Mapping[Product, Sequence[str]] = {
    "hybrid": [
        "af-south-1",
        "ap-east-1",
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-south-1",
        "ca-central-1",
        "eu-central-1",
        "eu-south-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "me-south-1",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
    ],
    "hosted-dedicated": _HOSTED_REGIONS,
    "hosted-standard": _HOSTED_REGIONS,
}
"""The regions of each product (astronomer/docs, resource references)."""

_ASTRO_CIDR = Range("a valid range for an Astro VPC", 16, 21, RFC_1918, "RFC 1918 (10/8, 172.16/12, 192.168/16)")

AstroCidr = Annotated[IPv4Network, _ASTRO_CIDR]

ASTRO_CIDRS: Mapping[Product, Range] = {
    "hybrid": replace(_ASTRO_CIDR, what="a valid range for a Hybrid cluster's VPC", smallest=20),
    "hosted-dedicated": _ASTRO_CIDR,
    "hosted-standard": _ASTRO_CIDR,
}
"""The allowed values of `cidr` by product (Astronomer, *Install Astro Hybrid on AWS*; Hosted: astronomer/docs, resource
references)."""

PodCidr = Annotated[IPv4Network, Range("a valid range for Astro's pods", 16, 20, PRIVATE, "RFC 1918 or 100.64.0.0/10")]

_SIZES = ("xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "metal")
_FAMILIES = {"m5": 96, "m5d": 96, "m6i": 128, "m6id": 128, "r6i": 128, "c6i": 128}
"""The families with all of these sizes, and the vCPUs of their metal size (AWS, *Amazon EC2 instance types*)."""
NODE_TYPES = (
    *(f"{family}.{size}" for family in _FAMILIES for size in _SIZES),
    *("t2.xlarge", "t3.xlarge", "t3.2xlarge"),
)
"""The node types that Astronomer publishes for Hybrid clusters (facts A9)."""
DEFAULT_NODE_TYPE, DEFAULT_DB_TYPE = "m5.xlarge", "db.m6g.large"
"""Astronomer's defaults for a Hybrid cluster (facts A9)."""


def _node_type(value: str) -> str:
    if value.partition(".")[0] not in INSTANCE_FAMILIES:
        close = difflib.get_close_matches(value, NODE_TYPES, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"is not in an AWS instance family as of {AWS_AS_OF}{meant}")
    return value


NodeType = Annotated[
    str,
    Text(
        "an EC2 instance type",
        r"[a-z][a-z0-9-]{1,20}\.(?:nano|micro|small|medium|large|(?:[1-9]\d{0,2})?xlarge|metal(?:-\d{1,3}xl)?)",
        "a family and a size",
        "m5.xlarge",
    ),
    AfterValidator(_node_type),
]

DatabaseType = Annotated[
    str, Text("a database instance type", r"db\.[a-z][a-z0-9]+\.\d{0,2}[a-z]+", "an RDS instance class", "db.m6g.large")
]

ClusterId = Annotated[
    str,
    Text(
        "a cluster ID",
        r"[a-z][a-z0-9]{19,31}",
        "20 to 32 lowercase letters and digits, copied from the Astro UI",
        "clmk2qqia000008mhff3ndjr0",
        late=True,
    ),
]

IssuerUrl = Annotated[
    str,
    Text(
        "an OIDC issuer",
        r"https://[A-Za-z0-9.-]+(?:/[\w.-]+)*",
        "an https:// URL without a trailing /",
        "https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF",
    ),
]

ASTRONOMER_ACCOUNT = "406882777402"
"""The AWS account of Astronomer's control plane (facts A6)."""

ROLE = "astronomer-remote-management"
"""The role that Astronomer assumes in the dedicated account (facts A6)."""
POLICY = "AstronomerCrossAccountRole"
"""The name of that role's policy (facts A6)."""

BOUNDARY = "OperationalBoundary"
"""A part of the names of Astronomer's permissions boundaries."""

ALARM_PATTERNS: Mapping[Literal["astronomer-hybrid", "astronomer-preview"], str] = {
    "astronomer-hybrid": (
        "{ ($.eventName = AttachRolePolicy || $.eventName = DetachRolePolicy || $.eventName = SetPolicyVersion) && "
        f'($.requestParameters.policyArn = "*{BOUNDARY}*" || $.requestParameters.policyArn = '
        f'"*{POLICY}"  || $.requestParameters.roleName = {ROLE}) }}'
    ),
    "astronomer-preview": (
        "{ ($.eventName = AttachRolePolicy || $.eventName = DetachRolePolicy || $.eventName = SetPolicyVersion || "
        "$.eventName = CreatePolicyVersion) && "
        f'($.requestParameters.policyArn = "*{POLICY}"  || '
        f"$.requestParameters.roleName = {ROLE}) }}"
    ),
}
"""The filter patterns of Astronomer's pages for an alarm on its policies, unchanged (facts B5: CloudWatch requires
quotes)."""

ASTRO_NEEDS = ("amazonaws.com", "astronomer.cloud", "astronomer.io", "astronomer.run", "datakin.com")
"""The parents of all names that a cluster must resolve to work (facts A8, A18)."""


def astro_names_in(domains: Iterable[str]) -> list[str]:
    """Return the domains that Astro needs and that `domains` contain or are part of."""
    return [need for need in ASTRO_NEEDS if any(_contains_either_way(domain, need) for domain in domains)]


def _contains_either_way(domain: str, other: str) -> bool:
    return domain == "." or f".{other}".endswith(f".{domain}") or f".{domain}".endswith(f".{other}")


def domains_of(organization: str, *, subdomains: bool) -> tuple[str, ...]:
    """Return the domains that users and CI/CD need for Astro (facts A18)."""
    return (
        "cloud.astronomer.io",
        "api.astronomer.io",
        "auth.astronomer.io",
        "updates.astronomer.io",
        "install.astronomer.io",
        "images.astronomer.cloud",
        f"astro-{organization}.datakin.com",
        f"{organization}.astronomer.run",
        *(("*.astronomer.run",) if subdomains else ()),
    )


def vcpus(node_type: str) -> int | None:
    """Return the vCPUs of an instance type according to AWS's specifications: 2 for large, 4 for xlarge, N times as
    many for Nxlarge, and those of the host for metal. Return None for other sizes."""
    family, size = node_type.split(".")
    if size == "metal":
        return _FAMILIES.get(family)
    if size == "large":
        return 2
    times = re.fullmatch(r"(\d*)xlarge|metal-(\d+)xl", size)
    return 4 * int(times[1] or times[2] or 1) if times else None


DEPLOYMENT_ACCOUNTS = (
    "kpo",
    "dag-processor-serviceaccount",
    "scheduler-serviceaccount",
    "triggerer-serviceaccount",
    "webserver-serviceaccount",
    "worker-serviceaccount",
)
"""Kubernetes service accounts that run a Deployment's code, without the prefix of its namespace and a hyphen (facts
A17)."""


def deployment_role(namespace: str) -> str:
    """Return the name of a Deployment's role in its cluster's account, as used since September 2023 (facts A17)."""
    return f"astro-{namespace}"


def cluster_role(cluster_id: str) -> str:
    """Return the name of the role that all Deployments of an older cluster share (facts A17)."""
    return f"AirflowS3Logs-{cluster_id}"


def agents_domain(cluster_id: str) -> str:
    """Return the name that Remote Execution Agents connect to. Astronomer's page for Azure describes it; for AWS it is
    inferred (facts C13)."""
    return f"{cluster_id}.external.astronomer.run"


URL = "https://astro-cross-account-role-template.s3.us-east-2.amazonaws.com/customer-account-prerelease.json"
"""The address of Astronomer's policy document."""
