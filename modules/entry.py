"""Facts about an entry of the estate: the places of its values, its claims, its secrets, its pending inputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Secret:
    """A value that the file never holds: a sensitive Terraform variable without default.

    `type` is a Terraform type constraint; `rule` a Terraform condition in which `{var}` stands for the variable, and
    `allowed` what to say when it is false.
    """

    name: str
    type: str
    description: str
    rule: str
    allowed: str

    def variable(self, entry: str = "") -> str:
        """The name of its variable: `<entry>_<name>`, or `<name>` where a stack has only one such entry.

        Names of the file have hyphens, which an environment variable TF_VAR_... cannot have."""
        return "_".join(part for part in (entry.replace("-", "_"), self.name) if part)


@dataclass(frozen=True)
class Awaited:
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
