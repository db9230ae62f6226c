from cdktf import Postcondition, TerraformResourceLifecycle, Token
from cdktf_cdktf_provider_aws.data_aws_route53_zone import DataAwsRoute53Zone
from cdktf_cdktf_provider_aws.route53_vpc_association_authorization import Route53VpcAssociationAuthorization
from cdktf_cdktf_provider_aws.route53_zone import Route53Zone, Route53ZoneVpc
from constructs import Construct

from modules.context import ConnectionContext
from modules.hosted_zone.props import HostedZoneProps
from modules.parts.lookup.construct import with_dns
from modules.vocabulary import construct_id


class HostedZone(Construct):
    """Authorizes Astro's VPCs. Astronomer associates them (facts B23)."""

    def __init__(self, scope: Construct, id_: str, props: HostedZoneProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        made = self._made(props.domain, context) if props.domain else None
        zone = made or self._existing(props.zone_id)
        commands: dict[str, str] = {}
        for name, cluster in context.clusters.items():
            if cluster.vpc_id is None:
                continue
            authorization = Route53VpcAssociationAuthorization(
                self,
                construct_id("authorization", name),
                zone_id=zone.zone_id,
                vpc_id=cluster.vpc_id,
                vpc_region=cluster.region,
            )
            commands[name] = (
                f"aws route53 associate-vpc-with-hosted-zone --hosted-zone-id {authorization.zone_id} "
                f"--vpc VPCRegion={cluster.region},VPCId={cluster.vpc_id}"
            )
        self.handoff: dict[str, object] = {
            "account_id": context.network.account_id,
            "zone_id": zone.zone_id,
            "domain": zone.name,
            # Astronomer runs this command with the credentials of the cluster's account.
            "associate": commands,
        }
        if made:
            # The IDs of the associated VPCs, as of the last refresh, show whether they have done so.
            self.handoff["vpc_ids"] = Token.as_list(f"${{{made.fqn}.vpc[*].vpc_id}}")

    def _existing(self, zone_id: str | None) -> DataAwsRoute53Zone:
        # Read the zone, so that a plan fails for a zone of another account, which cannot authorize VPCs.
        private = Postcondition(
            condition="${self.private_zone}",
            error_message=f"connections.{self.node.id}.zone_id: {zone_id} is a public zone, but AWS associates only "
            "private zones with a VPC. Use the ID of the private zone. Names in a public zone need no connection.",
        )
        return DataAwsRoute53Zone(
            self, "zone", zone_id=zone_id, lifecycle=TerraformResourceLifecycle(postcondition=[private])
        )

    def _made(self, domain: str, context: ConnectionContext) -> Route53Zone:
        return Route53Zone(
            self,
            "zone",
            name=domain,
            comment=context.name,
            vpc=[Route53ZoneVpc(vpc_id=context.network.vpc_id, vpc_region=context.network.region)],
            force_destroy=False,
            # Astro's VPCs are associated in their own account. Without this, Terraform would remove them.
            lifecycle=TerraformResourceLifecycle(
                ignore_changes=["vpc"],
                precondition=with_dns(
                    context.network, f"connections.{self.node.id}.domain", "name the zone of another VPC in zone_id"
                ),
            ),
            tags={"Name": context.name},
        )
