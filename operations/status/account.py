"""The checks of `main.py status` for each section of `account`."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from estate.model import Account
from modules.astronomer import ASTRONOMER_ACCOUNT, ROLE
from modules.cluster import vcpus_by_region
from modules.service_quotas.props import Quota
from operations.status import shared
from operations.status.check import Check, Outcome, View, done, failed, unknown, waiting

_QUIET = timedelta(days=1)
"""The longest normal pause between events. A day without any is rare; a broken trail is more likely."""
_CONFIRM = timedelta(days=2)
"""The time after which SNS deletes an unconfirmed subscription."""


def cross_account_role(_: Account, v: View) -> Iterator[Check]:
    """Check the role, its trust, and its use by Astronomer."""
    yield Check("trust", f"{ROLE} trusts Astronomer with an external ID only", lambda: _trust(v))
    never = "send Astronomer the ticket of `main.py handoff --for astronomer`; if sent, compare the external IDs"
    yield Check("used", "Astronomer has assumed the role", lambda: shared.role(v, ROLE, "Astronomer", never), "trust")


def _trust(v: View) -> Outcome:
    role = v.read("iam:get_role", RoleName=ROLE).get("Role")
    if role is None:
        return v.gone(f"role {ROLE} does not exist in account {v.account_id}")
    statements = _documented(role["AssumeRolePolicyDocument"]).get("Statement", [])
    astronomers = [one for one in statements if ASTRONOMER_ACCOUNT in json.dumps(one.get("Principal", {}))]
    if not astronomers:
        return failed(f"{ROLE} does not trust account {ASTRONOMER_ACCOUNT}", f"{v.deploy} restores the trust")
    if not all("sts:ExternalId" in json.dumps(one.get("Condition", {})) for one in astronomers):
        return failed(f"{ROLE} trusts Astronomer without an external ID", f"{v.deploy} restores the condition")
    return done(f"{ROLE} trusts account {ASTRONOMER_ACCOUNT} with an external ID")


def _documented(document: Any) -> dict[str, Any]:
    return document if isinstance(document, dict) else json.loads(document)


def policy_alarm(account: Account, v: View) -> Iterator[Check]:
    """Check each step from an event in IAM to a person who receives the alarm."""
    alarm = account.policy_alarm
    if alarm is None:
        return
    if not (alarm.log_group or alarm.organization_trail):
        yield Check("trail", "the trail delivers events to the log group", lambda: _trail(v))
    after = () if alarm.organization_trail else ("alarm",)
    if not alarm.organization_trail:
        yield Check("filter", "a metric filter counts the events", lambda: _filter(v))
        yield Check("alarm", "the alarm is on", lambda: _alarm(v))
    for name, endpoint in alarm.subscribers.items():
        title = f"{endpoint} receives the alarm"
        yield Check(f"subscriber:{name}", title, lambda endpoint=endpoint: _subscribed(v, endpoint), *after)
    if not alarm.subscribers:
        yield Check("subscribers", "the alarm has a recipient", lambda: _somebody(v), *after)


def _trail(v: View) -> Outcome:
    name = str(v.fact("alarm"))
    answer = v.read("cloudtrail:get_trail_status", Name=name)
    if not answer:
        return v.gone(f"trail {name} does not exist")
    if not answer.get("IsLogging"):
        return failed(f"trail {name} does not log", f"`aws cloudtrail start-logging --name {name} --region {v.region}`")
    if error := answer.get("LatestCloudWatchLogsDeliveryError"):
        fix = f"check that the role {name}-delivery can write to the log group; {v.deploy} restores it"
        return failed(f"trail {name} cannot deliver: {error}", fix)
    latest = shared.moment(answer.get("LatestCloudWatchLogsDeliveryTime"))
    if latest is None or v.now - latest > _QUIET:
        when = f"since {latest:%Y-%m-%d %H:%M}" if latest else "so far"
        fix = "change a tag of the role, wait 15 minutes, and check again"
        return waiting("AWS", f"trail {name} is logging but has delivered nothing {when}", fix)
    return done(f"trail {name} delivered at {latest:%Y-%m-%d %H:%M} UTC", latest)


def _filter(v: View) -> Outcome:
    group = str(v.fact("log_group"))
    answer = v.read("logs:describe_metric_filters", logGroupName=group).get("metricFilters", [])
    named = [one["filterName"] for one in answer if one["filterName"] == v.fact("alarm")]
    return done(f"{group} has the filter {named[0]}") if named else v.gone(f"{group} has no filter {v.fact('alarm')}")


def _alarm(v: View) -> Outcome:
    name = v.fact("alarm")
    alarms = v.read("cloudwatch:describe_alarms").get("MetricAlarms", [])
    found = next((one for one in alarms if one["AlarmName"] == name), None)
    if found is None:
        return v.gone(f"alarm {name} does not exist")
    if not found.get("ActionsEnabled"):
        enable = f"`aws cloudwatch enable-alarm-actions --alarm-names {name} --region {v.region}`"
        return failed(f"alarm {name} has its actions disabled", enable)
    if v.fact("topic_arn") not in found.get("AlarmActions", []):
        return failed(f"alarm {name} does not publish to {v.fact('topic_arn')}", v.deploy)
    return done(f"alarm {name} is {found.get('StateValue')}")


def _subscriptions(v: View) -> list[dict[str, Any]]:
    return v.read("sns:list_subscriptions_by_topic", TopicArn=v.fact("topic_arn")).get("Subscriptions", [])


def _subscribed(v: View, endpoint: str) -> Outcome:
    mine = [one["SubscriptionArn"] for one in _subscriptions(v) if one.get("Endpoint") == endpoint]
    if any(arn.startswith("arn:") for arn in mine):
        return done(f"{endpoint} has confirmed its subscription")
    if "PendingConfirmation" in mine:
        how = f"follow the link in the email to {endpoint}; SNS drops the subscription after 2 days"
        return waiting("you", f"{endpoint} has not confirmed its subscription", how)
    return v.gone(f"{endpoint} has no subscription, or it was not confirmed in {_CONFIRM.days} days")


def _somebody(v: View) -> Outcome:
    confirmed = [one for one in _subscriptions(v) if one["SubscriptionArn"].startswith("arn:")]
    if confirmed:
        return done(f"{len(confirmed)} confirmed subscriptions of {v.fact('topic_arn')}")
    return waiting(
        "you", f"no one is subscribed to {v.fact('topic_arn')}", "subscribe a person or a system to the topic"
    )


def service_quotas(account: Account, v: View) -> Iterator[Check]:
    """Check each quota of the region: the current value, and the request for an increase."""
    if account.service_quotas is None:
        return
    needed = vcpus_by_region(v.estate.data_plane().values()).get(v.region, 0)
    for name, quota in account.service_quotas.wanted(needed).items():
        title = f"{quota.service} {quota.code} is at least {quota.value:g} in {v.region}"
        yield Check(f"quota:{name}:{v.region}", title, lambda quota=quota: _quota(v, quota))


def _quota(v: View, wanted: Quota) -> Outcome:
    which = {"ServiceCode": wanted.service, "QuotaCode": wanted.code}
    now = v.read("service-quotas:get_service_quota", **which)
    # A quota that was never changed has the default, and GetServiceQuota does not answer for every one.
    now = now or v.read("service-quotas:get_aws_default_service_quota", **which)
    value = now.get("Quota", {}).get("Value")
    if value is not None and value >= wanted.value:
        return done(f"{wanted.code} is {value:g}")
    history = v.read("service-quotas:list_requested_service_quota_change_history_by_quota", **which)
    requests = history.get("RequestedQuotas", [])
    if not requests:
        return v.gone(f"{wanted.code} is {value}, and no increase is requested")
    newest = max(requests, key=lambda one: str(one.get("Created")))
    since, case = shared.moment(newest.get("Created")), newest.get("CaseId")
    evidence = (
        f"{wanted.code} is {value:g}, and the request for {newest.get('DesiredValue', 0):g} is {newest['Status']}"
    )
    evidence += f" as case {case}" if case else ""
    if newest["Status"] in ("PENDING", "CASE_OPENED") and newest.get("DesiredValue", 0) < wanted.value:
        # A deploy fails with "Only one open service quota increase request is allowed per quota".
        evidence += f"; AWS accepts no request for {wanted.value:g} until it has answered that one"
        return waiting("AWS", evidence, f"wait, then {v.deploy}; until then write {newest['DesiredValue']:g}", since)
    if newest["Status"] in ("PENDING", "CASE_OPENED", "APPROVED"):
        how = f"answer AWS in the support case {case}" if case else "wait; small increases take minutes, others days"
        return waiting("AWS", evidence, how, since)
    return failed(evidence, "ask AWS Support for the increase, and explain the cluster's needs", since=since)


def opt_in_region(account: Account, v: View) -> Iterator[Check]:
    """Check each opt-in region."""
    for region in account.opt_in_region.regions if account.opt_in_region else ():
        yield Check(f"region:{region}", f"{region} is enabled", lambda region=region: _region(v, region))


def _region(v: View, region: str) -> Outcome:
    status = v.read("account:get_region_opt_status", RegionName=region).get("RegionOptStatus", "unknown")
    evidence = f"{region} is {status}"
    match status:
        case "ENABLED" | "ENABLED_BY_DEFAULT":
            return done(evidence)
        case "ENABLING":
            return waiting("AWS", evidence, "wait; it takes minutes, sometimes hours")
        case "DISABLED" | "DISABLING":
            return v.gone(evidence)
        case _:
            return unknown(evidence, f"check {region} in the console, Account > AWS Regions")


BY_SECTION: Mapping[str, Callable[[Account, View], Iterator[Check]]] = {
    "cross_account_role": cross_account_role,
    "policy_alarm": policy_alarm,
    "service_quotas": service_quotas,
    "opt_in_region": opt_in_region,
}
"""The checks of each section of `account`."""
