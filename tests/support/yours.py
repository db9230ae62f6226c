"""Estates as a user would have them, with values in place of those of the examples."""

import hashlib
import re

_VALUES = re.compile(
    r"(?<!\d)(?P<account>(\d)\2{11})(?!\d)"
    r"|(?P<prefix>\b[a-z]+(?:-[a-z]+)*-)(?P<id>[0-9a-f]{17})\b"
    r"|(?<=/)(?P<hex>[0-9A-Fa-f]{16}|[0-9A-F]{32})\b"
    r"|\bZ(?P<zone>[0-9A-Z]{20})\b"
    r"|\b(?:192\.0\.2|198\.51\.100|203\.0\.113)\.(?P<host>\d+)\b"
    r"|\b(?P<cluster>clmk2qqia000008mhff3ndjr0)\b"
    r"|\b(?P<namespace>geometric-gyroscope|quasarian-quantum)-\d{4}\b"
)


def yours(text: str) -> str:
    """Return a text with consistent replacements for the values of the examples."""
    return _VALUES.sub(_other, text).replace(".example", ".northwind.io").replace("acme", "northwind")


def _other(match: re.Match[str]) -> str:
    digest = hashlib.sha256(match[0].encode()).hexdigest()
    if match["account"]:
        return str(int(digest, 16))[:12]
    if match["id"]:
        return match["prefix"] + digest[:17]
    if match["hex"]:
        return digest[: len(match["hex"])].upper() if match["hex"].isupper() else digest[: len(match["hex"])]
    if match["zone"]:
        return f"Z{digest[:20].upper()}"
    if match["host"]:
        return f"52.14.7.{match['host']}"
    return f"c{digest[:24]}" if match["cluster"] else f"solar-orbit-{str(int(digest, 16))[:4]}"
