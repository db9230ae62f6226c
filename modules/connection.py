"""What every connection type shares: the two sides it joins, and the base of its props."""

import difflib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from modules.aws import AS_OF as AWS_AS_OF
from modules.aws import INSTANCE_FAMILIES
from modules.vocabulary import (
    EACH,
    EACH_ONCE,
    PRIVATE,
    RFC_1918,
    AccountId,
    Awaited,
    Day,
    Late,
    PrivateCidr,
    Props,
    PublicIp,
    Range,
    Region,
    Secret,
    Slug,
    Step,
    Text,
    VpcId,
)

if TYPE_CHECKING:
    from modules.vpc.props import VpcProps

Product = Literal["hybrid", "hosted-dedicated", "hosted-standard"]

FieldPath = tuple[str | int, ...]
"""Where a value stands inside an entry: `("dr", "cidr")`."""

AS_OF = "2024-08"
"""The month of the lists that Astronomer publishes, as they are below. More regions and sizes are to be had on request
(facts C11)."""

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
"""Where Astronomer offers clusters (astronomer/docs, resource references)."""

_ASTRO_CIDR = Range("a range of an Astro VPC", 16, 21, RFC_1918, "RFC 1918 (10/8, 172.16/12, 192.168/16)")
AstroCidr = Annotated[IPv4Network, _ASTRO_CIDR]
ASTRO_CIDRS: Mapping[Product, Range] = {
    "hybrid": replace(_ASTRO_CIDR, what="a range of a Hybrid cluster's VPC", smallest=20),
    "hosted-dedicated": _ASTRO_CIDR,
    "hosted-standard": _ASTRO_CIDR,
}
"""What `cidr` may be, by product (seed 000; Hosted: astronomer/docs, resource references)."""
PodCidr = Annotated[IPv4Network, Range("a range of Astro's pods", 16, 20, PRIVATE, "RFC 1918 or 100.64.0.0/10")]


_SIZES = ("xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "metal")
NODE_TYPES = (
    *(f"{family}.{size}" for family in ("m5", "m5d", "m6i", "m6id", "r6i", "c6i") for size in _SIZES),
    *("t2.xlarge", "t3.xlarge", "t3.2xlarge"),
)
"""The node types that Astronomer publishes for Hybrid clusters (facts A9)."""


def _node_type(value: str) -> str:
    if value.partition(".")[0] not in INSTANCE_FAMILIES:
        close = difflib.get_close_matches(value, NODE_TYPES, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"is of no instance family that AWS has as of {AWS_AS_OF}{meant}")
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
    str, Text("a database's instance type", r"db\.[a-z][a-z0-9]+\.\d{0,2}[a-z]+", "a class of RDS", "db.m6g.large")
]


ClusterId = Annotated[
    str,
    Text(
        "a cluster ID",
        r"[a-z][a-z0-9]{19,31}",
        "20 to 32 lower-case letters and digits, as the Astro UI shows it",
        "clmk2qqia000008mhff3ndjr0",
        late=True,
    ),
]
IssuerUrl = Annotated[
    str,
    Text(
        "an OIDC issuer",
        r"https://[A-Za-z0-9.-]+(?:/[\w.-]+)*",
        "https:// and no / at the end",
        "https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF",
    ),
]


class _InOneRegion(Props):
    """What Astronomer has for a cluster in one region, and for its twin in another."""

    region: Region
    id: ClusterId | None = None
    """The cluster's ID: Organization Settings > Clusters in the Astro UI."""
    cidr: AstroCidr
    pod_cidr: PodCidr | None = None
    """The range of Astro's pods, usually 100.64.0.0/19: `secondary_vpc_cidr` of the Astro API, of a twin
    `dr_secondary_vpc_cidr`. Must not overlap what the cluster is connected with, but is not routed: pods leave the
    Astro VPC under the address of their node, so that clusters may have the same."""
    additional_cidrs: Annotated[dict[Slug, PrivateCidr], EACH] = Field(default_factory=dict)
    """Further ranges of the Astro VPC to route back to and to let in, by name."""
    vpc_id: VpcId | None = None
    """The ID of the Astro VPC, for `hosted_zone`, and to narrow `peering_role`: ask Astronomer's support."""
    external_ips: Annotated[tuple[PublicIp, ...], Field(min_length=1), EACH_ONCE] | None = None
    """The public addresses that the cluster's traffic to the internet comes from, for `ip_allowlist`: External IPs in
    the Astro UI, `metadata.external_ips` of the Astro API. They last as long as the cluster."""
    oidc_issuer_url: IssuerUrl | None = None
    """The issuer of its Deployments' tokens, for `workload_identity`: `metadata.oidc_issuer_url` of the Astro API."""

    def occupied_cidrs(self) -> Iterator[tuple[FieldPath, IPv4Network]]:
        """Every range that must not be met on the other side of a connection, with the field that it stands in."""
        yield ("cidr",), self.cidr
        if self.pod_cidr:
            yield ("pod_cidr",), self.pod_cidr
        for name, cidr in self.additional_cidrs.items():
            yield ("additional_cidrs", name), cidr

    def same_ranges(self, other: "_InOneRegion") -> bool:
        """Whether rules for these ranges are rules for the other's, too: by default Astronomer gives a twin the ranges
        of its cluster (facts C10)."""
        mine, theirs = ({one.cidr, *one.additional_cidrs.values()} for one in (self, other))
        return theirs <= mine


