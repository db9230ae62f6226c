import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cdktf import TerraformStack, TerraformVariable, Testing
from cdktf_cdktf_provider_aws.iam_role import IamRole
from pydantic import TypeAdapter, ValidationError

from estate.load import EstateError, load
from local_aws import LocalAws
from modules.cross_account_role.construct import CrossAccountRole
from modules.cross_account_role.props import EXTERNAL_IDS, CrossAccountRoleProps
from modules.parts.iam_policy.props import PolicyDocument
from operations.terraform import find_terraform
from tests.support import ROOT
from tests.support.deployment import SECRETS
from tests.support.synth import NewStack, parsed
from tests.support.synth import synth as synthesized
from tests.support.terraform import Terraform, cli_environment

EXAMPLES = ROOT / "examples"
STATEMENT = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
NAMES = [f"AstronomerCrossAccountRole{part}" for part in ("", "-2", "-3")]


def document(*statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements or [STATEMENT]), **more}


def written(folder: Path, content: object) -> dict[str, Path]:
    """Return the context of an estate in `folder`, which has the policy `policy.json`."""
    text = content if isinstance(content, str) else json.dumps(content, indent=4)
    (folder / "policy.json").write_text(text, encoding="utf-8")
    return {"folder": folder}


def props(folder: Path, content: object, **more: Any) -> CrossAccountRoleProps:
    return CrossAccountRoleProps.model_validate(
        {"policy_file": "policy.json", **more}, context=written(folder, content)
    )


def sized(size: int) -> dict[str, Any]:
    """Return a statement that alone is a policy of `size` characters."""
    empty = len(json.dumps(document({**STATEMENT, "Action": "s3:"}), separators=(",", ":")))
    return {**STATEMENT, "Action": "s3:" + "x" * (size - empty)}


def place(stack: TerraformStack, props: CrossAccountRoleProps, region: str = "us-east-1") -> None:
    ids = TerraformVariable(stack, "external_ids", type="list(string)", sensitive=True)
    secrets = {"external_ids": ids.list_value}
    CrossAccountRole(stack, "role", props, account_id="222222222222", region=region, secrets=secrets)


def test_only_astronomer_can_assume_it_with_an_external_id(new_stack: NewStack, tmp_path: Path) -> None:
    stack = new_stack()
    place(stack, props(tmp_path, document(), policy_mode="strict"))
    tf = parsed(Testing.synth(stack, True))
    assert tf["data"] == {
        "aws_iam_policy_document": {
            "role_trust": {
                "statement": [
                    {
                        "actions": ["sts:AssumeRole"],
                        "principals": [{"type": "AWS", "identifiers": ["arn:aws:iam::406882777402:root"]}],
                        "condition": [
                            {
                                "test": "StringEquals",
                                "variable": "sts:ExternalId",
                                "values": "${var.external_ids}",
                            }
                        ],
                    }
                ]
            }
        }
    }


def test_the_role_has_astronomers_policy_and_cannot_be_destroyed(new_stack: NewStack, tmp_path: Path) -> None:
    stack = new_stack()
    place(stack, props(tmp_path, document(), policy_mode="strict"))
    tf = parsed(Testing.synth(stack, True))
    assert tf["resource"] == {
        "aws_iam_role": {
            "role_role": {
                "name": "astronomer-remote-management",
                "description": "Astronomer manages the Astro data plane of this account",
                "assume_role_policy": "${sensitive(data.aws_iam_policy_document.role_trust.json)}",
                "lifecycle": {"prevent_destroy": True},
            }
        },
        "aws_iam_policy": {
            "role_policy": {
                "name": "AstronomerCrossAccountRole",
                "description": "Permissions of Astronomer in this account",
                "policy": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}',
                "lifecycle": {"prevent_destroy": True, "ignore_changes": ["description"]},
            }
        },
        "aws_iam_role_policy_attachment": {
            "role_attachment": {
                "role": "${aws_iam_role.role_role.name}",
                "policy_arn": "${aws_iam_policy.role_policy.arn}",
            }
        },
        "aws_iam_role_policy_attachments_exclusive": {
            "role_only-attachments": {
                "role_name": "${aws_iam_role.role_role.name}",
                "policy_arns": ["${aws_iam_role_policy_attachment.role_attachment.policy_arn}"],
            }
        },
        "aws_iam_role_policies_exclusive": {
            "role_no-inline-policies": {"role_name": "${aws_iam_role.role_role.name}", "policy_names": []}
        },
    }


