"""Resolves a name as Astro's VPC would: first from private zones, then from public DNS."""

import socket
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from modules.dns_forwarding.props import DnsForwardingProps
from modules.hosted_zone.props import HostedZoneProps
from modules.resolver_rules.props import ResolverRulesProps
from modules.vocabulary import is_private
from operations.status.check import Outcome, View, done, failed, unknown


def literal(host: str) -> IPv4Address | None:
    """Return the address if the text is one."""
    try:
        return IPv4Address(host)
    except AddressValueError:
        return None


def resolve(
    views: list[View], cluster: str, host: str, *, internet: bool = False
) -> tuple[IPv4Address | None, Outcome]:
    """Return the address of a name and how Astro gets it, or the reason for a failure.

    `views` are the views of the cluster's connections. `internet` is true if one of them leads to the internet.
    """
    name = host.rstrip(".").lower()
    for v in views:
        props = v.estate.connections[v.name]
        if isinstance(props, HostedZoneProps):
            zone = props.zone_id or str(v.fact("zone_id"))
            answer = v.read("route53:get_hosted_zone", Id=zone)
            domain = str(answer.get("HostedZone", {}).get("Name", "")).rstrip(".")
            if domain and _below(name, domain):
                return _in_zone(v, cluster, zone, domain, name, answer, internet=internet)
        domains: list[str] = []
        if isinstance(props, DnsForwardingProps):
            domains = list(props.domains)
        elif isinstance(props, ResolverRulesProps):
            domains = [rule.domain for rule in props.rules.values() if rule.domain]
        if matching := [one for one in domains if _below(name, one)]:
            how = f"{v.entry.path} sends queries for {', '.join(matching)} to your DNS servers"
            return _public(
                name, f"{how}, which cannot be queried from this machine in Astro's place; ", internet=internet
            )
    return _public(name, "", internet=internet)


def _below(name: str, domain: str) -> bool:
    return name == domain.rstrip(".").lower() or name.endswith(f".{domain.rstrip('.').lower()}")


def _in_zone(
    v: View, cluster: str, zone: str, domain: str, name: str, answer: dict[str, Any], *, internet: bool
) -> tuple[IPv4Address | None, Outcome]:
    records = v.read("route53:list_resource_record_sets", HostedZoneId=zone).get("ResourceRecordSets", [])
    by_name = {(one["Name"].rstrip(".").lower(), one["Type"]): one for one in records}
    at = name
    for _ in range(8):
        found = by_name.get((at, "A"))
        if found and found.get("ResourceRecords"):
            address = literal(found["ResourceRecords"][0]["Value"])
            vpc = v.estate.clusters[cluster].vpc_id
            if vpc and vpc not in [one.get("VPCId") for one in answer.get("VPCs", [])]:
                fix = "ask Astronomer to associate the cluster's VPC with the zone, as `main.py status` shows"
                return address, failed(
                    f"{name} resolves to {address} in {zone}, which is not associated with {vpc}", fix
                )
            return address, done(f"{name} resolves to {address} in the private zone {domain} ({zone})")
        alias = by_name.get((at, "CNAME")) or found or {}
        target = (alias.get("ResourceRecords") or [{}])[0].get("Value") or alias.get("AliasTarget", {}).get("DNSName")
        if not target:
            fix = f"add a record for {name} to {zone}; its VPCs use no other DNS below {domain}"
            return None, failed(f"the private zone {domain} ({zone}) has no record for {at}", fix)
        at = str(target).rstrip(".").lower()
        if not _below(at, domain):
            return _public(at, f"{name} leads to {at}; ", internet=internet)
    return None, failed(f"{name} is an alias of itself in {zone}", "correct its CNAME records")


def _public(name: str, before: str, *, internet: bool) -> tuple[IPv4Address | None, Outcome]:
    try:
        found = sorted({str(one[4][0]) for one in socket.getaddrinfo(name, None, socket.AF_INET)})
    except (OSError, UnicodeError):
        fix = "pass the address with --ip, or share a private zone for the name with the cluster (`hosted_zone`)"
        return None, failed(
            f"{before}{name} does not resolve here, and no private zone of the cluster contains it", fix
        )
    address = IPv4Address(found[0])
    told = f"{before}{name} resolves to {', '.join(found)} in this machine's DNS"
    if not internet and not is_private(address):
        fix = "private connections need private addresses; pass one with --ip, or set `resolve_dns` on the peering"
        return address, failed(f"{told}, a public address", fix)
    if before:
        return address, unknown(told, "resolve the name in a Deployment, and compare the addresses")
    return address, done(told)
