import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cdktf import TerraformStack, Testing
from cdktf_cdktf_provider_aws.provider import AwsProvider

from stacks.base import ReadableStack
from tests.support.synth import Synth, without_metadata

# Terraform and its providers would spend a third of their time on freeing memory, of which there is enough.
os.environ.setdefault("GOGC", "400")

MARKERS = {"plan": ["terraform"], "deploy": ["terraform", "local_aws"], "local_aws": ["local_aws"]}
"""What the tests of a folder need. A test in another folder that needs it too is marked itself."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="accept the Terraform addresses as they are now")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        for marker in MARKERS.get(folder, ()):
            item.add_marker(marker)
        if "aws" in getattr(item, "fixturenames", ()):
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
            "AWS of these tests is moto, and what it lacks is filled by local_aws/patches, our model of AWS."
        )


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