def test_reason_boundary_and_policy_mode_change_the_role(new_stack: NewStack, tmp_path: Path) -> None:
    boundary = "arn:aws:iam::222222222222:policy/boundary"
    more = {"removal_reason": "We leave Hybrid", "policy_mode": "vendor-managed", "permissions_boundary": boundary}
    stack = new_stack()
    place(stack, props(tmp_path, document(), **more))
    synthesized = Testing.synth(stack)
    changed = {"permissions_boundary": boundary, "lifecycle": {"prevent_destroy": False}}
    assert Testing.to_have_resource_with_properties(synthesized, IamRole.TF_RESOURCE_TYPE, changed)
    tf = parsed(synthesized)["resource"]
    lifecycle = tf["aws_iam_policy"]["role_policy"]["lifecycle"]
    assert {key: lifecycle[key] for key in ("prevent_destroy", "ignore_changes")} == {
        "prevent_destroy": False,
        "ignore_changes": ["description", "policy"],
    }
    assert not {kind for kind in tf if kind.endswith("_exclusive")}


def test_by_default_the_vendor_owns_the_compared_document(new_stack: NewStack, tmp_path: Path) -> None:
    stack = new_stack()
    place(stack, props(tmp_path, document()))
    tf = parsed(Testing.synth(stack, True))
    assert tf["resource"]["aws_iam_policy"]["role_policy"]["lifecycle"]["ignore_changes"] == ["description", "policy"]
    text = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    assert tf["resource"]["aws_iam_policy"]["role_policy"]["policy"] == text
    [assertion] = tf["check"]["role_document"]["assert"]
    # Terraform writes the keys of a map in order.
    in_order = '{"Statement":[{"Action":"s3:*","Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}'
    expected = hashlib.sha256(in_order.encode()).hexdigest()
    found = "sha256(jsonencode(jsondecode(aws_iam_policy.role_policy.policy)))"
    assert assertion["condition"] == f'${{{found} == "{expected}"}}'


def test_a_boundary_is_astronomers_where_the_vendor_decides(new_stack: NewStack, tmp_path: Path) -> None:
    def ignored(**more: Any) -> object:
        stack = new_stack()
        place(stack, props(tmp_path, document(), **more))
        role = parsed(Testing.synth(stack, True))["resource"]["aws_iam_role"]["role_role"]
        return role["lifecycle"].get("ignore_changes")

    ours = {"permissions_boundary": "arn:aws:iam::222222222222:policy/boundary"}
    strict = {"policy_mode": "strict"}
    assert [ignored(**strict), ignored(**strict, **ours), ignored(**ours), ignored()] == [
        *[None] * 3,
        ["permissions_boundary"],
    ]


@pytest.mark.parametrize(
    ("more", "kinds"),
    [
        ({"policy_mode": "strict"}, ["aws_iam_policy.role_policy"]),
        (
            {},
            ["aws_iam_policy.role_policy", "aws_iam_role_policy_attachment.role_attachment"],
        ),
        ({"removal_reason": "We leave Hybrid"}, []),
    ],
)
def test_policies_that_the_file_no_longer_uses_stay_in_aws(
    new_stack: NewStack, tmp_path: Path, more: dict[str, Any], kinds: list[str]
) -> None:
    stack = new_stack()
    place(stack, props(tmp_path, document(sized(6144), sized(3000)), **more))
    tf = parsed(Testing.synth(stack, True))
    left = {"lifecycle": {"destroy": False}}
    assert tf.get("removed", []) == [{"from": f"{kind}-{part}", **left} for part in range(3, 11) for kind in kinds]


