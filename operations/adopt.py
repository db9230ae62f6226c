"""Finds in AWS what an estate describes and Terraform does not know yet, and writes how to import it.

A planned resource is found by its own arguments, which are read from the synthesized stack: a reference to another
resource counts as what that one was found as. Nothing in AWS is changed.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import boto3
import jmespath
from botocore import exceptions

from modules.astronomer import ASTRONOMER_ACCOUNT, OPT_IN, POLICY, ROLE
from modules.vocabulary import partition
from operations.adopt_kinds import KINDS, NAME, Kind, Unimportable
from operations.aws import PATIENCE
from operations.policy.compare import compare

FILE = "imports.tf"
_HEADER = "# Written by `main.py adopt`. Once these are applied, the file has done its work and may be deleted.\n"


class AdoptError(Exception):
    """Why AWS could not be read; the message is for the person who asked."""


State = Literal["found", "absent", "alike", "several", "unimportable"]


@dataclass(frozen=True)
class Outcome:
    """What became of one planned resource. `id` is what it is imported by, where it was found."""

    address: str
    state: State
    id: str = ""
    detail: str = ""
    """Why not, or what an apply would change that a person should know of."""

    @property
    def to_decide(self) -> bool:
        """Whether a person has to look at it."""
        return self.state in ("alike", "several") or bool(self.id and self.detail)


@dataclass(frozen=True)
class Adoption:
    """What is there of one stack, in the order of its addresses."""

    stack: str
    account_id: str
    region: str
    outcomes: tuple[Outcome, ...]

    def those(self, state: State) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.state == state]

    def imports(self) -> str:
        """Terraform's `import` blocks of what was found; empty where nothing was."""
        blocks = (f"import {{\n  to = {one.address}\n  id = {_hcl(one.id)}\n}}\n" for one in self.those("found"))
        return "\n".join(blocks)

    def write(self, folder: Path) -> Path | None:
        """Put the blocks beside what cdktf writes into `folder`, the stack's: a synth leaves them there. The file, or
        None where there is nothing to import; then what an earlier run wrote is taken away."""
        file = folder / FILE
        if blocks := self.imports():
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{_HEADER}\n{blocks}", encoding="utf-8")
            return file
        if file.is_file() and file.read_text(encoding="utf-8").startswith(_HEADER):
            file.unlink()
        return None


def adopt(stacks: Mapping[str, Mapping[str, Any]], external_ids: Collection[str] = ()) -> list[Adoption]:
    """Look for what `stacks` plan: the parsed `cdk.tf.json` of each, by name.

    Each is looked for in its own account, with the credentials that its provider would have. `external_ids`: the value
    that Terraform will have for the variable, to be compared and never shown. Raises AdoptError, with every action at
    once that is not allowed to them.
    """
    sessions: dict[str, boto3.Session] = {}
    found: list[Adoption] = []
    denied: dict[str, set[str]] = {}
    for name, stack in stacks.items():
        (provider,) = stack["provider"]["aws"]
        account_id, region = provider["allowed_account_ids"][0], provider["region"]
        role = provider.get("assume_role", [{}])[0].get("role_arn", "")
        try:
            if role not in sessions:
                sessions[role] = _session(role)
            _check_account(sessions[role], name, account_id, region)
            with _Aws(sessions[role], account_id, region) as aws:
                outcomes = tuple(_Search(stack, aws, frozenset(external_ids)).outcomes())
        except (exceptions.BotoCoreError, exceptions.ClientError) as error:
            who = f"role {role}" if role else "your own credentials"
            raise AdoptError(
                f"{name}: account {account_id} in {region} cannot be read with {who}: {error}. Sign in, and check the "
                "network and the region"
            ) from error
        if aws.denied:
            denied.setdefault(account_id, set()).update(aws.denied)
        found.append(Adoption(name, account_id, region, outcomes))
    if denied:
        lines = (f"account {account_id} denies {', '.join(sorted(actions))}" for account_id, actions in denied.items())
        raise AdoptError(
            "\n".join([*lines, "Allow these actions, which only read, to look again. Nothing was written."])
        )
    return found


