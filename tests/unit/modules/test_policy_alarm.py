from collections import Counter
from typing import Any, cast

import botocore.session
import pytest
from cdktf import TerraformStack, Testing
from cdktf_cdktf_provider_aws.cloudwatch_log_metric_filter import CloudwatchLogMetricFilter
from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import CloudwatchMetricAlarm
from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from moto.events.models import EventPattern
from pydantic import ValidationError

from local_aws.filter_pattern import compiled
from modules.context import Context
from modules.policy_alarm.construct import EventForwarder, PolicyAlarm
from modules.policy_alarm.props import PATTERNS, Filter, PolicyAlarmProps
from tests.support.cloudtrail import (
    ALARM,
    CHANGES,
    MISSED_BY_PATTERN,
    POLICY,
    SILENCING,
    UNRELATED,
    event,
    in_capitals,
    record,
)
from tests.support.synth import NewStack, parsed

ACCOUNT = "222222222222"
MINIMAL: dict[str, Any] = {"subscribers": {"security": "security@acme.example"}}
TRAIL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/acme-alarm"
LOG_GROUP = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:acme-alarm"
ASTRONOMER = f"arn:aws:iam::{ACCOUNT}:role/astronomer-remote-management"
OF_TRAIL = {"test": "StringEquals", "variable": "aws:SourceArn", "values": [TRAIL]}
OF_ALARM = [
    {
        "test": "ArnEquals",
        "variable": "aws:SourceArn",
        "values": [f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:acme-alarm"],
    },
    {"test": "StringEquals", "variable": "aws:SourceAccount", "values": [ACCOUNT]},
]
ADMINISTERED = {
    "effect": "Allow",
    "principals": [{"type": "AWS", "identifiers": [f"arn:aws:iam::{ACCOUNT}:root"]}],
    "actions": ["kms:*"],
    "resources": ["*"],
    "condition": [{"test": "ArnNotEquals", "variable": "aws:PrincipalArn", "values": [ASTRONOMER]}],
}


def place(stack: TerraformStack, region: str = "us-east-1", **more: Any) -> None:
    props = PolicyAlarmProps.model_validate(more or MINIMAL)
    PolicyAlarm(stack, "alarm", props, name="acme-alarm", account_id=ACCOUNT, region=region)


def documents(tf: dict[str, Any]) -> dict[str, Any]:
    """Return the statements of every policy document, by name."""
    return {
        name.removeprefix("alarm_"): document["statement"]
        for name, document in tf["data"]["aws_iam_policy_document"].items()
    }


def service(name: str, actions: list[str], resources: list[str], *conditions: dict[str, Any]) -> dict[str, Any]:
    return {
        "effect": "Allow",
        "principals": [{"type": "Service", "identifiers": [f"{name}.amazonaws.com"]}],
        "actions": actions,
        "resources": resources,
        "condition": list(conditions),
    }


def test_one_change_in_five_minutes_triggers_the_alarm(new_stack: NewStack) -> None:
    stack = new_stack()
    place(stack)
    tf = parsed(Testing.synth(stack, True))["resource"]
    assert tf["aws_cloudwatch_log_metric_filter"] == {
        "alarm_filter": {
            "name": "acme-alarm",
            "log_group_name": "${aws_cloudwatch_log_group.alarm_log-group.name}",
            "pattern": PATTERNS["corrected"],
            "metric_transformation": {
                "name": "Changes",
                "namespace": "acme-alarm",
                "value": "1",
                "default_value": "0",
            },
        }
    }
    alarm = tf["aws_cloudwatch_metric_alarm"]["alarm_alarm"]
    assert alarm.pop("alarm_description").startswith("Astronomer's role, its policies or a permissions boundary")
    assert alarm == {
        "alarm_name": "acme-alarm",
        "namespace": "acme-alarm",
        "metric_name": "Changes",
        "statistic": "Sum",
        "period": 300,
        "evaluation_periods": 1,
        "comparison_operator": "GreaterThanOrEqualToThreshold",
        "threshold": 1,
        "treat_missing_data": "notBreaching",
        "alarm_actions": ["${aws_sns_topic.alarm_topic.arn}"],
    }


def test_a_multi_region_trail_delivers_to_bucket_and_log_group(new_stack: NewStack) -> None:
    stack = new_stack()
    place(stack)
    tf = parsed(Testing.synth(stack, True))["resource"]
    assert tf["aws_cloudtrail"] == {
        "alarm_trail": {
            "name": "acme-alarm",
            "s3_bucket_name": "${aws_s3_bucket.alarm_bucket.bucket}",
            "kms_key_id": "${aws_kms_key.alarm_trail-key.arn}",
            "is_multi_region_trail": True,
            "include_global_service_events": True,
            "enable_log_file_validation": True,
            "cloud_watch_logs_group_arn": "${aws_cloudwatch_log_group.alarm_log-group.arn}:*",
            "cloud_watch_logs_role_arn": "${aws_iam_role.alarm_delivery-role.arn}",
            "depends_on": ["aws_s3_bucket_policy.alarm_bucket-policy", "aws_iam_role_policy.alarm_delivery-policy"],
        }
    }
    assert tf["aws_cloudwatch_log_group"] == {
        "alarm_log-group": {
            "name": "acme-alarm",
            "retention_in_days": 365,
            "kms_key_id": "${aws_kms_key.alarm_trail-key.arn}",
        }
    }


def test_the_bucket_is_private_versioned_encrypted_and_expires(new_stack: NewStack) -> None:
    stack = new_stack()
    place(stack, **MINIMAL, trail_retention_days=400)
    tf = parsed(Testing.synth(stack, True))["resource"]
    of_bucket = {"bucket": "${aws_s3_bucket.alarm_bucket.id}"}
    found = {kind: resources for kind, resources in tf.items() if kind.startswith("aws_s3_bucket")}
    assert found == {
        "aws_s3_bucket": {
            "alarm_bucket": {
                "bucket": f"acme-alarm-{ACCOUNT}",
                "force_destroy": False,
                "depends_on": ["aws_kms_key.alarm_trail-key"],
            }
        },
        "aws_s3_bucket_public_access_block": {
            "alarm_bucket-public-access": {
                **of_bucket,
                "block_public_acls": True,
                "block_public_policy": True,
                "ignore_public_acls": True,
                "restrict_public_buckets": True,
            }
        },
        "aws_s3_bucket_ownership_controls": {
            "alarm_bucket-ownership": {**of_bucket, "rule": {"object_ownership": "BucketOwnerEnforced"}}
        },
        "aws_s3_bucket_versioning": {
            "alarm_bucket-versioning": {**of_bucket, "versioning_configuration": {"status": "Enabled"}}
        },
        "aws_s3_bucket_server_side_encryption_configuration": {
            "alarm_bucket-encryption": {
                **of_bucket,
                "rule": [
                    {
                        "apply_server_side_encryption_by_default": {
                            "sse_algorithm": "aws:kms",
                            "kms_master_key_id": "${aws_kms_key.alarm_trail-key.arn}",
                        }
                    }
                ],
            }
        },
        "aws_s3_bucket_lifecycle_configuration": {
            "alarm_bucket-lifecycle": {
                **of_bucket,
                "rule": [
                    {
                        "id": "retention",
                        "status": "Enabled",
                        "filter": [{"prefix": "AWSLogs/"}],
                        "expiration": [{"days": 400}],
                        "noncurrent_version_expiration": [{"noncurrent_days": 30}],
                        "abort_incomplete_multipart_upload": [{"days_after_initiation": 7}],
                    }
                ],
                "depends_on": ["aws_s3_bucket_versioning.alarm_bucket-versioning"],
            }
        },
        "aws_s3_bucket_policy": {
            "alarm_bucket-policy": {
                **of_bucket,
                "policy": "${data.aws_iam_policy_document.alarm_bucket-access.json}",
                "depends_on": ["aws_s3_bucket_public_access_block.alarm_bucket-public-access"],
            }
        },
    }


def test_only_this_trail_writes_and_astronomer_is_denied(new_stack: NewStack) -> None:
    bucket = "${aws_s3_bucket.alarm_bucket.arn}"
    denied = {
        "effect": "Deny",
        "principals": [{"type": "AWS", "identifiers": ["*"]}],
        "actions": ["s3:*"],
        "resources": [bucket, f"{bucket}/*"],
    }
    acl = {"test": "StringEquals", "variable": "s3:x-amz-acl", "values": ["bucket-owner-full-control"]}
    stack = new_stack()
    place(stack)
    assert documents(parsed(Testing.synth(stack, True)))["bucket-access"] == [
        {**denied, "condition": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}]},
        {**denied, "condition": [{"test": "ArnEquals", "variable": "aws:PrincipalArn", "values": [ASTRONOMER]}]},
        service("cloudtrail", ["s3:GetBucketAcl"], [bucket], OF_TRAIL),
        service("cloudtrail", ["s3:PutObject"], [f"{bucket}/AWSLogs/{ACCOUNT}/*"], OF_TRAIL, acl),
    ]


