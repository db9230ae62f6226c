"""Checks of the live handshake, and the data that they can read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from botocore import exceptions

from estate.errors import UserError
from estate.model import Estate
from modules.entry import fact
from operations.aws import UNEXPECTED, Accounts, DeniedError, RegionOffError, remedy, unexpected
from operations.handoff.status import Entry, Report

State = Literal["done", "waiting", "failed", "ok", "blocked", "warning", "unknown"]
"""The state of a step, or of a precondition of a deploy, which is `ok`, `blocked`, `warning` or `unknown`.

`waiting`: someone has yet to act. `failed`: AWS reports that the step went wrong or was undone. `unknown`: access is
denied, or your account cannot see it; never a form of `done`.
"""
Who = Literal["you", "Astronomer", "your network team", "AWS"]


@dataclass(frozen=True)
class Outcome:
    """The result of a check. `evidence` is AWS's answer; `fix` is the command or request that resolves the step."""

    state: State
    evidence: str
    fix: str = ""
    who: Who | None = None
    since: datetime | None = None
    until: datetime | None = None


def done(evidence: str, since: datetime | None = None) -> Outcome:
    """Report that a step is done."""
    return Outcome("done", evidence, since=since)


def waiting(who: Who, evidence: str, fix: str, since: datetime | None = None, until: datetime | None = None) -> Outcome:
    """Report that a step waits for someone."""
    return Outcome("waiting", evidence, fix, who, since, until)


def failed(evidence: str, fix: str, who: Who = "you", since: datetime | None = None) -> Outcome:
    """Report that a step failed or was undone."""
    return Outcome("failed", evidence, fix, who, since)


def unknown(evidence: str, fix: str, who: Who = "you") -> Outcome:
    """Report that the account cannot see a step."""
    return Outcome("unknown", evidence, fix, who)


@dataclass(frozen=True)
class Check:
    """One step of an entry. `id` is stable: JSON and tests use it."""

    id: str
    title: str
    look: Callable[[], Outcome]
    after: str = ""
    """The step that must be done before this one. Until it is, a failure here counts as waiting."""


def attempt(check: Check, account_id: str, region: str) -> Outcome:
    """Return the outcome of a check. A failed read is unknown, with the reason. Raises NotDeployedError."""
    try:
        return check.look()
    except DeniedError as error:
        return unknown(str(error), f"allow {error.action} in account {account_id}; it is a read-only action")
    except RegionOffError as error:
        return unknown(str(error), f"enable {region} in account {account_id}")
    except UserError as error:
        return unknown(str(error), "")
    except (exceptions.ClientError, exceptions.BotoCoreError) as error:
        return unknown(" ".join(str(error).split()), remedy(error))
    except UNEXPECTED as error:
        return unknown(unexpected(error), remedy(error))


class NotDeployedError(Exception):
    """The outputs do not contain the ID to check."""


@dataclass(frozen=True)
class View:
    """The data for the checks of one entry: the file, the outputs of its deploy, and its account."""

    found: Report
    entry: Entry
    account_id: str
    region: str
    accounts: Accounts
    now: datetime

    @property
    def estate(self) -> Estate:
        """Return the estate."""
        return self.found.estate

    @property
    def name(self) -> str:
        """Return the entry's name."""
        return self.entry.path.partition(".")[2]

    @property
    def facts(self) -> Mapping[str, Any]:
        """Return the outputs of the entry; empty unless it is deployed."""
        return self.entry.facts or {}

    @property
    def deploy(self) -> str:
        """Return the command that deploys the entry."""
        return f"`cdktf deploy {self.entry.stack}`"

    def fact(self, *path: str) -> Any:
        """Return an output of the deploy. Raises NotDeployedError if it does not exist."""
        if (value := fact(self.facts, *path)) in (None, ""):
            raise NotDeployedError
        return value

    def read(self, call: str, region: str = "", **parameters: Any) -> dict[str, Any]:
        """Return an answer from the entry's account, as `Aws.read` does."""
        return self.accounts.of(self.account_id, self.region).read(call, region, **parameters)

    def gone(self, evidence: str) -> Outcome:
        """Return the outcome for a resource that a deploy creates and AWS does not have."""
        if self.entry.deployed is False:
            return waiting("you", evidence, f"deploy it: {self.deploy}")
        return failed(evidence, f"{self.deploy} creates it again; find out why it was deleted")
