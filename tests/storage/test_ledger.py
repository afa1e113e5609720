"""What telemetry tells is written once, whatever arrives twice, out of order, or at the same time."""

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import orjson
import pytest

from callscope.simulation import simulate_call
from callscope.storage import ledger as module
from callscope.storage.ledger import Ledger
from callscope.storage.pool import connect
from callscope.storage.timeseries import Partitions
from callscope.telemetry import (
    CallRecord,
    ConnectionRecord,
    EventRecord,
    ParticipantRecord,
    SamplesRecord,
    StreamRecord,
    TotalsRecord,
    WarningRecord,
)
from callscope.vocabulary import DataWarningKind, Direction, EventCategory, Media, Metric, Severity
from tests.conftest import new_database
from tests.inspector import inspector as running
from tests.plans import sample_plans

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
async def shared(servers, migrated):
    async with new_database(servers, template=migrated) as url:
        yield url


@pytest.fixture
async def inspector(shared):
    """A project of its own in a database that all tests here share."""
    async with running(shared, project=uuid4().hex) as found:
        yield found


def event(name="n", at=NOON, **fields):
    return EventRecord(call_id="x", at=at, category=EventCategory.OTHER, name=name, **fields)


def samples(*values, at=NOON, call_id="x", **fields):
    """One sample a second."""
    start = at.timestamp() * 1000
    return SamplesRecord(
        call_id=call_id,
        metric=Metric.BITRATE,
        media=Media.AUDIO,
        direction=Direction.BOTH,
        times=[start + 1000 * number for number in range(len(values))],
        values=values,
        **(fields or {"stream_id": "s"}),
    )


async def write(inspector, *batches, connection=None):
    """Each batch by a ledger and a transaction of its own; the last ledger."""
    connection = connection or inspector.connection
    for batch in batches:
        async with connection.transaction():
            ledger = Ledger(connection, Partitions(inspector.database_url), inspector.project_id)
            for record in batch:
                await ledger.add(record)
            await ledger.finish()
    return ledger


async def rows(inspector, table, columns="*"):
    found = await inspector.connection.fetch(f"select {columns} from live.{table} where project_id = $1", inspector.project_id)
    return sorted((tuple(row) for row in found), key=repr)


async def everything(inspector):
    """All that is stored of the project, but for when it arrived."""
    return [
        await rows(inspector, "record", "call_key, record_key, kind, body::text"),
        await rows(inspector, "event", "row(event.*)::text"),
        await rows(inspector, "metric_sample", "call_key, series_key, at, value"),
    ]


async def values(inspector):
    found = await inspector.connection.fetch(
        "select value from live.metric_sample where project_id = $1 order by at", inspector.project_id
    )
    return [row["value"] for row in found]


