from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, ClassVar, Literal

from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ConnectionProps
from modules.context import Context, not_private
from modules.entry import Claim, FieldPath, Step, in_words, role_claim
from modules.vocabulary import Day, Slug


class PeeringRoleProps(ConnectionProps):
    """A temporary role that lets the cluster's account accept Astronomer's peering request for you (Astronomer, *Create
    a network connection*, "Alternative Astro Hybrid setup"). It may only accept peerings of the cluster's account with
    this network's VPC. You do not need it if you can accept the peering with `vpc_peering`.

    Send its ARN to Astronomer, which requests the peering and accepts it. Then remove this entry, and enter the
    peering's ID in a `vpc_peering` entry, which creates the routes.
    """

    whole_vpcs_meet: ClassVar[bool] = True

    blocked: ClassVar[str] = "the role is not created"
    for_astronomer: ClassVar[tuple[str, ...]] = ("account_id", "region", "vpc_id", "cidrs", "role_arn", "expires")

    type: Literal["peering_role"]
    cluster: Slug
    """The entry of `clusters` whose account may assume the role. If its `vpc_id` is known, the role only accepts
    peerings of that VPC, otherwise of any VPC in that account and region."""
    expires: Day
    """The last day, in UTC, on which AWS lets anyone assume the role. After it, `main.py check` warns, and `cdktf` does
    not deploy its stack until you remove the entry or change the day."""

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:  # noqa: ARG002
        return ""  # Nothing uses it once the peering is active.

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:  # noqa: ARG002
        if role := facts.get("role_arn"):
            request = f"request a VPC peering with the following VPC and accept it with the role {in_words(role)}"
            yield Step("Astronomer", f"{request}, and send us its ID", f"by {self.expires}", key="used")
            yield Step("you", "after that, replace this entry with a `vpc_peering` that has the peering's ID")

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        yield from not_private(context, self.network)

    @property
    def leads_back(self) -> bool:
        return False

    def claims(self) -> Iterator[Claim]:
        # The overlap checks apply to the ranges, but `vpc_peering` creates the routes.
        yield from ()

    def iam_claims(self, entry: str, clusters: Mapping[str, Cluster]) -> Iterator[Claim]:  # noqa: ARG002
        yield role_claim((), entry)

    def expired(self, today: date) -> Iterator[tuple[FieldPath, str]]:
        if today > self.expires:
            message = (
                f"{str(self.expires)!r} was the role's last day; remove the entry and deploy to delete the role, or "
                "set a later day"
            )
            yield ("expires",), message
