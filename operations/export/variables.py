"""Turns an estate into the input of a Terraform module: values become expressions that name variables.

A variable is named after the path of its value in the estate: `vpc_id` of the network, `lake_prod_peering_id` of the
connection `lake-prod`, `cluster_prod_cidr`. Its default is the estate's value. A pending value is null until it is set,
and resources that need it are not created.
"""

import json
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Annotated, Any

from pydantic import BaseModel

from estate.model import Estate
from estate.state import NoState
from modules.astronomer import ASTRO_CIDRS
from modules.cluster import Cluster
from modules.descriptions import describe_fields
from modules.expressions import FOR_EACH, Expression, MapExpression, unwrap
from modules.vocabulary import AccountId, Range, Slug, Text
from modules.vpc.props import VARIABLE

Variable = dict[str, Any]
"""The block of a variable in Terraform's JSON syntax."""


@dataclass
class Inputs:
    """The variables of a module, by name, and the expressions that are null while a value is pending."""

    variables: dict[str, Variable] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)


def for_modules(estate: Estate) -> tuple[Estate, dict[str | None, Inputs]]:
    """Return the estate with expressions, and the inputs of each network's module; None is the key of shared inputs.

    Raises ValueError if two values would have the same variable.
    """
    describe_fields()
    shared = Inputs()
    inputs: dict[str | None, Inputs] = {None: shared} | {name: Inputs() for name in estate.networks}
    name = _Entry(shared, "").scalar(("name",), _text(Slug), estate.name, "The prefix of names in AWS.")
    changed = {
        "name": name,
        "state": NoState(backend="none"),
        "deployer": None,
        "account": estate.account and _Entry(shared, "account").with_expressions(estate.account),
        "networks": {
            name: _Entry(inputs[name], f"networks.{name}").with_expressions(network)
            for name, network in estate.networks.items()
        },
        "clusters": {
            name: _Entry(shared, f"clusters.{name}", f"cluster_{name}_").cluster(cluster)
            for name, cluster in estate.clusters.items()
        },
        "connections": {
            name: _Entry(
                shared, f"connections.{name}", f"{name}_", [one.field for one in connection.pending_inputs()]
            ).with_expressions(connection)
            for name, connection in estate.connections.items()
        },
    }
    return estate.model_copy(update=changed), inputs


@dataclass(frozen=True)
class _Entry:
    """One entry of the estate. `pending`: dotted paths of its pending values."""

    inputs: Inputs
    where: str
    prefix: str = ""
    pending: Collection[str] = ()

    def cluster(self, cluster: Cluster) -> Cluster:
        changed = self.with_expressions(cluster)
        if cluster.product == "hybrid":
            # The type allows the values of every product.
            variable, rule = str(unwrap(str(changed.cidr))), _range(ASTRO_CIDRS["hybrid"])
            self._must(variable, rule.test(variable), rule.allowed)
        if cluster.product == "hybrid" or not cluster.account_id:
            # The account of a Hybrid cluster is the estate's own, and decides which resources are built.
            return changed
        doc = type(cluster).model_fields["account_id"].description
        return changed.model_copy(
            update={"account_id": self.scalar(("account_id",), _text(AccountId), cluster.account_id, doc)}
        )

    def with_expressions(self, model: Any, path: tuple[str, ...] = ()) -> Any:
        """Return `model` with an expression in place of each value that may be known only at apply time."""
        changed: dict[str, Any] = {}
        for name, info in type(model).model_fields.items():
            value = getattr(model, name)
            if name == "dr":
                # The twin is a separate entry.
                continue
            for base, metadata in _members(info.annotation, info.metadata):
                changed[name] = self._value((*path, name), base, metadata, value, info.description)
                if changed[name] is not value:
                    break
        return model.model_copy(update=changed)

    def _value(self, path: tuple[str, ...], base: Any, metadata: list[Any], value: Any, doc: str | None) -> Any:
        origin, arguments = typing.get_origin(base), typing.get_args(base)
        if FOR_EACH in metadata:
            rule = _rule(arguments[1]) if origin is dict else None
            return self._map(path, rule, value, doc, each=True) if rule else value
        if isinstance(value, BaseModel):
            return self.with_expressions(value, path)
        if isinstance(value, Mapping) and any(isinstance(one, BaseModel) for one in value.values()):
            return {key: self.with_expressions(one, (*path, key)) for key, one in value.items()}
        if origin is dict and (rule := _rule(arguments[1])):
            return self._map(path, rule, value, doc, each=False)
        if origin is tuple and isinstance(value, tuple) and value and (rule := _rule(arguments[0])):
            return self._list(path, rule, value, doc)
        rule = _rule(base, metadata)
        return self.scalar(path, rule, value, doc) if rule and (value or self._waits_for(path)) else value

    def _waits_for(self, path: tuple[str, ...]) -> bool:
        return ".".join(path) in self.pending

    def scalar(self, path: tuple[str, ...], rule: "_Rule", value: Any, doc: str | None) -> Expression:
        name = self._variable(
            path,
            "string",
            doc or f"{rule.what[0].upper()}{rule.what[1:]}.",
            str(value) if value else None,
            required=value == VARIABLE,
        )
        self._must(name, f"{name} == null || {rule.test(name)}" if not value else rule.test(name), rule.allowed)
        if not value:
            self.inputs.pending.append(name)
        return Expression(f"${{{name}}}")

    def _list(
        self, path: tuple[str, ...], rule: "_Rule", value: tuple[Any, ...], doc: str | None
    ) -> tuple[Expression, ...]:
        name = self._variable(path, "list(string)", doc, [str(one) for one in value])
        count = len(value)
        self._must(
            name,
            f"length({name}) == {count}",
            f"This module was exported for {count} values; export it again for another number.",
        )
        self._must(name, f"alltrue([for one in {name} : {rule.test('one')}])", rule.allowed)
        return tuple(Expression(f"${{{name}[{index}]}}") for index in range(count))

    def _map(self, path: tuple[str, ...], rule: "_Rule", value: Any, doc: str | None, *, each: bool) -> Any:
        # A word instead of a map means a lookup at plan time, which is impossible in a module under depends_on.
        known = {key: str(one) for key, one in value.items()} if isinstance(value, Mapping) else None
        start = ".".join((*path, ""))
        later = [one.removeprefix(start) for one in self.pending if one.startswith(start)]
        if not each and not known and not later:
            return value
        required = known is None or VARIABLE in known.values()
        name = self._variable(path, "map(string)", doc, known, required=required)
        self._must(name, f"alltrue([for one in values({name}) : {rule.test('one')}])", rule.allowed)
        if each:
            return MapExpression(name, filled=known != {})
        if known:
            needed = f"length(setsubtract({json.dumps(list(known))}, keys({name}))) == 0"
            self._must(name, needed, f"An entry is required for each of: {', '.join(known)}.")
        result = {key: Expression(f'${{{name}["{key}"]}}') for key in known or ()}
        for key in later:
            self.inputs.pending.append(f'lookup({name}, "{key}", null)')
            result[key] = Expression(f"${{{self.inputs.pending[-1]}}}")
        return result

    def _variable(
        self, path: tuple[str, ...], type_: str, doc: str | None, default: Any, *, required: bool = False
    ) -> str:
        """Declare the variable of a value; return the expression for it."""
        name = (self.prefix + "_".join(path)).replace("-", "_")
        where = ".".join(part for part in (self.where, *path) if part)
        if name in self.inputs.variables:
            other = self.inputs.variables[name]["description"].split(":")[0]
            raise ValueError(f"{where} and {other} would both become the variable {name}; rename an entry")
        self.inputs.variables[name] = {
            "type": type_,
            "description": " ".join(f"{where}: {doc or ''}".split()),
            **({} if required else {"default": default}),
            "nullable": default is None and not required,
            "validation": [],
        }
        return f"var.{name}"

    def _must(self, name: str, condition: str, otherwise: str) -> None:
        self.inputs.variables[name.removeprefix("var.")]["validation"].append(
            {"condition": f"${{{condition}}}", "error_message": otherwise}
        )


