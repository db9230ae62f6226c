"""Writes the wheel's runtime dependencies as a CycloneDX document next to it: `make wheel`.

The versions, licences and dependencies are those of requirements.lock on this platform, with which the project is
tested. The same environment gives the same bytes. The wheel's metadata allows other versions, which your resolver may
choose.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
GENERATOR = ROOT / ".work/cyclonedx"


def needed() -> dict[str, Requirement]:
    """Return the distributions that the wheel requires here, directly or indirectly, by normalized name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: dict[str, Requirement] = {}
    todo = [Requirement(line) for line in project["dependencies"]]
    while todo:
        requirement = todo.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name not in found:
            found[name] = requirement
            todo += _applying(distribution(name).requires or [], requirement.extras)
    return found


def _applying(lines: Iterable[str], extras: Iterable[str]) -> list[Requirement]:
    requirements = [Requirement(line) for line in lines]
    return [
        one
        for one in requirements
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def write(document: Path) -> None:
    """Write the document. Raises CalledProcessError if the generator fails."""
    with tempfile.TemporaryDirectory() as folder:
        # The generator describes a whole environment, and .venv includes the test tools. This environment contains only
        # the metadata of required distributions.
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        packages = next(Path(folder).glob("lib/python3*/site-packages"))
        for name in needed():
            metadata = next(file for file in distribution(name).files or [] if file.name == "METADATA").locate()
            folder_of = Path(str(metadata)).parent
            (packages / folder_of.name).symlink_to(folder_of)
        # PYTHONPATH cannot be used, because the described environment would include it.
        generate = f"import runpy, sys; sys.path.insert(0, {str(GENERATOR)!r}); "
        generate += "runpy.run_module('cyclonedx_py', run_name='__main__')"
        options = ["--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application", "--output-reproducible"]
        command = [sys.executable, "-c", generate, "environment"]
        subprocess.run([*command, *options, "-o", str(document), f"{folder}/bin/python"], check=True)


if __name__ == "__main__":
    (wheel,) = (ROOT / "dist").glob("*.whl")
    write(wheel.with_name(wheel.name.split("-py3")[0] + ".cdx.json"))
