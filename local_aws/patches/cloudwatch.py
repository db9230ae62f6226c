from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend, MetricDatum, cloudwatch_backends
from moto.core.utils import utcnow
from moto.logs.models import LogGroup, logs_backends
from moto.sns.models import sns_backends

from local_aws.filter_pattern import compiled

from .tools import patch

_put_log_events = LogGroup.put_log_events
_put_metric_data = CloudWatchBackend.put_metric_data
_update_state = Alarm.update_state


@patch(LogGroup)
def put_log_events(self: LogGroup, log_stream_name: str, log_events: list[dict[str, Any]]) -> str:
    """Evaluate metric filters, which moto ignores. filter_pattern.py reads the patterns, for JSON events only."""
    token = _put_log_events(self, log_stream_name, log_events)
    for one in logs_backends[self.account_id][self.region].filters.metric_filters:
        if one["logGroupName"] != self.name:
            continue
        matches = compiled(one["filterPattern"])
        matched = [event for event in log_events if matches(json.loads(event["message"]))]
        for metric in one["metricTransformations"]:
            values = [float(metric["metricValue"])] * len(matched)
            if not matched and "defaultValue" in metric:
                values = [float(metric["defaultValue"])]
            data = [{"MetricName": metric["metricName"], "Value": value} for value in values]
            cloudwatch_backends[self.account_id][self.region].put_metric_data(metric["metricNamespace"], data)
    return token


@patch(CloudWatchBackend)
def put_metric_data(self: CloudWatchBackend, namespace: str, metric_data: list[dict[str, Any]]) -> None:
    """Evaluate alarms, which moto does not do.

    Only this project's kind of alarm is evaluated: a sum that reaches a threshold within one period.
    """
    _put_metric_data(self, namespace, metric_data)
    for alarm in self.alarms.values():
        judged = (alarm.statistic, alarm.comparison_operator) == ("Sum", "GreaterThanOrEqualToThreshold")
        if alarm.namespace != namespace or not judged:
            continue
        since = utcnow() - timedelta(seconds=alarm.period)
        recent = [
            datum.value
            for datum in list(self.metric_data)
            if isinstance(datum, MetricDatum)
            and datum.filter(namespace, alarm.metric_name, [])
            and datum.timestamp >= since
        ]
        state = "ALARM" if sum(recent) >= alarm.threshold else "OK"
        if state != alarm.state_value:
            alarm.update_state(f"{sum(recent)} of {alarm.metric_name} in {alarm.period} s", "{}", state)


@patch(Alarm)
def update_state(self: Alarm, reason: str, reason_data: str, state_value: str) -> None:
    """Notify an alarm's targets when its state changes; moto does not."""
    before = self.state_value
    _update_state(self, reason, reason_data, state_value)
    actions = {"ALARM": self.alarm_actions, "OK": self.ok_actions}.get(state_value, self.insufficient_data_actions)
    for arn in actions if self.actions_enabled and state_value != before else ():
        _, _, service, region, account, _ = arn.split(":", 5)
        if service == "sns":
            message = {
                "AlarmName": self.name,
                "AlarmArn": self.alarm_arn,
                "AWSAccountId": account,
                "OldStateValue": before,
                "NewStateValue": state_value,
                "NewStateReason": reason,
            }
            sns_backends[account][region].topics[arn].publish(
                json.dumps(message), subject=f'{state_value}: "{self.name}" in {region}'
            )
