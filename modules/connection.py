"""The base of the props of every connection type."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from datetime import date
from ipaddress import IPv4Network
from typing import Annotated, Any, ClassVar

from pydantic import Field

from modules.cluster import Cluster, DisasterRecovery
from modules.context import CheckedProps, Context
from modules.entry import Claim, FieldPath, PendingInput, Secret, Step
from modules.vocabulary import UNIQUE, Day, Principal, Slug

ACCOUNT_ID = PendingInput(
    "account_id",
    "Astronomer",
    "read providerAccount of the cluster in the Astro API, or provider_account of the Terraform data source "
    "astro_cluster; otherwise, ask Astronomer's support for the AWS account ID",
)
VPC_ID = PendingInput("vpc_id", "Astronomer", "ask their support for the ID of the cluster's VPC")


class ConnectionProps(CheckedProps):
    """Base of the props of a connection type, whose `type` is its folder below `modules/`."""

    dedicated_only: ClassVar[bool] = True
    """True if Astronomer does not offer it to hosted-standard clusters (Astronomer, *Create a network connection*)."""
    routed: ClassVar[bool] = True
    """True if packets flow over it between the network and the clusters, so that their ranges must not overlap."""
    whole_vpcs_meet: ClassVar[bool] = False
    """True if AWS compares all ranges of both VPCs, also those without routes."""
    same_region: ClassVar[str] = ""
    """The reason why clusters and network must be in one region; empty if they need not be."""

    per_region_fields: ClassVar[tuple[str, ...]] = ("confirmed",)
    """Fields that a copy of the entry for another region does not inherit."""
    shared_range_fields: ClassVar[tuple[str, ...]] = ()
    """Fields with ranges that another connection of the same transit gateway may repeat, because they are the same
    place."""

    needs_of_clusters: ClassVar[tuple[PendingInput, ...]] = (ACCOUNT_ID,)
    """Fields of its clusters that it needs, and waits for while they are absent."""
    blocked: ClassVar[str]
    """A clause for `check`: the resources that are not created for a cluster while one of `needs_of_clusters` is
    absent."""

    for_astronomer: ClassVar[tuple[str, ...]] = ()
    """The outputs that Astronomer's pages request, as dotted paths; `*` matches every key of a map."""
    for_network_team: ClassVar[tuple[str, ...]] = ()
    """The outputs that your network team needs, as dotted paths."""

    deploy_by: ClassVar[str | None] = None
    """The deadline for the deploy if no input is pending."""

    network: Slug
    """The entry of `networks` that this connects."""
    confirmed: Day | None = None
    """The date on which you saw the connection work, or Astronomer confirmed it. AWS does not show you Astronomer's
    steps in its own accounts, so `main.py handoff` lists them as remaining until you set this date. It does not change
    deployed resources."""
    dr: dict[str, Any] | None = None
    """Creates a second copy of this entry, <entry>-dr, for the disaster-recovery twins of its clusters before a
    failover: `{}`, or the values that differ (facts A20). The copy does not inherit values from Astronomer, such as
    `peering_id`. A type that works in only one region needs a `network` in the twin's region. The entry's name can then
    have up to 28 characters."""

    def cluster_names(self) -> tuple[str, ...]:
        """Return the entries of `clusters` that the field `cluster` or `clusters` names."""
        named = getattr(self, self.cluster_field, ())
        return (named,) if isinstance(named, str) else named

    @property
    def cluster_field(self) -> str:
        """Return the field of `cluster_names` in the file."""
        return "cluster" if "cluster" in type(self).model_fields else "clusters"

    @property
    def needs_vpc(self) -> bool:
        """True if the network must have a VPC."""
        return True

    @property
    def needs_owner(self) -> bool:
        """True if the network's account must own the VPC, when several accounts share it."""
        return self.routed

    @property
    def leads_back(self) -> bool:
        """True if the network's route tables get routes to the clusters, or to your other networks, over this
        connection."""
        return self.routed

    @property
    def routes_behind(self) -> bool:
        """True if the network must reach the ranges behind this connection."""
        return False

    @property
    def pods_meet(self) -> bool:
        """True if the ranges of the clusters' pods must not overlap, although they get no route."""
        return self.whole_vpcs_meet

    @property
    def transit_gateway(self) -> str | None:
        """The existing transit gateway that this connection goes over."""
        return None

    @property
    def makes_transit_gateway(self) -> bool:
        """True if this connection creates a transit gateway."""
        return False

    uses_field: ClassVar[str] = ""
    """The field that names the connection of `uses`; empty if this type uses none."""

    @property
    def uses(self) -> str | None:
        """The connection of the same network that must be built before this one."""
        return getattr(self, self.uses_field) if self.uses_field else None

    @property
    def source_addresses(self) -> tuple[str, ...] | None:
        """The known public addresses of the clusters' internet traffic, if this connection changes them."""
        return None

    by_external_ips: ClassVar[bool] = False
    """True if it recognizes the clusters by the public addresses of their traffic."""

    def dns_servers(self, facts: Mapping[str, Any]) -> tuple[str, ...] | None:  # noqa: ARG002
        """Return the servers that Astro can query for names of the network, or None while they are unknown. `facts` are
        the connection's outputs, empty before a deploy."""
        return ()

    def claims(self) -> Iterator[Claim]:
        """Yield the resources that this connection uses exclusively, at least the routes to its clusters."""
        for cluster in self.cluster_names() if self.routed else ():
            yield Claim(
                (self.cluster_field,),
                "network",
                ("route", cluster),
                f"routes network {self.network!r} to cluster {cluster!r}",
                "a route table can have only one route per range: remove one",
            )

    def group_rules(self, ranges: int) -> Iterator[tuple[FieldPath, str, int]]:
        """Yield the rules in your security groups, as AWS counts them: the field, the group and the number. `ranges` is
        the number of the clusters' ranges."""
        for rule in getattr(self, "ingress", {}).values():
            yield ("ingress",), rule.security_group, getattr(self, "max_entries", None) or ranges

    def iam_claims(self, entry: str, clusters: Mapping[str, Cluster]) -> Iterator[Claim]:  # noqa: ARG002
        """Yield the names of IAM roles, policies and providers of this connection, whose entry is `entry`."""
        yield from ()

    def occupied_cidrs(self) -> Iterator[tuple[FieldPath, IPv4Network]]:
        """Yield the ranges behind this connection that must not overlap those of the network, the clusters or another
        connection."""
        yield from ()

    @abstractmethod
    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:
        """Return a clause for `check`: the functions that stop after a failover of `cluster` to `twin` without
        preparation. It is empty if everything continues."""

    def pending_inputs(self) -> tuple[PendingInput, ...]:
        """Return the inputs that other people still have to provide. Resources that do not need them are created."""
        return ()

    def expired(self, today: date) -> Iterator[tuple[FieldPath, str]]:  # noqa: ARG002
        """Yield the fields with an end date before `today`, each with a sentence on its value. No other method depends
        on the day."""
        yield from ()

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:  # noqa: ARG002
        """Yield the steps that people still have to do. `facts` are the connection's outputs, empty before a deploy."""
        yield from ()

    def devices(self) -> Mapping[str, str | None]:
        """Return the address of each device at the other end, by name; None if it has none or is pending."""
        return {}

    def on_premises_facts(self) -> dict[str, object]:
        """Return the facts about your on-premises networks in the file, for your network team."""
        return {}

    def asked_of_astronomer(self) -> dict[str, object]:
        """Return the request to Astronomer for `main.py handoff`, for a connection without an entry of `networks`."""
        return {}

    def secrets(self) -> tuple[Secret, ...]:
        """Return the values that must not be in the file."""
        return ()


