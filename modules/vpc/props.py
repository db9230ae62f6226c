from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from ipaddress import IPv4Network
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from modules.entry import FieldPath
from modules.expressions import FOR_EACH
from modules.tags import TagKey, TagValue
from modules.vocabulary import (
    PRIVATE,
    PRIVATE_IN_WORDS,
    UNIQUE,
    AccountId,
    AvailabilityZone,
    Props,
    Range,
    Reason,
    Region,
    RetentionDays,
    RouteTableId,
    Slug,
    SubnetId,
    Text,
    VpcId,
    duplicates,
)

Letter = Literal["a", "b", "c"]


def _unicast(cidr: IPv4Network) -> IPv4Network:
    if cidr.is_loopback or cidr.is_link_local or cidr.is_multicast or cidr.is_reserved or cidr.is_unspecified:
        raise ValueError("is not a range that a VPC can have: loopback, link-local, multicast and reserved ones cannot")
    return cidr


VpcCidr = Annotated[IPv4Network, Range("a range of a VPC", 16, 28), AfterValidator(_unicast)]
"""Public ones too: AWS takes them, and Astronomer asks for private ones only for a peering."""

_NOT_FOR_EVERY_ACCOUNT = {"ap-northeast-1": "b", "ca-central-1": "c", "us-west-1": "abc"}
"""Zones, by their letter, that AWS does not give to every account."""


NamePattern = Annotated[
    str,
    Text(
        "the name of route tables",
        r"[\w .:/=+@*-]{1,255}",
        "1 to 255 letters, digits, spaces and _.:/=+-@, with * for any text",
        "acme-private-*",
    ),
]


class FoundRouteTables(Props):
    """The existing VPC's route tables that have a name or tags. A plan finds them, and fails if it finds none."""

    by_name: Annotated[tuple[NamePattern, ...], Field(max_length=50), UNIQUE] = ()
    """Their `Name` tags, such as `acme-private-*`, where `*` stands for any text. One of them is enough."""
    by_tag: Annotated[dict[TagKey, TagValue], Field(max_length=20)] = Field(default_factory=dict)
    """Other tags of theirs. Each has to be there with its value."""

    def includes(self, tags: Mapping[str, str]) -> bool:
        """Whether a table with these tags is one of them."""
        named = any(fnmatchcase(tags.get("Name", ""), name) for name in self.by_name)
        return (named or not self.by_name) and self.by_tag.items() <= tags.items()

    @model_validator(mode="after")
    def _looks_for_something(self) -> Self:
        if not self.by_name and not self.by_tag:
            raise ValueError("has neither by_name nor by_tag; name one, or write `all` or `private`")
        if "Name" in self.by_tag:
            raise ValueError("has Name in by_tag; write it in by_name")
        return self


def _shape(value: object) -> str:
    if isinstance(value, FoundRouteTables) or (
        isinstance(value, Mapping) and not value.keys().isdisjoint(FoundRouteTables.model_fields)
    ):
        return "found"
    return "map" if isinstance(value, Mapping) else "word"


class FlowLogs(Props):
    """A record of the connections in the VPC, in a CloudWatch log group."""

    retention_days: RetentionDays = 90
    """How long they are kept."""
    off_reason: Reason | None = None
    """Keeps no flow logs, and says why."""


