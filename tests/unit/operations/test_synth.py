"""Committed output: one estate, one output, and a message for stale output."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from commands.app import app as cli
from operations.output import compare, files, install
from tests.support import ROOT
from tests.support.commands import run
from tests.support.estates import BASE

COMPLETE = ROOT / "examples/complete.yaml"


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SYNTH_HCL_OUTPUT", "CDKTF_OUTDIR", "ASTRO_ESTATE"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    """Return an estate with the stacks `network-lake` and `network-sea`."""
    file = tmp_path / "astro.yaml"
    more = (
        '  sea: {account_id: "444444444444", region: eu-west-1, vpc_id: vpc-0bbbbbbbbbbbbbbbb, cidrs: [10.40.0.0/16]}\n'
        "connections:\n"
    )
    file.write_text(BASE.replace("connections:\n", more))
    return file


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "terraform/out"


def synth(*arguments: object) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of `main.py synth`."""
    result = CliRunner().invoke(cli, ["synth", *map(str, arguments)])
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code, result.stdout, result.stderr


def synth_hcl(*arguments: object) -> tuple[int, str, str]:
    """Run `main.py synth --hcl` in a separate process, because Node reads the HCL setting only at its start."""
    return run("synth", *map(str, arguments), "--hcl")


ELSES = (
    "Terraform would load it, and it does not belong to the estate; delete it, or give its reason in the estate as "
    "`terraform: {own_files: {"
)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_synth_reports_the_stacks_that_the_folder_holds(estate: Path, out: Path) -> None:
    held = "2 stacks: network-lake (4 resources), network-sea (1 resource)\n"
    assert synth(estate, "--out", out) == (0, f"{out} holds {held}", "")
    assert sorted(snapshot(out)) == [
        "manifest.json",
        "stacks/network-lake/cdk.tf.json",
        "stacks/network-sea/cdk.tf.json",
    ]
    assert synth(estate, "--out", out) == (0, f"{out} is up to date: {held}", "")
    assert synth(estate, "--out", out, "--check") == (0, f"{out} is up to date: {held}", "")


def test_stale_output_is_reported_by_address_and_value(estate: Path, out: Path) -> None:
    synth(estate, "--out", out)
    before = snapshot(out)
    text = estate.read_text().replace("pcx-0123456789abcdef0", "pcx-0123456789abcdef0, resolve_dns: false")
    estate.write_text(text.replace("name: acme\n", "name: acme\ntags: {owner: data}\n", 1))
    lake, sea = "stacks/network-lake/cdk.tf.json", "stacks/network-sea/cdk.tf.json"
    code, told, error = synth(estate, "--out", out, "--check")
    assert code == 3
    lines = told.splitlines()
    # The condition on the VPC's DNS settings disappears too.
    assert lines.pop(2).startswith(f"{lake}: - aws_vpc_peering_connection_options.lake-prod_options.lifecycle: ")
    assert lines == [
        f'{lake}: + provider.aws.0.default_tags: [{{"tags": {{"owner": "data"}}}}]',
        f"{lake}: ~ aws_vpc_peering_connection_options.lake-prod_options.accepter.allow_remote_vpc_dns_resolution: "
        "true -> false",
        f'{sea}: + provider.aws.0.default_tags: [{{"tags": {{"owner": "data"}}}}]',
    ]
    assert error == f"{out} is out of date with {estate}; regenerate it with: main.py synth {estate} --out {out}\n"
    assert snapshot(out) == before


