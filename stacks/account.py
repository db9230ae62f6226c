"""The stack of the dedicated Hybrid account: what lets Astronomer in, and what watches it."""

from constructs import Construct

from modules.cross_account_role.construct import CrossAccountRole
from modules.policy_alarm.construct import PolicyAlarm
from stacks.base import AstroStack
from stacks.estate import Account, Estate


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
