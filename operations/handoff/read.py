"""Reads the outputs of deployed stacks. Nothing is written; unreadable stacks are reported as such."""

import json
import unicodedata
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from botocore import exceptions
from botocore.config import Config

from estate.errors import ExitCode, UserError
from estate.model import Estate
from estate.plan import stacks_of
from estate.renames import renames
from estate.state import S3State
from estate.twins import TWIN
from modules.documents import DocumentError, read_json
from operations.aws import session_as
from operations.owner import foreign_estate
from operations.terraform import Terraform, TerraformError, find_terraform

_THREADS = 16
# A person waits for the answer, so a state that cannot be read quickly is reported as not read.
_QUICK = Config(
    connect_timeout=3,
    read_timeout=10,
    max_pool_connections=_THREADS,
    retries={"mode": "standard", "total_max_attempts": 2},
)
_OUTPUTS = 10_000_000
"""The largest size of an outputs file, in bytes."""
_SECONDS = 30
"""The time limit for Terraform to read one state."""


@dataclass(frozen=True)
class Deployed:
    """The known facts of one stack."""

    status: Literal["deployed", "not deployed", "not read"]
    why: str | None = None
    """The reason for a stack that was not read."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The output `handoff`: a map for each entry."""
    vpc_id: str | None = None
    digests: Mapping[str, Any] = field(default_factory=dict)
    """The digest of each entry at its last deploy."""


def read(estate: Estate, file: Path | None, folder: Path, environ: Mapping[str, str]) -> dict[str, Deployed]:
    """Return the known facts of each stack, from `file`, from the state in S3, or from Terraform in `folder`.

    Raises UserError.
    """
    plans = stacks_of(estate)
    stacks = [plan.name for plan in plans]
    if file:
        found = _from_file(stacks, file)
    elif isinstance(state := estate.state, S3State):
        found = _from_s3({plan.name: state.key(estate.name, plan.state_name) for plan in plans}, state)
    elif why := foreign_estate(folder.parent, estate):
        found = dict.fromkeys(stacks, Deployed("not read", why))
    else:
        found = _by_terraform(stacks, folder, environ)
    return {name: _renamed(estate, deployed) for name, deployed in found.items()}


def _renamed(estate: Estate, deployed: Deployed) -> Deployed:
    """Return the outputs with former names replaced by current ones."""
    facts, digests = dict(deployed.facts), dict(deployed.digests)
    for one in renames(estate):
        for values in (facts, digests) if one.where in (("connections",), ("networks",)) else ():
            for end in ("", TWIN):
                if f"{one.former}{end}" in values:
                    values.setdefault(f"{one.name}{end}", values.pop(f"{one.former}{end}"))
    return replace(deployed, facts=facts, digests=digests)


def _from_file(stacks: Iterable[str], file: Path) -> dict[str, Deployed]:
    expected = "pass the file that `cdktf deploy --outputs-file FILE` wrote"
    try:
        found = read_json(file, _OUTPUTS)
    except FileNotFoundError:
        raise UserError(f"{file}: does not exist; {expected}", ExitCode.BAD_INPUT) from None
    except DocumentError as error:
        raise UserError(f"{file}: {error}; {expected}", ExitCode.BAD_INPUT) from None
    if _is_of_maps(found):
        # cdktf names an output by the ID of its construct.
        found = {
            stack: {name.removesuffix("_output"): one for name, one in outputs.items()}
            for stack, outputs in found.items()
        }
    if not _is_of_maps(found) or (found and not any("handoff" in outputs for outputs in found.values())):
        shape = '{"network-lake": {"handoff": {"lake-peering": {...}}}}'
        raise UserError(
            f"{file} has no output `handoff` by stack and entry, such as {shape}; {expected}", ExitCode.BAD_INPUT
        )
    how = f"`cdktf deploy '*' --outputs-file {file}` writes all stacks"
    missing = Deployed("not read", f"{file} does not contain it; {how}")
    return {name: _deployed(found[name]) if name in found else missing for name in stacks}


