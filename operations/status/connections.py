"""The checks of `main.py status` for each connection type."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from estate.renames import former_name
from modules.connection import ConnectionProps
from modules.dns_forwarding.props import DnsForwardingProps
from modules.egress_domains.props import EgressDomainsProps
from modules.entry import fact
from modules.hosted_zone.props import HostedZoneProps
from modules.ip_allowlist.props import IpAllowlistProps
from modules.network_rules.props import NetworkRulesProps
from modules.peering_role.props import PeeringRoleProps
from modules.private_link.props import PrivateLinkProps
from modules.remote_agents.props import RemoteAgentsProps
from modules.resolver_rules.props import ResolverRulesProps
from modules.vpc_peering.props import VpcPeeringProps
from modules.vpn.props import VpnProps
from modules.workload_identity.props import WorkloadIdentityProps
from operations.status import shared
from operations.status.check import Check, Outcome, View, done, failed, waiting
from operations.status.transit_gateway import egress_hub, transit_gateway

Checks = Callable[[Any, View], Iterator[Check]]


def vpc_peering(p: VpcPeeringProps, v: View) -> Iterator[Check]:
    """Check the request, its acceptance, DNS and the routes back."""
    if p.peering_id is None:
        yield Check("peering_id", "Astro has requested the peering", lambda: _requested(p, v))
        return
    id_ = p.peering_id
    yield Check("active", f"VPC peering connection {id_} is active", lambda: _active(p, v, id_))
    if p.resolve_dns:
        title = "Astro resolves your public host names to private addresses"
        yield Check("dns", title, lambda: _dns(v, id_), "active")
    yield from shared.routes(v, p.network, [p.cluster], lambda: id_, "active")
    yield from shared.ingress(v, p.ingress, [p.cluster])


def _peerings(v: View) -> list[dict[str, Any]]:
    return v.read("ec2:describe_vpc_peering_connections").get("VpcPeeringConnections", [])


def _requested(p: VpcPeeringProps, v: View) -> Outcome:
    vpc_id, cluster = shared.vpc_of(v, p.network), v.estate.clusters[p.cluster]
    for one in _peerings(v):
        ours, theirs, code = one["AccepterVpcInfo"], one["RequesterVpcInfo"], one["Status"]["Code"]
        same = ours.get("VpcId") == vpc_id and theirs.get("Region", v.region) == cluster.region
        cidr = theirs.get("CidrBlock") in (None, str(cluster.cidr))
        if same and cidr and code in ("pending-acceptance", "active") and theirs["OwnerId"] == cluster.account_id:
            until = shared.moment(one.get("ExpirationTime"))
            line = f"add `peering_id: {one['VpcPeeringConnectionId']}` to {v.entry.path}, then {v.deploy}"
            evidence = f"account {theirs['OwnerId']} has requested {one['VpcPeeringConnectionId']}, which is {code}"
            return waiting("you", evidence, line, until - shared.VALID if until else None, until)
    evidence = f"account {cluster.account_id} has no pending request for {vpc_id}"
    how = p.pending_inputs()[0].how
    return waiting("you", evidence, how[0].lower() + how[1:])


def _active(p: VpcPeeringProps, v: View, id_: str) -> Outcome:
    found = next((one for one in _peerings(v) if one["VpcPeeringConnectionId"] == id_), None)
    again = f"create the connection again in the Astro UI, and set peering_id in {v.entry.path} to its new ID"
    if found is None:
        return failed(f"{id_} does not exist in account {v.account_id}, {v.region}", again)
    code, asked_by = found["Status"]["Code"], found["RequesterVpcInfo"]["OwnerId"]
    wanted = v.estate.clusters[p.cluster].account_id
    if wanted and asked_by != wanted:
        evidence = f"account {asked_by} requested {id_}, but cluster {p.cluster} is in {wanted}"
        return failed(
            evidence, f"do not accept it; compare account_id of clusters.{p.cluster} with the value in the Astro API"
        )
    until = shared.moment(found.get("ExpirationTime"))
    match code:
        case "active":
            return done(f"{id_} is active")
        case "pending-acceptance":
            fix = v.deploy if wanted else f"set account_id of clusters.{p.cluster}, then {v.deploy}"
            since = until - shared.VALID if until else None
            return waiting("you", f"{id_} is {code}, requested by {asked_by}", fix, since, until)
        case "initiating-request" | "provisioning":
            return waiting("AWS", f"{id_} is {code}", "wait a few minutes, and check again")
        case _:
            return failed(f"{id_} is {code}: {found['Status'].get('Message', '')}", again)


def _dns(v: View, id_: str) -> Outcome:
    found = next((one for one in _peerings(v) if one["VpcPeeringConnectionId"] == id_), {})
    options = fact(found, "AccepterVpcInfo", "PeeringOptions") or {}
    if options.get("AllowDnsResolutionFromRemoteVpc"):
        return done(f"AllowDnsResolutionFromRemoteVpc of {id_} is on for your side")
    return v.gone(f"AllowDnsResolutionFromRemoteVpc of {id_} is off for your side")


def vpn(p: VpnProps, v: View) -> Iterator[Check]:
    """Check each connection and its tunnels. operations/aws.py drops keys from all answers."""
    if p.terminates == "astro":
        return
    for name in p.known_gateways():
        title = f"VPN connection {name} is available"
        yield Check(f"connection:{name}", title, lambda name=name: _vpn(v, name))
        for number in (1, 2):
            title = f"tunnel {number} of {name} is up"
            look = lambda name=name, number=number: _tunnel(p, v, name, number)  # noqa: E731
            yield Check(f"tunnel:{name}-{number}", title, look, f"connection:{name}")


def _vpn_found(v: View, name: str) -> tuple[str, dict[str, Any]]:
    id_ = v.fact(name, "vpn_connection_id")
    answer = v.read("ec2:describe_vpn_connections").get("VpnConnections", [])
    return id_, next((one for one in answer if one["VpnConnectionId"] == id_), {})


def _vpn(v: View, name: str) -> Outcome:
    id_, found = _vpn_found(v, name)
    match found.get("State", "absent"):
        case "available":
            return done(f"{id_} is available")
        case "pending":
            return waiting("AWS", f"{id_} is pending", "wait a few minutes, and check again")
        case state:
            return v.gone(f"{id_} is {state}")


def _tunnel(p: VpnProps, v: View, name: str, number: int) -> Outcome:
    id_, found = _vpn_found(v, name)
    address = fact(v.facts, name, "tunnels", str(number), "aws_ip")
    telemetry = found.get("VgwTelemetry", [])
    tunnel = next((one for one in telemetry if one.get("OutsideIpAddress") == address), None)
    if tunnel is None:
        tunnel = telemetry[number - 1] if len(telemetry) >= number else {}
    since = shared.moment(tunnel.get("LastStatusChange"))
    evidence = f"{id_} at {tunnel.get('OutsideIpAddress', address)}: {tunnel.get('Status', 'no telemetry')}"
    if told := tunnel.get("StatusMessage"):
        evidence += f" ({told})"
    if tunnel.get("Status") != "UP":
        configure = f"configure the device {name} with the addresses of `main.py handoff --for network-team`"
        return waiting("your network team", evidence, f"{configure}, and check its IKE log", since)
    asn = p.asn(p.gateways[name])
    if asn and not tunnel.get("AcceptedRouteCount"):
        fix = f"announce your ranges by BGP from the device {name}: ASN {asn}"
        return failed(f"{evidence}, but BGP announces no route", fix, "your network team", since)
    return done(evidence, since)


def resolver_rules(p: ResolverRulesProps, v: View) -> Iterator[Check]:
    """Check the rules, their endpoint, the share and the queries."""
    for name in p.rules:
        yield Check(f"rule:{name}", f"Resolver rule {name} is complete", lambda name=name: _rule(p, v, name))
    yield from shared.share(v, p)
    first = next(iter(p.rules))
    yield from shared.resolver_endpoint(v, "outbound", lambda: _found_rule(p, v, first)[1].get("ResolverEndpointId"))


def _found_rule(p: ResolverRulesProps, v: View, name: str) -> tuple[str, dict[str, Any]]:
    id_ = p.rules[name].rule_id or v.fact("rules", name, "id")
    answer = v.read("route53resolver:list_resolver_rules").get("ResolverRules", [])
    return id_, next((one for one in answer if one["Id"] == id_), {})


def _rule(p: ResolverRulesProps, v: View, name: str) -> Outcome:
    id_, found = _found_rule(p, v, name)
    match found.get("Status", "absent"):
        case "COMPLETE":
            targets = ", ".join(str(one.get("Ip")) for one in found.get("TargetIps", []))
            return done(f"{id_} forwards {found.get('DomainName')} to {targets}")
        case "UPDATING":
            return waiting("AWS", f"{id_} is UPDATING", "wait a few minutes, and check again")
        case status:
            return v.gone(f"{id_} is {status}")


def dns_forwarding(p: DnsForwardingProps, v: View) -> Iterator[Check]:
    """Check the inbound endpoint, if the connection has one in your account."""
    if p.endpoint:
        yield from shared.resolver_endpoint(v, "inbound", lambda: _inbound(v))


def _inbound(v: View) -> str:
    servers = v.fact("servers")
    name = f"{v.estate.name}-{former_name(v.estate, ('connections',), v.name)}"
    answer = v.read("route53resolver:list_resolver_endpoints").get("ResolverEndpoints", [])
    named = [one["Id"] for one in answer if one.get("Name") == name and one.get("Direction") == "INBOUND"]
    return named[0] if named else f"the endpoint {name} of {', '.join(map(str, servers))}"


def hosted_zone(p: HostedZoneProps, v: View) -> Iterator[Check]:
    """Check each cluster's VPC: you authorize it, and Astronomer associates it."""
    for name in p.clusters:
        vpc_id = v.estate.clusters[name].vpc_id
        if vpc_id:
            title = f"the zone is associated with {vpc_id} of {name}"
            yield Check(f"associate:{name}", title, lambda vpc_id=vpc_id: _associated(p, v, vpc_id))


