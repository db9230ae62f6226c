"""What entries are checked against, and what the constructs of connections receive."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from modules.cluster import Cluster, ClusterSide
from modules.entry import FieldPath
from modules.expressions import Expression, MapExpression
from modules.parts.iam_policy.props import PolicyDocument
from modules.vocabulary import PRIVATE, Props
from modules.vpc.props import VpcProps


@dataclass(frozen=True)
class Context:
    """What the rules of an entry may know of the rest of the estate.

    The account and region are those that the entry is deployed in. `clusters` are all clusters of the estate.
    """

    account_id: str
    region: str
    network: VpcProps | None = None
    """The network of a connection."""
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    document: PolicyDocument | None = None
    """The policy document of Astronomer's role, for the entries of `account`."""

    @property
    def subnets(self) -> tuple[str, ...]:
        """The names of the network's subnets."""
        return self.network.subnet_names() if self.network else ()

    @property
    def ranges(self) -> tuple[IPv4Network, ...]:
        """The ranges of the network's VPC."""
        return tuple(cidr for _, cidr in self.network.occupied_cidrs()) if self.network else ()


def not_private(context: Context, network: str) -> Iterator[tuple[FieldPath, str]]:
    """Yield the network's ranges that Astronomer takes for no peering: the field `network`, and a sentence."""
    for cidr in context.network.routed_cidrs() if context.network else ():
        if not any(cidr.subnet_of(block) for block in PRIVATE):
            message = (
                f"{network!r} has {cidr}, and Astronomer asks for RFC 1918 ranges for a VPC peering (Create a network "
                "connection, Prerequisites); if Astro need not reach it, move it to the network's unrouted_cidrs, "
                "otherwise use transit_gateway or private_link"
            )
            yield ("network",), message


class CheckedProps(Props):
    """Base of props that have rules about the rest of the estate."""

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:  # noqa: ARG002
        """Yield what does not fit the rest of the estate: the field, and a sentence on its value."""
        yield from ()


@dataclass(frozen=True)
class Network:
    """One of your VPCs as a connection sees it: values from the file, or references to what `Vpc` makes.

    `route_tables` and `subnets` are IDs by name.
    """

    account_id: str
    region: str
    vpc_id: str | Expression
    """Empty if there is no VPC."""
    cidrs: tuple[str | Expression, ...]
    """The ranges that Astro is to reach."""
    route_tables: Mapping[str, str | Expression] | MapExpression = field(default_factory=dict)
    subnets: Mapping[str, str | Expression] = field(default_factory=dict)
    dns: str = "true"
    """The expression of whether both DNS settings of the VPC are on."""
    unrouted_cidrs: tuple[str | Expression, ...] = ()
    """The VPC's other ranges."""


@dataclass(frozen=True)
class NewGateway:
    """References to a transit gateway that another connection of the network makes."""

    id: str
    clusters_table: str
    network_table: str
    network_attachment: str

    def tables(self) -> dict[str, str]:
        """Its route tables, by name."""
        return {"clusters": self.clusters_table, "network": self.network_table}


@dataclass(frozen=True)
class ConnectionContext:
    """What a connection's construct joins. `name` is the prefix of AWS names, `secrets` the variables of its props."""

    name: str
    network: Network
    clusters: Mapping[str, ClusterSide] = field(default_factory=dict)
    organization: str = ""
    """The short name of the Astro organization."""
    secrets: Mapping[str, Any] = field(default_factory=dict)
    gateway: NewGateway | None = None
    """The gateway of the connection that `transit_gateway_of` names."""
    former_name: Callable[[tuple[str, ...], str], str] = lambda where, name: name  # noqa: ARG005
    """Returns the first name of an entry of the map at a path of the file, which names in AWS keep."""
