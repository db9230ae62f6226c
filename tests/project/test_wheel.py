"""The wheel: one name, reproducible bytes, and usable in a CDKTF program with its own package `modules`."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from estate.load import load
from tests.support import ROOT
from tests.support.synth import synth_all, without_metadata
from tests.support.yours import yours
from tools.evidence import record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


def build(folder: Path, **environment: str) -> Path:
    # As in `make wheel`: the build backend comes from requirements-dev.lock, and nothing is downloaded.
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", str(folder), "."]
    subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that contains only the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(folder)]
    subprocess.run([*command, str(wheel)], check=True)
    return folder


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Return a program based on the example, with a package named `modules`."""
    shutil.copytree(ROOT / "examples/policies", tmp_path / "policies")
    program = tmp_path / "program"
    for package in ("commands", "estate", "modules", "operations", "stacks"):
        (program / package).mkdir(parents=True)
        (program / package / "__init__.py").write_text("raise RuntimeError('this is theirs')\n")
    shutil.copy(ROOT / "examples/library/main.py", program)
    return program


def run(folder: Path, installed: Path, *command: str, **environment: str) -> str:
    """Run a command in a process with the installed wheel and without this repository; return its output."""
    ours = ("NODE_OPTIONS", "JSII_NODE", "ASTRO_ESTATE", "TF_CLI_CONFIG_FILE")
    own = {key: value for key, value in os.environ.items() if key not in ours}
    path = os.pathsep.join((str(installed / "bin"), str(Path(sys.executable).parent), own["PATH"]))
    env = own | {"PYTHONPATH": str(installed), "PATH": path} | environment
    result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def written(folder: Path) -> dict[str, Any]:
    """Return the parsed JSON of each stack, by name."""
    files = sorted(folder.glob("cdktf.out/stacks/*/cdk.tf.json"))
    return {file.parent.name: without_metadata(json.loads(file.read_text())) for file in files}