def _associated(p: HostedZoneProps, v: View, vpc_id: str) -> Outcome:
    zone = p.zone_id or v.fact("zone_id")
    answer = v.read("route53:get_hosted_zone", Id=zone)
    if not answer:
        return v.gone(f"{zone} does not exist")
    if vpc_id in [one.get("VPCId") for one in answer.get("VPCs", [])]:
        return done(f"{zone} is associated with {vpc_id}")
    authorized = v.read("route53:list_vpc_association_authorizations", HostedZoneId=zone).get("VPCs", [])
    if vpc_id in [one.get("VPCId") for one in authorized]:
        return waiting("Astronomer", f"{zone} is authorized for {vpc_id}, but not associated with it", "")
    return v.gone(f"{zone} is not authorized for {vpc_id}")


def private_link(p: PrivateLinkProps, v: View) -> Iterator[Check]:
    """Check the service, its principals, connections and targets, and the endpoints in your network."""
    if p.service:
        yield Check("service", "the endpoint service is available", lambda: _service(v))
        for cluster in p.clusters:
            title = f"{cluster} is connected to the service"
            yield Check(f"connected:{cluster}", title, lambda cluster=cluster: _connected(v, cluster), "service")
        yield Check("targets", "the targets of the load balancer are healthy", lambda: _targets(v), "service")
    for name in p.endpoints:
        title = f"the endpoint {name} is available"
        yield Check(f"endpoint:{name}", title, lambda name=name: _endpoint(v, "endpoints", name, "id"))