def _session(role: str) -> boto3.Session:
    """As the provider signs in: with the credentials of the environment, and with them as `role` where there is one."""
    own = boto3.Session()
    if not role:
        return own
    with closing(own.client("sts", region_name=own.region_name or "us-east-1", config=PATIENCE)) as sts:
        keys = sts.assume_role(RoleArn=role, RoleSessionName="adopt")["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


def _check_account(session: boto3.Session, stack: str, account_id: str, region: str) -> None:
    # The account is the same everywhere, and its own region may be off.
    anywhere = "us-east-1" if partition(region) == "aws" else region
    with closing(session.client("sts", region_name=anywhere, config=PATIENCE)) as sts:
        caller = sts.get_caller_identity()["Account"]
    if caller != account_id:
        raise AdoptError(
            f"{stack}: your credentials are of account {caller}, and the stack is of {account_id}; sign in there, give "
            "`deployer.role`, which is assumed in each account, or name the stacks of your account with --stack"
        )


_ABSENT = re.compile(r"NoSuch|NotFound|^404|does not exist")
_DENIED = re.compile(r"AccessDenied|UnauthorizedOperation|NotAuthorized|AuthorizationError|^403$")
_OFF = re.compile(r"InvalidClientTokenId|UnrecognizedClient|AuthFailure|OptInRequired")
"""How a region answers that is off."""
_ACTIONS = {
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
}
"""Where IAM names an action otherwise than the API."""
_PREFIXES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}


class _Aws:
    """Answers of one account and region, each call made once. `denied` gathers IAM actions that are not allowed."""

    def __init__(self, session: boto3.Session, account_id: str, region: str) -> None:
        self.account_id, self.region = account_id, region
        self.denied: set[str] = set()
        self._session = session
        self._clients: dict[tuple[str, str], Any] = {}
        self._answers: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> "_Aws":
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
            client = self._session.client(service, region_name=region, config=PATIENCE)  # type: ignore[call-overload]
            self._clients[service, region] = client
        try:
            if client.can_paginate(operation):
                return client.get_paginator(operation).paginate(**parameters).build_full_result()
            return getattr(client, operation)(**parameters)
        except exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if _DENIED.search(code):
                action = f"{_PREFIXES.get(service, service)}:{client.meta.method_to_api_mapping[operation]}"
                self.denied.add(_ACTIONS.get(action, action))
            elif not _ABSENT.search(f"{code} {error}") and not (region in OPT_IN and _OFF.search(code)):
                raise
            return {}


class _UnknownError(Exception):
    """An argument that hangs on what is not there: its address, or the expression."""


_REFERENCE = re.compile(r"\$\{((?:data\.)?aws_\w+)\.([\w-]+)\.(\w+)\}")
_PROTOCOLS = {"6": "tcp", "17": "udp"}


@dataclass(frozen=True)
class _Matches:
    exact: Sequence[Mapping[str, Any]]
    alike: Sequence[str]
    """What is different in each that could otherwise be it."""


