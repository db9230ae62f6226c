"""The checks of an existing network: its IDs, ranges, DNS settings and routes in AWS against those in the file."""

from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from modules.catalog import Connection
from modules.egress_hub.props import EgressHubProps
from modules.hosted_zone.props import HostedZoneProps
from modules.network_rules.props import NetworkRulesProps
from modules.remote_agents.props import RemoteAgentsProps
from modules.vpc.props import NewVpc, VpcProps
from modules.vpc_peering.props import VpcPeeringProps
from operations.preflight.place import Place, blocked, elsewhere, ok, warning
from operations.status.check import Check, Outcome
from operations.status.shared import target_of


def network(p: Place, name: str, props: VpcProps) -> Iterator[Check]:
    """Check one network with the connections to it."""
    mine = {key: one for key, one in p.estate.connections.items() if one.network == name}
    if props.create and props.create.nat != "none":
        new = props.create
        yield Check("public", "nothing blocks the NAT gateway's traffic", lambda: _public_access(p, new))
    if props.vpc_id is None:
        return
    id_ = props.vpc_id
    yield Check("vpc", f"{id_} exists and is yours", lambda: _vpc(p, id_, mine))
    yield Check("cidrs", f"the ranges of {id_} are those in the file", lambda: _ranges(p, id_, props, mine), "vpc")
    if any(
        (isinstance(one, VpcPeeringProps) and one.resolve_dns) or isinstance(one, HostedZoneProps | RemoteAgentsProps)
        for one in mine.values()
    ):
        yield Check("dns", f"{id_} has DNS resolution and DNS host names", lambda: _dns(p, id_), "vpc")
    tables = props.route_tables
    named = set(tables.values()) if isinstance(tables, Mapping) else set[str]()
    named |= {
        id_ for one in mine.values() if isinstance(one, EgressHubProps) for id_ in one.public_route_tables.values()
    }
    groups = {rule.security_group for one in mine.values() for rule in getattr(one, "ingress", {}).values()}
    groups |= {id_ for one in mine.values() if isinstance(one, RemoteAgentsProps) for id_ in one.agents_security_groups}
    acls = {
        rule.network_acl
        for one in mine.values()
        if isinstance(one, NetworkRulesProps)
        for rule in one.network_acls.values()
    }
    for field, ids in (
        ("route_tables", named),
        ("subnets", set(props.subnets.values())),
        ("security_groups", groups),
        ("network_acls", acls),
    ):
        if ids:
            title = f"{', '.join(sorted(ids))} {'is' if len(ids) == 1 else 'are'} in {id_}"
            look = lambda field=field, ids=ids: _inside(p, id_, field, ids)  # noqa: E731
            yield Check(field, title, look, "vpc")
    routed = {key: one for key, one in mine.items() if one.leads_back and one.cluster_names()}
    if routed and not props.routes_elsewhere:
        yield Check(
            "routes", "no route leads a cluster's range elsewhere", lambda: _routes(p, id_, named, routed), "vpc"
        )
    if any(isinstance(one, VpcPeeringProps) for one in mine.values()):
        title = f"encryption controls of {id_} allow peering"
        yield Check("encryption", title, lambda: _encryption(p, id_), "vpc")


def _vpc(p: Place, id_: str, mine: Mapping[str, Connection]) -> Outcome:
    found = _found(p, id_)
    if found is None:
        fix = "compare vpc_id, account_id and region with `aws ec2 describe-vpcs`"
        return blocked(f"{id_} does not exist in account {p.account_id}, {p.region}", fix)
    if (owner := found.get("OwnerId", p.account_id)) != p.account_id:
        needs = [name for name, one in mine.items() if one.needs_owner]
        evidence = f"{id_} belongs to account {owner}, which shares it with {p.account_id}"
        if needs:
            return blocked(evidence, f"set account_id to {owner}: only the owner can deploy {', '.join(needs)}")
        return warning(evidence, f"only account {owner} can change its route tables")
    return ok(f"{id_} of account {owner}")


def _found(p: Place, id_: str) -> Mapping[str, Any] | None:
    answer = p.read("ec2:describe_vpcs").get("Vpcs", [])
    return next((one for one in answer if one["VpcId"] == id_), None)


def _ranges(p: Place, id_: str, props: VpcProps, mine: Mapping[str, Connection]) -> Outcome:
    there = {
        one["CidrBlock"]
        for one in (_found(p, id_) or {}).get("CidrBlockAssociationSet", [])
        if one["CidrBlockState"]["State"] == "associated"
    }
    written = {str(cidr) for _, cidr in props.occupied_cidrs()}
    if missing := sorted(written - there):
        return blocked(f"{id_} has {_listed(there)}, not {_listed(missing)}", "correct cidrs in the file")
    if more := sorted(there - written):
        for name in {name for one in mine.values() if one.routed for name in one.cluster_names()}:
            for _, cidr in p.estate.clusters[name].occupied_cidrs():
                if clash := [one for one in more if IPv4Network(one).overlaps(cidr)]:
                    fix = "connect through a transit gateway and translate addresses, or use another VPC"
                    return blocked(f"{id_} also has {_listed(clash)}, which overlaps {cidr} of {name}", fix)
        fix = "add it to cidrs if Astro has to reach it, otherwise to unrouted_cidrs"
        return warning(f"{id_} also has {_listed(more)}, which the file does not have", fix)
    return ok(f"{id_} has {_listed(there)}")


