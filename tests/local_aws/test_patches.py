"""The patches of moto 5.2.5: for each patch, a test fails if the patch is removed."""

# pyright: reportMissingParameterType=false

import itertools
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws

ASTRO = "406882777402"
ACCOUNTS = (f"{number:012}" for number in itertools.count(111111111111))
ISOLATED = {"DefaultRouteTableAssociation": "disable", "DefaultRouteTablePropagation": "disable"}
VCPUS = {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}
VPCS = {"ServiceCode": "vpc", "QuotaCode": "L-F678F1CE"}
ALLOWS = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
DOCUMENT = '{"Version": "2012-10-17", "Statement": []}'


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.fixture
def account() -> str:
    """Return a separate account for each test."""
    return next(ACCOUNTS)


@pytest.fixture
def stranger() -> str:
    return next(ACCOUNTS)


@pytest.fixture
def ec2(aws, account) -> Any:
    return aws.client("ec2", account=account)


@pytest.fixture
def vpc(ec2) -> str:
    return ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]


@pytest.fixture
def subnet(ec2, vpc) -> str:
    return ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.0.0/24")["Subnet"]["SubnetId"]


def tags_for(kind: str, **tags: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def error_code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return refused.value.response["Error"]["Code"]


class TestIam:
    def test_an_update_of_a_role_keeps_its_description(self, aws, account):
        iam = aws.client("iam", account=account)
        iam.create_role(RoleName="role", AssumeRolePolicyDocument=DOCUMENT, Description="kept")
        iam.update_role(RoleName="role", MaxSessionDuration=7200)
        role = iam.get_role(RoleName="role")["Role"]
        assert (role["Description"], role["MaxSessionDuration"]) == ("kept", 7200)

    def test_the_tokens_of_the_global_endpoint_can_be_chosen(self, aws, account):
        iam = aws.client("iam", account=account)

        def version() -> int:
            return iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"]

        before = version()
        iam.set_security_token_service_preferences(GlobalEndpointTokenVersion="v2Token")
        assert (before, version()) == (1, 2)

    @pytest.mark.parametrize("partition", ["aws", "aws-cn"])
    def test_a_trust_policy_names_principals_of_its_partition(self, aws, account, partition):
        iam = aws.client("iam", account=account)
        principal = {"AWS": [f"arn:{partition}:iam::{ASTRO}:root"]}
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.create_role(RoleName="other", AssumeRolePolicyDocument=DOCUMENT)

        def code(operation: str, name: str, document: str) -> str:
            named = {"create_role": "AssumeRolePolicyDocument", "update_assume_role_policy": "PolicyDocument"}
            try:
                getattr(iam, operation)(RoleName=name, **{named[operation]: document})
            except ClientError as error:
                return error.response["Error"]["Code"]
            return "done"

        codes = {code("create_role", "role", trust), code("update_assume_role_policy", "other", trust)}
        assert codes == {"done" if partition == "aws" else "MalformedPolicyDocument"}

    def test_tag_keys_that_differ_only_in_case_are_refused(self, aws, account):
        iam = aws.client("iam", account=account)
        tags = [{"Key": key, "Value": "us"} for key in ("owner", "Owner")]
        for create, arguments in (
            (iam.create_role, {"RoleName": "role", "AssumeRolePolicyDocument": DOCUMENT}),
            (iam.create_policy, {"PolicyName": "policy", "PolicyDocument": ALLOWS}),
        ):
            with pytest.raises(ClientError) as refused:
                create(**arguments, Tags=tags)
            assert error_code(refused) == "InvalidInput"

    def test_a_role_shows_when_it_was_last_used(self, aws, account):
        iam = aws.client("iam", account=account)
        arn = iam.create_role(RoleName="role", AssumeRolePolicyDocument=DOCUMENT)["Role"]["Arn"]
        before = iam.get_role(RoleName="role")["Role"]["RoleLastUsed"]
        aws.pass_time(hours=1)
        aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="astronomer")
        after = iam.get_role(RoleName="role")["Role"]["RoleLastUsed"]
        assert (before, after["Region"], after["LastUsedDate"] > datetime.now(UTC)) == ({}, "us-east-1", True)


class TestSns:
    ADDRESS = "security@acme.example"

    @pytest.fixture
    def sns(self, aws, account) -> Any:
        return aws.client("sns", account)

    @pytest.fixture
    def topic(self, sns) -> str:
        return sns.create_topic(Name="pages")["TopicArn"]

    def subscribe(self, sns, topic) -> str:
        return sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=self.ADDRESS, ReturnSubscriptionArn=True)[
            "SubscriptionArn"
        ]

    def listed(self, sns, topic) -> list[str]:
        answers = sns.list_subscriptions(), sns.list_subscriptions_by_topic(TopicArn=topic)
        assert answers[0]["Subscriptions"] == answers[1]["Subscriptions"]
        return [one["SubscriptionArn"] for one in answers[0]["Subscriptions"]]

    def test_an_address_is_pending_until_it_confirms(self, sns, topic):
        arn = self.subscribe(sns, topic)
        seen = [self.listed(sns, topic), self.subscribe(sns, topic)]
        with pytest.raises(ClientError) as refused:
            sns.unsubscribe(SubscriptionArn=arn)
        assert error_code(refused) == "InvalidParameter"
        sns.confirm_subscription(TopicArn=topic, Token=self.ADDRESS)
        seen += [self.listed(sns, topic)]
        pending = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"]
        sns.unsubscribe(SubscriptionArn=arn)
        assert [*seen, pending, self.listed(sns, topic)] == [["PendingConfirmation"], arn, [arn], "false", []]

    def test_an_unconfirmed_subscription_is_dropped(self, aws, sns, topic):
        arn = self.subscribe(sns, topic)
        aws.pass_time(days=3)
        with pytest.raises(ClientError) as refused:
            sns.get_subscription_attributes(SubscriptionArn=arn)
        with pytest.raises(ClientError) as late:
            sns.confirm_subscription(TopicArn=topic, Token=self.ADDRESS)
        assert (self.listed(sns, topic), error_code(refused), error_code(late)) == ([], "NotFound", "InvalidParameter")


class TestLogs:
    def test_a_metric_filter_that_is_put_again_is_replaced(self, aws, account):
        logs = aws.client("logs", account=account)
        logs.create_log_group(logGroupName="trail")
        transformation = {"metricName": "changes", "metricNamespace": "astro", "metricValue": "1"}
        for name, pattern in [("changes", "{ $.a = 1 }"), ("other", "{ $.o = 1 }"), ("changes", "{ $.a = 2 }")]:
            logs.put_metric_filter(
                logGroupName="trail", filterName=name, filterPattern=pattern, metricTransformations=[transformation]
            )
        filters = logs.describe_metric_filters(logGroupName="trail")["metricFilters"]
        assert {(f["filterName"], f["filterPattern"]) for f in filters} == {
            ("changes", "{ $.a = 2 }"),
            ("other", "{ $.o = 1 }"),
        }
        assert len(filters) == 2

    def test_a_log_group_changes_its_key(self, aws, account):
        logs, kms = aws.client("logs", account=account), aws.client("kms", account=account)
        key = kms.create_key()["KeyMetadata"]
        logs.create_log_group(logGroupName="vpn")

        def keys() -> list[str | None]:
            return [group.get("kmsKeyId") for group in logs.describe_log_groups()["logGroups"]]

        logs.associate_kms_key(logGroupName="vpn", kmsKeyId=key["Arn"])
        with_key = keys()
        logs.disassociate_kms_key(logGroupName="vpn")
        assert (with_key, keys()) == ([key["Arn"]], [None])
        kms.disable_key(KeyId=key["KeyId"])
        with pytest.raises(ClientError) as refused:
            logs.associate_kms_key(logGroupName="vpn", kmsKeyId=key["Arn"])
        assert (error_code(refused), keys()) == ("InvalidParameterException", [None])


class TestS3:
    def test_a_lifecycle_rule_keeps_its_number_of_old_versions(self, aws, account):
        s3 = aws.client("s3", account=account)
        s3.create_bucket(Bucket="keeps-versions")
        whole = {"Status": "Enabled", "Filter": {"Prefix": ""}}
        rules = [
            whole | {"ID": "ten", "NoncurrentVersionExpiration": {"NoncurrentDays": 90, "NewerNoncurrentVersions": 10}},
            whole | {"ID": "none", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}},
            whole | {"ID": "current", "Expiration": {"Days": 1}},
        ]
        s3.put_bucket_lifecycle_configuration(Bucket="keeps-versions", LifecycleConfiguration={"Rules": rules})
        assert s3.get_bucket_lifecycle_configuration(Bucket="keeps-versions")["Rules"] == rules


