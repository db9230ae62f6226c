"""The first estate file: the world of each example, found on the local AWS, and clusters of Astro's API."""

import base64
import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from estate.errors import ExitCode, UserError
from estate.load import load
from local_aws import LocalAws
from operations.init.astro import clusters
from operations.init.compose import Answers, text
from operations.init.discover import Found, Network, Request
from operations.init.run import read
from tests.support import ROOT
from tests.support.commands import run
from tests.support.world import facts_of

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
LAKE, HOSTED = "111111111111", "333333333333"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_the_world_of_an_example_gives_an_estate(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate = load(example)
    places = {(one.account_id, one.region) for one in estate.networks.values()}
    if not places:
        pytest.skip("the example has no network")
    with LocalAws() as aws:
        for key, value in aws.environment().items():
            monkeypatch.setenv(key, value)
        aws.make(facts_of(estate))
        accounts, regions = sorted({one for one, _ in places}), sorted({one for _, one in places})
        found = read(accounts, regions, "reader", ())
    theirs = {one.account_id for one in estate.clusters.values() if one.account_id}
    file = tmp_path / "astro.yaml"
    file.write_text(text(Answers("hosted-dedicated", "acme", None, theirs), found, []))
    first = load(file)
    assert {one.vpc_id for one in first.networks.values()} == {
        one.vpc_id for one in estate.networks.values() if one.vpc_id
    }
    by_vpc = {one.vpc_id: one for one in first.networks.values()}
    for network in estate.networks.values():
        if network.vpc_id is None:
            continue
        same = by_vpc[network.vpc_id]
        assert (same.account_id, same.region, same.cidrs) == (network.account_id, network.region, network.cidrs)
        assert isinstance(same.route_tables, dict)
        named = network.route_tables.values() if isinstance(network.route_tables, dict) else ()
        assert set(named) <= set(same.route_tables.values())
        # The file can omit a subnet, such as that of an attachment.
        assert set(network.subnets.values()) <= set(same.subnets.values())
    ids = r"\b(?:pcx|tgw|tgw-attach|rslvr-rr)-[0-9a-f]{17}|\bZ0123456789ABCDEFGHIJ"
    asked = {one["id"] for one in facts_of(estate).get("peering_requests", [])}
    assert {one.peering_id for one in first.connections.values() if one.type == "vpc_peering"} == asked
    # Astronomer does not request the attachment of the hub.
    own = {one.attachment_id for one in estate.connections.values() if one.type == "egress_hub"}
    assert set(re.findall(ids, example.read_text())) - own <= set(re.findall(ids, file.read_text()))


def network(name: str) -> Network:
    return Network(LAKE, "us-east-1", "vpc-0123456789abcdef0", name, ["10.20.0.0/16"], {"x": "rtb-0a"}, {})


def test_names_from_outside_are_harmless(tmp_path: Path) -> None:
    hostile = ['a: b\n"evil": {x: 1}', "\x1b[2J::error::x", "*anchor &b !!python/object", "-", "ünïcode", "a" * 300]
    for name in hostile:
        one = Network(
            LAKE,
            "us-east-1",
            "vpc-0123456789abcdef0",
            f"{name} vpc-0123456789abcdef0",
            ["10.20.0.0/16"],
            {f"{name} rtb-0aaaaaaaaaaaaaaaa": "rtb-0aaaaaaaaaaaaaaaa"},
            {},
        )
        found = Found(LAKE, "us-east-1", [one], rules=[("rslvr-rr-0a", name, None)], zones=[])
        written = text(Answers("hosted-dedicated", "acme", None, ()), [found], [])
        assert all(line.isprintable() for line in written.splitlines())
        (tmp_path / "astro.yaml").write_text(written)
        (same,) = load(tmp_path / "astro.yaml").networks.values()
        assert same.route_tables == {next(iter(same.route_tables)): "rtb-0aaaaaaaaaaaaaaaa"}
        assert set(yaml.safe_load(written)) <= {"name", "state", "astro", "networks", "connections"}


def test_a_stranger_is_a_comment_until_a_person_names_it() -> None:
    found = Found(LAKE, "us-east-1", [network("vpc-0123456789abcdef0")])
    found.peerings = [Request("pcx-0a", "666666666666", "us-east-1", "vpc-0123456789abcdef0", "172.20.0.0/20")]
    without = text(Answers("hosted-dedicated", "acme", None, ()), [found], [])
    assert "# Peering pcx-0a is requested by account 666666666666 for vpc-0123456789abcdef0." in without
    assert "connections" not in yaml.safe_load(without)
    named = yaml.safe_load(text(Answers("hosted-dedicated", "acme", None, ("666666666666",)), [found], []))
    assert named["connections"]["pcx-0a"]["peering_id"] == "pcx-0a"


def token(organization: str = "clm88r8hi000008jwhzxu5crg") -> str:
    claims = json.dumps({"permissions": [f"organizationId:{organization}"]}).encode()
    return f"head.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.sign"


CLUSTER: dict[str, Any] = {
    "id": "clm8qv74h000008mlf08scq7k",
    "name": "Prod East",
    "type": "DEDICATED",
    "region": "us-east-1",
    "vpcSubnetRange": "172.20.0.0/20",
    "secondaryVpcCidr": "100.64.0.0/19",
    "providerAccount": HOSTED,
    "isDrEnabled": True,
    "drRegion": "us-west-2",
    "drVpcSubnetRange": "172.20.64.0/20",
    "drSecondaryVpcCidr": "100.64.32.0/19",
    "metadata": {"externalIPs": ["35.100.100.1"], "oidcIssuerUrl": "https://oidc.eks.us-east-1.amazonaws.com/id/EX"},
}


@contextmanager
def astro(status: int, body: str, **headers: str) -> Generator[tuple[str, list[str]]]:
    """Yield the address of a server with one answer, and the tokens and paths that it was sent."""
    sent: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.extend((self.path, self.headers["Authorization"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()


def test_astro_clusters_become_entries(tmp_path: Path) -> None:
    with astro(200, json.dumps({"clusters": [CLUSTER, {**CLUSTER, "type": "NEW"}]})) as (api, sent):
        found = clusters(token(), api)
    assert sent[0].startswith("/organizations/clm88r8hi000008jwhzxu5crg/clusters?")
    (tmp_path / "astro.yaml").write_text(
        text(Answers("hosted-dedicated", "acme", None, ()), [Found(LAKE, "us-east-1")], found)
    )
    estate = load(tmp_path / "astro.yaml")
    one = estate.clusters["prod-east"]
    assert (str(one.cidr), str(one.pod_cidr), one.account_id) == ("172.20.0.0/20", "100.64.0.0/19", HOSTED)
    assert (one.id, one.product) == ("clm8qv74h000008mlf08scq7k", "hosted-dedicated")
    assert one.dr
    assert (one.dr.region, str(one.dr.cidr)) == ("us-west-2", "172.20.64.0/20")


@pytest.mark.parametrize("field", sorted(CLUSTER))
def test_an_answer_without_a_field_leaves_it_out(field: str) -> None:
    cut = {key: value for key, value in CLUSTER.items() if key != field}
    with astro(200, json.dumps({"clusters": [cut]})) as (api, _):
        found = clusters(token(), api)
    yaml.safe_load(text(Answers("hosted-dedicated", "acme", None, ()), [Found(LAKE, "us-east-1")], found))


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (403, "{}", "rejected ASTRO_API_TOKEN (HTTP 403): it has expired, or belongs to another organization"),
        (302, "", "returned HTTP 302"),
        (500, "{}", "returned HTTP 500"),
        (200, "<html>", "cannot be read (JSONDecodeError)"),
        (200, "[]", "is not a JSON object"),
        (200, "{}", "has no `clusters`"),
    ],
)
def test_a_bad_answer_is_a_sentence_without_the_token(status: int, body: str, told: str) -> None:
    with astro(status, body, Location="http://127.0.0.1:1/") as (api, _), pytest.raises(UserError) as caught:
        clusters(token(), api)
    assert told in str(caught.value)
    assert "sign" not in str(caught.value)


@pytest.mark.parametrize("bad", ["x", "a.b.c", "a.e30.c", "\n\x1b", token()[:-20] + "..."])
def test_a_token_of_no_organization_is_refused(bad: str) -> None:
    with pytest.raises(UserError, match="is not an API token of an Astro organization") as caught:
        clusters(bad, "http://127.0.0.1:1")
    assert caught.value.code is ExitCode.BAD_INPUT


def test_a_dead_endpoint_and_plain_http_are_sentences() -> None:
    with pytest.raises(UserError, match="cannot be read"):
        clusters(token(), "http://127.0.0.1:1")
    with pytest.raises(UserError, match="is not an https address"):
        clusters(token(), "http://astro.example")


def test_the_command_writes_and_checks_once(tmp_path: Path) -> None:
    file = tmp_path / "astro.yaml"
    arguments = ("init", str(file), "--region", "us-east-1", "--product", "hosted-dedicated", "--account", LAKE)
    with LocalAws() as aws:
        aws.make(facts_of(load(ROOT / "examples/vpc_peering.yaml")))
        code, out, err = run(
            *arguments, "--role", "r", "--organization", "initech", "--astro-account", HOSTED, **aws.environment()
        )
    # The IDs are those of an example, of which `check` warns.
    assert code == 4
    assert {line.endswith("with your own value") for line in err.splitlines()} == {True}
    assert out == f"{file}: written\n{file}: 1 network, 1 connection, no mistakes\n"
    before = file.read_text()
    told = f"{file}: already exists, and init never overwrites a file; name another file\n"
    assert run(*arguments) == (2, "", told)
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--region is missing, and there is no terminal to prompt on; pass it"),
        (("--region", "nowhere"), "--product is missing, and there is no terminal to prompt on; pass it"),
        (("--region", "nowhere", "--product", "hybrid"), "--region nowhere: is not known; such as us-east-1"),
        (("--region", "us-east-1", "--product", "x"), "--product x: is not known; one of hybrid, "),
        (("--region", "us-east-1", "--product", "hybrid", "--account", "12"), "--account 12: write 12 digits"),
    ],
)
def test_a_wrong_option_is_a_sentence(arguments: tuple[str, ...], told: str, tmp_path: Path) -> None:
    code, out, err = run("init", str(tmp_path / "astro.yaml"), *arguments)
    assert (code, out, err.startswith(told)) == (2, "", True), err
    assert not (tmp_path / "astro.yaml").exists()


