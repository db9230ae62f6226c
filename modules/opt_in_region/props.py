from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from modules.aws import OPT_IN
from modules.context import CheckedProps, Context
from modules.entry import FieldPath, Step, in_words
from modules.parts.iam_policy.props import POLICIES
from modules.vocabulary import UNIQUE, Region

POLICY = "AstronomerOptInRegions"
"""What lets Astronomer's role ask for them."""


def _is_off(region: str) -> str:
    if region not in OPT_IN:
        raise ValueError(f"is not a region that an AWS account has to enable; allowed: {', '.join(OPT_IN)}")
    return region


OptInRegion = Annotated[Region, AfterValidator(_is_off), WithJsonSchema({"type": "string", "enum": list(OPT_IN)})]


class OptInRegionProps(CheckedProps):
    """Regions that AWS leaves off until asked, for Hybrid clusters in them: stack `regions` enables them, and the
    tokens of STS that they accept; Astronomer's role may enable, disable and list them.

    Enabling takes AWS minutes to hours, and everything else in such a region comes after it: `cdktf deploy` keeps the
    order, and who deploys stack by stack begins with `regions`. Destroying the stack disables none of them: AWS would
    then keep, unreachable and at full cost, what is in them."""

    regions: Annotated[tuple[OptInRegion, ...], Field(min_length=1), UNIQUE]

    def steps(self, facts: Mapping[str, Any]) -> Iterator[Step]:
        """Yield what remains to be done by people."""
        for region in self.regions if facts else ():
            status = facts.get(region)
            enabled = status in ("ENABLED", "ENABLED_BY_DEFAULT")
            how = f"wait until AWS enables {region}; it was {in_words(status)} at the last deploy"
            yield Step("you", how, done=enabled, key=f"region:{region}")

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        if context.document and len(context.document) >= POLICIES:
            message = (
                f"needs a policy of its own on Astronomer's role, which has all {POLICIES} that IAM takes; "
                "shorten account.cross_account_role.policy_file"
            )
            yield ("regions",), message
