"""Finds changes in AWS since the last deploy, with a Terraform plan and the checks of `status`."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from estate.errors import UserError
from estate.model import Estate
from estate.plan import StackPlan as Stack
from estate.state import CloudState
from operations.aws import Accounts
from operations.handoff.read import Deployed
from operations.handoff.status import report as handoff_report
from operations.plan import StackPlan, drifted
from operations.status.check import Outcome, done, failed, unknown
from operations.status.report import Row, Status, as_row, status
from operations.terraform import Terraform

_ACTIONS = {"update": "was changed", "delete": "was deleted", "move": "has a new address"}


def drift(
    estate: Estate,
    plans: Collection[Stack],
    terraform: Terraform,
    folder: Path,
    deployed: Mapping[str, Deployed],
    now: datetime,
) -> Status:
    """Return a row for each resource that something else changed, and the failed steps of `status`.

    `folder` has the synthesized stacks.
    """
    rows: list[Row] = []
    readable = False
    with Accounts(estate.deployer.role if estate.deployer else None, "drift") as accounts:
        for plan in plans:
            found = drifted(terraform, plan.name, folder / plan.name)
            readable |= not found.failures
            # HCP Terraform plans with its own credentials.
            if found.failures and not isinstance(estate.state, CloudState):
                found = replace(found, failures=(_unreadable(accounts, plan) or found.failures))
            rows += _rows(estate, plan, found)
    # A plan does not show the other side: a deleted attachment, a principal that left a share, a subscription.
    names = {plan.name for plan in plans}
    entries = [one.path for one in handoff_report(estate, deployed, {}).entries if one.stack in names]
    live = status(estate, deployed, now, entries).rows if entries else ()
    rows += [row for row in live if row.outcome.state == "failed"]
    return Status(estate.name, tuple(rows), readable)


def _unreadable(accounts: Accounts, plan: Stack) -> tuple[str, ...]:
    """Return the reason why the account of a stack cannot be read, which Terraform's errors do not name; empty if it
    can."""
    try:
        accounts.of(plan.account_id, plan.region)
    except UserError as error:
        return (str(error),)
    return ()


def _rows(estate: Estate, plan: Stack, found: StackPlan) -> Iterator[Row]:
    path, title = f"stacks.{plan.name}", "AWS is unchanged since the last deploy"
    for error in found.refusals:
        yield as_row(path, "stack", "plan", title, failed(error, "the message names the remedy"))
    for error in found.failures:
        yield as_row(path, "stack", "plan", title, unknown(error, f"see `main.py plan {plan.name}`"))
    if not (found.changes or found.refusals or found.failures):
        yield as_row(path, "stack", "plan", title, done("a deploy would undo nothing"))
    for action, address in found.changes:
        entry, type_ = _entry_of(estate, plan, address)
        title = f"{address} is unchanged since the last deploy"
        yield as_row(entry, type_, address, title, _changed(estate, plan, entry, action, address))


def _changed(estate: Estate, plan: Stack, entry: str, action: str, address: str) -> Outcome:
    connection = estate.connections.get(entry.partition(".")[2]) if entry.startswith("connections.") else None
    clusters = ", ".join(connection.cluster_names()) if connection else ""
    hurt = f", which {clusters} uses" if clusters else ""
    evidence = f"{address} {_ACTIONS.get(action, action)} outside Terraform{hurt}"
    fix = f"find out who did it, for example in CloudTrail; `cdktf deploy {plan.name}` restores the values of the file"
    return failed(evidence, fix)


def _entry_of(estate: Estate, plan: Stack, address: str) -> tuple[str, str]:
    """Return the entry of the file that an address belongs to: its name begins with the entry's."""
    first = address.partition("[")[0].rpartition(".")[2].partition("_")[0]
    if first in estate.connections:
        return f"connections.{first}", estate.connections[first].type
    if plan.network:
        return f"networks.{plan.network}", "network"
    return f"stacks.{plan.name}", "stack"
