"""What a check of the live handshake is, and what it may look at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from estate.model import Estate
from modules.entry import fact
from operations.aws import Accounts
from operations.handoff.status import Entry, Report

State = Literal["done", "waiting", "failed", "unknown"]
"""`waiting`: somebody has yet to act. `failed`: AWS reports that the step went wrong or was undone. `unknown`: nobody
let us look, or AWS does not show it to your account; never a form of `done`."""
Who = Literal["you", "Astronomer", "your network team", "AWS"]


@dataclass(frozen=True)
class Outcome:
    """What a check found. `evidence` is what AWS answered, and `fix` the command or sentence that moves it on."""

    state: State
    evidence: str
    fix: str = ""
    who: Who | None = None
    since: datetime | None = None
    until: datetime | None = None


def done(evidence: str, since: datetime | None = None) -> Outcome:
    """Return that a step is done."""
    return Outcome("done", evidence, since=since)


def waiting(who: Who, evidence: str, fix: str, since: datetime | None = None, until: datetime | None = None) -> Outcome:
    """Return that a step waits for somebody."""
    return Outcome("waiting", evidence, fix, who, since, until)


def failed(evidence: str, fix: str, who: Who = "you", since: datetime | None = None) -> Outcome:
    """Return that a step failed or was undone."""
    return Outcome("failed", evidence, fix, who, since)


def unknown(evidence: str, fix: str, who: Who = "you") -> Outcome:
    """Return that AWS does not show a step."""
    return Outcome("unknown", evidence, fix, who)


@dataclass(frozen=True)
class Check:
    """One step of an entry. `id` is stable: JSON and tests use it."""

    id: str
    title: str
    look: Callable[[], Outcome]
    after: str = ""
    """The step without which this one cannot be done: while that one is not, a failure here is only waiting."""


class NotDeployedError(Exception):
    """The outputs do not have the ID of what would be looked at."""


@dataclass(frozen=True)
class View:
    """What the checks of one entry look at: the file, the outputs of its deploy, and its account."""

    found: Report
    entry: Entry
    account_id: str
    region: str
    accounts: Accounts
    now: datetime

    @property
    def estate(self) -> Estate:
        """The file."""
        return self.found.estate

    @property
    def name(self) -> str:
        """The entry's name."""
        return self.entry.path.partition(".")[2]

    @property
    def facts(self) -> Mapping[str, Any]:
        """The outputs of the entry; empty unless it is deployed."""
        return self.entry.facts or {}

    @property
    def deploy(self) -> str:
        """The command that deploys the entry."""
        return f"`cdktf deploy {self.entry.stack}`"

    def fact(self, *path: str) -> Any:
        """An output of the deploy. Raises NotDeployedError without it."""
        if (value := fact(self.facts, *path)) in (None, ""):
            raise NotDeployedError
        return value

    def read(self, call: str, region: str = "", **parameters: Any) -> dict[str, Any]:
        """The answer of the entry's account, as `Aws.read` gives it."""
        return self.accounts.of(self.account_id, self.region).read(call, region, **parameters)

    def gone(self, evidence: str) -> Outcome:
        """The outcome for something that a deploy creates and AWS does not have."""
        if self.entry.deployed is False:
            return waiting("you", evidence, f"deploy it: {self.deploy}")
        return failed(evidence, f"{self.deploy} creates it again; find out who deleted it")
