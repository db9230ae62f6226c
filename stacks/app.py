"""The estate as a tree of stacks."""

from cdktf import App

from stacks.account import AccountStack
from stacks.estate import Estate
from stacks.network import NetworkStack


def build(app: App, estate: Estate) -> App:
    """Place every stack of the estate in `app`. A valid estate always builds."""
    if estate.account:
        AccountStack(app, estate, estate.account)
    for name in estate.networks:
        NetworkStack(app, name, estate)
    return app
