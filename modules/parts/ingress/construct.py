"""Rules in security groups of yours."""

from collections.abc import Mapping
from typing import Any

from cdktf_cdktf_provider_aws.vpc_security_group_ingress_rule import VpcSecurityGroupIngressRule
from constructs import Construct

from modules.cluster import Cluster
from modules.parts.for_each.construct import each
from modules.parts.ingress.props import IngressRule
from modules.vocabulary import construct_id


def let_in(scope: Construct, id_: str, rule: IngressRule, description: str, **source: Any) -> None:
    """One rule from `source`: an argument of `aws_vpc_security_group_ingress_rule`, such as `cidr_ipv4`."""
    VpcSecurityGroupIngressRule(
        scope,
        id_,
        security_group_id=rule.security_group,
        description=description,
        ip_protocol=rule.protocol,
        from_port=rule.from_port,
        to_port=rule.last_port,
        **source,
    )


def let_cluster_in(scope: Construct, rules: Mapping[str, IngressRule], cluster: Cluster, description: str) -> None:
    """Every rule for every range that the cluster's traffic comes from; an address holds both names."""
    for name, rule in rules.items():
        for (range_name,), (cidr,), over in each(cluster.routed_cidrs()):
            let_in(scope, construct_id("ingress", name, range_name), rule, description, for_each=over, cidr_ipv4=cidr)
