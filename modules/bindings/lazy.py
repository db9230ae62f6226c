"""Loads the AWS provider bindings one resource at a time in Python, without type checks for this project's commands.

Importing any resource of `cdktf_cdktf_provider_aws` imports all 2,100 of its submodules. This costs seconds and
hundreds of megabytes for the twenty that an estate uses. The synthesized bytes are the same (`test_provider.py`).
`ASTRO_EAGER_PROVIDER=1` disables lazy loading. CDK Terrain's bindings are lazy without it.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import marshal
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from modules.bindings.fork import RENAMED

PACKAGE = "cdktf_cdktf_provider_aws"
_GENERATED = {"constructs", *RENAMED, *RENAMED.values()}


def load_lazily(environ: Mapping[str, str] = os.environ, *, lean: bool = False) -> None:
    """Load only the named resources; imports nothing itself.

    `lean`: without type checks and docstrings, for a process that runs only this project's code.
    """
    if environ.get("ASTRO_EAGER_PROVIDER") == "1":
        return
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    # After the finder of `fork.py`, so that each package is found by its own name.
    position = next((at + 1 for at, one in enumerate(sys.meta_path) if type(one).__module__.endswith(".fork")), 0)
    sys.meta_path.insert(position, _Finder(lean=lean))


class _Finder:
    """Finds the generated bindings, and gives the provider's top package a loader that runs nothing."""

    def __init__(self, *, lean: bool) -> None:
        self._lean = lean

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: object = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != PACKAGE and not (self._lean and fullname.partition(".")[0] in _GENERATED):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and fullname == PACKAGE:
            # `importlib.abc`, which has the type of a loader, imports much more.
            loader: Any = _EmptyPackage()
            spec.loader = loader
        elif spec is not None and spec.origin and spec.origin.endswith(".py"):
            spec.loader = _Lean(fullname, spec.origin)
        return spec


class _EmptyPackage:
    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        del spec  # Python creates the module.

    def exec_module(self, module: ModuleType) -> None:
        # `import cdktf_cdktf_provider_aws as aws; aws.vpc.Vpc` still works: a submodule is loaded on first access.
        def load(name: str) -> ModuleType:
            if name.startswith("__"):
                raise AttributeError(name)
            try:
                return importlib.import_module(f"{PACKAGE}.{name}")
            except ModuleNotFoundError as error:
                raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}") from error

        module.__dict__["__getattr__"] = load


# Only the checks need this; each module would look up typeguard's version again.
_CHECKS = re.compile(rb"^(?:import typeguard|from importlib\.metadata import .*|TYPEGUARD_MAJOR_VERSION = .*)$", re.M)
# Python evaluates the type of each cast, on each access to a property.
_CASTS = re.compile(rb"^(\s+return )typing\.cast\(.*, (result|jsii\.\w+\(.*\))\)$", re.M)


def reduced(source: bytes) -> bytes:
    """Return a generated module without what only type checks use."""
    return _CASTS.sub(rb"\1\2", _CHECKS.sub(b"", source))


class _Lean(importlib.machinery.SourceFileLoader):
    """Loads a generated module without type checks, docstrings and evaluated annotations: two thirds of its time.

    jsii's Node repeats the type checks. The module is compiled once, beside Python's own compiled file.
    """

    def get_code(self, fullname: str) -> CodeType | None:
        source = self.get_filename(fullname)
        compiled = importlib.util.cache_from_source(source, optimization="lean2")
        stats = self.path_stats(source)
        stamp = b"".join(int(stats[key]).to_bytes(8, "little") for key in ("mtime", "size"))
        head = importlib.util.MAGIC_NUMBER + stamp
        try:
            if (data := self.get_data(compiled)).startswith(head):
                return marshal.loads(data[len(head) :])  # noqa: S302 (as trusted as Python's own)
        except (OSError, EOFError, ValueError):
            pass
        folder = Path(compiled).parent
        if sys.dont_write_bytecode or not os.access(folder if folder.exists() else folder.parent, os.W_OK):
            return super().get_code(fullname)
        code = compile(
            reduced(self.get_data(source)), source, "exec", annotations.compiler_flag, dont_inherit=True, optimize=2
        )
        self.set_data(compiled, head + marshal.dumps(code))
        return code
