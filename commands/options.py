"""Arguments and options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

EstateFile = Annotated[Path, typer.Argument(envvar="ASTRO_ESTATE", show_envvar=True, metavar="FILE")]


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
