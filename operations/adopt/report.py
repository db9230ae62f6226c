"""The result of an adoption, and its import blocks."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from estate.errors import ExitCode, UserError
from estate.source import printable
from operations import result
from operations.files import delete, write
from operations.imports import FILE, HEADER, ours

State = Literal["found", "absent", "alike", "several", "unimportable"]
_WORDS = {"found": "import", "absent": "create", "unimportable": "again", "alike": "CONFLICT", "several": "AMBIGUOUS"}


@dataclass(frozen=True)
class Outcome:
    """The result for one planned resource. `id` is its import ID, if it was found."""

    address: str
    state: State
    id: str = ""
    detail: str = ""
    """The reason why it is not imported, or a change by an apply that needs attention."""

    @property
    def to_decide(self) -> bool:
        """True if it needs a decision."""
        return self.state in ("alike", "several") or bool(self.id and self.detail)


@dataclass(frozen=True)
class Adoption:
    """The results for one stack, in the order of its addresses."""

    stack: str
    account_id: str
    region: str
    outcomes: tuple[Outcome, ...]
    imported_anyway: frozenset[str] = frozenset()
    """Resources with an import block in the stack itself: an instance can have only one."""
    foreign: tuple[str, ...] = ()
    """Existing route tables and security groups that have more in them than this stack creates."""

    def with_state(self, state: State) -> list[Outcome]:
        """Return the results with a state."""
        return [outcome for outcome in self.outcomes if outcome.state == state]

    def report(self) -> str:
        """Return the results as text, with a line for each address."""
        count = f"{len(self.with_state('found'))} of {len(self.outcomes)} to import"
        lines = [f"{self.stack} (account {self.account_id}, {self.region}): {count}"]
        for one in self.outcomes:
            id_and_detail = (f" = {one.id}" if one.id else "", f": {one.detail}" if one.detail else "")
            lines.append(f"  {_WORDS[one.state]:11}{one.address}{''.join(id_and_detail)}")
        if self.foreign:
            lines.append(
                f"  note       {', '.join(self.foreign)}: has routes or rules that this stack does not create. If "
                "another Terraform configuration has them inside its aws_route_table or aws_security_group, its next "
                "apply removes those of this stack. AWS does not show this: look into that configuration."
            )
        return "\n".join(map(printable, lines))

    def imports(self) -> str:
        """Return Terraform's `import` blocks for the resources that were found."""
        found = (one for one in self.with_state("found") if one.address.partition("[")[0] not in self.imported_anyway)
        return "\n".join(f"import {{\n  to = {one.address}\n  id = {hcl_string(one.id)}\n}}\n" for one in found)

    def write(self, folder: Path) -> Path | None:
        """Write the blocks into a stack's folder, and return the file; a synth does not delete it.

        Without anything to import, delete the file of an earlier run and return None.
        """
        if blocks := self.imports():
            refuse_foreign_imports(folder)
            write(folder / FILE, f"{HEADER}\n{blocks}")
            return folder / FILE
        if ours(folder):
            delete(folder, FILE)
        return None


def exit_code(adoptions: Iterable[Adoption]) -> ExitCode:
    """Return 4 if a result needs a decision, and otherwise 0."""
    decide = any(one.to_decide for adoption in adoptions for one in adoption.outcomes)
    return ExitCode.WARNINGS_ONLY if decide else ExitCode.DONE


def as_json(adoptions: Sequence[Adoption], files: Sequence[Path | None]) -> str:
    """Return the results for programs, as docs/report.schema.json describes them. `files` are the written ones."""
    stacks = [
        {
            "stack": adoption.stack,
            "account_id": adoption.account_id,
            "region": adoption.region,
            "file": str(file) if file else None,
            "resources": [
                {
                    "address": one.address,
                    "result": _WORDS[one.state].lower(),
                    "id": one.id or None,
                    "detail": one.detail or None,
                }
                for one in adoption.outcomes
            ],
            "foreign": list(adoption.foreign),
        }
        for adoption, file in zip(adoptions, files, strict=True)
    ]
    return result.as_json("adopt", exit_code(adoptions), {"stacks": stacks})


def refuse_foreign_imports(folder: Path) -> None:
    """Raise UserError if a stack's folder has import blocks that `main.py adopt` did not write."""
    file = folder / FILE
    if (file.is_symlink() or file.exists()) and not ours(folder):
        what = "has content that `main.py adopt` did not write, which would be lost"
        raise UserError(f"{file}: {what}; give the file another name", ExitCode.BAD_INPUT)


def hcl_string(value: str) -> str:
    """Return a string literal of HCL."""
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
