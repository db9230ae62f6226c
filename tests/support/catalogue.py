"""Invalid estates with their messages: tests/data/catalogue."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support import ROOT

FOLDER = ROOT / "tests/data/catalogue"
GOOD = (FOLDER / "good.yaml").read_text()
CATALOGUE = FOLDER / "mistakes.txt"
GRADED = FOLDER / "graded.txt"


@dataclass(frozen=True)
class Mistake:
    """A block of the catalogue: `name`, the removed lines (-), the added lines (+), and the expected messages (>).

    Removed lines after added ones begin another change. A line with = names the example that is changed. In an added
    line, `\\u00a0` is the character.
    """

    name: str
    changes: tuple[tuple[str, str], ...]
    said: list[str]
    example: str | None = None

    @staticmethod
    def read(block: str) -> "Mistake":
        name, *lines = block.splitlines()
        messages, example = ([line[2:] for line in lines if line.startswith(sign)] for sign in ">=")
        changes = re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)*)", block + "\n", re.MULTILINE)
        return Mistake(
            name, tuple((_lines(old), _lines(new)) for old, new in changes), messages, next(iter(example), None)
        )

    def text(self, good: str = GOOD) -> str:
        for old, new in self.changes:
            assert good.count(old) == 1, old
            good = good.replace(old, new)
        return good


def _lines(marked: str) -> str:
    text = "\n".join(line[2:] for line in marked.splitlines())
    return re.sub(r"\\u([0-9a-f]{4})", lambda code: chr(int(code[1], 16)), text)


def read(file: Path) -> list[Mistake]:
    """Return the blocks of a file of mistakes."""
    blocks = re.split(r"\n{2,}", file.read_text().rstrip("\n"))
    return [Mistake.read(block) for block in blocks if not block.startswith("#")]


ENTRIES = read(CATALOGUE)


def accept(mistake: Mistake, messages: list[str], catalogue: Path = CATALOGUE) -> None:
    before, block, after = catalogue.read_text().partition(f"\n\n{mistake.name}\n")
    kept, gap, rest = after.partition("\n\n")
    lines = [line for line in kept.rstrip("\n").splitlines() if not line.startswith(">")]
    end = gap + rest or "\n"
    catalogue.write_text(before + block + "\n".join([*lines, *(f"> {line}" for line in messages)]) + end)
