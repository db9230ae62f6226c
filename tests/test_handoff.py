"""What is told to Astronomer: from the estate and the outputs of its stacks."""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from estate.load import load
from estate.model import Estate
from estate.plan import stacks_of
from operations.handoff import HandoffError, Outputs, facts, flowchart, from_file, markdown
from operations.terraform import find_terraform
from tests.local_aws import LocalAws
from tests.terraform import Terraform, cli_environment
from tests.test_estate import BASE
from tests.test_examples import synth
from tests.test_main import run
from tests.test_stacks import synth_all
from tests.world import facts_of

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
PEERED = {"account_id": "111111111111", "vpc_id": "vpc-0123456789abcdef0", "peering_status": "active", "dns": None}
WAITING = {"account_id": "111111111111", "vpc_id": "vpc-0123456789abcdef0"}
DEPLOYED: Outputs = {"network-lake": {"lake-prod": PEERED, "lake-dev": WAITING}}
RUN = "node_modules/.bin/cdktf deploy network-lake"
ASKED = (
    "`peering_id` of `connections.lake-dev`: in Organization Settings > Clusters > VPC Peering Connections, create the "
    "connection; the ID is shown once it is Pending"
)


def names(estate: Estate) -> list[str]:
    return [stack.name for stack in stacks_of(estate)]


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    (tmp_path / "astro.yaml").write_text(BASE)
    return load(tmp_path / "astro.yaml")


def test_says_who_does_what_next_in_order(estate: Estate) -> None:
    told = facts(estate, {})
    assert [(step["who"], step["what"]) for step in told["next"]] == [
        ("You", f"deploy what is not there yet: `{RUN}`"),
        ("You", ASKED),
        ("You", f"put what you are given into the file, and `{RUN}`"),
    ]
    assert [step["what"] for step in facts(estate, DEPLOYED)["next"]] == [
        ASKED,
        f"put what you are given into the file, and `{RUN}`",
    ]


def test_a_connection_is_not_deployed_built_or_waiting_and_a_missing_fact_is_named(estate: Estate) -> None:
    def said(outputs: Outputs) -> dict[str, tuple[str, dict[str, Any]]]:
        return {name: (one["state"], one["facts"]) for name, one in facts(estate, outputs)["connections"].items()}

    missing = {"missing": f"not deployed yet: run `{RUN}`"}
    assert said({}) == {"lake-prod": ("not deployed", missing), "lake-dev": ("waiting", missing)}
    assert said(DEPLOYED) == {
        "lake-prod": ("built", PEERED | {"dns": "not known yet"}),
        "lake-dev": ("waiting", WAITING),
    }
    assert said({"network-lake": {"lake-dev": WAITING}})["lake-prod"] == ("not deployed", missing)


def test_a_network_is_told_with_what_a_peering_request_needs(estate: Estate) -> None:
    assert facts(estate, {})["networks"]["lake"] == {
        "account_id": "111111111111",
        "region": "us-east-1",
        "vpc_id": "vpc-0123456789abcdef0",
        "cidrs": ["10.20.0.0/16"],
        "dns_servers": ["none: a `dns_forwarding` connection of the network names or makes them"],
    }


def test_a_network_is_told_with_the_dns_servers_that_answer_from_outside_of_it() -> None:
    estate = load(ROOT / "examples/dns_forwarding.yaml")

    def told(outputs: Outputs) -> list[str]:
        return facts(estate, outputs)["networks"]["lake"]["dns_servers"]

    assert told({}) == [f"made by its stack: run `{RUN}`", "10.20.8.2"]
    endpoint = {"servers": ["10.20.0.10", "10.20.1.7", "10.20.8.2"]}
    assert told({"network-lake": {"lake-dns": endpoint}}) == ["10.20.0.10", "10.20.1.7", "10.20.8.2"]
    assert told({"network-lake": {"lake-dns": {"servers": None}}})[0] == f"made by its stack: run `{RUN}`"


