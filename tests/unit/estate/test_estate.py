"""The output of `main.py check`: the exact line for each mistake, all at once."""

import re
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from estate.load import load
from operations.export.variables import for_modules
from tests.support.estates import BASE, changed, mistakes


def test_an_estate_without_mistakes_is_one_frozen_model(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(BASE)
    estate = load(file)
    assert list(estate.connections) == ["lake-prod", "lake-dev"]
    assert str(estate.clusters["prod"].pod_cidr) == "100.64.0.0/19"
    assert [(entry, a.field, a.giver) for entry, a in estate.pending_inputs()] == [
        ("connections.lake-dev", "peering_id", "the Astro UI")
    ]
    with pytest.raises(ValueError, match="frozen"):
        estate.name = "other"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "name: acme",
            "name: Acme",
            ["1:7: name: 'Acme' is not a name; allowed: 1 to 31 lowercase letters, digits and single hyphens, "
             'beginning with a letter, such as "data-lake"; did you mean \'acme\'?'],
        ),
        (
            'account_id: "111111111111"',
            "account_id: 111111111111",
            ["8:22: networks.lake.account_id: '111111111111' is not an AWS account ID; YAML read a number, so put it "
             'in quotes; allowed: 12 digits in quotes, such as "111111111111"'],
        ),
        (
            'account_id: "333333333333", cidr: 172.20',
            "account_id: 012345678901, cidr: 172.20",
            ["5:41: clusters.prod.account_id: '012345678901' is not an AWS account ID; YAML read a number, so put it "
             'in quotes; allowed: 12 digits in quotes, such as "111111111111"'],
        ),
        (
            "172.20.0.0/20",
            "172.20.0.1/20",
            ["5:63: clusters.prod.cidr: '172.20.0.1/20' has host bits set, which AWS refuses; write 172.20.0.0/20"],
        ),
        (
            "172.20.0.0/20",
            "172.20.0.0/22",
            ["5:63: clusters.prod.cidr: '172.20.0.0/22' is a /22, not a valid range for an Astro VPC; allowed: an IPv4 range "
             "of /16 to /21 inside RFC 1918 (10/8, 172.16/12, 192.168/16)"],
        ),
        (
            "172.20.0.0/20",
            "100.65.0.0/20",
            ["5:63: clusters.prod.cidr: '100.65.0.0/20' is not a valid range for an Astro VPC; allowed: an IPv4 range "
             "of /16 to /21 inside RFC 1918 (10/8, 172.16/12, 192.168/16)"],
        ),
        (
            "[10.20.0.0/16]",
            "[10.20.0.0/16, 169.254.8.0/24]",
            ["8:110: networks.lake.cidrs.1: '169.254.8.0/24' is not a valid range for a VPC: it contains loopback, "
             "link-local, multicast or reserved addresses"],
        ),
        (
            "[10.20.0.0/16]",
            "[10.0.0.0/8]",
            ["8:96: networks.lake.cidrs.0: '10.0.0.0/8' is a /8, not a valid range for a VPC; allowed: an IPv4 range of /16 to "
             "/28"],
        ),
        (
            "route_tables: all",
            "route_tables: {a: rtb-0aaaaaaaaaaaaaaaa, b: rtb-0aaaaaaaaaaaaaaaa}",
            ["8:125: networks.lake.route_tables: has rtb-0aaaaaaaaaaaaaaaa under two names; list each once"],
        ),
        (
            "route_tables: all",
            "route_tables: all, subnets: {a: subnet-0aaaaaaaaaaaaaaaa, b: subnet-0aaaaaaaaaaaaaaaa}",
            ["8:139: networks.lake.subnets: has subnet-0aaaaaaaaaaaaaaaa under two names; list each once"],
        ),
        (
            ", route_tables: all",
            "",
            ["8:9: networks.lake: has no route_tables, so there is no return route for connections.lake-prod and 1 more; "
             "set them, for example route_tables: all, or explain in routes_elsewhere who adds the routes"],
        ),
        (
            "route_tables: all",
            "route_tables: all, routes_elsewhere: The network team routes",
            ["8:148: networks.lake.routes_elsewhere: 'The network team routes' cannot be combined with route_tables; "
             "remove one"],
        ),
        (
            "peering_id: pcx-0123456789abcdef0",
            "peering_id: vpc-0123456789abcdef0",
            ["10:76: connections.lake-prod.peering_id: 'vpc-0123456789abcdef0' is not a VPC peering connection ID; "
             'allowed: pcx- and 8 or 17 lowercase hexadecimal digits, such as "pcx-0123456789abcdef0"'],
        ),
        (
            "peering_id:",
            "peering-id:",
            ["10:64: connections.lake-prod.peering-id: is not a valid key here; did you mean 'peering_id'?; allowed: "
             "cluster, confirmed, dr, ingress, network, peering_id, resolve_dns, type"],
        ),
        (
            "type: vpc_peering, cluster: prod",
            "type: vpc_pering, cluster: prod",
            [re.compile(r"10:21: connections\.lake-prod\.type: 'vpc_pering' is not one of .*'vpc_peering'.*; "
                        r"did you mean 'vpc_peering'\?")],
        ),
        ("type: vpc_peering, cluster: prod", "cluster: prod", [
            re.compile("10:14: connections.lake-prod: has no 'type'; add it: type is one of .*'vpc_peering', 'vpn', ")
        ]),
        (
            "cluster: prod",
            "cluster: prd",
            ["10:43: connections.lake-prod.cluster: 'prd' is not in `clusters`; available: dev, prod; "
             "did you mean 'prod'?"],
        ),
        (
            "network: lake, peering",
            "network: lakes, peering",
            ["10:58: connections.lake-prod.network: 'lakes' is not in `networks`; available: lake; "
             "did you mean 'lake'?"],
        ),
        ("  lake-dev:", "  lake-prod:", ["11:3: connections.lake-prod: is defined twice, first on line 10; keep one of them"]),
        ("  lake-dev:", "  lake:", ["11:9: connections.lake: has the same name as a network, so their Terraform "
                                    "addresses would collide; rename one"]),
        ("  lake-dev:", "  Lake_Dev:", ["11:3: connections.Lake_Dev: 'Lake_Dev' is not a name; allowed: 1 to 31 "
                                        "lowercase letters, digits and single hyphens, beginning with a letter, such "
                                        'as "data-lake"']),
        ("name: acme\n", "", ["1:1: name: is missing; add it: name: acme"]),
        ("[10.20.0.0/16]", "10.20.0.0/16", [
            "8:95: networks.lake.cidrs: is a single value, but must be a list; write cidrs: [10.20.0.0/16]"
        ]),
        ("[10.20.0.0/16]", "{10.20.0.0/16: [a]}", [
            "8:95: networks.lake.cidrs: is a map, but must be a list; write cidrs: [10.20.0.0/16]"
        ]),
        (
            "{type: vpc_peering, cluster: dev, network: lake}",
            "[1]",
            ["11:13: connections.lake-dev: is a list, but must be a map; write its keys without `- `"],
        ),
        (
            "backend: s3",
            "backend: s4",
            ["2:18: state.backend: 's4' is not one of 's3', 'cloud', 'none'"],
        ),
        (
            "name: acme\n",
            "name: acme\ntags: {aws:owner: me}\n",
            ["2:8: tags.aws:owner: 'aws:owner' is not a tag key; allowed: 1 to 128 letters, digits, spaces and "
             "_.:/=+-@, not beginning with aws:"],
        ),
        (
            "vpc_id: vpc-0123456789abcdef0, cidrs: [10.20.0.0/16]",
            "cidrs: [10.20.0.0/16]",
            [re.compile(r"8:9: networks\.lake: needs a VPC; set vpc_id .* create")],
        ),
    ],
)  # fmt: skip
def test_each_mistake_has_its_line_and_remedy(
    tmp_path: Path, old: str, new: str, expected: list[str | re.Pattern[str]]
) -> None:
    found = mistakes(tmp_path, changed(old, new))
    assert len(found) == len(expected), found
    for line, wanted in zip(found, expected, strict=True):
        assert wanted.match(line) if isinstance(wanted, re.Pattern) else line == wanted, line


