import json
from typing import Literal

from cdktf import Token
from cdktf_cdktf_provider_aws.cloudtrail import Cloudtrail
from cdktf_cdktf_provider_aws.cloudwatch_event_rule import CloudwatchEventRule
from cdktf_cdktf_provider_aws.cloudwatch_event_target import CloudwatchEventTarget
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.cloudwatch_log_metric_filter import (
    CloudwatchLogMetricFilter,
    CloudwatchLogMetricFilterMetricTransformation,
)
from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import CloudwatchMetricAlarm
from cdktf_cdktf_provider_aws.data_aws_cloudwatch_log_group import DataAwsCloudwatchLogGroup
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from cdktf_cdktf_provider_aws.kms_key import KmsKey
from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.s3_bucket_policy import S3BucketPolicy
from cdktf_cdktf_provider_aws.sns_topic import SnsTopic
from cdktf_cdktf_provider_aws.sns_topic_policy import SnsTopicPolicy
from cdktf_cdktf_provider_aws.sns_topic_subscription import SnsTopicSubscription
from constructs import Construct

from modules.astronomer import ROLE
from modules.parts.iam_policy.construct import Condition, Statement, document, statement
from modules.parts.log_bucket.construct import log_bucket
from modules.policy_alarm.events import (
    IAM_REGION,
    Pattern,
    changes_in_iam,
    changes_of_alarm,
    changes_of_rules,
    changes_of_storage,
)
from modules.policy_alarm.props import PATTERNS, PolicyAlarmProps
from modules.vocabulary import construct_id, partition

CLOUDTRAIL = "cloudtrail.amazonaws.com"
CLOUDWATCH = "cloudwatch.amazonaws.com"
EVENTBRIDGE = "events.amazonaws.com"
DATA_KEYS = ["kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"]
"""Instead of `kms:GenerateDataKey*` as in AWS's guides, which also allows key pairs. No service uses those."""


