"""The server: one process that serves AWS APIs for every account, and ends with its block."""

# pyright: reportMissingParameterType=false

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws import LocalAws
from tests.support import ROOT


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("local-aws") / "calls.txt"


@pytest.fixture(scope="module")
def aws(calls) -> Iterator[LocalAws]:
    with LocalAws(calls=calls) as aws:
        yield aws


def answers(url: str) -> bool:
    address = urlsplit(url)
    with socket.socket() as client:
        return client.connect_ex((address.hostname, address.port)) == 0


def test_a_client_acts_in_the_account_that_it_names(aws):
    for account in ("123456789012", "111111111111"):
        assert aws.client("sts", account=account).get_caller_identity()["Account"] == account


def test_the_environment_points_a_process_to_the_account(aws):
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    # The user's settings must not affect it.
    theirs = {"AWS_ACCESS_KEY_ID": "theirs", "AWS_SESSION_TOKEN": "theirs", "AWS_PROFILE": "theirs"}
    environment = {**os.environ, **theirs, **aws.environment("111111111111")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "111111111111\n"


def test_the_environment_of_no_account_is_that_of_the_first(aws):
    environment = aws.environment()
    assert environment == {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PROFILE": "default",
        "AWS_CONFIG_FILE": str(ROOT / "local_aws/aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    assert aws.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "action"),
    [
        ("ec2", "describe_bundle_tasks", {}, "ec2:DescribeBundleTasks"),
        ("iam", "get_service_last_accessed_details", {"JobId": "a" * 36}, "iam:GetServiceLastAccessedDetails"),
        ("kms", "describe_custom_key_stores", {}, "kms:DescribeCustomKeyStores"),
        ("ram", "list_principals", {"resourceOwner": "SELF"}, "ram:ListPrincipals"),
        ("route53", "list_cidr_collections", {}, "route53:ListCidrCollections"),
        (
            "s3",
            "create_bucket_metadata_configuration",
            {
                "Bucket": "bucket",
                "MetadataConfiguration": {
                    "JournalTableConfiguration": {"RecordExpiration": {"Expiration": "DISABLED"}}
                },
            },
            "s3:CreateBucketMetadataConfiguration",
        ),
    ],
)
def test_an_unimplemented_call_fails_at_once_in_the_protocol(aws, service, operation, arguments, action):
    with pytest.raises(ClientError) as refused:
        getattr(aws.client(service), operation)(**arguments)
    answer = refused.value.response
    assert answer["Error"]["Code"] == "NotImplemented"
    assert answer["Error"]["Message"].startswith(f"the local AWS does not implement {action}: ")
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["ResponseMetadata"]["RetryAttempts"]) == (400, 0)


def test_a_failure_of_moto_is_refused_and_not_retried(aws):
    with pytest.raises(ClientError) as refused:
        aws.client("ec2").delete_transit_gateway(TransitGatewayId="tgw-0123456789abcdef0")
    assert refused.value.response["Error"]["Message"] == (
        "the local AWS does not implement ec2:DeleteTransitGateway: moto failed: KeyError('tgw-0123456789abcdef0')"
    )


def test_the_calls_are_logged_by_service_and_action(aws, calls):
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="logged")
    aws.client("ram").get_resource_shares(resourceOwner="SELF")
    before = len(calls.read_text().splitlines())
    s3.put_object(Bucket="logged", Key="a/b", Body=b"1")
    s3.delete_object(Bucket="logged", Key="a/b")
    s3.put_bucket_versioning(Bucket="logged", VersioningConfiguration={"Status": "Enabled"})
    aws.client("ram").get_resource_shares(resourceOwner="SELF")
    aws.client("ec2").describe_vpcs()
    aws.client("logs").describe_log_groups()
    aws.client("cloudwatch").describe_alarms()
    aws.client("route53").list_hosted_zones()
    assert calls.read_text().splitlines()[before:] == [
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:PutBucketVersioning",
        "ram:GetResourceShares",
        "ec2:DescribeVpcs",
        "logs:DescribeLogGroups",
        "cloudwatch:DescribeAlarms",
        "route53:ListHostedZones",
    ]


def test_the_server_ends_with_its_block_also_after_a_failure():
    aws = LocalAws()
    with contextlib.suppress(ZeroDivisionError), aws:
        assert answers(aws.url)
        raise ZeroDivisionError
    assert not answers(aws.url)


