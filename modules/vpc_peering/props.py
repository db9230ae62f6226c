from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ConnectionProps
from modules.context import Context, not_private
from modules.entry import Claim, FieldPath, PendingInput, Step, in_words
from modules.parts.ingress.props import Ingress, ingress_claims
from modules.vocabulary import PeeringId, Slug


class VpcPeeringProps(ConnectionProps):
    """Accept a peering that Astro requested, and route back to Astro.

    The peering remains active in AWS after this entry is removed or destroyed, until you or Astronomer delete it.
    """

    whole_vpcs_meet: ClassVar[bool] = True

    for_astronomer: ClassVar[tuple[str, ...]] = ("account_id", "region", "vpc_id", "cidrs", "dns_servers")
    deploy_by: ClassVar[str | None] = "within 7 days of Astro's request"

    per_region_fields: ClassVar[tuple[str, ...]] = (*ConnectionProps.per_region_fields, "peering_id")

    type: Literal["vpc_peering"]
    cluster: Slug
    """The entry of `clusters` whose VPC requests the peering."""
    peering_id: PeeringId | None = None
    """The peering's ID, which the Astro UI shows when the request is pending. Leave it out until then. AWS deletes a
    request after 7 days."""
    resolve_dns: bool = True
    """Let Astro resolve this VPC's public host names to private addresses."""
    ingress: Ingress = Field(default_factory=dict)
    """Rules, by name, that allow the cluster's ranges in your security groups."""

    def claims(self) -> Iterator[Claim]:
        yield from super().claims()
        yield from ingress_claims(self.ingress, [self.cluster])
        if self.peering_id:
            yield Claim(
                ("peering_id",),
                "account",
                ("peering", self.peering_id),
                f"accepts {self.peering_id}",
                "each connection needs its own peering",
            )

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        yield from not_private(context, self.network)

    @property
    def blocked(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        what = f"{self.peering_id or 'the peering'} is not accepted and there are no routes back"
        if not self.peering_id:
            return what
        show = f"aws ec2 describe-vpc-peering-connections --vpc-peering-connection-ids {self.peering_id}"
        return (
            f"{what}, and AWS deletes the request after 7 days (`{show}` shows its owner in RequesterVpcInfo.OwnerId)"
        )

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:  # noqa: ARG002
        return "the peering ends in the failed cluster's VPC"

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:
        cluster = clusters[self.cluster]
        if not self.peering_id and cluster.product == "hybrid" and cluster.id is None:
            yield Step("Astronomer", "request a VPC peering with the following VPC when the cluster exists")
        if not self.peering_id or not facts:
            return
        active = facts.get("peering_status") == "active"
        yield Step("you", "check in the Astro UI that the VPC peering connection is Active", done=active, key="active")
        ranges = facts.get("cidrs")
        if further := ranges[1:] if isinstance(ranges, list) else []:
            how = "add a route over the peering in the Astro UI, Organization Settings > Clusters > Routes, to"
            yield Step("you", f"{how} {in_words(further)}")

    def pending_inputs(self) -> tuple[PendingInput, ...]:
        if self.peering_id:
            return ()
        how = (
            "in Organization Settings > Clusters > VPC Peering Connections, create the connection; the ID is shown "
            "once it is Pending"
        )
        return (PendingInput("peering_id", "the Astro UI", how),)
