from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from modules.astronomer import DEPLOYMENT_ACCOUNTS, cluster_role, deployment_role
from modules.cluster import Cluster, ClusterSide, DisasterRecovery
from modules.connection import ACCOUNT_ID, ConnectionProps
from modules.context import Context
from modules.entry import Claim, FieldPath, PendingInput, Step, in_words, kept_role_claim, role_claim
from modules.parts.iam_policy.props import POLICIES, PolicyDocument
from modules.vocabulary import UNIQUE, PolicyArn, Props, Reason, RoleName, RolePath, Slug, Text, arn, arn_account

# IAM's quota for a trust policy, and the size of our trust policies without names (facts B9).
_TRUST_SIZE, _TRUST_FRAME = 2_048, 350


Namespace = Annotated[
    str,
    Text(
        "a Deployment's namespace",
        r"[a-z0-9](?:[a-z0-9-]{0,56}[a-z0-9])?",
        "up to 58 lowercase letters, digits and hyphens",
        "geometric-gyroscope-9932",
    ),
]
OidcProviderArn = Annotated[
    str,
    arn(
        "iam",
        r"oidc-provider/[\w./-]+",
        "an OIDC provider",
        "arn:aws:iam::111111111111:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF",
    ),
]


class WorkloadRole(Props):
    """A role in the network's account that Deployments may assume. Its permissions are exactly its policies."""

    deployments: Annotated[tuple[Namespace, ...], UNIQUE] = ()
    """The namespaces of the Deployments, from a Deployment's Details in the Astro UI. Leave it empty with
    `cluster_role`, which all Deployments of the cluster share. Otherwise, the role is created when you add the first
    one."""
    any_deployment_reason: Reason | None = None
    """The reason why every Deployment of the cluster may assume the role. Only with `oidc`, and not on a
    hosted-standard cluster, which also runs Deployments of other organizations."""
    policy_arns: dict[Slug, PolicyArn] = Field(default_factory=dict)
    """Managed policies to attach, of AWS or of the network's account, by a name of your choice. Default: none."""
    policy_files: dict[Slug, PolicyDocument] = Field(default_factory=dict)
    """Policy documents (JSON) for new managed policies, by a name of your choice. Paths are relative to the estate
    file. `{{.AWSAccount}}` in them is replaced by the network's account. Default: none."""
    permissions_boundary: PolicyArn | None = None
    """The ARN of a managed policy that limits the role. Default: none."""
    role_name: RoleName | None = None
    """The name of the role in AWS. Set it to keep a role that exists, which `main.py adopt` imports: the ARN in your
    Airflow connections does not change then. Default: <estate>-<entry>-<name>, truncated to IAM's limit. A change
    replaces the role."""
    role_path: RolePath | None = None
    """The path of the role. Default: the `role_path` of `controls`. A change replaces the role."""

    @model_validator(mode="after")
    def _fits_iam(self) -> Self:
        if both := sorted(self.policy_arns.keys() & self.policy_files.keys()):
            raise ValueError(f"has {', '.join(both)} in policy_arns and in policy_files; policy names must be unique")
        if (count := len(self.policy_arns) + sum(map(len, self.policy_files.values()))) > POLICIES:
            raise ValueError(f"has {count} policies, and a role can have {POLICIES}; merge some into one document")
        if self.deployments and self.any_deployment_reason:
            raise ValueError("has deployments and any_deployment_reason; remove one")
        return self

    def subjects(self) -> tuple[str, ...]:
        """Return the `sub` claims of the Deployments' tokens, for a trust policy with `oidc`."""
        if self.any_deployment_reason:
            return ("system:serviceaccount:*:*",)
        return tuple(
            f"system:serviceaccount:{namespace}:{namespace}-{account}"
            for namespace in self.deployments
            for account in DEPLOYMENT_ACCOUNTS
        )