def test_the_server_ends_when_its_parent_is_killed():
    program = (
        "import os, signal; from local_aws import LocalAws\n"
        "aws = LocalAws().__enter__(); print(aws.url, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    patience = time.monotonic() + 10
    while answers(done.stdout.strip()) and time.monotonic() < patience:
        time.sleep(0.05)
    assert not answers(done.stdout.strip())


def test_a_failed_start_of_the_server_is_reported(tmp_path):
    with pytest.raises(RuntimeError, match="did not start"):
        LocalAws(calls=tmp_path / "absent" / "calls.txt").__enter__()


def test_each_server_has_its_own_resources(aws):
    aws.client("sns").create_topic(Name="first")
    with LocalAws() as other:
        assert other.client("sns").list_topics()["Topics"] == []


def test_a_client_acts_in_the_region_that_it_names(aws):
    account = "222222222222"
    aws.client("ec2", account=account, region="eu-west-1").create_vpc(CidrBlock="10.77.0.0/16")
    assert len(aws.client("ec2", account=account).describe_vpcs()["Vpcs"]) == 1
    assert len(aws.client("ec2", account=account, region="eu-west-1").describe_vpcs()["Vpcs"]) == 2


@pytest.mark.parametrize(("switch", "done"), [({}, 3), ({"drop": True}, 1)])
def test_it_stops_after_n_changes_and_resumes_or_drops_calls(aws, switch, done):
    names = [f"{done}-{letter}" for letter in "abc"]
    # No retries: a dropped call has no caller that would retry it.
    once = Config(retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    iam = boto3.client("iam", "us-east-1", endpoint_url=aws.url, config=once, **keys)

    def there() -> int:
        return sum(group["GroupName"] in names for group in aws.client("iam").list_groups()["Groups"])

    with ThreadPoolExecutor() as pool:
        aws.go_wrong({"stand_still_after": 1})
        asked = [pool.submit(iam.create_group, GroupName=name) for name in names]
        patience = time.monotonic() + 10
        while ((report := aws.report())["calls"] < 3 or not report["changes"]) and time.monotonic() < patience:
            time.sleep(0.01)
        assert (there(), [one.done() for one in asked]) == (1, [False, False, False])
        aws.go_wrong(switch)
        wait(asked)
    assert there() == done
    aws.go_wrong({})


def test_a_share_of_all_calls_fails_in_the_service_protocol(aws):
    aws.go_wrong({"rate": 1, "seed": 7})
    codes = set()
    for service, operation in [("s3", "list_buckets"), ("ec2", "describe_vpcs"), ("kms", "list_keys")]:
        with pytest.raises(ClientError) as refused:
            getattr(aws.client(service), operation)()
        codes.add(refused.value.response["Error"]["Code"])
    report = aws.report()
    # The client makes three attempts for each call.
    assert (report["calls"], sum(report["faults"].values()), codes - report["faults"].keys()) == (9, 9, set())
    aws.go_wrong({"rate": 0.1, "seed": 7})
    for _ in range(100):
        with contextlib.suppress(ClientError):
            aws.client("ec2").describe_vpcs()
    report = aws.report()
    assert 0.05 < sum(report["faults"].values()) / report["calls"] < 0.2
    aws.go_wrong({})
    aws.client("ec2").describe_vpcs()
    assert aws.report() == {"calls": 1, "changes": 0, "faults": {}, "changed": []}


def test_an_account_makes_only_the_calls_it_is_allowed(aws):
    """A call is allowed in one region or in all regions."""
    aws.go_wrong({"allowed": {"111111111111": ["us-east-1/ec2:DescribeVpcs", "*/cloudwatch:DescribeAlarms"]}})
    allowed = [
        (service, account, region)
        for account in ("111111111111", "222222222222")
        for region in ("us-east-1", "us-west-2")
        for service, operation in [
            ("ec2", "describe_vpcs"),
            ("ec2", "describe_subnets"),
            ("cloudwatch", "describe_alarms"),
        ]
        if made(aws.client(service, account, region), operation)
    ]
    aws.go_wrong({})
    assert allowed == [
        ("ec2", "111111111111", "us-east-1"),
        ("cloudwatch", "111111111111", "us-east-1"),
        ("cloudwatch", "111111111111", "us-west-2"),
    ]


def made(client, operation):
    try:
        getattr(client, operation)()
    except ClientError as error:
        return error.response["Error"]["Code"] not in ("AccessDenied", "UnauthorizedOperation")
    return True


def test_concurrent_calls_do_not_disturb_each_other(aws):
    """In moto a listing fails with "dictionary changed size during iteration" while another call creates something."""
    ec2 = aws.client("ec2", account="555555555555")
    before = len(ec2.describe_security_groups()["SecurityGroups"])

    def create_and_list(number: int) -> None:
        ec2.create_security_group(GroupName=f"group-{number}", Description="one of many")
        ec2.describe_security_group_rules()

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(create_and_list, range(60)))
    assert len(ec2.describe_security_groups()["SecurityGroups"]) == before + 60
