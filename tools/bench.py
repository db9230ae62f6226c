"""`make bench`: compares the cost of synths: CPU time, wall time and memory of all processes.

The programs take turns, in reverse order every other round. The result is the median of the ratios of each round, which
is comparable across machines and loads. Separate runs measure memory. `python -m tools.bench live` measures only the
commands that read AWS, on a local AWS.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from estate.load import load
from local_aws import LocalAws
from modules.bindings import node
from tests.support.world import facts_of

ROOT = Path(__file__).parents[1]
MAIN = str(ROOT / "main.py")
COMPLETE = {"ASTRO_ESTATE": str(ROOT / "examples/complete.yaml")}
BARE = "from cdktf import App, TerraformStack; app = App(); TerraformStack(app, 'empty'); app.synth()"


@dataclass
class Program:
    """A measured command. `rounds`: the number of rounds that a slow program takes part in."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    rounds: int = 1_000
    codes: tuple[int, ...] = (0,)
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    megabytes: float = 0

    def run(self, *, memory: bool = False) -> None:
        """Run once. Raises RuntimeError if it fails."""
        with tempfile.TemporaryDirectory() as out:
            env = os.environ | {"CDKTF_OUTDIR": out} | self.environment
            # With this variable set, each run would compile the project's own files.
            env.pop("PYTHONDONTWRITEBYTECODE", None)
            started = time.perf_counter()
            # Its output is not part of the table.
            process = subprocess.Popen(
                self.command, env=env, cwd=out, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if memory:
                while (peak := _memory(process.pid)) is not None:
                    self.megabytes = max(self.megabytes, peak)
                    time.sleep(0.01)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode not in self.codes:
                raise RuntimeError(f"{self.name} failed with status {process.returncode}")
            if not memory:
                self.wall.append(time.perf_counter() - started)
                self.cpu.append(usage.ru_utime + usage.ru_stime)


def _memory(pid: int) -> float | None:
    """Return the memory of a process and its descendants, with shared pages counted once; None after it has ended."""
    total, queue = 0.0, [pid]
    while queue:
        one = Path("/proc", str(queue.pop()))
        with contextlib.suppress(OSError, StopIteration):
            state = (one / "stat").read_text().rpartition(")")[2].split()[0]
            if one.name == str(pid) and state == "Z":
                return None
            lines = (one / "smaps_rollup").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024
            queue += [int(child) for task in one.glob("task/*/children") for child in task.read_text().split()]
    return total if Path("/proc/self/smaps_rollup").exists() else None


def measure(programs: list[Program], rounds: int, console: Console) -> None:
    """Run a warm-up and all rounds, then one run each for memory."""
    for number in range(rounds + 1):
        console.print(f"[dim]{'warming up' if number == 0 else f'round {number} of {rounds}'}[/dim]")
        for program in programs if number % 2 else programs[::-1]:
            if number <= program.rounds:
                program.run()
    for program in programs:
        program.cpu, program.wall = program.cpu[1:], program.wall[1:]
        program.run(memory=True)


def table(title: str, programs: list[Program]) -> Table:
    """Return a table in Markdown that compares each program with the first."""
    result = Table(box=box.MARKDOWN)
    for number, column in enumerate((title, "CPU s", "wall s", "memory MB", "CPU, times", "wall, times")):
        result.add_column(column, justify="right" if number else "left")
    first = programs[0]
    for one in programs:
        times = [
            f"{statistics.median(a / b for a, b in zip(theirs, base, strict=False)):.2f}"
            for theirs, base in ((one.cpu, first.cpu), (one.wall, first.wall))
        ]
        seconds = [f"{statistics.median(values):.2f}" for values in (one.cpu, one.wall)]
        result.add_row(one.name, *seconds, f"{one.megabytes:.0f}", *times)
    return result


def estate_of(networks: int) -> str:
    """Return an estate with this number of networks, each with three connections."""
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
        f"  n{n}: {{account_id: '111111111111', region: us-east-1, vpc_id: vpc-{n:017x}, "
        f"cidrs: [10.{n // 256}.{n % 256}.0/24], "
        f"route_tables: {{a: rtb-{n:017x}}}, subnets: {{a: subnet-{n:017x}, b: subnet-{n + 100_000:017x}}}}}"
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


@contextlib.contextmanager
def typescript() -> Generator[list[str]]:
    """Yield the command of a CDKTF program in JavaScript that creates the resources of the complete example.

    It matches the TypeScript compiler's output, with one import for each resource and no validation. The provider's
    package for Node is the one inside the Python bindings.
    """
    (provider,) = (request["tarball"] for request in node.loads(slim=False) if "provider-aws" in request["name"])
    with tempfile.TemporaryDirectory() as folder:
        packages = Path(folder, "node_modules")
        (packages / "@cdktf").mkdir(parents=True)
        for name in ("cdktf", "constructs"):
            (packages / name).symlink_to(ROOT / "node_modules" / name)
        with tarfile.open(provider) as archive:
            archive.extractall(packages / "@cdktf", filter="data")
        (packages / "@cdktf/package").rename(packages / "@cdktf/provider-aws")
        out = Path(folder, "out")
        env = os.environ | COMPLETE | {"CDKTF_OUTDIR": str(out)}
        subprocess.run([sys.executable, MAIN], env=env, check=True)
        (program := Path(folder, "main.js")).write_text("\n".join(_program(out)))
        yield [str(node.bundled_node()), "--preserve-symlinks", "--preserve-symlinks-main", str(program)]


def _program(out: Path) -> Iterator[str]:
    yield "const { App, TerraformStack } = require('cdktf'); const app = new App(); let stack, one;"
    yield "const of = (folder, type) => Object.values(require(`@cdktf/provider-aws/lib/${folder}`))"
    yield "  .find((each) => each.tfResourceType === type);"
    yield "const { AwsProvider } = require('@cdktf/provider-aws/lib/provider');"
    for file in sorted(out.glob("stacks/*/cdk.tf.json")):
        tree = json.loads(file.read_text())
        yield f"stack = new TerraformStack(app, '{file.parent.name}'); new AwsProvider(stack, 'aws', {{}});"
        for section, prefix in (("data", "data-"), ("resource", "")):
            for type_, resources in tree.get(section, {}).items():
                if not type_.startswith("aws_"):
                    continue
                folder = prefix + (type_ if prefix else type_.removeprefix("aws_")).replace("_", "-")
                for name, arguments in resources.items():
                    yield f"one = new (of('{folder}', '{type_}'))(stack, '{prefix}{name}', {{}});"
                    values = {key: value for key, value in arguments.items() if key != "//"}
                    yield f"for (const [k, v] of Object.entries({json.dumps(values)})) one.addOverride(k, v);"
    yield "app.synth();"


def main(rounds: int = 7) -> None:
    console, out = Console(stderr=True), Console(width=120)
    python, terrain = sys.executable, ROOT / ".work/cdktn/bin/python"
    bare = Program("plain App().synth(), one empty stack", [python, "-P", "-c", BARE])
    with typescript() as command, tempfile.TemporaryDirectory() as folder:
        eagerly = {**COMPLETE, "ASTRO_EAGER_PROVIDER": "1"}
        programs = [
            bare,
            Program("ours", [python, MAIN], COMPLETE),
            Program("check of the same estate", [python, MAIN, "check"], COMPLETE, codes=(0, 4)),
            Program("CDKTF in TypeScript, compiled", command),
            Program("CDKTF in Python: ASTRO_EAGER_PROVIDER=1", [python, MAIN], eagerly, 1),
        ]
        if terrain.exists():
            programs.insert(3, Program("ours, on CDK Terrain", [str(terrain), MAIN], COMPLETE))
        measure(programs, rounds, console)
        out.print(table("synth of examples/complete.yaml", programs))

        cache = Path(folder, "cache")
        first = Program("first run, with an empty cache", [python, MAIN], {**COMPLETE, _CACHE: str(cache)})
        second = Program("second run", [python, MAIN], {**COMPLETE, _CACHE: str(cache)})
        for number in range(4):
            for program in (first, second):
                console.print(f"[dim]{program.name}, {number + 1} of 4[/dim]")
                program.run(memory=number == 3)
            shutil.rmtree(cache)
        out.print()
        out.print(table("a new container or CI job", [second, first]))

        growth = [Program("complete", [python, MAIN], COMPLETE)]
        for networks in (1, 10, 50, 250):
            file = Path(folder, f"{networks}.yaml")
            file.write_text(estate_of(networks))
            growth.append(Program(f"{networks} networks", [python, MAIN], {"ASTRO_ESTATE": str(file)}, 3))
        measure(growth, 3, console)
        out.print()
        out.print(table("networks, three connections each", growth[1:]))
    out.print()
    out.print(live(console))


def live(console: Console) -> Table:
    """Return a table of the calls and seconds of `status` and `reach` on a local AWS, also for many networks.

    The fastest of four runs counts. The first one also loads the code of the local AWS.
    """
    result = Table(box=box.MARKDOWN)
    columns = ("on the local AWS", "connections", "calls", "calls for each", "CPU s", "wall s", "wall ms for each")
    for number, column in enumerate(columns):
        result.add_column(column, justify="right" if number else "left")
    with tempfile.TemporaryDirectory() as folder, LocalAws(calls=Path(folder, "calls")) as aws:
        complete, log = ROOT / "examples/complete.yaml", Path(folder, "calls")
        runs: list[tuple[str, Path, list[str], str | None]] = [
            ("status of examples/complete.yaml", complete, ["status"], None),
            ("reach in it", complete, ["reach", "prod", "10.20.0.10", "5432", "--via", "lake-prod"], None),
        ]
        aws.make(facts_of(load(complete)))
        for networks in (1, 10, 50):
            (file := Path(folder, f"{networks}.yaml")).write_text(estate_of(networks))
            aws.make(facts_of(load(file)))
            runs.append((f"status of {networks} networks", file, ["status"], "111111111111"))
        for name, file, arguments, account in runs:
            console.print(f"[dim]{name}[/dim]")
            environment = {**aws.environment(account), "ASTRO_ESTATE": str(file)}
            program = Program(name, [sys.executable, MAIN, *arguments], environment, codes=(0, 3, 4))
            for _ in range(4):
                log.write_text("")
                program.run()
            calls, entries = len(log.read_text().splitlines()), len(load(file).connections)
            cpu, wall = min(program.cpu), min(program.wall)
            row = (f"{calls / entries:.2f}", f"{cpu:.2f}", f"{wall:.2f}", f"{1000 * wall / entries:.0f}")
            result.add_row(name, str(entries), str(calls), *row)
    return result


_CACHE = "JSII_RUNTIME_PACKAGE_CACHE_ROOT"

if __name__ == "__main__":
    if sys.argv[1:] == ["live"]:
        Console(width=120).print(live(Console(stderr=True)))
    else:
        main(*map(int, sys.argv[1:]))