def test_everything_is_below_one_name_and_nothing_else_is_there(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    ours = {name.removeprefix("astro_on_aws/") for name in names if name.startswith("astro_on_aws/")}
    parts = ("commands", "estate", "modules", "operations", "stacks")
    sources = [file for part in parts for file in (ROOT / part).rglob("*.*")]
    kept = {str(file.relative_to(ROOT)) for file in sources if file.suffix in (".py", ".cjs", ".css", ".json", ".tgz")}
    assert ours == kept | {"__init__.py", "__init__.pyi", "main.py", "py.typed"}
    assert {name.split("/")[0] for name in names} == {"astro_on_aws", "astro_on_aws-0.1.0.dist-info"}


def test_two_builds_have_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    assert build(tmp_path / "again").read_bytes() == wheel.read_bytes()
    dated = [build(tmp_path / name, SOURCE_DATE_EPOCH="1700000000").read_bytes() for name in ("a", "b")]
    assert dated[0] == dated[1] != wheel.read_bytes()
    record("wheel built twice", "2 builds; 0 bytes differ")


def test_another_program_places_our_constructs_in_its_stacks(theirs: Path, installed: Path) -> None:
    assert run(theirs, installed, sys.executable, "main.py") == ""
    stacks = written(theirs)
    assert list(stacks) == ["astro-account", "data-platform"]
    accepter = "aws_vpc_peering_connection_accepter.lake-peering_accepter_AB97EB6C"
    resources = stacks["data-platform"]["resource"]
    lifecycle = resources["aws_vpc_peering_connection_accepter"]["lake-peering_accepter_AB97EB6C"].pop("lifecycle")
    assert len(lifecycle["precondition"]) == 6
    assert resources == {
        "aws_vpc_peering_connection_accepter": {
            "lake-peering_accepter_AB97EB6C": {
                "auto_accept": True,
                "tags": {"Name": "acme-lake-peering"},
                "vpc_peering_connection_id": "pcx-0123456789abcdef0",
            }
        },
        "aws_vpc_peering_connection_options": {
            "lake-peering_options_907AE0F4": {
                "accepter": {"allow_remote_vpc_dns_resolution": True},
                "vpc_peering_connection_id": f"${{{accepter}.id}}",
            }
        },
        "aws_route": {
            "lake-peering_route_prod_14BD7E1D": {
                "destination_cidr_block": "172.20.0.0/20",
                "for_each": '${toset(["rtb-0aaaaaaaaaaaaaaaa"])}',
                "route_table_id": "${each.value}",
                "vpc_peering_connection_id": f"${{{accepter}.id}}",
            }
        },
    }
    trust = stacks["astro-account"]["data"]["aws_iam_policy_document"]["astronomer_trust_5760B7CF"]
    assert trust["statement"][0]["condition"][0]["values"] == "${var.external_ids}"


def test_a_program_with_the_whole_provider_gets_the_same(theirs: Path, installed: Path) -> None:
    run(theirs, installed, sys.executable, "main.py")
    lazily = written(theirs)
    shutil.rmtree(theirs / "cdktf.out")
    code = (
        "import cdktf_cdktf_provider_aws, os, runpy, sys\n"
        "assert len([name for name in sys.modules if name.startswith('cdktf_cdktf_provider_aws.')]) > 1000\n"
        "runpy.run_path('main.py')\n"
        "os._exit(0)  # tearing so much down takes seconds\n"
    )
    # Its Node started before ours, and may print a warning.
    run(theirs, installed, sys.executable, "-W", "ignore", "-c", code, NODE_OPTIONS="--no-deprecation")
    assert written(theirs) == lazily


def test_a_program_that_imports_us_first_loads_used_resources(theirs: Path, installed: Path) -> None:
    code = (
        "import sys\n"
        "from astro_on_aws import Cluster, VpcPeeringProps\n"
        "print(sorted(name for name in ('cdktf', 'jsii', 'boto3') if name in sys.modules))\n"
        "from astro_on_aws import VpcPeering\n"
        "print(sorted(n.split('.')[1] for n in sys.modules if n.count('.') == 1 and n.startswith('cdktf_cdktf')))\n"
    )
    assert run(theirs, installed, sys.executable, "-c", code).splitlines() == [
        "[]",
        "['_jsii', 'data_aws_vpc_peering_connection', 'data_aws_vpc_peering_connections', 'route', 'security_group', "
        "'vpc_peering_connection_accepter', 'vpc_peering_connection_options', 'vpc_security_group_ingress_rule']",
    ]


def test_exactly_the_promised_names_can_be_imported(theirs: Path, installed: Path) -> None:
    stub = (installed / "astro_on_aws/__init__.pyi").read_text()
    names = re.findall(r" as (\w+)$", stub, re.MULTILINE)
    folders = [file.parent.name for file in ROOT.glob("modules/*/construct.py")]
    assert len(names) == 2 * len(folders) + 7
    files = [file.stem.title().replace("_", "") for file in sorted(ROOT.glob("modules/*.py"))]
    assert {"Astronomer", "Expressions"} < set(files)
    others = [name + props for name in ("VpcPeerings", *files) for props in ("", "Props") if name + props not in names]
    code = (
        "import astro_on_aws\n"
        f"print([getattr(astro_on_aws, name).__name__ for name in {names!r}] == {names!r})\n"
        f"for name in {others!r}:\n"
        "    try: getattr(astro_on_aws, name)\n"
        "    except AttributeError as error: print(error)\n"
    )
    assert run(theirs, installed, sys.executable, "-c", code).splitlines() == [
        "True",
        *(f"module 'astro_on_aws' has no attribute '{name}'" for name in others),
    ]


def test_type_checkers_resolve_our_names_and_props(theirs: Path, installed: Path) -> None:
    (theirs / "wrong.py").write_text(
        "from astro_on_aws import Cluster, Nonsense, load\nCluster(region=1)\nload('astro.yaml')\n"
    )
    settings = {"include": ["main.py", "wrong.py"], "extraPaths": [str(installed)], "pythonVersion": "3.11"}
    (theirs / "pyrightconfig.json").write_text(json.dumps(settings))
    pyright = str(ROOT / "node_modules/.bin/pyright")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    result = subprocess.run(
        [pyright, "--outputjson", "--pythonpath", sys.executable],
        cwd=theirs,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    found = [
        (Path(each["file"]).name, each["range"]["start"]["line"], each["rule"])
        for each in json.loads(result.stdout)["generalDiagnostics"]
    ]
    assert found == [
        ("wrong.py", 0, "reportAttributeAccessIssue"),
        ("wrong.py", 1, "reportArgumentType"),
        ("wrong.py", 2, "reportArgumentType"),
    ]


def test_the_command_is_main_py_and_starts_as_little(installed: Path, tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(yours((ROOT / "examples/vpc_peering.yaml").read_text()))
    told = run(tmp_path, installed, "astro-on-aws", "check", str(file))
    assert told.splitlines()[0].endswith(", no mistakes")
    code = (
        "import sys\n"
        f"sys.argv = ['astro-on-aws', 'check', {str(file)!r}]\n"
        "from astro_on_aws.main import cli\n"
        "try: cli()\n"
        "except SystemExit: pass\n"
        "print(sorted(n for n in ('cdktf', 'jsii', 'constructs', 'boto3', 'botocore') if n in sys.modules))\n"
    )
    assert run(tmp_path, installed, sys.executable, "-c", code).splitlines() == [*told.splitlines(), "[]"]


@pytest.fixture
def dependencies(tmp_path: Path) -> Path:
    """Return a folder with a wheel for each dependency, so that an installation needs no network.

    The wheels are empty, and point to the packages of the tests.
    """
    (folder := tmp_path / "dependencies").mkdir()
    packages = next(Path(sys.prefix).glob("lib/python3*/site-packages"))
    for one in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        name = re.split("[<>=]", one)[0]
        stem = f"{re.sub('[-.]', '_', name)}-{version(name)}"
        files = {
            f"{stem}.pth": f"{packages}\n",
            f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version(name)}\n",
            f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = f"{stem}.dist-info/RECORD"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
            for path, content in (files | {record: "".join(f"{path},,\n" for path in (*files, record))}).items():
                archive.writestr(path, content)
    return folder


INSTALLERS = ROOT / ".work/installers"
"""pipx and uv, which `make test` installs."""


def install(tool: str, wheel: Path, dependencies: Path, folder: Path) -> list[str]:
    """Install the wheel with a tool, and return the command."""
    offline, python = ["--no-index", "--find-links", str(dependencies)], ["--python", sys.executable]
    env = os.environ | {
        "PYTHONPATH": str(INSTALLERS),
        "PIPX_HOME": str(folder / "pipx"),
        "PIPX_BIN_DIR": str(folder / "bin"),
        "UV_TOOL_DIR": str(folder / "uv"),
        "UV_TOOL_BIN_DIR": str(folder / "bin"),
        "UV_CACHE_DIR": str(folder / "cache"),
    }
    if tool == "uvx":
        uvx = [str(INSTALLERS / "bin/uvx"), "-q", "--cache-dir", str(folder / "cache"), "--offline"]
        return [*uvx, *offline, *python, "--from", str(wheel), "astro-on-aws"]
    command = {
        "pip": [sys.executable, "-m", "pip", "-q", "--python", str(folder), "install", *offline],
        "pipx": [sys.executable, "-m", "pipx", "install", "-q", *python, f"--pip-args={' '.join(offline)}"],
        "uv": [str(INSTALLERS / "bin/uv"), "tool", "install", "-q", "--offline", *offline, *python],
    }[tool]
    if tool == "pip":
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    subprocess.run([*command, str(wheel)], env=env, check=True, capture_output=True)
    return [str(folder / "bin/astro-on-aws")]


@pytest.mark.parametrize("tool", ["pip", "pipx", "uv", "uvx"])
def test_the_wheel_installs_with(tool: str, wheel: Path, dependencies: Path, tmp_path: Path) -> None:
    command = install(tool, wheel, dependencies, tmp_path / "place")
    (tmp_path / "astro.yaml").write_text(yours((ROOT / "examples/vpc_peering.yaml").read_text()))
    expected = {"--version": "astro-on-aws 0.1.0", "check": "astro.yaml: 1 network, 1 connection, no mistakes"}
    for word, first in expected.items():
        result = subprocess.run([*command, word], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr, result.stdout.partition("\n")[0]) == (0, "", first)


def test_a_message_names_the_command_that_is_there(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "astro.yaml").write_text("")
    env = os.environ | {"PYTHONPATH": str(installed)}
    command = [str(installed / "bin/astro-on-aws"), "check"]
    result = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert result.stderr == "astro.yaml:1:1: is empty; copy an example from examples/, or run `astro-on-aws init`\n"
    shown = subprocess.run([*command, "-h"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True).stdout
    assert "    astro-on-aws check dev.yaml\n" in shown
    assert "main.py" not in shown


def test_cdktf_synthesizes_with_the_installed_command(installed: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples/vpc_peering.yaml", tmp_path / "astro.yaml")
    (tmp_path / "cdktf.json").write_text('{"language": "python", "app": "astro-on-aws", "sendCrashReports": "false"}')
    run(tmp_path, installed, str(ROOT / "node_modules/.bin/cdktf"), "synth", CI="true", CHECKPOINT_DISABLE="1")
    assert written(tmp_path) == without_metadata(synth_all(load(tmp_path / "astro.yaml"), tmp_path / "here"))


def test_the_lines_of_the_readme_are_a_program(theirs: Path, installed: Path) -> None:
    page = (ROOT / "docs/ways.md").read_text()
    lines = re.search(r"## Another CDKTF program\n.*?```python\n(.*?)```", page, re.DOTALL)
    assert lines
    first, rest = lines[1].split("\n", 1)
    (theirs / "main.py").write_text(
        f"{first}\n"
        "from cdktf import App, TerraformOutput, TerraformStack\n"
        "stack = TerraformStack(app := App(), 'mine')\n"
        f"{rest}"
        "from cdktf_cdktf_provider_aws.provider import AwsProvider\n"
        "AwsProvider(stack, 'aws')\n"
        "app.synth()\n"
    )
    run(theirs, installed, sys.executable, "main.py")
    made = written(theirs)["mine"]
    assert sorted(made["resource"]) == [
        "aws_route",
        "aws_vpc_peering_connection_accepter",
        "aws_vpc_peering_connection_options",
    ]
    assert made["output"]["handoff"]["value"]["vpc_id"] == "vpc-0123456789abcdef0"