class TestCloudWatch:
    """The alarm from an event in a log group to its subscriber; tests/deploy/test_alarm.py tests the whole path."""

    @pytest.fixture
    def queue(self, aws, account) -> str:
        """Receives the messages of the alarm's topic."""
        sns, sqs = aws.client("sns", account), aws.client("sqs", account)
        url = sqs.create_queue(QueueName="pages")["QueueUrl"]
        topic = sns.create_topic(Name="pages")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{account}:pages")
        aws.client("cloudwatch", account).put_metric_alarm(
            AlarmName="changes",
            Namespace="astro",
            MetricName="changes",
            Statistic="Sum",
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            Threshold=2,
            Period=300,
            EvaluationPeriods=1,
            AlarmActions=[topic],
        )
        return url

    def heard(self, aws, account, queue) -> list[str]:
        messages = aws.client("sqs", account).receive_message(QueueUrl=queue).get("Messages", [])
        return [json.loads(json.loads(each["Body"])["Message"])["NewStateValue"] for each in messages]

    def test_a_metric_filter_counts_matches_or_sends_its_default(self, aws, account):
        logs, cloudwatch = aws.client("logs", account), aws.client("cloudwatch", account)
        for group in ("trail", "other"):
            logs.create_log_group(logGroupName=group)
            logs.create_log_stream(logGroupName=group, logStreamName="all")
        transformation = {"metricName": "changes", "metricNamespace": "astro", "metricValue": "1", "defaultValue": 0}
        logs.put_metric_filter(
            logGroupName="trail",
            filterName="changes",
            filterPattern="{ $.a = 1 }",
            metricTransformations=[transformation],
        )
        now = datetime.now(UTC)
        for group, numbers in (("trail", [1, 2, 1]), ("trail", [3]), ("other", [1])):
            events = [{"timestamp": int(now.timestamp() * 1000), "message": json.dumps({"a": n})} for n in numbers]
            logs.put_log_events(logGroupName=group, logStreamName="all", logEvents=events)
        [counted] = cloudwatch.get_metric_statistics(
            Namespace="astro",
            MetricName="changes",
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=3600,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        assert (counted["Sum"], counted["SampleCount"]) == (2, 3)

    def test_an_alarm_notifies_its_topic_once_at_the_threshold(self, aws, account, queue):
        cloudwatch = aws.client("cloudwatch", account)
        told = []
        for _ in range(3):
            cloudwatch.put_metric_data(Namespace="astro", MetricData=[{"MetricName": "changes", "Value": 1}])
            cloudwatch.put_metric_data(Namespace="other", MetricData=[{"MetricName": "changes", "Value": 9}])
            told.append(self.heard(aws, account, queue))
        assert told == [[], ["ALARM"], []]

    def test_an_alarm_with_disabled_actions_notifies_no_one(self, aws, account, queue):
        cloudwatch = aws.client("cloudwatch", account)
        cloudwatch.disable_alarm_actions(AlarmNames=["changes"])
        cloudwatch.set_alarm_state(AlarmName="changes", StateValue="ALARM", StateReason="test")
        assert self.heard(aws, account, queue) == []


class TestCloudTrail:
    @pytest.mark.parametrize("name", ["trail", "arn:aws:cloudtrail:us-east-1:{account}:trail/trail"])
    def test_a_trail_is_deleted_by_its_name_and_by_its_arn(self, aws, account, name):
        trails = aws.client("cloudtrail", account=account)
        aws.client("s3", account=account).create_bucket(Bucket=f"trail-{account}")
        trails.create_trail(Name="trail", S3BucketName=f"trail-{account}")
        trails.delete_trail(Name=name.format(account=account))
        assert trails.describe_trails()["trailList"] == []

    def test_a_missing_trail_cannot_be_deleted(self, aws, account):
        with pytest.raises(ClientError) as refused:
            aws.client("cloudtrail", account=account).delete_trail(Name="trail")
        assert error_code(refused) == "TrailNotFoundException"


class TestAccount:
    def test_a_region_is_enabled_and_disabled(self, aws, account):
        client = aws.client("account", account=account)

        def status(region: str) -> str:
            return client.get_region_opt_status(RegionName=region)["RegionOptStatus"]

        seen = [status("us-east-1"), status("me-south-1")]
        client.enable_region(RegionName="me-south-1")
        seen.append(status("me-south-1"))
        client.disable_region(RegionName="me-south-1")
        seen.append(status("me-south-1"))
        assert seen == ["ENABLED_BY_DEFAULT", "DISABLED", "ENABLED", "DISABLED"]

    def test_an_account_can_act_for_another(self, aws, account, stranger):
        aws.client("account", account=account).enable_region(RegionName="me-south-1", AccountId=stranger)
        for who, expected in ((stranger, "ENABLED"), (account, "DISABLED")):
            answer = aws.client("account", account=who).get_region_opt_status(RegionName="me-south-1")
            assert answer == {**answer, "RegionName": "me-south-1", "RegionOptStatus": expected}


class TestCloudFormation:
    def test_a_stack_is_found_by_its_resources(self, aws, account):
        stacks = aws.client("cloudformation", account=account)
        topics = {kind: {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": kind}} for kind in ("One", "Two")}
        for name, topic in topics.items():
            stacks.create_stack(StackName=f"Stack{name}", TemplateBody=json.dumps({"Resources": {"Topic": topic}}))
        arn = f"arn:aws:sns:us-east-1:{account}:Two"
        found = stacks.describe_stack_resources(PhysicalResourceId=arn)["StackResources"]
        assert [(one["StackName"], one["PhysicalResourceId"]) for one in found] == [("StackTwo", arn)]
        with pytest.raises(ClientError) as refused:
            stacks.describe_stack_resources(PhysicalResourceId="another")
        assert error_code(refused) == "ValidationError"


class TestServiceQuotas:
    def test_an_increase_is_pending_then_granted(self, aws, account):
        quotas = aws.client("service-quotas", account=account)

        def value(quota: dict[str, str]) -> float:
            return quotas.get_service_quota(**quota)["Quota"]["Value"]

        request = quotas.request_service_quota_increase(**VCPUS, DesiredValue=40)["RequestedQuota"]
        assert (request["Status"], request["DesiredValue"]) == ("PENDING", 40)
        assert (value(VCPUS), value(VPCS)) == (5, 5)
        aws.pass_time(hours=2)
        assert (value(VCPUS), value(VPCS)) == (40, 5)
        default = quotas.get_aws_default_service_quota(**VCPUS)["Quota"]
        assert (default["Value"], default["Adjustable"]) == (5, True)
        granted = {**request, "Status": "APPROVED"}
        assert quotas.get_requested_service_quota_change(RequestId=request["Id"])["RequestedQuota"] == granted
        history = quotas.list_requested_service_quota_change_history_by_quota(**VCPUS)["RequestedQuotas"]
        assert history == [granted]
        history = quotas.list_requested_service_quota_change_history_by_quota(**VPCS)["RequestedQuotas"]
        assert history == []

    def test_a_second_request_and_a_decrease_are_refused(self, aws, account):
        quotas = aws.client("service-quotas", account=account)

        def ask(value: float) -> str:
            try:
                return quotas.request_service_quota_increase(**VCPUS, DesiredValue=value)["RequestedQuota"]["Status"]
            except ClientError as error:
                return error.response["Error"]["Code"]

        pending = [ask(5), ask(40), ask(50)]
        aws.pass_time(hours=2)
        assert [*pending, ask(40), ask(50)] == [
            "IllegalArgumentException",
            "PENDING",
            "ResourceAlreadyExistsException",
            "IllegalArgumentException",
            "PENDING",
        ]

    def test_an_unknown_request_is_not_found(self, aws, account):
        with pytest.raises(ClientError) as refused:
            aws.client("service-quotas", account=account).get_requested_service_quota_change(RequestId="no")
        assert error_code(refused) == "NoSuchResourceException"


class TestRoute53:
    @pytest.fixture
    def zone(self, aws, account, vpc) -> str:
        """Create a zone as the AWS provider does: with a VPC, and without PrivateZone."""
        return aws.client("route53", account=account).create_hosted_zone(
            Name="corp.example", CallerReference="once", VPC={"VPCRegion": "us-east-1", "VPCId": vpc}
        )["HostedZone"]["Id"]

    def test_a_zone_with_a_vpc_is_private(self, aws, account, vpc, zone):
        answer = aws.client("route53", account=account).get_hosted_zone(Id=zone)
        assert answer["HostedZone"]["Config"]["PrivateZone"] is True
        assert answer["VPCs"] == [{"VPCRegion": "us-east-1", "VPCId": vpc}]

    def test_another_account_associates_its_vpc_once_authorized(self, aws, account, stranger, vpc, zone):
        ours, theirs = (aws.client("route53", account=who) for who in (account, stranger))
        their_vpc = aws.client("ec2", account=stranger).create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
        asked = {
            "HostedZoneId": zone.removeprefix("/hostedzone/"),
            "VPC": {"VPCRegion": "us-east-1", "VPCId": their_vpc},
        }
        ours.create_vpc_association_authorization(**asked)
        assert ours.list_vpc_association_authorizations(HostedZoneId=asked["HostedZoneId"])["VPCs"] == [asked["VPC"]]
        theirs.associate_vpc_with_hosted_zone(**asked)
        ours.delete_vpc_association_authorization(**asked)
        assert ours.list_vpc_association_authorizations(HostedZoneId=asked["HostedZoneId"])["VPCs"] == []
        assert [each["VPCId"] for each in ours.get_hosted_zone(Id=zone)["VPCs"]] == [vpc, their_vpc]
        [found] = theirs.list_hosted_zones_by_vpc(VPCId=their_vpc, VPCRegion="us-east-1")["HostedZoneSummaries"]
        assert (found["Name"], found["Owner"]) == ("corp.example.", {"OwningAccount": account})
        theirs.disassociate_vpc_from_hosted_zone(**asked)
        assert [each["VPCId"] for each in ours.get_hosted_zone(Id=zone)["VPCs"]] == [vpc]

    def test_an_account_associates_only_its_own_authorized_vpcs(self, aws, account, stranger, vpc, zone):
        ours, theirs = (aws.client("route53", account=who) for who in (account, stranger))
        their_vpc = aws.client("ec2", account=stranger).create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
        zone_id = zone.removeprefix("/hostedzone/")
        codes = []
        for client, vpc_id in ((theirs, their_vpc), (theirs, vpc), (ours, their_vpc)):
            with pytest.raises(ClientError) as refused:
                client.associate_vpc_with_hosted_zone(
                    HostedZoneId=zone_id, VPC={"VPCRegion": "us-east-1", "VPCId": vpc_id}
                )
            codes.append(error_code(refused))
        assert codes == ["NotAuthorizedException", "InvalidVPCId", "InvalidVPCId"]
        assert [each["VPCId"] for each in ours.get_hosted_zone(Id=zone)["VPCs"]] == [vpc]

    def test_a_public_zone_takes_no_vpc(self, aws, account, vpc):
        route53 = aws.client("route53", account=account)
        zone = route53.create_hosted_zone(Name="acme.example", CallerReference="once")["HostedZone"]["Id"]
        with pytest.raises(ClientError) as refused:
            route53.create_vpc_association_authorization(
                HostedZoneId=zone, VPC={"VPCRegion": "us-east-1", "VPCId": vpc}
            )
        assert error_code(refused) == "InvalidInput"


class TestRam:
    @pytest.fixture
    def hub(self, ec2) -> str:
        return ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayArn"]

    @pytest.fixture
    def ours(self, aws, account) -> Any:
        return aws.client("ram", account=account)

    @pytest.fixture
    def theirs(self, aws, stranger) -> Any:
        return aws.client("ram", account=stranger)

    @pytest.fixture
    def share(self, ours) -> str:
        return ours.create_resource_share(name="hub", tags=[{"key": "owner", "value": "us"}])["resourceShare"][
            "resourceShareArn"
        ]

    def test_a_share_is_found_by_name_arn_and_status_with_tags(self, ours, share):
        ours.create_resource_share(name="other")
        for asked in ({"name": "hub"}, {"resourceShareArns": [share]}):
            [found] = ours.get_resource_shares(resourceOwner="SELF", **asked)["resourceShares"]
            assert (found["resourceShareArn"], found["tags"]) == (share, [{"key": "owner", "value": "us"}])
        ours.delete_resource_share(resourceShareArn=share)
        live = ours.get_resource_shares(resourceOwner="SELF", resourceShareStatus="ACTIVE")["resourceShares"]
        assert [each["name"] for each in live] == ["other"]

    def test_tags_of_a_share_change(self, ours, share):
        ours.tag_resource(resourceShareArn=share, tags=[{"key": "stage", "value": "prod"}])
        ours.untag_resource(resourceShareArn=share, tagKeys=["owner"])
        [found] = ours.get_resource_shares(resourceOwner="SELF")["resourceShares"]
        assert found["tags"] == [{"key": "stage", "value": "prod"}]

    def test_an_account_sees_a_share_after_accepting_the_invitation(self, ours, theirs, share, hub, stranger):
        ours.associate_resource_share(resourceShareArn=share, resourceArns=[hub], principals=[stranger])
        assert theirs.get_resource_shares(resourceOwner="OTHER-ACCOUNTS")["resourceShares"] == []
        [invitation] = theirs.get_resource_share_invitations()["resourceShareInvitations"]
        assert (invitation["resourceShareName"], invitation["status"]) == ("hub", "PENDING")
        arn = invitation["resourceShareInvitationArn"]
        theirs.accept_resource_share_invitation(resourceShareInvitationArn=arn)
        [found] = theirs.get_resource_shares(resourceOwner="OTHER-ACCOUNTS")["resourceShares"]
        assert found["resourceShareArn"] == share
        [resource] = theirs.list_resources(resourceOwner="OTHER-ACCOUNTS", resourceShareArns=[share])["resources"]
        assert (resource["arn"], resource["type"]) == (hub, "ec2:transit-gateway")
        assert theirs.get_resource_shares(resourceOwner="SELF")["resourceShares"] == []
        assert ours.get_resource_shares(resourceOwner="OTHER-ACCOUNTS")["resourceShares"] == []

    def test_an_invitation_is_for_its_account_alone(self, ours, theirs, aws, share, stranger):
        ours.associate_resource_share(resourceShareArn=share, principals=[stranger])
        [invitation] = theirs.get_resource_share_invitations(resourceShareArns=[share])["resourceShareInvitations"]
        arn = invitation["resourceShareInvitationArn"]
        other = aws.client("ram", account=next(ACCOUNTS))
        assert other.get_resource_share_invitations()["resourceShareInvitations"] == []
        with pytest.raises(ClientError) as refused:
            other.accept_resource_share_invitation(resourceShareInvitationArn=arn)
        assert error_code(refused) == "ResourceShareInvitationArnNotFoundException"

    def test_principals_named_at_creation_are_invited(self, ours, theirs, stranger):
        ours.create_resource_share(name="at once", principals=[stranger])
        [invitation] = theirs.get_resource_share_invitations()["resourceShareInvitations"]
        assert invitation["resourceShareName"] == "at once"

    def test_principals_of_a_share_can_be_added_and_removed(self, ours, share, hub, stranger):
        def entities(kind: str) -> list[str]:
            answer = ours.get_resource_share_associations(associationType=kind, resourceShareArns=[share])
            return [each["associatedEntity"] for each in answer["resourceShareAssociations"]]

        made = ours.associate_resource_share(resourceShareArn=share, resourceArns=[hub], principals=[stranger])
        assert [
            (each["associatedEntity"], each["associationType"], each["status"], each["external"])
            for each in made["resourceShareAssociations"]
        ] == [(hub, "RESOURCE", "ASSOCIATED", False), (stranger, "PRINCIPAL", "ASSOCIATING", True)]
        assert (entities("RESOURCE"), entities("PRINCIPAL")) == ([hub], [stranger])
        ended = ours.disassociate_resource_share(resourceShareArn=share, principals=[stranger])
        assert [each["status"] for each in ended["resourceShareAssociations"]] == ["DISASSOCIATED"]
        assert (entities("RESOURCE"), entities("PRINCIPAL")) == ([hub], [])
        ours.delete_resource_share(resourceShareArn=share)
        assert entities("RESOURCE") == []

    def test_an_account_that_does_not_answer_is_disassociated(self, aws, account, ours, theirs, share, hub, stranger):
        group = f"arn:aws:resource-groups:us-east-1:{account}:group/astro"
        soon = ours.create_resource_share(name="group", resourceArns=[group], principals=[stranger])["resourceShare"]
        ours.associate_resource_share(resourceShareArn=share, resourceArns=[hub], principals=[stranger])

        def status(arn: str) -> list[str]:
            answer = ours.get_resource_share_associations(associationType="PRINCIPAL", resourceShareArns=[arn])
            return [each["status"] for each in answer["resourceShareAssociations"]]

        def both() -> list[str]:
            return status(share) + status(soon["resourceShareArn"])

        seen = [both()]
        aws.pass_time(hours=13)
        seen.append(both())
        aws.pass_time(days=7)
        seen.append(both())
        [invitation] = theirs.get_resource_share_invitations(resourceShareArns=[share])["resourceShareInvitations"]
        with pytest.raises(ClientError) as refused:
            theirs.accept_resource_share_invitation(resourceShareInvitationArn=invitation["resourceShareInvitationArn"])
        ours.associate_resource_share(resourceShareArn=share, principals=[stranger])
        assert (invitation["status"], error_code(refused)) == ("EXPIRED", "ResourceShareInvitationExpiredException")
        assert [*seen, status(share)] == [
            ["ASSOCIATING", "ASSOCIATING"],
            ["ASSOCIATING", "DISASSOCIATED"],
            ["DISASSOCIATED", "DISASSOCIATED"],
            ["ASSOCIATING"],
        ]

    def test_an_invitation_is_answered_once(self, ours, theirs, share, stranger):
        ours.associate_resource_share(resourceShareArn=share, principals=[stranger])
        [invitation] = theirs.get_resource_share_invitations()["resourceShareInvitations"]
        arn = invitation["resourceShareInvitationArn"]
        theirs.reject_resource_share_invitation(resourceShareInvitationArn=arn)
        with pytest.raises(ClientError) as refused:
            theirs.accept_resource_share_invitation(resourceShareInvitationArn=arn)
        [association] = ours.get_resource_share_associations(
            associationType="PRINCIPAL", resourceShareArns=[share], associationStatus="DISASSOCIATED"
        )["resourceShareAssociations"]
        assert error_code(refused) == "ResourceShareInvitationAlreadyRejectedException"
        assert association["associatedEntity"] == stranger

    def test_an_account_shares_only_its_own_resources(self, theirs, hub):
        theirs_now = theirs.create_resource_share(name="theirs")["resourceShare"]["resourceShareArn"]
        refusals = []
        for asked in (
            lambda: theirs.create_resource_share(name="hub", resourceArns=[hub]),
            lambda: theirs.associate_resource_share(resourceShareArn=theirs_now, resourceArns=[hub]),
        ):
            with pytest.raises(ClientError) as refused:
                asked()
            refusals.append(error_code(refused))
        shares = theirs.get_resource_shares(resourceOwner="SELF")["resourceShares"]
        assert (refusals, [one["name"] for one in shares]) == (["OperationNotPermittedException"] * 2, ["theirs"])

    def test_a_share_has_no_customer_managed_permissions(self, ours, share):
        assert ours.list_resource_share_permissions(resourceShareArn=share)["permissions"] == []


def share_and_accept(aws: LocalAws, owner: str, receiver: str, arn: str) -> None:
    share = {"name": arn, "resourceArns": [arn], "principals": [receiver]}
    aws.client("ram", account=owner).create_resource_share(**share)
    theirs = aws.client("ram", account=receiver)
    for invitation in theirs.get_resource_share_invitations()["resourceShareInvitations"]:
        if invitation["status"] == "PENDING":
            theirs.accept_resource_share_invitation(resourceShareInvitationArn=invitation["resourceShareInvitationArn"])


class TestResolver:
    @pytest.fixture
    def rule(self, aws, account) -> dict[str, Any]:
        return aws.client("route53resolver", account=account).create_resolver_rule(
            CreatorRequestId="once",
            RuleType="FORWARD",
            DomainName="corp.example",
            Name="corp",
            TargetIps=[{"Ip": "10.0.0.53", "Port": 53}],
        )["ResolverRule"]

    def test_an_update_changes_only_the_given_fields_of_a_rule(self, aws, account, rule):
        resolver = aws.client("route53resolver", account=account)
        targets = [{"Ip": "10.0.0.54", "Port": 53}]
        resolver.update_resolver_rule(ResolverRuleId=rule["Id"], Config={"TargetIps": targets})
        found = resolver.get_resolver_rule(ResolverRuleId=rule["Id"])["ResolverRule"]
        assert (found["Name"], found["TargetIps"]) == ("corp", targets)

    def test_the_accepting_account_associates_a_shared_rule(self, aws, account, stranger, rule):
        theirs = aws.client("route53resolver", account=stranger)
        vpc = aws.client("ec2", account=stranger).create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
        with pytest.raises(ClientError) as refused:
            theirs.get_resolver_rule(ResolverRuleId=rule["Id"])
        assert error_code(refused) == "ResourceNotFoundException"
        share_and_accept(aws, account, stranger, rule["Arn"])
        assert theirs.get_resolver_rule(ResolverRuleId=rule["Id"])["ResolverRule"]["OwnerId"] == account
        theirs.associate_resolver_rule(ResolverRuleId=rule["Id"], VPCId=vpc)
        [found] = theirs.list_resolver_rule_associations()["ResolverRuleAssociations"]
        assert (found["ResolverRuleId"], found["VPCId"]) == (rule["Id"], vpc)
        theirs.disassociate_resolver_rule(ResolverRuleId=rule["Id"], VPCId=vpc)
        assert theirs.list_resolver_rule_associations()["ResolverRuleAssociations"] == []


class TestVpc:
    def test_the_default_network_acl_goes_with_its_vpc(self, ec2, vpc):
        def acls() -> list[str]:
            found = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]
            return [acl["NetworkAclId"] for acl in found]

        assert len(acls()) == 1
        ec2.delete_vpc(VpcId=vpc)
        assert acls() == []

    @pytest.mark.parametrize("user", ["interface", "instance", "nat", "endpoint", "balancer", "attachment"])
    def test_a_subnet_in_use_stays(self, aws, account, ec2, vpc, subnet, user):
        def delete() -> str:
            try:
                ec2.delete_subnet(SubnetId=subnet)
            except ClientError as error:
                return error.response["Error"]["Code"]
            return "deleted"

        if user == "interface":
            id_ = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
            leave = partial(ec2.delete_network_interface, NetworkInterfaceId=id_)
        elif user == "instance":
            image = ec2.register_image(Name="linux")["ImageId"]
            made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnet)["Instances"]
            leave = partial(ec2.terminate_instances, InstanceIds=[made[0]["InstanceId"]])
        elif user == "nat":
            made = ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]
            leave = partial(ec2.delete_nat_gateway, NatGatewayId=made["NatGatewayId"])
        elif user == "endpoint":
            service = {"ServiceName": "com.amazonaws.us-east-1.sts", "VpcEndpointType": "Interface"}
            made = ec2.create_vpc_endpoint(VpcId=vpc, SubnetIds=[subnet], **service)["VpcEndpoint"]
            leave = partial(ec2.delete_vpc_endpoints, VpcEndpointIds=[made["VpcEndpointId"]])
        elif user == "balancer":
            elb = aws.client("elbv2", account)
            [made] = elb.create_load_balancer(Name="balancer", Type="network", Subnets=[subnet])["LoadBalancers"]
            leave = partial(elb.delete_load_balancer, LoadBalancerArn=made["LoadBalancerArn"])
        else:
            hub = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
            made = ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=hub, VpcId=vpc, SubnetIds=[subnet])
            id_ = made["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
            leave = partial(ec2.delete_transit_gateway_vpc_attachment, TransitGatewayAttachmentId=id_)
        said = delete()
        leave()
        assert (said, delete()) == ("DependencyViolation", "deleted")

    @pytest.mark.parametrize("user", ["gateway", "group", "acl", "endpoint", "peering"])
    def test_a_vpc_in_use_stays(self, aws, stranger, ec2, vpc, user):
        def delete() -> str:
            try:
                ec2.delete_vpc(VpcId=vpc)
            except ClientError as error:
                return error.response["Error"]["Code"]
            return "deleted"

        if user == "gateway":
            id_ = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            ec2.attach_internet_gateway(InternetGatewayId=id_, VpcId=vpc)
            leave = partial(ec2.detach_internet_gateway, InternetGatewayId=id_, VpcId=vpc)
        elif user == "group":
            id_ = ec2.create_security_group(GroupName="db", Description="db", VpcId=vpc)["GroupId"]
            leave = partial(ec2.delete_security_group, GroupId=id_)
        elif user == "acl":
            id_ = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
            leave = partial(ec2.delete_network_acl, NetworkAclId=id_)
        elif user == "endpoint":
            made = ec2.create_vpc_endpoint(
                VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", VpcEndpointType="Gateway"
            )["VpcEndpoint"]
            leave = partial(ec2.delete_vpc_endpoints, VpcEndpointIds=[made["VpcEndpointId"]])
        else:
            theirs = aws.client("ec2", account=stranger)
            other = theirs.create_vpc(CidrBlock="172.20.0.0/20")["Vpc"]["VpcId"]
            made = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=other, PeerOwnerId=stranger)
            id_ = made["VpcPeeringConnection"]["VpcPeeringConnectionId"]
            theirs.accept_vpc_peering_connection(VpcPeeringConnectionId=id_)
            leave = partial(theirs.delete_vpc_peering_connection, VpcPeeringConnectionId=id_)
        said = delete()
        leave()
        assert (said, delete()) == ("DependencyViolation", "deleted")

    def test_the_network_interface_of_a_nat_gateway_goes_with_it(self, ec2, subnet):
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
        assert len(ec2.describe_network_interfaces()["NetworkInterfaces"]) == 1
        ec2.delete_nat_gateway(NatGatewayId=nat)
        assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
        ec2.release_address(AllocationId=address)

    def test_a_rule_that_names_a_prefix_list_keeps_its_description(self, ec2, vpc):
        list_id = ec2.create_managed_prefix_list(PrefixListName="astro", MaxEntries=5, AddressFamily="IPv4")[
            "PrefixList"
        ]["PrefixListId"]
        group = ec2.create_security_group(GroupName="api", Description="api", VpcId=vpc)["GroupId"]
        named = {"PrefixListId": list_id, "Description": "Astro"}
        permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [named]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
        rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
        [found] = [rule for rule in rules["SecurityGroupRules"] if not rule["IsEgress"]]
        assert (found["PrefixListId"], found["Description"]) == (list_id, "Astro")

    def test_a_prefix_list_is_not_resized_together_with_entries(self, ec2):
        list_id = ec2.create_managed_prefix_list(PrefixListName="astro", MaxEntries=5, AddressFamily="IPv4")[
            "PrefixList"
        ]["PrefixListId"]
        with pytest.raises(ClientError, match="InvalidParameterCombination"):
            ec2.modify_managed_prefix_list(
                PrefixListId=list_id, CurrentVersion=1, MaxEntries=9, AddEntries=[{"Cidr": "10.0.0.0/8"}]
            )
        ec2.modify_managed_prefix_list(PrefixListId=list_id, MaxEntries=9)
        [found] = ec2.describe_managed_prefix_lists(PrefixListIds=[list_id])["PrefixLists"]
        assert (found["MaxEntries"], found["PrefixListName"]) == (9, "astro")

    def test_one_request_cannot_replace_an_entry(self, ec2):
        entry = {"Cidr": "10.0.0.0/8", "Description": "prod"}
        list_id = ec2.create_managed_prefix_list(
            PrefixListName="astro", MaxEntries=5, AddressFamily="IPv4", Entries=[entry]
        )["PrefixList"]["PrefixListId"]
        removed, added = [{"Cidr": "10.0.0.0/8"}], [{**entry, "Description": "production"}]
        asked = {"PrefixListId": list_id, "CurrentVersion": 1}
        with pytest.raises(ClientError, match="in both AddPrefixListEntries and RemovePrefixListEntries"):
            ec2.modify_managed_prefix_list(**asked, AddEntries=added, RemoveEntries=removed)
        ec2.modify_managed_prefix_list(**asked, RemoveEntries=removed)
        ec2.modify_managed_prefix_list(**asked | {"CurrentVersion": 2}, AddEntries=added)
        assert ec2.get_managed_prefix_list_entries(PrefixListId=list_id)["Entries"] == added

    def test_a_prefix_list_keeps_its_name_when_its_entries_change(self, ec2):
        list_id = ec2.create_managed_prefix_list(PrefixListName="astro", MaxEntries=5, AddressFamily="IPv4")[
            "PrefixList"
        ]["PrefixListId"]
        ec2.modify_managed_prefix_list(
            PrefixListId=list_id, CurrentVersion=1, AddEntries=[{"Cidr": "172.20.0.0/20", "Description": "prod"}]
        )
        [found] = ec2.describe_managed_prefix_lists(PrefixListIds=[list_id])["PrefixLists"]
        entries = ec2.get_managed_prefix_list_entries(PrefixListId=list_id)["Entries"]
        assert found["PrefixListName"] == "astro"
        assert entries == [{"Cidr": "172.20.0.0/20", "Description": "prod"}]

    def test_dhcp_options_keep_the_tags_of_their_creation(self, ec2):
        made = ec2.create_dhcp_options(
            DhcpConfigurations=[{"Key": "domain-name", "Values": ["corp.example"]}],
            TagSpecifications=tags_for("dhcp-options", owner="us"),
        )["DhcpOptions"]
        [found] = ec2.describe_dhcp_options(DhcpOptionsIds=[made["DhcpOptionsId"]])["DhcpOptions"]
        assert found["Tags"] == made["Tags"] == [{"Key": "owner", "Value": "us"}]

    def test_a_vpn_gateway_propagates_into_enabled_route_tables(self, ec2, vpc):
        gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]

        def propagating() -> list[dict[str, str]]:
            return ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["PropagatingVgws"]

        before = propagating()
        for _ in range(2):
            ec2.enable_vgw_route_propagation(RouteTableId=table, GatewayId=gateway)
        during = propagating()
        ec2.disable_vgw_route_propagation(RouteTableId=table, GatewayId=gateway)
        assert [before, during, propagating()] == [[], [{"GatewayId": gateway}], []]

    def test_a_security_group_in_use_stays(self, aws, account, ec2, vpc, subnet):
        def new(name: str) -> str:
            return ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]

        def delete(group: str) -> str:
            try:
                ec2.delete_security_group(GroupId=group)
            except ClientError as error:
                return error.response["Error"]["Code"]
            return "deleted"

        groups = {name: new(name) for name in ("free", "interface", "endpoint", "balancer", "resolver", "named", "own")}
        ec2.create_network_interface(SubnetId=subnet, Groups=[groups["interface"]])
        endpoint = ec2.create_vpc_endpoint(
            VpcId=vpc,
            ServiceName="com.amazonaws.us-east-1.sts",
            VpcEndpointType="Interface",
            SubnetIds=[subnet],
            SecurityGroupIds=[groups["endpoint"]],
        )["VpcEndpoint"]["VpcEndpointId"]
        aws.client("elbv2", account).create_load_balancer(
            Name="balancer", Type="network", Subnets=[subnet], SecurityGroups=[groups["balancer"]]
        )
        aws.client("route53resolver", account).create_resolver_endpoint(
            CreatorRequestId="once",
            Direction="OUTBOUND",
            SecurityGroupIds=[groups["resolver"]],
            IpAddresses=[{"SubnetId": subnet}, {"SubnetId": subnet}],
        )
        for group, named in ((groups["interface"], groups["named"]), (groups["own"], groups["own"])):
            permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": named}]}
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
        said = {name: delete(group) for name, group in groups.items()}
        ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
        said["endpoint that is gone"] = delete(groups["endpoint"])
        free = ["free", "own", "endpoint that is gone"]
        assert said == {name: "deleted" if name in free else "DependencyViolation" for name in said}

    @pytest.mark.parametrize("direction", ["ingress", "egress"])
    def test_a_security_group_has_60_rules_and_a_list_counts_whole(self, ec2, vpc, direction):
        list_id = ec2.create_managed_prefix_list(PrefixListName="astro", MaxEntries=50, AddressFamily="IPv4")[
            "PrefixList"
        ]["PrefixListId"]
        group = ec2.create_security_group(GroupName="api", Description="api", VpcId=vpc)["GroupId"]
        # A new group has a rule for all outbound traffic.
        room = 10 if direction == "ingress" else 9
        authorize = getattr(ec2, f"authorize_security_group_{direction}")
        port = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
        ranges = [{"CidrIp": f"10.0.{number}.0/24"} for number in range(room + 1)]
        authorize(GroupId=group, IpPermissions=[port | {"PrefixListIds": [{"PrefixListId": list_id}]}])
        authorize(GroupId=group, IpPermissions=[port | {"IpRanges": ranges[:room]}])
        with pytest.raises(ClientError) as refused:
            authorize(GroupId=group, IpPermissions=[port | {"IpRanges": ranges[room:]}])
        rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
        found = [rule for rule in rules["SecurityGroupRules"] if rule["IsEgress"] == (direction == "egress")]
        assert (error_code(refused), len(found)) == ("RulesPerSecurityGroupLimitExceeded", 11)

    def test_a_gateway_endpoint_has_a_route_in_each_of_its_tables(self, ec2, vpc):
        first, second = (ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2))
        s3 = {"ServiceName": "com.amazonaws.us-east-1.s3", "VpcEndpointType": "Gateway"}
        id_ = ec2.create_vpc_endpoint(VpcId=vpc, **s3, RouteTableIds=[first])["VpcEndpoint"]["VpcEndpointId"]

        def routed() -> list[str]:
            tables = ec2.describe_route_tables(RouteTableIds=[first, second])["RouteTables"]
            return [t["RouteTableId"] for t in tables if any(r.get("GatewayId") == id_ for r in t["Routes"])]

        ec2.modify_vpc_endpoint(VpcEndpointId=id_, AddRouteTableIds=[second])
        both = routed()
        ec2.modify_vpc_endpoint(VpcEndpointId=id_, RemoveRouteTableIds=[first])
        one = routed()
        ec2.delete_vpc_endpoints(VpcEndpointIds=[id_])
        assert (sorted(both), one, routed()) == (sorted((first, second)), [second], [])

    def test_a_route_table_has_500_routes(self, ec2, vpc):
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)

        def route(number: int) -> None:
            cidr = f"100.64.{number // 256}.{number % 256}/32"
            ec2.create_route(RouteTableId=table, DestinationCidrBlock=cidr, GatewayId=gateway)

        # One of them belongs to the VPC.
        for number in range(499):
            route(number)
        with pytest.raises(ClientError) as refused:
            route(499)
        assert error_code(refused) == "RouteLimitExceeded"

    def test_a_route_is_a_blackhole_once_its_target_is_gone(self, aws, account, stranger, ec2, vpc, subnet):
        theirs = aws.client("ec2", stranger)
        their_vpc = theirs.create_vpc(CidrBlock="172.20.0.0/20")["Vpc"]["VpcId"]
        peering = theirs.create_vpc_peering_connection(VpcId=their_vpc, PeerVpcId=vpc, PeerOwnerId=account)[
            "VpcPeeringConnection"
        ]["VpcPeeringConnectionId"]
        vpn = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
        ec2.attach_vpn_gateway(VpnGatewayId=vpn, VpcId=vpc)
        internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=vpc)
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
        hub = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
        attachment = ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=hub, VpcId=vpc, SubnetIds=[subnet])[
            "TransitGatewayVpcAttachment"
        ]["TransitGatewayAttachmentId"]
        targets = {
            "10.1.0.0/16": {"VpcPeeringConnectionId": peering},
            "10.2.0.0/16": {"GatewayId": vpn},
            "10.3.0.0/16": {"GatewayId": internet},
            "10.4.0.0/16": {"NatGatewayId": nat},
            "10.5.0.0/16": {"TransitGatewayId": hub},
        }
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        for cidr, target in targets.items():
            ec2.create_route(RouteTableId=table, DestinationCidrBlock=cidr, **target)

        def blackholes() -> list[str]:
            [found] = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
            return [route["DestinationCidrBlock"] for route in found["Routes"] if route["State"] == "blackhole"]

        seen = [blackholes()]
        ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
        seen.append(blackholes())
        theirs.delete_vpc_peering_connection(VpcPeeringConnectionId=peering)
        ec2.detach_vpn_gateway(VpnGatewayId=vpn, VpcId=vpc)
        ec2.detach_internet_gateway(InternetGatewayId=internet, VpcId=vpc)
        ec2.delete_nat_gateway(NatGatewayId=nat)
        ec2.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment)
        assert [*seen, blackholes()] == [["10.1.0.0/16"], [], list(targets)]


