"""Required properties of all resources of a kind: the section `controls` of an estate."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from modules.vocabulary import UNIQUE, AccountId, Props, RolePath, Text

PolicyName = Annotated[
    str,
    Text(
        "the name of a managed policy",
        r"(?:[\w+=,.@-]{1,64}/){0,8}[\w+=,.@-]{1,128}",
        "up to 128 letters, digits and _+=,.@-, including its path",
        "workload-boundary",
    ),
]
KeyAlias = Annotated[
    str, Text("an alias of a KMS key", r"alias/(?!aws/)[\w/-]{1,250}", "alias/NAME, not alias/aws/...", "alias/logs")
]
Accounts = Annotated[tuple[AccountId, ...], Field(min_length=1, max_length=50), UNIQUE]


class Controls(Props):
    """Properties that your organization requires of all resources of a kind. An entry's own value takes precedence."""

    permissions_boundary: PolicyName | None = None
    """The name of a managed policy that exists in each account. It limits every new role."""
    role_path: RolePath | None = None
    """The path of every new role that has no `role_path` of an entry, except Astronomer's, which Astronomer finds
    without a path. A change replaces the roles."""
    kms_key: KeyAlias | None = None
    """The alias of a KMS key that exists in each account and region, for every log group without a key. The key's
    policy must allow logs.REGION.amazonaws.com. AWS supports no custom key for the secrets of a VPN's pre-shared
    keys."""
    endpoint_principal_accounts: Accounts | None = None
    """Only principals of these accounts may use a new VPC endpoint. Requests without credentials, such as those of
    package repositories in S3, then fail. Default: AWS's own policy, which allows everyone with permissions in IAM."""
    endpoint_resource_accounts: Accounts | None = None
    """Only resources of these accounts can be reached through a new VPC endpoint. AWS's own buckets, such as those with
    ECR's layers, are in other accounts. Default: resources of every account."""

    @model_validator(mode="after")
    def _demands_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"is empty; set at least one of {', '.join(type(self).model_fields)}, or remove it")
        return self

    def boundary(self, partition: str, account_id: str) -> str | None:
        """Return the ARN of the permissions boundary in an account."""
        name = self.permissions_boundary
        return f"arn:{partition}:iam::{account_id}:policy/{name}" if name else None

    def endpoint_conditions(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Return the conditions of an endpoint's policy, or none for AWS's own policy."""
        keys = {
            "aws:PrincipalAccount": self.endpoint_principal_accounts,
            "aws:ResourceAccount": self.endpoint_resource_accounts,
        }
        return [("StringEquals", key, accounts) for key, accounts in keys.items() if accounts]
