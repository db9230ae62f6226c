"""What estates are made of. Importing it finds cdktf, or its fork (`terrain.py`), and makes the AWS provider bindings
lazy (`provider.py`)."""

from modules.bindings.lazy import load_lazily
from modules.bindings.fork import find_cdktf

find_cdktf()
load_lazily()
