"""Erasure: takes someone out of all that was told of calls, live and saved, and derives them anew from what is left.

The counts, statistics and qualities of a call stay as they were: the participant is there still, under an id that leads nowhere
(``analysis.anonymity``). What was told once and is told again in the same words does not bring it back, as long as the call is
there; samples of the same series that go on are left out; what is told in other words is new. That it was done is recorded, by
which key and in which call, not whom it was about.
"""

from datetime import datetime
from typing import NamedTuple

import asyncpg

from callscope.analysis import anonymity
from callscope.analysis.anonymity import ID_FIELDS, Identity
from callscope.analysis.catalog import series_key
from callscope.analysis.merging import Body
from callscope.query.ids import decode_id
from callscope.settlement import Settlement
from callscope.storage.call_locks import TAKE
from callscope.storage.changes import Change, Changes, joined
from callscope.storage.derived import DerivedTables
from callscope.storage.elsewhere import Elsewhere
from callscope.storage.erased_records import ERASED
from callscope.storage.erasure_rows import ErasureRows, Event, Record
from callscope.storage.keys import key_of
from callscope.telemetry import EPOCH

PLACES = ("live", "saved")
OF_A_CALL = ("call", "savedcall", "session")
"""What the global ids of a call begin with, whichever place they lead to."""
PARTICIPANT_ID = """
select participant_id from live.participant where project_id = $1 and call_key = $2 and participant_key = $3
"""
# Where nothing is derived yet, records alone tell.
CALLS = """
select call_key from live.participant where project_id = $1 and participant_id = $2
union select call_key from saved.participant where project_id = $1 and participant_id = $2
union select call_key from live.record where project_id = $1
    and call_key in (select call_key from live.call_change where project_id = $1)
    and (body ->> 'participantId' = $2 or kind = 'connection' and body ->> 'connectionId' = $2)
order by call_key
"""
# Who saves it, or saved it, is waited for.
HOLD = (
    "select from live.call where project_id = $1 and call_key = $2 for update",
    "select from callscope.saved_session where project_id = $1 and call_key = $2 for update",
)
# Settling adds one to each, and no revision has ever stood for two contents.
REVISE = """
with latest as (
    select max(revision) as revision from (
        select revision from live.call where project_id = $1 and call_key = $2
        union all select revision from saved.call where project_id = $1 and call_key = $2
    ) known
), live as (
    update live.call set revision = latest.revision + 1 from latest where project_id = $1 and call_key = $2
)
update saved.call set revision = latest.revision from latest where project_id = $1 and call_key = $2
"""
RECORD = """
insert into callscope.erasure (project_id, key_id, call_key, row_count) values ($1, $2, $3, $4) returning erased_at
"""


class Erasure(NamedTuple):
    """What was done to a call: how many records and events were rewritten, and when."""

    call_key: int
    rows: int
    erased_at: datetime


async def participant_named(connection: asyncpg.Connection, project_id: int, name: str) -> str:
    """The platform's id of a participant, which may be given by a global one."""
    tag, keys = decode_id(name) or ("", [])
    for place, own in (("live", "participant"), ("saved", "savedparticipant")):
        if tag == own and len(keys) == 2:
            found: str | None = await Elsewhere(connection, place).fetchval(PARTICIPANT_ID, project_id, *keys)
            if found is not None:
                return found
    return name


def keys_of_call(name: str) -> list[int]:
    """The keys that a call of this name can have: it may be the platform's id or a global one, of what is live or saved."""
    tag, keys = decode_id(name) or ("", [])
    return [key_of(name), *(keys if tag in OF_A_CALL and len(keys) == 1 else [])]


async def calls_of(
    connection: asyncpg.Connection, project_id: int, participant_id: str, call_key: int | None = None
) -> list[int]:
    """The calls, live or saved, that someone was in; of these the one that is given, if any."""
    rows = await connection.fetch(CALLS, project_id, participant_id)
    return [row["call_key"] for row in rows if call_key in (None, row["call_key"])]


