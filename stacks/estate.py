"""The estate: one YAML file as one frozen model, or every mistake in it at its own line."""

import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import date
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ModelWrapValidatorHandler, ValidationError, ValidationInfo, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails, core_schema

from modules.catalog import Connection
from modules.connection import ASTRO_CIDRS, REGIONS, Cluster, DisasterRecovery, Product
from modules.cross_account_role.props import CrossAccountRoleProps
from modules.opt_in_region.props import OPT_IN, OptInRegionProps
from modules.policy_alarm.props import PolicyAlarmProps
from modules.service_quotas.props import ServiceQuotasProps, vcpus
from modules.vocabulary import (
    AccountId,
    Awaited,
    BucketName,
    KmsKey,
    Props,
    Reason,
    Region,
    Secret,
    Slug,
    Tags,
    Text,
    partition,
)
from modules.vpc.props import VpcProps
from stacks.source import Location, Problem, Source, shortened

KeyPrefix = Annotated[
    str, Text("a key prefix", r"[\w.-]+(?:/[\w.-]+)*", "letters, digits and _.-, parts joined by /", "astro/prod")
]
CloudName = Annotated[
    str, Text("an HCP Terraform name", r"[A-Za-z0-9_-]{3,40}", "3 to 40 letters, digits, _ and -", "acme")
]
ProjectName = Annotated[
    str,
    Text(
        "a project of HCP Terraform",
        r"[A-Za-z0-9_-][A-Za-z0-9 _-]{1,38}[A-Za-z0-9_-]",
        "3 to 40 letters, digits, spaces, _ and -, without a space at its ends",
        "Default Project",
    ),
]
# HCP Terraform allows 90 characters, and a stack's name has up to 39.
WorkspacePrefix = Annotated[
    str,
    Text("what a workspace's name begins with", r"[A-Za-z0-9_-]{1,50}", "1 to 50 letters, digits, _ and -", "astro-"),
]
HostName = Annotated[
    str,
    Text(
        "a host name",
        r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}",
        "lower-case letters, digits and -, parts joined by dots, without https://",
        "terraform.acme.example",
    ),
]
RoleName = Annotated[
    str, Text("an IAM role name", r"[\w+=,.@-]{1,64}", "up to 64 letters, digits and _+=,.@-", "terraform-deployer")
]

# 5.100 is the first with every argument that is used here, and what 7 takes away nobody knows.
_PROVIDER = r"(?:5\.[1-9]\d{2,}|6\.(?:0|[1-9]\d*))(?:\.\d+)?"
ProviderVersion = Annotated[
    str,
    Text(
        "a version constraint of the AWS provider",
        rf"(?:~> ?)?{_PROVIDER}|>= ?{_PROVIDER}, ?< ?7\.0",
        "~> VERSION, VERSION alone, or >= VERSION, < 7.0, where VERSION is 5.100 or newer, up to 6.x",
        "~> 6.0",
    ),
]


_MAPS = ("clusters", "networks", "connections")
"""The sections whose keys are names."""


class S3State(Props):
    """State in an S3 bucket, one key a stack, locked by a lock file. `main.py state create` makes the bucket."""

    backend: Literal["s3"]
    bucket: BucketName
    region: Region
    kms_key: KmsKey | None = None
    """Key that encrypts the state. Default: the bucket's own encryption."""
    key_prefix: KeyPrefix | None = None
    """Folder of the state files in the bucket. Default: the estate's `name`."""


class CloudState(Props):
    """State and runs in HCP Terraform, one workspace a stack."""

    backend: Literal["cloud"]
    organization: CloudName
    hostname: HostName | None = None
    """Of your Terraform Enterprise. Default: HCP Terraform."""
    project: ProjectName | None = None
    """Where Terraform makes the workspaces. Default: the organization's default project."""
    workspace_prefix: WorkspacePrefix | None = None
    """What the workspaces' names begin with, before the stack's name. Default: the estate's `name` and a hyphen."""

    def workspace(self, estate: str, stack: str) -> str:
        """The name of a stack's workspace, in the estate of that name."""
        return f"{self.workspace_prefix or estate + '-'}{stack}"


class NoState(Props):
    """No backend of ours: yours is given later, by `terraform init -backend-config` or an override file."""

    backend: Literal["none"]
    partial: Literal["s3", "gcs", "azurerm", "http", "pg", "consul"] | None = None
    """Write an empty block of this backend for `-backend-config` to fill. Default: no block."""


State = Annotated[S3State | CloudState | NoState, Field(discriminator="backend")]


