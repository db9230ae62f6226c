"""What is deployed: one class, one state, one AWS account and region each."""

from modules.bindings.prepare import prepare

prepare()
