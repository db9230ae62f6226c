"""The server process: `python -m local_aws` prints its address when it is ready, and serves until it is stopped."""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import botocore.session
from moto.core.utils import get_service_model
from moto.iam.models import get_account_id_from
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from . import clock, world
from .faults import Faults

# Services with a REST protocol that this project calls, by their signing names.
_REST_SERVICES = ("account", "ram", "route53", "s3")
# Services whose IAM prefix differs from their signing name.
_IAM_NAMES = {"monitoring": "cloudwatch"}


class Request:
    """The service, protocol and action of a call, read from its WSGI environment."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.method = environ["REQUEST_METHOD"]
        self.path = environ.get("PATH_INFO", "")
        self.query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        self.headers = {name[5:].replace("_", "-").lower() for name in environ if name.startswith("HTTP_")}
        signature = re.search(
            r"Credential=([^/]+)/\d+/([^/]*)/([^/]+)/aws4_request", environ.get("HTTP_AUTHORIZATION", "")
        )
        self.key, self.region, self.service = signature.groups() if signature else ("", "", "")
        self.target = environ.get("HTTP_X_AMZ_TARGET", "")
        self.form: dict[str, list[str]] = {}
        if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            self.form = parse_qs(body.decode())

    @property
    def action(self) -> str:
        if self.target:
            return self.target.rpartition(".")[2]
        return self.form.get("Action", [""])[0] or self._rest_action() or f"{self.method} {self.path}"

    def _rest_action(self) -> str:
        for method, path, query, headers, action in _rest_operations(self.service):
            right_path = method == self.method and path.fullmatch(self.path)
            if right_path and query <= self.query.keys() and headers <= self.headers:
                return action
        return ""


@cache
def _rest_operations(service: str) -> list[tuple[str, re.Pattern[str], set[str], set[str], str]]:
    """Return the method, path, query keys, headers and name of a service's operations, most specific first."""
    if service not in _REST_SERVICES:
        return []
    found = []
    model: Any = botocore.session.get_session().get_service_model(service)
    for name in model.operation_names:
        operation = model.operation_model(name)
        http = operation.http
        path, _, query = http["requestUri"].partition("?")
        pattern = re.sub(r"\\{[^}]*?\\\+\\}", ".+", re.escape(path.rstrip("/")))
        pattern = re.sub(r"\\{[^}]*?\\}", "[^/]+", pattern)
        keys = {part.partition("=")[0] for part in query.split("&") if part}
        required = operation.input_shape.required_members if operation.input_shape else []
        members = [operation.input_shape.members[member].serialization for member in required]
        headers = {member["name"].lower() for member in members if member.get("location") == "header"}
        keys |= {member["name"] for member in members if member.get("location") == "querystring"}
        found.append((http["method"], re.compile(pattern + "/?"), keys, headers, name))
    return sorted(found, key=lambda operation: -len(operation[2] | operation[3]))


def _error(request: Request, code: str, message: str) -> tuple[str, bytes]:
    """Return an error in the service's protocol, so that every client understands it."""
    escaped = message.replace("&", "&amp;").replace("<", "&lt;")
    error = f"<Code>{code}</Code><Message>{escaped}</Message>"
    if request.service == "ec2":
        body = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>none</RequestID></Response>"
    elif request.service == "s3":
        body = f"<Error>{error}</Error>"
    elif request.form or request.service == "route53":
        body = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>none</RequestId></ErrorResponse>"
    else:
        return "application/json", json.dumps({"__type": code, "message": message}).encode()
    return "text/xml", body.encode()


