"""Rules across the entries of an estate. Each yields problems that name both entries."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel

from estate import renames
from estate.model import ACCOUNT_SECTIONS, Estate
from estate.partial import UNSOUND, without
from estate.ranges import overlaps
from estate.source import Location, Problem, did_you_mean, shortened
from estate.state import S3State
from estate.twins import TWIN
from modules.astronomer import ASTRO_CIDRS, vcpus
from modules.aws import OPT_IN, REGIONS
from modules.context import Context
from modules.parts.iam_policy.props import PolicyDocument
from modules.vocabulary import arn_region, partition
from modules.vpc.props import VARIABLE

Names = Mapping[str, Mapping[str, Any]]
"""The entries of each section as they are in the file. Invalid entries are included, because references to their names
are valid."""


def check(estate: Estate, names: Names, sound: Estate | None = None, *, modules: bool = False) -> Iterator[Problem]:
    """Yield the problems between the entries of `estate`, each of which is valid.

    `sound` also has the valid fields of the other entries, for rules that need only those. With `modules`, the values
    that a Terraform root gives can be missing.
    """
    connections = (sound or estate).connections
    entries = [*(partial(_section_fits, name) for name in ACCOUNT_SECTIONS)]
    entries += [*(partial(_connection_fits, name) for name in connections)]
    deployed = () if modules else (_of_estate(_not_deployed),)
    for rule in (*_RULES, *deployed, *entries):
        yield from _of_sound(rule, estate, names, sound) if sound else rule(estate, names)


_TRIES = 10
"""The most entries that a rule is repeated without. Then it reads only entries without a mistake."""


def _of_sound(rule: "_Rule", estate: Estate, names: Names, sound: Estate) -> Iterator[Problem]:
    """Yield the problems that a rule finds in the valid fields. Entries without a field that it reads are left out."""
    smaller: Estate | None = sound
    for _ in range(_TRIES):
        if smaller is None:
            break
        try:
            yield from rule(smaller, names)
        except AttributeError as error:
            smaller = without(smaller, error)
        except UNSOUND:
            break
        else:
            return
    with contextlib.suppress(*UNSOUND):
        yield from rule(estate, names)


_RESERVED = {"backend", "vpc-id", "subnet-ids", "route-table-ids"}
"""cdktf itself uses the construct ID `backend`. The others are outputs of an exported module."""


def _names(estate: Estate, names: Names) -> Iterator[Problem]:
    for section in ("clusters", "connections"):
        for name, entry in getattr(estate, section).items():
            twin = f"{name}{TWIN}"
            if entry.dr is not None and names[section].get(twin) is not None:
                yield Problem(
                    (section, twin),
                    f"has the same name as the twin of {section}.{name}.dr; rename this entry, or remove "
                    f"{section}.{name}.dr",
                )
    for section in ("networks", "connections"):
        for name in sorted(_RESERVED & getattr(estate, section).keys()):
            yield Problem((section, name), "is a reserved name; rename the entry")
    for name in sorted(set(estate.networks) & set(estate.connections)):
        yield Problem(
            ("connections", name),
            "has the same name as a network, so their Terraform addresses would collide; rename one",
        )


def _vpcs(estate: Estate) -> Iterator[Problem]:
    """Yield networks with the same VPC in one account."""
    first: dict[tuple[str, str], str] = {}
    for name, network in estate.networks.items():
        if network.vpc_id in (None, VARIABLE):
            continue
        if (other := first.setdefault((network.vpc_id, network.account_id), name)) != name:
            yield Problem(
                ("networks", name, "vpc_id"),
                f"{network.vpc_id!r} is also the VPC of networks.{other}; use one entry for both, so that only one "
                "stack manages the VPC",
            )


def _not_deployed(estate: Estate) -> Iterator[Problem]:
    """Yield the networks whose VPC only a Terraform root with exported modules has."""
    for name, network in estate.networks.items():
        if network.vpc_id == VARIABLE:
            yield Problem(
                ("networks", name, "vpc_id"),
                "'variable' is for modules of `main.py export`, whose root sets it; write the ID of the VPC to deploy "
                "this file",
            )


def _shared_vpcs(estate: Estate) -> Iterator[Problem]:
    """Yield contradictions between the entries of a VPC that several accounts share."""
    owners: dict[str, str] = {}
    for name, network in estate.networks.items():
        if network.vpc_id not in (None, VARIABLE) and network.route_tables:
            owners.setdefault(network.vpc_id, name)
    for name, network in estate.networks.items():
        owner = owners.get(network.vpc_id or "", name)
        if owner != name and network.account_id != estate.networks[owner].account_id:
            shared = f"{network.vpc_id!r} belongs to networks.{owner}, in account {estate.networks[owner].account_id}"
            if network.region != estate.networks[owner].region:
                yield Problem(
                    ("networks", name, "region"),
                    f"{network.region!r} is not the region of networks.{owner}, which has the same VPC; correct one",
                )
            if network.route_tables:
                yield Problem(
                    ("networks", name, "route_tables"),
                    f"{shared}, and only its owner can change its route tables; set routes_elsewhere here",
                )
            for key, connection in estate.connections.items():
                if connection.network == name and connection.needs_owner:
                    yield Problem(
                        ("connections", key, "network"),
                        f"{name!r} is a participant's side of a shared VPC, but only the owner's account can have a "
                        f"{connection.type}; use {owner!r}, or the owner's entry",
                    )


def _gateways(estate: Estate, names: Names) -> Iterator[Problem]:
    """Yield connections on a transit gateway that no connection of their network creates."""
    for name, connection in estate.connections.items():
        if connection.uses is None:
            continue
        used = estate.connections.get(connection.uses)
        if used is None and connection.uses in names["connections"]:
            continue  # It is invalid, and reported itself.
        if used is None or used.network != connection.network or not used.makes_transit_gateway:
            made = [
                key
                for key, one in estate.connections.items()
                if one.network == connection.network and one.makes_transit_gateway
            ]
            yield Problem(
                ("connections", name, connection.uses_field),
                f"{connection.uses!r} is not a connection that creates a transit gateway in network "
                f"{connection.network!r}; available: {', '.join(made) or 'none'}",
            )


def _needed_vpcs(estate: Estate) -> Iterator[Problem]:
    for name, connection in estate.connections.items():
        network = estate.networks.get(connection.network)
        if network and not network.has_vpc and connection.needs_vpc:
            yield Problem(
                ("connections", name, "network"),
                f"{connection.network!r} has no VPC, and this {connection.type} needs one; add vpc_id and cidrs, or "
                f"create, to networks.{connection.network}",
            )


def _references(estate: Estate, names: Names) -> Iterator[Problem]:
    listed = {section: sorted(known) for section, known in names.items()}
    for name, connection in estate.connections.items():
        # A connection that Astronomer creates has no network.
        wanted = [("network", connection.network, "networks")] if connection.network else []
        wanted += [(connection.cluster_field, cluster, "clusters") for cluster in connection.cluster_names()]
        for field, reference, section in wanted:
            if reference not in names[section] and reference not in getattr(estate, section):
                known = listed[section]
                more = f" and {len(known) - 10} more" if len(known) > 10 else ""
                yield Problem(
                    ("connections", name, field),
                    f"{reference!r} is not in `{section}`; available: "
                    f"{', '.join(map(shortened, known[:10])) or 'none'}{more}{did_you_mean(reference, known)}",
                )


def _offered(estate: Estate) -> Iterator[Problem]:
    for name, cluster in estate.clusters.items():
        if (aws := partition(cluster.region)) != "aws":
            yield Problem(
                ("clusters", name, "region"),
                f"{cluster.region!r} is in the partition {aws}, where Astronomer has no clusters; use a region in the "
                "partition aws",
            )
        try:
            ASTRO_CIDRS[cluster.product].check(cluster.cidr)
        except ValueError as error:
            yield Problem(("clusters", name, "cidr"), f"{str(cluster.cidr)!r} {error}")
    for name, connection in estate.connections.items():
        for cluster in connection.cluster_names():
            if (
                connection.dedicated_only
                and cluster in estate.clusters
                and estate.clusters[cluster].product == "hosted-standard"
            ):
                yield Problem(
                    ("connections", name, connection.cluster_field),
                    f"{cluster!r} is a hosted-standard cluster, and Astronomer offers {connection.type} to dedicated "
                    "and Hybrid clusters only; use its external IP addresses, or a dedicated cluster",
                )


def _twins(estate: Estate) -> Iterator[Problem]:
    for name, connection in estate.connections.items():
        clusters = [estate.clusters[each] for each in connection.cluster_names() if each in estate.clusters]
        if connection.dr is not None and clusters and not any(cluster.dr for cluster in clusters):
            yield Problem(
                ("connections", name, "dr"),
                "is only for clusters with a twin, but none of these clusters has `dr`; remove it",
            )


def _regions(estate: Estate) -> Iterator[Problem]:
    for name, connection in estate.connections.items():
        network = estate.networks.get(connection.network)
        for cluster_name in connection.cluster_names():
            cluster = estate.clusters.get(cluster_name)
            if connection.same_region and network and cluster and cluster.region != network.region:
                yield Problem(
                    ("connections", name, connection.cluster_field),
                    f"{cluster_name!r} is in {cluster.region} and network {connection.network!r} in {network.region}; "
                    f"{connection.same_region}",
                )


def _partitions(estate: Estate) -> Iterator[Problem]:
    """Yield connections across partitions, which AWS does not support. An account number has another owner in each
    (facts C15)."""
    homes: dict[tuple[str, ...], str] = {("networks", name): each.region for name, each in estate.networks.items()}
    for name, connection in estate.connections.items():
        if not (network := estate.networks.get(connection.network)):
            continue
        aws = partition(network.region)
        if not connection.cluster_names() or aws == "aws":
            homes["connections", name] = network.region
        else:
            yield Problem(
                ("connections", name, "network"),
                f"{connection.network!r} is in {network.region}, which is in the partition {aws}, but Astronomer's "
                "clusters are in the partition aws; AWS does not connect networks across partitions: use a network in "
                "the partition aws",
            )
    if estate.account and partition(estate.account.region) == "aws":
        homes["account",] = estate.account.region
    state = getattr(estate, "state", None)  # Missing if it is invalid.
    if isinstance(state, S3State):
        homes["state",] = state.region
    for place, region in homes.items():
        entry: Any = getattr(estate, place[0])
        for field, value in _texts(entry[place[1]] if len(place) > 1 else entry):
            other = REGIONS.get(value) or (value.split(":")[1] if value.startswith("arn:aws") else None)
            if other and other != (aws := partition(region)):
                yield Problem(
                    (*place, *field),
                    f"{value!r} is in the partition {other}, but {'.'.join(place)} is in {aws}; use one in the "
                    f"partition {aws}",
                )
            elif place == ("state",) and value.startswith("arn:") and arn_region(value) != region:
                yield Problem(
                    (*place, *field), f"{value!r} is not in {region}; S3 requires a key in the bucket's region"
                )


def _texts(value: Any, path: Location = ()) -> Iterator[tuple[Location, str]]:
    """Yield the texts in an entry with their places. Of a policy document, these are the resources."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, PolicyDocument):
        yield from ((path, resource) for resource in value.resources())
    elif isinstance(value, BaseModel | Mapping | tuple):
        items = enumerate(value) if isinstance(value, tuple) else value.items() if isinstance(value, Mapping) else value
        for key, inner in items:
            yield from _texts(inner, (*path, key))


