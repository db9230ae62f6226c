"""The fixed cost of an estate at AWS's list prices, computed offline from its synthesized stacks. Usage charges are not
included: traffic, requests, log and object storage.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

PRICED_AT = "June 2026"
"""The date of all prices below."""
REGION = "us-east-1"
"""The region of all prices below. Other regions differ, most by less than a third."""
HOURS = 730
"""The hours in a month, as in AWS's own calculator."""

Block = Mapping[str, Any]


@dataclass(frozen=True)
class Price:
    """The list price of one unit, in USD, with the AWS pricing page that states it."""

    item: str
    usd: Decimal
    per: Literal["hour", "month"]
    page: str

    def monthly(self, quantity: int) -> Decimal:
        """Return the monthly cost."""
        return self.usd * quantity * (HOURS if self.per == "hour" else 1)


def _hourly(item: str, usd: str, page: str) -> Price:
    return Price(item, Decimal(usd), "hour", page)


def _monthly(item: str, usd: str, page: str) -> Price:
    return Price(item, Decimal(usd), "month", page)


NAT_GATEWAY = _hourly("NAT gateway", "0.045", "Amazon VPC, NAT gateway")
PUBLIC_IPV4 = _hourly("public IPv4 address", "0.005", "Amazon VPC, Public IPv4 address")
ENDPOINT = _hourly("interface endpoint, per zone", "0.01", "AWS PrivateLink")
ATTACHMENT = _hourly("transit gateway attachment", "0.05", "AWS Transit Gateway")
VPN = _hourly("VPN connection", "0.05", "AWS VPN")
ACCELERATOR = _hourly("accelerator of a VPN tunnel", "0.025", "AWS Global Accelerator")
LOAD_BALANCER = _hourly("Network Load Balancer", "0.0225", "Elastic Load Balancing")
RESOLVER_ADDRESS = _hourly("Resolver endpoint address", "0.125", "Amazon Route 53, Resolver endpoints")
FIREWALL_DOMAIN = _monthly("DNS Firewall domain", "0.0005", "Amazon Route 53, Resolver DNS Firewall")
HOSTED_ZONE = _monthly("hosted zone", "0.50", "Amazon Route 53, hosted zones")
# The first and the second yearly rotation of a key each add the same price again.
KMS_KEY = _monthly("KMS key", "1.00", "AWS Key Management Service")
ALARM = _monthly("CloudWatch alarm", "0.10", "Amazon CloudWatch, alarms")
METRIC = _monthly("CloudWatch custom metric", "0.30", "Amazon CloudWatch, metrics")


def _endpoint(block: Block) -> dict[Price, int]:
    # Gateway endpoints are free.
    return {ENDPOINT: len(block["subnet_ids"])} if block.get("vpc_endpoint_type") == "Interface" else {}


def _vpn(block: Block) -> dict[Price, int]:
    found = {VPN: 1}
    if block.get("transit_gateway_id"):
        found[ATTACHMENT] = 1
    if block.get("outside_ip_address_type") != "PrivateIpv4":
        found[PUBLIC_IPV4] = 2
    if block.get("enable_acceleration"):
        found[ACCELERATOR] = 2
    return found


def _by_use(_: Block) -> dict[Price, int]:
    return {}


PRICED: Mapping[str, Callable[[Block], Mapping[Price, int]]] = {
    "aws_cloudtrail": _by_use,  # the first copy of management events in a region is free
    "aws_cloudwatch_log_group": _by_use,
    "aws_cloudwatch_log_metric_filter": lambda _: {METRIC: 1},
    "aws_cloudwatch_metric_alarm": lambda _: {ALARM: 1},
    # The other side pays for its end of the peering.
    "aws_ec2_transit_gateway_peering_attachment_accepter": lambda _: {ATTACHMENT: 1},
    "aws_ec2_transit_gateway_vpc_attachment": lambda _: {ATTACHMENT: 1},
    "aws_eip": lambda _: {PUBLIC_IPV4: 1},
    "aws_flow_log": _by_use,
    "aws_kms_key": lambda _: {KMS_KEY: 1},
    "aws_lb": lambda _: {LOAD_BALANCER: 1},
    "aws_nat_gateway": lambda _: {NAT_GATEWAY: 1},
    "aws_route53_resolver_endpoint": lambda block: {RESOLVER_ADDRESS: len(block["ip_address"])},
    "aws_route53_resolver_firewall_domain_list": lambda block: {FIREWALL_DOMAIN: len(block["domains"])},
    "aws_route53_zone": lambda _: {HOSTED_ZONE: 1},
    "aws_s3_bucket": _by_use,
    "aws_sns_topic": _by_use,
    "aws_vpc_endpoint": _endpoint,
    "aws_vpn_connection": _vpn,
}
"""The quantity of each price in a resource, by Terraform type."""

