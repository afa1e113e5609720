"""Writes what telemetry tells, whatever arrives twice, and marks its calls as changed: all in the caller's transaction.

Records of the catalog are kept as they were told, one row for each distinct one; settling derives the catalog from them.
Events and samples go straight into their tables.
"""

import asyncio
import struct
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from operator import itemgetter
from typing import Any

import asyncpg
import orjson

from callscope.analysis.catalog import series_key
from callscope.analysis.revisions import KIND as REVISION
from callscope.storage.call_locks import WRITES
from callscope.storage.erased_records import Records, erased, named, revive
from callscope.storage.keys import digest, key_of
from callscope.storage.patience import ENDLESS, Patience, answering
from callscope.storage.timeseries import Partitions, week_of
from callscope.telemetry import EventRecord, SamplesRecord, Telemetry, from_milliseconds

FLUSH_SAMPLES = 50_000
FLUSH_ROWS = 5_000
FLUSH_BYTES = 16 * 2**20
NOTED_RECORDS = 10_000
"""New records of a call that a change tells of."""
SAMPLE_TABLES = ("metric_sample", "metric_rollup")
"""Those that have rows for the time of a sample: settling rolls up what is written here."""
SAMPLE_COLUMNS = ["project_id", "call_key", "series_key", "at", "value"]
_POSTGRES_EPOCH = 946_684_800_000_000
"""Microseconds from the Unix epoch to PostgreSQL's."""
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"
# A row of COPY's binary format: the number of its fields, then for each its length and itself.
_SERIES_FIELDS = struct.Struct(">hiiiqiq")
_SAMPLE_FIELDS = struct.Struct(">iqid")

INSERT_RECORDS = f"""
insert into live.record (project_id, call_key, record_key, kind, body)
select $1, told.call_key, told.record_key, told.kind, told.body
from unnest($2::bigint[], $3::bigint[], $4::text[], $5::jsonb[]) as told(call_key, record_key, kind, body)
where {WRITES.format(call_key="told.call_key")}
on conflict do nothing
returning call_key, record_key
"""
INSERT_EVENTS = """
insert into live.event
select $1, told.call_key, told.at, told.event_key, told.category, told.name, told.severity, told.outcome, told.code, told.subcode,
    told.message, told.payload, told.duration_ms, told.participant_key, told.connection_key, told.stream_key,
    told.participant_key is not null
from jsonb_populate_recordset(null::live.event, $2::jsonb) as told
on conflict do nothing
"""
RETURNING_NAMED = " returning call_key, participant_key, connection_key, stream_key"
STAGE_SAMPLES = "create temporary table if not exists staged_sample (like live.metric_sample) on commit delete rows"
# Where two records disagree about an instant, the greater value stands, so that the order of arrival decides nothing.
INSERT_STAGED = """
insert into live.metric_sample as stored
select project_id, call_key, series_key, at, max(value) from pg_temp.staged_sample group by 1, 2, 3, 4 order by 1, 2, 3, 4
on conflict (project_id, call_key, series_key, at) do update set value = excluded.value where excluded.value > stored.value
"""
MARK_CHANGED = """
insert into live.call_change
    (project_id, call_key, series_keys, samples_from, samples_to, events_from, events_to, record_keys)
select $1, call_key, series_keys, samples_from, samples_to, events_from, events_to, record_keys
from jsonb_to_recordset($2::jsonb) as changed(
    call_key bigint, series_keys bigint[], samples_from timestamptz, samples_to timestamptz, events_from timestamptz,
    events_to timestamptz, record_keys bigint[]
)
"""


