"""Runs the checks of an estate concurrently, and collects the outcomes."""

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from estate.errors import ExitCode, UserError
from estate.model import Estate
from estate.plan import stacks_of
from modules.entry import Step
from operations.aws import Accounts
from operations.handoff.read import Deployed, harmless
from operations.handoff.status import Entry, pending
from operations.handoff.status import report as handoff_report
from operations.status.account import BY_SECTION
from operations.status.check import Check, NotDeployedError, Outcome, View, attempt, done, unknown, waiting
from operations.status.connections import checks_of

_THREADS = 16


@dataclass(frozen=True)
class Row:
    """One step of the handshake and its outcome."""

    entry: str
    type: str
    id: str
    title: str
    outcome: Outcome


@dataclass(frozen=True)
class Status:
    """All steps of an estate."""

    name: str
    rows: tuple[Row, ...]
    readable: bool
    """True if at least one account could be read."""

    @property
    def code(self) -> ExitCode:
        """The exit code: 3 if a step failed, 4 if steps are waiting or unknown, 0 if all are done, and 1 if no account
        could be read.
        """
        states = {row.outcome.state for row in self.rows}
        if not self.readable:
            return ExitCode.FAILED
        if states & {"failed", "blocked"}:
            return ExitCode.CHECK_FAILED
        return ExitCode.WARNINGS_ONLY if states - {"done", "ok"} else ExitCode.DONE


def status(estate: Estate, stacks: Mapping[str, Deployed], now: datetime, only: Collection[str] = ()) -> Status:
    """Return every step of the entries `only`, or of all. `stacks` are the outputs of the last deploy.

    Raises UserError if there is no such entry.
    """
    found = handoff_report(estate, stacks, {})
    entries = [one for one in found.entries if not only or _is_named(one.path, only)]
    if unknown_ := [name for name in only if not any(_is_named(one.path, [name]) for one in found.entries)]:
        there = ", ".join(dict.fromkeys(one.path for one in found.entries))
        raise UserError(f"{', '.join(unknown_)}: not in the file; available: {there}", ExitCode.BAD_INPUT)
    role = estate.deployer.role if estate.deployer else None
    with Accounts(role, "status") as accounts:
        views = [View(found, one, *where(estate, one), accounts, now) for one in entries]
        wanted = [(view, check) for view in views for check in _checks(view)]
        with ThreadPoolExecutor(_THREADS) as pool:
            outcomes = list(pool.map(lambda one: outcome_of(*one), wanted))
        rows: list[Row] = []
        for view in views:
            mine = {
                check.id: (check, outcome) for (of, check), outcome in zip(wanted, outcomes, strict=True) if of is view
            }
            rows += _rows(view, mine)
        return Status(estate.name, tuple(rows), accounts.readable)


def _is_named(path: str, names: Collection[str]) -> bool:
    return any(name in (path, path.partition(".")[2]) for name in names)


def where(estate: Estate, entry: Entry) -> tuple[str, str]:
    """Return the account and region of an entry; both are empty for an entry that Astronomer creates."""
    plan = next((plan for plan in stacks_of(estate) if plan.name == entry.stack), None)
    return (plan.account_id, plan.region) if plan else ("", "")


def _checks(view: View) -> Iterator[Check]:
    section, _, name = view.entry.path.partition(".")
    if section == "account" and view.estate.account:
        yield from BY_SECTION[name](view.estate.account, view)
    elif section == "connections" and view.entry.stack:
        yield from checks_of(view.estate.connections[name], view)


def outcome_of(view: View, check: Check) -> Outcome:
    """Return the outcome of a check. A failed read is unknown, with the reason."""
    try:
        return attempt(check, view.account_id, view.region)
    except NotDeployedError:
        return _not_deployed(view)


def _not_deployed(view: View) -> Outcome:
    stack = view.found.stacks[view.entry.stack or ""]
    if view.entry.deployed is None:
        return unknown(
            f"the outputs of {view.entry.stack} were not read: {stack.why}", "correct that, or pass --outputs FILE"
        )
    if view.entry.deployed:
        return unknown(f"the last deploy of {view.entry.stack} has no such output", f"repeat {view.deploy}")
    return waiting("you", "not deployed yet", f"deploy it: {view.deploy}")


def _rows(view: View, checks: Mapping[str, tuple[Check, Outcome]]) -> Iterator[Row]:
    """Return the rows of one entry: the checks, the file's pending inputs, and the steps that AWS does not show."""
    entry = view.entry
    for id_, (check, outcome) in checks.items():
        outcome = held_back(checks, check, outcome)
        if outcome.state == "waiting" and not outcome.fix:
            told = (_sentence(step) for step in entry.steps if step.actor == outcome.who and _decides(id_, step))
            outcome = replace(outcome, fix=next(told, check.title))
        yield as_row(entry.path, entry.type, id_, check.title, outcome)
    waits = pending(view.estate, view.name) if entry.path.startswith("connections.") else ()
    for one in waits:
        if one.field not in checks:
            who = one.giver if one.giver in ("Astronomer", "your network team") else "you"
            evidence = f"the file has no {one.field}"
            yield as_row(
                entry.path,
                entry.type,
                one.field,
                f"{one.field} is known",
                waiting(who, evidence, f"{one.giver}: {one.how}"),
            )
    for number, step in enumerate(entry.steps, 1):
        if not step.done and not any(_decides(id_, step) for id_ in checks):
            of = f" (cluster {step.cluster})" if step.cluster and step.cluster not in step.action else ""
            yield as_row(entry.path, entry.type, f"step:{number}", f"{step.action}{of}", _unseen(view, step))


def held_back(checks: Mapping[str, tuple[Check, Outcome]], check: Check, outcome: Outcome) -> Outcome:
    """Return the outcome, or report that it waits for the preceding step."""
    before = checks.get(check.after)
    if outcome.state == "failed" and before and before[1].state != "done":
        return waiting(before[1].who or "you", outcome.evidence, f"first: {before[0].title}")
    return outcome


def _decides(id_: str, step: Step) -> bool:
    """Return whether a check decides a step of the handoff, which has its ID as `key` or as the part before a colon."""
    return bool(step.key) and f"{id_}:".startswith(f"{step.key}:")


_SEND = {
    "you": "",
    "Astronomer": "send this request to Astronomer's support, and ",
    "your network team": "send this request to your network team, and ",
}


def _unseen(view: View, step: Step) -> Outcome:
    if view.entry.confirmed:
        return done("the file has the date in `confirmed`")
    what = f"{_SEND[step.actor]}set `confirmed` in the file to the date when it works"
    return unknown("your account cannot see it in AWS", what, step.actor)


def _sentence(step: Step) -> str:
    ask = f"ask Astronomer's support to {step.action}" if step.actor == "Astronomer" else step.action
    return f"{ask} ({step.deadline})" if step.deadline else ask


def as_row(entry: str, type_: str, id_: str, title: str, outcome: Outcome) -> Row:
    """Return a row, with all text sanitized."""
    said = replace(outcome, evidence=_plain(outcome.evidence), fix=_plain(outcome.fix))
    return Row(entry, type_, id_, _plain(title), said)


def _plain(text: str) -> str:
    """Return one line without control characters; AWS's answers contain text by others."""
    return " ".join(str(harmless(text)).split())
