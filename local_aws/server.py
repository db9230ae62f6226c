from __future__ import annotations

import atexit
import http.client
import json
import os
import subprocess
import sys
import threading
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import botocore.session

if TYPE_CHECKING:
    from .facts import Facts
    from .faults import Report, Switch

_ROOT = Path(__file__).parents[1]
_CONFIG = Path(__file__).with_name("aws-config")
# All orders go through one pipe, and a boto3 session is not thread-safe.
_LOCK = threading.Lock()


@cache
def _forks() -> subprocess.Popen[str]:
    """Start the process that forks this process's servers. It and its forks end when its input closes."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "local_aws", "--forks"]
    process = subprocess.Popen(command, cwd=_ROOT, stdin=pipe, stdout=pipe, text=True)
    atexit.register(process.communicate)
    return process


@cache
def _session() -> boto3.Session:
    """Return one session for all servers, because each session loads every service description again."""
    variables = {"profile": (None, None, "default", None), "config_file": (None, None, str(_CONFIG), None)}
    return boto3.Session(botocore_session=botocore.session.Session(variables))


def _order(line: str) -> str:
    """Send an order to `fork_servers`, and return its answer."""
    process = _forks()
    assert process.stdin
    assert process.stdout
    with _LOCK:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        return process.stdout.readline().strip()


class LocalAws:
    """A local AWS in a separate process that ends with the `with` block.

    Every account exists and has its own resources in every region. The server listens on 127.0.0.1 only.

        with LocalAws() as aws:
            aws.make({"topics": [{"account": "111111111111", "region": "us-east-1", "name": "pages"}]})
            subprocess.run(["terraform", "apply"], env={**os.environ, **aws.environment("111111111111")})
            aws.client("sns", account="111111111111").list_topics()

    `calls` names a file that receives one line, `service:Action`, for each call.
    """

    # moto assigns unknown access keys to this account.
    FIRST_ACCOUNT = "123456789012"

    def __init__(self, calls: Path | None = None) -> None:
        self._calls = calls
        self._clients: dict[tuple[str, str, str, str], Any] = {}
        self._credentials: dict[tuple[str, str], dict[str, str]] = {}

    def __enter__(self) -> LocalAws:
        self._pid, _, self.url = _order(f"start {self._calls.resolve() if self._calls else ''}").partition(" ")
        if not self.url:
            raise RuntimeError("the local AWS did not start; see its output on standard error")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        _order(f"stop {self._pid}")

    def environment(self, account: str | None = None) -> dict[str, str]:
        """Return environment variables that point a process to this AWS, with credentials for the account."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            # Hide the user's own profiles and keys, but provide every profile that is named.
            "AWS_PROFILE": "default",
            "AWS_CONFIG_FILE": str(_CONFIG),
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **self._credentials_of(account or self.FIRST_ACCOUNT),
        }

    def client(self, service: str, account: str = FIRST_ACCOUNT, region: str = "us-east-1", role: str = "local") -> Any:
        """Return a boto3 client with credentials of the role, whose ARN resource policies can match."""
        key = (service, account, region, role)
        if key not in self._clients:
            keys = {name.lower(): value or None for name, value in self._credentials_of(account, role).items()}
            with _LOCK:
                self._clients[key] = _session().client(service, region, endpoint_url=self.url, **keys)  # type: ignore[call-overload]
        return self._clients[key]

    def make(self, facts: Facts) -> None:
        """Create the resources that exist before a deploy; existing ones are left alone."""
        self._tell("/_world", facts)

    def pass_time(self, **units: float) -> None:
        """Advance the server's time: `days=8`, as `timedelta` takes it."""
        self._tell("/_time", timedelta(**units).total_seconds())

    def go_wrong(self, switch: Switch) -> None:
        """Replace the injected faults with these; `{}` removes all."""
        self._tell("/_faults", switch)

    def report(self) -> Report:
        """Return the calls, changes and refusals since the last `go_wrong`."""
        return json.loads(self._tell("/_faults"))

    def _tell(self, path: str, told: Any = None) -> str:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc)
        try:
            connection.request("POST", path, json.dumps(told), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            message = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(message)
        return message

    def _credentials_of(self, account: str, role: str = "local") -> dict[str, str]:
        """Return keys for the account. moto lets anyone assume any role, which then acts in its account."""
        if account == self.FIRST_ACCOUNT:
            return {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": ""}
        if (account, role) not in self._credentials:
            arn = f"arn:aws:iam::{account}:role/{role}"
            keys = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="local")["Credentials"]
            self._credentials[account, role] = {
                "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
                "AWS_SESSION_TOKEN": keys["SessionToken"],
            }
        return self._credentials[account, role]
