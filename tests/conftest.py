import os
import re
from pathlib import Path

import pytest
from cdktf import TerraformStack, Testing
from cdktf_cdktf_provider_aws.provider import AwsProvider
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from stacks.base import ReadableStack
from tests.support.synth import NewStack

# Otherwise Terraform and its providers spend a third of their time on garbage collection.
os.environ.setdefault("GOGC", "400")

MARKERS = {"plan": ["terraform"], "deploy": ["terraform", "local_aws"], "local_aws": ["local_aws"]}
"""The requirements of the tests in each folder. Tests in other folders have their own markers."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="accept the Terraform addresses as they are now")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        for marker in MARKERS.get(folder, ()):
            item.add_marker(marker)
        if "aws" in getattr(item, "fixturenames", ()):
            item.add_marker("local_aws")
    # The slowest tests run first, so that no process starts one at the end.
    items.sort(
        key=lambda item: (
            item.path.name not in _LONGEST,
            "the_life_of_an_entry" not in item.name,
            not {"terraform", "local_aws"} & item.keywords.keys(),
        )
    )


_LONGEST = ("test_end_to_end.py", "test_secrets.py")


class _ByFile(LoadFileScheduling):
    """Gives a process whole files, because their tests share deploys, except slow tests that share nothing."""

    _ALONE = re.compile(r"::test_(the_life_of_an_entry|an_example_plans_the_same_from_json_hcl_and_modules)\[")

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if self._ALONE.search(nodeid) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    return _ByFile(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the limits of the local AWS after every run that deploys."""
    reports = [report for state in ("passed", "failed") for report in terminalreporter.stats.get(state, [])]
    if any("local_aws" in report.keywords for report in reports):
        terminalreporter.section("not shown by the local AWS")
        terminalreporter.write_line(
            "Packets, DNS answers, IAM's decisions, eventual consistency, quotas, costs, HCP Terraform's runs: the\n"
            "AWS of these tests is moto with local_aws/patches, our model of AWS."
        )


@pytest.fixture(scope="session")
def new_stack(tmp_path_factory: pytest.TempPathFactory) -> NewStack:
    """Return a function that returns an empty stack, in an app of cdktf's Testing API.

    Place constructs in the stack, synthesize it with `Testing.synth(stack)`, and match the text with cdktf's matchers,
    or compare whole values of `parsed(text)`.
    """
    # Each app requires an output folder, but these apps write nothing.
    folder = str(tmp_path_factory.mktemp("synth"))

    def new() -> TerraformStack:
        stack = ReadableStack(Testing.app(outdir=folder), "stack")
        AwsProvider(stack, "aws_provider")
        return stack

    return new
