from __future__ import annotations

from datetime import timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.sns.exceptions import SNSInvalidParameter
from moto.sns.models import SNSBackend, Subscription
from moto.sns.responses import SNSResponse

from .. import clock
from .tools import kept, patch

_get_subscription_attributes = SNSBackend.get_subscription_attributes
_list_subscriptions = SNSResponse.list_subscriptions
_list_subscriptions_by_topic = SNSResponse.list_subscriptions_by_topic
_subscribe = SNSBackend.subscribe
_unsubscribe = SNSBackend.unsubscribe

# The lifetime of a confirmation link; AWS drops the subscription afterwards.
_CONFIRM_WITHIN = timedelta(days=2)


def _is_pending(subscription: Subscription) -> bool:
    return subscription.attributes["PendingConfirmation"]


def _drop_unconfirmed(backend: SNSBackend) -> None:
    for arn, subscription in list(backend.subscriptions.items()):
        if _is_pending(subscription) and clock.now() - kept(subscription, "asked", clock.now()) > _CONFIRM_WITHIN:
            del backend.subscriptions[arn]


@patch(SNSBackend)
def subscribe(self: SNSBackend, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
    """Leave e-mail subscriptions unconfirmed; moto confirms them. Other endpoints are confirmed at once."""
    _drop_unconfirmed(self)
    subscription = _subscribe(self, topic_arn, endpoint, protocol)
    if protocol.startswith("email") and "asked" not in subscription.__dict__:
        kept(subscription, "asked", clock.now())
        subscription.attributes |= {"PendingConfirmation": True, "ConfirmationWasAuthenticated": False}
    return subscription


@patch(SNSBackend)
def get_subscription_attributes(self: SNSBackend, arn: str) -> dict[str, Any]:
    """Drop unconfirmed subscriptions after their lifetime; moto keeps them forever."""
    _drop_unconfirmed(self)
    return _get_subscription_attributes(self, arn)


@patch(SNSBackend)
def unsubscribe(self: SNSBackend, subscription_arn: str) -> None:
    """Refuse to end a subscription that is pending; moto accepts it."""
    _drop_unconfirmed(self)
    if subscription_arn in self.subscriptions and _is_pending(self.subscriptions[subscription_arn]):
        raise SNSInvalidParameter(
            "Invalid parameter: SubscriptionArn Reason: Cannot unsubscribe a subscription that is pending confirmation"
        )
    _unsubscribe(self, subscription_arn)


def _as_listed(answer: ActionResult) -> ActionResult:
    """Return the listed form: AWS replaces the ARN of a pending subscription with a word."""
    listed = [
        {
            "SubscriptionArn": "PendingConfirmation" if _is_pending(one) else one.arn,
            "Owner": one.owner,
            "Protocol": one.protocol,
            "Endpoint": one.endpoint,
            "TopicArn": one.topic_arn,
        }
        for one in answer.result["Subscriptions"]  # type: ignore[index]
    ]
    return ActionResult({**answer.result, "Subscriptions": listed})  # type: ignore[dict-item]


@patch(SNSResponse)
def list_subscriptions(self: SNSResponse) -> ActionResult:
    """Hide the ARN of a pending subscription; moto lists it."""
    _drop_unconfirmed(self.backend)
    return _as_listed(_list_subscriptions(self))


@patch(SNSResponse)
def list_subscriptions_by_topic(self: SNSResponse) -> ActionResult:
    """Hide the ARN of a pending subscription here too."""
    _drop_unconfirmed(self.backend)
    return _as_listed(_list_subscriptions_by_topic(self))


@patch(SNSResponse)
def confirm_subscription(self: SNSResponse) -> ActionResult:
    """Check the token; moto accepts any token. No mail is sent, so the subscriber's address serves as the token."""
    _drop_unconfirmed(self.backend)
    topic, token = self._get_param("TopicArn"), self._get_param("Token")
    for subscription in self.backend.subscriptions.values():
        if (subscription.topic_arn, subscription.endpoint) == (topic, token) and _is_pending(subscription):
            subscription.attributes["PendingConfirmation"] = False
            return ActionResult({"SubscriptionArn": subscription.arn})
    raise SNSInvalidParameter("Invalid parameter: Token")
