"""What is deployed: one class, one state, one AWS account and region each."""

import modules  # noqa: F401 (makes the provider bindings lazy: before anything imports them)
