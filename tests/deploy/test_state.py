import json

# pyright: reportMissingParameterType=false
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from estate.errors import UserError
from local_aws import LocalAws
from operations.state import StateReport, create_state_bucket

OURS, STRANGER = "111111111111", "333333333333"
SETTINGS = (
    "bucket",
    "public access block",
    "object ownership",
    "access policy",
    "versioning",
    "encryption",
    "expiry of old versions",
)
RULE = {
    "ID": "astro-on-aws-state",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "NoncurrentVersionExpiration": {"NoncurrentDays": 90, "NewerNoncurrentVersions": 10},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
}
STRANGERS_BUCKET = "globex-tfstate"


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        aws.client("s3", account=STRANGER).create_bucket(Bucket=STRANGERS_BUCKET)
        yield aws


@pytest.fixture
def session(aws, monkeypatch) -> boto3.Session:
    """Return a session of our account, with the credentials of the environment."""
    for name, value in aws.environment(OURS).items():
        monkeypatch.setenv(name, value)
    return boto3.Session()


@pytest.fixture(scope="module")
def s3(aws):
    return aws.client("s3", account=OURS)


@pytest.fixture
def key(aws) -> str:
    """Create our key, alias/acme-tfstate, and return its ARN."""
    kms = aws.client("kms", account=OURS)
    for alias in kms.list_aliases()["Aliases"]:
        if alias["AliasName"] == "alias/acme-tfstate":
            return kms.describe_key(KeyId=alias["TargetKeyId"])["KeyMetadata"]["Arn"]
    made = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/acme-tfstate", TargetKeyId=made["KeyId"])
    return made["Arn"]


def deny_plain_http(bucket: str) -> dict[str, Any]:
    return {
        "Sid": "DenyInsecureTransport",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def deny_astronomer(bucket: str) -> dict[str, Any]:
    role = "arn:aws:iam::*:role/astronomer-remote-management"
    statement = deny_plain_http(bucket) | {"Sid": "DenyAstronomer"}
    return statement | {"Condition": {"ArnLike": {"aws:PrincipalArn": role}}}


def look(s3: Any, bucket: str) -> dict[str, Any]:
    """Return all settings that `state create` determines."""
    return {
        "access": s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
        "ownership": s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"],
        "policy": json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]),
        "versioning": s3.get_bucket_versioning(Bucket=bucket)["Status"],
        "encryption": s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"],
        "lifecycle": s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"],
    }


def as_it_should_be(bucket: str, encryption: dict[str, Any]) -> dict[str, Any]:
    return {
        "access": {
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
        "ownership": [{"ObjectOwnership": "BucketOwnerEnforced"}],
        "policy": {"Version": "2012-10-17", "Statement": [deny_plain_http(bucket), deny_astronomer(bucket)]},
        "versioning": "Enabled",
        "encryption": [encryption],
        "lifecycle": [RULE],
    }


def by_key(arn: str) -> dict[str, Any]:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}
    return {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}


def by_s3() -> dict[str, Any]:
    return {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}


def report(bucket: str, region: str = "us-east-1", other: str = "kept", **outcomes: str) -> StateReport:
    """Return a report in which every setting has the outcome `other`, except the named ones (with _ for a space)."""
    outcomes = {name.replace("_", " "): outcome for name, outcome in outcomes.items()}
    settings: Any = tuple((name, outcomes.get(name, other)) for name in SETTINGS)
    return StateReport(bucket, OURS, region, settings)


def answer(session: boto3.Session, operation: str, status: int, code: str, message: str = "") -> None:
    """Make the session's next calls of an operation fail with an error that the local AWS does not return."""
    error = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    session.events.register(f"before-call.s3.{operation}", lambda **_: (SimpleNamespace(status_code=status), error))


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_makes_the_bucket_and_changes_nothing_the_second_time(session, s3, region):
    bucket = f"acme-plain-{region}"
    assert create_state_bucket(bucket, region, None, session) == report(bucket, region, other="made")
    assert look(s3, bucket) == as_it_should_be(bucket, by_s3())
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == region

    written = []
    session.events.register("before-call.s3", lambda model, **_: written.append(model.name))
    assert create_state_bucket(bucket, region, None, session) == report(bucket, region)
    assert [name for name in written if not name.startswith(("Get", "Head"))] == []


@pytest.mark.parametrize("name", ["alias/acme-tfstate", "arn", "id"])
def test_encrypts_with_the_key_by_whatever_name(session, s3, key, name):
    bucket, name = f"acme-key-{name.split('/')[0]}", {"arn": key, "id": key.rpartition("/")[2]}.get(name, name)
    create_state_bucket(bucket, "us-east-1", name, session)
    assert look(s3, bucket) == as_it_should_be(bucket, by_key(key))
    assert create_state_bucket(bucket, "us-east-1", name, session) == report(bucket)


