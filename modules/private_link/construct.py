import re

from cdktf import Postcondition, TerraformResourceLifecycle, Token
from cdktf_cdktf_provider_aws.data_aws_availability_zones import DataAwsAvailabilityZones
from cdktf_cdktf_provider_aws.lb import Lb
from cdktf_cdktf_provider_aws.lb_listener import LbListener, LbListenerDefaultAction
from cdktf_cdktf_provider_aws.lb_target_group import LbTargetGroup
from cdktf_cdktf_provider_aws.lb_target_group_attachment import LbTargetGroupAttachment
from cdktf_cdktf_provider_aws.security_group import SecurityGroupEgress, SecurityGroupIngress
from cdktf_cdktf_provider_aws.vpc_endpoint_connection_accepter import VpcEndpointConnectionAccepter
from cdktf_cdktf_provider_aws.vpc_endpoint_connection_notification import VpcEndpointConnectionNotification
from cdktf_cdktf_provider_aws.vpc_endpoint_service import VpcEndpointService
from cdktf_cdktf_provider_aws.vpc_endpoint_service_private_dns_verification import (
    VpcEndpointServicePrivateDnsVerification,
)
from constructs import Construct

from modules.astronomer import ROLE
from modules.context import ConnectionContext
from modules.expressions import truncated_name, zone_if_outside_vpc
from modules.parts.for_each.construct import Entries, values
from modules.parts.iam_policy.construct import document, statement
from modules.parts.ingress.construct import new_group
from modules.parts.interface_endpoint.construct import interface_endpoint, private_zone
from modules.parts.lookup.construct import with_dns
from modules.private_link.props import AwsEndpoint, NewLoadBalancer, PrivateLinkProps, Service
from modules.vocabulary import construct_id, partition

EVENTS = ["Accept", "Connect", "Delete", "Reject"]


