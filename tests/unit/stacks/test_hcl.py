"""HCL is equivalent to JSON, for everything that the stacks contain."""

import json
import os
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cdktf
import pytest
from cdktf_cdktf_provider_aws.eip import Eip
from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from estate.load import load
from estate.model import Estate
from modules.vocabulary import Text
from operations.terraform import find_terraform
from stacks.base import ReadableStack
from stacks.hcl import render
from tests.support import EXAMPLES
from tests.support.synth import synth_all
from tests.support.terraform import Terraform
from tools.reference import whole

TEXTS = [
    'say "hi"',
    "a\\b",
    '{"a":"x\\"y"}',
    'two \\\\ and "one" \\',
    "\\n is no line",
    "a\ttab",
    "two\nlines\r\n",
    "\b\f\x1b of control",
    "Grüße 日本 💥",
    "# // /* <<EOF",
    "{",
    "[1]",
    '"quoted"',
    "true",
    "null",
    "012345678901",
    "123456789012",
    "1e3",
    "$ % $$ %%",
    "",
    " ",
]
KEYS = ["a.b/c:d=e+f@g", "1st", "-x", "a b", "ü", "for", "null", "true", "in", "if"]


def planned(tmp_path: Path, hcl: str) -> dict[str, Any]:
    """Plan HCL whose resources are replaced by ones that need no provider."""
    hcl = re.sub(r'"aws_(?:iam_policy|eip)"', '"terraform_data"', hcl)
    hcl = re.sub(r"^(?:policy|tags) = ", "input = ", hcl, flags=re.MULTILINE)
    (tmp_path / "cdk.tf").write_text(hcl)
    terraform = Terraform(find_terraform(os.environ), os.environ)
    terraform.init(tmp_path)
    return terraform.plan_json(tmp_path)


@pytest.mark.terraform
def test_terraform_reads_every_value_as_it_is_meant(tmp_path: Path) -> None:
    """Arguments of AWS resources, rendered by cdktf's marks, in resources that need no provider."""
    outputs = {
        "texts": TEXTS,
        "by_text": {key: {"text": text} for key, text in zip(KEYS, TEXTS, strict=False)},
        "numbers": [0, -1, 1.5, 4294967294, 2**53],
        "rest": [True, False, [], {}, [[]], [{"a": [{"b": ["12", ["13"]]}]}]],
    }
    stack = ReadableStack(cdktf.Testing.app(outdir=str(tmp_path)), "stack")
    for number, text in enumerate(TEXTS):
        IamPolicy(stack, f"text-{number}", policy=text)
    for number, key in enumerate(KEYS):
        Eip(stack, f"key-{number}", tags={key: "v"})
    for name, value in outputs.items():
        cdktf.TerraformOutput(stack, name, value=value, description='What "it" is')
    stack.add_override("terraform.required_version", ">= 1.10")
    hcl = stack.to_hcl_terraform()["hcl"]
    assert 'required_version = ">= 1.10"' in hcl
    values = planned(tmp_path, hcl)["planned_values"]
    inputs = {resource["name"]: resource["values"]["input"] for resource in values["root_module"]["resources"]}
    assert [inputs[f"key-{number}"] for number in range(len(KEYS))] == [{key: "v"} for key in KEYS]
    assert [inputs[f"text-{number}"] for number in range(len(TEXTS))] == TEXTS
    assert {name: output["value"] for name, output in values["outputs"].items()} == outputs