class TestPeering:
    @pytest.fixture
    def astro(self, aws) -> Any:
        return aws.client("ec2", account=ASTRO)

    @pytest.fixture
    def requested(self, account, astro, vpc) -> dict[str, Any]:
        their_vpc = astro.create_vpc(CidrBlock="172.20.0.0/20")["Vpc"]["VpcId"]
        astro.associate_vpc_cidr_block(VpcId=their_vpc, CidrBlock="100.64.0.0/19")
        return astro.create_vpc_peering_connection(VpcId=their_vpc, PeerVpcId=vpc, PeerOwnerId=account)[
            "VpcPeeringConnection"
        ]

    def test_filters_find_one_connection_among_many(self, ec2, account, vpc, requested):
        other = ec2.create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
        ec2.create_vpc_peering_connection(VpcId=other, PeerVpcId=vpc)
        facts = {
            "requester-vpc-info.owner-id": ASTRO,
            "requester-vpc-info.vpc-id": requested["RequesterVpcInfo"]["VpcId"],
            "requester-vpc-info.cidr-block": "172.20.0.0/20",
            "accepter-vpc-info.owner-id": account,
            "accepter-vpc-info.vpc-id": vpc,
            "accepter-vpc-info.cidr-block": "10.20.0.0/16",
            "status-code": "pending-acceptance",
            "vpc-peering-connection-id": requested["VpcPeeringConnectionId"],
        }

        def found(**filters: str) -> list[str]:
            asked = [{"Name": name, "Values": [value]} for name, value in filters.items()]
            answer = ec2.describe_vpc_peering_connections(Filters=asked)["VpcPeeringConnections"]
            return [connection["VpcPeeringConnectionId"] for connection in answer]

        assert found(**facts) == [requested["VpcPeeringConnectionId"]]
        for name in facts:
            assert found(**{**facts, name: "another"}) == []
        assert len(found()) == 2

    def test_a_request_expires_after_seven_days(self, aws, ec2, requested):
        id_ = requested["VpcPeeringConnectionId"]

        def find() -> dict[str, Any]:
            return ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[id_])["VpcPeeringConnections"][0]

        before = find()["ExpirationTime"]
        aws.pass_time(days=6)
        assert (find()["Status"]["Code"], find()["ExpirationTime"]) == ("pending-acceptance", before)
        aws.pass_time(days=2)
        assert (find()["Status"]["Code"], "ExpirationTime" in find()) == ("expired", False)
        with pytest.raises(ClientError) as refused:
            ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=id_)
        assert error_code(refused) == "InvalidStateTransition"

    def test_each_side_returns_all_its_ranges(self, ec2, vpc, requested):
        ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.21.0.0/16")
        ids = [requested["VpcPeeringConnectionId"]]
        [found] = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=ids)["VpcPeeringConnections"]
        ranges = {side: [each["CidrBlock"] for each in found[side]["CidrBlockSet"]] for side in found if "Info" in side}
        assert ranges == {
            "RequesterVpcInfo": ["172.20.0.0/20", "100.64.0.0/19"],
            "AccepterVpcInfo": ["10.20.0.0/16", "10.21.0.0/16"],
        }

    def test_each_account_has_its_own_tags(self, ec2, astro, requested):
        id_ = requested["VpcPeeringConnectionId"]
        ec2.create_tags(Resources=[id_], Tags=[{"Key": "owner", "Value": "us"}])
        tags = [
            client.describe_vpc_peering_connections(VpcPeeringConnectionIds=[id_])["VpcPeeringConnections"][0]["Tags"]
            for client in (ec2, astro)
        ]
        assert tags == [[{"Key": "owner", "Value": "us"}], []]


