"""Checks that several types share: routes, rules, shares, Resolver endpoints, roles."""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from modules.connection import SharingProps
from modules.parts.ingress.props import Ingress, IngressRule
from modules.vpc.props import FoundRouteTables
from operations.status.check import Check, NotDeployedError, Outcome, View, done, failed, waiting

VALID = timedelta(days=7)
"""The lifetime of a peering request, and of an invitation to a share."""


def ranges(v: View, cluster: str) -> dict[str, str]:
    """Return the routed ranges of a cluster, by name."""
    routed = v.estate.clusters[cluster].side().routed_cidrs()
    return {name: str(cidr) for name, cidr in routed.items()} if isinstance(routed, Mapping) else {}


def vpc_of(v: View, network: str) -> str:
    """Return the VPC of a network. Raises NotDeployedError if it does not exist yet."""
    vpc_id = v.estate.networks[network].vpc_id or v.found.stacks[f"network-{network}"].vpc_id
    if vpc_id is None:
        raise NotDeployedError
    return vpc_id


def target_of(route: Mapping[str, Any]) -> str:
    """Return the target of a VPC's route."""
    return next((route[key] for key in _TARGETS if route.get(key)), "nothing")


_TARGETS = (
    "VpcPeeringConnectionId",
    "TransitGatewayId",
    "NatGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "EgressOnlyInternetGatewayId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
    "GatewayId",
)


def routes(v: View, network: str, clusters: Collection[str], target: Callable[[], str], after: str) -> Iterator[Check]:
    """Yield a check for each route table of a network: its routes to the clusters point to `target`."""
    cidrs = [cidr for cluster in clusters for cidr in ranges(v, cluster).values()]
    tables = v.estate.networks[network].route_tables
    if isinstance(tables, Mapping) and tables:
        yield from routes_in(v, tables, clusters, target, after)
    elif not v.estate.networks[network].routes_elsewhere:
        title = f"the route tables have return routes to {', '.join(clusters)}"
        yield Check("routes", title, lambda: _routed(v, _tables_of(v, network), cidrs, target()), after)


def routes_in(
    v: View, tables: Mapping[str, str], clusters: Collection[str], target: Callable[[], str], after: str
) -> Iterator[Check]:
    """Yield a check for each route table: its routes to the clusters point to `target`."""
    cidrs = [cidr for cluster in clusters for cidr in ranges(v, cluster).values()]
    for name, id_ in tables.items():
        title = f"route table {name} has a return route to {', '.join(clusters)}"
        yield Check(f"route:{name}", title, lambda id_=id_: _routed(v, [id_], cidrs, target()), after)


def _tables_of(v: View, name: str) -> list[str]:
    """Return the route tables that a network finds; for a VPC that a deploy creates, the private ones."""
    vpc_id, network = vpc_of(v, name), v.estate.networks[name]
    chosen = [
        one
        for one in v.read("ec2:describe_route_tables").get("RouteTables", [])
        if one.get("VpcId") == vpc_id and not any(each.get("GatewayId") for each in one.get("Associations", []))
    ]
    wanted = network.route_tables
    if wanted == "private":
        chosen = [one for one in chosen if not any(_is_public(route) for route in one["Routes"])]
    named = {one["RouteTableId"]: {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])} for one in chosen}
    if isinstance(wanted, FoundRouteTables):
        return [id_ for id_, tags in named.items() if wanted.includes(tags)]
    return [id_ for id_, tags in named.items() if not network.create or "-private-" in tags.get("Name", "")]


def _is_public(route: Mapping[str, Any]) -> bool:
    return str(route.get("GatewayId", "")).startswith("igw-")