class TestOnce:
    RECORDS = (
        CallRecord(call_id="x", tags=["t"]),
        ParticipantRecord(call_id="x", participant_id="p"),
        event(message="m", payload={"b": 1, "a": [2]}, participant_id="p"),
        samples(1, 2, 3),
        TotalsRecord(call_id="x", stream_id="s", media=Media.AUDIO, packets=5),
        WarningRecord(call_id="x", kind=DataWarningKind.TRUNCATED, message="m"),
    )

    async def test_each_row_in_its_table(self, inspector):
        ledger = await write(inspector, self.RECORDS)
        assert [kind for (kind,) in await rows(inspector, "record", "kind")] == [
            "call", "call", "mention", "participant", "series", "totals", "warning",
        ]  # fmt: skip
        assert len(await rows(inspector, "event")) == 1
        assert await values(inspector) == [1, 2, 3]
        assert ledger.accepted == 6

    @pytest.mark.parametrize("way", ["same batch", "next batch", "reversed"])
    async def test_whatever_is_told_twice(self, inspector, way):
        again = {
            "same batch": [self.RECORDS * 2],
            "next batch": [self.RECORDS] * 2,
            "reversed": [self.RECORDS, self.RECORDS[::-1]],
        }
        await write(inspector, *again[way])
        counts = [len(await rows(inspector, table)) for table in ("record", "event", "metric_sample")]
        assert counts == [7, 1, 3]

    async def test_a_whole_call(self, inspector):
        told = list(simulate_call(sample_plans()[1]))
        await write(inspector, told)
        before = await everything(inspector)
        random.Random(1).shuffle(told)
        await write(inspector, told[:100], told[50:], told)
        assert await everything(inspector) == before

    async def test_what_rows_know_by_a_key_is_found_by_it(self, inspector):
        """The call's id, what events name and what samples are of."""
        await write(inspector, [event(participant_id="p", connection_id="c", stream_id="s"), samples(1)])
        keys = "select call_key, participant_key, connection_key, stream_key from live.event where project_id = $1"
        ((call, *named),) = await inspector.connection.fetch(keys, inspector.project_id)
        ((series,),) = await rows(inspector, "metric_sample", "series_key")
        found = {key: (kind, orjson.loads(body)) for key, kind, body in await rows(inspector, "record", "record_key, kind, body")}
        assert found.pop(series)[0] == "series"
        assert found == {
            call: ("call", {"callId": "x"}),
            named[0]: ("mention", {"participantId": "p"}),
            named[1]: ("mention", {"connectionId": "c"}),
            named[2]: ("mention", {"streamId": "s"}),
        }

    async def test_events_of_a_revision_are_noted_by_their_key_and_kept_apart_by_their_version(self, inspector):
        told = [event("n", version=version, revision_of="row") for version in (0, 2, 2)]
        await write(inspector, told, told[::-1])
        keys = sorted(key for (key,) in await rows(inspector, "event", "event_key"))
        noted = [orjson.loads(body) for kind, body in await rows(inspector, "record", "kind, body") if kind == "revision"]
        assert sorted(body["eventKey"] for body in noted) == keys
        assert sorted(body["version"] for body in noted) == [0, 2]
        assert {(body["revisionOf"], datetime.fromisoformat(body["at"])) for body in noted} == {("row", NOON)}

    async def test_records_that_differ_in_any_field_are_kept_apart(self, inspector):
        names = ["Ada", "Bob", None]
        told = [
            ParticipantRecord(call_id="x", participant_id="p", display_name=name, version=v) for name in names for v in (0, 1)
        ]
        await write(inspector, told)
        assert len([kind for (kind,) in await rows(inspector, "record", "kind") if kind == "participant"]) == 6

    async def test_events_that_differ_in_any_field_are_kept_apart(self, inspector):
        different = [
            event(),
            event("m"),
            event(at=NOON + timedelta(microseconds=1)),
            event(severity=Severity.WARNING),
            event(code=1),
            event(subcode=1),
            event(message="m"),
            event(payload={}),
            event(payload=[1]),
            event(duration_ms=1),
            event(participant_id="p"),
            event(connection_id="p"),
            event(stream_id="p"),
        ]
        await write(inspector, different, different)
        assert len(await rows(inspector, "event")) == len(different)

    async def test_an_event_told_in_two_versions_is_one(self, inspector):
        await write(inspector, [event(), event(version=2)])
        assert len(await rows(inspector, "event")) == 1

    async def test_calls_and_projects_are_kept_apart(self, inspector, shared):
        await write(inspector, [samples(1), samples(2, call_id="y")])
        async with running(shared, project=uuid4().hex) as other:
            await write(other, [samples(3)])
            assert await values(other) == [3]
        assert await values(inspector) == [1, 2]

    async def test_version_0_is_the_same_as_none(self, inspector):
        await write(inspector, [ParticipantRecord(call_id="x", participant_id="p", version=0)])
        bodies = [body for kind, body in await rows(inspector, "record", "kind, body::text") if kind == "participant"]
        assert bodies == ['{"participantId": "p"}']


