from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from modules.astronomer import ALARM_PATTERNS, BOUNDARY, POLICY, ROLE
from modules.context import CheckedProps, Context
from modules.entry import FieldPath, Step, fact, foreign_topic, in_words
from modules.opt_in_region.props import POLICY as REGIONS_POLICY
from modules.policy_alarm.events import OF_BOUNDARIES, OF_ROLES_AND_POLICIES
from modules.vocabulary import Reason, RetentionDays, Slug, Text, TopicArn

Filter = Literal["corrected", "seed-hybrid", "seed-preview"]


def _any(selector: str, *values: str) -> str:
    return "(" + " || ".join(f'({selector} = "{value}")' for value in values) + ")"


# A boundary that is taken off a role names the role only, and one that is put in its place need not be Astronomer's: in
# the dedicated account every such call counts (facts B3). `CreatePolicyVersion` can make the new version the default
# at once (B2), and a large document is several policies: the name, and the name with -2, -3, ... A call that failed
# has changed nothing, and has an errorCode.
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
"""CloudWatch Logs filter patterns; the seeds' to the letter. CloudWatch takes up to 1,024 characters (facts B5)."""


def _understands_sns(endpoint: str) -> str:
    if endpoint.startswith("https://hooks.slack.com/"):
        raise ValueError(
            "is a Slack webhook, which does not understand SNS and is a secret besides; configure Slack in AWS Chatbot "
            "and write https://global.sns-api.chatbot.amazonaws.com"
        )
    return endpoint


Subscriber = Annotated[
    str,
    Text(
        "an e-mail address or HTTPS endpoint",
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
    """Tell people when Astronomer's role, its policies or a permissions boundary are changed."""

    subscribers: dict[Slug, Subscriber] = Field(default_factory=dict)
    """Whom to tell, by name: e-mail addresses, each to be confirmed by its owner, and HTTPS endpoints that understand
    SNS. Slack and Teams: configure AWS Chatbot, and write https://global.sns-api.chatbot.amazonaws.com here; a plain
    Slack webhook does not understand SNS. An endpoint whose URL is a secret does not belong here: subscribe it to a
    topic of your own, and name that as `topic_arn`."""
    topic_arn: TopicArn | None = None
    """Your own SNS topic, in the account's region, instead of one that is made. Its policy, and that of its KMS key,
    must let cloudwatch.amazonaws.com and events.amazonaws.com publish, the latter without `aws:SourceArn` in the key's
    policy; with the AWS managed key alias/aws/sns neither can."""
    log_group: LogGroupName | None = None
    """An existing log group that already gets IAM's events from CloudTrail. It is in the account's region, and its
    trail is a multi-region one with global service events. Default: a trail and a log group are made."""
    organization_trail: bool = False
    """True where a trail of your organization records this account's events in another account, as Control Tower's does
    (facts C17). Nothing is made then that needs the events in a log group: EventBridge, which gets them from that trail
    too, alone notifies. The trail must be a multi-region one with management events."""
    log_retention_days: RetentionDays = 365
    """How long the log group that is made keeps events."""
    trail_retention_days: Annotated[int, Field(ge=90, le=3653)] = 365
    """How long the bucket that is made keeps the trail's files."""
    filter: Filter = "corrected"
    """Which events ring. Default `corrected`: every call that changes the role, its policies or a boundary, and none
    that AWS refused. `seed-hybrid` and `seed-preview` are to the letter what Astronomer's documents say: they wait for
    `SetPolicyVersion`, which no AWS service has, and miss changes of the default version, of the trust policy, of
    inline policies and of boundaries (`seed-hybrid` misses new versions too)."""
    removal_reason: Reason | None = None
    """Why the trail's bucket may be destroyed with what it holds. Default: AWS refuses to until it is empty."""

    @model_validator(mode="after")
    def _has_one_topic(self) -> Self:
        if bool(self.subscribers) == bool(self.topic_arn):
            has = "has both subscribers and topic_arn" if self.topic_arn else "has neither subscribers nor topic_arn"
            raise ValueError(f"{has}; give one: subscribers of a topic that is made, or a topic of your own")
        return self

    @model_validator(mode="after")
    def _says_nothing_of_what_is_not_made(self) -> Self:
        made = {"log_retention_days", "trail_retention_days", "removal_reason"} & self.model_fields_set
        if self.log_group and made:
            raise ValueError(f"has {', '.join(sorted(made))}, and makes no trail where log_group is given; remove one")
        beside = sorted(made | ({"log_group", "filter"} & self.model_fields_set))
        if self.organization_trail and beside:
            raise ValueError(f"has organization_trail and {', '.join(beside)}, and reads no log group; remove one")
        return self

    def steps(self, facts: Mapping[str, Any]) -> Iterator[Step]:
        """Yield what remains to be done by people."""
        for name, endpoint in self.subscribers.items() if facts else ():
            unconfirmed = fact(facts, "unconfirmed", name)
            how = f"confirm the subscription of {in_words(endpoint)} to the alarm's SNS topic"
            # SNS deletes a subscription that is not confirmed in time.
            yield Step("you", how, "within 3 days of the deploy", done=unconfirmed is False, key=f"subscriber:{name}")

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        for message in foreign_topic(self.topic_arn, context.region):
            yield ("topic_arn",), message
