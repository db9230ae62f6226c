"""Finds existing AWS resources that match the estate and are not in Terraform's state.

A planned resource is found by its arguments in the synthesized stack. A reference to another resource has the value
of the resource that was found for it. Nothing in AWS is changed.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import boto3
import jmespath
from botocore import exceptions

from estate.errors import UserError
from modules.vocabulary import partition
from operations.adopt.arguments import Arguments, UnknownError, differences, expected_of, import_id
from operations.adopt.kinds import KINDS, NAME, Kind, Unimportable
from operations.adopt.remarks import remarks_on
from operations.adopt.report import Adoption, Outcome, hcl_string
from operations.aws import Aws, caller_account, reason, session_as

_REFERENCE = re.compile(r'\$\{((?:data\.)?aws_\w+)\.([\w-]+)(?:\["([^"]*)"\])?\.(\w+)\}')
_OWNERS = {"aws_route": "route_table_id", "aws_vpc_security_group_ingress_rule": "security_group_id"}
"""The argument that names the table or group that a resource is in."""
_IDS = re.compile(r"(data\.aws_\w+)\.([\w-]+)()\.(ids)")
"""Groups as those of `_REFERENCE`, without a key."""


def adopt(stacks: Mapping[str, Mapping[str, Any]], external_ids: Collection[str] = ()) -> list[Adoption]:
    """Search for the resources of `stacks`: the parsed `cdk.tf.json` of each, by name.

    Each stack is searched for in its account, with the credentials of its provider. `external_ids` is the value of
    Terraform's variable; it is compared and never shown. Raises UserError, which lists every denied action.
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
                sessions[role] = session_as(role, "adopt")
            caller = caller_account(sessions[role], region)
            if caller != account_id:
                raise UserError(
                    f"{name}: your credentials are for account {caller}, but the stack is in {account_id}; sign in to "
                    "that account, set `deployer.role` to assume a role in each account, or select the stacks of your "
                    "account with --stack"
                )
            with Aws(sessions[role], account_id, region) as aws:
                search = Search(stack, aws, frozenset(external_ids))
                outcomes, foreign = tuple(search.outcomes()), tuple(search.foreign())
        except (exceptions.BotoCoreError, exceptions.ClientError) as error:
            who = f"role {role}" if role else "your own credentials"
            raise UserError(
                f"{name}: account {account_id} in {region} cannot be read with {who}: {reason(error)}"
            ) from error
        if aws.denied:
            denied.setdefault(account_id, set()).update(aws.denied)
        imported_anyway = frozenset(block["to"].partition("[")[0] for block in stack.get("import", []))
        found.append(Adoption(name, account_id, region, outcomes, imported_anyway, foreign))
    if denied:
        lines = (f"account {account_id} denies {', '.join(sorted(actions))}" for account_id, actions in denied.items())
        raise UserError(
            "\n".join([*lines, "Allow these read-only actions, and run the command again. Nothing was written."])
        )
    return found


