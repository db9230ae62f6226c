"""Expands an estate's data: defaults of clusters, and entries of disaster-recovery twins."""

import re
import typing
from collections.abc import Mapping
from typing import Any

from estate.source import value_at
from modules.astronomer import Product
from modules.catalog import TYPES
from modules.cluster import DisasterRecovery
from modules.connection import ConnectionProps

TWIN = "-dr"
"""The suffix of the names of a cluster's disaster-recovery twin and of its connections."""


INHERITED = ("product", "account_id", "node_type", "max_nodes", "db_type")
"""The fields that a twin inherits from its cluster."""


def default_product(data: Mapping[Any, Any]) -> Product:
    """Return the product of clusters without `product`.

    If `astro.product` is missing or invalid, only that is reported, and the more likely product is assumed.
    """
    for product in typing.get_args(Product):
        if value_at(data, "astro", "product") == product:
            return product
    return "hybrid" if "account" in data else "hosted-dedicated"


def expand(data: Any) -> Any:
    """Return the data with derived values. Clusters get their product from `astro`, and Hybrid ones their account from
    `account`. A cluster with `dr` gets a twin, and a connection with `dr` a copy for the twins of its clusters."""
    if not isinstance(data, Mapping) or not isinstance(clusters := data.get("clusters"), Mapping):
        return data
    product = default_product(data)
    account_id = value_at(data, "account", "account_id")
    has_account = isinstance(account_id, str) and re.fullmatch(r"\d{12}", account_id, re.ASCII)
    filled: dict[Any, Any] = {}
    for name, cluster in clusters.items():
        filled[name] = cluster
        if isinstance(cluster, Mapping):
            defaults = {"product": product}
            if cluster.get("product", product) == "hybrid" and has_account:
                defaults["account_id"] = account_id
            filled[name] = defaults | dict(cluster)
    for name, cluster in list(filled.items()):
        if isinstance(twin := value_at(filled, name, "dr"), Mapping):
            same = {key: cluster[key] for key in INHERITED if key in cluster}
            # Invalid keys of `dr` are reported at `dr`.
            own = {key: value for key, value in twin.items() if key in DisasterRecovery.model_fields}
            filled.setdefault(f"{name}{TWIN}", same | own)
    result = {**data, "clusters": filled}
    if isinstance(connections := data.get("connections"), Mapping):
        twins = {f"{name}{TWIN}": _twin(entry, filled) for name, entry in connections.items()}
        result["connections"] = {name: entry for name, entry in twins.items() if entry} | dict(connections)
    return result


def _twin(entry: Any, clusters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the copy of a connection for the twins of its clusters, with the values of its `dr`. None without `dr`."""
    if not isinstance(differs := value_at(entry, "dr"), Mapping):
        return None
    props = TYPES.get(str(entry.get("type")), ConnectionProps)
    twin = {key: value for key, value in entry.items() if key not in ("dr", *props.per_region_fields)}
    one, several = entry.get("cluster"), entry.get("clusters")
    several = several if isinstance(several, tuple | list) else ()
    if several := tuple(f"{name}{TWIN}" for name in several if _has_twin(name, clusters)):
        twin["clusters"] = several
    if _has_twin(one, clusters):
        twin["cluster"] = f"{one}{TWIN}"
    elif not several:
        return None
    return twin | dict(differs)


def _has_twin(name: Any, clusters: Mapping[str, Any]) -> bool:
    return isinstance(value_at(clusters, name, "dr"), Mapping)
