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
import errno
import gc
import re
import threading

from operations.start import obstacle, other_python, version

# The imports below need Python 3.11 and the project's packages.
if _obstacle := obstacle():
    if _python := other_python():
        os.execv(_python, [_python, *sys.argv])  # noqa: S606
    sys.exit(_obstacle)

if _is_command:
    # A run ends before garbage collection pays off, and the interpreter would free every object at exit for nothing.
    gc.disable()
    atexit.register(gc.freeze)
    # Pydantic would look for plugins among all installed packages.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    # Node starts now, because it needs as much time as the imports below.
    if sys.argv[1:2] in ([], ["synth"]):
        from modules.bindings.node import start_for_command

        if sys.argv[1:]:
            _hcl = "--hcl" in sys.argv or re.findall(r"\0--output[=\0](\w+)", "\0".join(sys.argv))[-1:] == ["hcl"]
        else:
            _hcl = os.environ.get("SYNTH_HCL_OUTPUT") == "true"
        start_for_command(hcl=_hcl)

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from commands.adopt import adopt
from commands.check import check
from commands.completion import completion
from commands.current import warn_of_expired
from commands.drift import drift
from commands.export import export
from commands.handoff import handoff
from commands.init import init
from commands.options import Command
from commands.permissions import permissions
from commands.plan import plan
from commands.policy import policy
from commands.preflight import preflight
from commands.reach import reach
from commands.schema import schema
from commands.state import state
from commands.status import status
from commands.synth import synth
from estate.errors import ExitCode, UserError
from estate.load import load
from estate.source import Source, printable

_OF_CDKTF = ("apply", "deploy", "destroy", "list", "output", "watch")
"""The commands of cdktf that are not commands here."""


class Commands(TyperGroup):
    """The commands. Every error that a user can fix becomes a message and an exit code here."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in _OF_CDKTF:
            ctx.fail(f"No such command {args[0]!r}. Instead, run `cdktf {args[0]}`.")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        _clean_up_when_stopped()
        try:
            try:
                return super().invoke(ctx)
            finally:
                print(end="", flush=True)
        except UserError as error:
            if sys.stderr.isatty():
                from commands.snippet import print_error

                print_error(error, sys.stderr)
            else:
                # The texts of AWS and of files are in it.
                print(*map(printable, str(error).split("\n")), sep="\n", file=sys.stderr)
            sys.exit(error.code)
        except OSError as error:
            if error.filename is None and error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
                raise
            with suppress(OSError, ValueError):  # Python would report the error again at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            print(f"{error.filename or 'standard output'}: cannot be written: {error.strerror}", file=sys.stderr)
            sys.exit(ExitCode.FAILED)


cli = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _command in (
    init,
    synth,
    plan,
    drift,
    export,
    permissions,
    check,
    handoff,
    preflight,
    status,
    reach,
    adopt,
    schema,
    completion,
):
    cli.command(cls=Command)(_command)
cli.command("diff", cls=Command, hidden=True)(plan)
cli.add_typer(state, name="state")
cli.add_typer(policy, name="policy")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"astro-on-aws {version()}")
        raise typer.Exit


@cli.callback(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
def main(
    context: typer.Context,
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Manage your side of Astro on AWS. With no command, synthesize the estate, as `cdktf synth` does.

    \b
    Examples:
      main.py check
      main.py synth --check
      main.py handoff --for astronomer

    Exit codes: 0 done, 1 failed, 2 invalid input, 3 a check failed, 4 warnings only.
    """
    if context.invoked_subcommand is None:
        from operations.cdktf_call import prepare
        from operations.synth import write

        file = Path(os.environ.get("ASTRO_ESTATE", "astro.yaml"))
        out = Path(os.environ.get("CDKTF_OUTDIR", "cdktf.out"))
        hcl = os.environ.get("SYNTH_HCL_OUTPUT") == "true"
        estate = load(file, source := Source(file))
        warn_of_expired(file, estate, source, prepare(estate, file, out, os.environ, os.getppid()))
        write(estate, file, out, os.environ, hcl=hcl)


def _clean_up_when_stopped() -> None:
    """Turn the signals that would end the process at once into exceptions, so that temporary folders are deleted."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda received, _: sys.exit(128 + received))


if __name__ == "__main__":
    cli()
