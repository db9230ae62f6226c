"""The stack of the dedicated Hybrid account: what lets Astronomer in, and what watches it."""

from constructs import Construct

from stacks.base import AstroStack
from stacks.estate import Account, Estate


class AccountStack(AstroStack):
    """`account`: the section of that name."""

    def __init__(self, scope: Construct, estate: Estate, account: Account) -> None:
        super().__init__(scope, "account", estate, account.account_id, account.region)
