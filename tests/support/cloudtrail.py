"""CloudTrail's records of calls in the dedicated account, as AWS documents them, for the alarm.

Request parameters are IAM's own, in CloudTrail's spelling (facts B3). test_policy_alarm.py compares them with
botocore's description of each call.
"""

from collections.abc import Iterator
from typing import Any

from modules.astronomer import ALARM_PATTERNS

ACCOUNT = "222222222222"
IAM = "iam.amazonaws.com"
Parameters = dict[str, Any] | None


def record(name: str, parameters: Parameters, source: str = IAM, error: str | None = None) -> dict[str, Any]:
    """Return a record of CloudTrail; `error` is the code of a refused call."""
    failed = {"errorCode": error, "errorMessage": "..."} if error else {}
    return {
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:session",
            # Most calls in the account are made by the role that the alarm watches.
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/astronomer-remote-management/session",
            "accountId": ACCOUNT,
            "sessionContext": {"sessionIssuer": {"userName": "astronomer-remote-management"}},
        },
        "eventTime": "2023-09-12T10:00:00Z",
        "eventSource": source,
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.1",
        "userAgent": "Boto3/1.28.0",
        **failed,
        "requestParameters": parameters,
        "responseElements": None,
        "readOnly": name.startswith(("Get", "List", "Describe")),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }


def _policy(name: str) -> dict[str, str]:
    return {"policyArn": f"arn:aws:iam::{ACCOUNT}:policy/{name}"}


ROLE = {"roleName": "astronomer-remote-management"}
OTHER_ROLE = {"roleName": "lake-reader"}
POLICY, SECOND = _policy("AstronomerCrossAccountRole"), _policy("AstronomerCrossAccountRole-2")
REGIONS, BOUNDARY = _policy("AstronomerOptInRegions"), _policy("AstroOperationalBoundary")
OTHER_POLICY = {"policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
DOCUMENT = {"policyDocument": '{"Version":"2012-10-17","Statement":[]}'}
NEW_VERSION = {**DOCUMENT, "setAsDefault": True}
V2 = {"versionId": "v2"}
THEIR_BOUNDARY = {"permissionsBoundary": BOUNDARY["policyArn"]}

CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("AttachRolePolicy", {**ROLE, **OTHER_POLICY}),
    ("AttachRolePolicy", {**OTHER_ROLE, **POLICY}),
    ("AttachRolePolicy", {**OTHER_ROLE, **SECOND}),
    ("DetachRolePolicy", {**ROLE, **POLICY}),
    ("DetachRolePolicy", {**ROLE, **OTHER_POLICY}),
    ("DetachRolePolicy", {**OTHER_ROLE, **BOUNDARY}),
    *(("CreatePolicyVersion", {**one, **NEW_VERSION}) for one in (POLICY, SECOND, REGIONS, BOUNDARY)),
    # This version is not the default yet, but becomes it with one more call.
    ("CreatePolicyVersion", {**POLICY, **DOCUMENT}),
    ("CreatePolicyVersion", {**POLICY, **DOCUMENT, "setAsDefault": False}),
    *(("SetDefaultPolicyVersion", {**one, **V2}) for one in (POLICY, SECOND, REGIONS, BOUNDARY)),
    *(("DeletePolicyVersion", {**one, **V2}) for one in (POLICY, SECOND, REGIONS, BOUNDARY)),
    *(("DeletePolicy", one) for one in (POLICY, SECOND, REGIONS, BOUNDARY)),
    ("UpdateAssumeRolePolicy", {**ROLE, **DOCUMENT}),
    ("PutRolePolicy", {**ROLE, "policyName": "extra", **DOCUMENT}),
    ("DeleteRolePolicy", {**ROLE, "policyName": "extra"}),
    ("PutRolePermissionsBoundary", {**ROLE, **THEIR_BOUNDARY}),
    ("PutRolePermissionsBoundary", {**OTHER_ROLE, **THEIR_BOUNDARY}),
    ("PutRolePermissionsBoundary", {**OTHER_ROLE, "permissionsBoundary": OTHER_POLICY["policyArn"]}),
    ("DeleteRolePermissionsBoundary", ROLE),
    ("DeleteRolePermissionsBoundary", OTHER_ROLE),
    ("DeleteRole", ROLE),
    ("UpdateRole", {**ROLE, "maxSessionDuration": 43200}),
]
"""Calls that change Astronomer's access, by name and request parameters."""

