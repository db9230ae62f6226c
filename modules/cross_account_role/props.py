from typing import Literal

from modules.vocabulary import Props, Reason, Secret

EXTERNAL_IDS = Secret(
    name="external_ids",
    type="list(string)",
    description="The AWS External IDs of your Astro organization, from the Astro UI, Organization Settings > General.",
    rule='length({var}) > 0 && alltrue([for id in {var} : can(regex("^[a-zA-Z0-9_+=,.@:/-]{{2,1224}}$", id))])',
    allowed="At least one external ID; each has 2 to 1224 characters of a-z A-Z 0-9 _ + = , . @ : / - (IAM's rule).",
)


class CrossAccountRoleProps(Props):
    """The role that Astronomer assumes in the dedicated account."""

    policy_file: str
    """Your copy of Astronomer's policy document, relative to the estate file."""
    policy_mode: Literal["strict", "vendor-managed"] = "strict"
    removal_reason: Reason | None = None

    def secrets(self) -> tuple[Secret, ...]:
        return (EXTERNAL_IDS,)