class TestEndpointService:
    @pytest.fixture
    def service(self, aws, account, ec2, subnet) -> dict[str, Any]:
        balancer = aws.client("elbv2", account=account).create_load_balancer(
            Name="service", Type="network", Scheme="internal", Subnets=[subnet]
        )["LoadBalancers"][0]["LoadBalancerArn"]
        return ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[balancer])["ServiceConfiguration"]

    def allow(self, ec2, service, principal) -> None:
        asked = {"ServiceId": service["ServiceId"], "AddAllowedPrincipals": [principal]}
        ec2.modify_vpc_endpoint_service_permissions(**asked)

    def test_only_the_owner_and_allowed_accounts_find_a_service(self, aws, ec2, vpc, service, stranger):
        role = f"arn:aws:iam::{stranger}:role/astronomer-remote-management"
        named, other = (aws.client("ec2", stranger, role=name) for name in ("astronomer-remote-management", "local"))
        theirs = named.create_vpc(CidrBlock="172.20.0.0/20")["Vpc"]["VpcId"]

        def connect(client, vpc) -> str:
            asked = {"VpcId": vpc, "ServiceName": service["ServiceName"], "VpcEndpointType": "Interface"}
            try:
                return client.create_vpc_endpoint(**asked)["VpcEndpoint"]["State"]
            except ClientError as error:
                return error.response["Error"]["Code"]

        before = connect(named, theirs)
        self.allow(ec2, service, role)
        after = [connect(named, theirs), connect(other, theirs), connect(ec2, vpc)]
        assert before == "InvalidServiceName"
        assert after == ["pendingAcceptance", "InvalidServiceName", "pendingAcceptance"]

    def test_a_service_is_offered_in_its_own_region(self, ec2, service):
        def regions() -> list[str]:
            [found] = ec2.describe_vpc_endpoint_service_configurations(ServiceIds=[service["ServiceId"]])[
                "ServiceConfigurations"
            ]
            return [one["Region"] for one in found["SupportedRegions"]]

        before = regions()
        asked = {"ServiceId": service["ServiceId"], "AddSupportedRegions": ["eu-west-1"]}
        ec2.modify_vpc_endpoint_service_configuration(**asked)
        assert (before, regions()) == (["us-east-1"], ["us-east-1", "eu-west-1"])

    def test_a_service_notifies_a_topic_until_that_is_deleted(self, ec2, service):
        asked = {"ServiceId": service["ServiceId"], "ConnectionEvents": ["Accept", "Reject"]}
        topic = "arn:aws:sns:us-east-1:111111111111:network"
        made = ec2.create_vpc_endpoint_connection_notification(**asked, ConnectionNotificationArn=topic)
        id_ = {"ConnectionNotificationId": made["ConnectionNotification"]["ConnectionNotificationId"]}
        [found] = ec2.describe_vpc_endpoint_connection_notifications(**id_)["ConnectionNotificationSet"]
        of_aws = {"ConnectionNotificationType": "Topic", "ConnectionNotificationState": "Enabled"}
        assert found == {**asked, **id_, **of_aws, "ConnectionNotificationArn": topic}
        ec2.delete_vpc_endpoint_connection_notifications(ConnectionNotificationIds=[*id_.values()])
        with pytest.raises(ClientError, match="InvalidConnectionNotification"):
            ec2.describe_vpc_endpoint_connection_notifications(**id_)

    def test_only_a_name_of_a_service_is_verified(self, ec2, service):
        asked = {"ServiceId": service["ServiceId"]}
        with pytest.raises(ClientError, match="InvalidParameter"):
            ec2.start_vpc_endpoint_service_private_dns_verification(**asked)
        ec2.modify_vpc_endpoint_service_configuration(**asked, PrivateDnsName="orders.acme.example")
        assert ec2.start_vpc_endpoint_service_private_dns_verification(**asked)["ReturnValue"] is True

    def test_permissions_have_ids_that_last(self, ec2, service):
        service_id, principal = service["ServiceId"], f"arn:aws:iam::{ASTRO}:role/astronomer-remote-management"
        asked = {"ServiceId": service_id, "AddAllowedPrincipals": [principal]}
        added = [ec2.modify_vpc_endpoint_service_permissions(**asked)["AddedPrincipals"] for _ in range(2)]
        found = ec2.describe_vpc_endpoint_service_permissions(ServiceId=service_id)["AllowedPrincipals"]
        assert added == [found, found]
        [permission] = found
        assert re.fullmatch(r"vpce-svc-perm-[0-9a-f]{17}", permission.pop("ServicePermissionId"))
        assert permission == {"ServiceId": service_id, "Principal": principal, "PrincipalType": "Role"}
        ec2.modify_vpc_endpoint_service_permissions(ServiceId=service_id, RemoveAllowedPrincipals=[principal])
        assert ec2.describe_vpc_endpoint_service_permissions(ServiceId=service_id)["AllowedPrincipals"] == []

    @pytest.mark.parametrize(
        ("decide", "state"),
        [("accept_vpc_endpoint_connections", "available"), ("reject_vpc_endpoint_connections", "rejected")],
    )
    def test_the_service_owner_accepts_another_accounts_endpoint(self, aws, ec2, service, stranger, decide, state):
        theirs = aws.client("ec2", account=stranger)
        their_vpc = theirs.create_vpc(CidrBlock="172.20.0.0/20")["Vpc"]["VpcId"]
        self.allow(ec2, service, f"arn:aws:iam::{stranger}:root")
        endpoint = theirs.create_vpc_endpoint(
            VpcId=their_vpc, ServiceName=service["ServiceName"], VpcEndpointType="Interface"
        )["VpcEndpoint"]

        def connections() -> list[tuple[str, str, str]]:
            asked = [{"Name": "service-id", "Values": [service["ServiceId"]]}]
            answer = ec2.describe_vpc_endpoint_connections(Filters=asked)["VpcEndpointConnections"]
            return [(each["VpcEndpointId"], each["VpcEndpointOwner"], each["VpcEndpointState"]) for each in answer]

        id_ = endpoint["VpcEndpointId"]
        assert (endpoint["State"], connections()) == ("pendingAcceptance", [(id_, stranger, "pendingAcceptance")])
        getattr(ec2, decide)(ServiceId=service["ServiceId"], VpcEndpointIds=[id_])
        [seen] = theirs.describe_vpc_endpoints(VpcEndpointIds=[id_])["VpcEndpoints"]
        assert (seen["State"], connections()) == (state, [(id_, stranger, state)])

    def test_a_service_with_connections_stays(self, ec2, vpc, service):
        endpoint = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=service["ServiceName"], VpcEndpointType="Interface")[
            "VpcEndpoint"
        ]["VpcEndpointId"]
        asked = {"ServiceId": service["ServiceId"], "VpcEndpointIds": [endpoint]}

        def delete() -> list[str]:
            answer = ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service["ServiceId"]])
            return [one["Error"]["Code"] for one in answer["Unsuccessful"]]

        said = [delete()]
        ec2.accept_vpc_endpoint_connections(**asked)
        said.append(delete())
        ec2.reject_vpc_endpoint_connections(**asked)
        assert [*said, delete()] == [["ExistingVpcEndpointConnections"]] * 2 + [[]]

    def test_the_interfaces_of_an_endpoint_are_in_its_subnets(self, ec2, vpc, subnet):
        group = ec2.create_security_group(GroupName="agents", Description="agents", VpcId=vpc)["GroupId"]
        asked = {"VpcId": vpc, "ServiceName": "com.amazonaws.us-east-1.sts", "VpcEndpointType": "Interface"}
        made = ec2.create_vpc_endpoint(**asked, SubnetIds=[subnet], SecurityGroupIds=[group])["VpcEndpoint"]
        [found] = ec2.describe_network_interfaces(NetworkInterfaceIds=made["NetworkInterfaceIds"])["NetworkInterfaces"]
        assert (found["SubnetId"], [one["GroupId"] for one in found["Groups"]]) == (subnet, [group])
        assert found["PrivateIpAddress"].startswith("10.20.0.")

    def test_a_vpc_has_each_private_name_once_and_only_with_dns(self, ec2, vpc):
        asked = {"VpcId": vpc, "ServiceName": "com.amazonaws.us-east-1.sts", "VpcEndpointType": "Interface"}

        def code(operation: str, **arguments: Any) -> str:
            try:
                getattr(ec2, operation)(**arguments)
            except ClientError as error:
                return error.response["Error"]["Code"]
            return "done"

        said = [code("create_vpc_endpoint", **asked, PrivateDnsEnabled=True)]
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        said += [code("create_vpc_endpoint", **asked, PrivateDnsEnabled=True) for _ in range(2)]
        quiet = ec2.create_vpc_endpoint(**asked, PrivateDnsEnabled=False)["VpcEndpoint"]["VpcEndpointId"]
        said.append(code("modify_vpc_endpoint", VpcEndpointId=quiet, PrivateDnsEnabled=True))
        loud = ec2.describe_vpc_endpoints()["VpcEndpoints"][0]["VpcEndpointId"]
        ec2.modify_vpc_endpoint(VpcEndpointId=loud, PrivateDnsEnabled=False)
        said.append(code("modify_vpc_endpoint", VpcEndpointId=quiet, PrivateDnsEnabled=True))
        assert said == ["InvalidParameter", "done", "InvalidParameter", "InvalidParameter", "done"]


