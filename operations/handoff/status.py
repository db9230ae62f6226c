"""The status of each entry, and the remaining steps: yours, Astronomer's and your network team's."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from estate.model import Estate
from estate.plan import StackPlan, network_stack, stacks_of
from modules.astronomer import ROLE
from modules.catalog import Connection
from modules.cluster import Cluster
from modules.entry import PendingInput, Step, fact
from modules.vocabulary import partition
from modules.vpc.props import VpcProps
from operations.handoff.read import Deployed

Status = Literal[
    "waiting", "not read", "not deployed", "changed", "handed over", "for Astronomer to create", "confirmed", "built"
]
"""The status of an entry.

`waiting`: a value is missing. `changed`: edited since the last deploy. `handed over`: deployed, with open steps.
`confirmed`: the file records that it works. `built`: all steps are done.
"""

Digests = Mapping[str, Mapping[str, str]]
"""Digests of the entries in the current file, by stack."""


@dataclass(frozen=True)
class Entry:
    """One entry of the file that a stack builds, or Astronomer."""

    path: str
    """The entry's path in the file, such as `connections.lake`."""
    type: str
    stack: str | None
    status: Status
    deployed: bool | None
    """None if the stack was not read."""
    changed: bool | None
    """True if the entry was edited since its deploy; None if that is not known."""
    facts: Mapping[str, Any] | None
    steps: tuple[Step, ...] = ()
    waits_for: tuple[str, ...] = ()
    confirmed: bool = False

    @property
    def open_steps(self) -> tuple[Step, ...]:
        """The steps without proof of completion."""
        return () if self.confirmed else tuple(step for step in self.steps if not step.done)


@dataclass(frozen=True)
class Action:
    """An item of the section `Next`."""

    actor: Literal["you", "Astronomer", "your network team"]
    entry: str | None
    action: str
    deadline: str | None = None


@dataclass(frozen=True)
class Request:
    """A request to Astronomer, with the facts that it requires."""

    action: str
    deadline: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ticket:
    """The requests to Astronomer's support for one cluster, or for the account if it has no cluster yet."""

    subject: str
    cluster: str | None
    cluster_id: str | None
    requests: tuple[Request, ...]
    not_before: str | None = None
    """A step that must be done before the ticket is sent."""


@dataclass(frozen=True)
class Report:
    """All known facts of an estate."""

    estate: Estate
    stacks: Mapping[str, Deployed]
    entries: tuple[Entry, ...]

    def of_connection(self, name: str) -> Entry:
        """Return the entry of a connection."""
        return next(entry for entry in self.entries if entry.path == f"connections.{name}")


def report(estate: Estate, stacks: Mapping[str, Deployed], digests: Digests) -> Report:
    """Compare the file, its synthesized output and the deployed outputs."""
    found: list[Entry] = []
    for plan in stacks_of(estate):
        found += _of_account(estate, plan, stacks[plan.name], digests.get(plan.name, {}))
    for name in estate.networks:
        stack = network_stack(name)
        deployed = stacks[stack]
        facts = {"vpc_id": deployed.vpc_id} if deployed.vpc_id else None
        found.append(_entry(f"networks.{name}", "network", stack, deployed, name, digests.get(stack, {}), facts=facts))
    for name, connection in estate.connections.items():
        found.append(_of_connection(estate, name, connection, stacks, digests))
    return Report(estate, stacks, tuple(found))


def _of_account(estate: Estate, plan: StackPlan, stack: Deployed, digests: Mapping[str, str]) -> Iterator[Entry]:
    account = estate.account
    if not account or plan.network:
        return

    def entry(section: str, steps: Iterable[Step]) -> Entry:
        where, facts = f"account.{section}", _facts(stack, section)
        confirmed = account.confirmed is not None
        return _entry(where, section, plan.name, stack, section, digests, facts, tuple(steps), confirmed=confirmed)

    def handed_over(section: str) -> Mapping[str, Any]:
        return _facts(stack, section) or {}

    if plan.kind == "account":
        role = account.cross_account_role
        yield entry("cross_account_role", role.steps(handed_over("cross_account_role"), estate.data_plane()))
        if alarm := account.policy_alarm:
            yield entry("policy_alarm", alarm.steps(handed_over("policy_alarm")))
    elif plan.kind == "regions" and account.opt_in_region:
        yield entry("opt_in_region", account.opt_in_region.steps(handed_over("opt_in_region")))
    elif plan.kind == "quotas" and account.service_quotas:
        yield entry("service_quotas", account.service_quotas.steps(handed_over("service_quotas"), plan.region))


