from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from modules.context import CheckedProps
from modules.entry import Step, fact, in_words
from modules.vocabulary import Props, Slug, Text

ON_DEMAND, SPOT = "L-1216C47A", "L-34B43A08"
"""EC2's quotas of vCPUs in standard instances that Astronomer asks for, at least 40 of each (seeds 000 and 001)."""
_OURS = {"on-demand": ON_DEMAND, "spot": SPOT}


class Quota(Props):
    """A further quota, as AWS's Service Quotas lists it."""

    service: Annotated[str, Text("a service code", r"[a-z][a-z0-9-]{1,62}", "lower-case letters, digits and -", "eks")]
    """`aws service-quotas list-services` has them."""
    code: Annotated[str, Text("a quota code", r"L-[0-9A-F]{8}", "L- and 8 of 0-9A-F", "L-1194D53C")]
    """`aws service-quotas list-service-quotas --service-code <service>` has them."""
    value: Annotated[int, Field(ge=1)]
    """At least so many. Where the account has more, it keeps them."""


class ServiceQuotasProps(CheckedProps):
    """Ask AWS for the quotas that Astronomer needs, in each region of the account's Hybrid clusters (the account's own
    region while there is none). Nothing is ever lowered.

    Applied means asked, not granted: people at AWS answer a request, in minutes or in days, and may say no. The
    `handoff` output has each request's ID and status. AWS takes one open request for a quota: to ask for more, wait
    until it has answered the last one, or the deploy of this stack fails."""

    vcpus: Annotated[int, Field(ge=40)] = 40
    """vCPUs of standard instances, on demand and as spot instances, at least. Default: the least that Astronomer
    accepts, which is 10 nodes of m5.xlarge."""
    size_for_clusters: bool = False
    """Ask on demand for as many as all nodes need: `max_nodes` of `node_type` of each Hybrid cluster in the region,
    such as 80 for 20 of m5.xlarge. Default: `vcpus` only, because AWS is slower to grant more."""
    others: dict[Slug, Quota] = Field(default_factory=dict)
    """Further quotas, by a name of your choice."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        first = {("ec2", code): name for name, code in _OURS.items()}
        for name, quota in self.others.items():
            if name in _OURS or (quota.service, quota.code) in [("ec2", code) for code in _OURS.values()]:
                raise ValueError(f"has {name} among others, which vcpus and size_for_clusters ask for; leave it out")
            if (other := first.setdefault((quota.service, quota.code), name)) != name:
                raise ValueError(f"has {quota.code} of {quota.service} twice, as {other} and as {name}; keep one")
        return self

    def steps(self, facts: Mapping[str, Any], region: str) -> Iterator[Step]:
        """Yield what remains to be done by people in `region`."""
        for name in facts:
            status = fact(facts, name, "request_status")
            quota, key = f"{in_words(fact(facts, name, 'quota'))} in {region}", f"quota:{name}:{region}"
            if status in ("DENIED", "NOT_APPROVED", "INVALID_REQUEST"):
                yield Step("you", f"ask AWS Support about the quota {quota}: the request is {status}", key=key)
            else:
                # Without a request there is nothing to grant: the account has the value already.
                granted = status in ("APPROVED", "", None)
                how = f"wait until AWS grants the quota {quota}; the request was {in_words(status)} at the last deploy"
                yield Step("you", how, done=granted, key=key)

    def wanted(self, needed: int) -> dict[str, Quota]:
        """What to ask for, by name, in a region whose nodes may need so many vCPUs."""
        sized = max(self.vcpus, needed) if self.size_for_clusters else self.vcpus
        return {
            "on-demand": Quota(service="ec2", code=ON_DEMAND, value=sized),
            "spot": Quota(service="ec2", code=SPOT, value=self.vcpus),
            **self.others,
        }
