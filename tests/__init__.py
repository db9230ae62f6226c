import modules.bindings.prepare
