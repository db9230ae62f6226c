"""The context of entries: the rest of the estate for their rules, and both sides of a connection for constructs."""

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
    """The parts of the estate that the rules of an entry can use.

    The account and region are those of the entry's deployment. `clusters` are all clusters of the estate.
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
    """Yield the network's ranges that Astronomer does not accept for a peering: the field `network`, and a sentence."""
    for cidr in context.network.routed_cidrs() if context.network else ():
        if not any(cidr.subnet_of(block) for block in PRIVATE):
            message = (
                f"{network!r} has {cidr}, and Astronomer requires RFC 1918 ranges for a VPC peering (Create a network "
                "connection, Prerequisites); if Astro does not need to reach it, move it to the network's "
                "unrouted_cidrs, otherwise use transit_gateway or private_link"
            )
            yield ("network",), message


class CheckedProps(Props):
    """Base of props with rules about the rest of the estate."""

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:  # noqa: ARG002
        """Yield the problems in the context of the estate: the field, and a sentence on its value."""
        yield from ()


@dataclass(frozen=True)
class Network:
    """One of your VPCs as a connection sees it: values from the file, or references to resources of `Vpc`.

    `route_tables` and `subnets` are IDs by name.
    """

    account_id: str
    region: str
    vpc_id: str | Expression
    """Empty if there is no VPC."""
    cidrs: tuple[str | Expression, ...]
    """The ranges that Astro can reach."""
    route_tables: Mapping[str, str | Expression] | MapExpression = field(default_factory=dict)
    subnets: Mapping[str, str | Expression] = field(default_factory=dict)
    dns: str = "true"
    """An expression that is true if both DNS settings of the VPC are on."""
    unrouted_cidrs: tuple[str | Expression, ...] = ()
    """The other ranges of the VPC."""
    public_route_tables: Mapping[str, str | Expression] = field(default_factory=dict)
    """The tables of a new VPC's public subnets, by name."""
    nat_ips: tuple[str, ...] = ()
    """The public addresses of a new VPC's NAT gateways."""
    keyed: dict[str, list[str]] = field(default_factory=dict, compare=False)
    """The IDs of the constructs whose keys are IDs of `route_tables`, by type: see `stacks/moves.py`."""


@dataclass(frozen=True)
class NewGateway:
    """References to a transit gateway that another connection of the network creates."""

    id: str
    clusters_table: str
    network_table: str
    network_attachment: str
    attached_id: str
    """Its ID, which is known after the network is attached."""

    def tables(self) -> dict[str, str]:
        """Return its route tables by name."""
        return {"clusters": self.clusters_table, "network": self.network_table}


@dataclass(frozen=True)
class ConnectionContext:
    """The sides of a connection for its construct. `name` is the prefix of AWS names, `secrets` are the variables of
    its props."""

    name: str
    network: Network
    clusters: Mapping[str, ClusterSide] = field(default_factory=dict)
    organization: str = ""
    """The short name of the Astro organization."""
    secrets: Mapping[str, Any] = field(default_factory=dict)
    gateway: NewGateway | None = None
    """The gateway of the connection in `transit_gateway_of`."""
    former_name: Callable[[tuple[str, ...], str], str] = lambda where, name: name  # noqa: ARG005
    """Returns the first name of an entry of the map at a path of the file. Names in AWS keep it after a rename."""
