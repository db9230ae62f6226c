"""Customer gateways of a stack, one for each address and ASN.

AWS identifies a device by both. Several connections to a device therefore use one customer gateway. The first one in
the file creates it. If another one becomes the first, the gateway moves to its address, and Terraform replaces nothing.
"""

from cdktf import TerraformResourceLifecycle, TerraformStack
from cdktf_cdktf_provider_aws.customer_gateway import CustomerGateway
from constructs import Construct

LARGEST_SIGNED = 2147483647
"""The largest signed ASN. Larger ones have a separate argument (facts B27)."""

# Names in the file never contain an underscore.
_ID = "customer_gateways"

Path = tuple[str, ...]
"""The path of a construct below its stack."""


def customer_gateway(
    scope: Construct, id_: str, name: str, *, ip: str | None, certificate: str | None, asn: int
) -> str:
    """Return the ID of a device's customer gateway; create it with `name` if the stack has none."""
    gateways, path = gateways_in(TerraformStack.of(scope)), (*scope.node.path.split("/")[1:], id_)
    device = (ip, certificate, asn)
    if device in gateways.created:
        used, paths = gateways.created[device]
        paths.append(path)
        return used
    created = CustomerGateway(
        scope,
        id_,
        type="ipsec.1",
        ip_address=ip,
        certificate_arn=certificate,
        bgp_asn=str(asn) if asn <= LARGEST_SIGNED else None,
        bgp_asn_extended=str(asn) if asn > LARGEST_SIGNED else None,
        # AWS returns the existing gateway for the same address, ASN and name (facts C5). Without a distinct name, it
        # would be another team's gateway, or that of a device that was just renamed.
        device_name=name,
        # AWS does not delete a gateway in use. A connection moves to the new gateway and keeps its tunnels. An adopted
        # gateway without a name, or with another one, needs no replacement.
        lifecycle=TerraformResourceLifecycle(create_before_destroy=True, ignore_changes=["device_name"]),
        tags={"Name": name},
    ).id
    gateways.created[device] = created, [path]
    return created


def gateways_in(stack: TerraformStack) -> "CustomerGateways":
    """Return the customer gateways of a stack."""
    found = stack.node.try_find_child(_ID)
    return found if isinstance(found, CustomerGateways) else CustomerGateways(stack, _ID)


class CustomerGateways(Construct):
    """The customer gateways of a stack by address, certificate and ASN.

    Each has its ID and the paths of the customer gateways of all connections that share it, beginning with its own.
    """

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        self.created: dict[tuple[str | None, str | None, int], tuple[str, list[Path]]] = {}