def _of_connection(
    estate: Estate, name: str, connection: Connection, stacks: Mapping[str, Deployed], digests: Digests
) -> Entry:
    stack = network_stack(connection.network) if connection.network else None
    deployed = stacks[stack] if stack else None
    facts = _facts(deployed, name) if deployed else connection.asked_of_astronomer()
    return _entry(
        f"connections.{name}",
        connection.type,
        stack,
        deployed,
        name,
        digests.get(stack, {}) if stack else {},
        facts,
        tuple(connection.steps(facts or {}, estate.clusters)),
        tuple(one.field for one in pending(estate, name)),
        confirmed=connection.confirmed is not None,
    )


def _entry(
    path: str,
    type_: str,
    stack: str | None,
    deployed: Deployed | None,
    key: str,
    digests: Mapping[str, str],
    facts: Mapping[str, Any] | None,
    steps: tuple[Step, ...] = (),
    waits_for: tuple[str, ...] = (),
    *,
    confirmed: bool = False,
) -> Entry:
    there: bool | None = None
    changed: bool | None = None
    if deployed and deployed.status != "not read":
        # A network hands over only its ID, which older deploys do not output.
        known = key in deployed.facts or key in deployed.digests or type_ == "network"
        there = deployed.status == "deployed" and known
        if there and key in deployed.digests and key in digests:
            changed = deployed.digests[key] != digests[key]
    open_ = not confirmed and any(not step.done for step in steps)
    status: Status
    if waits_for:
        status = "waiting"
    elif deployed is None:
        status = "confirmed" if confirmed else "for Astronomer to create"
    elif there is None:
        status = "not read"
    elif not there:
        status = "not deployed"
    elif changed:
        status = "changed"
    elif open_:
        status = "handed over"
    else:
        status = "confirmed" if confirmed else "built"
    return Entry(path, type_, stack, status, there, changed, facts, steps, waits_for, confirmed)


def _facts(stack: Deployed, key: str) -> Mapping[str, Any] | None:
    facts = stack.facts.get(key)
    return facts if isinstance(facts, Mapping) else None


def pending(estate: Estate, name: str) -> Iterator[PendingInput]:
    """Yield the pending inputs of a connection: its own values, and those of its clusters that it needs."""
    connection = estate.connections[name]
    yield from connection.pending_inputs()
    for cluster in connection.cluster_names():
        for need in connection.needs_of_clusters:
            if getattr(estate.clusters[cluster], need.field) is None:
                yield need


def is_to_be_created(estate: Estate, name: str) -> bool:
    """Return whether Astronomer has yet to create the cluster."""
    return name in estate.data_plane() and estate.clusters[name].id is None


def cluster_id(estate: Estate, name: str) -> str | None:
    """Return the ID of a cluster; a twin without an ID has that of its cluster."""
    twin_of = estate.twins().get(name)
    return estate.clusters[name].id or (estate.clusters[twin_of].id if twin_of else None)


_QUESTIONS = {
    "account_id": "send us the ID of the AWS account that contains the cluster's VPC",
    "vpc_id": "send us the ID of the cluster's VPC",
}


def tickets(found: Report) -> list[Ticket]:
    """Return one ticket for each cluster with requests to Astronomer."""
    estate = found.estate
    questions = [
        (entry, _QUESTIONS.get(one.field)) for entry, one in estate.pending_inputs() if one.giver == "Astronomer"
    ]
    result: list[Ticket] = []
    for name, cluster in estate.clusters.items():
        requests = [Request(text) for entry, text in questions if text and entry == estate.cluster_entry(name)]
        setup, not_before = _setup(found, name, cluster) if is_to_be_created(estate, name) else (None, None)
        requests = [*([setup] if setup else []), *requests, *_requests(found, name)]
        if requests:
            what = f"create cluster {name}" if setup else f"cluster {name}"
            id_ = cluster_id(estate, name)
            subject = f"Astro on AWS, organization {estate.astro.organization}: {what}{f' ({id_})' if id_ else ''}"
            result.append(Ticket(subject, name, id_, tuple(requests), not_before))
    if estate.account and not estate.data_plane():
        setup, not_before = _setup(found, None, None)
        if setup:
            what = f"set up account {estate.account.account_id}"
            subject = f"Astro on AWS, organization {estate.astro.organization}: {what}"
            result.insert(0, Ticket(subject, None, None, (setup,), not_before))
    return result


