"""Builds the wheel. Its packages are below `astro_on_aws`, so that they cannot collide with other packages named
`modules` or `stacks`, and `main.py` is the command `astro-on-aws`."""

import re
import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIBRARY = "astro_on_aws"
IMPORT = re.compile(r"^( *)(from|import) (commands|estate|modules|operations|stacks)\b", re.MULTILINE)
COMMAND = re.compile(r"(`|^ +)main\.py (?=[a-z-])", re.MULTILINE)


class OneName(BuildHookInterface[Any]):
    """Rewrites import statements, and the command in messages, of Python files; other files go in as they are."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        root = Path(self.root)
        texts = {"py.typed": "", "__init__.pyi": _names(root)}
        included = [Path(file.path) for file in self.build_config.builder.recurse_included_files()]
        for file in (root / "library.py", root / "main.py", *included):
            if file.suffix == ".py":
                name = "__init__.py" if file.name == "library.py" else str(file.relative_to(root))
                texts[name] = COMMAND.sub(r"\1astro-on-aws ", file.read_text("utf-8"))
        self._folder = tempfile.TemporaryDirectory()
        for name, text in texts.items():
            written = Path(self._folder.name, name)
            written.parent.mkdir(parents=True, exist_ok=True)
            written.write_text(IMPORT.sub(rf"\1\2 {LIBRARY}.\3", text), "utf-8")
            build_data["force_include"][str(written)] = f"{LIBRARY}/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        self._folder.cleanup()


def _names(root: Path) -> str:
    """The types of `library.py`, which imports by name, for type checkers."""
    homes: dict[str, str] = dict(runpy.run_path(str(root / "library.py"))["OTHERS"])
    for construct in sorted(root.glob("modules/*/construct.py")):
        folder = construct.parent.name
        name = "".join(word.capitalize() for word in folder.split("_"))
        homes |= {name: f"modules.{folder}.construct", f"{name}Props": f"modules.{folder}.props"}
    return "".join(f"from {home} import {name} as {name}\n" for name, home in homes.items())
