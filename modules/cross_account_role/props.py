from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from modules.astronomer import POLICY
from modules.cluster import Cluster
from modules.context import CheckedProps, Context
from modules.entry import FieldPath, Secret, Step, in_words
from modules.parts.iam_policy.props import PolicyDocument
from modules.vocabulary import PolicyArn, Reason

_ID = "[a-zA-Z0-9_+=,.@:/-]"
EXTERNAL_IDS = Secret(
    name="external_ids",
    type="list(string)",
    description="The AWS External IDs of your Astro organization, from the Astro UI, Organization Settings > General.",
    # Terraform's regular expressions count to 1,000 at a time.
    pattern=_ID + "{2,1000}" + _ID + "{0,224}",
    allowed="At least one external ID; each has 2 to 1224 characters of a-z A-Z 0-9 _ + = , . @ : / - (IAM's rule).",
)


class CrossAccountRoleProps(CheckedProps):
    """The role that Astronomer assumes in the dedicated account (Hybrid)."""

    for_astronomer: ClassVar[tuple[str, ...]] = ("account_id", "role_arn")

    policy_file: PolicyDocument
    """Your copy of Astronomer's policy document (JSON), relative to the estate file. `{{.AWSAccount}}` in it becomes
    the account's ID. Astronomer publishes it; this project does not (facts A1)."""
    policy_mode: Literal["strict", "vendor-managed"] = "vendor-managed"
    """Who decides what the role may do after it is created. Default `vendor-managed`: Astronomer does. Terraform leaves
    the document, further policies and, unless `permissions_boundary` is set, the boundary alone. A plan warns if the
    document in AWS differs from the file, and fails if the file takes more policies than when the role was created.
    `strict`: the file does. A plan shows what anyone else changed in the policy, attached to the role or wrote into it,
    and an apply reverts it."""
    permissions_boundary: PolicyArn | None = None
    """The ARN of a managed policy that bounds the role; with `OperationalBoundary` in its name, as Astronomer's have,
    `policy_alarm` hears when it is changed. Default: none, as in Astronomer's own template."""
    removal_reason: Reason | None = None
    """Why the role and its policies may be destroyed: Astronomer cannot manage a data plane without them. Default:
    Terraform refuses to."""

    def policies(self, account_id: str) -> dict[str, str]:
        """The role's policies by name: the document, in as many parts as it takes."""
        return self.policy_file.policies(account_id, POLICY)

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:
        """Yield what remains to be done by people. `clusters` are those of the account."""
        if not facts:
            return
        missing = {name: cluster for name, cluster in clusters.items() if cluster.id is None}
        role, account = in_words(facts.get("role_arn")), in_words(facts.get("account_id"))
        done = bool(clusters) and not missing
        described = "its name, region, node type and number of nodes"
        first = "" if clusters else f", which requests a cluster by {described} if `clusters` has one before"
        send = f"send Astronomer the role {role}: `main.py handoff --for astronomer` writes the ticket{first}"
        yield Step(
            "you", f"{send}. Wait a minute after the deploy, until AWS has the role everywhere", done=done, key="used"
        )
        for name in missing if clusters else (None,):
            what = f"the cluster {name}" if name else "a cluster"
            yield Step("Astronomer", f"create {what} in account {account}, with the role {role}", cluster=name)
        if missing:
            yield Step("you", f"copy the IDs of {in_words(list(missing))} from the Astro UI to `clusters.*.id`")
        elif not clusters:
            yield Step("you", f"describe the cluster in `clusters`: {described}")

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        boundary = self.permissions_boundary
        if boundary and boundary.split(":")[4] not in (context.account_id, "aws"):
            message = f"{boundary!r} is not in account {context.account_id}; a role takes one of its own"
            yield ("permissions_boundary",), message

    def secrets(self) -> tuple[Secret, ...]:
        return (EXTERNAL_IDS,)
