from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response

from .tools import kept, patch

_set_lifecycle = FakeBucket.set_lifecycle
_serialized = S3Response.serialized


@patch(FakeBucket)
def set_lifecycle(self: FakeBucket, rules: list[dict[str, Any]]) -> None:
    """Store the number of old versions that a rule keeps; moto drops it."""
    _set_lifecycle(self, rules)
    for rule, asked in zip(self.rules, rules, strict=True):
        kept(rule, "newer_versions", (asked.get("NoncurrentVersionExpiration") or {}).get("NewerNoncurrentVersions"))


@patch(S3Response)
def serialized(self: S3Response, action_result: ActionResult) -> Any:
    """Return the number of old versions that a rule keeps; moto omits it."""
    result: Any = action_result.result
    if self.data["Action"] == "GetBucketLifecycleConfiguration" and isinstance(result, dict):
        for told, rule in zip(result["Rules"], self.backend.get_bucket_lifecycle(self.bucket_name), strict=True):
            if newer := kept(rule, "newer_versions", None):
                told["NoncurrentVersionExpiration"]["NewerNoncurrentVersions"] = newer
    return _serialized(self, action_result)
