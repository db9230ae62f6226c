"""Creates the S3 bucket of Terraform's state, or repairs the settings of an existing one."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

import boto3
import jmespath
from botocore import exceptions

from estate.errors import UserError
from estate.source import printable
from modules.astronomer import ROLE
from modules.parts.iam_policy.props import listed
from operations.aws import CLIENT_CONFIG

NONCURRENT_DAYS = 90
NONCURRENT_KEPT = 10
UPLOAD_DAYS = 7
# The names of this program's rule and statements, to find them among others.
_RULE = "astro-on-aws-state"
_TLS, _ASTRONOMER = "DenyInsecureTransport", "DenyAstronomer"

Outcome = Literal["made", "kept", "changed"]


@dataclass(frozen=True)
class StateReport:
    """The outcome of each setting, in the order of work. "bucket" is the first."""

    bucket: str
    account_id: str
    region: str
    settings: tuple[tuple[str, Outcome], ...]
    warnings: tuple[str, ...] = ()
    """Descriptions of settings of others that delete or expose state. These settings stay."""


@dataclass(frozen=True)
class _Setting:
    name: str
    read: Callable[[], Any]
    """Returns the current value, or None."""
    wanted: Callable[[Any], Any]
    """Returns the required value for a current one: the same if no change is needed."""
    write: Callable[[Any], Any]


def create_state_bucket(
    bucket: str,
    region: str,
    kms_key: str | None,
    session: boto3.Session | None = None,
    *,
    dedicated_account: str | None = None,
) -> StateReport:
    """Create the bucket in the caller's account, or apply the settings to the existing bucket. It is idempotent.

    The bucket policy denies requests without TLS, and all requests of Astronomer's cross-account role, whose documented
    policy has s3:*. Old versions of objects expire after `NONCURRENT_DAYS` days, except the `NONCURRENT_KEPT` newest.
    Statements and lifecycle rules of others stay.

    `kms_key` is the alias, ID or ARN of the key that encrypts new state. The default is AES256 of S3, or the key that
    the bucket already has. The default `session` is that of the environment. A bucket in `dedicated_account`, where
    Astronomer's role is, gets a warning. Raises `UserError`.
    """
    where = f"state bucket {bucket} in {region}"
    try:
        session = session or boto3.Session()
        with (
            closing(session.client("sts", region_name=region, config=CLIENT_CONFIG)) as sts,
            closing(session.client("kms", region_name=region, config=CLIENT_CONFIG)) as kms,
            closing(session.client("s3", region_name=region, config=CLIENT_CONFIG)) as s3,
        ):
            caller = sts.get_caller_identity()
            key = _key_arn(kms, kms_key, caller["Account"], region) if kms_key else None
            return _Bucket(s3, bucket, region, caller, key).run(dedicated_account)
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.TokenRetrievalError,
        exceptions.SSOError,
        exceptions.ProfileNotFound,
    ) as error:
        why = printable(str(error))
        raise UserError(f"{where}: no usable AWS credentials: {why}. Sign in, or set AWS_PROFILE.") from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        why = printable(str(error))
        raise UserError(
            f"{where}: AWS cannot be reached: {why}. Check the network, the proxy, AWS_ENDPOINT_URL and the region."
        ) from error
    except exceptions.ClientError as error:
        raise UserError(f"{where}: {_explain(error)}") from error
    except exceptions.BotoCoreError as error:
        raise UserError(f"{where}: {printable(str(error))}") from error


def _key_arn(kms: Any, name: str, account: str, region: str) -> str:
    """Return the ARN of a key, which the bucket shows for an alias or ID too."""
    try:
        key = kms.describe_key(KeyId=name)["KeyMetadata"]
    except kms.exceptions.NotFoundException as error:
        raise UserError(
            f"the KMS key {name} does not exist in account {account}, region {region}. Create it first, or correct the"
            " name (an alias begins with alias/)."
        ) from error
    if (key["KeyState"], key["KeySpec"]) != ("Enabled", "SYMMETRIC_DEFAULT"):
        raise UserError(
            f"the KMS key {name} is {key['KeyState']} and {key['KeySpec']}; S3 needs one that is Enabled and"
            " SYMMETRIC_DEFAULT."
        )
    return key["Arn"]


def _explain(error: exceptions.ClientError) -> str:
    code, said = (printable(error.response["Error"].get(one, "")) for one in ("Code", "Message"))
    if code in {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "InvalidToken",
    }:
        return f"AWS refuses these credentials ({code}). Sign in again."
    if code in {"AccessDenied", "AccessDeniedException", "403"}:
        return f"AWS denies {error.operation_name}: {said}. Allow it for the identity that you are signed in as."
    return f"AWS answered {error.operation_name} with {code}: {said}"


def lifecycle_warnings(rules: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lifecycle rules of others that delete state, or its old versions earlier than this program's rule."""
    for rule in rules:
        if rule["Status"] != "Enabled" or rule.get("ID") == _RULE:
            continue
        prefix = rule.get("Prefix") or jmespath.search("Filter.Prefix || Filter.And.Prefix", rule)
        where = f"objects under {prefix}" if prefix else "all objects"
        # ExpiredObjectDeleteMarker, the third kind of expiration, deletes no version of an object.
        if rule.get("Expiration", {}).keys() & {"Days", "Date"}:
            yield f"lifecycle rule {rule.get('ID')!r} expires {where}, and deletes state"
        days = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays", NONCURRENT_DAYS)
        if days < NONCURRENT_DAYS:
            yield f"lifecycle rule {rule.get('ID')!r} deletes old versions of {where} after {days} days"


