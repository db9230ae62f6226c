"""Starts jsii's Node and gives it to jsii. Imported before cdktf by what builds an app."""

from modules.bindings.node import start

if _node := start():
    from modules.bindings.messages import take_over

    take_over(_node)