def test_each_key_serves_one_service_and_denies_astronomer(new_stack: NewStack) -> None:
    stack = new_stack()
    place(stack)
    tf = parsed(Testing.synth(stack, True))
    assert tf["resource"]["aws_kms_key"] == {
        f"alarm_{key}": {
            "description": description,
            "enable_key_rotation": True,
            "deletion_window_in_days": 30,
            "policy": f"${{data.aws_iam_policy_document.alarm_{key}-access.json}}",
        }
        for key, description in (
            ("trail-key", "CloudTrail's events in the bucket and the log group"),
            ("topic-key", "Notifications of changes to Astronomer's access"),
        )
    }
    context = {
        "test": "StringLike",
        "variable": "kms:EncryptionContext:aws:cloudtrail:arn",
        "values": [f"arn:aws:cloudtrail:*:{ACCOUNT}:trail/acme-alarm"],
    }
    of_log_group = {"test": "ArnEquals", "variable": "kms:EncryptionContext:aws:logs:arn", "values": [LOG_GROUP]}
    data_keys = ["kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"]
    for_logs = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", *data_keys, "kms:DescribeKey"]
    assert documents(tf)["trail-key-access"] == [
        ADMINISTERED,
        service("cloudtrail", data_keys, ["*"], OF_TRAIL, context),
        service("cloudtrail", ["kms:DescribeKey"], ["*"], OF_TRAIL),
        service("logs.us-east-1", for_logs, ["*"], of_log_group),
    ]
    topic = {
        "test": "StringEquals",
        "variable": "kms:EncryptionContext:aws:sns:topicArn",
        "values": [f"arn:aws:sns:us-east-1:{ACCOUNT}:acme-alarm"],
    }
    assert documents(tf)["topic-key-access"] == [
        ADMINISTERED,
        service("cloudwatch", ["kms:Decrypt", *data_keys], ["*"], *OF_ALARM),
        service("events", ["kms:Decrypt", *data_keys], ["*"], topic),
    ]


