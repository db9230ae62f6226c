from cdktf import Postcondition, TerraformResourceLifecycle, Token
from cdktf_cdktf_provider_aws.data_aws_subnet import DataAwsSubnet
from cdktf_cdktf_provider_aws.security_group import SecurityGroupIngress
from constructs import Construct

from modules.astronomer import agents_domain
from modules.context import ConnectionContext
from modules.expressions import listed
from modules.parts.for_each.construct import values
from modules.parts.interface_endpoint.construct import interface_endpoint, private_zone
from modules.parts.lookup.construct import with_dns
from modules.remote_agents.props import RemoteAgentsProps
from modules.vocabulary import construct_id

_PORT = 443


class RemoteAgents(Construct):
    """An interface endpoint to Astronomer's service, and the cluster's name for it in a private zone (facts C13)."""

    def __init__(self, scope: Construct, id_: str, props: RemoteAgentsProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        network = context.network
        self.handoff: dict[str, object] = {"account_id": network.account_id, "region": network.region}
        if props.service_name is None:
            return
        self._require_zones(props, context)
        everyone = values({cidr: cidr for cidr in network.cidrs + network.unrouted_cidrs})
        endpoint = interface_endpoint(
            self,
            "",
            network,
            tag=context.name,
            what="Astro for Remote Execution Agents",
            ingress=SecurityGroupIngress(
                description="Remote Execution Agents",
                protocol="tcp",
                from_port=_PORT,
                to_port=_PORT,
                cidr_blocks=None if props.agents_security_groups else everyone,
                security_groups=sorted(props.agents_security_groups) or None,
            ),
            service=props.service_name,
            region=props.service_region(),
            subnets=props.subnets,
            conditions=with_dns(network, f"connections.{id_}", "remove the entry"),
            # The private zone has the name. Private DNS would need a name that Astronomer's service has verified.
            private_dns_enabled=False,
        )
        self.handoff |= {
            "endpoint_id": endpoint.id,
            "dns_names": Token.as_list(f"${{{endpoint.fqn}.dns_entry[*].dns_name}}"),
        }
        cluster = context.clusters[props.cluster]
        if cluster.id:
            domain = agents_domain(cluster.id)
            zone = private_zone(self, network, endpoint, domain, context.name)
            self.handoff |= {"domain": domain, "zone_id": zone.zone_id}

    def _require_zones(self, props: RemoteAgentsProps, context: ConnectionContext) -> None:
        """Compare the zones of the subnets with the service's by ID. Their names differ between accounts."""
        zones, field = props.availability_zone_ids, f"connections.{self.node.id}.subnets"
        for name in (props.subnets or context.network.subnets) if zones else ():
            condition = Postcondition(
                condition=f"${{contains({listed(zones)}, self.availability_zone_id)}}",
                error_message=f"{field}: {name} is in ${{self.availability_zone_id}}, and Astronomer's service is in "
                f"{', '.join(zones)}. Use subnets in these zones, or add such a subnet to the network.",
            )
            DataAwsSubnet(
                self,
                construct_id("subnet", name),
                id=context.network.subnets[name],
                lifecycle=TerraformResourceLifecycle(postcondition=[condition]),
            )
