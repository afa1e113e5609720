"""Connections to PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg

# RFC 3339 comes out of to_json only in UTC; JIT costs more than it gives for statements of milliseconds. TimescaleDB refuses late
# samples that make it unpack more than so many others, where 0 is no limit; without it the setting means nothing.
SESSION = {
    "timezone": "UTC",
    "jit": "off",
    "application_name": "callscope",
    "timescaledb.max_tuples_decompressed_per_dml_transaction": "0",
}
STATEMENT_TIMEOUT_MS = 30_000
ACQUIRE_SECONDS = 2.0

T = TypeVar("T")


async def connect(database_url: str) -> asyncpg.Connection:
    """A connection without a time limit on statements: for migrations, imports and settling."""
    return await asyncpg.connect(database_url, server_settings=SESSION, max_cacheable_statement_size=0)


class Pool:
    """The server's connections, open between ``async with``. It opens without a database too: requests then fail, not it.

    asyncpg's own pool costs a quarter of a short request, for what is not needed here: no session is ever changed.
    """

    RESTARTED = (
        asyncpg.ConnectionDoesNotExistError,
        asyncpg.CannotConnectNowError,
        asyncpg.AdminShutdownError,
        # On a connection that was told of the shutdown while idle, and is not closed yet.
        asyncpg.InternalClientError,
    )

    def __init__(self, database_url: str, *, size: int, reads_only: bool = False) -> None:
        self._database_url = database_url
        self._size = size
        self._session = SESSION | {"statement_timeout": str(STATEMENT_TIMEOUT_MS)}
        if reads_only:
            self._session["default_transaction_read_only"] = "on"
        self._idle: list[asyncpg.Connection] = []
        self._busy: set[asyncpg.Connection] = set()

    async def __aenter__(self) -> "Pool":
        self._free = asyncio.Semaphore(self._size)
        return self

    async def __aexit__(self, *exception: object) -> None:
        for connection in [*self._idle, *self._busy]:
            connection.terminate()
        self._idle.clear()

    @property
    def size(self) -> int:
        """Connections that may be open."""
        return self._size

    @property
    def busy(self) -> int:
        """Connections in use."""
        return len(self._busy)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """One connection; raises TimeoutError where all stay busy."""
        connection = await self._acquire()
        try:
            yield connection
        except asyncio.CancelledError:
            # Its statement may still run: what follows must not wait for it.
            connection.terminate()
            raise
        finally:
            self._release(connection)

    async def _acquire(self) -> asyncpg.Connection:
        if self._free.locked():
            async with asyncio.timeout(ACQUIRE_SECONDS):
                await self._free.acquire()
        else:
            await self._free.acquire()
        try:
            # The one used last is the one whose statements are prepared and whose memory is warm.
            connection = self._idle.pop() if self._idle else None
            while connection is not None and connection.is_closed():
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                async with asyncio.timeout(ACQUIRE_SECONDS):
                    connection = await self._connect()
        except BaseException:
            self._free.release()
            raise
        self._busy.add(connection)
        return connection

    def _release(self, connection: asyncpg.Connection) -> None:
        self._busy.discard(connection)
        if not connection.is_closed():
            self._idle.append(connection)
        self._free.release()

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._database_url,
            statement_cache_size=500,
            # Compiled statements are long; their size must not keep them from being prepared.
            max_cacheable_statement_size=0,
            server_settings=self._session,
        )

    async def read(self, run: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run something that only reads. Tried once more where PostgreSQL restarted, after which each connection fails once."""
        # As connection() does, whose context manager costs a tenth of a short request.
        connection = await self._acquire()
        try:
            return await run(connection)
        except asyncio.CancelledError:
            connection.terminate()
            raise
        except self.RESTARTED:
            while self._idle:
                self._idle.pop().terminate()
        except asyncpg.SerializationError:
            # Of a replica, which could not keep rows any longer that the primary is done with.
            pass
        finally:
            self._release(connection)
        async with self.connection() as connection:
            return await run(connection)
