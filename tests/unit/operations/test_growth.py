"""The work of a command grows no faster than the estate. It is counted in calls of Python, which do not vary."""

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands.app import app
from tools.bench import estate_of

pytestmark = pytest.mark.slow

HEAD = """\
name: bench
state: {backend: s3, bucket: bench-tfstate, region: us-east-1}
astro: {product: hosted-dedicated, organization: bench}
"""


def of_one_network(clusters: int) -> str:
    """Return an estate with a peering of one network with each cluster."""
    lines = ["clusters:"]
    for n in range(clusters):
        lines.append(
            f"  c{n}: {{region: us-east-1, account_id: '333333333333', cidr: 172.{16 + n // 16}.{n % 16 * 16}.0/20}}"
        )
    tables = "{a: rtb-0123456789abcdef0, b: rtb-0123456789abcdef1}"
    lines.append("networks:")
    lines.append(
        "  lake: {account_id: '111111111111', region: us-east-1, vpc_id: vpc-0123456789abcdef0, cidrs: [10.0.0.0/16], "
        f"route_tables: {tables}}}"
    )
    lines.append("connections:")
    lines += [f"  p{n}: {{type: vpc_peering, cluster: c{n}, network: lake}}" for n in range(clusters)]
    return HEAD + "\n".join(lines) + "\n"


def calls(command: list[str], text: str, folder: Path) -> int:
    """Return the calls of Python in a command for an estate."""
    folder.mkdir()
    (file := folder / "astro.yaml").write_text(text)
    out = ["--out", str(folder / "out")] if command[0] in ("export", "synth") else []
    with cProfile.Profile() as profile:
        done = CliRunner().invoke(app, [*command, "--file", str(file), *out])
    assert done.exit_code in (0, 4), done.output
    return pstats.Stats(profile).total_calls  # type: ignore[attr-defined]


@pytest.mark.parametrize("of", [estate_of, of_one_network], ids=["networks", "clusters of a network"])
@pytest.mark.parametrize(
    "command", ["check", "synth", "export", "handoff --for astronomer", "permissions", "check --cost"]
)
def test_no_command_is_quadratic(command: str, of: Callable[[int], str], tmp_path: Path) -> None:
    words = command.split()
    calls(words, of(2), tmp_path / "first")  # imports what the others use
    few, some, many = (calls(words, of(n), tmp_path / str(n)) for n in (4, 8, 16))
    # Twice as much if it is linear, and four times if it is quadratic.
    assert many - some < 2.1 * (some - few)
