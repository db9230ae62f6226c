"""An AWS on this machine, for tests: moto's server, what moto lacks, and a world with the IDs that a file names.

server.py     LocalAws starts the server, stops it, and gives clients and environments for any account
facts.py      the shape of what is to exist already
world.py      makes it, in the server's process
faults.py     what goes wrong on purpose
patches/      what moto 5.2.5 lacks or does unlike AWS, one module for each theme
clock.py      the time, which a test can move forward
inventory.py  lists what exists, so that two moments can be compared
__main__.py   the server's process
"""

from .inventory import inventory
from .server import LocalAws

__all__ = ["LocalAws", "inventory"]
