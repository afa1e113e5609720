"""Reads and rewrites what was told of one call, where it is about someone or names it. Statements name the live tables."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from callscope.analysis.merging import Body
from callscope.storage.elsewhere import Elsewhere
from callscope.storage.keys import key_of
from callscope.storage.timeseries import TIME_TABLES

EXISTS = "select exists (select from live.record where project_id = $1 and call_key = $2)"
# An id that another one's stream has, too, is that one's.
DERIVED_IDS = {
    kind: f"""
select {kind}_id as id from live.{kind} own where project_id = $1 and call_key = $2 and participant_key = $3 and not exists (
    select from live.stream where stream.project_id = $1 and stream.call_key = $2 and stream.stream_id = own.{kind}_id
        and stream.participant_key <> $3
)
"""
    for kind in ("connection", "stream", "subscriber")
}
TOLD_IDS = """
select body ->> $4 as id from live.record where project_id = $1 and call_key = $2 and kind = $5 and body ->> 'participantId' = $3
"""
NAMES = """
select body ->> 'displayName' as name from live.record
where project_id = $1 and call_key = $2 and kind = 'participant' and body ->> 'participantId' = $3
"""
# The texts are in lower case.
_TELLS = """
exists (
    select from (select lower({of}) as own offset 0) its, unnest({texts}::text[]) as told(it) where strpos(its.own, told.it) > 0
)
"""
RECORDS = f"""
select record_key, kind, body::text as body from live.record
where project_id = $1 and call_key = $2 and record_key <> $2 and (
    body ->> 'participantId' = any($3::text[]) or body ->> 'connectionId' = any($4::text[])
    or body ->> 'streamId' = any($5::text[]) or body ->> 'subscriberId' = any($6::text[])
    or {_TELLS.format(texts="$7", of="body::text")}
)
order by record_key
"""
REWRITE_RECORDS = """
update live.record set kind = told.kind, body = told.body::jsonb
from unnest($3::bigint[], $4::text[], $5::text[]) as told(record_key, kind, body)
where project_id = $1 and call_key = $2 and record.record_key = told.record_key
"""
ADD_RECORDS = """
insert into live.record (project_id, call_key, record_key, kind, body, received_at)
select $1, $2, told.record_key, told.kind, told.body::jsonb, record.received_at
from unnest($3::bigint[], $4::text[], $5::text[], $6::bigint[]) as told(record_key, kind, body, instead_of)
join live.record on record.project_id = $1 and record.call_key = $2 and record.record_key = told.instead_of
on conflict do nothing
"""
EVENTS = f"""
select at, event_key, name, message, payload::text as payload, participant_key, connection_key, stream_key from live.event
where project_id = $1 and call_key = $2 and (
    participant_key = any($3::bigint[]) or connection_key = any($4::bigint[]) or stream_key = any($5::bigint[])
    or {_TELLS.format(texts="$6", of="name || ' ' || coalesce(message, '')")}
    or {_TELLS.format(texts="$7", of="coalesce(payload::text, '')")}
)
order by at, event_key
"""
REWRITE_EVENTS = """
update live.event set name = told.name, message = told.message, payload = told.payload::jsonb,
    participant_key = told.participant_key, connection_key = told.connection_key, stream_key = told.stream_key
