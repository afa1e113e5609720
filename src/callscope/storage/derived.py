"""Reads what a call's telemetry told and writes what settling derives from it: one call at a time, in one transaction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from callscope.analysis.merging import Body

KEYS = {
    "call": (),
    "meeting": ("number",),
    "participant": ("participant_key",),
    "connection": ("connection_key",),
    "stream": ("stream_key",),
    "subscriber": ("subscriber_key",),
    "metric_series": ("series_key",),
    "data_warning": ("warning_key",),
    "issue": ("issue_key",),
}

PENDING_CALLS = """
select project_id, call_key from live.call_change
where project_id = $1 or $1 is null
group by project_id, call_key order by min(change_id) limit $2
"""
TRY_LOCK = "select pg_try_advisory_xact_lock($1)"
TAKE_CHANGES = """
delete from live.call_change where project_id = $1 and call_key = $2 returning series_keys
"""
RECORDS = "select kind, body::text, received_at from live.record where project_id = $1 and call_key = $2"
SETTINGS = "select meeting_idle_minutes, large_meeting_subscribers from callscope.project where project_id = $1"
EVENT_SPAN = "select min(at) as first, max(at) as last from live.event where project_id = $1 and call_key = $2"
ERROR_EVENTS = """
select participant_key, at from live.event
where project_id = $1 and call_key = $2 and severity in ('ERROR', 'CRITICAL')
    and category not in ('CONNECTION', 'STREAM', 'SUBSCRIBER')
"""
# An event that names only its connection or stream belongs to that one's participant, as far as is known by now.
PLACE_EVENTS = """
update live.event set participant_key = placed.participant_key
from (
    select told.at, told.event_key, coalesce(connection.participant_key, stream.participant_key) as participant_key
    from live.event told
    left join live.connection on connection.project_id = told.project_id and connection.call_key = told.call_key
        and connection.connection_key = told.connection_key
    left join live.stream on stream.project_id = told.project_id and stream.call_key = told.call_key
        and stream.stream_key = told.stream_key
    where told.project_id = $1 and told.call_key = $2 and not told.tells_participant
) placed
where event.project_id = $1 and event.call_key = $2 and event.at = placed.at and event.event_key = placed.event_key
    and event.participant_key is distinct from placed.participant_key
"""
SERIES_FIGURES = """
select series_key, min(at) as started_at, max(at) as ended_at, count(*)::integer as sample_count, min(value) as minimum,
    max(value) as maximum, avg(value) as average, percentile_cont(0.95) within group (order by value) as p95
from live.metric_sample where project_id = $1 and call_key = $2 and series_key = any($3::bigint[])
group by series_key
"""
KNOWN_FIGURES = """
select series_key, started_at, ended_at, sample_count, minimum, maximum, average, p95
from live.metric_series where project_id = $1 and call_key = $2 and series_key <> all($3::bigint[])
"""
REVISION = "select revision from live.call where project_id = $1 and call_key = $2"


class DerivedTables:
    """One call's derived rows, on a connection inside a transaction."""

    def __init__(self, connection: asyncpg.Connection, project_id: int, call_key: int) -> None:
        self.connection = connection
        self.call = (project_id, call_key)

    async def take_changes(self) -> set[int] | None:
        """The series that changed since the last time; None where nothing did."""
        rows = await self.connection.fetch(TAKE_CHANGES, *self.call)
        return {key for row in rows for key in row["series_keys"]} if rows else None

    async def records(self) -> tuple[dict[str, list[Body]], datetime]:
        """What was told, by kind, and when the first of it arrived."""
        bodies: dict[str, list[Body]] = defaultdict(list)
        rows = await self.connection.fetch(RECORDS, *self.call)
        for row in rows:
            bodies[row["kind"]].append(orjson.loads(row["body"]))
        return dict(bodies), min(row["received_at"] for row in rows)

    async def settings(self) -> asyncpg.Record:
        return await self.connection.fetchrow(SETTINGS, self.call[0])

    async def event_span(self) -> tuple[datetime | None, datetime | None]:
        row = await self.connection.fetchrow(EVENT_SPAN, *self.call)
        return row["first"], row["last"]

    async def error_events(self) -> list[tuple[int | None, datetime]]:
        rows = await self.connection.fetch(ERROR_EVENTS, *self.call)
        return [(row["participant_key"], row["at"]) for row in rows]

    async def place_events(self) -> None:
        await self.connection.execute(PLACE_EVENTS, *self.call)

    async def series_figures(self, changed: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Figures of all series: of the changed ones from their samples, of the others as they stand."""
        keys = sorted(changed)
        rows = await self.connection.fetch(SERIES_FIGURES, *self.call, keys)
        rows += await self.connection.fetch(KNOWN_FIGURES, *self.call, keys)
        return {row["series_key"]: {name: value for name, value in row.items() if name != "series_key"} for row in rows}

    async def revision(self) -> int:
        return await self.connection.fetchval(REVISION, *self.call) or 0

    async def store(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Make the call's rows of a table these and no others; rows that are the same already are not written."""
        keys = ("project_id", "call_key", *KEYS[table])
        own = [{"project_id": self.call[0], "call_key": self.call[1], **row} for row in rows]
        text = orjson.dumps(own).decode()
        if KEYS[table]:
            kept = ", ".join(KEYS[table])
            await self.connection.execute(
                f"delete from live.{table} where project_id = $1 and call_key = $2 and ({kept}) not in"
                f" (select {kept} from jsonb_populate_recordset(null::live.{table}, $3::jsonb))",
                *self.call,
                text,
            )
        if not own:
            return
        columns = list(own[0])
        values = [column for column in columns if column not in keys]
        names = ", ".join(columns)
        await self.connection.execute(
            f"insert into live.{table} as stored ({names})"
            f" select {names} from jsonb_populate_recordset(null::live.{table}, $1::jsonb)"
            f" on conflict ({', '.join(keys)}) do update set ({', '.join(values)}) = ({_each('excluded', values)})"
            f" where ({_each('stored', values)}) is distinct from ({_each('excluded', values)})",
            text,
        )


def _each(row: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{row}.{column}" for column in columns)
