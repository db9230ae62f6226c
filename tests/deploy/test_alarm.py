"""The deployed alarm: CloudTrail's records go into its log group, and its topic notifies the subscriber.

The count, the alarm and the notification are
simulated by local_aws/patches/cloudwatch.py, which evaluates patterns with local_aws/filter_pattern.py.
"""

import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from local_aws import LocalAws
from local_aws.filter_pattern import compiled
from tests.support import ROOT
from tests.support.cloudtrail import (
    ACCOUNT,
    ALARM,
    CHANGES,
    MISSED_BY_PATTERN,
    SILENCING,
    UNRELATED,
    event,
    in_capitals,
    record,
)
from tests.support.deployment import Deployment
from tools.evidence import record as figure

pytestmark = pytest.mark.proof

LOG_GROUP = "organization-trail"
ESTATE = f"""
name: acme
state: {{backend: s3, bucket: acme-astro-tfstate, region: us-east-1}}
astro: {{product: hybrid, organization: acme}}
deployer: {{role: terraform-deployer}}
account:
  account_id: "{ACCOUNT}"
  region: us-east-1
  cross_account_role: {{policy_file: policies/astronomer.json}}
  policy_alarm:
    log_group: {LOG_GROUP}
    subscribers: {{security: security@acme.example}}
    filter: corrected
"""


class Deployed:
    """The estate, deployed with one filter after another."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self._aws = aws
        self._file = folder / "astro.yaml"
        self._file.write_text(ESTATE)
        shutil.copytree(ROOT / "examples/policies", folder / "policies")
        aws.make({"log_groups": [{"account": ACCOUNT, "region": "us-east-1", "name": LOG_GROUP}]})
        self._deployment = Deployment(self._file, folder / "work", aws, print)
        self._deployment.create_state()

    def client(self, service: str) -> Any:
        return self._aws.client(service, ACCOUNT)

    def pattern(self, name: str) -> str:
        """Deploy the filter with this name, and return its pattern in AWS."""
        self._file.write_text(ESTATE.replace("filter: corrected", f"filter: {name}"))
        self._deployment.deploy()
        [found] = self.client("logs").describe_metric_filters(logGroupName=LOG_GROUP)["metricFilters"]
        return found["filterPattern"]

    def deliver(self, records: list[dict[str, Any]]) -> None:
        """Put records into the log group, as CloudTrail does."""
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": json.dumps(one)} for one in records]
        self.client("logs").put_log_events(
            logGroupName=LOG_GROUP, logStreamName=f"{ACCOUNT}_CloudTrail", logEvents=events
        )

    def subscribe(self, address: str) -> None:
        """Subscribe an HTTP endpoint on this machine in place of earlier ones. The estate does not allow HTTP."""
        sns = self.client("sns")
        for one in sns.list_subscriptions()["Subscriptions"]:
            if one["Protocol"] == "http":
                sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])
        [topic] = sns.list_topics()["Topics"]
        sns.subscribe(TopicArn=topic["TopicArn"], Protocol="http", Endpoint=address)

    def send(self, events: list[dict[str, Any]]) -> None:
        """Send events to EventBridge, as CloudTrail does."""
        for one in events:
            entry = {"Source": one["source"], "DetailType": one["detail-type"], "Detail": json.dumps(one["detail"])}
            self.client("events").put_events(Entries=[entry])

    def counted(self) -> float:
        """Return the sum of the alarm's metric over the last hour."""
        now = datetime.now(UTC)
        found = self.client("cloudwatch").get_metric_statistics(
            Namespace="acme-policy-alarm",
            MetricName="Changes",
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=3600,
            Statistics=["Sum"],
        )
        return sum(point["Sum"] for point in found["Datapoints"])

    def state(self) -> str:
        [alarm] = self.client("cloudwatch").describe_alarms()["MetricAlarms"]
        return alarm["StateValue"]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with LocalAws() as aws:
        yield Deployed(aws, tmp_path_factory.mktemp("alarm"))


