from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Annotated, Literal, Self

from pydantic import Field, Tag, model_validator

from modules.connection import FieldPath
from modules.vocabulary import (
    WORD_OR_MAP,
    AccountId,
    PrivateCidr,
    Props,
    Region,
    RouteTableId,
    Slug,
    SubnetId,
    VpcCidr,
    VpcId,
)


class NewVpc(Props):
    """A VPC to make."""

    cidr: VpcCidr
    """Subnets are cut from this range so that adding an availability zone moves none of them."""
    availability_zones: Literal[2, 3] = 2


class VpcProps(Props):
    """One of your networks: an existing VPC (`vpc_id`, `cidrs`) or one to make (`create`)."""

    account_id: AccountId
    region: Region
    vpc_id: VpcId | None = None
    cidrs: Annotated[tuple[PrivateCidr, ...], Field(max_length=50)] = ()
    """Every range of the existing VPC, the primary first: all count in the overlap check."""
    route_tables: Annotated[
        Annotated[dict[Slug, RouteTableId], Tag("map")] | Annotated[Literal["all"], Tag("word")], WORD_OR_MAP
    ] = Field(default_factory=dict)
    """The existing VPC's route tables that get routes to Astro, by a name of your choice; `all` discovers them."""
    subnets: dict[Slug, SubnetId] = Field(default_factory=dict)
    """The existing VPC's subnets for attachments and endpoints, by a name of your choice, each in another zone."""
    create: NewVpc | None = None

    @model_validator(mode="after")
    def _exists_or_is_made(self) -> Self:
        if (self.vpc_id is None) == (self.create is None):
            raise ValueError("names neither or both of vpc_id and create; give vpc_id for a VPC that exists, or create")
        if self.vpc_id and not self.cidrs:
            raise ValueError("has a vpc_id and no cidrs; list every range of that VPC, the primary first")
        return self

    def occupied_cidrs(self) -> Iterator[tuple[FieldPath, IPv4Network]]:
        """Every range of the VPC, with the field that it stands in."""
        for index, cidr in enumerate(self.cidrs):
            yield ("cidrs", index), cidr
        if self.create:
            yield ("create", "cidr"), self.create.cidr

    def subnet_names(self) -> tuple[str, ...]:
        """The names by which connections refer to subnets."""
        if self.create:
            return tuple(f"private-{zone}" for zone in "abc"[: self.create.availability_zones])
        return tuple(self.subnets)
