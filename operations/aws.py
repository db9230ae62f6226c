"""Reads AWS: sessions, retries, pages, and the permissions that are missing, in one place for every command."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import boto3
from botocore import exceptions
from botocore.config import Config

from modules.aws import OPT_IN
from modules.vocabulary import partition
from operations.permissions.actions import adopt_action

CLIENT_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})
"""The defaults would wait for minutes on an endpoint that does not answer."""


def session_as(role: str, name: str) -> boto3.Session:
    """Signs in as the provider does: with the credentials of the environment, and with them as `role` if it is set.

    CloudTrail shows `name` as the session's. Raises botocore's errors.
    """
    own = boto3.Session()
    if not role:
        return own
    with closing(own.client("sts", region_name=own.region_name or "us-east-1", config=CLIENT_CONFIG)) as sts:
        keys = sts.assume_role(RoleArn=role, RoleSessionName=name)["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


def caller_account(session: boto3.Session, region: str) -> str:
    """The account of a session's credentials; `region` decides the partition."""
    # The account is the same everywhere, and its own region may be off.
    anywhere = "us-east-1" if partition(region) == "aws" else region
    with closing(session.client("sts", region_name=anywhere, config=CLIENT_CONFIG)) as sts:
        return sts.get_caller_identity()["Account"]


_ABSENT = re.compile(r"NoSuch|NotFound|^404|does not exist")
_DENIED = re.compile(r"AccessDenied|UnauthorizedOperation|NotAuthorized|AuthorizationError|^403$")
_OFF = re.compile(r"InvalidClientTokenId|UnrecognizedClient|AuthFailure|OptInRequired")
"""How a region answers that is off."""


class Aws:
    """Answers of one account and region, each call made once. `denied` gathers IAM actions that are not allowed."""

    def __init__(self, session: boto3.Session, account_id: str, region: str) -> None:
        self.account_id, self.region = account_id, region
        self.denied: set[str] = set()
        self._session = session
        self._clients: dict[tuple[str, str], Any] = {}
        self._answers: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> "Aws":
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients.values():
            client.close()

    def ask(self, call: str, region: str = "", **parameters: Any) -> dict[str, Any]:
        """All pages of the answer; empty where AWS does not know what is asked for, or denies the call."""
        key = json.dumps([call, region, parameters], sort_keys=True)
        if key not in self._answers:
            self._answers[key] = self._ask(call, region or self.region, parameters)
        return self._answers[key]

    def ask_each(self, call: str, asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The answers to one call about several things. Each may have a policy of its own that denies it, as keys do:
        that counts only where all are denied."""
        denied = set(self.denied)
        answers = [self.ask(call, **parameters) for parameters in asked]
        if any(answers):
            self.denied = denied
        return answers

    def _ask(self, call: str, region: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        service, operation = call.split(":")
        if (client := self._clients.get((service, region))) is None:
            client = self._session.client(service, region_name=region, config=CLIENT_CONFIG)  # type: ignore[call-overload]
            self._clients[service, region] = client
        try:
            if client.can_paginate(operation):
                return client.get_paginator(operation).paginate(**parameters).build_full_result()
            return getattr(client, operation)(**parameters)
        except exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if _DENIED.search(code):
                self.denied.add(adopt_action(call))
            elif not _ABSENT.search(f"{code} {error}") and not (region in OPT_IN and _OFF.search(code)):
                raise
            return {}
