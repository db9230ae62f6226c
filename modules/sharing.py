"""What the connection types have in common that share something with the clusters' accounts, by AWS RAM."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from modules.connection import Cluster, ConnectionProps, FieldPath
from modules.vocabulary import EACH_ONCE, Principal, Slug
from modules.vpc.props import VpcProps

INVITATION = "within 7 days of the deploy"
"""How long an invitation to share a transit gateway, a Resolver rule or a prefix list is valid; for other types of
resources it is 12 hours (AWS RAM user guide, "Accepting and rejecting resource share invitations")."""


class SharingProps(ConnectionProps):
    """Base of the props of a connection type that shares through AWS Resource Access Manager."""

    clusters: Annotated[tuple[Slug, ...], Field(min_length=1), EACH_ONCE]
    """The entries of `clusters` that it is for."""
    share_with: Annotated[tuple[Principal, ...], EACH_ONCE] = ()
    """Whom to share with: accounts (12 digits in quotes), or ARNs of an organization or organizational unit.
    Default: the clusters' accounts and nobody else; one that is not known yet is added once it is."""
    inside_organization: bool = False
    """True where the accounts are in your AWS organization and it has RAM sharing enabled: nobody outside can be
    added then, and nobody needs to accept. Astronomer's own accounts (Hosted) are always outside."""

    def invites(self, cluster: Cluster, facts: Mapping[str, Any]) -> bool:
        """Return whether the cluster's account has to accept an invitation to the share."""
        return not self.inside_organization and cluster.account_id != facts.get("account_id")

    def disagreements(self, network: VpcProps, clusters: Mapping[str, Cluster]) -> Iterator[tuple[FieldPath, str]]:
        yield from super().disagreements(network, clusters)
        hosted = [name for name in self.clusters if name in clusters and clusters[name].product != "hybrid"]
        if self.inside_organization and hosted:
            yield (
                ("inside_organization",),
                f"is true, and {', '.join(hosted)} is in Astronomer's account, outside your organization; leave it out",
            )