def _setup(found: Report, name: str | None, cluster: Cluster | None) -> tuple[Request | None, str | None]:
    """Return the request to create a cluster in the dedicated account, and the step to complete before sending it."""
    account = found.estate.account
    if account is None or account.confirmed:
        return None, None
    entry = next(entry for entry in found.entries if entry.path == "account.cross_account_role")
    expected = f"arn:{partition(account.region)}:iam::{account.account_id}:role/{ROLE}"
    known = entry.facts or {"account_id": account.account_id, "role_arn": expected}
    facts = pick(known, account.cross_account_role.for_astronomer)
    if cluster:
        facts |= {
            "cluster_name": name,
            "region": cluster.region,
            "node_type": cluster.node_type,
            "max_nodes": cluster.max_nodes,
            "db_type": cluster.db_type,
            "cidr": str(cluster.cidr),
        }
    twin_of = found.estate.twins().get(name or "")
    what = f"the disaster-recovery cluster of {twin_of}" if twin_of else f"the cluster {name}" if name else "a cluster"
    with_it = "with the following configuration" if name else "with your defaults unless we specify other values"
    why = {True: None, False: "the stack `account` is not deployed", None: "the stack `account` was not read"}
    return Request(f"create {what} in our dedicated AWS account, {with_it}", facts=facts), why[entry.deployed]


def _requests(found: Report, cluster: str) -> Iterator[Request]:
    estate = found.estate
    for name, connection in estate.connections.items():
        if cluster not in connection.cluster_names():
            continue
        entry = found.of_connection(name)
        facts = {**network_facts(found, connection.network), **(entry.facts or {})}
        told = pick(facts, connection.for_astronomer) if connection.network else dict(entry.facts or {})
        for step in entry.open_steps:
            if step.actor == "Astronomer" and step.cluster in (None, cluster):
                yield Request(step.action, step.deadline, told)


def pick(facts: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return the facts at dotted paths, by the last part of each path; `*` matches every key of a map."""
    result: dict[str, Any] = {}
    for path in paths:
        *before, last = path.split(".")
        if "*" not in before:
            value = fact(facts, *before, last)
        else:
            at = before.index("*")
            inner = fact(facts, *before[:at])
            value = None
            if isinstance(inner, Mapping):
                rest = [*before[at + 1 :], last]
                value = {key: one for key in inner if (one := fact(inner, key, *rest)) is not None} or None
        if value is not None:
            result[last] = value
    return result


def network_facts(found: Report, name: str) -> dict[str, Any]:
    """Return a network's facts from the file and the deploy; empty without a network."""
    network = found.estate.networks.get(name)
    if network is None:
        return {}
    return {
        "account_id": network.account_id,
        "region": network.region,
        **(_vpc_facts(found, name, network) if network.has_vpc else {}),
        "dns_servers": dns_servers(found, name),
    }


def _vpc_facts(found: Report, name: str, network: VpcProps) -> dict[str, Any]:
    return {
        "vpc_id": network.vpc_id or found.stacks[network_stack(name)].vpc_id,
        "cidrs": [str(cidr) for cidr in network.routed_cidrs()],
    }


def dns_servers(found: Report, network: str) -> list[str] | None:
    """Return the servers that can answer Astro's queries for a network's names; None if they are not known yet.

    The VPC's own resolver is not included, because it answers only inside the VPC (Route 53 developer guide, on
    forwarding to VPC + 2).
    """
    servers: list[str] = []
    for name, connection in found.estate.connections.items():
        if connection.network == network:
            if (known := connection.dns_servers(found.of_connection(name).facts or {})) is None:
                return None
            servers += known
    return list(dict.fromkeys(servers))


@dataclass(frozen=True)
class TeamSection:
    """Your network team's part of one connection."""

    connection: str
    type: str
    network: str
    steps: tuple[Action, ...]
    facts: Mapping[str, Any]


def for_network_team(found: Report) -> list[TeamSection]:
    """Return the devices, tunnels, routes and names that your network team needs; never a key."""
    estate = found.estate
    result: list[TeamSection] = []
    for name, connection in estate.connections.items():
        if not connection.for_network_team or not connection.network:
            continue
        entry = found.of_connection(name)
        facts = pick(entry.facts or {}, connection.for_network_team) | connection.on_premises_facts()
        ranges = {
            cluster: [str(cidr) for cidr in routed.values()]
            for cluster in connection.cluster_names()
            if isinstance(routed := estate.clusters[cluster].side().routed_cidrs(), Mapping)
        }
        steps = [
            Action("your network team", entry.path, f"provide `{one.field}`: {one.how}")
            for one in pending(estate, name)
            if one.giver == "your network team"
        ]
        steps += [
            Action(step.actor, entry.path, step.action, step.deadline)
            for step in entry.open_steps
            if step.actor == "your network team"
        ]
        if facts or steps:
            facts |= {"astro_cidrs": ranges} if ranges else {}
            result.append(TeamSection(name, connection.type, connection.network, tuple(steps), facts))
    return result
