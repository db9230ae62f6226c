"""Random estates: most features of the file, in combinations that no example has. Some are invalid by chance."""

import itertools
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

Data = dict[str, Any]

NAMES = [
    *("a", "b2", "lake", "edge", "data-lake", "x-1-y", "prod", "on", "null", "type", "sensitive-twelve-letters"),
    # Words of Terraform, names of constructs, outputs and twins, and names that differ from others by a part.
    *("each", "count", "self", "default", "handoff", "first", "role", "policy", "vpc", "route-tables"),
    *("a-dr", "lake-role", "data", "lake-lake", "true"),
]
REGIONS = ["us-east-1", "us-east-1", "us-west-2", "eu-central-1"]
REASON = "Ticket OPS-1: a reason"


class _World:
    """The building blocks of a random estate: unique IDs and ranges, and the names that entries can refer to."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self._ids = itertools.count(dice.randrange(1, 1_000))
        self._names = iter(dice.sample(NAMES, len(NAMES)))
        self._places = itertools.count(1)
        self.clusters: Data = {}
        self.networks: Data = {}

    def maybe(self, likely: float = 0.5) -> bool:
        return self.dice.random() < likely

    def id(self, prefix: str) -> str:
        return f"{prefix}-{next(self._ids):0{self.dice.choice([8, 17])}x}"

    def name(self) -> str:
        return next(self._names)

    def number(self) -> int:
        return next(self._places)

    def some(self, values: Any, least: int = 1) -> list[Any]:
        values = list(values)
        return self.dice.sample(values, self.dice.randint(min(least, len(values)), len(values))) if values else []

    def optional(self, **values: Any) -> Data:
        """Return some of the fields, each with a probability of one half."""
        return {field: value for field, value in values.items() if self.maybe()}

    def named(self, make: Callable[[], Any], most: int = 2) -> Data:
        names = self.dice.sample(NAMES, self.dice.randint(1, most))
        return {name: make() for name in names}

    def ports(self) -> Data:
        if self.maybe(0.2):
            return {"protocol": "icmp"} | self.optional(icmp_type=self.dice.randrange(256))
        first = self.dice.randrange(1, 60_000)
        return {"from_port": first} | self.optional(to_port=first + 5, protocol=self.dice.choice(["tcp", "udp"]))

    def ingress(self) -> Data:
        return self.named(lambda: {"security_group": self.id("sg"), **self.ports()})


def random_estate(dice: Random) -> Data:
    """Return the values of an estate file. About two of three are valid."""
    world = _World(dice)
    product = dice.choice([*["hybrid"] * 3, *["hosted-dedicated"] * 3, "hosted-standard"])
    estate: Data = {
        "name": dice.choice(["acme", "a", "x-1", "thirty-one-letters-long-is-a-nam"[:31]]),
        "state": _state(dice),
        "astro": {"product": product, "organization": "acme"},
        **world.optional(
            tags={"owner": "data", "cost center": "a/b:c=1"},
            terraform={"aws_provider": dice.choice(["~> 5.100", "~> 6.0", "6.25.0"])},
            deployer={"role": "terraform"},
        ),
    }
    for _ in range(dice.randint(1, 3)):
        world.clusters[world.name()] = _cluster(world, product)
    for _ in range(dice.randint(1, 2)):
        world.networks[world.name()] = _network(world)
    if world.maybe(0.35):
        estate["account"] = _account(world)
        hybrid = any(cluster.get("product", product) == "hybrid" for cluster in world.clusters.values())
        if not hybrid:
            estate["account"]["without_hybrid_reason"] = REASON
    estate |= {"clusters": world.clusters, "networks": world.networks}
    estate["connections"] = {world.name(): connection for connection in _connections(world)}
    keys = list(estate)
    dice.shuffle(keys)
    return {key: estate[key] for key in keys}


def _state(dice: Random) -> Data:
    s3 = {"backend": "s3", "bucket": "acme-states", "region": "us-east-1"}
    cloud = {"backend": "cloud", "organization": "acme", "project": "Default Project"}
    return dice.choice([s3, s3 | {"kms_key": "alias/states", "key_prefix": "a/b"}, cloud, {"backend": "none"}])


def _cluster(world: _World, product: str) -> Data:
    number, dice = len(world.clusters), world.dice
    cluster: Data = {"region": dice.choice(REGIONS), "cidr": f"172.{16 + number}.0.0/{dice.randint(18, 21)}"}
    cluster |= world.optional(
        account_id=dice.choice(["333333333333", "444444444444"]),
        pod_cidr=f"100.{64 + number}.0.0/19",
        additional_cidrs=world.named(lambda: f"10.200.{world.number()}.0/24"),
        vpc_id=world.id("vpc"),
        id=f"clmk2qqia{number:06}mhff3ndj",
        external_ips=[f"203.0.113.{1 + number}", f"198.51.100.{1 + number}"],
        oidc_issuer_url=f"https://oidc.eks.us-east-1.amazonaws.com/id/{number:032X}",
        max_nodes=dice.randint(1, 50),
        node_type=dice.choice(["m5.4xlarge", "m6i.metal", "t3.xlarge"]),
    )
    if world.maybe(0.2):
        cluster["product"] = dice.choice(["hybrid", "hosted-dedicated", "hosted-standard"])
    if world.maybe(0.25):
        cluster["dr"] = {"region": "us-west-1", "cidr": f"172.{16 + number}.128.0/20"}
    return {"product": product} | cluster if world.maybe(0.2) else cluster


def _network(world: _World) -> Data:
    number, dice = world.number(), world.dice
    network: Data = {"account_id": dice.choice(["111111111111", "222222222222"]), "region": dice.choice(REGIONS)}
    if world.maybe(0.3):
        create: Data = {"cidr": f"10.{number}.0.0/{dice.randint(16, 24)}"}
        create |= world.optional(
            availability_zones=dice.choice([2, 3]),
            nat=dice.choice(["none", "single", "per_az"]),
            s3_endpoint=world.maybe(),
            flow_logs=dice.choice([{"retention_days": 7}, {"off_reason": REASON}]),
        )
        return network | {"create": create}
    network |= {"vpc_id": world.id("vpc"), "cidrs": [f"10.{number}.0.0/16", f"192.168.{number}.0/24"]}
    tables = world.named(lambda: world.id("rtb"))
    found = {"by_name": ["acme-private-*"]} | world.optional(by_tag={"tier": "private"})
    routes = [{"route_tables": one} for one in ("all", "private", found)]
    routes += [{"route_tables": tables}, {"route_tables": tables}, {"routes_elsewhere": REASON}]
    network |= dice.choice([*routes, {}])
    if world.maybe(0.8):
        network["subnets"] = {"private-a": world.id("subnet"), "private-b": world.id("subnet")}
    return network


def _account(world: _World) -> Data:
    dice = world.dice
    role = {"policy_file": "policies/astronomer.json"}
    role |= world.optional(
        policy_mode="vendor-managed",
        permissions_boundary="arn:aws:iam::222222222222:policy/OperationalBoundary",
        removal_reason=REASON,
    )
    alarm = dice.choice(
        [
            {"subscribers": {"a": "a@acme.example", "b": "https://acme.example/sns"}},
            {"topic_arn": "arn:aws:sns:us-east-1:222222222222:security"},
            {"topic_arn": "arn:aws:sns:us-east-1:222222222222:security", "log_group": "aws-cloudtrail-logs"},
        ]
    )
    quotas = {
        "size_for_clusters": world.maybe(),
        "others": {"eips": {"service": "ec2", "code": "L-0263D0A3", "value": 9}},
    }
    return {
        "account_id": "222222222222",
        "region": "us-east-1",
        "cross_account_role": role,
        **world.optional(policy_alarm=alarm, service_quotas=quotas, opt_in_region={"regions": ["me-south-1"]}),
    }


def _connections(world: _World) -> Iterator[Data]:
    for kind in world.dice.choices(list(_KINDS), k=world.dice.randint(0, 4)):
        network = world.dice.choice(list(world.networks))
        same_region = [
            name
            for name, cluster in world.clusters.items()
            if cluster["region"] == world.networks[network]["region"]
            or kind not in ("transit_gateway", "resolver_rules", "private_link", "egress_hub")
        ]
        if clusters := world.some(same_region):
            yield {"type": kind, "network": network} | _KINDS[kind](world, clusters, network) | _twin(world, clusters)


def _twin(world: _World, clusters: list[str]) -> Data:
    has_twin = any("dr" in world.clusters[name] for name in clusters)
    return {"dr": {}} if has_twin and world.maybe(0.3) else {}


def _vpc_peering(world: _World, clusters: list[str], _network: str) -> Data:
    fields = world.optional(peering_id=world.id("pcx"), resolve_dns=world.maybe(), ingress=world.ingress())
    return {"cluster": clusters[0], **fields}


def _transit_gateway(world: _World, clusters: list[str], _network: str) -> Data:
    fields: Data = {"clusters": clusters}
    if world.maybe():
        return fields | {"create": world.optional(asn=64513)}
    tables = {"clusters": world.id("tgw-rtb"), "network": world.id("tgw-rtb")}
    fields |= {"transit_gateway_id": world.id("tgw")}
    fields |= world.optional(
        attachments={name: world.id("tgw-attach") for name in world.some(clusters)}, share_with=["555555555555"]
    )
    if world.maybe():
        office = {"cidr": f"10.8.{world.number()}.0/24", "attachment_id": world.id("tgw-attach")}
        fields |= {"route_tables": tables, "on_premises": {"office": office}, "propagate": world.maybe()}
    return fields


def _resolver_rules(world: _World, clusters: list[str], network: str) -> Data:
    numbers = itertools.count(world.number())
    new = world.named(lambda: {"domain": f"d{next(numbers)}.acme.example", "targets": ["10.8.0.2", "10.8.0.3:5353"]})
    fields: Data = {"clusters": clusters, "rules": new | {"old": {"rule_id": world.id("rslvr-rr")}}}
    fields |= world.optional(associate_network=True)
    made = "create" in world.networks[network] or "subnets" in world.networks[network]
    return fields | ({"endpoint": {}} if made and world.maybe() else {"endpoint_id": world.id("rslvr-out")})


def _vpn(world: _World, _clusters: list[str], network: str) -> Data:
    gateways = {name: {"ip": f"203.0.113.{100 + world.number()}"} for name in ["a", "b"][: world.dice.randint(1, 2)]}
    fields: Data = {"gateways": gateways, "preshared_keys": world.dice.choice(["secrets-manager", "state", "variable"])}
    if world.maybe():
        fields |= {"transit_gateway_id": world.id("tgw"), "route_tables": {"routes": {"main": world.id("tgw-rtb")}}}
    else:
        fields |= world.optional(vpn_gateway_id=world.id("vgw"))
    range_ = f"192.168.{100 + world.number()}.0/24"
    fields |= world.dice.choice([{"bgp_asn": 65010}, {"bgp_asn": 4_200_000_001}, {"static_routes": {"floor": range_}}])
    return fields | world.optional(tunnel_log_days=30, alarm_topic=_topic(world, network))


def _ip_allowlist(world: _World, clusters: list[str], _network: str) -> Data:
    principals = ["arn:aws:iam::333333333333:role/astro-etl"]
    bucket = {"bucket": "acme-exports", "region": "eu-west-1", "principals": principals}
    return {"clusters": clusters, **world.optional(ingress=world.ingress(), buckets={"exports": bucket})}


def _network_rules(world: _World, clusters: list[str], _network: str) -> Data:
    ranges = world.clusters[clusters[0]].get("additional_cidrs", {})
    acl = {"network_acl": world.id("acl"), "rule_number": 100 + 10 * world.number(), **world.ports()}
    acl |= {"additional_rule_numbers": {name: 5_000 + world.number() for name in ranges}} if ranges else {}
    return {"cluster": clusters[0], **world.optional(ingress=world.ingress(), network_acls={"db": acl})}


def _egress_domains(world: _World, _clusters: list[str], _network: str) -> Data:
    firewall = {"priority": 500 + world.number(), "others": world.dice.choice(["leave", "alert", "block"])}
    return world.optional(subdomains=world.maybe(), additional_domains=["*.acme.example"], dns_firewall=firewall)


def _peering_role(world: _World, clusters: list[str], _network: str) -> Data:
    return {"cluster": clusters[0], "expires": world.dice.choice(["2099-12-31", "2099-12-31", "2020-01-31"])}


def _workload_identity(world: _World, clusters: list[str], _network: str) -> Data:
    identity = world.dice.choice(["deployment_role", "cluster_role", "oidc"])
    policies = {"read": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    role = world.optional(policy_arns=policies, policy_files={"lake": "policies/read-lake.json"}, role_path="/data/")
    if identity != "cluster_role":
        role |= world.optional(deployments=["geometric-gyroscope-9932"])
    return {"cluster": clusters[0], "identity": identity, "roles": world.named(lambda: role)}


def _dns_forwarding(world: _World, clusters: list[str], network: str) -> Data:
    fields: Data = {"clusters": clusters, "domains": ["corp.acme.example"]}
    made = "create" in world.networks[network] or "subnets" in world.networks[network]
    return fields | ({"endpoint": {}} if made and world.maybe() else {"servers": ["10.8.0.2"]})


def _hosted_zone(world: _World, clusters: list[str], _network: str) -> Data:
    zone = {"zone_id": f"Z{world.number():020}"} if world.maybe() else {"domain": f"d{world.number()}.acme.example"}
    return {"clusters": clusters, **zone}


def _private_link(world: _World, clusters: list[str], network: str) -> Data:
    endpoint = {"service": world.dice.choice(["sqs", "ecr.api", "secretsmanager"]), "for_clusters": True}
    if "create" not in world.networks[network] and "subnets" not in world.networks[network]:
        balancer = _arn(world, network, "elasticloadbalancing", f"loadbalancer/net/x/{world.number():016x}")
        notify = world.optional(notify=_topic(world, network))
        return {"clusters": clusters, "service": {"load_balancers": [balancer], **notify}}
    balancer = {"port": 443, "targets": {"one": f"10.8.1.{world.number()}"}}
    service = {
        "load_balancer": balancer,
        **world.optional(acceptance_off_reason=REASON, private_dns_name="x.acme.example"),
    }
    return {
        "clusters": clusters,
        **world.dice.choice([{"service": service}, {"endpoints": world.named(lambda: endpoint, 1)}]),
    }


def _remote_agents(world: _World, clusters: list[str], _network: str) -> Data:
    service = f"com.amazonaws.vpce.us-east-1.{world.id('vpce-svc')}"
    return {"cluster": clusters[0], **world.optional(service_name=service, agents_security_groups=[world.id("sg")])}


def _egress_hub(world: _World, clusters: list[str], network: str) -> Data:
    ids = {"transit_gateway_id": "tgw", "route_table_id": "tgw-rtb", "attachment_id": "tgw-attach"}
    fields: Data = {"clusters": clusters} | {field: world.id(prefix) for field, prefix in ids.items()}
    if "create" not in world.networks[network]:
        fields["public_route_tables"] = world.named(lambda: world.id("rtb"))
    return fields | world.optional(dropped={"mine": "10.0.0.0/8"}, public_ips=["203.0.113.30"])


def _topic(world: _World, network: str) -> str:
    return _arn(world, network, "sns", "network")


def _arn(world: _World, network: str, service: str, resource: str) -> str:
    place = world.networks[network]
    return f"arn:aws:{service}:{place['region']}:{place['account_id']}:{resource}"


_KINDS: dict[str, Callable[[_World, list[str], str], Data]] = {
    "vpc_peering": _vpc_peering,
    "transit_gateway": _transit_gateway,
    "resolver_rules": _resolver_rules,
    "vpn": _vpn,
    "ip_allowlist": _ip_allowlist,
    "network_rules": _network_rules,
    "egress_domains": _egress_domains,
    "peering_role": _peering_role,
    "workload_identity": _workload_identity,
    "dns_forwarding": _dns_forwarding,
    "hosted_zone": _hosted_zone,
    "private_link": _private_link,
    "remote_agents": _remote_agents,
    "egress_hub": _egress_hub,
}
