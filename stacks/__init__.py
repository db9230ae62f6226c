"""The stacks of an estate: one class, one state, one AWS account and one region each."""

from modules.bindings.prepare import prepare

prepare()
