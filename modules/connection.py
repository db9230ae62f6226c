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
    "astro_cluster; otherwise ask their support for the AWS account",
)
VPC_ID = PendingInput("vpc_id", "Astronomer", "ask their support for the ID of the cluster's VPC")


class ConnectionProps(CheckedProps):
    """Base of the props of a connection type, whose `type` is its folder below `modules/`."""

    dedicated_only: ClassVar[bool] = True
    """Astronomer does not offer it to hosted-standard clusters (seed 003)."""
    routed: ClassVar[bool] = True
    """Packets go over it between the network and the clusters: their ranges meet."""
    whole_vpcs_meet: ClassVar[bool] = False
    """AWS compares all ranges of both VPCs, also those that get no route."""
    same_region: ClassVar[str] = ""
    """Why clusters and network must be in one region; empty where they need not."""

    per_region_fields: ClassVar[tuple[str, ...]] = ("confirmed",)
    """Fields that a copy of the entry for another region does not take over."""
    shared_range_fields: ClassVar[tuple[str, ...]] = ()
    """Fields with ranges that another connection of the same transit gateway may name, too: it is one place."""

    needs_of_clusters: ClassVar[tuple[PendingInput, ...]] = (ACCOUNT_ID,)
    """Fields of its clusters that it waits for where they are absent."""
    blocked: ClassVar[str]
    """What is not built for a cluster while one of `needs_of_clusters` is absent: a clause for `check`."""

    for_astronomer: ClassVar[tuple[str, ...]] = ()
    """The outputs that Astronomer's pages ask for, as dotted paths; `*` stands for every key of a map."""
    for_network_team: ClassVar[tuple[str, ...]] = ()
    """The outputs that your network team needs, as dotted paths."""

    deploy_by: ClassVar[str | None] = None
    """Until when it must be deployed, when nothing is pending."""

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
        """Whether the network's route tables lead to the clusters, or to your other networks, over this connection."""
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
    """The field that `uses` comes from."""

    @property
    def uses(self) -> str | None:
        """The connection of the same network that must be built before this one."""
        return None

    def dns_servers(self, facts: Mapping[str, Any]) -> tuple[str, ...] | None:  # noqa: ARG002
        """Return the servers that Astro can ask for names of the network; None while they are not known. `facts` are
        the connection's outputs, empty unless it is deployed."""
        return ()

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

    def group_rules(self, ranges: int) -> Iterator[tuple[FieldPath, str, int]]:
        """Yield the rules that security groups of yours get, as AWS counts them: the field, the group and how many.
        `ranges` are those of the clusters."""
        for rule in getattr(self, "ingress", {}).values():
            yield ("ingress",), rule.security_group, getattr(self, "max_entries", None) or ranges

    def iam_claims(self, entry: str, clusters: Mapping[str, Cluster]) -> Iterator[Claim]:  # noqa: ARG002
        """What this connection, the entry of that name, takes in IAM: names of roles and policies, and providers."""
        yield from ()

    def occupied_cidrs(self) -> Iterator[tuple[FieldPath, IPv4Network]]:
        """Ranges behind this connection that must not overlap the network's, the clusters', or another's."""
        yield from ()

    @abstractmethod
    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:
        """Return what stops working after a failover of `cluster` to `twin` if nothing is prepared for it: a clause for
        `check`, empty if all of it goes on."""

    def pending_inputs(self) -> tuple[PendingInput, ...]:
        """What must still be given by somebody else. While it is, the rest is built and nothing is a placeholder."""
        return ()

    def expired(self, today: date) -> Iterator[tuple[FieldPath, str]]:  # noqa: ARG002
        """What was to be gone by `today`: the field, and a sentence on its value. Nothing else here knows the day."""
        yield from ()

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:  # noqa: ARG002
        """Yield what remains to be done by people. `facts` are its outputs, empty unless it is deployed."""
        yield from ()

    def on_premises_facts(self) -> dict[str, object]:
        """Return what the file says of your on-premises networks, for your network team."""
        return {}

    def asked_of_astronomer(self) -> dict[str, object]:
        """What Astronomer is to make of a connection that is none of your `networks`, for `main.py handoff`."""
        return {}

    def secrets(self) -> tuple[Secret, ...]:
        """The values that the file never holds."""
        return ()


INVITATION = "within 7 days of the deploy"
"""How long an invitation to share a transit gateway, a Resolver rule or a prefix list is valid; for other types of
resources it is 12 hours (AWS RAM user guide, "Accepting and rejecting resource share invitations")."""


class SharingProps(ConnectionProps):
    """Base of the props of a connection type that shares through AWS Resource Access Manager."""

    clusters: Annotated[tuple[Slug, ...], Field(min_length=1), UNIQUE]
    """The entries of `clusters` that it is for."""
    share_with: Annotated[tuple[Principal, ...], UNIQUE] = ()
    """Whom to share with: accounts (12 digits in quotes), or ARNs of an organization or organizational unit.
    Default: the clusters' accounts and nobody else; one that is not known yet is added once it is."""
    inside_organization: bool = False
    """True where the accounts are in your AWS organization and it has RAM sharing enabled: nobody outside can be
    added then, and nobody needs to accept. Astronomer's own accounts (Hosted) are always outside."""

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
                f"is true, and {', '.join(hosted)} is in Astronomer's account, outside your organization; leave it out",
            )
