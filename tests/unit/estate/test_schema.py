"""The JSON Schema that editors use, against the same files as `main.py check`."""

import gc
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from estate.schema import json_schema
from modules.vocabulary import Slug, Text
from tests.support import EXAMPLES, ROOT
from tests.support.estates import BASE

VALIDATOR = Draft202012Validator(json_schema())


def errors(text: str) -> list[str]:
    value: Any = YAML(typ="safe", pure=True).load(text)
    return [error.message for error in VALIDATOR.iter_errors(value)]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json_schema())


def test_the_schema_of_the_examples_is_up_to_date() -> None:
    """`main.py schema > examples/astro.schema.json` writes it."""
    assert json.loads((ROOT / "examples/astro.schema.json").read_text()) == json_schema()


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_example_names_the_schema_and_satisfies_it(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("# yaml-language-server: $schema=astro.schema.json\n")
    assert errors(text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: acme", "name: Acme"),
        ("name: acme\n", ""),
        ("backend: s3", "backend: s4"),
        ('"111111111111"', "111111111111"),
        ("peering_id:", "peering-id:"),
        ("type: vpc_peering", "type: vpc_pering"),
        ("[10.20.0.0/16]", "10.20.0.0/16"),
        ("pcx-0123456789abcdef0", "pcx-xyz"),
        ("  lake-dev:", "  Lake_Dev:"),
        ("product: hosted-dedicated", "product: hosted"),
        ("region: us-east-1}\nastro", "region: here}\nastro"),
    ],
)
def test_the_schema_refuses_what_an_editor_can_see(old: str, new: str) -> None:
    assert errors(BASE) == []
    assert old in BASE
    assert errors(BASE.replace(old, new, 1)) != []


def test_terraform_can_read_the_patterns_of_variables() -> None:
    """An exported module checks its variables by these patterns, and RE2 has no lookaround and no references."""
    (slug,) = (mark for mark in get_args(Slug) if isinstance(mark, Text))
    late = [one for one in gc.get_objects() if isinstance(one, Text) and (one.late or one == slug)]
    assert len(late) > 10
    assert [one for one in late if re.search(r"\(\?<?[=!]|\\[1-9]|[*+?}]\+", one.pattern)] == []