class Astro(Props):
    """Your Astro organization."""

    product: Product
    """The product of clusters that name none: `hybrid` if they run in your own AWS account, `hosted-dedicated` if they
    run in Astronomer's and are yours alone, `hosted-standard` if you share them with other organizations. The Astro UI
    shows Hybrid or Hosted as Product Type in Organization Settings > General, and lists dedicated clusters in
    Organization Settings > Clusters."""
    organization: Slug
    """Its short name, as in <organization>.astronomer.run."""


class Terraform(Props):
    """What the stacks ask of Terraform."""

    aws_provider: ProviderVersion = "~> 5.100"
    """The version constraint of the AWS provider, such as `~> 6.0`. Nothing else changes with it."""


class Deployer(Props):
    """The role that Terraform assumes in each account of the estate. Without it, your own credentials are used."""

    role: RoleName


class Account(Props):
    """The dedicated AWS account that an Astro Hybrid data plane lives in."""

    account_id: AccountId
    region: Region
    without_hybrid_reason: Reason | None = None
    """Why there is an account although no cluster is Hybrid. Default: `account` is refused then, because its role lets
    Astronomer do much, and a Hosted cluster has no use for it."""
    cross_account_role: CrossAccountRoleProps
    policy_alarm: PolicyAlarmProps | None = None
    service_quotas: ServiceQuotasProps | None = None
    opt_in_region: OptInRegionProps | None = None


class Estate(Props):
    """Your side of Astro on AWS."""

    name: Slug
    """What AWS names begin with."""
    state: State
    """Where Terraform keeps its state."""
    tags: Tags = Field(default_factory=dict, max_length=40)
    """Tags of every resource."""
    astro: Astro
    terraform: Terraform = Terraform()
    deployer: Deployer | None = None
    clusters: dict[Slug, Cluster] = Field(default_factory=dict)
    """Astronomer's side: its clusters."""
    account: Account | None = None
    networks: dict[Slug, VpcProps] = Field(default_factory=dict)
    """Your side: VPCs, existing or to be made. Each is a Terraform stack of its own, with its connections."""
    connections: dict[Slug, Connection] = Field(default_factory=dict)
    """What joins the two."""

    @model_validator(mode="wrap")
    @classmethod
    def _expand_and_check_together(
        cls, data: Any, handler: ModelWrapValidatorHandler["Estate"], info: ValidationInfo
    ) -> "Estate":
        estate = handler(_expanded(data))
        # Where entries were taken out because they are wrong by themselves, their names still count.
        names = (info.context or {}).get("names") or {section: _get(data, section) for section in _MAPS}
        if problems := list(_rules_across(estate, names)):
            raise EntriesDisagreeError(problems)
        return estate

    def awaited(self) -> Iterator[tuple[str, Awaited]]:
        """What others must still give, with what waits for it: `connections.lake`, `clusters.prod`, or its twin
        `clusters.prod.dr`."""
        twins, waiting = self.twins(), dict[tuple[str, Awaited], None]()
        for name, cluster in self.clusters.items():
            users = [each for each in self.connections.values() if name in each.cluster_names()]
            for awaited in (need for user in users for need in user.needs_of_clusters):
                if getattr(cluster, awaited.field) is None:
                    entry = twins.get(name, name) if awaited.field in _OF_THE_CLUSTER else name
                    waiting[self.cluster_entry(entry), awaited] = None
        yield from waiting
        for name, connection in self.connections.items():
            for awaited in connection.awaited():
                yield f"connections.{name}", awaited

    def twins(self) -> dict[str, str]:
        """The cluster of each twin for disaster recovery, by the twin's name."""
        return {f"{name}{TWIN}": name for name, cluster in self.clusters.items() if cluster.dr}

    def cluster_entry(self, name: str) -> str:
        """Where the file describes a cluster: `clusters.prod`, of its twin `clusters.prod.dr`."""
        twins = self.twins()
        return f"clusters.{twins[name]}.dr" if name in twins else f"clusters.{name}"

    def data_plane(self) -> dict[str, Cluster]:
        """The Hybrid clusters that live in `account`, and their twins."""
        account_id = self.account.account_id if self.account else None
        return {
            name: cluster
            for name, cluster in self.clusters.items()
            if account_id and cluster.product == "hybrid" and cluster.account_id == account_id
        }

    def secrets(self) -> Iterator[tuple[str, str, Secret]]:
        """What Terraform asks for because the file never holds it: the stack, the variable's name, and what it is."""
        if self.account:
            for secret in self.account.cross_account_role.secrets():
                yield "account", secret.variable(), secret
        for name, connection in self.connections.items():
            for secret in connection.secrets():
                yield network_stack(connection.network), secret.variable(name), secret

    def expired(self, today: date) -> Iterator[Problem]:
        """What the file says was to be gone by `today`. No rule of the file: a right one stays right."""
        for name, connection in self.connections.items():
            for field, message in connection.expired(today):
                yield Problem(("connections", name, *field), message)