def test_the_delivery_role_writes_one_log_group_and_is_protected(new_stack: NewStack) -> None:
    stack = new_stack()
    place(stack)
    tf = parsed(Testing.synth(stack, True))
    assert tf["resource"]["aws_iam_role"] == {
        "alarm_delivery-role": {
            "name": "acme-alarm-delivery",
            "description": "CloudTrail writes its events to the log group",
            "assume_role_policy": "${data.aws_iam_policy_document.alarm_delivery-trust.json}",
            "tags": {"customeraudit": "TRUE"},
        }
    }
    assert tf["resource"]["aws_iam_role_policy"] == {
        "alarm_delivery-policy": {
            "name": "write-log-streams",
            "role": "${aws_iam_role.alarm_delivery-role.id}",
            "policy": "${data.aws_iam_policy_document.alarm_delivery-permissions.json}",
        }
    }
    # CloudTrail sends none of the possible condition keys, so any condition would silently stop the delivery.
    assert documents(tf)["delivery-trust"] == [
        {
            "effect": "Allow",
            "principals": [{"type": "Service", "identifiers": ["cloudtrail.amazonaws.com"]}],
            "actions": ["sts:AssumeRole"],
        }
    ]
    assert documents(tf)["delivery-permissions"] == [
        {
            "actions": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "resources": [f"{LOG_GROUP}:log-stream:{ACCOUNT}_CloudTrail_us-east-1*"],
        }
    ]


