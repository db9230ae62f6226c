"""Writes the handoff for each reader, as Markdown to paste or as JSON for programs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from modules.cluster import Cluster
from operations.handoff.actions import actions
from operations.handoff.status import (
    Action,
    Entry,
    Report,
    Ticket,
    cluster_id,
    for_network_team,
    network_facts,
    tickets,
)

# JSON: values only, without sentences.


def yours(found: Report) -> dict[str, Any]:
    """Return all facts for you. No output contains the external IDs."""
    estate = found.estate
    by_path = {entry.path: entry for entry in found.entries}
    return {
        "estate": estate.name,
        "organization": estate.astro.organization,
        "next": [asdict(action) for action in actions(found)],
        "waiting": [{"entry": entry, **asdict(one)} for entry, one in estate.pending_inputs()],
        "stacks": {name: {"status": stack.status, "why": stack.why} for name, stack in found.stacks.items()},
        "clusters": {name: _cluster(found, name, cluster) for name, cluster in estate.clusters.items()},
        "account": [
            {"section": entry.type, **_entry(entry)} for entry in found.entries if entry.path.startswith("account.")
        ],
        "networks": {
            name: _state(by_path[f"networks.{name}"]) | network_facts(found, name) for name in estate.networks
        },
        "connections": {
            name: {
                "type": connection.type,
                "network": connection.network or None,
                "clusters": list(connection.cluster_names()),
                "confirmed": str(connection.confirmed) if connection.confirmed else None,
                **_entry(by_path[f"connections.{name}"]),
            }
            for name, connection in estate.connections.items()
        },
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        **_state(entry),
        "stack": entry.stack,
        "waits_for": list(entry.waits_for),
        "steps": [asdict(step) for step in entry.steps],
        "facts": entry.facts,
    }


def _state(entry: Entry) -> dict[str, Any]:
    return {"status": entry.status, "deployed": entry.deployed, "changed": entry.changed}


def _cluster(found: Report, name: str, cluster: Cluster) -> dict[str, Any]:
    """Return each value of a cluster, and whether it is a default."""
    fields = ["product", "region", "account_id"]
    fields += ["node_type", "max_nodes", "db_type"] if cluster.product == "hybrid" else []
    fields += ["cidr", "pod_cidr"] if cluster.product != "hosted-standard" else []
    values = {field: getattr(cluster, field) for field in fields}
    told: dict[str, Any] = {"id": cluster_id(found.estate, name)}
    for field, value in values.items():
        plain = value if value is None or isinstance(value, str | int) else str(value)
        told[field] = {"value": plain, "is_default": value is not None and field not in cluster.model_fields_set}
    return told | {"additional_cidrs": {key: str(cidr) for key, cidr in cluster.additional_cidrs.items()}}


def astronomers(found: Report) -> dict[str, Any]:
    """Return the tickets for Astronomer."""
    return {"tickets": [asdict(ticket) for ticket in tickets(found)]}


def network_teams(found: Report) -> dict[str, Any]:
    """Return your network team's part."""
    return {"estate": found.estate.name, "connections": [asdict(section) for section in for_network_team(found)]}


# Markdown.


def your_page(found: Report) -> str:
    """Return your page: next steps, status, every fact, and a map."""
    estate = found.estate
    lines = [f"# Astro on AWS: {estate.name}, organization {estate.astro.organization}", "", "## Next", ""]
    lines += [f"{number}. {_action(one)}" for number, one in enumerate(actions(found), 1)] or ["Nothing left to do."]
    lines += ["", "## Status", "", "| entry | type | stack | status | waits for |", "|---|---|---|---|---|"]
    lines += [
        f"| {entry.path} | {entry.type} | {entry.stack or ''} | {entry.status} | {', '.join(entry.waits_for)} |"
        for entry in found.entries
    ]
    for name, cluster in estate.clusters.items():
        lines += ["", f"## Cluster {name}", "", *_table(_cluster(found, name, cluster))]
    for name in estate.networks:
        lines += ["", f"## Network {name}", "", *_table(network_facts(found, name))]
    for entry in found.entries:
        if entry.facts and not entry.path.startswith("networks."):
            where = f" in {entry.stack}" if entry.path.startswith("account.") else ""
            lines += ["", f"## {entry.path}{where}", "", *_table(entry.facts)]
    if chart := flowchart(found):
        lines += ["", "## Map", "", "```mermaid", *chart.splitlines(), "```"]
    return "\n".join([*lines, ""])


def _action(action: Action) -> str:
    who = action.actor[0].upper() + action.actor[1:]
    entry = f" `{action.entry}`:" if action.entry else ""
    return f"**{who}**:{entry} {_line(action.action)}{f' ({_line(action.deadline)})' if action.deadline else ''}"


def ticket_page(found: Report) -> str:
    """Return the tickets for Astronomer's support, each with a subject, requests in sentences, and their facts."""
    pages = [_ticket(ticket, found.estate.astro.organization) for ticket in tickets(found)]
    return "\n---\n\n".join(pages) or "Nothing to request from Astronomer.\n"