def _found_service(v: View) -> tuple[str, dict[str, Any]]:
    id_ = str(v.fact("service", "service_name")).rpartition(".")[2]
    answer = v.read("ec2:describe_vpc_endpoint_service_configurations").get("ServiceConfigurations", [])
    return id_, next((one for one in answer if one["ServiceId"] == id_), {})


def _service(v: View) -> Outcome:
    id_, found = _found_service(v)
    state = str(found.get("ServiceState", "absent"))
    return done(f"{id_} is {state}") if state.lower() == "available" else v.gone(f"{id_} is {state}")


def _connected(v: View, cluster: str) -> Outcome:
    id_, account = _found_service(v)[0], v.estate.clusters[cluster].account_id
    answer = v.read("ec2:describe_vpc_endpoint_connections").get("VpcEndpointConnections", [])
    found = [one for one in answer if (one.get("ServiceId"), one.get("VpcEndpointOwner")) == (id_, account)]
    if not found:
        return waiting("Astronomer", f"{id_} has no connection of account {account}", "")
    newest = max(found, key=lambda one: str(one.get("CreationTimestamp")))
    state, endpoint = str(newest.get("VpcEndpointState")), newest.get("VpcEndpointId")
    since, evidence = shared.moment(newest.get("CreationTimestamp")), f"{endpoint} of account {account} is {state}"
    match state.lower():
        case "available":
            return done(evidence, since)
        case "pendingacceptance":
            accept = f"aws ec2 accept-vpc-endpoint-connections --service-id {id_} --vpc-endpoint-ids {endpoint}"
            return waiting("you", evidence, f"`{accept} --region {v.region}`", since)
        case "pending":
            return waiting("AWS", evidence, "wait a few minutes, and check again", since)
        case _:
            return failed(evidence, f"ask Astronomer's support to create the endpoint to {id_} again", "Astronomer")


