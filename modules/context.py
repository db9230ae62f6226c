"""The two sides that a connection's construct joins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modules.cluster import ClusterSide
from modules.expressions import Expression, MapExpression


@dataclass(frozen=True)
class Network:
    """One of your VPCs as a connection sees it: values from the file, or references to what `Vpc` makes.

    `route_tables` and `subnets` are IDs by name.
    """

    account_id: str
    region: str
    vpc_id: str | Expression
    cidrs: tuple[str | Expression, ...]
    route_tables: Mapping[str, str | Expression] | MapExpression = field(default_factory=dict)
    subnets: Mapping[str, str | Expression] = field(default_factory=dict)


@dataclass(frozen=True)
class ConnectionContext:
    """What a connection's construct joins. `name` is the prefix of AWS names, `secrets` the variables of its props."""

    name: str
    network: Network
    clusters: Mapping[str, ClusterSide] = field(default_factory=dict)
    organization: str = ""
    """The short name of the Astro organization."""
    secrets: Mapping[str, Any] = field(default_factory=dict)