def test_a_hybrid_cluster_is_told_with_what_it_is_made_of_and_which_are_defaults(tmp_path: Path) -> None:
    made = 'networks:\n  edge: {account_id: "111111111111", region: us-east-1, create: {cidr: 10.30.0.0/20}}\n'
    hybrid = BASE.split("connections:")[0].replace("networks:\n", made).replace("333333333333", "222222222222")
    (tmp_path / "astro.yaml").write_text(hybrid.replace("hosted-dedicated", "hybrid"))
    estate = load(tmp_path / "astro.yaml")
    assert facts(estate, {})["clusters"]["prod"] == {
        "name": "prod",
        "product": "hybrid",
        "region": "us-east-1",
        "account_id": "222222222222",
        "node_type": "m5.xlarge (default)",
        "max_nodes": "20 (default)",
        "db_type": "db.m6g.large (default)",
        "cidr": "172.20.0.0/20",
        "pod_cidr": "100.64.0.0/19",
    }
    told = facts(estate, {"network-edge": {"edge-dev": {"vpc_id": "vpc-0made"}}})
    assert told["networks"]["edge"]["vpc_id"] == "vpc-0made"


def test_an_estate_that_is_whole_has_nothing_next(tmp_path: Path) -> None:
    (tmp_path / "astro.yaml").write_text("\n".join(BASE.splitlines()[:-1]) + "\n")
    estate = load(tmp_path / "astro.yaml")
    text = markdown(estate, DEPLOYED)
    assert "## Next\n\nNothing: everything of the file is built.\n" in text
    assert "| peering status | active |" in text


FACTORY = """\
  factory: {type: vpn, terminates: astro, cluster: prod, gateways: {a: IP}, static_routes: {halls: 192.168.64.0/20}}
"""


def test_a_vpn_that_astronomer_makes_is_told_without_a_stack_once_it_is_whole(tmp_path: Path) -> None:
    def estate(gateway: str) -> Estate:
        connected = "\n".join(BASE.splitlines()[:-1]) + "\n" + FACTORY.replace("IP", gateway)
        (tmp_path / "astro.yaml").write_text(connected)
        return load(tmp_path / "astro.yaml")

    def steps(estate: Estate) -> list[str]:
        return [step["what"] for step in facts(estate, DEPLOYED)["next"]]

    whole, waiting = estate("{ip: 203.0.113.10}"), estate("{}")
    told = facts(whole, DEPLOYED)["connections"]["factory"]
    assert told == {
        "type": "vpn",
        "state": "for Astronomer to make",
        "network": None,
        "clusters": ["prod"],
        "waits_for": [],
        "facts": whole.connections["factory"].asked_of_astronomer(),
    }
    assert told["facts"]["static_routes"] == {"halls": "192.168.64.0/20"}
    assert steps(whole) == [
        "send what `connections.factory` says to Astronomer's support, who make it on their side, unless they have; "
        "never a pre-shared key: they name a channel for it"
    ]
    assert flowchart(whole, DEPLOYED).splitlines()[-2:] == [
        '  connection_factory(["factory<br/>vpn<br/>for Astronomer to make<br/>192.168.64.0/20"])',
        "  connection_factory -.- cluster_prod",
    ]
    assert facts(waiting, DEPLOYED)["connections"]["factory"]["state"] == "waiting"
    assert steps(waiting) == [
        "`gateways.a.ip` of `connections.factory`: the public, static IPv4 address of the device",
        "put what you are given into the file",
    ]


def test_a_vpn_that_astronomer_makes_is_asked_once_more_for_the_clusters_twin(tmp_path: Path) -> None:
    (tmp_path / "astro.yaml").write_text(
        "name: acme\nstate: {backend: none}\nastro: {product: hosted-dedicated, organization: acme}\n"
        "clusters: {prod: {region: us-east-1, dr: {region: us-west-2, cidr: 172.20.64.0/20}}}\nconnections:\n"
        "  factory: {type: vpn, terminates: astro, cluster: prod, gateways: {a: {ip: 203.0.113.10}}, bgp_asn: 65010, "
        "dr: {gateways: {a: {ip: 203.0.113.11}}}}\n"
    )
    told = facts(load(tmp_path / "astro.yaml"), {})
    asked = {name: (one["clusters"], one["facts"]["gateways"]) for name, one in told["connections"].items()}
    assert asked == {
        "factory": (["prod"], {"a": {"ip": "203.0.113.10"}}),
        "factory-dr": (["prod-dr"], {"a": {"ip": "203.0.113.11"}}),
    }
    assert (told["account"], told["networks"], names(load(tmp_path / "astro.yaml"))) == ({}, {}, [])


