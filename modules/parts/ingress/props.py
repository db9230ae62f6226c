"""Rules that allow Astro in your security groups, for several connection types."""

from collections.abc import Collection, Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from modules.entry import Claim
from modules.vocabulary import Props, SecurityGroupId, Slug

RULES_OF_A_GROUP = 60
"""The default quotas of rules in one direction of a security group, and of groups of an interface (L-0EA8095F and
L-2AFB9258)."""
GROUPS_OF_AN_INTERFACE = 5
Port = Annotated[int, Field(ge=0, le=65535)]


IcmpNumber = Annotated[int, Field(ge=0, le=255)]
EVERY = -1
"""AWS's number for every type or code of ICMP."""


class Ports(Props):
    """The ports of TCP or UDP, or the messages of ICMP, that Astro may send."""

    from_port: Port | None = None
    """First port of the range. Required for TCP and UDP."""
    to_port: Port | None = None
    """Last port of the range. Default: `from_port`."""
    protocol: Literal["tcp", "udp", "icmp"] = "tcp"
    """The protocol. `icmp` has types instead of ports. Type 3 with code 4 reports the maximum packet size of the path,
    and type 8 is a ping."""
    icmp_type: IcmpNumber | None = None
    """The type of ICMP messages. Default: every type."""
    icmp_code: IcmpNumber | None = None
    """The code of the type. Default: every code."""

    @property
    def span(self) -> tuple[int, int]:
        """Return the first and last port, or the type and code of ICMP, in AWS's notation."""
        if self.protocol == "icmp":
            icmp = (EVERY if one is None else one for one in (self.icmp_type, self.icmp_code))
            return next(icmp), next(icmp)
        first = self.from_port or 0
        return first, first if self.to_port is None else self.to_port

    @property
    def in_words(self) -> str:
        """Return the opened ports or messages, such as `tcp 5432` or `icmp 3/4`."""
        first, last = self.span
        if self.protocol == "icmp":
            return "icmp" + ("" if first == EVERY else f" {first}") + ("" if last == EVERY else f"/{last}")
        return f"{self.protocol} {first}" + (f"-{last}" if last != first else "")

    @model_validator(mode="after")
    def _fits_the_protocol(self) -> Self:
        icmp, ports = ("icmp_type", "icmp_code"), ("from_port", "to_port")
        strange = [name for name in (ports if self.protocol == "icmp" else icmp) if getattr(self, name) is not None]
        if strange:
            other = "has no ports" if self.protocol == "icmp" else "has no ICMP types or codes"
            raise ValueError(f"has {' and '.join(strange)}, but {self.protocol} {other}; remove them")
        if self.protocol != "icmp" and self.from_port is None:
            raise ValueError("has no from_port; set the port that Astro connects to")
        if self.icmp_code is not None and self.icmp_type is None:
            raise ValueError("has icmp_code without icmp_type; set icmp_type too")
        first, last = self.span
        if self.protocol != "icmp" and last < first:
            raise ValueError(f"has to_port {last} below from_port {first}; swap them")
        return self


class IngressRule(Ports):
    """Allows inbound traffic from Astro in one of your security groups.

    Do not use a group with inline rules (`aws_security_group` of another Terraform configuration), because that
    configuration would remove this rule.
    """

    security_group: SecurityGroupId

    @property
    def opens(self) -> tuple[object, ...]:
        """Return the properties that must be unique for one source."""
        return self.security_group, self.protocol, *self.span


def _each_once(rules: dict[str, IngressRule]) -> dict[str, IngressRule]:
    first: dict[object, str] = {}
    for name, rule in rules.items():
        if (other := first.setdefault(rule.opens, name)) != name:
            raise ValueError(f"has the same rule as {other} and {name}; AWS accepts it once: remove one")
    return rules


Ingress = Annotated[dict[Slug, IngressRule], AfterValidator(_each_once)]


def ingress_claims(rules: dict[str, IngressRule], sources: Collection[str]) -> Iterator[Claim]:
    """Yield a claim for each rule, source (the ranges of a cluster, a prefix list) and ports. AWS accepts each once."""
    for name, rule in rules.items():
        for source in sources:
            yield Claim(
                ("ingress", name),
                "account",
                ("ingress", source, *rule.opens),
                f"opens {rule.security_group} to {source!r} on these ports",
                "AWS accepts such a rule once: remove one",
            )
