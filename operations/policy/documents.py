"""Policy documents: Astronomer's published and pinned document, one from a file, or those attached to a role."""

import hashlib
import http.client
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import boto3
from botocore import exceptions

from estate.errors import ExitCode, UserError
from estate.source import Source, printable
from modules.astronomer import URL
from modules.documents import MAX_BYTES, DocumentError, decoded, parsed, read_bytes
from modules.opt_in_region.props import POLICY as OPT_IN_REGIONS
from modules.parts.iam_policy.props import listed, pin_file
from operations.aws import CLIENT_CONFIG
from operations.files import delete, write, write_all

MAX_SECONDS = 60
_USUAL = "a policy document has a few thousand"


def policy_file(file: Path) -> Path:
    """Return the `policy_file` of an estate, which may be missing or invalid. Raises UserError."""
    value = Source(file).value
    for key in ("account", "cross_account_role", "policy_file"):
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, str):
        raise UserError(
            f"{file}: has no account.cross_account_role.policy_file; set it to the path for the document",
            ExitCode.BAD_INPUT,
        )
    return file.parent / value


def fetch(document: Path, url: str = URL, *, accept: bool = False) -> Literal["new", "same", "changed"]:
    """Save the document at `url` as `document`, and pin it.

    A different document replaces the pinned one only with `accept`. Without it, the result is "changed", and the new
    document is in `<document>.new` for comparison. Raises UserError for an unusable response.
    """
    served = _download(url)
    digest = hashlib.sha256(served).hexdigest()
    pin = pin_file(document)
    beside = document.with_name(document.name + ".new")
    # An emptied or overwritten pin matches no document.
    pinned, there = _content(pin), _content(document)
    if pinned is not None and pinned.split()[:1] == [digest.encode()] and there == served:
        delete(document.parent, beside.name)
        return "same"
    if (pinned is not None or there is not None) and not accept:
        write(beside, served)
        return "changed"
    write_all(document.parent, {document.name: served, pin.name: f"{digest}  {document.name}\n"})
    delete(document.parent, beside.name)
    return "new" if pinned is None else "changed"


def _content(file: Path) -> bytes | None:
    """Return the contents of a file, or None if there is none. Raises UserError."""
    try:
        return read_bytes(file)
    except FileNotFoundError:
        return None
    except DocumentError as error:
        raise UserError(f"{file}: {error}", ExitCode.BAD_INPUT) from None


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to https, because anyone on the network path can answer plain http."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith("https://"):
            raise UserError(f"{_shown(req.full_url)} redirects to {_shown(newurl)}, which is not an https address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _shown(url: str) -> str:
    """Return an address without possible secrets: a user name and password, or a signature."""
    parts = urllib.parse.urlsplit(url)
    query = "?..." if parts.query else ""
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}")


def _download(url: str) -> bytes:
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise UserError(f"{printable(url)} is not an https address; policies are fetched only over https")
    try:
        served = _served(url)
    except (OSError, http.client.HTTPException, ValueError) as error:  # urllib raises ValueError for an invalid URL
        where, reason = (
            printable(url) if isinstance(error, ValueError) else _shown(url),
            getattr(error, "reason", error),
        )
        raise UserError(
            f"{where} cannot be fetched: {printable(str(reason))}. Save the document manually, and set its path in the "
            "estate"
        ) from error
    try:
        _parsed(served, None)
    except DocumentError as error:
        raise UserError(f"{_shown(url)} does not serve a policy document: it {error}") from None
    return served


def _served(url: str) -> bytes:
    """Return the content of an address. The time limit is for the whole download; that of a connection applies to each
    read."""
    served: Future[bytes] = Future()
    late = UserError(f"{_shown(url)} has not served the document within {MAX_SECONDS} seconds")
    # A thread that is still reading does not prevent the command from ending.
    threading.Thread(target=_read_into, args=(served, url, time.monotonic() + MAX_SECONDS, late), daemon=True).start()
    try:
        return served.result(MAX_SECONDS)
    except TimeoutError:
        if served.done():
            raise
        raise late from None
    finally:
        del served  # The error refers to this frame, which would keep the connection open.


def _read_into(served: Future[bytes], url: str, deadline: float, late: UserError) -> None:
    try:
        served.set_result(_read(url, deadline, late))
    except Exception as error:
        served.set_exception(error)
    finally:
        del served


