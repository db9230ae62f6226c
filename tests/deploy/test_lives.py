"""The life of an entry: after the first deploy, every field and every name changes, and the entry is removed.

`tests/data/lives.yaml` has a life for each type, as the changes of one file. After each change the deploy succeeds and
the next plan is empty, or `check` or the plan refuses it with the expected sentence. Resources of others and of
Astronomer stay. If Astronomer deletes one, the plan names the remedy, and the next step applies it. If somebody edits
our resources in the console, the next deploy restores them and changes nothing else. The test fails for a field or a
map of names that no life changes.
"""

import copy
import json
import operator
import os
import shutil
import typing
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import reduce
from pathlib import Path
from typing import Any

import cdktf
import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from estate.load import EstateError, load
from estate.model import Estate
from estate.plan import stacks_of
from local_aws import LocalAws
from local_aws.facts import Facts, VpcEndpoint
from local_aws.inventory import Place, has_changed, listed, places
from operations.terraform import TerraformFailed
from stacks.app import build
from tests.support import ROOT
from tests.support.deployment import ACCEPTER, SECRETS
from tests.support.renames import maps_of_names, renamed
from tests.support.terraform import Terraform, cli_environment, running_terraform
from tests.support.world import facts_of
from tools.evidence import record

pytestmark = pytest.mark.proof

Data = dict[str, Any]
FILE: Data = YAML(typ="safe").load(ROOT / "tests/data/lives.yaml")
BASE: Data = FILE["base"]
LIVES: dict[str, list[Data]] = FILE["lives"]
FOR_EVER: dict[str, str] = FILE["for ever"]
OURS, ASTRONOMER = "111111111111", "333333333333"
HAPPENS = ("gone", "days", "declined", "edited", "theirs")
"""The keys of a step with events outside the file."""
UNTOUCHED = ("existing_network", "private_link", "vpc_peering")
"""The lives in which new names change no resource in AWS, not even a route."""
ASTRONOMERS = "tgw-attach-0000000000000000"
"""The prefix of the IDs of attachments in the file. The gateway itself associates an accepted attachment."""
KEYS = {
    "TF_VAR_entry_preshared_keys": json.dumps(
        {f"{name}-{number}": f"marked.key.{name}.{number}" for name in ("one", "two", "three") for number in (1, 2)}
    )
}


def merged(data: Any, change: Any) -> Any:
    """Return the data after a merge patch, in which null removes (RFC 7386)."""
    if not isinstance(change, Mapping):
        return change
    result = dict(data) if isinstance(data, Mapping) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def states(life: list[Data]) -> Iterator[tuple[Data, str]]:
    """Yield the file after each step of a life, with the expected refusal if any. A refused step is then skipped."""
    data = BASE
    for step in life:
        change = {key: value for key, value in copy.deepcopy(step).items() if key not in ("refused", *HAPPENS)}
        refused = step.get("refused", "")
        after = merged(data, change)
        yield after, refused
        data = data if refused else after


# Coverage of lives


def models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation allows, also in maps."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_of(argument)


def fields(model: type[BaseModel], path: str) -> Iterator[str]:
    """Yield the paths of all leaf fields. Paths of a connection begin with its type."""
    for name, info in model.model_fields.items():
        below = list(models_of(info.annotation))
        if not below:
            yield f"{path}{name}"
        for one in below:
            type_ = one.model_fields.get("type")
            yield from fields(one, f"{typing.get_args(type_.annotation)[0]}." if type_ else f"{path}{name}.")


