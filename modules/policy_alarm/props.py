from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from modules.astronomer import ALARM_PATTERNS, BOUNDARY, POLICY, ROLE
from modules.context import CheckedProps, Context
from modules.entry import FieldPath, Step, fact, foreign_topic, in_words
from modules.opt_in_region.props import POLICY as REGIONS_POLICY
from modules.policy_alarm.events import OF_BOUNDARIES, OF_ROLES_AND_POLICIES
from modules.vocabulary import Reason, RetentionDays, Slug, Text, TopicArn, not_one

Filter = Literal["corrected", "astronomer-hybrid", "astronomer-preview"]


def _any(selector: str, *values: str) -> str:
    return "(" + " || ".join(f'({selector} = "{value}")' for value in values) + ")"


# A call that removes a boundary contains only the role's name, and a new boundary need not be Astronomer's. In the
# dedicated account, every such call therefore counts (facts B3). `CreatePolicyVersion` can change the default version
# at once (facts B2). A large document is several policies: the name, and the name with -2, -3, ... A failed call
# changes nothing and has an errorCode.
_CORRECTED = (
    '{ ($.eventSource = "iam.amazonaws.com") && ($.errorCode NOT EXISTS) && ('
    + _any("$.eventName", *OF_BOUNDARIES)
    + " || ("
    + _any("$.eventName", *OF_ROLES_AND_POLICIES)
    + f' && (($.requestParameters.roleName = "{ROLE}") || '
    + _any(
        "$.requestParameters.policyArn",
        f"*:policy/{POLICY}",
        f"*:policy/{POLICY}-*",
        f"*:policy/{REGIONS_POLICY}",
        f"*{BOUNDARY}*",
    )
    + "))) }"
)
PATTERNS: Mapping[Filter, str] = {
    "corrected": _CORRECTED,
    **ALARM_PATTERNS,
}
"""CloudWatch Logs filter patterns. Those of Astronomer's pages are unchanged. CloudWatch allows 1,024 characters (facts
B5)."""


def _understands_sns(endpoint: str) -> str:
    if endpoint.startswith("https://hooks.slack.com/"):
        raise ValueError(
            "is a Slack webhook, which does not support SNS and is also a secret; configure Slack in AWS Chatbot "
            "and write https://global.sns-api.chatbot.amazonaws.com"
        )
    return endpoint


Subscriber = Annotated[
    str,
    Text(
        "an email address or HTTPS endpoint",
        r'https://[A-Za-z0-9.-]+(?::\d+)?(?:/[^\s"{]*)?|[^@\s:/"{]+@[^@\s:/"{]+\.[^@\s:/"{]+',
        "name@domain, or https://host/path",
        "security@acme.example",
    ),
    AfterValidator(_understands_sns),
]
LogGroupName = Annotated[
    str,
    Text(
        "the name of a log group",
        r"[\w./#-]{1,512}",
        "up to 512 letters, digits and _./#-",
        "aws-cloudtrail-logs-222222222222",
        late=True,
    ),
]


class PolicyAlarmProps(CheckedProps):
    """Notify people when Astronomer's role, its policies or a permissions boundary change."""

    subscribers: dict[Slug, Subscriber] = Field(default_factory=dict)
    """The recipients, by name: email addresses, which their owners must confirm, and HTTPS endpoints that support SNS.
    For Slack and Teams, configure AWS Chatbot and enter https://global.sns-api.chatbot.amazonaws.com, because plain
    Slack webhooks do not support SNS. Do not enter an endpoint with a secret URL. Subscribe it to your own topic, and
    use `topic_arn`."""
    topic_arn: TopicArn | None = None
    """Your own SNS topic in the account's region, as an alternative to a new one. Its policy and that of its KMS key
    must allow cloudwatch.amazonaws.com and events.amazonaws.com to publish. The key's policy must not require
    `aws:SourceArn` of the latter. The AWS managed key alias/aws/sns supports neither."""
    log_group: LogGroupName | None = None
    """An existing log group that already receives IAM's events from CloudTrail. It must be in the account's region, and
    its trail must be a multi-region one with global service events. Default: a new trail and log group."""
    organization_trail: bool = False
    """True if a trail of your organization records this account's events in another account, as Control Tower does
    (facts C17). Only EventBridge then sends notifications, because it also receives the events of that trail. Resources
    that need a log group are not created. The trail must be a multi-region one with management events."""
    log_retention_days: RetentionDays = 365
    """How long the new log group keeps events."""
    trail_retention_days: Annotated[int, Field(ge=90, le=3653)] = 365
    """How long the new bucket keeps the trail's files."""
    filter: Filter = "corrected"
    """The events that trigger the alarm. Default `corrected`: every successful call that changes the role, its policies
    or a boundary. `astronomer-hybrid` and `astronomer-preview` are the unchanged filters of Astronomer's pages. They
    match `SetPolicyVersion`, which no AWS service has (facts B1). They miss changes of the default version, of the
    trust policy, of inline policies and of boundaries. `astronomer-hybrid` also misses new versions."""
    removal_reason: Reason | None = None
    """The reason why the trail's bucket may be destroyed with its content. Default: AWS refuses until it is empty."""

    @model_validator(mode="after")
    def _has_one_topic(self) -> Self:
        if bool(self.subscribers) == bool(self.topic_arn):
            is_wrong = not_one("subscribers", "topic_arn", both=bool(self.topic_arn))
            raise ValueError(f"{is_wrong}: subscribers of a new topic, or your own topic")
        return self

    @model_validator(mode="after")
    def _says_nothing_of_what_is_not_made(self) -> Self:
        made = {"log_retention_days", "trail_retention_days", "removal_reason"} & self.model_fields_set
        if self.log_group and made:
            raise ValueError(
                f"has {', '.join(sorted(made))}, which need a new trail, but log_group uses an existing one; remove one"
            )
        beside = sorted(made | ({"log_group", "filter"} & self.model_fields_set))
        if self.organization_trail and beside:
            raise ValueError(
                f"has organization_trail and {', '.join(beside)}, but with organization_trail no log group is used; "
                "remove one"
            )
        return self

    def steps(self, facts: Mapping[str, Any]) -> Iterator[Step]:
        """Yield the steps that remain for people."""
        for name, endpoint in self.subscribers.items() if facts else ():
            unconfirmed = fact(facts, "unconfirmed", name)
            how = f"confirm the subscription of {in_words(endpoint)} to the alarm's SNS topic"
            # SNS deletes a subscription that is not confirmed in time.
            yield Step("you", how, "within 3 days of the deploy", done=unconfirmed is False, key=f"subscriber:{name}")

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        for message in foreign_topic(self.topic_arn, context.region):
            yield ("topic_arn",), message
