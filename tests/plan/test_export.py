"""`main.py export`: stacks as Terraform modules. test_examples.py compares their plans with those of the stacks."""

# pyright: reportPrivateUsage=false

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from cdktf import Testing
from cdktf_cdktf_provider_aws.route import Route
from pydantic import TypeAdapter, ValidationError

from estate.load import EstateError, load
from local_aws import LocalAws
from modules.astronomer import AstroCidr
from modules.expressions import Expression, MapExpression, subnet, truncated_name, zone_if_outside_vpc
from modules.parts.for_each.construct import Entries, each
from modules.vocabulary import PrivateCidr, PublicIp, TopicArn, VpcId
from modules.vpc.props import NewVpc
from operations.export.variables import Inputs, _Entry, _rule, _text, for_modules
from operations.owner import MANIFEST
from operations.terraform import find_terraform
from tests.support import ROOT
from tests.support.as_modules import call_modules, export, keys_of, made_by, variables_of
from tests.support.synth import NewStack, parsed
from tests.support.synth import synth as synth_example
from tests.support.terraform import Terraform, cli_environment
from tests.support.world import facts_of

COMPLETE = ROOT / "examples/complete.yaml"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "main.py", "export", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return export(COMPLETE, tmp_path_factory.mktemp("modules"))


def test_a_map_of_the_estate_becomes_named_resources() -> None:
    tables, ranges = {"a": "rtb-1", "b": "rtb-2"}, {"": "10.0.0.0/16"}
    assert list(each(tables, ranges)) == [
        (("a", ""), ("rtb-1", "10.0.0.0/16"), None),
        (("b", ""), ("rtb-2", "10.0.0.0/16"), None),
    ]


def routes(new_stack: NewStack, tables: Entries, ranges: Entries) -> dict[str, Any]:
    """Synthesize a stack that creates a route for each table and range."""
    stack = new_stack()
    for names, (table, cidr), over in each(tables, ranges):
        Route(stack, f"to{''.join(names)}", for_each=over, route_table_id=table, destination_cidr_block=cidr)
    return parsed(Testing.synth(stack, True))["resource"]["aws_route"]


def test_a_late_map_gives_one_resource_with_a_for_each_of_it(new_stack: NewStack) -> None:
    assert routes(new_stack, MapExpression("var.tables"), {"main": "10.0.0.0/16"}) == {
        "tomain": {
            "for_each": "${var.tables}",
            "route_table_id": "${each.value}",
            "destination_cidr_block": "10.0.0.0/16",
        }
    }


def test_two_late_maps_give_one_resource_for_each_pair(new_stack: NewStack) -> None:
    assert routes(new_stack, MapExpression("var.tables"), MapExpression("var.ranges")) == {
        "to": {
            "for_each": "${{for names in setproduct(keys(var.tables), keys(var.ranges)) : "
            'join("_", names) => [var.tables[names[0]], var.ranges[names[1]]]}}',
            "route_table_id": "${each.value[0]}",
            "destination_cidr_block": "${each.value[1]}",
        }
    }


def test_a_late_range_is_cut_by_terraform() -> None:
    assert subnet(Expression("${var.cidr}"), 4, 12) == "${cidrsubnet(var.cidr, 4, 12)}"


def test_a_late_name_is_cut_to_length_by_terraform() -> None:
    assert truncated_name("short", 9) == "short"
    assert truncated_name("a-name-too-long", 13) == "a-na-2f670a53"
    assert truncated_name("${var.name}-x", 32) == (
        '${length("${var.name}-x") <= 32 ? "${var.name}-x" : '
        '"${trimsuffix(substr("${var.name}-x", 0, 23), "-")}-${substr(sha256("${var.name}-x"), 0, 8)}"}'
    )


