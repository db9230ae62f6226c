"""Reads AWS for every command: sessions, retries, pages and missing permissions."""

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import cache
from typing import Any, Generic, TypeVar

import boto3
import botocore.session
from botocore import exceptions
from botocore.config import Config
from botocore.loaders import Loader

from estate.errors import UserError
from estate.source import printable
from modules.aws import OPT_IN
from modules.vocabulary import partition
from operations.permissions.actions import adopt_action

Made = TypeVar("Made")

CLIENT_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=32,
    retries={"mode": "standard", "total_max_attempts": 3},
)
"""The defaults would wait for minutes for an endpoint that does not respond."""


def session_as(role: str, name: str) -> boto3.Session:
    """Sign in as the provider does: with the credentials of the environment, and as `role` if it is set.

    `name` is the session's name in CloudTrail. Raises botocore's errors.
    """
    own = _session()
    if not role:
        return own
    with closing(own.client("sts", region_name=own.region_name or "us-east-1", config=CLIENT_CONFIG)) as sts:
        keys = sts.assume_role(RoleArn=role, RoleSessionName=name)["Credentials"]
    return _session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


_DESCRIBING = threading.Lock()


@cache
def _descriptions() -> Loader:
    """Return a loader that reads each description once, also if the clients of several accounts start together."""
    loader: Loader = botocore.session.Session().get_component("data_loader")
    read = loader.load_service_model

    def read_once(*which: Any, **options: Any) -> Any:
        with _DESCRIBING:
            return read(*which, **options)

    loader.load_service_model = read_once
    return loader


def _session(*keys: str) -> boto3.Session:
    """Return a session that shares the descriptions of services with all others; EC2's alone takes 0.3 s to read."""
    core = botocore.session.Session()
    with _DESCRIBING:
        core.register_component("data_loader", _descriptions())
    return boto3.Session(*keys, botocore_session=core)


def caller_account(session: boto3.Session, region: str) -> str:
    """Return the account of a session's credentials; `region` decides the partition."""
    # The response is the same in every region, and the given region may be disabled.
    anywhere = "us-east-1" if partition(region) == "aws" else region
    with closing(session.client("sts", region_name=anywhere, config=CLIENT_CONFIG)) as sts:
        return sts.get_caller_identity()["Account"]


_ABSENT = re.compile(r"NoSuch|NotFound|^404|does not exist")
_DENIED = re.compile(r"AccessDenied|UnauthorizedOperation|NotAuthorized|AuthorizationError|^403$")
_OFF = re.compile(r"InvalidClientTokenId|UnrecognizedClient|AuthFailure|OptInRequired")
"""The error codes of a region that is disabled."""


_SECRETS = {"PreSharedKey", "CustomerGatewayConfiguration"}
"""Members of responses that contain keys of VPN tunnels. No command uses them."""


class DeniedError(Exception):
    """The credentials do not allow a call. `action` is the IAM action that is missing."""

    def __init__(self, action: str, account_id: str) -> None:
        super().__init__(f"account {account_id} denies {action}")
        self.action = action


class RegionOffError(Exception):
    """The account has not enabled the region."""


