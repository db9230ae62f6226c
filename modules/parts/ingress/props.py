"""Rules that let Astro in through your security groups: what several connection types have in common."""

from collections.abc import Collection, Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from modules.entry import Claim
from modules.vocabulary import Props, SecurityGroupId, Slug

RULES_OF_A_GROUP = 60
"""Rules that a security group takes in one direction, and groups of an interface, by default (quotas L-0EA8095F and
L-2AFB9258)."""
GROUPS_OF_AN_INTERFACE = 5
Port = Annotated[int, Field(ge=0, le=65535)]


class Ports(Props):
    """What Astro may reach."""

    from_port: Port
    to_port: Port | None = None
    """Last port of the range. Default: `from_port`."""
    protocol: Literal["tcp", "udp"] = "tcp"

    @property
    def last_port(self) -> int:
        return self.from_port if self.to_port is None else self.to_port

    @model_validator(mode="after")
    def _goes_up(self) -> Self:
        if self.last_port < self.from_port:
            raise ValueError(f"ends at port {self.last_port}, before it begins at {self.from_port}; swap the two")
        return self


class IngressRule(Ports):
    """Lets Astro in through one of your security groups."""

    security_group: SecurityGroupId

    @property
    def opens(self) -> tuple[object, ...]:
        """What AWS takes only once from one source."""
        return self.security_group, self.protocol, self.from_port, self.last_port


def _each_once(rules: dict[str, IngressRule]) -> dict[str, IngressRule]:
    first: dict[object, str] = {}
    for name, rule in rules.items():
        if (other := first.setdefault(rule.opens, name)) != name:
            raise ValueError(f"has one rule twice, as {other} and as {name}, and AWS takes it once; leave one out")
    return rules


Ingress = Annotated[dict[Slug, IngressRule], AfterValidator(_each_once)]


def ingress_claims(rules: dict[str, IngressRule], sources: Collection[str]) -> Iterator[Claim]:
    """A security group takes one rule for each source (a cluster's ranges, a prefix list) and ports."""
    for name, rule in rules.items():
        for source in sources:
            yield Claim(
                ("ingress", name),
                "account",
                ("ingress", source, *rule.opens),
                f"opens {rule.security_group} to {source!r} on these ports",
                "AWS takes such a rule once: leave one out",
            )
