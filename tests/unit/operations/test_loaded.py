"""Other files that Terraform would load: `synth --check` refuses them, unless the estate lists them."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands.app import app as cli
from modules.bindings.lazy import load_lazily
from operations.imports import HEADER, ours
from operations.loaded import foreign_files
from operations.output import files
from tests.support.estates import BASE

LAKE = "stacks/network-lake"
BLOCK = '\nimport {\n  to = aws_route.lake-prod_route["a"]\n  id = "rtb-1_10.0.0.0/16"\n}\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loaded")
    (folder / "astro.yaml").write_text(BASE)
    assert synth(folder)[0] == 0
    return folder


@pytest.fixture
def estate(made: Path) -> Iterator[Path]:
    """Return the folder of an estate and its output, to which a test can add files."""
    before = {file: file.read_bytes() for file in made.rglob("*") if file.is_file()}
    yield made
    for file in sorted(made.rglob("*"), reverse=True):
        if file.is_symlink() or (file.is_file() and file not in before):
            file.unlink()
    for file, content in before.items():
        file.write_bytes(content)


def synth(folder: Path, *options: str) -> tuple[int, str, str]:
    load_lazily()
    command = ["synth", str(folder / "astro.yaml"), "--out", str(folder / "terraform"), *options]
    result = CliRunner(env={"SYNTH_HCL_OUTPUT": "false"}).invoke(cli, command)
    return result.exit_code, result.stdout, result.stderr


def found(folder: Path, *listed: str) -> list[str]:
    out = folder / "terraform"
    return [line.split(": ")[0] for line in foreign_files(out, files(out), listed)]


def test_an_override_opens_no_role_unseen(estate: Path) -> None:
    file = estate / "terraform" / LAKE / "zz_override.tf.json"
    file.write_text('{"resource": {"aws_vpc_peering_connection_accepter": {"lake-prod_accepter": {"auto_accept": 1}}}}')
    told = (
        f"{LAKE}/zz_override.tf.json: Terraform would load it, and it does not belong to the estate; delete it, or "
        "give its reason in the estate as `terraform: {own_files: {network-lake/zz_override.tf.json: ...}}`\n"
    )
    refused = (
        f"{estate}/terraform has files that {estate}/astro.yaml does not generate, and Terraform would load them\n"
    )
    assert synth(estate, "--check") == (3, told, refused)
    listed = "terraform: {own_files: {network-lake/zz_override.tf.json: Asked for by the platform team}}\n"
    (estate / "astro.yaml").write_text(BASE + listed)
    assert synth(estate, "--check")[0] == 0


@pytest.mark.parametrize(
    "name",
    [
        *(
            f"{base}.{end}{json}"
            for base, end, json in itertools.product(
                ("evil", "override", "zz_override", "cdk_override", "ÄÖ", "a b", "ev\nil", "\n"),
                ("tf", "tofu"),
                ("", ".json"),
            )
        ),
        *(f"{base}.tfvars{json}" for base in ("terraform", "a.auto", "a", ".a.auto") for json in ("", ".json")),
        "cdk.tofu",
        "cdk.tofu.json",
        "imports.tf.json",
    ],
)
def test_every_file_that_terraform_would_load_is_found(estate: Path, name: str) -> None:
    (estate / "terraform" / LAKE / name).write_text("{}")
    assert found(estate) == [f"{LAKE}/{name}"]
    assert found(estate, f"network-lake/{name}") == []


def test_a_folder_of_providers_is_found(estate: Path) -> None:
    plugins = estate / "terraform" / LAKE / "terraform.d/plugins"
    (plugins / "registry.terraform.io").mkdir(parents=True)
    assert found(estate) == [f"{LAKE}/terraform.d/plugins"]
    shutil.rmtree(plugins)
    plugins.symlink_to(estate)
    assert found(estate) == [f"{LAKE}/terraform.d/plugins"]


def test_a_newline_in_a_name_begins_no_line(estate: Path) -> None:
    (estate / "terraform" / LAKE / "ev\n::error::il.tf").write_text("")
    assert synth(estate, "--check")[1].startswith(f"{LAKE}/ev\\n::error::il.tf: Terraform would load it")


@pytest.mark.parametrize("name", [".evil.tf", "main.tf~", "#main.tf#", "notes.md", "terraform.tfstate", "a/main.tf"])
def test_files_that_terraform_does_not_load_are_ignored(estate: Path, name: str) -> None:
    (estate / "terraform" / LAKE / name).parent.mkdir(exist_ok=True)
    (estate / "terraform" / LAKE / name).write_text("")
    assert found(estate) == []


@pytest.mark.parametrize("name", ["cdk.tf.json", "imports.tf", "x.tf"])
def test_a_link_is_found_even_if_its_name_is_listed(estate: Path, name: str) -> None:
    file, elsewhere = estate / "terraform" / LAKE / name, estate / "elsewhere"
    elsewhere.write_bytes(file.read_bytes() if file.exists() else (HEADER + BLOCK).encode())
    file.unlink(missing_ok=True)
    file.symlink_to(elsewhere)
    assert found(estate, f"network-lake/{name}") == [f"{LAKE}/{name}"]


@pytest.mark.parametrize(
    "more",
    [
        'data "external" "x" {\n  program = ["sh"]\n}\n',
        '\nimport {\n  to = aws_route.a\n  id = file("/etc/passwd")\n}\n',
        '\nimport {\n  to = aws_route.a\n  id = "${file("/etc/passwd")}"\n}\n',
        '\nimport {\n  to = aws_route.a\n  id = "a"\n  provider = aws.other\n}\n',
        '\nimport {\n  to = aws_route.a[file("x")]\n  id = "a"\n}\n',
    ],
)
def test_an_import_file_with_other_content_is_foreign(estate: Path, more: str) -> None:
    stack = estate / "terraform" / LAKE
    (stack / "imports.tf").write_text(HEADER + BLOCK)
    assert (found(estate), bool(ours(stack))) == ([], True)
    (stack / "imports.tf").write_text(HEADER + BLOCK + more)
    assert (found(estate), bool(ours(stack))) == ([f"{LAKE}/imports.tf"], False)
