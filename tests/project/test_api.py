"""docs/api.md lists the public names of the wheel, and the arguments of each construct."""

import ast
import re
import runpy

from tests.support import ROOT

PAGE = (ROOT / "docs/api.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the names in code format in each row of the table below a heading."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE)
    return [re.findall(r"`(\w+)`", line) for line in section.splitlines() if line.startswith("| `")]


def constructs() -> list[list[str]]:
    """Return each construct, its props, and the arguments of the construct without scope and ID."""
    found: list[list[str]] = []
    for file in sorted(ROOT.glob("modules/*/construct.py")):
        name = "".join(word.capitalize() for word in file.parent.name.split("_"))
        (made,) = (
            node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef) and node.name == name
        )
        (init,) = (node for node in made.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
        arguments = (*init.args.args[3:], *init.args.kwonlyargs)
        found.append([name, f"{name}Props", *(argument.arg for argument in arguments)])
    return found


def test_the_constructs_are_those_of_the_code() -> None:
    assert rows("Constructs") == constructs()


def test_the_other_names_are_those_of_the_library() -> None:
    assert sorted(row[0] for row in rows("Other names")) == sorted(runpy.run_path(str(ROOT / "library.py"))["OTHERS"])
