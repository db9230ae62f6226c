"""Facts about an entry of the estate: the paths of its values, its claims, its secrets, its pending inputs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from modules.vocabulary import arn_region


@dataclass(frozen=True)
class Secret:
    """A value that must not be in the file: a sensitive Terraform variable without a default.

    Each of its strings matches `pattern`, a regular expression with the same meaning in Terraform and in Python. A map
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
        """Return the problem of a value of the variable without printing the value, or None if it is valid."""
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
        return f"not valid: {self.allowed[0].lower()}{self.allowed[1:].removesuffix('.')}"

    def example(self) -> str:
        """Return the form of a value for a shell."""
        entries = ", ".join(f'"{key}": "…"' for key in self.keys)
        return f"'{{{entries}}}'" if self.type == "map(string)" else """'["…"]'"""

    def variable(self, entry: str = "") -> str:
        """Return the name of its variable: `<entry>_<name>`, or `<name>` if a stack has only one such entry.

        Hyphens of the entry's name are replaced, because a variable TF_VAR_... cannot contain them.
        """
        return "_".join(part for part in (entry.replace("-", "_"), self.name) if part)


@dataclass(frozen=True)
class PendingInput:
    """A value that somebody else must provide before the rest of an entry can be created."""

    field: str
    giver: Literal["Astronomer", "the Astro UI", "the Astro API", "your network team"]
    """The source of the value. You read values of the Astro UI and API yourself."""
    how: str


FieldPath = tuple[str | int, ...]
"""The path of a value inside an entry: `("dr", "cidr")`."""


@dataclass(frozen=True)
class Claim:
    """A resource or name that AWS allows once in a network, in an account and region, or in an account (`global`,
    because IAM has no regions). Two claims with the same `key` conflict.

    The message combines two claims: "<what>, which conflicts with <the other>; <remedy>".
    """

    field: FieldPath
    scope: Literal["network", "account", "global"]
    key: tuple[object, ...]
    what: str
    remedy: str
    shared: str | None = None
    """Connections with the same value here may share the resource."""


def role_claim(field: FieldPath, name: str) -> Claim:
    """Return the claim of a role's name, without the prefix of the estate's name."""
    return Claim(
        field,
        "global",
        ("role", name),
        f"creates the role <estate>-{name}",
        "role names must be unique within an account: rename one",
    )


def kept_role_claim(field: FieldPath, name: str) -> Claim:
    """Return the claim of a role's whole name, which can also begin with the estate's name. IAM ignores case."""
    return Claim(
        field,
        "global",
        ("kept role", name.casefold()),
        f"is the name of the role {name}",
        "role names must be unique within an account: use another one",
    )


@dataclass(frozen=True)
class Step:
    """A step that remains after a deploy, such as accepting a resource share."""

    actor: Literal["you", "Astronomer", "your network team"]
    action: str
    """An imperative clause without a period. Identifiers in it come from the stack's outputs."""
    deadline: str | None = None
    """The deadline, such as `within 7 days of the deploy`."""
    cluster: str | None = None
    """The only cluster that it concerns. Default: every cluster of the entry."""
    done: bool = False
    """True if the stack's outputs prove that it is done."""
    key: str = ""
    """The ID of the check of `main.py status` that shows whether it is done, or the part of several IDs before a colon.
    Default: your account cannot see whether it is done."""


def fact(facts: Mapping[str, Any], *path: str) -> Any:
    """Return a value from a stack's outputs, or None. Outputs can come from a file and have any structure."""
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
"""Matches names whose values may be secrets."""


def foreign_topic(topic_arn: str | None, region: str) -> Iterator[str]:
    """Yield an error if the topic is in another region than the alarms. CloudWatch refuses such a topic."""
    if topic_arn and arn_region(topic_arn) != region:
        yield f"{topic_arn!r} is not in {region}; an alarm can only notify topics in its region"
