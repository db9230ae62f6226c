"""Policy documents, whose values may be known only at apply time."""

from collections.abc import Sequence
from typing import Literal

from cdktf_cdktf_provider_aws.data_aws_iam_policy_document import (
    DataAwsIamPolicyDocument,
    DataAwsIamPolicyDocumentStatement,
    DataAwsIamPolicyDocumentStatementCondition,
    DataAwsIamPolicyDocumentStatementPrincipals,
)
from constructs import Construct

Statement = DataAwsIamPolicyDocumentStatement
Principals = tuple[Literal["AWS", "Federated", "Service"], Sequence[str]]
Condition = tuple[str, str, str | Sequence[str]]
"""Operator, key, and one or more values, any of which matches."""


def document(scope: Construct, id_: str, *statements: Statement) -> str:
    """Return a reference to the JSON of a policy document."""
    return DataAwsIamPolicyDocument(scope, id_, statement=list(statements)).json


def statement(
    actions: Sequence[str],
    resources: Sequence[str] | None = None,
    *conditions: Condition,
    principals: Principals | None = None,
    effect: Literal["Allow", "Deny"] | None = None,
    sid: str | None = None,
) -> Statement:
    """Return a statement, which allows by default. All conditions must hold."""
    return Statement(
        sid=sid,
        effect=effect,
        principals=[DataAwsIamPolicyDocumentStatementPrincipals(type=principals[0], identifiers=list(principals[1]))]
        if principals
        else None,
        actions=list(actions),
        resources=list(resources) if resources else None,
        condition=[
            DataAwsIamPolicyDocumentStatementCondition(
                test=test, variable=variable, values=[values] if isinstance(values, str) else list(values)
            )
            for test, variable, values in conditions
        ]
        or None,
    )
