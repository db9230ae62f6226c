"""The events of the alarm's second channel, as patterns of Amazon EventBridge.

Names in IAM are case-insensitive, and CloudTrail records the caller's spelling. The patterns therefore ignore case.
"""

from collections.abc import Collection, Mapping
from typing import Any

from modules.astronomer import BOUNDARY, POLICY, ROLE
from modules.opt_in_region.props import POLICY as REGIONS_POLICY

Pattern = Mapping[str, Any]
IAM_REGION = "us-east-1"
"""Where EventBridge receives IAM's events (facts B6)."""

OF_BOUNDARIES = ("PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary")
OF_ROLES_AND_POLICIES = (
    "AttachRolePolicy",
    "DetachRolePolicy",
    "CreatePolicyVersion",
    "SetDefaultPolicyVersion",
    "DeletePolicyVersion",
    "DeletePolicy",
    "UpdateAssumeRolePolicy",
    "PutRolePolicy",
    "DeleteRolePolicy",
    "DeleteRole",
    "UpdateRole",
)
_OF_TAGS = ("TagRole", "UntagRole")
_OF_KEYS = ("DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion")
_OF_BUCKETS = (
    "DeleteBucket",
    "DeleteBucketEncryption",
    "DeleteBucketPolicy",
    "DeleteBucketPublicAccessBlock",
    "PutBucketEncryption",
    "PutBucketLifecycle",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketVersioning",
)
_OF_RULES = ("DeleteRule", "DisableRule", "PutRule")
_OF_TARGETS = ("PutTargets", "RemoveTargets")
_OF_TRAILS = ("DeleteTrail", "PutEventSelectors", "StopLogging", "UpdateTrail")
_OF_LOGS = (
    "AssociateKmsKey",
    "DeleteLogGroup",
    "DeleteLogStream",
    "DeleteMetricFilter",
    "DeleteRetentionPolicy",
    "DisassociateKmsKey",
    "PutMetricFilter",
    "PutRetentionPolicy",
)
_OF_TOPICS = ("AddPermission", "DeleteTopic", "RemovePermission", "SetTopicAttributes")
_OF_SUBSCRIPTIONS = ("SetSubscriptionAttributes", "Unsubscribe")
# By the name of one alarm, or by a list of names.
_OF_ALARM = ("PutCompositeAlarm", "PutMetricAlarm", "SetAlarmState")
_OF_ALARMS = ("DeleteAlarms", "DisableAlarmActions")
_MUTING = ("PutAlarmMuteRule",)
_LONGEST = 128


def _same(name: str) -> dict[str, str]:
    return {"equals-ignore-case": name}


def _named(name: str) -> str | dict[str, str]:
    """Match a name, or the beginning of a long one: EventBridge allows 2,048 characters in a pattern."""
    return name if len(name) <= _LONGEST else {"prefix": name[:_LONGEST]}


def _calls(service: str, names: Collection[str], **parameters: list[Any]) -> dict[str, Any]:
    of_service = {"eventSource": [f"{service}.amazonaws.com"], "eventName": list(names)}
    return {**of_service, "requestParameters": parameters} if parameters else of_service


def _pattern(*calls: Pattern) -> Pattern:
    """Return a pattern of successful calls. A failed call has an `errorCode`."""
    return {
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {"errorCode": [{"exists": False}], "$or": list(calls)},
    }


def _changes_of_rules(name: str) -> list[Pattern]:
    """Return the calls that change rules of the alarm. Their names begin with the alarm's name."""
    own = [{"prefix": f"{name}-"}]
    return [_calls("events", _OF_RULES, name=own), _calls("events", _OF_TARGETS, rule=own)]


def changes_in_iam(account: str, name: str) -> Pattern:
    """Return the pattern of changes to Astronomer's access, and to the roles and rules of the alarm `name`.

    `account` is the beginning of the account's ARNs of IAM, up to the resource.
    """
    own = [{"prefix": _same(f"{name}-")}]
    policies = [
        _same(f"{account}policy/{POLICY}"),
        {"prefix": _same(f"{account}policy/{POLICY}-")},
        _same(f"{account}policy/{REGIONS_POLICY}"),
        # Wildcards are case-sensitive. EventBridge compares only the beginning and the end of a text without case.
        {"wildcard": f"*{BOUNDARY}*"},
        {"prefix": _same(f"{account}policy/{BOUNDARY}")},
        {"suffix": _same(BOUNDARY)},
    ]
    return _pattern(
        _calls("iam", OF_BOUNDARIES),
        _calls("iam", OF_ROLES_AND_POLICIES, roleName=[_same(ROLE), *own]),
        _calls("iam", OF_ROLES_AND_POLICIES, policyArn=policies),
        # The tag prevents Astronomer from deleting it (facts A4).
        _calls("iam", _OF_TAGS, roleName=own),
        *_changes_of_rules(name),
    )


def changes_of_alarm(name: str, log_group: str, topic_arn: str) -> Pattern:
    """Return the pattern of calls that end or disable the alarm `name`: its trail, log group, filter, alarm, topic and
    rules."""
    return _pattern(
        # Any trail, because the name of an organization's trail is unknown here.
        _calls("cloudtrail", _OF_TRAILS),
        _calls("logs", _OF_LOGS, logGroupName=[_named(log_group)]),
        _calls("monitoring", _OF_ALARM, alarmName=[name]),
        _calls("monitoring", _OF_ALARMS, alarmNames=[name]),
        _calls("monitoring", _MUTING),
        _calls("sns", _OF_TOPICS, topicArn=[_named(topic_arn)]),
        _calls("sns", _OF_SUBSCRIPTIONS, subscriptionArn=[{"prefix": f"{topic_arn}:"[:_LONGEST]}]),
        *_changes_of_rules(name),
    )


def changes_of_storage(name: str, keys: Collection[str], bucket: str | None) -> Pattern:
    """Return the pattern of calls that block the keys of the alarm `name` or open its trail's bucket.

    KMS accepts the ID or the ARN of a key, so `keys` contains both.
    """
    return _pattern(
        _calls("kms", _OF_KEYS, keyId=list(keys)),
        *([_calls("s3", _OF_BUCKETS, bucketName=[bucket])] if bucket else []),
        *_changes_of_rules(name),
    )


def changes_of_rules(name: str) -> Pattern:
    """Return the pattern of changes to the rules of the alarm `name`."""
    return _pattern(*_changes_of_rules(name))
