#!/usr/bin/env python3
"""The entry point of the commands. With no arguments, it synthesizes the estate, as `cdktf` expects."""

import os
import signal
import sys

# Until the commands are imported, there is nothing to clean up on Ctrl-C.
if (
    _is_command := os.path.basename(sys.argv[0]) in ("main.py", "astro-on-aws")  # noqa: PTH119 (imports no pathlib)
) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import atexit
import gc
import re
from types import ModuleType

from operations.start import obstacle, other_python

# The imports below need Python 3.11 and the project's packages.
if _obstacle := obstacle():
    if _python := other_python():
        os.execv(_python, [_python, *sys.argv])  # noqa: S606
    sys.exit(_obstacle)

if _is_command:
    # A run ends before garbage collection pays off, and the interpreter would free every object at exit for nothing.
    gc.disable()
    atexit.register(gc.freeze)
    # Pydantic would look for plugins among all installed packages, and import a tenth of the code of `check` for it.
    _no_plugins = ModuleType("pydantic.plugin._loader")
    _no_plugins.__dict__["get_plugins"] = tuple
    sys.modules[_no_plugins.__name__] = _no_plugins
    # Node starts now, because it needs as much time as the imports below.
    if sys.argv[1:2] in ([], ["synth"]):
        from modules.bindings.node import start_for_command

        if sys.argv[1:]:
            _hcl = "--hcl" in sys.argv or re.findall(r"\0--output[=\0](\w+)", "\0".join(sys.argv))[-1:] == ["hcl"]
        else:
            _hcl = os.environ.get("SYNTH_HCL_OUTPUT") == "true"
        start_for_command(hcl=_hcl)


def cli() -> None:
    """Run a command. The calls without options, which are the most frequent, need no parser of arguments."""
    from commands.errors import reported

    if not sys.argv[1:]:
        from commands.cdktf import synthesize

        with reported():
            synthesize()
    elif sys.argv[1:] == ["check"]:
        from commands.current import estate_file
        from commands.findings import find, print_findings

        with reported():
            print_findings(find(estate_file()))
    else:
        from commands.app import app

        app()


if __name__ == "__main__":
    cli()
