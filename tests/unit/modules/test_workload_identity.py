import json
from pathlib import Path
from typing import Any

import pytest
from cdktf import Testing
from pydantic import ValidationError

from estate.load import EstateError, load
from modules.cluster import Cluster
from modules.workload_identity.construct import WorkloadIdentity
from modules.workload_identity.props import WorkloadIdentityProps
from tests.support import ROOT
from tests.support.networks import PROD, context_of, network, sides
from tests.support.synth import NewStack, parsed

EXAMPLE = ROOT / "examples/workload_identity.yaml"
NAMESPACE = "geometric-gyroscope-9932"
ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
OIDC = PROD.model_copy(update={"oidc_issuer_url": f"https://{ISSUER}"})
PROVIDER = f"arn:aws:iam::111111111111:oidc-provider/{ISSUER}"
AUDIT = "arn:aws:iam::aws:policy/SecurityAudit"
SUBJECTS = [
    f"system:serviceaccount:{NAMESPACE}:{NAMESPACE}-{account}"
    for account in (
        "kpo",
        "dag-processor-serviceaccount",
        "scheduler-serviceaccount",
        "triggerer-serviceaccount",
        "webserver-serviceaccount",
        "worker-serviceaccount",
    )
]


def props(role: dict[str, Any] | None = None, folder: Path = Path(), **more: Any) -> WorkloadIdentityProps:
    roles = {"etl": {"deployments": (NAMESPACE,)} if role is None else role}
    values = {"type": "workload_identity", "cluster": "prod", "network": "lake", "roles": roles, **more}
    return WorkloadIdentityProps.model_validate(values, context={"folder": folder})


def synthesized(new_stack: NewStack, props: WorkloadIdentityProps, cluster: Cluster = PROD) -> dict[str, Any]:
    stack = new_stack()
    WorkloadIdentity(stack, "conn", props, sides(prod=cluster))
    return parsed(Testing.synth(stack, True))


def trust(tf: dict[str, Any]) -> Any:
    (statement,) = tf["data"]["aws_iam_policy_document"]["conn_etl_trust"]["statement"]
    return statement


def test_only_the_role_of_a_deployment_can_assume_it(new_stack: NewStack) -> None:
    tf = synthesized(new_stack, props())
    assert trust(tf) == {
        "actions": ["sts:AssumeRole"],
        "principals": [{"type": "AWS", "identifiers": [f"arn:aws:iam::333333333333:role/astro-{NAMESPACE}"]}],
    }
    assert tf["resource"] == {
        "aws_iam_role": {
            "conn_etl_role": {
                "name": "acme-conn-etl",
                "description": "Assumed by Deployments of Astro cluster prod",
                "assume_role_policy": "${data.aws_iam_policy_document.conn_etl_trust.json}",
            }
        }
    }


def test_an_older_cluster_has_one_role_for_all_its_deployments(new_stack: NewStack) -> None:
    cluster = PROD.model_copy(update={"id": "clmk2qqia000008mhff3ndjr0"})
    assert trust(synthesized(new_stack, props({}, identity="cluster_role"), cluster))["principals"] == [
        {
            "type": "AWS",
            "identifiers": ["arn:aws:iam::333333333333:role/AirflowS3Logs-clmk2qqia000008mhff3ndjr0"],
        }
    ]


def test_tokens_of_exactly_the_named_deployments_are_taken(new_stack: NewStack) -> None:
    tf = synthesized(new_stack, props(identity="oidc"), OIDC)
    assert tf["resource"]["aws_iam_openid_connect_provider"] == {
        "conn_provider": {
            "url": f"https://{ISSUER}",
            "client_id_list": ["sts.amazonaws.com"],
            "tags": {"Name": "acme-conn"},
        }
    }
    assert trust(tf) == {
        "actions": ["sts:AssumeRoleWithWebIdentity"],
        "principals": [{"type": "Federated", "identifiers": ["${aws_iam_openid_connect_provider.conn_provider.arn}"]}],
        "condition": [
            {"test": "StringEquals", "variable": f"{ISSUER}:aud", "values": ["sts.amazonaws.com"]},
            {"test": "StringEquals", "variable": f"{ISSUER}:sub", "values": SUBJECTS},
        ],
    }


