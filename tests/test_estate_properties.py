"""What holds for every file: no traceback, and a valid estate always builds, the same for the same entries."""

import copy
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from stacks.estate import TWIN, EstateError, load
from tests.test_stacks import EXAMPLES, ROOT, synth_all

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


def written(data: Any) -> str:
    text = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.sort_base_mapping_type_on_output = False  # type: ignore[reportAttributeAccessIssue]
    writer.dump(data, text)
    return text.getvalue()


def paths(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Where values stand, but for the whole."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def parent_of(data: Any, path: Path_) -> Any:
    for key in path[:-1]:
        data = data[key]
    return data


def mutate(data: Any, dice: random.Random, donors: list[Any]) -> None:
    """One mistake of many kinds, somewhere."""
    where = list(paths(data))
    if not where:
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


def damaged(text: str, dice: random.Random) -> str:
    """The text of a file, with characters lost, swapped, or put in."""
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


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_file_holds_it_is_an_estate_or_explained(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    texts = [file.read_text() for file in EXAMPLES]
    donors = [READER.load(text) for text in texts]
    file = tmp_path / "astro.yaml"
    for _ in range(150):
        if dice.random() < 0.3:
            text = damaged(dice.choice(texts), dice)
        else:
            data = copy.deepcopy(dice.choice(donors))
            for _ in range(dice.choice([1, 1, 2, 4])):
                mutate(data, dice, donors)
            text = written(data)
        file.write_bytes(text.encode())
        try:
            load(file)
        except EstateError as error:
            lines = len(text.splitlines()) + 1
            for problem in error.problems:
                said = str(problem)
                assert 1 <= problem.line <= lines, text
                assert said.isprintable(), said
                assert len(said) < 1_500, said
                if any(key in problem.path for key in SECRET_KEYS):
                    assert SECRET not in said, said


def shuffled(value: Any, dice: random.Random) -> Any:
    """The same maps with their keys in another order. Lists keep theirs: it may mean something."""
    if not isinstance(value, dict):
        return [shuffled(item, dice) for item in value] if isinstance(value, list) else value
    keys = list(value)
    dice.shuffle(keys)
    return {key: shuffled(value[key], dice) for key in keys}


def synthesized(data: Any, folder: Path) -> dict[str, Any]:
    """Every stack of an estate given as data, as it is written."""
    folder.mkdir()
    (folder / "policies").symlink_to(ROOT / "examples/policies")
    (folder / "astro.yaml").write_text(written(data))
    return synth_all(load(folder / "astro.yaml"), folder / "out")


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_order_of_entries_changes_nothing(file: Path, tmp_path: Path) -> None:
    data = READER.load(file)
    as_written = synthesized(data, tmp_path / "as-written")
    dice = random.Random(1)  # noqa: S311
    other_order = synthesized(shuffled(data, dice), tmp_path / "other-order")
    assert json.dumps(other_order, sort_keys=True) == json.dumps(as_written, sort_keys=True)


WITH_NETWORKS = [file for file in EXAMPLES if "networks:" in file.read_text()]


@pytest.mark.parametrize("file", WITH_NETWORKS, ids=lambda file: file.stem)
def test_another_entry_changes_no_other(file: Path, tmp_path: Path) -> None:
    data = READER.load(file)
    before = synthesized(data, tmp_path / "before")
    network = next(iter(data["networks"]))
    region = data["networks"][network]["region"]
    # First in the file, so that whatever counted entries would count the others anew.
    data["clusters"] = {"aaa": {"product": "hosted-dedicated", "region": region, "cidr": "172.31.0.0/20"}} | data.get(
        "clusters", {}
    )
    data["connections"] = {"aaa": {"type": "vpc_peering", "cluster": "aaa", "network": network}} | data["connections"]
    data["networks"] = {
        "aab": {"account_id": "555555555555", "region": region, "vpc_id": "vpc-0fffffff", "cidrs": ["10.99.0.0/16"]}
    } | data["networks"]
    after = synthesized(data, tmp_path / "after")
    assert set(after) == {*before, "network-aab"}
    for stack, parts in before.items():
        for section in ("resource", "data"):
            for kind, entries in parts.get(section, {}).items():
                for name, arguments in entries.items():
                    assert after[stack][section][kind][name] == arguments


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
    ("aws_route53_zone", "name"): 1024,
    ("aws_lb", "name"): 32,
    ("aws_lb_target_group", "name"): 32,
    ("aws_security_group", "name"): 255,
    ("aws_ec2_managed_prefix_list", "name"): 255,
    ("aws_cloudwatch_metric_alarm", "alarm_name"): 255,
    ("aws_cloudwatch_log_group", "name"): 512,
    ("aws_cloudwatch_log_metric_filter", "name"): 512,
    ("aws_cloudtrail", "name"): 128,
    ("aws_sns_topic", "name"): 256,
    ("aws_s3_bucket", "bucket"): 63,
    ("aws_cloudwatch_event_rule", "name"): 64,
}
"""What AWS takes in a name. A tag's value takes 256 characters, a description of EC2 255."""


def names_in(part: Any) -> Iterator[str]:
    """The names that a user chose, but for those that are words of the file too."""
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
    """The estate with every name as long as a name may be; a twin's name is that of its cluster and `-dr`."""
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


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_longest_names_fit_what_aws_takes(file: Path, tmp_path: Path) -> None:
    estate = load(file)
    data = lengthened(READER.load(file), {"acme", *names_in(estate)} - set(fields_of(estate)))
    assert len(data["name"]) == LONGEST
    seen = False
    for stack in synthesized(data, tmp_path / "long").values():
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
    assert seen or "create" not in file.read_text()
