from cdktf import Token
from cdktf_cdktf_provider_aws.route53_resolver_endpoint import (
    Route53ResolverEndpoint,
    Route53ResolverEndpointIpAddress,
)
from cdktf_cdktf_provider_aws.security_group import SecurityGroup, SecurityGroupIngress
from constructs import Construct

from modules.connection import Sides
from modules.dns_forwarding.props import DnsForwardingProps, InboundEndpoint
from modules.late import values

DNS = 53


class DnsForwarding(Construct):
    """An inbound endpoint that only the clusters' ranges may ask, or nothing but the facts of your own servers."""

    def __init__(self, scope: Construct, id_: str, props: DnsForwardingProps, sides: Sides) -> None:
        super().__init__(scope, id_)
        self._sides = sides
        self.handoff: dict[str, object] = {
            "account_id": sides.network.account_id,
            "region": sides.network.region,
            "domains": list(props.domains),
            "servers": self._endpoint(props.endpoint) if props.endpoint else list(props.servers),
        }

    def _endpoint(self, props: InboundEndpoint) -> list[str]:
        subnets = self._sides.network.subnets
        endpoint = Route53ResolverEndpoint(
            self,
            "endpoint",
            name=self._sides.name,
            direction="INBOUND",
            security_group_ids=[self._security_group()],
            ip_address=[
                Route53ResolverEndpointIpAddress(subnet_id=subnets[name], ip=props.ips.get(name))
                for name in props.subnets or subnets
            ],
            tags={"Name": self._sides.name},
        )
        return Token.as_list(f"${{{endpoint.fqn}.ip_address[*].ip}}")

    def _security_group(self) -> str:
        """Lets the clusters' queries in, and nothing out: the endpoint only answers."""
        ranges = values(*(cluster.routed_cidrs() for cluster in self._sides.clusters.values()))
        return SecurityGroup(
            self,
            "security-group",
            # Not the bare name: AWS refuses one that begins with "sg-".
            name=f"resolver-{self._sides.name}",
            description="Inbound Resolver endpoint: DNS from the Astro clusters",
            vpc_id=self._sides.network.vpc_id,
            # In the group itself, where clusters that share a range need no rules of their own, and none can be added.
            ingress=[
                SecurityGroupIngress(
                    description=f"DNS over {protocol}",
                    protocol=protocol,
                    from_port=DNS,
                    to_port=DNS,
                    cidr_blocks=ranges,
                )
                for protocol in ("tcp", "udp")
            ],
            tags={"Name": self._sides.name},
        ).id
