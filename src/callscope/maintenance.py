"""Maintenance: what has passed its time is removed from the disk, in steps that leave a consistent state wherever they end.

Readers do not see it any more already (``retention``). One process at a time does this. Parts of time tables that hold nothing
readable are dropped; of the other calls the rows are deleted, so many in a transaction. The row of a call, and that of a saved
session, goes last: as long as it is there, what is left of the rest is found again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import asyncpg

from callscope.aging import remove_aged
from callscope.once import REMEMBERED
from callscope.saved import CALL_TABLES
from callscope.settle import LOST, settle_call
from callscope.storage.call_locks import TRY
from callscope.storage.chunks import candidates, drop
from callscope.storage.meeting_removal import aged
from callscope.storage.pool import connect
from callscope.storage.removal import ENDLESS, remove_calls, remove_times

log = logging.getLogger(__name__)

STEP_CALLS = 100
STEP_ROWS = 50_000
_LOCK = 0x63616C6C_6B656570
# What settling would make something of goes in one step, with the row by which the rest is found.
ROOTS = ("record", "call_change", "meeting", "call")
LEAVES = tuple(table for table in CALL_TABLES if table not in ROOTS)

PROJECTS = "select project_id, retention_days from callscope.project order by project_id"
EXPIRED = """
select call_key, exists (
    select from live.call_change change where change.project_id = call.project_id and change.call_key = call.call_key
) as is_changed
from live.call where project_id = $1 and expires_at <= $2 and call_key <> all($3::bigint[]) order by expires_at, call_key limit $4
"""
# Who saves a call holds its row.
STILL_EXPIRED = """
select call_key from live.call where project_id = $1 and call_key = any($2::bigint[]) and expires_at <= $3
order by call_key for update skip locked
"""
# What nobody could settle for all the time that it might have been read.
NEVER_SETTLED = """
select call_key from live.call_change where project_id = $1 and call_key <> all($3::bigint[])
    and not exists (select from live.call where call.project_id = $1 and call.call_key = call_change.call_key)
group by call_key having max(changed_at) <= $2 order by call_key limit $4
"""
STILL_UNSETTLED = """
select call_key from live.call_change where project_id = $1 and call_key = any($2::bigint[])
    and not exists (select from live.call where call.project_id = $1 and call.call_key = call_change.call_key)