def leaves(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return the values and the empty maps of a file, by path."""
    if isinstance(data, Mapping) and data:
        for key, value in data.items():
            yield from leaves(value, (*path, str(key)))
    else:
        yield path, data


def covered(life: list[Data]) -> set[str]:
    """Return the fields whose values change in a life."""
    known, found = set(fields(Estate, "")), set[str]()
    before: Data = {}
    for data, refused in states(life):
        old, new = dict(leaves(before)), dict(leaves(data))
        types = {name: one["type"] for file in (before, data) for name, one in file.get("connections", {}).items()}
        for path in old.keys() | new.keys():
            if before and old.get(path) != new.get(path):
                pieces = (types[path[1]], *path[2:]) if path[0] == "connections" else path
                names = [piece for piece in pieces if piece]
                # The path of a field has no keys of maps.
                found |= {field for field in known if _is_at(field.split("."), names)}
        before = before if refused else data
    return found


def _is_at(field: list[str], path: list[str]) -> bool:
    """Return whether a path in a file belongs to the field, to a value in its map, or to a map that contains it."""
    position = 0
    for piece in path:
        if position < len(field) and piece == field[position]:
            position += 1
        elif position == 0:
            return False
    return position == len(field)


def test_every_field_changes_in_a_life() -> None:
    changed = set[str]().union(*(covered(life) for life in LIVES.values()))
    every = set(fields(Estate, ""))
    assert sorted(every - changed - FOR_EVER.keys()) == []
    assert sorted(FOR_EVER.keys() - every) == []


# The lives


class Stage:
    """An estate in a separate AWS, deployed repeatedly."""

    def __init__(self, aws: LocalAws, folder: Path, life: list[Data]) -> None:
        self._aws, self._folder = aws, folder
        self._deployed: dict[str, str] = {}
        values = [leaf for data, _ in states(life) for leaf in leaves(data)]
        accounts = sorted({value for path, value in values if path[-1] == "account_id"})
        # The stacks are in these regions. A cluster can be in others.
        regions = sorted(
            {value for path, value in values if path[-1] == "region" and path[0] in ("account", "networks")}
        )
        self._places = list(places(accounts, regions))
        self._world: tuple[Facts, set[str]] = {}, set()
        self._listed: dict[Place, set[str]] = {}
        # Every account has a default VPC in each region. An inventory takes 200 calls, so keep the last one.
        self._foreign = self.seen = self._inventory(whole=True)
        self._terraforms: dict[str, Terraform] = {}
        self._processes = ExitStack()
        self.steps = self.refused = 0
        shutil.copytree(ROOT / "examples/policies", folder / "policies")

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *error: object) -> None:
        self._processes.close()

    def step(
        self, data: Data, refused: str = "", theirs: Mapping[str, str] | None = None, *, whole: bool = False
    ) -> None:
        """Deploy a file. `theirs` has the states of Astronomer's resources. With `whole`, list all of AWS again."""
        self.steps += 1
        if theirs:
            self._deployed.clear()
        try:
            self._deploy(data, asked=not refused or bool(theirs), theirs=theirs or {})
        except (EstateError, TerraformFailed) as error:
            said = " ".join(str(error).replace("│", " ").split())
            assert refused, said[-6000:]
            assert refused in said, f"{refused}\n is not in\n{said[-6000:]}"
            self.refused += 1
        else:
            assert not refused, f"deployed, and was to be refused: {refused}"
        self.seen = self._inventory(whole=whole)
        lost = self._foreign - self.seen
        assert sorted(lost) == []

    def remove(self, id_: str) -> None:
        """Delete a peering or an attachment from Astronomer's account."""
        ec2 = self._aws.client("ec2", ASTRONOMER)
        if id_.startswith("pcx-"):
            ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=id_)
        else:
            ec2.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=id_)
        # Every stack is planned again, although its Terraform is the same.
        self._deployed.clear()
        self._foreign &= self._inventory(whole=True)

    def wait(self, days: float) -> None:
        """Let time pass, after which every stack is planned again."""
        self._aws.pass_time(days=days)
        self._deployed.clear()

    def decline(self) -> None:
        """Decline every open invitation to our shares."""
        for account in (ASTRONOMER, "555555555555"):
            ram = self._aws.client("ram", account)
            invitations = ram.get_resource_share_invitations()["resourceShareInvitations"]
            for arn in [one["resourceShareInvitationArn"] for one in invitations if one["status"] == "PENDING"]:
                ram.reject_resource_share_invitation(resourceShareInvitationArn=arn)
        assert not self.all_invited()
        self._deployed.clear()

    def edit(self, calls: list[dict[str, Data]]) -> None:
        """Change our resources without Terraform, as in the console. Every stack is then planned again."""
        for call in calls:
            for operation, arguments in call.items():
                self._call(operation, arguments)
        assert self._inventory() < self.seen
        self._deployed.clear()

    def _call(self, operation: str, arguments: Data) -> Any:
        """Call `service.operation`. An argument with `of` is a part of the answer of that call, at the path `at`."""
        given: Data = {}
        for name, value in arguments.items():
            if isinstance(value, Mapping):
                ((lookup, asked),) = value["of"].items()
                value = reduce(operator.getitem, value["at"], self._call(lookup, asked))
            given[name] = value
        service, _, name = operation.partition(".")
        return getattr(self._aws.client(service, OURS), name)(**given)

    def all_invited(self) -> bool:
        """Return whether no invitation to one of our shares has expired or was declined."""
        asked = {"associationType": "PRINCIPAL", "associationStatus": "DISASSOCIATED"}
        found = self._aws.client("ram", OURS).get_resource_share_associations(**asked)
        return found["resourceShareAssociations"] == []

    def end(self) -> None:
        """Destroy created networks. Only earlier resources and an accepted attachment's association may be left."""
        for plan in stacks_of(self.estate):
            if plan.network and self.estate.networks[plan.network].create:
                self._terraform(plan.account_id).destroy(self._folder / "out/stacks" / plan.name)
                self.seen = self._inventory(whole=True)
        left = self.seen - self._foreign
        assert sorted(one for one in left if ASTRONOMERS not in one) == []

    def _deploy(self, data: Data, *, asked: bool, theirs: Mapping[str, str]) -> None:
        """Deploy a file. With `asked`, first create the resources that the file names."""
        file = self._folder / "astro.yaml"
        YAML(typ="safe").dump(data, file)
        estate = load(file)
        if asked and (world := (self._facts(estate, theirs), _policies(estate))) != self._world:
            self._aws.make(world[0])
            self._make_policies(world[1])
            there = self._inventory(new=world[0])
            self._foreign = (self._foreign | (there - self.seen)) & there
            self._world = world
        out = self._folder / "out"
        build(cdktf.App(outdir=str(out)), estate).synth()
        for plan in stacks_of(estate):
            stack, terraform = out / "stacks" / plan.name, self._terraform(plan.account_id)
            text = (stack / "cdk.tf.json").read_text()
            if self._deployed.get(plan.state_name) == text:
                continue
            backend = {"local": {"path": str(self._folder / f"{plan.state_name}.tfstate")}}
            (stack / "state_override.tf.json").write_text(json.dumps({"terraform": {"backend": backend}}))
            if not (stack / ".terraform").exists():
                terraform.init(stack)
            self._deployed.pop(plan.state_name, None)
            terraform.apply(stack)
            self._deployed[plan.state_name] = text
            if terraform.plan(stack):
                changes = terraform.plan_json(stack)["resource_changes"]
                pytest.fail(str([one for one in changes if one["change"]["actions"] not in (["no-op"], ["read"])]))
        self.estate = estate

    def _make_policies(self, arns: set[str]) -> None:
        iam = self._aws.client("iam", OURS)
        there = {policy["Arn"] for policy in iam.list_policies(Scope="Local")["Policies"]}
        for arn in sorted(arns - there):
            document = {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}],
            }
            iam.create_policy(PolicyName=arn.split("/")[-1], PolicyDocument=json.dumps(document))

    def _facts(self, estate: Estate, states: Mapping[str, str]) -> Facts:
        """Return the facts of the file, with the states of some peerings, attachments and endpoints."""
        facts = facts_of(estate)
        for peering in facts.get("peering_requests", []):
            if state := states.get(peering["id"]):
                peering["status"] = state
        for attachment in facts.get("transit_gateway_attachments", []):
            if state := states.get(attachment["id"]):
                attachment["state"] = state
        return {**facts, "vpc_endpoints": self._connected(estate, states)}

    def _connected(self, estate: Estate, states: Mapping[str, str]) -> list[VpcEndpoint]:
        """Return the endpoints of Astronomer that the file names. They need a service, whose name AWS chooses."""
        ids = [
            id_
            for one in estate.connections.values()
            if one.type == "private_link" and one.service
            for id_ in one.service.accepted_endpoints.values()
        ]
        if not ids:
            return []
        [service] = self._aws.client("ec2", OURS).describe_vpc_endpoint_service_configurations()[
            "ServiceConfigurations"
        ]
        named = service["ServiceName"]
        found = [VpcEndpoint(account=ASTRONOMER, region="us-east-1", id=id_, service=named) for id_ in ids]
        for endpoint in found:
            if state := states.get(endpoint["id"]):
                endpoint["state"] = state
        return found

    def forget(self, address: str) -> None:
        """Follow docs/recovery.md for every stack of a network."""
        for stack in (self._folder / "out").glob("stacks/network-*"):
            self._terraform(OURS).forget(stack, address)

    def _terraform(self, account: str) -> Terraform:
        if account not in self._terraforms:
            environ = cli_environment(self._folder, {**os.environ, **self._aws.environment(account), **SECRETS, **KEYS})
            self._terraforms[account] = self._processes.enter_context(running_terraform(environ))
        return self._terraforms[account]

    def _inventory(self, *, whole: bool = False, new: Facts | None = None) -> set[str]:
        """Return the lines of the inventory. Unless `whole`, list only the services that changed, and the places of
        `new` facts.
        """
        changed = self._aws.report()["changed"]
        self._aws.go_wrong({})
        made = set(_places_of_new(new, self._world[0]) if new else ())
        for place in self._places:
            is_made = any(place.account == account and place.region in (region, "global") for account, region in made)
            if whole or is_made or has_changed(place, changed):
                self._listed[place] = set(listed(self._aws, place))
        return set[str]().union(*self._listed.values())


