"""Arguments and options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

EstateFile = Annotated[
    Path,
    typer.Argument(
        envvar="ASTRO_ESTATE", show_envvar=True, metavar="FILE", help="The estate file. Also written as --file FILE."
    ),
]
EstateOption = Annotated[
    Path,
    typer.Option(
        "--file", "-f", "--estate", envvar="ASTRO_ESTATE", show_envvar=True, metavar="FILE", help="The estate file."
    ),
]
FILE_OPTIONS = ("--file", "-f", "--estate")


class Command(TyperCommand):
    """A command that also takes its argument FILE as the option --file, so that all commands take it in one way."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        takes_file = any(one.name == "file" and one.param_type_name == "argument" for one in self.params)
        return super().parse_args(ctx, _with_argument(args) if takes_file else args)


def _with_argument(args: list[str]) -> list[str]:
    """Return the arguments with the value of --file as an argument."""
    kept: list[str] = []
    files: list[str] = []
    words = iter(args)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            return [*kept, word, *files, *words]
        if name in FILE_OPTIONS and (value := value if equals else next(words, "")):
            files.append(value)
        else:
            kept.append(word)
    return [*kept, *files]


class Syntax(StrEnum):
    """The syntax of Terraform files."""

    JSON = "json"
    HCL = "hcl"


class TextOrJson(StrEnum):
    """The format of a result."""

    TEXT = "text"
    JSON = "json"


Format = Annotated[TextOrJson, typer.Option("--output", help="The format: text, or json for programs.")]


class Reader(StrEnum):
    """The reader of a page, or the next actor."""

    YOU = "you"
    ASTRONOMER = "astronomer"
    NETWORK_TEAM = "network-team"


Outputs = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Read this file, written by `cdktf deploy --outputs-file`. Default: read the stacks' state.",
    ),
]