@pytest.mark.parametrize("mode", ["strict", "vendor-managed"])
def test_a_policy_attached_by_another_construct_is_kept(new_stack: NewStack, tmp_path: Path, mode: str) -> None:
    def run(stack: TerraformStack) -> None:
        of_role = props(tmp_path, document(sized(6144), sized(3000)), policy_mode=mode)
        role = CrossAccountRole(
            stack, "role", of_role, account_id="222222222222", region="us-east-1", secrets={"external_ids": ["id"]}
        )
        role.keeps("arn:aws:iam::222222222222:policy/further")

    stack = new_stack()
    run(stack)
    kept = parsed(Testing.synth(stack, True))["resource"].get("aws_iam_role_policy_attachments_exclusive", {})
    assert [one["policy_arns"] for one in kept.values()] == (
        []
        if mode == "vendor-managed"
        else [
            [
                "${aws_iam_role_policy_attachment.role_attachment.policy_arn}",
                "${aws_iam_role_policy_attachment.role_attachment-2.policy_arn}",
                "arn:aws:iam::222222222222:policy/further",
            ]
        ]
    )


@pytest.mark.terraform
@pytest.mark.local_aws
def test_an_apply_removes_policies_that_others_added(
    tmp_path: Path,
) -> None:
    account, name = "222222222222", "astronomer-remote-management"
    further = json.dumps(document())
    with LocalAws() as aws:
        text = (
            (EXAMPLES / "opt_in_region.yaml").read_text().replace("{policy_file", "{policy_mode: strict, policy_file")
        )
        (tmp_path / "astro.yaml").write_text(text)
        (tmp_path / "policies").symlink_to(EXAMPLES / "policies")
        stack = synthesized(tmp_path / "astro.yaml", tmp_path / "out", hcl=False)["account"]
        environment = cli_environment(stack, {**os.environ, **aws.environment(account), **SECRETS})
        terraform = Terraform(find_terraform(environment), environment)
        terraform.init(stack)
        terraform.apply(stack)
        assert terraform.plan(stack) is False
        iam = aws.client("iam", account)
        policy = iam.create_policy(PolicyName="further", PolicyDocument=further)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=name, PolicyArn=policy)
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=further)
        planned = {one["address"]: one["change"] for one in terraform.plan_json(stack)["resource_changes"]}
        changes = {address: one for address, one in planned.items() if one["actions"] not in (["no-op"], ["read"])}
        assert {address: one["actions"] for address, one in changes.items()} == {
            "aws_iam_role_policies_exclusive.cross-account-role_no-inline-policies": ["update"],
            "aws_iam_role_policy_attachments_exclusive.cross-account-role_only-attachments": ["update"],
        }
        inline, attached = changes.values()
        assert (inline["before"]["policy_names"], inline["after"]["policy_names"]) == (["inline"], [])
        assert set(attached["before"]["policy_arns"]) - set(attached["after"]["policy_arns"]) == {policy}
        terraform.apply(stack)
        assert terraform.plan(stack) is False
        left = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        assert sorted(one["PolicyName"] for one in left) == ["AstronomerCrossAccountRole", "AstronomerOptInRegions"]
        assert iam.list_role_policies(RoleName=name)["PolicyNames"] == []


def test_denying_statements_are_in_the_first_policy(tmp_path: Path) -> None:
    """While a statement moves between two policies, neither has it for a moment."""
    denies = {"Sid": "Keep", "Effect": "Deny", "Action": "iam:*", "Resource": "*"}
    for allowed in range(1, 5):
        file = tmp_path / "astronomer.json"
        large = {"Effect": "Allow", "Action": [f"s3:{'A' * 58}{n:03}" for n in range(60)], "Resource": "*"}
        file.write_text(json.dumps({"Version": "2012-10-17", "Statement": [*[large] * allowed, denies]}))
        document = TypeAdapter(PolicyDocument).validate_python(str(file))
        texts = list(document.policies("111111111111", "a").values())
        assert len(texts) == allowed
        assert [number for number, text in enumerate(texts) if '"Sid":"Keep"' in text] == [0]