class PolicyAlarm(Construct):
    """CloudTrail's events in a log group, a filter that counts changes of Astronomer's access, and an alarm.

    EventBridge sends the same events to the topic, and also those that would disable the alarm. Astronomer's policy
    allows all of CloudWatch and CloudWatch Logs, but nothing of EventBridge and SNS (facts A2).

    Trail and topic have separate KMS keys, so readers of notifications cannot read the audit trail.
    """

    def __init__(
        self, scope: Construct, id_: str, props: PolicyAlarmProps, *, name: str, account_id: str, region: str
    ) -> None:
        super().__init__(scope, id_)
        self._name, self._account_id, self._region = name, account_id, region
        self._partition = partition(region)
        self._subscriptions: dict[str, SnsTopicSubscription] = {}
        self._keys: list[KmsKey] = []
        self._trail_bucket: str | None = None
        # Astronomer's policy allows all of S3 and KMS (facts A2), and the subject of a record must not change it.
        self._astronomer = f"arn:{self._partition}:iam::{account_id}:role/{ROLE}"

        log_group = None if props.organization_trail else self._existing(props) or self._trail(props)
        topic_arn = props.topic_arn or self._topic(props)
        if log_group:
            self._alarm(props, log_group, topic_arn)
        self._notify(props, topic_arn)
        self.handoff: dict[str, object] = {"alarm": name, "log_group": log_group} if log_group else {}
        self.handoff["topic_arn"] = topic_arn
        if self._subscriptions:
            # As of the last refresh. An endpoint gets notifications only after its subscription is confirmed.
            self.handoff["unconfirmed"] = {
                name: Token.as_any(f"${{{one.fqn}.pending_confirmation}}") for name, one in self._subscriptions.items()
            }

    def _existing(self, props: PolicyAlarmProps) -> str | None:
        """Return the existing log group. A plan reads it, and fails if it is missing."""
        return DataAwsCloudwatchLogGroup(self, "log-group", name=props.log_group).name if props.log_group else None

    def _alarm(self, props: PolicyAlarmProps, log_group: str, topic_arn: str) -> None:
        name = self._name
        CloudwatchLogMetricFilter(
            self,
            "filter",
            name=name,
            log_group_name=log_group,
            pattern=PATTERNS[props.filter],
            metric_transformation=CloudwatchLogMetricFilterMetricTransformation(
                name="Changes", namespace=name, value="1", default_value="0"
            ),
        )
        CloudwatchMetricAlarm(
            self,
            "alarm",
            alarm_name=name,
            alarm_description="Astronomer's role, its policies or a permissions boundary changed; the log group's "
            "CloudTrail events show who changed it.",
            namespace=name,
            metric_name="Changes",
            statistic="Sum",
            period=300,
            evaluation_periods=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=1,
            treat_missing_data="notBreaching",
            alarm_actions=[topic_arn],
        )

    def _notify(self, props: PolicyAlarmProps, topic_arn: str) -> None:
        """Let EventBridge notify about the events, whichever account has their trail."""
        # The names instead of references, which would make the patterns unknown in a plan. The IDs of keys are unknown
        # until they exist, so a separate rule contains them.
        named_topic = props.topic_arn or self._arn("sns", self._name)
        patterns = {
            "access": changes_in_iam(f"arn:{self._partition}:iam::{self._account_id}:", self._name),
            "itself": changes_of_alarm(self._name, props.log_group or self._name, named_topic),
        }
        if self._keys:
            keys = [spelling for key in self._keys for spelling in (key.key_id, key.arn)]
            patterns["storage"] = changes_of_storage(self._name, keys, self._trail_bucket)
        # Each rule also reports changes of the others.
        for id_, pattern in patterns.items():
            rule = _rule(self, f"{id_}-rule", f"{self._name}-{id_}", pattern)
            CloudwatchEventTarget(self, f"{id_}-target", rule=rule.name, target_id="topic", arn=topic_arn)

    def _trail(self, props: PolicyAlarmProps) -> str:
        """Create a trail of IAM's events, which are in one region (facts B6), and return its log group's name.

        The trail's ARN is computed here, because the resources that contain it must exist before the trail.
        """
        trail_arn = self._arn("cloudtrail", f"trail/{self._name}")
        log_group_arn = self._arn("logs", f"log-group:{self._name}")
        of_trail = ("StringEquals", "aws:SourceArn", trail_arn)
        key = self._key(
            "trail-key",
            "CloudTrail's events in the bucket and the log group",
            _allow(
                "Service",
                CLOUDTRAIL,
                DATA_KEYS,
                ["*"],
                of_trail,
                (
                    "StringLike",
                    "kms:EncryptionContext:aws:cloudtrail:arn",
                    f"arn:{self._partition}:cloudtrail:*:{self._account_id}:trail/{self._name}",
                ),
            ),
            _allow("Service", CLOUDTRAIL, ["kms:DescribeKey"], ["*"], of_trail),
            _allow(
                "Service",
                f"logs.{self._region}.amazonaws.com",
                ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", *DATA_KEYS, "kms:DescribeKey"],
                ["*"],
                ("ArnEquals", "kms:EncryptionContext:aws:logs:arn", log_group_arn),
            ),
        )
        bucket, bucket_policy = self._bucket(props, key, of_trail)
        log_group = CloudwatchLogGroup(
            self, "log-group", name=self._name, retention_in_days=props.log_retention_days, kms_key_id=key.arn
        )
        role, permissions = self._delivery_role(f"{log_group_arn}:log-stream:{self._account_id}_CloudTrail_")
        Cloudtrail(
            self,
            "trail",
            name=self._name,
            s3_bucket_name=bucket.bucket,
            kms_key_id=key.arn,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            cloud_watch_logs_group_arn=f"{log_group.arn}:*",
            cloud_watch_logs_role_arn=role.arn,
            # AWS tests both before it creates the trail.
            depends_on=[bucket_policy, permissions],
        )
        return log_group.name

    def _bucket(self, props: PolicyAlarmProps, key: KmsKey, of_trail: Condition) -> tuple[S3Bucket, S3BucketPolicy]:
        # Bucket names are global.
        self._trail_bucket = f"{self._name}-{self._account_id}"
        bucket, public_access_block = log_bucket(
            self,
            self._trail_bucket,
            key,
            prefix="AWSLogs/",
            days=props.trail_retention_days,
            force_destroy=props.removal_reason is not None,
        )
        everything = [bucket.arn, f"{bucket.arn}/*"]
        policy = S3BucketPolicy(
            self,
            "bucket-policy",
            bucket=bucket.id,
            policy=document(
                self,
                "bucket-access",
                _deny(everything, ("Bool", "aws:SecureTransport", "false")),
                _deny(everything, ("ArnEquals", "aws:PrincipalArn", self._astronomer)),
                _allow("Service", CLOUDTRAIL, ["s3:GetBucketAcl"], [bucket.arn], of_trail),
                _allow(
                    "Service",
                    CLOUDTRAIL,
                    ["s3:PutObject"],
                    [f"{bucket.arn}/AWSLogs/{self._account_id}/*"],
                    of_trail,
                    ("StringEquals", "s3:x-amz-acl", "bucket-owner-full-control"),
                ),
            ),
            # S3 refuses two simultaneous changes of a bucket's access settings.
            depends_on=[public_access_block],
        )
        return bucket, policy

    def _delivery_role(self, stream: str) -> tuple[IamRole, IamRolePolicy]:
        """Create the role that CloudTrail assumes to write its log streams, whose ARNs begin with `stream`.

        Its trust policy has no condition on the trail, because CloudTrail sends neither aws:SourceArn nor
        aws:SourceAccount (CloudTrail user guide, role policy document for CloudWatch Logs).
        """
        role = IamRole(
            self,
            "delivery-role",
            name=f"{self._name}-delivery",
            description="CloudTrail writes its events to the log group",
            assume_role_policy=document(
                self, "delivery-trust", _allow("Service", CLOUDTRAIL, ["sts:AssumeRole"], None)
            ),
            # Astronomer's policy denies itself the deletion of roles with this tag (facts A4).
            tags={"customeraudit": "TRUE"},
        )
        permissions = IamRolePolicy(
            self,
            "delivery-policy",
            name="write-log-streams",
            role=role.id,
            policy=document(
                self,
                "delivery-permissions",
                statement(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{stream}{self._region}*"]),
            ),
        )
        return role, permissions

    def _topic(self, props: PolicyAlarmProps) -> str:
        """Create a topic that only this alarm and its rules may publish to. Return its ARN."""
        of_alarm = (
            ("ArnEquals", "aws:SourceArn", self._arn("cloudwatch", f"alarm:{self._name}")),
            ("StringEquals", "aws:SourceAccount", self._account_id),
        )
        # Not alias/aws/sns: its policy allows no alarm, and AWS lets nobody change it. The alarm could not notify.
        key = self._key(
            "topic-key",
            "Notifications of changes to Astronomer's access",
            _allow("Service", CLOUDWATCH, ["kms:Decrypt", *DATA_KEYS], ["*"], *of_alarm),
            # EventBridge sends KMS neither aws:SourceArn nor aws:SourceAccount (SNS developer guide, "Enabling
            # compatibility between event sources from AWS services and encrypted topics").
            _allow(
                "Service",
                EVENTBRIDGE,
                ["kms:Decrypt", *DATA_KEYS],
                ["*"],
                ("StringEquals", "kms:EncryptionContext:aws:sns:topicArn", self._arn("sns", self._name)),
            ),
        )
        rules = [self._arn("events", f"rule/{self._name}-{rule}") for rule in ("access", "itself", "storage")]
        topic = SnsTopic(self, "topic", name=self._name, kms_master_key_id=key.arn)
        SnsTopicPolicy(
            self,
            "topic-policy",
            arn=topic.arn,
            policy=document(
                self,
                "topic-access",
                _allow("Service", CLOUDWATCH, ["sns:Publish"], [topic.arn], *of_alarm),
                _allow("Service", EVENTBRIDGE, ["sns:Publish"], [topic.arn], ("ArnEquals", "aws:SourceArn", rules)),
            ),
        )
        for name, endpoint in props.subscribers.items():
            self._subscriptions[name] = SnsTopicSubscription(
                self,
                construct_id("subscription", name),
                topic_arn=topic.arn,
                protocol="https" if endpoint.startswith("https://") else "email",
                endpoint=endpoint,
            )
        return topic.arn

    def _key(self, id_: str, description: str, *statements: Statement) -> KmsKey:
        """Create a key that the account's IAM policies but Astronomer's administer; services use `statements`."""
        root = f"arn:{self._partition}:iam::{self._account_id}:root"
        administered = _allow("AWS", root, ["kms:*"], ["*"], ("ArnNotEquals", "aws:PrincipalArn", self._astronomer))
        key = KmsKey(
            self,
            id_,
            description=description,
            enable_key_rotation=True,
            deletion_window_in_days=30,
            policy=document(self, f"{id_}-access", administered, *statements),
        )
        self._keys.append(key)
        return key

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{self._partition}:{service}:{self._region}:{self._account_id}:{resource}"


class EventForwarder(Construct):
    """Sends IAM's events from their only region to an alarm in another region."""

    def __init__(self, scope: Construct, id_: str, *, name: str, account_id: str, region: str) -> None:
        super().__init__(scope, id_)
        aws = partition(region)
        # A disabled rule cannot report that it was disabled, so a second one does.
        rules = {"": f"{name}-forward", "guard-": f"{name}-guard"}
        bus = f"arn:{aws}:events:{region}:{account_id}:event-bus/default"
        role = IamRole(
            self,
            "role",
            name=f"{name}-forward",
            description="EventBridge sends IAM's events to the region of the alarm",
            assume_role_policy=document(
                self,
                "trust",
                _allow(
                    "Service",
                    EVENTBRIDGE,
                    ["sts:AssumeRole"],
                    None,
                    (
                        "ArnEquals",
                        "aws:SourceArn",
                        [f"arn:{aws}:events:{IAM_REGION}:{account_id}:rule/{rule}" for rule in rules.values()],
                    ),
                    ("StringEquals", "aws:SourceAccount", account_id),
                ),
            ),
            tags={"customeraudit": "TRUE"},
        )
        IamRolePolicy(
            self,
            "policy",
            name="put-events",
            role=role.id,
            policy=document(self, "permissions", statement(["events:PutEvents"], [bus])),
        )
        patterns = {"": changes_in_iam(f"arn:{aws}:iam::{account_id}:", name), "guard-": changes_of_rules(name)}
        for prefix, pattern in patterns.items():
            rule = _rule(self, f"{prefix}rule", rules[prefix], pattern)
            CloudwatchEventTarget(self, f"{prefix}target", rule=rule.name, target_id="bus", arn=bus, role_arn=role.arn)
        self.handoff: dict[str, object] = {"rule": rules[""]}


def _rule(scope: Construct, id_: str, name: str, pattern: Pattern) -> CloudwatchEventRule:
    return CloudwatchEventRule(
        scope,
        id_,
        name=name,
        description="Changes of Astronomer's access, and of the alarm on them",
        event_pattern=json.dumps(pattern, separators=(",", ":")),
    )


def _allow(
    kind: Literal["AWS", "Service"],
    principal: str,
    actions: list[str],
    resources: list[str] | None,
    *conditions: Condition,
) -> Statement:
    return statement(actions, resources, *conditions, principals=(kind, [principal]), effect="Allow")


def _deny(resources: list[str], condition: Condition) -> Statement:
    return statement(["s3:*"], resources, condition, principals=("AWS", ["*"]), effect="Deny")
