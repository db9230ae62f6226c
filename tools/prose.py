"""Counts habits of style that CONTRIBUTING.md rules out, in documents, docstrings, messages and comments.

`make lint` runs it. It exits with 1 if a habit occurs more often than `LIMITS` allows; `--list` prints every place.
"""

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

LIMITS: Mapping[str, int] = {
    "begins with a noun clause": 1,  # the description of a policy, which another word would replace in AWS
}
"""The allowed number of occurrences of each habit; of the others, none."""

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
NAME = 60
"""The longest name of a test, in characters."""
SUBJECT = 72
"""The longest subject of a commit, in characters."""
WIDTH = 120
"""The longest line of a document, in characters."""

LONG_SENTENCE = f"more than {WORDS} words"
LONG_NAME = f"a test name of more than {NAME} characters"
BARE_FACT = "a fact by its number alone"
LONG_LINE = f"a line of more than {WIDTH} characters"

_GENERATED = ROOT / "docs/reference.md"
"""Its lines are paragraphs."""
_PRODUCT = ("main.py", "commands", "estate", "modules", "operations", "stacks", "local_aws", "tools", "tests")
_SAMPLES = ROOT / "tests/project/test_prose.py"
"""Excluded: the samples of each habit."""
_OTHER = ("Makefile", "pyproject.toml", "action.yml", ".github/**/*.yml", "examples/**/*.y*ml", "tests/data/*.yaml")
_SENTENCE = re.compile(r"(?<=[.!?])[)\"'*_`]*\s+(?=[\"'*_`(]*[A-Z0-9])")
# Excluded from prose: code, link addresses, table rules and HTML comments.
_CODE = re.compile(r"```.*?```|<!--.*?-->|``.+?``|`[^`]*`", re.S)

# Names with digits, such as regions and IDs, are not words. A list of code is one word.
_WORD = re.compile(r"(?<![\w.-])[A-Za-z][A-Za-z'_-]*(?![\w-])")
_LIST = re.compile(r"\bcode(?:(?:,| or|, or|, and| and) code)+\b")
# A reference to docs/facts.md, and the number of words that a sentence needs besides it.
_FACT = re.compile(r"\bfacts [ABC]\d+(?:(?:,| to| and) [ABC]\d+)*")
_WORDS_BESIDE_A_FACT = 3
_COMMENT = re.compile(r"^(|.*\s)#:? (?!noqa|type:|pyright:|yaml-language-server)(.*)$")

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
        if len(_WORD.findall(_LIST.sub("code", sentence))) > WORDS:
            yield Place(LONG_SENTENCE, file, line, sentence)
        words, facts = _FACT.subn("", sentence)
        if facts and len(_WORD.findall(words)) < _WORDS_BESIDE_A_FACT:
            yield Place(BARE_FACT, file, line, sentence)


def of_markdown(text: str, file: str) -> Iterator[Place]:
    """Yield the habits in a document, by paragraph."""
    line = 1
    for block in re.split(r"((?:^|(?<=\n))```.*?\n```|\n\s*\n)", text, flags=re.S):
        if not block.startswith("```"):
            yield from found_in(block, file, line)
        line += block.count("\n")


def of_lines(text: str, file: str) -> Iterator[Place]:
    """Yield the lines of a document that are too long, except in tables and code blocks."""
    is_code = False
    for number, line in enumerate(text.splitlines(), 1):
        is_code ^= line.lstrip().startswith("```")
        if len(line) > WIDTH and not is_code and not line.startswith("|"):
            yield Place(LONG_LINE, file, number, line)


def of_comments(lines: Iterable[tuple[int, str]], file: str) -> Iterator[Place]:
    """Yield the habits in comments, given as the lines that may have one; adjacent lines are one comment."""
    start, block = 0, ""
    for number, line in (*lines, (0, "")):
        comment = _COMMENT.search(line)
        whole_line = comment and not comment[1].strip()
        if block and not (whole_line and number == start + block.count("\n")):
            yield from found_in(block, file, start)
            block = ""
        if comment and whole_line:
            start = start if block else number
            block += f"{comment[2]}\n"
        elif comment:
            yield from found_in(comment[2], file, number)


def of_python(text: str, file: str) -> Iterator[Place]:
    """Yield the habits in a module's comments, docstrings, messages and names of tests.

    Messages are strings with spaces and without code. Semicolons separate their parts, so each part is a sentence.
    """
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [one for one in tokens if one.type == tokenize.COMMENT]
    whole_lines = {one for one in comments if not one.line[: one.start[1]].strip()}
    lines = ((one.start[0], one.string if one in whole_lines else f"code {one.string}") for one in comments)
    yield from of_comments(lines, file)
    tree = ast.parse(text)
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts_of_others = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if node in parts_of_others:
            continue
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            if len(node.name) > NAME:
                yield Place(LONG_NAME, file, node.lineno, node.name)
            name = node.name.removeprefix("test_").replace("_", " ").capitalize()
            yield from found_in(name, file, node.lineno)
        if isinstance(node, ast.JoinedStr):
            parts = (one.value if isinstance(one, ast.Constant) else "x" for one in node.values)
            prose = "".join(part for part in parts if isinstance(part, str))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            prose = node.value
        else:
            continue
        if _is_prose(prose):
            for clause in [prose] if node in docstrings else prose.split("; "):
                yield from found_in(clause, file, node.lineno)


def _is_prose(text: str) -> bool:
    words = re.findall(r"(?<![\w${}])[a-z]{2,}(?![\w({=])", text)
    return len(words) >= 4 and not _IS_CODE.search(text)


def of_commits(base: str) -> Iterator[Place]:
    """Yield the subjects of the commits after `base` that are too long.

    GitHub writes the subject of the merge commit on which it tests a pull request.
    """
    command = ["git", "log", "--no-merges", "--format=%h %s", f"{base}..HEAD"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for line in lines:
        commit, subject = line.split(" ", 1)
        if len(subject) > SUBJECT:
            yield Place(f"a subject of more than {SUBJECT} characters", commit, 1, subject)


def places() -> Iterator[Place]:
    """Yield every habit in the project's documents, Python files, and comments of other files."""
    for file in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        text, name = file.read_text("utf-8"), str(file.relative_to(ROOT))
        yield from of_markdown(text, name)
        if file != _GENERATED:
            yield from of_lines(text, name)
    for part in _PRODUCT:
        for file in sorted((ROOT / part).rglob("*.py")) if (ROOT / part).is_dir() else [ROOT / part]:
            if file != _SAMPLES:
                yield from of_python(file.read_text("utf-8"), str(file.relative_to(ROOT)))
    for file in sorted(file for pattern in _OTHER for file in ROOT.glob(pattern)):
        yield from of_comments(enumerate(file.read_text("utf-8").splitlines(), 1), str(file.relative_to(ROOT)))


def main() -> int:
    """Print the count of each habit; return 1 if one is over its limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="print every place")
    parser.add_argument("--commits", metavar="BASE", help="also check the subjects of the commits after BASE")
    options = parser.parse_args()
    all_places = [*places(), *(of_commits(options.commits) if options.commits else ())]
    if options.list:
        print(*all_places, sep="\n")
    counts = dict.fromkeys((*HABITS, LONG_SENTENCE, LONG_NAME, LONG_LINE, BARE_FACT), 0)
    for place in all_places:
        counts[place.habit] = counts.get(place.habit, 0) + 1
    over = {habit: count for habit, count in counts.items() if count > LIMITS.get(habit, 0)}
    for habit, count in counts.items():
        print(f"{habit}: {count}, allowed {LIMITS.get(habit, 0)}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