def test_a_large_document_is_several_policies_all_attached(new_stack: NewStack, tmp_path: Path) -> None:
    stack = new_stack()
    place(stack, props(tmp_path, document(sized(6144), sized(3000), sized(3000), sized(3000))))
    tf = parsed(Testing.synth(stack, True))["resource"]
    policies = tf["aws_iam_policy"]
    assert [policies[f"role_policy{part}"]["name"] for part in ("", "-2", "-3")] == NAMES
    assert [len(policies[f"role_policy{part}"]["policy"]) for part in ("", "-2", "-3")] == [6144, 5962, 3000]
    assert tf["aws_iam_role_policy_attachment"] == {
        f"role_attachment{part}": {
            "role": "${aws_iam_role.role_role.name}",
            "policy_arn": f"${{aws_iam_policy.role_policy{part}.arn}}",
        }
        for part in ("", "-2", "-3")
    }


def policies(folder: Path, content: object) -> dict[str, str]:
    return props(folder, content).policies("222222222222")


def test_the_account_replaces_every_placeholder(tmp_path: Path) -> None:
    arns = ["arn:aws:iam::{{.AWSAccount}}:role/a", "arn:aws:iam::{{ .AWSAccount }}:role/b"]
    text = policies(tmp_path, document({**STATEMENT, "Resource": arns}))["AstronomerCrossAccountRole"]
    assert json.loads(text)["Statement"][0]["Resource"] == [
        "arn:aws:iam::222222222222:role/a",
        "arn:aws:iam::222222222222:role/b",
    ]


def test_statements_keep_their_order_and_none_is_lost(tmp_path: Path) -> None:
    statements = [{**sized(1500), "Sid": f"S{number}"} for number in range(20)]
    texts = policies(tmp_path, document(*statements))
    assert len(texts) > 1
    assert [json.loads(text)["Version"] for text in texts.values()] == ["2012-10-17"] * len(texts)
    assert [one for text in texts.values() for one in json.loads(text)["Statement"]] == statements


def test_size_counts_the_real_account_and_no_white_space(tmp_path: Path) -> None:
    # The ID is two characters shorter than the placeholder.
    at_account = {**sized(6100), "Resource": "arn:{{.AWSAccount}}"}
    size = len(policies(tmp_path, document(at_account))[NAMES[0]])
    longer = {**at_account, "Action": at_account["Action"] + "x" * (6144 - size)}
    assert len(policies(tmp_path, document(longer))[NAMES[0]]) == 6144
    with pytest.raises(ValidationError, match="6,145 characters in statement 1"):
        policies(tmp_path, document({**longer, "Action": longer["Action"] + "x"}))


@pytest.mark.parametrize(
    "write", [lambda text: text, lambda text: "\ufeff" + text, lambda text: text.replace(" ", "\t")]
)
def test_however_the_file_is_laid_out_the_policy_is_the_same(tmp_path: Path, write: Any) -> None:
    assert policies(tmp_path, write(json.dumps(document(), indent=4))) == policies(tmp_path, document())


def test_one_statement_need_not_be_a_list(tmp_path: Path) -> None:
    assert policies(tmp_path, {"Version": "2012-10-17", "Statement": STATEMENT}) == policies(tmp_path, document())


