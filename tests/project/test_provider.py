"""Python and Node load only the needed provider bindings, jsii starts one Node, and the output does not change."""

import ast
import base64
import importlib.machinery
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from modules.bindings import lazy, node, slim
from tests.support import ROOT

MAIN = [sys.executable, str(ROOT / "main.py")]
# Without node.cjs, Node warns about a deprecated function that cdktf's libraries call.
QUIET = {"NODE_OPTIONS": "--disable-warning=DEP0044"}
BUNDLED = str(node.bundled_node())


def synth(out: Path, **environment: str) -> dict[str, bytes]:
    """Return every file of a synth of the complete example, by path."""
    env = os.environ | {"ASTRO_ESTATE": str(ROOT / "examples/complete.yaml"), "CDKTF_OUTDIR": str(out)} | environment
    result = subprocess.run(MAIN, env=env, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()}


@pytest.mark.slow
def test_lazy_and_eager_loading_write_the_same_bytes(tmp_path: Path) -> None:
    lazy = synth(tmp_path / "lazy")
    assert "stacks/account/cdk.tf.json" in lazy
    assert lazy == synth(tmp_path / "eager", ASTRO_EAGER_PROVIDER="1", **QUIET)


def printed(code: str) -> list[str]:
    """Return the lines that a program prints. Raises CalledProcessError if it fails."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def test_importing_constructs_loads_only_the_used_resources() -> None:
    code = (
        "from modules.bindings.prepare import prepare; prepare(); import sys\n"
        "from cdktf_cdktf_provider_aws.vpc import Vpc\n"
        "import cdktf_cdktf_provider_aws as aws\n"
        "assert aws.eip.Eip.__name__ == 'Eip'\n"
        "try: aws.no_such_resource\n"
        "except AttributeError as error: print(str(error).replace(aws.__name__, 'aws'))\n"
        "loaded = {name.split('.')[1] for name in sys.modules if name.startswith(aws.__name__ + '.')}\n"
        "print(sorted(name for name in loaded if not name.startswith('_')))\n"
    )
    assert printed(code) == [
        "module 'aws' has no attribute 'no_such_resource'",
        "['eip', 'vpc']",
    ]


@pytest.mark.parametrize(
    ("scope", "export"),
    [
        ("@cdktf", 'exports.vpc = require("./vpc");'),
        ("@cdktn", 'exports.vpc = __importStar(require("./vpc/index"));'),
    ],
)
def test_node_loads_a_resource_when_it_is_first_used(tmp_path: Path, scope: str, export: str) -> None:
    library = tmp_path / scope / "provider-aws/lib"
    (library / "vpc").mkdir(parents=True)
    (library / "index.js").write_text(f"const __importStar = (module) => module;\n{export}\n")
    (library / "vpc/index.js").write_text("console.log('loaded'); exports.Vpc = 'the class';\n")
    code = f"const aws = require({str(library)!r}); console.log('imported'); console.log(aws.vpc.Vpc)"
    assert in_node(tmp_path, code) == ["imported", "loaded", "the class"]


def in_node(folder: Path, program: str, worker: str = "") -> list[str]:
    """Return the output of `program`, run by node.cjs in place of jsii's own."""
    (folder / "lib__program.js").write_text(program)
    (folder / "lib__runtime-index-worker.js").write_text(worker)
    command = [BUNDLED, node.__file__.replace(".py", ".cjs"), str(folder), json.dumps(node.MADE_FOR)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    return [base64.b64decode(json.loads(line)["stdout"]).decode().rstrip("\n") for line in lines]


def test_an_index_is_finished_before_node_ends(tmp_path: Path) -> None:
    worker = "setTimeout(() => require('node:fs').writeFileSync(__dirname + '/index', 'whole'), 300)"
    program = "new (require('node:worker_threads').Worker)(__dirname + '/runtime-index-worker.js'); process.exit(0)"
    assert in_node(tmp_path, program, worker) == []
    assert (tmp_path / "index").read_text() == "whole"


def test_node_keeps_compiled_code_beside_the_packages(tmp_path: Path) -> None:
    lib = tmp_path / "cache/constructs/10.8.1/abc/lib"
    lib.mkdir(parents=True)
    (lib / "index.js").write_text(f"exports.large = () => [{'1,' * 10_000}];\n")
    kept = f"console.log(Object.keys(require({str(lib)!r})).length); process.exit(0)"
    assert in_node(tmp_path, kept) == ["1"]
    assert [file.is_file() for file in (tmp_path / "cache/.compiled").glob("v22.*/*")] == [True]
    # A damaged file is compiled again.
    for file in (tmp_path / "cache/.compiled").glob("v22.*/*"):
        file.write_bytes(b"no code")
    assert in_node(tmp_path, kept) == ["1"]


def test_importing_constructs_has_no_side_effects() -> None:
    code = (
        "import os, subprocess, sys\n"
        "before = dict(os.environ)\n"
        "import modules.vpc.props, estate.load\n"
        "print('jsii' in sys.modules)\n"
        "from modules.bindings import node\n"
        "import modules.vpc.construct\n"
        "print(dict(os.environ) == before, node._started)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (result.stdout.splitlines(), result.stderr) == (["False", "True []"], "")


SYNTH = """
import sys
from pathlib import Path
from modules.bindings import node, slim
{before}
from modules.bindings.prepare import prepare; prepare()
from cdktf import App
from estate.load import load
from stacks.app import build
{after}
build(App(outdir=sys.argv[1]), load(Path("examples/vpc_peering.yaml"))).synth()
"""


def written(out: Path, before: str = "", after: str = "") -> tuple[str, dict[str, bytes]]:
    """Return the output of a synth under other conditions, and the files that it writes."""
    out.mkdir()
    command = [sys.executable, "-c", SYNTH.format(before=before, after=after), str(out)]
    env = os.environ | QUIET
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    return result.stderr, {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("package", "told"),
    [
        ("jsii", "jsii {}: a synth takes seconds longer than with jsii 0.0.1; install jsii 0.0.1\n"),
        ("cdktf", "cdktf {}: only version 0.0.1 has fast addresses; a synth is slower\n"),
    ],
)
def test_an_unsupported_version_warns_and_writes_the_same(tmp_path: Path, package: str, told: str) -> None:
    installed = node.MADE_FOR[package][-1]
    expected = written(tmp_path / "known")[1]
    assert written(tmp_path / "other", before=f"node.MADE_FOR[{package!r}] = ['0.0.1']") == (
        told.format(installed),
        expected,
    )


def test_messages_are_those_of_jsii(tmp_path: Path) -> None:
    # The program asserts equality for each message; this asserts the kinds of messages.
    after = (
        "import json, atexit\n"
        "from jsii._kernel.providers import process\n"
        "from modules.bindings import messages\n"
        "process._NodeProcess.__del__ = lambda self: None\n"
        "converter, ours, met = process._NodeProcess()._serializer, messages.encoded, []\n"
        "def both(request):\n"
        "    if line := ours(request):\n"
        "        theirs = json.dumps(converter.unstructure(request), default=process.jdefault)\n"
        "        assert line.decode() == theirs + '\\n', (line, theirs)\n"
        "        met.append(type(request).__name__)\n"
        "    return line\n"
        "messages.encoded = both\n"
        "atexit.register(lambda: print(sorted(set(met)), file=sys.stderr))"
    )
    requests = ["CreateRequest", "GetRequest", "InvokeRequest", "SetRequest", "StaticGetRequest", "StaticInvokeRequest"]
    assert written(tmp_path / "out", after=after)[0] == f"{requests}\n"


@pytest.mark.slow
def test_our_commands_load_packages_of_what_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = [Path(request["tarball"]) for request in node.loads(slim=False)]
    there = [slim.slim_of(tarball) for tarball in installed]
    monkeypatch.setattr(slim, "_FOLDER", tmp_path)
    assert loaded() == installed
    (old := tmp_path / "provider-aws@20.1.0-00000000.tgz").touch()
    made = [slim.make(tarball) for tarball in installed]
    assert loaded() == made
    assert [(file.name, file.read_bytes()) for file in made] == [(file.name, file.read_bytes()) for file in there]
    assert not old.exists()
    resources = set(re.findall(r"^exports\.(\w+) = load\(", member(made[-1], "lib/index.js"), re.MULTILINE))
    assert resources == {re.sub(r"_(\w)", lambda found: found[1].upper(), name) for name in slim.used()}
    assert resources >= {"vpc", "provider"}


def loaded() -> list[Path]:
    return [Path(request["tarball"]) for request in node.loads(slim=True)]


def member(package: Path, name: str) -> str:
    with tarfile.open(package) as archive:
        file = archive.extractfile(f"package/{name}")
        assert file
        return file.read().decode()


def test_a_reduced_package_has_all_code_and_licences() -> None:
    cdktf = slim.slim_of(next(tarball for tarball in slim.tarballs() if tarball.name.startswith("cdktf@")))
    code = member(cdktf, "lib/index.js")
    modules = set(re.findall(r'^"([^"]+)": \(exports, module\) => {$', code, re.MULTILINE))
    assert set(re.findall(r'load\("([^"]+)"\)', code)) == modules
    # Node has the first ones, jsii links constructs, and node.cjs delays archiver.
    builtin = {"assert", "child_process", "crypto", "fs", "os", "path", "util"}
    assert set(re.findall(r"""\brequire\(["']([^"']+)["']\)""", code)) == builtin | {"constructs", "archiver"}
    libraries = {"/".join(name.split("/")[:2]) for name in modules if name.startswith("node_modules/")}
    with tarfile.open(cdktf) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    # jsonify is in the public domain.
    assert {one for one in libraries if f"{one}/LICENSE" not in names} == {"node_modules/jsonify"}
    assert {one for one in libraries if f"{one}/package.json" not in names} == set()


@pytest.mark.parametrize("package", ["cdktf", "constructs", "cdktf_cdktf_provider_aws.vpc"])
def test_lean_modules_differ_in_checks_and_casts_only(package: str) -> None:
    spec = importlib.machinery.PathFinder.find_spec(package.split(".")[0])
    assert spec is not None
    source = Path(str(spec.origin)).parent.joinpath(*package.split(".")[1:], "__init__.py").read_bytes()
    reduced = lazy.reduced(source)
    assert ast.dump(WithoutCasts().visit(ast.parse(reduced))) == ast.dump(
        WithoutCasts().visit(
            ast.parse(re.sub(rb"(?m)^(?:import typeguard|.*importlib\.metadata|TYPEGUARD_).*$", b"", source))
        )
    )
    assert reduced.count(b"typing.cast(") < source.count(b"typing.cast(") / 5


class WithoutCasts(ast.NodeTransformer):
    """Replaces `typing.cast(type, value)` with `value`."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        return node.args[1] if ast.unparse(node.func) == "typing.cast" else node


def test_an_error_without_a_response_is_reported_next() -> None:
    code = (
        "from modules.bindings.prepare import prepare; prepare()\n"
        "from cdktf import App, TerraformStack\n"
        "import jsii\n"
        "stack = TerraformStack(App(), 'stack')\n"
        "jsii.invoke(stack, 'addOverride', [1, 2, 3, 4])\n"
        "stack.add_override('terraform.required_version', '1')\n"
        "try: stack.to_terraform()\n"
        "except Exception as error: print(type(error).__name__, error)\n"
        "print(stack.to_terraform()['terraform']['required_version'], stack.node.path)\n"
    )
    assert printed(code) == [
        "JSIIError Too many arguments (method accepts 2 parameters, got 4 arguments)",
        "1 stack",
    ]


def test_a_path_with_spaces_and_quotes_reaches_node_whole(tmp_path: Path) -> None:
    folder = tmp_path / 'a "quoted" \\ folder'
    folder.mkdir()
    (folder / "modules").symlink_to(ROOT / "modules")
    code = "from modules.bindings.prepare import prepare; prepare(); from cdktf import App; App()"
    env = os.environ | {"PYTHONPATH": str(folder)}
    env.pop("NODE_OPTIONS", None)
    result = subprocess.run([sys.executable, "-P", "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("command", [["--help"], ["check", "examples/complete.yaml"], ["schema"], ["check", "nowhere"]])
def test_commands_without_constructs_load_no_node_and_no_sdk(command: list[str]) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['main.py', *{command!r}]\n"
        "try: runpy.run_path('main.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(sorted(n for n in ('cdktf', 'jsii', 'constructs', 'boto3', 'botocore') if n in sys.modules))\n"
    )
    assert printed(code)[-1] == "[]"
