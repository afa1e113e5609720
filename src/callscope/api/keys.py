"""Keys: who asks, and what the key opens. Only a hash of a key is stored.

A key is ``callscope_``, 32 random base-62 digits, and 6 digits of their CRC-32, so that a mistyped key costs no look-up.
"""

import hashlib
import secrets
import string
import time
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property

import asyncpg

from callscope.query.parameters import Reader
from callscope.retention import AGES_AT
from callscope.storage.pool import Pool

PREFIX = "callscope_"
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_DIGITS = 32
CHECK_DIGITS = 6
CLOCKS_APART = timedelta(seconds=10)
"""By so much may the clocks of servers and database differ."""


class Scope(StrEnum):
    READ = "read"
    WRITE = "write"
    INGEST = "ingest"
    ERASE = "erase"


USUAL = frozenset((Scope.READ, Scope.WRITE, Scope.INGEST))
"""What a key opens of which nothing else is said: what cannot be undone is not among it."""


@dataclass(frozen=True)
class Grant:
    """What a key opens."""

    key_id: int
    project_id: int
    scopes: frozenset[str]
    expires_at: datetime | None = None
    ages_at: datetime | None = None
    """When the next meeting of the project passes its time before its call does; None where there is no such meeting."""

    @property
    def reader(self) -> Reader:
        if self.ages_at is not None and self.ages_at <= datetime.now(UTC) + CLOCKS_APART:
            return self._careful
        return self._carefree

    @cached_property
    def _carefree(self) -> Reader:
        may_write, may_erase = Scope.WRITE in self.scopes, Scope.ERASE in self.scopes
        return Reader(self.project_id, self.key_id, may_write, may_erase, aging=False)

    @cached_property
    def _careful(self) -> Reader:
        return self._carefree._replace(aging=True)


def _check_digits(body: str) -> str:
    value = zlib.crc32(body.encode())
    digits = ""
    for _ in range(CHECK_DIGITS):
        value, digit = divmod(value, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits


def generate() -> str:
    body = "".join(secrets.choice(DIGITS) for _ in range(RANDOM_DIGITS))
    return PREFIX + body + _check_digits(body)


def is_well_formed(key: str) -> bool:
    body = key.removeprefix(PREFIX)
    return (
        key.startswith(PREFIX)
        and len(body) == RANDOM_DIGITS + CHECK_DIGITS
        and body.isascii()
        and body.isalnum()
        and secrets.compare_digest(body[RANDOM_DIGITS:], _check_digits(body[:RANDOM_DIGITS]))
    )


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def is_key(authorization: str) -> bool:
    """Whether an Authorization header has a key of ours in it, be it a good one or not."""
    return authorization.partition(" ")[2].strip().startswith(PREFIX)


async def project_of(connection: asyncpg.Connection, name: str) -> int:
    """The id of a project, which is made where it does not exist."""
    await connection.execute("insert into callscope.project (name) values ($1) on conflict do nothing", name)
    project_id: int = await connection.fetchval("select project_id from callscope.project where name = $1", name)
    return project_id


async def create(connection: asyncpg.Connection, project: str, name: str, scopes: frozenset[Scope] = USUAL) -> tuple[str, int]:
    """Make a key for a project, which is made too where it does not exist; returns it and the project's id.

    The key cannot be shown again.
    """
    key = generate()
    async with connection.transaction():
        project_id = await project_of(connection, project)
        await connection.execute(
            "insert into callscope.api_key (project_id, name, secret_hash, last_four, scopes) values ($1, $2, $3, $4, $5)",
            project_id,
            name,
            _hash(key),
            key[-4:],
            sorted(scopes),
        )
    return key, project_id


async def listed(connection: asyncpg.Connection, project: str) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await connection.fetch(
        "select api_key.key_id, api_key.name, last_four, scopes, api_key.created_at, expires_at, revoked_at, last_used_at"
        " from callscope.api_key join callscope.project using (project_id) where project.name = $1 order by key_id",
        project,
    )
    return rows


async def revoke(connection: asyncpg.Connection, project: str, key_id: int) -> bool:
    """Close a key; False where the project has no open key of that number."""
    result = await connection.execute(
        "update callscope.api_key set revoked_at = now() from callscope.project"
        " where project.project_id = api_key.project_id and project.name = $1 and key_id = $2 and revoked_at is null",
        project,
        key_id,
    )
    return str(result).endswith(" 1")


async def grant_of(connection: asyncpg.Connection, key: str) -> Grant | None:
    """What a key opens, asked of the database; None where it opens nothing."""
    return await _look_up(connection, _hash(key)) if is_well_formed(key) else None


async def _look_up(connection: asyncpg.Connection, secret: bytes) -> Grant | None:
    row = await connection.fetchrow(
        "update callscope.api_key set last_used_at = now() where secret_hash = $1 and revoked_at is null"
        " returning key_id, project_id, scopes, expires_at, " + AGES_AT,
        secret,
    )
    return None if row is None else Grant(**dict(row) | {"scopes": frozenset(row["scopes"])})


class Keyring:
    """Looks keys up, and remembers the answer for a few seconds: so long can a revoked key still open."""

    REMEMBER_SECONDS = 10.0
    CAPACITY = 10_000
    LONGEST = 200

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: OrderedDict[str, tuple[float, Grant | None]] = OrderedDict()

    async def grant(self, authorization: str | None) -> Grant | None:
        """What an Authorization header opens; None where it opens nothing."""
        if authorization is None:
            return None
        now = time.monotonic()
        known = self._known.get(authorization)
        if known is None or known[0] < now:
            scheme, _, key = authorization.partition(" ")
            key = key.strip()
            if scheme.lower() != "bearer" or not is_well_formed(key) or len(authorization) > self.LONGEST:
                return None
            secret = _hash(key)
            known = (now + self.REMEMBER_SECONDS, await self._pool.read(lambda connection: _look_up(connection, secret)))
            self._known[authorization] = known
            if len(self._known) > self.CAPACITY:
                self._known.popitem(last=False)
        grant = known[1]
        if grant is not None and grant.expires_at is not None and grant.expires_at <= datetime.now(UTC):
            return None
        return grant
