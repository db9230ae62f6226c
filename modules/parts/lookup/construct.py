"""Lookups of a request that another account made, and the conditions for accepting it.

A data source that filters by every expected value finds nothing if one of them differs, and cannot report which. A
`Lookup` reads the request by its ID alone, and each expectation is a condition with its own message. The conditions are
preconditions of the resources that accept the request. Terraform reports all failures in one plan and evaluates the
conditions again in an apply. It does not evaluate them in a destroy.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cdktf import Postcondition, Precondition, TerraformIterator, TerraformResourceLifecycle, TerraformStack
from constructs import Construct

from modules.context import Network
from modules.expressions import is_late, listed
from modules.vocabulary import construct_id


@dataclass(frozen=True)
class Kind:
    """The data sources of one request and of several, and the names under which they take an ID."""

    one: Callable[..., Any]
    several: Callable[..., Any]
    filter: Callable[..., Any]
    """The class of the filters of `several`."""
    id_argument: str
    id_filter: str


class Lookup:
    """A request, read by its ID. It need not exist: `missing` is the message if it does not."""

    def __init__(self, scope: Construct, kind: Kind, request_id: str, missing: str, *names: str) -> None:
        self._scope, self._kind, self._id = scope, kind, request_id
        id_, ids = construct_id("request", *names), construct_id("requests", *names)
        by_id = {kind.id_filter: request_id}
        self.expectations: list[tuple[str, str]] = []
        """The conditions as expressions, each with its message."""
        if is_late(request_id):
            # If the caller of a module sets depends_on, data sources are read at apply time and cannot be in a
            # for_each.
            exists = Postcondition(condition="${length(self.ids) > 0}", error_message=missing)
            several = _search(scope, kind, ids, by_id, TerraformResourceLifecycle(postcondition=[exists]))
            one = kind.one(scope, id_, depends_on=[several], **{kind.id_argument: request_id})
            self._requests, self._unless_missing = f"{_address(one)}[*]", ""
        else:
            several = _search(scope, kind, ids, by_id)
            each = TerraformIterator.from_list(several.ids)
            one = kind.one(scope, id_, for_each=each, **{kind.id_argument: "${each.value}"})
            self._requests, self._unless_missing = f"values({_address(one)})[*]", ""
            self.expect(f"length({_address(several)}.ids) > 0", missing)
            self._unless_missing = f"length({_address(several)}.ids) == 0 || "

    def found(self, attribute: str, *older: str) -> str:
        """Return an expression of the attribute's value in AWS, or of its `older` names, or of an empty text."""
        name = f"try({', '.join(f'one.{name}' for name in (attribute, *older))})"
        values = f"[for one in {self._requests} : {name}]" if older else f"{self._requests}.{attribute}"
        return f'join("", compact({values}))'

    def ids_if(self, attribute: str, value: str) -> str:
        """Return an expression of a list: the request's ID if the attribute has that value in AWS, otherwise empty."""
        return f'[for one in {self._requests} : one.id if one.{attribute} == "{value}"]'

    def matches(self, name: str, filters: Mapping[str, str]) -> str:
        """Return an expression that is true if AWS's own filters match the request, for values that AWS may hide."""
        found = _search(self._scope, self._kind, name, {self._kind.id_filter: self._id, **filters})
        return f"length({_address(found)}.ids) > 0"

    def expect(self, condition: str, message: str) -> None:
        """Require that the expression `condition` is true for the request, if it exists."""
        self.expectations.append((f"{self._unless_missing}{condition}", message))

    @property
    def lifecycle(self) -> TerraformResourceLifecycle:
        """The lifecycle of a resource that is created only if all conditions hold."""
        conditions = [
            Precondition(condition=f"${{{one}}}", error_message=message) for one, message in self.expectations
        ]
        return TerraformResourceLifecycle(precondition=conditions)


def with_dns(network: Network, what: str, remedy: str) -> list[Precondition] | None:
    """Return the condition that both DNS settings of the network's VPC are on, as `what` needs."""
    if network.dns == "true":
        return None
    message = (
        f"{what} needs both DNS settings of {network.vpc_id}, DNS resolution and DNS hostnames, but they are not both "
        f"on. Turn them on (aws ec2 modify-vpc-attribute), or {remedy}."
    )
    return [Precondition(condition=f"${{{network.dns}}}", error_message=message)]


def announce(
    scope: Construct, kind: Kind, id_: str, filters: Mapping[str, str], message: str, known: Iterable[str] = ()
) -> None:
    """Warn in each plan about requests that match `filters` and are not `known`. `{}` in the message is replaced by
    their IDs.

    Every value of the filters must be known when Terraform plans. Otherwise it would warn that it cannot evaluate the
    check.
    """
    found = _search(scope, kind, id_, filters)
    ids = f"{_address(found)}.ids"
    if known:
        ids = f"setsubtract({ids}, {listed(known)})"
    assertion = {
        "condition": f"${{length({ids}) == 0}}",
        "error_message": message.replace("{}", f'${{join(" or ", {ids})}}'),
    }
    # cdktf has no class for checks.
    TerraformStack.of(scope).add_override(f"check.{found.friendly_unique_id}", {"assert": [assertion]})


def _search(
    scope: Construct,
    kind: Kind,
    id_: str,
    filters: Mapping[str, str],
    lifecycle: TerraformResourceLifecycle | None = None,
) -> Any:
    """Read all matching requests. No match is not an error."""
    by = [kind.filter(name=name, values=[value]) for name, value in filters.items()]
    return kind.several(scope, id_, filter=by, lifecycle=lifecycle)


def _address(data: Any) -> str:
    return f"data.{data.terraform_resource_type}.{data.friendly_unique_id}"