def test_routes_elsewhere_explains_missing_route_tables(tmp_path: Path) -> None:
    assert mistakes(tmp_path, changed("route_tables: all", "routes_elsewhere: The network team routes")) == []


def test_a_vpc_is_one_network(tmp_path: Path) -> None:
    text = two_networks().replace("vpc-0bbbbbbbbbbbbbbbb", "vpc-0123456789abcdef0")
    assert mistakes(tmp_path, text) == [
        "9:64: networks.sea.vpc_id: 'vpc-0123456789abcdef0' is also the VPC of networks.lake; use one entry for both, "
        "so that only one stack manages the VPC"
    ]


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("10.20.0.0/16", "172.20.8.0/24", "clusters.prod.cidr: '172.20.0.0/20' overlaps 172.20.8.0/24 of networks.lake.cidrs.0, and clusters.prod needs routes to both"),
        ("10.20.0.0/16", "100.64.0.0/16", "clusters.prod.pod_cidr: '100.64.0.0/19' overlaps 100.64.0.0/16 of networks.lake.cidrs.0, and clusters.prod needs routes to both"),
        ("172.21.0.0/20", "172.20.0.0/16", "clusters.dev.cidr: '172.20.0.0/16' overlaps 172.20.0.0/20 of clusters.prod.cidr, and networks.lake needs routes to both"),
        ("pod_cidr: 100.64.0.0/19", "pod_cidr: 172.20.0.0/20", "clusters.prod.pod_cidr: '172.20.0.0/20' overlaps 172.20.0.0/20 of clusters.prod.cidr, and clusters.prod needs routes to both"),
        (
            "pod_cidr: 100.64.0.0/19",
            "dr: {region: us-west-2, cidr: 10.20.0.0/20}",
            "clusters.prod.dr.cidr: '10.20.0.0/20' overlaps 10.20.0.0/16 of networks.lake.cidrs.0, and clusters.prod needs routes to both",
        ),
        ("[10.20.0.0/16]", "[10.20.0.0/16, 10.20.1.0/24]", "networks.lake.cidrs.1: '10.20.1.0/24' overlaps 10.20.0.0/16 of networks.lake.cidrs.0, and networks.lake needs routes to both"),
    ],
)  # fmt: skip
def test_ranges_that_meet_must_not_overlap(tmp_path: Path, old: str, new: str, where: str) -> None:
    assert overlaps(tmp_path, changed(old, new)) == [where]


