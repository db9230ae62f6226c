"""Gives jsii the Node of `node.py`. Callers that build an app run it before they import cdktf."""

from modules.bindings.node import start


def prepare() -> None:
    """Start jsii's Node unless it runs, and let jsii use it; without one, jsii starts its own."""
    if node := start():
        from modules.bindings.messages import take_over

        take_over(node)
