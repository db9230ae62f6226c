"""Written files are complete or absent, and foreign files are never touched; a property over all writers."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from estate.errors import UserError
from estate.load import load
from operations.adopt.report import Adoption, Outcome
from operations.export.write import write as write_module
from operations.files import create, delete, write, write_all
from operations.imports import HEADER, drop_all, drop_stale
from operations.output import install
from operations.owner import foreign_estate, sign, signed
from operations.policy import documents
from tests.support import ROOT
from tests.support.estates import BASE

POLICY = b'{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
FOUND = Adoption("lake", "111111111111", "us-east-1", (Outcome("aws_route.a", "found", "r-1"),))


def fresh(folder: Path, *stacks: str) -> Path:
    """Write the output of a synth of these stacks."""
    for stack in stacks:
        (folder / "stacks" / stack).mkdir(parents=True)
        (folder / "stacks" / stack / "cdk.tf.json").write_text("{}")
    paths = {stack: {"synthesizedStackPath": f"stacks/{stack}/cdk.tf.json"} for stack in stacks}
    (folder / "astro.yaml").write_text(BASE)
    (folder / "manifest.json").write_text(json.dumps({"stacks": paths}))
    sign(folder, load(folder / "astro.yaml"), folder / "astro.yaml")
    return folder


def synth(folder: Path, tmp_path: Path) -> None:
    install(fresh(tmp_path / "fresh", "lake"), folder)


def export(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "astro.yaml").write_text(BASE)
    estate = load(tmp_path / "astro.yaml")
    files = {"manifest.json": signed(estate, Path("astro.yaml"), {"files": ["README.md", "main.tf"]}).encode()}
    write_module(files | {"README.md": b"# lake\n", "main.tf": b"\n"}, folder)


def adopt(folder: Path, tmp_path: Path) -> None:  # noqa: ARG001
    FOUND.write(folder)


def fetch(folder: Path, tmp_path: Path) -> None:  # noqa: ARG001
    folder.mkdir(exist_ok=True)
    documents.fetch(folder / "astronomer.json", accept=True)


Writer = Callable[[Path, Path], None]
WRITERS: dict[str, tuple[Writer, list[str]]] = {
    "synth": (synth, ["manifest.json", "stacks/lake/cdk.tf.json"]),
    "export": (export, ["README.md", "main.tf", "manifest.json"]),
    "adopt": (adopt, ["imports.tf"]),
    "policy fetch": (fetch, ["astronomer.json", "astronomer.json.sha256"]),
}
"""Each command that writes, and its output in an empty folder."""
EACH_FILE = [(name, file) for name, (_, files) in WRITERS.items() for file in files]
OF_OTHERS = [(name, file) for name, file in EACH_FILE if name != "policy fetch"]


@pytest.fixture(autouse=True)
def _served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_download", lambda _: POLICY)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_writes_its_files_and_no_temporary_one_stays(name: str, tmp_path: Path) -> None:
    writer, names = WRITERS[name]
    writer(tmp_path / "out", tmp_path)
    assert sorted(snapshot(tmp_path / "out")) == names


@pytest.mark.parametrize(("name", "file"), EACH_FILE)
@pytest.mark.parametrize("target", ["outside", "inside", "nowhere", "itself"])
def test_no_writer_follows_a_link(name: str, file: str, target: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / file).parent.mkdir(parents=True)
    (tmp_path / "outside").write_text("a")
    (out / "inside").write_text("b")
    to = {"outside": tmp_path / "outside", "inside": out / "inside", "nowhere": tmp_path / "x", "itself": out / file}
    (out / file).symlink_to(to[target])
    with pytest.raises(UserError) as raised:
        WRITERS[name][0](out, tmp_path)
    assert str(out / file) in str(raised.value)
    assert (tmp_path / "outside").read_text() + (out / "inside").read_text() == "ab"
    assert {one.name for one in out.rglob("*") if one.is_file()} <= {"inside", Path(file).name}
    assert not (tmp_path / "x").exists()


def test_a_folder_that_is_a_link_out_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/stacks").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"out/stacks/lake/cdk.tf.json: leads to .*/elsewhere/lake, out of "):
        synth(tmp_path / "out", tmp_path)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["stacks"]


@pytest.mark.parametrize(("name", "file"), OF_OTHERS)
@pytest.mark.parametrize("kind", ["file", "folder", "pipe"])
def test_no_writer_overwrites_foreign_files(name: str, file: str, kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / file).parent.mkdir(parents=True)
    match kind:
        case "file":
            (out / file).write_text("by hand")
        case "folder":
            (out / file).mkdir()
        case _:
            os.mkfifo(out / file)
    before = sorted(out.rglob("*"))
    # Answers to the commands' first calls.
    (tmp_path / "astro.yaml").write_text(BASE)
    if not foreign_estate(out, load(tmp_path / "astro.yaml"), tmp_path / "astro.yaml"):
        with pytest.raises(UserError):
            WRITERS[name][0](out, tmp_path)
    assert sorted(out.rglob("*")) == before
    assert kind != "file" or (out / file).read_text() == "by hand"


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "policy fetch"])
def test_other_files_in_the_folder_stay(name: str, tmp_path: Path) -> None:
    out, writer = tmp_path / "out", WRITERS[name][0]
    others = {"notes.md": b"a", "stacks/other/cdk.tf.json": b"{}", "stacks/other/cdk.tf": b"", "examples/x.tf": b""}
    for other, content in others.items():
        (out / other).parent.mkdir(parents=True, exist_ok=True)
        (out / other).write_bytes(content)
    writer(out, tmp_path)
    assert snapshot(out).items() >= others.items()


def test_a_manifest_that_lists_other_files_deletes_none(tmp_path: Path) -> None:
    """Anyone who can write to the folder controls the list in the manifest."""
    out = tmp_path / "out"
    synth(out, tmp_path)
    victims = [tmp_path / "cdk.tf.json", out / "stacks/lake/.git/cdk.tf.json", out / "README.md"]
    for victim in victims:
        victim.parent.mkdir(parents=True, exist_ok=True)
        victim.write_text("mine")
    manifest = json.loads((out / "manifest.json").read_text())
    paths = ("stacks/../../cdk.tf.json", "../cdk.tf.json", "stacks/lake/.git/cdk.tf.json", "README.md", str(victims[0]))
    manifest["stacks"] |= {str(number): {"synthesizedStackPath": path} for number, path in enumerate(paths)}
    (out / "manifest.json").write_text(json.dumps(manifest))
    install(tmp_path / "fresh", out)
    assert [victim.read_text() for victim in victims] == ["mine"] * 3


@pytest.mark.parametrize(
    "manifest", ["{", "[]", "null", "{}", '{"estate": 1}', '{"stacks": {"lake": {}}}', "[" * 9_999]
)
def test_a_manifest_of_another_program_is_refused(manifest: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(manifest)
    (tmp_path / "astro.yaml").write_text(BASE)
    assert foreign_estate(tmp_path, load(tmp_path / "astro.yaml")) == (
        f"{tmp_path}/manifest.json was written by another program and would be overwritten; write into another folder, "
        "with `--output` for every cdktf command (`--out` for main.py)"
    )


def test_two_files_of_one_name_do_not_share_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    synth(out, tmp_path)
    (tmp_path / "other.yaml").write_text(BASE)
    estate = load(tmp_path / "other.yaml")
    assert foreign_estate(out, estate, tmp_path / "astro.yaml") is None
    assert foreign_estate(out, estate, tmp_path / "other.yaml") == (
        f"{out} contains the Terraform of 'astro.yaml', not of 'other.yaml', which is also estate 'acme'. Use a "
        "separate folder, with `--output` for every cdktf command (`--out` for main.py). If you renamed the file, "
        f'write "file": "other.yaml" into {out}/manifest.json'
    )


FULL = """
import resource, signal, sys
from pathlib import Path
from operations.files import write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
write(Path(sys.argv[1]), "x" * 10_000)
"""


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "cdk.tf.json"
    file.write_text("before")
    command = [sys.executable, "-c", FULL, str(file)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.stderr.splitlines()[-1] == f"estate.errors.UserError: {file}: cannot be written: File too large"
    assert snapshot(tmp_path) == {"cdk.tf.json": b"before"}


def test_a_new_file_is_whole_and_replaces_none(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    command = [sys.executable, "-c", FULL.replace("write", "create"), str(file)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.stderr.splitlines()[-1] == f"estate.errors.UserError: {file}: cannot be written: File too large"
    assert snapshot(tmp_path) == {}
    create(file, "first")
    for _ in range(2):
        with pytest.raises(FileExistsError):
            create(file, "second")
        assert [one.name for one in tmp_path.iterdir()] == ["astro.yaml"]
        assert file.is_symlink() or file.read_text() == "first"
        file.unlink()
        file.symlink_to(tmp_path / "nowhere")


def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cdk.tf.json"
    file.write_text("before")

    def killed(*_: object) -> None:
        assert file.read_text() == "before"
        raise KeyboardInterrupt

    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, killed)
            with pytest.raises(KeyboardInterrupt):
                write(file, "after")
        assert snapshot(tmp_path) == {"cdk.tf.json": b"before"}


def test_permissions_are_kept_and_new_files_follow_umask(tmp_path: Path) -> None:
    (tmp_path / "old").touch(mode=0o640)
    before = os.umask(0o077)
    try:
        write_all(tmp_path, {"old": "x", "new": "x"})
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("old", "new")] == [0o640, 0o600]


def test_an_unchanged_file_is_not_written(tmp_path: Path) -> None:
    assert write_all(tmp_path, {"a": "x", "b": "y"}) == ["a", "b"]
    inode = (tmp_path / "a").stat().st_ino
    assert write_all(tmp_path, {"a": "x", "b": "z"}) == ["b"]
    assert (tmp_path / "a").stat().st_ino == inode


def test_a_link_is_not_deleted_through(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(HEADER + '\nimport {\n  to = aws_route.a\n  id = "a"\n}\n')
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack/imports.tf").symlink_to(tmp_path / "a")
    drop_all(tmp_path / "stack")
    drop_stale(tmp_path / "stack")
    with pytest.raises(UserError):
        delete(tmp_path / "stack", "imports.tf")
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["a", "imports.tf", "stack"]


def opens_to_write(node: ast.AST) -> bool:
    """Return whether a node is a call such as `file.open("x")` or `open(file, "w")`."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    given = [*node.args, *(one.value for one in node.keywords if one.arg == "mode")]
    modes = [one.value for one in given if isinstance(one, ast.Constant)]
    return name == "open" and any(isinstance(one, str) and one[:1] in tuple("wxa") and len(one) < 4 for one in modes)


def test_only_one_file_writes_or_deletes() -> None:
    """Except for the temporary folders of a synth and of drift, and Node's cache."""
    calls = {"write_text", "write_bytes", "unlink", "rmdir", "rmtree", "rename", "replace_file", "touch", "symlink_to"}
    folders = ("commands", "operations", "estate", "modules", "stacks")
    found = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "main.py", *(one for folder in folders for one in (ROOT / folder).rglob("*.py")))
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr in calls) or opens_to_write(node)
    }
    in_temporary = {"operations/output.py", "operations/plan.py", "modules/bindings/slim.py", "stacks/base.py"}
    assert found == {"operations/files.py", "operations/owner.py", *in_temporary}
