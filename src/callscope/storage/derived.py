"""Reads what a call's telemetry told and writes what settling derives from it: one call at a time, in one transaction."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any, NamedTuple

import asyncpg
import orjson

from callscope.analysis.diagnosis import EVENT_CATEGORIES, EVENT_NAMES
from callscope.analysis.diagnostics import EventRow
from callscope.analysis.expiry import Arrival
from callscope.analysis.merging import Body
from callscope.analysis.rows import MetricSeries, columns
from callscope.analysis.tracks import Track
from callscope.analysis.windows import WHOLE, Window
from callscope.storage.changes import TAKE, Change, Changes, joined
from callscope.storage.rollups import FIGURES, Rollups
from callscope.storage.sketches import SKETCH_ABOVE, Group, Sketches, extent, group_of, large_groups
from callscope.telemetry import from_milliseconds
from callscope.vocabulary import Platform

Figures = Mapping[str, Any]
"""A series in figures: see ``FIGURES``."""
Span = tuple[datetime | None, datetime | None]
ALWAYS: Span = (None, None)

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
    "report": ("number",),
}

PENDING_CALLS = """
select project_id, call_key from live.call_change
where (project_id = $1 or $1 is null) and (call_key = any($3::bigint[]) or $3 is null)
group by project_id, call_key order by min(change_id) limit $2
"""
# The first may be kept by a server that follows the call, beyond the transaction; the second never is (storage/call_locks.py).
TRY_LOCK = "select pg_try_advisory_xact_lock($1) and pg_try_advisory_xact_lock(~ $1::bigint)"
RECORDS = "select kind, body::text, received_at from live.record where project_id = $1 and call_key = $2"
NEW_RECORDS = f"{RECORDS} and record_key = any($3::bigint[])"
SETTINGS = """
select meeting_idle_minutes, large_meeting_subscribers, retention_days from callscope.project where project_id = $1
"""
FORMER = """
select call.removed_meetings, meeting.started_at, meeting.ended_at, meeting.received_at
from live.call left join live.meeting using (project_id, call_key) where project_id = $1 and call_key = $2
"""
EVENT_SPAN = "select min(at) as first, max(at) as last from live.event where project_id = $1 and call_key = $2"
# So dense that no silence hides between the first and the last event of one.
EVENT_SPANS = """
select min(at) as first, max(at) as last from live.event where project_id = $1 and call_key = $2
group by date_bin('10 minutes', at, 'epoch')
"""
_WITHIN = "and at between coalesce($3::timestamptz, '-infinity') and coalesce($4::timestamptz, 'infinity')"
ERROR_EVENTS = f"""
select event_key, participant_key, at from live.event
where project_id = $1 and call_key = $2 {_WITHIN} and severity in ('ERROR', 'CRITICAL')
    and category not in ('CONNECTION', 'STREAM', 'SUBSCRIBER')
"""
# Until a call's rows are analyzed, PostgreSQL takes them for few, and would look through all of them for each event.
WITHOUT_NESTED_LOOPS, WITH_NESTED_LOOPS = "set local enable_nestloop = off", "set local enable_nestloop = on"
# An event that names only its connection or stream belongs to that one's participant, as far as is known by now.
PLACE_EVENTS = f"""
update live.event set participant_key = placed.participant_key
from (
    select told.at, told.event_key, coalesce(connection.participant_key, stream.participant_key) as participant_key
    from live.event told
    left join live.connection on connection.project_id = told.project_id and connection.call_key = told.call_key
        and connection.connection_key = told.connection_key
    left join live.stream on stream.project_id = told.project_id and stream.call_key = told.call_key
        and stream.stream_key = told.stream_key
    where told.project_id = $1 and told.call_key = $2 {_WITHIN} and not told.tells_participant
) placed
where event.project_id = $1 and event.call_key = $2 and event.at = placed.at and event.event_key = placed.event_key
    and event.participant_key is distinct from placed.participant_key
"""
FORGET_EVENTS = """
delete from live.event using unnest($3::timestamptz[], $4::bigint[]) as void(at, event_key)
where project_id = $1 and call_key = $2 and event.at = void.at and event.event_key = void.event_key
"""
KNOWN_SERIES = "select * from live.metric_series where project_id = $1 and call_key = $2"
FORGET_SERIES = "delete from live.metric_series where project_id = $1 and call_key = $2 and series_key = any($3::bigint[])"
# Events that diagnosis looks at; their names are compared in lower case.
DIAGNOSTIC_EVENTS = f"""
select event_key, (date_part('epoch', at) * 1000)::float8 as at, name, category, severity, payload::text, participant_key,
    connection_key, stream_key, outcome, message