def _for_hybrid(estate: Estate, names: Names) -> Iterator[Problem]:
    """Yield problems of `account`, which is for Hybrid clusters only."""
    account, written = estate.account, names["clusters"]
    if not account:
        return
    if (aws := partition(account.region)) != "aws":
        yield Problem(
            ("account", "region"),
            f"{account.region!r} is in the partition {aws}, where Astronomer has no account that could assume the "
            "role; use a region in the partition aws",
        )
    if account.service_quotas and account.service_quotas.size_for_clusters:
        for name, cluster in estate.data_plane().items():
            if vcpus(cluster.node_type) is None:
                yield Problem(
                    ("clusters", name, "node_type"),
                    f"{cluster.node_type!r} has an unknown number of vCPUs; set account.service_quotas.vcpus instead "
                    "of size_for_clusters",
                )
    if set(written) - set(estate.clusters):
        return  # An invalid cluster may be Hybrid.
    hybrid = [name for name, cluster in estate.clusters.items() if cluster.product == "hybrid"]
    still_to_come = not estate.clusters and estate.astro.product == "hybrid"
    if account.without_hybrid_reason and hybrid:
        yield Problem(
            ("account", "without_hybrid_reason"),
            f"is set, but clusters.{hybrid[0]} is a Hybrid cluster; remove the reason",
        )
    elif not (account.without_hybrid_reason or hybrid or still_to_come):
        yield Problem(
            ("account",),
            "is only for Hybrid clusters, but there are none: its role grants Astronomer broad permissions that "
            "Hosted clusters do not need; remove account, describe the Hybrid cluster in clusters, or explain in "
            "account.without_hybrid_reason",
        )


