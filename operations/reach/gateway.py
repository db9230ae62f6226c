"""The hops over a transit gateway: to one of your VPCs, or into the tunnels of a VPN."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from modules.vpn.props import VpnProps
from operations.reach.exact import Route, best
from operations.reach.hops import Goal, no_subnet, routed
from operations.reach.network import LiveVpc, prefix_list
from operations.status.check import Check, Outcome, View, done, failed, unknown
from operations.status.connections import checks_of

Attachments = Callable[[], list[str]]
"""Returns your attachments that should route to a network."""


@dataclass(frozen=True)
class Theirs:
    """The cluster's attachment to a transit gateway, and the stack that accepts it."""

    attachment: str | None
    stack: str | None


class LiveGateway:
    """A transit gateway in its current state in AWS. Each list is read once per account and region."""

    def __init__(self, view: View, gateway_id: str) -> None:
        self._view, self.id = view, gateway_id

    def attachments(self) -> dict[str, dict[str, Any]]:
        """Return the attachments by ID."""
        answer = self._view.read("ec2:describe_transit_gateway_attachments").get("TransitGatewayAttachments", [])
        return {one["TransitGatewayAttachmentId"]: one for one in answer if one["TransitGatewayId"] == self.id}

    def attachment_of(self, resource: str) -> dict[str, Any]:
        """Return the attachment of a VPC or a VPN connection: one that is available, if there is one."""
        found = [one for one in self.attachments().values() if one.get("ResourceId") == resource]
        return next((one for one in found if one["State"] == "available"), found[0] if found else {})

    def leads(self, goal: Goal, source: str | None, targets: Collection[str], fix: str) -> Outcome:
        """Return whether the route table of an attachment sends the goal's ranges to one of the targets."""
        table = self._table_of(source)
        if table is None:
            named = source or "the attachment"
            return failed(
                f"no route table is associated with {named}", f"associate a route table of {self.id} with {named}"
            )
        return routed(goal, table, self._routes(table), targets, f"{fix} in {table}")

    def targets(self, source: str | None, address: IPv4Address) -> list[str]:
        """Return the attachments to which the route table of an attachment sends an address."""
        table = self._table_of(source)
        route = best(self._routes(table), int(address)) if table else None
        return route.target.split(", ") if route and route.state == "active" else []

    def _table_of(self, attachment: str | None) -> str | None:
        association = self.attachments().get(attachment or "", {}).get("Association") or {}
        return association["TransitGatewayRouteTableId"] if association.get("State") == "associated" else None

    def _routes(self, table: str) -> list[Route]:
        either = [{"Name": "state", "Values": ["active", "blackhole"]}]
        answer = self._view.read("ec2:search_transit_gateway_routes", TransitGatewayRouteTableId=table, Filters=either)
        return [
            Route(
                IPv4Network(prefix),
                3 if one.get("Type") == "static" else 1,
                one["State"],
                ", ".join(each["TransitGatewayAttachmentId"] for each in one.get("TransitGatewayAttachments", [])),
            )
            for one in answer.get("Routes", [])
            for prefix in ([one["DestinationCidrBlock"]] if one.get("DestinationCidrBlock") else self._listed(one))
        ]

    def _listed(self, route: Mapping[str, Any]) -> list[str]:
        return prefix_list(self._view, route["PrefixListId"]) if route.get("PrefixListId") else []


def _available(gateway: LiveGateway, found: Mapping[str, Any], absent: str, fix: str) -> Outcome:
    state = found.get("State", absent)
    evidence = f"{found.get('TransitGatewayAttachmentId', gateway.id)}: {state}"
    return done(evidence) if state == "available" else failed(evidence, fix)


def attached(goal: Goal, theirs: Theirs, gateway: LiveGateway) -> Check:
    """Return the check that the cluster's attachment is available."""
    named = "add the cluster's attachment to `attachments` in the file, and deploy"
    return Check(
        "astro",
        f"{goal.cluster} is attached to {gateway.id}",
        lambda: _available(
            gateway,
            gateway.attachments().get(theirs.attachment or "", {}),
            "absent",
            f"`cdktf deploy {theirs.stack}`, or {named}",
        ),
    )


