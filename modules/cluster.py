"""An Astro cluster: Astronomer's side of a connection."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Annotated, ClassVar

from pydantic import Field

from modules.astronomer import (
    DEFAULT_DB_TYPE,
    DEFAULT_NODE_TYPE,
    AstroCidr,
    ClusterId,
    DatabaseType,
    IssuerUrl,
    NodeType,
    PodCidr,
    Product,
    vcpus,
)
from modules.entry import FieldPath
from modules.expressions import FOR_EACH, Expression, MapExpression
from modules.vocabulary import UNIQUE, AccountId, PrivateCidr, Props, PublicIp, Region, Slug, VpcId


class _InOneRegion(Props):
    """What Astronomer has for a cluster in one region, and for its twin in another."""

    unrouted_fields: ClassVar[tuple[str, ...]] = ("pod_cidr",)
    """Fields with ranges that no packet on a connection has: two clusters may have the same."""

    region: Region
    id: ClusterId | None = None
    """The cluster's ID: Organization Settings > Clusters in the Astro UI."""
    cidr: AstroCidr
    pod_cidr: PodCidr | None = None
    """The range of Astro's pods, usually 100.64.0.0/19: `secondary_vpc_cidr` of the Astro API, of a twin
    `dr_secondary_vpc_cidr`. Must not overlap what the cluster is connected with, but is not routed: pods leave the
    Astro VPC under the address of their node, so that clusters may have the same."""
    additional_cidrs: Annotated[dict[Slug, PrivateCidr], FOR_EACH] = Field(default_factory=dict)
    """Further ranges of the Astro VPC to route back to and to let in, by name."""
    vpc_id: VpcId | None = None
    """The ID of the Astro VPC, for `hosted_zone`, and to narrow `peering_role`: ask Astronomer's support."""
    external_ips: Annotated[tuple[PublicIp, ...], Field(min_length=1), UNIQUE] | None = None
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
    node_type: NodeType = DEFAULT_NODE_TYPE
    """Hybrid: the instance type of its nodes, for `main.py handoff`. Default: Astronomer's own."""
    max_nodes: Annotated[int, Field(ge=1, le=1000)] = 20
    """Hybrid: the most nodes it may have. Default: Astronomer's own; mind the account's quota of vCPUs."""
    db_type: DatabaseType = DEFAULT_DB_TYPE
    """Hybrid: the instance type of Airflow's metadata database. Default: Astronomer's own since 2023-03-28."""
    dr: DisasterRecovery | None = None

    def side(self) -> "ClusterSide":
        """The cluster as constructs receive it."""
        cidrs: Mapping[str, object] | MapExpression = self.additional_cidrs
        return ClusterSide(
            region=self.region,
            account_id=self.account_id,
            id=self.id,
            vpc_id=self.vpc_id,
            cidr=_text(self.cidr),
            pod_cidr=_text(self.pod_cidr) if self.pod_cidr else None,
            additional_cidrs=cidrs
            if isinstance(cidrs, MapExpression)
            else {name: _text(cidr) for name, cidr in cidrs.items()},
            external_ips=self.external_ips or (),
            oidc_issuer_url=self.oidc_issuer_url,
        )

    def occupied_cidrs(self) -> Iterator[tuple[FieldPath, IPv4Network]]:
        """Its own ranges, and those of its twin, which must be free before the failover."""
        yield from super().occupied_cidrs()
        for path, cidr in self.dr.occupied_cidrs() if self.dr else ():
            yield ("dr", *path), cidr


@dataclass(frozen=True)
class ClusterSide:
    """An Astro cluster as a construct sees it: texts from the file, or expressions in an exported module.

    No value has more to it than its text: what a construct computes with one, Terraform computes.
    """

    region: str
    cidr: str | Expression
    account_id: str | Expression | None = None
    id: str | None = None
    vpc_id: str | Expression | None = None
    pod_cidr: str | Expression | None = None
    additional_cidrs: Mapping[str, str | Expression] | MapExpression = field(default_factory=dict)
    external_ips: tuple[str | Expression, ...] = ()
    oidc_issuer_url: str | None = None

    def routed_cidrs(self) -> Mapping[str, str | Expression] | MapExpression:
        """The ranges that traffic comes from: the VPC's own under the name "", and the additional ones."""
        if isinstance(self.additional_cidrs, MapExpression):
            return self.additional_cidrs.beside("cidr", self.cidr)
        return {"": self.cidr, **self.additional_cidrs}


def _text(value: object) -> str | Expression:
    return value if isinstance(value, Expression) else str(value)


def vcpus_by_region(clusters: Collection[Cluster]) -> dict[str, int]:
    """The vCPUs of all nodes that clusters may have, each in its own region: a twin is one of them."""
    found: dict[str, int] = {}
    for cluster in clusters:
        found[cluster.region] = found.get(cluster.region, 0) + cluster.max_nodes * (vcpus(cluster.node_type) or 0)
    return found
