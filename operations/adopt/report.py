"""What an adoption found, and the import blocks for it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from estate.errors import ExitCode, UserError
from operations.files import delete, write
from operations.imports import FILE, HEADER, ours

State = Literal["found", "absent", "alike", "several", "unimportable"]
_WORDS = {"found": "import", "absent": "make", "unimportable": "again", "alike": "ALIKE", "several": "SEVERAL"}


@dataclass(frozen=True)
class Outcome:
    """What became of one planned resource. `id` is what it is imported by, where it was found."""

    address: str
    state: State
    id: str = ""
    detail: str = ""
    """Why not, or what an apply would change that a person should know of."""

    @property
    def to_decide(self) -> bool:
        """Whether a person has to look at it."""
        return self.state in ("alike", "several") or bool(self.id and self.detail)


@dataclass(frozen=True)
class Adoption:
    """What is there of one stack, in the order of its addresses."""

    stack: str
    account_id: str
    region: str
    outcomes: tuple[Outcome, ...]
    imported_anyway: frozenset[str] = frozenset()
    """Resources with an import block in the stack itself: an instance can have only one."""

    def those(self, state: State) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.state == state]

    def report(self) -> str:
        """What was found, a line for each address."""
        count = f"{len(self.those('found'))} of {len(self.outcomes)} to import"
        lines = [f"{self.stack} (account {self.account_id}, {self.region}): {count}"]
        for one in self.outcomes:
            told = (f" = {one.id}" if one.id else "", f": {one.detail}" if one.detail else "")
            lines.append(f"  {_WORDS[one.state]:8}{one.address}{''.join(told)}")
        return "\n".join(lines)

    def imports(self) -> str:
        """Terraform's `import` blocks of what was found; empty where nothing was."""
        found = (one for one in self.those("found") if one.address.partition("[")[0] not in self.imported_anyway)
        return "\n".join(f"import {{\n  to = {one.address}\n  id = {hcl_string(one.id)}\n}}\n" for one in found)

    def write(self, folder: Path) -> Path | None:
        """Put the blocks beside what cdktf writes into `folder`, the stack's: a synth leaves them there. The file, or
        None where there is nothing to import; then what an earlier run wrote is taken away."""
        if blocks := self.imports():
            refuse_foreign_imports(folder)
            write(folder / FILE, f"{HEADER}\n{blocks}")
            return folder / FILE
        if ours(folder):
            delete(folder, FILE)
        return None


def refuse_foreign_imports(folder: Path) -> None:
    """Raise UserError if a stack's folder has import blocks that `main.py adopt` did not write."""
    file = folder / FILE
    if (file.is_symlink() or file.exists()) and not ours(folder):
        what = "holds more than `main.py adopt` writes, and would be overwritten"
        raise UserError(f"{file}: {what}; give the file another name", ExitCode.BAD_INPUT)


def hcl_string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