TWIN = "-dr"
"""What the names of a cluster's disaster-recovery twin, and of the connections to it, end in."""
_OF_THE_CLUSTER = ("product", "account_id", "node_type", "max_nodes", "db_type")
"""What a twin has of its cluster."""


def _expanded(data: Any) -> Any:
    """The data with what follows from it: clusters take their product from `astro`, and Hybrid ones their account from
    `account`; a cluster with `dr` has a twin, and a connection with `dr` is there again for the twins of its clusters.
    """
    if not isinstance(data, Mapping) or not isinstance(clusters := data.get("clusters"), Mapping):
        return data
    # What is wrong is not handed on: it would be told once more at each cluster, which does not say it.
    product = _get(data, "astro", "product")
    product = product if isinstance(product, str) and product in REGIONS else "hybrid"
    account_id = _get(data, "account", "account_id")
    has_account = isinstance(account_id, str) and re.fullmatch(r"\d{12}", account_id, re.ASCII)
    filled: dict[Any, Any] = {}
    for name, cluster in clusters.items():
        filled[name] = cluster
        if isinstance(cluster, Mapping):
            defaults = {"product": product}
            if cluster.get("product", product) == "hybrid" and has_account:
                defaults["account_id"] = account_id
            filled[name] = defaults | dict(cluster)
    for name, cluster in list(filled.items()):
        if isinstance(twin := _get(filled, name, "dr"), Mapping):
            same = {key: cluster[key] for key in _OF_THE_CLUSTER if key in cluster}
            # What is no key of `dr` is told there.
            own = {key: value for key, value in twin.items() if key in DisasterRecovery.model_fields}
            filled.setdefault(f"{name}{TWIN}", same | own)
    result = {**data, "clusters": filled}
    if isinstance(connections := data.get("connections"), Mapping):
        twins = {f"{name}{TWIN}": _twin(entry, filled) for name, entry in connections.items()}
        result["connections"] = {name: entry for name, entry in twins.items() if entry} | dict(connections)
    return result


def _twin(entry: Any, clusters: Mapping[str, Any]) -> dict[str, Any] | None:
    """A connection again, for the twins of its clusters, with the values of its `dr` before its own; None without."""
    if not isinstance(differs := _get(entry, "dr"), Mapping):
        return None
    # What Astronomer gives is of one region.
    twin = {key: value for key, value in entry.items() if key not in ("dr", "peering_id", "attachments")}
    one, several = entry.get("cluster"), entry.get("clusters")
    several = several if isinstance(several, tuple | list) else ()
    if several := tuple(f"{name}{TWIN}" for name in several if _has_twin(name, clusters)):
        twin["clusters"] = several
    if _has_twin(one, clusters):
        twin["cluster"] = f"{one}{TWIN}"
    elif not several:
        return None
    return twin | dict(differs)


def _has_twin(name: Any, clusters: Mapping[str, Any]) -> bool:
    return isinstance(_get(clusters, name, "dr"), Mapping)


class EntriesDisagreeError(ValueError):
    """Entries that are right by themselves and wrong together."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, p.path))}: {p.message}" for p in problems))
        self.problems = problems


class EstateError(Exception):
    """Everything that is wrong with an estate file; `str()` gives a line for each, `file:line:column: field: what`."""

    def __init__(self, file: Path, problems: list[Problem]) -> None:
        self.file = file
        self.problems = sorted(set(problems), key=lambda p: (p.line, p.column, p.message, str(p.path)))
        super().__init__("\n".join(f"{file}:{problem}" for problem in self.problems))


class _Schema(GenerateJsonSchema):
    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Pydantic names the pattern of a map's keys and lets every other key pass: refuse them."""
        result = super().dict_schema(schema)
        if "patternProperties" in result:
            result["additionalProperties"] = False
            result.pop("propertyNames", None)
        return result


