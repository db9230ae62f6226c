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

VARIABLE = "variable"
"""Stands for an ID in a file for `main.py export`."""

FLOW_LOGS_PATH = "/vpc-flow-logs/"
"""The path of a flow logs' role without `controls`."""

Letter = Literal["a", "b", "c"]


def _unicast(cidr: IPv4Network) -> IPv4Network:
    if cidr.is_loopback or cidr.is_link_local or cidr.is_multicast or cidr.is_reserved or cidr.is_unspecified:
        raise ValueError(
            "is not a valid range for a VPC: it contains loopback, link-local, multicast or reserved addresses"
        )
    return cidr


VpcCidr = Annotated[IPv4Network, Range("a valid range for a VPC", 16, 28), AfterValidator(_unicast)]
"""Includes public ranges, because AWS allows them. Astronomer requires private ranges for peerings only."""

_NOT_FOR_EVERY_ACCOUNT = {"ap-northeast-1": "b", "ca-central-1": "c", "us-west-1": "abc"}
"""Zones, by their letter, that AWS offers only to some accounts."""


NamePattern = Annotated[
    str,
    Text(
        "the name of route tables",
        r"[\w .:/=+@*-]{1,255}",
        "1 to 255 letters, digits, spaces and _.:/=+-@, with * as a wildcard",
        "acme-private-*",
    ),
]


class FoundRouteTables(Props):
    """Route tables of the existing VPC by name or tags. A plan finds them, and fails if there are none."""

    by_name: Annotated[tuple[NamePattern, ...], Field(max_length=50), UNIQUE] = ()
    """Allowed `Name` tags, such as `acme-private-*`, in which `*` matches any text."""
    by_tag: Annotated[dict[TagKey, TagValue], Field(max_length=20)] = Field(default_factory=dict)
    """Other required tags, each with its value."""

    def includes(self, tags: Mapping[str, str]) -> bool:
        """Return whether a table with these tags is included."""
        named = any(fnmatchcase(tags.get("Name", ""), name) for name in self.by_name)
        return (named or not self.by_name) and self.by_tag.items() <= tags.items()

    @model_validator(mode="after")
    def _looks_for_something(self) -> Self:
        if not self.by_name and not self.by_tag:
            raise ValueError("has neither by_name nor by_tag; set one of them, or use `all` or `private`")
        if "Name" in self.by_tag:
            raise ValueError("has Name in by_tag; use by_name")
        return self


def _word_or_id(value: object) -> str:
    return "word" if value == VARIABLE else "id"


_Word = Annotated[Literal["variable"], Tag("word")]
VpcIdOrVariable = Annotated[Annotated[VpcId, Tag("id")] | _Word, Discriminator(_word_or_id)]
SubnetIdOrVariable = Annotated[Annotated[SubnetId, Tag("id")] | _Word, Discriminator(_word_or_id)]


def _shape(value: object) -> str:
    if isinstance(value, FoundRouteTables) or (
        isinstance(value, Mapping) and not value.keys().isdisjoint(FoundRouteTables.model_fields)
    ):
        return "found"
    return "map" if isinstance(value, Mapping) else "word"


class FlowLogs(Props):
    """Flow logs of the VPC, in a CloudWatch log group."""

    retention_days: RetentionDays = 90
    """The retention period in days."""
    off_reason: Reason | None = None
    """The reason why the network has no flow logs."""


