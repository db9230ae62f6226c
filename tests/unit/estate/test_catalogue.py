"""Bad estates: each is tests/data/catalogue/good.yaml with one common mistake and every line of its messages.

`pytest --golden` writes the current messages into the catalogue, so that a review shows each change.
"""

from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.catalogue import ENTRIES, GOOD, Mistake, accept
from tests.support.estates import mistakes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "policies").symlink_to(ROOT / "examples/policies")
    return folder


def test_the_good_estate_is_good(folder: Path) -> None:
    assert mistakes(folder, GOOD) == []


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ENTRIES, ids=lambda mistake: mistake.name)
def test_each_mistake_has_its_exact_message(mistake: Mistake, folder: Path, pytestconfig: pytest.Config) -> None:
    said = mistakes(folder, mistake.text())
    assert said
    if pytestconfig.getoption("golden"):
        accept(mistake, said)
    else:
        assert said == mistake.said


def test_the_catalogue_is_of_200_and_more() -> None:
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    assert len({entry.text() for entry in ENTRIES}) == len(ENTRIES)
    assert len(ENTRIES) >= 200