@pytest.mark.parametrize("answer", ["y", "n"])
def test_init_asks_on_a_terminal(answer: str, tmp_path: Path) -> None:
    file, leader, follower = tmp_path / "astro.yaml", *pty.openpty()
    with LocalAws() as aws:
        aws.make(facts_of(load(ROOT / "examples/vpc_peering.yaml")))
        gone = ("AWS_REGION", "AWS_DEFAULT_REGION", "ASTRO_API_TOKEN")
        environment = {**os.environ, **aws.environment(LAKE), "TERM": "dumb"}
        environment = {key: value for key, value in environment.items() if key not in gone}
        command = [sys.executable, str(ROOT / "main.py"), "init", str(file)]
        with subprocess.Popen(command, env=environment, stdin=follower, stdout=follower, stderr=follower) as process:
            os.close(follower)
            # The region, the product, the organization, and whether the requester is Astronomer's account.
            os.write(leader, f"us-east-1\nhosted-dedicated\nacme\n{answer}\n".encode())
            printed = b""
            with contextlib.suppress(OSError):
                while chunk := os.read(leader, 4096):
                    printed += chunk
        os.close(leader)
    asked = printed.decode()
    question = "requests a connection. Did Astronomer's support give you this account ID? [y/N]: "
    assert f"Account {HOSTED} {question}" in asked
    assert process.returncode in (ExitCode.DONE, ExitCode.WARNINGS_ONLY), asked
    estate = load(file)
    assert (estate.astro.product, estate.astro.organization) == ("hosted-dedicated", "acme")
    assert [one.type for one in estate.connections.values()] == (["vpc_peering"] if answer == "y" else [])
