"""Astronomer's policy document over time."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import cdktf
import pytest
from typer.testing import CliRunner

from commands.app import app as cli
from estate.errors import ExitCode, UserError
from estate.load import EstateError, load
from local_aws import LocalAws
from modules.parts.iam_policy.props import pin_file
from operations.policy.compare import Change, compare
from operations.policy.documents import fetch, in_account, read
from operations.policy.lint import lint, policies_of
from stacks.app import build
from tests.support import ROOT
from tools.evidence import record


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **one} for one in statements]}


def told(changes: list[Change]) -> list[str]:
    return [str(change) for change in changes]


BUCKET = "arn:aws:s3:::acme"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"Action": "s3:GetObject"}, {"Action": "s3:GetObject"}, []),
        ({"Action": ["s3:Get*"]}, {"Action": ["s3:GetObject", "s3:GetBucketAcl", "s3:Get*"]}, []),
        ({"Action": "S3:getobject"}, {"Action": "s3:GetObject"}, []),
        (
            {"Action": ["s3:GetObject"]},
            {"Action": ["s3:GetObject", "iam:PassRole"]},
            ["added    iam:PassRole"],
        ),
        ({"Action": ["s3:GetObject", "iam:PassRole"]}, {"Action": ["s3:GetObject"]}, ["removed  iam:PassRole"]),
        ({"Action": "s3:GetObject"}, {"Action": "s3:*"}, ["widened  s3:* (was: s3:GetObject)"]),
        ({"Action": "s3:*"}, {"Action": "s3:Get*"}, ["narrowed s3:Get* (was: s3:*)"]),
        (
            {"Action": "s3:GetObject", "Resource": f"{BUCKET}/*"},
            {"Action": "s3:GetObject"},
            [f"widened  s3:GetObject (was: s3:GetObject on {BUCKET}/*)"],
        ),
        (
            {"Action": "iam:PassRole", "Condition": {"StringEquals": {"iam:PassedToService": "eks.amazonaws.com"}}},
            {"Action": "iam:PassRole"},
            [
                'widened  iam:PassRole (was: iam:PassRole if {"StringEquals": '
                '{"iam:PassedToService": "eks.amazonaws.com"}})'
            ],
        ),
        ({"Action": "s3:Get?"}, {"Action": "s3:Get*"}, ["widened  s3:Get* (was: s3:Get?)"]),
        ({"Action": "iam:Get????"}, {"Action": "iam:Get****"}, ["widened  iam:Get**** (was: iam:Get????)"]),
        (
            {"Action": "s3:GetObject", "Resource": f"{BUCKET}-?"},
            {"Action": "s3:GetObject", "Resource": f"{BUCKET}-${{aws:username}}"},
            [f"added    s3:GetObject on {BUCKET}-${{aws:username}}", f"removed  s3:GetObject on {BUCKET}-?"],
        ),
        (
            {"Action": "s3:GetObject", "Resource": f"{BUCKET}-*"},
            {"Action": "s3:GetObject", "Resource": [f"{BUCKET}-${{aws:username}}", f"{BUCKET}-*"]},
            [],
        ),
        (
            {"Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}},
            {"Action": "sts:AssumeRole", "Principal": "*"},
            [
                'widened  sts:AssumeRole if {"Principal": "*"} (was: sts:AssumeRole if {"Principal": {"AWS": '
                '"arn:aws:iam::111111111111:root"}})'
            ],
        ),
        (
            {"Action": "s3:*", "Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/9", "10.128.0.0/9"]}}},
            {"Action": "s3:*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
            [],
        ),
        (
            {"Action": "s3:*", "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-12-01T00:00:00Z"}}},
            {"Action": "s3:*", "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-12-02T00:00:00Z"}}},
            [
                'widened  s3:* if {"DateLessThan": {"aws:CurrentTime": "2026-12-02T00:00:00Z"}} (was: s3:* if '
                '{"DateLessThan": {"aws:CurrentTime": "2026-12-01T00:00:00Z"}})'
            ],
        ),
        (
            {"Action": "s3:*", "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}}},
            {"Action": "s3:*", "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}},
            [
                'narrowed s3:* if {"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}} (was: s3:* if '
                '{"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}})'
            ],
        ),
        (
            {"Effect": "Deny", "Action": "iam:DeleteRole"},
            {"Effect": "Deny", "Action": "iam:DeleteUser"},
            ["widened  deny iam:DeleteRole", "narrowed deny iam:DeleteUser"],
        ),
        (
            {"NotAction": "iam:*"},
            {"NotAction": ["iam:*", "s3:*"]},
            ["narrowed all but iam:*, s3:* (was: all but iam:*)"],
        ),
    ],
)
def test_a_change_is_reported_by_action(old: dict[str, Any], new: dict[str, Any], expected: list[str]) -> None:
    assert told(compare([document(old)], [document(new)])) == expected


def test_a_variable_is_text_in_the_older_version() -> None:
    resource = {"Action": "s3:GetObject", "Resource": f"{BUCKET}/${{aws:username}}"}
    new = document(resource)
    assert told(compare([new | {"Version": "2008-10-17"}], [new])) == [
        f"added    s3:GetObject on {BUCKET}/${{aws:username}}",
        f"removed  s3:GetObject on {BUCKET}/${{aws:username}}",
    ]


def test_a_removed_denial_widens_only_its_actions() -> None:
    allow = {"Action": "s3:*"}
    deny = {"Effect": "Deny", "Action": ["s3:Put*", "s3:PutObject"]}
    narrower = {"Effect": "Deny", "Action": "s3:Put*"}
    assert compare([document(allow, deny)], [document(allow, narrower)]) == []
    assert told(compare([document(allow, deny)], [document(allow)])) == [
        "widened  deny s3:Put*",
        "widened  deny s3:PutObject",
    ]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            {"Action": "*", "Resource": "*"},
            "statement 1 of the policy document has no Effect; IAM requires Allow or Deny",
        ),
        ("*", "statement 1 of the policy document is not an object"),
        ({"Effect": "Allow"}, "statement 1 of the policy document has no Action"),
        (
            {"Effect": "Allow", "Action": 5},
            "statement 1 of the policy document has a value in Action that is not a string",
        ),
        (
            {"Effect": "Allow", "Action": "*", "Condition": {"StringEquals": "x"}},
            "statement 1 of the policy document has a Condition that is not a map of operators to keys",
        ),
    ],
)
def test_a_statement_that_iam_refuses_is_named(statement: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}$") as refused:
        compare([{"Statement": [statement]}], [])
    assert refused.value.code == ExitCode.BAD_INPUT


@pytest.mark.parametrize("content", [{"Statement": [{"Action": "*", "Resource": "*"}]}, {"Statement": "*"}])
def test_a_file_with_an_invalid_statement_is_named(content: Any, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(content))
    valid = "examples/policies/read-lake.json"
    for files in ([str(file), valid], [valid, str(file)]):
        result = CliRunner().invoke(cli, ["policy", "diff", *files])
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"{file}: is not valid in IAM: statement 1 of the policy document ")


def test_documents_beyond_the_limit_are_not_called_equal() -> None:
    patterns = ["s3:*a" + "?" * 20, "s3:*b"]
    with pytest.raises(UserError, match="too many patterns to compare"):
        compare([document({"Action": patterns})], [document({"Action": patterns[:-1]})])


def test_documents_of_one_role_are_judged_together() -> None:
    one, other = {"Action": "s3:GetObject"}, {"Action": "ec2:RunInstances"}
    assert compare([document(one, other)], [document(one), document(other)]) == []


def test_every_additional_permission_is_a_widening() -> None:
    kinds = {
        change.kind: change.widens
        for change in compare([document({"Action": "a:b"})], [document({"Action": "a:*"}, {"Action": "c:d"})])
    }
    assert kinds == {"added": True, "widened": True}
    assert [c.widens for c in compare([document({"Action": "a:*"})], [document({"Action": "a:b"})])] == [False]


class Astronomer(BaseHTTPRequestHandler):
    serves = b""
    redirects_to = ""
    status = 200
    seconds_a_byte = 0.0
    trickles_headers = False

    def do_GET(self) -> None:
        if self.trickles_headers:
            with contextlib.suppress(OSError):
                for line in (b"HTTP/1.1 200 OK\r\n", *[b"A: b\r\n"] * 20):
                    self.wfile.write(line)
                    time.sleep(0.05)
            return
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", self.redirects_to)
            self.end_headers()
            return
        self.send_response(self.status if self.serves else 404)
        self.end_headers()
        for number in range(len(self.serves) if self.seconds_a_byte else 0):
            try:
                self.wfile.write(self.serves[number : number + 1])
            except OSError:
                return
            time.sleep(self.seconds_a_byte)
        if not self.seconds_a_byte:
            self.wfile.write(self.serves)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Astronomer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/policy.json"
        server.shutdown()
        thread.join()


def test_a_fetched_document_is_pinned_and_never_changed_silently(tmp_path: Path, url: str) -> None:
    file = tmp_path / "policies/astronomer.json"
    Astronomer.serves = first = json.dumps(document({"Action": "s3:*"})).encode()
    assert fetch(file, url) == "new"
    assert file.read_bytes() == first
    assert pin_file(file).read_text().endswith("  astronomer.json\n")
    assert fetch(file, url) == "same"

    Astronomer.serves = second = json.dumps(document({"Action": "*"})).encode()
    assert fetch(file, url) == "changed"
    assert file.read_bytes() == first
    assert (tmp_path / "policies/astronomer.json.new").read_bytes() == second
    assert fetch(file, url, accept=True) == "changed"
    assert file.read_bytes() == second
    assert not (tmp_path / "policies/astronomer.json.new").exists()


def test_check_reports_a_changed_pinned_document(tmp_path: Path, url: str) -> None:
    estate = tmp_path / "astro.yaml"
    estate.write_text((ROOT / "examples/cross_account_role.yaml").read_text())
    file = tmp_path / "policies/astronomer.json"
    Astronomer.serves = json.dumps(document({"Action": "s3:*"})).encode()
    fetch(file, url)
    assert load(estate).account
    file.write_text(file.read_text().replace("s3:*", "*"))
    with pytest.raises(EstateError, match=r"policy_file: 'policies/astronomer.json' does not match its checksum in "
                       r"astronomer.json.sha256; see `main.py policy diff`"):  # fmt: skip
        load(estate)


def test_a_document_that_was_there_unpinned_is_not_overwritten(tmp_path: Path, url: str) -> None:
    file = tmp_path / "astronomer.json"
    file.write_text("{}")
    Astronomer.serves = json.dumps(document({"Action": "s3:*"})).encode()
    assert fetch(file, url) == "changed"
    assert file.read_text() == "{}"


@pytest.mark.parametrize(
    ("serves", "message"),
    [
        (b"", "cannot be fetched"),
        (b"<html>", "does not serve a policy document: it is not JSON"),
        (b"[]", "it is not a policy document: an object with Version and Statement"),
        (b'{"a": 1}', "it is not a policy document: an object with Version and Statement"),
        ('{"Statement": []}'.encode("utf-16"), "it is not UTF-8"),
        (b"[" * 500_000, "it is nested deeper than 100 levels"),
        (b" " * 1_000_001, "more than 1,000,000 bytes"),
    ],
)
def test_an_invalid_document_is_not_saved(tmp_path: Path, url: str, serves: bytes, message: str) -> None:
    Astronomer.serves = serves
    with pytest.raises(UserError, match=message):
        fetch(tmp_path / "astronomer.json", url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["http://policies.example/p.json", "ftp://policies.example/p.json"])
def test_a_redirect_leads_to_https_only(tmp_path: Path, url: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Astronomer, "redirects_to", target)
    with pytest.raises(UserError, match=rf"/redirect redirects to {target}, which is not an https address$"):
        fetch(tmp_path / "astronomer.json", url.replace("policy.json", "redirect"))


def test_a_server_that_trickles_is_given_up(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Astronomer, "serves", b" " * 200)
    monkeypatch.setattr(Astronomer, "seconds_a_byte", 0.05)
    monkeypatch.setattr("operations.policy.documents.MAX_SECONDS", 0.3)
    with pytest.raises(UserError, match=r"has not served the document within 0\.3 seconds"):
        fetch(tmp_path / "astronomer.json", url)


def test_a_server_that_trickles_headers_is_given_up(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Astronomer, "trickles_headers", True)
    monkeypatch.setattr("operations.policy.documents.MAX_SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(UserError, match=r"has not served the document within 0\.3 seconds"):
        fetch(tmp_path / "astronomer.json", url)
    assert time.monotonic() - started < 0.8


def test_a_part_of_a_document_is_not_saved(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Astronomer, "serves", b'{"Statement": []}')
    monkeypatch.setattr(Astronomer, "status", 206)
    with pytest.raises(UserError, match="answers 206, which is not a complete document"):
        fetch(tmp_path / "astronomer.json", url)


def test_an_error_repeats_no_secret_of_the_address(tmp_path: Path, url: str) -> None:
    secret = url.replace("http://", "http://127.0.0.1:1@") + "?X-Amz-Signature=abc"
    Astronomer.serves = b""
    with pytest.raises(UserError) as error:
        fetch(tmp_path / "astronomer.json", secret)
    assert "abc" not in str(error.value)
    assert "@" not in str(error.value)


def test_control_characters_are_escaped() -> None:
    hostile = document({"Action": "s3:\x1b[1A\x1b[2K\n::error::x\ud800"})
    assert told(compare([document({"Action": "s3:Get"})], [hostile])) == [
        r"added    s3:\x1b[1A\x1b[2K\n::error::x\ud800",
        "removed  s3:Get",
    ]


@pytest.mark.parametrize("pin", [b"", b"\xff\xfe"])
def test_an_empty_pin_differs_from_every_document(tmp_path: Path, url: str, pin: bytes) -> None:
    file = tmp_path / "astronomer.json"
    Astronomer.serves = json.dumps(document({"Action": "s3:*"})).encode()
    fetch(file, url)
    pin_file(file).write_bytes(pin)
    assert fetch(file, url) == "changed"
    assert fetch(file, url, accept=True) == "changed"
    assert fetch(file, url) == "same"


def test_a_document_that_cannot_be_saved_is_reported(tmp_path: Path, url: str) -> None:
    (tmp_path / "file").touch()
    Astronomer.serves = json.dumps(document({"Action": "s3:*"})).encode()
    with pytest.raises(UserError, match=r"astronomer\.json: cannot be written: "):
        fetch(tmp_path / "file/astronomer.json", url)


@pytest.mark.parametrize("url", ["https://[", "http://127.0.0.1:port/policy.json"])
def test_an_invalid_address_is_reported(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="cannot be fetched"):
        fetch(tmp_path / "astronomer.json", url)


def test_a_policy_is_not_fetched_over_an_open_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not an https address"):
        fetch(tmp_path / "astronomer.json", "http://policies.example/astronomer.json")


def test_a_document_is_read_for_an_account(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(
        json.dumps(document({"Action": "iam:*", "Resource": "arn:aws:iam::{{.AWSAccount}}:role/a{{.AWSAccount}}"}))
    )
    assert read(file, "222222222222")["Statement"][0]["Resource"] == "arn:aws:iam::222222222222:role/a222222222222"
    file.write_text("{")
    with pytest.raises(UserError, match=r"policy\.json: is not JSON"):
        read(file)


def test_no_command_waits_for_a_document_that_has_no_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b" " * 1_000_001)
    (tmp_path / "deep").write_text("[" * 100_000)
    (tmp_path / "utf-16").write_text("{}", encoding="utf-16")
    messages: list[str] = []
    for name in ("fifo", "large", "deep", "utf-16", "", "/dev/zero", "none"):
        with pytest.raises(UserError) as error:
            read(tmp_path / name)
        messages.append(str(error.value).removeprefix(f"{tmp_path / name}: "))
    assert messages == [
        "is a pipe; save the document in a file",
        "has more than 1,000,000 bytes",
        "is nested deeper than 100 levels",
        "is not UTF-8 text (byte 0); save it as UTF-8",
        "is a folder; set the path of a file in it",
        "is a device; save the document in a file",
        "does not exist",
    ]


def test_a_document_is_linted_for_unknown_names() -> None:
    ours = document({"Action": "s3:GetObjct"}, {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme"})
    assert [str(finding) for finding in lint({"ours": ours})] == [
        'MEDIUM   ours: No resources match for the given action: [{"action": "s3:GetObject", "required_format": '
        '"arn:*:s3:::*/*"}]',
        "LOW      ours: Unknown action: Unknown action s3:GetObjct",
    ]


def test_a_missing_linter_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "parliament", None)
    with pytest.raises(UserError, match="parliament is not installed; `make setup` installs it"):
        lint({})


@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        ("aws_iam_policy", "policy"),
        ("aws_iam_role", "assume_role_policy"),
        ("aws_iam_role_policy", "policy"),
        ("aws_kms_key", "policy"),
        ("aws_s3_bucket_policy", "policy"),
        ("aws_sns_topic_policy", "policy"),
        ("aws_vpc_endpoint", "policy"),
        ("aws_secretsmanager_secret_policy", "policy"),
    ],
)
def test_a_document_written_into_a_resource_is_linted(kind: str, argument: str) -> None:
    text = json.dumps(document({"Action": "s3:*", "Resource": f"{BUCKET}-$${{aws:username}}"}))
    assert policies_of({"resource": {kind: {"one": {argument: text}}}}) == {
        f"{kind}.one.{argument}": document({"Action": "s3:*", "Resource": f"{BUCKET}-${{aws:username}}"})
    }


def test_a_policy_that_cannot_be_read_is_not_passed_over() -> None:
    with pytest.raises(
        UserError, match=r"^aws_iam_policy\.one\.policy is a policy that cannot be read: \$\{local\.x\}$"
    ):
        policies_of({"resource": {"aws_iam_policy": {"one": {"policy": "${local.x}"}}}})


def test_policies_are_read_with_samples_for_references() -> None:
    of_bucket = {
        "actions": ["s3:*"],
        "effect": "Deny",
        "principals": [{"type": "AWS", "identifiers": ["*"]}],
        "resources": ["${aws_s3_bucket.logs.arn}", "${aws_s3_bucket.logs.arn}/*"],
        "condition": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}],
    }
    trust = {"actions": ["sts:AssumeRole"], "principals": [{"type": "Service", "identifiers": ["ec2.amazonaws.com"]}]}
    stack = {
        "data": {"aws_iam_policy_document": {"access": {"statement": [of_bucket]}, "trust": {"statement": [trust]}}}
    }
    assert policies_of(stack) == {
        "data.aws_iam_policy_document.trust": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"Service": ["ec2.amazonaws.com"]}}
            ],
        },
        "data.aws_iam_policy_document.access": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Deny",
                    "Action": ["s3:*"],
                    "Resource": ["arn:aws:s3:::sample", "arn:aws:s3:::sample/*"],
                    "Principal": {"AWS": ["*"]},
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        },
    }


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda file: file.stem)
def test_no_policy_that_an_example_makes_has_a_finding(file: Path, tmp_path: Path) -> None:
    build(cdktf.App(outdir=str(tmp_path)), load(file)).synth()
    stacks = [json.loads(stack.read_text()) for stack in tmp_path.glob("stacks/*/cdk.tf.json")]
    policies = {name: document for stack in stacks for name, document in policies_of(stack).items()}
    ours = {name: one for name, one in policies.items() if not name.startswith("aws_iam_policy.cross-account-role")}
    assert lint(ours) == []
    record("policies of the examples, by parliament", f"{len(ours)} policies; 0 findings")


@pytest.mark.slow
def test_policy_lint_exits_with_4_for_findings_of_the_vendor() -> None:
    command = [sys.executable, "main.py", "policy", "lint", "examples/cross_account_role.yaml"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (4, "")
    summary = "Your 1 policy: no findings. Astronomer's 1 policy: 2 findings. Astronomer maintains its document."
    assert result.stdout.splitlines()[-1] == summary
    (first, _) = [line.rpartition(": ")[2] for line in result.stdout.splitlines() if line.startswith("LOW ")]
    names, _, more = first.partition(" and ")
    assert (len(names.split(", ")), more.partition(" ")[2]) == (5, "more")


@pytest.mark.slow
def test_policy_diff_exits_with_3_if_more_is_allowed(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(document({"Action": "s3:GetObject"})))
    new.write_text(json.dumps(document({"Action": "s3:*"})))

    def diff(*files: Path) -> tuple[int, str]:
        command = [sys.executable, "main.py", "policy", "diff", *map(str, files)]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return result.returncode, result.stdout

    assert diff(old, new) == (3, "widened  s3:* (was: s3:GetObject)\n")
    assert diff(new, old) == (0, "narrowed s3:GetObject (was: s3:*)\nthe new document allows no more\n")
    assert diff(new, new) == (0, "both documents allow the same\n")


@pytest.mark.local_aws
def test_the_account_is_compared_with_the_estate() -> None:
    account, role = "222222222222", "astronomer-remote-management"
    with LocalAws() as aws:
        iam = aws.client("iam", account)
        trust = {"Version": "2012-10-17", "Statement": []}
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
        attached = json.dumps(document({"Action": ["s3:*", "redshift:*"]}))
        arn = iam.create_policy(PolicyName="AstronomerCrossAccountRole", PolicyDocument=attached)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)
        command = [sys.executable, "main.py", "policy", "diff", "--estate", "examples/cross_account_role.yaml"]
        env = os.environ | aws.environment(account)
        result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (3, "")
        assert "removed  redshift:*" in result.stdout.splitlines()
        assert "added    eks:*" in result.stdout.splitlines()
        assert "s3:*" not in [line.split(maxsplit=1)[1] for line in result.stdout.splitlines()]

        env = os.environ | aws.environment("999999999999")
        result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout) == (1, "")
        expected = (
            "your credentials are for account 999999999999, but the role is in 222222222222; sign in to that account\n"
        )
        assert result.stderr == expected


@pytest.mark.local_aws
def test_all_policies_of_a_role_but_that_of_regions_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    account, role = "222222222222", "astronomer-remote-management"
    regions = document({"Action": ["account:EnableRegion", "account:ListRegions"]})
    with LocalAws() as aws:
        for name, value in aws.environment(account).items():
            monkeypatch.setenv(name, value)
        iam = aws.client("iam", account)
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)

        def attach(name: str, content: dict[str, Any]) -> str:
            arn = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(content))["Policy"]["Arn"]
            iam.attach_role_policy(RoleName=role, PolicyArn=arn)
            return arn

        attach("AstronomerCrossAccountRole", document({"Action": "s3:*"}))
        ours = attach("AstronomerOptInRegions", regions)
        attach("Regions", regions)
        iam.put_role_policy(
            RoleName=role, PolicyName="inline", PolicyDocument=json.dumps(document({"Action": "iam:PassRole"}))
        )
        told = [document({"Action": "s3:*"}), regions, document({"Action": "iam:PassRole"})]
        assert sorted(in_account(role, account), key=str) == sorted(told, key=str)
        wider = document({"Action": ["account:EnableRegion", "iam:*"]})
        iam.create_policy_version(PolicyArn=ours, PolicyDocument=json.dumps(wider), SetAsDefault=True)
        assert wider in in_account(role, account)
        with pytest.raises(UserError, match=r"the policies of role nobody cannot be read: .*NoSuchEntity"):
            in_account("nobody", account)