def _places_of_new(facts: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the account and region of the facts that were not known before."""
    for kind, all_of_kind in facts.items():
        for fact in all_of_kind:
            if fact not in known.get(kind, []):
                sides = (fact["requester"], fact["accepter"]) if kind == "peering_requests" else (fact,)
                yield from ((side["account"], side["region"]) for side in sides)


def _policies(estate: Estate) -> set[str]:
    """Return the managed policies that the roles of workloads name."""
    identities = (one for one in estate.connections.values() if one.type == "workload_identity")
    return {arn for one in identities for role in one.roles.values() for arn in role.policy_arns.values()}


def with_other_names(data: Data, estate: Estate) -> Data:
    """Return the data with a new name for every named entry."""
    lines: Data = {}
    # Rename inner entries first, while their paths still have the old names.
    for where in sorted(dict.fromkeys(maps_of_names(estate)), key=len, reverse=True):
        names: Any = data
        for piece in where:
            names = names.get(piece, {}) if isinstance(names, Mapping) else {}
        for name in names if isinstance(names, Mapping) else ():
            data = renamed(data, where, str(name), f"{name}-x")
            lines = {_under(path, where, str(name)): to for path, to in lines.items()} | data.pop("renamed")
    return data | {"renamed": lines}


def _under(path: str, where: tuple[str, ...], name: str) -> str:
    """Return an old path after the rename of its parents."""
    above = (*where, name)
    pieces = tuple(path.split("."))
    return ".".join((*where, f"{name}-x", *pieces[len(above) :])) if pieces[: len(above)] == above else path


@pytest.mark.parametrize("name", LIVES)
def test_the_life_of_an_entry(name: str, tmp_path: Path) -> None:
    with LocalAws() as aws, Stage(aws, tmp_path, LIVES[name]) as stage:
        data = BASE
        for step, (data_after, refused) in zip(LIVES[name], states(LIVES[name]), strict=True):
            if gone := step.get("gone"):
                stage.remove(gone)
            before = stage.seen
            if days := step.get("days"):
                stage.wait(days)
            if step.get("declined"):
                stage.decline()
            if edited := step.get("edited"):
                stage.edit(edited)
            stage.step(data_after, refused, step.get("theirs"))
            assert not (days or step.get("declined")) or stage.all_invited()
            assert not edited or sorted(before ^ stage.seen) == []
            data = data if refused else data_after
        data = with_other_names(data, stage.estate)
        before = stage.seen
        stage.step(data)
        assert name not in UNTOUCHED or sorted(before ^ stage.seen) == []
        if name == "transit_gateway":
            stage.forget(ACCEPTER)
        # The line of an entry is removed with it.
        lines = {path: new for path, new in data["renamed"].items() if not path.startswith("connections.")}
        stage.step(data | {"connections": {}, "renamed": lines}, whole=True)
        if "account" not in data:
            stage.end()
    record(
        "lives of entries: every field changed, every name, entry removed",
        f"{stage.steps} steps, {stage.refused} of them refused with the remedy",
    )
