"""Writes the text of a first estate: the values that were found, and a comment for each missing value."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from estate.source import printable, shortened
from operations.init.discover import Found, Network, Request

_PRIVATE = [IPv4Network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]


@dataclass(frozen=True)
class Answers:
    """The user's answers, for values that no API provides."""

    product: str
    organization: str | None
    role: str | None
    astro_accounts: Collection[str]
    """Astronomer's accounts. A request by any other account is written as a comment."""


class _Names:
    """Generates unique names of entries."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def new(self, text: str, kind: str) -> str:
        """Return an unused name that resembles the text."""
        slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:30].strip("-")
        slug = slug if re.match(r"[a-z]", slug) else f"{kind}-{slug}".strip("-")[:30].strip("-")
        name, number = slug, 2
        while name in self._used:
            name, number = f"{slug[:26].strip('-')}-{number}", number + 1
        self._used.add(name)
        return name


def text(answers: Answers, found: Sequence[Found], astro: Sequence[Mapping[str, Any]]) -> str:
    """Return the estate file."""
    return "\n".join(_lines(answers, found, astro)) + "\n"


def _lines(answers: Answers, found: Sequence[Found], astro: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    organization = answers.organization or "my-organization"
    yield "# Written by `main.py init` from AWS and Astro's API. Review each line before you deploy."
    yield f"name: {organization}"
    yield "# The S3 bucket of Terraform's state: `main.py state create` creates it. Its name must be unique in AWS."
    yield f"state: {{backend: s3, bucket: {organization}-astro-tfstate, region: {found[0].region}}}"
    if not answers.organization:
        yield "# Set the short name of your Astro organization."
    yield f"astro: {{product: {answers.product}, organization: {organization}}}"
    if answers.role:
        yield f"deployer: {{role: {_quoted(answers.role)}}}"
    if answers.product == "hybrid":
        yield "# Hybrid: add `account` for Astronomer's role as in examples/cross_account_role.yaml, with the document"
        yield "# that `main.py policy fetch` downloads. Astronomer gives you the external ID."
    clusters = _clusters(answers, found, astro)
    yield ""
    if clusters:
        yield "clusters:"
    for name, cluster in clusters.items():
        yield from _cluster(name, cluster)
    if not clusters:
        yield "# No cluster was found. Set ASTRO_API_TOKEN, or copy the region and range from the Astro UI:"
        yield "# clusters: {prod: {region: us-east-1, cidr: 172.20.0.0/20}}"
    networks: dict[str, Network] = {}
    names = _Names()
    for network in (one for each in found for one in each.networks):
        networks[names.new(_of_tag(network.name, network.vpc_id), "vpc")] = network
    if networks:
        yield ""
        yield "networks:"
    for name, network in networks.items():
        yield from _network(name, network)
    by_vpc = {network.vpc_id: name for name, network in networks.items()}
    entries = _Names()
    lines = [line for one in found for line in _connections(answers, one, clusters, networks, by_vpc, entries)]
    yield ""
    if any(not line.lstrip().startswith("#") for line in lines):
        yield "connections:"
    yield from lines
    for one in found:
        for id_, address, asn in one.customer_gateways:
            yield f"# Customer gateway {_said(id_)} in {one.region} is {_said(address)}, ASN {_said(asn)}. AWS"
            yield "# returns it to each VPN of that address, so add a `vpn` only if nothing else uses it."
        for action in one.denied:
            yield f"# Account {one.account_id} denies {_said(action)}, so that {one.region} may have more."


def _of_tag(name: str, id_: str) -> str:
    return name.removesuffix(f" {id_}")


def _said(value: str) -> str:
    """Return external text for a comment: on one line, without control characters."""
    return printable(shortened(value))


def _quoted(value: str) -> str:
    """Return a text as a YAML scalar in double quotes."""
    return json.dumps(printable(value), ensure_ascii=False)


def _clusters(
    answers: Answers, found: Sequence[Found], astro: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the clusters of Astro's API, and one for each requester and range that the API does not have.

    An attachment shows no range, and a cluster without one would count as 172.20.0.0/20.
    """
    names, clusters = _Names(), dict[str, dict[str, Any]]()
    for one in astro:
        clusters[names.new(one["name"], "cluster")] = {**one, "name": None}
    for request in (one for each in found for one in each.peerings):
        if request.account_id in answers.astro_accounts and request.cidr and not _cluster_of(request, clusters):
            region = request.requester_region or request.region
            clusters[names.new("astro", "astro")] = {
                "region": region,
                "account_id": request.account_id,
                "cidr": request.cidr,
            }
    return clusters