class DisasterRecovery(_InOneRegion):
    """The cluster's twin in a second region: connections may name it as <cluster>-dr. Its product, account, nodes and
    database are those of the cluster."""

    cidr: AstroCidr
    """The range of its VPC: `dr_vpc_subnet_range` of the Astro API. As large as the cluster's must be."""


class Cluster(_InOneRegion):
    """An Astro cluster: Astronomer's side of a connection. Nothing here is built, it is only described."""

    cidr: AstroCidr = IPv4Network("172.20.0.0/20")
    """The range of the Astro VPC: `vpc_subnet_range` of the Astro API. A Hybrid cluster takes /16 to /20, a Hosted one
    /21 too."""
    product: Product = "hybrid"
    """Which Astro the cluster runs on. Default: `astro.product`."""
    account_id: AccountId | None = None
    """The AWS account that the cluster's VPC is in: the dedicated account (Hybrid; default `account.account_id`) or
    Astronomer's (Hosted: ask their support)."""
    node_type: NodeType = "m5.xlarge"
    """Hybrid: the instance type of its nodes, for `main.py handoff`. Default: Astronomer's own."""
    max_nodes: Annotated[int, Field(ge=1, le=1000)] = 20
    """Hybrid: the most nodes it may have. Default: Astronomer's own; mind the account's quota of vCPUs."""
    db_type: DatabaseType = "db.m6g.large"
    """Hybrid: the instance type of Airflow's metadata database. Default: Astronomer's own since 2023-03-28."""
    dr: DisasterRecovery | None = None

    def routed_cidrs(self) -> Mapping[str, IPv4Network] | Late:
        """The ranges that traffic comes from: the VPC's own under the name "", and the additional ones."""
        if isinstance(self.additional_cidrs, Late):
            return self.additional_cidrs.beside("cidr", self.cidr)
        return {"": self.cidr, **self.additional_cidrs}

    def occupied_cidrs(self) -> Iterator[tuple[FieldPath, IPv4Network]]:
        """Its own ranges, and those of its twin, which must be free before the failover."""
        yield from super().occupied_cidrs()
        for path, cidr in self.dr.occupied_cidrs() if self.dr else ():
            yield ("dr", *path), cidr


@dataclass(frozen=True)
class Network:
    """One of your VPCs as a connection sees it: values from the file, or references to what `Vpc` makes.

    `route_tables` and `subnets` are IDs by name.
    """

    account_id: str
    region: str
    vpc_id: str
    cidrs: tuple[str, ...]
    route_tables: Mapping[str, str] | Late = field(default_factory=dict)
    subnets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sides:
    """What a connection's construct joins. `name` is the prefix of AWS names, `secrets` the variables of its props."""

    name: str
    network: Network
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    organization: str = ""
    """The short name of the Astro organization."""
    secrets: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """What AWS has only one of in a network, in its account and region, or in its account (`global`: IAM knows no
    region): two that have one `key` disagree.

    The message is made of both halves: "<what>, and so does <the other>; <remedy>".
    """

    field: FieldPath
    scope: Literal["network", "account", "global"]
    key: tuple[object, ...]
    what: str
    remedy: str
    shared: str | None = None
    """Connections that say the same here may have it together."""


def role_claim(field: FieldPath, name: str) -> Claim:
    """The claim of a role's name, without the estate's name before it."""
    return Claim(
        field, "global", ("role", name), f"makes the role <estate>-{name}", "an account has one of a name: rename one"
    )


