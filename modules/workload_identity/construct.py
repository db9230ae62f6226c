from cdktf_cdktf_provider_aws.iam_openid_connect_provider import IamOpenidConnectProvider
from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from constructs import Construct

from modules.cluster import ClusterSide
from modules.context import ConnectionContext
from modules.expressions import truncated_name
from modules.parts.iam_policy.construct import Statement, document, statement
from modules.vocabulary import construct_id, partition
from modules.workload_identity.props import WorkloadIdentityProps, WorkloadRole, issuer_name

_AUDIENCE = "sts.amazonaws.com"


class WorkloadIdentity(Construct):
    """Roles for exactly the named Deployments. A role without known Deployments is not created."""

    def __init__(self, scope: Construct, id_: str, props: WorkloadIdentityProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        self._context = context
        cluster = context.clusters[props.cluster]
        provider = self._provider(props, cluster)
        arns: dict[str, str] = {}
        for name, role in props.roles.items():
            trust = (
                self._by_token(role, cluster, provider)
                if props.identity == "oidc"
                else self._by_role(props.principals(role, cluster, partition(context.network.region)))
            )
            if trust:
                arns[name] = self._role(name, role, trust, f"Assumed by Deployments of Astro cluster {props.cluster}")
        self.handoff: dict[str, object] = {"account_id": context.network.account_id, "roles": arns}

    def _provider(self, props: WorkloadIdentityProps, cluster: ClusterSide) -> str | None:
        if props.identity != "oidc" or props.provider_arn or cluster.oidc_issuer_url is None:
            return props.provider_arn
        return IamOpenidConnectProvider(
            self, "provider", url=cluster.oidc_issuer_url, client_id_list=[_AUDIENCE], tags={"Name": self._context.name}
        ).arn

    def _by_role(self, arns: tuple[str, ...]) -> Statement | None:
        if not arns:
            return None
        return statement(["sts:AssumeRole"], principals=("AWS", arns))

    def _by_token(self, role: WorkloadRole, cluster: ClusterSide, provider: str | None) -> Statement | None:
        subjects = role.subjects()
        if cluster.oidc_issuer_url is None or provider is None or not subjects:
            return None
        issuer = issuer_name(cluster.oidc_issuer_url)
        test = "StringLike" if role.any_deployment_reason else "StringEquals"
        return statement(
            ["sts:AssumeRoleWithWebIdentity"],
            None,
            ("StringEquals", f"{issuer}:aud", _AUDIENCE),
            # One condition with all subjects, any of which matches. Two conditions would both have to match.
            (test, f"{issuer}:sub", subjects),
            principals=("Federated", [provider]),
        )

    def _role(self, name: str, role: WorkloadRole, trust: Statement, description: str) -> str:
        former, roles = self._context.former_name, ("connections", self.node.id, "roles")
        given_name = truncated_name(f"{self._context.name}-{former(roles, name)}", 64)
        aws_name = role.role_name or given_name
        made = IamRole(
            self,
            construct_id(name, "role"),
            name=aws_name,
            path=role.role_path,
            description=description,
            assume_role_policy=document(self, construct_id(name, "trust"), trust),
            permissions_boundary=role.permissions_boundary,
        )
        policies = dict(role.policy_arns)
        for file, parts in role.policy_files.items():
            base = f"{given_name}-{former((*roles, name, 'policy_files'), file)}"
            for policy_name, text in parts.policies(self._context.network.account_id, base).items():
                key = construct_id(file, policy_name.removeprefix(base).removeprefix("-"))
                policies[key] = IamPolicy(
                    self,
                    construct_id(name, "policy", key),
                    name=policy_name,
                    description=f"What {aws_name} may do",
                    policy=text,
                ).arn
        for key, policy_arn in policies.items():
            IamRolePolicyAttachment(self, construct_id(name, "attachment", key), role=made.name, policy_arn=policy_arn)
        return made.arn
