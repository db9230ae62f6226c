"""Bad answers of AWS, in one table over the commands that read it.

Each command prints one sentence and exits with the right code.
"""

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
from botocore.config import Config

from estate.errors import ExitCode, UserError
from estate.load import load
from estate.model import Estate
from estate.plan import stacks_of
from local_aws import LocalAws
from operations import aws as aws_module
from operations.adopt.search import adopt
from operations.aws import Aws
from operations.handoff.read import Deployed
from operations.init.run import own_account, read
from operations.preflight.report import preflight
from operations.reach.report import reach
from operations.status.report import Status, status
from operations.status.write import as_junit, as_text, as_values
from tests.support import ROOT
from tests.support.commands import run
from tests.support.synth import synth_all
from tests.support.terraform import cli_environment
from tests.support.world import facts_of

LAKE, REGION = "111111111111", "us-east-1"
OFF = "me-south-1"
LITERAL = "HOST is an address"
EXAMPLE = ROOT / "examples/vpc_peering.yaml"


@dataclass(frozen=True)
class World:
    """The local AWS with the world of the example, and the synthesized stacks."""

    aws: LocalAws
    estate: Estate
    trees: dict[str, Any]
    silent: str
    """An endpoint that never answers."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    estate = load(EXAMPLE)
    trees = synth_all(estate, tmp_path_factory.mktemp("synth"))
    with LocalAws() as aws, socket.create_server(("127.0.0.1", 0), backlog=1000) as server:
        aws.make(facts_of(estate))
        ec2 = aws.client("ec2", LAKE)
        subnet = ec2.create_subnet(VpcId="vpc-0123456789abcdef0", CidrBlock="10.20.0.0/24")["Subnet"]["SubnetId"]
        ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress="10.20.0.10", Groups=["sg-0123456789abcdef0"])
        yield World(aws, estate, trees, f"http://127.0.0.1:{server.getsockname()[1]}")


TARGET = ("prod", "10.20.0.10", 5432)


def in_reach(world: World) -> Status:
    nothing = {plan.name: Deployed("deployed") for plan in stacks_of(world.estate)}
    return reach(world.estate, nothing, datetime.now(UTC), *TARGET)


def in_status(world: World) -> Status:
    facts = {"lake-peering": {}}
    deployed = {plan.name: Deployed("deployed", facts=facts) for plan in stacks_of(world.estate)}
    return status(world.estate, deployed, datetime.now(UTC))


def in_preflight(world: World) -> Status:
    return preflight(world.estate, world.trees, datetime.now(UTC), {"PATH": ""}, list(world.trees))


CHECKLISTS: dict[str, Callable[[World], Status]] = {"status": in_status, "reach": in_reach, "preflight": in_preflight}


def in_init(_: World) -> None:
    read([own_account(REGION)], [REGION], None, ())


def in_adopt(world: World) -> None:
    adopt(world.trees)


ALL_OR_NOTHING: dict[str, Callable[[World], None]] = {"init": in_init, "adopt": in_adopt}
"""Commands that print one message and nothing else if AWS cannot be read."""


def no_credentials(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("AWS_PROFILE")
    del world


def wrong_account(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in world.aws.environment("666666666666").items():
        monkeypatch.setenv(key, value)


def answers(code: str) -> Callable[[World, pytest.MonkeyPatch], None]:
    return lambda world, _: world.aws.go_wrong({"error": code})


def dead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    del world
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")


def slow(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that accepts connections and never answers, with shorter limits than those of the commands."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", world.silent)
    quick = Config(connect_timeout=1, read_timeout=0.2, retries={"mode": "standard", "total_max_attempts": 1})
    monkeypatch.setattr(aws_module, "CLIENT_CONFIG", quick)


SITUATIONS: dict[str, tuple[Callable[[World, pytest.MonkeyPatch], None], str]] = {
    "no credentials": (no_credentials, "Unable to locate credentials. Sign in"),
    "wrong account": (wrong_account, "your credentials are for account 666666666666"),
    "expired": (answers("ExpiredToken"), "ExpiredToken"),
    "throttled": (answers("Throttling"), "AWS limits the rate of calls; run the command again in a minute"),
    "broken": (answers("InternalError"), "InternalError"),
    "dead endpoint": (dead, "Could not connect to the endpoint URL"),
    "slow endpoint": (slow, "Read timeout on endpoint URL"),
}


@pytest.fixture(autouse=True)
def _signed_in(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for key, value in world.aws.environment(LAKE).items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr("time.sleep", lambda _: None)  # botocore waits between its attempts
    yield
    world.aws.go_wrong({})


def shown(found: Status) -> None:
    """Write a checklist in each form."""
    json.dumps(as_values("status", found))
    assert as_junit("status", found)
    assert all(text.isprintable() for line in as_text(found.rows, datetime.now(UTC)) for text, _ in line)


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("command", CHECKLISTS)
def test_an_account_that_cannot_be_read_is_unknown(
    command: str, situation: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = CHECKLISTS[command](world)
    assert well.code is not ExitCode.FAILED
    begin, sentence = SITUATIONS[situation]
    begin(world, monkeypatch)
    found = CHECKLISTS[command](world)
    assert found.code is ExitCode.FAILED
    assert {row.entry for row in found.rows} == {row.entry for row in well.rows}
    of_aws = [row.outcome for row in found.rows if row.entry != "machine" and row.outcome.evidence != LITERAL]
    assert not [one for one in of_aws if one.state in ("done", "ok")]
    assert any(sentence in f"{one.evidence}. {one.fix}" for one in of_aws)
    shown(found)


@pytest.mark.parametrize(
    ("command", "situation"),
    # `init` reads the account of the credentials.
    [(one, other) for one in ALL_OR_NOTHING for other in SITUATIONS if (one, other) != ("init", "wrong account")],
)
def test_a_command_without_a_checklist_prints_one_sentence(
    command: str, situation: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, sentence = SITUATIONS[situation]
    begin(world, monkeypatch)
    with pytest.raises(UserError) as raised:
        ALL_OR_NOTHING[command](world)
    assert raised.value.code is ExitCode.FAILED
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


EMPTY: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "nothing": lambda _: {},
    "items without fields": lambda answer: {
        key: [{} for _ in one] if isinstance(one, list) else {} if isinstance(one, dict) else one
        for key, one in answer.items()
    },
    "nulls": lambda answer: dict.fromkeys(answer),
}


@pytest.mark.parametrize("form", EMPTY)
@pytest.mark.parametrize("command", [*CHECKLISTS, *ALL_OR_NOTHING])
def test_an_answer_without_a_field_is_no_traceback(
    command: str, form: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Aws._read  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(Aws, "_read", lambda *call: EMPTY[form](original(*call)))
    if command in CHECKLISTS:
        found = CHECKLISTS[command](world)
        rows = [row for row in found.rows if row.entry not in ("machine", "state")]
        assert rows
        shown(found)
        return
    with pytest.raises(UserError) if (command, form) in REFUSED else nullcontext() as raised:
        ALL_OR_NOTHING[command](world)
    if raised:
        assert re.search(r"the answer of AWS has (no|an unexpected form) ", str(raised.value))
        assert (raised.value.code, "\n" in str(raised.value)) == (ExitCode.FAILED, False)


REFUSED = {("init", "items without fields"), ("init", "nulls")}


def test_nothing_is_ok_in_a_region_that_is_off(world: World, tmp_path: Path) -> None:
    (tmp_path / "astro.yaml").write_text(EXAMPLE.read_text().replace("us-east-1", OFF))
    estate = load(tmp_path / "astro.yaml")
    trees = synth_all(estate, tmp_path / "synth")
    world.aws.go_wrong({"error": "AuthFailure", "region": OFF})
    found = preflight(estate, trees, datetime.now(UTC), {"PATH": ""}, list(trees))
    there = [row for row in found.rows if row.entry.startswith(("networks.", "connections."))]
    assert there
    assert {row.outcome.state for row in there} == {"unknown"}
    assert {row.outcome.evidence for row in there} == {f"account {LAKE} has not enabled {OFF}"}
    (region,) = (row.outcome for row in found.rows if row.id == "region")
    assert (region.state, region.evidence) == ("blocked", f"{OFF} is DISABLED")
    assert found.code is ExitCode.CHECK_FAILED
    live = status(estate, {plan.name: Deployed("deployed") for plan in stacks_of(estate)}, datetime.now(UTC))
    assert {row.outcome.state for row in live.rows} == {"unknown"}
    hops = reach(estate, {plan.name: Deployed("deployed") for plan in stacks_of(estate)}, datetime.now(UTC), *TARGET)
    assert {row.outcome.state for row in hops.rows if row.entry.startswith("connections.")} == {"unknown"}
    (empty,) = read([LAKE], [OFF], None, ())
    assert empty.networks == []


@pytest.mark.parametrize("command", CHECKLISTS)
def test_a_denied_call_leaves_the_other_steps(command: str, world: World) -> None:
    well = CHECKLISTS[command](world)
    world.aws.go_wrong({"denied": ["ec2:DescribeRouteTables"]})
    found = CHECKLISTS[command](world)
    denied = [row.outcome for row in found.rows if "denies ec2:DescribeRouteTables" in row.outcome.evidence]
    assert denied
    assert {one.state for one in denied} == {"unknown"}
    assert found.code is not ExitCode.FAILED
    known = [row for row in found.rows if row.outcome.state != "unknown"]
    assert known
    assert set(known) <= set(well.rows)


READS_AN_ESTATE = {
    "adopt": ["adopt"],
    "drift": ["drift"],
    "handoff": ["handoff"],
    "plan": ["plan"],
    "policy diff": ["policy", "diff"],
    "preflight": ["preflight"],
    "reach": ["reach", "prod", "10.20.0.10", "5432"],
    "state create": ["state", "create"],
    "status": ["status"],
}
"""The commands that read an estate and then AWS or the state."""


@pytest.mark.parametrize("command", READS_AN_ESTATE)
def test_a_mistake_in_the_estate_is_found_before_aws_is_read(command: str, world: World, tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(EXAMPLE.read_text().replace("name: acme", "name: Acme"))
    (name,) = (line for line, text in enumerate(file.read_text().splitlines(), 1) if text == "name: Acme")
    code, said, err = run(*READS_AN_ESTATE[command], "--file", str(file), AWS_ENDPOINT_URL=world.silent)
    assert (code, said) == (ExitCode.BAD_INPUT, "")
    assert err.startswith(f"{file}:{name}:7: name: 'Acme' is not a name; ")
    assert [one.name for one in tmp_path.iterdir()] == ["astro.yaml"]


def test_the_rows_cover_all_commands_that_read_aws() -> None:
    one_line = {"init", "adopt", "drift", "state create", "policy diff", "handoff", "plan"}
    assert {*READS_AN_ESTATE, "init"} == {*CHECKLISTS, *one_line}
    asking = {file.stem for file in (ROOT / "commands").glob("*.py") if READ.search(file.read_text())}
    assert asking - {"report"} == {command.split()[0] for command in (*READS_AN_ESTATE, "init")}


READ = re.compile(
    r"operations\.(adopt\.search|drift|handoff|init|preflight|reach|state|status)\b|planning\.plan|in_account"
)
"""The imports of operations that call AWS, or Terraform in its place."""


def test_a_denied_call_is_named_without_a_checklist(world: World) -> None:
    world.aws.go_wrong({"denied": ["ec2:DescribeRouteTables"]})
    with pytest.raises(UserError, match="ec2:DescribeRouteTables") as raised:
        in_adopt(world)
    assert raised.value.code is ExitCode.FAILED
    # `init` writes the file without the missing values, and names the action in a comment.
    (found,) = read([LAKE], [REGION], None, ())
    assert found.denied == ["ec2:DescribeRouteTables"]


def test_an_address_outside_every_range_is_a_sentence(world: World) -> None:
    nothing = {plan.name: Deployed("deployed") for plan in stacks_of(world.estate)}
    found = reach(world.estate, nothing, datetime.now(UTC), "prod", "10.99.0.1", 5432)
    (row,) = (row for row in found.rows if row.id == "way")
    assert row.outcome.evidence.startswith("no connection of prod leads to a network with 10.99.0.1; available: ")
    assert (row.outcome.state, found.code) == ("failed", ExitCode.CHECK_FAILED)


def test_a_host_that_does_not_resolve_is_a_sentence(world: World) -> None:
    nothing = {plan.name: Deployed("deployed") for plan in stacks_of(world.estate)}
    found = reach(world.estate, nothing, datetime.now(UTC), "prod", "db.nowhere.invalid", 5432)
    assert found.code in (ExitCode.CHECK_FAILED, ExitCode.WARNINGS_ONLY)
    assert any("db.nowhere.invalid" in row.outcome.evidence for row in found.rows)
    shown(found)


UNREADABLE = {one: SITUATIONS[one] for one in ("no credentials", "wrong account", "expired")} | {
    "no bucket": (lambda *_: None, 'failed (exit code 1): Error: Failed to get existing workspaces: S3 bucket "acme-')
}


@pytest.mark.parametrize("situation", UNREADABLE)
def test_drift_without_an_account_is_unknown(
    situation: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, sentence = UNREADABLE[situation]
    begin(world, monkeypatch)
    signed_in = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
    environ, out = cli_environment(tmp_path / "home", signed_in), tmp_path / "out"
    code, said, err = run("drift", "--file", str(EXAMPLE), "--out", str(out), "--output", "json", **environ)
    (row,) = (row for row in json.loads(said)["steps"] if row["entry"] == "stacks.network-lake")
    assert (code, err, row["state"]) == (ExitCode.FAILED, "", "unknown")
    assert sentence in row["evidence"]
    assert gettempdir() not in row["evidence"]
    assert not out.exists()


def test_drift_without_terraform_is_one_sentence(tmp_path: Path) -> None:
    code, said, err = run("drift", "--file", str(EXAMPLE), "--out", str(tmp_path / "out"), PATH="")
    assert (code, said, err.count("\n")) == (ExitCode.FAILED, "", 1)
    assert "`terraform` is not on the PATH. Install Terraform 1.10 or newer" in err
    assert list(tmp_path.iterdir()) == []