def _routed(v: View, tables: Collection[str], cidrs: Collection[str], target: str) -> Outcome:
    found = {one["RouteTableId"]: one["Routes"] for one in v.read("ec2:describe_route_tables").get("RouteTables", [])}
    for table in tables:
        if table not in found:
            fix = f"compare the ID with `aws ec2 describe-route-tables` of account {v.account_id}"
            return failed(f"{table} does not exist in {v.region}", fix)
        for cidr in cidrs:
            route = next((one for one in found[table] if one.get("DestinationCidrBlock") == cidr), None)
            if route is None:
                return v.gone(f"{table} has no route to {cidr}")
            if target_of(route) != target:
                fix = f"delete that route if nothing else needs it, then {v.deploy}"
                return failed(f"{table} routes {cidr} to {target_of(route)}, not to {target}", fix)
            if route.get("State") != "active":
                return failed(f"the route of {table} to {cidr} is a {route.get('State')}", f"make {target} active")
    return done(f"{', '.join(tables)}: {', '.join(cidrs)} to {target}")


def ingress(v: View, rules: Ingress, clusters: Collection[str]) -> Iterator[Check]:
    """Yield a check for each rule that allows clusters: the security group has it."""
    cidrs = [cidr for cluster in clusters for cidr in ranges(v, cluster).values()]
    for name, rule in rules.items():
        title = f"{rule.security_group} allows {', '.join(clusters)} to reach {rule.in_words}"
        yield Check(
            f"ingress:{name}",
            title,
            lambda rule=rule: _let_in(v, rule, cidrs),
        )


def _let_in(v: View, rule: IngressRule, sources: Collection[str]) -> Outcome:
    group, wanted = rule.security_group, (rule.protocol, *rule.span)
    answer = v.read("ec2:describe_security_group_rules").get("SecurityGroupRules", [])
    there = {
        one.get("CidrIpv4") or one.get("PrefixListId")
        for one in answer
        if one["GroupId"] == group
        and not one["IsEgress"]
        and (one["IpProtocol"], one.get("FromPort"), one.get("ToPort")) == wanted
    }
    if missing := [one for one in sources if one not in there]:
        return v.gone(f"{group} has no rule for {', '.join(missing)}, {rule.in_words}")
    return done(f"{group}: {rule.in_words} from {', '.join(sources)}")


def let_in_by(v: View, name: str, rules: Ingress, prefix_list: str) -> Iterator[Check]:
    """Yield the same for rules that name a prefix list, which is the output `name`."""
    for key, rule in rules.items():
        yield Check(
            f"ingress:{key}",
            f"{rule.security_group} allows {name} to reach {rule.in_words}",
            lambda rule=rule: _let_in(v, rule, [v.fact(prefix_list)]),
        )


def share(v: View, props: SharingProps) -> Iterator[Check]:
    """Yield a check for the share, and one for each account that has to accept it."""
    yield Check("share", "the resource share is active", lambda: _share(v))
    accounts = {v.estate.clusters[name].account_id for name in props.clusters} - {None, v.account_id}
    for principal in props.share_with or sorted(filter(None, accounts)):
        title = f"{principal} has accepted the resource share"
        yield Check(f"share:{principal}", title, lambda principal=principal: _accepted(v, str(principal)), "share")


def _share(v: View) -> Outcome:
    arn = v.fact("resource_share_arn")
    shares = v.read("ram:get_resource_shares", resourceOwner="SELF").get("resourceShares", [])
    found = next((one for one in shares if one["resourceShareArn"] == arn), None)
    if found is None:
        return v.gone(f"{arn} does not exist")
    return done(f"{arn} is ACTIVE") if found["status"] == "ACTIVE" else v.gone(f"{arn} is {found['status']}")


def _accepted(v: View, principal: str) -> Outcome:
    arn = v.fact("resource_share_arn")
    answer = v.read("ram:get_resource_share_associations", associationType="PRINCIPAL")
    found = next(
        (
            one
            for one in answer.get("resourceShareAssociations", [])
            if (one["resourceShareArn"], one["associatedEntity"]) == (arn, principal)
        ),
        {},
    )
    status, since = found.get("status", "absent"), moment(found.get("creationTime"))
    evidence = f"GetResourceShareAssociations: {principal} is {status}"
    match status:
        case "ASSOCIATED":
            return done(evidence, since)
        case "ASSOCIATING":
            ask = f"ask Astronomer's support to accept the resource share {arn} in account {principal}"
            return waiting("Astronomer", evidence, ask, since, since + VALID if since else None)
        case "SUSPENDED" | "SUSPENDING" | "RESTORING":
            return failed(evidence, "AWS suspended the share; ask the administrators of your AWS organization")
        case "FAILED":
            # Terraform creates only a missing or disassociated one again.
            call = f"aws ram disassociate-resource-share --resource-share-arn {arn} --principals {principal}"
            return failed(evidence, f"run `{call} --region {v.region}`, then {v.deploy} for a new invitation")
        case _:
            again = (
                "the invitation has expired or was declined; deploy to send a new one, then notify Astronomer's support"
            )
            return failed(evidence, f"{v.deploy}: {again}")


