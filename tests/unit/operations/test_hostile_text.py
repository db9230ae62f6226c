"""Texts from AWS and from files cannot affect a terminal, or write a command into the log of a CI job."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from commands.app import app as cli
from estate.errors import UserError
from operations.adopt.report import Adoption, Outcome
from operations.adopt.search import adopt
from operations.state import create_state_bucket

HOSTILE = "a\n::error::b\r\x1b[2K\u202ec\u2028d\x85e\x07\ud800"
STACK = {"provider": {"aws": [{"allowed_account_ids": ["111111111111"], "region": "us-east-1"}]}}


class Refuses:
    """A session of AWS that answers with a hostile text."""

    def __init__(self, *_: object) -> None: ...

    def client(self, *_: object, **__: object) -> Any:
        raise ClientError({"Error": {"Code": HOSTILE, "Message": HOSTILE}}, "GetCallerIdentity")


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as refused:
        call()
    return str(refused.value)


def adopted() -> str:
    outcomes = tuple(Outcome("aws_vpc.a", state, HOSTILE, HOSTILE) for state in ("found", "alike", "several"))
    return Adoption("network-lake", "111111111111", "us-east-1", outcomes, foreign=(HOSTILE,)).report()


def refused_adopt() -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("operations.adopt.search.session_as", Refuses)
        return error_of(lambda: adopt({"network-lake": STACK}))


def refused_state() -> str:
    return error_of(lambda: create_state_bucket("acme", "us-east-1", None, Refuses()))  # pyright: ignore[reportArgumentType]


def state_without_profile() -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_PROFILE", HOSTILE.replace("\ud800", ""))
        return error_of(lambda: create_state_bucket("acme", "us-east-1", None))


def every_error() -> str:
    return CliRunner().invoke(cli, ["check", "\x1b[2J\r\u202eastro.yaml"]).stderr.removesuffix("\n")


PRINTED = {
    "adopt's report": (adopted, 5),
    "adopt's error": (refused_adopt, 1),
    "state's error": (refused_state, 1),
    "state without a profile": (state_without_profile, 1),
    "an error of any command": (every_error, 1),
}


@pytest.mark.parametrize("printed", PRINTED)
def test_text_from_outside_is_harmless(printed: str) -> None:
    told, number = PRINTED[printed]
    lines = told().split("\n")
    assert (len(lines), [line for line in lines if not line.isprintable()]) == (number, [])
