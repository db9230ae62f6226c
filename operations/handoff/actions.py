"""The remaining steps of an estate, in order: yours, Astronomer's and your network team's."""

from collections.abc import Iterator, Mapping

from estate.plan import stacks_of
from operations.handoff.status import Action, Entry, Report, is_to_be_created, tickets


def actions(found: Report) -> list[Action]:
    """Return the remaining steps, in order."""
    return list(_actions(found))


def _actions(found: Report) -> Iterator[Action]:
    estate = found.estate
    whys: dict[str, list[str]] = {}
    for name, stack in found.stacks.items():
        if stack.status == "not read":
            whys.setdefault(str(stack.why), []).append(name)
    for why, names in whys.items():
        unread = f"{', '.join(names)} not read: {why}"
        yield Action("you", None, f"make the state readable, or pass --outputs FILE; {unread}")
    of_account = {plan.name for plan in stacks_of(estate) if plan.network is None}
    yield from _deploys(found, [name for name in found.stacks if name in of_account])
    yield from _remaining(found, "account.")
    yield from _deploys(found, [name for name in found.stacks if name not in of_account])
    yield from _left_behind(found)
    for entry, one in estate.pending_inputs():
        if one.giver == "your network team":
            yield Action("your network team", entry, f"provide `{one.field}`: {one.how}")
        else:
            yield Action("you", entry, f"get `{one.field}` from {one.giver}: {one.how}")
    requests = tickets(found)
    if any(ticket.cluster_id is None and ticket.cluster for ticket in requests):
        unknown = [ticket.cluster for ticket in requests if ticket.cluster and ticket.cluster_id is None]
        entries = {estate.cluster_entry(name): None for name in unknown if not is_to_be_created(estate, name)}
        for entry in entries:
            yield Action(
                "you", entry, "copy `id` from the Astro UI, Organization Settings > Clusters; tickets refer to it"
            )
    actors = {step.actor for entry in _connections(found) for step in entry.open_steps}
    if "Astronomer" in actors:
        yield Action("you", None, "send Astronomer's support the tickets of `main.py handoff --for astronomer`")
    if "your network team" in actors:
        yield Action("you", None, "send your network team the page of `main.py handoff --for network-team`")
    yield from _remaining(found, "connections.")
    for entry in _connections(found):
        if entry.open_steps and entry.status in ("handed over", "for Astronomer to create"):
            yield Action("you", entry.path, "set `confirmed` to the date when it works")


def _connections(found: Report) -> list[Entry]:
    return [entry for entry in found.entries if entry.path.startswith("connections.")]


def _deploys(found: Report, stacks: list[str]) -> Iterator[Action]:
    names: list[str] = []
    deadlines: dict[str, None] = {}
    for name in stacks:
        stack = found.stacks[name]
        entries = [entry for entry in found.entries if entry.stack == name]
        due = [one for one in entries if one.deployed is False or one.changed]
        gone = set(stack.digests) - {one.path.rpartition(".")[2] for one in entries}
        if stack.status == "not deployed" or (stack.status == "deployed" and (due or gone)):
            names.append(name)
        for entry in due:
            connection = found.estate.connections.get(entry.path.removeprefix("connections."))
            if connection and connection.deploy_by and not entry.waits_for and entry.path.startswith("connections."):
                deadlines[f"{entry.path.removeprefix('connections.')} {connection.deploy_by}"] = None
    if names:
        command = f"`cdktf deploy {' '.join(names)}`"
        yield Action("you", None, f"deploy new and changed entries: {command}", ", ".join(deadlines) or None)


def _left_behind(found: Report) -> Iterator[Action]:
    """Yield the deployed peerings that are no longer in the file. AWS keeps them active (facts C4)."""
    kept = {getattr(connection, "peering_id", None) for connection in found.estate.connections.values()}
    for stack in found.stacks.values():
        for name, facts in stack.facts.items():
            peering_id = facts.get("peering_id") if isinstance(facts, Mapping) else None
            if isinstance(peering_id, str) and peering_id not in kept:
                how = f"delete the VPC peering connection {peering_id}, or ask Astronomer to delete it"
                yield Action(
                    "you", None, f"{how}: AWS keeps it active after `connections.{name}` is deployed without it"
                )


def _remaining(found: Report, section: str) -> Iterator[Action]:
    for entry in found.entries:
        if entry.path.startswith(section):
            for step in entry.open_steps:
                yield Action(step.actor, entry.path, step.action, step.deadline)
