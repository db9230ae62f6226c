from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ConnectionProps
from modules.context import Context
from modules.entry import FieldPath, PendingInput, Step, fact
from modules.parts.ingress.props import Ingress
from modules.vocabulary import UNIQUE, BucketName, IamPrincipal, Props, Region, Slug, Text

ObjectPrefix = Annotated[
    str,
    Text(
        "a prefix of object keys",
        r"(?:[\w.=-]+/)+",
        "names of letters, digits and _.=-, each followed by /",
        "exports/astro/",
    ),
]


class Bucket(Props):
    """One of your S3 buckets, which Astro's roles may use from the allowlisted addresses.

    The `handoff` output has two Allow statements for the bucket's policy, which you add yourself. This entry changes
    nothing in S3, because a bucket has only one policy. The statements do not deny other addresses: that would lock out
    VPC endpoints, AWS's own services and the console. If the roles are in a different account than the bucket, they
    also need the permission in their own policies. In the bucket's account, their own policies may already allow access
    from any address.
    """

    bucket: BucketName
    region: Region
    """A region without clusters. In their own region, clusters reach S3 through a gateway endpoint, which hides their
    public addresses (facts A8, A14)."""
    principals: Annotated[tuple[IamPrincipal, ...], Field(min_length=1, max_length=20)]
    """The ARNs of the allowed roles and users: a Deployment's role, such as
    arn:aws:iam::333333333333:role/astro-etl."""
    access: Literal["read", "read-write"] = "read"
    prefix: ObjectPrefix | None = None
    """The beginning of the allowed keys. Default: the whole bucket."""


class IpAllowlistProps(ConnectionProps):
    """Allow traffic from the clusters' external addresses on the internet, with a managed prefix list, rules that refer
    to it, and statements for bucket policies."""

    dedicated_only: ClassVar[bool] = False
    routed: ClassVar[bool] = False
    by_external_ips: ClassVar[bool] = True
    needs_of_clusters: ClassVar[tuple[PendingInput, ...]] = (
        PendingInput(
            "external_ips",
            "the Astro UI",
            "copy External IPs of Organization Settings > Clusters > the cluster, or of a "
            "Deployment's Details on a standard cluster",
        ),
    )

    blocked: ClassVar[str] = "its addresses are not allowed"

    type: Literal["ip_allowlist"]
    clusters: Annotated[tuple[Slug, ...], Field(min_length=1), UNIQUE]
    """The entries of `clusters` whose `external_ips` are allowed. A cluster without any is added when you enter
    them."""
    max_entries: Annotated[int, Field(ge=1, le=1000)] = 10
    """The maximum number of addresses in the prefix list. A rule that refers to the list always counts as this number
    of rules, of the 60 that a security group has by default."""
    ingress: Ingress = Field(default_factory=dict)
    """Rules, by name, that allow the addresses in your security groups."""
    buckets: dict[Slug, Bucket] = Field(default_factory=dict)
    """Buckets, by name, to write policy statements for."""

    @property
    def needs_vpc(self) -> bool:
        return False

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:  # noqa: ARG002
        return "the twin has other external addresses, which are not allowed"

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:  # noqa: ARG002
        for name, bucket in self.buckets.items():
            if fact(facts, "bucket_policies", name):
                yield Step(
                    "you",
                    f"add the statements of `bucket_policies.{name}` to the policy of {bucket.bucket}",
                    key=f"bucket:{name}",
                )

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        owner: dict[str, str] = {}
        for name in self.clusters:
            for ip in (context.clusters[name].external_ips or ()) if name in context.clusters else ():
                if (other := owner.setdefault(ip, name)) != name:
                    yield (
                        ("clusters",),
                        f"has {ip} of both {other} and {name}; an address belongs to one cluster: correct one of them",
                    )
        if len(owner) > self.max_entries:
            yield (
                ("max_entries",),
                f"is {self.max_entries}, but the clusters have {len(owner)} addresses; set at least {len(owner)}",
            )
        for key, bucket in self.buckets.items():
            near = [
                name
                for name in self.clusters
                if name in context.clusters and context.clusters[name].region == bucket.region
            ]
            if near:
                message = (
                    f"{bucket.region!r} is the region of {', '.join(near)}, which reaches S3 there through an "
                    "endpoint, not from a public address; allow the role in the bucket's policy without an address"
                )
                yield ("buckets", key, "region"), message
