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


def _same(name: str) -> dict[str, str]:
    return {"equals-ignore-case": name}


def _calls(service: str, names: Collection[str], **parameters: list[Any]) -> dict[str, Any]:
    of_service = {"eventSource": [f"{service}.amazonaws.com"], "eventName": list(names)}
    return {**of_service, "requestParameters": parameters} if parameters else of_service


def _pattern(*calls: Pattern) -> Pattern:
    """Return a pattern of successful calls. A failed call has an `errorCode`."""
    return {
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {"errorCode": [{"exists": False}], "$or": list(calls)},
    }


def _changes_of_rules(rules: Collection[str]) -> list[Pattern]:
    return [_calls("events", _OF_RULES, name=list(rules)), _calls("events", _OF_TARGETS, rule=list(rules))]


def changes_in_iam(account: str, delivery_role: str | None, rules: Collection[str]) -> Pattern:
    """Return the pattern of changes to Astronomer's access, to the role that delivers the events, and to `rules`.

    `account` is the beginning of the account's ARNs of IAM, up to the resource.
    """
    roles = [_same(ROLE), *([_same(delivery_role)] if delivery_role else [])]
    policies = [
        _same(f"{account}policy/{POLICY}"),
        {"prefix": _same(f"{account}policy/{POLICY}-")},
        _same(f"{account}policy/{REGIONS_POLICY}"),
        # Wildcards are case-sensitive, and EventBridge cannot match a part of a text without case.
        {"wildcard": f"*{BOUNDARY}*"},
    ]
    return _pattern(
        _calls("iam", OF_BOUNDARIES),
        _calls("iam", OF_ROLES_AND_POLICIES, roleName=roles),
        _calls("iam", OF_ROLES_AND_POLICIES, policyArn=policies),
        # The tag prevents Astronomer from deleting it (facts A4).
        *([_calls("iam", ("TagRole", "UntagRole"), roleName=[_same(delivery_role)])] if delivery_role else []),
        *_changes_of_rules(rules),
    )


def changes_of_alarm(alarm: str, log_group: str, topic_arn: str, rules: Collection[str]) -> Pattern:
    """Return the pattern of calls that end or disable the alarm: its trail, log group, filter, alarm, topic and
    `rules`."""
    return _pattern(
        # Any trail, because the name of an organization's trail is unknown here.
        _calls("cloudtrail", _OF_TRAILS),
        _calls("logs", _OF_LOGS, logGroupName=[log_group]),
        _calls("monitoring", _OF_ALARM, alarmName=[alarm]),
        _calls("monitoring", _OF_ALARMS, alarmNames=[alarm]),
        _calls("monitoring", _MUTING),
        _calls("sns", _OF_TOPICS, topicArn=[topic_arn]),
        _calls("sns", _OF_SUBSCRIPTIONS, subscriptionArn=[{"prefix": f"{topic_arn}:"}]),
        *_changes_of_rules(rules),
    )
