"""Connects jsii's Python side to the Node of `node.py`, and exchanges JSON messages with it.

jsii converts each message to and from classes with cattrs, which takes longer than Node needs for most responses. The
bytes of the messages are the same (`test_provider.py`).
"""

# pyright: reportPrivateUsage=false

import atexit
import json
import subprocess
import threading
from typing import Any

from jsii._kernel import types
from jsii._kernel.providers import process as jsii
from jsii._stack_trace import is_enabled
from jsii.errors import ErrorType, JavaScriptError, JSIIError

from modules.bindings.node import Node

_APIS: dict[type[Any], str] = {
    types.CreateRequest: "create",
    types.GetRequest: "get",
    types.SetRequest: "set",
    types.StaticGetRequest: "sget",
    types.InvokeRequest: "invoke",
    types.StaticInvokeRequest: "sinvoke",
}

_SILENT = ("addOverride", "overrideLogicalId", "setContext")
"""Methods without a result. Node gets their messages with the next one, and Python does not wait for each response."""

_FIXED = ("arn", "friendlyUniqueId", "id", "node", "outdir", "path", "terraformResourceType")
"""Properties that are read repeatedly. Their values, or the tokens of their values, never change."""


def _plain(value: Any) -> Any:
    """Convert a value that JSON cannot represent, as jsii's own converter does."""
    if isinstance(value, types.ObjRef):
        return jsii._unstructure_ref(value)
    if isinstance(value, types.Override):
        return {"method": value.method, "property": value.property, "cookie": value.cookie}
    return jsii.jdefault(value)


_encode = json.JSONEncoder(default=_plain).encode
_decode = json.JSONDecoder(object_hook=jsii.ohook).decode
_FIELDS = {request: [field.name for field in request.__attrs_attrs__] for request in _APIS}


def encoded(request: Any) -> bytes | None:
    """Return the line of a request, or None if jsii has to send it."""
    if (api := _APIS.get(type(request))) is None or is_enabled():
        return None
    fields = {name: getattr(request, name) for name in _FIELDS[type(request)]}
    return f"{_encode({**fields, 'api': api})}\n".encode()


def take_over(node: Node) -> None:
    """Give jsii the running Node instead of a new one."""

    class StartedNode(jsii._NodeProcess):
        # The responses that nobody waits for.
        _unread = 0

        def start(self) -> None:
            self._process = node.process
            self.sink_thread = threading.Thread(target=jsii.stderr_sink, args=(node.process.stderr,), daemon=True)
            self.sink_thread.start()
            atexit.register(self.stop)
            self.handshake()
            self._loaded = {name: self._next_message() for name in node.loading}
            self._known: dict[tuple[str, str], types.GetResponse] = {}

        def stop(self) -> None:
            if self._process.stdin is not None and not self._process.stdin.closed:
                self._process.stdin.close()
            # jsii allows five seconds, but an index of the provider can take longer. The thread ends with Node, and
            # waiting for a process with a timeout means to look for it every few hundredths of a second.
            self.sink_thread.join(timeout=60)
            try:
                self._process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                self._process.kill()
            super().stop()

        def _next_message(self) -> Any:
            assert self._process.stdout is not None  # noqa: S101
            while True:
                answer = _decode(self._process.stdout.readline().decode())
                if not self._unread:
                    return answer
                if "ok" in answer:
                    self._unread -= 1
                else:
                    # The response that the caller expected takes the place of this one.
                    raise self._error(answer)

        def _error(self, answer: Any) -> Exception:
            error = (JSIIError if answer["name"] == ErrorType.JSII_FAULT.value else RuntimeError)(answer["error"])
            error.__cause__ = JavaScriptError(answer["stack"])
            return error

        def send(self, request: Any, response_type: Any) -> Any:
            if isinstance(request, types.LoadRequest) and "ok" in (answer := self._loaded.pop(request.name, {})):
                return types.LoadResponse(**answer["ok"])
            key = None
            if isinstance(request, types.GetRequest) and request.property in _FIXED:
                key = (request.objref.ref, request.property)
                if request.property == "terraformResourceType" and not key[0].startswith("cdkt"):
                    # The type of every object of the class: `@cdktf/provider-aws.vpc.Vpc@10001`.
                    key = (key[0].rpartition("@")[0], request.property)
                if key in self._known:
                    return self._known[key]
            if (line := encoded(request)) is None:
                return super().send(request, response_type)
            assert self._process.stdin is not None  # noqa: S101
            self._process.stdin.write(line)
            if self._unread < 1_000:  # more could fill the pipe
                if isinstance(request, types.SetRequest):
                    self._unread += 1
                    return types.SetResponse()
                if isinstance(request, types.InvokeRequest) and request.method in _SILENT:
                    self._unread += 1
                    return types.InvokeResponse()
            self._process.stdin.flush()
            answer = self._next_message()
            if "ok" in answer:
                ok = answer["ok"]
                if response_type is types.GetResponse:
                    response = types.GetResponse(ok.get("value"))
                    if key:
                        self._known[key] = response
                    return response
                if response_type is types.InvokeResponse:
                    return types.InvokeResponse(ok.get("result"))
                return self._serializer.structure(ok, response_type)
            if "callback" in answer:
                return self._serializer.structure(answer, jsii._CallbackResponse).callback
            raise self._error(answer)

    jsii._NodeProcess = StartedNode