class TestTransitGateway:
    @pytest.fixture
    def theirs(self, aws, stranger) -> Any:
        return aws.client("ec2", account=stranger)

    @pytest.fixture
    def their_vpc(self, theirs) -> dict[str, Any]:
        vpc = theirs.create_vpc(CidrBlock="172.20.0.0/20")["Vpc"]["VpcId"]
        subnet = theirs.create_subnet(VpcId=vpc, CidrBlock="172.20.0.0/24")["Subnet"]["SubnetId"]
        return {"VpcId": vpc, "SubnetIds": [subnet]}

    def new_hub(self, ec2, **options: str) -> dict[str, Any]:
        return ec2.create_transit_gateway(Options=options)["TransitGateway"]

    def tables_of(self, ec2, hub) -> list[str]:
        asked = [{"Name": "transit-gateway-id", "Values": [hub["TransitGatewayId"]]}]
        answer = ec2.describe_transit_gateway_route_tables(Filters=asked)["TransitGatewayRouteTables"]
        return [table["TransitGatewayRouteTableId"] for table in answer]

    def associations_of(self, ec2, table) -> list[str]:
        answer = ec2.get_transit_gateway_route_table_associations(TransitGatewayRouteTableId=table)["Associations"]
        return [each["TransitGatewayAttachmentId"] for each in answer]

    def propagations_of(self, ec2, table) -> list[str]:
        answer = ec2.get_transit_gateway_route_table_propagations(TransitGatewayRouteTableId=table)
        return [each["TransitGatewayAttachmentId"] for each in answer["TransitGatewayRouteTablePropagations"]]

    def attach(self, client, hub, vpc, subnet, **more: Any) -> str:
        return client.create_transit_gateway_vpc_attachment(
            TransitGatewayId=hub["TransitGatewayId"], VpcId=vpc, SubnetIds=[subnet], **more
        )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]

    def find(self, client, attachment) -> dict[str, Any]:
        [found] = client.describe_transit_gateway_vpc_attachments(TransitGatewayAttachmentIds=[attachment])[
            "TransitGatewayVpcAttachments"
        ]
        return found

    def test_a_default_route_table_is_there_only_where_it_is_enabled(self, ec2):
        hub = self.new_hub(ec2, DefaultRouteTableAssociation="disable")
        [table] = self.tables_of(ec2, hub)
        assert "AssociationDefaultRouteTableId" not in hub["Options"]
        assert hub["Options"]["PropagationDefaultRouteTableId"] == table
        assert hub["Options"]["SecurityGroupReferencingSupport"] == "disable"
        isolated = self.new_hub(ec2, **ISOLATED)
        assert self.tables_of(ec2, isolated) == []

    def test_an_attachment_is_found_by_its_owner(self, ec2, vpc, subnet):
        attachment = self.attach(ec2, self.new_hub(ec2), vpc, subnet)

        def found(owner: str) -> list[str]:
            asked = [{"Name": "resource-owner-id", "Values": [owner]}]
            answer = ec2.describe_transit_gateway_attachments(TransitGatewayAttachmentIds=[attachment], Filters=asked)
            return [each["ResourceOwnerId"] for each in answer["TransitGatewayAttachments"]]

        [us] = ec2.describe_transit_gateway_attachments(TransitGatewayAttachmentIds=[attachment])[
            "TransitGatewayAttachments"
        ]
        assert found(us["ResourceOwnerId"]) == [us["ResourceOwnerId"]]
        assert found("999999999999") == []

    def test_a_default_route_table_comes_with_a_later_choice(self, ec2):
        hub = self.new_hub(ec2, **ISOLATED)
        options = {"DefaultRouteTableAssociation": "enable"}
        hub = ec2.modify_transit_gateway(TransitGatewayId=hub["TransitGatewayId"], Options=options)["TransitGateway"]
        assert self.tables_of(ec2, hub) == [hub["Options"]["AssociationDefaultRouteTableId"]]
        assert "PropagationDefaultRouteTableId" not in hub["Options"]

    def test_a_default_route_table_goes_with_its_transit_gateway(self, ec2):
        hub = self.new_hub(ec2)
        ec2.delete_transit_gateway(TransitGatewayId=hub["TransitGatewayId"])
        assert self.tables_of(ec2, hub) == []

    def test_the_default_route_table_takes_up_what_is_attached(self, ec2, vpc, subnet):
        hub = self.new_hub(ec2)
        attachment = self.attach(ec2, hub, vpc, subnet)
        [table] = self.tables_of(ec2, hub)
        assert self.associations_of(ec2, table) == self.propagations_of(ec2, table) == [attachment]

    def test_disabled_default_tables_take_no_attachment(self, ec2, vpc, subnet):
        hub = self.new_hub(ec2, **ISOLATED)
        attachment = self.attach(ec2, hub, vpc, subnet)
        table = ec2.create_transit_gateway_route_table(TransitGatewayId=hub["TransitGatewayId"])[
            "TransitGatewayRouteTable"
        ]["TransitGatewayRouteTableId"]

        def association() -> dict[str, str] | None:
            [found] = ec2.describe_transit_gateway_attachments(TransitGatewayAttachmentIds=[attachment])[
                "TransitGatewayAttachments"
            ]
            return found.get("Association")

        before = association()
        ec2.associate_transit_gateway_route_table(
            TransitGatewayAttachmentId=attachment, TransitGatewayRouteTableId=table
        )
        assert (before, association()) == (None, {"State": "associated", "TransitGatewayRouteTableId": table})

    def test_an_attachment_has_one_route_table(self, ec2, vpc, subnet):
        hub = self.new_hub(ec2)
        attachment = self.attach(ec2, hub, vpc, subnet)
        first = hub["Options"]["AssociationDefaultRouteTableId"]
        second = ec2.create_transit_gateway_route_table(TransitGatewayId=hub["TransitGatewayId"])[
            "TransitGatewayRouteTable"
        ]["TransitGatewayRouteTableId"]
        asked = {"TransitGatewayAttachmentId": attachment}
        with pytest.raises(ClientError) as refused:
            ec2.associate_transit_gateway_route_table(**asked, TransitGatewayRouteTableId=second)
        before = [self.associations_of(ec2, table) for table in (first, second)]
        ec2.disassociate_transit_gateway_route_table(**asked, TransitGatewayRouteTableId=first)
        ec2.associate_transit_gateway_route_table(**asked, TransitGatewayRouteTableId=second)
        after = [self.associations_of(ec2, table) for table in (first, second)]
        assert (error_code(refused), before, after) == (
            "Resource.AlreadyAssociated",
            [[attachment], []],
            [[], [attachment]],
        )

    def test_a_vpc_is_attached_once_at_a_time(self, ec2, vpc, subnet):
        hub = self.new_hub(ec2)
        first = self.attach(ec2, hub, vpc, subnet)
        with pytest.raises(ClientError) as refused:
            self.attach(ec2, hub, vpc, subnet)
        assert error_code(refused) == "DuplicateTransitGatewayAttachment"
        ec2.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=first)
        assert self.attach(ec2, hub, vpc, subnet) != first

    def test_an_attachment_keeps_the_tags_of_its_creation(self, ec2, vpc, subnet):
        tags = tags_for("transit-gateway-attachment", owner="us")
        attachment = self.attach(ec2, self.new_hub(ec2), vpc, subnet, TagSpecifications=tags)
        assert self.find(ec2, attachment)["Tags"] == tags[0]["Tags"]

    def test_a_deleted_attachment_is_shown_as_deleted_by_its_id(self, ec2, vpc, subnet):
        hub = self.new_hub(ec2)
        attachment = self.attach(ec2, hub, vpc, subnet)
        ec2.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment)
        [table] = self.tables_of(ec2, hub)
        assert self.find(ec2, attachment)["State"] == "deleted"
        assert ec2.describe_transit_gateway_vpc_attachments()["TransitGatewayVpcAttachments"] == []
        assert ec2.describe_transit_gateway_attachments()["TransitGatewayAttachments"] == []
        assert self.associations_of(ec2, table) == self.propagations_of(ec2, table) == []

    def test_an_attachment_propagates_into_several_route_tables(self, ec2, vpc, subnet):
        hub = self.new_hub(ec2, **ISOLATED)
        attachment = self.attach(ec2, hub, vpc, subnet)
        tables = []
        for _ in range(2):
            answer = ec2.create_transit_gateway_route_table(TransitGatewayId=hub["TransitGatewayId"])
            tables.append(answer["TransitGatewayRouteTable"]["TransitGatewayRouteTableId"])
        asked = [{"TransitGatewayAttachmentId": attachment, "TransitGatewayRouteTableId": table} for table in tables]
        for each in asked:
            ec2.enable_transit_gateway_route_table_propagation(**each)
        assert [self.propagations_of(ec2, table) for table in tables] == [[attachment], [attachment]]
        for each in asked:
            answer = ec2.disable_transit_gateway_route_table_propagation(**each)["Propagation"]
            assert answer == {**each, "ResourceId": vpc, "ResourceType": "vpc", "State": "disabled"}
        assert [self.propagations_of(ec2, table) for table in tables] == [[], []]

    def test_a_route_names_its_attachment_and_a_blackhole_none(self, ec2, vpc, subnet):
        hub = self.new_hub(ec2)
        attachment = self.attach(ec2, hub, vpc, subnet)
        table = hub["Options"]["AssociationDefaultRouteTableId"]
        route = {"TransitGatewayRouteTableId": table}
        ec2.create_transit_gateway_route(
            **route, DestinationCidrBlock="172.20.0.0/20", TransitGatewayAttachmentId=attachment
        )
        ec2.create_transit_gateway_route(**route, DestinationCidrBlock="192.168.0.0/16", Blackhole=True)
        routes = ec2.search_transit_gateway_routes(**route, Filters=[{"Name": "type", "Values": ["static"]}])["Routes"]
        assert {
            each["DestinationCidrBlock"]: (
                each["State"],
                [end["TransitGatewayAttachmentId"] for end in each["TransitGatewayAttachments"]],
            )
            for each in routes
        } == {"172.20.0.0/20": ("active", [attachment]), "192.168.0.0/16": ("blackhole", [])}

    def test_a_gateway_table_has_one_static_route_to_a_range(self, ec2):
        table = self.new_hub(ec2)["Options"]["AssociationDefaultRouteTableId"]
        route = {"TransitGatewayRouteTableId": table, "DestinationCidrBlock": "10.0.0.0/8"}
        ec2.create_transit_gateway_route(**route, Blackhole=True)
        with pytest.raises(ClientError) as refused:
            ec2.create_transit_gateway_route(**route, Blackhole=True)
        assert error_code(refused) == "RouteAlreadyExists"
        ec2.delete_transit_gateway_route(**route)
        ec2.create_transit_gateway_route(**route, Blackhole=True)

    def test_an_account_uses_a_gateway_after_accepting_its_share(self, aws, ec2, account, stranger, theirs, their_vpc):
        hub = self.new_hub(ec2)
        assert theirs.describe_transit_gateways()["TransitGateways"] == []
        with pytest.raises(ClientError) as refused:
            theirs.create_transit_gateway_vpc_attachment(TransitGatewayId=hub["TransitGatewayId"], **their_vpc)
        assert error_code(refused) == "InvalidTransitGatewayID.NotFound"

        share_and_accept(aws, account, stranger, hub["TransitGatewayArn"])
        [seen] = theirs.describe_transit_gateways()["TransitGateways"]
        assert (seen["TransitGatewayArn"], seen["OwnerId"]) == (hub["TransitGatewayArn"], account)
        assert theirs.describe_transit_gateways(TransitGatewayIds=["tgw-0123456789abcdef0"])["TransitGateways"] == []
        attached = theirs.create_transit_gateway_vpc_attachment(TransitGatewayId=hub["TransitGatewayId"], **their_vpc)[
            "TransitGatewayVpcAttachment"
        ]
        attachment = attached["TransitGatewayAttachmentId"]
        assert attached["State"] == self.find(ec2, attachment)["State"] == "pendingAcceptance"
        [table] = self.tables_of(ec2, hub)
        assert self.associations_of(ec2, table) == []

        accepted = ec2.accept_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment)
        assert accepted["TransitGatewayVpcAttachment"]["State"] == self.find(theirs, attachment)["State"] == "available"
        assert self.associations_of(ec2, table) == self.propagations_of(ec2, table) == [attachment]
        [found] = theirs.describe_transit_gateway_attachments()["TransitGatewayAttachments"]
        owners = (found["TransitGatewayOwnerId"], found["ResourceOwnerId"], found["Association"])
        assert owners == (account, stranger, {"State": "associated", "TransitGatewayRouteTableId": table})

        theirs.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment)
        assert self.find(ec2, attachment)["State"] == "deleted"
        assert self.associations_of(ec2, table) == self.propagations_of(ec2, table) == []

    def test_only_a_pending_attachment_is_accepted(self, aws, ec2, account, stranger, theirs, their_vpc):
        hub = self.new_hub(ec2)
        share_and_accept(aws, account, stranger, hub["TransitGatewayArn"])
        attachment = self.attach(theirs, hub, their_vpc["VpcId"], *their_vpc["SubnetIds"])
        ec2.accept_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment)
        for _ in ("available", "deleted"):
            with pytest.raises(ClientError) as refused:
                ec2.accept_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment)
            assert error_code(refused) == "IncorrectState"
            theirs.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment)

    def test_auto_accept_accepts_attachments_of_other_accounts(self, aws, ec2, account, stranger, theirs, their_vpc):
        hub = self.new_hub(ec2, AutoAcceptSharedAttachments="enable")
        share_and_accept(aws, account, stranger, hub["TransitGatewayArn"])
        attached = theirs.create_transit_gateway_vpc_attachment(TransitGatewayId=hub["TransitGatewayId"], **their_vpc)
        assert attached["TransitGatewayVpcAttachment"]["State"] == "available"

    def test_each_account_has_its_own_tags_of_an_attachment(self, aws, ec2, account, stranger, theirs, their_vpc):
        hub = self.new_hub(ec2)
        share_and_accept(aws, account, stranger, hub["TransitGatewayArn"])
        attachment = theirs.create_transit_gateway_vpc_attachment(
            TransitGatewayId=hub["TransitGatewayId"], **their_vpc
        )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
        ec2.create_tags(Resources=[attachment], Tags=[{"Key": "owner", "Value": "us"}])
        theirs.create_tags(Resources=[attachment], Tags=[{"Key": "owner", "Value": "them"}])
        for client, owner in ((ec2, "us"), (theirs, "them")):
            [found] = client.describe_transit_gateway_attachments()["TransitGatewayAttachments"]
            assert found["Tags"] == self.find(client, attachment)["Tags"] == [{"Key": "owner", "Value": owner}]

    def test_a_vpc_routes_to_a_transit_gateway_of_another_account(self, aws, ec2, account, stranger, theirs, their_vpc):
        hubs = [self.new_hub(ec2), self.new_hub(ec2)]
        for hub in hubs:
            share_and_accept(aws, account, stranger, hub["TransitGatewayArn"])
        table = theirs.create_route_table(VpcId=their_vpc["VpcId"])["RouteTable"]["RouteTableId"]
        route = {"RouteTableId": table, "DestinationCidrBlock": "10.0.0.0/8"}

        def target() -> str:
            [found] = theirs.describe_route_tables(RouteTableIds=[table])["RouteTables"]
            return found["Routes"][-1]["TransitGatewayId"]

        theirs.create_route(**route, TransitGatewayId=hubs[0]["TransitGatewayId"])
        before = target()
        theirs.replace_route(**route, TransitGatewayId=hubs[1]["TransitGatewayId"])
        assert [before, target()] == [hub["TransitGatewayId"] for hub in hubs]

    def test_a_route_to_an_unknown_transit_gateway_is_refused(self, ec2, vpc):
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        with pytest.raises(ClientError) as refused:
            ec2.create_route(
                RouteTableId=table, DestinationCidrBlock="10.0.0.0/8", TransitGatewayId="tgw-0123456789abcdef0"
            )
        assert error_code(refused) == "InvalidTransitGatewayID.NotFound"