ALARM, TOPIC = "acme-policy-alarm", f"arn:aws:sns:us-east-1:{ACCOUNT}:acme-policy-alarm"
KEYS = tuple(f"${{aws_kms_key.alarm_{key}.{by}}}" for key in ("trail-key", "topic-key") for by in ("key_id", "arn"))
"""References to the keys, which Terraform replaces in the patterns."""
SILENCING: list[tuple[str, str, dict[str, Any]]] = [
    ("cloudtrail", "StopLogging", {"name": ALARM}),
    ("cloudtrail", "StopLogging", {"name": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{ALARM}"}),
    ("cloudtrail", "DeleteTrail", {"name": ALARM}),
    ("cloudtrail", "UpdateTrail", {"name": ALARM, "isMultiRegionTrail": False}),
    ("cloudtrail", "PutEventSelectors", {"trailName": ALARM, "eventSelectors": []}),
    ("logs", "DeleteLogGroup", {"logGroupName": ALARM}),
    ("logs", "DeleteLogStream", {"logGroupName": ALARM, "logStreamName": f"{ACCOUNT}_CloudTrail_us-east-1"}),
    ("logs", "DeleteMetricFilter", {"logGroupName": ALARM, "filterName": ALARM}),
    ("logs", "PutMetricFilter", {"logGroupName": ALARM, "filterName": ALARM}),
    ("logs", "PutRetentionPolicy", {"logGroupName": ALARM, "retentionInDays": 1}),
    ("logs", "DeleteRetentionPolicy", {"logGroupName": ALARM}),
    ("logs", "AssociateKmsKey", {"logGroupName": ALARM, "kmsKeyId": "0123"}),
    ("logs", "DisassociateKmsKey", {"logGroupName": ALARM}),
    ("monitoring", "DeleteAlarms", {"alarmNames": ["other", ALARM]}),
    ("monitoring", "DisableAlarmActions", {"alarmNames": [ALARM]}),
    ("monitoring", "PutMetricAlarm", {"alarmName": ALARM, "threshold": 1000}),
    ("monitoring", "PutCompositeAlarm", {"alarmName": ALARM}),
    ("monitoring", "PutAlarmMuteRule", {"name": "quiet"}),
    ("monitoring", "SetAlarmState", {"alarmName": ALARM, "stateValue": "OK"}),
    ("sns", "DeleteTopic", {"topicArn": TOPIC}),
    ("sns", "SetTopicAttributes", {"topicArn": TOPIC, "attributeName": "Policy"}),
    ("sns", "AddPermission", {"topicArn": TOPIC, "label": "x"}),
    ("sns", "RemovePermission", {"topicArn": TOPIC, "label": "x"}),
    ("sns", "Unsubscribe", {"subscriptionArn": f"{TOPIC}:0123"}),
    ("sns", "SetSubscriptionAttributes", {"subscriptionArn": f"{TOPIC}:0123", "attributeName": "FilterPolicy"}),
    *(("kms", name, {"keyId": key}) for name in ("DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion") for key in KEYS),
    *(
        ("s3", name, {"bucketName": f"{ALARM}-{ACCOUNT}"})
        for name in (
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
    ),
    *(
        ("events", name, {field: f"{ALARM}-{rule}"})
        for rule in ("access", "itself", "storage", "forward", "guard")
        for name, field in (
            ("DeleteRule", "name"),
            ("DisableRule", "name"),
            ("PutRule", "name"),
            ("PutTargets", "rule"),
            ("RemoveTargets", "rule"),
        )
    ),
    *(
        ("iam", name, {"roleName": f"{ALARM}-{role}"})
        for role in ("delivery", "forward")
        for name in (
            "AttachRolePolicy",
            "DetachRolePolicy",
            "DeleteRolePolicy",
            "PutRolePolicy",
            "DeleteRole",
            "UpdateAssumeRolePolicy",
            "UntagRole",
            "TagRole",
        )
    ),
]
"""Calls that end or silence the alarm, by service, name and request parameters."""


def in_capitals(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the same names in upper case; case-sensitive parts of ARNs are unchanged."""
    return {
        key: value.upper().replace(f"ARN:AWS:IAM::{ACCOUNT}:POLICY/", f"arn:aws:iam::{ACCOUNT}:policy/")
        if key in ("roleName", "policyArn")
        else value
        for key, value in parameters.items()
    }


def event(one: dict[str, Any]) -> dict[str, Any]:
    """Return a record of CloudTrail as an event of EventBridge."""
    return {
        "version": "0",
        "source": f"aws.{one['eventSource'].split('.')[0]}",
        "detail-type": "AWS API Call via CloudTrail",
        "account": ACCOUNT,
        "region": one["awsRegion"],
        "resources": [],
        "detail": one,
    }


_NEVER_MATCHED = {
    "SetDefaultPolicyVersion": 4,
    "DeletePolicyVersion": 4,
    "DeletePolicy": 4,
    "UpdateAssumeRolePolicy": 1,
    "PutRolePolicy": 1,
    "DeleteRolePolicy": 1,
    "PutRolePermissionsBoundary": 3,
    "DeleteRolePermissionsBoundary": 2,
    "DeleteRole": 1,
    "UpdateRole": 1,
}
_HYBRID, _PREVIEW = ALARM_PATTERNS
MISSED_BY_PATTERN = {
    _HYBRID: {"AttachRolePolicy": 1, "CreatePolicyVersion": 6, **_NEVER_MATCHED},
    _PREVIEW: {"AttachRolePolicy": 1, "DetachRolePolicy": 1, "CreatePolicyVersion": 3, **_NEVER_MATCHED},
}
"""The number of `CHANGES` that Astronomer's own patterns miss, by the name of the event."""

_NEAR_ROLES = (
    "astronomer-remote-management-2",
    "astronomer-remote-managemen",
    "my-astronomer-remote-management",
    "astronomer-remote-management.backup",
    "astronomer",
    "astro-quasarian-quantum-1234",
    "lake-reader",
)
_NEAR_POLICIES = (
    "NotAstronomerCrossAccountRole",
    "AstronomerCrossAccountRoleReader",
    "AstronomerCrossAccount",
    "AstronomerOptInRegionsOld",
    "team/AstronomerCrossAccountRole2",
    "Boundary",
    "Lake",
)
_OF_ROLES = {
    "AttachRolePolicy": OTHER_POLICY,
    "DetachRolePolicy": OTHER_POLICY,
    "UpdateAssumeRolePolicy": DOCUMENT,
    "PutRolePolicy": {"policyName": "astronomer-remote-management", **DOCUMENT},
    "DeleteRolePolicy": {"policyName": "AstronomerCrossAccountRole"},
    "DeleteRole": {},
    "UpdateRole": {"maxSessionDuration": 3600},
}
_OF_POLICIES = {
    "CreatePolicyVersion": NEW_VERSION,
    "SetDefaultPolicyVersion": V2,
    "DeletePolicyVersion": V2,
    "DeletePolicy": {},
    "AttachRolePolicy": OTHER_ROLE,
}
# Reads of the role and its policies, and calls that change neither its permissions nor its principals.
_HARMLESS: list[tuple[str, Parameters]] = [
    *((name, ROLE) for name in ("GetRole", "ListAttachedRolePolicies", "ListRolePolicies", "ListRoleTags")),
    ("ListInstanceProfilesForRole", ROLE),
    ("GetRolePolicy", {**ROLE, "policyName": "extra"}),
    *(
        (name, one)
        for one in (POLICY, SECOND, REGIONS, BOUNDARY)
        for name in ("GetPolicy", "ListPolicyVersions", "ListEntitiesForPolicy", "ListPolicyTags")
    ),
    *(("GetPolicyVersion", {**one, **V2}) for one in (POLICY, SECOND, REGIONS, BOUNDARY)),
    ("TagRole", {**ROLE, "tags": [{"key": "owner", "value": "astronomer"}]}),
    ("UntagRole", {**ROLE, "tagKeys": ["owner"]}),
    ("TagPolicy", {**POLICY, "tags": [{"key": "owner", "value": "astronomer"}]}),
    ("UpdateRoleDescription", {**ROLE, "description": "Astronomer's"}),
    ("SimulatePrincipalPolicy", {"policySourceArn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE['roleName']}"}),
    *((name, None) for name in ("ListRoles", "ListPolicies", "GetAccountSummary", "GetAccountAuthorizationDetails")),
    ("CreateRole", {**OTHER_ROLE, "assumeRolePolicyDocument": "{}", **THEIR_BOUNDARY}),
    ("CreatePolicy", {"policyName": "AstronomerCrossAccountRoleReader", **DOCUMENT}),
    ("CreateServiceLinkedRole", {"aWSServiceName": "eks.amazonaws.com"}),
    ("CreateInstanceProfile", {"instanceProfileName": "astronomer-remote-management"}),
    ("CreateOpenIDConnectProvider", {"url": "https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF"}),
]
_OF_USERS_AND_GROUPS: list[tuple[str, Parameters]] = [
    *(
        (f"{verb}{kind}Policy", {f"{kind.lower()}Name": ROLE["roleName"], **OTHER_POLICY})
        for verb in ("Attach", "Detach")
        for kind in ("User", "Group")
    ),
    *(
        (f"Put{kind}Policy", {f"{kind.lower()}Name": ROLE["roleName"], "policyName": "extra", **DOCUMENT})
        for kind in ("User", "Group")
    ),
    ("PutUserPermissionsBoundary", {"userName": "ann", **THEIR_BOUNDARY}),
    ("DeleteUserPermissionsBoundary", {"userName": ROLE["roleName"]}),
    ("CreateAccessKey", {"userName": ROLE["roleName"]}),
    ("DeleteUser", {"userName": ROLE["roleName"]}),
]
# Services with calls of the same names, and calls that name the role.
_OF_OTHERS: list[tuple[str, str, Parameters]] = [
    *(
        ("iot.amazonaws.com", name, {"policyName": "AstronomerCrossAccountRole", **V2})
        for name in ("CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion", "DeletePolicy")
    ),
    ("organizations.amazonaws.com", "DeletePolicy", {"policyId": "p-examplepolicyid111"}),
    ("organizations.amazonaws.com", "DetachPolicy", {"policyId": "p-examplepolicyid111", "targetId": ACCOUNT}),
    ("sts.amazonaws.com", "AssumeRole", {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/{ROLE['roleName']}", **ROLE}),
    ("sts.amazonaws.com", "GetCallerIdentity", None),
    ("rolesanywhere.amazonaws.com", "CreateProfile", {"roleArns": [f"arn:aws:iam::{ACCOUNT}:role/{ROLE['roleName']}"]}),
    ("sso.amazonaws.com", "PutPermissionsBoundaryToPermissionSet", THEIR_BOUNDARY),
    ("sso.amazonaws.com", "AttachManagedPolicyToPermissionSet", {"managedPolicyArn": POLICY["policyArn"]}),
    ("kms.amazonaws.com", "PutKeyPolicy", {"policyName": "default", "keyId": "0123"}),
    ("s3.amazonaws.com", "PutBucketPolicy", {"bucketName": "acme", "bucketPolicy": {"Statement": []}}),
    ("ecr.amazonaws.com", "SetRepositoryPolicy", {"repositoryName": "airflow", "policyText": "{}"}),
    ("logs.amazonaws.com", "PutMetricFilter", {"filterName": "acme-policy-alarm"}),
    ("monitoring.amazonaws.com", "DescribeAlarms", {"alarmNames": ["acme-policy-alarm"]}),
    ("cloudtrail.amazonaws.com", "LookupEvents", None),
    ("cloudformation.amazonaws.com", "CreateStack", {"stackName": "AstronomerCrossAccountRole", **ROLE}),
    ("lambda.amazonaws.com", "CreateFunction20150331", {"role": f"arn:aws:iam::{ACCOUNT}:role/lake-reader"}),
    ("signin.amazonaws.com", "ConsoleLogin", None),
    *(
        ("ec2.amazonaws.com", name, {"vpcId": "vpc-0123456789abcdef0"})
        for name in ("DescribeVpcs", "CreateSubnet", "CreateRoute", "AcceptVpcPeeringConnection", "RunInstances")
    ),
    *(
        ("eks.amazonaws.com", name, {"name": "astro", "roleArn": f"arn:aws:iam::{ACCOUNT}:role/lake-reader"})
        for name in ("CreateCluster", "DescribeCluster", "CreateNodegroup", "UpdateClusterConfig", "DeleteNodegroup")
    ),
    *(
        ("rds.amazonaws.com", name, {"dBInstanceIdentifier": "astronomer-remote-management"})
        for name in ("CreateDBInstance", "ModifyDBInstance", "DescribeDBInstances", "AddRoleToDBInstance")
    ),
]


def _unrelated() -> Iterator[dict[str, Any]]:
    for name, parameters in _OF_ROLES.items():
        for role in _NEAR_ROLES:
            yield record(name, {"roleName": role, **parameters})
    for name, parameters in _OF_POLICIES.items():
        for policy in _NEAR_POLICIES:
            yield record(name, {**_policy(policy), **parameters})
    for name, parameters in (*_HARMLESS, *_OF_USERS_AND_GROUPS):
        yield record(name, parameters)
    for name, parameters in CHANGES:
        # Failed calls have changed nothing, and CloudTrail often omits the parameters of denied ones.
        yield record(name, parameters, error="NoSuchEntityException")
        yield record(name, None, error="AccessDenied")
        # The same call of another service, if it had one.
        yield record(name, parameters, source="example.amazonaws.com")
    for source, name, parameters in _OF_OTHERS:
        yield record(name, parameters, source=source)


def _other(value: Any) -> Any:
    if isinstance(value, list):
        return [f"{one}-2" for one in value]
    return str(value).replace(ALARM, "other").replace("aws_kms_key.alarm", "aws_kms_key.other")


def _others_alike() -> Iterator[dict[str, Any]]:
    """Yield calls that silence other resources of these services, and failed calls."""
    for service, name, parameters in SILENCING:
        source = f"{service}.amazonaws.com"
        yield record(name, parameters, source=source, error="AccessDenied")
        if service != "cloudtrail" and name != "PutAlarmMuteRule":
            other = {key: _other(value) for key, value in parameters.items()}
            yield record(name, other, source=source)


UNRELATED = [*_unrelated(), *_others_alike()]
"""Records that resemble a change but change nothing."""
