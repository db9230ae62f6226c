"""Properties of every file: no traceback, and a valid estate builds, with the same output for the same entries."""

import copy
import itertools
import json
import os
import random
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cdktf
import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from estate.load import EstateError, load
from estate.model import Estate
from estate.twins import TWIN
from operations.terraform import find_terraform
from stacks.app import build
from tests.support import EXAMPLES, ROOT
from tests.support.estates import BASE, written
from tests.support.random_estates import Data, random_estate
from tests.support.terraform import Terraform, cli_environment
from tools.evidence import record

Path_ = tuple[Any, ...]

READER = YAML(typ="safe", pure=True)
SECRET = "hunter2hunter2"
SECRET_KEYS = ["password", "external_id", "preshared_key", "aws_secret_access_key"]
JUNK: list[Any] = [
    *(None, True, 0, -1, 2**200, 1.5, float("inf"), float("nan"), "", " ", "x", "a" * 5_000),
    *("ü\u202e💥", "\x00", "\x1b[31m"),
    *("${x}", "%{x}", "null", "10.0.0.0/8", "10.0.0.0/33", "::/0", "2026-01-01", "a\nb", "../..", "all", "१११"),
    *([], {}, [[]], [{}], {"a": {"b": [1, {"c": None}]}}, [1, "x", None], {1: 2}),
]