def test_terraform_decides_if_an_address_is_in_a_variable_range() -> None:
    assert zone_if_outside_vpc("10.0.0.1", ["10.0.0.0/8"], "all") is None
    assert zone_if_outside_vpc("10.0.0.1", ["192.168.0.0/16"], "all") == "all"
    assert zone_if_outside_vpc("10.0.0.1", ["${var.cidrs[0]}"], "all") == (
        "${anytrue([for cidr in [var.cidrs[0]] : "
        'cidrhost("10.0.0.1/${split("/", cidr)[1]}", 0) == cidrhost(cidr, 0)]) ? null : "all"}'
    )


CONSTRUCT = """
from ipaddress import IPv4Network
from modules.context import ConnectionContext

def build(context: ConnectionContext) -> list[object]:
    cluster, network = context.clusters["prod"], context.network
    return [
        cluster.cidr.upper(),
        cluster.cidr.num_addresses,
        IPv4Network(cluster.cidr),
        [cidr.prefixlen for cidr in network.cidrs],
    ]
"""


@pytest.mark.slow
def test_pyright_refuses_what_fails_for_an_expression(tmp_path: Path) -> None:
    """An expression has no addresses to count, so a construct that counts them would fail only in an export."""
    (tmp_path / "construct.py").write_text(CONSTRUCT)
    config = {"extraPaths": [str(ROOT)], "venvPath": str(ROOT), "venv": ".venv", "pythonVersion": "3.11"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    command = ["pyright", "-p", str(tmp_path), "--outputjson"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(result.stdout)["generalDiagnostics"]
    assert {(one["range"]["start"]["line"], one["message"].split(" for class")[0]) for one in found} == {
        (8, 'Cannot access attribute "num_addresses"'),
        (10, 'Cannot access attribute "prefixlen"'),
    }


def test_a_variable_has_the_path_rule_and_value_of_the_estate() -> None:
    _, inputs = for_modules(load(COMPLETE))
    assert inputs["lake"].variables["vpc_id"] == {
        "type": "string",
        "description": "networks.lake.vpc_id: The existing VPC. With `variable`, in a file for `main.py export`, it is "
        "a required variable of the module, such as for a VPC that your Terraform creates. The VPC's ranges are still "
        "in the file, for the overlap check.",
        "default": "vpc-0123456789abcdef0",
        "nullable": False,
        "validation": [
            {
                "condition": '${can(regex("^(?:vpc-[0-9a-f]{8}(?:[0-9a-f]{9})?)$", var.vpc_id))}',
                "error_message": "It must be a VPC ID: vpc- and 8 or 17 lowercase hexadecimal digits.",
            }
        ],
    }
    assert sorted(inputs["lake"].variables) == ["cidrs", "route_tables", "subnets", "vpc_id"]


def test_a_pending_value_is_null_until_it_is_set() -> None:
    late, inputs = for_modules(load(COMPLETE))
    assert inputs[None].pending == [
        "var.archive_prod_dr_peering_id",
        "var.edge_dev_peering_id",
        'lookup(var.hub_attachments, "qa", null)',
    ]
    waiting = inputs[None].variables["edge_dev_peering_id"]
    assert (waiting["default"], waiting["nullable"]) == (None, True)
    hub: Any = late.connections["hub"]
    assert hub.attachments == {
        "dev": '${var.hub_attachments["dev"]}',
        "qa": '${lookup(var.hub_attachments, "qa", null)}',
    }


def test_two_values_never_share_a_variable() -> None:
    inputs = Inputs()
    rule = _text(VpcId)
    _Entry(inputs, "networks.a").scalar(("vpc_id",), rule, "vpc-0123456789abcdef0", None)
    with pytest.raises(
        ValueError, match=r"^networks\.b\.vpc_id and networks\.a\.vpc_id would both become the variable vpc_id"
    ):
        _Entry(inputs, "networks.b").scalar(("vpc_id",), rule, "vpc-0123456789abcdef1", None)


CHECKED: dict[Any, tuple[list[str], list[str]]] = {
    VpcId: (["vpc-0123456789abcdef0", "vpc-01234567"], ["vpc-0", "subnet-0123456789abcdef0", "vpc-0123456789abcdef0 "]),
    PublicIp: (["203.0.113.10", "8.8.8.8"], ["8.8.8", "256.1.1.1", "8.8.8.8/32", "::1"]),
    TopicArn: (["arn:aws:sns:us-east-1:111111111111:security"], ["arn:aws:sqs:us-east-1:111111111111:security"]),
    PrivateCidr: (
        ["10.0.0.0/8", "172.16.0.0/12", "172.31.255.0/24", "192.168.1.0/24", "100.64.0.0/10", "10.1.2.3/32"],
        [
            "8.8.8.0/24",
            "172.32.0.0/16",
            "10.0.0.1/24",
            "10.0.0.0",
            "10.0.0.0/33",
            "0.0.0.0/0",
            "11.0.0.0/8",
            "fd00::/64",
        ],
    ),
    AstroCidr: (["172.20.0.0/20", "10.0.0.0/16"], ["172.20.0.0/22", "10.0.0.0/15", "172.20.1.0/20"]),
}


def test_a_variable_accepts_the_values_of_the_estate(tmp_path: Path) -> None:
    asked, expected = [], []
    for annotation, (right, wrong) in CHECKED.items():
        rule = _rule(annotation)
        assert rule
        for value in (*right, *wrong):
            asked.append(rule.test(json.dumps(value)))
            expected.append(value in right)
            with nullcontext() if value in right else pytest.raises(ValidationError):
                TypeAdapter(annotation).validate_python(value)
    assert answers(tmp_path, asked) == expected


def test_terraform_cuts_names_and_ranges_as_we_do(tmp_path: Path) -> None:
    names = ["acme", "a-name-of-31-letters-and-digits", "ends-with-a-hyphen-here-x"]
    late = [
        truncated_name("${var.name}-service", limit).replace("var.name", json.dumps(name))
        for name in names
        for limit in (32, 64)
    ]
    asked = [text.removeprefix("${").removesuffix("}") for text in late]
    expected = [truncated_name(f"{name}-service", limit) for name in names for limit in (32, 64)]
    for size in (16, 20, 24):
        whole = IPv4Network((10 << 24, size))
        for _, bits, number in NewVpc(cidr=whole, availability_zones=3).cuts().values():
            asked.append(f'cidrsubnet("{whole}", {bits}, {number})')
            expected.append(subnet(whole, bits, number))
    cidrs = ["10.20.0.0/16", "10.21.0.0/20"]
    for ip in ("10.20.0.1", "10.21.16.1", "10.21.15.255"):
        text = zone_if_outside_vpc(ip, ["${var.cidrs[0]}", "${var.cidrs[1]}"], "all") or ""
        for index, cidr in enumerate(cidrs):
            text = text.replace(f"var.cidrs[{index}]", json.dumps(cidr))
        asked.append(f'coalesce({text.removeprefix("${").removesuffix("}")}, "none")')
        expected.append(zone_if_outside_vpc(ip, cidrs, "all") or "none")
    assert answers(tmp_path, asked) == expected


def answers(folder: Path, expressions: list[str]) -> list[Any]:
    """The results of expressions in Terraform."""
    environment = cli_environment(folder, os.environ)
    question = f"jsonencode([{', '.join(expressions)}])"
    command = [find_terraform(environment), "console"]
    result = subprocess.run(
        command, cwd=folder, env=environment, input=question, capture_output=True, text=True, check=True
    )
    return json.loads(json.loads(result.stdout))


def test_a_module_has_no_provider_and_no_backend(modules: dict[str, Path]) -> None:
    for module in modules.values():
        assert (module / "versions.tf").read_text() == (
            "# Generated by `main.py export`. Change the estate and export it again, not this file.\n"
            "\n"
            "terraform {\n"
            '  required_version = ">= 1.5"\n'
            "\n"
            "  required_providers {\n"
            "    aws = {\n"
            '      source  = "hashicorp/aws"\n'
            '      version = ">= 5.100, < 7.0"\n'
            "    }\n"
            "  }\n"
            "}\n"
        )
        (main,) = module.glob("main.tf*")
        text = main.read_text()
        sections = (
            json.loads(text).keys() - {"//"}
            if main.suffix == ".json"
            else {line.split()[0] for line in text.splitlines() if line[:1].isalpha()}
        )
        assert sections <= {"data", "resource"}
        assert variables_of(module) == sorted(variables_of(module))


def test_every_file_is_marked_as_generated(modules: dict[str, Path]) -> None:
    for module in modules.values():
        files = [file for file in module.rglob("*") if file.is_file() and file.name != MANIFEST]
        assert [file.name for file in files if "Generated by `main.py export`." not in file.read_text()] == []


def test_both_syntaxes_have_the_same_variables(modules: dict[str, Path]) -> None:
    for name, module in modules.items():
        if name.startswith("json_"):
            assert variables_of(module) == variables_of(modules[name.replace("json_", "hcl_")])
    assert variables_of(modules["json_account"]) == ["external_ids", "name"]


def test_the_readme_calls_a_module_by_variables_that_it_has(modules: dict[str, Path]) -> None:
    block = (ROOT / "docs/ways.md").read_text().split('module "network_lake" {\n')[1].split("}\n")[0]
    arguments = re.findall(r"^  (\w+) +=", block, re.MULTILINE)
    assert arguments == ["source", "lake_prod_peering_id"]
    assert set(arguments[1:]) <= set(variables_of(modules["hcl_network-lake"]))


def test_a_secret_has_no_default_and_is_passed_on_by_the_example(modules: dict[str, Path]) -> None:
    declared = json.loads((modules["json_account"] / "variables.tf.json").read_text())["variable"]["external_ids"]
    assert declared["sensitive"] is True
    assert "default" not in declared
    example = (modules["json_account"] / "examples/basic/main.tf").read_text()
    assert "  external_ids = var.external_ids\n" in example


def test_everything_that_terraform_formats_is_formatted(modules: dict[str, Path]) -> None:
    (folder,) = {module.parents[1] for module in modules.values()}
    environment = cli_environment(folder, os.environ)
    assert Terraform(find_terraform(environment), environment).fmt_check(folder) == []


def test_the_tables_of_the_readme_are_those_of_terraform_docs(modules: dict[str, Path]) -> None:
    readme = (modules["json_network-archive"] / "README.md").read_text()
    rows = readme.split("<!-- BEGIN_TF_DOCS -->\n")[1].split("<!-- END_TF_DOCS -->")[0].splitlines()
    names = variables_of(modules["json_network-archive"])
    assert rows[:4] == [
        "## Inputs",
        "",
        "| Name | Description | Type | Default | Required |",
        "| ---- | ----------- | ---- | ------- | :------: |",
    ]
    inputs = rows[4 : 4 + len(names)]
    assert [row.split(" | ")[0] for row in inputs] == [f"| {name}" for name in names]
    (cidrs,) = (row for row in inputs if row.startswith("| cidrs |"))
    assert cidrs == (
        "| cidrs | networks.archive.cidrs: The ranges of the existing VPC, the primary first. Each is routed and "
        "included in the overlap check. AWS allows /16 to /28. | `list(string)` | "
        '<pre>[<br/>  "10.40.0.0/16"<br/>]</pre> | no |'
    )
    (tables,) = (row for row in inputs if row.startswith("| route_tables |"))
    assert tables.endswith(" | `map(string)` | n/a | yes |")
    (pending,) = (row for row in inputs if row.startswith("| archive_prod_dr_peering_id |"))
    assert pending.endswith(" | `string` | `null` | no |")
    assert rows[4 + len(names) :] == [
        "",
        "## Outputs",
        "",
        "| Name | Description |",
        "| ---- | ----------- |",
        "| archive_prod | The handoff of archive-prod: facts for the other side. |",
        "| archive_prod_dr | The handoff of archive-prod-dr: facts for the other side. |",
        "| archive_role | The handoff of archive-role: facts for the other side. |",
        "| archive_role_dr | The handoff of archive-role-dr: facts for the other side. |",
    ]


@pytest.mark.slow
def test_a_second_export_replaces_only_the_other_syntax(tmp_path: Path) -> None:
    estate = ["--estate", "examples/vpc_peering.yaml", "--out", str(tmp_path)]
    assert run("network-lake", *estate).stdout == f"{tmp_path}/network-lake: written, 5 resource blocks\n"
    assert run("network-lake", *estate).stdout == f"{tmp_path}/network-lake: up to date, 5 resource blocks\n"
    own = tmp_path / "network-lake/checks.tf"
    own.write_text("")
    before = {file.relative_to(tmp_path) for file in tmp_path.rglob("*.tf*")}
    told = f"{tmp_path}/network-lake: {{}}, 5 resource blocks\n"
    assert run("network-lake", *estate, "--format", "hcl").stdout == told.format("written")
    assert run("network-lake", *estate, "--format", "hcl").stdout == told.format("up to date")
    after = {file.relative_to(tmp_path) for file in tmp_path.rglob("*.tf*")}
    assert {file.name for file in before - after} == {"main.tf.json", "variables.tf.json", "outputs.tf.json"}
    assert {file.name for file in after - before} == {"main.tf", "variables.tf", "outputs.tf"}
    assert own.exists()


@pytest.mark.slow
@pytest.mark.parametrize("out", ["package", "package/below"])
def test_nothing_is_exported_into_a_python_package(tmp_path: Path, out: str) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").write_text("")
    result = run("--estate", "examples/vpc_peering.yaml", "--out", str(tmp_path / out))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"--out: {tmp_path / out} is in a Python package, which Terraform modules must not be written into; "
        "choose another directory, such as terraform-modules\n"
    )
    assert [file.name for file in tmp_path.rglob("*")] == ["package", "__init__.py"]


@pytest.mark.slow
def test_modules_go_to_their_own_directory_by_default(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "main.py", "export", "--estate", ROOT / "examples/vpc_peering.yaml"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout == "terraform-modules/network-lake: written, 5 resource blocks\n"


@pytest.mark.slow
def test_an_unknown_stack_is_reported_with_the_known_ones(tmp_path: Path) -> None:
    result = run("network-lak", "--estate", "examples/vpc_peering.yaml", "--out", str(tmp_path))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "examples/vpc_peering.yaml: has no stack 'network-lak'; available: network-lake; did you mean 'network-lake'?\n"
    )


@pytest.mark.slow
def test_hcl_needs_terraform_to_format_it(tmp_path: Path) -> None:
    arguments = ["--estate", "examples/vpc_peering.yaml", "--out", str(tmp_path), "--format", "hcl"]
    result = run(*arguments, TERRAFORM_BINARY_NAME="no-such-terraform")
    assert result.returncode == 1
    assert result.stderr.endswith(
        "\nIt formats HCL, so that all machines write the same bytes. JSON does not need it.\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["json_account", "hcl_network-lake"])
def test_the_example_of_a_module_is_valid(modules: dict[str, Path], name: str, tmp_path: Path) -> None:
    shutil.copytree(modules[name], tmp_path / name)
    environment = cli_environment(tmp_path, os.environ)
    terraform = Terraform(find_terraform(environment), environment)
    terraform.init(tmp_path / name / "examples/basic")
    assert terraform.validate(tmp_path / name / "examples/basic") == []


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the complete example with its pending attachment."""
    folder = tmp_path_factory.mktemp("estate")
    text = COMPLETE.read_text()
    dev = "      dev: tgw-attach-0aaaaaaaaaaaaaaaa # qa is not attached yet\n"
    assert text.count(dev) == 1
    (folder / "astro.yaml").write_text(text.replace(dev, f"{dev}      qa: tgw-attach-0bbbbbbbbbbbbbbbb\n"))
    shutil.copytree(COMPLETE.parent / "policies", folder / "policies")
    return folder / "astro.yaml"


@pytest.fixture(scope="module")
def aws(complete: Path) -> Iterator[LocalAws]:
    with LocalAws() as aws:
        aws.make(facts_of(load(complete)))
        yield aws


def planned(folder: Path, aws: LocalAws) -> dict[str, Any]:
    environment = cli_environment(folder, {**os.environ, **aws.environment()})
    terraform = Terraform(find_terraform(environment), environment)
    terraform.init(folder)
    return terraform.plan_json(folder)


LATE = """\
name: acme
state: {backend: none}
astro: {product: hosted-dedicated, organization: acme}
clusters:
  prod: {region: us-east-1, account_id: "333333333333", cidr: 172.20.0.0/20}
networks:
  lake:
    account_id: "111111111111"
    region: us-east-1
    vpc_id: variable
    cidrs: [10.20.0.0/16]
    route_tables: all
    subnets: {a: variable}
connections:
  hub: {type: transit_gateway, clusters: [prod], network: lake, create: {}}
"""
ROOT_WITH_A_VPC = """\
resource "aws_vpc" "own" {
  cidr_block = "10.20.0.0/16"
}
resource "aws_subnet" "own" {
  vpc_id     = aws_vpc.own.id
  cidr_block = "10.20.0.0/24"
}
module "lake" {
  source       = "./json/network-lake"
  vpc_id       = aws_vpc.own.id
  subnets      = {a = aws_subnet.own.id}
  route_tables = {main = aws_vpc.own.main_route_table_id}
}
"""


def test_a_root_passes_the_vpc_that_it_creates(aws: LocalAws, tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(LATE)
    with pytest.raises(EstateError, match=r"networks\.lake\.vpc_id: 'variable' is for modules of `main\.py export`"):
        load(file)
    module = export(file, tmp_path)["json_network-lake"]
    declared = json.loads((module / "variables.tf.json").read_text())["variable"]
    assert {name for name, one in declared.items() if "default" not in one} == {"route_tables", "subnets", "vpc_id"}
    keys = keys_of(aws.environment("111111111111"))
    provider = {"aws": {"region": "us-east-1", **keys}}
    (tmp_path / "provider.tf.json").write_text(json.dumps({"provider": provider}))
    (tmp_path / "main.tf").write_text(ROOT_WITH_A_VPC)
    kinds = [json.loads(one)[0] for one in made_by(planned(tmp_path, aws), "module.lake")]
    assert {"aws_ec2_transit_gateway", "aws_ec2_transit_gateway_vpc_attachment"} < {*kinds}


def test_a_module_supports_count_for_each_and_depends_on(
    modules: dict[str, Path], aws: LocalAws, complete: Path, tmp_path: Path
) -> None:
    (folder,) = {module.parents[1] for module in modules.values()}
    lake = {name: module for name, module in modules.items() if name.endswith("network-lake")}
    attachments = {"dev": "tgw-attach-0aaaaaaaaaaaaaaaa", "qa": "tgw-attach-0bbbbbbbbbbbbbbbb"}
    under = {
        "_plain": {},
        "_count": {"count": 1},
        "_for_each": {"for_each": '${toset(["x"])}'},
        "_depends_on": {"depends_on": ["terraform_data.first"]},
        "_given": {"hub_attachments": attachments},
    }
    call_modules(folder, lake, load(COMPLETE), aws, under)
    together = planned(folder, aws)
    plain = made_by(together, "module.json_network-lake_plain")
    assert len(plain) == 45
    assert made_by(together, "module.hcl_network-lake_plain") == plain
    stack = planned(synth_example(complete, tmp_path, hcl=False)["network-lake"], aws)
    for syntax in ("json", "hcl"):
        assert made_by(together, f"module.{syntax}_network-lake_count[0]") == plain
        assert made_by(together, f'module.{syntax}_network-lake_for_each["x"]') == plain
        # Terraform reads data sources after their dependencies: the resources are the same, but some values are
        # unknown.
        assert len(made_by(together, f"module.{syntax}_network-lake_depends_on")) == len(plain)
        # The pending value has the same effect as in the file.
        assert made_by(together, f"module.{syntax}_network-lake_given") == made_by(stack)
    assert len(made_by(stack)) == 50