class TestEvents:
    async def test_keep_all_that_they_tell(self, inspector):
        told = event(
            severity=Severity.ERROR,
            outcome="FAILED",
            code=-5,
            subcode=7,
            message="日本 \U0001f600 'quoted' \\ {}",
            payload={"a": [1, 2.5, None, {"b": "c"}], "big": 2**63, "tiny": 1e-300},
            duration_ms=1.25,
            connection_id="c",
            stream_id="s",
            at=NOON + timedelta(microseconds=123456),
        )
        await write(inspector, [told])
        (found,) = await inspector.connection.fetch("select * from live.event where project_id = $1", inspector.project_id)
        assert found["at"] == told.at
        assert [found[name] for name in ("category", "name", "severity", "outcome", "code", "subcode", "message")] == [
            "OTHER", "n", "ERROR", "FAILED", -5, 7, told.message,
        ]  # fmt: skip
        assert module.orjson.loads(found["payload"]) == told.payload
        assert (found["duration_ms"], found["participant_key"], found["tells_participant"]) == (1.25, None, False)
        assert found["connection_key"] == module.key_of("connection", "c")
        assert found["stream_key"] == module.key_of("stream", "s")

    async def test_know_whether_they_told_whose_they_are(self, inspector):
        await write(inspector, [event(participant_id="p")])
        assert await rows(inspector, "event", "participant_key, tells_participant") == [(module.key_of("participant", "p"), True)]


class TestSamples:
    async def test_of_disagreeing_ones_the_greater_stands(self, inspector):
        await write(inspector, [samples(5, 1, 3)], [samples(4, 2, 3)])
        assert await values(inspector) == [5, 2, 3]

    async def test_in_one_batch_the_greater_stands_too(self, inspector):
        await write(inspector, [samples(5, 1), samples(4, 2), samples(-1, -1)])
        assert await values(inspector) == [5, 2]

    async def test_by_either_path_are_the_same(self, inspector, shared):
        """COPY takes new rows alone; with one duplicate, all go by way of the staging table."""
        told = [samples(*range(50)), samples(1.5, participant_id="p"), samples(2.5, subscriber_id="r")]
        await write(inspector, told)
        async with running(shared, project=uuid4().hex) as other:
            await write(other, [samples(0)], told)
            assert (await everything(other))[2] == (await everything(inspector))[2]

    async def test_new_ones_do_not_take_the_slow_path(self, inspector, monkeypatch):
        monkeypatch.setattr(module, "STAGE_SAMPLES", "this is no SQL")
        await write(inspector, [samples(1, 2)], [samples(3, at=NOON + timedelta(minutes=1))])
        assert await values(inspector) == [1, 2, 3]
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await write(inspector, [samples(1)])

    async def test_the_slow_path_can_be_taken_often(self, inspector, monkeypatch):
        monkeypatch.setattr(module, "FLUSH_SAMPLES", 3)
        await write(inspector, [samples(number) for number in range(20)], [samples(7), samples(30)])
        assert await values(inspector) == [30]

    async def test_times_keep_microseconds(self, inspector):
        await write(inspector, [samples(1, at=NOON + timedelta(microseconds=250))])
        assert await rows(inspector, "metric_sample", "at") == [(NOON + timedelta(microseconds=250),)]