def test_a_removed_stack_is_deleted_and_your_files_stay(estate: Path, out: Path) -> None:
    synth(estate, "--out", out)
    yours = {
        "stacks/network-sea/.terraform/environment": b"default",
        "stacks/network-sea/.terraform.lock.hcl": b"# lock",
        "stacks/network-lake/imports.tf": b"import   {}",
        "stacks/network-lake/extra.tf.json": b"{}",
        "stacks/notes.md": b"",
        "stacks/modules/a/main.tf": b"",
        "README.md": b"",
    }
    for name, content in yours.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    estate.write_text(BASE)
    gone = "stacks/network-sea/cdk.tf.json"
    code, told, _ = synth(estate, "--out", out, "--check")
    assert code == 3
    assert told.splitlines() == [
        "manifest.json: differs",
        f"{gone}: belongs to no stack of the estate, or to the other format",
        f"stacks/network-lake/extra.tf.json: {ELSES}network-lake/extra.tf.json: ...}}}}`",
        f"stacks/network-lake/imports.tf: {ELSES}network-lake/imports.tf: ...}}}}`",
    ]
    deleted = f"{out / gone}: deleted; its deployed resources remain until you destroy them\n"
    assert synth(estate, "--out", out) == (0, f"{deleted}{out} holds 1 stack: network-lake (4 resources)\n", "")
    assert snapshot(out).keys() - yours.keys() == {"manifest.json", "stacks/network-lake/cdk.tf.json"}
    assert snapshot(out).items() >= yours.items()


def test_a_folder_that_is_left_empty_goes_too(estate: Path, out: Path) -> None:
    synth(estate, "--out", out)
    estate.write_text(BASE)
    synth(estate, "--out", out)
    assert not (out / "stacks/network-sea").exists()


@pytest.mark.slow
def test_the_other_format_does_not_stay_behind(estate: Path, out: Path) -> None:
    """Terraform would load both."""
    synth(estate, "--out", out)
    lake = "stacks/network-lake"
    code, told, error = synth_hcl(estate, "--out", out, "--check")
    assert code == 3
    assert f"{lake}/cdk.tf: is missing" in told.splitlines()
    assert f"{lake}/cdk.tf.json: belongs to no stack of the estate, or to the other format" in told.splitlines()
    assert error.endswith(f"regenerate it with: main.py synth {estate} --out {out} --output hcl\n")
    code, told, _ = synth_hcl(estate, "--out", out)
    assert (code, told.splitlines()[0]) == (0, f"{out / lake}/cdk.tf.json: deleted")
    assert sorted(file.name for file in (out / lake).iterdir()) == ["cdk.tf", "metadata.json"]
    synth(estate, "--out", out)
    assert sorted(file.name for file in (out / lake).iterdir()) == ["cdk.tf.json"]
    # As cdktf calls it.
    assert run(ASTRO_ESTATE=str(estate), CDKTF_OUTDIR=str(out), SYNTH_HCL_OUTPUT="true") == (0, "", "")
    assert sorted(file.name for file in (out / lake).iterdir()) == ["cdk.tf", "metadata.json"]


@pytest.mark.slow
def test_stale_hcl_is_reported_line_by_line(estate: Path, out: Path) -> None:
    synth_hcl(estate, "--out", out)
    held = "2 stacks: network-lake (4 resources), network-sea (1 resource)\n"
    assert synth_hcl(estate, "--out", out, "--check") == (0, f"{out} is up to date: {held}", "")
    file = out / "stacks/network-lake/cdk.tf"
    file.write_text(file.read_text().replace('source  = "hashicorp/aws"', 'source = "hashicorp/aws"'))
    code, told, _ = synth_hcl(estate, "--out", out, "--check")
    assert code == 3
    assert [line for line in told.splitlines() if line[0] in "+-"] == [
        "--- stacks/network-lake/cdk.tf there",
        "+++ stacks/network-lake/cdk.tf now",
        '-      source = "hashicorp/aws"',
        '+      source  = "hashicorp/aws"',
    ]


def test_missing_output_is_stale(estate: Path, out: Path) -> None:
    code, told, _ = synth(estate, "--out", out, "--check")
    assert code == 3
    assert told.splitlines() == [
        "manifest.json: is missing",
        "stacks/network-lake/cdk.tf.json: is missing",
        "stacks/network-sea/cdk.tf.json: is missing",
    ]
    assert not out.exists()


