"""`make bench`: what a synth costs, side by side in one run. Whole processes, medians, and their largest process.

Ratios are what counts: they hold on other machines, seconds do not.
"""

import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
BARE = "import modules; from cdktf import App, TerraformStack; app = App(); TerraformStack(app, 'empty'); app.synth()"


@dataclass(frozen=True)
class Cost:
    seconds: float
    megabytes: float


def measure(name: str, command: list[str], runs: int, console: Console, **environment: str) -> Cost:
    """The median of `runs` runs after one that warms the caches. Raises RuntimeError where one fails."""
    costs: list[Cost] = []
    with tempfile.TemporaryDirectory() as out:
        env = os.environ | {"CDKTF_OUTDIR": out} | environment
        for run in range(runs + 1):
            console.print(f"[dim]{name}: {'warming up' if run == 0 else f'run {run} of {runs}'}[/dim]")
            costs.append(_once(command, env))
    return Cost(statistics.median(c.seconds for c in costs[1:]), statistics.median(c.megabytes for c in costs[1:]))


def _once(command: list[str], environment: dict[str, str]) -> Cost:
    started = time.perf_counter()
    pid = os.posix_spawn(command[0], command, environment)
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        raise RuntimeError(f"{command} failed with status {status}")
    # Of a process and the children that it waited for, the kernel tells the largest; in kilobytes.
    return Cost(time.perf_counter() - started, usage.ru_maxrss / 1024)


def estate_of(networks: int) -> str:
    """An estate of so many networks, each with three connections."""
    lines = [
        "name: bench",
        "state: {backend: s3, bucket: bench-tfstate, region: us-east-1}",
        "astro: {product: hosted-dedicated, organization: bench}",
        "clusters:",
        "  prod: {region: us-east-1, account_id: '333333333333', cidr: 172.20.0.0/20}",
        "  dev: {region: us-east-1, account_id: '333333333333', cidr: 172.20.16.0/20}",
        "networks:",
    ]
    lines += [
        f"  n{n}: {{account_id: '111111111111', region: us-east-1, vpc_id: vpc-{n:017x}, cidrs: [10.{n}.0.0/16], "
        f"route_tables: {{a: rtb-{n:017x}}}, subnets: {{a: subnet-{n:017x}, b: subnet-{n + 500:017x}}}}}"
        for n in range(networks)
    ]
    lines.append("connections:")
    for n in range(networks):
        lines += [
            f"  peer{n}: {{type: vpc_peering, cluster: prod, network: n{n}, peering_id: pcx-{n:017x}}}",
            f"  hub{n}: {{type: transit_gateway, clusters: [dev], network: n{n}, transit_gateway_id: tgw-{n:017x}}}",
            f"  dns{n}: {{type: resolver_rules, clusters: [prod], network: n{n}, "
            f"rules: {{corp: {{rule_id: rslvr-rr-{n:017x}}}}}}}",
        ]
    return "\n".join(lines) + "\n"


def main(runs: int = 5) -> None:
    console = Console(stderr=True)
    ours = [sys.executable, str(ROOT / "main.py")]
    complete = {"ASTRO_ESTATE": str(ROOT / "examples/complete.yaml")}
    bare = measure("bare", [sys.executable, "-c", BARE], runs, console, PYTHONPATH=str(ROOT))
    lazy = measure("lazy", ours, runs, console, **complete)
    eager = measure("eager", ours, min(runs, 3), console, **complete, ASTRO_EAGER_PROVIDER="1")

    table = _table("synth of examples/complete.yaml", "seconds", "largest process, MB", "against bare", "against eager")
    rows = (("ours", lazy), ("ours, ASTRO_EAGER_PROVIDER=1", eager), ("bare: App().synth(), one empty stack", bare))
    for name, cost in rows:
        times, quicker = f"{cost.seconds / bare.seconds:.1f}x", f"{eager.seconds / cost.seconds:.1f}x quicker"
        table.add_row(name, f"{cost.seconds:.2f}", f"{cost.megabytes:.0f}", times, "" if cost is eager else quicker)
    growth = _table("networks, three connections each", "seconds", "ms for each further one", "largest process, MB")
    before: tuple[int, Cost] | None = None
    with tempfile.TemporaryDirectory() as folder:
        for networks in (1, 10, 25, 50):
            file = Path(folder, f"{networks}.yaml")
            file.write_text(estate_of(networks))
            cost = measure(f"{networks} networks", ours, runs, console, ASTRO_ESTATE=str(file))
            each = f"{(cost.seconds - before[1].seconds) * 1000 / (networks - before[0]):.0f}" if before else ""
            growth.add_row(str(networks), f"{cost.seconds:.2f}", each, f"{cost.megabytes:.0f}")
            before = networks, cost
    out = Console(width=120)
    out.print(table)
    out.print()
    out.print(growth)


def _table(*columns: str) -> Table:
    """A table that is Markdown as well, for docs/decisions.md."""
    table = Table(box=box.MARKDOWN)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


if __name__ == "__main__":
    main()