def network_stack(name: str) -> str:
    """The stack of an entry of `networks`."""
    return f"network-{name}"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of estate files."""
    return {"$schema": _Schema.schema_dialect, **Estate.model_json_schema(schema_generator=_Schema)}


def load(file: Path, source: Source | None = None) -> Estate:
    """The estate in `file`. Raises EstateError with all that is wrong with it. Reads that file, unless its `source` is
    given, and the policy files that it names, and nothing else: no network, no AWS."""
    source = source or Source(file)
    problems = list(source.problems)
    estate = None
    entries = source.value if isinstance(source.value, dict) else {}
    context = {"folder": file.parent, "names": {section: entries.get(section) for section in _MAPS}}
    if source.value is not None or not problems:
        try:
            estate = Estate.model_validate(source.value, context=context)
        except ValidationError as error:
            found = [problem for details in error.errors() for problem in _explain(details, source)]
            problems += found
            problems += _explain_together(source, {problem.path for problem in found}, context)
    if problems or estate is None:
        raise EstateError(file, problems)
    return estate


def _explain(details: ErrorDetails, source: Source) -> Iterator[Problem]:
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, EntriesDisagreeError):
        for problem in cause.problems:
            path = home(problem.path, source)
            yield Problem(path, problem.message, *source.where(path))
        return
    path, owner = _locate(details["loc"], _expanded(source.value))
    path = home(path, source)
    kind, context = details["type"], details.get("ctx", {})
    is_key = kind == "extra_forbidden" or details["loc"][-1:] == ("[key]",)
    where = source.where(path, key=is_key)
    shown = _shown(source, path)
    match kind:
        case "missing":
            message = f"is missing; add it{_choices(owner, details['loc'][-1])}"
        case "extra_forbidden":
            # Never with its value: a secret that was put here must not reach a log.
            allowed = sorted(owner.model_fields) if owner else []
            message = f"is not a key here{_did_you_mean(str(path[-1]), allowed)}; allowed: {', '.join(allowed)}"
            if _SECRET.search(str(path[-1])):
                message += "; a secret never stands in this file: Terraform asks for it as a variable"
        case "value_error":
            message = str(cause)
            shown = repr(shortened(str(path[-1]))) if is_key and path else shown
            message = f"{shown} {message}" if shown else message
        case "literal_error":
            allowed = context.get("expected", "") + (" or a map" if details["loc"][-1] == "word" else "")
            message = f"{shown or 'this'} is not one of {allowed}{_did_you_mean(str(shown).strip(chr(39)), allowed)}"
            message += _unquoted(details["input"]) if allowed[:1].isdigit() else ""
        case "too_short" if len(details["input"]) >= context["min_length"]:
            return  # There are enough; those that are wrong were not counted, and are told by themselves.
        case "union_tag_invalid":
            tag = context.get("discriminator", "").strip("'")
            path = (*path, tag)
            where = source.where(path)
            allowed = context.get("expected_tags", "")
            shown = _shown(source, path)
            message = f"{shown or 'this'} is not one of {allowed}{_did_you_mean(str(shown).strip(chr(39)), allowed)}"
        case "union_tag_not_found":
            message = f"has no {context.get('discriminator')}; add it"
        case "model_type" | "model_attributes_type" | "dict_type":
            message = f"{shown or 'this'} is not a map of keys and values; indent its keys below it"
        case _:
            message = f"{shown or 'this'} {_plain(details)}"
            message += _unquoted(details["input"]) if kind == "int_type" else ""
    yield Problem(path, message, *where)


_SECRET = re.compile(r"secret|passw|token|credential|external.?id|shared.?key|private.?key|api.?key|access.?key", re.I)


def home(path: Location, source: Source) -> Location:
    """Where the file says what a twin's value comes from: in `dr`, else in the entry that the twin is one of."""
    section, name, *rest = path if len(path) > 1 else (None, None)
    if section not in ("clusters", "connections") or source.knows(path[:2]) or not str(name).endswith(TWIN):
        return path
    base = (section, str(name).removesuffix(TWIN))
    own = (*base, "dr", *rest)
    if section == "clusters":
        return (*base, *rest) if rest and rest[0] in _OF_THE_CLUSTER else own
    return own if source.knows(own) else (*base, *rest)


def _shown(source: Source, path: Location) -> str | None:
    """What the file says at `path`, in quotes. None where it is not a scalar, or may be what no log should hold."""
    written = source.written(path)
    if written is None or "://" in written or any(_SECRET.search(str(part)) for part in path):
        return None
    return repr(written)


_PLAIN = {
    "int_parsing_size": "is too large a number",
    "int_type": "is not a whole number",
    "string_type": "is not text; put it in quotes",
    "bool_type": "is not true or false",
    "tuple_type": "is not a list; write [a, b]",
    "greater_than_equal": "is too small; at least {ge}",
    "less_than_equal": "is too large; at most {le}",
    "too_long": "has too many entries, {actual_length}; at most {max_length}",
    "too_short": "has too few entries, {actual_length}; at least {min_length}",
}