@pytest.fixture
def subscriber() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the address of an endpoint on this machine, and its list of received messages."""
    heard: list[dict[str, Any]] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            notification = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.append(json.loads(notification["Message"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", heard
        finally:
            server.shutdown()
            thread.join()


def test_only_and_all_changes_reach_the_subscriber(
    deployed: Deployed, subscriber: tuple[str, list[dict[str, Any]]]
) -> None:
    rings = compiled(deployed.pattern("corrected"))
    assert len(UNRELATED) >= 200
    missed = [change for change in CHANGES if not rings(record(*change))]
    false_alarms = [event for event in UNRELATED if rings(event)]
    assert (missed, false_alarms) == ([], [])

    address, heard = subscriber
    deployed.subscribe(address)
    deployed.client("logs").create_log_stream(logGroupName=LOG_GROUP, logStreamName=f"{ACCOUNT}_CloudTrail")
    deployed.deliver(UNRELATED)
    assert (deployed.counted(), deployed.state(), heard) == (0, "OK", [])
    first, *others = [record(*change) for change in CHANGES]
    deployed.deliver([first])
    assert (deployed.counted(), deployed.state(), heard) == (
        1,
        "ALARM",
        [
            {
                "AlarmName": "acme-policy-alarm",
                "AlarmArn": f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:acme-policy-alarm",
                "AWSAccountId": ACCOUNT,
                "OldStateValue": "OK",
                "NewStateValue": "ALARM",
                "NewStateReason": "1.0 of Changes in 300 s",
            }
        ],
    )
    deployed.deliver([*others, *UNRELATED])
    assert (deployed.counted(), len(heard)) == (len(CHANGES), 1)

    # The second channel reports each event, in upper or lower case, and each call that silences the first.
    heard.clear()
    deployed.send([event(one) for one in UNRELATED])
    assert heard == []
    [key] = deployed.client("kms").list_keys()["Keys"]
    deployed_names = {"logs": {"logGroupName": LOG_GROUP}, "kms": {"keyId": key["KeyId"]}}
    own = [
        record(name, {**given, **deployed_names.get(source, {})}, f"{source}.amazonaws.com")
        for source, name, given in SILENCING
        if source != "s3"  # With an existing log group, there is no bucket.
    ]
    own.append(record("DisableKey", {"keyId": key["KeyArn"]}, "kms.amazonaws.com"))
    changes = [record(name, change) for name, given in CHANGES for change in (given, in_capitals(given))]
    for one in (*changes, *own):
        heard.clear()
        deployed.send([event(one)])
        # Each rule reports changes of the others.
        assert {json.dumps(each["detail"]) for each in heard} == {json.dumps(one)}
    figure("alarm: relevant events / missed", f"{len(CHANGES)} / {len(missed)}")
    figure("alarm: unrelated events / false alarms", f"{len(UNRELATED)} / {len(false_alarms)}")


def test_the_drill_triggers_both_channels(deployed: Deployed, subscriber: tuple[str, list[dict[str, Any]]]) -> None:
    """The command of docs/security.md: `aws cloudwatch set-alarm-state`."""
    deployed.pattern("corrected")
    address, heard = subscriber
    deployed.subscribe(address)
    call = {"AlarmName": ALARM, "StateValue": "ALARM", "StateReason": "Drill"}
    deployed.client("cloudwatch").set_alarm_state(**{**call, "StateValue": "OK"})
    heard.clear()
    deployed.client("cloudwatch").set_alarm_state(**call)
    drill = record("SetAlarmState", {"alarmName": ALARM, "stateValue": "ALARM"}, source="monitoring.amazonaws.com")
    deployed.send([event(drill)])
    assert [one.get("NewStateReason") or one["detail"]["eventName"] for one in heard] == ["Drill", "SetAlarmState"]


@pytest.mark.parametrize("name", list(MISSED_BY_PATTERN))
def test_patterns_of_astronomers_pages_miss_the_listed_changes(deployed: Deployed, name: str) -> None:
    rings = compiled(deployed.pattern(name))
    missed = Counter(event for event, parameters in CHANGES if not rings(record(event, parameters)))
    assert missed == MISSED_BY_PATTERN[name]
    figure("Astronomer's own patterns: events missed", f"{name} {missed.total()} of {len(CHANGES)}")
