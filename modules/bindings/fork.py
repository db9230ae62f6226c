"""Runs this project on CDK Terrain (`cdktn`), the fork of cdktf, if cdktf itself is not installed.

The fork kept all names except its packages': `cdktf` resolves to `cdktn`, and the bindings of the AWS provider resolve
in the same way. docs/cdk-terrain.md describes the other steps of a migration.
"""

import importlib
import importlib.machinery
import importlib.util
import sys
from types import ModuleType
from typing import Any

RENAMED = {"cdktf": "cdktn", "cdktf_cdktf_provider_aws": "cdktn_provider_aws"}


def find_cdktf() -> None:
    """Make `import cdktf` import `cdktn` if only that is installed. Idempotent; imports neither."""
    if importlib.util.find_spec("cdktf") is None and importlib.util.find_spec("cdktn") is not None:
        # Insert it first. Otherwise, a submodule of a package with two names would be loaded under each.
        sys.meta_path.insert(0, _Renamed())


class _Renamed:
    def find_spec(self, fullname: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:  # noqa: ARG002
        # `importlib.abc`, which has the type of a loader, imports much more.
        loader: Any = self
        return importlib.machinery.ModuleSpec(fullname, loader) if fullname.split(".")[0] in RENAMED else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        del spec  # Python creates the module.

    def exec_module(self, module: ModuleType) -> None:
        package, *submodule = module.__name__.split(".")
        # The import system returns the module at this entry.
        sys.modules[module.__name__] = importlib.import_module(".".join([RENAMED[package], *submodule]))
