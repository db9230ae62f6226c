from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.ec2.exceptions import DependencyViolationError, RulesPerSecurityGroupLimitExceededError
from moto.ec2.models import EC2Backend
from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule
from moto.elbv2.models import elbv2_backends
from moto.route53resolver.models import route53resolver_backends

from .tools import kept, patch

_authorize_security_group_egress = EC2Backend.authorize_security_group_egress
_authorize_security_group_ingress = EC2Backend.authorize_security_group_ingress
_delete = EC2Backend._delete_security_group
_rules = EC2Backend._iterate_security_rules
_DESCRIPTION = "described_with_its_prefix_list"
_MOST_RULES = 60
"""AWS's quota for each direction of a group, which AWS can raise for an account."""


@patch(EC2Backend)
def _iterate_security_rules(self: EC2Backend, *rule: Any, **others: Any) -> Any:
    """Keep the description of a rule that names a prefix list; moto drops it."""
    lists = others.get("prefix_list_ids", rule[6] if len(rule) > 6 else [])
    described = {each["PrefixListId"]: each.get("Description") for each in lists}
    for made in _rules(self, *rule, **others):
        kept(made, _DESCRIPTION, described.get(made.prefix_list_id))
        yield made


@patch(SecurityGroupRule)
@property
def description(self: SecurityGroupRule) -> str | None:
    """Keep the description, as for ingress."""
    return self.ip_range.get("Description") or self.__dict__.get(_DESCRIPTION)


def _in_use(backend: EC2Backend) -> Iterator[str]:
    """Yield the groups that network interfaces use, and those that rules of other groups name."""
    place = backend.account_id, backend.region_name
    for interface in backend.enis.values():
        yield from (group.id for group in interface.group_set)
    for endpoint in backend.vpc_end_points.values():
        if endpoint.state != "deleted":
            yield from endpoint.security_group_ids or []
    for balancer in elbv2_backends[place[0]][place[1]].load_balancers.values():
        yield from balancer.security_groups or []
    for endpoint in route53resolver_backends[place[0]][place[1]].resolver_endpoints.values():
        yield from endpoint.security_group_ids
    for groups in backend.groups.values():
        for group in groups.values():
            for rule in (*group.ingress_rules, *group.egress_rules):
                named = (rule.source_group or {}).get("GroupId")
                if named and named != group.id:
                    yield named


@patch(EC2Backend)
def _delete_security_group(self: EC2Backend, vpc_id: str | None, group_id: str) -> None:
    """Refuse to delete a group in use by a network interface or another group's rule; moto deletes it."""
    if group_id in _in_use(self):
        raise DependencyViolationError(f"resource {group_id} has a dependent object")
    _delete(self, vpc_id, group_id)


def _check_number_of_rules(backend: EC2Backend, group: SecurityGroup, rules: list[SecurityGroupRule]) -> None:
    """Refuse rules beyond the quota. A prefix list counts as its maximum number of entries."""
    lists: dict[Any, Any] = backend.managed_prefix_lists
    sizes = [int(lists[rule.prefix_list_id].max_entries) if rule.prefix_list_id in lists else 1 for rule in rules]
    if group.vpc_id and sum(sizes) > _MOST_RULES:
        raise RulesPerSecurityGroupLimitExceededError


@patch(EC2Backend)
def authorize_security_group_ingress(self: EC2Backend, *rule: Any, **others: Any) -> Any:
    """Count a rule that names a prefix list by the list's size; moto does not count it."""
    added, group = _authorize_security_group_ingress(self, *rule, **others)
    try:
        _check_number_of_rules(self, group, group.ingress_rules)
    except RulesPerSecurityGroupLimitExceededError:
        group.ingress_rules = [one for one in group.ingress_rules if one not in added]
        raise
    return added, group


@patch(EC2Backend)
def authorize_security_group_egress(self: EC2Backend, *rule: Any, **others: Any) -> Any:
    """Count rules in the same way for the other direction."""
    added, group = _authorize_security_group_egress(self, *rule, **others)
    try:
        _check_number_of_rules(self, group, group.egress_rules)
    except RulesPerSecurityGroupLimitExceededError:
        group.egress_rules = [one for one in group.egress_rules if one not in added]
        raise
    return added, group
