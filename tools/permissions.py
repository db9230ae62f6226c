"""Measures the IAM actions that Terraform needs for each resource type, for operations/permissions/measured.json.

With the argument `reads`, it lists the calls of the commands that read AWS instead, for reads.json in that folder.

Each example is applied on the local AWS, applied again with other tags, planned and destroyed. The log of the AWS
provider assigns each call to a resource.
"""

import ast
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import botocore.session
import cdktf
from botocore import xform_name

from estate.load import load
from estate.model import Estate
from local_aws import LocalAws
from operations.permissions.actions import MEASURED, READS, action
from operations.terraform import find_terraform
from stacks.app import build
from tests.support import EXAMPLES, ROOT
from tests.support.deployment import SECRETS
from tests.support.terraform import Terraform, cli_environment
from tests.support.world import facts_of

Measured = dict[str, dict[str, set[str]]]


def signing_names() -> dict[str, str]:
    """The signing name of each service, by the name that the provider logs."""
    session = botocore.session.get_session()
    models = (session.get_service_model(name) for name in session.get_available_services())
    return {str(model.service_id): str(model.signing_name) for model in models}


_RECORD = re.compile(r"^(?=\d{4}-\d\d-\d\dT)", re.MULTILINE)
_FIELD = re.compile(r'(?<=\s)(rpc\.method|rpc\.service|tf_resource_type|tf_data_source_type|tf_rpc)=("[^"]*"|\S+)')


def calls(log: Path, services: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield each call in a log: the type of the resource or data source, whether it was changed, and the action."""
    for record in _RECORD.split(log.read_text("utf-8")):
        if "HTTP Request Sent" not in record:
            continue
        # A body is quoted line by line, after |.
        text = "\n".join(line for line in record.splitlines() if not line.startswith("  |"))
        fields = {name: value.strip('"') for name, value in _FIELD.findall(text)}
        type_ = fields.get("tf_resource_type") or fields.get("tf_data_source_type")
        if type_ and "rpc.method" in fields:
            job = "change" if fields["tf_rpc"].startswith("ApplyResource") else "read"
            yield type_, job, action(services[fields["rpc.service"]], fields["rpc.method"].rpartition("/")[2])


def measure(example: Path, folder: Path) -> Measured:
    """Return the actions of an example's stacks for `read`, `apply` and `destroy`, by type."""
    services, estate = signing_names(), load(example)
    first = synthesized(estate, folder / "first")
    other = synthesized(estate.model_copy(update={"tags": {**estate.tags, "measured": "again"}}), folder / "second")
    with LocalAws() as aws:
        aws.make(facts_of(estate))

        def of_stack(name: str) -> Measured:
            (stack, account), measured = first[name], Measured()
            log = stack / "provider.log"
            environment = {"TF_LOG_PROVIDER": "DEBUG", "TF_LOG_PATH": str(log)}
            environ = cli_environment(stack, {**os.environ, **aws.environment(account), **SECRETS, **environment})
            terraform = Terraform(find_terraform(environ), environ)
            terraform.init(stack)
            terraform.apply(stack)
            shutil.copy(other[name][0] / "cdk.tf.json", stack / "cdk.tf.json")
            terraform.apply(stack)
            gather(measured, "apply", calls(log, services))
            log.unlink()
            unguard(stack)
            terraform.destroy(stack)
            gather(measured, "destroy", calls(log, services))
            log.unlink()
            # Some types are changed without a call; the measurement includes them.
            made = json.loads((stack / "cdk.tf.json").read_text())["resource"]
            for type_ in (one for one in made if one.startswith("aws_")):
                for job in ("read", "apply", "destroy"):
                    measured.setdefault(type_, {}).setdefault(job, set())
            print(example.stem, name, flush=True)
            return measured

        # Most of the time is the provider's own waiting.
        with ThreadPoolExecutor(6) as pool:
            regions = [of_stack(name) for name in first if name == "regions"]
            return merged([*regions, *pool.map(of_stack, [name for name in first if name != "regions"])])


def gather(measured: Measured, job: str, found: Iterable[tuple[str, str, str]]) -> None:
    for type_, kind, one in found:
        measured.setdefault(type_, {}).setdefault(job if kind == "change" else "read", set()).add(one)


def synthesized(estate: Estate, out: Path) -> dict[str, tuple[Path, str]]:
    """Return the stacks as folders with a local state, and the account of each."""
    out.mkdir(parents=True)
    build(cdktf.App(outdir=str(out)), estate).synth()
    found: dict[str, tuple[Path, str]] = {}
    for file in sorted(out.glob("stacks/*/cdk.tf.json"), key=lambda file: (file.parent.name != "regions", file)):
        tree = json.loads(file.read_text())
        (file.parent / "state_override.tf.json").write_text('{"terraform": {"backend": {"local": {}}}}')
        found[file.parent.name] = file.parent, tree["provider"]["aws"][0]["allowed_account_ids"][0]
    return found


def unguard(stack: Path) -> None:
    """Remove the guards that prevent a plan from destroying resources."""
    tree = json.loads((stack / "cdk.tf.json").read_text())
    for resources in tree.get("resource", {}).values():
        for resource in resources.values():
            resource.get("lifecycle", {}).pop("prevent_destroy", None)
            if "force_destroy" in resource:
                resource["force_destroy"] = True
    tree.pop("removed", None)
    (stack / "cdk.tf.json").write_text(json.dumps(tree))


def merged(measurements: Iterable[Measured]) -> Measured:
    every: Measured = {}
    for one in measurements:
        for type_, jobs in one.items():
            for job, actions in jobs.items():
                every.setdefault(type_, {}).setdefault(job, set()).update(actions)
    return every


def written(measured: Measured) -> str:
    """Return the measurements in their stored form."""
    ordered = {
        type_: {job: sorted(actions) for job, actions in sorted(jobs.items())}
        for type_, jobs in sorted(measured.items())
    }
    return json.dumps(ordered, indent=2) + "\n"


_CALL = re.compile(r"([a-z0-9-]+):([a-z0-9_]+)")


def reads() -> dict[str, list[str]]:
    """Return the calls in the source of each command that reads AWS, as boto3 names them."""
    session = botocore.session.get_session()
    services = set(session.get_available_services())

    def is_call(value: object) -> bool:
        found = _CALL.fullmatch(value) if isinstance(value, str) else None
        if found is None or found[1] not in services:
            return False
        operations = cast("Iterable[str]", session.get_service_model(found[1]).operation_names)
        return found[2] in {xform_name(one) for one in operations}

    def of(command: str) -> Iterator[str]:
        for file in (ROOT / "operations" / command).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and is_call(node.value):
                    yield str(node.value)

    return {command: sorted(set(of(command))) for command in ("init", "preflight", "reach", "status")}


if __name__ == "__main__" and sys.argv[1:] == ["reads"]:
    READS.write_text(json.dumps(reads(), indent=2) + "\n", "utf-8")
elif __name__ == "__main__":
    before = json.loads(MEASURED.read_text()) if MEASURED.exists() and sys.argv[1:] else {}
    found: Measured = {type_: {job: set(one) for job, one in jobs.items()} for type_, jobs in before.items()}
    with tempfile.TemporaryDirectory() as scratch:
        for example in EXAMPLES:
            if example.stem in (sys.argv[1:] or [one.stem for one in EXAMPLES]):
                found = merged([found, measure(example, Path(scratch, example.stem))])
                MEASURED.write_text(written(found))
