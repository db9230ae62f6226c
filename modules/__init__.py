"""What estates are made of. Importing it finds cdktf, or its fork (`bindings/fork.py`), and makes the AWS provider
bindings lazy (`bindings/lazy.py`)."""

from modules.bindings.fork import find_cdktf
from modules.bindings.lazy import load_lazily

find_cdktf()
load_lazily()
