from cdktf_cdktf_provider_aws.network_acl_rule import NetworkAclRule
from constructs import Construct

from modules.context import ConnectionContext
from modules.network_rules.props import NetworkRulesProps
from modules.parts.for_each.construct import by_name
from modules.parts.ingress.construct import let_cluster_in
from modules.parts.ingress.props import EVERY
from modules.vocabulary import construct_id

ANSWERS = (1024, 65535)
"""The ports of clients, on any operating system."""


class NetworkRules(Construct):
    """Rules in existing security groups and network ACLs."""

    def __init__(self, scope: Construct, id_: str, props: NetworkRulesProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        cluster = context.clusters[props.cluster]
        let_cluster_in(self, props.ingress, cluster, f"Astro cluster {props.cluster}")
        for name, rule in props.network_acls.items():
            for range_name, number in rule.numbers().items():
                cidr = cluster.additional_cidrs[range_name] if range_name else cluster.cidr
                icmp = rule.protocol == "icmp"
                for way, (first, last) in (("in", rule.span), ("out", (EVERY, EVERY) if icmp else ANSWERS)):
                    NetworkAclRule(
                        self,
                        construct_id("acl", way, name, range_name),
                        network_acl_id=rule.network_acl,
                        egress=way == "out",
                        rule_number=number,
                        rule_action="allow",
                        protocol=rule.protocol,
                        cidr_block=str(cidr),
                        from_port=None if icmp else first,
                        to_port=None if icmp else last,
                        icmp_type=first if icmp else None,
                        icmp_code=last if icmp else None,
                    )
        self.handoff: dict[str, object] = {
            "account_id": context.network.account_id,
            "region": context.network.region,
            "open_to": by_name(cluster.routed_cidrs()),
            "security_groups": sorted({rule.security_group for rule in props.ingress.values()}),
            "network_acls": sorted({rule.network_acl for rule in props.network_acls.values()}),
        }
