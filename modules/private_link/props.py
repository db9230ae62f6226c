import re
from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Address
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from modules.astronomer import ROLE
from modules.aws import REGIONS
from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ACCOUNT_ID, ConnectionProps
from modules.context import Context
from modules.entry import Claim, FieldPath, PendingInput, Step, fact, in_words
from modules.vocabulary import (
    ARN,
    PRIVATE,
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
)

Port = Annotated[int, Field(ge=1, le=65535)]


def _private(value: str) -> str:
    if not any(IPv4Address(value) in block for block in PRIVATE):
        raise ValueError("is not a private address; a load balancer sends to 10/8, 172.16/12, 192.168/16, 100.64/10")
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
        "whom an endpoint service can allow",
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
        "what follows com.amazonaws.REGION. in the name of a service of AWS, or the name in full",
        "secretsmanager",
    ),
]
VENDORS = re.compile(r"com\.amazonaws\.vpce\.[a-z0-9-]+\.vpce-svc-[0-9a-f]+")
"""The name of an endpoint service that is not AWS's."""
HAVE_GATEWAYS = ("s3", "dynamodb")
"""Services whose names a VPC finds through a gateway endpoint, which costs nothing."""


def _unknown(field: str, given: Collection[str] | None, subnets: Collection[str]) -> Iterator[tuple[FieldPath, str]]:
    there_are = f"there are: {', '.join(sorted(subnets)) or 'none'}"
    for index, name in enumerate(given or ()):
        if name not in subnets:
            yield (field, index), f"{name!r} is not a subnet of the network; {there_are}"
    if given is None and not subnets:
        yield (), "needs a subnet of the network, which has none; name some in the network's subnets"


class _InSubnets(Props):
    subnets: Annotated[tuple[Slug, ...], Field(min_length=1), UNIQUE] | None = None
    """Names of the network's subnets, each in another availability zone. Default: all of them."""


class NewLoadBalancer(_InSubnets):
    """An internal network load balancer to make: TCP on one port to fixed addresses, in every zone."""

    port: Port
    """The port that Astro connects to."""
    targets: Annotated[dict[Slug, Target], Field(min_length=1)]
    """Private addresses to send to, by a name of your choice: in the network's VPC, or where it routes to."""
    target_port: Port | None = None
    """The port of the targets, which is also where their health is checked. Default: `port`."""
    removal_reason: Reason | None = None
    """Why AWS may delete it: deletion protection is on until a reason is given and deployed."""

    @model_validator(mode="after")
    def _each_target_once(self) -> Self:
        if twice := duplicates(self.targets.values()):
            raise ValueError(f"has {', '.join(twice)} twice in targets; name each once")
        return self


class Service(Props):
    """An endpoint service: what Astro's VPCs connect to without any route, whatever their ranges are."""

    load_balancers: Annotated[tuple[LoadBalancerArn, ...], Field(max_length=10), UNIQUE] = ()
    """Existing network load balancers in the network's account and region; or `load_balancer`."""
    load_balancer: NewLoadBalancer | None = None
    """One to make; or `load_balancers`."""
    allowed_principals: Annotated[tuple[ServicePrincipal, ...], UNIQUE] = ()
    """Who may ask for a connection. Default: the role `astronomer-remote-management` in each cluster's account."""
    acceptance_off_reason: Reason | None = None
    """Why connections of `allowed_principals` need not be accepted one by one. Default: you accept each, in the VPC
    console under Endpoint services."""
    notify: TopicArn | None = None
    """An SNS topic, whose policy lets vpce.amazonaws.com publish, that hears of connections asked for, made, refused
    and deleted."""
    accepted_endpoints: Annotated[dict[Slug, VpcEndpointId], Field(max_length=100)] = Field(default_factory=dict)
    """Endpoints whose connections are accepted, by a name of your choice: Astronomer's support names them. Taking one
    out rejects its connection. Default: you accept each in the VPC console."""
    private_dns_name: DomainName | None = None
    """A public domain of yours by which Astro calls the service. AWS asks you to prove it by a TXT record, which the
    `handoff` output has."""

    verify_private_dns: bool = False
    """Ask AWS to verify `private_dns_name`. True once the TXT record exists, otherwise an apply fails."""

    @model_validator(mode="after")
    def _verifies_a_name(self) -> Self:
        if self.verify_private_dns and not self.private_dns_name:
            raise ValueError("has verify_private_dns and no private_dns_name; name the domain, or take it out")
        if self.accepted_endpoints and self.acceptance_off_reason:
            raise ValueError("has accepted_endpoints and acceptance_off_reason; AWS accepts all: keep one")
        if twice := duplicates(self.accepted_endpoints.values()):
            raise ValueError(f"has {', '.join(twice)} twice in accepted_endpoints; name each once")
        return self

    @model_validator(mode="after")
    def _has_load_balancers_or_makes_one(self) -> Self:
        if bool(self.load_balancers) == (self.load_balancer is not None):
            raise ValueError(
                "names neither or both of load_balancers and load_balancer; give the ARNs of those that exist, or "
                "load_balancer for one to make"
            )
        return self


