"""Route 53 Resolver DNS Firewall, which moto lacks: lists, rule groups, rules and associations."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.route53resolver.models import Route53ResolverBackend
from moto.route53resolver.responses import Route53ResolverResponse

from .tools import kept, patch

_KINDS = {
    "FirewallDomainList": "rslvr-fdl",
    "FirewallRuleGroup": "rslvr-frg",
    "FirewallRuleGroupAssociation": "rslvr-frgassoc",
}


def _all(self: Route53ResolverResponse, kind: str) -> dict[str, dict[str, Any]]:
    return kept(self.route53resolver_backend, f"firewall_{kind}", {})


def _one(self: Route53ResolverResponse, kind: str) -> dict[str, Any]:
    id_ = self._get_param(f"{kind}Id")
    if id_ not in _all(self, kind):
        raise JsonRESTError("ResourceNotFoundException", f"there is no {kind} {id_}")
    return _all(self, kind)[id_]


def _response(kind: str, made: dict[str, Any]) -> str:
    return json.dumps({kind: {key: value for key, value in made.items() if key not in ("Domains", "Tags")}})


def _make(self: Route53ResolverResponse, kind: str) -> str:
    id_ = f"{_KINDS[kind]}-{uuid.uuid4().hex[:17]}"
    backend = self.route53resolver_backend
    words = "".join("-" * (i > 0 and c.isupper()) + c.lower() for i, c in enumerate(kind))
    made: dict[str, Any] = {
        **json.loads(self.body),
        "Id": id_,
        "Arn": f"arn:aws:route53resolver:{backend.region_name}:{backend.account_id}:{words}/{id_}",
        "Status": "COMPLETE",
        "Domains": [],
    }
    if kind == "FirewallRuleGroup":
        made |= {"OwnerId": backend.account_id, "ShareStatus": "NOT_SHARED"}
    if kind == "FirewallRuleGroupAssociation":
        made.setdefault("MutationProtection", "DISABLED")
        _check_priority(self, made)
    _all(self, kind)[id_] = made
    backend.tagger.tag_resource(made["Arn"], made.get("Tags") or [])
    return _response(kind, made)


def _check_priority(self: Route53ResolverResponse, association: dict[str, Any]) -> None:
    vpc, priority = association["VpcId"], association["Priority"]
    others = (one for one in _all(self, "FirewallRuleGroupAssociation").values() if one["Id"] != association["Id"])
    if any((one["VpcId"], one["Priority"]) == (vpc, priority) for one in others):
        raise JsonRESTError("ValidationException", f"priority {priority} of {vpc} is taken")


def update_firewall_rule_group_association(self: Route53ResolverResponse) -> str:
    kind = "FirewallRuleGroupAssociation"
    changed = _one(self, kind) | {key: self._get_param(key) for key in ("Name", "Priority") if self._get_param(key)}
    _check_priority(self, changed)
    _all(self, kind)[changed["Id"]] = changed
    return _response(kind, changed)


def _drop(self: Route53ResolverResponse, kind: str) -> str:
    made = _one(self, kind)
    users = {
        "FirewallDomainList": [rule["FirewallDomainListId"] for rule in _all(self, "rules").values()],
        "FirewallRuleGroup": [
            *(rule["FirewallRuleGroupId"] for rule in _all(self, "rules").values()),
            *(one["FirewallRuleGroupId"] for one in _all(self, "FirewallRuleGroupAssociation").values()),
        ],
    }
    if made["Id"] in users.get(kind, []):
        raise JsonRESTError("ConflictException", f"{made['Id']} is in use")
    del _all(self, kind)[made["Id"]]
    return _response(kind, made)


def update_firewall_domains(self: Route53ResolverResponse) -> str:
    made, asked = _one(self, "FirewallDomainList"), self._get_param("Domains")
    match self._get_param("Operation"):
        case "ADD":
            made["Domains"] = sorted({*made["Domains"], *asked})
        case "REMOVE":
            made["Domains"] = sorted({*made["Domains"]} - {*asked})
        case _:
            made["Domains"] = sorted(asked)
    return json.dumps({"Id": made["Id"], "Name": made["Name"], "Status": "COMPLETE"})


def list_firewall_domains(self: Route53ResolverResponse) -> str:
    """Store domains as AWS returns them: fully qualified, with the final dot."""
    return json.dumps({"Domains": [f"{name.rstrip('.')}." for name in _one(self, "FirewallDomainList")["Domains"]]})


def _rule_key(self: Route53ResolverResponse) -> str:
    return f"{self._get_param('FirewallRuleGroupId')} {self._get_param('FirewallDomainListId')}"


def create_firewall_rule(self: Route53ResolverResponse) -> str:
    for kind in ("FirewallRuleGroup", "FirewallDomainList"):
        _one(self, kind)
    made = {"FirewallDomainRedirectionAction": "INSPECT_REDIRECTION_DOMAIN", **json.loads(self.body)}
    _all(self, "rules")[_rule_key(self)] = made
    return json.dumps({"FirewallRule": made})


def update_firewall_rule(self: Route53ResolverResponse) -> str:
    made = _all(self, "rules")[_rule_key(self)]
    made.update(json.loads(self.body))
    return json.dumps({"FirewallRule": made})


def delete_firewall_rule(self: Route53ResolverResponse) -> str:
    return json.dumps({"FirewallRule": _all(self, "rules").pop(_rule_key(self))})


def list_firewall_rules(self: Route53ResolverResponse) -> str:
    group = self._get_param("FirewallRuleGroupId")
    rules = [rule for rule in _all(self, "rules").values() if rule["FirewallRuleGroupId"] == group]
    return json.dumps({"FirewallRules": rules})


_has_arn = Route53ResolverBackend._matched_arn


@patch(Route53ResolverBackend)
def _matched_arn(self: Route53ResolverBackend, resource_arn: str) -> None:
    """Tag these resources; moto supports only its own types."""
    if not any(one["Arn"] == resource_arn for kind in _KINDS for one in kept(self, f"firewall_{kind}", {}).values()):
        _has_arn(self, resource_arn)


def _of(what: Callable[[Route53ResolverResponse, str], str], kind: str) -> Callable[[Route53ResolverResponse], str]:
    return lambda self: what(self, kind)


def _list(self: Route53ResolverResponse, kind: str) -> str:
    return json.dumps({f"{kind}s": [json.loads(_response(kind, made))[kind] for made in _all(self, kind).values()]})


def _get(self: Route53ResolverResponse, kind: str) -> str:
    return _response(kind, _one(self, kind))


_OPERATIONS: dict[str, Callable[[Route53ResolverResponse], str]] = {
    "create_firewall_domain_list": _of(_make, "FirewallDomainList"),
    "get_firewall_domain_list": _of(_get, "FirewallDomainList"),
    "delete_firewall_domain_list": _of(_drop, "FirewallDomainList"),
    "list_firewall_domain_lists": _of(_list, "FirewallDomainList"),
    "create_firewall_rule_group": _of(_make, "FirewallRuleGroup"),
    "get_firewall_rule_group": _of(_get, "FirewallRuleGroup"),
    "delete_firewall_rule_group": _of(_drop, "FirewallRuleGroup"),
    "list_firewall_rule_groups": _of(_list, "FirewallRuleGroup"),
    "associate_firewall_rule_group": _of(_make, "FirewallRuleGroupAssociation"),
    "get_firewall_rule_group_association": _of(_get, "FirewallRuleGroupAssociation"),
    "disassociate_firewall_rule_group": _of(_drop, "FirewallRuleGroupAssociation"),
    "list_firewall_rule_group_associations": _of(_list, "FirewallRuleGroupAssociation"),
}

for _function in (
    update_firewall_domains,
    list_firewall_domains,
    create_firewall_rule,
    update_firewall_rule,
    delete_firewall_rule,
    update_firewall_rule_group_association,
    list_firewall_rules,
):
    setattr(Route53ResolverResponse, _function.__name__, _function)
for _name, _operation in _OPERATIONS.items():
    setattr(Route53ResolverResponse, _name, _operation)