def overlaps(folder: Path, text: str) -> list[str]:
    """Return the messages about overlaps without the rule, which is the same for all."""
    rule = "; AWS cannot route between overlapping ranges: change one"
    found = mistakes(folder, text)
    assert all(line.endswith(rule) for line in found), found
    return [line.split(": ", 1)[1].removesuffix(rule) for line in found]


def two_networks(sea: str = "10.21.0.0/16", dev: str = "172.21.0.0/20", lake_prod: str = "", sea_dev: str = "") -> str:
    """Return an estate of two networks, `lake` (10.20.0.0/16) with cluster `prod` (172.20.0.0/20), and `sea` with `dev`."""
    network = BASE[BASE.index("  lake:") : BASE.index("connections:")]
    other = network.replace("lake", "sea").replace("vpc-0123456789abcdef0", "vpc-0bbbbbbbbbbbbbbbb")
    head = BASE[: BASE.index("connections:")].replace("172.21.0.0/20", f"{dev}, pod_cidr: 100.64.0.0/19")
    return (
        head
        + other.replace("10.20.0.0/16", sea)
        + "connections:\n"
        + f"  lake-prod: {{network: lake, {lake_prod or 'type: vpc_peering, cluster: prod'}}}\n"
        + f"  sea-dev: {{network: sea, {sea_dev or 'type: vpc_peering, cluster: dev'}}}\n"
    )


SUBNETS = "subnets: {a: subnet-0aaaaaaaaaaaaaaaa, b: subnet-0bbbbbbbbbbbbbbbb}"


def hub(cluster: str, office: str = "", gateway: str = "tgw-0123456789abcdef0", more: str = "") -> str:
    """Return a transit gateway with a cluster, and an on-premises range."""
    more += f", on_premises: {{office: {{cidr: {office}}}}}" if office else ""
    return f"type: transit_gateway, clusters: [{cluster}], transit_gateway_id: {gateway}{more}"


def test_ranges_that_never_meet_may_be_equal(tmp_path: Path) -> None:
    assert overlaps(tmp_path, two_networks(sea="10.20.0.0/16", dev="172.20.0.0/20")) == []


def test_networks_of_one_cluster_meet_there(tmp_path: Path) -> None:
    text = two_networks(sea="10.20.16.0/20", sea_dev="type: vpc_peering, cluster: prod")
    assert overlaps(tmp_path, text) == [
        "networks.sea.cidrs.0: '10.20.16.0/20' overlaps 10.20.0.0/16 of networks.lake.cidrs.0, and clusters.prod "
        "needs routes to both"
    ]


