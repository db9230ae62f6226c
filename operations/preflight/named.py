"""The checks of resources that the file names by an ARN or a name: topics, policies, certificates, and so on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from estate.source import texts
from modules.vocabulary import arn_region
from operations.preflight.place import Place, blocked, ok
from operations.status.check import Check, Outcome


@dataclass(frozen=True)
class Lookup:
    """How to find a resource: the call, its parameters for a name, and whether an answer contains the resource."""

    call: str
    asked: Callable[[str], Mapping[str, Any]]
    found: Callable[[Mapping[str, Any], str], bool] = lambda answer, _: bool(answer)


def _has_group(answer: Mapping[str, Any], name: str) -> bool:
    return name in [one["logGroupName"] for one in answer.get("logGroups", [])]


def _has_bucket(answer: Mapping[str, Any], name: str) -> bool:
    return name in [one["Name"] for one in answer.get("Buckets", [])]


BY_ARN: Mapping[tuple[str, str], Lookup] = {
    ("sns", ""): Lookup("sns:get_topic_attributes", lambda arn: {"TopicArn": arn}),
    ("acm", "certificate"): Lookup("acm:describe_certificate", lambda arn: {"CertificateArn": arn}),
    ("iam", "policy"): Lookup("iam:get_policy", lambda arn: {"PolicyArn": arn}),
    ("iam", "oidc-provider"): Lookup("iam:get_open_id_connect_provider", lambda arn: {"OpenIDConnectProviderArn": arn}),
}
"""The look-ups of ARNs by service and type of resource."""
BY_FIELD: Mapping[str, Lookup] = {
    "log_group": Lookup("logs:describe_log_groups", lambda name: {"logGroupNamePrefix": name}, _has_group),
    "bucket": Lookup("s3:list_buckets", lambda _: {}, _has_bucket),
}
"""The look-ups of names by their field."""


def named(p: Place, entry: Mapping[str, Any]) -> Iterator[Check]:
    """Check that the resources that an entry names by an ARN or a name exist. Those with IDs have other checks."""
    for place, value in texts(entry):
        path = ".".join(map(str, place))
        if lookup := lookup_of(str(place[-1]), value):
            look = lambda field=path, value=value, lookup=lookup: _exists(p, field, value, lookup)  # noqa: E731
            yield Check(f"named:{path}", f"{value} exists", look)


def lookup_of(field: str, value: str) -> Lookup | None:
    """Return the look-up of a value, or None if it names no resource of these kinds."""
    if value.startswith("arn:"):
        _, _, service, _, _, resource, *_ = [*value.split(":", 5), *[""] * 5]
        return BY_ARN.get((service, resource.partition("/")[0] if "/" in resource else ""))
    return BY_FIELD.get(field)


def _exists(p: Place, field: str, value: str, lookup: Lookup) -> Outcome:
    region = arn_region(value) if value.startswith("arn:") else ""
    if lookup.found(p.read(lookup.call, region, **lookup.asked(value)), value):
        return ok(f"{value} exists")
    return blocked(f"{value} does not exist in account {p.account_id}", f"create it, or correct {field} in the file")
