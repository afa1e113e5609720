"""The verbs of the command, a module for each kind."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from callscope.servers import Servers, servers
from callscope.settings import Settings
from callscope.storage.migrations import migrate, pending
from callscope.storage.pool import connect


class CommandError(Exception):
    """What the command cannot do, and what would help: printed without a traceback."""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[tuple[asyncpg.Connection, Servers]]:
    """A connection to the migrated database, and the servers. Our own database is migrated here; a given one never is."""
    with servers(settings) as found:
        async with database_at(found.database_url) as connection:
            await ensure_migrated(connection, own=settings.database_url is None)
            yield connection, found


@asynccontextmanager
async def database_at(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    try:
        connection = await connect(database_url)
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError, asyncpg.InterfaceError) as error:
        raise CommandError(f"the database does not answer: {error}. Look at CALLSCOPE_DATABASE_URL.") from error
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def ensure_migrated(connection: asyncpg.Connection, *, own: bool) -> None:
    if own:
        await migrate(connection)
    elif missing := await pending(connection):
        raise CommandError(f"the database lacks {len(missing)} migrations: run 'callscope migrate' first")