def test_networks_of_one_twin_meet_there(tmp_path: Path) -> None:
    text = two_networks(sea="10.20.16.0/20", sea_dev="type: vpc_peering, cluster: prod-dr")
    text = text.replace("pod_cidr: 100.64.0.0/19}", "dr: {region: us-west-2, cidr: 172.22.0.0/20}}", 1)
    text = text.replace("cluster: prod}", "cluster: prod-dr}")
    assert overlaps(tmp_path, text) == [
        "networks.sea.cidrs.0: '10.20.16.0/20' overlaps 10.20.0.0/16 of networks.lake.cidrs.0, and clusters.prod.dr "
        "needs routes to both"
    ]


def test_all_that_is_on_one_transit_gateway_meets_there(tmp_path: Path) -> None:
    text = two_networks(dev="172.20.0.0/20", lake_prod=hub("prod"), sea_dev=hub("dev"))
    assert overlaps(tmp_path, text) == [
        "clusters.dev.cidr: '172.20.0.0/20' overlaps 172.20.0.0/20 of clusters.prod.cidr, and tgw-0123456789abcdef0 "
        "needs routes to both"
    ]
    assert overlaps(tmp_path, text.replace("tgw-0123456789abcdef0", "tgw-0fffffffffffffff0", 1)) == []


def test_unrouted_pod_ranges_of_two_clusters_may_be_equal(tmp_path: Path) -> None:
    both = changed("cidr: 172.21.0.0/20", "cidr: 172.21.0.0/20, pod_cidr: 100.64.0.0/19")
    assert overlaps(tmp_path, both) == []
    assert overlaps(tmp_path, TWINS.replace("172.22.0.0/20", "172.22.0.0/20, pod_cidr: 100.64.0.0/19")) == []


@pytest.mark.parametrize(
    ("office", "said"),
    [
        ("10.0.0.0/8", []),
        ("172.16.0.0/12", []),
        (
            "10.20.0.0/16",
            [
                "connections.lake-prod.on_premises.office.cidr: '10.20.0.0/16' overlaps 10.20.0.0/16 of "
                "networks.lake.cidrs.0, and clusters.prod needs routes to both"
            ],
        ),
        (
            "172.20.8.0/21",
            [
                "connections.lake-prod.on_premises.office.cidr: '172.20.8.0/21' overlaps 172.20.0.0/20 of "
                "clusters.prod.cidr, and clusters.prod needs routes to both"
            ],
        ),
    ],
)
def test_an_on_premises_range_may_contain_that_of_a_vpc(tmp_path: Path, office: str, said: list[str]) -> None:
    assert overlaps(tmp_path, two_networks(lake_prod=hub("prod", office))) == said


def test_a_range_on_premises_is_one_place_to_all_on_its_gateway(tmp_path: Path) -> None:
    same = hub("prod", "10.8.0.0/16"), hub("prod", "10.8.0.0/16")
    assert overlaps(tmp_path, two_networks(lake_prod=same[0], sea_dev=same[1] + ", accept_clusters: false")) == []
    elsewhere = hub("prod", "10.8.0.0/16", "tgw-0fffffffffffffff0")
    assert overlaps(tmp_path, two_networks(lake_prod=same[0], sea_dev=elsewhere)) == [
        "connections.sea-dev.on_premises.office.cidr: '10.8.0.0/16' overlaps 10.8.0.0/16 of "
        "connections.lake-prod.on_premises.office.cidr, and clusters.prod needs routes to both"
    ]
    made = hub("prod", "10.8.0.0/16").replace("transit_gateway_id: tgw-0123456789abcdef0", "create: {}")
    subnets = two_networks(lake_prod=made, sea_dev=made).replace("route_tables: all", f"route_tables: all, {SUBNETS}")
    assert len(overlaps(tmp_path, subnets)) == 1


def test_two_vpns_do_not_lead_to_one_range_over_one_gateway(tmp_path: Path) -> None:
    tables = "transit_gateway_id: tgw-0123456789abcdef0, route_tables: {routes: {main: tgw-rtb-0aaaaaaaaaaaaaaaa}}"
    ways = [
        f"type: vpn, gateways: {{a: {{ip: {ip}}}}}, static_routes: {{office: 10.8.0.0/16}}, {tables}"
        for ip in ("203.0.113.10", "203.0.113.11")
    ]
    assert overlaps(tmp_path, two_networks(lake_prod=ways[0], sea_dev=ways[1])) == [
        "connections.sea-dev.static_routes.office: '10.8.0.0/16' overlaps 10.8.0.0/16 of "
        "connections.lake-prod.static_routes.office, and tgw-0123456789abcdef0 needs routes to both"
    ]


