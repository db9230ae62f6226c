"""The command `main.py reach`."""

import os
import sys
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Annotated

import typer

from commands.options import EstateOption, Outputs
from commands.report import Format, Output, progress, show
from estate.errors import ExitCode, UserError
from estate.load import load


def reach(
    cluster: Annotated[str, typer.Argument(help="The name of a cluster in `clusters`.")],
    host: Annotated[str, typer.Argument(help="A host name, an IPv4 address, or the service name for PrivateLink.")],
    port: Annotated[int, typer.Argument(min=1, max=65535, help="The port of the service.")],
    file: EstateOption = Path("astro.yaml"),
    ip: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Use this address instead of resolving HOST.")
    ] = None,
    via: Annotated[str | None, typer.Option(metavar="ENTRY", help="Check only this connection.")] = None,
    udp: Annotated[bool, typer.Option("--udp", help="Use UDP instead of TCP.")] = False,
    output: Format = Output.TEXT,
    outputs: Outputs = None,
) -> None:
    """Find the first hop that blocks traffic to a host.

    Traces the traffic from a cluster to HOST and PORT, and the responses. Reads AWS and changes nothing. Exits with 3
    if a hop blocks the traffic, with 4 if no hop in your accounts does, and with 1 if no account could be read.

    \b
    Examples:
      main.py reach prod db.lake.example.com 5432
      main.py reach prod 10.20.0.10 443 --via lake-peering

    Exit codes: 1 failed, 2 invalid input, 3 a hop blocks, 4 no hop in your accounts blocks.
    """
    from operations.handoff.read import read
    from operations.reach.report import airflow_commands
    from operations.reach.report import reach as walk

    try:
        address = IPv4Address(ip) if ip else None
    except AddressValueError:
        raise UserError(
            f"--ip {ip}: not an IPv4 address; use an address such as 10.20.0.5", ExitCode.BAD_INPUT
        ) from None
    estate = load(file)
    protocol = "udp" if udp else "tcp"
    with progress("Reading AWS"):
        stacks = read(estate, outputs, Path(os.environ.get("CDKTF_OUTDIR", "cdktf.out"), "stacks"), os.environ)
        found = walk(estate, stacks, datetime.now(UTC), cluster, host, port, protocol=protocol, ip=address, via=via)
    show("reach", found, output)
    if output is Output.TEXT:
        blocked = [row for row in found.rows if row.outcome.state == "failed"]
        if blocked:
            print(f"Blocked at {blocked[0].entry}: {blocked[0].outcome.evidence}")
        elif found.code is ExitCode.WARNINGS_ONLY:
            print("No hop in your accounts blocks the traffic.")
        if commands := airflow_commands(host, port, protocol):
            print(f"To test the connection from Airflow, run in a task of a Deployment in cluster {cluster}:")
            print(*(f"  {command}" for command in commands), sep="\n")
    sys.exit(found.code)
