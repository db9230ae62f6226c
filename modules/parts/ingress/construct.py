"""Security groups: rules in those of yours, and the life cycle of those that are made."""

from collections.abc import Mapping
from typing import Any

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.security_group import SecurityGroup
from cdktf_cdktf_provider_aws.vpc_security_group_ingress_rule import VpcSecurityGroupIngressRule
from constructs import Construct

from modules.cluster import ClusterSide
from modules.expressions import truncated_name
from modules.parts.for_each.construct import each
from modules.parts.ingress.props import IngressRule
from modules.vocabulary import construct_id


def new_group(
    scope: Construct, id_: str, name: str, *, description: str, vpc_id: str, tag: str, **rules: Any
) -> SecurityGroup:
    """A security group with `rules` (`ingress`, `egress`) that can be replaced while it is in use.

    AWS deletes no group that something uses, and does not change a description: the successor has to exist first, under
    a name of its own. A new name alone is no reason to replace it, or the Resolver endpoint that must go with it.
    """
    return SecurityGroup(
        scope,
        id_,
        # The provider takes 100 characters, and adds the end itself.
        name_prefix=f"{truncated_name(name, 99)}-",
        description=description,
        vpc_id=vpc_id,
        lifecycle=TerraformResourceLifecycle(create_before_destroy=True, ignore_changes=["name_prefix"]),
        tags={"Name": tag},
        **rules,
    )


def let_in(scope: Construct, id_: str, rule: IngressRule, description: str, **source: Any) -> None:
    """One rule from `source`: an argument of `aws_vpc_security_group_ingress_rule`, such as `cidr_ipv4`."""
    first, last = rule.span
    VpcSecurityGroupIngressRule(
        scope,
        id_,
        security_group_id=rule.security_group,
        description=description,
        ip_protocol=rule.protocol,
        from_port=first,
        to_port=last,
        **source,
    )


def let_cluster_in(scope: Construct, rules: Mapping[str, IngressRule], cluster: ClusterSide, description: str) -> None:
    """Every rule for every range that the cluster's traffic comes from; an address holds both names."""
    for name, rule in rules.items():
        for (range_name,), (cidr,), over in each(cluster.routed_cidrs()):
            let_in(scope, construct_id("ingress", name, range_name), rule, description, for_each=over, cidr_ipv4=cidr)