class NewVpc(Props):
    """A VPC to make: a public and a private subnet in each availability zone, its default security group closed."""

    cidr: Annotated[
        IPv4Network,
        Range("a range to cut subnets from", 16, 24, PRIVATE, PRIVATE_IN_WORDS),
    ]
    """/16 to /24: of a smaller one, the public subnets would be smaller than the /28 that AWS asks for."""
    availability_zones: Literal[2, 3] = 2
    """Zones to be in. Their subnets are called a, b and c; a third one moves none of the first two."""
    zones: dict[Letter, AvailabilityZone] = Field(default_factory=dict)
    """Which zone a letter stands for, such as `{b: ap-northeast-1c}`. Default: the region's zone of that letter."""
    nat: Literal["none", "single", "per_az"] = "none"
    """How the private subnets reach the internet: not at all, through one NAT gateway in zone a (cheaper, and lost with
    that zone), or through one in each zone. Each has an Elastic IP address."""
    s3_endpoint: bool = True
    """Reach S3 without the internet, by a gateway endpoint, which costs nothing."""
    flow_logs: FlowLogs = FlowLogs()
    """Kept unless there is a reason not to."""

    def letters(self) -> tuple[Letter, ...]:
        """The zones in use."""
        every: tuple[Letter, ...] = ("a", "b", "c")
        return every[: self.availability_zones]

    def zone(self, region: str, letter: Letter) -> str:
        """The AWS name of a zone. Not asked of AWS, whose list may gain a zone and so move subnets to others."""
        return self.zones.get(letter, f"{region}{letter}")

    def cuts(self) -> dict[str, tuple[Letter, int, int]]:
        """The zone of each subnet, by its name, and its range: by how many bits it is longer, and its number then.

        Every zone has its place, used or not. A quarter of the range for each private subnet; the last quarter has the
        public ones and a spare:

            10.30.0.0/20
            |                |                |                |       |       |       |       |
            |  private-a     |  private-b     |  private-c     |pub.-a |pub.-b |pub.-c | spare |
            |  10.30.0.0/22  |  10.30.4.0/22  |  10.30.8.0/22  | 12/24 | 13/24 | 14/24 | 15/24 |
        """
        cuts: dict[str, tuple[Letter, int, int]] = {}
        for place, letter in enumerate(self.letters()):
            cuts[f"private-{letter}"] = letter, 2, place
            cuts[f"public-{letter}"] = letter, 4, 12 + place
        return cuts


_OF_A_VPC = ("cidrs", "unrouted_cidrs", "route_tables", "subnets", "routes_elsewhere")