class WorkloadIdentityProps(ConnectionProps):
    """Roles that Deployments assume to use AWS without keys, in the account of the network.

    AWS rejects a trust policy with a role that does not exist. With `deployment_role` and `cluster_role`, enter a
    Deployment's namespace or the cluster's ID when it exists. If a Deployment is recreated, apply again, because AWS
    stores the identity of the old role.
    """

    dedicated_only: ClassVar[bool] = False
    routed: ClassVar[bool] = False

    blocked: ClassVar[str] = "its Deployments cannot assume the roles"

    type: Literal["workload_identity"]
    cluster: Slug
    """The entry of `clusters` whose Deployments assume the roles."""
    identity: Literal["deployment_role", "cluster_role", "oidc"] = "deployment_role"
    """The identity of a Deployment in AWS. Default `deployment_role`: its own role `astro-<namespace>` in the cluster's
    account, since September 2023. With `cluster_role`, it is the role `AirflowS3Logs-<cluster ID>` that all Deployments
    of an older cluster share. With `oidc`, it is a token that the cluster's `oidc_issuer_url` issues (Hosted:
    customer managed identity)."""
    provider_arn: OidcProviderArn | None = None
    """The OIDC provider of the cluster's issuer in the network's account. Default: a new one. An account has one for
    each issuer."""
    roles: Annotated[dict[Slug, WorkloadRole], Field(min_length=1)]
    """The roles, by a name of your choice."""

    @model_validator(mode="after")
    def _fits_the_identity(self) -> Self:
        if self.provider_arn and self.identity != "oidc":
            raise ValueError("has provider_arn, which only identity oidc uses; remove it, or set identity: oidc")
        for name, role in self.roles.items():
            if self.identity == "cluster_role" and (role.deployments or role.any_deployment_reason):
                raise ValueError(
                    f"has identity cluster_role, which every Deployment of the cluster has, but {name} names "
                    "Deployments; remove deployments and any_deployment_reason, or use deployment_role or oidc"
                )
            if self.identity == "deployment_role" and role.any_deployment_reason:
                raise ValueError(
                    f"has any_deployment_reason in {name}; with deployment_role, list the Deployments in deployments"
                )
        return self

    @property
    def needs_of_clusters(self) -> tuple[PendingInput, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        how = "Organization Settings > Clusters > the cluster"
        match self.identity:
            case "oidc":
                return (PendingInput("oidc_issuer_url", "the Astro API", "metadata.oidc_issuer_url of the cluster"),)
            case "cluster_role":
                return (ACCOUNT_ID, PendingInput("id", "the Astro UI", how))
            case "deployment_role":
                return (ACCOUNT_ID,)

    @property
    def needs_vpc(self) -> bool:
        return False

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:  # noqa: ARG002
        match self.identity:
            case "oidc":
                return "the twin's tokens have another issuer, which the roles do not trust"
            case "cluster_role":
                return "the twin has another ID, and so another role, which the roles do not trust"
            case "deployment_role":
                return ""  # A role of the same name in the same account.

    def iam_claims(self, entry: str, clusters: Mapping[str, Cluster]) -> Iterator[Claim]:
        if self.identity == "oidc" and self.provider_arn is None:
            issuer = clusters[self.cluster].oidc_issuer_url if self.cluster in clusters else None
            yield Claim(
                ("cluster",),
                "global",
                ("oidc", issuer or self.cluster),
                f"creates the OIDC provider of cluster {self.cluster!r}",
                "an account can have only one for each issuer: put the roles into one entry, or set provider_arn in "
                "the other",
            )
        for name, role in self.roles.items():
            if role.role_name:
                yield kept_role_claim(("roles", name, "role_name"), role.role_name)
            else:
                yield role_claim(("roles", name), f"{entry}-{name}")
            for file, document in role.policy_files.items():
                for policy in document.policies("", f"{entry}-{name}-{file}"):
                    yield Claim(
                        ("roles", name, "policy_files", file),
                        "global",
                        ("policy", policy),
                        f"creates the policy <estate>-{policy}",
                        "policy names must be unique within an account: rename one",
                    )

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        if not (cluster := context.clusters.get(self.cluster)):
            return
        issuer = cluster.oidc_issuer_url or ""
        if self.provider_arn and issuer and not self.provider_arn.endswith(f":oidc-provider/{issuer_name(issuer)}"):
            yield ("provider_arn",), f"{self.provider_arn!r} is not the OIDC provider of {issuer}, the cluster's issuer"
        shared = cluster.product == "hosted-standard"
        if shared and self.identity == "cluster_role":
            yield (
                ("identity",),
                f"{self.identity!r} of a hosted-standard cluster also covers other organizations; use deployment_role",
            )
        for name, role in self.roles.items():
            own = {("policy_arns", key): policy for key, policy in role.policy_arns.items()}
            own |= {("permissions_boundary",): role.permissions_boundary} if role.permissions_boundary else {}
            for field, policy in own.items():
                if arn_account(policy) not in (context.account_id, "aws"):
                    message = (
                        f"{policy!r} is not in account {context.account_id}; a role needs a policy in its own account"
                    )
                    yield ("roles", name, *field), message
            if shared and role.any_deployment_reason:
                message = f"would allow every Deployment of {self.cluster!r}, also those of other organizations"
                yield ("roles", name, "any_deployment_reason"), f"{message}; list yours in deployments"
            named = role.subjects() if self.identity == "oidc" else self.principals(role, cluster, "aws")
            size = _TRUST_FRAME + 3 * len(issuer) + sum(len(one) + 3 for one in named)
            if size > _TRUST_SIZE:
                message = f"needs a trust policy of about {size:,} characters, and IAM allows {_TRUST_SIZE:,}"
                yield ("roles", name, "deployments"), f"{message}; spread the Deployments over several roles"

    def principals(self, role: WorkloadRole, cluster: Cluster | ClusterSide, partition: str) -> tuple[str, ...]:
        """Return the ARNs of the Astro roles that may assume `role`, or nothing while they are unknown."""
        names = [deployment_role(namespace) for namespace in role.deployments]
        if self.identity == "cluster_role":
            names = [cluster_role(cluster.id)] if cluster.id else []
        return tuple(f"arn:{partition}:iam::{cluster.account_id}:role/{name}" for name in names if cluster.account_id)

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:  # noqa: ARG002
        if roles := facts.get("roles"):
            yield Step(
                "you", f"create Airflow connections in the Deployments that assume {in_words(roles)}", key="used"
            )

    def pending_inputs(self) -> tuple[PendingInput, ...]:
        if self.identity == "cluster_role":
            return ()
        how = "create the Deployment, then copy Namespace of its Details"
        return tuple(
            PendingInput(f"roles.{name}.deployments", "the Astro UI", how)
            for name, role in self.roles.items()
            if not role.subjects()
        )


def issuer_name(url: str) -> str:
    """Return an issuer as IAM writes it in ARNs and conditions."""
    return url.removeprefix("https://")
