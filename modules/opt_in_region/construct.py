from cdktf_cdktf_provider_aws.account_region import AccountRegion, AccountRegionTimeouts
from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from cdktf_cdktf_provider_aws.iam_security_token_service_preferences import IamSecurityTokenServicePreferences
from constructs import Construct

from modules.opt_in_region.props import POLICY, OptInRegionProps
from modules.parts.iam_policy.construct import document, statement
from modules.vocabulary import partition

# AWS needs minutes to several hours. The provider's default timeout is ten minutes.
_PATIENCE = AccountRegionTimeouts(create="6h", update="6h")


class OptInRegion(Construct):
    """Enables opt-in regions, and the STS tokens that are valid in them."""

    def __init__(self, scope: Construct, id_: str, props: OptInRegionProps) -> None:
        super().__init__(scope, id_)
        # Tokens of the global endpoint have version 1 by default, and these regions refuse them.
        IamSecurityTokenServicePreferences(self, "tokens", global_endpoint_token_version="v2Token")  # noqa: S106
        regions = {
            region: AccountRegion(self, region, region_name=region, enabled=True, timeouts=_PATIENCE)
            for region in props.regions
        }
        self.handoff: dict[str, object] = {region: made.opt_status for region, made in regions.items()}


class RegionPermissions(Construct):
    """The permissions of Astronomer's role for these regions.

    They are a separate policy. Astronomer's page puts them into the trust policy, which has no resources and cannot
    grant them (facts B11).
    """

    def __init__(self, scope: Construct, id_: str, props: OptInRegionProps, *, account_id: str, role_name: str) -> None:
        super().__init__(scope, id_)
        # In an organization's management account, * would match every account of the organization.
        account = f"arn:{partition(props.regions[0])}:account::{account_id}:account"
        permissions = document(
            self,
            "document",
            statement(
                ["account:DisableRegion", "account:EnableRegion"],
                [account],
                ("StringEquals", "account:TargetRegion", props.regions),
            ),
            # Read actions, and a list of regions has no target.
            statement(["account:GetRegionOptStatus", "account:ListRegions"], [account]),
        )
        policy = IamPolicy(
            self,
            "policy",
            name=POLICY,
            description="Regions that Astronomer may enable and disable",
            policy=permissions,
        )
        attachment = IamRolePolicyAttachment(self, "attachment", role=role_name, policy_arn=policy.arn)
        self.policy_arn = attachment.policy_arn
