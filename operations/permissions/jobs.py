"""What needs permissions in AWS."""

from enum import StrEnum


class Job(StrEnum):
    """What is done to stacks, or to the state's bucket."""

    PLAN = "plan"
    APPLY = "apply"
    DESTROY = "destroy"
    ADOPT = "adopt"
    STATE_CREATE = "state-create"
