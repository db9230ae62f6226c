"""A local AWS for tests: moto's server, patches for what moto lacks, and resources with the IDs of an estate file."""

from .inventory import inventory
from .server import LocalAws

__all__ = ["LocalAws", "inventory"]