def known_instances(planned: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return the value of each instance of a resource with a `for_each`, by key; None if they depend on AWS."""
    over = planned["for_each"]
    if isinstance(over, Mapping):
        return over
    # Named entries are separate resources. Only values without a name in an address, such as accounts, use a set.
    inside = over.removeprefix("${toset(").removesuffix(")}")
    return {value: value for value in json.loads(inside)} if inside.startswith("[") else None


@dataclass(frozen=True)
class _Matches:
    exact: Sequence[Mapping[str, Any]]
    alike: Sequence[str]
    """The differences of each item that otherwise matches."""


class Search:
    """Finds the resources of one stack."""

    def __init__(self, stack: Mapping[str, Any], aws: Aws, external_ids: frozenset[str]) -> None:
        self._aws, self._external_ids = aws, external_ids
        self._given = {"_account": aws.account_id, "_region": aws.region, "_partition": partition(aws.region)}
        self._resources = dict(_addressed(stack.get("resource", {})))
        self._planned = {**self._resources, **dict(_addressed(stack.get("data", {}), "data."))}
        self._matches: dict[str, _Matches] = {}

    def outcomes(self) -> Iterator[Outcome]:
        if others := dict(self._used_by_others()):
            # Resources that depend on them are not found either.
            self._matches = others
        for address, planned in self._resources.items():
            if isinstance(kind := KINDS[address.split(".")[0]], Unimportable):
                yield Outcome(address, "unimportable", detail=kind.made_again)
                continue
            try:
                for key, each in self._instances(planned):
                    yield self._outcome(kind, f"{address}{key}", self._arguments(planned, each))
            except UnknownError as error:
                yield Outcome(address, "absent", detail=f"goes with {error}")

    def foreign(self) -> list[str]:
        """Return the existing route tables and security groups that have more in them than this stack creates."""
        ours: dict[str, list[Mapping[str, Any]]] = {}
        there: dict[str, list[Mapping[str, Any]]] = {}
        for address, planned in self._resources.items():
            type_ = address.split(".")[0]
            kind = KINDS[type_]
            if type_ not in _OWNERS or not isinstance(kind, Kind) or str(planned[_OWNERS[type_]]).startswith("${aws_"):
                continue
            with suppress(UnknownError):
                for key, each in self._instances(planned):
                    arguments = self._arguments(planned, each)
                    owner = arguments.get(_OWNERS[type_])
                    ours.setdefault(owner, []).extend(self._matching(kind, f"{address}{key}", arguments).exact)
                    items = self._items(kind, arguments)
                    there[owner] = [item for item in items if item.get("GroupId", owner) == owner]
        return [owner for owner, items in there.items() if any(item not in ours[owner] for item in items)]

    def _instances(self, planned: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield the instances of a resource: the key in the address, and the values of `each`."""
        if "for_each" not in planned:
            yield "", {}
            return
        known = known_instances(planned)
        for key, value in ({id_: id_ for id_ in self._left(planned["for_each"])} if known is None else known).items():
            yield f"[{hcl_string(key)}]", {"${each.key}": key, "${each.value}": value}

    def _left(self, expression: str) -> list[str]:
        """The IDs of a data source, without those that `setsubtract` takes away."""
        if not (lists := _IDS.findall(expression)):
            raise UnknownError(expression)
        every, *without = [self._attribute(*parts) for parts in lists]
        return [id_ for id_ in every if not any(id_ in one for one in without)]

    def _found(self) -> Iterator[tuple[str, Kind, str]]:
        """Yield the address, kind and ID of every planned resource that is found once."""
        for address, planned in self._resources.items():
            type_ = address.split(".")[0]
            if not isinstance(kind := KINDS[type_], Kind):
                continue
            try:
                for key, each in self._instances(planned):
                    arguments = self._arguments(planned, each)
                    exact = self._matching(kind, f"{address}{key}", arguments).exact
                    if len(exact) == 1:
                        yield f"{address}{key}", kind, import_id(kind, exact[0], arguments)
            except UnknownError:
                continue

    def _used_by_others(self) -> Iterator[tuple[str, _Matches]]:
        found = list(self._found())
        ours = {(address.split(".")[0], id_) for address, _, id_ in found}
        for address, kind, id_ in found:
            if users := kind.users:
                items = jmespath.search(users.items, self._aws.ask(users.call)) or []
                ids = (item[users.id] for item in items if id_ in json.dumps(item, default=str))
                if others := sorted(one for one in ids if (users.type, one) not in ours):
                    told = f"{id_} is used by {', '.join(others)}, which this stack does not create"
                    yield address, _Matches([], [told])

    def _outcome(self, kind: Kind, address: str, arguments: Arguments) -> Outcome:
        matches = self._matching(kind, address, arguments)
        if len(matches.exact) == 1:
            (item,) = matches.exact
            told = [
                f"an apply would change {what} from {there} to {planned}"
                for what, there, planned in differences(item, expected_of(kind.told, arguments, known=False))
            ]
            remarks = "; ".join([*told, *remarks_on(address, arguments, item, self._aws, self._external_ids)])
            return Outcome(address, "found", import_id(kind, item, arguments), remarks)
        if matches.exact:
            ids = ", ".join(import_id(kind, item, arguments) for item in matches.exact)
            return Outcome(address, "several", detail=f"{ids}: import the right one yourself, or delete the others")
        if matches.alike:
            told = "; ".join([*matches.alike, *([kind.remedy] if kind.remedy else [])])
            return Outcome(address, "alike", detail=told)
        return Outcome(address, "absent")

    def _matching(self, kind: Kind, address: str, arguments: Arguments) -> _Matches:
        if address not in self._matches:
            # The first step, so that one run lists every denied action.
            items = self._items(kind, arguments)
            same = expected_of(kind.same, arguments)
            fixed = expected_of(kind.fixed, arguments, known=False)
            exact, alike = [], []
            for item in items:
                if differences(item, same):
                    continue
                if different := differences(item, fixed):
                    who = f"{import_id(kind, item, arguments)} has " if kind.shows_id else ""
                    told = (f"{what} {there}, not {planned}" for what, there, planned in different)
                    alike.append(f"{who}{' and '.join(told)}")
                else:
                    exact.append(item)
            if not exact and (unfinished := expected_of(kind.unfinished, arguments)):
                exact = [item for item in items if not differences(item, unfinished)]
            if len(exact) > 1 and (name := arguments.get("tags.Name")):
                exact = [item for item in exact if jmespath.search(NAME, item) == name] or exact
            self._matches[address] = _Matches(exact, alike)
        return self._matches[address]

    def _items(self, kind: Kind, arguments: Arguments) -> list[Mapping[str, Any]]:
        answer = self._aws.ask(kind.call, **{name: arguments.get(value) for name, value in kind.ask.items()})
        items = jmespath.search(kind.items, answer) or []
        items = [items] if isinstance(items, Mapping) else items
        if not kind.each:
            return items
        call, parameters = kind.each
        asked = [{name: jmespath.search(value, item) for name, value in parameters.items()} for item in items]
        return [{**item, **more} for item, more in zip(items, self._aws.ask_each(call, asked), strict=True)]

    def _arguments(self, planned: Mapping[str, Any], each: Mapping[str, str] | None = None) -> Arguments:
        values = each or {}
        return Arguments({**planned, **self._given}, lambda value: self._resolve(value, values))

    def _resolve(self, value: Any, each: Mapping[str, str]) -> Any:
        """Return a planned value with its references replaced. Raises UnknownError."""
        if isinstance(value, list):
            return [self._resolve(one, each) for one in value]
        if not isinstance(value, str) or "${" not in value:
            return value
        if value in each:
            return each[value]
        if whole := _REFERENCE.fullmatch(value):
            return self._attribute(*whole.groups())
        text = _REFERENCE.sub(lambda found: str(self._attribute(*found.groups())), value)
        if re.search(r"(?<!\$)\$\{", text):
            raise UnknownError(text)
        return text.replace("$${", "${")

    def _attribute(self, type_: str, name: str, key: str | None, attribute: str) -> Any:
        instance = f"[{hcl_string(key)}]" if key else ""
        address = f"{type_}.{name}{instance}"
        kind = KINDS.get(type_)
        if not isinstance(kind, Kind):
            raise UnknownError(address)
        planned = self._planned[f"{type_}.{name}"]
        each = dict(self._instances(planned)).get(instance) if instance else None
        arguments = self._arguments(planned, each)
        exact = self._matching(kind, address, arguments).exact
        if attribute == "ids":
            return [import_id(kind, item, arguments) for item in exact]
        if len(exact) != 1:
            raise UnknownError(address)
        id_ = import_id(kind, exact[0], arguments)
        if attribute in ("id", "zone_id"):
            return id_
        if attribute == "arn":
            return str(jmespath.search(kind.arn, exact[0])).removesuffix(":*") if kind.arn else id_
        if isinstance(apart := KINDS.get(f"{type_}.{attribute}"), Kind):
            of_it = self._arguments({"id": id_})
            found = self._matching(apart, f"{address}.{attribute}", of_it).exact
            value = import_id(apart, found[0], of_it) if len(found) == 1 else None
        else:
            value = arguments.get(attribute)
        if value is None:
            raise UnknownError(f"{address}.{attribute}")
        return value


def _addressed(planned: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for type_, resources in planned.items():
        for name, arguments in resources.items():
            if not prefix or f"{prefix}{type_}" in KINDS:
                yield f"{prefix}{type_}.{name}", arguments