def _dns(p: Place, id_: str) -> Outcome:
    names = {"enableDnsSupport": "EnableDnsSupport", "enableDnsHostnames": "EnableDnsHostnames"}
    off = [
        attribute
        for attribute, key in names.items()
        if not p.read("ec2:describe_vpc_attribute", VpcId=id_, Attribute=attribute).get(key, {}).get("Value")
    ]
    if off:
        options = {"enableDnsSupport": "--enable-dns-support", "enableDnsHostnames": "--enable-dns-hostnames"}
        fix = " and ".join(f"`aws ec2 modify-vpc-attribute --vpc-id {id_} {options[one]}`" for one in off)
        return blocked(f"{_listed(off)} of {id_} is off, so that Astro cannot resolve private names", fix)
    return ok(f"enableDnsSupport and enableDnsHostnames of {id_} are on")


_CALLS = {
    "route_tables": ("ec2:describe_route_tables", "RouteTables", "RouteTableId"),
    "subnets": ("ec2:describe_subnets", "Subnets", "SubnetId"),
    "security_groups": ("ec2:describe_security_groups", "SecurityGroups", "GroupId"),
    "network_acls": ("ec2:describe_network_acls", "NetworkAcls", "NetworkAclId"),
}


def _inside(p: Place, vpc_id: str, field: str, ids: Collection[str]) -> Outcome:
    call, items, key = _CALLS[field]
    vpcs = {one[key]: one.get("VpcId") for one in p.read(call).get(items, [])}
    wrong = [
        f"{id_} is in {vpcs[id_]}" if id_ in vpcs else f"{id_} does not exist"
        for id_ in sorted(ids)
        if vpcs.get(id_) != vpc_id
    ]
    if wrong:
        command = call.partition(":")[2].replace("_", "-")
        return blocked(_listed(wrong), f"correct the ID; `aws ec2 {command}` lists those of {vpc_id}")
    return ok(f"{_listed(ids)} in {vpc_id}")


def _routes(p: Place, vpc_id: str, named: Collection[str], routed: Mapping[str, Connection]) -> Outcome:
    tables = [
        one
        for one in p.read("ec2:describe_route_tables").get("RouteTables", [])
        if one.get("VpcId") == vpc_id and (not named or one["RouteTableId"] in named)
    ]
    taken: list[str] = []
    narrower: list[str] = []
    for one in routed.values():
        ours = {getattr(one, "peering_id", None), one.transit_gateway}
        for cluster in one.cluster_names():
            side = p.estate.clusters[cluster]
            for cidr in (side.cidr, *side.additional_cidrs.values()):
                for table in tables:
                    for route in table["Routes"]:
                        there = IPv4Network(route.get("DestinationCidrBlock", "0.0.0.0/32"))
                        target = target_of(route)
                        if target in ours or target == "local":
                            continue
                        told = f"{table['RouteTableId']} routes {there} to {target}"
                        if there == cidr:
                            taken.append(f"{told}, the range of {cluster}")
                        elif there.subnet_of(cidr):
                            narrower.append(f"{told}, a part of {cidr} of {cluster}")
    named_tables = _listed(one["RouteTableId"] for one in tables)
    return elsewhere(sorted(taken), sorted(narrower), f"{named_tables}: no other route to a cluster's range")


def _encryption(p: Place, id_: str) -> Outcome:
    answer = p.read("ec2:describe_vpc_encryption_controls").get("VpcEncryptionControls", [])
    found = next((one for one in answer if one["VpcId"] == id_), None)
    if found is None or found.get("Mode") != "enforce":
        return ok(f"{id_} does not enforce encryption in transit")
    excluded = found.get("ResourceExclusions", {}).get("VpcPeering", {}).get("State")
    evidence = f"{found['VpcEncryptionControlId']} enforces encryption; its exclusion for peering is {excluded}"
    if excluded == "enabled":
        return ok(evidence)
    fix = f"`aws ec2 modify-vpc-encryption-control --vpc-encryption-control-id {found['VpcEncryptionControlId']}"
    return blocked(evidence, f"{fix} --mode enforce --vpc-peering-exclusion enable`, or use PrivateLink")


def _public_access(p: Place, new: NewVpc) -> Outcome:
    found = p.read("ec2:describe_vpc_block_public_access_options").get("VpcBlockPublicAccessOptions", {})
    mode = found.get("InternetGatewayBlockMode", "off")
    evidence = f"block public access of {p.region} is {mode}"
    if mode != "block-bidirectional":
        return ok(evidence)
    fix = f"exclude the new VPC ({new.cidr}) after the deploy, or set nat to none"
    return blocked(f"{evidence}, managed by {found.get('ManagedBy', 'account')}", fix)


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))
