"""Policy documents in your files: read, validated by IAM's rules, and split into policies of a size that IAM
accepts."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from modules.documents import DocumentError, decoded, parsed, read_bytes
from modules.vocabulary import duplicates

_VARIABLE = re.compile(r"""\$\{(?:[a-z0-9-]+:[\w./:=@-]+(?: *, *'[^']*')?|[*?$])\}""", re.IGNORECASE)
"""A variable of IAM with an optional default, or an escaped *, ? or $ (IAM user guide, policy variables)."""
# IAM's quotas (facts B9): the characters of a managed policy without white space, and the policies of a role.
_POLICY_SIZE = 6_144
POLICIES = 10
_SHOWN = 10
_ACCOUNT = "{{.AWSAccount}}"


@dataclass(frozen=True)
class PolicyDocument:
    """A policy document for the managed policies of a role; in the estate file, the path of its file.

    A document that is too large for one policy is split between statements. The placeholder `{{.AWSAccount}}` of
    Astronomer's document remains until `policies` replaces it.
    """

    _texts: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of policies."""
        return len(self._texts)

    def policies(self, account_id: str, name: str) -> dict[str, str]:
        """Return the policies of an account: `name`, `name-2`, ... each with its compact JSON, which is reproducible.

        Terraform reads `${` as its own expression, so variables of IAM are escaped as `$${`.
        """
        names = [name, *(f"{name}-{number}" for number in range(2, len(self._texts) + 1))]
        texts = (text.replace(_ACCOUNT, account_id).replace("${", "$${") for text in self._texts)
        return dict(zip(names, texts, strict=True))

    def resources(self) -> Iterator[str]:
        """Yield the resources of its statements."""
        for statement in (one for text in self._texts for one in json.loads(text)["Statement"]):
            yield from listed(statement.get("Resource", statement.get("NotResource")))

    @classmethod
    def read(cls, value: object, info: ValidationInfo) -> "PolicyDocument":
        """Read the file that the estate names. Raise ValueError with all problems of the file."""
        if isinstance(value, PolicyDocument):
            return value
        if not isinstance(value, str) or not value:
            raise ValueError('is not a file path; allowed: a path, such as "policies/astronomer.json"')
        document = _document(Path((info.context or {}).get("folder", "."), value))
        if problems := list(_problems(document)):
            more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
            raise ValueError(f"is not a valid IAM policy document: {'; '.join(problems[:_SHOWN])}{more}")
        return cls(tuple(_split(document)))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(cls.read)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "examples": ["policies/astronomer.json"]}


def _document(file: Path) -> Any:
    try:
        content = read_bytes(file)
    except FileNotFoundError:
        raise ValueError(
            "does not exist, relative to this file; save the policy document there (Astronomer's own with "
            "`main.py policy fetch`)"
        ) from None
    _check_pin(file, content)
    return parsed(decoded(content), _unique)


def pin_file(document: Path) -> Path:
    """Return the path of a document's checksum, which `main.py policy fetch` writes in the format of `sha256sum`."""
    return document.with_name(document.name + ".sha256")


def _check_pin(document: Path, content: bytes) -> None:
    pin = pin_file(document)
    try:
        pinned = read_bytes(pin).split()[:1]
    except FileNotFoundError:
        return
    if pinned != [hashlib.sha256(content).hexdigest().encode()]:
        raise ValueError(
            f"does not match its checksum in {pin.name}; see `main.py policy diff` and `main.py policy fetch`,"
            " or delete that file if you made the change"
        )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Reject duplicate keys. Python keeps only the last one, so half of a policy could be lost without an error."""
    names = [name for name, _ in pairs]
    if twice := duplicates(names):
        raise DocumentError(f"has the key {', '.join(twice)} twice in one object; merge them")
    return dict(pairs)


def _problems(document: Any) -> Iterator[str]:
    """Yield the parts that IAM would refuse although `terraform validate` accepts them, and those that Terraform would
    change."""
    if not isinstance(document, dict) or not isinstance(statements := document.get("Statement"), list | dict):
        yield "it has no Statement; allowed: an object with Version and Statement"
        return
    if unknown := sorted(document.keys() - {"Version", "Id", "Statement"}):
        yield f"it has {', '.join(unknown)}; allowed: Version, Id, Statement"
    if document.get("Version") not in ("2012-10-17", "2008-10-17"):
        yield 'its Version is missing or invalid; allowed: "2012-10-17" (in quotes)'
    statements = listed(statements)
    if not statements:
        yield "its Statement is empty"
    for number, statement in enumerate(statements, 1):
        for problem in _statement_problems(statement):
            yield f"statement {number} {problem}"
    sids = [sid for statement in statements if isinstance(statement, dict) and (sid := statement.get("Sid"))]
    if twice := duplicates(sid for sid in sids if isinstance(sid, str)):
        yield f"the Sid {', '.join(twice)} is used twice"

    text = _rendered(document)
    for found in dict.fromkeys(re.findall(r"\$*[$%&]\{[^\"}]*\}?", text)):
        yield from _variable_problems(found)
    if "${" in text and document.get("Version") != "2012-10-17":
        yield 'it has IAM variables, which require Version "2012-10-17"'
    if found := re.search(r"\{\{[^\"}]*(?:\}\})?", text.replace(_ACCOUNT, "")):
        yield f"it has {found[0]}; the only supported placeholder is {_ACCOUNT}"
    if found := re.search(r"[^\t\n\r\x20-\xff]", text):
        yield f"it has the character {found[0]!r}; IAM accepts Latin-1 only"


def _variable_problems(found: str) -> Iterator[str]:
    """Yield the problems of a text that looks like a variable."""
    if found.startswith("&"):
        yield (
            f"it has {found}, which AWS reads as text and not as a variable; write ${found[1:]} (&{{ is "
            "Terraform's notation inside aws_iam_policy_document)"
        )
    elif found.startswith("$$"):
        yield f"it has {found}, which is Terraform's notation for an IAM variable; write ${found.lstrip('$')}"
    elif not _VARIABLE.fullmatch(found):
        yield (
            f"it has {found}, which is not an IAM variable; allowed: ${{service:Key}}, such as "
            "${aws:PrincipalTag/team}"
        )


_STATEMENT = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}


def _statement_problems(statement: Any) -> Iterator[str]:
    if not isinstance(statement, dict):
        yield "is not an object"
        return
    if unknown := sorted(statement.keys() - _STATEMENT):
        hint = " (a principal belongs to a trust policy)" if {"Principal", "NotPrincipal"} & set(unknown) else ""
        yield f"has {', '.join(unknown)}{hint}; allowed: {', '.join(sorted(_STATEMENT))}"
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield f"has the Effect {json.dumps(statement.get('Effect'))}; allowed: Allow, Deny"
    if not isinstance(sid := statement.get("Sid", ""), str) or not re.fullmatch(r"[A-Za-z0-9]*", sid):
        yield f"has the Sid {json.dumps(sid)}; allowed: letters and digits"
    yield from _either(statement, "Action", r"\*|[a-zA-Z0-9*-]+:[a-zA-Z0-9*?]+", "service:Action")
    yield from _either(statement, "Resource", r"\*|arn:.+", "an ARN")
    if "Condition" in statement and not _is_condition(statement["Condition"]):
        yield "has a Condition that is not {operator: {key: value or values}}"


def _either(statement: dict[str, Any], element: str, pattern: str, allowed: str) -> Iterator[str]:
    """Yield the problems of Action or NotAction, Resource or NotResource: exactly one of each pair is required."""
    present = [name for name in (element, f"Not{element}") if name in statement]
    if len(present) != 1:
        yield f"has {' and '.join(present) or f'neither {element} nor Not{element}'}; set exactly one of them"
        return
    values = listed(statement[present[0]])
    wrong = [value for value in values if not (isinstance(value, str) and re.fullmatch(pattern, value))]
    if wrong or not values:
        shown = json.dumps(wrong[0]) if wrong else "nothing"
        yield f"has {shown} as {present[0]}; allowed: {allowed}, a list of these, or *"


def _is_condition(condition: Any) -> bool:
    return isinstance(condition, dict) and all(
        isinstance(keys, dict) and all(isinstance(one, str | int) for value in keys.values() for one in listed(value))
        for keys in condition.values()
    )


def listed(value: Any) -> list[Any]:
    """Return a list. IAM writes a list of one value as the value itself."""
    return value if isinstance(value, list) else [value]


def _rendered(document: Any) -> str:
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return re.sub(r"\{\{\s*\.AWSAccount\s*\}\}", _ACCOUNT, text)


def _split(document: dict[str, Any]) -> Iterator[str]:
    """Yield the policies of a document. Each contains as many statements as fit, in the order of the file.

    All policies are attached to one role. IAM evaluates all statements of a role together, so the meaning does not
    change. If there are several policies, statements that deny come first. An apply changes one policy after another,
    so for a moment a statement that moves between two policies is in neither.
    """
    numbered = list(enumerate(listed(document["Statement"]), 1))
    if _size(document, [statement for _, statement in numbered]) > _POLICY_SIZE:
        numbered.sort(key=lambda one: one[1]["Effect"] != "Deny")
    parts: list[list[Any]] = []
    for number, statement in numbered:
        if parts and _size(document, [*parts[-1], statement]) <= _POLICY_SIZE:
            parts[-1].append(statement)
            continue
        if (size := _size(document, [statement])) > _POLICY_SIZE:
            raise ValueError(
                f"has {size:,} characters in statement {number} alone, and a policy can have {_POLICY_SIZE:,}; "
                "write it as several statements with some of its actions each"
            )
        parts.append([statement])
    if len(parts) > POLICIES:
        raise ValueError(f"needs {len(parts)} policies, and a role can have {POLICIES}; shorten it")
    return (_rendered(document | {"Statement": part}) for part in parts)


def _size(document: dict[str, Any], statements: list[Any]) -> int:
    text = _rendered(document | {"Statement": statements}).replace(_ACCOUNT, 12 * "0")
    return len(re.sub(r"\s", "", text))