def _from_s3(keys: Mapping[str, str], state: S3State) -> dict[str, Deployed]:
    try:
        client = session_as("", "handoff").client("s3", region_name=state.region, config=_QUICK)
    except exceptions.BotoCoreError as error:
        return dict.fromkeys(keys, Deployed("not read", _plain(error)))
    # If one read shows that all will fail, the others are not tried.
    stopped: list[str] = []

    def of(key: str) -> Deployed:
        where = f"s3://{state.bucket}/{key}"
        if stopped:
            return Deployed("not read", stopped[0])
        try:
            return _from_state(client.get_object(Bucket=state.bucket, Key=key)["Body"].read(), where)
        except client.exceptions.NoSuchKey:
            return Deployed("not deployed")
        except exceptions.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            why = f"AWS returned {_plain(code)} for GetObject of {where}"
            if code in ("NoSuchBucket", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
                stopped.append(why)
        except exceptions.BotoCoreError as error:
            why = _plain(error)
            stopped.append(why)
        return Deployed("not read", why)

    paths = list(keys.values())
    with closing(client), ThreadPoolExecutor(_THREADS) as threads:
        return dict(zip(keys, [*map(of, paths[:1]), *threads.map(of, paths[1:])], strict=True))


def _from_state(content: bytes, where: str) -> Deployed:
    try:
        state = json.loads(content)
    except (ValueError, RecursionError):
        return Deployed("not read", f"{where} is not a Terraform state")
    outputs = state.get("outputs") if isinstance(state, dict) else None
    if not isinstance(outputs, dict):
        return Deployed("not read", f"{where} is not a Terraform state")
    if not outputs and not state.get("resources"):
        return Deployed("not deployed")
    return _deployed({name: one.get("value") for name, one in outputs.items() if isinstance(one, dict)})


def _by_terraform(stacks: Iterable[str], folder: Path, environ: Mapping[str, str]) -> dict[str, Deployed]:
    found: dict[str, Deployed] = {}
    terraform: Terraform | None = None
    for name in stacks:
        if not (folder / name / ".terraform").is_dir():
            how = f"run `cdktf diff {name}`, or pass --outputs FILE"
            found[name] = Deployed("not read", f"Terraform is not initialized in {folder / name}; {how}")
            continue
        try:
            terraform = terraform or Terraform(find_terraform(environ), environ)
            outputs = terraform.output(folder / name, timeout=_SECONDS)
            found[name] = _deployed(outputs) if outputs else Deployed("not deployed")
        except TerraformError as error:
            found[name] = Deployed("not read", _plain(error))
    return found


def _deployed(outputs: Mapping[str, Any]) -> Deployed:
    facts, stack = harmless(outputs.get("handoff")), harmless(outputs.get("deployed"))
    stack = stack if isinstance(stack, dict) else {}
    digests, vpc_id = stack.get("digests"), stack.get("vpc_id")
    return Deployed(
        "deployed",
        facts=facts if isinstance(facts, dict) else {},
        vpc_id=vpc_id if isinstance(vpc_id, str) else None,
        digests=digests if isinstance(digests, dict) else {},
    )


def _is_of_maps(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, dict) for one in value.values())


def harmless(value: Any) -> Any:
    """Replace control, format and private characters, which could affect a terminal or hide text."""
    if isinstance(value, dict):
        return {harmless(str(key)): harmless(one) for key, one in value.items()}
    if isinstance(value, list):
        return [harmless(one) for one in value]
    if isinstance(value, str):
        # C: control, format, surrogate, private, unassigned. Zl, Zp: separators that some programs treat as line
        # breaks.
        kinds = ((one, unicodedata.category(one)) for one in value)
        return "".join(
            "\ufffd" if one not in "\n\t" and (kind[0] == "C" or kind in ("Zl", "Zp")) else one for one, kind in kinds
        )
    return value


def _plain(error: object) -> str:
    """Return an error by others on one line, without control characters."""
    return " ".join(str(harmless(str(error))).split())
