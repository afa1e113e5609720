"""Settling: for each call whose telemetry changed, derive its catalog, meetings and statistics anew and bump its revision.

Safe in several processes at once: a call is settled by whoever takes its lock, and what arrives meanwhile stays marked.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import asyncpg

from callscope.followed import FollowedCalls
from callscope.settlement import Settlement
from callscope.storage.derived import PENDING_CALLS, TRY_LOCK, DerivedTables
from callscope.storage.pool import connect

log = logging.getLogger(__name__)

BATCH = 100
Call = tuple[int, int]
Settle = Callable[[asyncpg.Connection, int, int], Awaitable[bool]]
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    # On a connection that ends in the middle of a statement.
    asyncpg.InternalClientError,
    OSError,
)
"""What settling survives without much ado: the database restarts, or ends the connection."""


async def settle_pending(
    connection: asyncpg.Connection,
    *,
    project_id: int | None = None,
    call_keys: Sequence[int] | None = None,
    settled: Callable[[], object] = lambda: None,
    settle: Settle | None = None,
) -> int:
    """Settle every call that is marked as changed, or those of a project, or some of them; returns how many.

    ``settled`` is called after each; ``settle`` is another way than ``settle_call``.

    A call that cannot be settled stays marked and keeps no other from it; its error is raised in the end.
    """
    count = 0
    failures: dict[Call, Exception] = {}
    while True:
        rows = await connection.fetch(PENDING_CALLS, project_id, BATCH + len(failures), call_keys)
        pending = [tuple(row) for row in rows]
        done, known = 0, len(failures)
        for call in pending:
            if call in failures:
                continue
            try:
                done += await (settle_call if settle is None else settle)(connection, *call)
            except Exception as error:
                if connection.is_closed():
                    raise
                error.add_note(f"while settling call {call[1]} of project {call[0]}")
                failures[call] = error
            settled()
        count += done
        if not done and len(failures) == known:
            if failures:
                raise next(iter(failures.values()))
            return count


async def settle_call(connection: asyncpg.Connection, project_id: int, call_key: int) -> bool:
    """Settle one call; False where nothing changed or another process is at it."""
    async with connection.transaction():
        if not await connection.fetchval(TRY_LOCK, call_key ^ project_id):
            return False
        tables = DerivedTables(connection, project_id, call_key)
        changes = await tables.take_changes()
        if changes is None:
            return False
        await Settlement(tables).derive(changes)
        return True


class Settler:
    """Settles in the background of a server: at once when told of a change, and every few seconds for what others wrote."""

    INTERVAL_SECONDS = 1.0
    LANES = 2
    """Connections that settle at the same time: a call of millions of samples takes a minute, and no other waits for it."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._changed = [asyncio.Event() for _ in range(self.LANES)]

    def changed(self) -> None:
        for lane in self._changed:
            lane.set()

    async def run(self) -> None:
        """Until cancelled. A failing database is tried again after the interval."""
        async with asyncio.TaskGroup() as lanes:
            for changed in self._changed:
                lanes.create_task(self._run(changed))

    async def _run(self, changed: asyncio.Event) -> None:
        while True:
            try:
                connection = await connect(self._database_url)
                try:
                    followed = FollowedCalls(connection)
                    while True:
                        await settle_pending(connection, settle=followed.settle)
                        await followed.rest()
                        await self._wait(changed, min(followed.due_in(), self.INTERVAL_SECONDS))
                finally:
                    await connection.close(timeout=1)
            except LOST as error:
                log.warning("settling is interrupted and goes on in a moment: %r", error)
            except Exception:
                log.exception("settling failed and is tried again")
            await asyncio.sleep(self.INTERVAL_SECONDS)

    async def _wait(self, changed: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()
        changed.clear()
