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
    """Allows traffic from Astro in one of your network ACLs, and the responses.

    Network ACLs are stateless. Each inbound rule therefore has an outbound rule with the same number for the responses
    to ports 1024 to 65535 of the same range, or for every message of ICMP. AWS evaluates the rules of an ACL by number,
    and the first match decides, so choose numbers below those of rules that deny. By default, an ACL has up to 20 rules
    in each direction. Do not use an ACL with inline rules (`aws_network_acl` of another Terraform configuration),
    because that configuration would remove these rules.
    """

    network_acl: NetworkAclId
    rule_number: RuleNumber
    """The number of the inbound and the outbound rule for the cluster's `cidr`: 1 to 32766. You choose the numbers, so
    no rule moves when another is added."""
    additional_rule_numbers: Annotated[dict[Slug, RuleNumber], BY_REFERENCE] = Field(default_factory=dict)
    """A number for each of the cluster's `additional_cidrs`, by the same names."""

    def numbers(self) -> dict[str, int]:
        """Return the numbers by the range's name in `ClusterSide.routed_cidrs`."""
        return {"": self.rule_number, **self.additional_rule_numbers}


class NetworkRulesProps(ConnectionProps):
    """Allow a cluster's private ranges in existing security groups and network ACLs, over any path: peering, transit
    gateway or VPN. The rules are inbound only. Security groups allow the responses automatically, and network ACLs get
    rules for them."""

    routed: ClassVar[bool] = False
    needs_of_clusters: ClassVar[tuple[PendingInput, ...]] = ()

    type: Literal["network_rules"]
    cluster: Slug
    """The entry of `clusters` to allow."""
    ingress: Ingress = Field(default_factory=dict)
    """Rules, by name, that allow the cluster's ranges in your security groups."""
    network_acls: dict[Slug, AclRule] = Field(default_factory=dict)
    """Rules, by name, that allow the cluster's ranges in your network ACLs."""

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
                        "rule numbers must be unique within an ACL: change one"
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
                    f"uses number {number} of {rule.network_acl}",
                    "rule numbers must be unique within an ACL: change one",
                )

    @property
    def needs_vpc(self) -> bool:
        return False

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:
        return "" if cluster.same_ranges(twin) else "the rules do not allow the ranges of the twin"

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        if self.cluster not in context.clusters:
            return
        ranges = set(context.clusters[self.cluster].additional_cidrs)
        for name, rule in self.network_acls.items():
            field = ("network_acls", name, "additional_rule_numbers")
            numbered = set(rule.additional_rule_numbers)
            if missing := sorted(ranges - numbered):
                yield (
                    field,
                    f"has no number for {', '.join(missing)} of cluster {self.cluster!r}; add a number for each",
                )
            if strangers := sorted(numbered - ranges):
                there = ", ".join(sorted(ranges)) or "none"
                message = (
                    f"has {', '.join(strangers)}, missing from additional_cidrs of cluster {self.cluster!r}; allowed: "
                    f"{there}"
                )
                yield field, message
