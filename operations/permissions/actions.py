"""IAM's actions: their names, and the measured actions of each resource type."""

import json
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import cast

from botocore import xform_name
from botocore.session import get_session

MEASURED = Path(__file__).with_name("measured.json")
"""The actions of each type for reading, applying and destroying. `python -m tools.permissions` measures them."""

_FROM_SOURCE: dict[str, dict[str, list[str]]] = {
    "aws_ec2_transit_gateway_peering_attachment_accepter": {
        "read": ["ec2:DescribeTransitGatewayPeeringAttachments", "ec2:DescribeTransitGateways"],
        "apply": ["ec2:AcceptTransitGatewayPeeringAttachment", "ec2:CreateTags"],
        "destroy": ["ec2:DeleteTransitGatewayPeeringAttachment"],
    },
    "aws_kms_alias": {"read": ["kms:DescribeKey", "kms:ListAliases"]},
    "aws_route53_record": {
        "read": ["route53:GetHostedZone", "route53:ListResourceRecordSets"],
        "apply": ["route53:ChangeResourceRecordSets", "route53:GetChange"],
        "destroy": ["route53:ChangeResourceRecordSets", "route53:GetChange"],
    },
    "aws_vpc_endpoint_connection_accepter": {
        "read": ["ec2:DescribeVpcEndpointConnections"],
        "apply": ["ec2:AcceptVpcEndpointConnections"],
        "destroy": ["ec2:RejectVpcEndpointConnections"],
    },
    "aws_vpc_endpoint_connection_notification": {
        "read": ["ec2:DescribeVpcEndpointConnectionNotifications"],
        "apply": ["ec2:CreateVpcEndpointConnectionNotification", "ec2:ModifyVpcEndpointConnectionNotification"],
        "destroy": ["ec2:DeleteVpcEndpointConnectionNotifications"],
    },
    "aws_vpc_endpoint_service_private_dns_verification": {
        "read": [],
        "apply": ["ec2:StartVpcEndpointServicePrivateDnsVerification"],
        "destroy": [],
    },
    "aws_vpn_connection_route": {
        "read": ["ec2:DescribeVpnConnections"],
        "apply": ["ec2:CreateVpnConnectionRoute"],
        "destroy": ["ec2:DeleteVpnConnectionRoute"],
    },
}
"""The actions of types that no example deploys, from the source of the AWS provider."""

READS = Path(__file__).with_name("reads.json")
"""The calls of the commands that read AWS, as boto3 names them. `python -m tools.permissions reads` lists them."""

_PREFIXES = {"monitoring": "cloudwatch"}
OTHERWISE = {
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:DeleteBucketOwnershipControls": "s3:PutBucketOwnershipControls",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:DeleteBucketTagging": "s3:PutBucketTagging",
    "s3:GetBucketAccelerateConfiguration": "s3:GetAccelerateConfiguration",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycle": "s3:GetLifecycleConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}
"""Actions whose IAM name differs from the API's (Service Authorization Reference, "Actions for Amazon S3")."""


def action(service: str, operation: str) -> str:
    """Return IAM's name for an operation of a service, which is given by its signing name."""
    name = f"{_PREFIXES.get(service, service)}:{operation}"
    return OTHERWISE.get(name, name)


NEED_NOTHING = {"aws_iam_policy_document"}
"""Types that the provider computes without a call."""

PASSES_ROLE = {"aws_cloudtrail", "aws_cloudwatch_event_target", "aws_flow_log"}
"""Types that pass a role to a service, for which IAM requires `iam:PassRole`; no call reveals this."""

UNTAGGING = {
    "AddTags": "RemoveTags",
    "ChangeTagsForResource": "ChangeTagsForResource",
    "CreateTags": "DeleteTags",
    "TagOpenIDConnectProvider": "UntagOpenIDConnectProvider",
    "TagPolicy": "UntagPolicy",
    "TagResource": "UntagResource",
    "TagRole": "UntagRole",
}
"""The actions that remove the tags that an action adds."""

STATE_BUCKET = tuple(
    f"s3:{one}"
    for one in (
        "CreateBucket",
        "GetBucketObjectLockConfiguration",
        "GetBucketOwnershipControls",
        "GetBucketPolicy",
        "GetBucketPublicAccessBlock",
        "GetBucketVersioning",
        "GetEncryptionConfiguration",
        "GetLifecycleConfiguration",
        "ListBucket",
        "PutBucketOwnershipControls",
        "PutBucketPolicy",
        "PutBucketPublicAccessBlock",
        "PutBucketVersioning",
        "PutEncryptionConfiguration",
        "PutLifecycleConfiguration",
    )
)
"""The actions of `main.py state create` on the bucket."""


@cache
def actions_of_types() -> Mapping[str, Mapping[str, Collection[str]]]:
    """Return the actions of each type for `read`, `apply` and `destroy`."""
    return _FROM_SOURCE | json.loads(MEASURED.read_text("utf-8"))


@cache
def read_actions(command: str) -> tuple[str, ...]:
    """Return the actions of a command that reads AWS: `init`, `preflight`, `status` or `reach`."""
    calls = json.loads(READS.read_text("utf-8"))[command]
    return tuple(sorted({"sts:GetCallerIdentity", *map(adopt_action, calls)}))


@cache
def adopt_action(call: str) -> str:
    """Return IAM's name for a call of boto3, such as `s3:list_buckets`."""
    service, operation = call.split(":")
    model = get_session().get_service_model(service)
    names = {xform_name(name): name for name in cast(Iterable[str], model.operation_names)}
    return action(str(model.signing_name), names[operation])