def _plain(details: ErrorDetails) -> str:
    template = _PLAIN.get(details["type"])
    return template.format(**details.get("ctx", {})) if template else f"is refused: {details['msg']}"


def _choices(owner: type[BaseModel] | None, name: int | str) -> str:
    """What a field with few possible values may be, and what each one means."""
    field = owner.model_fields.get(str(name)) if owner else None
    if field is None or typing.get_origin(field.annotation) is not Literal:
        return ""
    values = ", ".join(map(repr, typing.get_args(field.annotation)))
    return f": one of {values}. {' '.join((field.description or '').split())}".rstrip()


def _unquoted(value: Any) -> str:
    return "; take it out of its quotes" if isinstance(value, str) and re.fullmatch(r"-?\d+", value, re.ASCII) else ""


def _explain_together(source: Source, broken: set[Location], context: dict[str, Any]) -> list[Problem]:
    """The rules that span entries, on what is left once the broken entries are taken out: so one run tells it all."""
    if not isinstance(source.value, dict):
        return []
    whole: dict[str, Any] = source.value
    left = {section: dict(v) if isinstance(v, dict) else v for section, v in whole.items()}
    for section, *rest in (path for path in broken if path):
        entries = left.get(str(section))
        if rest and section in _MAPS and isinstance(entries, dict):
            entries.pop(rest[0], None)
        else:
            left.pop(str(section), None)
    product = _get(whole, "astro", "product")
    if str(product) not in REGIONS:
        # The likelier one, so that no rule of the other is reported for it.
        product = "hybrid" if "account" in whole else "hosted-dedicated"
    left = {
        "name": "x",
        "state": {"backend": "none"},
        "astro": {"organization": "x", "product": product},
    } | left
    try:
        Estate.model_validate(left, context=context)
    except ValidationError as error:
        for details in error.errors():
            if isinstance(details.get("ctx", {}).get("error"), EntriesDisagreeError):
                return list(_explain(details, source))
    return []


def _locate(location: tuple[int | str, ...], value: Any) -> tuple[Location, type[BaseModel] | None]:
    """A pydantic location as keys of the file, and the model that the last key belongs to.

    Pydantic puts names of union members and "[key]" between the keys; what leads nowhere in the data is left out,
    except a last name that is missing there.
    """
    path: list[str | int] = []
    owner: Any = Estate
    model: Any = Estate
    for step, part in enumerate(location):
        known = isinstance(part, str) and _is_model(model) and part in model.model_fields
        if isinstance(value, dict) and part in value:
            inner = typing.cast("dict[str | int, Any]", value)[part]
        elif isinstance(value, tuple) and isinstance(part, int):
            inner = value[part]
        elif known and step == len(location) - 1:
            inner = None
        else:
            continue
        owner, model, value = model, _member(model, part, inner), inner
        path.append(part)
    return tuple(path), owner if _is_model(owner) else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _member(annotation: Any, part: str | int, value: Any) -> Any:
    """The type of `part` inside `annotation`, as far as it tells which model's keys are allowed there."""
    if _is_model(annotation):
        field = annotation.model_fields.get(part)
        return _pick(field.annotation, value) if field else None
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) in (dict, tuple) and arguments:
        return _pick(arguments[1] if typing.get_origin(annotation) is dict else arguments[0], value)
    return None


def _pick(annotation: Any, value: Any) -> Any:
    """The member of a union that `value` is meant for: by its `type` or `backend`, else the only model or map."""
    if typing.get_origin(annotation) is Annotated:
        return _pick(typing.get_args(annotation)[0], value)
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    for member in typing.get_args(annotation):
        if _is_model(member):
            tags = [f for f in ("type", "backend") if f in member.model_fields]
            wanted = [typing.get_args(member.model_fields[tag].annotation) for tag in tags]
            if not tags or (isinstance(value, dict) and value.get(tags[0]) in wanted[0]):
                return member
        elif typing.get_origin(member) is dict and isinstance(value, dict):
            return member
    return None


_COMPARED = 300
"""How many names a misspelt one is compared with: each comparison takes time."""


def _did_you_mean(given: str, allowed: list[str] | str) -> str:
    options = (
        allowed if isinstance(allowed, list) else [word.strip(" '") for word in allowed.replace(" or ", ",").split(",")]
    )
    close = difflib.get_close_matches(given, options, n=1) if len(options) <= _COMPARED and not given.isdigit() else []
    return f"; did you mean {close[0]!r}?" if close else ""


