"""The data that the checks read: one account and region, with its stacks and their deployed resources."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore import exceptions

from estate.errors import UserError
from estate.model import Estate
from estate.plan import StackPlan, stacks_of
from estate.state import S3State
from modules.vocabulary import arn_region
from operations.adopt.report import hcl_string
from operations.adopt.search import known_instances
from operations.aws import UNEXPECTED, Accounts, Aws, DeniedError, RegionOffError
from operations.status.check import Outcome

Deployed = Mapping[str, frozenset[str] | None]
"""The addresses in the state of each stack; None if the state could not be read."""


def ok(evidence: str) -> Outcome:
    """Report that a precondition is met."""
    return Outcome("ok", evidence)


def blocked(evidence: str, fix: str) -> Outcome:
    """Report that a plan or a deploy would fail, or that the connection would not work after it."""
    return Outcome("blocked", evidence, fix, "you")


def warning(evidence: str, fix: str) -> Outcome:
    """Report a difference to review before the deploy."""
    return Outcome("warning", evidence, fix, "you")


def key(aws: Aws, name: str) -> Outcome:
    """Return whether a KMS key, named by its alias or ARN, can encrypt in the region of `aws`."""
    if name.startswith("arn:") and arn_region(name) != aws.region:
        return blocked(f"{name} is not in {aws.region}", "use a key in that region, and correct kms_key in the file")
    found = aws.read("kms:describe_key", KeyId=name).get("KeyMetadata")
    if found is None:
        where = f"account {aws.account_id}, {aws.region}"
        return blocked(f"{name} does not exist in {where}", "create it there, or correct kms_key in the file")
    id_, state, spec = found["KeyId"], found["KeyState"], found.get("KeySpec")
    evidence = f"{name} is {id_} of account {found.get('AWSAccountId', aws.account_id)}, which is {state} and {spec}"
    if spec != "SYMMETRIC_DEFAULT":
        return blocked(evidence, "use a key for symmetric encryption, and correct kms_key in the file")
    if state != "Enabled":
        again = {"Disabled": f"`aws kms enable-key --key-id {id_}`"}
        again["PendingDeletion"] = f"`aws kms cancel-key-deletion --key-id {id_}`, then {again['Disabled']}"
        return blocked(evidence, again.get(state, "use a key that is Enabled, and correct kms_key in the file"))
    return ok(evidence)


def elsewhere(taken: list[str], narrower: list[str], well: str) -> Outcome:
    """Return the outcome for routes to other targets: of a cluster's range (`taken`), and of parts of one."""
    if taken:
        fix = "delete that route if nothing else needs it; AWS refuses a second one"
        return blocked(", ".join(taken), fix)
    if narrower:
        fix = "the more specific route wins; delete it, or traffic to that part is lost"
        return warning(", ".join(narrower), fix)
    return ok(well)


@dataclass(frozen=True)
class Place:
    """One account and region of an estate. `trees` are its synthesized stacks."""

    estate: Estate
    account_id: str
    region: str
    plans: tuple[StackPlan, ...]
    trees: Mapping[str, Any]
    deployed: Deployed
    accounts: Accounts
    now: datetime

    @property
    def aws(self) -> Aws:
        """Return the calls to this account and region. Raises UserError if signing in fails."""
        return self.accounts.of(self.account_id, self.region)

    def read(self, call: str, region: str = "", **parameters: Any) -> dict[str, Any]:
        """Return a response, as `Aws.read` does."""
        return self.aws.read(call, region, **parameters)

    def planned(self, type_: str) -> Iterator[Mapping[str, Any]]:
        """Yield the resources of a type that are not deployed yet, each instance of a `for_each` if they are known."""
        for plan in self.plans:
            there = self.deployed[plan.name] or frozenset[str]()
            for name, arguments in self.trees[plan.name].get("resource", {}).get(type_, {}).items():
                address = f"{type_}.{name}"
                instances = known_instances(arguments) if "for_each" in arguments else None
                if instances is None:
                    if address not in {one.partition("[")[0] for one in there}:
                        yield arguments
                    continue
                for one, value in instances.items():
                    if f"{address}[{hcl_string(one)}]" not in there:
                        each = {"${each.key}": one, "${each.value}": value}
                        # A `for_each` itself is not compared: that would take its length for each instance.
                        texts = ((key, given) for key, given in arguments.items() if isinstance(given, str))
                        yield {**arguments, **{key: each.get(given, given) for key, given in texts}}


def deployed(estate: Estate, accounts: Accounts) -> dict[str, frozenset[str] | None]:
    """Return the addresses in the state of each stack."""
    return {plan.name: _addresses(estate, accounts, plan) for plan in stacks_of(estate)}


def _addresses(estate: Estate, accounts: Accounts, plan: StackPlan) -> frozenset[str] | None:
    state = estate.state
    if not isinstance(state, S3State):
        return None
    key = state.key(estate.name, plan.state_name)
    try:
        answer = accounts.own(state.region).read("s3:get_object", Bucket=state.bucket, Key=key)
        content = json.loads(answer["Body"].read()) if answer else {}
        return frozenset(_managed(content))
    except (UserError, DeniedError, RegionOffError, exceptions.BotoCoreError, exceptions.ClientError, *UNEXPECTED):
        return None


def _managed(content: Mapping[str, Any]) -> Iterator[str]:
    for resource in content.get("resources", ()):
        if resource["mode"] == "managed":
            for instance in resource["instances"]:
                key = instance.get("index_key")
                yield f"{resource['type']}.{resource['name']}" + (f"[{hcl_string(key)}]" if key is not None else "")