async def erase(
    connection: asyncpg.Connection, project_id: int, participant_id: str, call_key: int, key_id: int | None = None
) -> Erasure:
    """Erase someone from a call, live and saved, in a transaction; ``key_id`` is that of the key which asked for it."""
    call = (project_id, call_key)
    async with connection.transaction():
        await connection.execute(TAKE, *call)
        for hold in HOLD:
            await connection.execute(hold, *call)
        await connection.execute(REVISE, *call)
        parts = [_Part(Elsewhere(connection, place), *call) for place in PLACES]
        identity = Identity()
        identity.own("participant", [participant_id])
        for part in parts:
            await part.recognise(identity, participant_id)
        rows = 0
        for part in parts:
            rows += await part.rewrite(identity)
        erased_at = await connection.fetchval(RECORD, project_id, key_id, call_key, rows)
    return Erasure(call_key, rows, erased_at)


class _Part:
    """A call as it is live, or as it was saved."""

    def __init__(self, place: Elsewhere, project_id: int, call_key: int) -> None:
        self._tables = DerivedTables(place, project_id, call_key)
        self._rows = ErasureRows(place, project_id, call_key)

    async def recognise(self, identity: Identity, participant_id: str) -> None:
        for kind in ("connection", "stream", "subscriber"):
            identity.own(kind, await self._rows.ids(kind, participant_id))
        identity.named(await self._rows.names(participant_id))

    async def rewrite(self, identity: Identity) -> int:
        """Rewrite what was told and derive the rest of it anew; how many rows of what was told were other ones before."""
        if not await self._rows.exist():
            return 0
        texts = identity.texts
        series, records = await self._rewrite_records(identity, texts)
        events = await self._rewrite_events(identity, texts)
        await self._rows.rename_series(series)
        pending = await self._tables.take_changes()
        changed = [Change(frozenset(series.values()), EPOCH, EPOCH)] if series else []
        changed += [
            change._replace(series_keys=frozenset(series.get(key, key) for key in change.series_keys))
            for change in (pending.samples if pending else [])
        ]
        await Settlement(self._tables).derive(Changes(joined(changed), None, None))
        return records + events

    async def _rewrite_records(self, identity: Identity, texts: list[str]) -> tuple[dict[int, int], int]:
        """The new keys of series by the old ones, and the number of records."""
        ids = [list(identity.ids(kind)) for kind in ID_FIELDS.values()]
        rewritten: list[Record] = []
        added: list[tuple[Record, int]] = []
        series: dict[int, int] = {}
        for told in await self._rows.records(ids, texts):
            body = anonymity.record(told.kind, told.body, identity)
            if body == told.body:
                continue
            key = _key_of(told.kind, body, told.record_key)
            if key == told.record_key:
                rewritten.append(Record(key, told.kind, body))
                continue
            # Found by its key, which comes of the ids.
            rewritten.append(Record(told.record_key, ERASED, {}))
            added.append((Record(key, told.kind, body), told.record_key))
            if told.kind == "series":
                series[told.record_key] = key
        await self._rows.add_records(added)
        await self._rows.rewrite_records(rewritten)
        return series, len(rewritten)

    async def _rewrite_events(self, identity: Identity, texts: list[str]) -> int:
        new = {
            kind: {key_of(kind, old): key_of(kind, id_) for old, id_ in identity.ids(kind).items()} for kind in ID_FIELDS.values()
        }
        keys = [list(new[kind]) for kind in ("participant", "connection", "stream")]
        events = [_event(event, new, identity) for event in await self._rows.events(keys, texts)]
        await self._rows.rewrite_events(events)
        return len(events)


def _key_of(kind: str, body: Body, record_key: int) -> int:
    if kind == "series":
        return series_key(body, key_of)
    if kind == "mention":
        ((name, id_),) = body.items()
        return key_of(ID_FIELDS[name], id_)
    return record_key


def _event(event: Event, new: dict[str, dict[int, int]], identity: Identity) -> Event:
    """Its own events are those that name it, or name nobody but its connection or stream."""
    who, way, stream = event.participant_key, event.connection_key, event.stream_key
    is_own = who in new["participant"] or (who is None and (way in new["connection"] or stream in new["stream"]))
    said = anonymity.message(event.message, identity) if is_own else identity.hidden(event.message)
    told = anonymity.payload(event.payload, identity) if is_own else identity.hidden(event.payload)
    return event._replace(
        name=identity.hidden(event.name),
        message=said,
        payload=told,
        participant_key=None if who is None else new["participant"].get(who, who),
        connection_key=None if way is None else new["connection"].get(way, way),
        stream_key=None if stream is None else new["stream"].get(stream, stream),
    )
