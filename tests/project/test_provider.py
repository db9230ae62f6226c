"""The provider bindings load what is named: the same bytes, in Python and in Node."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modules.bindings.lazy import load_lazily
from tests.support import ROOT

MAIN = [sys.executable, str(ROOT / "main.py")]


def synth(out: Path, **environment: str) -> dict[str, bytes]:
    """Every file that a synth of the complete example writes, by path."""
    env = os.environ | {"ASTRO_ESTATE": str(ROOT / "examples/complete.yaml"), "CDKTF_OUTDIR": str(out)} | environment
    result = subprocess.run(MAIN, env=env, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()}


@pytest.mark.slow
def test_lazy_and_eager_loading_write_the_same_bytes(tmp_path: Path) -> None:
    lazy = synth(tmp_path / "lazy")
    assert "stacks/account/cdk.tf.json" in lazy
    assert lazy == synth(tmp_path / "eager", ASTRO_EAGER_PROVIDER="1")


def test_whoever_imports_our_constructs_loads_only_what_they_use() -> None:
    code = (
        "import modules, sys\n"
        "from cdktf_cdktf_provider_aws.vpc import Vpc\n"
        "import cdktf_cdktf_provider_aws as aws\n"
        "assert aws.eip.Eip.__name__ == 'Eip'\n"
        "try: aws.no_such_resource\n"
        "except AttributeError as error: print(str(error).replace(aws.__name__, 'aws'))\n"
        "loaded = {name.split('.')[1] for name in sys.modules if name.startswith(aws.__name__ + '.')}\n"
        "print(sorted(name for name in loaded if not name.startswith('_')))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == [
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
    environ: dict[str, str] = {}
    load_lazily(environ)
    result = subprocess.run([environ["JSII_NODE"], "-e", code], env=environ, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["imported", "loaded", "the class"]


def test_node_options_of_the_user_stay_in_force() -> None:
    environ = {"NODE_OPTIONS": "--max-old-space-size=512", "JSII_NODE": "/their/node"}
    load_lazily(environ)
    load_lazily(environ)
    theirs, ours = environ["NODE_OPTIONS"].split(" ", 1)
    assert theirs == "--max-old-space-size=512"
    assert ours == f'--require="{ROOT / "modules/bindings/preload.cjs"}"'
    assert environ["JSII_NODE"] == "/their/node"


def test_a_path_with_spaces_and_quotes_reaches_node_whole(tmp_path: Path) -> None:
    folder = tmp_path / 'a "quoted" \\ folder'
    folder.mkdir()
    (folder / "modules").symlink_to(ROOT / "modules")
    code = "import modules; from cdktf import App; App()"
    env = os.environ | {"PYTHONPATH": str(folder)}
    env.pop("NODE_OPTIONS", None)
    result = subprocess.run([sys.executable, "-P", "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("command", [["--help"], ["check", "examples/complete.yaml"], ["schema"], ["check", "nowhere"]])
def test_what_needs_no_constructs_starts_no_node_and_loads_no_aws_sdk(command: list[str]) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['main.py', *{command!r}]\n"
        "try: runpy.run_path('main.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(sorted(n for n in ('cdktf', 'jsii', 'constructs', 'boto3', 'botocore') if n in sys.modules))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
