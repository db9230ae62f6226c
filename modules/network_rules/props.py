from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ConnectionProps
from modules.context import Context
from modules.entry import Claim, FieldPath, PendingInput
from modules.parts.ingress.props import Ingress, Ports, ingress_claims
from modules.vocabulary import BY_REFERENCE, NetworkAclId, Slug

RuleNumber = Annotated[int, Field(ge=1, le=32766)]


class AclRule(Ports):
    """Lets Astro in through one of your network ACLs, and the answers out.

    A network ACL keeps no state: each rule in has one out, with the same number, for the answers to ports 1024 to 65535
    of the same range, or for every message of ICMP. The rules of an ACL go by number and the first that fits decides:
    take numbers before those that deny. An ACL takes 20 rules each way by default. Not for an ACL whose rules are
    written inside an `aws_network_acl` of another Terraform configuration, which would take these out.
    """

    network_acl: NetworkAclId
    rule_number: RuleNumber
    """The number, in and out, of the rule for the cluster's `cidr`: 1 to 32766, yours to choose, so that no rule ever
    moves when another is added."""
    additional_rule_numbers: Annotated[dict[Slug, RuleNumber], BY_REFERENCE] = Field(default_factory=dict)
    """A number for each of the cluster's `additional_cidrs`, by the same names."""

    def numbers(self) -> dict[str, int]:
        """By the name of the range, as `ClusterSide.routed_cidrs` has them."""
        return {"": self.rule_number, **self.additional_rule_numbers}


class NetworkRulesProps(ConnectionProps):
    """Let a cluster's private ranges in through existing security groups and network ACLs, whatever way they come:
    peering, transit gateway, VPN. Only towards you: answers need no rule in a security group, and have theirs in an
    ACL."""

    routed: ClassVar[bool] = False
    needs_of_clusters: ClassVar[tuple[PendingInput, ...]] = ()

    type: Literal["network_rules"]
    cluster: Slug
    """The entry of `clusters` that is let in."""
    ingress: Ingress = Field(default_factory=dict)
    """Rules, by name, that let the cluster's ranges into your security groups."""
    network_acls: dict[Slug, AclRule] = Field(default_factory=dict)
    """Rules, by name, that let the cluster's ranges through your network ACLs."""

    @field_validator("network_acls")
    @classmethod
    def _numbers_each_once(cls, rules: dict[str, AclRule]) -> dict[str, AclRule]:
        taken: dict[tuple[str, int], str] = {}
        for name, rule in rules.items():
            for range_name, number in rule.numbers().items():
                place = f"{name}.{range_name}" if range_name else name
                if (other := taken.setdefault((rule.network_acl, number), place)) != place:
                    raise ValueError(
                        f"has number {number} of {rule.network_acl} twice, for {other} and for {place}; "
                        "an ACL has one rule of a number: give each its own"
                    )
        return rules

    def claims(self) -> Iterator[Claim]:
        yield from super().claims()
        yield from ingress_claims(self.ingress, [self.cluster])
        for name, rule in self.network_acls.items():
            for range_name, number in rule.numbers().items():
                field = ("additional_rule_numbers", range_name) if range_name else ("rule_number",)
                yield Claim(
                    ("network_acls", name, *field),
                    "account",
                    ("network ACL", rule.network_acl, number),
                    f"takes number {number} of {rule.network_acl}",
                    "an ACL has one rule of a number: give each its own",
                )

    @property
    def needs_vpc(self) -> bool:
        return False

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:
        return "" if cluster.same_ranges(twin) else "the rules do not let in the ranges of the twin"

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        if self.cluster not in context.clusters:
            return
        ranges = set(context.clusters[self.cluster].additional_cidrs)
        for name, rule in self.network_acls.items():
            field = ("network_acls", name, "additional_rule_numbers")
            numbered = set(rule.additional_rule_numbers)
            if missing := sorted(ranges - numbered):
                yield field, f"has no number for {', '.join(missing)} of cluster {self.cluster!r}; give each one"
            if strangers := sorted(numbered - ranges):
                there = ", ".join(sorted(ranges)) or "none"
                message = (
                    f"has {', '.join(strangers)}, not in additional_cidrs of cluster {self.cluster!r}; there: {there}"
                )
                yield field, message