class _Bucket:
    """One bucket and its calls. Each call except CreateBucket names the owner, so no call reaches a foreign bucket."""

    def __init__(self, s3: Any, bucket: str, region: str, caller: Any, key_arn: str | None) -> None:
        self._s3, self._bucket, self._region, self._key_arn = s3, bucket, region, key_arn
        self._account, self._arn = caller["Account"], caller["Arn"]
        self._names = {"Bucket": bucket, "ExpectedBucketOwner": self._account}

    def run(self, dedicated_account: str | None) -> StateReport:
        made = not self._exists() and self._make()
        done: list[tuple[str, Outcome]] = [("bucket", "made" if made else "kept")]
        for setting in self._settings():
            found = setting.read()
            wanted = setting.wanted(found)
            if wanted != found:
                setting.write(wanted)
            # The defaults of a new bucket count as made, too.
            kept: Outcome = "kept" if wanted == found else "changed"
            done.append((setting.name, "made" if made or found is None else kept))
        warnings = tuple(map(printable, self._warnings(dedicated_account)))
        return StateReport(self._bucket, self._account, self._region, tuple(done), warnings)

    def _warnings(self, dedicated_account: str | None) -> Iterator[str]:
        if self._account == dedicated_account:
            yield (
                f"the bucket is in account {self._account}, where Astronomer's role may change bucket policies; keep "
                "state in another account"
            )
        yield from lifecycle_warnings(self._read(self._s3.get_bucket_lifecycle_configuration, "Rules") or [])
        for statement in listed(json.loads(self._read(self._s3.get_bucket_policy, "Policy"))["Statement"]):
            if statement["Effect"] == "Allow" and (others := self._others(statement)):
                name = statement.get("Sid", "without a Sid")
                yield f"policy statement {name!r} allows {', '.join(others)} to use the bucket; state contains secrets"
        lock = self._read(self._s3.get_object_lock_configuration, "ObjectLockConfiguration") or {}
        if "Rule" in lock:
            yield "Object Lock has a default retention; Terraform cannot delete its lock files until it is over"

    def _others(self, statement: Mapping[str, Any]) -> list[str]:
        """Return the principals of a statement outside the bucket's account."""
        given = statement.get("Principal", "*")
        kinds = given if isinstance(given, dict) else {"AWS": given}
        named = [one for values in kinds.values() for one in listed(values)]
        return sorted(one for one in named if self._account not in one.split(":") and one != self._account)

    def _exists(self) -> bool:
        try:
            found = self._s3.head_bucket(**self._names)
        except exceptions.ClientError as error:
            # HEAD has no body, so the code is the HTTP status.
            match error.response["Error"]["Code"]:
                case "404" | "NoSuchBucket":
                    return False
                case "403":
                    raise UserError(
                        f"the bucket {self._bucket} is not in account {self._account}, or {self._arn} has no access to "
                        "it (s3:ListBucket). Bucket names are unique across AWS: choose another, or sign in to the "
                        "account that owns it."
                    ) from error
                case _:
                    raise
        if (there := found["BucketRegion"]) != self._region:
            raise UserError(
                f"the bucket {self._bucket} is in {there}, not in {self._region}, and a bucket cannot move. Set its"
                " region, or another bucket."
            )
        return True

    def _make(self) -> bool:
        """Create the bucket. Return False if another run has just created it."""
        # us-east-1 is the default, and the only region that AWS rejects here.
        place = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        try:
            self._s3.create_bucket(
                Bucket=self._bucket,
                ObjectOwnership="BucketOwnerEnforced",
                **({} if self._region == "us-east-1" else place),
            )
        except self._s3.exceptions.BucketAlreadyExists as error:
            raise UserError(
                f"the bucket name {self._bucket} is taken by another AWS account. Bucket names are unique across AWS: "
                "choose another."
            ) from error
        except self._s3.exceptions.BucketAlreadyOwnedByYou:
            return False
        self._s3.get_waiter("bucket_exists").wait(**self._names)
        return True

    def _settings(self) -> list[_Setting]:
        s3, names = self._s3, self._names
        return [
            _Setting(
                "public access block",
                lambda: self._read(s3.get_public_access_block, "PublicAccessBlockConfiguration"),
                lambda _: dict.fromkeys(
                    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
                ),
                lambda wanted: s3.put_public_access_block(**names, PublicAccessBlockConfiguration=wanted),
            ),
            _Setting(
                "object ownership",
                lambda: self._read(s3.get_bucket_ownership_controls, "OwnershipControls"),
                lambda _: {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                lambda wanted: s3.put_bucket_ownership_controls(**names, OwnershipControls=wanted),
            ),
            _Setting(
                "access policy",
                lambda: self._read(s3.get_bucket_policy, "Policy"),
                self._policy,
                lambda wanted: s3.put_bucket_policy(**names, Policy=wanted),
            ),
            _Setting(
                "versioning",
                lambda: self._read(s3.get_bucket_versioning, "Status"),
                lambda _: "Enabled",
                lambda wanted: s3.put_bucket_versioning(**names, VersioningConfiguration={"Status": wanted}),
            ),
            _Setting(
                "encryption",
                lambda: self._read(s3.get_bucket_encryption, "ServerSideEncryptionConfiguration"),
                self._encryption,
                lambda wanted: s3.put_bucket_encryption(**names, ServerSideEncryptionConfiguration=wanted),
            ),
            _Setting(
                "expiry of old versions",
                lambda: self._read(s3.get_bucket_lifecycle_configuration, "Rules"),
                self._lifecycle,
                lambda wanted: s3.put_bucket_lifecycle_configuration(**names, LifecycleConfiguration={"Rules": wanted}),
            ),
        ]

    def _read(self, operation: Callable[..., Any], key: str) -> Any:
        try:
            return operation(**self._names).get(key)
        except exceptions.ClientError as error:
            if error.response["Error"]["Code"] in {
                "NoSuchPublicAccessBlockConfiguration",
                "OwnershipControlsNotFoundError",
                "NoSuchBucketPolicy",
                "ServerSideEncryptionConfigurationNotFoundError",
                "NoSuchLifecycleConfiguration",
                "ObjectLockConfigurationNotFoundError",
            }:
                return None
            raise

    def _policy(self, found: str | None) -> str:
        bucket = f"arn:{self._arn.split(':')[1]}:s3:::{self._bucket}"
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [bucket, f"{bucket}/*"]}
        role = f"arn:{self._arn.split(':')[1]}:iam::*:role/{ROLE}"
        ours = [
            {"Sid": _TLS, **deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {"Sid": _ASTRONOMER, **deny, "Condition": {"ArnLike": {"aws:PrincipalArn": role}}},
        ]
        policy = json.loads(found) if found else {"Version": "2012-10-17", "Statement": []}
        statements = listed(policy["Statement"])
        if found and all(one in statements for one in ours):
            return found
        others = [statement for statement in statements if statement.get("Sid") not in (_TLS, _ASTRONOMER)]
        return json.dumps({**policy, "Statement": [*others, *ours]})

    def _encryption(self, found: dict[str, Any] | None) -> dict[str, Any]:
        rule = found["Rules"][0] if found else {}
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        if self._key_arn is None:
            # Every bucket has at least AES256. A key is never removed.
            return found or {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
        ours = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self._key_arn}
        if found and default == ours and rule.get("BucketKeyEnabled"):
            return found
        return {"Rules": [{"ApplyServerSideEncryptionByDefault": ours, "BucketKeyEnabled": True}]}

    def _lifecycle(self, found: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
        ours = {
            "ID": _RULE,
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {
                "NoncurrentDays": NONCURRENT_DAYS,
                "NewerNoncurrentVersions": NONCURRENT_KEPT,
            },
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_DAYS},
        }
        rules = found or []
        return rules if ours in rules else [*(rule for rule in rules if rule.get("ID") != _RULE), ours]
