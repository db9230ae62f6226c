"""Warnings of `check`: valid parts of an estate that a person should review. They do not stop a synth."""

import re
import typing
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from estate.explain import locate
from estate.model import Estate
from estate.plan import network_stack
from estate.source import Location, Problem, Source, texts
from estate.twins import TWIN
from modules.astronomer import AS_OF, NODE_TYPES, REGIONS, ClusterId
from modules.parts.ingress.props import RULES_OF_A_GROUP
from modules.vocabulary import HostedZoneId
from modules.workload_identity.props import Namespace

_EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
_LISTED = 5
_ROUTES_OF_A_TABLE = 500
"""The default quota since June 2025 (quota L-93826ACB)."""


def warnings(estate: Estate, file: Path, source: Source, today: date) -> list[Problem]:
    """Return the warnings on an estate and its file, in the order of the file."""
    found = [
        *estate.expired(today),
        *_placeholders(file, source),
        *_unpublished(estate),
        *_unused(estate),
        *_behind_pods(estate),
        *_limits(estate),
        *_blocked(estate),
        *_other_sources(estate),
        *_cut_by_failover(estate),
    ]
    return sorted(
        {locate(problem, source) for problem in found},
        key=lambda problem: (problem.line, problem.column, problem.message),
    )


def expired(estate: Estate, file: Path, source: Source, today: date) -> dict[str, list[str]]:
    """Return the entries with an end date before `today`, a line each, by their stack."""
    lines: dict[str, list[str]] = {}
    for one in estate.expired(today):
        stack = network_stack(estate.connections[str(one.path[1])].network)
        lines.setdefault(stack, []).append(f"{file}:{locate(one, source)}")
    return lines


def _unpublished(estate: Estate) -> Iterator[Problem]:
    """Yield regions and node types that AWS has but Astronomer's lists do not. Astronomer may offer them on request
    (facts C11)."""
    for name, cluster in estate.clusters.items():
        if cluster.region not in REGIONS[cluster.product]:
            yield Problem(
                ("clusters", name, "region"),
                f"{cluster.region!r} is not one of the regions that Astronomer lists for {cluster.product} clusters as "
                f"of {AS_OF}; if the cluster does not exist yet, ask Astronomer's support whether the region is "
                "available",
            )
        if cluster.product == "hybrid" and cluster.node_type not in NODE_TYPES:
            yield Problem(
                ("clusters", name, "node_type"),
                f"{cluster.node_type!r} is not one of the node types that Astronomer lists as of {AS_OF}; ask "
                "Astronomer's support whether it is available",
            )


def _unused(estate: Estate) -> Iterator[Problem]:
    networks = {connection.network for connection in estate.connections.values()}
    for name, network in estate.networks.items():
        if name not in networks:
            built = "its VPC is created, but no cluster can reach it" if network.create else "nothing is created for it"
            yield Problem(("networks", name), f"has no connection, so {built}; add one, or remove the entry")
    twins, data_plane = estate.twins(), estate.data_plane()
    named = {cluster for connection in estate.connections.values() for cluster in connection.cluster_names()}
    named |= {twins[cluster] for cluster in named & twins.keys()}
    for name in estate.clusters:
        if name not in (named | twins.keys() | data_plane.keys()):
            yield Problem(
                ("clusters", name),
                "is not in any connection, so nothing is created for it; add it to one, or remove the entry",
            )
    account = estate.account
    if account and not data_plane and not account.without_hybrid_reason:
        yield Problem(
            ("account",),
            "has no Hybrid cluster yet, so the hand-over lacks the details that Astronomer requires (its name, region, "
            "range, node type and number of nodes); describe it in clusters, such as prod: {region: us-east-1}",
        )


def _limits(estate: Estate) -> Iterator[Problem]:
    """Yield groups and tables over the quotas of AWS. In each rule, a prefix list counts as its maximum of entries."""
    rules: Counter[tuple[str, str]] = Counter()
    routes: Counter[str] = Counter()
    for name, connection in estate.connections.items():
        if connection.network not in estate.networks:
            continue
        ranges = sum(1 + len(estate.clusters[one].additional_cidrs) for one in connection.cluster_names())
        for field, security_group, count in connection.group_rules(ranges):
            group = (connection.network, security_group)
            before, rules[group] = rules[group], rules[group] + count
            if before <= RULES_OF_A_GROUP < rules[group]:
                yield Problem(
                    ("connections", name, *field),
                    f"raises {security_group} to {rules[group]} rules, but the default quota is {RULES_OF_A_GROUP}; "
                    "use several groups, or request an increase of quota L-0EA8095F",
                )
        if connection.leads_back:
            before, routes[connection.network] = routes[connection.network], routes[connection.network] + ranges
            if before <= _ROUTES_OF_A_TABLE < routes[connection.network]:
                yield Problem(
                    ("connections", name),
                    f"raises each route table of {connection.network!r} to {routes[connection.network]} routes, but "
                    f"the default quota is {_ROUTES_OF_A_TABLE}; request an increase of quota L-93826ACB",
                )


def _behind_pods(estate: Estate) -> Iterator[Problem]:
    """Yield ranges of networks that pods cannot reach over a gateway, because addresses in their own VPC take
    precedence."""
    found: dict[Location, str] = {}
    for connection in estate.connections.values():
        if not connection.routed or connection.pods_meet or connection.network not in estate.networks:
            continue
        for index, cidr in enumerate(estate.networks[connection.network].cidrs):
            for name in connection.cluster_names():
                pods = estate.clusters[name].pod_cidr
                if pods and pods.overlaps(cidr):
                    place = ("networks", connection.network, "cidrs", index)
                    found.setdefault(
                        place,
                        f"{str(cidr)!r} overlaps the pods of {estate.cluster_entry(name)} ({pods}), so pods cannot "
                        "reach all of it; if they do not need to, move it to unrouted_cidrs",
                    )
    yield from (Problem(place, message) for place, message in found.items())