def _section_fits(section: str, estate: Estate, _: Names) -> Iterator[Problem]:
    account = estate.account
    if account and (props := getattr(account, section)):
        role = getattr(account, "cross_account_role", None)
        document = getattr(role, "policy_file", None)  # Both are missing if they are invalid.
        context = Context(account.account_id, account.region, None, estate.clusters, document)
        for field, message in props.check(context):
            yield Problem(("account", section, *field), message)


def _connection_fits(name: str, estate: Estate, _: Names) -> Iterator[Problem]:
    connection = estate.connections.get(name)
    if connection and (network := estate.networks.get(connection.network)):
        context = Context(network.account_id, network.region, network, estate.clusters)
        for field, message in connection.check(context):
            yield Problem(("connections", name, *field), message)


def _opted_in(estate: Estate) -> Iterator[Problem]:
    if not (account := estate.account):
        return
    enabled = account.opt_in_region.regions if account.opt_in_region else ()
    wanted: dict[Location, str] = {("account", "region"): account.region}
    for name, cluster in estate.data_plane().items():
        wanted["clusters", name, "region"] = cluster.region
    for path, region in wanted.items():
        if region in OPT_IN and region not in enabled:
            yield Problem(
                path,
                f"{region!r} is an opt-in region, disabled by default; enable it with "
                f"account.opt_in_region: {{regions: [{', '.join((*enabled, region))}]}}",
            )


