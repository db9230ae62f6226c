"""The import rules of the layers (CONTRIBUTING.md, "The tree")."""

import ast
from contextlib import nullcontext
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from estate.model import Account, Estate
from modules.astronomer import ASTRONOMER_ACCOUNT, BOUNDARY, DEFAULT_DB_TYPE, POLICY, ROLE, URL
from modules.catalog import TYPES
from modules.cluster import Cluster
from modules.connection import ConnectionProps, SharingProps
from modules.vpc.props import NewVpc, VpcProps
from tests.support import ROOT, SITUATIONS

PARTS = ("commands", "estate", "modules", "stacks", "operations")
FILES = [ROOT / "main.py", *(f for part in PARTS for f in (ROOT / part).rglob("*.py"))]
DOOR = ("main.py", "commands")
"""Commands print, exit, and import slow modules late."""
CDKTF = {"cdktf", "constructs", "cdktf_cdktf_provider_aws", "jsii"}


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def imports(file: Path, *, top_only: bool = False) -> set[str]:
    """Return the modules that a file imports, at the top or anywhere."""
    tree = ast.parse(file.read_text())
    found: set[str] = set()
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def packages(file: Path) -> set[str]:
    return {module.split(".")[0] for module in imports(file)}


def check(file: Path, root: Path) -> None:
    """Fail if a file imports a module that its layer must not."""
    used, part = packages(file), str(file.relative_to(root))
    layer = part.split("/")[0]
    builds = file.name == "construct.py" or part.startswith(("stacks/", "modules/bindings/", "operations/export/"))
    if layer in DOOR:
        tops = {module.split(".")[0] for module in imports(file, top_only=True)}
        assert not tops & (CDKTF | {"boto3", "botocore"})
    elif not builds:
        assert not used & CDKTF, "only construct.py, stacks, bindings and export may import cdktf"
    if layer == "estate":
        assert not used & {"stacks", "operations", "main", "commands"}
    if layer == "modules":
        assert not used & {"estate", "stacks", "operations", "main", "commands"}
        constructs = {module for module in imports(file) if module.endswith(".construct")}
        assert builds or not constructs, "the estate's description imports no construct"
        others = {module for module in constructs if not module.startswith("modules.parts.")}
        assert not others, "a module never imports another module's construct"
    if layer == "stacks":
        assert not used & {"operations", "main", "commands"}
    if layer == "operations":
        assert not used & {"main", "commands"}
    if layer != "operations":
        assert not used & {"boto3", "botocore"}


@pytest.mark.parametrize("file", FILES, ids=name)
def test_files_import_what_their_layer_may(file: Path) -> None:
    check(file, ROOT)


@pytest.mark.parametrize(
    ("file", "line", "allowed"),
    [
        ("modules/new.py", "from cdktf import Token", False),
        ("modules/parts/new/props.py", "import constructs", False),
        ("modules/vpc/new.py", "from modules.parts.routes.construct import add_routes", False),
        ("modules/vpc/construct.py", "from cdktf import Token", True),
        ("modules/vpc/construct.py", "from modules.vpn.construct import Vpn", False),
        ("operations/new.py", "from cdktf_cdktf_provider_aws.eip import Eip", False),
        ("operations/export/new.py", "from cdktf import App", True),
        ("stacks/new.py", "from operations.aws import session", False),
        ("operations/new.py", "from commands.options import EstateFile", False),
        ("commands/new.py", "import boto3", False),
    ],
)
def test_a_new_file_is_held_to_its_layer(file: str, line: str, allowed: bool, tmp_path: Path) -> None:
    new = tmp_path / file
    new.parent.mkdir(parents=True)
    new.write_text(line)
    with nullcontext() if allowed else pytest.raises(AssertionError):
        check(new, tmp_path)


def test_policy_documents_are_written_in_one_way() -> None:
    users = [name(file) for file in FILES if any("iam_policy_document" in module for module in imports(file))]
    assert users == ["modules/parts/iam_policy/construct.py"]