def test_a_reason_admits_every_deployment_of_the_cluster(new_stack: NewStack) -> None:
    role = {"any_deployment_reason": "One team owns the whole cluster"}
    tf = synthesized(new_stack, props(role, identity="oidc", provider_arn=PROVIDER), OIDC)
    assert "aws_iam_openid_connect_provider" not in tf["resource"]
    assert trust(tf)["principals"] == [{"type": "Federated", "identifiers": [PROVIDER]}]
    assert trust(tf)["condition"] == [
        {"test": "StringEquals", "variable": f"{ISSUER}:aud", "values": ["sts.amazonaws.com"]},
        {"test": "StringLike", "variable": f"{ISSUER}:sub", "values": ["system:serviceaccount:*:*"]},
    ]


def test_policies_are_created_or_attached_and_large_ones_split(new_stack: NewStack, tmp_path: Path) -> None:
    statement = {"Effect": "Allow", "Action": "s3:" + "x" * 4000, "Resource": "arn:aws:s3:::{{.AWSAccount}}"}
    (tmp_path / "big.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement] * 2}))
    role = {
        "deployments": (NAMESPACE,),
        "policy_arns": {"audit": AUDIT},
        "policy_files": {"big": "big.json"},
        "permissions_boundary": "arn:aws:iam::111111111111:policy/boundary",
    }
    tf = synthesized(new_stack, props(role, tmp_path))["resource"]
    made = {**statement, "Resource": "arn:aws:s3:::111111111111"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [made]}, separators=(",", ":"))
    assert tf["aws_iam_policy"] == {
        f"conn_etl_policy_big{part}": {
            "name": f"acme-conn-etl-big{name}",
            "description": "What acme-conn-etl may do",
            "policy": text,
        }
        for part, name in (("", ""), ("_2", "-2"))
    }
    arns = {"audit": AUDIT} | {key: f"${{aws_iam_policy.conn_etl_policy_{key}.arn}}" for key in ("big", "big_2")}
    assert tf["aws_iam_role_policy_attachment"] == {
        f"conn_etl_attachment_{key}": {"role": "${aws_iam_role.conn_etl_role.name}", "policy_arn": arn}
        for key, arn in arns.items()
    }
    assert tf["aws_iam_role"]["conn_etl_role"]["permissions_boundary"] == "arn:aws:iam::111111111111:policy/boundary"


def test_names_longer_than_iam_takes_stay_apart(new_stack: NewStack) -> None:
    role = {"deployments": (NAMESPACE,)}
    long = "a" * 31
    roles = {long[:-1] + end: role for end in "bc"}

    stack, given = new_stack(), sides()
    context = type(given)("e" * 31 + "-" + long, given.network, given.clusters)
    WorkloadIdentity(stack, "conn", props(roles=roles), context)
    tf = parsed(Testing.synth(stack, True))["resource"]
    names = [made["name"] for made in tf["aws_iam_role"].values()]
    assert len(set(names)) == 2
    assert {len(name) for name in names} == {64}


def test_a_role_keeps_the_name_and_path_that_it_has_in_aws(new_stack: NewStack) -> None:
    kept = {"deployments": (NAMESPACE,), "role_name": "airflow-etl", "role_path": "/data/"}
    made = synthesized(new_stack, props(kept))["resource"]["aws_iam_role"]["conn_etl_role"]
    assert (made["name"], made["path"]) == ("airflow-etl", "/data/")


@pytest.mark.parametrize(
    ("more", "cluster", "expected"),
    [
        ({"role": {}}, PROD, set()),
        ({"role": {}, "identity": "cluster_role"}, PROD, set()),
        ({}, PROD.model_copy(update={"account_id": None}), set()),
        ({"identity": "oidc"}, PROD, set()),
        ({"role": {}, "identity": "oidc"}, OIDC, {"aws_iam_openid_connect_provider"}),
    ],
)
def test_a_missing_value_is_not_invented(
    new_stack: NewStack, more: dict[str, Any], cluster: Cluster, expected: set[str]
) -> None:
    assert synthesized(new_stack, props(**more), cluster).get("resource", {}).keys() == expected


def needs(props: WorkloadIdentityProps) -> list[str]:
    return [pending.field for pending in (*props.needs_of_clusters, *props.pending_inputs())]


def test_waits_for_what_its_identity_needs() -> None:
    assert needs(props({})) == ["account_id", "roles.etl.deployments"]
    assert needs(props({}, identity="oidc")) == ["oidc_issuer_url", "roles.etl.deployments"]
    assert needs(props({}, identity="cluster_role")) == ["account_id", "id"]
    assert needs(props({"any_deployment_reason": "One team owns it all"}, identity="oidc")) == ["oidc_issuer_url"]


