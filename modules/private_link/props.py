import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from modules.astronomer import ROLE
from modules.aws import REGIONS
from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ACCOUNT_ID, ConnectionProps
from modules.context import Context
from modules.entry import Claim, FieldPath, PendingInput, Step, fact, in_words
from modules.parts.interface_endpoint.props import InSubnets, unknown_subnets
from modules.vocabulary import (
    ARN,
    UNIQUE,
    AccountId,
    Address,
    Arn,
    DomainName,
    Props,
    Reason,
    Slug,
    Text,
    TopicArn,
    arn,
    arn_account,
    arn_region,
    aws_id,
    duplicates,
    is_private,
    not_one,
)

Port = Annotated[int, Field(ge=1, le=65535)]


def _private(value: str) -> str:
    if not is_private(value):
        raise ValueError("is not a private address; allowed: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10")
    return value


Target = Annotated[Address, AfterValidator(_private)]
LoadBalancerArn = Annotated[
    str,
    arn(
        "elasticloadbalancing",
        r"loadbalancer/net/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}",
        "a network load balancer",
        "arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/orders/0123456789abcdef",
    ),
]
VpcEndpointId = Annotated[str, aws_id("vpce", "the ID of a VPC endpoint")]
ServicePrincipal = Annotated[
    str,
    Arn(
        "a valid principal for an endpoint service",
        rf"{ARN}:iam::\d{{12}}:(?:root|(?:role|user)/[\w+=,.@/-]{{1,512}})",
        "the ARN of an IAM role or user, or arn:aws:iam::ACCOUNT:root for a whole account; never *",
        f"arn:aws:iam::333333333333:role/{ROLE}",
    ),
]
ServiceName = Annotated[
    str,
    Text(
        "the name of a service",
        r"(?!com\.|aws\.)[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*|(?:com\.amazonaws|aws)(?:\.[a-z0-9-]+)+",
        "the part after com.amazonaws.REGION. of an AWS service's name, or a full name",
        "secretsmanager",
    ),
]
VENDORS = re.compile(r"com\.amazonaws\.vpce\.[a-z0-9-]+\.vpce-svc-[0-9a-f]+")
"""The names of endpoint services of other vendors."""
HAVE_GATEWAYS = ("s3", "dynamodb")
"""Services with free gateway endpoints, which resolve to the usual names."""


class NewLoadBalancer(InSubnets):
    """An internal network load balancer to create: TCP on one port to fixed addresses, in every zone."""

    port: Port
    """The port that Astro connects to."""
    targets: Annotated[dict[Slug, Target], Field(min_length=1)]
    """Private addresses of the targets, by a name of your choice: in the network's VPC, or reachable from it."""
    target_port: Port | None = None
    """The port of the targets, which also receives the health checks. Default: `port`."""
    removal_reason: Reason | None = None
    """The reason why AWS may delete it. Deletion protection stays on until a reason is set and deployed."""

    @model_validator(mode="after")
    def _each_target_once(self) -> Self:
        if twice := duplicates(self.targets.values()):
            raise ValueError(f"has {', '.join(twice)} twice in targets; list each address once")
        return self


