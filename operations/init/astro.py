"""Reads the clusters of an organization from Astro's API."""

import base64
import binascii
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, cast
from urllib.parse import quote, urlsplit

from estate.errors import ExitCode, UserError
from estate.source import printable

API = "https://api.astronomer.io/v1"
_PRODUCTS = {"DEDICATED": "hosted-dedicated", "HYBRID": "hybrid"}
_SECONDS = 20
_PAGE = 100
_MOST_BYTES = 10_000_000


class _SameServer(urllib.request.HTTPRedirectHandler):
    """Refuses to follow a redirect, which would send the token to another server."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def clusters(token: str, api: str = API) -> list[dict[str, Any]]:
    """Return the clusters on AWS as entries of the estate, each with its `name`. Raises UserError."""
    parts = urlsplit(api)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
        raise UserError(f"ASTRO_API_URL: {printable(api)} is not an https address", ExitCode.BAD_INPUT)
    organization = _organization(token)
    found: list[Any] = []
    while True:
        path = f"organizations/{quote(organization, safe='')}/clusters?provider=AWS&limit={_PAGE}&offset={len(found)}"
        page = _get(f"{api}/{path}", token)
        items = page.get("clusters")
        if not isinstance(items, list):
            raise UserError(f"{parts.hostname}: the response of Astro's API has no `clusters`; try again later")
        found += cast("list[Any]", items)
        if len(cast("list[Any]", items)) < _PAGE:
            return [_entry(one) for one in found if _product(one)]


def _organization(token: str) -> str:
    """Return the organization that a token is for; it is part of the token."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        named = [one.partition(":")[2] for one in claims["permissions"] if one.startswith("organizationId:")]
        return named[0]
    except (IndexError, KeyError, TypeError, AttributeError, ValueError, binascii.Error):
        raise UserError(
            "ASTRO_API_TOKEN is not an API token of an Astro organization; create one in Organization Settings > "
            "Access Management > API Tokens",
            ExitCode.BAD_INPUT,
        ) from None


def _get(url: str, token: str) -> dict[str, Any]:
    host = urlsplit(url).hostname
    try:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310  https, above
        with urllib.request.build_opener(_SameServer).open(request, timeout=_SECONDS) as answer:
            values = json.loads(answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403, 404):
            raise UserError(
                f"{host}: Astro's API rejected ASTRO_API_TOKEN (HTTP {error.code}): it has expired, or belongs to "
                "another organization; create a token in Organization Settings > Access Management > API Tokens"
            ) from None
        raise UserError(f"{host}: Astro's API returned HTTP {error.code}; try again later") from None
    except (OSError, HTTPException, ValueError) as error:
        # The text of some errors contains the header, which has the token.
        why = getattr(error, "reason", None) or type(error).__name__
        raise UserError(f"{host}: Astro's API cannot be read ({printable(str(why))}); check the network") from None
    if not isinstance(values, dict):
        raise UserError(f"{host}: the response of Astro's API is not a JSON object; try again later")
    return cast("dict[str, Any]", values)


def _product(cluster: object) -> str | None:
    return _PRODUCTS.get(str(cast("dict[str, Any]", cluster).get("type"))) if isinstance(cluster, dict) else None


def _text(values: Mapping[str, Any], field: str, pattern: str) -> str | None:
    value = values.get(field)
    return value if isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) else None


_CIDR = r"[\d.]{7,15}/\d{1,2}"
_REGION = r"[a-z]{2}(-[a-z]+)+-\d"


def _entry(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the API's response. Omits fields that are missing or have an unexpected type."""
    told = cluster.get("metadata")
    metadata: dict[str, Any] = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    addresses = metadata.get("externalIPs")
    listed = cast("list[Any]", addresses) if isinstance(addresses, list) else []
    entry: dict[str, Any] = {
        "name": str(cluster.get("name") or cluster.get("id") or "cluster"),
        "product": _product(cluster),
        "id": _text(cluster, "id", r"c[a-z0-9]{24}"),
        "region": _text(cluster, "region", _REGION),
        "account_id": _text(cluster, "providerAccount", r"\d{12}"),
        "cidr": _text(cluster, "vpcSubnetRange", _CIDR),
        "pod_cidr": _text(cluster, "secondaryVpcCidr", _CIDR),
        "external_ips": [one for one in listed if isinstance(one, str) and re.fullmatch(r"[\d.]{7,15}", one, re.ASCII)],
        "oidc_issuer_url": _text(metadata, "oidcIssuerUrl", r"https://[\w./-]{1,200}"),
    }
    if cluster.get("isDrEnabled") is True:
        entry["dr"] = {
            "region": _text(cluster, "drRegion", _REGION),
            "cidr": _text(cluster, "drVpcSubnetRange", _CIDR),
            "pod_cidr": _text(cluster, "drSecondaryVpcCidr", _CIDR),
        }
    return entry
