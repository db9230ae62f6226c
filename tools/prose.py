"""Counts habits of style that CONTRIBUTING.md rules out, in documents, docstrings and messages.

`make lint` runs it. It exits with 1 if a habit occurs more often than `LIMITS` allows; `--list` prints every place.
"""

import argparse
import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

LIMITS: Mapping[str, int] = {
    "begins with a noun clause": 3,
    "storybook verb": 9,
    "borrowed phrase": 4,
    "more than 35 words": 23,
}
"""The allowed number of occurrences of each habit."""

_VERBS = (
    "tells?",
    "told",
    "sa(?:ys?|id)",
    "stands?(?!-ins?)",
    "stood",
    "hears?",
    "heard",
    "rings?",
    "rang",
    "muted?",
    "mutes",
)
_PHRASES = ("of (?:y?ours|theirs)", "of (?:its|their|y?our|his|her) own", "anew", "likewise", "but for")
HABITS = {
    "begins with a noun clause": r"^(?:What|Where|Whether|Who|Whom)(?: [^?\s]+){2,}$",
    "storybook verb": rf"\b(?:{'|'.join(_VERBS)})\b",
    "borrowed phrase": rf"\b(?:{'|'.join(_PHRASES)})\b",
}
WORDS = 35
"""The longest sentence, in words."""
SUBJECT = 72
"""The longest subject of a commit, in characters."""

_PRODUCT = ("main.py", "commands", "estate", "modules", "operations", "stacks", "local_aws", "tools", "tests")
_SENTENCE = re.compile(r"(?<=[.!?])[)\"'*_`]*\s+(?=[\"'*_`(]*[A-Z0-9])")
# Excluded from prose: code, link addresses, table rules and HTML comments.
_CODE = re.compile(r"```.*?```|<!--.*?-->|``.+?``|`[^`]*`", re.S)

# Excluded strings: Python, Terraform, and YAML of several lines.
_IS_CODE = re.compile(r"^\s*(?:import|from) \w|\$\{|[{}]{2}|\bdef \w+\(|=>|(?m:^ *[\w-]+:(?: \{.*)?$)")


@dataclass(frozen=True)
class Place:
    """An occurrence of a habit."""

    habit: str
    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.habit}: {self.text}"


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of prose, without code, on one line each."""
    for paragraph in re.split(r"\n\s*\n|\n\s*(?:[-*|#>]|\d+\.)\s", "\n" + _CODE.sub("code", text)):
        cells = paragraph.split("|") if paragraph.count("|") > 1 else [paragraph]
        for cell in cells:
            plain = re.sub(r"\]\([^)]*\)", "]", " ".join(cell.split()))
            yield from (one.strip(" *_-#>[]") for one in _SENTENCE.split(plain))


def found_in(text: str, file: str, line: int) -> Iterator[Place]:
    """Yield the habits in prose that begins at a line of a file."""
    for sentence in filter(None, sentences(text)):
        for habit, pattern in HABITS.items():
            for _ in re.finditer(pattern, sentence):
                yield Place(habit, file, line, sentence)
        if len(re.findall(r"[\w'-]+", sentence)) > WORDS:
            yield Place(f"more than {WORDS} words", file, line, sentence)


def of_markdown(text: str, file: str) -> Iterator[Place]:
    """Yield the habits in a document, by paragraph."""
    line = 1
    for block in re.split(r"((?:^|(?<=\n))```.*?\n```|\n\s*\n)", text, flags=re.S):
        if not block.startswith("```"):
            yield from found_in(block, file, line)
        line += block.count("\n")


def of_python(text: str, file: str) -> Iterator[Place]:
    """Yield the habits in a module's docstrings and messages, which are its strings with spaces and without code."""
    tree = ast.parse(text)
    parts_of_others = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if node in parts_of_others:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = (one.value if isinstance(one, ast.Constant) else "x" for one in node.values)
            prose = "".join(part for part in parts if isinstance(part, str))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            prose = node.value
        else:
            continue
        if _is_prose(prose):
            yield from found_in(prose, file, node.lineno)


def _is_prose(text: str) -> bool:
    words = re.findall(r"(?<![\w${}])[a-z]{2,}(?![\w({=])", text)
    return len(words) >= 4 and not _IS_CODE.search(text)


def of_commits(base: str) -> Iterator[Place]:
    """Yield the subjects of the commits after `base` that are too long."""
    lines = subprocess.run(
        ["git", "log", "--format=%h %s", f"{base}..HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for line in lines:
        commit, subject = line.split(" ", 1)
        if len(subject) > SUBJECT:
            yield Place(f"a subject of more than {SUBJECT} characters", commit, 1, subject)


def places() -> Iterator[Place]:
    """Yield every habit in the project's documents and Python files."""
    for file in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        yield from of_markdown(file.read_text("utf-8"), str(file.relative_to(ROOT)))
    for part in _PRODUCT:
        for file in sorted((ROOT / part).rglob("*.py")) if (ROOT / part).is_dir() else [ROOT / part]:
            yield from of_python(file.read_text("utf-8"), str(file.relative_to(ROOT)))


def main() -> int:
    """Print the count of each habit; return 1 if one is over its limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="print every place")
    parser.add_argument("--commits", metavar="BASE", help="also check the subjects of the commits after BASE")
    options = parser.parse_args()
    all_places = [*places(), *(of_commits(options.commits) if options.commits else ())]
    if options.list:
        print(*all_places, sep="\n")
    counts = dict.fromkeys((*HABITS, f"more than {WORDS} words"), 0)
    for place in all_places:
        counts[place.habit] = counts.get(place.habit, 0) + 1
    over = {habit: count for habit, count in counts.items() if count > LIMITS.get(habit, 0)}
    for habit, count in counts.items():
        print(f"{habit}: {count}, allowed {LIMITS.get(habit, 0)}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
