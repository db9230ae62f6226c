"""Terraform as the commands run it, and the additional commands of the tests."""

# pyright: reportMissingParameterType=false

import json
import os
from pathlib import Path
from typing import Any

import pytest

from operations.terraform import TerraformError, TerraformFailed, find_terraform
from tests.support import terraform
from tests.support.terraform import Terraform, cli_environment, find_mirror

TINY = {
    "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": "~> 5.100"}}},
    "provider": {
        "aws": {
            "region": "us-east-1",
            "access_key": "test",
            "secret_key": "test",
            "skip_credentials_validation": True,
            "skip_requesting_account_id": True,
            "skip_metadata_api_check": True,
        }
    },
    "resource": {"aws_vpc": {"lake": {"cidr_block": "10.20.0.0/16"}}},
}
# Terraform has this resource built in, so it needs no provider.
BUILT_IN = {
    "resource": {"terraform_data": {"note": {"input": "first"}}},
    "output": {"note": {"value": "${terraform_data.note.output}"}, "secret": {"value": "s3cret", "sensitive": True}},
}


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, tmp_path):
    """Hide this machine's provider mirror from every test that does not restore `ADD_ON_ROOTS`."""
    monkeypatch.setattr(terraform, "ADD_ON_ROOTS", (tmp_path / "opt",))


def write_binary(folder: Path, body: str, name: str = "terraform") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    binary = folder / name
    binary.write_text(f"#!/bin/sh\n{body}\n")
    binary.chmod(0o755)
    return binary


def write_mirror(mirror: Path, host: str = "registry.example") -> Path:
    provider = mirror / host / "hashicorp" / "aws"
    (provider / "5.100.0").mkdir(parents=True)
    return provider


