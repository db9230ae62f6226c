"""Facts about an entry of the estate: the places of its values, its claims, its secrets, its pending inputs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from modules.vocabulary import arn_region


@dataclass(frozen=True)
class Secret:
    """A value that the file never holds: a sensitive Terraform variable without default.

    Each of its strings matches `pattern`, a regular expression that means the same to Terraform and to Python. A map
    has exactly the `keys`. `allowed` is the rule in words.
    """

    name: str
    type: Literal["list(string)", "map(string)"]
    description: str
    pattern: str
    allowed: str
    keys: tuple[str, ...] = ()

    def condition(self, variable: str) -> str:
        """Return the rule as a Terraform expression about `variable`."""
        filled, values = f"length({variable}) > 0", variable
        if self.type == "map(string)":
            filled = f'join(" ", keys({variable})) == "{" ".join(sorted(self.keys))}"'
            values = f"values({variable})"
        return f'{filled} && alltrue([for one in {values} : can(regex("^{self.pattern}$", one))])'

    def problem(self, value: object) -> str | None:
        """Return what is wrong with a value of the variable, without the value; None if the rule is met."""
        if self.type == "map(string)":
            shaped, values = isinstance(value, dict), tuple(value.values()) if isinstance(value, dict) else ()
            filled = isinstance(value, dict) and set(value) == set(self.keys)
        else:
            shaped, values = isinstance(value, list), tuple(value) if isinstance(value, list) else ()
            filled = bool(values)
        if not shaped or not all(isinstance(one, str) for one in values):
            return f"not a {self.type.split('(')[0]} of strings"
        if filled and all(re.fullmatch(self.pattern, one, re.ASCII) for one in values):
            return None
        return f"not what is needed: {self.allowed[0].lower()}{self.allowed[1:].removesuffix('.')}"

    def example(self) -> str:
        """Return the shape of a value, as it is written in a shell."""
        entries = ", ".join(f'"{key}": "…"' for key in self.keys)
        return f"'{{{entries}}}'" if self.type == "map(string)" else """'["…"]'"""

    def variable(self, entry: str = "") -> str:
        """The name of its variable: `<entry>_<name>`, or `<name>` where a stack has only one such entry.

        Names of the file have hyphens, which an environment variable TF_VAR_... cannot have."""
        return "_".join(part for part in (entry.replace("-", "_"), self.name) if part)


@dataclass(frozen=True)
class PendingInput:
    """A value that somebody else must give before the rest of an entry can be built."""

    field: str
    giver: Literal["Astronomer", "the Astro UI", "the Astro API", "your network team"]
    """Where the value comes from. You look up yourself what the Astro UI and API show."""
    how: str


FieldPath = tuple[str | int, ...]
"""Where a value stands inside an entry: `("dr", "cidr")`."""


@dataclass(frozen=True)
class Claim:
    """What AWS has only one of in a network, in its account and region, or in its account (`global`: IAM knows no
    region): two that have one `key` disagree.

    The message is made of both halves: "<what>, and so does <the other>; <remedy>".
    """

    field: FieldPath
    scope: Literal["network", "account", "global"]
    key: tuple[object, ...]
    what: str
    remedy: str
    shared: str | None = None
    """Connections that say the same here may have it together."""


def role_claim(field: FieldPath, name: str) -> Claim:
    """The claim of a role's name, without the estate's name before it."""
    return Claim(
        field, "global", ("role", name), f"makes the role <estate>-{name}", "an account has one of a name: rename one"
    )


@dataclass(frozen=True)
class Step:
    """An action that remains when an entry is deployed, such as accepting a resource share."""

    actor: Literal["you", "Astronomer", "your network team"]
    action: str
    """An imperative clause without a period. Identifiers in it come from the stack's outputs."""
    deadline: str | None = None
    """When it must be done, such as `within 7 days of the deploy`."""
    cluster: str | None = None
    """The one cluster that it concerns. Default: every cluster of the entry."""
    done: bool = False
    """Whether the stack's outputs prove that it is done."""
    key: str = ""
    """What `main.py status` decides it by: the ID of a check, or the part of several before a colon. Default: AWS does
    not show to your account whether it is done."""


def fact(facts: Mapping[str, Any], *path: str) -> Any:
    """Return a value from a stack's outputs, or None. Outputs can come from a file and have any shape."""
    value: Any = facts
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def in_words(value: Any) -> str:
    """Format a value from a stack's outputs for a sentence."""
    values = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else [value]
    return ", ".join("unknown" if one in (None, "") else str(one) for one in values) or "none"


SECRET = re.compile(
    r"secret|passw|pwd|token|credential|external.?id|(?:shared|private|api|access).?key"
    r"|(?:^|[^a-z])(?:psk|pass|pin)(?:$|[^a-z])|^key$",
    re.IGNORECASE,
)
"""Found in a name whose value may be a secret."""


def foreign_topic(topic_arn: str | None, region: str) -> Iterator[str]:
    """Why alarms of a region cannot tell a topic, where they cannot: CloudWatch refuses one of another region."""
    if topic_arn and arn_region(topic_arn) != region:
        yield f"{topic_arn!r} is not in {region}; an alarm tells topics of its own region only"
