"""The warnings of `main.py check`: the value, the line, and the cases without a warning."""

# pyright: reportPrivateUsage=false

import random
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest

from estate import warnings as module
from estate.load import EstateError, load
from estate.source import Source
from estate.warnings import warnings
from modules.astronomer import NODE_TYPES, REGIONS
from modules.catalog import Connection
from modules.cluster import Cluster, DisasterRecovery
from modules.connection import ConnectionProps
from tests.support import EXAMPLES, ROOT
from tests.support.catalogue import FOLDER, GOOD, Mistake, accept
from tests.support.commands import run
from tests.support.estates import written
from tests.support.random_estates import random_estate
from tests.support.yours import yours
from tools.bench import estate_of

TODAY = date(2026, 11, 26)
FILES = [*EXAMPLES, ROOT / "examples/workflows/astro.yaml"]
TYPES: dict[str, type[ConnectionProps]] = {
    get_args(props.model_fields["type"].annotation)[0]: props for props in get_args(get_args(Connection)[0])
}
BASE = yours(
    """\
name: acme
state: {backend: none}
astro: {product: hosted-dedicated, organization: acme}
clusters:
  prod: {region: us-east-1, account_id: "333333333333"}
networks:
  lake: {account_id: "111111111111", region: us-east-1, vpc_id: vpc-0123456789abcdef0, cidrs: [10.20.0.0/16],
         route_tables: all}
connections:
  peering: {type: vpc_peering, cluster: prod, network: lake, peering_id: pcx-0123456789abcdef0}
"""
)


def found(file: Path) -> list[str]:
    """Return the warnings about a file, without its name."""
    source = Source(file)
    return [str(problem) for problem in warnings(load(file, source), file, source, TODAY)]


def in_text(folder: Path, text: str) -> list[str]:
    file = folder / "astro.yaml"
    file.write_text(text)
    return found(file)


def changed(old: str, new: str) -> str:
    assert BASE.count(old) == 1, old
    return BASE.replace(old, new)


def test_an_estate_of_real_values_has_no_warnings(tmp_path: Path) -> None:
    assert in_text(tmp_path, BASE) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_has_no_warnings_but_those_listed(file: Path) -> None:
    assert [re.sub(r"^[\d:]+ ", "", line).split("; ")[0] for line in found(file)] == {
        "complete": [
            "connections.corp-dns: has no `dr`: after a failover of 'prod' to us-west-2, the rules are in the "
            "other region, "
            "and the twin cannot resolve your names",
            "connections.lake-zone: has no `dr`: after a failover of 'prod' to us-west-2, the twin's VPC is not "
            "authorized for the zone",
        ],
        "hosted_zone": [
            "clusters.stage.vpc_id: is missing, and blocks connections.corp-zone (its VPC is not authorized for the "
            "zone)"
        ],
        "ip_allowlist": [
            "clusters.next.external_ips: is missing, and blocks connections.lake-public (its addresses are not allowed)"
        ],
        "transit_gateway": [
            "clusters.west.account_id: is missing, and blocks connections.west-hub (the gateway is not shared with it "
            "and its attachment is not accepted)"
        ],
        "astro": [
            "networks.edge: has no connection, so its VPC is created, but no cluster can reach it",
        ],
    }.get(file.stem, [])


