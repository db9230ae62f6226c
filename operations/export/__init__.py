"""Exports the stacks of an estate as Terraform modules, in JSON or HCL."""