def _ticket(ticket: Ticket, organization: str) -> str:
    lines = [f"**Do not send yet**: {ticket.not_before}.", ""] if ticket.not_before else []
    lines += [f"Subject: {ticket.subject}", "", "Hello,", ""]
    if ticket.cluster:
        known = f", cluster ID {ticket.cluster_id}" if ticket.cluster_id else ""
        lines.append(f"This is about the Astro cluster {ticket.cluster}{known}, of organization {organization}.")
    else:
        lines.append(f"This is about a new Astro Hybrid cluster of organization {organization}.")
    # Requests with the same facts share one table.
    before: Mapping[str, Any] = {}
    for number, request in enumerate(ticket.requests, 1):
        deadline = f", {_line(request.deadline)}" if request.deadline else ""
        lines += ["", f"{number}. Please {_line(request.action)}{deadline}."]
        if request.facts and request.facts != before:
            lines += ["", *_table(request.facts)]
        before = request.facts or before
    return "\n".join([*lines, "", "Please confirm in this ticket when it is done.", ""])


def team_page(found: Report) -> str:
    """Return the page for your network team: its settings and open questions."""
    lines = [f"# Astro on AWS: {found.estate.name}, for the network team"]
    sections = for_network_team(found)
    for section in sections:
        lines += ["", f"## {section.connection}: {section.type}, network {section.network}"]
        lines += ["", *(f"- Please {_line(step.action)}." for step in section.steps)] if section.steps else []
        lines += ["", *_table(section.facts)] if section.facts else []
    return "\n".join([*lines, *([] if sections else ["", "Nothing for the network team."]), ""])


def _table(told: Mapping[str, Any]) -> list[str]:
    rows = [f"| {_line(key)} | {_cell(value)} |" for key, value in _flat(told)]
    return ["| fact | value |", "|---|---|", *rows]


def _flat(told: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in told.items():
        name = before + " ".join(_SPELLED.get(word, word) for word in str(key).split("_"))
        if isinstance(value, Mapping) and set(value) == {"value", "is_default"}:
            yield name + (" (default)" if value["is_default"] else ""), value["value"]
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{name}, ")
        else:
            yield name, value


def _cell(value: Any) -> str:
    """Return a value as inline code, in which Markdown has no effect, on one line."""
    if isinstance(value, list | tuple):
        return ", ".join(_cell(one) for one in value) or "none"
    if value is None or value == "":
        return "not known"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{' '.join(text.split()).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


_ACTIVE = str.maketrans({one: f"\\{one}" for one in "[]<|"})
"""Escapes for links, HTML and tables in text; this project's own commands contain none."""
_SPELLED = {
    "arn": "ARN",
    "asn": "ASN",
    "aws": "AWS",
    "bgp": "BGP",
    "cidr": "CIDR",
    "cidrs": "CIDRs",
    "db": "database",
    "dns": "DNS",
    "id": "ID",
    "ip": "IP",
    "ips": "IPs",
    "vpc": "VPC",
    "vpn": "VPN",
}


def _line(text: str) -> str:
    return " ".join(text.translate(_ACTIVE).split())


def flowchart(found: Report) -> str:
    """Return a Mermaid chart of clusters, networks and connections, with solid lines if deployed.

    Empty for an estate without any.
    """
    estate = found.estate
    if not (estate.clusters or estate.networks or estate.connections):
        return ""
    lines = ["flowchart LR"]
    lines += ['  subgraph astro["Astro clusters"]'] if estate.clusters else []
    for name, cluster in estate.clusters.items():
        ranges = (str(cidr) for _, cidr in cluster.occupied_cidrs())
        lines.append(f"    {_node('cluster', name)}[{_label(name, cluster.product, cluster.region, *ranges)}]")
    lines += ["  end"] if estate.clusters else []
    lines += ['  subgraph yours["Your networks"]'] if estate.networks else []
    for name, network in estate.networks.items():
        ranges = (str(cidr) for _, cidr in network.occupied_cidrs())
        lines.append(f"    {_node('network', name)}[{_label(name, network.account_id, network.region, *ranges)}]")
    lines += ["  end"] if estate.networks else []
    for name, connection in estate.connections.items():
        status = found.of_connection(name).status
        line = "---" if status in ("built", "confirmed") else "-.-"
        devices = (f"{device} {address}" if address else device for device, address in connection.devices().items())
        ranges = (str(cidr) for _, cidr in connection.occupied_cidrs())
        here, label = _node("connection", name), _label(name, connection.type, status, *devices, *ranges)
        lines.append(f"  {here}([{label}])")
        # A VPN on a transit gateway reaches the gateway's clusters, and not the network's own VPC.
        if connection.uses and not connection.cluster_names():
            lines.append(f"  {_node('connection', connection.uses)} {line} {here}")
        elif connection.network:
            lines.append(f"  {_node('network', connection.network)} {line} {here}")
        lines += [f"  {here} {line} {_node('cluster', cluster)}" for cluster in connection.cluster_names()]
    return "\n".join(lines) + "\n"


def _node(kind: str, name: str) -> str:
    # Names cannot contain underscores, and Mermaid reads some words with hyphens as arrows.
    return f"{kind}_{name.replace('-', '_')}"


def _label(*lines: str) -> str:
    escaped = {'"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;", "`": "#96;"}
    text = "<br/>".join("".join(escaped.get(one, one) for one in line) for line in lines)
    return f'"{text}"'


BY_READER: dict[str, tuple[Callable[[Report], dict[str, Any]], Callable[[Report], str]]] = {
    "you": (yours, your_page),
    "astronomer": (astronomers, ticket_page),
    "network-team": (network_teams, team_page),
}
"""The functions for each reader: values for programs, and a page."""