class TestVpn:
    @pytest.fixture
    def office(self, ec2) -> str:
        return ec2.create_customer_gateway(Type="ipsec.1", PublicIp="203.0.113.10", BgpAsn=65010)["CustomerGateway"][
            "CustomerGatewayId"
        ]

    @pytest.fixture
    def hub(self, ec2) -> dict[str, Any]:
        return ec2.create_transit_gateway()["TransitGateway"]

    @pytest.fixture
    def gateway(self, ec2) -> str:
        return ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]

    def find(self, ec2, connection) -> dict[str, Any]:
        [found] = ec2.describe_vpn_connections(VpnConnectionIds=[connection])["VpnConnections"]
        return found

    def test_a_customer_gateway_keeps_its_large_asn_and_its_name(self, ec2, account):
        certificate = f"arn:aws:acm:us-east-1:{account}:certificate/11111111-2222-3333-4444-555555555555"
        asked = {"Type": "ipsec.1", "BgpAsnExtended": 4200000000, "DeviceName": "office-a"}
        ec2.create_customer_gateway(**asked, CertificateArn=certificate)
        [found] = ec2.describe_customer_gateways()["CustomerGateways"]
        kept = (found["BgpAsnExtended"], found["DeviceName"], found["CertificateArn"])
        assert kept == ("4200000000", "office-a", certificate)

    def test_an_identical_customer_gateway_is_the_same_one(self, ec2):
        def create(**arguments: Any) -> str:
            asked = {"Type": "ipsec.1", "IpAddress": "203.0.113.10", "BgpAsn": 65010} | arguments
            return ec2.create_customer_gateway(**asked)["CustomerGateway"]["CustomerGatewayId"]

        first = create()
        others = [
            create(BgpAsn=65011),
            create(IpAddress="203.0.113.11"),
            create(DeviceName="a"),
            create(DeviceName="b"),
        ]
        same = [create(), create(DeviceName="a")]
        ec2.delete_customer_gateway(CustomerGatewayId=first)
        assert len({first, *others, create()}) == 6
        assert same == [first, others[2]]

    def test_a_connection_moves_to_other_gateways(self, ec2, office, gateway):
        connection = ec2.create_vpn_connection(Type="ipsec.1", CustomerGatewayId=office, VpnGatewayId=gateway)[
            "VpnConnection"
        ]["VpnConnectionId"]
        before = self.find(ec2, connection)
        new = {
            "CustomerGatewayId": ec2.create_customer_gateway(Type="ipsec.1", PublicIp="203.0.113.11", BgpAsn=65010)[
                "CustomerGateway"
            ]["CustomerGatewayId"],
            "VpnGatewayId": ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"],
        }
        ec2.modify_vpn_connection(VpnConnectionId=connection, **new)
        after = self.find(ec2, connection)
        assert {key: after[key] for key in new} == new
        assert after["Options"] == before["Options"]
        for kind, id_ in (("customer", {"CustomerGatewayId": office}), ("vpn", {"VpnGatewayId": gateway})):
            getattr(ec2, f"delete_{kind}_gateway")(**id_)

    def test_gateways_that_a_connection_uses_stay(self, ec2, vpc, office, gateway):
        ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
        connection = ec2.create_vpn_connection(Type="ipsec.1", CustomerGatewayId=office, VpnGatewayId=gateway)[
            "VpnConnection"
        ]["VpnConnectionId"]

        def delete(kind: str, **id_: str) -> str:
            try:
                getattr(ec2, f"delete_{kind}_gateway")(**id_)
            except ClientError as error:
                return error.response["Error"]["Code"]
            return "deleted"

        def both() -> list[str]:
            return [delete("customer", CustomerGatewayId=office), delete("vpn", VpnGatewayId=gateway)]

        said = [both()]
        ec2.delete_vpn_connection(VpnConnectionId=connection)
        said.append(both())
        ec2.detach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
        said.append([delete("vpn", VpnGatewayId=gateway)])
        assert said == [["IncorrectState"] * 2, ["deleted", "IncorrectState"], ["deleted"]]

    def test_a_tunnel_is_up_once_its_device_is(self, aws, account, ec2, office, gateway):
        connection = ec2.create_vpn_connection(Type="ipsec.1", CustomerGatewayId=office, VpnGatewayId=gateway)[
            "VpnConnection"
        ]["VpnConnectionId"]

        def states() -> list[tuple[str, int]]:
            telemetry = self.find(ec2, connection)["VgwTelemetry"]
            return [(tunnel["Status"], tunnel["AcceptedRouteCount"]) for tunnel in telemetry]

        before = states()
        tunnel = {"account": account, "region": "us-east-1", "connection": connection, "number": 2}
        aws.make({"tunnels": [{**tunnel, "status": "UP", "accepted_routes": 3}]})
        assert (before, states()) == ([("DOWN", 0), ("DOWN", 0)], [("DOWN", 0), ("UP", 3)])

    def test_a_connection_keeps_its_options_and_both_tunnels(self, ec2, office, gateway):
        algorithms = {
            "Phase1EncryptionAlgorithms": [{"Value": "AES256-GCM-16"}],
            "Phase2IntegrityAlgorithms": [{"Value": "SHA2-384"}],
            "Phase1DHGroupNumbers": [{"Value": 20}],
        }
        asked = {"IKEVersions": [{"Value": "ikev2"}], "DPDTimeoutAction": "restart", "DPDTimeoutSeconds": 40}
        tunnels = [
            {"TunnelInsideCidr": f"169.254.10.{4 * n}/30", "PreSharedKey": f"secret_{n}", **asked, **algorithms}
            for n in (0, 1)
        ]
        options = {"StaticRoutesOnly": True, "LocalIpv4NetworkCidr": "10.0.0.0/8", "TunnelOptions": tunnels}
        connection = ec2.create_vpn_connection(
            Type="ipsec.1", CustomerGatewayId=office, VpnGatewayId=gateway, Options=options
        )["VpnConnection"]["VpnConnectionId"]
        found = self.find(ec2, connection)
        outside = [tunnel.pop("OutsideIpAddress") for tunnel in found["Options"]["TunnelOptions"]]
        answered = {"IkeVersions": [{"Value": "ikev2"}], "DpdTimeoutAction": "restart", "DpdTimeoutSeconds": 40}
        assert found["Options"] == {
            "EnableAcceleration": False,
            "StaticRoutesOnly": True,
            "LocalIpv4NetworkCidr": "10.0.0.0/8",
            "RemoteIpv4NetworkCidr": "0.0.0.0/0",
            "OutsideIpAddressType": "PublicIpv4",
            "TunnelInsideIpVersion": "ipv4",
            "TunnelOptions": [
                {"TunnelInsideCidr": f"169.254.10.{4 * n}/30", "PreSharedKey": f"secret_{n}", **answered, **algorithms}
                for n in (0, 1)
            ],
        }
        assert len(set(outside)) == 2
        assert [each["OutsideIpAddress"] for each in found["VgwTelemetry"]] == outside

    def test_a_transit_gateway_forgets_a_vpn_that_is_deleted(self, ec2, office):
        hub = ec2.create_transit_gateway()["TransitGateway"]
        table = hub["Options"]["PropagationDefaultRouteTableId"]
        connection = ec2.create_vpn_connection(
            Type="ipsec.1", CustomerGatewayId=office, TransitGatewayId=hub["TransitGatewayId"]
        )["VpnConnection"]["VpnConnectionId"]

        def learns() -> list[str]:
            found = ec2.get_transit_gateway_route_table_propagations(TransitGatewayRouteTableId=table)
            return [one["ResourceId"] for one in found["TransitGatewayRouteTablePropagations"]]

        assert learns() == [connection]
        ec2.delete_vpn_connection(VpnConnectionId=connection)
        assert learns() == []

    def test_the_customer_configuration_contains_the_tunnels(self, ec2, office, gateway):
        connection = ec2.create_vpn_connection(
            Type="ipsec.1",
            CustomerGatewayId=office,
            VpnGatewayId=gateway,
            Options={"TunnelOptions": [{"TunnelInsideCidr": "169.254.10.0/30", "PreSharedKey": "secret_0"}]},
        )["VpnConnection"]["VpnConnectionId"]
        found = self.find(ec2, connection)
        xml, tunnels = found["CustomerGatewayConfiguration"], found["Options"]["TunnelOptions"]
        outside = re.findall("<vpn_gateway><tunnel_outside_address><ip_address>([^<]*)", xml)
        inside = re.findall("<tunnel_inside_address><ip_address>([^<]*)", xml)
        assert re.findall("<pre_shared_key>([^<]*)", xml) == [tunnel["PreSharedKey"] for tunnel in tunnels]
        assert outside == [tunnel["OutsideIpAddress"] for tunnel in tunnels]
        assert inside[:2] == ["169.254.10.2", "169.254.10.1"]
        assert tunnels[0]["PreSharedKey"] == "secret_0"

    def test_keys_in_secrets_manager_are_redacted(self, ec2, office, gateway, account):
        made = ec2.create_vpn_connection(
            Type="ipsec.1", CustomerGatewayId=office, VpnGatewayId=gateway, PreSharedKeyStorage="SecretsManager"
        )["VpnConnection"]["VpnConnectionId"]
        found = self.find(ec2, made)
        keys = [tunnel["PreSharedKey"] for tunnel in found["Options"]["TunnelOptions"]]
        assert keys == re.findall("<pre_shared_key>([^<]*)", found["CustomerGatewayConfiguration"]) == ["REDACTED"] * 2
        assert found["PreSharedKeyArn"] == f"arn:aws:secretsmanager:us-east-1:{account}:secret:s2svpn!{made}"

    def test_keys_can_be_moved_to_secrets_manager(self, ec2, office, gateway):
        made = ec2.create_vpn_connection(Type="ipsec.1", CustomerGatewayId=office, VpnGatewayId=gateway)[
            "VpnConnection"
        ]["VpnConnectionId"]
        before = self.find(ec2, made)
        for tunnel in before["Options"]["TunnelOptions"]:
            ec2.modify_vpn_tunnel_options(
                VpnConnectionId=made,
                VpnTunnelOutsideIpAddress=tunnel["OutsideIpAddress"],
                TunnelOptions={},
                PreSharedKeyStorage="SecretsManager",
            )
        after = [tunnel["PreSharedKey"] for tunnel in self.find(ec2, made)["Options"]["TunnelOptions"]]
        assert ("PreSharedKeyArn" in before, after) == (False, ["REDACTED"] * 2)

    def test_a_connection_has_static_routes_and_is_found_by_them(self, ec2, office, gateway):
        connections = [
            ec2.create_vpn_connection(Type="ipsec.1", CustomerGatewayId=office, VpnGatewayId=gateway)["VpnConnection"][
                "VpnConnectionId"
            ]
            for _ in range(2)
        ]
        route = {"VpnConnectionId": connections[0], "DestinationCidrBlock": "192.168.0.0/16"}

        def found() -> list[list[dict[str, str]]]:
            asked = {"route.destination-cidr-block": "192.168.0.0/16", "vpn-connection-id": connections[0]}
            filters = [{"Name": name, "Values": [value]} for name, value in asked.items()]
            return [each["Routes"] for each in ec2.describe_vpn_connections(Filters=filters)["VpnConnections"]]

        ec2.create_vpn_connection_route(**route)
        assert found() == [[{"DestinationCidrBlock": "192.168.0.0/16", "Source": "Static", "State": "available"}]]
        ec2.delete_vpn_connection_route(**route)
        assert found() == []
        assert self.find(ec2, connections[0])["Routes"] == []

    def test_a_tunnel_and_the_ranges_of_a_connection_change(self, ec2, office, gateway):
        connection = ec2.create_vpn_connection(Type="ipsec.1", CustomerGatewayId=office, VpnGatewayId=gateway)[
            "VpnConnection"
        ]["VpnConnectionId"]
        before = self.find(ec2, connection)["Options"]["TunnelOptions"]
        ec2.modify_vpn_tunnel_options(
            VpnConnectionId=connection,
            VpnTunnelOutsideIpAddress=before[1]["OutsideIpAddress"],
            TunnelOptions={"DPDTimeoutSeconds": 60},
        )
        ec2.modify_vpn_connection_options(VpnConnectionId=connection, RemoteIpv4NetworkCidr="10.0.0.0/8")
        options = self.find(ec2, connection)["Options"]
        assert options["TunnelOptions"] == [before[0], {**before[1], "DpdTimeoutSeconds": 60}]
        assert (options["LocalIpv4NetworkCidr"], options["RemoteIpv4NetworkCidr"]) == ("0.0.0.0/0", "10.0.0.0/8")

    def test_a_transit_gateway_takes_a_vpn_up_and_lets_it_go(self, ec2, office, hub):
        connection = ec2.create_vpn_connection(
            Type="ipsec.1", CustomerGatewayId=office, TransitGatewayId=hub["TransitGatewayId"]
        )["VpnConnection"]["VpnConnectionId"]
        [attachment] = ec2.describe_transit_gateway_attachments()["TransitGatewayAttachments"]
        assert (attachment["ResourceType"], attachment["ResourceId"]) == ("vpn", connection)
        assert attachment["Association"] == {
            "State": "associated",
            "TransitGatewayRouteTableId": hub["Options"]["AssociationDefaultRouteTableId"],
        }
        associations = ec2.get_transit_gateway_route_table_associations(
            TransitGatewayRouteTableId=hub["Options"]["AssociationDefaultRouteTableId"]
        )["Associations"]
        assert [each["ResourceId"] for each in associations] == [connection]
        assert ec2.describe_transit_gateway_vpc_attachments()["TransitGatewayVpcAttachments"] == []
        ec2.delete_vpn_connection(VpnConnectionId=connection)
        assert ec2.describe_transit_gateway_attachments()["TransitGatewayAttachments"] == []


