"""The evidence page contains a run's figures, and none that were not recorded."""

import json
from pathlib import Path

import pytest

from tools import evidence
from tools.evidence import ROWS, page

KNOWN = [(row, command) for command, rows in ROWS.items() for row in rows]


def line(row: str, test: str, figure: str) -> str:
    return json.dumps({"row": row, "test": test, "figure": figure}) + "\n"


def test_a_row_has_the_last_figure_of_each_of_its_tests_added_up() -> None:
    once = [line(row, "tests/unit/operations/test_policy.py::test_one", "1 of 1") for row, _ in KNOWN[1:]]
    first = KNOWN[0][0]
    several = [
        line(first, "tests/plan/test_examples.py::test_b[y]", "2 stacks, 1,000 reads"),
        line(first, "tests/plan/test_examples.py::test_b[x]", "9 stacks, 9 reads"),
        line(first, "tests/plan/test_examples.py::test_b[x]", "3 stacks, 5 reads"),
        line(first, "tests/project/test_wheel.py::test_a", "none | left"),
    ]
    rows = page("".join([*once, *several])).splitlines()[7:]
    assert rows[0] == (
        f"| {first} | 5 stacks, 1,005 reads; none \\| left | [test_b](../tests/plan/test_examples.py), "
        "[test_a](../tests/project/test_wheel.py) | `make test` |"
    )
    assert rows[1:] == [
        f"| {row} | 1 of 1 | [test_one](../tests/unit/operations/test_policy.py) | `{run}` |" for row, run in KNOWN[1:]
    ]


def test_missing_and_unknown_rows_are_reported() -> None:
    recorded = [line(row, "tests/unit/operations/test_policy.py::test_one", "1") for row, _ in KNOWN[1:]]
    with pytest.raises(LookupError) as told:
        page("".join([*recorded, line("colour", "tests/unit/operations/test_policy.py::test_one", "red")]))
    assert str(told.value).splitlines() == [
        "colour: not a row of tools/evidence.py",
        f"{KNOWN[0][0]}: not recorded; run `make test`",
    ]


def test_a_different_page_is_reported_and_a_missing_one_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test, proof, written = tmp_path / "test.jsonl", tmp_path / "proof.jsonl", tmp_path / "evidence.md"
    monkeypatch.setattr(evidence, "PAGE", written)
    lines = [line(row, "tests/unit/operations/test_policy.py::test_one", "1 of 1") for row, _ in KNOWN]
    test.write_text("".join(lines[:6]))
    proof.write_text("".join(lines[6:]))
    monkeypatch.setattr("sys.argv", ["evidence", str(test), str(proof)])
    evidence.main()
    assert written.read_text() == page("".join(lines))
    evidence.main()
    written.write_text(written.read_text().replace("1 of 1", "2 of 2", 1))
    with pytest.raises(SystemExit, match=r"differs from this run(.|\n)*\n-.* 2 of 2 (.|\n)*\n\+.* 1 of 1 "):
        evidence.main()
    monkeypatch.setattr("sys.argv", ["evidence", "--golden", str(test), str(proof)])
    evidence.main()
    assert written.read_text() == page("".join(lines))