class Service(Props):
    """An endpoint service. Astro's VPCs connect to it without routes, so overlapping ranges do not matter."""

    load_balancers: Annotated[tuple[LoadBalancerArn, ...], Field(max_length=10), UNIQUE] = ()
    """Existing network load balancers in the network's account and region. Alternative to `load_balancer`."""
    load_balancer: NewLoadBalancer | None = None
    """A load balancer to create. Alternative to `load_balancers`."""
    allowed_principals: Annotated[tuple[ServicePrincipal, ...], UNIQUE] = ()
    """The principals that may request a connection. Default: the role `astronomer-remote-management` in each cluster's
    account."""
    acceptance_off_reason: Reason | None = None
    """The reason why connections of `allowed_principals` are accepted automatically. Default: you accept each in the
    VPC console under Endpoint services."""
    notify: TopicArn | None = None
    """An SNS topic that receives connection events: requested, accepted, rejected and deleted. Its policy must allow
    vpce.amazonaws.com to publish."""
    accepted_endpoints: Annotated[dict[Slug, VpcEndpointId], Field(max_length=100)] = Field(default_factory=dict)
    """Endpoints whose connections are accepted, by a name of your choice. Astronomer's support provides their IDs.
    Removing one rejects its connection. Default: you accept each in the VPC console."""
    private_dns_name: DomainName | None = None
    """Your public domain name under which Astro reaches the service. AWS requires a TXT record as proof of ownership,
    which is in the `handoff` output. Deploy twice to add or change the name of an existing service: the first deploy
    still outputs the old record."""

    verify_private_dns: bool = False
    """Let AWS verify `private_dns_name`. Set it to true only when the TXT record exists. Otherwise, the apply fails."""

    @model_validator(mode="after")
    def _verifies_a_name(self) -> Self:
        if self.verify_private_dns and not self.private_dns_name:
            raise ValueError("has verify_private_dns and no private_dns_name; set the domain, or remove it")
        if self.accepted_endpoints and self.acceptance_off_reason:
            raise ValueError(
                "has accepted_endpoints and acceptance_off_reason, which accepts every connection; remove one"
            )
        if twice := duplicates(self.accepted_endpoints.values()):
            raise ValueError(f"has {', '.join(twice)} twice in accepted_endpoints; list each endpoint once")
        return self

    @model_validator(mode="after")
    def _has_load_balancers_or_makes_one(self) -> Self:
        if bool(self.load_balancers) == (self.load_balancer is not None):
            is_wrong = not_one("load_balancers", "load_balancer", both=bool(self.load_balancers))
            raise ValueError(f"{is_wrong}: the ARNs of existing ones, or a new one")
        return self


class AwsEndpoint(InSubnets):
    """An interface endpoint in your network to a service of AWS or of another vendor."""

    service: ServiceName
    """Its short name, such as secretsmanager, ecr.api or execute-api, or the vendor's full name:
    com.amazonaws.vpce.REGION.vpce-svc-... or aws.sagemaker.REGION.notebook. Its region can differ from the
    network's."""
    port: Port = 443
    """The TCP port that is open."""
    names: Annotated[tuple[DomainName, ...], Field(max_length=20), UNIQUE] = ()
    """The service's names in the network, such as a vendor's acme.privatelink.vendor.com. Each is created as a private
    hosted zone with an alias to the endpoint. The `handoff` output has the zones' IDs, for a `hosted_zone` with the
    clusters. Only with private_dns: false."""
    for_clusters: bool = False
    """Also allow the clusters' ranges, which need a `vpc_peering` or `transit_gateway` to reach the network. They use
    the endpoint's own DNS names, which are in the `handoff` output."""
    private_dns: bool = True
    """Resolve the service's usual name to the endpoint in the network. DNS hostnames and DNS resolution must be enabled
    in its VPC."""
    only_accounts: tuple[AccountId, ...] = ()
    """Only allow principals of these accounts. Default: AWS's own policy, which allows everyone with permissions in
    IAM."""

    @property
    def is_vendors(self) -> bool:
        """Return whether the service belongs to another vendor than AWS."""
        return VENDORS.fullmatch(self.service) is not None

    def region(self) -> str | None:
        """Return the region in a full name."""
        parts = self.service.split(".")
        return next((part for part in parts[1:] if part in REGIONS), None) if parts[0] in ("com", "aws") else None

    @model_validator(mode="after")
    def _fits_the_service(self) -> Self:
        if self.service.startswith(("com.", "aws.")) and self.region() is None:
            raise ValueError(f"has {self.service}, which contains no AWS region; copy the service name from its owner")
        if self.is_vendors and self.only_accounts:
            raise ValueError(
                "has only_accounts for a service of another vendor, which does not support endpoint policies; remove it"
            )
        if self.names and self.private_dns:
            raise ValueError("has names and private_dns, which resolves the service's own name; set private_dns: false")
        return self

    @model_validator(mode="after")
    def _leaves_gateways_their_names(self) -> Self:
        if self.service in HAVE_GATEWAYS and self.private_dns:
            raise ValueError(
                f"would replace the VPC's free gateway endpoint for {self.service}; set "
                "private_dns: false, for clusters that use the endpoint's own name"
            )
        return self