def test_the_example_document_is_marked_and_protects_audit_roles() -> None:
    text = (EXAMPLES / "policies/astronomer.json").read_text()
    assert text.count("{{.AWSAccount}}") > max(line.count("{{.AWSAccount}}") for line in text.splitlines()) > 1
    statements = json.loads(text)["Statement"]
    assert statements[0]["Sid"] == "ExampleOfThisProjectNotAstronomersDocument"
    assert [one["Condition"] for one in statements if one["Effect"] == "Deny"] == [
        {"StringEquals": {"aws:ResourceTag/customeraudit": "TRUE"}}
    ]
    role = load(EXAMPLES / "cross_account_role.yaml").account
    assert role
    assert list(role.cross_account_role.policies("222222222222")) == NAMES[:1]


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("{", "is not JSON: .* on line 1, column 2"),
        ("[" * 100_000, "is nested deeper than 100 levels"),
        (" " * 1_000_001, "has more than 1,000,000 bytes"),
        ('{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Effect": "Allow"}]}', "has the key Effect twice"),
        ([], "has no Statement"),
        ({"Version": "2012-10-17"}, "has no Statement"),
        (document(Statement=[]), "its Statement is empty"),
        (document(Version=None), "Version is missing or invalid"),
        (document(Principal="*"), "it has Principal"),
        (document({**STATEMENT, "Effect": "Alow"}), 'statement 1 has the Effect "Alow"; allowed: Allow, Deny'),
        (document({**STATEMENT, "Effect": ["Allow"]}), "has the Effect"),
        (document({**STATEMENT, "Principal": "*"}), "has Principal .a principal belongs to a trust policy"),
        (document(STATEMENT, {**STATEMENT, "NotPrincipal": {"AWS": "*"}}), "statement 2 has NotPrincipal"),
        (document({**STATEMENT, "Actions": "s3:*"}), "statement 1 has Actions"),
        (document({"Effect": "Allow", "Resource": "*"}), "neither Action nor NotAction"),
        (document({"Effect": "Allow", "Action": "*"}), "neither Resource nor NotResource"),
        (document({**STATEMENT, "NotAction": "s3:*"}), "Action and NotAction; set exactly one"),
        (document({**STATEMENT, "Action": "s3"}), 'has "s3" as Action'),
        (document({**STATEMENT, "Action": []}), "has nothing as Action"),
        (document({**STATEMENT, "Action": ["s3:*", 1]}), "has 1 as Action"),
        (document({**STATEMENT, "Resource": "my-bucket"}), 'has "my-bucket" as Resource'),
        (document({**STATEMENT, "Condition": {"StringEquals": "x"}}), "has a Condition"),
        (document({**STATEMENT, "Condition": {"StringEquals": {"a:b": {"c": "d"}}}}), "has a Condition"),
        (document({**STATEMENT, "Sid": "not one"}), "has the Sid"),
        (document(*[{**STATEMENT, "Sid": "Same"}] * 2), "the Sid Same is used twice"),
        (document("s3:*"), "statement 1 is not an object"),  # type: ignore[arg-type]
        (document({**STATEMENT, "Resource": "arn:aws:s3:::%{if true}"}), r"has %\{if true\}"),
        (document({**STATEMENT, "Resource": "arn:aws:s3:::{{.Bucket}}"}), r"has \{\{\.Bucket\}\}"),
        (document({**STATEMENT, "Resource": "arn:aws:s3:::{{.AWSAccount}"}), r"has \{\{\.AWSAccount; the only"),
        (json.dumps(document({**STATEMENT, "Resource": "arn:${x}"})).replace("$", "\\u0024"), r"has \$\{x\}"),
        (document({**STATEMENT, "Resource": "arn:aws:s3:::b\u2013c"}), "has the character"),
        (document(sized(6145)), "6,145 characters in statement 1 alone"),
        (document(*[sized(6144)] * 11), "needs 11 policies"),
    ],
)  # fmt: skip
def test_refuses_a_document_that_iam_or_terraform_cannot_take(tmp_path: Path, content: object, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        props(tmp_path, content)


def test_ten_full_policies_are_the_most(tmp_path: Path) -> None:
    assert len(policies(tmp_path, document(*[sized(6144)] * 10))) == 10


def test_a_mistake_in_the_document_has_the_line_of_the_estate(tmp_path: Path) -> None:
    written(tmp_path, document({**STATEMENT, "Effect": "Alow"}))
    text = (EXAMPLES / "cross_account_role.yaml").read_text().replace("policies/astronomer.json", "policy.json")
    (tmp_path / "astro.yaml").write_text(text)
    line = next(n for n, line in enumerate(text.splitlines(), 1) if "policy_file" in line)
    with pytest.raises(EstateError) as caught:
        load(tmp_path / "astro.yaml")
    assert str(caught.value) == (
        f"{tmp_path}/astro.yaml:{line}:18: account.cross_account_role.policy_file: 'policy.json' is not a "
        'valid IAM policy document: statement 1 has the Effect "Alow"; allowed: Allow, Deny'
    )


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("policy_file", "nowhere.json", "does not exist"),
        ("policy_file", ".", "is a folder"),
        ("policy_file", "a\0b", "is not a file path"),
        ("policy_file", "", "is not a file path"),
        ("policy_file", {"Version": "2012-10-17"}, "is not a file path"),
        ("policy_mode", "lenient", "'strict' or 'vendor-managed'"),
        ("permissions_boundary", "arn:aws:iam::222222222222:role/boundary", "is not a managed policy"),
        ("removal_reason", "because", "is not a reason"),
        ("external_ids", ["id"], "Extra inputs"),
    ],
)
def test_rejects_invalid_values(tmp_path: Path, field: str, value: object, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        props(tmp_path, document(), **{field: value})


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ValidationError, match=r"is not UTF-8 text \(byte 0\)"):
        CrossAccountRoleProps.model_validate({"policy_file": "policy.json"}, context={"folder": tmp_path})


