from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from moto.route53resolver.models import ResolverRule, Route53ResolverBackend, route53resolver_backends
from moto.route53resolver.responses import Route53ResolverResponse

from .ram import is_shared
from .tools import of_every_account, patch

_associate_resolver_rule = Route53ResolverBackend.associate_resolver_rule
_disassociate_resolver_rule = Route53ResolverBackend.disassociate_resolver_rule
_get_resolver_rule = Route53ResolverBackend.get_resolver_rule


@contextmanager
def _shared_rule(backend: Route53ResolverBackend, rule_id: str) -> Generator[None]:
    """Show a rule that another account shares as one of the caller's own, for the duration of the block."""
    for other in of_every_account(route53resolver_backends, backend.region_name):
        rule = other.resolver_rules.get(rule_id)
        if rule and other is not backend and is_shared(rule.arn, backend.account_id):
            backend.resolver_rules[rule_id] = rule
            try:
                yield
            finally:
                del backend.resolver_rules[rule_id]
            return
    yield


@patch(Route53ResolverBackend)
def get_resolver_rule(self: Route53ResolverBackend, resolver_rule_id: str) -> ResolverRule:
    """Find rules that are shared through RAM, in the account that accepted the share; moto does not."""
    with _shared_rule(self, resolver_rule_id):
        return _get_resolver_rule(self, resolver_rule_id)


@patch(Route53ResolverBackend)
def associate_resolver_rule(self: Route53ResolverBackend, resolver_rule_id: str, name: str, vpc_id: str) -> Any:
    """Let the account that accepted the share associate the rule with its VPC; moto does not."""
    with _shared_rule(self, resolver_rule_id):
        return _associate_resolver_rule(self, resolver_rule_id, name, vpc_id)


@patch(Route53ResolverBackend)
def disassociate_resolver_rule(self: Route53ResolverBackend, resolver_rule_id: str, vpc_id: str) -> Any:
    """Disassociate another account's rule; moto cannot."""
    with _shared_rule(self, resolver_rule_id):
        return _disassociate_resolver_rule(self, resolver_rule_id, vpc_id)


@patch(Route53ResolverResponse)
def update_resolver_rule(self: Route53ResolverResponse) -> str:
    """Implement an operation that moto lacks."""
    rule = self.route53resolver_backend.get_resolver_rule(self._get_param("ResolverRuleId"))
    config = self._get_param("Config")
    rule.name = config.get("Name", rule.name)
    rule.target_ips = config.get("TargetIps", rule.target_ips)
    rule.resolver_endpoint_id = config.get("ResolverEndpointId", rule.resolver_endpoint_id)
    return json.dumps({"ResolverRule": rule.description()})
