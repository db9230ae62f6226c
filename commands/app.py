"""The command line. A call imports only its own command, because all of them take a tenth of a second."""

from collections import UserDict
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperGroup

from commands.errors import reported
from commands.options import Command
from operations.start import version

NAMES = (
    "init",
    "synth",
    "plan",
    "drift",
    "export",
    "permissions",
    "check",
    "handoff",
    "preflight",
    "status",
    "reach",
    "adopt",
    "schema",
    "completion",
    "diff",
    "state",
    "policy",
)
"""The commands in the order of the help, by the names of their modules."""
_HIDDEN = {"diff": "plan"}
"""Other names of commands."""
_OF_CDKTF = ("apply", "deploy", "destroy", "list", "output", "watch")
"""The commands of cdktf that are not commands here."""


class _Commands(UserDict[str, Any]):
    """The commands by name, each imported on first use."""

    def __getitem__(self, name: str) -> Any:
        if self.data[name] is None:
            module = _HIDDEN.get(name, name)
            command = getattr(import_module(f"{__package__}.{module}"), module)
            one = typer.Typer(rich_markup_mode=None)
            if isinstance(command, typer.Typer):
                one.add_typer(command, name=name)
            else:
                one.command(name, cls=Command, hidden=name in _HIDDEN)(command)
            self.data |= typer.main.get_group(one).commands
        return self.data[name]


class Commands(TyperGroup):
    """The commands. Every error that a user can fix becomes a message and an exit code here."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(dict.fromkeys(NAMES))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in _OF_CDKTF:
            ctx.fail(f"No such command {args[0]!r}. Instead, run `cdktf {args[0]}`.")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with reported():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"astro-on-aws {version()}")
        raise typer.Exit


@app.callback(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
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
        from commands.cdktf import synthesize

        synthesize()