def test_markdown_of_a_value_stays_in_its_row(estate: Estate) -> None:
    awkward = {"policy": '{\n  "a|b": 1\n}', "on": True, "ids": ["a", "b"], "rules": {"corp": {"id": "x"}}}
    text = markdown(estate, {"network-lake": {"lake-prod": awkward}})
    assert '| policy | { "a\\|b": 1 } |\n| on | true |\n| ids | a, b |\n| rules, corp, id | x |\n' in text


def test_the_map_has_every_entry_and_dots_what_is_not_built(estate: Estate) -> None:
    assert flowchart(estate, DEPLOYED).splitlines() == [
        "flowchart LR",
        '  subgraph astro["Astro clusters"]',
        '    cluster_prod["prod<br/>hosted-dedicated<br/>us-east-1<br/>172.20.0.0/20<br/>100.64.0.0/19"]',
        '    cluster_dev["dev<br/>hosted-dedicated<br/>us-east-1<br/>172.21.0.0/20"]',
        "  end",
        '  subgraph yours["Your networks"]',
        '    network_lake["lake<br/>111111111111<br/>us-east-1<br/>10.20.0.0/16"]',
        "  end",
        '  connection_lake_prod(["lake-prod<br/>vpc_peering<br/>built"])',
        "  network_lake --- connection_lake_prod",
        "  connection_lake_prod --- cluster_prod",
        '  connection_lake_dev(["lake-dev<br/>vpc_peering<br/>waiting"])',
        "  network_lake -.- connection_lake_dev",
        "  connection_lake_dev -.- cluster_dev",
    ]


@pytest.mark.parametrize("example", ["complete", "service_quotas", "opt_in_region"])
def test_knows_every_stack_of_an_estate(example: str, tmp_path: Path) -> None:
    estate = load(ROOT / f"examples/{example}.yaml")
    assert sorted(names(estate)) == sorted(synth_all(estate, tmp_path))
    [(who, what), *_] = [(step["who"], step["what"]) for step in facts(estate, {})["next"]]
    assert (who, what.rstrip("`").endswith(" ".join(names(estate)))) == ("You", True)
    account = {name: {"role_arn": "arn"} for name in names(estate) if not name.startswith("network-")}
    assert facts(estate, account)["account"] == account


def parse(chart: str) -> subprocess.CompletedProcess[str]:
    command = ["node", "tests/mermaid.mjs"]
    return subprocess.run(command, cwd=ROOT, input=chart, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_mermaid_reads_the_map(file: Path) -> None:
    read = parse(flowchart(load(file), {}))
    assert (read.returncode, read.stdout.strip()) == (0, "flowchart-v2"), read.stderr


@pytest.mark.slow
def test_mermaid_would_not_read_a_broken_map() -> None:
    assert parse('flowchart LR\n  a["x" --> b\n').returncode != 0


def test_outputs_are_read_from_the_file_of_cdktf_and_nothing_but_the_handoff(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps({"network-lake": {"handoff": {"lake-prod": PEERED}, "other": "kept-out"}, "x": {}}))
    assert from_file(file) == {"network-lake": {"lake-prod": PEERED}}
    file.write_text("{}")
    assert from_file(file) == {}


OF_ANOTHER_SHAPE = (
    'has no output `handoff` by stack and entry, such as {"network-lake": {"handoff": {"lake-peering": {...}}}}'
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name: acme", "is not a JSON file"),
        ("", "is not a JSON file"),
        ("\udcff", "is not a JSON file"),
        ("[" * 100_000, "is not a JSON file"),
        ("[]", OF_ANOTHER_SHAPE),
        ("null", OF_ANOTHER_SHAPE),
        ('{"network-lake": null}', OF_ANOTHER_SHAPE),
        ('{"network-lake": {"other": "x"}}', OF_ANOTHER_SHAPE),
        ('{"handoff": {"sensitive": false, "value": {}}}', OF_ANOTHER_SHAPE),
        ('{"network-lake": {"handoff": "x"}}', OF_ANOTHER_SHAPE),
        ('{"network-lake": {"handoff": {"lake-prod": []}}}', OF_ANOTHER_SHAPE),
    ],
)
def test_a_file_that_cdktf_did_not_write_is_refused_with_what_is_expected(
    tmp_path: Path, content: str, said: str
) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(content, errors="surrogateescape")
    with pytest.raises(HandoffError) as caught:
        from_file(file)
    assert str(caught.value) == f"{file} {said}; give the file that `cdktf deploy --outputs-file FILE` wrote"


