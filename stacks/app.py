"""The estate as a tree of stacks."""

from cdktf import App

from modules.service_quotas.props import vcpus_by_region
from stacks.account import AccountStack, QuotasStack, RegionsStack
from stacks.base import AstroStack
from stacks.estate import Account, Estate
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


def _quotas(app: App, estate: Estate, account: Account) -> list[tuple[str, AstroStack]]:
    if not (props := account.service_quotas):
        return []
    needed = vcpus_by_region(estate.data_plane().values()) or {account.region: 0}
    return [(region, QuotasStack(app, estate, account, props, region, vcpus)) for region, vcpus in needed.items()]
