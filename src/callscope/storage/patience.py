"""How long a writer waits for a database that is slow, locked or silent."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

import asyncpg


class Patience(NamedTuple):
    """Seconds until a lock, and until an answer, is given up; None waits for ever.

    A lock should be given up first: PostgreSQL then ends the statement itself and the connection stays good.
    """

    lock_seconds: float | None = None
    answer_seconds: float | None = None


ENDLESS = Patience()


@contextmanager
def answering(connection: asyncpg.Connection, patience: Patience) -> Iterator[None]:
    """Ends a connection that does not answer in time: whatever waits for it, a rollback too, fails at once."""
    if patience.answer_seconds is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(patience.answer_seconds, connection.terminate)
    try:
        yield
    finally:
        timer.cancel()


@asynccontextmanager
async def transaction(connection: asyncpg.Connection, patience: Patience) -> AsyncIterator[None]:
    """A transaction that neither begins nor ends without an answer in time, and waits no longer than that for any lock."""
    begun = connection.transaction()
    with answering(connection, patience):
        await begun.start()
        if patience.lock_seconds is not None:
            await connection.execute(f"set local lock_timeout = {round(patience.lock_seconds * 1000)}")
    try:
        yield
    except BaseException:
        if not connection.is_closed():
            with answering(connection, patience):
                await begun.rollback()
        raise
    with answering(connection, patience):
        await begun.commit()
