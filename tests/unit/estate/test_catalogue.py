"""Bad estates: each is tests/data/catalogue/good.yaml with one common mistake and every line of its messages.

`pytest --golden` writes the current messages into the catalogue, so that a review shows each change.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
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


RENAMES = r"^  [\w-]+:|^[\w-]+:$"
"""Matches the lines of a section or an entry. A change of its name changes the paths of other messages."""
READ_BY_OTHERS = (
    # The rules of a cluster's or network's connections compare these fields.
    r"^clusters\.\w+\.(?:dr|region|cidr|pod_cidr|additional_cidrs|oidc_issuer_url)[.:]",
    r"^networks\.\w+\.(?:account_id|region|vpc_id|cidrs|create)[.:]",
    r"^networks\.\w+: (?:needs|has) ",
    r"^networks: ",
    # These fields decide which rules an entry has.
    r"^connections\.[\w-]+\.(?:type|clusters?|network|transit_gateway_id)[.:]",
    r"^account\.account_id: ",
    r"^connections\.office\.tunnels\.phase[12]\.",
)
"""Messages about values without which other rules have nothing to compare."""
PARTS = 60


def together(salt: str) -> Iterator[list[Mistake]]:
    """Yield groups of mistakes in different lines. A new mistake in the catalogue changes one of them."""
    groups: dict[int, list[Mistake]] = {}
    for mistake in ENTRIES:
        number = int.from_bytes(sha256(f"{salt}{mistake.name}".encode()).digest()[:4]) % PARTS
        if hides_none(mistake) and not any(lines(mistake) & lines(other) for other in groups.setdefault(number, [])):
            groups[number].append(mistake)
    yield from groups.values()


def hides_none(mistake: Mistake) -> bool:
    """Return whether all other rules still run despite a mistake."""
    in_an_entry = all(re.match(r"\d+:\d+: \S+: ", one) for one in mistake.said)
    renames = any(re.search(RENAMES, text, re.MULTILINE) for text in mistake.changes[0])
    read = any(re.search(pattern, one.split(": ", 1)[1]) for one in mistake.said for pattern in READ_BY_OTHERS)
    return in_an_entry and not renames and not read


def lines(mistake: Mistake) -> set[int]:
    """Return the lines of the good estate that a mistake changes."""
    begins = ((GOOD.count("\n", 0, GOOD.index(old)), old.count("\n")) for old, _ in mistake.changes)
    return {line for begin, more in begins for line in range(begin, begin + more + 1)}


def reported(folder: Path, planted: list[Mistake]) -> set[str]:
    """Return the messages without their lines, which other mistakes move."""
    text = GOOD
    for mistake in planted:
        text = mistake.text(text)
    return {one.split(": ", 1)[1] for one in mistakes(folder, text)}


@pytest.mark.slow
@pytest.mark.parametrize("salt", ["a", "b"])
def test_mistakes_are_all_reported_at_once(salt: str, folder: Path) -> None:
    lost: dict[str, set[str]] = {}
    for group in together(salt):
        found = reported(folder, group)
        for mistake in group:
            if missing := {one.split(": ", 1)[1] for one in mistake.said} - found:
                lost[f"{mistake.name} with {[x.name for x in group]}"] = missing
    assert lost == {}


def test_the_catalogue_is_of_200_and_more() -> None:
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    assert len({entry.text() for entry in ENTRIES}) == len(ENTRIES)
    assert len(ENTRIES) >= 200
