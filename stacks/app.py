"""The estate as a tree of stacks."""

from cdktf import App

from estate.model import Estate
from estate.plan import StackPlan, stacks_of
from stacks.account import AccountStack, AlarmStack, QuotasStack, RegionsStack
from stacks.base import AstroStack
from stacks.network import NetworkStack


def build(app: App, estate: Estate) -> App:
    """Place every stack of the estate in `app`. A valid estate always builds."""
    stacks = {plan: _stack(app, plan, estate) for plan in stacks_of(estate)}
    regions = next((stack for plan, stack in stacks.items() if plan.kind == "regions"), None)
    account = estate.account
    if regions and account and account.opt_in_region:
        for plan, stack in stacks.items():
            if plan.account_id == account.account_id and plan.region in account.opt_in_region.regions:
                # Only an order for `cdktf deploy`, without references: each stack can be deployed alone.
                stack.add_dependency(regions)
    return app


def _stack(app: App, plan: StackPlan, estate: Estate) -> AstroStack:
    kinds = {
        "regions": RegionsStack,
        "account": AccountStack,
        "alarm": AlarmStack,
        "quotas": QuotasStack,
        "network": NetworkStack,
    }
    return kinds[plan.kind](app, plan, estate)