def test_a_file_of_outputs_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(HandoffError, match=r"outputs\.json cannot be read: No such file or directory; give the file"):
        from_file(tmp_path / "outputs.json")


def test_the_command_prints_markdown_or_json_and_refuses_other_files(tmp_path: Path) -> None:
    file, outputs = tmp_path / "astro.yaml", tmp_path / "outputs.json"
    file.write_text(BASE)
    outputs.write_text(json.dumps({"network-lake": {"handoff": {"lake-prod": PEERED}}}))
    place = {"CDKTF_OUTDIR": str(tmp_path / "out")}
    code, out, err = run("handoff", str(file), "--outputs", str(outputs), **place)
    assert (code, err) == (0, "")
    assert "## Connection lake-prod: vpc_peering, built\n" in out
    code, out, err = run("handoff", str(file), "--json", **place)
    assert (code, err) == (0, "")
    assert json.loads(out)["connections"]["lake-prod"]["state"] == "not deployed"
    code, out, err = run("handoff", str(file), "--outputs", str(file), **place)
    assert (code, out) == (2, "")
    assert str(file) in err


@pytest.mark.terraform
def test_the_command_reads_the_state_of_what_is_initialized(tmp_path: Path) -> None:
    file, out = ROOT / "examples/vpc_peering.yaml", tmp_path / "out"
    with LocalAws() as aws:
        aws.make(facts_of(load(file)))
        stack = synth(file, out, hcl=False)["network-lake"]
        environment = cli_environment(stack, {**os.environ, **aws.environment("111111111111")})
        terraform = Terraform(find_terraform(environment), environment)
        terraform.init(stack)
        empty = run("handoff", str(file), "--json", CDKTF_OUTDIR=str(out))
        terraform.apply(stack)
    code, said, err = run("handoff", str(file), "--json", CDKTF_OUTDIR=str(out))
    assert (empty[0], code, err) == (0, 0, "")
    assert json.loads(empty[1])["connections"]["lake-peering"]["state"] == "not deployed"
    told = json.loads(said)["connections"]["lake-peering"]
    assert (told["state"], told["facts"]["peering_id"]) == ("built", "pcx-0123456789abcdef0")
    (stack / "terraform.tfstate").write_text("no state")
    code, said, err = run("handoff", str(file), CDKTF_OUTDIR=str(out))
    assert (code, said) == (1, "")
    assert "output -json" in err


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH: the map is read by Mermaid's parser, not drawn")
def test_a_browser_draws_the_map_of_everything(tmp_path: Path) -> None:
    estate = load(ROOT / "examples/complete.yaml")
    page = tmp_path / "map.html"
    script = (ROOT / "node_modules/mermaid/dist/mermaid.min.js").as_uri()
    drawing = html.escape(flowchart(estate, {}))
    page.write_text(f'<meta charset="utf-8"><pre class="mermaid">{drawing}</pre><script src="{script}"></script>')
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={tmp_path}/user"]
    command += ["--allow-file-access-from-files", "--virtual-time-budget=20000", "--dump-dom", page.as_uri()]
    drawn = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Syntax error" not in drawn
    assert re.search(r"<svg[^>]* aria-roledescription=\"flowchart", drawn)
    for name in (*estate.clusters, *estate.networks, *estate.connections):
        assert name in drawn, name
