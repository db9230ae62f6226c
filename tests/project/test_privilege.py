"""Least privilege, over everything that the examples create: no unintended principals, permissions or ports.

There are two scanners. One is here, and reads each statement and each rule. The other is Checkov, a scanner of
Terraform that also runs Cloudsplaining on each policy. Each finding is fixed, or acknowledged here with the reason;
unused acknowledgements fail.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cdktf
import pytest

from estate.load import load
from modules.parts.iam_policy.props import listed
from stacks.app import build
from tests.support import EXAMPLES, ROOT
from tools.evidence import record

pytestmark = pytest.mark.slow

CHECKOV = ROOT / ".work/checkov"

Stack = dict[str, Any]
"""The parsed JSON of a synthesized stack."""

Acknowledged = dict[tuple[str, str], tuple[str, ...]]
"""Acknowledged findings: the reason, and then the stacks, each `example/stack`."""


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stack]:
    """Return every stack of every example, by `example/stack`."""
    found: dict[str, Stack] = {}
    for file in EXAMPLES:
        out = tmp_path_factory.mktemp("json")
        build(cdktf.App(outdir=str(out)), load(file)).synth()
        for written in sorted(out.glob("stacks/*/cdk.tf.json")):
            found[f"{file.stem}/{written.parent.name}"] = json.loads(written.read_text())
    return found


def too_much(stack: Stack) -> Iterator[tuple[str, str]]:
    """Yield each address with its excess access: in policies, security groups, network ACLs and shares."""
    for name, document in stack.get("data", {}).get("aws_iam_policy_document", {}).items():
        for statement in document.get("statement", []):
            if statement.get("effect", "Allow") == "Allow":
                for found in _allows_too_much(statement):
                    yield f"data.aws_iam_policy_document.{name}", found
    for kind, each in stack.get("resource", {}).items():
        for name, resource in each.items():
            for found in (*_is_open(kind, resource), *_inline(kind, resource)):
                yield f"{kind}.{name}", found


def _inline(kind: str, resource: dict[str, Any]) -> Iterator[str]:
    """Yield the excess access in the documents of a resource, and in AWS's policies that it attaches."""
    for argument, text in _texts(resource):
        document = _document(text)
        for statement in listed((document or {}).get("Statement", [])):
            if statement.get("Effect") == "Allow":
                yield from _allows_too_much(_as_terraform(statement))
        if document is None and argument.endswith("policy") and not re.fullmatch(_REFERENCE, text):
            yield f"unread {argument}"
        # A boundary only limits.
        if argument != "permissions_boundary" and kind.startswith("aws_iam_") and re.search(_FOREIGN_POLICY, text):
            yield f"attached {text}"


_REFERENCE = r"\$\{(sensitive\()?(data\.)?aws_[\w.-]+\)?\}|"
_FOREIGN_POLICY = r"^arn:[\w-]+:iam::(?:aws|\*):policy/"


