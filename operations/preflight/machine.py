"""The checks of this machine and of the state's bucket."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from estate.errors import UserError
from estate.model import Estate
from estate.plan import stacks_of
from estate.state import S3State
from operations.aws import Accounts
from operations.preflight.place import blocked, key, ok, warning
from operations.status.check import Check, Outcome, unknown
from operations.status.shared import moment
from operations.terraform import find_terraform

_STALE = timedelta(hours=1)
"""The age from which a lock is more likely a leftover of a killed run than a run in progress."""
_NODES = (20, 22)
"""The versions of Node that cdktf-cli 0.21 runs on: it crashes on 24."""


def machine(environ: Mapping[str, str]) -> Iterator[Check]:
    """Check the programs that a deploy runs."""
    yield Check("terraform", "Terraform is new enough", lambda: _terraform(environ))
    yield Check("node", "Node runs cdktf-cli", lambda: _node(environ))


def _terraform(environ: Mapping[str, str]) -> Outcome:
    try:
        return ok(str(find_terraform(environ)))
    except UserError as error:
        return blocked(str(error), "install it, or set TERRAFORM_BINARY_NAME")


def _node(environ: Mapping[str, str]) -> Outcome:
    fix = "install Node 22 to run `cdktf deploy`; `main.py synth` and Terraform need none"
    found = shutil.which("node", path=environ.get("PATH", ""))
    if found is None:
        return warning("`node` is not on the PATH", fix)
    try:
        answer = subprocess.run([found, "--version"], env=dict(environ), capture_output=True, text=True, check=True)
        version = int(re.findall(r"\d+", answer.stdout)[0])
    except (OSError, subprocess.CalledProcessError, IndexError):
        return warning(f"{found} does not answer `--version`", fix)
    if version not in range(_NODES[0], _NODES[1] + 1):
        return blocked(f"{found} is version {version}; cdktf-cli runs on {_NODES[0]} to {_NODES[1]}", fix)
    return ok(f"{found} is version {version}")


def state(estate: Estate, accounts: Accounts, now: datetime) -> Iterator[Check]:
    """Check the state's bucket, and the lock of each stack, with your own credentials, as Terraform's backend does."""
    where = estate.state
    if not isinstance(where, S3State):
        return
    title = f"the bucket {where.bucket} exists in {where.region}"
    yield Check("bucket", title, lambda: _bucket(where, accounts))
    for id_, title, call, problem in _SETTINGS:
        look = lambda call=call, problem=problem: _setting(where, accounts, call, problem)  # noqa: E731
        yield Check(id_, title, look, "bucket")
    if name := where.kms_key:
        title = f"{name} can encrypt the state"
        yield Check("kms_key", title, lambda: key(accounts.own(where.region), name))
    for plan in stacks_of(estate):
        lock = f"{where.key(estate.name, plan.state_name)}.tflock"
        title = f"the state of {plan.name} is not locked"
        yield Check(f"lock:{plan.name}", title, lambda lock=lock: _lock(where, estate, accounts, lock, now), "bucket")


_SETTINGS = (
    ("versioning", "the bucket keeps old versions", "s3:get_bucket_versioning", "has no versioning"),
    ("encryption", "the bucket is encrypted", "s3:get_bucket_encryption", "has no default encryption"),
    ("public", "the bucket blocks public access", "s3:get_public_access_block", "does not block all public access"),
)


def _bucket(where: S3State, accounts: Accounts) -> Outcome:
    found = accounts.own(where.region).read("s3:head_bucket", Bucket=where.bucket)
    if not found:
        return blocked(f"{where.bucket} does not exist", "`main.py state create`")
    if (there := found.get("BucketRegion", where.region)) != where.region:
        return blocked(f"{where.bucket} is in {there}", f"set `state.region` to {there}, or name another bucket")
    return ok(f"{where.bucket} is in {where.region}")


def _setting(where: S3State, accounts: Accounts, call: str, problem: str) -> Outcome:
    answer = accounts.own(where.region).read(call, Bucket=where.bucket)
    block = answer.get("PublicAccessBlockConfiguration", {})
    good = {
        "s3:get_bucket_versioning": answer.get("Status") == "Enabled",
        "s3:get_bucket_encryption": "ServerSideEncryptionConfiguration" in answer,
        "s3:get_public_access_block": bool(block) and all(block.values()),
    }
    if good[call]:
        return ok(f"{where.bucket}: {call.partition(':')[2]}")
    return blocked(f"{where.bucket} {problem}", "`main.py state create` sets it")


def _lock(where: S3State, estate: Estate, accounts: Accounts, lock: str, now: datetime) -> Outcome:
    prefix = f"{where.key_prefix or estate.name}/"
    answer = accounts.own(where.region).read("s3:list_objects_v2", Bucket=where.bucket, Prefix=prefix)
    if not accounts.own(where.region).read("s3:head_bucket", Bucket=where.bucket):
        return unknown(f"{where.bucket} does not exist", "`main.py state create`")
    found = next((one for one in answer.get("Contents", []) if one["Key"] == lock), None)
    if found is None:
        return ok(f"s3://{where.bucket}/{lock} does not exist")
    since = moment(found["LastModified"])
    evidence = f"s3://{where.bucket}/{lock} exists since {since:%Y-%m-%d %H:%M} UTC"
    if since and now - since > _STALE:
        fix = "if no run is in progress, `terraform force-unlock ID` in the stack's folder; the file names the ID"
        return blocked(evidence, fix)
    return warning(evidence, "wait until the run in progress has ended")