from live.event where project_id = $1 and call_key = $2 {_WITHIN}
    and (category = any($5::text[]) or lower(name) = any($6::text[]))
order by at, event_key
"""
SAMPLES = """
select series_key, array_agg((date_part('epoch', at) * 1000)::float8 order by at) as times, array_agg(value order by at) as values
from live.metric_sample where project_id = $1 and call_key = $2 and series_key = any($3::bigint[])
    and at between coalesce($4::timestamptz, '-infinity') and coalesce($5::timestamptz, 'infinity')
group by series_key
"""
STORE_SAMPLES = """
insert into live.metric_sample as stored (project_id, call_key, series_key, at, value)
select $1, $2, told.series_key, to_timestamp(told.at / 1000), told.value
from unnest($3::bigint[], $4::float8[], $5::float8[]) as told(series_key, at, value)
on conflict (project_id, call_key, series_key, at) do update set value = excluded.value where stored.value <> excluded.value
"""
FORGET_SAMPLES = """
delete from live.metric_sample where project_id = $1 and call_key = $2 and series_key = any($3::bigint[])
"""
SIZE = """
select platform, (
    select coalesce(sum(sample_count), 0)::bigint from live.metric_series where project_id = $1 and call_key = $2
) as sample_count
from live.call where project_id = $1 and call_key = $2
"""
REVISION = "select revision from live.call where project_id = $1 and call_key = $2"


class Former(NamedTuple):
    """What was derived of a call before: whether anything was, the numbers of removed meetings, and the other meetings."""

    is_known: bool
    removed: frozenset[int]
    arrivals: list[Arrival]


class DerivedTables:
    """One call's derived rows, on a connection inside a transaction. ``schema`` is where they are: saved ones are only read."""

    def __init__(self, connection: asyncpg.Connection, project_id: int, call_key: int, *, schema: str = "live") -> None:
        self.connection = connection
        self.call = (project_id, call_key)
        self._schema = schema
        self._known_series: dict[int, Mapping[str, Any]] = {}
        self._rollups = Rollups(connection, project_id, call_key)
        self._sketches = Sketches(connection, project_id, call_key)
        self._rolled: list[Change] = []
        self._forgotten: set[int] = set()

    async def _read(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self.connection.fetch(sql.replace("live.", f"{self._schema}."), *self.call, *values)
        return rows

    async def size(self) -> tuple[Platform, int] | None:
        """The call's platform, and how many samples it has; None where there is no such call."""
        rows = await self._read(SIZE)
        return (Platform[rows[0]["platform"]], rows[0]["sample_count"]) if rows else None

    async def take_changes(self) -> Changes | None:
        """What changed since the last time; None where nothing did."""
        rows = await self.connection.fetch(TAKE, *self.call)
        return Changes.of(rows) if rows else None

    async def roll_up(self, changes: Sequence[Change]) -> None:
        """Bring the rollups of series up to date, of which their figures are made."""
        await self._rollups.renew(changes)
        self._rolled += changes

    async def records(self) -> tuple[dict[str, list[Body]], datetime]:
        """What was told, by kind, and when the first of it arrived."""
        return await asyncio.to_thread(_parsed, await self._read(RECORDS))

    async def new_records(self, record_keys: Collection[int]) -> list[tuple[str, Body]]:
        """Kinds and bodies of some records."""
        rows = await self._read(NEW_RECORDS, sorted(record_keys)) if record_keys else []
        return [(row["kind"], orjson.loads(row["body"])) for row in rows]

    async def settings(self) -> asyncpg.Record:
        return await self.connection.fetchrow(SETTINGS, self.call[0])

    async def former(self) -> Former:
        """The call's meetings as they stand."""
        rows = await self._read(FORMER)
        arrivals = [Arrival(*row[1:]) for row in rows if row["started_at"] is not None]
        return Former(bool(rows), frozenset(rows[0]["removed_meetings"]) if rows else frozenset(), arrivals)

    async def event_span(self) -> tuple[datetime | None, datetime | None]:
        (row,) = await self._read(EVENT_SPAN)
        return row["first"], row["last"]

    async def event_spans(self) -> list[tuple[datetime, datetime]]:
        """First and last event of each ten minutes that had any."""
        rows = await self._read(EVENT_SPANS)
        return [(row["first"], row["last"]) for row in rows]

    async def error_events(self, within: Span = ALWAYS) -> dict[int, tuple[int | None, datetime]]:
        """Whose they are and when, by key."""
        rows = await self.connection.fetch(ERROR_EVENTS, *self.call, *within)
        return {row["event_key"]: (row["participant_key"], row["at"]) for row in rows}

    async def forget_events(self, void: Iterable[tuple[datetime, int]]) -> bool:
        """Delete events, by time and key; False where none of them was there."""
        times, keys = zip(*void, strict=True)
        return str(await self.connection.execute(FORGET_EVENTS, *self.call, times, keys)) != "DELETE 0"

    async def place_events(self, within: Span = ALWAYS) -> None:
        """Find the participants of events that name only a connection or a stream."""
        await self.connection.execute(WITHOUT_NESTED_LOOPS)
        await self.connection.execute(PLACE_EVENTS, *self.call, *within)
        await self.connection.execute(WITH_NESTED_LOOPS)

    async def series_figures(self, changed: Iterable[int]) -> dict[int, Figures]:
        """Figures of all series: of the changed ones from their samples, of the others as they stand."""
        figures = await self.figures_of(changed)
        self._known_series = {row["series_key"]: row for row in await self._read(KNOWN_SERIES)}
        return {**self._known_series, **figures}

    async def store_series(self, series: Mapping[int, MetricSeries], figures: Mapping[int, Figures]) -> None:
        """As ``store`` does, of all series that have figures; which are too many to send them all for a few that changed."""
        known = self._known_series
        rows = {key: row for key, row in series.items() if key in figures}
        gone = known.keys() - rows.keys()
        if gone:
            await self.connection.execute(FORGET_SERIES, *self.call, sorted(gone))
            await self._forget_samples(gone)
        await self.store_some_series(rows, figures)

    async def store_some_series(self, series: Mapping[int, MetricSeries], figures: Mapping[int, Figures]) -> None:
        """Write those of some series, all of which have figures, that are not as they are stored."""
        known = self._known_series
        written = []
        for key, row in series.items():
            told, stored = columns(row), known.get(key)
            if stored is None or figures[key] is not stored or any(stored[name] != value for name, value in told.items()):
                written.append(told | {name: figures[key][name] for name in FIGURES})
        await self.write("metric_series", written)
        known.update((row["series_key"], row) for row in written)

    async def store_sketches(self, series: Mapping[int, MetricSeries], figures: Mapping[int, Figures]) -> None:
        """Bring the sketches of large groups of series up to date, once the series are stored."""
        if max(len(figures), len(self._known_series)) <= SKETCH_ABOVE:
            self._rolled, self._forgotten = [], set()
            return
        known = await self._sketches.known()
        groups: dict[int, Group] = {key: group_of(row) for key, row in series.items() if key in figures}
        renewed = known & {self._stored_group(key) for key in self._forgotten}
        await self._sketches.forget(renewed)
        renewed |= large_groups(groups.values()) - known
        for group in sorted(renewed):
            span = extent(figures[key] for key, own in groups.items() if own == group)
            if span is not None:
                await self._sketches.renew([group], *span)
        self._forgotten = set()
        await self._renew_sketches(series, known, renewed)

    async def renew_sketches(self, series: Mapping[int, MetricSeries]) -> None:
        """Bring those up to date that there are."""
        await self._renew_sketches(series, await self._sketches.known(), set())

    async def _renew_sketches(self, series: Mapping[int, MetricSeries], known: set[Group], renewed: set[Group]) -> None:
        """Those of the known groups that changed; ``renewed`` ones are sketched already."""
        changed = set(renewed)
        for change in joined(self._rolled):
            groups = (known - renewed) & {group_of(series[key]) for key in change.series_keys if key in series}
            if groups:
                await self._sketches.renew(groups, change.samples_from, change.samples_to)
                changed |= groups
        if changed:
            await self._sketches.count(changed)
        self._rolled = []

    def _stored_group(self, series_key: int) -> Group:
        stored = self._known_series[series_key]
        return stored["metric"], stored["media"], stored["direction"]

    async def _forget_samples(self, series_keys: Iterable[int]) -> None:
        keys = sorted(series_keys)
        await self.connection.execute(FORGET_SAMPLES, *self.call, keys)
        await self._rollups.forget(keys)
        self._forgotten.update(keys)

    def knows(self, track: Track, figures: Mapping[int, Figures]) -> bool:
        """Whether a derived series stands with these figures already."""
        key = track.series.series_key
        known = self._known_series.get(key)
        return known is not None and all(known[name] == figures[key][name] for name in FIGURES)

    async def figures_of(self, series_keys: Iterable[int]) -> dict[int, Figures]:
        """Figures of series from their samples."""
        return await self._rollups.figures(sorted(series_keys))

    async def diagnostic_events(self, within: Span = ALWAYS) -> list[EventRow]:
        """In order of time."""
        rows = await self._read(DIAGNOSTIC_EVENTS, *within, sorted(EVENT_CATEGORIES), sorted(EVENT_NAMES))
        return [EventRow(**{**row, "payload": row["payload"] and orjson.loads(row["payload"])}) for row in rows]

    async def samples(self, series_keys: Sequence[int], window: Window = WHOLE) -> dict[int, tuple[list[float], list[float]]]:
        """Times, ms since the Unix epoch, and values of some series in a window."""
        span = [None if at is None else from_milliseconds(at) for at in window]
        rows = await self._read(SAMPLES, series_keys, *span)
        return {row["series_key"]: (row["times"], row["values"]) for row in rows}

    async def store_samples(self, tracks: Sequence[Track], *, are_parts: bool) -> None:
        """Samples of derived series: these and no others, or these of a part of them."""
        shrunk = [
            key
            for track in tracks
            if not are_parts
            and (known := self._known_series.get(key := track.series.series_key))
            and known["sample_count"] > len(track.times)
        ]
        if shrunk:
            await self._forget_samples(shrunk)
        keys = [key for track in tracks for key in repeat(track.series.series_key, len(track.times))]
        if keys:
            times = [at for track in tracks for at in track.times]
            values = [value for track in tracks for value in track.values]
            await self.connection.execute(STORE_SAMPLES, *self.call, keys, times, values)
            span = from_milliseconds(min(times)), from_milliseconds(max(times))
            await self.roll_up([Change(frozenset(keys), *span)])

    async def revision(self) -> int:
        return await self.connection.fetchval(REVISION, *self.call) or 0

    async def store(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Make the call's rows of a table these and no others; rows that are the same already are not written."""
        if KEYS[table]:
            text = orjson.dumps([{key: row[key] for key in KEYS[table]} for row in rows]).decode()
            kept = ", ".join(KEYS[table])
            await self.connection.execute(
                f"delete from live.{table} where project_id = $1 and call_key = $2 and ({kept}) not in"
                f" (select {kept} from jsonb_populate_recordset(null::live.{table}, $3::jsonb))",
                *self.call,
                text,
            )
        await self.write(table, rows)

    async def remove(self, table: str, keys: Iterable[int]) -> None:
        """Delete rows of a table that has one key beside the call's."""
        (name,) = KEYS[table]
        sql = f"delete from live.{table} where project_id = $1 and call_key = $2 and {name} = any($3::bigint[])"
        await self.connection.execute(sql, *self.call, sorted(keys))

    async def write(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write some of the call's rows of a table; those that are the same already are not."""
        if not rows:
            return
        keys = ("project_id", "call_key", *KEYS[table])
        own = [{"project_id": self.call[0], "call_key": self.call[1], **row} for row in rows]
        values = [column for column in own[0] if column not in keys]
        names = ", ".join(own[0])
        await self.connection.execute(
            f"insert into live.{table} as stored ({names})"
            f" select {names} from jsonb_populate_recordset(null::live.{table}, $1::jsonb)"
            f" on conflict ({', '.join(keys)}) do update set ({', '.join(values)}) = ({_each('excluded', values)})"
            f" where ({_each('stored', values)}) is distinct from ({_each('excluded', values)})",
            orjson.dumps(own).decode(),
        )


def _parsed(rows: Iterable[Mapping[str, Any]]) -> tuple[dict[str, list[Body]], datetime]:
    bodies: dict[str, list[Body]] = defaultdict(list)
    for row in rows:
        bodies[row["kind"]].append(orjson.loads(row["body"]))
    return dict(bodies), min(row["received_at"] for row in rows)


def _each(row: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{row}.{column}" for column in columns)