def uses(file: Path) -> set[str]:
    """Return the names that are called or read, with the object's name for attributes: `print`, `os.environ`,
    `sys.exit`.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
    return found


@pytest.mark.parametrize("file", FILES, ids=name)
def test_only_the_door_prints_reads_the_environment_or_exits(file: Path) -> None:
    # bindings/ prepares the environment that the Node process inherits.
    if not name(file).startswith((*DOOR, "modules/bindings/lazy.py", "modules/bindings/node.py")):
        assert not uses(file) & {"print", "os.environ", "os.getenv", "sys.exit", "exit"}


@pytest.mark.parametrize("file", [f for f in FILES if f.relative_to(ROOT).parts[0] != "stacks"], ids=name)
def test_only_stacks_declare_variables_outputs_and_backends(file: Path) -> None:
    assert not uses(file) & {"TerraformOutput", "TerraformVariable", "AwsProvider", "S3Backend", "CloudBackend"}


def test_a_folder_a_type_an_example_and_a_test_have_one_name() -> None:
    folders = {file.parent.name for file in (ROOT / "modules").glob("*/props.py")}
    assert {file.parent.name for file in (ROOT / "modules").glob("*/construct.py")} == folders
    assert {file.stem for file in (ROOT / "examples").glob("*.yaml")} == folders | {"complete", *SITUATIONS}
    tests = {file.stem.removeprefix("test_") for file in (ROOT / "tests/unit/modules").glob("test_*.py")}
    assert tests == folders | {"aws"}


def test_rules_across_entries_use_no_field_of_a_single_type() -> None:
    shared = (ConnectionProps, SharingProps, Estate, Account, Cluster, VpcProps, NewVpc)
    common = {"type", "cluster"}.union(*(props.model_fields for props in shared))
    own = {field for props in TYPES.values() for field in props.model_fields} - common
    assert {"peering_id", "attachments", "on_premises", "transit_gateway_id", "servers"} <= own
    for file in (ROOT / "estate").glob("*.py"):
        texts, attributes = words(file)
        assert (texts | attributes) & own == texts & TYPES.keys() == set(), file.name


def test_astronomers_published_data_is_in_one_file() -> None:
    published = {ASTRONOMER_ACCOUNT, ROLE, POLICY, URL, "datakin.com", "AirflowS3Logs", BOUNDARY, DEFAULT_DB_TYPE}
    for file in FILES:
        tree = ast.parse(file.read_text())
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in prose]
        found = {fact for fact in published for text in texts if isinstance(text, str) and fact in text}
        assert not found or name(file) == "modules/astronomer.py", f"{name(file)} has {found}"


def words(file: Path) -> tuple[set[str], set[str]]:
    """Return the strings of a file, and the attributes that it reads."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return texts, {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def test_no_test_file_is_imported() -> None:
    for file in (*ROOT.glob("tests/**/*.py"), *ROOT.glob("tools/*.py")):
        theirs = {f"{module}." for module in imports(file) if module.split(".")[0] == "tests"}
        assert all(module.startswith("tests.support.") for module in theirs), name(file)


def test_the_local_aws_imports_nothing_of_this_project() -> None:
    for file in ROOT.glob("local_aws/**/*.py"):
        assert not packages(file) & {*PARTS, "main", "tests"}, name(file)


def test_a_file_has_one_subject_and_at_most_450_lines() -> None:
    long = [name(file) for file in FILES if len(file.read_text().splitlines()) > 450]
    assert long == ["operations/adopt/kinds.py"], "only a table of data may be longer"


def test_the_door_catches_mistakes_of_users_once() -> None:
    files = (ROOT / "main.py", ROOT / "commands/app.py", ROOT / "commands/errors.py")
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text())))
    handlers = [node for node in nodes if isinstance(node, ast.ExceptHandler)]
    assert [ast.unparse(one.type) for one in handlers if one.type] == ["UserError", "OSError"]


def test_no_two_files_import_each_other() -> None:
    modules = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in FILES}
    graph = {one: imports(file, top_only=True) & modules.keys() for one, file in modules.items()}
    assert list(TopologicalSorter(graph).static_order())