def moment(value: Any) -> datetime | None:
    """Return a time from an answer; some services omit the zone."""
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def resolver_endpoint(v: View, direction: str, find: Any) -> Iterator[Check]:
    """Yield checks of a Resolver endpoint and its queries. `find` returns its ID."""
    yield Check("endpoint", f"the {direction} Resolver endpoint is operational", lambda: _operational(v, find()))
    metric = f"{direction.capitalize()}QueryVolume"
    yield Check("queries", "queries pass the endpoint", lambda: _queries(v, find(), metric), "endpoint")


def _operational(v: View, id_: str) -> Outcome:
    endpoints = v.read("route53resolver:list_resolver_endpoints").get("ResolverEndpoints", [])
    found = next((one for one in endpoints if one["Id"] == id_), None)
    if found is None:
        return v.gone(f"{id_} does not exist")
    if found["Status"] in ("CREATING", "UPDATING", "AUTO_RECOVERING"):
        return waiting("AWS", f"{id_} is {found['Status']}", "wait a few minutes, and check again")
    if found["Status"] != "OPERATIONAL":
        fix = "check the endpoint in the Route 53 console; one of its subnets or addresses may be missing"
        return failed(f"{id_} is {found['Status']}: {found.get('StatusMessage', '')}", fix)
    addresses = v.read("route53resolver:list_resolver_endpoint_ip_addresses", ResolverEndpointId=id_)
    broken = [one for one in addresses.get("IpAddresses", []) if one.get("Status") != "ATTACHED"]
    if broken:
        told = ", ".join(f"{one.get('Ip')} is {one.get('Status')}" for one in broken)
        return failed(
            f"{id_}: {told}", "check the endpoint in the Route 53 console; its subnets may be full or missing"
        )
    return done(f"{id_} is OPERATIONAL with {len(addresses.get('IpAddresses', []))} addresses")


def _queries(v: View, id_: str, metric: str) -> Outcome:
    query = {
        "Id": "queries",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/Route53Resolver",
                "MetricName": metric,
                "Dimensions": [{"Name": "EndpointId", "Value": id_}],
            },
            "Period": 3600,
            "Stat": "Sum",
        },
    }
    end = v.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    answer = v.accounts.of(v.account_id, v.region).read(
        "cloudwatch:get_metric_data",
        MetricDataQueries=[query],
        StartTime=(end - timedelta(days=1)).isoformat(),
        EndTime=end.isoformat(),
    )
    count = sum(sum(one.get("Values", [])) for one in answer.get("MetricDataResults", []))
    evidence = f"{metric} of {id_} in the last 24 hours: {count:g}"
    if count:
        return done(evidence)
    return waiting("Astronomer", evidence, "after Astronomer's part, resolve a name in these domains from a Deployment")


def role(v: View, name: str, who: str, never: str) -> Outcome:
    """Return the outcome for a role and its last use."""
    found = v.read("iam:get_role", RoleName=name).get("Role")
    if found is None:
        return v.gone(f"role {name} does not exist in account {v.account_id}")
    used = moment((found.get("RoleLastUsed") or {}).get("LastUsedDate"))
    if used:
        return done(f"role {name} was last used on {used:%Y-%m-%d}", used)
    created = moment(found.get("CreateDate"))
    # IAM shows a use up to four hours later, and no use before its tracking period.
    evidence = f"role {name} has never been used (IAM shows a use after up to 4 hours)"
    return waiting("Astronomer" if who == "Astronomer" else "you", evidence, never, created)
