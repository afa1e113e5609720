"""Connections to PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg

# RFC 3339 comes out of to_json only in UTC; JIT costs more than it gives for statements of milliseconds.
SESSION = {"timezone": "UTC", "jit": "off", "application_name": "callscope"}
STATEMENT_TIMEOUT_MS = 30_000
ACQUIRE_SECONDS = 2.0

T = TypeVar("T")


async def connect(database_url: str) -> asyncpg.Connection:
    """A connection without a time limit on statements: for migrations, imports and settling."""
    return await asyncpg.connect(database_url, server_settings=SESSION, max_cacheable_statement_size=0)


class Pool:
    """The server's connections, open between ``async with``. It opens without a database too: requests then fail, not it."""

    RESTARTED = (asyncpg.ConnectionDoesNotExistError, asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError)

    def __init__(self, database_url: str, *, size: int) -> None:
        self._pool = asyncpg.create_pool(
            database_url,
            min_size=0,
            max_size=size,
            reset=_keep_session,
            statement_cache_size=500,
            # Compiled statements are long; their size must not keep them from being prepared.
            max_cacheable_statement_size=0,
            server_settings={**SESSION, "statement_timeout": str(STATEMENT_TIMEOUT_MS)},
        )

    async def __aenter__(self) -> "Pool":
        await self._pool
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """One connection; raises TimeoutError where all stay busy."""
        async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            yield connection

    async def read(self, run: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run something that only reads. Tried once more where PostgreSQL restarted: each pooled connection fails once then."""
        try:
            async with self.connection() as connection:
                return await run(connection)
        except self.RESTARTED:
            await self._pool.expire_connections()
            async with self.connection() as connection:
                return await run(connection)


async def _keep_session(connection: asyncpg.Connection) -> None:
    """No statement of ours changes a session's settings, so a returned connection needs no round trip to be reset."""
