"""The entries of an estate: their props and constructs.

Importing this package finds cdktf or its fork (`bindings/fork.py`) and loads the AWS provider bindings lazily
(`bindings/lazy.py`).
"""

from modules.bindings.fork import find_cdktf
from modules.bindings.lazy import load_lazily

find_cdktf()
load_lazily()
