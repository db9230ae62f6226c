from cdktf_cdktf_provider_aws.security_group import SecurityGroupIngress
from constructs import Construct

from modules.context import ConnectionContext
from modules.dns_forwarding.props import DnsForwardingProps, InboundEndpoint
from modules.parts.for_each.construct import values
from modules.parts.resolver_endpoint.construct import DNS, resolver_endpoint


class DnsForwarding(Construct):
    """An inbound endpoint for the clusters' ranges only, or only the addresses of your existing servers."""

    def __init__(self, scope: Construct, id_: str, props: DnsForwardingProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        self.handoff: dict[str, object] = {
            "account_id": context.network.account_id,
            "region": context.network.region,
            "domains": list(props.domains),
            "servers": self._endpoint(props.endpoint, context) if props.endpoint else list(props.servers),
        }

    def _endpoint(self, props: InboundEndpoint, context: ConnectionContext) -> list[str]:
        """Allow the clusters' queries and no outbound traffic, because the endpoint only answers."""
        ranges = values(*(cluster.routed_cidrs() for cluster in context.clusters.values()))
        ingress = [
            SecurityGroupIngress(
                description=f"DNS over {protocol}", protocol=protocol, from_port=DNS, to_port=DNS, cidr_blocks=ranges
            )
            for protocol in ("tcp", "udp")
        ]
        _, addresses = resolver_endpoint(
            self,
            props,
            context,
            "INBOUND",
            "Inbound Resolver endpoint: DNS from the Astro clusters",
            {"ingress": ingress},
        )
        return addresses