def test_only_this_alarm_publishes_to_the_encrypted_topic(new_stack: NewStack) -> None:
    chatbot = "https://global.sns-api.chatbot.amazonaws.com"
    stack = new_stack()
    place(stack, subscribers={"security": "security@acme.example", "slack": chatbot})
    tf = parsed(Testing.synth(stack, True))
    topic = "${aws_sns_topic.alarm_topic.arn}"
    found = {kind: resources for kind, resources in tf["resource"].items() if kind.startswith("aws_sns")}
    assert found == {
        "aws_sns_topic": {
            "alarm_topic": {"name": "acme-alarm", "kms_master_key_id": "${aws_kms_key.alarm_topic-key.arn}"}
        },
        "aws_sns_topic_policy": {
            "alarm_topic-policy": {
                "arn": topic,
                "policy": "${data.aws_iam_policy_document.alarm_topic-access.json}",
            }
        },
        "aws_sns_topic_subscription": {
            "alarm_subscription_security": {
                "topic_arn": topic,
                "protocol": "email",
                "endpoint": "security@acme.example",
            },
            "alarm_subscription_slack": {"topic_arn": topic, "protocol": "https", "endpoint": chatbot},
        },
    }
    of_rules = {
        "test": "ArnEquals",
        "variable": "aws:SourceArn",
        "values": [
            f"arn:aws:events:us-east-1:{ACCOUNT}:rule/acme-alarm-{rule}" for rule in ("access", "itself", "storage")
        ],
    }
    assert documents(tf)["topic-access"] == [
        service("cloudwatch", ["sns:Publish"], [topic], *OF_ALARM),
        service("events", ["sns:Publish"], [topic], of_rules),
    ]


def test_with_your_log_group_and_topic_only_filter_and_alarm(new_stack: NewStack) -> None:
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:security"
    stack = new_stack()
    place(stack, log_group="/org/trail", topic_arn=topic)
    synthesized = Testing.synth(stack)
    tf = parsed(synthesized)
    assert sorted(tf["resource"]) == [
        "aws_cloudwatch_event_rule",
        "aws_cloudwatch_event_target",
        "aws_cloudwatch_log_metric_filter",
        "aws_cloudwatch_metric_alarm",
    ]
    assert {target["arn"] for target in tf["resource"]["aws_cloudwatch_event_target"].values()} == {topic}
    assert tf["data"] == {"aws_cloudwatch_log_group": {"alarm_log-group": {"name": "/org/trail"}}}
    for kind, properties in (
        (CloudwatchLogMetricFilter, {"log_group_name": "${data.aws_cloudwatch_log_group.alarm_log-group.name}"}),
        (CloudwatchMetricAlarm, {"alarm_actions": [topic]}),
    ):
        assert Testing.to_have_resource_with_properties(synthesized, kind.TF_RESOURCE_TYPE, properties)


def test_with_your_log_group_no_trail_bucket_or_role(new_stack: NewStack) -> None:
    stack = new_stack()
    place(stack, **MINIMAL, log_group="/org/trail")
    tf = parsed(Testing.synth(stack, True))
    assert sorted(tf["resource"]) == [
        "aws_cloudwatch_event_rule",
        "aws_cloudwatch_event_target",
        "aws_cloudwatch_log_metric_filter",
        "aws_cloudwatch_metric_alarm",
        "aws_kms_key",
        "aws_sns_topic",
        "aws_sns_topic_policy",
        "aws_sns_topic_subscription",
    ]
    assert sorted(documents(tf)) == ["topic-access", "topic-key-access"]


def test_a_bucket_with_files_is_destroyed_for_a_reason_only(new_stack: NewStack) -> None:
    stack = new_stack()
    place(stack, **MINIMAL, removal_reason="The account is closed")
    emptied = {"force_destroy": True}
    assert Testing.to_have_resource_with_properties(Testing.synth(stack), S3Bucket.TF_RESOURCE_TYPE, emptied)


