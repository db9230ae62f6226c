from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from modules.astronomer import astro_names_in
from modules.cluster import Cluster, DisasterRecovery
from modules.connection import VPC_ID, ConnectionProps
from modules.entry import Claim, PendingInput, Step, fact, in_words
from modules.vocabulary import UNIQUE, DomainName, HostedZoneId, Reason, Slug


class HostedZoneProps(ConnectionProps):
    """Let Astro resolve the names of a private hosted zone of yours, existing (`zone_id`) or to be made (`domain`).

    Here Astro's VPCs are authorized; Astronomer associates them (seed 003, "DNS considerations"). What the names stand
    for must be reached another way, by `vpc_peering` or `transit_gateway`. A zone is for all regions. Taking a cluster
    out withdraws the authorization and leaves the association: Astronomer ends that, or you do, from the zone."""

    routed: ClassVar[bool] = False
    needs_of_clusters: ClassVar[tuple[PendingInput, ...]] = (VPC_ID,)

    blocked: ClassVar[str] = "its VPC is not authorized for the zone"
    for_astronomer: ClassVar[tuple[str, ...]] = ("zone_id", "domain")

    type: Literal["hosted_zone"]
    clusters: Annotated[tuple[Slug, ...], Field(min_length=1), UNIQUE]
    """The entries of `clusters` whose VPCs may be associated; one whose `vpc_id` is not known yet is added once it
    is."""
    zone_id: HostedZoneId | None = None
    """The existing private zone, in the network's account."""
    domain: DomainName | None = None
    """The name of a private zone to make, associated with the network's VPC. Its records are yours to make, and while
    it has any, Terraform does not delete it."""
    shadows_astro: Reason | None = None
    """Why the new zone has names that Astro itself needs (as within `amazonaws.com`): a VPC with the zone finds no
    name below `domain` but those of the zone. Default: such a zone is refused."""

    @model_validator(mode="after")
    def _exists_or_is_made(self) -> Self:
        if (self.zone_id is None) == (self.domain is None):
            raise ValueError(
                "has neither or both of zone_id and domain; give zone_id for a zone that exists, or domain for one"
            )
        return self

    @model_validator(mode="after")
    def _leaves_astro_its_names(self) -> Self:
        taken = astro_names_in([self.domain] if self.domain else [])
        if taken and not self.shadows_astro:
            raise ValueError(
                f"would hide names of {', '.join(taken)} from Astro, which it needs to work; give another domain, or "
                "the reason in shadows_astro"
            )
        if self.shadows_astro and not taken:
            raise ValueError("has shadows_astro and no domain that holds what Astro needs; take the reason out")
        return self

    @property
    def needs_vpc(self) -> bool:
        return self.domain is not None

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:  # noqa: ARG002
        return "the twin's VPC is not authorized for the zone"

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:
        associated = facts.get("vpc_ids")
        for name in self.clusters:
            if command := fact(facts, "associate", name):
                vpc_id = clusters[name].vpc_id
                yield Step(
                    "Astronomer",
                    f"associate VPC {vpc_id} with our private hosted zone, from the VPC's account: {in_words(command)}",
                    cluster=name,
                    done=isinstance(associated, list) and vpc_id in associated,
                    key=f"associate:{name}",
                )

    def claims(self) -> Iterator[Claim]:
        if self.domain:
            yield Claim(
                ("domain",),
                "network",
                ("zone", self.domain),
                f"makes the zone {self.domain}",
                "a VPC takes one zone of a name: put all clusters into one entry",
            )
        for cluster in self.clusters if self.zone_id else ():
            yield Claim(
                ("clusters",),
                "account",
                ("zone", self.zone_id, cluster),
                f"authorizes cluster {cluster!r} for {self.zone_id}",
                "once is enough: take it out of one of them",
            )
