"""An AWS that evaluates IAM policies, for tests: ministack, which is separate from moto.

It has its own environment (`make .work/ministack/.installed`), with the hashes in tools/ministack.lock.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3

from tests.support import ROOT

INSTALLED = ROOT / ".work/ministack"


class DecidingAws:
    """ministack in a separate process on 127.0.0.1, with `AUTH=true`: it checks signatures and policies.

    with DecidingAws(folder) as aws:
        aws.root("iam", "222222222222").create_role(...)
        aws.role("sts", "406882777402", "control-plane").assume_role(...)
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> "DecidingAws":
        if not (INSTALLED / ".installed").exists():
            raise RuntimeError("ministack is not installed; run `make .work/ministack/.installed`")
        self._log = (self._folder / "ministack.log").open("w")
        # The socket is created here and passed on, because another process could take a free port in the meantime.
        with socket.create_server(("127.0.0.1", 0)) as server:
            port, fd = server.getsockname()[1], server.fileno()
            self._url = f"http://127.0.0.1:{port}"
            environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
                "AUTH": "true",
                "GATEWAY_PORT": str(port),
                "HOME": str(self._folder),
                "TMPDIR": str(self._folder),
                "PYTHONPATH": str(INSTALLED),
            }
            # This is ministack's own start, except for the socket. -S: its packages come from PYTHONPATH only.
            command = [sys.executable, "-S", "-m", "hypercorn", "ministack.app:app", "--bind", f"fd://{fd}"]
            self._process = subprocess.Popen(
                [*command, "--workers", "0", "--keep-alive", "75"],
                env=environment,
                pass_fds=[fd],
                stdout=self._log,
                stderr=subprocess.STDOUT,
            )
        try:
            # Blocks until the server has started, or has ended and closed its socket.
            with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as client:
                client.request("GET", "/_ministack/health")
                client.getresponse()
        except OSError as error:
            self._stop()
            raise RuntimeError(f"ministack did not start:\n{Path(self._log.name).read_text()}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()

    def _client(self, service: str, **keys: str) -> Any:
        return boto3.client(service, region_name="us-east-1", endpoint_url=self._url, **keys)  # type: ignore[call-overload]

    def root(self, service: str, account: str) -> Any:
        """Return a client of the account's root user, whom no policy restricts."""
        return self._client(service, aws_access_key_id=account, aws_secret_access_key="test")

    def session(self, service: str, credentials: dict[str, str]) -> Any:
        """Return a client with credentials from STS."""
        return self._client(
            service,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )

    def role(self, service: str, account: str, name: str) -> Any:
        """Return a client with a role of the account, which is created and may assume any role that trusts it."""
        iam = self.root("iam", account)
        if name not in {role["RoleName"] for role in iam.list_roles()["Roles"]}:
            iam.create_role(
                RoleName=name, AssumeRolePolicyDocument=_allow("sts:AssumeRole", Principal={"AWS": account})
            )
            iam.put_role_policy(RoleName=name, PolicyName="assume", PolicyDocument=_allow("sts:*", Resource="*"))
        arn = f"arn:aws:iam::{account}:role/{name}"
        assumed = self.root("sts", account).assume_role(RoleArn=arn, RoleSessionName="local")
        return self.session(service, assumed["Credentials"])

    def role_with(self, account: str, name: str, policies: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Create a role with these policies alone, and return its credentials."""
        iam, trust = self.root("iam", account), _allow("sts:AssumeRole", Principal={"AWS": account})
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        for number, policy in enumerate(policies):
            iam.put_role_policy(RoleName=name, PolicyName=f"p{number}", PolicyDocument=json.dumps(policy))
        arn = f"arn:aws:iam::{account}:role/{name}"
        return self.root("sts", account).assume_role(RoleArn=arn, RoleSessionName="local")["Credentials"]

    def environment(self, account: str, name: str, policies: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Create a role with these policies alone, and return the variables with which Terraform uses it."""
        credentials = self.role_with(account, name, policies)
        return {
            "AWS_ENDPOINT_URL": self._url,
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def copy_roles(self, source: Any, account: str) -> None:
        """Copy the roles of an account from an IAM client, with their trust and managed policies."""
        iam = self.root("iam", account)
        for role in source.list_roles()["Roles"]:
            name, trust = role["RoleName"], json.dumps(role["AssumeRolePolicyDocument"])
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
            for attached in source.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
                arn = attached["PolicyArn"]
                version = source.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
                found = source.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
                document = json.dumps(found["Document"])
                made = iam.create_policy(PolicyName=attached["PolicyName"], PolicyDocument=document)
                iam.attach_role_policy(RoleName=name, PolicyArn=made["Policy"]["Arn"])


def _allow(action: str, **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, **more}]})