def to_vpc(goal: Goal, vpc: LiveVpc, v: View, gateway: LiveGateway, theirs: Theirs) -> Iterator[Check]:
    """Yield the hops to a VPC: both attachments, the zone, and the gateway's route tables in both directions."""

    def mine() -> dict[str, Any]:
        return gateway.attachment_of(vpc.id)

    def zone() -> Outcome:
        id_, subnet = mine().get("TransitGatewayAttachmentId", vpc.id), vpc.subnet_of(goal.address)
        if subnet is None:
            return no_subnet(goal, vpc)
        answer = v.read("ec2:describe_transit_gateway_vpc_attachments").get("TransitGatewayVpcAttachments", [])
        attached = next((one["SubnetIds"] for one in answer if one["TransitGatewayAttachmentId"] == id_), [])
        zones = {vpc.subnets[one]["AvailabilityZone"] for one in attached if one in vpc.subnets}
        if subnet["AvailabilityZone"] in zones:
            return done(f"{id_} has a subnet in {subnet['AvailabilityZone']}")
        evidence = f"{id_} has subnets only in {', '.join(sorted(zones)) or 'no zone'}; packets to and from "
        return failed(
            f"{evidence}{subnet['SubnetId']} in {subnet['AvailabilityZone']} are dropped",
            f"add a subnet of {subnet['AvailabilityZone']} to the attachment {id_}",
        )

    def forward() -> Outcome:
        ours = mine().get("TransitGatewayAttachmentId", "your attachment")
        return gateway.leads(goal.to_address(), theirs.attachment, [ours], f"route the network's ranges to {ours}")

    def back() -> Outcome:
        ours = mine().get("TransitGatewayAttachmentId", vpc.id)
        fix = f"route the cluster's ranges to {theirs.attachment}"
        return gateway.leads(goal, ours, [theirs.attachment or ""], fix)

    yield attached(goal, theirs, gateway)
    yield Check(
        "network",
        f"{vpc.id} is attached to {gateway.id}",
        lambda: _available(
            gateway,
            mine(),
            f"{vpc.id} has no attachment",
            f"attach {vpc.id} to {gateway.id}, for example with `attach_network: true`",
        ),
    )
    yield Check("forward", f"the gateway routes {goal.cluster} to {goal.address}", forward)
    yield Check("zone", "the attachment has a subnet in the zone of the address", zone, "network")
    yield Check("back", f"the gateway routes responses to {goal.cluster}", back)


def beyond(goal: Goal, gateway: LiveGateway, theirs: Theirs, attachments: Attachments) -> Iterator[Check]:
    """Yield the hops to a network behind the gateway: the gateway's route tables in both directions."""

    def forward() -> Outcome:
        ours = attachments()
        fix = f"route {goal.address} to {' or '.join(ours) or 'the attachment of its network'}"
        return gateway.leads(goal.to_address(), theirs.attachment, ours, fix)

    def back() -> Outcome:
        fix = f"route the cluster's ranges to {theirs.attachment}"
        found = [gateway.leads(goal, one, [theirs.attachment or ""], fix) for one in attachments()]
        # Responses arrive over any attachment, so one table that does not lead back loses some of them.
        nowhere = unknown(f"no route of {gateway.id} leads to {goal.address}", "correct that route first")
        return next((one for one in found if one.state != "done"), found[0] if found else nowhere)

    yield attached(goal, theirs, gateway)
    yield Check("forward", f"the gateway routes {goal.cluster} to {goal.address}", forward)
    yield Check("back", f"the gateway routes responses to {goal.cluster}", back)


def into_tunnels(goal: Goal, props: VpnProps, v: View, gateway: LiveGateway, theirs: Theirs) -> Iterator[Check]:
    """Yield the hops into a VPN: the gateway's, and its tunnels.

    `v` is the view of the VPN, whose account has the gateway.
    """

    def attachments() -> list[str]:
        connections = [str(v.fact(name, "vpn_connection_id")) for name in props.known_gateways()]
        found = [gateway.attachment_of(one).get("TransitGatewayAttachmentId") for one in connections]
        return [one or f"the attachment of {id_}" for one, id_ in zip(found, connections, strict=True)]

    def up() -> Outcome:
        outcomes = [check.look() for check in checks_of(props, v) if check.id.startswith("tunnel:")]
        # One tunnel of one device carries the traffic.
        if well := [one for one in outcomes if one.state == "done"]:
            return well[0]
        return failed("; ".join(one.evidence for one in outcomes), outcomes[0].fix, "your network team")

    yield from beyond(goal, gateway, theirs, attachments)
    yield Check("tunnel", f"a tunnel of {v.name} is up", up)


def device(goal: Goal, devices: Collection[str]) -> Check:
    """Return the check of the network behind the gateway, which AWS does not show."""
    ranges = ", ".join(map(str, goal.sources))
    ask = f"ask your network team: does {' or '.join(devices)} route {ranges} back, and allow {goal.port}?"
    look = lambda: unknown("AWS does not show that network", ask, "your network team")  # noqa: E731
    return Check("device", f"the network of {goal.address} routes back to {goal.cluster}", look)
