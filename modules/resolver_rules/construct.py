from collections import defaultdict
from collections.abc import Iterator

from cdktf import Postcondition, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.data_aws_route53_resolver_rule import DataAwsRoute53ResolverRule
from cdktf_cdktf_provider_aws.route53_resolver_rule import Route53ResolverRule, Route53ResolverRuleTargetIp
from cdktf_cdktf_provider_aws.route53_resolver_rule_association import Route53ResolverRuleAssociation
from cdktf_cdktf_provider_aws.security_group import SecurityGroupEgress
from constructs import Construct

from modules.context import ConnectionContext
from modules.expressions import listed
from modules.parts.ingress.props import RULES_OF_A_GROUP
from modules.parts.ram_share.construct import share
from modules.parts.resolver_endpoint.construct import DNS, resolver_endpoint
from modules.resolver_rules.props import Endpoint, ResolverRulesProps, Rule
from modules.vocabulary import construct_id


class ResolverRules(Construct):
    """Shares the rules. Astronomer associates them with the clusters' VPCs (facts A16)."""

    def __init__(self, scope: Construct, id_: str, props: ResolverRulesProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        self._props, self._context = props, context
        self.handoff: dict[str, object] = {
            "account_id": context.network.account_id,
            "region": context.network.region,
        }
        endpoint_id = self._endpoint(props.endpoint) if props.endpoint else props.endpoint_id
        rules = {name: self._rule(name, rule, endpoint_id) for name, rule in props.rules.items()}
        self.handoff["rules"] = {name: {"id": rule.id, "domain": rule.domain_name} for name, rule in rules.items()}
        self.handoff["resource_share_arn"] = share(
            self, props, context, {name: rule.arn for name, rule in rules.items()}
        )

    def _endpoint(self, props: Endpoint) -> str:
        """Allow queries to the DNS servers and no inbound traffic, because the endpoint only sends queries."""
        split = (_split(target) for rule in self._props.rules.values() for target in rule.targets)
        targets = {(port, ip) for ip, port in split}
        # A security group has up to 60 rules, two for each server, and an endpoint can have several groups.
        groups = [{"egress": _egress(some)} for some in _batched(sorted(targets), RULES_OF_A_GROUP // 2)]
        description = "Outbound Resolver endpoint: DNS to the targets of its rules"
        endpoint_id, addresses = resolver_endpoint(self, props, self._context, "OUTBOUND", description, *groups)
        # For the network team: the source addresses of the queries.
        self.handoff["endpoint_ips"] = addresses
        return endpoint_id

    def _rule(self, name: str, rule: Rule, endpoint_id: str | None) -> Route53ResolverRule | DataAwsRoute53ResolverRule:
        if rule.domain is None:
            owner = Postcondition(
                condition=f"${{contains({listed([self._context.network.account_id])}, self.owner_id)}}",
                error_message=f"{rule.rule_id} belongs to account ${{self.owner_id}}, and only its owner can share it. "
                "Ask them to share it with Astronomer, or set domain and targets for a new rule.",
            )
            return DataAwsRoute53ResolverRule(
                self,
                construct_id("rule", name),
                resolver_rule_id=rule.rule_id,
                lifecycle=TerraformResourceLifecycle(postcondition=[owner]),
            )
        made = Route53ResolverRule(
            self,
            construct_id("rule", name),
            name=name,
            rule_type="FORWARD",
            domain_name=rule.domain,
            resolver_endpoint_id=endpoint_id,
            target_ip=[Route53ResolverRuleTargetIp(ip=ip, port=port) for ip, port in sorted(map(_split, rule.targets))],
            tags={"Name": f"{self._context.name}-{name}"},
        )
        if self._props.associate_network:
            Route53ResolverRuleAssociation(
                self,
                construct_id("association", name),
                name=name,
                resolver_rule_id=made.id,
                vpc_id=self._context.network.vpc_id,
                # AWS cannot change the name and associates the VPC once. A replacement would interrupt an association
                # that a person made.
                lifecycle=TerraformResourceLifecycle(ignore_changes=["name"]),
            )
        return made


def _batched(targets: list[tuple[int, str]], size: int) -> Iterator[list[tuple[int, str]]]:
    for start in range(0, len(targets), size):
        yield targets[start : start + size]


def _egress(targets: list[tuple[int, str]]) -> list[SecurityGroupEgress]:
    """Return the rules for ports and addresses."""
    servers: dict[int, set[str]] = defaultdict(set)
    for port, ip in targets:
        servers[port].add(f"{ip}/32")
    return [
        SecurityGroupEgress(
            description=f"DNS over {protocol}",
            protocol=protocol,
            from_port=port,
            to_port=port,
            cidr_blocks=sorted(addresses),
        )
        for port, addresses in sorted(servers.items())
        for protocol in ("tcp", "udp")
    ]


def _split(target: str) -> tuple[str, int]:
    ip, _, port = target.partition(":")
    return ip, int(port or DNS)
