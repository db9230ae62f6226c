"""What is deployed: one class, one state, one AWS account and region each."""

import modules.bindings.prepare
