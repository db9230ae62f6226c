"""The estate as a tree of stacks."""

import json
from pathlib import Path

from cdktf import App

from modules.service_quotas.props import vcpus_by_region
from stacks.account import AccountStack, QuotasStack, RegionsStack
from stacks.base import AstroStack
from stacks.estate import Account, Estate
from stacks.module import Module, for_modules
from stacks.network import NetworkStack


def build(app: App, estate: Estate) -> App:
    """Place every stack of the estate in `app`. A valid estate always builds."""
    networks = {name: NetworkStack(app, name, estate) for name in estate.networks}
    if account := estate.account:
        stacks: list[tuple[str, AstroStack]] = [(account.region, AccountStack(app, estate, account))]
        stacks += _quotas(app, estate, account)
        stacks += [
            (network.region, networks[name])
            for name, network in estate.networks.items()
            if network.account_id == account.account_id
        ]
        if props := account.opt_in_region:
            regions = RegionsStack(app, estate, account, props)
            for region, stack in stacks:
                if region in props.regions:
                    # An order for `cdktf deploy`, and no reference: each stack still deploys alone.
                    stack.add_dependency(regions)
    return app


def modules(app: App, estate: Estate) -> dict[str, Module]:
    """Every stack of the estate as a module, by its name. Raises ValueError where two values have one variable."""
    late, inputs = for_modules(estate)
    stacks = [stack for stack in build(app, late).node.children if isinstance(stack, AstroStack)]
    app.synth()
    return {
        stack.node.id: Module(
            name=stack.node.id,
            account_id=stack.account_id,
            region=stack.region,
            tags=estate.tags,
            # As it is written: on its way to Python it would lose each null.
            json=json.loads(Path(app.outdir, "stacks", stack.node.id, "cdk.tf.json").read_text("utf-8")),
            blocks=stack.blocks(),
            variables=inputs[""].variables | inputs[stack.network].variables,
            awaited=inputs[""].awaited,
        )
        for stack in stacks
    }


def _quotas(app: App, estate: Estate, account: Account) -> list[tuple[str, AstroStack]]:
    if not (props := account.service_quotas):
        return []
    needed = vcpus_by_region(estate.data_plane().values()) or {account.region: 0}
    return [(region, QuotasStack(app, estate, account, props, region, vcpus)) for region, vcpus in needed.items()]
