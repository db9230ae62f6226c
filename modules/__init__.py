"""What estates are made of. Importing it makes the AWS provider bindings lazy (see `provider.py`)."""

from modules.provider import load_lazily

load_lazily()
