"""The hops from Remote Execution Agents in your network to Astro, by PrivateLink."""

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from modules.astronomer import agents_domain
from modules.remote_agents.props import RemoteAgentsProps
from operations.reach.exact import covers
from operations.reach.hops import EPHEMERAL, acl_allows, all_of, each
from operations.reach.network import LiveVpc
from operations.status.check import Check, Outcome, View, done, failed, unknown, waiting
from operations.status.connections import checks_of

Interfaces = list[dict[str, Any]]


def names_of(props: RemoteAgentsProps, v: View) -> set[str]:
    """Return the names of the other end: the cluster's name for agents, and the service's."""
    id_ = v.estate.clusters[props.cluster].id
    return {one for one in (agents_domain(id_) if id_ else None, props.service_name) if one}


def from_agents(props: RemoteAgentsProps, v: View, vpc: LiveVpc, protocol: str, port: int) -> Iterator[Check]:
    """Yield the hops: the endpoint, its name, and the rules of agents and endpoint. Agents start the connection."""
    of_status = {check.id: check for check in checks_of(props, v)}
    if not props.service_name:
        (pending,) = props.pending_inputs()
        look = lambda: waiting("Astronomer", f"the file has no {pending.field}", pending.how)  # noqa: E731
        yield Check("service_name", "Astronomer has created the service", look)
        return
    agents, mine = props.agents_security_groups, ", ".join(props.agents_security_groups)

    def endpoint() -> dict[str, Any]:
        id_ = v.fact("endpoint_id")
        answer = v.read("ec2:describe_vpc_endpoints").get("VpcEndpoints", [])
        return next((one for one in answer if one["VpcEndpointId"] == id_), {"VpcEndpointId": id_})

    def at_endpoint() -> Interfaces:
        ids = endpoint().get("NetworkInterfaceIds", [])
        return [one for one in vpc.interfaces() if one["NetworkInterfaceId"] in ids]

    def at_agents() -> Interfaces:
        return [one for one in vpc.interfaces() if any(group["GroupId"] in agents for group in one["Groups"])]

    def dns() -> Outcome:
        names = {"enableDnsSupport": "EnableDnsSupport", "enableDnsHostnames": "EnableDnsHostnames"}
        read = lambda name: v.read("ec2:describe_vpc_attribute", VpcId=vpc.id, Attribute=name)  # noqa: E731
        off = [name for name, key in names.items() if not read(name).get(key, {}).get("Value")]
        if off:
            return failed(f"{', '.join(off)} of {vpc.id} is off", f"turn it on: private zones of {vpc.id} need both")
        return done(f"both DNS settings of {vpc.id} are on")

    def name() -> Outcome:
        if (associated := of_status["name"].look()).state != "done":
            return associated
        zone, domain = v.fact("zone_id"), v.fact("domain")
        records = v.read("route53:list_resource_record_sets", HostedZoneId=zone).get("ResourceRecordSets", [])
        found = next((one for one in records if (one["Name"].rstrip("."), one["Type"]) == (domain, "A")), None)
        if found is None:
            return v.gone(f"{zone} has no A record for {domain}")
        target = found.get("AliasTarget", {}).get("DNSName", "an address").rstrip(".")
        own = [one["DnsName"].rstrip(".") for one in endpoint().get("DnsEntries", [])]
        evidence = f"{domain} in {zone} is an alias of {target}"
        return done(evidence) if target in own else failed(f"{evidence}, not of {', '.join(own)}", v.deploy)

    def running() -> Outcome:
        if not agents:
            return unknown(f"the file has no agents_security_groups, so all ranges of {vpc.id} are checked", "")
        if found := at_agents():
            return done(f"{', '.join(one['NetworkInterfaceId'] for one in found)} with {mine}")
        return unknown(f"no network interface has {mine} now", "start an agent, then run this command again")

    absent = unknown("the endpoint has no network interface", "correct the endpoint first")

    def leave() -> Outcome:
        if not at_endpoint():
            return absent
        ranges, groups = vpc.allowed(agents, protocol, port, out=True)
        theirs = [group["GroupId"] for one in at_endpoint() for group in one["Groups"]]
        if groups & set(theirs):
            return done(f"{mine} allows outbound {protocol} {port} to {', '.join(sorted(groups & set(theirs)))}")
        why = f"no outbound rule of {mine} allows {protocol} {port}"
        block = lambda address: "" if any(covers(one, address) for one in ranges) else why  # noqa: E731
        fix = f"add an outbound rule to {mine} for {protocol} {port} to {', '.join(theirs)}"
        return each(_addresses(at_endpoint()), ranges, block, f"{mine} allows outbound {protocol} {port}", fix)

    def enter() -> Outcome:
        if not at_endpoint():
            return absent
        own = sorted({group["GroupId"] for one in at_endpoint() for group in one["Groups"]})
        ranges, groups = vpc.allowed(own, protocol, port)
        if groups & set(agents):
            return done(f"{', '.join(own)} allows {protocol} {port} from {', '.join(sorted(groups & set(agents)))}")
        why = f"no inbound rule of {', '.join(own)} allows {protocol} {port}"
        block = lambda address: "" if any(covers(one, address) for one in ranges) else why  # noqa: E731
        fix = f"add the agents' group to `agents_security_groups` of {v.name}, and deploy; agents use TCP port 443"
        if agents and not at_agents():
            return running()
        sources = _addresses(at_agents()) if agents else [IPv4Network(one) for one in vpc.ranges]
        return each(sources, ranges, block, f"{', '.join(own)} allows {protocol} {port}", fix)

    def acls() -> Outcome:
        # Without their groups, agents can be in every subnet.
        here, there = at_agents() if agents else [], at_endpoint()
        once = (port, port)
        # Network ACLs do not see packets inside a subnet.
        ways = [
            (subnet, _addresses(one for one in far if one["SubnetId"] != subnet), to, fro)
            for near, far, to, fro in ((here, there, once, EPHEMERAL), (there, here, EPHEMERAL, once))
            for subnet in sorted({one["SubnetId"] for one in near})
        ]
        if not agents:
            ways = [
                (home, [IPv4Network(one["CidrBlock"]) for id_, one in vpc.subnets.items() if id_ != home], *ports)
                for home, _, *ports in ways
            ]
        return all_of(
            acl_allows(vpc, subnet, far, protocol, ports, out=out)
            for subnet, far, to, fro in ways
            for ports, out in ((to, True), (fro, False))
        )

    yield of_status["endpoint"]
    yield Check("dns", f"{vpc.id} resolves names of private zones", dns)
    if "name" in of_status:
        yield Check("name", f"the name of {props.cluster} resolves to the endpoint", name, "endpoint")
    yield Check("agents", "an agent is running", running)
    if agents:
        yield Check("agents-group", "the agents' security group allows the endpoint", leave, "endpoint")
    yield Check("acl", "the network ACLs allow the packets and the responses", acls, "endpoint")
    yield Check("group", "the endpoint's security group allows the agents", enter, "endpoint")


def _addresses(interfaces: Any) -> list[IPv4Network]:
    return [IPv4Network(one["PrivateIpAddress"]) for one in interfaces]
