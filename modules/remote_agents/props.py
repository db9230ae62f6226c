from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from modules.astronomer import agents_domain
from modules.aws import REGIONS
from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ConnectionProps
from modules.context import Context
from modules.entry import Claim, FieldPath, PendingInput, Step, in_words
from modules.parts.interface_endpoint.props import InSubnets, unknown_subnets
from modules.vocabulary import UNIQUE, AvailabilityZoneId, SecurityGroupId, Slug, Text

AgentsService = Annotated[
    str,
    Text(
        "the name of an endpoint service",
        r"com\.amazonaws\.vpce\.[a-z0-9-]+\.vpce-svc-[0-9a-f]{8}(?:[0-9a-f]{9})?",
        "the name that Astronomer's support gave you",
        "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0",
    ),
]


class RemoteAgentsProps(ConnectionProps, InSubnets):
    """Connect Remote Execution Agents (Airflow 3) in your network to Astro through AWS PrivateLink.

    Astronomer has the endpoint service. You have an interface endpoint to it, and a private zone in which the cluster's
    name `<cluster ID>.external.astronomer.run` resolves to the endpoint. That name is inferred: Astronomer describes it
    for Azure (facts C13). Ask Astronomer's support to confirm it for your cluster. Agents need no route to the cluster.
    """

    dedicated_only: ClassVar[bool] = False
    routed: ClassVar[bool] = False

    needs_of_clusters: ClassVar[tuple[PendingInput, ...]] = (
        PendingInput("id", "the Astro UI", "copy it from Organization Settings > Clusters"),
    )
    blocked: ClassVar[str] = "its name does not resolve to the endpoint"
    for_astronomer: ClassVar[tuple[str, ...]] = ("account_id", "region", "endpoint_id")
    per_region_fields: ClassVar[tuple[str, ...]] = (
        *ConnectionProps.per_region_fields,
        "service_name",
        "availability_zone_ids",
    )

    type: Literal["remote_agents"]
    cluster: Slug
    """The entry of `clusters` whose Deployments the agents run tasks for."""
    service_name: AgentsService | None = None
    """The name of Astronomer's endpoint service. Leave it out until Astronomer's support has created it for the ticket
    of `main.py handoff`. Its region can differ from the network's."""
    availability_zone_ids: Annotated[tuple[AvailabilityZoneId, ...], UNIQUE] = ()
    """The IDs of the zones of the service, from Astronomer's support. A plan fails if a subnet is in another zone. The
    letters of zones differ between accounts, but the IDs do not. Not for a service in another region. Default: a deploy
    shows whether AWS accepts the subnets."""
    agents_security_groups: Annotated[tuple[SecurityGroupId, ...], UNIQUE] = ()
    """The security groups of the agents, in the network's VPC, which may use the endpoint on TCP port 443. Default: the
    whole VPC."""

    def service_region(self) -> str | None:
        """Return the region in the service's name."""
        return self.service_name.split(".")[3] if self.service_name else None

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:  # noqa: ARG002
        return "the agents have no endpoint for the twin"

    def claims(self) -> Iterator[Claim]:
        yield Claim(
            ("cluster",),
            "network",
            ("agents' zone", self.cluster),
            f"creates the zone of cluster {self.cluster!r}",
            "zone names must be unique within a VPC: remove one",
        )

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        yield from unknown_subnets(self.subnets, context.subnets)
        region = self.service_region()
        if region and region not in REGIONS:
            yield ("service_name",), f"contains {region!r}, which is not an AWS region; copy the name from Astronomer"
        elif region and region != context.region and self.availability_zone_ids:
            yield (
                ("availability_zone_ids",),
                f"are zones of the service's region {region}, but the network is in {context.region}; remove them",
            )

    def pending_inputs(self) -> tuple[PendingInput, ...]:
        if self.service_name:
            return ()
        how = "send their support the ticket of `main.py handoff --for astronomer`; they create the service"
        return (PendingInput("service_name", "Astronomer", how),)

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:
        if not self.service_name:
            yield Step(
                "Astronomer",
                "create the endpoint service for our Remote Execution Agents, allow our account to use it from our "
                "region, and send us its name, its region and the IDs of its availability zones",
            )
            return
        if not facts:
            return
        endpoint = f"endpoint {in_words(facts.get('endpoint_id'))}"
        yield Step("Astronomer", f"accept the connection of {endpoint} to {self.service_name}", key="endpoint")
        if id_ := clusters[self.cluster].id:
            name = agents_domain(id_)
            yield Step("you", f"check from an agent that {name} resolves to the private addresses of {endpoint}")
