"""Reads what telemetry told of one call, as the ledger keeps it, in pieces of bounded size: each begins where the last one ended.

The order is that of primary keys, so that no piece is sorted or skipped over, and depends on nothing but what was told.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import asyncpg

ROWS = 1_000
SAMPLES = 5_000
BYTES = 4 * 2**20
"""Where rows are large, about so much of them is a piece, or else one row."""

_LEAST = -(2**63)
_START = datetime.min.replace(tzinfo=UTC)

# Every statement below reads along a primary key. Where PostgreSQL has no statistics yet, it had rather sort all that is left of
# the call for each piece.
ALONG_KEYS = "set local enable_sort = off; set local enable_bitmapscan = off; set local enable_seqscan = off"
PROJECT = "select project_id from callscope.project where name = $1"
# Every call has this record, and it is found by the call's key.
CALL_ID = """
select body ->> 'callId' from live.record where project_id = $1 and call_key = $2 and record_key = $2 and kind = 'call'
"""
_CHANGES = """
cross join lateral (
    select count(*) as changes, max(change_id) as last_change from live.call_change where project_id = $1 and call_key = $2
) change
where record.project_id = $1 and record.call_key = $2 and record.record_key = $2 and record.kind = 'call'
"""
# A row where the call can be read, or nothing was derived of it yet. As long as it stays the same, so does what was told.
STATE = f"""
select record.body ->> 'callId' as call_id, call.revision, call.derived_at, record.received_at, changes, last_change, exists (
    select from live.meeting where project_id = $1 and call_key = $2 and meeting.expires_at <= now()
) as has_aged
from live.record left join live.call using (project_id, call_key) {_CHANGES} and coalesce(call.expires_at > now(), true)
"""
SAVED_STATE = f"""
select call_id, call.revision, call.derived_at, session.updated_at, changes, last_change, false as has_aged
from callscope.saved_session session join saved.call using (project_id, call_key, call_id)
join saved.record using (project_id, call_key) {_CHANGES.replace("live.", "saved.")} and session.expires_at > now()
"""
COUNT = """
select (select count(*) from live.record where project_id = $1 and call_key = $2 and kind = any($3)
        and record_key <> $2)
    + (select count(*) from live.event where project_id = $1 and call_key = $2)
    + (select count(*) from live.metric_sample where project_id = $1 and call_key = $2)
    - (select coalesce(sum(sample_count), 0) from live.metric_series where project_id = $1 and call_key = $2 and is_derived)
"""
# Bytes of a value, told without unpacking it: what PostgreSQL has packed may be a hundred times as long.
_WEIGHT = "coalesce(pg_column_size({0}) * case when pg_column_compression({0}) is null then 1 else 100 end, 0)"
# Of a series, or of what an event names. Not a join, which may look at all records of the call for each row.
_RECORD = "select body from live.record where project_id = $1 and call_key = $2 and record_key = {}"
RECORDS = f"""
select record_key, body::text
from (
    select record_key, body, sum({_WEIGHT.format("body")}) over (order by record_key) - {_WEIGHT.format("body")} as before
    from live.record
    where project_id = $1 and call_key = $2 and kind = $3 and record_key > $4 and record_key <> $2
    order by record_key limit $5
) piece
where before < $6 order by record_key
"""
EVENTS = f"""
select told.at, told.event_key, told.category, told.name, told.severity, told.outcome, told.code, told.subcode, told.message,
    told.payload::text as payload, told.duration_ms,
    case when told.tells_participant then ({_RECORD.format("told.participant_key")}) ->> 'participantId' end as participant_id,
    ({_RECORD.format("told.connection_key")}) ->> 'connectionId' as connection_id,
    ({_RECORD.format("told.stream_key")}) ->> 'streamId' as stream_id,
    ({_RECORD.format("told.event_key")})::text as revision