class AwsEndpoint(_InSubnets):
    """An interface endpoint in your network to a service of AWS or of another vendor."""

    service: ServiceName
    """Its short name, such as secretsmanager, ecr.api or execute-api; or its name in full, as the vendor gives it:
    com.amazonaws.vpce.REGION.vpce-svc-... or aws.sagemaker.REGION.notebook. Its region may be another than the
    network's."""
    port: Port = 443
    """The TCP port that it is open on."""
    names: Annotated[tuple[DomainName, ...], Field(max_length=20), UNIQUE] = ()
    """Names by which the network calls the service, such as a vendor's acme.privatelink.vendor.com: each becomes a
    private hosted zone with an alias to the endpoint. The `handoff` output has the zones' IDs, for a `hosted_zone`
    with the clusters. Only with private_dns: false."""
    for_clusters: bool = False
    """Let the clusters' ranges in too, which need a `vpc_peering` or `transit_gateway` to get here. They call it by
    the endpoint's own DNS names, which the `handoff` output has."""
    private_dns: bool = True
    """Let the network find the service's usual name here; its VPC must have DNS host names and DNS support enabled."""
    only_accounts: tuple[AccountId, ...] = ()
    """Let only principals of these accounts use it. Default: AWS's own policy, which lets everyone whom IAM lets."""

    @property
    def is_vendors(self) -> bool:
        """Whether the service is not AWS's."""
        return VENDORS.fullmatch(self.service) is not None

    def region(self) -> str | None:
        """Return the region that the name in full holds."""
        parts = self.service.split(".")
        return next((part for part in parts[1:] if part in REGIONS), None) if parts[0] in ("com", "aws") else None

    @model_validator(mode="after")
    def _fits_the_service(self) -> Self:
        if self.service.startswith(("com.", "aws.")) and self.region() is None:
            raise ValueError(f"names {self.service}, which has no region of AWS in it; copy the name from its owner")
        if self.is_vendors and self.only_accounts:
            raise ValueError("has only_accounts for a service that is not AWS's, which takes no policy; take it out")
        if self.names and self.private_dns:
            raise ValueError("has names and private_dns, which finds the service's own name; write private_dns: false")
        return self

    @model_validator(mode="after")
    def _leaves_gateways_their_names(self) -> Self:
        if self.service in HAVE_GATEWAYS and self.private_dns:
            raise ValueError(
                f"would take the name of {self.service} from the VPC's gateway endpoint, which is free; write "
                "private_dns: false, for clusters that call the endpoint by its own name"
            )
        return self