def _get(data: Mapping[Any, Any], *keys: Any) -> Any:
    value: Any = data
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) and isinstance(key, str) else None
    return value


# Rules that span entries. Each yields problems that name both sides.


def _rules_across(estate: Estate, names: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _names(estate, names)
    yield from _references(estate, names)
    yield from _offered(estate)
    yield from _twins(estate)
    yield from _regions(estate)
    yield from _overlaps(estate)
    yield from _claimed_once(estate)
    yield from _routed_back(estate)
    yield from _fits(estate, names)


def _names(estate: Estate, names: Mapping[str, Any]) -> Iterator[Problem]:
    for section in ("clusters", "connections"):
        for name, entry in getattr(estate, section).items():
            twin = f"{name}{TWIN}"
            if entry.dr is not None and _get(names, section, twin) is not None:
                yield Problem(
                    (section, twin),
                    f"has the name of the twin that {section}.{name}.dr describes, and only one of them can count; "
                    f"rename one, or take {section}.{name}.dr out",
                )
    first: dict[str, str] = {}
    for name, network in estate.networks.items():
        if network.vpc_id and (other := first.setdefault(network.vpc_id, name)) != name:
            yield Problem(
                ("networks", name, "vpc_id"),
                f"{network.vpc_id!r} is networks.{other} too; put both into one entry, or two stacks change one VPC",
            )
    for name in sorted(set(estate.networks) & set(estate.connections)):
        yield Problem(
            ("connections", name), "has the name of a network; both would have one Terraform address: rename one"
        )


def _references(estate: Estate, names: Mapping[str, Any]) -> Iterator[Problem]:
    entries = {section: names[section] if isinstance(names[section], Mapping) else {} for section in _MAPS}
    listed = {section: sorted(map(str, known)) for section, known in entries.items()}
    for name, connection in estate.connections.items():
        # A connection that Astronomer makes is of no network.
        wanted = [("network", connection.network, "networks")] if connection.network else []
        wanted += [(connection.cluster_field, cluster, "clusters") for cluster in connection.cluster_names()]
        for field, reference, section in wanted:
            if reference not in entries[section] and reference not in getattr(estate, section):
                known = listed[section]
                more = f" and {len(known) - 10} more" if len(known) > 10 else ""
                yield Problem(
                    ("connections", name, field),
                    f"{reference!r} is not an entry of `{section}`{_did_you_mean(reference, known)}; "
                    f"there are: {', '.join(map(shortened, known[:10])) or 'none'}{more}",
                )


def _offered(estate: Estate) -> Iterator[Problem]:
    for name, cluster in estate.clusters.items():
        if (aws := partition(cluster.region)) != "aws":
            yield Problem(
                ("clusters", name, "region"),
                f"{cluster.region!r} is in the partition {aws}, where Astronomer has no clusters; give the cluster's "
                "region in the partition aws",
            )
        try:
            ASTRO_CIDRS[cluster.product].check(cluster.cidr)
        except ValueError as error:
            yield Problem(("clusters", name, "cidr"), f"{str(cluster.cidr)!r} {error}")
    for name, connection in estate.connections.items():
        for cluster in connection.cluster_names():
            if (
                connection.dedicated_only
                and cluster in estate.clusters
                and estate.clusters[cluster].product == "hosted-standard"
            ):
                yield Problem(
                    ("connections", name, connection.cluster_field),
                    f"{cluster!r} is a hosted-standard cluster, and Astronomer offers {connection.type} to dedicated "
                    "and Hybrid clusters only; use its external IP addresses, or a dedicated cluster",
                )


def _twins(estate: Estate) -> Iterator[Problem]:
    for name, connection in estate.connections.items():
        clusters = [estate.clusters[each] for each in connection.cluster_names() if each in estate.clusters]
        if connection.dr is not None and clusters and not any(cluster.dr for cluster in clusters):
            yield Problem(
                ("connections", name, "dr"), "is for clusters with a twin, and none here has `dr`; take it out"
            )


def _regions(estate: Estate) -> Iterator[Problem]:
    for name, connection in estate.connections.items():
        network = estate.networks.get(connection.network)
        for cluster_name in connection.cluster_names():
            cluster = estate.clusters.get(cluster_name)
            if connection.same_region and network and cluster and cluster.region != network.region:
                yield Problem(
                    ("connections", name, connection.cluster_field),
                    f"{cluster_name!r} is in {cluster.region} and network {connection.network!r} in {network.region}; "
                    f"{connection.same_region}",
                )


def _for_hybrid(estate: Estate, account: Account, names: Mapping[str, Any]) -> Iterator[Problem]:
    written = names["clusters"] if isinstance(names["clusters"], Mapping) else {}
    if written.keys() - estate.clusters.keys():
        return  # One of those that are wrong by themselves may be Hybrid.
    hybrid = [name for name, cluster in estate.clusters.items() if cluster.product == "hybrid"]
    still_to_come = not estate.clusters and estate.astro.product == "hybrid"
    if account.without_hybrid_reason and hybrid:
        yield Problem(
            ("account", "without_hybrid_reason"), f"is given, and clusters.{hybrid[0]} is Hybrid; remove the reason"
        )
    elif not (account.without_hybrid_reason or hybrid or still_to_come):
        yield Problem(
            ("account",),
            "is for Hybrid clusters, and there are none: its role would let Astronomer do much in an account where a "
            "Hosted cluster needs nothing; remove account, describe the Hybrid cluster in clusters, or explain in "
            "account.without_hybrid_reason",
        )


def _fits(estate: Estate, names: Mapping[str, Any]) -> Iterator[Problem]:
    if account := estate.account:
        yield from _for_hybrid(estate, account, names)
        if (aws := partition(account.region)) != "aws":
            yield Problem(
                ("account", "region"),
                f"{account.region!r} is in the partition {aws}, where Astronomer has no account that could assume the "
                "role; give a region in the partition aws",
            )
        if account.service_quotas and account.service_quotas.size_for_clusters:
            for name, cluster in estate.data_plane().items():
                if vcpus(cluster.node_type) is None:
                    yield Problem(
                        ("clusters", name, "node_type"),
                        f"{cluster.node_type!r} has a number of vCPUs that is not known here; write "
                        "account.service_quotas.vcpus in place of size_for_clusters",
                    )
        for part, message in account.cross_account_role.disagreements(account.account_id):
            yield Problem(("account", "cross_account_role", part), message)
        for part, message in account.policy_alarm.disagreements(account.region) if account.policy_alarm else ():
            yield Problem(("account", "policy_alarm", part), message)
        yield from _opted_in(estate, account)
    for name, connection in estate.connections.items():
        if network := estate.networks.get(connection.network):
            for field, message in connection.disagreements(network, estate.clusters):
                yield Problem(("connections", name, *field), message)


def _opted_in(estate: Estate, account: Account) -> Iterator[Problem]:
    enabled = account.opt_in_region.regions if account.opt_in_region else ()
    if account.opt_in_region:
        for field, message in account.opt_in_region.disagreements(account.cross_account_role.policy_file):
            yield Problem(("account", "opt_in_region", *field), message)
    wanted: dict[Location, str] = {("account", "region"): account.region}
    for name, cluster in estate.data_plane().items():
        wanted["clusters", name, "region"] = cluster.region
    for path, region in wanted.items():
        if region in OPT_IN and region not in enabled:
            yield Problem(
                path,
                f"{region!r} is off in an AWS account until it is enabled; write "
                f"account.opt_in_region: {{regions: [{', '.join((*enabled, region))}]}}",
            )


def _claimed_once(estate: Estate) -> Iterator[Problem]:
    # A network that is made has a role for its flow logs, by its own name.
    taken: dict[tuple[object, ...], tuple[Location, str | None]] = {
        (network.account_id, "role", name): (("networks", name), None)
        for name, network in estate.networks.items()
        if network.create and not network.create.flow_logs.off_reason
    }
    for name, connection in estate.connections.items():
        network = estate.networks.get(connection.network)
        places = {
            "network": (connection.network,),
            "account": (network.account_id, network.region) if network else (connection.network,),
            "global": (network.account_id,) if network else (connection.network,),
        }
        for claim in (*connection.claims(), *connection.iam_claims(name, estate.clusters)):
            place = ("connections", name, *claim.field)
            other, shared = taken.setdefault((*places[claim.scope], *claim.key), (place, claim.shared))
            if other != place and (shared is None or shared != claim.shared):
                # Of another connection its name is enough.
                told = other if other[:2] == place[:2] else other[:2]
                yield Problem(place, f"{claim.what}, and so does {'.'.join(map(str, told))}; {claim.remedy}")


def _routed_back(estate: Estate) -> Iterator[Problem]:
    routed: dict[str, list[str]] = {}
    for name, connection in estate.connections.items():
        # A virtual private gateway tells its routes to the tables that are named.
        if any(claim.key[0] in ("route", "virtual private gateway") for claim in connection.claims()):
            routed.setdefault(connection.network, []).append(f"connections.{name}")
    for name, network in estate.networks.items():
        if name in routed and not (network.create or network.route_tables or network.routes_elsewhere):
            more = f" and {len(routed[name]) - 1} more" if len(routed[name]) > 1 else ""
            yield Problem(
                ("networks", name),
                f"names no route_tables, so that nothing leads back over {routed[name][0]}{more}; name the tables, "
                "write route_tables: all, or say in routes_elsewhere who routes",
            )


def _overlaps(estate: Estate) -> Iterator[Problem]:
    """Ranges that overlap and meet: AWS refuses such a peering (facts B13), and a route table has one way to a range.

    These meet: a network and all that it is connected with; a cluster and all that it is connected with, by whatever
    networks; and all that is on one transit gateway. A cluster is there with the ranges of its twin, which must be
    free before the failover. Some that meet may overlap:

    - the pods of two clusters, because neither is routed, and 100.64.0.0/19 is usual for each;
    - a range behind a connection, if it holds the other, such as 10.0.0.0/8 behind a transit gateway and a VPC of
      10.20.0.0/16: of two routes AWS takes that of the longer prefix, and a VPC's own before all others;
    - one range that two connections have on premises behind one transit gateway: it is one place.
    """
    # A twin's ranges stand in the entry of its cluster.
    twins = estate.twins()
    networks = {name: _places(("networks", name), network) for name, network in estate.networks.items()}
    clusters = {name: _places(("clusters", name), one) for name, one in estate.clusters.items() if name not in twins}
    behind = {name: _places(("connections", name), one) for name, one in estate.connections.items() if one.routed}
    meeting = {f"clusters.{name}": dict(ranges) for name, ranges in clusters.items()}
    meeting |= {f"networks.{name}": dict(ranges) for name, ranges in networks.items()}
    for name, ours in behind.items():
        connection, theirs = estate.connections[name], _Ranges()
        ours = networks.get(connection.network, {}) | ours
        for cluster in connection.cluster_names():
            reached = clusters.get(twins.get(cluster, cluster), {})
            meeting.setdefault(estate.cluster_entry(cluster), dict(reached)).update(ours)
            theirs |= reached
        network = f"networks.{connection.network}" if connection.network else None
        for place in filter(None, (network, _gateway(connection))):
            meeting.setdefault(place, {}).update(ours | theirs)

    sections = (networks, clusters, behind)
    ranges = {place: cidr for section in sections for part in section.values() for place, cidr in part.items()}
    turn = {place: number for number, place in enumerate(ranges)}
    told: set[tuple[Location, ...]] = set()
    for where, together in meeting.items():
        for pair in _overlapping(together):
            one, other = sorted(pair, key=turn.__getitem__)
            if (one, other) not in told and not _may_overlap(estate, ranges, one, other):
                told.add((one, other))
                met = where if one[:2] != other[:2] else ".".join(map(str, one[:2]))
                yield Problem(
                    other,
                    f"{str(ranges[other])!r} overlaps {ranges[one]} of {'.'.join(map(str, one))}, and the two meet at "
                    f"{met}; AWS cannot route between ranges that overlap: change one",
                )


_Ranges = dict[Location, IPv4Network]


def _places(entry: Location, part: Cluster | VpcProps | Connection) -> _Ranges:
    return {(*entry, *field): cidr for field, cidr in part.occupied_cidrs()}


def _gateway(connection: Connection) -> str | None:
    """The existing transit gateway that a connection goes over."""
    return getattr(connection, "transit_gateway_id", None)


def _may_overlap(estate: Estate, ranges: _Ranges, *places: Location) -> bool:
    """Whether two ranges that overlap and meet do no harm, as `_overlaps` says."""
    if all(place[-1] == "pod_cidr" for place in places):
        return True
    one, other = places
    if ranges[one] != ranges[other]:
        return min(places, key=lambda place: ranges[place].prefixlen)[0] == "connections"
    if {one[0], other[0]} != {"connections"} or "on_premises" not in (one[2], other[2]):
        return False
    gateways = {_gateway(estate.connections[str(place[1])]) for place in places}
    return len(gateways) == 1 and None not in gateways


def _overlapping(ranges: _Ranges) -> Iterator[tuple[Location, Location]]:
    """Two ranges are apart, or one holds the other. In the order of addresses, those that hold the next are open."""
    by_address = sorted(ranges.items(), key=lambda item: (int(item[1].network_address), item[1].prefixlen))
    open_: list[Location] = []
    for place, cidr in by_address:
        while open_ and not cidr.subnet_of(ranges[open_[-1]]):
            open_.pop()
        for holder in open_:
            yield holder, place
        if not open_ or cidr != ranges[open_[-1]]:
            open_.append(place)