class Ledger:
    """Collects telemetry and writes it in bulk. ``finish`` must be called before the transaction commits.

    Rows are written in the order of their keys, so that two who write the same at once wait for each other, but not in a circle.
    """

    def __init__(
        self, connection: asyncpg.Connection, partitions: Partitions, project_id: int, patience: Patience = ENDLESS
    ) -> None:
        self.connection = connection
        self.partitions = partitions
        self.project_id = project_id
        self.patience = patience
        self.changed: dict[str, set[int]] = defaultdict(set)
        self._spans: dict[tuple[str, str], tuple[datetime, datetime]] = {}
        self._new_records: dict[int, list[int]] = defaultdict(list)
        self.accepted = 0
        self._weeks: dict[str, set[datetime]] = defaultdict(set)
        self._records: dict[tuple[int, int], tuple[str, bytes]] = {}
        self._events: list[dict[str, Any]] = []
        self._samples: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
        self._sample_count = 0
        self._sample_weeks: set[datetime] = set()
        self._bytes = 0

    async def add(self, telemetry: Telemetry) -> None:
        self.accepted += 1
        call_key = key_of(telemetry.call_id)
        if telemetry.call_id not in self.changed:
            self._tell(call_key, "call", {"callId": telemetry.call_id}, call_key)
        changed = self.changed[telemetry.call_id]
        if isinstance(telemetry, SamplesRecord):
            changed.add(self._add_samples(call_key, telemetry))
            times = telemetry.times
            self._span("samples", telemetry.call_id, from_milliseconds(min(times)), from_milliseconds(max(times)))
        elif isinstance(telemetry, EventRecord):
            self._add_event(call_key, telemetry)
            self._span("events", telemetry.call_id, telemetry.at, telemetry.at)
        else:
            body = telemetry.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"call_id", "type"})
            if not body.get("version"):
                body.pop("version", None)
            self._tell(call_key, telemetry.type, body)
        rows = len(self._records) + len(self._events)
        if self._sample_count >= FLUSH_SAMPLES or rows >= FLUSH_ROWS or self._bytes >= FLUSH_BYTES:
            await self._flush()

    async def finish(self) -> None:
        await self._flush()
        changes = [self._change(call_id, keys) for call_id, keys in self.changed.items()]
        if changes:
            with answering(self.connection, self.patience):
                await self.connection.execute(MARK_CHANGED, self.project_id, _text(changes))

    def _span(self, what: str, call_id: str, start: datetime, end: datetime) -> None:
        known = self._spans.get((what, call_id), (start, end))
        self._spans[what, call_id] = min(start, known[0]), max(end, known[1])

    def _change(self, call_id: str, series_keys: set[int]) -> dict[str, Any]:
        """Columns of the table call_change."""
        call_key = key_of(call_id)
        new = self._new_records[call_key]
        change = {"call_key": call_key, "series_keys": sorted(series_keys)}
        # Whoever settles so many looks at all records.
        change |= {"record_keys": new if len(new) <= NOTED_RECORDS else None}
        for what in ("samples", "events"):
            start, end = self._spans.get((what, call_id), (None, None))
            change |= {f"{what}_from": start, f"{what}_to": end}
        return change

    def _tell(self, call_key: int, kind: str, body: dict[str, Any], record_key: int | None = None) -> None:
        """``record_key`` is for a record that says what other rows know only by their key: it is found by that one."""
        text = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
        key = digest(kind.encode() + text) if record_key is None else record_key
        self._records[call_key, key] = (kind, text)
        self._bytes += len(text)

    def _add_samples(self, call_key: int, samples: SamplesRecord) -> int:
        body = {
            name: value
            for name, value in (
                ("metric", samples.metric),
                ("media", samples.media),
                ("direction", samples.direction),
                ("participantId", samples.participant_id),
                ("connectionId", samples.connection_id),
                ("streamId", samples.stream_id),
                ("subscriberId", samples.subscriber_id),
            )
            if value is not None
        }
        key = series_key(body, key_of)
        self._tell(call_key, "series", body, key)
        instants = [round(at * 1000) - _POSTGRES_EPOCH for at in samples.times]
        self._samples[call_key, key] += zip(instants, samples.values, strict=True)
        self._sample_count += len(instants)
        self._sample_weeks |= _weeks(samples.times)
        return key

    def _add_event(self, call_key: int, event: EventRecord) -> None:
        told = event.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"call_id", "type"})
        if event.revision_of is None:
            del told["version"]
        text = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
        key = digest(text)
        self._bytes += len(text)
        named = {"participantId": event.participant_id, "connectionId": event.connection_id, "streamId": event.stream_id}
        if event.revision_of is None:
            self._mention(call_key, named)
        else:
            noted = {"revisionOf": event.revision_of, "version": event.version, "at": event.at, "eventKey": key}
            self._tell(call_key, REVISION, noted | {name: id_ for name, id_ in named.items() if id_ is not None}, key)
        self._events.append(
            {
                "call_key": call_key,
                "at": event.at,
                "event_key": key,
                "category": event.category,
                "name": event.name,
                "severity": event.severity,
                "outcome": event.outcome,
                "code": event.code,
                "subcode": event.subcode,
                "message": event.message,
                "payload": event.payload,
                "duration_ms": event.duration_ms,
                **{f"{name.removesuffix('Id')}_key": _named_key(name, id_) for name, id_ in named.items()},
            }
        )

    def _mention(self, call_key: int, named: Mapping[str, str | None]) -> None:
        """Records of whose keys an event has."""
        for name, id_ in named.items():
            key = _named_key(name, id_)
            if key is not None and (call_key, key) not in self._records:
                self._tell(call_key, "mention", {name: id_}, key)

    async def _flush(self) -> None:
        with answering(self.connection, self.patience):
            await self._write()

    async def _write(self) -> None:
        gone = await self._write_records() if self._records else {}
        if self._events:
            await self._ensure_partitions("event", {week_of(event["at"]) for event in self._events})
            self._events.sort(key=itemgetter("call_key", "at", "event_key"))
            await self._write_events(gone)
            self._events.clear()
        if self._samples:
            for table in SAMPLE_TABLES:
                await self._ensure_partitions(table, self._sample_weeks)
            await self._insert_samples(self._packed_samples())
            self._samples.clear()
            self._sample_weeks.clear()
            self._sample_count = 0
        self._bytes = 0

    async def _write_records(self) -> Records:
        """Those that are not written because someone was erased. Samples of such series are told again, or go on: they stand
        under no series any more, and are left out.
        """
        keys, values = zip(*sorted(self._records.items()), strict=True)
        columns = [[call for call, _ in keys], [key for _, key in keys], [kind for kind, _ in values]]
        bodies = [body.decode() for _, body in values]
        known = named(self._events).union(self._samples) & self._records.keys()
        for call_key, record_key in await self.connection.fetch(INSERT_RECORDS, self.project_id, *columns, bodies):
            self._new_records[call_key].append(record_key)
            known.discard((call_key, record_key))
        gone = {key: self._records[key] for key in await erased(self.connection, self.project_id, known)}
        for series in gone.keys() & self._samples.keys():
            del self._samples[series]
        self._records.clear()
        return gone

    async def _write_events(self, gone: Records) -> None:
        """A new event names whom it names, although what was told before of it was erased."""
        if not gone:
            await self.connection.execute(INSERT_EVENTS, self.project_id, _text(self._events))
            return
        new = await self.connection.fetch(INSERT_EVENTS + RETURNING_NAMED, self.project_id, _text(self._events))
        back = {key: gone[key] for key in named(new) & gone.keys()}
        if back:
            await revive(self.connection, self.project_id, back)
            for call_key, record_key in back:
                self._new_records[call_key].append(record_key)

    async def _ensure_partitions(self, table: str, weeks: set[datetime]) -> None:
        new = weeks - self._weeks[table]
        if new:
            self._weeks[table] |= new
            async with asyncio.timeout(self.patience.answer_seconds):
                partitions = await self.partitions.ensure(table, new)
            for partition in partitions:
                # Without a look at it, a transaction that has used the table before does not hear of a new partition.
                await self.connection.execute(f"select from {partition} limit 0")

    def _packed_samples(self) -> bytes:
        """In COPY's binary format, series by series and in order of time: packing them here takes half of asyncpg's time."""
        parts = [_COPY_HEADER]
        pack = _SAMPLE_FIELDS.pack
        for (call_key, series), samples in sorted(self._samples.items()):
            samples.sort()
            head = _SERIES_FIELDS.pack(len(SAMPLE_COLUMNS), 4, self.project_id, 8, call_key, 8, series)
            parts += [head + pack(8, at, 8, value) for at, value in samples]
        parts.append(_COPY_TRAILER)
        return b"".join(parts)

    async def _insert_samples(self, packed: bytes) -> None:
        """COPY, which is fast and refuses duplicates; with any, once more by way of a staging table."""
        try:
            async with self.connection.transaction():
                await self._copy("metric_sample", packed, schema="live")
        except asyncpg.UniqueViolationError:
            await self.connection.execute(STAGE_SAMPLES)
            await self._copy("staged_sample", packed)
            await self.connection.execute(INSERT_STAGED)
            await self.connection.execute("truncate pg_temp.staged_sample")

    async def _copy(self, table: str, packed: bytes, schema: str | None = None) -> None:
        await self.connection.copy_to_table(
            table, source=BytesIO(packed), columns=SAMPLE_COLUMNS, schema_name=schema, format="binary"
        )


def _named_key(name: str, id_: str | None) -> int | None:
    """Of a participant, connection or stream by its id."""
    return None if id_ is None else key_of(name.removesuffix("Id"), id_)


def _weeks(times: Sequence[float]) -> set[datetime]:
    """The weeks of instants, ms since the Unix epoch: nearly always one, and never one that has no sample."""
    first, last = week_of(from_milliseconds(min(times))), week_of(from_milliseconds(max(times)))
    return {first} if first == last else {week_of(from_milliseconds(at)) for at in times}


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
