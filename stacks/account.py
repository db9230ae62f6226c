"""The stacks of the dedicated Hybrid account: Astronomer's access and its alarm, regions and quotas."""

from cdktf import Postcondition
from constructs import Construct

from estate.model import Account, Estate
from estate.plan import StackPlan
from modules.cluster import vcpus_by_region
from modules.cross_account_role.construct import CrossAccountRole
from modules.opt_in_region.construct import OptInRegion, RegionPermissions
from modules.parts.memory.construct import remember
from modules.policy_alarm.construct import EventForwarder, PolicyAlarm
from modules.service_quotas.construct import ServiceQuotas
from modules.vocabulary import partition
from stacks.base import AstroStack
from stacks.moves import move_renamed


class AccountStack(AstroStack):
    """The stack `account`: the section of that name."""

    def __init__(self, scope: Construct, plan: StackPlan, estate: Estate) -> None:
        super().__init__(scope, plan, estate)
        account = estate.account
        assert account
        props = account.cross_account_role
        if estate.controls and props.permissions_boundary is None:
            # The construct depends on the boundary, so a boundary from the controls is inserted here.
            boundary = estate.controls.boundary(partition(account.region), account.account_id)
            props = props.model_copy(update={"permissions_boundary": boundary})
        role = CrossAccountRole(
            self,
            "cross-account-role",
            props,
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
        self._guard(account)
        self.remember_place("account")
        move_renamed(self, estate)
        self.hand_off(facts)

    def _guard(self, account: Account) -> None:
        """Remember a deployed alarm, so that removing its section from the file does not destroy it."""
        keeps = account.policy_alarm is None and account.policy_alarm_removal_reason is None
        remember(
            self,
            "policy-alarm-guard",
            {"deployed": account.policy_alarm is not None},
            keep=keeps,
            conditions=[
                Postcondition(
                    condition="${!self.input.deployed}",
                    error_message="account.policy_alarm: is not in the file and is deployed: this would destroy the "
                    "alarm. Restore it, or explain in account.policy_alarm_removal_reason.",
                )
            ],
        )


class RegionsStack(AstroStack):
    """The stack `regions`: `account.opt_in_region`, which comes before all other stacks in those regions."""

    def __init__(self, scope: Construct, plan: StackPlan, estate: Estate) -> None:
        super().__init__(scope, plan, estate)
        assert estate.account
        assert estate.account.opt_in_region
        self.hand_off({"opt_in_region": OptInRegion(self, "opt-in-region", estate.account.opt_in_region).handoff})


class AlarmStack(AstroStack):
    """The stack `alarm`: `account.policy_alarm` in the region of IAM's events, if the account uses another region."""

    def __init__(self, scope: Construct, plan: StackPlan, estate: Estate) -> None:
        super().__init__(scope, plan, estate)
        assert estate.account
        assert estate.account.policy_alarm
        facts = EventForwarder(
            self,
            "policy-alarm",
            name=f"{estate.name}-policy-alarm",
            account_id=plan.account_id,
            region=estate.account.region,
        ).handoff
        self.hand_off({"policy_alarm": facts})


class QuotasStack(AstroStack):
    """The stack `quotas-<region>`: `account.service_quotas` for the cluster's nodes; AWS counts quotas by region."""

    def __init__(self, scope: Construct, plan: StackPlan, estate: Estate) -> None:
        super().__init__(scope, plan, estate)
        assert estate.account
        assert estate.account.service_quotas
        vcpus = vcpus_by_region(estate.data_plane().values()).get(plan.region, 0)
        props = estate.account.service_quotas
        facts = {"service_quotas": ServiceQuotas(self, "service-quotas", props, vcpus=vcpus).handoff}
        move_renamed(self, estate)
        self.hand_off(facts)