class Application:
    """A WSGI application that serves moto and logs calls. Tests can create resources, inject faults and pass time."""

    def __init__(self, calls: Path | None) -> None:
        self._faults = Faults()
        self._moto = DomainDispatcherApplication(create_backend_app)
        # moto's stores are plain dictionaries, so a listing fails while another call adds to them. Serializing calls
        # costs little, because each takes milliseconds and the callers mostly wait.
        self._one_at_a_time = threading.Lock()
        self._calls = calls.open("a", buffering=1) if calls else None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] in ("/_world", "/_faults", "/_time"):
            status, body = self._control(environ)
            start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
            return [body]

        request = Request(environ)
        if not request.service:
            return self._answer(environ, request, start_response)
        service = _IAM_NAMES.get(request.service, request.service)
        if self._calls:
            self._calls.write(f"{service}:{request.action}\n")
        if fault := self._faults.before(service, request.action, get_account_id_from(request.key), request.region):
            return _refuse(request, start_response, *fault)
        answer = self._answer(environ, request, start_response)
        self._faults.after(request.action)
        return answer

    def _answer(self, environ: dict[str, Any], request: Request, start_response: Callable[..., Any]) -> Iterable[bytes]:
        reason, answer = "", {}
        try:
            with self._one_at_a_time:
                content = self._moto(
                    environ, lambda status, headers, _=None: answer.update(status=status, headers=headers)
                )
        except NotImplementedError as error:
            reason = str(error) or "not implemented"
        except Exception as error:
            traceback.print_exc()
            reason = f"moto failed: {error!r}"
        else:
            kind = dict(answer["headers"]).get("Content-Type", "")
            unknown_path = answer["status"].startswith("404") and "html" in kind and request.service != "s3"
            if not answer["status"].startswith("500") and not unknown_path:
                start_response(answer["status"], answer["headers"])
                return content
            reason = f"moto answered {answer['status']}"

        # moto would return 500. The AWS provider retries that 25 times and appears to hang.
        message = f"the local AWS does not implement {request.service}:{request.action}: {reason}"
        return _refuse(request, start_response, "400 Bad Request", "NotImplemented", message)

    def _control(self, environ: dict[str, Any]) -> tuple[str, bytes]:
        """Handle a test's JSON request: create resources, switch faults, or advance the time."""
        try:
            request = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"null")
            if environ["PATH_INFO"] == "/_world":
                with self._one_at_a_time:
                    world.make(request)
            elif environ["PATH_INFO"] == "/_time":
                clock.let_pass(request)
            elif request is None:
                return "200 OK", json.dumps(self._faults.report()).encode()
            else:
                self._faults.switch(request)
        except Exception as error:
            return "400 Bad Request", f"{type(error).__name__}: {error}".encode()
        return "200 OK", b""


def _refuse(
    request: Request, start_response: Callable[..., Any], status: str, code: str, message: str
) -> Iterable[bytes]:
    kind, body = _error(request, code, message)
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("x-amzn-errortype", code)]
    start_response(status, headers)
    return [body]


def serve(calls: Path | None, started: Callable[[str], None], port: int = 0) -> None:
    """Serve until the process ends; pass the address to `started` first."""
    server = make_server("127.0.0.1", port, Application(calls), threaded=True, request_handler=MotoRequestHandler)
    started(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()


def fork_servers() -> None:
    """Start and stop servers, each a fork of this process, until standard input closes. Importing moto takes seconds.

    The line `start [FILE]` starts a server and prints its process ID and address, or an empty line after a failure.
    The line `stop ID` stops that server, and prints an empty line when its process has ended.
    """
    # Load EC2's service description before forking. It is the largest, and moto would load it in each fork.
    get_service_model("ec2")
    end, open_while_this_runs = os.pipe()
    for line in sys.stdin:
        order, _, argument = line.rstrip("\n").partition(" ")
        if order == "stop":
            os.kill(int(argument), signal.SIGTERM)
            os.waitpid(int(argument), 0)
            print(flush=True)
        elif os.fork() == 0:
            os.close(open_while_this_runs)
            threading.Thread(target=lambda: (os.read(end, 1), os._exit(0)), daemon=True).start()
            try:
                serve(Path(argument) if argument else None, lambda url: print(os.getpid(), url, flush=True))
            except Exception:
                traceback.print_exc()
                print(flush=True)
            os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local_aws", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any free port")
    parser.add_argument("--calls", type=Path, help="append one line, service:Action, to this file for each call")
    parser.add_argument("--forks", action="store_true", help="start a server for each line of standard input")
    arguments = parser.parse_args()

    # With this variable set, all callers would share one account.
    os.environ.pop("MOTO_ACCOUNT_ID", None)
    # As in AWS, a bucket belongs to its account; by default, moto gives everyone access.
    os.environ["MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS"] = "false"
    # No test starts an instance, so moto need not create a thousand images in each account and region.
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    if arguments.forks:
        fork_servers()
    else:
        serve(arguments.calls, lambda url: print(url, flush=True), arguments.port)


if __name__ == "__main__":
    main()