FREE = frozenset(
    {
        "aws_account_region",
        "aws_cloudwatch_event_rule",
        "aws_cloudwatch_event_target",
        "aws_customer_gateway",
        "aws_default_security_group",
        "aws_ec2_managed_prefix_list",
        "aws_ec2_transit_gateway",
        "aws_ec2_transit_gateway_route",
        "aws_ec2_transit_gateway_route_table",
        "aws_ec2_transit_gateway_route_table_association",
        "aws_ec2_transit_gateway_route_table_propagation",
        "aws_ec2_transit_gateway_vpc_attachment_accepter",
        "aws_iam_openid_connect_provider",
        "aws_iam_policy",
        "aws_iam_role",
        "aws_iam_role_policies_exclusive",
        "aws_iam_role_policy",
        "aws_iam_role_policy_attachment",
        "aws_iam_role_policy_attachments_exclusive",
        "aws_iam_security_token_service_preferences",
        "aws_internet_gateway",
        "aws_lb_listener",
        "aws_lb_target_group",
        "aws_lb_target_group_attachment",
        "aws_network_acl_rule",
        "aws_ram_principal_association",
        "aws_ram_resource_association",
        "aws_ram_resource_share",
        "aws_route",
        "aws_route53_record",
        "aws_route53_resolver_firewall_rule",
        "aws_route53_resolver_firewall_rule_group",
        "aws_route53_resolver_firewall_rule_group_association",
        "aws_route53_resolver_rule",
        "aws_route53_resolver_rule_association",
        "aws_route53_vpc_association_authorization",
        "aws_route_table",
        "aws_route_table_association",
        "aws_s3_bucket_lifecycle_configuration",
        "aws_s3_bucket_ownership_controls",
        "aws_s3_bucket_policy",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_versioning",
        "aws_security_group",
        "aws_servicequotas_service_quota",
        "aws_sns_topic_policy",
        "aws_sns_topic_subscription",
        "aws_subnet",
        "aws_vpc",
        "aws_vpc_endpoint_connection_accepter",
        "aws_vpc_endpoint_connection_notification",
        "aws_vpc_endpoint_service",
        "aws_vpc_endpoint_service_private_dns_verification",
        "aws_vpc_peering_connection_accepter",
        "aws_vpc_peering_connection_options",
        "aws_vpc_security_group_ingress_rule",
        "aws_vpn_connection_route",
        "aws_vpn_gateway",
        "aws_vpn_gateway_route_propagation",
        "terraform_data",
    }
)
"""The other types. An attachment is paid by the owner of its VPC, and an endpoint of your service by its owner."""


@dataclass(frozen=True)
class Cost:
    """The cost of one item of an entry."""

    stack: str
    entry: str
    price: Price
    quantity: int

    @property
    def monthly(self) -> Decimal:
        """Return the monthly cost in USD."""
        return self.price.monthly(self.quantity)


def costs(stacks: Mapping[str, Block]) -> list[Cost]:
    """Return the cost of each item, from the Terraform JSON of the stacks by name."""
    found: list[Cost] = []
    for stack, content in stacks.items():
        counted: Counter[tuple[str, Price]] = Counter()
        for type_, blocks in content.get("resource", {}).items():
            for name, block in blocks.items() if type_ not in FREE else ():
                for price, quantity in PRICED[type_](block).items():
                    counted[name.partition("_")[0], price] += quantity
        items = sorted(counted.items(), key=lambda one: (one[0][0], -one[0][1].monthly(one[1]), one[0][1].item))
        found += [Cost(stack, entry, price, quantity) for (entry, price), quantity in items]
    return found


def table(found: list[Cost]) -> Iterator[str]:
    """Yield the lines of a table for a person."""
    yield (
        f"Fixed cost in USD, at AWS's list prices of {PRICED_AT} for {REGION}. Other regions differ. Traffic, requests,"
        " logs and storage are not included."
    )
    rows = [("stack", "entry", "item", "quantity", "price", "month")]
    rows += [
        (
            one.stack,
            one.entry,
            one.price.item,
            str(one.quantity),
            f"{one.price.usd}/{one.price.per}",
            _amount(one.monthly),
        )
        for one in found
    ]
    total = _total(found)
    rows.append(("total", "", "", "", f"{total / HOURS:.3f}/hour", _amount(total)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        texts = [text.ljust(width) for text, width in zip(row[:3], widths[:3], strict=True)]
        numbers = [text.rjust(width) for text, width in zip(row[3:], widths[3:], strict=True)]
        yield "  ".join((*texts, *numbers))


def _total(found: list[Cost]) -> Decimal:
    return sum((one.monthly for one in found), Decimal())


def _amount(usd: Decimal) -> str:
    return "< 0.01" if 0 < usd < Decimal("0.01") else f"{usd:.2f}"


def as_values(found: list[Cost]) -> dict[str, Any]:
    """Return the costs for a program, with numbers as text so that they stay exact."""
    return {
        "currency": "USD",
        "priced_at": PRICED_AT,
        "region": REGION,
        "month": str(_total(found)),
        "items": [
            {
                "stack": one.stack,
                "entry": one.entry,
                "item": one.price.item,
                "quantity": one.quantity,
                "price": str(one.price.usd),
                "per": one.price.per,
                "month": str(one.monthly),
                "pricing_page": one.price.page,
            }
            for one in found
        ],
    }