class TestChanges:
    async def changes(self, inspector):
        found = await inspector.connection.fetch(
            "select call_key, series_keys from live.call_change where project_id = $1 order by change_id", inspector.project_id
        )
        return [(row["call_key"], len(row["series_keys"])) for row in found]

    async def test_every_call_that_was_told_of_is_marked_with_its_series(self, inspector):
        ledger = await write(inspector, [event(), samples(1), samples(2, stream_id="t"), samples(3, call_id="y")])
        assert await self.changes(inspector) == [(module.key_of("x"), 2), (module.key_of("y"), 1)]
        assert sorted(ledger.changed) == ["x", "y"]

    async def test_again_for_what_was_told_before(self, inspector):
        await write(inspector, [event()], [event()])
        assert await self.changes(inspector) == [(module.key_of("x"), 0)] * 2

    async def test_not_without_telemetry(self, inspector):
        await write(inspector, [])
        assert await self.changes(inspector) == []

    async def test_not_where_the_transaction_fails(self, inspector):
        with pytest.raises(ZeroDivisionError):
            await write(inspector, self.failing())
        assert await self.changes(inspector) == []
        assert await everything(inspector) == [[], [], []]

    def failing(self):
        yield from (samples(1), event())
        raise ZeroDivisionError


class TestFlushes:
    """Limits are lowered here, so that one transaction flushes many times."""

    @pytest.fixture
    async def inspector(self, servers, migrated):
        """A database of its own, without partitions."""
        async with new_database(servers, template=migrated) as url, running(url) as found:
            yield found

    @pytest.mark.parametrize(("limit", "value"), [("FLUSH_SAMPLES", 1), ("FLUSH_ROWS", 1), ("FLUSH_BYTES", 1)])
    async def test_every_week_finds_its_partition(self, inspector, monkeypatch, limit, value):
        """A transaction that has used a time table before must hear of its new partitions."""
        monkeypatch.setattr(module, limit, value)
        weeks = [NOON + number * WEEK for number in (0, 3, 1, -5, 200, -300)]
        told = [record for at in weeks for record in (event(at=at), samples(1, 2, at=at))]
        await write(inspector, told)
        assert await values(inspector) == [1, 2] * len(weeks)
        assert len(await rows(inspector, "event")) == len(weeks)

    async def test_one_batch_may_span_weeks(self, inspector):
        minutes = 20_000
        start = NOON.timestamp() * 1000
        times = [start + 60_000 * number for number in range(minutes)]
        long = samples(1).model_copy(update={"times": times, "values": [1.0] * minutes})
        await write(inspector, [long], [long])
        assert len(await values(inspector)) == minutes

    async def test_a_partition_that_another_made_meanwhile_is_found(self, inspector, monkeypatch):
        monkeypatch.setattr(module, "FLUSH_SAMPLES", 1)
        async with inspector.connection.transaction():
            ledger = Ledger(inspector.connection, Partitions(inspector.database_url), inspector.project_id)
            await ledger.add(samples(1))
            await Partitions(inspector.database_url).ensure("metric_sample", [module.week_of(NOON + WEEK)])
            await ledger.add(samples(2, at=NOON + WEEK))
            await ledger.finish()
        assert await values(inspector) == [1, 2]

    @pytest.mark.parametrize(("limit", "value"), [("FLUSH_SAMPLES", 7), ("FLUSH_ROWS", 5), ("FLUSH_BYTES", 500)])
    async def test_small_and_large_flushes_store_the_same(self, inspector, monkeypatch, limit, value):
        told = list(simulate_call(sample_plans()[0]))
        await write(inspector, told)
        before = await everything(inspector)
        await inspector.connection.execute("truncate live.record, live.event, live.metric_sample")
        monkeypatch.setattr(module, limit, value)
        await write(inspector, told)
        assert await everything(inspector) == before

    async def test_no_statement_carries_much_more_than_the_limit(self, inspector, monkeypatch):
        monkeypatch.setattr(module, "FLUSH_BYTES", 100_000)
        sent = []
        with inspector.connection.query_logger(lambda record: sent.append(sum(map(len, map(str, record.args))))):
            await write(inspector, [event(payload=f"{number}{'x' * 20_000}") for number in range(50)])
        assert len(await rows(inspector, "event")) == 50
        assert max(sent) < 200_000

    async def test_rows_are_written_in_the_order_of_their_keys(self, inspector):
        """Whoever writes the same rows waits for the first of them, and never holds one that the other waits for."""
        told = [
            record
            for number in range(30)
            for record in (
                StreamRecord(call_id=f"x{number}", stream_id="s"),
                ConnectionRecord(call_id=f"x{number}", connection_id="c"),
                event(str(number), at=NOON + timedelta(seconds=number % 7)),
                samples(number, 1, call_id=f"x{number % 5}", stream_id=str(number)),
            )
        ]
        await write(inspector, random.Random(1).sample(told, len(told)))
        orders = {
            "record": "call_key, record_key",
            "event": "call_key, at, event_key",
            "metric_sample": "call_key, series_key, at",
        }
        for table, keys in orders.items():
            found = await inspector.connection.fetch(
                f"select {keys} from live.{table} where project_id = $1 order by tableoid, ctid", inspector.project_id
            )
            assert len(found) >= 30
            assert [tuple(row) for row in found] == sorted(tuple(row) for row in found)