from (
    select event.*, sum({_WEIGHT.format("payload")}) over (order by at, event_key) - {_WEIGHT.format("payload")} as before
    from live.event
    where project_id = $1 and call_key = $2 and (at, event_key) > ($3, $4)
    order by at, event_key limit $5
) told
where told.before < $6 order by told.at, told.event_key
"""
DERIVED = "select series_key from live.metric_series where project_id = $1 and call_key = $2 and is_derived"
# Numbers as JSON writes them: exact, and no work for Python. JSON's readers know one zero.
SAMPLES_BY_SERIES = f"""
select piece.*, ({_RECORD.format("piece.series_key")})::text as series
from (
    select series_key, max(at) as last_at, count(*) as sample_count,
        string_agg(trim_scale(extract(epoch from at) * 1000)::text, ',' order by at) as times,
        string_agg(case when value = 0 then '0' else value::text end, ',' order by at) as values
    from (
        select series_key, at, value from live.metric_sample
        where project_id = $1 and call_key = $2 and (series_key, at) > ($3, $4)
        order by series_key, at limit $5
    ) sample
    group by series_key
) piece
order by piece.series_key
"""


async def known_project(connection: asyncpg.Connection, name: str) -> int | None:
    """The id of a project; None where there is none."""
    project_id: int | None = await connection.fetchval(PROJECT, name)
    return project_id


@asynccontextmanager
async def one_state(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """A transaction in which what is told meanwhile does not show."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(ALONG_KEYS)
        yield


class State(NamedTuple):
    """What a call is named, and a text that is another one as soon as anything else was told of it, or less.

    ``has_aged`` tells that there is still something of it that has passed its time.
    """

    call_id: str
    tag: str
    has_aged: bool


class TelemetryRows:
    """One call's telemetry, on a connection that sees one state of it. ``schema`` is where it is."""

    def __init__(self, connection: asyncpg.Connection, project_id: int, call_key: int, *, schema: str = "live") -> None:
        self.connection = connection
        self.call = (project_id, call_key)
        self._schema = schema

    async def _fetch(self, sql: str, *values: Any) -> list[Any]:
        rows: list[Any] = await self.connection.fetch(sql.replace("live.", f"{self._schema}."), *self.call, *values)
        return rows

    async def state(self) -> State | None:
        """None where there is no such call, or it can no longer be read."""
        sql = STATE if self._schema == "live" else SAVED_STATE
        row = await self.connection.fetchrow(sql, *self.call)
        if row is None:
            return None
        call_id, *told, has_aged = row
        tag = hashlib.blake2b(repr((self._schema, *self.call, *told)).encode(), digest_size=16).hexdigest()
        return State(call_id, tag, has_aged)

    async def call_id(self) -> str | None:
        """The platform's id; None where nothing was told of such a call."""
        rows = await self._fetch(CALL_ID)
        return rows[0][0] if rows else None

    async def count(self, kinds: list[str]) -> int:
        """Records of these kinds, events and samples together."""
        count: int = (await self._fetch(COUNT, kinds))[0][0]
        return count

    async def records(self, kind: str) -> AsyncIterator[list[str]]:
        """Bodies of the records of a kind, as JSON."""
        last = _LEAST
        while rows := await self._fetch(RECORDS, kind, last, ROWS, BYTES):
            yield [row["body"] for row in rows]
            last = rows[-1]["record_key"]

    async def events(self) -> AsyncIterator[list[Any]]:
        """Rows of events in order of time, with the ids that each one named, and the payload as JSON."""
        last: tuple[datetime, int] = (_START, _LEAST)
        while rows := await self._fetch(EVENTS, *last, ROWS, BYTES):
            yield rows
            last = (rows[-1]["at"], rows[-1]["event_key"])

    async def derived(self) -> set[int]:
        """Keys of the series that nobody told."""
        return {row["series_key"] for row in await self._fetch(DERIVED)}

    async def samples(self) -> AsyncIterator[list[Any]]:
        """Rows of a part of one series each: ``times`` (milliseconds since the Unix epoch) and ``values`` with commas between."""
        last: tuple[int, datetime] = (_LEAST, _START)
        while rows := await self._fetch(SAMPLES_BY_SERIES, *last, SAMPLES):
            yield rows
            last = (rows[-1]["series_key"], rows[-1]["last_at"])