def test_two_entries_cannot_route_one_range_in_one_gateway_table(tmp_path: Path) -> None:
    office = "10.8.0.0/16, attachment_id: tgw-attach-0ffffffffffffffff"
    tables = ", route_tables: {clusters: tgw-rtb-0aaaaaaaaaaaaaaaa, network: tgw-rtb-0bbbbbbbbbbbbbbbb}"
    text = two_networks(lake_prod=hub("prod", office, more=tables), sea_dev=hub("dev", office, more=tables))
    assert [line.split(": ", 1)[1] for line in mistakes(tmp_path, text)] == [
        "connections.sea-dev.on_premises.office.attachment_id: routes 10.8.0.0/16 in tgw-rtb-0aaaaaaaaaaaaaaaa, which "
        "conflicts with connections.lake-prod; a route table can have only one route per range: remove attachment_id "
        "from one entry"
    ]
    assert mistakes(tmp_path, text.replace("tgw-rtb-0aaaaaaaaaaaaaaaa", "tgw-rtb-0cccccccccccccccc", 1)) == []


def test_a_cluster_named_like_a_twin_is_compared_as_a_cluster(tmp_path: Path) -> None:
    named = BASE.replace("dev", "prod-dr").replace("172.21.0.0/20", "172.20.0.0/20")
    assert overlaps(tmp_path, named) == [
        "clusters.prod-dr.cidr: '172.20.0.0/20' overlaps 172.20.0.0/20 of clusters.prod.cidr, and networks.lake needs "
        "routes to both"
    ]


def test_a_standard_cluster_has_no_private_connections(tmp_path: Path) -> None:
    text = changed("dev: {region", "dev: {product: hosted-standard, region")
    assert mistakes(tmp_path, text) == [
        "11:42: connections.lake-dev.cluster: 'dev' is a hosted-standard cluster, and Astronomer offers vpc_peering to "
        "dedicated and Hybrid clusters only; use its external IP addresses, or a dedicated cluster"
    ]


def test_a_hybrid_cluster_is_in_the_dedicated_account(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    (tmp_path / "policy.json").write_text(policy)
    account = (
        'account: {account_id: "222222222222", region: us-east-1, cross_account_role: {policy_file: policy.json}}\n'
    )
    file.write_text(BASE.replace("hosted-dedicated", "hybrid").replace('account_id: "333333333333", ', "") + account)
    assert {c.account_id for c in load(file).clusters.values()} == {"222222222222"}


def test_one_run_reports_mistakes_in_and_across_entries(tmp_path: Path) -> None:
    text = BASE.replace("name: acme", "name: Acme").replace("cluster: dev", "cluster: devs").replace("pcx-", "pc-")
    assert [line.split(": ")[:2] for line in mistakes(tmp_path, text)] == [
        ["1:7", "name"],
        ["10:76", "connections.lake-prod.peering_id"],
        ["11:42", "connections.lake-dev.cluster"],
    ]


def test_mistakes_at_one_place_have_a_stable_order(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "{}") == [
        "1:1: astro: is missing; add it: astro: {product: hosted-dedicated, organization: acme}",
        "1:1: name: is missing; add it: name: acme",
        "1:1: state: is missing; add it: state: {backend: s3, bucket: acme-astro-tfstate, region: us-east-1}",
    ]


def test_an_invalid_entry_can_still_be_referred_to(tmp_path: Path) -> None:
    assert len(mistakes(tmp_path, changed("prod: {region: us-east-1", "prod: {region: moon"))) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "1:1: is empty; copy an example from examples/, or run `main.py init`"),
        ("# nothing\n", "1:1: is empty; copy an example from examples/, or run `main.py init`"),
        ("[]", "1:1: is a list, but must be a map; write its keys at the start of a line, such as `name: acme`"),
        ("name: [a, b\n", "1:7: opens a bracket that is not closed before line 2; close it with ]"),
        (b"name: \xff", "1:1: is not UTF-8 text (byte 6); save it as UTF-8"),
        ("[" * 4000, "1:1: is nested deeper than 30 levels; an estate needs six"),
        ("a: &a [*a]", "1:1: is nested deeper than 30 levels; an estate needs six"),
        (
            "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 25)),
            "1:1: has more than 100,000 values after its aliases are expanded; remove some",
        ),
        (
            "name: acme\n" + "#" * 5_000_000,
            "1:1: has more than 1,000,000 bytes",
        ),
    ],
    ids=["empty", "comment", "list", "syntax", "encoding", "nested", "cycle", "bomb", "5 MB"],
)
def test_a_file_that_is_no_estate_is_refused_in_one_line(tmp_path: Path, content: str | bytes, expected: str) -> None:
    assert mistakes(tmp_path, content) == [expected]