DRIFT: list[tuple[str, str, Callable[[Any, str], Any]]] = [
    ("public access block", "made", lambda s3, bucket: s3.delete_public_access_block(Bucket=bucket)),
    (
        "public access block",
        "changed",
        lambda s3, bucket: s3.put_public_access_block(
            Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True, "BlockPublicPolicy": False}
        ),
    ),
    (
        "object ownership",
        "changed",
        lambda s3, bucket: s3.put_bucket_ownership_controls(
            Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        ),
    ),
    ("access policy", "made", lambda s3, bucket: s3.delete_bucket_policy(Bucket=bucket)),
    (
        "access policy",
        "changed",
        lambda s3, bucket: s3.put_bucket_policy(
            Bucket=bucket,
            Policy=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": {**deny_plain_http(bucket), "Resource": f"arn:aws:s3:::{bucket}"},
                }
            ),
        ),
    ),
    (
        "versioning",
        "changed",
        lambda s3, bucket: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}),
    ),
    ("encryption", "made", lambda s3, bucket: s3.delete_bucket_encryption(Bucket=bucket)),
    (
        "encryption",
        "changed",
        lambda s3, bucket: s3.put_bucket_encryption(
            Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [by_key("alias/another")]}
        ),
    ),
    ("expiry of old versions", "made", lambda s3, bucket: s3.delete_bucket_lifecycle(Bucket=bucket)),
    (
        "expiry of old versions",
        "changed",
        lambda s3, bucket: s3.put_bucket_lifecycle_configuration(
            Bucket=bucket,
            LifecycleConfiguration={"Rules": [{**RULE, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}]},
        ),
    ),
]


@pytest.mark.parametrize(("setting", "outcome", "drift"), DRIFT)
def test_repairs_and_reports_drifted_settings(session, s3, key, setting, outcome, drift):
    bucket = "acme-drift"
    create_state_bucket(bucket, "us-east-1", key, session)
    drift(s3, bucket)
    done = create_state_bucket(bucket, "us-east-1", key, session)
    assert done == report(bucket, **{setting.replace(" ", "_"): outcome})
    assert look(s3, bucket) == as_it_should_be(bucket, by_key(key))


def test_finishes_what_an_interrupted_run_began(session, s3):
    s3.create_bucket(Bucket="acme-half")
    s3.put_bucket_versioning(Bucket="acme-half", VersioningConfiguration={"Status": "Enabled"})
    done = create_state_bucket("acme-half", "us-east-1", None, session)
    assert (dict(done.settings)["bucket"], dict(done.settings)["versioning"]) == ("kept", "kept")
    assert look(s3, "acme-half") == as_it_should_be("acme-half", by_s3())


def test_keeps_additions_of_others(session, s3, key):
    bucket = "acme-shared"
    create_state_bucket(bucket, "us-east-1", key, session)
    auditors = {
        "Sid": "Audit",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"},
        "Action": "s3:GetBucketVersioning",
        "Resource": f"arn:aws:s3:::{bucket}",
    }
    logs = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [auditors]}))
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [logs]})

    # Without a key in the estate, the existing key stays.
    done = create_state_bucket(bucket, "us-east-1", None, session)
    warnings = (
        "lifecycle rule 'logs' expires objects under logs/, and deletes state",
        f"policy statement 'Audit' allows arn:aws:iam::{STRANGER}:root to use the bucket; state contains secrets",
    )
    changed = report(bucket, access_policy="changed", expiry_of_old_versions="changed")
    assert done == replace(changed, warnings=warnings)
    expected = as_it_should_be(bucket, by_key(key))
    expected["policy"]["Statement"].insert(0, auditors)
    expected["lifecycle"].insert(0, logs)
    assert look(s3, bucket) == expected
    assert create_state_bucket(bucket, "us-east-1", None, session) == replace(report(bucket), warnings=warnings)


def test_warns_of_a_bucket_in_the_dedicated_account(session):
    done = create_state_bucket("acme-dedicated", "us-east-1", None, session, dedicated_account=OURS)
    assert done.warnings == (
        f"the bucket is in account {OURS}, where Astronomer's role may change bucket policies; keep state in another "
        "account",
    )