def _targets(v: View) -> Outcome:
    _, service = _found_service(v)
    healths: list[tuple[str, str]] = []
    groups = v.read("elbv2:describe_target_groups").get("TargetGroups", [])
    for balancer in service.get("NetworkLoadBalancerArns", []):
        for group in groups:
            if balancer in group.get("LoadBalancerArns", []):
                answer = v.read("elbv2:describe_target_health", TargetGroupArn=group["TargetGroupArn"])
                for one in answer.get("TargetHealthDescriptions", []):
                    at, health = one["Target"], one["TargetHealth"]
                    told = f"{health['State']} {health.get('Reason', '')}".strip()
                    healths.append((f"{at['Id']}:{at.get('Port', '')}", told))
    told = ", ".join(f"{target} {state}" for target, state in healths)
    if not healths:
        return failed("the load balancer has no target", "register a target; without one, every connection fails")
    if all(state == "healthy" for _, state in healths):
        return done(told)
    if any(state.startswith("initial") for _, state in healths):
        return waiting("AWS", told, "wait for the first health checks, and check again")
    open_ = "allow the load balancer's security group or addresses on the targets, and check that the targets listen"
    return failed(told, open_)


def _endpoint(v: View, *fact_: str) -> Outcome:
    id_ = v.fact(*fact_)
    answer = v.read("ec2:describe_vpc_endpoints").get("VpcEndpoints", [])
    found = next((one for one in answer if one["VpcEndpointId"] == id_), {})
    state, since = str(found.get("State", "absent")), shared.moment(found.get("CreationTimestamp"))
    match state.lower():
        case "available":
            return done(f"{id_} is {state}")
        case "pendingacceptance":
            accept = f"ask the owner of {found.get('ServiceName')} to accept the connection of {id_}"
            return waiting("Astronomer", f"{id_} is {state}", accept, since)
        case "pending":
            return waiting("AWS", f"{id_} is {state}", "wait a few minutes, and check again", since)
        case _:
            return v.gone(f"{id_} is {state}")


def remote_agents(p: RemoteAgentsProps, v: View) -> Iterator[Check]:
    """Check the endpoint to Astronomer's service, and the cluster's name in your network."""
    if p.service_name:
        title = "the endpoint to Astronomer's service is available"
        yield Check("endpoint", title, lambda: _endpoint(v, "endpoint_id"))
        if v.estate.clusters[p.cluster].id:
            title = f"the name of {p.cluster} resolves to the endpoint in {p.network}"
            yield Check("name", title, lambda: _name(p, v), "endpoint")


def _name(p: RemoteAgentsProps, v: View) -> Outcome:
    zone, vpc_id = v.fact("zone_id"), shared.vpc_of(v, p.network)
    vpcs = [one.get("VPCId") for one in v.read("route53:get_hosted_zone", Id=zone).get("VPCs", [])]
    return done(f"{zone} is associated with {vpc_id}") if vpc_id in vpcs else v.gone(f"{zone} lacks {vpc_id}")


def workload_identity(p: WorkloadIdentityProps, v: View) -> Iterator[Check]:
    """Check each role, and its use by a Deployment."""
    for name, props in p.roles.items():
        if p.identity == "cluster_role" or props.subjects():
            never = "create an Airflow connection in the Deployment that assumes it, and run a task with it"
            yield Check(
                f"used:{name}",
                f"a Deployment has assumed the role {name}",
                lambda name=name, never=never: shared.role(
                    v, str(v.fact("roles", name)).rpartition("/")[2], "you", never
                ),
            )


def peering_role(p: PeeringRoleProps, v: View) -> Iterator[Check]:
    """Check the temporary role, which has an end date."""
    title = f"Astronomer has accepted the peering with the role, which ends on {p.expires}"
    never = "ask Astronomer's support to accept the peering with the role"
    look = lambda: shared.role(v, str(v.fact("role_arn")).rpartition("/")[2], "Astronomer", never)  # noqa: E731
    yield Check("used", title, look)


_ICMP = "1"
"""AWS's number for the protocol in entries of network ACLs."""


def network_rules(p: NetworkRulesProps, v: View) -> Iterator[Check]:
    """Check the rules of security groups and of network ACLs."""
    yield from shared.ingress(v, p.ingress, [p.cluster])
    for name, rule in p.network_acls.items():
        title = f"{rule.network_acl} allows {p.cluster} to reach {rule.in_words}"
        yield Check(f"acl:{name}", title, lambda rule=rule: _acl(p, v, rule))


