"""Root modules that call the exported modules of an estate, as a team without Python would, or its stacks."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from commands.app import app
from estate.model import Estate
from estate.plan import secrets
from local_aws import LocalAws
from tests.support.deployment import SECRETS


def export(example: Path, folder: Path) -> dict[str, Path]:
    """Return the modules of every stack, in JSON and in HCL, by `<syntax>_<stack>`."""
    for syntax in ("json", "hcl"):
        command = ["export", "--format", syntax, "--out", str(folder / syntax), "--estate", str(example)]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.stderr
    found = sorted(file for file in folder.glob("*/*") if file.is_dir())
    return {f"{file.parent.name}_{file.name}": file for file in found}


def account_of(estate: Estate, stack: str) -> str:
    if not stack.startswith("network-"):
        assert estate.account
        return estate.account.account_id
    return estate.networks[stack.removeprefix("network-")].account_id


def call_modules(
    folder: Path,
    modules: Mapping[str, Path],
    estate: Estate,
    aws: LocalAws,
    under: Mapping[str, dict[str, Any]] | None = None,
) -> None:
    """Write a root into `folder` that calls each of `modules` in it, with a provider of its account and region.

    It passes on secrets and looked-up values. `under`: arguments of the calls, such as `count`, by the suffix for the
    module's name. Each module is called once for each suffix.
    """
    providers: dict[str, dict[str, Any]] = {}
    calls: dict[str, dict[str, Any]] = {}
    for name, module in modules.items():
        account, region = account_of(estate, module.name), _region_of(module)
        alias = f"a{account}_{region}"
        providers[alias] = {
            "alias": alias,
            "region": region,
            "allowed_account_ids": [account],
            **keys_of(aws.environment(account)),
            **({"default_tags": {"tags": estate.tags}} if estate.tags else {}),
        }
        secrets = {secret.removeprefix("TF_VAR_"): json.loads(value) for secret, value in SECRETS.items()}
        given = {secret: value for secret, value in secrets.items() if secret in variables_of(module)}
        network = estate.networks.get(module.name.removeprefix("network-"))
        if network and network.route_tables == "all" and "route_tables" in variables_of(module):
            found = aws.client("ec2", account, region).describe_route_tables(
                Filters=[{"Name": "vpc-id", "Values": [network.vpc_id]}]
            )
            tables = [table["RouteTableId"] for table in found["RouteTables"]]
            given["route_tables"] = {f"table-{number}": id_ for number, id_ in enumerate(tables)}
        for suffix, arguments in (under or {"": {}}).items():
            calls[name + suffix] = {
                "source": f"./{module.relative_to(folder)}",
                "providers": {"aws": f"aws.{alias}"},
                **given,
                **arguments,
            }
    document = {
        "provider": {"aws": list(providers.values())},
        "module": calls,
        "resource": {"terraform_data": {"first": {}}},
    }
    (folder / "main.tf.json").write_text(json.dumps(document))


_OUTPUTS = ("handoff", "deployed")


def call_stacks(root: Path, stacks: dict[str, Path], estate: Estate, aws: LocalAws) -> None:
    """Write into `root` a module call for each stack, with a provider for the stack's account.

    One plan of all stacks starts Terraform and reads the provider's schema once, which saves seconds for each stack.
    """
    given = {secret.removeprefix("TF_VAR_"): json.loads(value) for secret, value in SECRETS.items()}
    document: dict[str, Any] = {"module": {}, "output": {}}
    for name, folder in stacks.items():
        keys = keys_of(aws.environment(account_of(estate, folder.name)))
        (folder / "state_override.tf.json").unlink()
        for file in folder.glob("cdk.tf*"):
            file.write_text(_as_module(file.read_text(), keys))
        needed = {variable: given[variable] for stack, variable, _ in secrets(estate) if stack == folder.name}
        document["module"][name] = {"source": f"./{folder.relative_to(root)}", **needed}
        value = {output: f"${{module.{name}.{output}}}" for output in _OUTPUTS}
        document["output"][name] = {"value": value, "sensitive": True}
    (root / "stacks.tf.json").write_text(json.dumps(document))


def _as_module(text: str, keys: dict[str, str]) -> str:
    """Return a stack without its backend, about which Terraform would warn, and with the keys of its account."""
    if not text.startswith("{"):
        text = re.sub(r'^  (?:backend "\w+"|cloud) \{\n(?:    .*\n)*  \}\n', "", text, flags=re.MULTILINE)
        lines = "".join(f'  {key} = "{value}"\n' for key, value in keys.items())
        return text.replace('provider "aws" {\n', f'provider "aws" {{\n{lines}')
    stack = json.loads(text)
    stack["terraform"].pop("backend", None)
    stack["terraform"].pop("cloud", None)
    stack["provider"]["aws"][0] |= keys
    return json.dumps(stack)


def keys_of(environment: dict[str, str]) -> dict[str, str]:
    """Return an account's keys as arguments of a provider."""
    names = {"access_key": "AWS_ACCESS_KEY_ID", "secret_key": "AWS_SECRET_ACCESS_KEY", "token": "AWS_SESSION_TOKEN"}
    return {argument: environment[name] for argument, name in names.items() if environment[name]}


def variables_of(module: Path) -> list[str]:
    """Return the names of a module's variables, in either syntax."""
    (file,) = module.glob("variables.tf*")
    if file.suffix == ".tf":
        return re.findall(r'^variable "(\w+)"', file.read_text(), re.MULTILINE)
    return list(json.loads(file.read_text()).get("variable", {}))


def _region_of(module: Path) -> str:
    found = re.search(r'^  region += "(.*)"$', (module / "examples/basic/main.tf").read_text(), re.MULTILINE)
    assert found
    return found[1]


def made_by(planned: dict[str, Any], module: str = "") -> list[str]:
    """Return the resources that a plan creates in the root or in one module, sorted and without addresses."""
    return sorted(
        json.dumps([change["type"], change["change"]["after"], change["change"]["after_unknown"]], sort_keys=True)
        for change in planned["resource_changes"]
        if change["mode"] == "managed" and change.get("module_address", "") == module
    )