def _claimed_once(estate: Estate) -> Iterator[Problem]:
    # A new network has a role for its flow logs, with its own name.
    taken: dict[tuple[object, ...], tuple[Location, str | None]] = {
        (network.account_id, "role", name): (("networks", name), None)
        for name, network in estate.networks.items()
        if network.create and not network.create.flow_logs.off_reason
    }
    for name, connection in estate.connections.items():
        network = estate.networks.get(connection.network)
        places = {
            "network": (connection.network,),
            "account": (network.account_id, network.region) if network else (connection.network,),
            "global": (network.account_id,) if network else (connection.network,),
        }
        for claim in (*connection.claims(), *connection.iam_claims(name, estate.clusters)):
            place, key = ("connections", name, *claim.field), claim.key
            if key[0] == "kept role" and str(key[1]).startswith(prefix := f"{estate.name}-"):
                key = ("role", str(key[1]).removeprefix(prefix))
            other, shared = taken.setdefault((*places[claim.scope], *key), (place, claim.shared))
            if other != place and (shared is None or shared != claim.shared):
                # The name is sufficient for another connection.
                told = other if other[:2] == place[:2] else other[:2]
                yield Problem(place, f"{claim.what}, which conflicts with {'.'.join(map(str, told))}; {claim.remedy}")


def _routed_back(estate: Estate) -> Iterator[Problem]:
    routed: dict[str, list[str]] = {}
    for name, connection in estate.connections.items():
        if connection.leads_back:
            routed.setdefault(connection.network, []).append(f"connections.{name}")
    for name, network in estate.networks.items():
        ways = network.create or network.route_tables or network.routes_elsewhere
        if name in routed and network.has_vpc and not ways:
            more = f" and {len(routed[name]) - 1} more" if len(routed[name]) > 1 else ""
            yield Problem(
                ("networks", name),
                f"has no route_tables, so there is no return route for {routed[name][0]}{more}; set them, for example "
                "route_tables: all, or explain in routes_elsewhere who adds the routes",
            )


_Rule = Callable[[Estate, Names], Iterator[Problem]]


def _of_estate(rule: Callable[[Estate], Iterator[Problem]]) -> _Rule:
    return lambda estate, _: rule(estate)


_RULES = (
    _names,
    _of_estate(renames.check),
    _references,
    _gateways,
    *map(
        _of_estate,
        (
            _vpcs,
            _shared_vpcs,
            _needed_vpcs,
            _offered,
            _twins,
            _regions,
            _partitions,
            overlaps,
            _claimed_once,
            _routed_back,
        ),
    ),
    _for_hybrid,
    _of_estate(_opted_in),
)
