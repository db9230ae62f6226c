"""What Astronomer needs from you, and who does what next: from the estate and what its stacks have handed over."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from estate.model import Estate
from estate.plan import network_stack, stacks_of
from modules.cluster import Cluster
from modules.entry import Awaited
from modules.vpc.props import VpcProps
from operations.terraform import Terraform

Outputs = Mapping[str, Mapping[str, Any]]
"""The `handoff` output of each stack that is deployed, by the stack's name."""


class HandoffError(Exception):
    """Why outputs could not be read; the message is for the person who asked."""


def from_file(file: Path) -> Outputs:
    """What `cdktf deploy --outputs-file` wrote. Raises HandoffError."""
    expected = "give the file that `cdktf deploy --outputs-file FILE` wrote"
    try:
        stacks = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise HandoffError(f"{file} cannot be read: {error.strerror}; {expected}") from None
    except (ValueError, RecursionError):
        raise HandoffError(f"{file} is not a JSON file; {expected}") from None
    if _of_maps(stacks):
        found = {name: outputs["handoff"] for name, outputs in stacks.items() if "handoff" in outputs}
        if (found or not stacks) and all(_of_maps(entries) for entries in found.values()):
            return found
    shape = '{"network-lake": {"handoff": {"lake-peering": {...}}}}'
    raise HandoffError(f"{file} has no output `handoff` by stack and entry, such as {shape}; {expected}")


def _of_maps(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, dict) for one in value.values())


def from_state(stacks: list[str], folder: Path, terraform: Terraform) -> Outputs:
    """From the state of the stacks that are initialized in `folder`. Raises TerraformFailed."""
    found = {name: terraform.output(folder / name) for name in stacks if is_initialized(folder / name)}
    return {name: outputs["handoff"] for name, outputs in found.items() if "handoff" in outputs}


def is_initialized(stack: Path) -> bool:
    return (stack / ".terraform").is_dir()


def facts(estate: Estate, outputs: Outputs) -> dict[str, Any]:
    """Everything, for programs. The external ID is nowhere: Astronomer has it."""
    return {
        "estate": estate.name,
        "organization": estate.astro.organization,
        "next": [{"who": who, "what": what} for who, what in _steps(estate, outputs)],
        "waiting": [{"entry": entry, **asdict(awaited)} for entry, awaited in estate.awaited()],
        "clusters": {name: _cluster(name, cluster) for name, cluster in estate.clusters.items()},
        "account": {stack.name: _deployed(outputs, stack.name) for stack in stacks_of(estate) if stack.network is None},
        "networks": {name: _network(name, network, estate, outputs) for name, network in estate.networks.items()},
        "connections": {
            name: {
                "type": connection.type,
                "state": _state(estate, outputs, name),
                "network": connection.network or None,
                "clusters": list(connection.cluster_names()),
                "waits_for": [awaited.field for awaited in _awaited(estate, name)],
                "facts": connection.asked_of_astronomer()
                or _deployed(outputs, network_stack(connection.network), name),
            }
            for name, connection in estate.connections.items()
        },
    }


def markdown(estate: Estate, outputs: Outputs) -> str:
    """The same, to paste into a ticket."""
    told = facts(estate, outputs)
    lines = [f"# Astro on AWS: {told['estate']}, organization {told['organization']}", "", "## Next", ""]
    lines += [f"{number}. **{step['who']}**: {step['what']}" for number, step in enumerate(told["next"], 1)]
    lines += [] if told["next"] else ["Nothing: everything of the file is built."]
    for name, cluster in told["clusters"].items():
        lines += ["", f"## Cluster {name}", "", *_table(cluster)]
    if told["account"]:
        lines += ["", "## Dedicated account", "", *_table(told["account"])]
    for name, network in told["networks"].items():
        lines += ["", f"## Network {name}", "", *_table(network)]
    for name, connection in told["connections"].items():
        lines += ["", f"## Connection {name}: {connection['type']}, {connection['state']}", ""]
        shown = {key: connection[key] for key in ("network", "clusters", "waits_for") if connection[key]}
        lines += _table(shown | connection["facts"])
    return "\n".join([*lines, "", "## Map", "", "```mermaid", *flowchart(estate, outputs).splitlines(), "```", ""])


def flowchart(estate: Estate, outputs: Outputs) -> str:
    """Mermaid: clusters, networks, and what joins them; what is not built is dotted."""
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
        state = _state(estate, outputs, name)
        line = "---" if state == "built" else "-.-"
        ranges = (str(cidr) for _, cidr in connection.occupied_cidrs())
        here, label = _node("connection", name), _label(name, connection.type, state, *ranges)
        lines.append(f"  {here}([{label}])")
        lines += [f"  {_node('network', connection.network)} {line} {here}"] if connection.network else []
        lines += [f"  {here} {line} {_node('cluster', cluster)}" for cluster in connection.cluster_names()]
    return "\n".join(lines) + "\n"


def _node(kind: str, name: str) -> str:
    # Names hold no underscore, and Mermaid reads some words with hyphens as arrows.
    return f"{kind}_{name.replace('-', '_')}"


def _label(*lines: str) -> str:
    text = "<br/>".join(line.replace('"', "#quot;") for line in lines)
    return f'"{text}"'