def _read(url: str, deadline: float, late: UserError) -> bytes:
    content = b""
    with urllib.request.build_opener(_OnlyHttps).open(url, timeout=min(30, MAX_SECONDS)) as answer:
        if answer.status != 200:
            raise UserError(f"{_shown(url)} answers {answer.status}, which is not a complete document")
        while block := answer.read1(65_536):
            content += block
            if len(content) > MAX_BYTES:
                raise UserError(f"{_shown(url)} serves more than {MAX_BYTES:,} bytes; {_USUAL}")
            if time.monotonic() > deadline:
                raise late
    return content


def statements(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the statements of a document. Raises UserError for a document that IAM would not accept."""
    found = listed(document.get("Statement", []))
    if mistake := _first_mistake(found):
        raise UserError(mistake, ExitCode.BAD_INPUT)
    return found


def _first_mistake(found: list[Any]) -> str | None:
    mistakes = ((number, _mistake(statement)) for number, statement in enumerate(found, 1))
    return next(
        (f"statement {number} of the policy document {mistake}" for number, mistake in mistakes if mistake), None
    )


def _mistake(statement: Any) -> str | None:
    if not isinstance(statement, dict):
        return "is not an object"
    if statement.get("Effect") not in ("Allow", "Deny"):
        return "has no Effect; IAM requires Allow or Deny"
    if "Action" not in statement and "NotAction" not in statement:
        return "has no Action"
    for element in ("Action", "NotAction", "Resource", "NotResource"):
        if not all(isinstance(one, str) for one in listed(statement.get(element, []))):
            return f"has a value in {element} that is not a string"
    block = statement.get("Condition") or {}
    if not isinstance(block, dict) or not all(isinstance(keys, dict) for keys in block.values()):
        return "has a Condition that is not a map of operators to keys"
    return None


def read(file: Path, account_id: str | None = None) -> dict[str, Any]:
    """Return a document from a file, with `{{.AWSAccount}}` replaced if an account is given. Raises UserError."""
    try:
        return _parsed(read_bytes(file), account_id)
    except FileNotFoundError:
        raise UserError(f"{file}: does not exist", ExitCode.BAD_INPUT) from None
    except DocumentError as error:
        raise UserError(f"{file}: {error}", ExitCode.BAD_INPUT) from None


def _parsed(content: bytes, account_id: str | None) -> dict[str, Any]:
    """Parse a document. Raises DocumentError."""
    text = decoded(content)
    document = parsed(text.replace("{{.AWSAccount}}", account_id) if account_id else text)
    if not isinstance(document, dict) or "Statement" not in document:
        raise DocumentError("is not a policy document: an object with Version and Statement")
    if mistake := _first_mistake(listed(document["Statement"])):
        raise DocumentError(f"is not valid in IAM: {mistake}")
    return document


def in_account(role: str, account_id: str) -> list[dict[str, Any]]:
    """Return the documents attached to Astronomer's role in the caller's account, and its inline documents.

    The policy of `opt_in_region` is excluded, because it is additional to Astronomer's. Raises UserError.
    """
    try:
        session = boto3.Session()
        with (
            closing(session.client("sts", region_name="us-east-1", config=CLIENT_CONFIG)) as sts,
            closing(session.client("iam", region_name="us-east-1", config=CLIENT_CONFIG)) as iam,
        ):
            caller = sts.get_caller_identity()["Account"]
            if caller != account_id:
                raise UserError(
                    f"your credentials are for account {caller}, but the role is in {account_id}; sign in to that "
                    "account"
                )
            return list(_documents(iam, role))
    except (exceptions.BotoCoreError, exceptions.ClientError) as error:
        raise UserError(f"the policies of role {role} cannot be read: {printable(str(error))}") from error


def _documents(iam: Any, role: str) -> Iterator[dict[str, Any]]:
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        for policy in page["AttachedPolicies"]:
            version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
            found = iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)["PolicyVersion"]
            # A policy of that name with other grants is not this project's.
            actions = [one for each in statements(found["Document"]) for one in listed(each.get("Action", "*"))]
            of_regions = all(action.startswith("account:") for action in actions)
            if policy["PolicyName"] != OPT_IN_REGIONS or not of_regions:
                yield found["Document"]
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=role):
        for name in page["PolicyNames"]:
            yield iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
