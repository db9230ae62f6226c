import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from cdktf import TerraformStack, Testing
from cdktf_cdktf_provider_aws.provider import AwsProvider

from modules.cluster import Cluster
from modules.context import ConnectionContext, Network
from stacks.base import ReadableStack

# Terraform and its providers would spend a third of their time on freeing memory, of which there is enough.
os.environ.setdefault("GOGC", "400")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="accept the Terraform addresses as they are now")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "aws" in getattr(item, "fixturenames", ()) or item.path.name.startswith("test_local_aws"):
            item.add_marker("local_aws")
    # What takes longest first: of several processes none is left with it at the end.
    items.sort(key=lambda item: not {"terraform", "local_aws"} & item.keywords.keys())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What nobody may conclude from a green run, shown with the results of every run that deploys."""
    reports = [report for state in ("passed", "failed") for report in terminalreporter.stats.get(state, [])]
    if any("local_aws" in report.keywords for report in reports):
        terminalreporter.section("not shown by the local AWS")
        terminalreporter.write_line(
            "Packets, DNS answers, IAM's decisions, eventual consistency, quotas, costs, HCP Terraform's runs: the\n"
            "AWS of these tests is moto, and what it lacks is filled by tests/local_aws/patches, our model of AWS."
        )


Synth = Callable[[Callable[[TerraformStack], Any]], dict[str, Any]]


@pytest.fixture(scope="session")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Synth:
    """Synthesizes what a function places in a stack, by the cdktf Testing API, and gives the parsed JSON.

    The metadata that cdktf writes beside each resource is left out, so that a test can compare whole values.
    """

    # Each app makes a folder, and leaves it: here nothing is written into it.
    folder = str(tmp_path_factory.mktemp("synth"))

    def run(place: Callable[[TerraformStack], Any]) -> dict[str, Any]:
        stack = ReadableStack(Testing.app(outdir=folder), "stack")
        AwsProvider(stack, "aws_provider")
        place(stack)
        return without_metadata(json.loads(Testing.synth(stack, True)))

    return run


def without_metadata(value: Any) -> Any:
    """Parsed Terraform JSON without the comments that cdktf adds for its own CLI."""
    if isinstance(value, dict):
        return {key: without_metadata(item) for key, item in value.items() if key != "//"}
    return [without_metadata(item) for item in value] if isinstance(value, list) else value


LAKE = Network(
    account_id="111111111111",
    region="us-east-1",
    vpc_id="vpc-0123456789abcdef0",
    cidrs=("10.20.0.0/16",),
    route_tables={"private-a": "rtb-0aaaaaaaaaaaaaaaa", "private-b": "rtb-0bbbbbbbbbbbbbbbb"},
    subnets={"private-a": "subnet-0aaaaaaaaaaaaaaaa", "private-b": "subnet-0bbbbbbbbbbbbbbbb"},
)
PROD = Cluster(product="hosted-dedicated", region="us-east-1", account_id="333333333333")


def sides(network: Network = LAKE, secrets: dict[str, Any] | None = None, **clusters: Cluster) -> ConnectionContext:
    """The two sides of a connection named "conn": your network and Astro's clusters, `prod` where none is given."""
    return ConnectionContext(
        name="acme-conn",
        network=network,
        clusters={name: cluster.side() for name, cluster in (clusters or {"prod": PROD}).items()},
        secrets=secrets or {},
    )
