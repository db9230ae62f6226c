"""The formats of `check`, and the one JSON Schema of all reports."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from operations.findings import as_github, as_json, as_sarif, findings
from tests.support import ROOT
from tests.support.commands import run
from tests.support.estates import BASE

SCHEMA = json.loads((ROOT / "docs/report.schema.json").read_text())
DAY = date(2026, 1, 1)


def wrong(tmp_path: Path, text: str = BASE.replace("10.20.0.0/16", "10.20.0.1/16")) -> Path:
    file = tmp_path / "astro.yaml"
    file.write_text(text)
    return file


def conforms(text: str) -> Any:
    """Return the JSON, which the published schema accepts."""
    values = json.loads(text)
    jsonschema.validate(values, SCHEMA)
    return values


def test_an_error_has_its_place_in_every_format(tmp_path: Path) -> None:
    file = wrong(tmp_path)
    code, _, told = run("check", str(file))
    place, _, message = told.strip().partition(": networks.lake.cidrs.0: ")
    line, column = map(int, place.removeprefix(f"{file}:").split(":"))
    assert code == 2
    code, out, err = run("check", str(file), "--output", "json")
    assert (code, err) == (2, "")
    assert conforms(out) == {
        "version": 1,
        "command": "check",
        "file": str(file),
        "exit_code": 2,
        "networks": None,
        "connections": None,
        "findings": [
            {"level": "error", "field": "networks.lake.cidrs.0", "message": message, "line": line, "column": column}
        ],
        "pending": [],
        "variables": [],
    }
    code, out, err = run("check", str(file), "--output", "github")
    annotation = f"::error file={file},line={line},col={column},title=astro check::networks.lake.cidrs.0: {message}\n"
    assert (code, out, err) == (2, annotation, "")
    code, out, err = run("check", str(file), "--output", "sarif")
    assert (code, err) == (2, "")
    (result,) = json.loads(out)["runs"][0]["results"]
    assert result["message"] == {"text": f"networks.lake.cidrs.0: {message}"}
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": line, "startColumn": column}


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_json_of_every_example_fits_the_schema(example: Path) -> None:
    found = findings(example, {}, DAY)
    values = conforms(as_json(found))
    assert values["exit_code"] == found.code
    assert [one["level"] for one in values["findings"]] == [
        *["warning"] * len(found.warnings),
        *["note"] * len(found.pending),
    ]
    assert sarif(as_sarif(found)) == len(values["findings"])
    assert len(list(as_github(found))) == len(values["findings"])


def sarif(text: str) -> int:
    """Return the number of results of a SARIF 2.1.0 log, whose structure is as its specification requires."""
    log = json.loads(text)
    assert log["version"] == "2.1.0"
    (one,) = log["runs"]
    rules = one["tool"]["driver"]["rules"]
    assert one["columnKind"] == "unicodeCodePoints"
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in one["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (location,) = result["locations"]
        assert not location["physicalLocation"]["artifactLocation"]["uri"].startswith("/")
        assert min(location["physicalLocation"].get("region", {"startLine": 1}).values()) >= 1
    fingerprints = [result["partialFingerprints"]["finding/v1"] for result in one["results"]]
    assert len(set(fingerprints)) == len(fingerprints)
    return len(one["results"])


def test_a_file_cannot_write_a_workflow_command(tmp_path: Path) -> None:
    hostile = 'name: "a%0A::stop-commands::x\\n::error::y\\r\\u001b[2J"\n"k\\n::warning::, : z": 1\n'
    (folder := tmp_path / "a,b:c%0A").mkdir()
    lines = list(as_github(findings(wrong(folder, hostile), {}, DAY)))
    assert len(lines) > 1
    for line in lines:
        assert line.isprintable()
        head, _, text = line.removeprefix("::").partition("::")
        assert head.startswith(f"error file={tmp_path}/a%2Cb%3Ac%250A/astro.yaml,line=")
        assert head.count(",") == 3
        assert "%0A" not in text


def test_a_missing_file_has_no_line(tmp_path: Path) -> None:
    missing = findings(tmp_path / "nowhere.yaml", {}, DAY)
    assert conforms(as_json(missing))["findings"][0]["line"] is None
    assert sarif(as_sarif(missing)) == 1
    (line,) = as_github(missing)
    assert line.startswith(f"::error file={tmp_path}/nowhere.yaml,title=astro check::")