ACCOUNT_ID = Awaited(
    "account_id",
    "Astronomer",
    "read providerAccount of the cluster in the Astro API, or provider_account of the Terraform data source "
    "astro_cluster; otherwise ask their support for the AWS account",
)
VPC_ID = Awaited("vpc_id", "Astronomer", "ask their support for the ID of the cluster's VPC")


class ConnectionProps(Props):
    """Base of the props of a connection type, whose `type` is its folder below `modules/`."""

    dedicated_only: ClassVar[bool] = True
    """Astronomer does not offer it to hosted-standard clusters (seed 003)."""
    routed: ClassVar[bool] = True
    """Packets go over it between the network and the clusters: their ranges meet."""
    same_region: ClassVar[str] = ""
    """Why clusters and network must be in one region; empty where they need not."""

    needs_of_clusters: ClassVar[tuple[Awaited, ...]] = (ACCOUNT_ID,)
    """Fields of its clusters that it waits for where they are absent."""
    blocked: ClassVar[str]
    """What is not built for a cluster while one of `needs_of_clusters` is absent: a clause for `check`."""

    for_astronomer: ClassVar[tuple[str, ...]] = ()
    """The outputs that Astronomer's pages ask for, as dotted paths; `*` stands for every key of a map."""
    for_network_team: ClassVar[tuple[str, ...]] = ()
    """The outputs that your network team needs, as dotted paths."""

    network: Slug
    """The entry of `networks` that this connects."""
    confirmed: Day | None = None
    """The day on which you saw that the connection works, or that Astronomer confirmed it. AWS does not show you what
    Astronomer does in its own accounts, so without this day `main.py handoff` lists what remains to be done. Nothing
    that is deployed depends on it."""
    dr: dict[str, Any] | None = None
    """Makes this entry once more, as <entry>-dr, for the disaster-recovery twins of its clusters, ahead of a failover:
    `{}`, or the values that differ there (facts A20). What Astronomer gives, such as `peering_id`, is not carried over.
    What must be in one region needs a `network` of the twin's region. The entry's name has up to 28 characters then."""

    def cluster_names(self) -> tuple[str, ...]:
        """The entries of `clusters` that this connects: those that its field `cluster` or `clusters` names."""
        named = getattr(self, self.cluster_field, ())
        return (named,) if isinstance(named, str) else named

    @property
    def cluster_field(self) -> str:
        """Where `cluster_names` stand in the file."""
        return "cluster" if "cluster" in type(self).model_fields else "clusters"

    def claims(self) -> Iterator[Claim]:
        """What this connection takes of what AWS has only one of: at least the routes to its clusters."""
        for cluster in self.cluster_names() if self.routed else ():
            yield Claim(
                (self.cluster_field,),
                "network",
                ("route", cluster),
                f"routes network {self.network!r} to cluster {cluster!r}",
                "a route table takes one route to a range: keep one way",
            )

    def iam_claims(self, entry: str, clusters: Mapping[str, Cluster]) -> Iterator[Claim]:  # noqa: ARG002
        """What this connection, the entry of that name, takes in IAM: names of roles and policies, and providers."""
        yield from ()

    def occupied_cidrs(self) -> Iterator[tuple[FieldPath, IPv4Network]]:
        """Ranges behind this connection that must not overlap the network's, the clusters', or another's."""
        yield from ()

    def disagreements(
        self,
        network: "VpcProps",  # noqa: ARG002
        clusters: Mapping[str, Cluster],  # noqa: ARG002
    ) -> Iterator[tuple[FieldPath, str]]:
        """What does not fit the network, or the clusters: the field, and a sentence on it."""
        yield from ()

    @abstractmethod
    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:
        """Return what stops working after a failover of `cluster` to `twin` if nothing is prepared for it: a clause for
        `check`, empty if all of it goes on."""

    def awaited(self) -> tuple[Awaited, ...]:
        """What must still be given by somebody else. While it is, the rest is built and nothing is a placeholder."""
        return ()

    def expired(self, today: date) -> Iterator[tuple[FieldPath, str]]:  # noqa: ARG002
        """What was to be gone by `today`: the field, and a sentence on its value. Nothing else here knows the day."""
        yield from ()

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:  # noqa: ARG002
        """Yield what remains to be done by people. `facts` are its outputs, empty unless it is deployed."""
        yield from ()

    def asked_of_astronomer(self) -> dict[str, object]:
        """What Astronomer is to make of a connection that is none of your `networks`, for `main.py handoff`."""
        return {}

    def secrets(self) -> tuple[Secret, ...]:
        """The values that the file never holds."""
        return ()
