import modules  # noqa: F401 # pyright: ignore[reportUnusedImport] (makes the bindings lazy before all imports)