group by call_key having max(changed_at) <= $3 order by call_key
"""
# What is removed in part is gone for good: a longer retention must not bring the rest of it back.
GOING_CALLS = """
update live.call set expires_at = 'epoch'
where project_id = $1 and call_key = any($2::bigint[]) and expires_at <> 'epoch'
"""
GOING_MEETINGS = """
update live.meeting set expires_at = 'epoch'
where project_id = $1 and call_key = $2 and number = any($3::integer[]) and expires_at <> 'epoch'
"""
AGING = """
select distinct call_key from live.meeting join live.call using (project_id, call_key)
where project_id = $1 and is_outlived and meeting.expires_at <= $2 and call.expires_at > $2
"""
FREE = "select from live.call where project_id = $1 and call_key = $2 for update skip locked"
EXPIRED_SESSIONS = """
select call_key from callscope.saved_session where project_id = $1 and expires_at <= $2 and call_key <> all($3::bigint[])
order by expires_at, call_key limit $4
"""
STILL_EXPIRED_SESSIONS = """
select call_key from callscope.saved_session where project_id = $1 and call_key = any($2::bigint[]) and expires_at <= $3
order by call_key for update skip locked
"""
OLD_MUTATIONS = f"""
delete from callscope.mutation where ctid = any(array(
    select mutation.ctid from callscope.api_key join callscope.mutation using (project_id, key_id)
    where made_at <= $1::timestamptz - {REMEMBERED} limit $2
))
"""


@dataclass
class Removed:
    """How much was removed: ``rows`` are those that were deleted one by one, ``partitions`` parts of time tables."""

    calls: int = 0
    meetings: int = 0
    saved_sessions: int = 0
    partitions: int = 0
    rows: int = 0
    mutations: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{getattr(self, each.name)} {each.name.replace('_', ' ')}" for each in fields(self))


async def maintain(
    connection: asyncpg.Connection, *, now: datetime | None = None, removed: Removed | None = None
) -> Removed | None:
    """Remove what has passed its time; None where another process is at it. ``removed`` counts while it goes on.

    ``now`` is the database's clock unless another time is given.
    """
    if not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
        return None
    removed = Removed() if removed is None else removed
    try:
        await _Maintenance(connection, now or await connection.fetchval("select now()"), removed).run()
    finally:
        if not connection.is_closed():
            await connection.execute("select pg_advisory_unlock($1)", _LOCK)
    return removed


class _Maintenance:
    """One run."""

    def __init__(self, connection: asyncpg.Connection, now: datetime, removed: Removed) -> None:
        self.connection = connection
        self.now = now
        self.removed = removed

    async def run(self) -> None:
        projects = {row["project_id"]: timedelta(days=row["retention_days"]) for row in await self.connection.fetch(PROJECTS)}
        for project_id in projects:
            await self._forget_sessions(project_id)
        await self._drop_partitions(self.now - min(projects.values(), default=timedelta()))
        for project_id, retention in projects.items():
            await self._forget_calls(project_id)
            await self._forget_unsettled(project_id, self.now - retention)
            await self._forget_meetings(project_id)
        await self._forget_mutations()

    # Whole calls, live and saved.

    async def _forget_sessions(self, project_id: int) -> None:
        left: list[int] = []
        while keys := await self._keys(EXPIRED_SESSIONS, project_id, self.now, left, STEP_CALLS):
            done = await self._remove("saved", project_id, keys, STILL_EXPIRED_SESSIONS, self.now)
            self.removed.saved_sessions += len(done)
            left += [key for key in keys if key not in done]

    async def _forget_calls(self, project_id: int) -> None:
        left: list[int] = []
        while rows := await self.connection.fetch(EXPIRED, project_id, self.now, left, STEP_CALLS):
            # What came lately may be of a meeting that can be read.
            changed = {row["call_key"] for row in rows if row["is_changed"]}
            left += [call_key for call_key in changed if not await self._is_settled(project_id, call_key)]
            keys = [row["call_key"] for row in rows if row["call_key"] not in changed]
            done = await self._remove("live", project_id, keys, STILL_EXPIRED, self.now)
            self.removed.calls += len(done)
            left += [key for key in keys if key not in done]

    async def _is_settled(self, project_id: int, call_key: int) -> bool:
        with self._logged(project_id, call_key):
            return await settle_call(self.connection, project_id, call_key)
        return False

    async def _forget_unsettled(self, project_id: int, before: datetime) -> None:
        left: list[int] = []
        while keys := await self._keys(NEVER_SETTLED, project_id, before, left, STEP_CALLS):
            done = await self._remove("live", project_id, keys, STILL_UNSETTLED, before)
            self.removed.calls += len(done)
            left += [key for key in keys if key not in done]

    async def _remove(self, schema: str, project_id: int, keys: Sequence[int], still: str, at: datetime) -> set[int]:
        """Remove all of these calls, as far as nobody else is at them; those that are gone."""
        leaves, roots = ([f"{schema}.{table}" for table in tables] for tables in (LEAVES, ROOTS))
        roots += ["live.inspection"] if schema == "live" else ["callscope.saved_session"]
        held = list(keys)
        while held:
            async with self.connection.transaction():
                held = await self._keys(still, project_id, held, at)
                if schema == "live":
                    held = await self._keys(TRY, project_id, held)
                if not held:
                    break
                rows = await remove_calls(self.connection, leaves, project_id, held, STEP_ROWS)
                is_done = rows < STEP_ROWS
                if is_done:
                    rows += await remove_calls(self.connection, roots, project_id, held, ENDLESS)
                elif schema == "live":
                    await self.connection.execute(GOING_CALLS, project_id, held)
            self.removed.rows += rows
            if is_done:
                break
        return set(held)

    async def _keys(self, sql: str, *values: object) -> list[int]:
        return [row["call_key"] for row in await self.connection.fetch(sql, *values)]

    # Parts of calls.

    async def _drop_partitions(self, before: datetime) -> None:
        for chunk in await candidates(self.connection, before, self.now):
            self.removed.partitions += await drop(self.connection, chunk, self.now)

    async def _forget_meetings(self, project_id: int) -> None:
        for call_key in await self._keys(AGING, project_id, self.now):
            with self._logged(project_id, call_key):
                while not await self._forget_some(project_id, call_key):
                    pass

    async def _forget_some(self, project_id: int, call_key: int) -> bool:
        """Whether no more of the call is to be removed now."""
        meetings = 0
        async with self.connection.transaction():
            is_free = await self.connection.fetchrow(FREE, project_id, call_key) is not None
            if not is_free or not await self._keys(TRY, project_id, [call_key]):
                return True
            stretches = await aged(self.connection, project_id, call_key, self.now)
            rows = await remove_times(self.connection, project_id, call_key, stretches, STEP_ROWS)
            is_done = rows < STEP_ROWS
            if is_done:
                meetings = await remove_aged(self.connection, project_id, call_key, self.now)
            else:
                await self.connection.execute(GOING_MEETINGS, project_id, call_key, [each.number for each in stretches])
        self.removed.rows += rows
        self.removed.meetings += meetings
        return is_done

    async def _forget_mutations(self) -> None:
        while True:
            status = await self.connection.execute(OLD_MUTATIONS, self.now, STEP_ROWS)
            count = int(status.rpartition(" ")[2])
            self.removed.mutations += count
            if count < STEP_ROWS:
                return

    @contextmanager
    def _logged(self, project_id: int, call_key: int) -> Iterator[None]:
        """A call that fails keeps no other from maintenance."""
        try:
            yield
        except Exception:
            if self.connection.is_closed():
                raise
            log.exception("call %d of project %d is left as it is", call_key, project_id)


class Maintainer:
    """Does maintenance in the background of a server, every minute, unless another process is at it."""

    INTERVAL_SECONDS = 60.0

    def __init__(self, database_url: str, done: Callable[[Removed], object] = lambda removed: None) -> None:
        self._database_url = database_url
        self._done = done

    async def run(self) -> None:
        """Until cancelled. A failing database is tried again after the interval."""
        while True:
            await asyncio.sleep(self.INTERVAL_SECONDS)
            removed = Removed()
            try:
                connection = await connect(self._database_url)
                try:
                    await maintain(connection, removed=removed)
                finally:
                    self._done(removed)
                    await connection.close(timeout=1)
            except LOST as error:
                log.warning("maintenance is interrupted and goes on in a moment: %r", error)
            except Exception:
                log.exception("maintenance failed and is tried again")
