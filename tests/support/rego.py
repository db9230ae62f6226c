"""The rules of examples/rego, evaluated on a plan."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import regopy
from ruamel.yaml import YAML

from tests.support import ROOT

RULES = ROOT / "examples/rego/astro.rego"


def judge(estate: Path, plan: dict[str, Any], kind: str = "deny") -> list[str]:
    """Return the messages of `deny` or `warn` for a plan, in order. `estate`: the file that conftest gets as data."""
    interpreter = regopy.Interpreter()
    interpreter.add_module(RULES.name, RULES.read_text())
    interpreter.add_data_json(json.dumps(YAML(typ="safe", pure=True).load(estate), default=str))
    # Terraform's JSON contains much more, which takes time to parse.
    interpreter.set_input_term(json.dumps({part: plan.get(part, []) for part in ("resource_changes", "checks")}))
    # regopy prints a quotation mark in a message without its backslash, and encodes one with it.
    answer = interpreter.query(f"[base64.encode(message) | some message in data.main.{kind}]")
    encoded = json.loads(str(answer))["expressions"][0]
    return sorted(json.loads(f'"{b64decode(message).decode()}"') for message in encoded)


def mutants(plan: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield a rule, the address of a resource that breaks it, and the plan of that resource's stack, for each mutation
    whose resource the plan has.
    """
    for rule, kind, mutate in MUTATIONS:
        for found in plan["resource_changes"]:
            if (found["mode"], found["type"]) != ("managed", kind):
                continue
            module = found.get("module_address")
            stack = [one for one in plan["resource_changes"] if one.get("module_address") == module]
            mutant = deepcopy({"resource_changes": stack, "checks": plan.get("checks", [])})
            subject = next(one for one in mutant["resource_changes"] if one["address"] == found["address"])
            if mutate(subject, mutant):
                yield rule, subject["address"], mutant
                break


def _trust(old: str, new: str) -> Callable[[Any, Any], bool]:
    def mutate(subject: Any, _: Any) -> bool:
        after = subject["change"]["after"]
        known = after.get("assume_role_policy", "")  # unknown if it contains an ID that AWS assigns
        after["assume_role_policy"] = known.replace(old, new)
        return after["assume_role_policy"] != known

    return mutate


def _allow(action: str, *, astronomers: bool) -> Callable[[Any, Any], bool]:
    def mutate(subject: Any, _: Any) -> bool:
        after = subject["change"]["after"]
        allowed = {"Effect": "Allow", "Action": action, "Resource": "*"}
        after["policy"] = json.dumps({"Statement": [*json.loads(after["policy"])["Statement"], allowed]})
        return after["name"].startswith("AstronomerCrossAccountRole") == astronomers

    return mutate


def _set(argument: str, value: Any, *, known: str | None = None) -> Callable[[Any, Any], bool]:
    """Set an argument of a resource that also has the argument `known`, whose value may be unknown."""

    def mutate(subject: Any, _: Any) -> bool:
        change = subject["change"]
        change["after"][argument] = value
        return known is None or bool(change["after"].get(known) or change["after_unknown"].get(known))

    return mutate


def _without_alarm(subject: Any, plan: Any) -> bool:
    kept = [one for one in plan["resource_changes"] if one["type"] != "aws_cloudwatch_metric_alarm"]
    less = len(kept) < len(plan["resource_changes"])
    plan["resource_changes"] = kept
    return less and subject["change"]["after"]["name"] == "astronomer-remote-management"


def _unchecked(subject: Any, plan: Any) -> bool:
    address = subject["address"].partition("[")[0]
    plan["checks"] = [check for check in plan["checks"] if check["address"]["to_display"] != address]
    return True


MUTATIONS: list[tuple[str, str, Callable[[Any, Any], bool]]] = [
    ("exact principal", "aws_iam_role", _trust(":406882777402:", ":999999999999:")),
    ("exact principal", "aws_iam_role", _trust("arn:aws:iam::222222222222:root", "*")),
    ("exact principal", "aws_vpc_endpoint_service", _set("allowed_principals", ["*"])),
    ("external ID", "aws_iam_role", _trust("sts:ExternalId", "aws:SourceAccount")),
    ("no wildcard", "aws_iam_policy", _allow("s3:*", astronomers=False)),
    ("no wildcard", "aws_iam_policy", _allow("*", astronomers=True)),
    ("exact shares", "aws_ram_principal_association", _set("principal", "999999999999")),
    ("routes", "aws_route", _set("destination_cidr_block", "10.99.0.0/16", known="vpc_peering_connection_id")),
    ("routes", "aws_route", _set("destination_cidr_block", "10.99.0.0/16", known="transit_gateway_id")),
    ("routes", "aws_ec2_transit_gateway_route", _set("destination_cidr_block", "10.99.0.0/16")),
    ("no open ingress", "aws_vpc_security_group_ingress_rule", _set("cidr_ipv4", "0.0.0.0/0")),
    ("no open ingress", "aws_network_acl_rule", _set("cidr_block", "0.0.0.0/0")),
    ("alarm", "aws_iam_role", _without_alarm),
    ("checked acceptance", "aws_vpc_peering_connection_accepter", _unchecked),
    ("checked acceptance", "aws_ec2_transit_gateway_vpc_attachment_accepter", _unchecked),
]
"""A rule, a type of resource, and a function that breaks the rule. The function changes the resource or the plan, and
returns whether it applies to this resource.
"""
