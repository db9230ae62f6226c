"""Runs the checks of an estate concurrently, and collects the outcomes."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from estate.model import Estate
from estate.plan import StackPlan, stacks_of
from operations.aws import Accounts
from operations.handoff.read import Deployed
from operations.handoff.status import report as handoff_report
from operations.preflight.account import account
from operations.preflight.connections import connection
from operations.preflight.machine import machine, state
from operations.preflight.network import network
from operations.preflight.place import Place, deployed
from operations.status.check import Check, Outcome, View, attempt, unknown
from operations.status.report import Row, Status, as_row

_THREADS = 16


@dataclass(frozen=True)
class _Group:
    """The checks of one part of the report."""

    entry: str
    type: str
    checks: tuple[Check, ...]
    account_id: str = ""
    region: str = ""


def preflight(
    estate: Estate, trees: Mapping[str, Any], now: datetime, environ: Mapping[str, str], chosen: Collection[str]
) -> Status:
    """Return the preconditions of a plan and a deploy of the stacks `chosen`. `trees` are the synthesized stacks."""
    role = estate.deployer.role if estate.deployer else None
    with Accounts(role, "preflight") as accounts:
        groups = list(_groups(estate, trees, now, environ, accounts, chosen))
        wanted = [(group, check) for group in groups for check in group.checks]
        with ThreadPoolExecutor(_THREADS) as pool:
            outcomes = list(pool.map(lambda one: attempt(one[1], one[0].account_id, one[0].region), wanted))
        found = {(group.entry, check.id): outcome for (group, check), outcome in zip(wanted, outcomes, strict=True)}
        rows = [_row(group, check, found) for group, check in wanted]
        return Status(estate.name, tuple(rows), accounts.readable)


def _groups(
    estate: Estate,
    trees: Mapping[str, Any],
    now: datetime,
    environ: Mapping[str, str],
    accounts: Accounts,
    chosen: Collection[str],
) -> Iterator[_Group]:
    yield _Group("machine", "programs", tuple(machine(environ)))
    yield _Group("state", estate.state.backend, tuple(state(estate, accounts, now)))
    there = deployed(estate, accounts)
    by_place: dict[tuple[str, str], list[StackPlan]] = defaultdict(list)
    for plan in stacks_of(estate):
        if plan.name in chosen:
            by_place[plan.account_id, plan.region].append(plan)
    nothing = {plan.name: Deployed("not deployed") for plan in stacks_of(estate)}
    handed = handoff_report(estate, nothing, {})
    for (account_id, region), plans in by_place.items():
        p = Place(estate, account_id, region, tuple(plans), trees, there, accounts, now)
        grouped = lambda entry, type_, checks, where=(account_id, region): _Group(entry, type_, tuple(checks), *where)  # noqa: E731
        yield grouped(f"accounts.{account_id}.{region}", "account", account(p))
        for name in [plan.network for plan in plans if plan.network]:
            yield grouped(f"networks.{name}", "network", network(p, name, estate.networks[name]))
            for key, props in estate.connections.items():
                if props.network == name:
                    view = View(handed, handed.of_connection(key), account_id, region, accounts, now)
                    yield grouped(f"connections.{key}", props.type, connection(p, props, view))


def _row(group: _Group, check: Check, found: Mapping[tuple[str, str], Outcome]) -> Row:
    """Return a row. A result other than ok is unknown if the check that it depends on is blocked or unknown."""
    outcome, before = found[group.entry, check.id], found.get((group.entry, check.after))
    if before and before.state in ("blocked", "unknown") and outcome.state != "ok":
        title = next(one.title for one in group.checks if one.id == check.after)
        outcome = unknown(outcome.evidence, f"first: {title}")
    return as_row(group.entry, group.type, check.id, check.title, outcome)
