"""Arguments and options that several commands have."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

EstateFile = Annotated[Path, typer.Argument(envvar="ASTRO_ESTATE", show_envvar=True, metavar="FILE")]


class Reader(StrEnum):
    """Who reads a page, or acts next."""

    YOU = "you"
    ASTRONOMER = "astronomer"
    NETWORK_TEAM = "network-team"


Outputs = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="The file that `cdktf deploy --outputs-file` wrote. Default: read the stacks' state."
    ),
]
