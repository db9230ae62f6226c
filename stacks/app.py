"""The estate as a tree of stacks."""

import json
from pathlib import Path

from cdktf import App

from estate.model import Estate
from estate.plan import StackPlan, stacks_of
from stacks.account import AccountStack, QuotasStack, RegionsStack
from stacks.base import AstroStack
from stacks.module import Module, for_modules
from stacks.network import NetworkStack


def build(app: App, estate: Estate) -> App:
    """Place every stack of the estate in `app`. A valid estate always builds."""
    stacks = {plan: _stack(app, plan, estate) for plan in stacks_of(estate)}
    regions = next((stack for plan, stack in stacks.items() if plan.kind == "regions"), None)
    account = estate.account
    if regions and account and account.opt_in_region:
        for plan, stack in stacks.items():
            if plan.account_id == account.account_id and plan.region in account.opt_in_region.regions:
                # An order for `cdktf deploy`, and no reference: each stack still deploys alone.
                stack.add_dependency(regions)
    return app


def _stack(app: App, plan: StackPlan, estate: Estate) -> AstroStack:
    kinds = {"regions": RegionsStack, "account": AccountStack, "quotas": QuotasStack, "network": NetworkStack}
    return kinds[plan.kind](app, plan, estate)


def modules(app: App, estate: Estate) -> dict[str, Module]:
    """Every stack of the estate as a module, by its name. Raises ValueError where two values have one variable."""
    late, inputs = for_modules(estate)
    stacks = [stack for stack in build(app, late).node.children if isinstance(stack, AstroStack)]
    app.synth()
    return {
        stack.plan.name: Module(
            name=stack.plan.name,
            account_id=stack.plan.account_id,
            region=stack.plan.region,
            tags=estate.tags,
            # As it is written: on its way to Python it would lose each null.
            json=json.loads(Path(app.outdir, "stacks", stack.plan.name, "cdk.tf.json").read_text("utf-8")),
            blocks=stack.blocks(),
            variables=inputs[None].variables | inputs[stack.plan.network].variables,
            pending=inputs[None].pending,
        )
        for stack in stacks
    }
