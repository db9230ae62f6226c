"""Shares resources with exact principals through AWS RAM."""

from collections.abc import Mapping
from typing import Any

from cdktf_cdktf_provider_aws.ram_principal_association import RamPrincipalAssociation
from cdktf_cdktf_provider_aws.ram_resource_association import RamResourceAssociation
from cdktf_cdktf_provider_aws.ram_resource_share import RamResourceShare
from constructs import Construct

from modules.connection import SharingProps
from modules.context import ConnectionContext
from modules.expressions import MapExpression, listed
from modules.parts.for_each.construct import each
from modules.vocabulary import construct_id


def accounts_of(context: ConnectionContext) -> set[Any]:
    """Return the accounts of the clusters in the network's region. RAM shares nothing with other regions."""
    near = [cluster for cluster in context.clusters.values() if cluster.region == context.network.region]
    return {cluster.account_id for cluster in near} - {None, context.network.account_id}


def share(scope: Construct, props: SharingProps, context: ConnectionContext, resources: Mapping[str, str]) -> str:
    """Share `resources` (ARNs by name) with the principals of `props`, by default the clusters' accounts. Return its
    ARN.

    Clusters often have the same account. The associations are keyed by account, so that removing a cluster replaces no
    association of another. The network's own account needs no share.
    """
    made = RamResourceShare(
        scope,
        "share",
        name=context.name,
        allow_external_principals=not props.inside_organization,
        tags={"Name": context.name},
    )
    for name, arn in resources.items():
        RamResourceAssociation(
            scope, construct_id("share-resource", name), resource_arn=arn, resource_share_arn=made.arn
        )
    accounts = accounts_of(context)
    if principals := props.share_with or accounts:
        for _, (principal,), over in each(MapExpression(f"toset({listed(sorted(map(str, principals)))})")):
            RamPrincipalAssociation(
                scope, "share-principal", for_each=over, principal=principal, resource_share_arn=made.arn
            )
    return made.arn
