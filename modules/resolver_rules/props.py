from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from modules.astronomer import astro_names_in
from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ACCOUNT_ID, INVITATION, SharingProps
from modules.context import Context
from modules.entry import FieldPath, PendingInput, Step, fact, in_words
from modules.parts.ingress.props import GROUPS_OF_AN_INTERFACE, RULES_OF_A_GROUP
from modules.parts.resolver_endpoint.props import ResolverEndpoint, check_without_endpoint
from modules.vocabulary import (
    UNIQUE,
    Domain,
    Props,
    Reason,
    ResolverEndpointId,
    ResolverRuleId,
    Server,
    Slug,
    duplicates,
    not_one,
)


class Endpoint(ResolverEndpoint):
    """An outbound Resolver endpoint to create in your network. The queries come from its addresses."""


class Rule(Props):
    """A rule to share: an existing one (`rule_id`), or a new one (`domain`, `targets`)."""

    rule_id: ResolverRuleId | None = None
    domain: Domain | None = None
    """The domain to resolve with `targets`, including all names below it."""
    targets: Annotated[tuple[Server, ...], Field(max_length=6), UNIQUE] = ()
    """Your DNS servers: IPv4 addresses, with `:port` unless it is 53. A rule of AWS has up to six."""
    forwards_astro: Reason | None = None
    """The reason why names that Astro itself needs also go to your servers, as with the domain `.` or a domain within
    `amazonaws.com`. A cluster stops working if the servers do not resolve them. Default: such a rule is an error."""

    @model_validator(mode="after")
    def _exists_or_is_made(self) -> Self:
        if self.rule_id and (self.domain or self.targets or self.forwards_astro):
            raise ValueError("has rule_id and fields of a new rule; set only rule_id for an existing rule")
        if not self.rule_id and not (self.domain and self.targets):
            raise ValueError("has neither rule_id nor domain and targets; set rule_id, or domain and targets")
        return self

    @model_validator(mode="after")
    def _leaves_astro_its_names(self) -> Self:
        taken = astro_names_in([self.domain] if self.domain else [])
        if taken and not self.forwards_astro:
            raise ValueError(
                f"would forward names of {', '.join(taken)}, which Astro depends on, to your DNS servers; use another "
                "domain, or explain in forwards_astro"
            )
        if self.forwards_astro and not taken:
            raise ValueError("has forwards_astro, but the domain contains no name that Astro needs; remove it")
        return self


class ResolverRulesProps(SharingProps):
    """Share Route 53 Resolver rules with Astro, so that clusters resolve names of your private domains.

    Astronomer associates the rules with the clusters' VPCs. The queries leave through an outbound endpoint in your
    network. The clusters therefore need no route to your DNS servers, only to the addresses that the names resolve to.
    """

    routed: ClassVar[bool] = False
    same_region: ClassVar[str] = "a resolver rule works only in its own region: use a network in the cluster's region"

    blocked: ClassVar[str] = "the rules are not shared with it"
    for_astronomer: ClassVar[tuple[str, ...]] = ("rules.*.id",)
    for_network_team: ClassVar[tuple[str, ...]] = ("region", "rules.*.domain", "endpoint_ips")

    type: Literal["resolver_rules"]
    rules: Annotated[dict[Slug, Rule], Field(min_length=1)]
    """The rules to share, by a name of your choice. New rules get it as their name in AWS."""
    endpoint: Endpoint | None = None
    """The outbound endpoint to create for new rules. Alternative to `endpoint_id`."""
    endpoint_id: ResolverEndpointId | None = None
    """An existing outbound endpoint for new rules. Alternative to `endpoint`."""
    associate_network: bool = False
    """Also associate the new rules with your network's VPC."""

    @model_validator(mode="after")
    def _new_rules_have_an_endpoint(self) -> Self:
        new = sorted(name for name, rule in self.rules.items() if rule.domain)
        endpoints = [field for field in ("endpoint", "endpoint_id") if getattr(self, field)]
        if new and len(endpoints) != 1:
            is_wrong = not_one("endpoint_id", "endpoint", both=len(endpoints) == 2)
            raise ValueError(f"{is_wrong}: an existing outbound endpoint for {', '.join(new)}, or `endpoint: {{}}`")
        if not new and (endpoints or self.associate_network):
            fields = [*endpoints, *(["associate_network"] if self.associate_network else [])]
            raise ValueError(
                f"has {', '.join(fields)} but creates no rule; remove it, or set domain and targets of a rule"
            )
        domains = [rule.domain for rule in self.rules.values() if rule.domain]
        if twice := duplicates(domains):
            raise ValueError(f"has two rules for {', '.join(twice)}, but a VPC can have only one; merge their targets")
        return self

    @property
    def needs_of_clusters(self) -> tuple[PendingInput, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The account ID, unless the file names the principals to share with."""
        return () if self.share_with else (ACCOUNT_ID,)

    @property
    def needs_vpc(self) -> bool:
        return self.endpoint is not None or self.associate_network

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:  # noqa: ARG002
        return "the rules are in the other region, and the twin cannot resolve your names"

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:
        rules = facts.get("rules")
        if not isinstance(rules, Mapping):
            return
        ids = in_words([fact(rules, name, "id") for name in rules])
        for name in self.clusters:
            invited = self.invites(clusters[name], facts)
            accept = f"accept the resource share of the Route 53 Resolver rules {ids} and " if invited else ""
            associate = f"associate {'them' if accept else f'the Route 53 Resolver rules {ids}'} with the cluster's VPC"
            yield Step("Astronomer", f"{accept}{associate}", INVITATION if invited else None, name)
        yield Step("you", "after that, resolve a name of the shared domains from a Deployment", key="queries")

    def on_premises_facts(self) -> dict[str, object]:
        return {"dns_servers": {name: list(rule.targets) for name, rule in self.rules.items() if rule.targets}}

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        for field, message in self.endpoint.check(context) if self.endpoint else ():
            yield ("endpoint", *field), message
        servers = {target for rule in self.rules.values() for target in rule.targets}
        most = RULES_OF_A_GROUP // 2 * GROUPS_OF_AN_INTERFACE
        if self.endpoint and len(servers) > most:
            message = (
                f"has {len(servers)} different targets, and the security groups of an endpoint allow {most} by "
                "default, with two rules each; use fewer servers, or an existing endpoint_id"
            )
            yield ("rules",), message
        if self.endpoint is None and self.endpoint_id is None and any(rule.domain for rule in self.rules.values()):
            yield from check_without_endpoint(context, self.network, "endpoint_id")
