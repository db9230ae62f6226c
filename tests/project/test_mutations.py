"""Mutations: each line that a guarantee depends on is broken once, in a copy, and its test must fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import ROOT
from tools.evidence import record


class Mutation(NamedTuple):
    """A mutation: a file, a unique text in it, its replacement, and the test that must fail."""

    name: str
    file: str
    old: str
    new: str
    caught_by: str


MUTATIONS = [
    Mutation(
        "the role asks for no external ID",
        "modules/cross_account_role/construct.py",
        '"sts:ExternalId", secrets',
        '"sts:RoleSessionName", secrets',
        "tests/unit/modules/test_cross_account_role.py::test_only_astronomer_can_assume_it_with_an_external_id",
    ),
    Mutation(
        "the role may be destroyed",
        "modules/cross_account_role/construct.py",
        'prevent_destroy=keep, ignore_changes=["permissions_boundary"]',
        'prevent_destroy=False, ignore_changes=["permissions_boundary"]',
        "tests/unit/modules/test_cross_account_role.py::test_the_role_has_astronomers_policy_and_cannot_be_destroyed",
    ),
    Mutation(
        "routes lead to the range of the pods",
        "modules/cluster.py",
        '{"": self.cidr, **self.additional_cidrs}',
        '{"": self.pod_cidr or self.cidr, **self.additional_cidrs}',
        "tests/unit/modules/test_vpc_peering.py::test_every_named_table_routes_to_every_range_of_the_cluster",
    ),
    Mutation(
        "state has no lock",
        "stacks/backend.py",
        '"terraform.backend.s3.use_lockfile", True',
        '"terraform.backend.s3.use_lockfile", False',
        "tests/unit/stacks/test_stacks.py::test_a_stack_is_one_state_one_account_one_region",
    ),
    Mutation(
        "a peering is accepted from any account",
        "modules/vpc_peering/construct.py",
        'f"{account} == {term(account_id)}"',
        '"true"',
        "tests/unit/modules/test_vpc_peering.py::test_accepts_a_request_by_its_id_on_six_conditions",
    ),
    Mutation(
        "an attachment is accepted from any account",
        "modules/transit_gateway/construct.py",
        'f"{account} == {term(account_id)}"',
        '"true"',
        "tests/unit/modules/test_transit_gateway.py::test_accepts_an_attachment_by_its_id_on_conditions",
    ),
    Mutation(
        "an attachment may be deleted",
        "modules/parts/attachments/construct.py",
        "prevent_destroy=True",
        "prevent_destroy=False",
        "tests/unit/modules/test_transit_gateway.py::test_accepts_an_attachment_by_its_id_on_conditions",
    ),
    Mutation(
        "a share inside the organization is open to everybody",
        "modules/parts/ram_share/construct.py",
        "allow_external_principals=not props.inside_organization",
        "allow_external_principals=True",
        "tests/unit/modules/test_transit_gateway.py::test_shares_only_with_the_named_and_inside_the_organization",
    ),
    Mutation(
        "an endpoint is connected without being asked",
        "modules/private_link/construct.py",
        "acceptance_required=not props.acceptance_off_reason",
        "acceptance_required=False",
        "tests/unit/modules/test_private_link.py::test_a_service_allows_astronomers_role_and_needs_acceptance",
    ),
    Mutation(
        "the alarm misses a policy's new version",
        "modules/policy_alarm/events.py",
        '    "CreatePolicyVersion",\n',
        "",
        "tests/unit/modules/test_policy_alarm.py::test_every_change_triggers_the_alarm",
    ),
    Mutation(
        "the trail's key serves every trail",
        "modules/policy_alarm/construct.py",
        '["kms:DescribeKey"], ["*"], of_trail)',
        '["kms:DescribeKey"], ["*"])',
        "tests/project/test_privilege.py::test_every_permission_and_opening_is_intended",
    ),
    Mutation(
        "Astronomer's role may switch regions of other accounts",
        "modules/opt_in_region/construct.py",
        '"account:EnableRegion"],\n                [account],',
        '"account:EnableRegion"],\n                ["*"],',
        "tests/project/test_privilege.py::test_every_permission_and_opening_is_intended",
    ),
    Mutation(
        "a security group is open to all addresses",
        "modules/resolver_rules/construct.py",
        "cidr_blocks=sorted(addresses)",
        'cidr_blocks=["0.0.0.0/0"]',
        "tests/project/test_privilege.py::test_every_permission_and_opening_is_intended",
    ),
    Mutation(
        "a secret is shown in plans",
        "stacks/base.py",
        "sensitive=True",
        "sensitive=False",
        "tests/unit/stacks/test_stacks.py::test_a_secret_is_a_sensitive_variable_without_a_default",
    ),
    Mutation(
        "an address is an index",
        "modules/parts/routes/construct.py",
        "id_ = construct_id(first, table, *others, *names)",
        "id_ = construct_id(first, str(len(network.keyed)), str(id(table)))",
        "tests/unit/stacks/test_stacks.py::test_addresses_of_an_example_change_only_on_purpose",
    ),
    Mutation(
        "a stack may be applied in any account",
        "stacks/base.py",
        "allowed_account_ids=[account_id],",
        "",
        "tests/unit/stacks/test_stacks.py::test_a_stack_is_one_state_one_account_one_region",
    ),
    Mutation(
        "a peering is accepted from any VPC",
        "modules/vpc_peering/construct.py",
        'f"{theirs} == {term(cluster.vpc_id)}"',
        '"true"',
        "tests/unit/modules/test_vpc_peering.py::test_a_vpc_that_the_file_names_is_a_condition_too",
    ),
    Mutation(
        "files of others are overwritten",
        "operations/owner.py",
        "name not in owned and _differs(",
        "name in owned and _differs(",
        "tests/unit/operations/test_files.py::test_no_writer_overwrites_foreign_files",
    ),
    Mutation(
        "two estates share a folder",
        "operations/owner.py",
        'if manifest["estate"] != estate.name:',
        "if not manifest:",
        "tests/unit/operations/test_owner.py::test_a_second_estate_is_refused_before_anything_is_written",
    ),
    Mutation(
        "values for variables are loaded unseen",
        "operations/loaded.py",
        r"|.*\.tfvars(?:\.json)?",
        "",
        "tests/unit/operations/test_loaded.py::test_every_file_that_terraform_would_load_is_found",
    ),
    Mutation(
        "a link is loaded unseen",
        "operations/loaded.py",
        "            if file.is_symlink():\n",
        "            if name in listed:\n                continue\n            if file.is_symlink():\n",
        "tests/unit/operations/test_loaded.py::test_a_link_is_found_even_if_its_name_is_listed",
    ),
    Mutation(
        "an old version of IAM's language has variables",
        "operations/policy/compare.py",
        'variables = document.get("Version") == "2012-10-17"',
        "variables = True",
        "tests/unit/operations/test_policy.py::test_a_variable_is_text_in_the_older_version",
    ),
    Mutation(
        "the second channel compares names with case",
        "modules/policy_alarm/events.py",
        'return {"equals-ignore-case": name}',
        'return {"prefix": name}',
        "tests/unit/modules/test_policy_alarm.py::test_eventbridge_receives_every_change_in_any_case",
    ),
    Mutation(
        "the trail may be stopped in silence",
        "modules/policy_alarm/events.py",
        '"StopLogging", ',
        "",
        "tests/unit/modules/test_policy_alarm.py::test_eventbridge_receives_calls_that_silence_the_alarm",
    ),
    Mutation(
        "a key of the alarm may be disabled in silence",
        "modules/policy_alarm/events.py",
        '"DisableKey", ',
        "",
        "tests/unit/modules/test_policy_alarm.py::test_eventbridge_receives_calls_that_silence_the_alarm",
    ),
    Mutation(
        "a trust is read with the case of its keys",
        "operations/adopt/remarks.py",
        'key.lower() == "sts:externalid"',
        'key == "sts:ExternalId"',
        "tests/unit/operations/test_aws.py::test_a_trust_is_the_same_in_any_spelling",
    ),
]


def copy(to: Path) -> Path:
    """Copy the project into a separate folder that uses the tools of this one."""
    left = shutil.ignore_patterns(".*", "node_modules", "dist", "cdktf.out*", "__pycache__")
    shutil.copytree(ROOT, to, ignore=left)
    for tools in (".venv", "node_modules"):
        (to / tools).symlink_to(ROOT / tools)
    return to


def run(folder: Path, *tests: str) -> tuple[int, str]:
    """Return pytest's exit code and last output."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not proof", *tests]
    # The runs on a broken copy record no evidence.
    environment = os.environ | {"ASTRO_EVIDENCE": ""}
    said = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return said.returncode, said.stdout.splitlines()[-1]


def test_each_mutated_line_exists_once() -> None:
    found = {one.name: (ROOT / one.file).read_text().count(one.old) for one in MUTATIONS}
    assert found == dict.fromkeys(found, 1)


@pytest.mark.proof
def test_the_tests_pass_without_a_mutation(tmp_path: Path) -> None:
    code, said = run(copy(tmp_path / "copy"), *sorted({one.caught_by for one in MUTATIONS}))
    assert code == 0, said


@pytest.mark.proof
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_mutation_is_caught(mutation: Mutation, tmp_path: Path) -> None:
    folder = copy(tmp_path / "copy")
    source = (folder / mutation.file).read_text()
    (folder / mutation.file).write_text(source.replace(mutation.old, mutation.new))
    code, said = run(folder, mutation.caught_by)
    # 1 means a failed test; a copy with a syntax error has another exit code.
    assert (code, "failed" in said) == (1, True), said
    record("mutations caught", "1 of 1")
    shutil.rmtree(folder)
