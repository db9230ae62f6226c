"""The jobs that require permissions in AWS."""

from enum import StrEnum


class Job(StrEnum):
    """A job on stacks, on the state's bucket, or before there is a file (`init`)."""

    PLAN = "plan"
    APPLY = "apply"
    DESTROY = "destroy"
    ADOPT = "adopt"
    PREFLIGHT = "preflight"
    STATUS = "status"
    REACH = "reach"
    DRIFT = "drift"
    INIT = "init"
    STATE_CREATE = "state-create"