def _awaited(estate: Estate, name: str) -> Iterator[Awaited]:
    """What a connection waits for: its own fields, and those of its clusters that it needs."""
    connection = estate.connections[name]
    yield from connection.awaited()
    for cluster in connection.cluster_names():
        for need in connection.needs_of_clusters:
            if getattr(estate.clusters[cluster], need.field) is None:
                yield need


def _state(estate: Estate, outputs: Outputs, name: str) -> str:
    if list(_awaited(estate, name)):
        return "waiting"
    if not estate.connections[name].network:
        # Only Astronomer sees whether they have.
        return "for Astronomer to make"
    return "built" if name in outputs.get(network_stack(estate.connections[name].network), {}) else "not deployed"


def _steps(estate: Estate, outputs: Outputs) -> Iterator[tuple[str, str]]:
    missing = [stack.name for stack in stacks_of(estate) if not _is_deployed(estate, outputs, stack.name)]
    if missing:
        yield "You", f"deploy what is not there yet: `{_deploy(*missing)}`"
    waiting = list(estate.awaited())
    if any(awaited.giver == "Astronomer" for _, awaited in waiting) or (missing and estate.account):
        yield "You", "send this to Astronomer's support. Never the external ID: they have it"
    for entry, awaited in waiting:
        yield (
            "Your network team" if awaited.giver == "your network team" else "You",
            f"`{awaited.field}` of `{entry}`: {awaited.how}",
        )
    if waiting:
        concerned = {
            network_stack(connection.network)
            for name, connection in estate.connections.items()
            if connection.network and list(_awaited(estate, name))
        }
        deploy = f", and `{_deploy(*sorted(concerned))}`" if concerned else ""
        yield "You", f"put what you are given into the file{deploy}"
    for name, connection in estate.connections.items():
        if not connection.network and not list(_awaited(estate, name)):
            send = f"send what `connections.{name}` says to Astronomer's support, who make it on their side"
            yield "You", f"{send}, unless they have; never a pre-shared key: they name a channel for it"


def _is_deployed(estate: Estate, outputs: Outputs, stack: str) -> bool:
    """Whether all that the file has of a stack was there when it was last deployed."""
    connections = {
        name for name, connection in estate.connections.items() if network_stack(connection.network) == stack
    }
    return stack in outputs and connections <= set(outputs[stack])


def _deploy(*stacks: str) -> str:
    return f"node_modules/.bin/cdktf deploy {' '.join(stacks)}"


def _deployed(outputs: Outputs, stack: str, entry: str | None = None) -> dict[str, Any]:
    """The facts that a stack handed over, whole or of one entry; named as missing where there are none."""
    found = outputs.get(stack) if entry is None else outputs.get(stack, {}).get(entry)
    if found is not None:
        return {key: "not known yet" if value in (None, "") else value for key, value in found.items()}
    return {"missing": f"not deployed yet: run `{_deploy(stack)}`"}


def _cluster(name: str, cluster: Cluster) -> dict[str, Any]:
    def given(field: str) -> Any:
        value = getattr(cluster, field)
        if value is None:
            return "not known yet"
        return value if field in cluster.model_fields_set else f"{value} (default)"

    told = {"name": name, "product": cluster.product, "region": cluster.region, "account_id": given("account_id")}
    if cluster.product == "hybrid":
        told |= {field: given(field) for field in ("node_type", "max_nodes", "db_type")}
    if cluster.product != "hosted-standard":
        told["cidr"] = str(given("cidr"))
        told |= {"pod_cidr": str(cluster.pod_cidr)} if cluster.pod_cidr else {}
        told |= {f"additional_cidr_{key}": str(cidr) for key, cidr in cluster.additional_cidrs.items()}
    return told


def _network(name: str, network: VpcProps, estate: Estate, outputs: Outputs) -> dict[str, Any]:
    ranges = [cidr for _, cidr in network.occupied_cidrs()]
    made = (entry["vpc_id"] for entry in outputs.get(network_stack(name), {}).values() if "vpc_id" in entry)
    return {
        "account_id": network.account_id,
        "region": network.region,
        "vpc_id": network.vpc_id
        or next(made, f"made by its stack: run `{_deploy(network_stack(name))}` if it is not there"),
        "cidrs": [str(cidr) for cidr in ranges],
        "dns_servers": _dns_servers(name, estate, outputs),
    }


def _dns_servers(network: str, estate: Estate, outputs: Outputs) -> list[str]:
    """Where Astro can send queries for names of a network. Its VPC's own resolver is not among them: that answers only
    inside the VPC (Route 53 developer guide, on forwarding to the address at VPC + 2)."""
    stack = network_stack(network)
    servers: list[str] = []
    for name, connection in estate.connections.items():
        if connection.type == "dns_forwarding" and connection.network == network:
            made = outputs.get(stack, {}).get(name, {}).get("servers")
            servers += connection.servers or made or [f"made by its stack: run `{_deploy(stack)}`"]
    return list(dict.fromkeys(servers)) or ["none: a `dns_forwarding` connection of the network names or makes them"]


def _table(told: Mapping[str, Any]) -> list[str]:
    rows = [f"| {key} | {_cell(value)} |" for key, value in _flat(told)]
    return ["| what | value |", "|---|---|", *rows]


def _flat(told: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in told.items():
        name = before + key.replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}, ")
        else:
            yield name, value


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_cell(one) for one in value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    # A table's row is one line; JSON documents have several.
    return " ".join(text.split()).replace("|", "\\|")