def _texts(part: Any, argument: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts of a resource, at any depth, with their arguments."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield from _texts(value, key)
    elif isinstance(part, list):
        for value in part:
            yield from _texts(value, argument)
    elif isinstance(part, str):
        yield argument, part


def _document(text: str) -> dict[str, Any] | None:
    """Return the policy document in a text, if it is one."""
    try:
        read = json.loads(text)
    except ValueError:
        return None
    return read if isinstance(read, dict) and "Statement" in read else None


def _as_terraform(statement: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON statement in the form of the data source."""
    found: dict[str, Any] = {}
    for key in ("Action", "NotAction", "Resource", "NotResource"):
        if key in statement:
            found[f"{key.lower().replace('not', 'not_')}s"] = listed(statement[key])
    for key, name in (("Principal", "principals"), ("NotPrincipal", "not_principals")):
        if key in statement:
            who = statement[key] if isinstance(statement[key], dict) else {"AWS": statement[key]}
            found[name] = [{"type": type_, "identifiers": listed(each)} for type_, each in who.items()]
    conditions = statement.get("Condition", {}).items()
    found["condition"] = [
        {"test": test, "variable": variable, "values": listed(values)}
        for test, keys in conditions
        for variable, values in keys.items()
    ]
    return found


def _allows_too_much(statement: dict[str, Any]) -> Iterator[str]:
    # A condition counts only if it names values: a pattern admits others, a negation admits all others, and an operator
    # with IfExists, ForAllValues or Null holds for a request without the key.
    asked = {
        condition["variable"].lower()
        for condition in statement.get("condition", [])
        if re.fullmatch(r"(ForAnyValue:)?(String|Arn)(Equals|Like)", condition["test"])
        and not any(set(str(value)) & {"*", "?"} for value in condition["values"])
    }
    yield from (f"action {action}" for action in statement.get("actions", ()) if set(action) & {"*", "?"})
    yield from (
        f"{name} allows all others" for name in ("not_actions", "not_principals", "not_resources") if name in statement
    )
    # In the policy of a resource, * means that resource.
    if "principals" not in statement and "*" in statement.get("resources", ()):
        yield "every resource"
    for principal in statement.get("principals", []):
        for who in principal["identifiers"]:
            if "*" in who:
                yield "everybody"
            elif principal["type"] == "Service" and not any(key.endswith(_OF_ONE_RESOURCE) for key in asked):
                yield f"{who} for any resource of any customer"
            elif (
                principal["type"] == "AWS"
                and who.endswith(":root")
                and not asked & {"sts:externalid", "aws:principalarn"}
            ):
                yield f"everybody in {who}"
            elif principal["type"] == "Federated" and {key.rsplit(":", 1)[1] for key in asked} != {"aud", "sub"}:
                yield f"any token of {who}"


_OF_ONE_RESOURCE = (
    "aws:sourcearn",
    "kms:encryptioncontext:aws:logs:arn",
    # EventBridge sends KMS no aws:SourceArn (SNS developer guide).
    "kms:encryptioncontext:aws:sns:topicarn",
)
"""Condition keys in lower case, because IAM ignores their case."""


def _is_open(kind: str, resource: dict[str, Any]) -> Iterator[str]:
    rules = []
    if re.fullmatch(r"aws_(default_)?(security_group|network_acl)", kind):
        rules = [*resource.get("ingress", []), *resource.get("egress", [])]
    elif re.fullmatch(r"aws_(vpc_security_group_(ingress|egress)|security_group|network_acl)_rule", kind):
        rules = [resource]
    for rule in rules:
        if rule.get("rule_action", rule.get("action")) == "deny":
            continue
        ranges = [rule.get("cidr_ipv4"), rule.get("cidr_ipv6"), rule.get("cidr_block"), rule.get("ipv6_cidr_block")]
        ranges += [*(rule.get("cidr_blocks") or []), *(rule.get("ipv6_cidr_blocks") or [])]
        yield from (f"open to {cidr}" for cidr in ranges if cidr and re.search(r"/[0-7]$", cidr))
        if rule.get("protocol", rule.get("ip_protocol")) not in ("tcp", "udp", "icmp"):
            yield "every protocol"
    if kind == "aws_ram_principal_association":
        each = re.findall(r'"(.+?)"', resource["for_each"]) if "for_each" in resource else [resource["principal"]]
        yield from (f"shared with {who}" for who in each if not who.isdigit())
    if kind == "aws_vpc_endpoint_service" and not resource["acceptance_required"]:
        yield "accepts every endpoint"
    offered = [*(resource.get("allowed_principals") or []), resource.get("principal_arn", "")]
    if kind.startswith("aws_vpc_endpoint_service") and any("*" in who for who in offered):
        yield "offered to everybody"


_ALARM = ("complete/account", "hybrid_from_nothing/account", "policy_alarm/account")
_FLOW_LOGS = (
    "complete/network-edge",
    "egress_hub/network-edge",
    "hybrid_from_nothing/network-edge",
    "vpc/network-edge",
)
_KEY = "AWS's default first statement of a key policy, without Astronomer's role; without it, no one can manage the key"
_ENDPOINT = "limits the endpoint to the named accounts (aws:PrincipalAccount); it grants nothing"
_ACCOUNT = "Astronomer names only its account; the role accepts a peering with one VPC, and expires"
THEIRS = "aws_iam_policy.cross-account-role_policy"
"""Astronomer's document, which only Astronomer can narrow; `main.py policy lint` reports it separately."""
MEANT: Acknowledged = {
    ("policy-alarm_trail-key-access", "action kms:*"): (_KEY, *_ALARM),
    ("policy-alarm_topic-key-access", "action kms:*"): (_KEY, *_ALARM),
    **{
        (f"policy-alarm_{key}-access", "everybody in arn:aws:iam::222222222222:root"): (_KEY, *_ALARM)
        for key in ("trail-key", "topic-key")
    },
    ("policy-alarm_delivery-trust", "cloudtrail.amazonaws.com for any resource of any customer"): (
        "CloudTrail sends neither aws:SourceArn nor aws:SourceAccount when it takes this role (its user guide)",
        *_ALARM,
    ),
    ("lake-endpoints_policy_secrets", "action *"): (_ENDPOINT, "private_link/network-lake"),
    ("lake-endpoints_policy_secrets", "everybody"): (_ENDPOINT, "private_link/network-lake"),
    ("lake-role_trust", "everybody in arn:aws:iam::222222222222:root"): (_ACCOUNT, "peering_role/network-lake"),
    ("archive-role_trust", "everybody in arn:aws:iam::222222222222:root"): (_ACCOUNT, "complete/network-archive"),
    ("archive-role-dr_trust", "everybody in arn:aws:iam::222222222222:root"): (_ACCOUNT, "complete/network-archive"),
    ("edge_flow-logs-trust", "vpc-flow-logs.amazonaws.com for any resource of any customer"): (
        "any flow log of this account and region: AWS chooses the ID of a flow log when it creates it",
        *_FLOW_LOGS,
    ),
    ("edge_flow-logs-delivery", "every resource"): (
        "logs:DescribeLogGroups, which IAM cannot narrow; it lists names",
        *_FLOW_LOGS,
    ),
}
"""Excess access by this file's rules, by policy document: the reason, and the stacks."""


def everywhere(acknowledged: Acknowledged) -> list[tuple[str, str, str]]:
    """Return the pairs of stack and finding, sorted: a finding is acknowledged for each example separately."""
    return sorted((stack, *one) for one, (_, *stacks) in acknowledged.items() for stack in stacks)


def test_every_permission_and_opening_is_intended(stacks: dict[str, Stack]) -> None:
    documents = [one.get("data", {}).get("aws_iam_policy_document", {}) for one in stacks.values()]
    statements = [one for each in documents for document in each.values() for one in document.get("statement", [])]
    found = [(name, *one) for name, stack in stacks.items() for one in too_much(stack) if not one[0].startswith(THEIRS)]
    meant = [(stack, f"data.aws_iam_policy_document.{one}", what) for stack, one, what in everywhere(MEANT)]
    assert sorted(found) == meant
    record(
        "statements, rules and shares of the examples: unintended access",
        f"{len(statements)} statements; {len(meant)} acknowledged",
    )


def _policy(**more: Any) -> str:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme/*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _statement(**more: Any) -> Stack:
    one = {"actions": ["sts:AssumeRole"], "resources": ["arn:aws:s3:::acme"], **more}
    return {"data": {"aws_iam_policy_document": {"one": {"statement": [one]}}}}


def _resource(kind: str, **more: Any) -> Stack:
    return {"resource": {kind: {"one": more}}}


def _asks(test: str, variable: str, value: str) -> list[dict[str, Any]]:
    return [{"test": test, "variable": variable, "values": [value]}]


_ROOT = [{"type": "AWS", "identifiers": ["arn:aws:iam::406882777402:root"]}]
_TOKEN = [{"type": "Federated", "identifiers": ["issuer"]}]
MUTATIONS: dict[str, tuple[Stack, set[str]]] = {
    "a service offered to all": (
        _resource("aws_vpc_endpoint_service", acceptance_required=True, allowed_principals=["*"]),
        {"offered to everybody"},
    ),
    "an inline policy": (
        _resource("aws_iam_policy", policy=_policy(Action="*", Resource="*")),
        {"action *", "every resource"},
    ),
    "a policy of AWS": (
        _resource("aws_iam_role_policy_attachment", policy_arn="arn:aws:iam::aws:policy/AdministratorAccess"),
        {"attached arn:aws:iam::aws:policy/AdministratorAccess"},
    ),
    "an inline trust": (_resource("aws_iam_role", assume_role_policy=_policy(Principal="*")), {"everybody"}),
    "an inline key policy": (_resource("aws_kms_key", policy=_policy(Principal={"AWS": "*"})), {"everybody"}),
    "an inline bucket policy": (
        _resource("aws_s3_bucket_policy", policy=_policy(Principal={"AWS": ["*"]})),
        {"everybody"},
    ),
    "halves of all addresses": (
        _resource("aws_security_group", ingress=[{"cidr_blocks": ["0.0.0.0/1", "128.0.0.0/1"], "protocol": "tcp"}]),
        {"open to 0.0.0.0/1", "open to 128.0.0.0/1"},
    ),
    "any external ID": (
        _statement(principals=_ROOT, condition=_asks("StringLike", "sts:ExternalId", "*")),
        {"everybody in arn:aws:iam::406882777402:root"},
    ),
    "any subject": (
        _statement(
            principals=_TOKEN,
            condition=[*_asks("StringEquals", "issuer:aud", "sts"), *_asks("StringLike", "issuer:sub", "*")],
        ),
        {"any token of issuer"},
    ),
    "all but some principals": (_statement(not_principals=_ROOT), {"not_principals allows all others"}),
    "all but some actions": (
        {"data": {"aws_iam_policy_document": {"one": {"statement": [{"not_actions": ["iam:*"], "resources": ["a"]}]}}}},
        {"not_actions allows all others"},
    ),
    "all but some resources, inline": (
        _resource("aws_iam_role_policy", policy=_policy(NotResource="arn:aws:s3:::secret/*")),
        {"not_resources allows all others"},
    ),
    "a policy inside a role": (
        _resource("aws_iam_role", inline_policy=[{"name": "all", "policy": _policy(Action="*", Resource="*")}]),
        {"action *", "every resource"},
    ),
    "a policy of AWS inside a role": (
        _resource("aws_iam_role", managed_policy_arns=["arn:aws:iam::aws:policy/AdministratorAccess"]),
        {"attached arn:aws:iam::aws:policy/AdministratorAccess"},
    ),
    "a document that this scanner cannot read": (
        _resource("aws_iam_policy", policy='${jsonencode({Statement = [{Effect = "Allow", Action = "*"}]})}'),
        {"unread policy"},
    ),
    "a rule inside a network ACL": (
        _resource("aws_network_acl", ingress=[{"cidr_block": "0.0.0.0/0", "protocol": "-1", "action": "allow"}]),
        {"open to 0.0.0.0/0", "every protocol"},
    ),
    "a rule inside a default network ACL": (
        _resource("aws_default_network_acl", egress=[{"ipv6_cidr_block": "::/0", "protocol": "tcp"}]),
        {"open to ::/0"},
    ),
    "a rule of a security group": (
        _resource("aws_security_group_rule", type="ingress", cidr_blocks=["0.0.0.0/0"], protocol="tcp"),
        {"open to 0.0.0.0/0"},
    ),
    **{
        f"an external ID by {test} {value}": (
            _statement(principals=_ROOT, condition=_asks(test, "sts:ExternalId", value)),
            {"everybody in arn:aws:iam::406882777402:root"},
        )
        for test, value in (
            ("StringNotEquals", "one"),
            ("StringNotLike", "one"),
            ("StringEqualsIfExists", "one"),
            ("ForAllValues:StringEquals", "one"),
            ("Null", "false"),
            ("StringLike", "a*"),
            ("StringLike", "?"),
        )
    },
}
"""Excess access in places and conditions that a scanner can miss, each with the expected findings."""


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_no_place_is_blind(mutation: str) -> None:
    stack, expected = MUTATIONS[mutation]
    assert {what for _, what in too_much(stack)} == expected


def test_every_excessive_permission_is_found() -> None:
    def statement(**given: Any) -> dict[str, Any]:
        return {"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::acme/*"], **given}

    def principals(kind: str, who: str) -> dict[str, Any]:
        return {"principals": [{"type": kind, "identifiers": [who]}]}

    documents = {
        "fine": statement(),
        "denied": statement(effect="Deny", actions=["*"], **principals("AWS", "*")),
        "named": statement(
            condition=[{"test": "StringEquals", "variable": "sts:externalid", "values": ["one"]}],
            **principals("AWS", "arn:aws:iam::406882777402:root"),
        ),
        "action": statement(actions=["s3:*"]),
        "resource": statement(resources=["*"]),
        "anybody": statement(**principals("AWS", "*")),
        "account": statement(**principals("AWS", "arn:aws:iam::406882777402:root")),
        "service": statement(**principals("Service", "logs.amazonaws.com")),
        "token": statement(
            condition=[{"test": "StringEquals", "variable": "issuer.example/id:aud", "values": ["sts"]}],
            **principals("Federated", "issuer"),
        ),
    }
    ranges = {"egress": [{"cidr_blocks": ["0.0.0.0/0"], "protocol": "-1"}]}
    assert set(
        too_much(
            {
                "data": {"aws_iam_policy_document": {name: {"statement": [one]} for name, one in documents.items()}},
                "resource": {
                    "aws_security_group": {"open": ranges, "fine": {}},
                    "aws_vpc_security_group_ingress_rule": {"open": {"cidr_ipv6": "::/0", "ip_protocol": "tcp"}},
                    "aws_network_acl_rule": {
                        "open": {"cidr_block": "0.0.0.0/0", "protocol": "tcp"},
                        "denied": {"cidr_block": "0.0.0.0/0", "protocol": "-1", "rule_action": "deny"},
                    },
                    "aws_ram_principal_association": {"open": {"principal": "arn:aws:organizations::1:organization/o"}},
                    "aws_vpc_endpoint_service": {"open": {"acceptance_required": False}},
                    "aws_vpc_endpoint_service_allowed_principal": {"open": {"principal_arn": "*"}},
                },
            }
        )
    ) == {
        ("data.aws_iam_policy_document.action", "action s3:*"),
        ("data.aws_iam_policy_document.resource", "every resource"),
        ("data.aws_iam_policy_document.anybody", "everybody"),
        ("data.aws_iam_policy_document.account", "everybody in arn:aws:iam::406882777402:root"),
        ("data.aws_iam_policy_document.service", "logs.amazonaws.com for any resource of any customer"),
        ("data.aws_iam_policy_document.token", "any token of issuer"),
        ("aws_security_group.open", "open to 0.0.0.0/0"),
        ("aws_security_group.open", "every protocol"),
        ("aws_vpc_security_group_ingress_rule.open", "open to ::/0"),
        ("aws_network_acl_rule.open", "open to 0.0.0.0/0"),
        ("aws_ram_principal_association.open", "shared with arn:aws:organizations::1:organization/o"),
        ("aws_vpc_endpoint_service.open", "accepts every endpoint"),
        ("aws_vpc_endpoint_service_allowed_principal.open", "offered to everybody"),
    }


CANARY = """
resource "aws_security_group_rule" "open" {
  type = "ingress"
  from_port = 22
  to_port = 22
  protocol = "tcp"
  cidr_blocks = ["0.0.0.0/0"]
  security_group_id = "sg-0123456789abcdef0"
}
data "aws_iam_policy_document" "reads-all" {
  statement {
    actions   = ["s3:GetObject", "iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"]
    resources = ["*"]
  }
}
"""
"""Required findings of Checkov and of Cloudsplaining, which prove that the scanners work."""

_TRAIL = "the trail's bucket has one writer, CloudTrail, whose digests prove each file"
_VENDOR = "Astronomer's document, for which the examples have a stand-in; `main.py policy lint` warns about it"
_BY_AWS = "encrypted with AWS's key, as every log group is; it contains addresses and negotiations, and no content"
_CHOICE = "the estate chooses the retention, and each example shows a different one"
_NO_TLS = "AWS logs only TLS listeners, and this one is TCP; flow logs record the clients"
_ZONES = "it creates nothing in these zones, and looks up only the IDs of those of the service"
ACKNOWLEDGED: Acknowledged = {
    ("CKV_AWS_18", "aws_s3_bucket.policy-alarm_bucket"): (f"{_TRAIL}; access logs would need another bucket", *_ALARM),
    ("CKV_AWS_144", "aws_s3_bucket.policy-alarm_bucket"): (f"{_TRAIL}; the log group has the events too", *_ALARM),
    ("CKV2_AWS_62", "aws_s3_bucket.policy-alarm_bucket"): (f"{_TRAIL}; the alarm is the notification", *_ALARM),
    ("CKV_AWS_300", "aws_s3_bucket_lifecycle_configuration.policy-alarm_bucket-lifecycle"): (
        f"{_TRAIL}, and writes below AWSLogs/, where uploads are aborted",
        *_ALARM,
    ),
    ("CKV_AWS_252", "aws_cloudtrail.policy-alarm_trail"): (
        "its events go to the log group, and from there to a topic",
        *_ALARM,
    ),
    ("CKV_AWS_158", "aws_cloudwatch_log_group.edge_flow-logs"): (_BY_AWS, *_FLOW_LOGS),
    ("CKV_AWS_158", "aws_cloudwatch_log_group.office_tunnel-logs"): (_BY_AWS, "vpn/network-lake"),
    ("CKV_AWS_338", "aws_cloudwatch_log_group.edge_flow-logs"): (
        _CHOICE,
        "complete/network-edge",
        "egress_hub/network-edge",
        "hybrid_from_nothing/network-edge",
    ),
    ("CKV_AWS_338", "aws_cloudwatch_log_group.office_tunnel-logs"): (_CHOICE, "vpn/network-lake"),
    ("CKV_AWS_150", "aws_lb.lake-service_load-balancer"): (
        "off by the example's `removal_reason`",
        "complete/network-lake",
    ),
    ("CKV_AWS_91", "aws_lb.lake-service_load-balancer"): (_NO_TLS, "complete/network-lake"),
    ("CKV_AWS_91", "aws_lb.orders_load-balancer"): (_NO_TLS, "private_link/network-lake"),
    ("CKV_AWS_394", "aws_availability_zones.lake-service_zones"): (_ZONES, "complete/network-lake"),
    ("CKV_AWS_394", "aws_availability_zones.orders_zones"): (_ZONES, "private_link/network-lake"),
    ("CKV_AWS_1", "aws_iam_policy_document.lake-endpoints_policy_secrets"): (_ENDPOINT, "private_link/network-lake"),
    ("CKV_AWS_49", "aws_iam_policy_document.lake-endpoints_policy_secrets"): (_ENDPOINT, "private_link/network-lake"),
    **{
        (f"CKV_AWS_{number}", "aws_iam_policy.cross-account-role_policy"): (
            _VENDOR,
            "complete/account",
            "cross_account_role/account",
            "hybrid_from_nothing/account",
            "opt_in_region/account",
            "policy_alarm/account",
            "service_quotas/account",
        )
        for number in (286, 287, 288, 289, 290, 355)
    },
}
"""Acknowledged findings by check and address: the reason, and the stacks."""

OFFLINE = """
import runpy, socket
def refuse(*_, **__):
    raise OSError("no network here")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
runpy.run_module("checkov.main", run_name="__main__")
"""


@pytest.mark.proof
def test_checkov_finds_only_acknowledged_cases(tmp_path: Path) -> None:
    assert (CHECKOV / "checkov").is_dir(), "`make proof` installs Checkov"
    for file in EXAMPLES:
        app = build(cdktf.App(outdir=str(tmp_path / "json")), load(file))
        for stack in app.node.children:
            # Checkov cannot read this JSON, because it expects blocks where Terraform has values.
            if isinstance(stack, cdktf.TerraformStack):
                hcl = tmp_path / "hcl" / file.stem / stack.node.id / "cdk.tf"
                hcl.parent.mkdir(parents=True)
                # Checkov's parser does not support a string inside an expression inside a string, as Terraform does.
                hcl.write_text(re.sub(r"(?m)^( *error_message) += .*", r'\1 = ""', stack.to_hcl_terraform()["hcl"]))
    canary = tmp_path / "hcl/canary/cdk.tf"
    canary.parent.mkdir()
    canary.write_text(CANARY)

    command = [sys.executable, "-W", "ignore", "-c", OFFLINE, "--directory", str(tmp_path / "hcl")]
    command += ["--framework", "terraform", "--output", "json", "--compact", "--skip-download", "--soft-fail"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOV), "BC_SKIP_MAPPING": "TRUE", "HOME": str(tmp_path)}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    report = json.loads(said.stdout)
    assert report["summary"]["parsing_errors"] == 0

    found = [
        (str(Path(one["file_path"]).parent)[1:], one["check_id"], one["resource"].removeprefix("data."))
        for one in report["results"]["failed_checks"]
    ]
    assert {(check, address) for stack, check, address in found if stack == "canary"} >= {
        ("CKV_AWS_24", "aws_security_group_rule.open"),
        ("CKV_AWS_108", "aws_iam_policy_document.reads-all"),  # exfiltration, by Cloudsplaining
        ("CKV_AWS_110", "aws_iam_policy_document.reads-all"),  # privilege escalation, by Cloudsplaining
    }
    acknowledged = everywhere(ACKNOWLEDGED)
    assert sorted(one for one in found if one[0] != "canary") == acknowledged
    passed = [one for one in report["results"]["passed_checks"] if not one["file_path"].startswith("/canary/")]
    record(
        "Checkov, offline, over every example's Terraform",
        f"{len(passed)} checks passed; {len(acknowledged)} findings acknowledged; 0 others",
    )