from unnest(
    $3::timestamptz[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[]
) as told(at, event_key, name, message, payload, participant_key, connection_key, stream_key)
where project_id = $1 and call_key = $2 and event.at = told.at and event.event_key = told.event_key
"""
SERIES_TABLES = """
select table_name as table, array_agg(column_name::text order by ordinal_position) as columns from information_schema.columns
where table_schema = 'live' and table_name = any($1::text[])
group by table_name having bool_or(column_name = 'series_key')
"""
# By adding and removing: what a series is packed by, TimescaleDB does not change.
COPY_SERIES = """
insert into live.{table} ({columns}) select {values}
from live.{table} own join unnest($3::bigint[], $4::bigint[]) as series(old_key, new_key) on own.series_key = series.old_key
where project_id = $1 and call_key = $2
"""
FORGET_SERIES = "delete from live.{table} where project_id = $1 and call_key = $2 and series_key = any($3::bigint[])"


class Record(NamedTuple):
    record_key: int
    kind: str
    body: Body


class Event(NamedTuple):
    at: datetime
    event_key: int
    name: str
    message: str | None
    payload: Any
    participant_key: int | None
    connection_key: int | None
    stream_key: int | None


class ErasureRows:
    """Of one call, live or saved, inside of a transaction that has the turn at it."""

    def __init__(self, connection: Elsewhere, project_id: int, call_key: int) -> None:
        self._connection = connection
        self._call = (project_id, call_key)

    async def exist(self) -> bool:
        return bool(await self._connection.fetchval(EXISTS, *self._call))

    async def ids(self, kind: str, participant_id: str) -> set[str]:
        """The ids of the connections, streams or subscribers of a participant."""
        rows = await self._connection.fetch(DERIVED_IDS[kind], *self._call, key_of("participant", participant_id))
        rows += await self._connection.fetch(TOLD_IDS, *self._call, participant_id, f"{kind}Id", kind)
        return {row["id"] for row in rows if row["id"] is not None}

    async def names(self, participant_id: str) -> set[str]:
        """What it was called."""
        rows = await self._connection.fetch(NAMES, *self._call, participant_id)
        return {row["name"] for row in rows if row["name"]}

    async def records(self, ids: Sequence[Sequence[str]], texts: Sequence[str]) -> list[Record]:
        """Those that name one of these participants, connections, streams or subscribers, or hold one of these texts."""
        rows = await self._connection.fetch(RECORDS, *self._call, *ids, [_escaped(text) for text in texts])
        return [Record(row["record_key"], row["kind"], orjson.loads(row["body"])) for row in rows]

    async def rewrite_records(self, records: Sequence[Record]) -> None:
        if records:
            keys, kinds, bodies = zip(*records, strict=True)
            await self._connection.execute(REWRITE_RECORDS, *self._call, keys, kinds, [_text(body) for body in bodies])

    async def add_records(self, records: Sequence[tuple[Record, int]]) -> None:
        """Each with the key of the one that it stands for, together with which it arrived."""
        if records:
            new, instead_of = zip(*records, strict=True)
            keys, kinds, bodies = zip(*new, strict=True)
            texts = [_text(body) for body in bodies]
            await self._connection.execute(ADD_RECORDS, *self._call, keys, kinds, texts, instead_of)

    async def events(self, keys: Sequence[Sequence[int]], texts: Sequence[str]) -> list[Event]:
        """Those of these participants, connections or streams, and those that hold one of these texts."""
        rows = await self._connection.fetch(EVENTS, *self._call, *keys, texts, [_escaped(text) for text in texts])
        return [Event(**dict(row) | {"payload": row["payload"] and orjson.loads(row["payload"])}) for row in rows]

    async def rewrite_events(self, events: Sequence[Event]) -> None:
        if events:
            told = [event._replace(payload=None if event.payload is None else _text(event.payload)) for event in events]
            await self._connection.execute(REWRITE_EVENTS, *self._call, *zip(*told, strict=True))

    async def rename_series(self, keys: Mapping[int, int]) -> None:
        """Give the samples of series, and whatever else is kept of them by time, other keys."""
        if keys:
            for table, columns in await self._connection.fetch(SERIES_TABLES, list(TIME_TABLES)):
                values = ", ".join("series.new_key" if column == "series_key" else f"own.{column}" for column in columns)
                copy = COPY_SERIES.format(table=table, columns=", ".join(columns), values=values)
                await self._connection.execute(copy, *self._call, list(keys), list(keys.values()))
                await self._connection.execute(FORGET_SERIES.format(table=table), *self._call, list(keys))


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _escaped(text: str) -> str:
    """As it stands inside of JSON."""
    return _text(text)[1:-1]