class VpcProps(Props):
    """One of your networks: an existing VPC (`vpc_id`, `cidrs`), one to make (`create`), or an account and region
    without a VPC, for connections that need none: a transit gateway of a network account, roles, shared rules.

    Two entries in different accounts may name one VPC that is shared by AWS RAM: its owner's, with the route tables
    and the connections that route, and a participant's, with security groups and endpoints."""

    unrouted_fields: ClassVar[tuple[str, ...]] = ("unrouted_cidrs",)
    """Fields with ranges that no packet on a connection has."""

    account_id: AccountId
    """The AWS account that it is in."""
    region: Region
    """The AWS region that it is in."""
    vpc_id: VpcId | None = None
    """The existing VPC."""
    cidrs: Annotated[tuple[VpcCidr, ...], Field(max_length=50)] = ()
    """The ranges of the existing VPC, the primary first: each is routed, and counts in the overlap check. AWS takes /16
    to /28."""
    unrouted_cidrs: Annotated[tuple[VpcCidr, ...], Field(max_length=50)] = ()
    """Further ranges of the existing VPC that Astro need not reach, such as the 100.64.0.0/16 of an EKS cluster's pods:
    nobody is asked to route them. They must not hold a cluster's range, and a VPC peering compares them too. Default:
    none; `cidrs` has all."""
    route_tables: Annotated[
        Annotated[FoundRouteTables, Tag("found")]
        | Annotated[dict[Slug, RouteTableId], Tag("map")]
        | Annotated[Literal["all", "private"], Tag("word")],
        Discriminator(_shape),
        FOR_EACH,
    ] = Field(default_factory=dict)
    """The existing VPC's route tables that get routes to Astro: their IDs, by a name of your choice. Or each plan finds
    them: `all`, `private` for those without a route to an internet gateway, or by their names or tags. Tables of an
    internet gateway or virtual private gateway are left out, because they take no such route. No table may have its
    routes inside an `aws_route_table` of another Terraform configuration, which would remove these."""
    subnets: dict[Slug, SubnetId] = Field(default_factory=dict)
    """The existing VPC's subnets for attachments and endpoints, by a name of your choice, each in another zone."""
    routes_elsewhere: Reason | None = None
    """Why the existing VPC names no `route_tables` although connections route it: who leads its answers back to Astro.
    Default: such a network is refused."""
    create: NewVpc | None = None
    """A VPC to make. Its private subnets and their route tables are called `private-a`, `private-b`, `private-c`."""

    @field_validator("route_tables", "subnets")
    @classmethod
    def _each_has_one_name(cls, ids: dict[str, str] | FoundRouteTables | str) -> object:
        if isinstance(ids, dict) and (twice := duplicates(ids.values())):
            raise ValueError(f"has {', '.join(twice)} under two names; name each once")
        return ids

    @field_validator("routes_elsewhere")
    @classmethod
    def _routes_here_or_elsewhere(cls, reason: str | None, info: ValidationInfo) -> str | None:
        if reason and info.data.get("route_tables"):
            raise ValueError("stands beside route_tables, which lead back; take one of them out")
        return reason

    @field_validator("create")
    @classmethod
    def _create_excludes_existing(cls, create: NewVpc | None, info: ValidationInfo) -> NewVpc | None:
        beside = [field for field in ("vpc_id", *_OF_A_VPC) if info.data.get(field)]
        if create and beside:
            raise ValueError(
                f"stands beside {', '.join(beside)}, which a VPC to be made has of its own; "
                "take them out, or take create out if the VPC exists"
            )
        return create

    @field_validator("create")
    @classmethod
    def _is_in_zones_of_the_region(cls, create: NewVpc | None, info: ValidationInfo) -> NewVpc | None:
        if not create or not (region := info.data.get("region")):
            return create
        for letter in create.letters():
            zone = create.zone(region, letter)
            if letter not in create.zones and letter in _NOT_FOR_EVERY_ACCOUNT.get(region, ""):
                raise ValueError(
                    f"would use {zone}, which AWS does not give to every account; name a zone of yours in zones, "
                    f"such as {{{letter}: {region}d}} (aws ec2 describe-availability-zones lists them)"
                )
            if zone[:-1] != region:
                raise ValueError(f"has zone {zone}, which is not in the network's region {region}; name one that is")
        used = [create.zone(region, letter) for letter in create.letters()]
        if twice := {zone for zone in used if used.count(zone) > 1}:
            raise ValueError(f"has {twice.pop()} for two of its zones; zones fail one at a time, so name another")
        return create

    @model_validator(mode="after")
    def _exists_or_is_made(self) -> Self:
        described = [name for name in _OF_A_VPC if getattr(self, name)]
        if self.vpc_id is None and self.create is None and described:
            raise ValueError("names neither vpc_id nor create; give vpc_id for a VPC that exists, or create for one")
        if self.vpc_id and not self.cidrs:
            raise ValueError("has a vpc_id and no cidrs; list every range of that VPC, the primary first")
        return self

    @property
    def has_vpc(self) -> bool:
        """Whether there is a VPC, existing or to be made."""
        return bool(self.vpc_id or self.create)

    def occupied_cidrs(self) -> Iterator[tuple[FieldPath, IPv4Network]]:
        """Every range of the VPC, with the field that it stands in."""
        for name in ("cidrs", "unrouted_cidrs"):
            for index, cidr in enumerate(getattr(self, name)):
                yield (name, index), cidr
        if self.create:
            yield ("create", "cidr"), self.create.cidr

    def routed_cidrs(self) -> tuple[IPv4Network, ...]:
        """The ranges that Astro is to reach."""
        return (self.create.cidr,) if self.create else self.cidrs

    def subnet_names(self) -> tuple[str, ...]:
        """The names by which connections refer to subnets."""
        if self.create:
            return tuple(f"private-{letter}" for letter in self.create.letters())
        return tuple(self.subnets)
