from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from modules.context import CheckedProps
from modules.entry import Step, fact, in_words
from modules.vocabulary import Props, Slug, Text

ON_DEMAND, SPOT = "L-1216C47A", "L-34B43A08"
"""EC2's quotas of vCPUs in standard instances, for which Astronomer requires at least 40 each (Astronomer, *Install
Astro Hybrid on AWS*)."""
_OURS = {"on-demand": ON_DEMAND, "spot": SPOT}


class Quota(Props):
    """Another quota of AWS's Service Quotas."""

    service: Annotated[str, Text("a service code", r"[a-z][a-z0-9-]{1,62}", "lowercase letters, digits and -", "eks")]
    """The service's code, from `aws service-quotas list-services`."""
    code: Annotated[str, Text("a quota code", r"L-[0-9A-F]{8}", "L- and 8 uppercase hexadecimal digits", "L-1194D53C")]
    """The quota's code, from `aws service-quotas list-service-quotas --service-code <service>`."""
    value: Annotated[int, Field(ge=1)]
    """The minimum value. A higher value in the account is kept."""


class ServiceQuotasProps(CheckedProps):
    """Request the quotas that Astronomer requires from AWS, in each region of the account's Hybrid clusters. Without
    clusters, this is the account's own region. Quotas are never lowered.

    A deploy requests the quotas. AWS staff approve or deny them within minutes or days. The `handoff` output has the ID
    and status of each request. AWS accepts one open request for each quota. Before you request a higher value, wait
    until AWS has closed the last request. Otherwise, the deploy of this stack fails.
    """

    vcpus: Annotated[int, Field(ge=40)] = 40
    """The minimum number of vCPUs of standard instances, both on-demand and spot. Default: Astronomer's minimum,
    which is enough for 10 nodes of m5.xlarge."""
    size_for_clusters: bool = False
    """Request on-demand vCPUs for all possible nodes: `max_nodes` of `node_type` of each Hybrid cluster in the region,
    such as 80 for 20 of m5.xlarge. Default: `vcpus` only, because AWS grants higher values more slowly."""
    others: dict[Slug, Quota] = Field(default_factory=dict)
    """Other quotas, by a name of your choice."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        first = {("ec2", code): name for name, code in _OURS.items()}
        for name, quota in self.others.items():
            if name in _OURS or (quota.service, quota.code) in [("ec2", code) for code in _OURS.values()]:
                raise ValueError(f"has {name} in others, which vcpus and size_for_clusters already request; remove it")
            if (other := first.setdefault((quota.service, quota.code), name)) != name:
                raise ValueError(f"has {quota.code} of {quota.service} twice, as {other} and as {name}; remove one")
        return self

    def steps(self, facts: Mapping[str, Any], region: str) -> Iterator[Step]:
        """Yield the steps that remain for people in `region`."""
        for name in facts:
            status = fact(facts, name, "request_status")
            quota, key = f"{in_words(fact(facts, name, 'quota'))} in {region}", f"quota:{name}:{region}"
            if status in ("DENIED", "NOT_APPROVED", "INVALID_REQUEST"):
                yield Step("you", f"ask AWS Support about the quota {quota}: the request is {status}", key=key)
            else:
                # There is no request if the account already has the value.
                granted = status in ("APPROVED", "", None)
                how = f"wait until AWS grants the quota {quota}; the request was {in_words(status)} at the last deploy"
                yield Step("you", how, done=granted, key=key)

    def wanted(self, needed: int) -> dict[str, Quota]:
        """Return the quotas to request by name, in a region whose nodes may need `needed` vCPUs."""
        sized = max(self.vcpus, needed) if self.size_for_clusters else self.vcpus
        return {
            "on-demand": Quota(service="ec2", code=ON_DEMAND, value=sized),
            "spot": Quota(service="ec2", code=SPOT, value=self.vcpus),
            **self.others,
        }