def write_json(folder: Path, configuration: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.tf.json").write_text(json.dumps(configuration))
    return folder


@pytest.mark.parametrize("version", ["1.10.0", "1.11.4", "1.15.0-beta1", "2.0.0"])
def test_finds_a_binary_that_can_lock_in_s3(tmp_path, version):
    binary = write_binary(tmp_path, f"""echo '{{"terraform_version": "{version}"}}'""")
    assert find_terraform({"PATH": str(tmp_path)}) == binary


@pytest.mark.parametrize("by", ["tofu", "path"])
def test_takes_the_binary_that_the_environment_names(tmp_path, by):
    write_binary(tmp_path / "bin", "exit 1")
    tofu = write_binary(tmp_path / by, """echo '{"terraform_version": "1.10.6"}'""", name="tofu")
    environ = {
        "PATH": f"{tmp_path}/bin:{tmp_path}/tofu",
        "TERRAFORM_BINARY_NAME": "tofu" if by == "tofu" else str(tofu),
    }
    assert find_terraform(environ) == tofu


def test_a_shim_keeps_the_name_it_was_called_by(tmp_path):
    manager = write_binary(
        tmp_path / "manager", """echo "{\\"terraform_version\\": \\"1.11.$(basename $0 | wc -c)\\"}\""""
    )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "terraform").symlink_to(manager)
    assert find_terraform({"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}) == tmp_path / "bin" / "terraform"


@pytest.mark.parametrize("version", ["0.15.5", "1.9.8", "1.9.12"])
def test_refuses_a_binary_that_cannot_lock_in_s3(tmp_path, version):
    binary = write_binary(tmp_path, f"""echo '{{"terraform_version": "{version}"}}'""")
    with pytest.raises(TerraformError) as caught:
        find_terraform({"PATH": str(tmp_path)})
    assert str(caught.value) == (
        f"{binary} is version {version}; 1.10 or newer is needed, because S3 state is locked by a file next to it"
        " (use_lockfile). Install Terraform 1.10 or newer, or name another binary in TERRAFORM_BINARY_NAME"
        " (for example: tofu)."
    )


@pytest.mark.parametrize(
    ("environ", "name"),
    [({}, "terraform"), ({"TERRAFORM_BINARY_NAME": ""}, "terraform"), ({"TERRAFORM_BINARY_NAME": "tofu"}, "tofu")],
)
def test_explains_how_to_get_a_missing_binary(tmp_path, environ, name):
    with pytest.raises(TerraformError) as caught:
        find_terraform({"PATH": str(tmp_path), **environ})
    assert str(caught.value) == (
        f"`{name}` is not on the PATH. Install Terraform 1.10 or newer, or name another binary in TERRAFORM_BINARY_NAME"
        " (for example: tofu)."
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("echo no license >&2; exit 3", "no license"),
        ("echo Terraform v1.11.4", "Expecting value"),
        ("echo '[]'", "indices"),
        ("echo '{}'", "terraform_version"),
    ],
)
def test_a_binary_that_does_not_answer_is_missing(tmp_path, body, why):
    binary = write_binary(tmp_path, body)
    with pytest.raises(TerraformError) as caught:
        find_terraform({"PATH": str(tmp_path)})
    assert str(caught.value).startswith(f"{binary} failed to run `version -json`: ")
    assert why in str(caught.value)


def test_searches_where_terraform_does_then_the_add_on_folders(tmp_path):
    home, add_on = tmp_path / "home", tmp_path / "opt"
    environ = {"HOME": str(home), "XDG_DATA_DIRS": f"{tmp_path}/shared::{tmp_path}/nowhere"}
    assert find_mirror(environ) is None
    (add_on / "unrelated" / "share").mkdir(parents=True)
    (add_on / "hollow" / "registry.example" / "hashicorp" / "aws").mkdir(parents=True)
    for mirror in (
        add_on / "mirror",
        tmp_path / "shared" / "terraform" / "plugins",
        home / ".local" / "share" / "terraform" / "plugins",
        home / ".terraform.d" / "plugins",
    ):
        provider = write_mirror(mirror)
        assert find_mirror(environ) == provider
    moved = write_mirror(tmp_path / "data" / "terraform" / "plugins")
    assert find_mirror({"HOME": f"{tmp_path}/other", "XDG_DATA_HOME": f"{tmp_path}/data"}) == moved


def test_a_named_mirror_comes_first_and_must_hold_the_provider(tmp_path):
    write_mirror(tmp_path / "opt" / "mirror")
    provider = write_mirror(tmp_path / "named")
    assert find_mirror({"TF_PLUGIN_MIRROR": str(tmp_path / "named")}) == provider
    with pytest.raises(TerraformError) as caught:
        find_mirror({"TF_PLUGIN_MIRROR": "/dev/null"})
    assert str(caught.value) == (
        "TF_PLUGIN_MIRROR is /dev/null, which contains no folder <host>/hashicorp/aws. Create one with "
        "`terraform providers mirror`, or unset the variable to download the provider."
    )


def test_a_mirror_gets_a_configuration_file_and_keeps_the_rest(tmp_path):
    write_mirror(tmp_path / "opt" / "mirror")
    environ = {"PATH": "/bin", "TF_CLI_CONFIG_FILE": f"{tmp_path}/missing.tfrc"}
    written = tmp_path / "work" / "terraform.tfrc"
    assert cli_environment(tmp_path / "work", environ) == {
        "PATH": "/bin",
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
        "TF_CLI_CONFIG_FILE": str(written),
    }
    assert written.read_text() == (
        "provider_installation {\n"
        "  filesystem_mirror {\n"
        f'    path    = "{tmp_path}/opt/mirror"\n'
        '    include = ["registry.example/hashicorp/aws"]\n'
        "  }\n"
        "  direct {\n"
        '    exclude = ["registry.example/hashicorp/aws"]\n'
        "  }\n"
        "}\n"
    )
    assert environ == {"PATH": "/bin", "TF_CLI_CONFIG_FILE": f"{tmp_path}/missing.tfrc"}


@pytest.mark.parametrize("theirs", [True, False])
def test_without_a_mirror_the_users_configuration_stays(tmp_path, theirs):
    named = tmp_path / "users.tfrc"
    if theirs:
        named.write_text("")
    expected = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"} | (
        {"TF_CLI_CONFIG_FILE": str(named)} if theirs else {}
    )
    assert cli_environment(tmp_path / "work", {"TF_CLI_CONFIG_FILE": str(named)}) == expected
    assert not (tmp_path / "work").exists()