class _Once(Generic[Made]):
    """Values by key. One thread creates each value or raises its error, and the other threads wait for the result."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: dict[str, Future[Made]] = {}

    def get(self, key: str, make: Callable[[], Made]) -> Made:
        """Return the value of a key, created by the first caller."""
        with self._lock:
            mine = key not in self._futures
            future = self._futures.setdefault(key, Future())
        if mine:
            try:
                future.set_result(make())
            except Exception as error:
                future.set_exception(error)
        return future.result()

    def failed(self) -> bool:
        """Return whether values were requested and none could be created."""
        return bool(self._futures) and all(one.exception() is not None for one in self._futures.values())


class Aws:
    """Responses of one account and region. Each call is made only once, even if several threads need it.

    `denied` collects the IAM actions that were denied to `ask`.
    """

    def __init__(self, session: boto3.Session, account_id: str, region: str) -> None:
        self.account_id, self.region = account_id, region
        self.denied: set[str] = set()
        self._session = session
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._answers = _Once[dict[str, Any]]()

    def __enter__(self) -> "Aws":
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients.values():
            client.close()

    def read(self, call: str, region: str = "", **parameters: Any) -> dict[str, Any]:
        """Return all pages of the response; empty if the resource does not exist.

        Raises DeniedError, RegionOffError and botocore's errors.
        """
        key = json.dumps([call, region, parameters], sort_keys=True)
        return self._answers.get(key, lambda: self._read(call, region or self.region, parameters))

    def ask(self, call: str, region: str = "", **parameters: Any) -> dict[str, Any]:
        """Return the response of `read`; also empty if AWS denies the call or the region is disabled."""
        try:
            return self.read(call, region, **parameters)
        except DeniedError as error:
            self.denied.add(error.action)
        except RegionOffError:
            pass
        return {}

    def ask_each(self, call: str, asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the responses to a call about each of several resources. Some resources, such as keys, have policies
        that can deny the call. A denial counts only if all calls are denied.
        """
        denied = set(self.denied)
        # An account can have hundreds of keys, and sequential calls take a minute.
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda parameters: self.ask(call, **parameters), asked))
        if any(answers):
            self.denied = denied
        return answers

    def _read(self, call: str, region: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        service, operation = call.split(":")
        client = self._client(service, region)
        try:
            if client.can_paginate(operation):
                answer = client.get_paginator(operation).paginate(**parameters).build_full_result()
            else:
                answer = _all_pages(getattr(client, operation), parameters)
        except exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if _DENIED.search(code):
                raise DeniedError(adopt_action(call), self.account_id) from error
            if _ABSENT.search(f"{code} {error}"):
                return {}
            if region in OPT_IN and _OFF.search(code):
                raise RegionOffError(f"account {self.account_id} has not enabled {region}") from error
            raise
        return _without_secrets(answer)

    def _client(self, service: str, region: str) -> Any:
        # A session must not create two clients at the same time.
        with self._lock:
            if (client := self._clients.get((service, region))) is None:
                client = self._session.client(service, region_name=region, config=CLIENT_CONFIG)  # type: ignore[call-overload]
                self._clients[service, region] = client
        return client


def _all_pages(call: Callable[..., dict[str, Any]], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the complete response to a call without a paginator in botocore, such as Route 53's list of a VPC's
    zones."""
    answer = call(**parameters)
    while token := answer.get("NextToken"):
        page = call(**parameters, NextToken=token)
        answer = page | {key: [*one, *page.get(key, ())] for key, one in answer.items() if isinstance(one, list)}
    return answer


_THROTTLED = re.compile(r"Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|BandwidthLimitExceeded")


UNEXPECTED = (LookupError, TypeError, AttributeError, ValueError)
"""The errors of code that reads a response with a different structure than AWS documents."""


def unexpected(error: Exception) -> str:
    """Return a message for a response with a different structure than AWS documents."""
    what = f"has no {error}" if isinstance(error, KeyError) else f"has an unexpected form ({error})"
    return f"the answer of AWS {what}"


def remedy(error: Exception) -> str:
    """Return the remedy for an error of botocore, or for one of `UNEXPECTED`."""
    if isinstance(error, UNEXPECTED):
        return "Run the command again; if the answer stays the same, report it to this project"
    if isinstance(error, exceptions.ClientError) and _THROTTLED.search(error.response["Error"]["Code"]):
        return "AWS limits the rate of calls; run the command again in a minute"
    return "Sign in, and check the network and the region"


def reason(error: Exception) -> str:
    """Return the text of an error of botocore without control characters, and its remedy."""
    return f"{printable(str(error))}. {remedy(error)}"


def _without_secrets(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {key: _without_secrets(one) for key, one in answer.items() if key not in _SECRETS}
    return [_without_secrets(one) for one in answer] if isinstance(answer, list) else answer


class Accounts:
    """The accounts of an estate. Signs in to each once, as the provider does.

    `role` is the name of the role to assume in each. `name` is the session's name in CloudTrail.
    """

    def __init__(self, role: str | None, name: str) -> None:
        self._role, self._name = role, name
        self._lock = threading.Lock()
        self._sessions = _Once[boto3.Session]()
        self._own = _Once[Aws]()
        self._opened: dict[tuple[str, str], Aws] = {}

    def __enter__(self) -> "Accounts":
        return self

    def __exit__(self, *_: object) -> None:
        for aws in self._opened.values():
            aws.__exit__()

    @property
    def readable(self) -> bool:
        """True if signing in succeeded for at least one account, or for none because none was needed."""
        return not self._sessions.failed()

    def of(self, account_id: str, region: str) -> Aws:
        """Return an account in a region. Raises UserError, the same each time, if signing in fails."""
        session = self._sessions.get(account_id, lambda: self._sign_in(account_id, region))
        with self._lock:
            return self._opened.setdefault((account_id, region), Aws(session, account_id, region))

    def own(self, region: str) -> Aws:
        """Return the account of the default credentials, which Terraform's backend uses. Raises UserError."""
        return self._own.get(region, lambda: self._open_own(region))

    def _open_own(self, region: str) -> Aws:
        try:
            session = session_as("", self._name)
            aws = Aws(session, caller_account(session, region), region)
        except (exceptions.BotoCoreError, exceptions.ClientError) as error:
            raise UserError(f"AWS cannot be read with your own credentials: {reason(error)}") from error
        with self._lock:
            return self._opened.setdefault(("", region), aws)

    def _sign_in(self, account_id: str, region: str) -> boto3.Session:
        role = f"arn:{partition(region)}:iam::{account_id}:role/{self._role}" if self._role else ""
        who = f"role {role}" if role else "your own credentials"
        try:
            session = session_as(role, self._name)
            caller = caller_account(session, region)
        except (exceptions.BotoCoreError, exceptions.ClientError) as error:
            raise UserError(f"account {account_id} cannot be read with {who}: {reason(error)}") from error
        if caller != account_id:
            raise UserError(
                f"account {account_id} cannot be read: your credentials are for account {caller}; sign in to that "
                "account, or set `deployer.role` to assume a role in each account"
            )
        return session