@pytest.mark.parametrize("options", [[], ["--check"], ["--hcl"]])
def test_a_mistake_in_the_file_writes_nothing(estate: Path, out: Path, options: list[str]) -> None:
    estate.write_text(estate.read_text().replace("name: acme", "name: Acme"))
    code, told, error = synth(estate, "--out", out, *options)
    assert (code, told) == (2, "")
    assert error.startswith(f"{estate}:1:7: name: 'Acme' is not a name; ")
    assert not out.exists()


def test_without_terraform_there_is_no_hcl(estate: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRAFORM_BINARY_NAME", "no-such-terraform")
    code, told, error = synth(estate, "--out", out, "--hcl")
    assert (code, told) == (1, "")
    assert error == (
        "`no-such-terraform` is not on the PATH. Install Terraform 1.10 or newer, or name another binary in "
        "TERRAFORM_BINARY_NAME (for example: tofu).\n"
        "It formats HCL, so that all machines write the same bytes. JSON does not need it.\n"
    )
    assert not out.exists()
    assert synth(estate, "--out", out)[0] == 0


def test_a_folder_that_cannot_be_written_is_named(estate: Path, out: Path) -> None:
    out.parent.mkdir()
    out.write_text("a file")
    code, told, error = synth(estate, "--out", out)
    assert (code, told) == (1, "")
    assert error == f"{out / 'manifest.json'}: cannot be written: File exists\n"


def folder(path: Path, **stacks: Any) -> Path:
    """Write the output of these stacks, as a synth would."""
    path.mkdir()
    paths = {name: {"synthesizedStackPath": f"stacks/{name}/cdk.tf.json"} for name in stacks}
    (path / "manifest.json").write_text(json.dumps({"estate": "acme", "stacks": paths}))
    for name, stack in stacks.items():
        file = path / "stacks" / name / "cdk.tf.json"
        file.parent.mkdir(parents=True)
        file.write_text(stack if isinstance(stack, str) else json.dumps(stack))
    return path


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"resource": {"a": {"x": {"k": 1}}}}, {"resource": {"a": {"x": {"k": 1}, "y": {}}}}, ["+ a.y"]),
        ({}, {"resource": {"a": {"x": {}, "y": {}}, "b": {"z": {}}}}, ["+ a.x", "+ a.y", "+ b.z"]),
        ({"data": {"a": {"x": {}}}}, {"data": {}}, ["- data.a.x"]),
        ({"resource": {"a": {"x": {"k": 1}}}}, {"resource": {"a": {"x": {}}}}, ["- a.x.k: 1"]),
        (
            {"variable": {"v": {"type": "string"}}},
            {"variable": {"v": {"type": "any"}, "w": {}}},
            ['~ var.v.type: "string" -> "any"', "+ var.w"],
        ),
        (
            {"output": {"o": {"value": [1, 2]}}},
            {"output": {"o": {"value": [1, 2, 3]}}},
            ["~ output.o.value: [1, 2] -> [1, 2, 3]"],
        ),
        (
            {"resource": {"a": {"x": {"policy": '{"Statement":[{"Action":"s3:Get*"}]}'}}}},
            {"resource": {"a": {"x": {"policy": '{"Statement":[{"Action":"s3:*"}]}'}}}},
            ['~ a.x.policy.Statement.0.Action: "s3:Get*" -> "s3:*"'],
        ),
        (
            {"resource": {"a": {"x": {"policy": '{"A": 1}'}}}},
            {"resource": {"a": {"x": {"policy": '{"A":1}'}}}},
            [r'~ a.x.policy: "{\"A\": 1}" -> "{\"A\":1}"'],
        ),
        (
            {"//": {"version": "0"}, "resource": {}},
            {"//": {"version": "1"}, "resource": {}},
            ["has the same content in other bytes"],
        ),
        ("{}\n", {}, ["has the same content in other bytes"]),
        ("{", {}, ["differs"]),
        ("[]", {}, ["differs"]),
    ],
)
def test_only_differences_visible_to_terraform_are_reported(
    tmp_path: Path, old: Any, new: Any, told: list[str]
) -> None:
    both = folder(tmp_path / "old", lake=old), folder(tmp_path / "new", lake=new)
    assert list(compare(*both)) == [f"stacks/lake/cdk.tf.json: {line}" for line in told]


