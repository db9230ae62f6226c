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
    # Terraform's regular expressions allow repetition counts up to 1,000.
    pattern=_ID + "{2,1000}" + _ID + "{0,224}",
    allowed="At least one external ID; each has 2 to 1224 characters of a-z A-Z 0-9 _ + = , . @ : / - (IAM's rule).",
)


class CrossAccountRoleProps(CheckedProps):
    """The role that Astronomer assumes in the dedicated account (Hybrid)."""

    for_astronomer: ClassVar[tuple[str, ...]] = ("account_id", "role_arn")

    policy_file: PolicyDocument
    """Your copy of Astronomer's policy document (JSON), relative to the estate file. `{{.AWSAccount}}` in it is
    replaced by the account's ID. Astronomer publishes it; this project does not contain it (facts A1)."""
    policy_mode: Literal["strict", "vendor-managed"] = "vendor-managed"
    """The source of the role's permissions after its creation. Default `vendor-managed`: Astronomer. Terraform
    ignores changes of the document, further policies and, unless `permissions_boundary` is set, the boundary. A plan
    warns if the document in AWS differs from the file. It fails if the file needs more policies than at the role's
    creation. `strict`: the file. A plan shows every change by others to the policy and to the role's attached and
    inline policies, and an apply reverts it."""
    permissions_boundary: PolicyArn | None = None
    """The ARN of a managed policy that limits the role. If its name contains `OperationalBoundary`, as Astronomer's
    boundaries do, `policy_alarm` reports its changes. Default: none, as in Astronomer's own template."""
    removal_reason: Reason | None = None
    """The reason why the role and its policies may be destroyed. Astronomer cannot manage a data plane without them.
    Default: Terraform refuses to destroy them."""

    def policies(self, account_id: str) -> dict[str, str]:
        """Return the role's policies by name: the document, in as many parts as necessary."""
        return self.policy_file.policies(account_id, POLICY)

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:
        """Yield the steps that remain for people. `clusters` are those of the account."""
        if not facts:
            return
        missing = {name: cluster for name, cluster in clusters.items() if cluster.id is None}
        role, account = in_words(facts.get("role_arn")), in_words(facts.get("account_id"))
        done = bool(clusters) and not missing
        described = "its name, region, node type and number of nodes"
        first = "" if clusters else f", which requests a cluster with {described} if `clusters` already has one"
        send = f"send Astronomer the role {role}: `main.py handoff --for astronomer` writes the ticket{first}"
        yield Step(
            "you", f"{send}. Wait a minute after the deploy, until AWS has replicated the role", done=done, key="used"
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
            message = f"{boundary!r} is not in account {context.account_id}; a role needs a boundary in its own account"
            yield ("permissions_boundary",), message

    def secrets(self) -> tuple[Secret, ...]:
        return (EXTERNAL_IDS,)
