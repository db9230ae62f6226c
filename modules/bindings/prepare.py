"""Gives jsii the Node of `node.py`. Called before cdktf is imported by what builds an app."""

from modules.bindings.node import start


def prepare() -> None:
    """Start jsii's Node, unless it was, and let jsii use it; without one, jsii starts its own."""
    if node := start():
        from modules.bindings.messages import take_over

        take_over(node)
