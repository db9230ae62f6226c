"""Injected faults: AWS stops answering in the middle of a deploy, or refuses some calls."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict

_READS = ("AssumeRole", "Describe", "Get", "Head", "List", "Lookup", "Search")
# Terraform's state and lock do not count as deployed resources.
_OF_TERRAFORM = ("DeleteObject", "PutObject")


class Fault(NamedTuple):
    """An error in the form of an AWS response."""

    status: str
    code: str
    message: str


_SLOW_DOWN = Fault("503 Slow Down", "SlowDown", "Please reduce your request rate.")
_REQUEST_LIMIT = Fault("503 Service Unavailable", "RequestLimitExceeded", "Request limit exceeded.")
_THROTTLING = Fault("400 Bad Request", "Throttling", "Rate exceeded")
_INTERNAL = Fault("500 Internal Server Error", "InternalError", "An internal error has occurred")
_UNAVAILABLE = Fault("503 Service Unavailable", "ServiceUnavailable", "The service is unavailable. Please try again.")
_DENIED = Fault("403 Forbidden", "AccessDenied", "User is not authorized to perform this operation.")
_UNAUTHORIZED = Fault("403 Forbidden", "UnauthorizedOperation", "You are not authorized to perform this operation.")
_FAULTS = {"s3": (_SLOW_DOWN, _INTERNAL), "ec2": (_REQUEST_LIMIT, _INTERNAL, _UNAVAILABLE)}
_DEFAULT_FAULTS = (_THROTTLING, _INTERNAL, _UNAVAILABLE)


class Switch(TypedDict, total=False):
    """The faults to inject; all are off by default. A new switch releases the waiting calls."""

    stand_still_after: int
    """The number of changes to execute. The last one is executed but not answered, and later ones wait. Reads
    continue."""
    rate: float
    """The share of calls that fail instead of being executed, from 0 to 1."""
    denied: list[str]
    """Calls to refuse, each as `service:Action`, as if no policy allowed them."""
    allowed: dict[str, list[str]]
    """By account, the only calls to execute, each as `region/service:Action` or, in every region, `*/service:Action`.
    Default: all calls. Resources are not evaluated."""
    error: str
    """The error code of every answer, such as ExpiredToken."""
    region: str
    """The only region of `error`. Default: all."""
    seed: int
    """The seed of the random generator for `rate`."""
    drop: bool
    """Drop the waiting calls, because their callers are dead."""


class Report(TypedDict):
    """Counts since the last switch."""

    calls: int
    changes: int
    faults: dict[str, int]
    """The number of answers by error code."""
    changed: list[str]
    """The account, region and service of each change, sorted. The region is that of the call's signature."""


@dataclass
class Faults:
    """Injects faults before and after each call. It is thread-safe."""

    _condition: threading.Condition = field(default_factory=threading.Condition)
    _switch: Switch = field(default_factory=Switch)
    _dice: random.Random = field(default_factory=random.Random)
    _calls: int = 0
    _begun: int = 0
    _done: int = 0
    _codes: Counter[str] = field(default_factory=Counter)
    _changed: set[str] = field(default_factory=set[str])

    def switch(self, switch: Switch) -> None:
        with self._condition:
            self._switch, self._dice = switch, random.Random(switch.get("seed"))  # noqa: S311
            self._calls = self._begun = self._done = 0
            self._codes, self._changed = Counter(), set()
            self._condition.notify_all()

    def report(self) -> Report:
        with self._condition:
            changed = sorted(self._changed)
            return Report(calls=self._calls, changes=self._done, faults=dict(self._codes), changed=changed)

    def before(self, service: str, action: str, account: str, region: str) -> Fault | None:
        """Return the error to answer with, or None. Waits while changes are stopped."""
        with self._condition:
            self._calls += 1
            if self._denies(f"{service}:{action}", account, region):
                return _UNAUTHORIZED if service == "ec2" else _DENIED
            if (code := self._switch.get("error")) and self._switch.get("region", region) == region:
                return Fault("400 Bad Request", code, f"The request failed with {code}.")
            if self._dice.random() < self._switch.get("rate", 0):
                fault = self._dice.choice(_FAULTS.get(service, _DEFAULT_FAULTS))
                self._codes[fault.code] += 1
                return fault
            if _changes(action):
                last = self._switch.get("stand_still_after")
                if last is not None and self._begun >= last:
                    self._wait()
                    if self._switch.get("drop"):
                        return _UNAVAILABLE
                self._begun += 1
                self._changed.add(f"{account} {region} {service}")
        return None

    def _denies(self, call: str, account: str, region: str) -> bool:
        if call in self._switch.get("denied", ()):
            return True
        return "allowed" in self._switch and not {f"*/{call}", f"{region}/{call}"} & set(
            self._switch["allowed"].get(account, ())
        )

    def after(self, action: str) -> None:
        """Wait if this was the last change allowed."""
        with self._condition:
            if _changes(action):
                self._done += 1
                if self._done == self._switch.get("stand_still_after"):
                    self._wait()

    def _wait(self) -> None:
        switch = self._switch
        self._condition.wait_for(lambda: self._switch is not switch)


def _changes(action: str) -> bool:
    return not action.startswith(_READS) and action not in _OF_TERRAFORM