def _blocked(estate: Estate) -> Iterator[Problem]:
    """Yield missing fields of clusters, each with the resources that depend on it."""
    blocked: dict[Location, list[str]] = {}
    how: dict[Location, str] = {}
    for name, connection in estate.connections.items():
        for cluster_name in connection.cluster_names():
            cluster = estate.clusters[cluster_name]
            for need in connection.needs_of_clusters:
                if getattr(cluster, need.field) is None:
                    place = ("clusters", cluster_name, need.field)
                    blocked.setdefault(place, []).append(f"connections.{name} ({connection.blocked})")
                    if (cluster.product, need.field) == ("hybrid", "account_id"):
                        how[place] = "set it to the dedicated account of the Hybrid cluster"
                    else:
                        how[place] = need.how
    for place, entries in blocked.items():
        more = f" and {len(entries) - _LISTED} more" if len(entries) > _LISTED else ""
        yield Problem(place, f"is missing, and blocks {', '.join(entries[:_LISTED])}{more}; {how[place]}")


def _other_sources(estate: Estate) -> Iterator[Problem]:
    """Yield allowlists with Astro's addresses of clusters whose traffic leaves through your own NAT (facts C14)."""
    hubs = {
        cluster: (name, set(connection.source_addresses))
        for name, connection in estate.connections.items()
        if connection.source_addresses is not None
        for cluster in connection.cluster_names()
    }
    for name, connection in estate.connections.items():
        for cluster in connection.cluster_names() if connection.by_external_ips else ():
            hub, addresses = hubs.get(cluster, ("", set[str]()))
            if hub and not (addresses and set(estate.clusters[cluster].external_ips or ()) <= addresses):
                yield Problem(
                    ("connections", name),
                    f"allows Astro's addresses of {cluster!r}, but connections.{hub} sends its traffic through your "
                    f"NAT gateways; add their addresses to public_ips of connections.{hub} and external_ips of "
                    f"{estate.cluster_entry(cluster)}",
                )


def _cut_by_failover(estate: Estate) -> Iterator[Problem]:
    """Yield connections that a failover of a cluster to its twin would interrupt (facts A20)."""
    for name, connection in estate.connections.items():
        if connection.dr is not None or f"{name}{TWIN}" in estate.connections:
            continue
        network = estate.networks.get(connection.network)
        for cluster_name in connection.cluster_names():
            cluster = estate.clusters[cluster_name]
            twin = cluster.dr
            if not twin or f"{cluster_name}{TWIN}" in connection.cluster_names():
                continue
            if what := connection.cut_by_failover(cluster, twin):
                elsewhere = connection.same_region and network and network.region != twin.region
                entry = f"dr: {{network: ...}} with a network in {twin.region}, and" if elsewhere else "dr: {}, with"
                yield Problem(
                    ("connections", name),
                    f"has no `dr`: after a failover of {cluster_name!r} to {twin.region}, {what}; add {entry} any "
                    "values that differ in that region",
                )


def _placeholders(file: Path, source: Source) -> Iterator[Problem]:
    """Yield placeholders of the examples, which do not belong to you in AWS."""
    values = [(path, value) for path, value in texts(source.value) if path[0] != "tags"]
    if _is_example(file, values):
        return
    first: dict[str, Location] = {}
    times: Counter[str] = Counter()
    for path, value in values:
        for made_up in _made_up(path, value):
            first.setdefault(made_up, path)
            times[made_up] += 1
    for made_up, path in first.items():
        others = times[made_up] - 1
        more = f", here and in {others} more place{'s' * (others > 1)}" if others else ""
        yield Problem(path, f"{made_up!r} is a placeholder from the examples{more}; replace it with your own value")


def _is_example(file: Path, values: list[tuple[Location, str]]) -> bool:
    """Return whether this is one of our example files, in their folder and without a real account."""
    accounts = [value for path, value in values if path[-1] == "account_id"]
    return file.resolve().is_relative_to(_EXAMPLES) and all(map(_looks_made_up, accounts))


# An ID with its prefix, or an account: eight or more hexadecimal digits between other characters.
_DIGITS = re.compile(r"(?<![0-9A-Za-z])(?:[a-z]+-)*([0-9A-Fa-f]{8,})(?![0-9A-Za-z])")
_SEQUENCES = ("01234567", "12345678", "fedcba98", "76543210")
# RFC 5737, RFC 2606: reserved addresses and domains.
_NOBODYS = re.compile(
    r"(?<![\d.])(?:192\.0\.2|198\.51\.100|203\.0\.113)\.\d{1,3}(?![\d.])|[\w.@/:*-]*(?:\.example|\bexample\.(?:com|net|org))\b"
)
# IDs that look real.
_WHOLE = {
    "quasarian-quantum-1234",
    *(typing.get_args(kind)[1].example for kind in (ClusterId, HostedZoneId, Namespace)),
}


def _made_up(path: Location, value: str) -> Iterator[str]:
    """Yield the parts of a value that are placeholders."""
    if value in _WHOLE or (path[-1] in ("organization", "bucket") and re.match(r"acme(?:-|$)", value)):
        yield value
    for match in _DIGITS.finditer(value):
        digits = match[1].lower()
        if len(set(digits)) <= 2 or any(sequence in digits for sequence in _SEQUENCES):
            yield match[0]
    for match in _NOBODYS.finditer(value):
        yield match[0]


def _looks_made_up(account_id: str) -> bool:
    return bool(list(_made_up(("account_id",), account_id)))