def _acl(p: NetworkRulesProps, v: View, rule: Any) -> Outcome:
    answer = v.read("ec2:describe_network_acls").get("NetworkAcls", [])
    found = next((one for one in answer if one["NetworkAclId"] == rule.network_acl), None)
    if found is None:
        return failed(f"{rule.network_acl} does not exist in {v.region}", f"correct network_acl in {v.entry.path}")
    open_to = {
        one.get("CidrBlock")
        for one in found["Entries"]
        if not one["Egress"] and one["RuleAction"] == "allow" and _span(one) == rule.span
    }
    if missing := [cidr for cidr in shared.ranges(v, p.cluster).values() if cidr not in open_to]:
        return v.gone(f"{rule.network_acl} has no inbound entry for {', '.join(missing)}")
    return done(f"{rule.network_acl}: {rule.in_words} from {p.cluster}")


def _span(entry: Mapping[str, Any]) -> tuple[Any, Any]:
    if entry.get("Protocol") == _ICMP:
        return fact(entry, "IcmpTypeCode", "Type"), fact(entry, "IcmpTypeCode", "Code")
    return fact(entry, "PortRange", "From"), fact(entry, "PortRange", "To")


def ip_allowlist(p: IpAllowlistProps, v: View) -> Iterator[Check]:
    """Check the prefix list, the rules that name it, and the statements in bucket policies."""
    wanted = {f"{ip}/32" for name in p.clusters for ip in v.estate.clusters[name].external_ips or ()}
    if wanted:
        title = "the prefix list contains the clusters' external addresses"
        yield Check("addresses", title, lambda: _addresses(v, wanted))
        yield from shared.let_in_by(v, ", ".join(p.clusters), p.ingress, "prefix_list_id")
    for name, bucket in p.buckets.items():
        title = f"the policy of {bucket.bucket} has the statements"
        yield Check(f"bucket:{name}", title, lambda name=name, bucket=bucket: _bucket(v, name, bucket.bucket))


def _addresses(v: View, wanted: set[str]) -> Outcome:
    id_ = v.fact("prefix_list_id")
    answer = v.read("ec2:get_managed_prefix_list_entries", PrefixListId=id_)
    there = {one["Cidr"] for one in answer.get("Entries", [])}
    if missing := sorted(wanted - there):
        return v.gone(f"{id_} lacks {', '.join(missing)}")
    if more := sorted(there - wanted):
        return failed(f"{id_} also allows {', '.join(more)}", f"{v.deploy} removes addresses that are not in the file")
    return done(f"{id_} has {', '.join(sorted(there))}")


def _bucket(v: View, name: str, bucket: str) -> Outcome:
    statements = json.loads(v.fact("bucket_policies", name))["Statement"]
    policy = v.read("s3:get_bucket_policy", Bucket=bucket).get("Policy", "{}")
    there = json.loads(policy).get("Statement", [])
    if all(one in there for one in statements):
        return done(f"the policy of {bucket} has {len(statements)} statements of `bucket_policies.{name}`")
    fix = f"add the statements of `bucket_policies.{name}` in `main.py handoff` to the policy of {bucket}"
    return waiting("you", f"the policy of {bucket} lacks them", fix)


def egress_domains(p: EgressDomainsProps, v: View) -> Iterator[Check]:
    """Check the DNS firewall, if the connection has one."""
    if p.dns_firewall:
        yield Check("firewall", "the DNS firewall is associated with the VPC", lambda: _firewall(p, v))


def _firewall(p: EgressDomainsProps, v: View) -> Outcome:
    group, vpc_id = v.fact("rule_group_id"), shared.vpc_of(v, p.network)
    answer = v.read("route53resolver:list_firewall_rule_group_associations").get("FirewallRuleGroupAssociations", [])
    found = next((one for one in answer if (one["FirewallRuleGroupId"], one["VpcId"]) == (group, vpc_id)), {})
    state = found.get("Status", "absent")
    evidence = f"the association of {group} with {vpc_id} is {state}"
    return done(evidence) if state == "COMPLETE" else v.gone(evidence)


BY_TYPE: Mapping[str, Checks] = {
    "vpc_peering": vpc_peering,
    "transit_gateway": transit_gateway,
    "resolver_rules": resolver_rules,
    "vpn": vpn,
    "ip_allowlist": ip_allowlist,
    "network_rules": network_rules,
    "egress_domains": egress_domains,
    "peering_role": peering_role,
    "workload_identity": workload_identity,
    "dns_forwarding": dns_forwarding,
    "hosted_zone": hosted_zone,
    "private_link": private_link,
    "remote_agents": remote_agents,
    "egress_hub": egress_hub,
}
"""The checks of each connection type."""


def checks_of(props: ConnectionProps, v: View) -> Iterator[Check]:
    """Yield the checks of a connection."""
    yield from BY_TYPE[v.entry.type](props, v)
