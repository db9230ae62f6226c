from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from modules.aws import OPT_IN
from modules.context import CheckedProps, Context
from modules.entry import FieldPath, Step, in_words
from modules.parts.iam_policy.props import POLICIES
from modules.vocabulary import UNIQUE, Region

POLICY = "AstronomerOptInRegions"
"""The policy that lets Astronomer's role manage the regions."""


def _is_off(region: str) -> str:
    if region not in OPT_IN:
        raise ValueError(f"is not an AWS opt-in region; allowed: {', '.join(OPT_IN)}")
    return region


OptInRegion = Annotated[Region, AfterValidator(_is_off), WithJsonSchema({"type": "string", "enum": list(OPT_IN)})]


class OptInRegionProps(CheckedProps):
    """AWS opt-in regions for Hybrid clusters. The stack `regions` enables them, and STS tokens that are valid there.
    Astronomer's role can enable, disable and list them.

    AWS needs minutes to hours to enable a region, and all other stacks of the region depend on it. `cdktf deploy`
    deploys them in this order. If you deploy the stacks one by one, begin with `regions`. Destroying the stack does not
    disable a region, because its resources would become unreachable and still incur costs.
    """

    regions: Annotated[tuple[OptInRegion, ...], Field(min_length=1), UNIQUE]

    def steps(self, facts: Mapping[str, Any]) -> Iterator[Step]:
        """Yield the steps that remain for people."""
        for region in self.regions if facts else ():
            status = facts.get(region)
            enabled = status in ("ENABLED", "ENABLED_BY_DEFAULT")
            how = f"wait until AWS enables {region}; it was {in_words(status)} at the last deploy"
            yield Step("you", how, done=enabled, key=f"region:{region}")

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        if context.document and len(context.document) >= POLICIES:
            message = (
                f"needs another policy on Astronomer's role, which already has the maximum of {POLICIES}; "
                "shorten account.cross_account_role.policy_file"
            )
            yield ("regions",), message
