"""Invalid estates with their messages: tests/data/catalogue."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support import ROOT

FOLDER = ROOT / "tests/data/catalogue"
GOOD = (FOLDER / "good.yaml").read_text()
CATALOGUE = FOLDER / "mistakes.txt"


@dataclass(frozen=True)
class Mistake:
    """A block of the catalogue: `name`, the removed lines (-), the added lines (+), and the expected messages (>)."""

    name: str
    old: str
    new: str
    said: list[str]

    @staticmethod
    def read(block: str) -> "Mistake":
        name, *lines = block.splitlines()
        old, new, messages = ([line[2:] for line in lines if line.startswith(sign)] for sign in "-+>")
        return Mistake(name, "\n".join(old), "\n".join(new), messages)

    def text(self, good: str = GOOD) -> str:
        assert good.count(self.old) == 1, self.old
        return good.replace(self.old, self.new)


ENTRIES = [
    Mistake.read(block)
    for block in re.split(r"\n{2,}", CATALOGUE.read_text().rstrip("\n"))
    if not block.startswith("#")
]


def accept(mistake: Mistake, messages: list[str], catalogue: Path = CATALOGUE) -> None:
    before, block, after = catalogue.read_text().partition(f"\n\n{mistake.name}\n")
    kept, gap, rest = after.partition("\n\n")
    lines = [line for line in kept.rstrip("\n").splitlines() if not line.startswith(">")]
    end = gap + rest or "\n"
    catalogue.write_text(before + block + "\n".join([*lines, *(f"> {line}" for line in messages)]) + end)