class PrivateLinkProps(ConnectionProps):
    """AWS PrivateLink, both ways: a service of yours for Astro's VPCs, and services of AWS for your network.

    A service of yours is offered in the regions of its clusters, whichever they are (facts C9). For a service of AWS in
    another region than the cluster's, put the endpoint into a network in the service's region, with `for_clusters`, and
    give that network a `vpc_peering` with the cluster (facts A14)."""

    routed: ClassVar[bool] = False

    blocked: ClassVar[str] = "it may not ask for a connection to the service"
    for_astronomer: ClassVar[tuple[str, ...]] = ("region", "service.service_name")

    type: Literal["private_link"]
    clusters: Annotated[tuple[Slug, ...], UNIQUE] = ()
    """The entries of `clusters` that the service is for, and that endpoints `for_clusters` let in."""
    service: Service | None = None
    """Your service."""
    endpoints: dict[Slug, AwsEndpoint] = Field(default_factory=dict)
    """Interface endpoints to make in your network, by a name of your choice."""

    @model_validator(mode="after")
    def _is_for_somebody(self) -> Self:
        if not self.service and not self.endpoints:
            raise ValueError("has neither service nor endpoints; give one of them")
        needing = [*(["service"] if self.service else [])]
        needing += [f"endpoints.{name}" for name, endpoint in self.endpoints.items() if endpoint.for_clusters]
        if needing and not self.clusters:
            raise ValueError(f"has {', '.join(needing)} for clusters and names none; list them in clusters")
        if self.clusters and not needing:
            raise ValueError("names clusters and has nothing for them; write for_clusters: true, or take clusters out")
        return self

    @property
    def needs_of_clusters(self) -> tuple[PendingInput, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The account is for the principals of the service, unless the file names them."""
        return (ACCOUNT_ID,) if self.service and not self.service.allowed_principals else ()

    @property
    def needs_vpc(self) -> bool:
        return bool(self.endpoints or (self.service and self.service.load_balancer))

    def cut_by_failover(self, cluster: Cluster, twin: DisasterRecovery) -> str:
        if self.service:
            return "the service is of the other region, and the twin has no endpoint for it"
        return "" if cluster.same_ranges(twin) else "the endpoints do not let in the ranges of the twin"

    def steps(self, facts: Mapping[str, Any], clusters: Mapping[str, Cluster]) -> Iterator[Step]:  # noqa: ARG002
        if not facts:
            return
        if self.service:
            service = in_words(fact(facts, "service", "service_name"))
            if domain := self.service.private_dns_name:
                record = f"create the TXT record of `service.private_dns_record` in the public zone of {domain}"
                if not self.service.verify_private_dns:
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
                    f"makes the zone {zone}",
                    "a VPC takes one zone of a name: keep one",
                )
            if endpoint.private_dns:
                yield Claim(
                    ("endpoints", name),
                    "network",
                    ("private DNS", endpoint.service),
                    f"answers for {endpoint.service} in network {self.network!r}",
                    "a VPC takes one endpoint with private_dns for a service: keep one",
                )

    def check(self, context: Context) -> Iterator[tuple[FieldPath, str]]:
        yield from super().check(context)
        subnets = context.subnets
        for index, arn_ in enumerate(self.service.load_balancers if self.service else ()):
            if (arn_region(arn_), arn_account(arn_)) != (context.region, context.account_id):
                message = f"{arn_!r} is not in account {context.account_id} and {context.region}"
                rule = "an endpoint service takes load balancers of its own account and region"
                yield ("service", "load_balancers", index), f"{message}; {rule}"
        if self.service and self.service.notify and arn_region(self.service.notify) != context.region:
            yield (
                ("service", "notify"),
                f"{self.service.notify!r} is not in {context.region}; SNS publishes in a topic's own region only",
            )
        if self.service and self.service.load_balancer:
            for field, message in _unknown("subnets", self.service.load_balancer.subnets, subnets):
                yield ("service", "load_balancer", *field), message
        for name, endpoint in self.endpoints.items():
            for field, message in _unknown("subnets", endpoint.subnets, subnets):
                yield ("endpoints", name, *field), message
