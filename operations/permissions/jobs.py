"""The jobs that require permissions in AWS."""

from enum import StrEnum


class Job(StrEnum):
    """A job on stacks, or on the state's bucket."""

    PLAN = "plan"
    APPLY = "apply"
    DESTROY = "destroy"
    ADOPT = "adopt"
    PREFLIGHT = "preflight"
    STATE_CREATE = "state-create"
