"""What is deployed: one class, one state, one AWS account and region each."""

import modules  # noqa: F401 # pyright: ignore[reportUnusedImport] (makes the bindings lazy before all imports)
