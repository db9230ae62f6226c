"""The hops from a cluster to the internet through an egress hub: its gateway, NAT gateways and public tables."""

from collections.abc import Iterator
from typing import Any

from modules.egress_hub.props import ANYWHERE
from operations.reach.exact import best
from operations.reach.gateway import LiveGateway, Theirs, attached
from operations.reach.hops import EPHEMERAL, Goal, acl_allows, all_of, routed
from operations.reach.network import LiveVpc
from operations.status.check import Check, Outcome, View, done, failed, unknown


def to_internet(
    goal: Goal, vpc: LiveVpc, v: View, gateway: LiveGateway, theirs: Theirs, attachment: str
) -> Iterator[Check]:
    """Yield the hops to a public address. `attachment` is the hub's."""

    def subnets() -> list[str]:
        answer = v.read("ec2:describe_transit_gateway_vpc_attachments").get("TransitGatewayVpcAttachments", [])
        return next((one["SubnetIds"] for one in answer if one["TransitGatewayAttachmentId"] == attachment), [])

    def targets() -> dict[str, str]:
        """Return the target of the address in the table of each subnet of the attachment."""
        tables = {subnet: vpc.table_of(subnet)[1] for subnet in subnets()}
        routes = {subnet: best(routes, int(goal.address)) for subnet, routes in tables.items()}
        return {subnet: route.target for subnet, route in routes.items() if route and route.state == "active"}

    def nats() -> list[dict[str, Any]]:
        used = set(targets().values())
        answer = v.read("ec2:describe_nat_gateways").get("NatGateways", [])
        return [one for one in answer if one["NatGatewayId"] in used]

    def network() -> Outcome:
        state = gateway.attachments().get(attachment, {}).get("State", "absent")
        evidence = f"{attachment}: {state}"
        return done(evidence) if state == "available" else failed(evidence, f"attach {vpc.id} to {gateway.id}")

    def forward() -> Outcome:
        fix = f"route {ANYWHERE} to {attachment}"
        return gateway.leads(goal.to_address(), theirs.attachment, [attachment], fix)

    def to_nat() -> Outcome:
        def of(subnet: str) -> Outcome:
            table, routes = vpc.table_of(subnet)
            target = targets().get(subnet, "")
            if target.startswith(("vpce-", "eni-")):
                return unknown(f"{table} of {subnet} points to {target}, an appliance", "check the routes behind it")
            known = {one.target for one in routes if one.target.startswith("nat-")}
            fix = f"route {ANYWHERE} to a NAT gateway in {table.split()[0]}"
            # A private address that reaches an internet gateway is dropped there.
            return routed(goal.to_address(), f"{table} of {subnet}", routes, known, fix)

        there = subnets()
        return all_of(map(of, there)) if there else unknown(f"{attachment} has no subnet", f"add one to {attachment}")

    def each_nat(look: Any) -> Outcome:
        found = [one for one in nats() if "SubnetId" in one or look is available]
        nowhere = unknown("no route of the hub leads to a NAT gateway", "correct that route first")
        return all_of(map(look, found)) if found else nowhere

    def available(nat: dict[str, Any]) -> Outcome:
        if "SubnetId" not in nat:
            return unknown(f"{nat['NatGatewayId']} is regional", "check the routes of the table that AWS created")
        addresses = ", ".join(one["PublicIp"] for one in nat["NatGatewayAddresses"] if one.get("PublicIp"))
        evidence = f"{nat['NatGatewayId']} is {nat['State']} with {addresses or 'no public address'}"
        if nat["State"] == "available" and addresses:
            return done(evidence)
        return failed(evidence, "replace it by a public NAT gateway, and change the routes to it")

    def to_gateway(nat: dict[str, Any]) -> Outcome:
        table, routes = vpc.table_of(nat["SubnetId"])
        known = {one.target for one in routes if one.target.startswith("igw-")}
        fix = f"route {ANYWHERE} to the internet gateway of {vpc.id} in {table.split()[0]}"
        return routed(goal.to_address(), f"{table} of {nat['SubnetId']}", routes, known, fix)

    def back(nat: dict[str, Any]) -> Outcome:
        table, routes = vpc.table_of(nat["SubnetId"])
        ranges = ", ".join(map(str, goal.sources))
        fix = f"add {table.split()[0]} to `public_route_tables` of {v.name}, or route {ranges} to {gateway.id} there"
        return routed(goal, f"{table} of {nat['SubnetId']}", routes, [gateway.id], fix)

    def acls(nat: dict[str, Any]) -> Outcome:
        there, port = goal.to_address().sources, (goal.port, goal.port)
        home = nat["SubnetId"]
        ways = [(home, goal.sources, port, False), (home, goal.sources, EPHEMERAL, True)]
        # The tables and ACLs of the attachment's subnets see the packet between the gateway and the NAT gateway.
        ways += [(home, there, port, True), (home, there, EPHEMERAL, False)]
        for subnet in set(subnets()) - {home}:
            ways += [(subnet, there, port, True), (subnet, there, EPHEMERAL, False)]
        return all_of(
            acl_allows(vpc, subnet, ranges, goal.protocol, ports, out=out) for subnet, ranges, ports, out in ways
        )

    def gateway_back() -> Outcome:
        fix = f"route the cluster's ranges to {theirs.attachment}"
        return gateway.leads(goal, attachment, [theirs.attachment or ""], fix)

    yield attached(goal, theirs, gateway)
    yield Check("network", f"{vpc.id} is attached to {gateway.id}", network)
    yield Check("forward", f"the gateway routes {goal.address} to the hub", forward)
    yield Check("nat-route", "the attachment's subnets route to a NAT gateway", to_nat, "network")
    yield Check("nat", "the NAT gateway is available", lambda: each_nat(available), "nat-route")
    yield Check("internet", "the public table leads to the internet", lambda: each_nat(to_gateway), "nat-route")
    yield Check("acl", "the network ACLs allow the packets and the responses", lambda: each_nat(acls), "nat-route")
    yield Check("route", f"the public table leads back to {goal.cluster}", lambda: each_nat(back), "nat-route")
    yield Check("back", f"the gateway routes responses to {goal.cluster}", gateway_back)
