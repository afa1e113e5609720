"""What must be in no table: network addresses of any kind, found by other means than those that hide them, and known secrets."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import orjson
from asyncpg import Connection

_CANDIDATE = re.compile(r"[0-9A-Fa-f:.]*[0-9A-Fa-f]")
_PRODUCT = re.compile(r"[A-Za-z][\w+-]*/\d+(?:\.\d+)*")
_RELEASE = re.compile(r"\d+(?:\.\d+)+[-_](?:alpha|beta)")
VERSIONS = frozenset(
    {"user_agent", "userAgent", "browser_version", "browserVersion", "os_version", "osVersion", "sdk_version", "sdkVersion"}
    | {"version", "sdk"}
)
"""Fields of versions, which may look like addresses."""

TABLES = """
select format('%I.%I', table_schema, table_name) from information_schema.tables
where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')
"""


def addresses(told: Any, name: str = "") -> Iterator[str]:
    """Whatever is an address of IPv4 or IPv6 in keys and values, with the name that it stands under."""
    if isinstance(told, dict):
        for key, value in told.items():
            yield from _in_text(key, name)
            yield from addresses(value, key)
    elif isinstance(told, list):
        for value in told:
            yield from addresses(value, name)
    elif isinstance(told, str):
        yield from _in_text(told, name)


def _in_text(text: str, name: str) -> Iterator[str]:
    text = _RELEASE.sub(" ", text)
    if name in VERSIONS:
        text = _PRODUCT.sub(" ", text) if "/" in text else re.sub(r"\d+(?:\.\d+)+", " ", text)
    for found in _CANDIDATE.findall(text):
        if found.count(".") == 3 or found.count(":") > 1:
            # Beside it may be a word's letters, a port, or the end of a sentence.
            pieces = {found, found.strip(":."), found.rpartition(":")[0], found.partition(":")[2]}
            if any(_is_address(piece) for piece in pieces):
                yield f"{name}: {found} in {text[:200]}"


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text)) and text.strip(":.0") != ""
    except ValueError:
        return False


async def rows(connection: Connection) -> dict[str, list[Any]]:
    """Every row of every table, as JSON."""
    names = [name for (name,) in await connection.fetch(TABLES)]
    found = {name: await connection.fetch(f"select to_jsonb(kept)::text from {name} kept") for name in names}
    return {name: [orjson.loads(row) for (row,) in told] for name, told in found.items()}


async def leaks(connection: Connection, secrets: set[str]) -> list[str]:
    """Where in the database an address is, or one of these secrets as a word of its own."""
    words = re.compile("|".join(rf"(?<!\w){re.escape(secret)}(?!\w)" for secret in sorted(secrets)) or r"(?!)")
    stored = await rows(connection)
    # Reports repeat them.
    told_versions = [row[name] for row in stored["live.participant"] for name in ("sdk_version", "browser_version", "os_version")]
    versions = set(filter(None, told_versions))
    found: list[str] = []
    for table, told in stored.items():
        for row in told:
            found += [f"{table} {leak}" for leak in addresses(row) if leak.partition(": ")[2].partition(" ")[0] not in versions]
            found += [f"{table} {match[0]}" for match in words.finditer(orjson.dumps(row).decode())]
    return found
