from collections.abc import Sequence

from cdktf_cdktf_provider_aws.route53_resolver_firewall_domain_list import Route53ResolverFirewallDomainList
from cdktf_cdktf_provider_aws.route53_resolver_firewall_rule import Route53ResolverFirewallRule
from cdktf_cdktf_provider_aws.route53_resolver_firewall_rule_group import Route53ResolverFirewallRuleGroup
from cdktf_cdktf_provider_aws.route53_resolver_firewall_rule_group_association import (
    Route53ResolverFirewallRuleGroupAssociation,
)
from constructs import Construct

from modules.context import ConnectionContext
from modules.egress_domains.props import DnsFirewall, EgressDomainsProps
from modules.expressions import truncated_name


class EgressDomains(Construct):
    """The list in the hand-over, and resources if a firewall is requested."""

    def __init__(self, scope: Construct, id_: str, props: EgressDomainsProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        self._context = context
        domains = props.domains(context.organization)
        self.handoff: dict[str, object] = {"domains": list(domains)}
        if props.dns_firewall:
            self.handoff["rule_group_id"] = self._firewall(props.dns_firewall, domains)

    def _firewall(self, firewall: DnsFirewall, domains: Sequence[str]) -> str:
        name, tags = self._context.name, {"Name": self._context.name}
        group = Route53ResolverFirewallRuleGroup(self, "group", name=name, tags=tags)
        Route53ResolverFirewallRule(
            self,
            "allow",
            name="astro",
            action="ALLOW",
            priority=100,
            firewall_rule_group_id=group.id,
            firewall_domain_list_id=Route53ResolverFirewallDomainList(
                self, "domains", name=name, domains=[_whole(domain) for domain in domains], tags=tags
            ).id,
            firewall_domain_redirection_action="TRUST_REDIRECTION_DOMAIN",
        )
        if firewall.others != "leave":
            Route53ResolverFirewallRule(
                self,
                "others",
                name="others",
                action=firewall.others.upper(),
                # A blocked name does not exist, so that software fails immediately with a clear error.
                block_response="NXDOMAIN" if firewall.others == "block" else None,
                priority=200,
                firewall_rule_group_id=group.id,
                firewall_domain_list_id=Route53ResolverFirewallDomainList(
                    self,
                    "every-domain",
                    # AWS allows 64 characters.
                    name=truncated_name(f"{name}-others", 64),
                    domains=[_whole("*")],
                    tags=tags,
                ).id,
            )
        Route53ResolverFirewallRuleGroupAssociation(
            self,
            "association",
            name=name,
            firewall_rule_group_id=group.id,
            vpc_id=self._context.network.vpc_id,
            priority=firewall.priority,
            tags=tags,
        )
        return group.id


def _whole(domain: str) -> str:
    """Add the dot at the end. AWS returns it, and the provider would otherwise show a change in every plan."""
    return f"{domain}."