def test_warns_of_object_lock(session, s3):
    s3.create_bucket(Bucket="acme-locked", ObjectLockEnabledForBucket=True)
    retention = {"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}}, "ObjectLockEnabled": "Enabled"}
    s3.put_object_lock_configuration(Bucket="acme-locked", ObjectLockConfiguration=retention)
    done = create_state_bucket("acme-locked", "us-east-1", None, session)
    assert done.warnings == (
        "Object Lock has a default retention; Terraform cannot delete its lock files until it is over",
    )


def test_each_call_but_the_first_names_the_owner(session):
    owners: dict[str, set[str | None]] = {}

    def note(model: Any, params: Any, **_: Any) -> None:
        owners.setdefault(model.name, set()).add(params["headers"].get("x-amz-expected-bucket-owner"))

    session.events.register("before-call.s3", note)
    create_state_bucket("acme-owner", "us-east-1", None, session)
    assert owners.pop("CreateBucket") == {None}
    # CreateBucket sets the ownership, so no separate call is needed.
    both = ("PublicAccessBlock", "BucketPolicy", "BucketVersioning", "BucketEncryption", "BucketLifecycleConfiguration")
    calls = ["HeadBucket", "GetBucketOwnershipControls", *(verb + what for verb in ("Get", "Put") for what in both)]
    assert owners == {call: {OURS} for call in (*calls, "GetObjectLockConfiguration")}


# Impossible requests have a clear message


def test_refuses_the_bucket_of_another_account(aws, session):
    role = aws.client("sts", account=OURS).get_caller_identity()["Arn"]
    with pytest.raises(UserError) as caught:
        create_state_bucket(STRANGERS_BUCKET, "us-east-1", None, session)
    assert str(caught.value) == (
        f"the bucket {STRANGERS_BUCKET} is not in account {OURS}, or {role} has no access to it (s3:ListBucket). Bucket"
        " names are unique across AWS: choose another, or sign in to the account that owns it."
    )
    theirs = aws.client("s3", account=STRANGER)
    assert "Status" not in theirs.get_bucket_versioning(Bucket=STRANGERS_BUCKET)


def test_refuses_a_name_that_another_account_has_just_taken(session):
    answer(session, "HeadBucket", 404, "404")
    answer(session, "CreateBucket", 409, "BucketAlreadyExists")
    with pytest.raises(UserError) as caught:
        create_state_bucket(STRANGERS_BUCKET, "us-east-1", None, session)
    assert str(caught.value) == (
        f"the bucket name {STRANGERS_BUCKET} is taken by another AWS account. Bucket names are unique across AWS:"
        " choose another."
    )


def test_continues_if_another_run_has_just_created_the_bucket(session):
    create_state_bucket("acme-race", "eu-central-1", None, session)
    answer(session, "HeadBucket", 404, "404")
    assert create_state_bucket("acme-race", "eu-central-1", None, session) == report("acme-race", "eu-central-1")


def test_refuses_a_bucket_in_another_region(session):
    create_state_bucket("acme-far", "eu-central-1", None, session)
    with pytest.raises(UserError) as caught:
        create_state_bucket("acme-far", "us-east-1", None, session)
    assert str(caught.value) == (
        "the bucket acme-far is in eu-central-1, not in us-east-1, and a bucket cannot move. Set its region, or"
        " another bucket."
    )


def test_refuses_a_missing_key_and_creates_nothing(session, s3):
    with pytest.raises(UserError) as caught:
        create_state_bucket("acme-no-key", "us-east-1", "alias/typo", session)
    assert str(caught.value) == (
        f"the KMS key alias/typo does not exist in account {OURS}, region us-east-1. Create it first, or correct the"
        " name (an alias begins with alias/)."
    )
    assert "acme-no-key" not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}


def test_refuses_a_key_that_cannot_encrypt(aws, session):
    kms = aws.client("kms", account=OURS)
    disabled = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=disabled)
    signing = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")["KeyMetadata"]["KeyId"]
    for key, found in {disabled: "Disabled and SYMMETRIC_DEFAULT", signing: "Enabled and RSA_2048"}.items():
        with pytest.raises(UserError) as caught:
            create_state_bucket("acme-bad-key", "us-east-1", key, session)
        assert str(caught.value) == (
            f"the KMS key {key} is {found}; S3 needs one that is Enabled and SYMMETRIC_DEFAULT."
        )


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("AccessDenied", 403, "AWS denies PutBucketPolicy: no. Allow it for the identity that you are signed in as."),
        ("ExpiredToken", 400, "AWS refuses these credentials (ExpiredToken). Sign in again."),
        ("OperationAborted", 409, "AWS answered PutBucketPolicy with OperationAborted: no"),
    ],
)
def test_reports_the_message_of_aws(session, code, status, said):
    answer(session, "PutBucketPolicy", status, code, "no")
    with pytest.raises(UserError) as caught:
        create_state_bucket(f"acme-{code.lower()}", "us-east-1", None, session)
    assert str(caught.value) == f"state bucket acme-{code.lower()} in us-east-1: {said}"


@pytest.mark.usefixtures("session")
def test_reports_missing_credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(UserError) as caught:
        create_state_bucket("acme-nobody", "us-east-1", None, boto3.Session())
    assert str(caught.value) == (
        "state bucket acme-nobody in us-east-1: no usable AWS credentials: Unable to locate credentials. Sign in, or"
        " set AWS_PROFILE."
    )


def test_reports_that_aws_cannot_be_reached(session, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UserError) as caught:
        create_state_bucket("acme-offline", "us-east-1", None, session)
    assert str(caught.value) == (
        "state bucket acme-offline in us-east-1: AWS cannot be reached: Could not connect to the endpoint URL:"
        ' "http://127.0.0.1:9/". Check the network, the proxy, AWS_ENDPOINT_URL and the region.'
    )