def test_a_cluster_without_an_issuer_is_pending(tmp_path: Path) -> None:
    text = "\n".join(line for line in EXAMPLE.read_text().splitlines() if "oidc_issuer_url" not in line)
    (tmp_path / "policies").symlink_to(EXAMPLE.parent / "policies")
    (tmp_path / "astro.yaml").write_text(text)
    waiting = [(entry, pending.field) for entry, pending in load(tmp_path / "astro.yaml").pending_inputs()]
    assert waiting == [("clusters.prod", "oidc_issuer_url"), ("connections.by-token", "roles.reports.deployments")]


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        (
            "    identity: oidc\n",
            "    identity: oidc\n    provider_arn: arn:aws:iam::111111111111:oidc-provider/other.example\n",
            "connections.by-token.provider_arn: .* is not the OIDC provider of https://oidc.eks",
        ),
        (
            "    network: lake\n    roles:\n",
            "    network: lake\n    identity: oidc\n    roles:\n",
            "connections.by-role.cluster: creates the OIDC provider of cluster 'prod', which conflicts with "
            "connections.by-token",
        ),
        (
            "deployments: [geometric-gyroscope-9932]",
            "deployments: [geometric-gyroscope-9932, b-1, c-1, d-1, e-1]",
            r"connections.by-token.roles.etl.deployments: .*needs a trust policy of about 2,\d+ characters",
        ),
        (
            "      reports: {",
            "      reports: {any_deployment_reason: Everything may report, ",
            "connections.by-token.roles.reports.any_deployment_reason: .*would allow every Deployment of 'prod'",
        ),
        (
            "    network: lake\n    roles:\n      audit:\n        deployments: [quasarian-quantum-1234]\n",
            "    network: lake\n    identity: cluster_role\n    roles:\n      audit:\n",
            "connections.by-role.identity: 'cluster_role' of a hosted-standard cluster also covers other organizations",
        ),
    ],
)
def test_a_value_that_does_not_fit_the_cluster_is_refused(tmp_path: Path, old: str, new: str, hint: str) -> None:
    text = EXAMPLE.read_text()
    assert old in text
    if "other organizations" in hint or "would allow" in hint:
        text = text.replace("hosted-dedicated", "hosted-standard")
    (tmp_path / "policies").symlink_to(EXAMPLE.parent / "policies")
    (tmp_path / "astro.yaml").write_text(text.replace(old, new))
    with pytest.raises(EstateError, match=hint) as caught:
        load(tmp_path / "astro.yaml")
    assert len(caught.value.problems) == 1


