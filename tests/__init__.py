import modules  # noqa: F401 (makes the provider bindings lazy: before anything imports them)