TREE = {
    "variable": {
        "name": {"type": "string", "default": 'a ${literal} "x" \\ $${y} %{z}', "nullable": False},
        "map": {"type": "map(object({ a = string, b = optional(number) }))", "default": {"k.1": {"a": "${x}"}}},
        "null": {"type": "string", "default": None, "description": "Not evaluated: ${x}"},
        "valid": {
            "type": "number",
            "default": 1,
            "validation": [
                {"condition": "${var.valid > 0}", "error_message": 'Not "${var.valid}".'},
                {"condition": "${var.valid < 9}", "error_message": "Too large."},
            ],
        },
    },
    "locals": {"brace": '${jsonencode({ "}" = "${length("{")}" })}', "list": [1, None, "${2 + 3}"]},
    "resource": {
        "terraform_data": {
            "first": {
                "input": 'before ${jsonencode({ "a" = "}" })} "after" \\ ${"\\""}\nline $${x} '
                "%{ if true }yes%{ endif }",
                "lifecycle": {
                    "precondition": [{"condition": '${local.brace != ""}', "error_message": "It is ${local.brace}."}],
                    "postcondition": {"condition": '${self.input != "x"}', "error_message": 'It is "x".'},
                    "ignore_changes": ["input"],
                    "replace_triggered_by": ["terraform_data.third"],
                    "create_before_destroy": True,
                },
                "depends_on": ["terraform_data.second"],
            },
            "second": {"for_each": '${toset(["a"])}', "input": {"${each.key}x": None, "y": ["${each.value}", None]}},
            "third": {"provisioner": [{"local-exec": {"command": "true"}}], "lifecycle": {"ignore_changes": "all"}},
        }
    },
    "moved": [{"from": "terraform_data.old", "to": "terraform_data.third"}],
    "removed": [{"from": "terraform_data.gone", "lifecycle": {"destroy": False}}],
    "check": {"name": {"assert": [{"condition": '${var.name != ""}', "error_message": "No ${var.name}."}]}},
    "output": {
        "name": {"value": "${var.name}"},
        "map": {"value": "${var.map}"},
        "null": {"value": "${var.null == null}"},
        "brace": {"value": "${local.brace}"},
        "list": {
            "value": "${local.list}",
            "description": "Not evaluated: ${x}",
            "precondition": {"condition": "${length(local.list) == 3}", "error_message": "Wrong."},
        },
    },
}


@pytest.mark.terraform
def test_hcl_plans_what_its_json_plans(tmp_path: Path) -> None:
    """Every block of the language that a stack can contain: conditions, checks, moves, and strings with expressions."""
    (tmp_path / "json").mkdir()
    (tmp_path / "json/main.tf.json").write_text(json.dumps(TREE))
    terraform = Terraform(find_terraform(os.environ), os.environ)
    terraform.init(tmp_path / "json")
    from_json = terraform.plan_json(tmp_path / "json")
    from_hcl = planned(tmp_path, render(TREE, {}))
    for key in ("variables", "planned_values", "resource_changes", "output_changes", "checks"):
        assert from_hcl[key] == from_json[key]
    assert from_hcl["warnings"] == from_json["warnings"] == []
    assert len(from_hcl["checks"]) == 4


def test_blocks_follow_arguments_in_the_order_of_the_stack() -> None:
    tree = {
        "output": {"o": {"value": 1}},
        "data": {"b": {"two": {"filter": [{"name": "n", "//": {}}, {"name": "m"}], "count": 1, "id": None}}},
        "//": {},
    }
    blocks = {("data", "b", "two"): {"filter": {}}, ("output", "o"): {}}
    assert render(tree, blocks) == (
        'data "b" "two" {\ncount = 1\nfilter {\nname = "n"\n}\nfilter {\nname = "m"\n}\n}\n'
        '\noutput "o" {\nvalue = 1\n}\n'
    )


def test_references_have_no_quotes(tmp_path: Path) -> None:
    """Terraform warns about these in quotes."""
    stack = ReadableStack(cdktf.Testing.app(outdir=str(tmp_path)), "stack")
    one = Eip(stack, "one")
    Eip(stack, "two", depends_on=[one], lifecycle={"ignore_changes": ["tags"]})  # type: ignore[reportArgumentType]
    hcl = stack.to_hcl_terraform()["hcl"]
    assert "depends_on = [\naws_eip.one,\n]" in hcl
    assert "ignore_changes = [\ntags,\n]" in hcl