def _cluster_of(request: Request, clusters: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the cluster of a request, by the account, region and range, if they are known."""
    region = request.requester_region or request.region
    same = [
        name
        for name, one in clusters.items()
        if one.get("account_id") in (None, request.account_id)
        and one.get("region") == region
        and (not request.cidr or one.get("cidr") in (None, request.cidr))
    ]
    return same[0] if len(same) == 1 or (same and request.cidr) else None


def _cluster(name: str, cluster: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {name}:"
    for field in ("product", "region", "id", "account_id", "cidr", "pod_cidr"):
        if value := cluster.get(field):
            yield f"    {field}: {_quoted(value) if field in ('account_id', 'id') else value}"
    if not cluster.get("region"):
        yield "    # region: the Astro UI shows it in Organization Settings > Clusters"
    if not cluster.get("account_id"):
        yield "    # account_id: ask Astronomer's support for the AWS account of the cluster"
    if not cluster.get("cidr"):
        yield "    # cidr: the VPC subnet range in the Astro UI. Without it, Astronomer's default 172.20.0.0/20 counts"
    if not cluster.get("pod_cidr"):
        yield "    # pod_cidr: the secondary range in the Astro UI, usually 100.64.0.0/19"
    if cluster.get("external_ips"):
        yield f"    external_ips: [{', '.join(cluster['external_ips'])}]"
    if cluster.get("oidc_issuer_url"):
        yield f"    oidc_issuer_url: {_quoted(cluster['oidc_issuer_url'])}"
    dr = {field: value for field, value in (cluster.get("dr") or {}).items() if value}
    if dr.get("region") and dr.get("cidr"):
        yield f"    dr: {{{', '.join(f'{field}: {value}' for field, value in dr.items())}}}"


def _network(name: str, network: Network) -> Iterator[str]:
    ranges = [IPv4Network(one) for one in network.cidrs]
    public = [one for one in ranges if not any(one.subnet_of(private) for private in _PRIVATE)]
    yield f"  {name}:"
    if _of_tag(network.name, network.vpc_id) != network.vpc_id:
        yield f"    # {_said(_of_tag(network.name, network.vpc_id))}"
    yield f"    account_id: {_quoted(network.account_id)}"
    yield f"    region: {network.region}"
    yield f"    vpc_id: {network.vpc_id}"
    yield f"    cidrs: [{', '.join(str(one) for one in ranges if one not in public)}]"
    for one in public:
        yield f"    # {one} is a public range, and is left out"
    for field, ids in (("route_tables", network.route_tables), ("subnets", network.subnets)):
        names = _Names()
        if ids:
            yield f"    {field}:"
        for tag, id_ in ids.items():
            yield f"      {names.new(_of_tag(tag, id_), 'of')}: {id_}"


def _connections(
    answers: Answers,
    found: Found,
    clusters: Mapping[str, Mapping[str, Any]],
    networks: Mapping[str, Network],
    by_vpc: Mapping[str, str],
    entries: _Names,
) -> Iterator[str]:
    here = [name for name, one in networks.items() if (one.account_id, one.region) == (found.account_id, found.region)]
    near = [name for name, one in clusters.items() if one.get("region") == found.region]
    for one in found.peerings:
        cluster = _cluster_of(one, clusters) if one.account_id in answers.astro_accounts else None
        if cluster is None and one.account_id in answers.astro_accounts:
            yield f"# Peering {one.id} shows no range: add its cluster with the range from the Astro UI, and a"
            yield "# `vpc_peering` with this ID."
            continue
        if cluster is None:
            yield f"# Peering {one.id} is requested by account {one.account_id} for {by_vpc[one.target]}. If"
            yield "# Astronomer's support confirms that it is theirs, pass --astro-account to `main.py init`."
            continue
        entry = f"{{type: vpc_peering, cluster: {cluster}, network: {by_vpc[one.target]}, peering_id: {one.id}}}"
        yield f"  {one.id}: {entry}"
    for gateway, vpcs in found.gateways.items():
        attached = [one for one in found.attachments if one.target == gateway]
        mine = [one for one in attached if one.account_id in answers.astro_accounts]
        by_cluster: dict[str, str] = {}
        unclear: list[Request] = []
        for one in mine:
            cluster = _cluster_of(one, clusters)
            if cluster and cluster not in by_cluster:
                by_cluster[cluster] = one.id
            else:
                unclear.append(one)
        network = next((by_vpc[vpc] for vpc in vpcs), here[0] if here else None)
        if by_cluster and network:
            yield f"  {gateway}:"
            yield f"    {{type: transit_gateway, clusters: [{', '.join(by_cluster)}], network: {network},"
            pairs = ", ".join(f"{cluster}: {id_}" for cluster, id_ in by_cluster.items())
            yield f"     transit_gateway_id: {gateway}, attachments: {{{pairs}}}}}"
        else:
            yield f"# Transit gateway {gateway} in {found.region}: add a `transit_gateway` if clusters use it."
        for one in (*unclear, *(one for one in attached if one not in mine)):
            yield f"# {one.id} of account {one.account_id} is attached to {gateway}: ask Astronomer's support"
            yield "# whether it belongs to a cluster, and to which."
    by_network: dict[str, list[tuple[str, str]]] = {}
    for id_, domain, vpc in found.rules:
        network = by_vpc.get(vpc or "", here[0] if here else "")
        if network and near:
            by_network.setdefault(network, []).append((id_, domain))
        else:
            yield f"# Resolver rule {id_} forwards {_said(domain)}: add `resolver_rules` if clusters need the domain."
    for network, rules in by_network.items():
        yield f"  {entries.new(f'{network[:20]}-dns', 'dns')}:"
        yield "    type: resolver_rules"
        yield f"    clusters: [{', '.join(near)}]"
        yield f"    network: {network}"
        yield "    rules:"
        names = _Names()
        for id_, domain in rules:
            yield f"      {names.new(domain, 'rule')}: {{rule_id: {id_}}} # {_said(domain)}"
    for id_, domain, vpc in found.zones:
        if near:
            yield f"  {entries.new(f'zone-{id_}', 'zone')}: # {_said(domain)}"
            entry = f"type: hosted_zone, clusters: [{', '.join(near)}], network: {by_vpc[vpc]}, zone_id: {id_}"
            yield f"    {{{entry}}}"
        else:
            yield f"# Private zone {id_} is {_said(domain)}: add `hosted_zone` if clusters need its names."