def test_unchanged_output_is_not_written_again(tmp_path: Path) -> None:
    fresh, there = folder(tmp_path / "fresh", lake={}, sea={"a": 1}), folder(tmp_path / "there", lake={}, sea={})
    for file in files(there):
        os.utime(there / file, (1, 1))
    assert install(fresh, there) == ([Path("stacks/sea/cdk.tf.json")], [])
    times = {file.parent.name: (there / file).stat().st_mtime for file in files(there)}
    assert times["lake"] == 1 < times["sea"]


# Two machines: their differences must not appear in the output.
_MACHINES = [
    {"TZ": "Asia/Tokyo", "LANG": "C", "PYTHONHASHSEED": "1", "USER": "alice", "HOSTNAME": "machine-a"},
    {"TZ": "America/New_York", "LANG": "de_DE.UTF-8", "PYTHONHASHSEED": "2", "USER": "bob", "HOSTNAME": "machine-b"},
]


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--hcl",)], ids=["json", "hcl"])
def test_two_machines_write_the_same_bytes(tmp_path: Path, options: tuple[str, ...]) -> None:
    # jsii's cache is unrelated; unpacking the provider again would take 10 seconds and 400 MB.
    mac = sys.platform == "darwin"
    cache = Path.home() / (
        "Library/Caches/com.amazonaws.jsii/package-cache" if mac else ".cache/aws/jsii/package-cache"
    )
    running: list[subprocess.Popen[bytes]] = []
    for number, machine in enumerate(_MACHINES):
        home, cwd = tmp_path / f"home-{number}", tmp_path / f"deep/{number * 'er/'}cwd"
        home.mkdir()
        cwd.mkdir(parents=True)
        # The same files in another folder, by an absolute path on one machine and a relative one on the other.
        (cwd / "estate").symlink_to(COMPLETE.parent)
        file = cwd / "estate/complete.yaml" if number else "estate/complete.yaml"
        paths = {"HOME": str(home), "TMPDIR": str(home), "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(cache)}
        environment = {"PATH": os.environ["PATH"], **paths, **machine}
        command = [sys.executable, ROOT / "main.py", "synth", file, "--out", tmp_path / f"out-{number}", *options]
        running.append(subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL))
    assert [process.wait() for process in running] == [0, 0]
    one, other = snapshot(tmp_path / "out-0"), snapshot(tmp_path / "out-1")
    assert one == other
    text = b"\n".join(one.values()).decode()
    of_machines = [str(ROOT), str(tmp_path), str(Path.home()), os.uname().nodename, sys.executable]
    of_machines += [machine[name] for machine in _MACHINES for name in ("USER", "HOSTNAME")]
    assert [fact for fact in of_machines if fact in text] == []
    assert str(datetime.now(UTC).date()) not in text


@pytest.mark.slow
def test_cdktf_writes_the_same(tmp_path: Path) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    own = {key: value for key, value in os.environ.items() if key not in ("NODE_OPTIONS", "JSII_NODE")}
    environment = own | {"PATH": path, "ASTRO_ESTATE": str(COMPLETE), "CI": "true", "CHECKPOINT_DISABLE": "1"}
    command = [ROOT / "node_modules/.bin/cdktf", "synth", "--output", tmp_path / "cdktf", "--hcl"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert synth_hcl(COMPLETE, "--out", tmp_path / "ours")[0] == 0
    assert snapshot(tmp_path / "cdktf") == snapshot(tmp_path / "ours")