@pytest.mark.parametrize(
    ("settings", "block"),
    [
        (
            {"backend.s3": {"bucket": "123456789012", "use_lockfile": True}},
            'backend "s3" {\nbucket = "123456789012"\nuse_lockfile = true\n}\n',
        ),
        ({"backend.http": {}}, 'backend "http" {\n}\n'),
        (
            {"cloud": {"organization": "acme", "workspaces": {"name": "acme-lake", "project": "astro"}}},
            'cloud {\norganization = "acme"\nworkspaces {\nname = "acme-lake"\nproject = "astro"\n}\n}\n',
        ),
        ({"required_version": ">= 1.10"}, 'required_version = ">= 1.10"\n'),
        (
            {"required_providers.aws": {"source": "hashicorp/aws", "version": "~> 5.100"}},
            'required_providers {\naws = {\nsource = "hashicorp/aws"\nversion = "~> 5.100"\n}\n}\n',
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_settings_of_terraform_are_whole(settings: dict[str, Any], block: str, tmp_path: Path) -> None:
    """cdktf drops a project, and writes the names of some settings instead of their values."""
    stack = ReadableStack(cdktf.Testing.app(outdir=str(tmp_path)), "stack")
    for path, value in settings.items():
        stack.add_override(f"terraform.{path}", value)
    Eip(stack, "one")
    hcl = stack.to_hcl_terraform()["hcl"]
    assert hcl == f'terraform {{\n{block}}}\n\nresource "aws_eip" "one" {{\n}}\n'


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the JSON of every stack of every example."""
    return {
        f"{file.stem}: {name}": stack
        for file in EXAMPLES
        for name, stack in synth_all(load(file), tmp_path_factory.mktemp(file.stem)).items()
    }


def values(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield every value inside, including maps and lists, with its path."""
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from values(inner, (*path, key))


# Structures that HCL from cdktf's JSON and marks cannot express; no stack has them.
AVOIDED = {
    "dynamic blocks": lambda path, _: "dynamic" in path[3:],
    "null, which jsii drops, in a list": lambda _, value: isinstance(value, list) and None in value,
}


@pytest.mark.slow
@pytest.mark.parametrize("what", AVOIDED)
def test_no_stack_has_values_that_hcl_cannot_express(what: str, stacks: dict[str, Any]) -> None:
    has = AVOIDED[what]
    assert [
        (name, path) for name, stack in stacks.items() for path, value in values(stack) if path and has(path, value)
    ] == []


def texts(annotation: Any, path: tuple[str, ...] = (), met: frozenset[type] = frozenset()) -> Iterator[tuple[str, Any]]:
    """Yield every text type in the estate, including keys of maps, with the path of its first use."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is str or (origin is typing.Annotated and arguments[0] is str):
        yield ".".join(path), annotation
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in met:
            for name, field in annotation.model_fields.items():
                # `dr` has the fields of its connection type.
                if (name, field.annotation) != ("dr", dict[str, Any] | None):
                    yield from texts(whole(field), (*path, name), met | {annotation})
    elif origin is not typing.Literal:
        for argument in arguments:
            yield from texts(argument, path, met)


TYPES: dict[Any, str] = {}
for _path, _type in texts(Estate):
    TYPES.setdefault(_type, _path)


def accepts(adapter: TypeAdapter[Any], text: str) -> bool:
    try:
        adapter.validate_python(text)
    except ValidationError:
        return False
    return True


def pattern(annotation: Any) -> Text | None:
    return next((each for each in typing.get_args(annotation) if isinstance(each, Text)), None)


def is_synthesized(annotation: Any) -> bool:
    """Return whether a value in the file reaches the output, as all except reasons do."""
    return (text := pattern(annotation)) is None or text.what != "a reason"


BREAKING = ['"', "\n", "\r", "${x}", "%{x}", "\\"]


@pytest.mark.slow
@pytest.mark.parametrize("annotation", TYPES, ids=list(TYPES.values()))
def test_no_text_of_the_file_is_evaluated_by_terraform(annotation: Any) -> None:
    """A Terraform string is a template, so `${` in the value of a tag would be evaluated."""
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    text = pattern(annotation)
    # Tags are checked by functions instead of a pattern, and those accept this value.
    strategy = st.just(text.example if text else "owner 1")
    if text and "(?" not in text.pattern.replace("(?:", ""):  # lookaheads make examples slow to generate
        strategy |= st.from_regex(re.compile(text.pattern, re.ASCII), fullmatch=True)
    # Backslashes are escaped.
    breaking = BREAKING[:-1] if "subscribers" in TYPES[annotation] else BREAKING

    @settings(max_examples=15, deadline=None, database=None, derandomize=True)
    @given(strategy)
    def holds_none(value: str) -> None:
        if is_synthesized(annotation) and accepts(adapter, value):
            for bad in breaking:
                assert bad not in value
                for place in range(len(value) + 1):
                    broken = value[:place] + bad + value[place:]
                    assert not accepts(adapter, broken), broken

    holds_none()


@pytest.mark.slow
def test_a_reason_stays_in_the_file(stacks: dict[str, Any]) -> None:
    """The only text type that may contain anything."""
    file = "\n".join(example.read_text() for example in EXAMPLES)
    reasons = set(re.findall(r"_reason: ([^#\n]+?) *(?:#.*)?$", file, re.MULTILINE))
    assert reasons
    output = json.dumps(stacks)
    assert [reason for reason in reasons if reason in output] == []
