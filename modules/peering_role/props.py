from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, ClassVar, Literal

from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ConnectionProps
from modules.context import Context, not_private
from modules.entry import Claim, FieldPath, Step, in_words, role_claim
from modules.vocabulary import Day, Slug


class PeeringRoleProps(ConnectionProps):
    """A temporary role by which the cluster's account accepts, for you, the peering that Astronomer asks for (seed 003,
    "Alternative Astro Hybrid setup"). It may accept peerings of the cluster's account with this network's VPC and
    nothing else. Whoever can accept a peering by `vpc_peering` does not need it.

    Astronomer gets its ARN, requests the peering and accepts it. Then take this entry out, and put the peering's ID
    into a `vpc_peering` entry, which routes back."""

    whole_vpcs_meet: ClassVar[bool] = True

    blocked: ClassVar[str] = "the role is not created"
    for_astronomer: ClassVar[tuple[str, ...]] = ("account_id", "region", "vpc_id", "cidrs", "role_arn", "expires")

    type: Literal["peering_role"]
    cluster: Slug
    """The entry of `clusters` whose account may assume the role. Where its `vpc_id` is known, the role accepts peerings
    of that VPC only, else of any in that account and region."""
    expires: Day
    """The last day, in UTC, on which AWS lets anyone assume the role. After it, `main.py check` warns, and
    `cdktf` deploys nothing of its stack until the entry is taken out or the day is moved."""

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
        # The ranges meet, but it is `vpc_peering` that routes them.
        yield from ()

    def iam_claims(self, entry: str, clusters: Mapping[str, Cluster]) -> Iterator[Claim]:  # noqa: ARG002
        yield role_claim((), entry)

    def expired(self, today: date) -> Iterator[tuple[FieldPath, str]]:
        if today > self.expires:
            message = (
                f"{str(self.expires)!r} was the role's last day; take the entry out and deploy, which deletes the "
                "role, or give a later day"
            )
            yield ("expires",), message