def paths(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of each value inside a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def parent_of(data: Any, path: Path_) -> Any:
    for key in path[:-1]:
        data = data[key]
    return data


def mutate(data: Any, dice: random.Random, donors: list[Any]) -> None:
    """Make one mistake of a random kind in a random place."""
    where = list(paths(data))
    if not where:
        return
    if dice.randrange(4) == 0:
        mistake_before_the_check(data, dice)
        return
    path = dice.choice(where)
    parent, key = parent_of(data, path), path[-1]
    kind = dice.choice(["delete", "junk", "junk", "foreign", "moved", "unknown", "renamed", "wrapped"])
    if kind == "delete":
        del parent[key]
    elif kind == "junk":
        parent[key] = copy.deepcopy(dice.choice(JUNK))
    elif kind in ("foreign", "moved"):
        donor = dice.choice(donors) if kind == "foreign" else data
        other = dice.choice(list(paths(donor)))
        parent[key] = copy.deepcopy(parent_of(donor, other)[other[-1]])
    elif kind == "wrapped":
        parent[key] = dice.choice([[parent[key]], {"a": parent[key]}])
    elif isinstance(parent, dict):
        if kind == "unknown":
            parent[dice.choice([None, 1, True, "x" * 2_000, "", "a\nb"])] = dice.choice(JUNK)
        else:
            parent[dice.choice([None, 1, 1.5, "x" * 100, "Ä", "no", "a_b"])] = parent.pop(key)
    if dice.random() < 0.2 and isinstance(parent, dict):
        parent[dice.choice(SECRET_KEYS)] = SECRET


def mistake_before_the_check(data: Any, dice: random.Random) -> None:
    """Put junk into parts that are read before they are checked: references, and the sources of twins.

    A connection has a twin only if a cluster has one, so all clusters get one first."""
    twin = {"region": "us-west-1", "cidr": "172.31.0.0/20"}
    for section, dr, keys in (
        ("clusters", twin, ["product", "account_id"]),
        ("connections", {}, ["cluster", "clusters"]),
    ):
        entries = data.get(section) if isinstance(data, dict) else None
        for entry in entries.values() if isinstance(entries, dict) else ():
            if isinstance(entry, dict):
                entry.setdefault("dr", dr)
                if dice.randrange(2):
                    entry[dice.choice(keys)] = copy.deepcopy(dice.choice(JUNK))


def damaged(text: str, dice: random.Random) -> str:
    """Return the text with characters deleted, swapped or inserted."""
    letters = list(text)
    put_in = ["!!python/name:os.system ", "!x ", "&a ", "*a ", "<<: ", "\n---\n"]
    put_in += "{}[]:,&*!|>-?#'\"%@`\t\n \r\x00\x85\u2028\ufeff~<="
    for _ in range(dice.randrange(1, 4)):
        place, other = (dice.randrange(len(letters)) for _ in "12")
        match dice.randrange(3):
            case 0:
                del letters[place]
            case 1:
                letters.insert(place, dice.choice(put_in))
            case _:
                letters[place], letters[other] = letters[other], letters[place]
    return "".join(letters)


pytestmark = pytest.mark.slow


def throws(count: int) -> Iterator[random.Random]:
    """Yield a random generator for each attempt. They are the same in every run, whatever else has been imported."""
    return map(random.Random, range(count))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of an estate file, next to the policies that it can name."""
    (tmp_path / "policies").symlink_to(ROOT / "examples/policies")
    return tmp_path / "astro.yaml"


TEXTS = [file.read_text() for file in EXAMPLES]
DONORS = [READER.load(text) for text in TEXTS]


def random_text(dice: random.Random) -> str:
    """Return a random file. Half of the files have damaged values or characters."""
    data = copy.deepcopy(dice.choice(DONORS)) if dice.randrange(4) == 0 else random_estate(dice)
    damage = dice.choice(["none", "none", "none", "values", "values", "text"])
    if damage == "values":
        for _ in range(dice.choice([1, 1, 2, 4])):
            mutate(data, dice, DONORS)
    return damaged(written(data), dice) if damage == "text" else written(data)


@pytest.mark.parametrize("count", [100, pytest.param(2_000, marks=pytest.mark.proof)])
def test_a_random_file_is_explained_or_builds(file: Path, count: int) -> None:
    accepted = 0
    for dice in throws(count):
        text = random_text(dice)
        file.write_bytes(text.encode())
        try:
            estate = load(file)
        except EstateError as error:
            check_explained(error, text)
            continue
        accepted += 1
        for stack in synthesized(estate, file.parent / "out").values():
            # The traces of a value that cdktf could not resolve, or of a number in a text.
            assert not re.search(r"TfToken|e\+29\d|None|<.* object at", stack), text
    assert accepted > count / 4
    if count == 2_000:
        figure = f"{count:,} tried, over a quarter accepted and synthesized, 0 tracebacks"
        record("random estates: tried, accepted, tracebacks", figure)


def check_explained(error: EstateError, text: str) -> None:
    lines = len(text.splitlines()) + 1
    assert error.problems
    for problem in error.problems:
        said = str(problem)
        assert 1 <= problem.line <= lines, text
        assert said.isprintable(), said
        assert len(said) < 1_500, said
        if any(key in problem.path for key in SECRET_KEYS):
            assert SECRET not in said, said


def accepted_estates(file: Path) -> Iterator[tuple[Estate, Data]]:
    """Yield each random estate that has no mistake, and its values."""
    for dice in map(random.Random, itertools.count()):
        data = random_estate(dice)
        file.write_text(written(data))
        with suppress(EstateError):
            yield load(file), data


@pytest.mark.terraform
@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.proof)])
def test_terraform_validates_the_stacks_of_random_estates(file: Path, count: int) -> None:
    """Each stack is a module of one root, which needs one init, one run of validate and one provider."""
    calls: dict[str, Any] = {}
    for number, (estate, _) in enumerate(itertools.islice(accepted_estates(file), count)):
        for name, stack in synthesized(estate, file.parent / "out").items():
            data = json.loads(stack)
            # A module has none of these, and each provider would be a separate process.
            del data["provider"]
            data.pop("import", None)
            data["terraform"] = {"required_providers": {"aws": {"source": "hashicorp/aws", "version": "~> 5.100"}}}
            folder = file.parent / "root" / f"e{number}-{name}"
            folder.mkdir(parents=True)
            (folder / "cdk.tf.json").write_text(json.dumps(data))
            calls[folder.name] = {
                "source": f"./{folder.name}",
                **dict.fromkeys(data.get("variable", {}), "${var.secret}"),
            }
    root = file.parent / "root"
    (root / "main.tf.json").write_text(json.dumps({"variable": {"secret": {}}, "module": calls}))
    environment = cli_environment(file.parent, os.environ)
    terraform = Terraform(find_terraform(environment), environment)
    terraform.init(root)
    assert [str(finding) for finding in terraform.validate(root)] == []
    if count == 200:
        record("random estates validated by Terraform", f"{count} estates of {len(calls)} stacks")


def shuffled(value: Any, dice: random.Random) -> Any:
    """Return the same maps with their keys in another order. Lists keep their order, which can have a meaning."""
    if not isinstance(value, dict):
        return [shuffled(item, dice) for item in value] if isinstance(value, list) else value
    keys = list(value)
    dice.shuffle(keys)
    return {key: shuffled(value[key], dice) for key in keys}


def synthesized(estate: Estate, folder: Path) -> dict[str, str]:
    """Return the bytes of every stack of an estate."""
    build(cdktf.App(outdir=str(folder)), estate).synth()
    stacks = {one.parent.name: one.read_text() for one in sorted(folder.glob("stacks/*/cdk.tf.json"))}
    shutil.rmtree(folder)
    return stacks


def synthesized_from(data: Data, file: Path) -> dict[str, str]:
    file.write_text(written(data))
    return synthesized(load(file), file.parent / "out")


def with_more(data: Data) -> Data:
    """Return the estate with another entry first in each section, which would change any name based on a count."""
    name, network = next(iter(data["networks"].items()))
    place = {field: network[field] for field in ("account_id", "region")}
    cluster = {"product": "hosted-dedicated", "region": network["region"], "external_ips": ["203.0.113.250"]}
    return data | {
        "clusters": {"aaa": cluster} | data.get("clusters", {}),
        "networks": {"aab": place | {"vpc_id": "vpc-0fffffff", "cidrs": ["10.99.0.0/16"]}} | data["networks"],
        "connections": {"aac": {"type": "ip_allowlist", "clusters": ["aaa"], "network": name}} | data["connections"],
    }


def check_only_more(before: dict[str, str], after: dict[str, str], *entries: str) -> None:
    """Check that `after` has all of `before` unchanged, and that its new blocks belong to `entries`."""
    for stack, text in after.items():
        new = blocks(text)
        old = blocks(before[stack]) if stack in before else {}
        assert {address: new.get(address) for address in old} == old
        if stack in before:
            for _, _, id_ in new.keys() - old.keys():
                assert id_.split("_")[0] in entries or id_.startswith(
                    tuple(f"{one.replace('-', '_')}_" for one in entries)
                )
    assert before.keys() <= after.keys()
    assert after.keys() - before.keys() <= {f"network-{entry}" for entry in entries}


def blocks(stack: str) -> dict[tuple[str, str, str], Any]:
    """Return a stack's blocks by address, except those that combine all entries: outputs and accepted attachments."""
    data = json.loads(stack)
    found = {
        (section, kind, name): arguments
        for section in ("resource", "data")
        for kind, entries in data.get(section, {}).items()
        for name, arguments in entries.items()
        if name != "accepted_attachments"
    }
    found |= {("variable", "", name): declared for name, declared in data.get("variable", {}).items()}
    return found | {(section, "", ""): data[section] for section in ("provider", "terraform")}


def without(data: Data, section: str, name: str) -> Data:
    """Return the estate without an entry, and without the connections of a removed network."""
    connections = data["connections"]
    if section == "networks":
        connections = {key: one for key, one in connections.items() if one.get("network") != name}
    left = data | {"connections": connections}
    return left | {section: {key: one for key, one in left[section].items() if key != name}}


def check_independence(data: Data, file: Path, dice: random.Random) -> None:
    """Check that entries are independent: neither their order nor more entries change the bytes of the others."""
    before = synthesized_from(data, file)
    assert synthesized_from(shuffled(data, dice), file) == before
    if not data.get("networks"):
        return
    check_only_more(before, synthesized_from(with_more(data), file), "aab", "aac")
    section = dice.choice([one for one in ("networks", "connections") if data[one]])
    # The gateway of another entry cannot be removed alone.
    used = {one.get("transit_gateway_of") for one in data["connections"].values()}
    name = dice.choice([one for one in data[section] if one not in used])
    after = synthesized_from(without(data, section, name), file)
    if section == "networks":
        assert after == {stack: text for stack, text in before.items() if stack != f"network-{name}"}
    else:
        check_only_more(after, before, name, f"{name}{TWIN}")


@pytest.mark.parametrize("data", DONORS, ids=[file.stem for file in EXAMPLES])
def test_entries_of_an_example_are_independent(data: Data, file: Path) -> None:
    check_independence(data, file, random.Random(1))  # noqa: S311


@pytest.mark.parametrize("count", [10, pytest.param(100, marks=pytest.mark.proof)])
def test_entries_of_a_random_estate_are_independent(file: Path, count: int) -> None:
    for number, (_, data) in enumerate(itertools.islice(accepted_estates(file), count)):
        check_independence(data, file, random.Random(number))  # noqa: S311
    if count == 100:
        record("order, adding, removing: estates tried", f"{count} of {count}")


def test_an_id_of_a_construct_is_reserved_or_a_good_name(file: Path) -> None:
    """Each ID in the examples' trees names a connection and a rule. Each fixed ID below a stack names a network."""
    examples = [load(example) for example in EXAMPLES]
    trees = [build(cdktf.App(), estate).node.find_all() for estate in examples]
    slug = re.compile(r"(?!.{32})[a-z](?:-?[a-z0-9])*")
    ids = {one.node.id: one for tree in trees for one in tree if slug.fullmatch(one.node.id)}
    below = {name for name, one in ids.items() if cdktf.TerraformStack.is_stack(one.node.scope)}
    rules = {"type": "network_rules", "cluster": "prod", "network": "lake"}
    connections = {
        name: rules | {"ingress": {name: {"security_group": f"sg-{number:08x}", "from_port": 443}}}
        for number, name in enumerate(sorted(ids.keys() - {"lake"}))
    }
    place = {"account_id": "111111111111", "region": "us-east-1"}
    chosen = {name for estate in examples for name in names_in(estate)}
    networks = {
        name: place | {"create": {"cidr": f"10.{number}.0.0/16"}}
        for number, name in enumerate(sorted(below - chosen), start=21)
    }
    for section, entries in (("connections", connections), ("networks", networks)):
        data = READER.load(BASE)
        data[section] |= entries
        file.write_text(written(data))
        with pytest.raises(EstateError) as refused:
            load(file)
        reserved = refused.value.problems
        assert {problem.message for problem in reserved} == {"is a reserved name; rename the entry"}
        for problem in reserved:
            del data[section][problem.path[1]]
        assert entries.keys() & data[section].keys()
        assert synthesized_from(data, file)


LONGEST = 31
LIMITS = {
    ("aws_iam_role", "name"): 64,
    ("aws_iam_policy", "name"): 128,
    ("aws_iam_role_policy", "name"): 128,
    ("aws_ram_resource_share", "name"): 128,
    ("aws_route53_resolver_rule", "name"): 64,
    ("aws_route53_resolver_rule_association", "name"): 64,
    ("aws_route53_resolver_endpoint", "name"): 64,
    ("aws_route53_resolver_firewall_domain_list", "name"): 64,
    ("aws_route53_resolver_firewall_rule", "name"): 64,
    ("aws_route53_resolver_firewall_rule_group", "name"): 64,
    ("aws_route53_resolver_firewall_rule_group_association", "name"): 64,
    ("aws_route53_record", "name"): 1024,
    ("aws_route53_zone", "name"): 1024,
    ("aws_lb", "name"): 32,
    ("aws_lb_target_group", "name"): 32,
    ("aws_security_group", "name"): 255,
    # The provider adds 26 characters.
    ("aws_security_group", "name_prefix"): 229,
    ("aws_ec2_managed_prefix_list", "name"): 255,
    ("aws_cloudwatch_metric_alarm", "alarm_name"): 255,
    ("aws_cloudwatch_log_group", "name"): 512,
    ("aws_cloudwatch_log_metric_filter", "name"): 512,
    ("aws_cloudtrail", "name"): 128,
    ("aws_sns_topic", "name"): 256,
    ("aws_s3_bucket", "bucket"): 63,
    ("aws_cloudwatch_event_rule", "name"): 64,
}
"""Return the longest name that AWS allows. A tag's value has at most 256 characters, a description of EC2 255."""


def names_in(part: Any) -> Iterator[str]:
    """Yield the names that a user chose, except those that are also words of the file."""
    if isinstance(part, BaseModel):
        for field, value in part:
            if isinstance(value, dict) and field not in ("tags", "zones"):
                yield from (name for name in value if not name.startswith("private-"))
            yield from names_in(value)
    elif isinstance(part, dict):
        for value in part.values():
            yield from names_in(value)


def fields_of(part: Any) -> Iterator[str]:
    if isinstance(part, BaseModel):
        yield from type(part).model_fields
        part = dict(part)
    if isinstance(part, dict):
        for value in part.values():
            yield from fields_of(value)


def lengthened(data: Any, names: set[str]) -> Any:
    """Return the estate with names of the maximum length. A twin's name is that of its cluster and `-dr`."""
    if isinstance(data, dict):
        return {lengthened(key, names): lengthened(value, names) for key, value in data.items()}
    if isinstance(data, list):
        return [lengthened(item, names) for item in data]
    if not isinstance(data, str) or data not in names:
        return data
    if data.removesuffix(TWIN) in names - {data}:
        return lengthened(data.removesuffix(TWIN), names) + TWIN
    longest = LONGEST - (len(TWIN) if f"{data}{TWIN}" in names else 0)
    return f"{data}-{'x' * LONGEST}"[:longest]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_the_longest_names_fit_what_aws_takes(example: Path, file: Path) -> None:
    estate = load(example)
    data = lengthened(READER.load(example), {"acme", *names_in(estate)} - set(fields_of(estate)))
    assert len(data["name"]) == LONGEST
    seen = False
    for text in synthesized_from(data, file).values():
        stack = json.loads(text)
        for kind, entries in stack.get("resource", {}).items():
            for arguments in entries.values():
                for argument in ("name", "alarm_name", "bucket", "name_prefix"):
                    name = arguments.get(argument)
                    if not isinstance(name, str) or "${" in name:
                        continue
                    seen = True
                    assert (kind, argument) in LIMITS, "look up what AWS takes, and add it to LIMITS"
                    assert len(name) <= LIMITS[kind, argument], (kind, name)
                for value in arguments.get("tags", {}).values():
                    seen = True
                    assert len(value) <= 256, (kind, value)
                if "description" in arguments:
                    assert len(arguments["description"]) <= 255
    assert seen or "create" not in example.read_text()