def test_a_failure_shows_the_command_and_what_terraform_wrote(tmp_path):
    binary = write_binary(tmp_path / "bin", "echo progress; echo 'Error: no lock' >&2; exit 1")
    with pytest.raises(TerraformFailed) as caught:
        Terraform(binary, {}).apply(tmp_path)
    assert str(caught.value) == (
        f"`terraform apply -input=false -no-color -auto-approve` in {tmp_path} failed (exit code 1):\nError: no lock"
    )
    assert (caught.value.exit_status, caught.value.stderr) == (1, "Error: no lock\n")


def test_validate_raises_when_terraform_itself_fails(tmp_path):
    binary = write_binary(tmp_path / "bin", "echo 'Error: bad flag' >&2; exit 1")
    with pytest.raises(TerraformFailed, match="bad flag"):
        Terraform(binary, {}).validate(tmp_path)


@pytest.fixture
def tf(tmp_path, monkeypatch):
    monkeypatch.undo()  # The real add-on folders again, which may contain a mirror.
    environ = cli_environment(tmp_path / "work", os.environ)
    if find_mirror(os.environ):
        # Any attempt to reach a registry fails at once, so passing tests need no network.
        environ |= {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "NO_PROXY": ""}
    return Terraform(find_terraform(os.environ), environ)


@pytest.mark.terraform
def test_inits_validates_and_plans_with_the_real_provider(tf, tmp_path):
    folder = write_json(tmp_path / "tiny", TINY)
    tf.init(folder, backend=False)
    assert tf.validate(folder) == []
    assert tf.plan(folder, out=tmp_path / "kept") is True
    assert (tmp_path / "kept").is_file()
    [change] = tf.plan_json(folder)["resource_changes"]
    assert (change["address"], change["change"]["actions"]) == ("aws_vpc.lake", ["create"])
    assert change["change"]["after"]["cidr_block"] == "10.20.0.0/16"


@pytest.mark.terraform
def test_validate_returns_what_is_wrong(tf, tmp_path):
    folder = write_json(tmp_path / "wrong", {"resource": {"terraform_data": {"note": {"inptu": "first"}}}})
    tf.init(folder)
    assert tf.validate(folder) == [
        'error: Extraneous JSON object property: No argument or block type is named "inptu". Did you mean "input"?'
    ]


@pytest.mark.terraform
def test_applies_once_and_destroys(tf, tmp_path):
    folder = write_json(tmp_path / "built-in", BUILT_IN)
    tf.init(folder)
    assert tf.plan(folder) is True
    assert "Apply complete! Resources: 1 added, 0 changed, 0 destroyed." in tf.apply(folder)
    assert tf.plan(folder) is False
    assert tf.output(folder) == {"note": "first", "secret": "s3cret"}
    assert "Destroy complete! Resources: 1 destroyed." in tf.destroy(folder)
    assert tf.output(folder) == {}


@pytest.mark.terraform
def test_init_can_skip_the_backend(tf, tmp_path):
    folder = write_json(tmp_path / "remote", {"terraform": {"backend": {"s3": {}}}})
    tf.init(folder, backend=False)
    with pytest.raises(TerraformFailed, match="bucket"):
        tf.init(folder)


@pytest.mark.terraform
def test_names_files_that_are_not_formatted(tf, tmp_path):
    (tmp_path / "below the root").mkdir()
    (tmp_path / "good.tf").write_text('locals {\n  name = "lake"\n}\n')
    (tmp_path / "below the root" / "bad.tf").write_text("locals {\nname='lake'\n}\n".replace("'", '"'))
    assert tf.fmt_check(tmp_path) == ["below the root/bad.tf"]


@pytest.mark.terraform
def test_formats_the_files_that_are_named_and_no_other(tf, tmp_path):
    for name in ("ours.tf", "theirs.tf"):
        (tmp_path / name).write_text("locals {\na=1\n}\n")
    tf.fmt(tmp_path, [Path("ours.tf")])
    assert (tmp_path / "ours.tf").read_text() == "locals {\n  a = 1\n}\n"
    assert (tmp_path / "theirs.tf").read_text() == "locals {\na=1\n}\n"
