"""The parts of time tables, a week each: found, and dropped as a whole where nothing in them can be read."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import asyncpg

from callscope.storage.timeseries import TIME_TABLES, WEEK, has_timescale

LOCK_TIMEOUT = "set local lock_timeout = '200ms'"
"""Readers and writers queue behind who waits to drop a part: they should not wait for long."""
MARGIN = timedelta(days=1)
"""Around what a call tells of: what is derived for a span of time may begin before it."""

NATIVE = """
select inhparent::regclass::text as table, inhrelid::regclass::text as name, right(inhrelid::regclass::text, 8) as week
from pg_inherits where inhparent = any($1::text[]::regclass[])
"""
TIMESCALE = """
select hypertable_schema || '.' || hypertable_name as table, format('%I.%I', chunk_schema, chunk_name) as name,
    range_start as start, range_end as end
from timescaledb_information.chunks where hypertable_schema || '.' || hypertable_name = any($1::text[])
"""
# From when to when calls tell of something, of which all can be read.
READABLE = """
select distinct date_bin('1 day', started_at, 'epoch'), date_bin('1 day', last_active_at, 'epoch') from live.call
where expires_at > $1 and started_at < $3 and last_active_at >= $2 and not exists (
    select from live.meeting
    where meeting.project_id = call.project_id and meeting.call_key = call.call_key and meeting.expires_at <= $1
)
"""
# Of the other calls that can be read, only what is of the other meetings, or comes after all of them.
IS_READABLE_IN_PART = """
select exists (
    select from (
        select distinct project_id, call_key from live.meeting join live.call using (project_id, call_key)
        where is_outlived and meeting.expires_at <= $1 and call.expires_at > $1
    ) aging
    join {name} own using (project_id, call_key)
    where own.at >= $2 and own.at < $3 and coalesce(
        (
            select meeting.expires_at > $1 from live.meeting
            where meeting.project_id = own.project_id and meeting.call_key = own.call_key and meeting.ended_at >= own.at
            order by number limit 1
        ), true
    )
)
"""
IS_UNSETTLED = """
select exists (
    select from (select distinct project_id, call_key from live.call_change) change
    where exists (
        select from {name} own
        where own.project_id = change.project_id and own.call_key = change.call_key and own.at >= $1 and own.at < $2
    )
)
"""


class Chunk(NamedTuple):
    """A part of a time table, and the span of its rows."""

    table: str
    name: str
    start: datetime
    end: datetime


async def chunks(connection: asyncpg.Connection) -> list[Chunk]:
    """All parts of the live time tables, the oldest first."""
    tables = [f"live.{table}" for table in TIME_TABLES]
    if await has_timescale(connection):
        found = [Chunk(*row) for row in await connection.fetch(TIMESCALE, tables)]
    else:
        weeks = [
            (row["table"], row["name"], datetime.strptime(row["week"], "%Y%m%d").replace(tzinfo=UTC))
            for row in await connection.fetch(NATIVE, tables)
        ]
        found = [Chunk(table, name, week, week + WEEK) for table, name, week in weeks]
    return sorted(found, key=lambda chunk: (chunk.start, chunk.name))


async def candidates(connection: asyncpg.Connection, before: datetime, now: datetime) -> list[Chunk]:
    """The parts that end before an instant, and hold nothing of calls of which all can be read: some of them may be dropped."""
    old = [chunk for chunk in await chunks(connection) if chunk.end <= before]
    if not old:
        return []
    spans = await _readable(connection, now, old[0].start, max(chunk.end for chunk in old))
    return [chunk for chunk in old if not _overlaps(chunk, spans)]


async def _readable(connection: asyncpg.Connection, now: datetime, start: datetime, end: datetime) -> list[tuple[datetime, ...]]:
    """The days of a span from which and to which something can be read."""
    return [tuple(row) for row in await connection.fetch(READABLE, now, start - MARGIN, end + MARGIN)]


def _overlaps(chunk: Chunk, spans: Sequence[tuple[datetime, ...]]) -> bool:
    """Spans are of whole days."""
    return any(start - MARGIN < chunk.end and end + 2 * MARGIN > chunk.start for start, end in spans)


async def drop(connection: asyncpg.Connection, chunk: Chunk, now: datetime) -> bool:
    """Drop a part; False where somebody uses it just now, or something in it can be read by now, or is not settled yet.

    In a transaction of its own. Nobody writes to the part while it is looked at; then nobody uses the table for the moment that
    dropping takes.
    """
    try:
        async with connection.transaction():
            await connection.execute(LOCK_TIMEOUT)
            await connection.execute(f"lock table {chunk.name} in share mode")
            if _overlaps(chunk, await _readable(connection, now, chunk.start, chunk.end)):
                return False
            if await connection.fetchval(IS_READABLE_IN_PART.format(name=chunk.name), now, chunk.start, chunk.end):
                return False
            if await connection.fetchval(IS_UNSETTLED.format(name=chunk.name), chunk.start, chunk.end):
                return False
            if await has_timescale(connection):
                await connection.execute(
                    "select drop_chunks($1::text::regclass, older_than => $3::timestamptz, newer_than => $2::timestamptz)",
                    chunk.table,
                    chunk.start,
                    chunk.end,
                )
            else:
                await connection.execute(f"drop table {chunk.name}")
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.UndefinedTableError):
        return False
    return True