class _Search:
    """Finds the resources of one stack."""

    def __init__(self, stack: Mapping[str, Any], aws: _Aws, external_ids: frozenset[str]) -> None:
        self._aws, self._external_ids = aws, external_ids
        self.given = {"_account": aws.account_id, "_region": aws.region, "_partition": partition(aws.region)}
        self._resources = dict(_addressed(stack.get("resource", {})))
        self._planned = {**self._resources, **dict(_addressed(stack.get("data", {}), "data."))}
        self._matches: dict[str, _Matches] = {}

    def outcomes(self) -> Iterator[Outcome]:
        for address, planned in self._resources.items():
            if isinstance(kind := KINDS[address.split(".")[0]], Unimportable):
                yield Outcome(address, "unimportable", detail=kind.made_again)
                continue
            try:
                for key, each in self._instances(planned):
                    yield self._outcome(kind, f"{address}{key}", _Arguments(self, planned, each))
            except _UnknownError as error:
                yield Outcome(address, "absent", detail=f"goes with {error}")

    def _instances(self, planned: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
        """What for_each makes of a resource: the key as the address has it, and the values of `each`."""
        if "for_each" not in planned:
            yield "", {}
            return
        # Names are resources of their own: only what has no name in the file, such as an account, is gone through.
        inside = str(planned["for_each"]).removeprefix("${toset(").removesuffix(")}")
        for value in json.loads(inside) if inside.startswith("[") else self.resolve(f"${{{inside}}}", {}):
            yield f"[{_hcl(value)}]", {"${each.key}": value, "${each.value}": value}

    def _outcome(self, kind: Kind, address: str, arguments: "_Arguments") -> Outcome:
        matches = self._matching(kind, address, arguments)
        if len(matches.exact) == 1:
            (item,) = matches.exact
            told = [
                f"an apply would change {what} from {there} to {planned}"
                for what, there, planned in _differences(item, _expected(kind.told, arguments, known=False))
            ]
            remarks = "; ".join([*told, *_remarks(address, arguments, item, self._aws, self._external_ids)])
            return Outcome(address, "found", _id(kind, item, arguments), remarks)
        if matches.exact:
            ids = ", ".join(_id(kind, item, arguments) for item in matches.exact)
            return Outcome(address, "several", detail=f"{ids}: import the right one yourself, or take the others away")
        if matches.alike:
            told = "; ".join([*matches.alike, *([kind.remedy] if kind.remedy else [])])
            return Outcome(address, "alike", detail=told)
        return Outcome(address, "absent")

    def _matching(self, kind: Kind, address: str, arguments: "_Arguments") -> _Matches:
        if address not in self._matches:
            # Asked first, so that one run names every action that is denied.
            items = self._items(kind, arguments)
            same = _expected(kind.same, arguments)
            fixed = _expected(kind.fixed, arguments, known=False)
            exact, alike = [], []
            for item in items:
                if _differences(item, same):
                    continue
                if different := _differences(item, fixed):
                    who = f"{_id(kind, item, arguments)} has " if kind.shows_id else ""
                    told = (f"{what} {there}, not {planned}" for what, there, planned in different)
                    alike.append(f"{who}{' and '.join(told)}")
                else:
                    exact.append(item)
            if not exact and (unfinished := _expected(kind.unfinished, arguments)):
                exact = [item for item in items if not _differences(item, unfinished)]
            if len(exact) > 1 and (name := arguments.get("tags.Name")):
                exact = [item for item in exact if jmespath.search(NAME, item) == name] or exact
            self._matches[address] = _Matches(exact, alike)
        return self._matches[address]

    def _items(self, kind: Kind, arguments: "_Arguments") -> list[Mapping[str, Any]]:
        answer = self._aws.ask(kind.call, **{name: arguments.get(value) for name, value in kind.ask.items()})
        items = jmespath.search(kind.items, answer) or []
        items = [items] if isinstance(items, Mapping) else items
        if not kind.each:
            return items
        call, parameters = kind.each
        asked = [{name: jmespath.search(value, item) for name, value in parameters.items()} for item in items]
        return [{**item, **more} for item, more in zip(items, self._aws.ask_each(call, asked), strict=True)]

    def resolve(self, value: Any, each: Mapping[str, str]) -> Any:
        """A planned value with what its references are found as. Raises _UnknownError."""
        if isinstance(value, list):
            return [self.resolve(one, each) for one in value]
        if not isinstance(value, str) or "${" not in value:
            return value
        if value in each:
            return each[value]
        if whole := _REFERENCE.fullmatch(value):
            return self._attribute(*whole.groups())
        text = _REFERENCE.sub(lambda found: str(self._attribute(*found.groups())), value)
        if re.search(r"(?<!\$)\$\{", text):
            raise _UnknownError(text)
        return text.replace("$${", "${")

    def _attribute(self, type_: str, name: str, attribute: str) -> Any:
        address = f"{type_}.{name}"
        kind = KINDS.get(type_)
        if not isinstance(kind, Kind):
            raise _UnknownError(address)
        arguments = _Arguments(self, self._planned[address], {})
        exact = self._matching(kind, address, arguments).exact
        if attribute == "ids":
            return [_id(kind, item, arguments) for item in exact]
        if len(exact) != 1:
            raise _UnknownError(address)
        id_ = _id(kind, exact[0], arguments)
        if attribute in ("id", "zone_id"):
            return id_
        if attribute == "arn":
            return str(jmespath.search(kind.arn, exact[0])).removesuffix(":*") if kind.arn else id_
        if isinstance(apart := KINDS.get(f"{type_}.{attribute}"), Kind):
            of_it = _Arguments(self, {"id": id_}, {})
            found = self._matching(apart, f"{address}.{attribute}", of_it).exact
            value = _id(apart, found[0], of_it) if len(found) == 1 else None
        else:
            value = arguments.get(attribute)
        if value is None:
            raise _UnknownError(f"{address}.{attribute}")
        return value


@dataclass(frozen=True)
class _Arguments:
    """The planned arguments of one resource."""

    search: _Search
    planned: Mapping[str, Any]
    each: Mapping[str, str]

    def get(self, expression: str) -> Any:
        """What a JMESPath says of them; None where they do not. Raises _UnknownError."""
        value = jmespath.search(expression, {**self.planned, **self.search.given})
        return self.search.resolve(value, self.each)


def _addressed(planned: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for type_, resources in planned.items():
        for name, arguments in resources.items():
            if not prefix or f"{prefix}{type_}" in KINDS:
                yield f"{prefix}{type_}.{name}", arguments


def _expected(fields: Mapping[str, str], arguments: _Arguments, *, known: bool = True) -> dict[str, Any]:
    """What the plan says of the fields of an item. Raises _UnknownError where that must be `known`, and is not yet."""
    expected: dict[str, Any] = {}
    for theirs, ours in fields.items():
        try:
            expected[theirs] = arguments.get(ours)
        except _UnknownError as error:
            if known:
                raise
            expected[theirs] = f"that of {error}, which is to be made"
    return expected


def _differences(item: Mapping[str, Any], expected: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """In what an item is not as expected: the field, what it is, what it is to be. None is expected of nothing."""
    values = ((theirs, jmespath.search(theirs, item), planned) for theirs, planned in expected.items())
    return [
        ("Name" if theirs == NAME else theirs, value, planned)
        for theirs, value, planned in values
        if planned is not None and _plain(value) != _plain(planned)
    ]


def _plain(value: Any) -> Any:
    """Alike for what AWS and Terraform write differently: numbers, final dots of domains, protocols, order."""
    if isinstance(value, list):
        return sorted(_plain(one) for one in value)
    text = str(value).removeprefix("https://").rstrip(".")
    return _PROTOCOLS.get(text, text)


def _id(kind: Kind, item: Mapping[str, Any], arguments: _Arguments) -> str:
    if kind.shows_id:
        return str(jmespath.search(kind.id, item))
    return re.sub(r"\{(\w+)\}", lambda name: _text(item.get(name[1]) or arguments.get(name[1])), kind.id)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _hcl(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _remarks(
    address: str, arguments: _Arguments, item: Mapping[str, Any], aws: _Aws, external_ids: frozenset[str]
) -> Iterator[str]:
    """What a plan does not show, or not so that one would see it, and a person should decide."""
    type_ = address.split(".")[0]
    if type_ == "aws_iam_role":
        boundary = jmespath.search("PermissionsBoundary.PermissionsBoundaryArn", item)
        if boundary and not arguments.get("permissions_boundary"):
            yield f"an apply would take off its permissions boundary {boundary}: write it as `permissions_boundary`"
        if item["RoleName"] == ROLE:
            yield from _trust(item["AssumeRolePolicyDocument"], external_ids)
            yield from _cloudformation(aws)
    elif type_ == "aws_iam_policy" and "policy" not in (arguments.get("lifecycle.ignore_changes") or ()):
        version = aws.ask("iam:get_policy_version", PolicyArn=item["Arn"], VersionId=item["DefaultVersionId"])
        there, planned = jmespath.search("PolicyVersion.Document", version), _document(arguments)
        if there and planned and compare([there], [planned]):
            yield "an apply would put the file's document in the place of the one in AWS, which allows other things" + (
                ": `main.py policy diff` tells them, `policy_mode: vendor-managed` leaves AWS's"
                if item["PolicyName"].startswith(POLICY)
                else ""
            )


def _trust(document: Mapping[str, Any], external_ids: frozenset[str]) -> Iterator[str]:
    """A plan hides the whole trust policy, for it holds the external IDs."""
    there = _values('Statement[].Condition.*."sts:ExternalId"', document)
    if there != external_ids:
        yield (
            "its external IDs are not those of TF_VAR_external_ids, a plan does not show that, and an apply would lock "
            "out whoever uses another one"
        )
    if others := sorted(one for one in _values("Statement[].Principal.*", document) if ASTRONOMER_ACCOUNT not in one):
        yield f"an apply would no longer trust {', '.join(others)}"


def _values(expression: str, document: Mapping[str, Any]) -> set[str]:
    """What IAM writes as one value or as a list, here or there."""
    statements = document.get("Statement", [])
    listed = {"Statement": statements if isinstance(statements, list) else [statements]}
    return set(jmespath.search(f"{expression}[] | []", listed) or ())


def _document(arguments: _Arguments) -> dict[str, Any] | None:
    """The planned policy document, where it stands in the plan as text."""
    try:
        return json.loads(arguments.get("policy"))
    except (_UnknownError, ValueError):
        return None


def _cloudformation(aws: _Aws) -> Iterator[str]:
    """Astronomer's link makes its stack in us-east-1, whatever region the clusters are in."""
    for region in dict.fromkeys(("us-east-1", aws.region)):
        answer = aws.ask("cloudformation:describe_stack_resources", region, PhysicalResourceId=ROLE)
        for stack in sorted({one["StackName"] for one in answer.get("StackResources", [])}):
            yield f"CloudFormation stack {stack} in {region} would delete it with itself: see docs/adopt.md first"
