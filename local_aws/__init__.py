"""An AWS on this machine, for tests: moto's server, what moto lacks, and a world with the IDs that a file names."""

from .inventory import inventory
from .server import LocalAws

__all__ = ["LocalAws", "inventory"]