@pytest.mark.parametrize(
    "version", ["~> 5.100", "~>5.100.1", "~> 6.0", "6.25.0", "5.101", ">= 5.100, < 7.0", ">= 6.9, <7.0"]
)
def test_a_version_of_the_aws_provider_from_5_100_to_6_is_taken(tmp_path: Path, version: str) -> None:
    assert mistakes(tmp_path, changed("name: acme", f'name: acme\nterraform: {{aws_provider: "{version}"}}')) == []


@pytest.mark.parametrize(
    "version",
    ["~> 5.99", ">= 5.100", ">= 5.100, < 8.0", "~> 7.0", "~> 6", "7.0.0", "!= 6.1, ~> 6.0", "> 6.0", "latest"],
)
def test_an_unsupported_provider_version_is_refused(tmp_path: Path, version: str) -> None:
    assert mistakes(tmp_path, changed("name: acme", f'name: acme\nterraform: {{aws_provider: "{version}"}}')) == [
        f"2:27: terraform.aws_provider: {version!r} is not an AWS provider version constraint; allowed: ~> VERSION, "
        'VERSION alone, or >= VERSION, < 7.0, where VERSION is 5.100 or newer, up to 6.x, such as "~> 6.0"'
    ]


def test_a_secret_in_the_wrong_place_is_never_repeated(tmp_path: Path) -> None:
    found = mistakes(tmp_path, changed("name: acme", "name: acme\nexternal_id: hunter2-hunter2"))
    assert len(found) == 1
    assert "external_id: is not a valid key here" in found[0]
    assert "hunter2" not in found[0]


def test_merge_keys_and_anchors_share_values(tmp_path: Path) -> None:
    text = BASE.replace("  dev: {region", "  dev: {<<: *astro, region").replace("  prod: {", "  prod: &astro {")
    text = text.replace("cidr: 172.21.0.0/20", "cidr: 172.21.0.0/20, pod_cidr: 100.65.0.0/19")
    assert mistakes(tmp_path, text) == []


MORE = BASE + "  MORE\n"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            "hub: {type: transit_gateway, clusters: [prod], network: lake, transit_gateway_id: tgw-0123456789abcdef0}",
            ["12:42: connections.hub.clusters: routes network 'lake' to cluster 'prod', which conflicts with "
             "connections.lake-prod; a route table can have only one route per range: remove one"],
        ),
        (
            "dns: {type: resolver_rules, clusters: [prod], network: lake, inside_organization: true, "
            "rules: {corp: {rule_id: rslvr-rr-0123456789abcdef0}}}",
            ["12:85: connections.dns.inside_organization: is true, but prod is in Astronomer's account, outside your "
             "organization; remove it"],
        ),
        (
            "x: {type: vpn, network: lake, gateways: {a: {ip: 203.0.113.10}}, bgp_asn: 65010}\n"
            "  y: {type: vpn, network: lake, gateways: {a: {ip: 203.0.113.10}}, bgp_asn: 65010}",
            ["13:13: connections.y.type: creates the virtual private gateway of 'lake', which conflicts with "
             "connections.x; a VPC can have only one: put the gateways into one entry, or use the same vpn_gateway_id in both"],
        ),
        (
            "x: {type: vpn, network: lake, gateways: {a: {ip: 203.0.113.10}}, bgp_asn: 65010, "
            "vpn_gateway_id: vgw-0123456789abcdef0}\n"
            "  y: {type: vpn, network: lake, gateways: {a: {ip: 203.0.113.11}}, bgp_asn: 65010, "
            "vpn_gateway_id: vgw-0123456789abcdef0}",
            [],
        ),
        (
            "x: {type: vpn, network: lake, gateways: {a: {ip: 203.0.113.10}}, static_routes: {astro: 172.20.8.0/24}}",
            ["12:91: connections.x.static_routes.astro: '172.20.8.0/24' overlaps 172.20.0.0/20 of clusters.prod.cidr, "
             "and networks.lake needs routes to both; AWS cannot route between overlapping ranges: change one"],
        ),
        (
            "x: {type: vpc_peering, network: other, cluster: prod, peering_id: pcx-0123456789abcdef0}\n"
            "networks: {}",
            ["12:35: connections.x.network: 'other' is not in `networks`; available: lake",
             "13:1: networks: is defined twice, first on line 7; keep one of them"],
        ),
    ],
)  # fmt: skip
def test_two_connections_cannot_claim_one_resource(tmp_path: Path, more: str, expected: list[str]) -> None:
    assert mistakes(tmp_path, MORE.replace("MORE", more)) == expected


