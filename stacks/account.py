"""The stacks of the dedicated Hybrid account: what lets Astronomer in and watches it, its regions, its quotas."""

from constructs import Construct

from estate.model import Account, Estate
from modules.cross_account_role.construct import CrossAccountRole
from modules.opt_in_region.construct import OptInRegion, RegionPermissions
from modules.opt_in_region.props import OptInRegionProps
from modules.policy_alarm.construct import PolicyAlarm
from modules.service_quotas.construct import ServiceQuotas
from modules.service_quotas.props import ServiceQuotasProps
from stacks.base import AstroStack


class AccountStack(AstroStack):
    """`account`: the section of that name."""

    def __init__(self, scope: Construct, estate: Estate, account: Account) -> None:
        super().__init__(scope, "account", estate, account.account_id, account.region)
        role = CrossAccountRole(
            self,
            "cross-account-role",
            account.cross_account_role,
            account_id=account.account_id,
            region=account.region,
            secrets=self.secret_variables("", account.cross_account_role.secrets()),
        )
        if account.opt_in_region:
            permissions = RegionPermissions(
                self,
                "opt-in-region",
                account.opt_in_region,
                account_id=account.account_id,
                role_name=role.role_name,
            )
            role.keeps(permissions.policy_arn)
        facts = {"cross_account_role": role.handoff}
        if account.policy_alarm:
            facts["policy_alarm"] = PolicyAlarm(
                self,
                "policy-alarm",
                account.policy_alarm,
                name=f"{estate.name}-policy-alarm",
                account_id=account.account_id,
                region=account.region,
            ).handoff
        self.hand_off(facts)


class RegionsStack(AstroStack):
    """`regions`: `account.opt_in_region`, before anything else in those regions."""

    def __init__(self, scope: Construct, estate: Estate, account: Account, props: OptInRegionProps) -> None:
        # From a region that every account has: the account's own may be one of those that are off.
        super().__init__(scope, "regions", estate, account.account_id, "us-east-1")
        self.hand_off({"opt_in_region": OptInRegion(self, "opt-in-region", props).handoff})


class QuotasStack(AstroStack):
    """`quotas-<region>`: `account.service_quotas`, which AWS counts in each region, where nodes may need `vcpus`."""

    def __init__(
        self, scope: Construct, estate: Estate, account: Account, props: ServiceQuotasProps, region: str, vcpus: int
    ) -> None:
        super().__init__(scope, f"quotas-{region}", estate, account.account_id, region)
        self.hand_off({"service_quotas": ServiceQuotas(self, "service-quotas", props, vcpus=vcpus).handoff})