class TestDnsFirewall:
    def test_domains_come_back_with_the_dot_at_their_end(self, aws, account):
        resolver = aws.client("route53resolver", account=account)
        made = resolver.create_firewall_domain_list(CreatorRequestId="1", Name="astro")["FirewallDomainList"]
        resolver.update_firewall_domains(
            FirewallDomainListId=made["Id"], Operation="REPLACE", Domains=["*.b.example", "a.example."]
        )
        assert resolver.list_firewall_domains(FirewallDomainListId=made["Id"])["Domains"] == [
            "*.b.example.",
            "a.example.",
        ]

    def test_used_groups_stay_and_priorities_are_unique(self, aws, account, vpc):
        resolver = aws.client("route53resolver", account=account)
        domains = resolver.create_firewall_domain_list(CreatorRequestId="1", Name="astro")["FirewallDomainList"]["Id"]
        group = resolver.create_firewall_rule_group(CreatorRequestId="1", Name="astro")["FirewallRuleGroup"]["Id"]
        assert [one["OwnerId"] for one in resolver.list_firewall_rule_groups()["FirewallRuleGroups"]] == [account]
        both = {"FirewallRuleGroupId": group, "FirewallDomainListId": domains}
        resolver.create_firewall_rule(CreatorRequestId="1", Name="allow", Priority=100, Action="ALLOW", **both)
        asked = {"FirewallRuleGroupId": group, "VpcId": vpc, "Priority": 500, "Name": "astro"}
        made = resolver.associate_firewall_rule_group(CreatorRequestId="1", **asked)["FirewallRuleGroupAssociation"]
        with pytest.raises(ClientError, match="ValidationException"):
            resolver.associate_firewall_rule_group(CreatorRequestId="2", **asked)
        of = {"FirewallRuleGroupAssociationId": made["Id"]}
        changed = resolver.update_firewall_rule_group_association(Priority=600, **of)["FirewallRuleGroupAssociation"]
        assert changed == {**made, "Priority": 600}
        resolver.associate_firewall_rule_group(CreatorRequestId="2", **asked)
        with pytest.raises(ClientError, match="ValidationException"):
            resolver.update_firewall_rule_group_association(Priority=500, **of)
        with pytest.raises(ClientError, match="ConflictException"):
            resolver.delete_firewall_domain_list(FirewallDomainListId=domains)
        with pytest.raises(ClientError, match="ConflictException"):
            resolver.delete_firewall_rule_group(FirewallRuleGroupId=group)