TWINS = BASE.replace(
    "pod_cidr: 100.64.0.0/19", "pod_cidr: 100.64.0.0/19, dr: {region: us-west-2, cidr: 172.22.0.0/20}"
).replace("pcx-0123456789abcdef0}", "pcx-0123456789abcdef0, dr: {peering_id: pcx-0fffffffffffffff0}}")


def test_one_entry_connects_a_cluster_and_its_twin(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(TWINS)
    estate = load(file)
    twin = estate.clusters["prod-dr"]
    assert (twin.region, str(twin.cidr), twin.account_id) == ("us-west-2", "172.22.0.0/20", "333333333333")
    ways = {name: (way.cluster, way.network, way.peering_id) for name, way in estate.connections.items()}  # type: ignore[reportAttributeAccessIssue]
    assert ways == {
        "lake-prod": ("prod", "lake", "pcx-0123456789abcdef0"),
        "lake-prod-dr": ("prod-dr", "lake", "pcx-0fffffffffffffff0"),
        "lake-dev": ("dev", "lake", None),
    }


def test_the_peering_of_a_twin_is_pending_until_requested(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(TWINS.replace("dr: {peering_id: pcx-0fffffffffffffff0}", "dr: {}"))
    waiting = [(entry, pending.field) for entry, pending in load(file).pending_inputs()]
    assert ("connections.lake-prod-dr", "peering_id") in waiting


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "dr: {peering_id: pcx-0fffffffffffffff0}",
            "dr: {peering_id: vpc-0fffffffffffffff0}",
            "10:116: connections.lake-prod.dr.peering_id: 'vpc-0fffffffffffffff0' is not a VPC peering connection ID; "
            'allowed: pcx- and 8 or 17 lowercase hexadecimal digits, such as "pcx-0123456789abcdef0"',
        ),
        (
            "cidr: 172.22.0.0/20",
            "cidr: 172.22.0.1/20",
            "5:133: clusters.prod.dr.cidr: '172.22.0.1/20' has host bits set, which AWS refuses; write 172.22.0.0/20",
        ),
        (
            "cidr: 172.22.0.0/20",
            "cidr: 10.20.16.0/20",
            "5:133: clusters.prod.dr.cidr: '10.20.16.0/20' overlaps 10.20.0.0/16 of networks.lake.cidrs.0, and "
            "clusters.prod needs routes to both; AWS cannot route between overlapping ranges: change one",
        ),
        (
            ", dr: {region: us-west-2, cidr: 172.22.0.0/20}",
            "",
            "10:103: connections.lake-prod.dr: is only for clusters with a twin, but none of these clusters has `dr`; remove it",
        ),
    ],
)
def test_a_mistake_in_a_twin_has_the_line_of_its_source(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in TWINS
    assert mistakes(tmp_path, TWINS.replace(old, new)) == [expected]


def test_a_twin_has_its_own_regional_values_and_pending_inputs(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    zone = "  zone: {type: hosted_zone, network: lake, clusters: [prod-dr], domain: data.acme.example}\n"
    file.write_text(TWINS + zone)
    assert [
        (entry, pending.field) for entry, pending in load(file).pending_inputs() if entry.startswith("clusters")
    ] == [("clusters.prod.dr", "vpc_id")]
    given = (
        "cidr: 172.22.0.0/20, vpc_id: vpc-0dddddddddddddddd, id: clmk2qqia000008mhff3ndjr0, external_ips: [203.0.113.9], "
        "oidc_issuer_url: https://oidc.acme.example/id/1, additional_cidrs: {batch: 172.23.0.0/24}"
    )
    file.write_text(TWINS.replace("cidr: 172.22.0.0/20", given) + zone)
    estate = load(file)
    assert [entry for entry, _ in estate.pending_inputs() if entry.startswith("clusters")] == []
    twin = estate.clusters["prod-dr"]
    assert (twin.vpc_id, twin.id, twin.external_ips, twin.oidc_issuer_url, twin.additional_cidrs) == (
        "vpc-0dddddddddddddddd",
        "clmk2qqia000008mhff3ndjr0",
        ("203.0.113.9",),
        "https://oidc.acme.example/id/1",
        {"batch": IPv4Network("172.23.0.0/24")},
    )


def test_an_account_shared_with_a_twin_is_pending_once(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(TWINS.replace('account_id: "333333333333", ', ""))
    assert [
        (entry, pending.field) for entry, pending in load(file).pending_inputs() if entry.startswith("clusters")
    ] == [
        ("clusters.prod", "account_id"),
        ("clusters.dev", "account_id"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "  dev: {",
            "  prod-dr: {region: us-west-2, cidr: 172.24.0.0/20}\n  dev: {",
            "6:12: clusters.prod-dr: has the same name as the twin of clusters.prod.dr; rename this entry, or remove "
            "clusters.prod.dr",
        ),
        (
            "  lake-dev:",
            "  lake-prod-dr: {type: vpc_peering, cluster: prod-dr, network: lake}\n  lake-dev:",
            "11:17: connections.lake-prod-dr: has the same name as the twin of connections.lake-prod.dr; rename this "
            "entry, or remove connections.lake-prod.dr",
        ),
    ],
)
def test_an_entry_cannot_have_the_name_of_a_twin(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert mistakes(tmp_path, TWINS.replace(old, new)) == [expected]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("cluster: prod", "cluster: 5", ["10:43: connections.lake-prod.cluster"]),
        ("cluster: prod", "clusters: 5", ["10:14: connections.lake-prod.cluster", "10:34: connections.lake-prod.clusters"]),
        (
            "cluster: prod",
            "cluster: {a: b}, clusters: [prod]",
            ["10:43: connections.lake-prod.cluster", "10:51: connections.lake-prod.clusters"],
        ),
        (
            "cluster: prod",
            "clusters: [prod, {a: b}]",
            ["10:14: connections.lake-prod.cluster", "10:34: connections.lake-prod.clusters"],
        ),
        ("cidr: 172.22.0.0/20}", "cidr: 172.22.0.0/20, node_type: m5.xlarge}", ["5:148: clusters.prod.dr.node_type"]),
        ("cidr: 172.22.0.0/20}", "cidr: 172.22.0.0/20, size: 1}", ["5:148: clusters.prod.dr.size"]),
        ("prod: {region", "prod: {node_type: x, max_nodes: 0, region", ["5:21: clusters.prod.node_type", "5:35: clusters.prod.max_nodes"]),
    ],
)  # fmt: skip
def test_an_invalid_source_of_a_twin_is_reported_once(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    found = mistakes(tmp_path, TWINS.replace(old, new))
    assert [": ".join(line.split(": ")[:2]) for line in found] == expected


def test_a_hybrid_cluster_and_its_twin_need_at_least_a_20(tmp_path: Path) -> None:
    small = TWINS.replace("172.21.0.0/20", "172.21.0.0/21").replace("172.22.0.0/20", "172.22.0.0/21")
    assert mistakes(tmp_path, small) == []
    rule = "a valid range for a Hybrid cluster's VPC; allowed: an IPv4 range of /16 to /20 inside RFC 1918 (10/8, 172.16/12, "
    assert mistakes(tmp_path, small.replace("hosted-dedicated", "hybrid")) == [
        f"5:133: clusters.prod.dr.cidr: '172.22.0.0/21' is a /21, not {rule}192.168/16)",
        f"6:62: clusters.dev.cidr: '172.21.0.0/21' is a /21, not {rule}192.168/16)",
    ]


def test_a_module_checks_the_range_of_a_hybrid_cluster(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    allowed: dict[str, list[str]] = {}
    for product in ("hybrid", "hosted-dedicated"):
        file.write_text(BASE.replace("hosted-dedicated", product))
        _, inputs = for_modules(load(file))
        rules = inputs[None].variables["cluster_prod_cidr"]["validation"]
        allowed[product] = [rule["error_message"].split(" inside")[0] for rule in rules]
        assert ("<= 20" in rules[-1]["condition"]) == (product == "hybrid")
    anyones = "It must be a valid range for an Astro VPC: an IPv4 range of /16 to /21"
    assert allowed == {
        "hybrid": [anyones, "It must be a valid range for a Hybrid cluster's VPC: an IPv4 range of /16 to /20"],
        "hosted-dedicated": [anyones],
    }


@pytest.mark.parametrize("value", ["5", "[1, 2]", "{a: 1}", "text"])
@pytest.mark.parametrize("section", ["clusters", "networks", "connections", "tags"])
def test_a_message_repeats_no_long_name(section: str, value: str, tmp_path: Path) -> None:
    data = f"{section}:\n  {'x' * 2_000}: {value}\n"
    found = mistakes(tmp_path, re.sub(rf"(?ms)^{section}:\n(  .*?\n)+", "", BASE) + data)
    assert max(map(len, found), default=0) < 600
