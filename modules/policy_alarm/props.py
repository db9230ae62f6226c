from typing import Annotated

from pydantic import Field

from modules.vocabulary import Email, Props


class PolicyAlarmProps(Props):
    """An alarm on changes to Astronomer's access."""

    emails: Annotated[tuple[Email, ...], Field(max_length=50)] = ()