class PrivateLinkProps(ConnectionProps):
    """AWS PrivateLink in both directions: your service for Astro's VPCs, and AWS services for your network.

    Your service is offered in the regions of its clusters (facts C9: AWS supports other regions than the service's).
    For a service of AWS in another region than the cluster's, create the endpoint in a network in the service's region,
    with `for_clusters`, and connect that network with the cluster by `vpc_peering` (facts A14).
    """

    routed: ClassVar[bool] = False

    blocked: ClassVar[str] = "it may not ask for a connection to the service"
    for_astronomer: ClassVar[tuple[str, ...]] = (
        "region",
        "service.service_name",
        "service.availability_zone_ids",
    )

    type: Literal["private_link"]
    clusters: Annotated[tuple[Slug, ...], UNIQUE] = ()
    """The entries of `clusters` that the service is for, and that endpoints with `for_clusters` allow."""
    service: Service | None = None
    """Your service."""
    endpoints: dict[Slug, AwsEndpoint] = Field(default_factory=dict)
    """Interface endpoints to create in your network, by a name of your choice."""

    @model_validator(mode="after")
    def _is_for_somebody(self) -> Self:
        if not self.service and not self.endpoints:
            raise ValueError("has neither service nor endpoints; add one of them")
        needing = [*(["service"] if self.service else [])]
        needing += [f"endpoints.{name}" for name, endpoint in self.endpoints.items() if endpoint.for_clusters]
        if needing and not self.clusters:
            raise ValueError(f"has {', '.join(needing)} for clusters, but clusters is empty; list them in clusters")
        if self.clusters and not needing:
            raise ValueError("has clusters, but nothing for them; set for_clusters: true, or remove clusters")
        return self

    @property
    def needs_of_clusters(self) -> tuple[PendingInput, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The account ID for the principals of the service, unless the file names them."""
        return (ACCOUNT_ID,) if self.service and not self.service.allowed_principals else ()

    @property
    def needs_vpc(self) -> bool:
        return bool(self.endpoints or (self.service and self.service.load_balancer))

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:
        if self.service:
            return "the service is in the other region, and the twin has no endpoint for it"
        return "" if cluster.same_ranges(twin) else "the endpoints do not allow the ranges of the twin"

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:  # noqa: ARG002
        if not facts:
            return
        if self.service:
            service = in_words(fact(facts, "service", "service_name"))
            if domain := self.service.private_dns_name:
                record = f"create the TXT record of `service.private_dns_record` in the public zone of {domain}"
                if fact(facts, "service", "private_dns_record") == []:
                    yield Step("you", f"deploy once more, which outputs the TXT record of {domain}")
                elif not self.service.verify_private_dns:
                    yield Step("you", f"{record}, then write `verify_private_dns: true` and deploy")
            yield Step("Astronomer", f"create an interface endpoint to {service} in the cluster's VPC", key="connected")
            if not self.service.acceptance_off_reason:
                how = f"put the endpoint of {service} into `accepted_endpoints`, or accept it in the VPC console"
                yield Step("you", how, key="connected")
        for name, endpoint in self.endpoints.items():
            if endpoint.for_clusters:
                names = in_words(fact(facts, "endpoints", name, "dns_names"))
                yield Step("you", f"use the endpoint's own DNS names in your Airflow connections: {names}")

    def claims(self) -> Iterator[Claim]:
        for name, endpoint in self.endpoints.items():
            for zone in endpoint.names:
                yield Claim(
                    ("endpoints", name, "names"),
                    "network",
                    ("zone", zone),
                    f"creates the zone {zone}",
                    "zone names must be unique within a VPC: remove one",
                )
            if endpoint.private_dns:
                yield Claim(
                    ("endpoints", name),
                    "network",
                    ("private DNS", endpoint.service),
                    f"resolves {endpoint.service} in network {self.network!r}",
                    "a VPC can have only one endpoint with private_dns for each service: remove one",
                )

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        subnets = context.subnets
        for index, arn_ in enumerate(self.service.load_balancers if self.service else ()):
            if (arn_region(arn_), arn_account(arn_)) != (context.region, context.account_id):
                message = f"{arn_!r} is not in account {context.account_id} and {context.region}"
                rule = "an endpoint service needs load balancers in its account and region"
                yield ("service", "load_balancers", index), f"{message}; {rule}"
        if self.service and self.service.notify and arn_region(self.service.notify) != context.region:
            yield (
                ("service", "notify"),
                f"{self.service.notify!r} is not in {context.region}; the topic must be in the network's region",
            )
        if self.service and self.service.load_balancer:
            for field, message in unknown_subnets(self.service.load_balancer.subnets, subnets):
                yield ("service", "load_balancer", *field), message
        for name, endpoint in self.endpoints.items():
            for field, message in unknown_subnets(endpoint.subnets, subnets):
                yield ("endpoints", name, *field), message