def test_arns_are_of_the_regions_partition(new_stack: NewStack) -> None:
    stack = new_stack()
    place(stack, "us-gov-west-1")
    tf = parsed(Testing.synth(stack, True))
    arns = [text for text in str(documents(tf)).split("'") if text.startswith("arn:")]
    assert arns
    assert all(arn.startswith("arn:aws-us-gov:") for arn in arns)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({}, "has neither subscribers nor topic_arn; set one"),
        ({**MINIMAL, "topic_arn": f"arn:aws:sns:us-east-1:{ACCOUNT}:x"}, "has both subscribers and topic_arn"),
        ({"topic_arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:x"}, "is not an SNS topic"),
        ({"topic_arn": "arn:aws:sns:us-east-1::x"}, "is not an SNS topic"),
        ({"subscribers": {"Security": "security@acme.example"}}, "is not a name"),
        ({"subscribers": {"security": "security"}}, "is not an email address or HTTPS endpoint"),
        ({"subscribers": {"security": "http://acme.example/hook"}}, "is not an email address or HTTPS endpoint"),
        ({"subscribers": {"security": "https://acme.example/${x}"}}, "is not an email address or HTTPS endpoint"),
        ({"subscribers": {"slack": "https://hooks.slack.com/services/T0/B0/x"}}, "does not support SNS"),
        ({**MINIMAL, "log_group": "my group"}, "is not the name of a log group"),
        ({**MINIMAL, "log_retention_days": 366}, "400, 545"),
        ({**MINIMAL, "log_retention_days": 0}, "400, 545"),
        ({**MINIMAL, "trail_retention_days": 89}, "90"),
        ({**MINIMAL, "filter": "mine"}, "'corrected', 'astronomer-hybrid' or 'astronomer-preview'"),
        ({**MINIMAL, "removal_reason": "because"}, "is not a reason"),
        (
            {**MINIMAL, "log_group": "theirs", "log_retention_days": 30},
            "has log_retention_days, which need a new trail",
        ),
        (
            {**MINIMAL, "log_group": "theirs", "removal_reason": "Closing it"},
            "has removal_reason, which need a new trail",
        ),
    ],
)  # fmt: skip
def test_rejects_invalid_values(given: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        PolicyAlarmProps.model_validate(given)


def test_a_topic_of_another_region_does_not_fit_the_account() -> None:
    props = PolicyAlarmProps.model_validate({"topic_arn": f"arn:aws:sns:eu-west-1:{ACCOUNT}:security"})
    assert [field for field, _ in props.check(Context("111111111111", "us-east-1"))] == [("topic_arn",)]
    assert list(props.check(Context("111111111111", "eu-west-1"))) == []


# The filter, on events in the form of CloudTrail's records (tests/support/cloudtrail.py).


@pytest.mark.parametrize(("name", "parameters"), CHANGES)
def test_every_change_triggers_the_alarm(name: str, parameters: dict[str, Any]) -> None:
    assert compiled(PATTERNS["corrected"])(record(name, parameters))


def test_nothing_else_triggers_the_alarm() -> None:
    assert [event for event in UNRELATED if compiled(PATTERNS["corrected"])(event)] == []


def rules(tf: dict[str, Any]) -> dict[str, EventPattern]:
    """The patterns of EventBridge's rules, as moto reads them."""
    found = {name: rule["event_pattern"] for name, rule in tf["resource"]["aws_cloudwatch_event_rule"].items()}
    assert all(len(pattern) <= 2_048 for pattern in found.values())
    return {name: EventPattern.load(pattern) for name, pattern in found.items()}


def matches(pattern: EventPattern, one: dict[str, Any]) -> bool:
    return pattern.matches_event(cast(Any, event(one)))


def heard(patterns: dict[str, EventPattern], one: dict[str, Any]) -> bool:
    return any(matches(pattern, one) for pattern in patterns.values())


@pytest.fixture
def patterns(new_stack: NewStack) -> dict[str, EventPattern]:
    props = PolicyAlarmProps.model_validate(MINIMAL)
    stack = new_stack()
    PolicyAlarm(stack, "alarm", props, name=ALARM, account_id=ACCOUNT, region="us-east-1")
    return rules(parsed(Testing.synth(stack, True)))


def test_eventbridge_receives_every_change_in_any_case(patterns: dict[str, EventPattern]) -> None:
    for name, parameters in CHANGES:
        assert heard(patterns, record(name, parameters)), (name, parameters)
        assert heard(patterns, record(name, in_capitals(parameters))), (name, parameters)


def test_eventbridge_receives_calls_that_silence_the_alarm(patterns: dict[str, EventPattern]) -> None:
    for source, name, parameters in SILENCING:
        assert heard(patterns, record(name, parameters, source=f"{source}.amazonaws.com")), (name, parameters)


def test_each_rule_receives_changes_of_the_others(patterns: dict[str, EventPattern]) -> None:
    for source, name, parameters in SILENCING:
        if source == "events":
            one = record(name, parameters, source="events.amazonaws.com")
            assert all(matches(pattern, one) for pattern in patterns.values())


def test_eventbridge_receives_nothing_else(patterns: dict[str, EventPattern]) -> None:
    assert [one for one in UNRELATED if heard(patterns, one)] == []


def test_silencing_calls_have_the_parameters_of_aws() -> None:
    for source, name, parameters in SILENCING:
        service_ = {"monitoring": "cloudwatch"}.get(source, source)
        # CloudTrail has its own spelling for S3 (S3 user guide, "Amazon S3 CloudTrail events").
        call = name.replace("BucketPublicAccessBlock", "PublicAccessBlock")
        shape: Any = botocore.session.get_session().get_service_model(service_).operation_model(call).input_shape
        known = {"bucketName" if one == "Bucket" else one[0].lower() + one[1:] for one in shape.members}
        assert parameters.keys() <= known, name


def test_events_of_iam_are_sent_to_the_alarm_of_another_region(new_stack: NewStack) -> None:
    props = PolicyAlarmProps.model_validate(MINIMAL)
    place = {"name": ALARM, "account_id": ACCOUNT, "region": "eu-west-1"}
    stack = new_stack()
    EventForwarder(stack, "alarm", **place)
    tf = parsed(Testing.synth(stack, True))
    bus = f"arn:aws:events:eu-west-1:{ACCOUNT}:event-bus/default"
    targets = tf["resource"]["aws_cloudwatch_event_target"]
    assert {(one["arn"], one["role_arn"]) for one in targets.values()} == {(bus, "${aws_iam_role.alarm_role.arn}")}
    assert {one["rule"] for one in targets.values()} == {
        f"${{aws_cloudwatch_event_rule.alarm_{rule}.name}}" for rule in ("rule", "guard-rule")
    }
    assert documents(tf)["permissions"] == [{"actions": ["events:PutEvents"], "resources": [bus]}]
    [trust] = documents(tf)["trust"]
    assert trust["condition"][0] == {
        "test": "ArnEquals",
        "variable": "aws:SourceArn",
        "values": [f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{ALARM}-{rule}" for rule in ("forward", "guard")],
    }
    here = rules(tf)
    stack = new_stack()
    PolicyAlarm(stack, "alarm", props, **place)
    there = rules(parsed(Testing.synth(stack, True)))
    silencing = [(name, given, f"{source}.amazonaws.com") for source, name, given in SILENCING]
    of_iam = [record(*one) for one in silencing if one[2].startswith("iam.")]
    for one in (*(record(*change) for change in CHANGES), *of_iam):
        assert heard(here, one)
        assert heard(there, one)
    # A disabled rule sends nothing, so each rule of the region sends changes of the other.
    for one in (record(*one) for one in silencing if one[2].startswith("events.")):
        assert all(matches(pattern, one) for pattern in (*here.values(), *there.values()))
    assert [one for one in UNRELATED if heard(here, one)] == []


@pytest.mark.parametrize("topic", [None, f"arn:aws:sns:us-east-1:{ACCOUNT}:{'t' * 256}"])
def test_eventbridge_has_room_for_the_patterns(topic: str | None, new_stack: NewStack) -> None:
    own = {"topic_arn": topic, "log_group": "g" * 512} if topic else MINIMAL
    stack = new_stack()
    props = PolicyAlarmProps.model_validate(own)
    PolicyAlarm(stack, "alarm", props, name=f"{'n' * 31}-policy-alarm", account_id=ACCOUNT, region="ap-northeast-1")
    found = rules(parsed(Testing.synth(stack, True)))
    if topic:
        subscription = record("Unsubscribe", {"subscriptionArn": f"{topic}:0123"}, "sns.amazonaws.com")
        group = record("DeleteLogGroup", {"logGroupName": "g" * 512}, "logs.amazonaws.com")
        deleted = record("DeleteTopic", {"topicArn": topic}, "sns.amazonaws.com")
        assert all(heard(found, one) for one in (subscription, group, deleted))


@pytest.mark.parametrize("name", list(PATTERNS))
def test_cloudwatch_has_room_for_the_pattern(name: Filter) -> None:
    assert len(PATTERNS[name]) <= 1024


def test_changes_are_calls_of_iam_with_its_own_parameters() -> None:
    iam: Any = botocore.session.get_session().get_service_model("iam")
    assert "SetPolicyVersion" not in iam.operation_names
    for name, parameters in CHANGES:
        takes = iam.operation_model(name).input_shape
        given = {key[0].upper() + key[1:] for key in parameters}
        assert set(takes.required_members) <= given <= set(takes.members)


@pytest.mark.parametrize("name", list(MISSED_BY_PATTERN))
def test_astronomers_filters_match_few_of_these_events(name: Filter) -> None:
    heard = compiled(PATTERNS[name])
    missed = Counter(event for event, parameters in CHANGES if not heard(record(event, parameters)))
    assert missed == MISSED_BY_PATTERN[name]


def test_astronomers_filters_are_unchanged() -> None:
    assert PATTERNS["astronomer-hybrid"] == (
        "{ ($.eventName = AttachRolePolicy || $.eventName = DetachRolePolicy || $.eventName = SetPolicyVersion) && "
        '($.requestParameters.policyArn = "*OperationalBoundary*" || $.requestParameters.policyArn = '
        '"*AstronomerCrossAccountRole"  || $.requestParameters.roleName = astronomer-remote-management) }'
    )
    assert PATTERNS["astronomer-preview"] == (
        "{ ($.eventName = AttachRolePolicy || $.eventName = DetachRolePolicy || $.eventName = SetPolicyVersion || "
        '$.eventName = CreatePolicyVersion) && ($.requestParameters.policyArn = "*AstronomerCrossAccountRole"  || '
        "$.requestParameters.roleName = astronomer-remote-management) }"
    )
    for name in ("astronomer-hybrid", "astronomer-preview"):
        assert compiled(PATTERNS[name])(record("SetPolicyVersion", {**POLICY, "versionId": "v2"}))


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ('{ $.a = "x" }', True),
        ('{ $.a = "X" }', False),
        ('{ $.a != "y" }', True),
        ('{ $.a != "x" }', False),
        ('{ $.none != "x" }', False),
        ('{ $.none = "*" }', False),
        ("{ $.none NOT EXISTS }", True),
        ("{ $.a NOT EXISTS }", False),
        ("{ $.b.c NOT EXISTS || $.b.d NOT EXISTS }", True),
        ('{ $.b.c = "a*c" }', True),
        ('{ $.b.c = "a*d" }', False),
        ('{ $.b.c = "b" }', False),
        ("{ $.a = x }", True),
        ('{ $.a = "x" || $.a = "y" && $.a = "z" }', True),
        ('{ ($.a = "x" || $.a = "y") && $.a = "z" }', False),
        ('{ $.n = "1" }', True),
    ],
)
def test_patterns_are_read_as_aws_documents_them(pattern: str, matches: bool) -> None:
    assert compiled(pattern)({"a": "x", "b": {"c": "abc"}, "n": 1}) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "$.a = x",
        "{ }",
        "{ a = x }",
        "{ $.a }",
        "{ $.a = }",
        "{ ($.a = x }",
        "{ $.a = x y }",
        "{ $.a ~ x }",
        "{ $.a NOT x }",
    ],
)
def test_an_invalid_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"expected|read|braces|closed|follow"):
        compiled(pattern)