# Placeholders of the examples: IDs with such digits, addresses, domains, accounts in ARNs.
AN_ID = re.compile(
    r"\b[a-z]+(?:-[a-z]+)*-[0-9a-f]{17}\b|\b\d{12}\b|\bcl[a-z0-9]{23}\b|\bZ[0-9A-Z]{20}\b|\b[a-z]+-[a-z]+-\d{4}\b"
    r"|\b(?:203\.0|198\.51)(?:\.\d+){2}\b|[\w@.-]+\.example\b|\bacme-[\w-]+\b|/id/[0-9A-F]{32}"
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_copy_of_an_example_warns_of_each_of_its_ids(file: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples/policies", tmp_path / "policies")
    copy = Path(shutil.copy(file, tmp_path / "astro.yaml"))
    told = " ".join(line for line in found(copy) if "a placeholder from the examples" in line)
    text = re.sub(r"(?m)#.*|^name:.*|^tags:.*", "", file.read_text())
    ids = {match.removeprefix("/id/") for match in AN_ID.findall(text)}
    assert ids
    assert {one for one in ids if one not in told} == set()
    assert in_text(tmp_path, yours(file.read_text())) == [
        yours(line) for line in found(copy) if "a placeholder from the examples" not in line
    ]


def test_a_placeholder_is_reported_once_at_its_first_line(tmp_path: Path) -> None:
    account = re.findall(r'account_id: ("\d+")', BASE)
    text = BASE.replace(account[0], '"333333333333"').replace(account[1], '"333333333333"')
    assert in_text(tmp_path, text) == [
        "5:41: clusters.prod.account_id: '333333333333' is a placeholder from the examples, here and in 1 more place; "
        "replace it with your own value"
    ]


@pytest.mark.parametrize(
    "value",
    ['"444444444444"', '"123456789012"', "vpc-0123456789abcdef0", "vpc-aaaaaaaaaaaaaaaaa", "vpc-12345678"],
)
def test_similar_placeholders_are_reported(value: str, tmp_path: Path) -> None:
    field = "vpc_id: vpc-" if value.startswith("vpc") else "account_id: "
    text = re.sub(rf'(lake: .*?)({field})("\d+"|[0-9a-f]+)', lambda m: m[1] + field.removesuffix("vpc-") + value, BASE)
    (line,) = in_text(tmp_path, text)
    assert f"{value.strip(chr(34))!r} is a placeholder from the examples" in line


@pytest.mark.parametrize("seed", range(200))
def test_ids_by_dice_are_no_placeholders(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    hexadecimal = f"vpc-0{dice.getrandbits(64):016x}"
    account = str(dice.randrange(10**11, 10**12))
    assert [*module._made_up(("vpc_id",), hexadecimal), *module._made_up(("account_id",), account)] == []


def test_an_example_with_a_real_account_is_no_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EXAMPLES", tmp_path.resolve())
    text = (ROOT / "examples/vpc_peering.yaml").read_text()
    assert in_text(tmp_path, text) == []
    assert len(in_text(tmp_path, text.replace("111111111111", "482913057716"))) == 8


@pytest.mark.parametrize("name", TYPES)
def test_every_type_describes_what_a_missing_input_blocks(name: str) -> None:
    # A type that needs nothing from clusters has no `blocked`. If it depends on the fields, it is a property.
    needs = TYPES[name].needs_of_clusters
    assert needs == () or hasattr(TYPES[name], "blocked")


@pytest.mark.parametrize("name", TYPES)
def test_every_type_describes_what_a_failover_interrupts(name: str) -> None:
    assert "cut_by_failover" in vars(TYPES[name])
    assert not getattr(TYPES[name], "__abstractmethods__", None)


def connections_of(name: str, folder: Path) -> Iterator[tuple[ConnectionProps, Any]]:
    for file in (ROOT / f"examples/{name}.yaml", folder / "good.yaml"):
        estate = load(file)
        for one in estate.connections.values():
            if one.type == name:
                yield one, estate.clusters


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    (tmp_path / "policies").symlink_to(ROOT / "examples/policies")
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


@pytest.mark.parametrize("name", TYPES)
def test_a_failover_cuts_what_is_of_one_region(name: str, catalogue: Path) -> None:
    cluster = Cluster.model_validate({"region": "us-east-1", "cidr": "172.20.0.0/20"})
    same = DisasterRecovery.model_validate({"region": "us-west-2", "cidr": "172.20.0.0/20"})
    other = DisasterRecovery.model_validate({"region": "us-west-2", "cidr": "172.21.0.0/20"})
    cut = [
        (bool(one.cut_by_failover(cluster, other)), bool(one.cut_by_failover(cluster, same)))
        for one, _ in connections_of(name, catalogue)
    ]
    never, by_range, always = (False, False), (True, False), (True, True)
    assert (
        set(cut)
        == {
            "vpc_peering": {always},
            "transit_gateway": {always},
            "resolver_rules": {always},
            "vpn": {always},
            "ip_allowlist": {always},
            "network_rules": {by_range},
            "egress_domains": {never},
            "peering_role": {never},
            "workload_identity": {never, always},
            "dns_forwarding": {always},
            "hosted_zone": {always},
            "private_link": {always, by_range},
            "remote_agents": {always},
            "egress_hub": {always},
        }[name]
    )


def test_a_missing_account_is_reported_with_blocked_steps(tmp_path: Path) -> None:
    text = re.sub(r', account_id: "\d+"}', "}", BASE, count=1)
    peering = re.findall(r"pcx-\w+", BASE)[0]
    assert in_text(tmp_path, text) == [
        f"5:9: clusters.prod.account_id: is missing, and blocks connections.peering ({peering} is not accepted and "
        "there are no routes back, and AWS deletes the request after 7 days (`aws ec2 "
        f"describe-vpc-peering-connections --vpc-peering-connection-ids {peering}` shows its owner in "
        "RequesterVpcInfo.OwnerId)); read providerAccount of the cluster in the Astro API, or provider_account of the "
        "Terraform data source astro_cluster; otherwise, ask Astronomer's support for the AWS account ID"
    ]


def test_check_prints_warnings_and_exits_with_4(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    file.write_text(changed("networks:", "  spare: {region: us-east-1}\nnetworks:"))
    message = (
        "clusters.spare: is not in any connection, so nothing is created for it; add it to one, or remove the entry"
    )
    told = f"{file}:6:10: {message}\n"
    assert run("check", str(file)) == (4, f"{file}: 1 network, 1 connection, no mistakes\n", told)
    assert run("synth", str(file), "--out", str(tmp_path / "out"))[0] == 0


ACCOUNT = """\
account: {account_id: "482913057716", region: us-east-1, cross_account_role: {policy_file: policies/astronomer.json}}
"""


def test_a_hybrid_account_begins_without_a_cluster(catalogue: Path) -> None:
    text = BASE[: BASE.index("clusters:")].replace("hosted-dedicated", "hybrid") + ACCOUNT
    (line,) = in_text(catalogue, text)
    assert line.startswith("4:10: account: has no Hybrid cluster yet, so the hand-over lacks the details")


@pytest.mark.parametrize("clusters", [BASE[BASE.index("clusters:") :], ""])
def test_an_account_without_hybrid_needs_a_reason(clusters: str, catalogue: Path) -> None:
    text = BASE[: BASE.index("clusters:")] + ACCOUNT + clusters
    with pytest.raises(EstateError, match="4:10: account: is only for Hybrid clusters, but there are none"):
        in_text(catalogue, text)
    reason = "region: us-east-1, without_hybrid_reason: Astronomer still has to move our last cluster, "
    assert in_text(catalogue, text.replace("region: us-east-1, ", reason, 1)) == []
    with pytest.raises(EstateError, match=r"without_hybrid_reason: is set, but clusters\.prod is a Hybrid cluster"):
        in_text(
            catalogue,
            text.replace("region: us-east-1, ", reason, 1).replace("hosted-dedicated", "hybrid").rstrip()
            + ("" if clusters else "\nclusters: {prod: {region: us-east-1}}\n"),
        )


@pytest.mark.parametrize("product", REGIONS)
@pytest.mark.parametrize("region", ["il-central-1", "eu-north-1"])
def test_a_region_that_astronomer_does_not_list_passes(product: str, region: str, tmp_path: Path) -> None:
    text = BASE.replace("hosted-dedicated", product).replace("prod: {region: us-east-1", f"prod: {{region: {region}")
    lines = in_text(tmp_path, text[: text.index("connections:")])
    assert lines[1] == (
        f"5:18: clusters.prod.region: '{region}' is not one of the regions that Astronomer lists for {product} "
        "clusters as of 2024-08; if the cluster does not exist yet, ask Astronomer's support whether the region is "
        "available"
    )


def test_node_types_that_astronomer_does_not_list_pass(tmp_path: Path) -> None:
    text = BASE.replace("hosted-dedicated", "hybrid")
    assert in_text(tmp_path, text.replace("prod: {", f"prod: {{node_type: {NODE_TYPES[-1]}, ")) == []
    assert in_text(tmp_path, text.replace("prod: {", "prod: {node_type: m8i.large, ")) == [
        "5:21: clusters.prod.node_type: 'm8i.large' is not one of the node types that Astronomer lists as of 2024-08; "
        "ask Astronomer's support whether it is available"
    ]


def test_a_twin_may_have_the_ranges_of_its_cluster(tmp_path: Path) -> None:
    text = changed("prod: {region: us-east-1", "prod: {region: us-east-1, dr: {region: us-west-2, cidr: 172.20.0.0/20}")
    (line,) = in_text(tmp_path, text)
    assert "connections.peering: has no `dr`" in line
    both = text.replace("type: vpc_peering", "type: vpc_peering, dr: {}")
    with pytest.raises(EstateError, match=r"overlaps 172\.20\.0\.0/20 of clusters\.prod\.cidr"):
        in_text(tmp_path, both)
    apart = both.replace("connections:", networks_line(both).replace("lake:", "west:") + "\nconnections:")
    apart = apart.replace("dr: {}", "dr: {network: west}")
    assert in_text(tmp_path, apart) == []


def networks_line(text: str) -> str:
    """Return a second network, with another VPC and range."""
    (line,) = re.findall(r"(?m)^  lake: .*\n.*$", text)
    return re.sub(r"vpc-\w+", "vpc-0c4d1e9ab37f62d85", line).replace("10.20.0.0", "10.40.0.0")


def test_every_warning_of_a_random_estate_has_a_place(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples/policies", tmp_path / "policies")
    for seed in range(150):
        text = written(random_estate(random.Random(seed)))  # noqa: S311
        with suppress(EstateError):
            for line in in_text(tmp_path, text):
                assert re.match(r"[1-9]\d*:[1-9]\d*: (?:state|astro|account|clusters|networks|connections)\b", line)


def test_the_time_grows_with_the_estate_and_not_with_its_square(tmp_path: Path) -> None:
    def seconds(networks: int) -> float:
        file = tmp_path / f"{networks}.yaml"
        text = re.sub(
            r"10\.(\d+)\.0\.0/16", lambda m: f"10.{int(m[1]) // 16}.{int(m[1]) % 16 * 16}.0/20", estate_of(networks)
        )
        file.write_text(text)
        source = Source(file)
        estate = load(file, source)
        started = time.process_time()
        warnings(estate, file, source, TODAY)
        return time.process_time() - started

    small, large = min(seconds(40) for _ in range(3)), seconds(400)
    assert large < 40 * small


SILENT = re.sub(r"(?m)^    dr: .*\n", "", yours(GOOD))
CATALOGUE = FOLDER / "warnings.txt"
ENTRIES = [
    Mistake.read(block)
    for block in re.split(r"\n{2,}", CATALOGUE.read_text().rstrip("\n"))
    if not block.startswith("#")
]


def test_the_estate_of_the_catalogue_is_silent(catalogue: Path) -> None:
    assert in_text(catalogue, SILENT) == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_each_warning_has_its_exact_message(entry: Mistake, catalogue: Path, pytestconfig: pytest.Config) -> None:
    said = in_text(catalogue, entry.text(SILENT))
    assert said
    if pytestconfig.getoption("golden"):
        accept(entry, said, CATALOGUE)
    else:
        assert said == entry.said


def test_an_allowlist_needs_the_addresses_of_the_hub(tmp_path: Path) -> None:
    text = (
        "name: acme\nstate: {backend: none}\nastro: {product: hosted-dedicated, organization: a}\n"
        'clusters:\n  prod: {region: us-east-1, account_id: "555555555551", external_ips: [52.1.2.3]}\n'
        'networks:\n  edge: {account_id: "555555555552", region: us-east-1, '
        "create: {cidr: 10.30.0.0/20, nat: single}}\nconnections:\n"
        "  hub: {type: transit_gateway, clusters: [prod], network: edge, create: {}}\n"
        "  egress: {type: egress_hub, clusters: [prod], network: edge, transit_gateway_of: hub}\n"
        "  public: {type: ip_allowlist, clusters: [prod], network: edge}\n"
    )
    told = [one for one in in_text(tmp_path, text) if "connections.public" in one]
    assert [one.partition(": ")[2] for one in told] == [
        "connections.public: allows Astro's addresses of 'prod', but connections.egress sends its traffic through your "
        "NAT gateways; add their addresses to public_ips of connections.egress and external_ips of "
        "clusters.prod"
    ]
    known = text.replace("transit_gateway_of: hub", "transit_gateway_of: hub, public_ips: [52.1.2.3]")
    assert [one for one in in_text(tmp_path, known) if "connections.public" in one] == []
