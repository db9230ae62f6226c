from __future__ import annotations

import json
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.events.models import EventsBackend, Rule
from moto.sns.models import sns_backends

from .tools import patch

_put_rule = EventsBackend.put_rule
_send_to_targets = Rule.send_to_targets

_LONGEST_PATTERN = 2_048


@patch(EventsBackend)
def put_rule(self: EventsBackend, *args: Any, **more: Any) -> Rule:
    """Refuse patterns that are too long (EventBridge quotas, "Event pattern size"); moto accepts any length."""
    if len(more.get("event_pattern") or "") > _LONGEST_PATTERN:
        raise JsonRESTError("ValidationException", "Parameter EventPattern is too long")
    return _put_rule(self, *args, **more)


@patch(Rule)
def send_to_targets(self: Rule, original_event: Any, transform_input: bool = True) -> None:
    """Send events to SNS topics, and none for a disabled rule.

    moto fails for SNS targets, and sends events for disabled rules.
    """
    if self.state == "DISABLED" or not self.event_pattern.matches_event(original_event):
        return
    targets, others = self.targets, []
    for target in targets:
        _, _, service, region, account, _ = target["Arn"].split(":", 5)
        if service == "sns":
            sns_backends[account][region].topics[target["Arn"]].publish(json.dumps(original_event))
        else:
            others.append(target)
    if others:
        self.targets = others
        try:
            _send_to_targets(self, original_event, transform_input)
        finally:
            self.targets = targets