LAKE = '  lake: {account_id: "111111111111", region: us-east-1, vpc_id: vpc-0123456789abcdef0, cidrs: [10.20.0.0/16]}\n'
SEA = LAKE.replace("lake", "sea").replace("us-east-1", "us-west-2").replace("vpc-0123456789abcdef0", "vpc-0bbbbbbb")
MADE = '  b-y: {account_id: "111111111111", region: us-west-2, create: {cidr: 10.30.0.0/20}}\n'
SAME = f"  same: {{region: us-east-1, oidc_issuer_url: https://{ISSUER}}}\n"
WIDER = EXAMPLE.read_text().replace(LAKE, LAKE + SEA + MADE).replace("networks:\n", SAME + "networks:\n")
"""The example with a new network in a second region of the account, and a second cluster with the same issuer."""
B_Y = "{type: workload_identity, cluster: prod, network: lake, roles: {y: {}}}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "  by-role:\n    type: workload_identity\n    cluster: prod\n    network: lake\n",
            "  by-role:\n    type: workload_identity\n    cluster: prod\n    network: sea\n    identity: oidc\n",
            "connections.by-role.cluster: creates the OIDC provider of cluster 'prod', which conflicts with "
            "connections.by-token; an account can have only one for each issuer: put the roles into one entry, or set "
            "provider_arn in the other",
        ),
        (
            "connections:\n",
            "connections:\n  x: {type: workload_identity, cluster: same, network: sea, identity: oidc, "
            "roles: {a: {}}}\n",
            "connections.by-token.cluster: creates the OIDC provider of cluster 'prod', which conflicts with "
            "connections.x; an account can have only one for each issuer: put the roles into one entry, or set "
            "provider_arn in the other",
        ),
        (
            "connections:\n",
            "connections:\n  by: {type: workload_identity, cluster: prod, network: sea, roles: {token-etl: {}}}\n",
            "connections.by-token.roles.etl: creates the role <estate>-by-token-etl, which conflicts with "
            "connections.by; role names must be unique within an account: rename one",
        ),
        (
            "      reports: {policy_files: {read-lake:",
            "      etl-read: {policy_files: {lake:",
            "connections.by-token.roles.etl-read.policy_files.lake: creates the policy "
            "<estate>-by-token-etl-read-lake, "
            "which conflicts with connections.by-token.roles.etl.policy_files.read-lake; policy names must be "
            "unique within an account: rename one",
        ),
        (
            "connections:\n",
            "connections:\n  by: {type: workload_identity, cluster: prod, network: sea, "
            "roles: {a: {role_name: ACME-by-token-etl}}}\n",
            "connections.by-token.roles.etl: creates the role <estate>-by-token-etl, which conflicts with "
            "connections.by; role names must be unique within an account: rename one",
        ),
        (
            "connections:\n",
            f"connections:\n  b: {B_Y}\n",
            "connections.b.roles.y: creates the role <estate>-b-y, which conflicts with networks.b-y; role names must "
            "be unique within an account: rename one",
        ),
    ],
)  # fmt: skip
def test_iam_names_are_unique_across_the_regions_of_an_account(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in WIDER
    (tmp_path / "policies").symlink_to(EXAMPLE.parent / "policies")
    (tmp_path / "astro.yaml").write_text(WIDER.replace(old, new))
    with pytest.raises(EstateError) as caught:
        load(tmp_path / "astro.yaml")
    assert [str(problem).split(": ", 1)[1] for problem in caught.value.problems] == [said]


def test_a_network_without_flow_logs_claims_no_role_name(tmp_path: Path) -> None:
    quiet = WIDER.replace("10.30.0.0/20}", "10.30.0.0/20, flow_logs: {off_reason: The firewall logs it}}")
    (tmp_path / "policies").symlink_to(EXAMPLE.parent / "policies")
    (tmp_path / "astro.yaml").write_text(quiet.replace("connections:\n", f"connections:\n  b: {B_Y}\n"))
    assert "b" in load(tmp_path / "astro.yaml").connections


def test_policies_and_boundary_belong_to_the_account_or_aws() -> None:
    mine, theirs = (f"arn:aws:iam::{account}:policy/p" for account in ("111111111111", "222222222222"))
    good = {"policy_arns": {"mine": mine, "aws": AUDIT}, "permissions_boundary": mine}
    assert list(props(good).check(context_of(network(), {"prod": PROD}))) == []
    bad = {"policy_arns": {"theirs": theirs}, "permissions_boundary": theirs}
    message = f"{theirs!r} is not in account 111111111111; a role needs a policy in its own account"
    assert list(props(bad).check(context_of(network(), {"prod": PROD}))) == [
        (("roles", "etl", "policy_arns", "theirs"), message),
        (("roles", "etl", "permissions_boundary"), message),
    ]


@pytest.mark.parametrize(
    ("role", "more", "hint"),
    [
        ({"deployments": ("Upper",)}, {}, "is not a Deployment's namespace"),
        ({"deployments": ("a", "a")}, {}, "has a twice"),
        (
            {"deployments": ("a",), "any_deployment_reason": "One team owns it"},
            {"identity": "oidc"},
            "has deployments and any_deployment_reason; remove one",
        ),
        ({"any_deployment_reason": "One team owns it"}, {}, "with deployment_role, list the Deployments"),
        ({"any_deployment_reason": "because"}, {"identity": "oidc"}, "is not a reason"),
        ({"deployments": ("a",)}, {"identity": "cluster_role"}, "but etl names Deployments"),
        ({}, {"provider_arn": PROVIDER}, "which only identity oidc uses"),
        ({}, {"identity": "oidc", "provider_arn": AUDIT}, "is not an OIDC provider"),
        ({"policy_arns": {f"p{n}": AUDIT for n in range(11)}}, {}, "has 11 policies, and a role can have 10"),
        ({"policy_arns": {"audit": "SecurityAudit"}}, {}, "is not a managed policy"),
        ({"policy_files": {"a": "nowhere.json"}}, {}, "does not exist"),
        ({}, {"roles": {}}, "at least 1 item"),
    ],
)
def test_rejects_invalid_values(role: dict[str, Any], more: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        props(role, **more)


def test_a_policy_has_one_name(tmp_path: Path) -> None:
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    (tmp_path / "a.json").write_text(json.dumps(policy))
    with pytest.raises(ValidationError, match="has a in policy_arns and in policy_files"):
        props({"policy_arns": {"a": AUDIT}, "policy_files": {"a": "a.json"}}, tmp_path)
