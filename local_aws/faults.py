"""What goes wrong on purpose: an AWS that stands still in the middle of a deployment, or refuses calls now and then."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict

_READS = ("AssumeRole", "Describe", "Get", "Head", "List", "Lookup", "Search")
# Terraform's state and its lock are no part of what it deploys.
_OF_TERRAFORM = ("DeleteObject", "PutObject")


class Fault(NamedTuple):
    """An error as AWS answers it."""

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
_OF_OTHERS = (_THROTTLING, _INTERNAL, _UNAVAILABLE)


class Switch(TypedDict, total=False):
    """Everything is off where nothing is given. With each switch, calls that wait for a stand-still to end go on."""

    stand_still_after: int
    """After so many changes: the last one is made and not answered, and no further one is begun. Reads go on."""
    rate: float
    """Of all calls, this part is refused instead of done, 0 to 1."""
    denied: list[str]
    """These calls are refused, each as `service:Action`, as if no policy allowed them."""
    seed: int
    """Of the dice for `rate`."""
    drop: bool
    """Calls that wait are not done: their callers are dead."""


class Report(TypedDict):
    """Since the last switch."""

    calls: int
    changes: int
    faults: dict[str, int]
    """How many calls were answered by which code."""


@dataclass
class Faults:
    """Told of each call before and after it is done, from many threads."""

    _condition: threading.Condition = field(default_factory=threading.Condition)
    _switch: Switch = field(default_factory=Switch)
    _dice: random.Random = field(default_factory=random.Random)
    _calls: int = 0
    _begun: int = 0
    _done: int = 0
    _codes: Counter[str] = field(default_factory=Counter)

    def switch(self, switch: Switch) -> None:
        with self._condition:
            self._switch, self._dice = switch, random.Random(switch.get("seed"))  # noqa: S311
            self._calls = self._begun = self._done = 0
            self._codes = Counter()
            self._condition.notify_all()

    def report(self) -> Report:
        with self._condition:
            return Report(calls=self._calls, changes=self._done, faults=dict(self._codes))

    def before(self, service: str, action: str) -> Fault | None:
        """What to answer in place of doing it. Waits while nothing may be changed."""
        with self._condition:
            self._calls += 1
            if f"{service}:{action}" in self._switch.get("denied", ()):
                return _UNAUTHORIZED if service == "ec2" else _DENIED
            if self._dice.random() < self._switch.get("rate", 0):
                fault = self._dice.choice(_FAULTS.get(service, _OF_OTHERS))
                self._codes[fault.code] += 1
                return fault
            if _changes(action):
                last = self._switch.get("stand_still_after")
                if last is not None and self._begun >= last:
                    self._wait()
                    if self._switch.get("drop"):
                        return _UNAVAILABLE
                self._begun += 1
        return None

    def after(self, action: str) -> None:
        """Waits where this was the last that may be done."""
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
