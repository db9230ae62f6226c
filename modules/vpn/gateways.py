"""The devices at the other end of a VPN."""

from ipaddress import IPv4Network
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from modules.vocabulary import (
    CustomerGatewayId,
    Props,
    Range,
    TransitGatewayAttachmentId,
    UnicastIp,
    arn,
    is_private,
)
from modules.vpn.tunnels import Tunnels

_RESERVED = {IPv4Network(f"169.254.{third}.0/30") for third in range(6)} | {IPv4Network("169.254.169.252/30")}
OF_YOUR_ACCOUNT = ("direct_connect_attachment_id", "certificate_arn", "customer_gateway_id")
# Amazon's own ASNs, which AWS refuses for a customer gateway.
_AMAZONS = (7224, 9059, 10124, 17943)


def _free(cidr: IPv4Network) -> IPv4Network:
    if cidr in _RESERVED:
        raise ValueError("is reserved by AWS; take a /30 of 169.254.6.0 to 169.254.168.255, for example")
    return cidr


def _not_amazons(asn: int) -> int:
    if asn in _AMAZONS:
        raise ValueError(f"is an ASN of Amazon ({', '.join(map(str, _AMAZONS))}); use your network's ASN")
    return asn


InsideCidr = Annotated[
    IPv4Network,
    Range("a valid inside range for a tunnel", 30, 30, (IPv4Network("169.254.0.0/16"),), "169.254.0.0/16"),
    AfterValidator(_free),
]
Asn = Annotated[int, Field(ge=1, le=4294967294), AfterValidator(_not_amazons)]


CertificateArn = Annotated[
    str,
    arn(
        "acm",
        r"certificate/[0-9a-f-]{36}",
        "a certificate of ACM",
        "arn:aws:acm:us-east-1:111111111111:certificate/11111111-2222-3333-4444-555555555555",
    ),
]


class Gateway(Props):
    """Your VPN device: a customer gateway with a VPN connection of two tunnels."""

    ip: UnicastIp | None = None
    """Its static IPv4 address: the public one, or a private one with `direct_connect_attachment_id`. Leave it out until
    your network team has provided it, and with `certificate_arn` or `customer_gateway_id`."""
    direct_connect_attachment_id: TransitGatewayAttachmentId | None = None
    """The transit gateway's attachment of the Direct Connect gateway, over which the tunnels reach a private `ip`."""
    certificate_arn: CertificateArn | None = None
    """The private certificate that identifies a device without a fixed address, in ACM of the network's account and
    region. The device starts the tunnels, and there are no pre-shared keys."""
    customer_gateway_id: CustomerGatewayId | None = None
    """An existing customer gateway in the network's account and region. Default: a new one. Connections of a network
    share it if their devices have the same address and ASN. Connections of different networks each create one, which
    AWS allows because the names differ."""
    bgp_asn: Asn | None = None
    """The device's own ASN. Default: the connection's `bgp_asn`."""
    tunnels: Tunnels | None = None
    """The settings of its tunnels. Default: the connection's `tunnels`."""
    tunnel1_inside_cidr: InsideCidr | None = None
    """A /30 of 169.254.0.0/16 for the first tunnel. AWS uses the first address, and your device the second. Default:
    AWS chooses."""
    tunnel2_inside_cidr: InsideCidr | None = None
    """The same for the second tunnel. All inside ranges of a connection must differ."""

    @model_validator(mode="after")
    def _is_known_in_one_way(self) -> Self:
        if self.customer_gateway_id and (self.ip or self.certificate_arn):
            raise ValueError(
                "has customer_gateway_id and fields of a new customer gateway; set customer_gateway_id without ip and "
                "certificate_arn"
            )
        private = bool(self.ip and is_private(self.ip))
        if private and not self.direct_connect_attachment_id:
            raise ValueError(
                f"has the private address {self.ip} without direct_connect_attachment_id; set the attachment of the "
                "Direct Connect gateway that carries the tunnels, or the device's public IP address"
            )
        if self.direct_connect_attachment_id and self.ip and not private:
            raise ValueError(
                f"has direct_connect_attachment_id and the public address {self.ip}; Direct Connect requires a private "
                "address"
            )
        starts = self.tunnels and "startup_action" in self.tunnels.model_fields_set
        if self.certificate_arn and starts and self.tunnels and self.tunnels.startup_action == "start":
            raise ValueError(
                "has certificate_arn and startup_action start, but AWS does not know the device's address and cannot "
                "initiate its tunnels; remove startup_action"
            )
        return self

    @property
    def is_known(self) -> bool:
        """Return whether AWS can identify the device."""
        return bool(self.ip or self.certificate_arn or self.customer_gateway_id)

    def inside_cidrs(self) -> tuple[IPv4Network | None, IPv4Network | None]:
        """Return the inside ranges of tunnels 1 and 2."""
        return self.tunnel1_inside_cidr, self.tunnel2_inside_cidr