class NewVpc(Props):
    """A VPC to create, with a public and a private subnet in each availability zone and an empty default security
    group."""

    cidr: Annotated[
        IPv4Network,
        Range("a valid range for a new VPC", 16, 24, PRIVATE, PRIVATE_IN_WORDS),
    ]
    """The range, /16 to /24. In a smaller range, the public subnets would be smaller than /28, which is AWS's
    minimum. After the first deploy, a plan refuses another range: add a second network instead."""
    availability_zones: Literal[2, 3] = 2
    """The number of zones. Their subnets are named a, b and c. Adding a third zone does not change the first two."""
    zones: dict[Letter, AvailabilityZone] = Field(default_factory=dict)
    """The zones of the letters, such as `{b: ap-northeast-1c}`. Default: the region's zone with the same letter. A plan
    refuses another zone for a letter in use."""
    nat: Literal["none", "single", "per_az"] = "none"
    """The path of the private subnets to the internet: `none`, a `single` NAT gateway in zone a (cheaper, but lost with
    that zone), or one `per_az`. Each gateway has an Elastic IP address."""
    s3_endpoint: bool = True
    """Reach S3 without the internet through a gateway endpoint, which is free."""
    flow_logs: FlowLogs = FlowLogs()
    """Flow logs. Default: enabled."""

    def letters(self) -> tuple[Letter, ...]:
        """Return the zones in use."""
        every: tuple[Letter, ...] = ("a", "b", "c")
        return every[: self.availability_zones]

    def zone(self, region: str, letter: Letter) -> str:
        """Return the AWS name of a zone. It is not read from AWS, because a new zone in AWS's list could move
        subnets."""
        return self.zones.get(letter, f"{region}{letter}")

    def cuts(self) -> dict[str, tuple[Letter, int, int]]:
        """Return the zone of each subnet by its name, the additional bits of its prefix, and its number.

        Every zone has a fixed range, used or not. Each private subnet has a quarter of the range. The last quarter
        contains the public subnets and a spare:

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
    """One of your networks: an existing VPC (`vpc_id`, `cidrs`), a new one (`create`), or an account and region without
    a VPC. Some connections need no VPC, such as a transit gateway of a network account, roles, or shared rules.

    If a VPC is shared through AWS RAM, two entries in different accounts may name it. The owner's entry has the route
    tables and the routed connections. A participant's entry has security groups and endpoints.
    """

    unrouted_fields: ClassVar[tuple[str, ...]] = ("unrouted_cidrs",)
    """Fields with ranges that never appear in packets on a connection."""

    account_id: AccountId
    """The AWS account of the network."""
    region: Region
    """The AWS region of the network."""
    vpc_id: VpcIdOrVariable | None = None
    """The existing VPC. With `variable`, in a file for `main.py export`, it is a required variable of the module, such
    as for a VPC that your Terraform creates. The VPC's ranges are still in the file, for the overlap check."""
    cidrs: Annotated[tuple[VpcCidr, ...], Field(max_length=50)] = ()
    """The ranges of the existing VPC, the primary first. Each is routed and included in the overlap check. AWS allows
    /16 to /28."""
    unrouted_cidrs: Annotated[tuple[VpcCidr, ...], Field(max_length=50)] = ()
    """Other ranges of the existing VPC that Astro does not need to reach, such as the 100.64.0.0/16 of an EKS cluster's
    pods. They are not routed. They must not contain a cluster's range, and must not overlap any range on the other side
    of a VPC peering. Default: none; all ranges are in `cidrs`."""
    route_tables: Annotated[
        Annotated[FoundRouteTables, Tag("found")]
        | Annotated[dict[Slug, RouteTableId], Tag("map")]
        | Annotated[Literal["all", "private"], Tag("word")],
        Discriminator(_shape),
        FOR_EACH,
    ] = Field(default_factory=dict)
    """The existing VPC's route tables that get routes to Astro: their IDs, by a name of your choice, or a rule by which
    each plan finds them. The rule `all` finds every table, `private` those without a route to an internet gateway, and
    `by_name` and `by_tag` those with a name or tags. Tables of an internet gateway or virtual private gateway are
    excluded, because they cannot have such routes. Do not use a table with inline routes (`aws_route_table` of another
    Terraform configuration), because that configuration would remove these routes. You can change from IDs to a rule,
    or back: the routes of tables that remain are not replaced."""
    subnets: dict[Slug, SubnetIdOrVariable] = Field(default_factory=dict)
    """The existing VPC's subnets for attachments and endpoints, by a name of your choice, each in a different zone.
    With `vpc_id: variable`, each can be `variable` too."""
    routes_elsewhere: Reason | None = None
    """The reason why the existing VPC has no `route_tables` although its connections are routed, and who creates the
    routes back to Astro. Default: such a network is an error."""
    create: NewVpc | None = None
    """A VPC to create. The names of its private subnets and their route tables are `private-a`, `private-b`,
    `private-c`."""

    @field_validator("route_tables", "subnets")
    @classmethod
    def _each_has_one_name(cls, ids: dict[str, str] | FoundRouteTables | str) -> object:
        if isinstance(ids, dict) and (twice := duplicates(id_ for id_ in ids.values() if id_ != VARIABLE)):
            raise ValueError(f"has {', '.join(twice)} under two names; list each once")
        return ids

    @field_validator("routes_elsewhere")
    @classmethod
    def _routes_here_or_elsewhere(cls, reason: str | None, info: ValidationInfo) -> str | None:
        if reason and info.data.get("route_tables"):
            raise ValueError("cannot be combined with route_tables; remove one")
        return reason

    @field_validator("create")
    @classmethod
    def _create_excludes_existing(cls, create: NewVpc | None, info: ValidationInfo) -> NewVpc | None:
        beside = [field for field in ("vpc_id", *_OF_A_VPC) if info.data.get(field)]
        if create and beside:
            raise ValueError(
                f"cannot be combined with {', '.join(beside)}; use create for a new VPC, or vpc_id and its fields "
                "for an existing one"
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
                    f"would use {zone}, which AWS does not offer to every account; set a zone of your account in "
                    f"zones, such as {{{letter}: {region}d}} (aws ec2 describe-availability-zones lists them)"
                )
            if zone[:-1] != region:
                raise ValueError(
                    f"has zone {zone}, which is not in the network's region {region}; use a zone of that region"
                )
        used = [create.zone(region, letter) for letter in create.letters()]
        if twice := {zone for zone in used if used.count(zone) > 1}:
            raise ValueError(f"uses {twice.pop()} twice; choose a different zone for each letter")
        return create

    @model_validator(mode="after")
    def _exists_or_is_made(self) -> Self:
        described = [name for name in _OF_A_VPC if getattr(self, name)]
        if self.vpc_id is None and self.create is None and described:
            raise ValueError("needs a VPC; set vpc_id for an existing VPC, or create for a new one")
        if VARIABLE in self.subnets.values() and self.vpc_id != VARIABLE:
            raise ValueError("has variable in subnets, and vpc_id is an ID; write every ID, or vpc_id: variable")
        if self.vpc_id and not self.cidrs:
            raise ValueError("has vpc_id without cidrs; list every range of that VPC, the primary first")
        return self

    @property
    def has_vpc(self) -> bool:
        """Return whether there is a VPC, existing or new."""
        return bool(self.vpc_id or self.create)

    def occupied_cidrs(self) -> Iterator[tuple[FieldPath, IPv4Network]]:
        """Yield every range of the VPC with its field."""
        for name in ("cidrs", "unrouted_cidrs"):
            for index, cidr in enumerate(getattr(self, name)):
                yield (name, index), cidr
        if self.create:
            yield ("create", "cidr"), self.create.cidr

    def routed_cidrs(self) -> tuple[IPv4Network, ...]:
        """Return the ranges that Astro can reach."""
        return (self.create.cidr,) if self.create else self.cidrs

    def subnet_names(self) -> tuple[str, ...]:
        """Return the names by which connections refer to subnets."""
        if self.create:
            return tuple(f"private-{letter}" for letter in self.create.letters())
        return tuple(self.subnets)
