"""Bad estates: each is tests/catalogue/good.yaml with one mistake that people make, and every line that is said of it.

`pytest --golden` writes what is said now into the catalogue: a change is seen in review.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.evidence import record
from tests.test_bad_input import MISTAKES
from tests.test_estate import mistakes
from tests.test_stacks import ROOT

FOLDER = Path(__file__).parent / "catalogue"
GOOD = (FOLDER / "good.yaml").read_text()
CATALOGUE = FOLDER / "mistakes.txt"


@dataclass(frozen=True)
class Mistake:
    """A block of the catalogue: `name`, then what it replaces (-), by what (+), and what is said of it (>)."""

    name: str
    old: str
    new: str
    said: list[str]

    @staticmethod
    def read(block: str) -> "Mistake":
        name, *lines = block.splitlines()
        old, new, said = ([line[2:] for line in lines if line.startswith(sign)] for sign in "-+>")
        return Mistake(name, "\n".join(old), "\n".join(new), said)

    def text(self, good: str = GOOD) -> str:
        assert good.count(self.old) == 1, self.old
        return good.replace(self.old, self.new)


ENTRIES = [
    Mistake.read(block)
    for block in re.split(r"\n{2,}", CATALOGUE.read_text().rstrip("\n"))
    if not block.startswith("#")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "policies").symlink_to(ROOT / "examples/policies")
    return folder


def test_the_good_estate_is_good(folder: Path) -> None:
    assert mistakes(folder, GOOD) == []


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ENTRIES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_told_word_for_word(mistake: Mistake, folder: Path, pytestconfig: pytest.Config) -> None:
    said = mistakes(folder, mistake.text())
    assert said
    if pytestconfig.getoption("golden"):
        accept(mistake, said)
    else:
        assert said == mistake.said


def accept(mistake: Mistake, said: list[str], catalogue: Path = CATALOGUE) -> None:
    before, block, after = catalogue.read_text().partition(f"\n\n{mistake.name}\n")
    kept, gap, rest = after.partition("\n\n")
    lines = [line for line in kept.rstrip("\n").splitlines() if not line.startswith(">")]
    end = gap + rest or "\n"
    catalogue.write_text(before + block + "\n".join([*lines, *(f"> {line}" for line in said)]) + end)


def test_the_catalogue_is_of_200_and_more() -> None:
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    assert len({entry.text() for entry in ENTRIES}) == len(ENTRIES)
    assert len(ENTRIES) >= 200


@pytest.mark.proof
def test_the_catalogue_and_the_tests_of_bad_input_are_counted() -> None:
    record("bad estates with their exact message", f"{len(ENTRIES)} here, {len(MISTAKES)} in tests/test_bad_input.py")
