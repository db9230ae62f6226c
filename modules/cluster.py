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
    """The properties of a cluster in one region, and of its twin in another."""

    unrouted_fields: ClassVar[tuple[str, ...]] = ("pod_cidr",)
    """Fields with ranges that never appear in packets on a connection. Two clusters may have the same."""

    region: Region
    id: ClusterId | None = None
    """The cluster's ID: Organization Settings > Clusters in the Astro UI."""
    cidr: AstroCidr
    pod_cidr: PodCidr | None = None
    """The range of Astro's pods, usually 100.64.0.0/19: `secondary_vpc_cidr` of the Astro API, for a twin
    `dr_secondary_vpc_cidr`. It must not overlap the ranges that the cluster is connected to. It is not routed,
    because pods leave the Astro VPC with the address of their node. Several clusters may therefore have the same
    range."""
    additional_cidrs: Annotated[dict[Slug, PrivateCidr], FOR_EACH] = Field(default_factory=dict)
    """Other ranges of the Astro VPC that get routes and rules, by name."""
    vpc_id: VpcId | None = None
    """The ID of the Astro VPC, for `hosted_zone` and to restrict `peering_role`: ask Astronomer's support."""
    external_ips: Annotated[tuple[PublicIp, ...], Field(min_length=1), UNIQUE] | None = None
    """The public addresses of the cluster's traffic to the internet, for `ip_allowlist`: External IPs in the Astro UI,
    `metadata.external_ips` of the Astro API. They last as long as the cluster."""
    oidc_issuer_url: IssuerUrl | None = None
    """The issuer of its Deployments' tokens, for `workload_identity`: `metadata.oidc_issuer_url` of the Astro API."""

    def occupied_cidrs(self) -> Iterator[tuple[FieldPath, IPv4Network]]:
        """Yield every range that must not overlap the other side of a connection, with its field."""
        yield ("cidr",), self.cidr
        if self.pod_cidr:
            yield ("pod_cidr",), self.pod_cidr
        for name, cidr in self.additional_cidrs.items():
            yield ("additional_cidrs", name), cidr

    def same_ranges(self, other: "_InOneRegion") -> bool:
        """Return whether rules for these ranges also cover the other's. By default, Astronomer gives a twin the ranges
        of its cluster (facts C10)."""
        mine, theirs = ({one.cidr, *one.additional_cidrs.values()} for one in (self, other))
        return theirs <= mine


class DisasterRecovery(_InOneRegion):
    """The cluster's twin in a second region. Connections can name it as <cluster>-dr. It has the product, account,
    nodes and database of the cluster."""

    cidr: AstroCidr
    """The range of its VPC: `dr_vpc_subnet_range` of the Astro API. It must be as large as the cluster's range."""


class Cluster(_InOneRegion):
    """An Astro cluster: Astronomer's side of a connection. Astronomer creates it, and the entry only describes it."""

    cidr: AstroCidr = IPv4Network("172.20.0.0/20")
    """The range of the Astro VPC: `vpc_subnet_range` of the Astro API. A Hybrid cluster can have /16 to /20, and a
    Hosted one also /21."""
    product: Product = "hybrid"
    """The Astro product of the cluster. Default: `astro.product`."""
    account_id: AccountId | None = None
    """The AWS account of the cluster's VPC. Hybrid: the dedicated account, by default `account.account_id`. Hosted: an
    account that belongs to Astronomer; ask its support."""
    node_type: NodeType = DEFAULT_NODE_TYPE
    """Hybrid: the instance type of its nodes, for `main.py handoff`. Default: Astronomer's default."""
    max_nodes: Annotated[int, Field(ge=1, le=1000)] = 20
    """Hybrid: the maximum number of nodes. Default: Astronomer's default. Check the account's quota of vCPUs."""
    db_type: DatabaseType = DEFAULT_DB_TYPE
    """Hybrid: the instance type of Airflow's metadata database. Default: Astronomer's default since 2023-03-28."""
    dr: DisasterRecovery | None = None

    def side(self) -> "ClusterSide":
        """Return the cluster as constructs receive it."""
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
        """Yield its own ranges and those of its twin, which must be free before a failover."""
        yield from super().occupied_cidrs()
        for path, cidr in self.dr.occupied_cidrs() if self.dr else ():
            yield ("dr", *path), cidr


@dataclass(frozen=True)
class ClusterSide:
    """An Astro cluster as a construct sees it: text from the file, or expressions in an exported module.

    The values are text only. If a construct must compute with one, Terraform does it.
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
        """Return the ranges that traffic comes from: the VPC's range with the name "", and the additional ones."""
        if isinstance(self.additional_cidrs, MapExpression):
            return self.additional_cidrs.beside("cidr", self.cidr)
        return {"": self.cidr, **self.additional_cidrs}


def _text(value: object) -> str | Expression:
    return value if isinstance(value, Expression) else str(value)


def vcpus_by_region(clusters: Collection[Cluster]) -> dict[str, int]:
    """Return the vCPUs of all possible nodes of clusters, by region. A twin counts as a cluster."""
    found: dict[str, int] = {}
    for cluster in clusters:
        found[cluster.region] = found.get(cluster.region, 0) + cluster.max_nodes * (vcpus(cluster.node_type) or 0)
    return found