# The value types, as Terraform conditions.


@dataclass(frozen=True)
class _Rule:
    """The rule for a value. `condition` has {} in place of the value's expression."""

    what: str
    condition: str
    allowed: str

    def test(self, value: str) -> str:
        return self.condition.replace("{}", value)


def _rule(annotation: Any, metadata: Iterable[Any] = ()) -> _Rule | None:
    """Return the rule of a value type that supports expressions, or None."""
    for _, marks in _members(annotation, metadata):
        for mark in marks:
            if isinstance(mark, Range):
                return _range(mark)
            if isinstance(mark, Text) and mark.late:
                return _text(Annotated[str, mark])
    return None


def _text(annotation: Any) -> _Rule:
    (text,) = (mark for mark in typing.get_args(annotation) if isinstance(mark, Text))
    pattern = json.dumps(f"^(?:{text.pattern})$")
    limit = f" && length({{}}) <= {text.longest}" if text.longest < Text.longest else ""
    return _Rule(text.what, f"can(regex({pattern}, {{}})){limit}", f"It must be {text.what}: {text.allowed}.")


def _range(range_: Range) -> _Rule:
    size = 'tonumber(split("/", {})[1])'
    # The first address with the same size equals the range unless it has host bits set; IPv6 has no netmask.
    tests = [
        "can(cidrnetmask({}))",
        "try(cidrsubnet({}, 0, 0) == {}, false)",
        f"try({size} >= {range_.largest} && {size} <= {range_.smallest}, false)",
    ]
    if range_.within:
        inside = [f"try({size} >= {outer.prefixlen} && {_start(outer)}, false)" for outer in range_.within]
        tests.append(f"({' || '.join(inside)})")
    return _Rule(range_.what, " && ".join(tests), f"It must be {range_.what}: {range_.allowed()}, without host bits.")


def _start(outer: IPv4Network) -> str:
    return f'cidrhost("${{cidrhost({{}}, 0)}}/{outer.prefixlen}", 0) == "{outer.network_address}"'


def _members(annotation: Any, metadata: Iterable[Any] = ()) -> Iterator[tuple[Any, list[Any]]]:
    """Yield the types that an annotation allows, each with its `Annotated` metadata."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        base, *marks = typing.get_args(annotation)
        yield from _members(base, [*metadata, *marks])
    elif origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _members(member, metadata)
    else:
        yield annotation, list(metadata)
