"""The command `main.py completion`."""

import typing
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

_BASH = """\
_astro_on_aws() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} path="" words="" options="" word
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$path $word" in
{commands}
    esac
  done
  case "$path" in
{words}
  esac
  case "$path $previous" in
{values}
    *) [[ "$current" == -* ]] && words=$options ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _astro_on_aws astro-on-aws main.py
"""


class Shell(StrEnum):
    """A shell that completes commands."""

    BASH = "bash"
    ZSH = "zsh"


def completion(
    context: typer.Context, shell: Annotated[Shell, typer.Argument(help="Your shell: bash or zsh.")] = Shell.BASH
) -> None:
    """Print a completion script for bash or zsh.

    The script completes commands and options without starting Python. To load it, add this line to your shell's startup
    file: `eval "$(main.py completion bash)"`.

    \b
    Examples:
      main.py completion bash
      main.py completion zsh

    Exit codes: 0 done, 1 failed, 2 invalid input.
    """
    if shell is Shell.ZSH:
        print("autoload -U +X bashcompinit && bashcompinit")
    commands, words, values = list[str](), list[str](), list[str]()
    for path, command in _commands(context.find_root().command, ""):
        above, _, name = path.rpartition(" ")
        if path:
            commands.append(f'      "{above} {name}") path="{path}" ;;')
        options = [option for option in command.params if option.param_type_name == "option" and not option.hidden]
        takes_file = any(one.name == "file" and one.param_type_name == "argument" for one in command.params)
        below = " ".join(getattr(command, "commands", ()))
        dashed = " ".join([*(name for one in options for name in one.opts), *["--file"] * takes_file, "--help"])
        words.append(f'    "{path}") words="{below}"; options="{dashed}" ;;')
        hints = typing.get_type_hints(command.callback) if command.callback else {}
        for option in options:
            if choices := list(_choices(hints.get(option.name))):
                names = "|".join(f'"{path} {name}"' for name in option.opts)
                values.append(f'    {names}) words="{" ".join(choices)}" ;;')
    print(_BASH.format(commands="\n".join(commands), words="\n".join(words), values="\n".join(values)), end="")


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, f"{path} {name}".strip())


def _choices(hint: Any) -> Iterator[str]:
    """Yield the values of the enumeration in the type of an option."""
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        yield from hint
    for inner in typing.get_args(hint):
        yield from _choices(inner)