def test_without_an_estate_the_path_starts_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, document())
    monkeypatch.chdir(tmp_path)
    found = CrossAccountRoleProps.model_validate({"policy_file": "policy.json"}).policy_file
    assert isinstance(found, PolicyDocument)
    assert CrossAccountRoleProps(policy_file=found).policy_file is found


@pytest.mark.terraform
@pytest.mark.parametrize("hcl", [False, True], ids=["json", "hcl"])
@pytest.mark.parametrize(
    ("ids", "passes"),
    [
        (["ok"], True),
        (["a" * 1224, "A9_+=,.@:/-"], True),
        ([], False),
        (["a"], False),
        (["a" * 1225], False),
        (["marked-ids-marked", "s p a c e"], False),
        (["marked-\u00efds-marked"], False),
        (["marked-ids-marked\n"], False),
        ([None], False),
    ],
)
def test_terraform_hides_and_refuses_an_invalid_external_id(
    tmp_path: Path, ids: list[str | None], passes: bool, hcl: bool
) -> None:
    assert (EXTERNAL_IDS.problem(ids) is None) == passes
    condition = "${" + EXTERNAL_IDS.condition("var.external_ids") + "}"
    if hcl:
        # As cdktf writes it: quotes inside an interpolation are not escaped.
        validation = f'validation {{\n condition = "{condition}"\n error_message = "{EXTERNAL_IDS.allowed}"\n}}'
        text = f'variable "external_ids" {{\n type = {EXTERNAL_IDS.type}\n sensitive = true\n {validation}\n}}\n'
        (tmp_path / "main.tf").write_text(text)
    else:
        validation = {"condition": condition, "error_message": EXTERNAL_IDS.allowed}
        variable = {"type": EXTERNAL_IDS.type, "sensitive": True, "validation": [validation]}
        (tmp_path / "main.tf.json").write_text(json.dumps({"variable": {"external_ids": variable}}))
    environment = cli_environment(tmp_path, {**os.environ, "TF_VAR_external_ids": json.dumps(ids)})
    terraform = Terraform(find_terraform(environment), environment)
    terraform.init(tmp_path)
    if passes:
        terraform.plan(tmp_path)
        return
    with pytest.raises(Exception, match="Invalid value for variable") as caught:
        terraform.plan(tmp_path)
    assert "marked" not in str(caught.value)
