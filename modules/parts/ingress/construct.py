"""Security groups: rules in existing groups, and the life cycle of new groups."""

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
    """Create a security group with `rules` (`ingress`, `egress`) that can be replaced while it is in use.

    AWS cannot delete a group in use and cannot change a description. The successor must therefore exist first, with a
    different name. A change of only the name does not replace the group, because that would also replace the Resolver
    endpoint that uses it.
    """
    return SecurityGroup(
        scope,
        id_,
        # The provider allows 100 characters, and adds the suffix itself.
        name_prefix=f"{truncated_name(name, 99)}-",
        description=description,
        vpc_id=vpc_id,
        lifecycle=TerraformResourceLifecycle(create_before_destroy=True, ignore_changes=["name_prefix"]),
        tags={"Name": tag},
        **rules,
    )


def let_in(scope: Construct, id_: str, rule: IngressRule, description: str, **source: Any) -> None:
    """Create one rule from `source`, an argument of `aws_vpc_security_group_ingress_rule` such as `cidr_ipv4`."""
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
    """Create every rule for every range of the cluster's traffic. An address contains both names."""
    for name, rule in rules.items():
        for (range_name,), (cidr,), over in each(cluster.routed_cidrs()):
            let_in(scope, construct_id("ingress", name, range_name), rule, description, for_each=over, cidr_ipv4=cidr)