class PrivateLink(Construct):
    """Your endpoint service, which Astro's role may connect to, and endpoints that exact ranges may use (facts A14)."""

    def __init__(self, scope: Construct, id_: str, props: PrivateLinkProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        self._context = context
        self.handoff: dict[str, object] = {
            "account_id": context.network.account_id,
            "region": context.network.region,
        }
        if props.service:
            self.handoff["service"] = self._service(props.service)
        if props.endpoints:
            self.handoff["endpoints"] = {
                name: self._endpoint(name, endpoint) for name, endpoint in props.endpoints.items()
            }

    def _service(self, props: Service) -> dict[str, object]:
        field = f"connections.{self.node.id}.service.private_dns_name"
        # The provider keeps a name that is missing in the file, and has no way to remove it.
        unnamed = Postcondition(
            condition='${self.private_dns_name == null || self.private_dns_name == ""}',
            error_message=f"{field}: ${{self.id}} still has the name ${{self.private_dns_name}}, and Terraform cannot "
            "remove it. Remove it with `aws ec2 modify-vpc-endpoint-service-configuration --service-id ${self.id} "
            "--remove-private-dns-name`, and deploy again.",
        )
        service = VpcEndpointService(
            self,
            "service",
            acceptance_required=not props.acceptance_off_reason,
            # Inline in the service, so that Terraform removes other principals.
            allowed_principals=sorted(props.allowed_principals or self._astronomers_roles()),
            network_load_balancer_arns=[self._load_balancer(props.load_balancer)]
            if props.load_balancer
            else sorted(props.load_balancers),
            private_dns_name=props.private_dns_name,
            supported_regions=self._regions(),
            tags={"Name": self._context.name},
            lifecycle=None if props.private_dns_name else TerraformResourceLifecycle(postcondition=[unnamed]),
        )
        if props.notify:
            VpcEndpointConnectionNotification(
                self,
                "notification",
                vpc_endpoint_service_id=service.id,
                connection_notification_arn=props.notify,
                connection_events=EVENTS,
            )
        for name, endpoint_id in props.accepted_endpoints.items():
            field = f"connections.{self.node.id}.service.accepted_endpoints.{name}"
            state = "${self.vpc_endpoint_state}"
            VpcEndpointConnectionAccepter(
                self,
                construct_id("accepted", name),
                vpc_endpoint_service_id=service.id,
                vpc_endpoint_id=endpoint_id,
                lifecycle=TerraformResourceLifecycle(
                    postcondition=[
                        Postcondition(
                            condition='${self.vpc_endpoint_state == "available"}',
                            error_message=f"{field}: {endpoint_id} is {state}, because somebody rejected it or "
                            "deleted the endpoint. Remove it from the file, and deploy. To accept the connection after "
                            "all, add it again.",
                        )
                    ]
                ),
            )
        if props.verify_private_dns:
            VpcEndpointServicePrivateDnsVerification(self, "private-dns-verification", service_id=service.id)
        facts: dict[str, object] = {
            "service_name": service.service_name,
            "availability_zones": service.availability_zones,
            "availability_zone_ids": self._zone_ids(service),
        }
        if props.private_dns_name:
            # The TXT record that proves ownership of the domain to AWS.
            facts["private_dns_record"] = Token.as_any(f"${{{service.fqn}.private_dns_name_configuration}}")
        return facts

    def _zone_ids(self, service: VpcEndpointService) -> object:
        """Return the IDs of the service's zones. The same name is another zone in another account (facts C9)."""
        # Their only source for a load balancer that exists, whose subnets are not in the file.
        zones = DataAwsAvailabilityZones(self, "zones")
        # The provider lists names and IDs in the same order.
        ids = f"{zones.fqn}.zone_ids[number] if contains({service.fqn}.availability_zones, name)"
        return Token.as_any(f"${{[for number, name in {zones.fqn}.names : {ids}]}}")

    def _regions(self) -> list[str]:
        """Return the regions of the service (facts C9). AWS offers it in its own region anyway. The list is always set,
        because the provider keeps the last one if it is missing."""
        return sorted({self._context.network.region, *(one.region for one in self._context.clusters.values())})

    def _astronomers_roles(self) -> set[str]:
        """Return the role of each cluster with a known account. Until then, nobody is allowed."""
        return {
            f"arn:{partition(cluster.region)}:iam::{cluster.account_id}:role/{ROLE}"
            for cluster in self._context.clusters.values()
            if cluster.account_id
        }

    def _load_balancer(self, props: NewLoadBalancer) -> str:
        network = self._context.network
        port = props.target_port or props.port
        # The endpoint is inside the Astro VPC, where pods keep their own addresses.
        pods = {name: cluster.pod_cidr for name, cluster in self._context.clusters.items() if cluster.pod_cidr}
        group = new_group(
            self,
            "load-balancer-security-group",
            f"load-balancer-{self._context.name}",
            description="PrivateLink: from the Astro clusters to the targets",
            vpc_id=network.vpc_id,
            ingress=[_ingress(props.port, "Astro clusters", values(*self._cluster_ranges(), pods))],
            egress=[
                SecurityGroupEgress(
                    description="Targets",
                    protocol="tcp",
                    from_port=port,
                    to_port=port,
                    cidr_blocks=sorted(f"{ip}/32" for ip in props.targets.values()),
                )
            ],
            tag=self._context.name,
        )
        # The rules of a load balancer's security group also apply to traffic of PrivateLink.
        balancer = Lb(
            self,
            "load-balancer",
            name=truncated_name(f"pl-{self._context.name}", 32),
            # AWS cannot change the name, and cannot delete a balancer that is protected or that a service uses.
            lifecycle=TerraformResourceLifecycle(ignore_changes=["name"]),
            load_balancer_type="network",
            internal=True,
            enable_cross_zone_load_balancing=True,
            enable_deletion_protection=not props.removal_reason,
            security_groups=[group.id],
            subnets=[network.subnets[subnet] for subnet in props.subnets or network.subnets],
            tags={"Name": self._context.name},
        )
        targets = LbTargetGroup(
            self,
            "targets",
            # A new port creates a new target group, and the listener must use it before the old one is deleted.
            name=truncated_name(f"pl-{port}-{self._context.name}", 32),
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
            vpc_id=network.vpc_id,
            target_type="ip",
            protocol="TCP",
            port=port,
            tags={"Name": self._context.name},
        )
        for target, ip in props.targets.items():
            LbTargetGroupAttachment(
                self,
                construct_id("target", target),
                target_group_arn=targets.arn,
                target_id=ip,
                # AWS determines the zone of an address only inside the VPC.
                availability_zone=zone_if_outside_vpc(ip, network.cidrs + network.unrouted_cidrs, "all"),
            )
        LbListener(
            self,
            "listener",
            load_balancer_arn=balancer.arn,
            protocol="TCP",
            port=props.port,
            default_action=[LbListenerDefaultAction(type="forward", target_group_arn=targets.arn)],
            tags={"Name": self._context.name},
        )
        return balancer.arn

    def _endpoint(self, name: str, props: AwsEndpoint) -> dict[str, object]:
        network = self._context.network
        own = {cidr: cidr for cidr in network.cidrs + network.unrouted_cidrs}
        ranges = values(own, *(self._cluster_ranges() if props.for_clusters else ()))
        region = props.region()
        service = props.service if region else f"com.amazonaws.{network.region}.{props.service}"
        field = f"connections.{self.node.id}.endpoints.{name}.private_dns"
        tag = f"{self._context.name}-{name}"
        endpoint = interface_endpoint(
            self,
            name,
            network,
            tag=tag,
            what=props.service,
            ingress=_ingress(props.port, props.service, ranges),
            service=service,
            region=region or network.region,
            subnets=props.subnets,
            conditions=with_dns(network, f"{field}: true", f"write {field}: false") if props.private_dns else None,
            private_dns_enabled=props.private_dns,
            policy=self._policy(name, props.only_accounts) if props.only_accounts else None,
        )
        facts: dict[str, object] = {
            "id": endpoint.id,
            "service": service,
            "dns_names": Token.as_list(f"${{{endpoint.fqn}.dns_entry[*].dns_name}}"),
        }
        if props.names:
            facts["zones"] = {
                domain: private_zone(self, network, endpoint, domain, tag, name, re.sub("[._]", "-", domain)).zone_id
                for domain in props.names
            }
        return facts

    def _policy(self, name: str, accounts: tuple[str, ...]) -> str:
        mine = ("StringEquals", "aws:PrincipalAccount", sorted(accounts))
        return document(self, construct_id("policy", name), statement(["*"], ["*"], mine, principals=("AWS", ["*"])))

    def _cluster_ranges(self) -> list[Entries]:
        return [cluster.routed_cidrs() for cluster in self._context.clusters.values()]


def _ingress(port: int, description: str, ranges: list[str]) -> SecurityGroupIngress:
    return SecurityGroupIngress(
        description=description, protocol="tcp", from_port=port, to_port=port, cidr_blocks=ranges
    )
