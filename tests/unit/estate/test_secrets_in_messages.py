"""No message contains a value that may be a secret, wherever it is in the file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support import ROOT
from tests.support.estates import BASE, changed, mistakes, written

NAMES = ("psk", "pass", "pin", "key", "password", "preshared_key", "token", "secret", "pwd", "api-key", "external_id")
VALUE = "Tr0ub4dor.3x"


def maps(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from maps(inner)


@pytest.mark.parametrize("example", ["complete", "vpn", "workload_identity"])
def test_a_secret_is_repeated_in_no_map_of_an_estate(example: str, tmp_path: Path) -> None:
    (tmp_path / "policies").symlink_to(ROOT / "examples/policies")
    estate = YAML(typ="safe", pure=True).load(ROOT / f"examples/{example}.yaml")
    places = list(maps(estate))
    assert len(places) > 5
    for place in places:
        added = [name for name in NAMES if name not in place]
        place |= dict.fromkeys(added, VALUE)
    found = mistakes(tmp_path, written(estate))
    assert len(found) > len(places)
    assert [line for line in found if "Tr0ub4dor" in line] == []


@pytest.mark.parametrize(
    "value", ["!Tr0ub4dor", "!a!Tr0ub4dor", "!!Tr0ub4dor", "*Tr0ub4dor", "&Tr0ub4dor", "!<Tr0ub4dor>"]
)
def test_a_secret_that_yaml_takes_for_its_own_is_not_repeated(value: str, tmp_path: Path) -> None:
    for key in ("preshared_key", "organization"):
        text = changed("organization: acme", f"organization: acme, {key}: {value} x")
        found = mistakes(tmp_path, text)
        assert found
        assert "Tr0ub4dor" not in "".join(found)


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        *((key, False) for key in ("password", "db_password", "DB-Password", "api-key", "ApiKey", "pin", "app:token")),
        *((key, True) for key in ("owner", "passenger", "secretary", "opinion", "token-bucket", "monkey", "key")),
    ],
)
def test_a_tag_that_names_a_secret_is_refused(key: str, allowed: bool, tmp_path: Path) -> None:
    found = mistakes(tmp_path, BASE + f"tags: {{{key}: {VALUE}}}\n")
    assert [line for line in found if "may be the name of a secret" in line] == ([] if allowed else found)
    assert bool(found) != allowed
    assert VALUE not in "".join(found)