class TestConcurrency:
    async def told_by(self, inspector, *batches):
        """Each batch on a connection of its own, all at once."""
        async with AsyncExitStack() as stack, asyncio.timeout(30):
            connections = [await connect(inspector.database_url) for _ in batches]
            for connection in connections:
                stack.push_async_callback(connection.close)
            await asyncio.gather(
                *(write(inspector, batch, connection=connection) for batch, connection in zip(batches, connections, strict=True))
            )

    async def test_the_same_telemetry_in_any_order_is_stored_once_without_deadlock(self, inspector):
        told = list(simulate_call(sample_plans()[0]))
        await write(inspector, told)
        expected = await everything(inspector)
        await inspector.connection.execute("delete from live.record where project_id = $1", inspector.project_id)
        for table in ("event", "metric_sample"):
            await inspector.connection.execute(f"delete from live.{table} where project_id = $1", inspector.project_id)
        for round_ in range(3):
            await self.told_by(inspector, *(random.Random(f"{round_}{number}").sample(told, len(told)) for number in range(6)))
            assert await everything(inspector) == expected

    @pytest.mark.parametrize("kind", ["records", "samples"])
    async def test_writers_of_the_same_rows_do_not_wait_in_a_circle(self, inspector, monkeypatch, kind):
        """Both have all their rows at hand and write them at the same time, one in the opposite order."""
        monkeypatch.setattr(module, "FLUSH_ROWS", 100_000)
        known = [samples(1, at=NOON + timedelta(hours=1), stream_id=str(number)) for number in range(1000)]
        told = {
            "records": [ParticipantRecord(call_id="x", participant_id=str(number)) for number in range(10_000)],
            "samples": [samples(*range(40), stream_id=str(number)) for number in range(1000)],
        }[kind]
        # Records that both begin with would make one wait for the other from the start.
        await write(inspector, known)

        async def finish(ledger, transaction):
            await ledger.finish()
            await transaction.commit()

        async with AsyncExitStack() as stack, asyncio.timeout(30):
            writers = []
            for order in (1, -1):
                connection = await connect(inspector.database_url)
                stack.push_async_callback(connection.close)
                transaction = connection.transaction()
                await transaction.start()
                ledger = Ledger(connection, Partitions(inspector.database_url), inspector.project_id)
                for record in told[::order]:
                    await ledger.add(record)
                writers.append((ledger, transaction))
            await asyncio.gather(*(finish(*writer) for writer in writers))
        counts = [len(await rows(inspector, table, "1")) for table in ("record", "metric_sample")]
        assert counts == {"records": [11_001, 1000], "samples": [1001, 41_000]}[kind]

    async def test_disagreeing_samples_leave_the_greatest(self, inspector):
        numbers = list(range(200))
        shuffled = [random.Random(number).sample(numbers, len(numbers)) for number in range(5)]
        await self.told_by(inspector, *([samples(*values)] for values in shuffled))
        assert await values(inspector) == [max(column) for column in zip(*shuffled, strict=True)]
