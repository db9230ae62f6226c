"""Each value of an entry is in the AWS partition of the entry, and Astronomer's resources are in the partition aws."""

from collections.abc import Iterator
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from modules.aws import REGIONS
from modules.vocabulary import Props
from tests.support import ROOT
from tests.support.estates import changed, estate_of, mistakes, written

READER = YAML(typ="safe", pure=True)
ESTATE = """\
name: acme
state: {backend: s3, bucket: acme-states, region: eu-west-1, kms_key: "arn:aws:kms:eu-west-1:111111111111:alias/x"}
astro: {product: hybrid, organization: acme}
account:
  account_id: "222222222222"
  region: us-east-1
  cross_account_role:
    policy_file: policies/astronomer.json
    permissions_boundary: arn:aws:iam::222222222222:policy/OperationalBoundary
  policy_alarm: {topic_arn: "arn:aws:sns:us-east-1:222222222222:security"}
clusters:
  prod: {region: us-east-1, pod_cidr: 100.64.0.0/19, dr: {region: us-west-2, cidr: 172.20.64.0/20}}
  dev:
    product: hosted-dedicated
    region: us-east-1
    account_id: "333333333333"
    cidr: 172.21.0.0/20
    oidc_issuer_url: https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF
networks:
  lake:
    account_id: "111111111111"
    region: us-east-1
    vpc_id: vpc-0123456789abcdef0
    cidrs: [10.20.0.0/16]
    route_tables: all
    subnets: {a: subnet-0aaaaaaaaaaaaaaaa, b: subnet-0bbbbbbbbbbbbbbbb}
  alone: {account_id: "111111111111", region: us-west-2, create: {cidr: 10.30.0.0/20}}
connections:
  hub:
    type: transit_gateway
    clusters: [dev]
    network: lake
    create: {asn: 64513}
    share_with: ["arn:aws:organizations::111111111111:organization/o-0123456789"]
  dns:
    type: resolver_rules
    clusters: [dev]
    network: lake
    rules: {mainframe: {rule_id: rslvr-rr-0123456789abcdef0}}
    share_with: ["arn:aws:organizations::111111111111:organization/o-9876543210"]
  office:
    type: vpn
    network: lake
    gateways:
      main: {ip: 203.0.113.10}
      branch: {certificate_arn: "arn:aws:acm:us-east-1:111111111111:certificate/11111111-2222-3333-4444-555555555555"}
    bgp_asn: 65010
    alarm_topic: arn:aws:sns:us-east-1:111111111111:network
  allowlist:
    type: ip_allowlist
    clusters: [dev]
    network: lake
    buckets:
      exports: {bucket: acme-exports, region: eu-west-1, principals: ["arn:aws:iam::333333333333:role/astro-etl"]}
  readers:
    type: workload_identity
    cluster: dev
    network: lake
    identity: oidc
    provider_arn: arn:aws:iam::111111111111:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF
    roles:
      etl:
        deployments: [geometric-gyroscope-9932]
        policy_arns: {s3: "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}
        permissions_boundary: arn:aws:iam::111111111111:policy/boundary
  service:
    type: private_link
    clusters: [dev]
    network: lake
    service:
      load_balancers:
        - arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/orders/0123456789abcdef
      allowed_principals: ["arn:aws:iam::333333333333:root"]
      notify: arn:aws:sns:us-east-1:111111111111:endpoints
"""
"""Return an estate in which every field for an ARN has one."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policies").symlink_to(ROOT / "examples/policies")
    return tmp_path


def leaves(value: Any, path: tuple[str, ...] = (), owner: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the model and the field of each text, its dotted path, and the text."""
    if isinstance(value, str):
        yield owner, ".".join(path), value
    elif isinstance(value, BaseModel):
        for field, inner in value:
            yield from leaves(inner, (*path, field), f"{type(value).__name__}.{field}")
    elif isinstance(value, dict | tuple):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, str(key)), owner)


def models(base: type[Props] = Props) -> Iterator[type[Props]]:
    for one in base.__subclasses__():
        yield from models(one)
        yield one


def fields_of(shape: str) -> set[str]:
    """Return the fields with a pattern, of all models that no other model extends."""
    return {
        f"{model.__name__}.{field}"
        for model in models()
        if not model.__subclasses__() and not model.__name__.startswith("_")
        for field, type_ in get_type_hints(model, include_extras=True).items()
        if field in model.model_fields and shape in repr(type_)
    }


def test_the_estate_has_every_field_that_takes_an_arn(folder: Path) -> None:
    assert mistakes(folder, ESTATE) == []
    given = {owner for owner, _, text in leaves(estate_of(folder, ESTATE)) if text.startswith("arn:")}
    assert given == fields_of("Arn(")


def test_an_arn_of_another_partition_is_refused_at_its_line(folder: Path) -> None:
    arns = {path: text for _, path, text in leaves(estate_of(folder, ESTATE)) if text.startswith("arn:")}
    for path, text in arns.items():
        assert ESTATE.count(text) == 1, text
        line = ESTATE[: ESTATE.index(text)].count("\n") + 1
        _, _, service, region, rest = text.split(":", 4)
        for partition in ("aws-cn", "aws-eusc", "aws-us-gov", "aws-gov", "aws-"):
            its_regions = [one for one, its in REGIONS.items() if its == partition]
            for other in {region, *(its_regions[:1] if region else ())}:
                wrong = ESTATE.replace(text, f"arn:{partition}:{service}:{other}:{rest}")
                said = mistakes(folder, wrong)
                assert said, wrong
                assert all(one.startswith(f"{line}:") and f" {path}: " in one for one in said), said


def test_a_region_of_another_partition_is_refused(folder: Path) -> None:
    """This applies to connected entries and to values in an entry. An entry alone can be in any partition."""
    regions = {
        path for owner, path, _ in leaves(estate_of(folder, ESTATE)) if owner.endswith(".region") and "-dr." not in path
    }
    alone = {"networks.alone.region"}
    assert len(regions) == 8
    for path in regions:
        *parents, last = path.split(".")
        for other in ("cn-north-1", "eusc-de-east-1", "us-gov-west-1", "us-isob-east-1"):
            data = READER.load(ESTATE)
            reduce(getitem, parents, data)[last] = other
            said = mistakes(folder, written(data))
            assert bool(said) == (path not in alone), (path, other, said)


def test_a_connection_across_partitions_is_refused(tmp_path: Path) -> None:
    text = changed(
        'lake: {account_id: "111111111111", region: us-east-1', 'lake: {account_id: "111111111111", region: cn-north-1'
    )
    message = (
        "'lake' is in cn-north-1, which is in the partition aws-cn, but Astronomer's clusters are in the partition "
        "aws; AWS does not connect networks across partitions: use a network in the partition aws"
    )
    assert mistakes(tmp_path, text) == [
        f"10:58: connections.lake-prod.network: {message}",
        f"11:56: connections.lake-dev.network: {message}",
    ]


def test_a_document_of_another_partition_is_refused(folder: Path, tmp_path: Path) -> None:
    document = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "%s"}}'
    text = ESTATE.replace("policies/astronomer.json", "mine.json")
    for resource, problems in [("*", 0), ("arn:*:s3:::a", 0), ("arn:aws:s3:::a", 0), ("arn:aws-cn:s3:::a", 1)]:
        (tmp_path / "mine.json").write_text(document % resource)
        said = mistakes(folder, text)
        assert len(said) == problems, said
        assert all("policy_file: 'arn:aws-cn:s3:::a' is in the partition aws-cn" in one for one in said)
