from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from modules.connection import ConnectionProps
from modules.entry import Awaited, Claim
from modules.ingress import Ingress, ingress_claims
from modules.vocabulary import PeeringId, Slug


class VpcPeeringProps(ConnectionProps):
    """Accept a peering that Astro requested, and route back to Astro."""

    type: Literal["vpc_peering"]
    cluster: Slug
    """The entry of `clusters` whose VPC asks for the peering."""
    peering_id: PeeringId | None = None
    """Shown in the Astro UI once the request is pending; absent until then. AWS drops a request after 7 days."""
    resolve_dns: bool = True
    """Let Astro resolve this VPC's public host names to private addresses."""
    ingress: Ingress = Field(default_factory=dict)
    """Rules, by name, that let the cluster's ranges into your security groups."""

    def claims(self) -> Iterator[Claim]:
        yield from super().claims()
        yield from ingress_claims(self.ingress, [self.cluster])
        if self.peering_id:
            yield Claim(
                ("peering_id",),
                "account",
                ("peering", self.peering_id),
                f"accepts {self.peering_id}",
                "a peering is of one connection: each has an ID of its own",
            )

    def awaited(self) -> tuple[Awaited, ...]:
        if self.peering_id:
            return ()
        how = (
            "in the Astro UI, Organization Settings > Clusters > VPC Peering Connections, create the connection; "
            "the ID is shown once it is Pending"
        )
        return (Awaited("peering_id", "Astronomer", how),)
