"""An estate as text for tests, and its messages."""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from estate.load import EstateError, load
from estate.model import Estate

BASE = """\
name: acme
state: {backend: s3, bucket: acme-astro-tfstate, region: us-east-1}
astro: {product: hosted-dedicated, organization: acme}
clusters:
  prod: {region: us-east-1, account_id: "333333333333", cidr: 172.20.0.0/20, pod_cidr: 100.64.0.0/19}
  dev: {region: us-east-1, account_id: "333333333333", cidr: 172.21.0.0/20}
networks:
  lake: {account_id: "111111111111", region: us-east-1, vpc_id: vpc-0123456789abcdef0, cidrs: [10.20.0.0/16], route_tables: all}
connections:
  lake-prod: {type: vpc_peering, cluster: prod, network: lake, peering_id: pcx-0123456789abcdef0}
  lake-dev: {type: vpc_peering, cluster: dev, network: lake}
"""


def mistakes(folder: Path, text: str | bytes) -> list[str]:
    """Return the messages of `load` for a file, without the file's name."""
    file = folder / "astro.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    try:
        load(file)
    except EstateError as error:
        return [line.removeprefix(f"{file}:") for line in str(error).splitlines()]
    return []


def changed(old: str, new: str) -> str:
    """Return the base estate with one replacement."""
    assert BASE.count(old) >= 1, old
    return BASE.replace(old, new, 1)


def estate_of(folder: Path, text: str) -> Estate:
    """Write an estate file into `folder` and load it."""
    (folder / "astro.yaml").write_text(text)
    return load(folder / "astro.yaml")


def written(data: Any) -> str:
    text = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.sort_base_mapping_type_on_output = False  # type: ignore[reportAttributeAccessIssue]
    writer.dump(data, text)
    return text.getvalue()
