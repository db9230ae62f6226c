from __future__ import annotations

from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.models.security_groups import SecurityGroupRule

from .tools import kept, patch

_rules = EC2Backend._iterate_security_rules
_DESCRIPTION = "described_with_its_prefix_list"


@patch(EC2Backend)
def _iterate_security_rules(self: EC2Backend, *rule: Any, **others: Any) -> Any:
    """Without it, the description of a rule that names a prefix list is dropped."""
    lists = others.get("prefix_list_ids", rule[6] if len(rule) > 6 else [])
    described = {each["PrefixListId"]: each.get("Description") for each in lists}
    for made in _rules(self, *rule, **others):
        kept(made, _DESCRIPTION, described.get(made.prefix_list_id))
        yield made


@patch(SecurityGroupRule)
@property
def description(self: SecurityGroupRule) -> str | None:
    """As above."""
    return self.ip_range.get("Description") or self.__dict__.get(_DESCRIPTION)