INVITATION = "within 7 days of the deploy"
"""The validity of an invitation to a share of transit gateways, Resolver rules or prefix lists. For other types of
resources it is 12 hours (AWS RAM user guide, "Accepting and rejecting resource share invitations")."""


class SharingProps(ConnectionProps):
    """Base of the props of a connection type that shares through AWS Resource Access Manager."""

    clusters: Annotated[tuple[Slug, ...], Field(min_length=1), UNIQUE]
    """The entries of `clusters` that use it."""
    share_with: Annotated[tuple[Principal, ...], UNIQUE] = ()
    """The principals to share with: accounts (12 digits in quotes), or ARNs of an organization or organizational unit.
    Default: only the clusters' accounts. An account that is still unknown is added later."""
    inside_organization: bool = False
    """True if the accounts are in your AWS organization, which has RAM sharing enabled. Accounts outside of it cannot
    be added, and the others do not need to accept the share. Astronomer's own accounts (Hosted) are always outside."""

    def invites(self, cluster: Cluster, facts: Mapping[str, Any]) -> bool:
        """Return whether the cluster's account has to accept an invitation to the share."""
        return not self.inside_organization and cluster.account_id != facts.get("account_id")

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        hosted = [
            name for name in self.clusters if name in context.clusters and context.clusters[name].product != "hybrid"
        ]
        if self.inside_organization and hosted:
            yield (
                ("inside_organization",),
                f"is true, but {', '.join(hosted)} is in Astronomer's account, outside your organization; remove it",
            )
