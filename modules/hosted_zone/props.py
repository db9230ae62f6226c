from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from modules.astronomer import astro_names_in
from modules.cluster import Cluster, DisasterRecovery
from modules.connection import VPC_ID, ConnectionProps
from modules.entry import Claim, PendingInput, Step, fact, in_words
from modules.vocabulary import UNIQUE, DomainName, HostedZoneId, Reason, Slug, not_one


class HostedZoneProps(ConnectionProps):
    """Let Astro resolve the names of a private hosted zone, existing (`zone_id`) or new (`domain`).

    This entry authorizes Astro's VPCs, and Astronomer associates them (Astronomer, *Create a network connection*, "DNS
    considerations"). The addresses of the names must be reachable over another connection, such as `vpc_peering` or
    `transit_gateway`. A zone works in all regions. If you remove a cluster, the authorization ends and the association
    remains. Astronomer can remove the association, or you can from the zone.
    """

    routed: ClassVar[bool] = False
    needs_of_clusters: ClassVar[tuple[PendingInput, ...]] = (VPC_ID,)

    blocked: ClassVar[str] = "its VPC is not authorized for the zone"
    for_astronomer: ClassVar[tuple[str, ...]] = ("zone_id", "domain")

    type: Literal["hosted_zone"]
    clusters: Annotated[tuple[Slug, ...], Field(min_length=1), UNIQUE]
    """The entries of `clusters` whose VPCs may be associated. A cluster without a `vpc_id` is added when you enter
    it."""
    zone_id: HostedZoneId | None = None
    """The existing private zone, in the network's account."""
    domain: DomainName | None = None
    """The name of a private zone to create and to associate with the network's VPC. You create its records. Terraform
    does not delete a zone with records."""
    shadows_astro: Reason | None = None
    """The reason why the new zone contains names that Astro itself needs, as within `amazonaws.com`. A VPC with the
    zone resolves names below `domain` only from the zone. Default: such a zone is an error."""

    @model_validator(mode="after")
    def _exists_or_is_made(self) -> Self:
        if (self.zone_id is None) == (self.domain is None):
            is_wrong = not_one("zone_id", "domain", both=self.domain is not None)
            raise ValueError(f"{is_wrong}: the ID of an existing zone, or the name of a new one")
        return self

    @model_validator(mode="after")
    def _leaves_astro_its_names(self) -> Self:
        taken = astro_names_in([self.domain] if self.domain else [])
        if taken and not self.shadows_astro:
            raise ValueError(
                f"would shadow names of {', '.join(taken)}, which Astro depends on; use another domain, or explain in "
                "shadows_astro"
            )
        if self.shadows_astro and not taken:
            raise ValueError("has shadows_astro, but no domain contains a name that Astro needs; remove it")
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
                f"creates the zone {self.domain}",
                "zone names must be unique within a VPC: put all clusters into one entry",
            )
        for cluster in self.clusters if self.zone_id else ():
            yield Claim(
                ("clusters",),
                "account",
                ("zone", self.zone_id, cluster),
                f"authorizes cluster {cluster!r} for {self.zone_id}",
                "one authorization is enough: remove the cluster from one entry",
            )
