"""Reading what a call's telemetry told, and keeping its derived rows as they should be."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from callscope.storage.changes import Change
from callscope.storage.derived import KEYS, PENDING_CALLS, DerivedTables
from callscope.storage.keys import key_of
from callscope.storage.rollups import FIGURES
from callscope.telemetry import (
    CallRecord,
    ConnectionRecord,
    EventRecord,
    ParticipantRecord,
    SamplesRecord,
    StreamRecord,
)
from callscope.vocabulary import Direction, EventCategory, Media, Metric, Severity
from tests.conftest import new_database
from tests.inspector import inspector as running

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CALL = key_of("x")


@pytest.fixture(scope="module")
async def shared(servers, migrated):
    async with new_database(servers, template=migrated) as url:
        yield url


@pytest.fixture
async def inspector(shared):
    """A project of its own in a database that all tests here share."""
    async with running(shared, project=uuid4().hex) as found:
        yield found


@pytest.fixture
def tables(inspector):
    return DerivedTables(inspector.connection, inspector.project_id, CALL)


def event(name="n", minutes=0, **fields):
    fields = {"category": EventCategory.OTHER, "at": NOON + timedelta(minutes=minutes), **fields}
    return EventRecord(call_id="x", name=name, **fields)


def samples(*values, start=0, **fields):
    """One sample a second from so many seconds after noon."""
    return SamplesRecord(
        call_id="x",
        metric=Metric.BITRATE,
        media=Media.AUDIO,
        direction=Direction.BOTH,
        times=[NOON.timestamp() * 1000 + 1000 * (start + number) for number in range(len(values))],
        values=values,
        **(fields or {"stream_id": "s"}),
    )


def warning(key, message="m"):
    return {"warning_key": key, "kind": "TRUNCATED", "message": message, "participant_key": None}


class TestStore:
    async def stored(self, inspector):
        found = await inspector.connection.fetch(
            "select warning_key, message, xmin::text from live.data_warning where project_id = $1 order by 1",
            inspector.project_id,
        )
        return {row["warning_key"]: (row["message"], row["xmin"]) for row in found}

    async def test_makes_the_rows_these_and_no_others(self, inspector, tables):
        await tables.store("data_warning", [warning(1), warning(2), warning(3)])
        await tables.store("data_warning", [warning(2, "other"), warning(4)])
        assert {key: message for key, (message, _) in (await self.stored(inspector)).items()} == {2: "other", 4: "m"}
        await tables.store("data_warning", [])
        assert await self.stored(inspector) == {}

    async def test_writes_no_row_that_is_the_same_already(self, inspector, tables):
        await tables.store("data_warning", [warning(1), warning(2)])
        before = await self.stored(inspector)
        await tables.store("data_warning", [warning(2, "other"), warning(1)])
        after = await self.stored(inspector)
        assert after[1] == before[1]
        assert after[2][1] != before[2][1]

    async def test_null_differs_from_a_value(self, inspector, tables):
        await tables.store("data_warning", [warning(1)])
        await tables.store("data_warning", [{**warning(1), "participant_key": 5}])
        found = "select participant_key from live.data_warning where project_id = $1"
        assert await inspector.connection.fetchval(found, inspector.project_id) == 5
        await tables.store("data_warning", [warning(1)])
        assert await inspector.connection.fetchval(found, inspector.project_id) is None

    async def test_touches_no_other_call_and_no_other_project(self, inspector, shared, tables):
        other = DerivedTables(inspector.connection, inspector.project_id, key_of("y"))
        async with running(shared, project=uuid4().hex) as elsewhere:
            foreign = DerivedTables(elsewhere.connection, elsewhere.project_id, CALL)
            for each in (tables, other, foreign):
                await each.store("data_warning", [warning(1)])
            await tables.store("data_warning", [])
            assert len(await self.stored(inspector)) == 1
            assert len(await self.stored(elsewhere)) == 1

    async def test_takes_extreme_keys_and_any_text(self, inspector, tables):
        told = {2**63 - 1: "'; drop table live.call; --", -(2**63): '日本 \\ " \U0001f600'}
        await tables.store("data_warning", [warning(key, message) for key, message in told.items()])
        assert {key: message for key, (message, _) in (await self.stored(inspector)).items()} == told

    async def test_knows_every_derived_table_by_its_primary_key(self, inspector):
        found = await inspector.connection.fetch(
            "select relname, array_agg(attname::text order by array_position(indkey::int2[], attnum)) as columns"
            " from pg_index join pg_class on pg_class.oid = indrelid"
            " join pg_attribute on attrelid = indrelid and attnum = any(indkey)"
            " where indisprimary and relnamespace = 'live'::regnamespace and relkind = 'r' group by relname"
        )
        keys = {row["relname"]: tuple(row["columns"]) for row in found}
        assert {table: ("project_id", "call_key", *columns) for table, columns in KEYS.items()} == {
            table: keys[table] for table in KEYS
        }


class TestChanges:
    async def test_are_taken_once(self, inspector, tables):
        await inspector.tell([samples(1), samples(1, stream_id="t")], settled=False)
        await inspector.tell([samples(2)], settled=False)
        (taken,) = (await tables.take_changes()).samples
        assert len(taken.series_keys) == 2
        assert (taken.samples_from, taken.samples_to) == (NOON, NOON)
        assert await tables.take_changes() is None

    async def test_may_concern_no_series(self, inspector, tables):
        await inspector.tell([event()], settled=False)
        taken = await tables.take_changes()
        assert (taken.samples, taken.events) == ([], (NOON, NOON))

    async def test_wait_in_the_order_in_which_they_came(self, inspector):
        for call in "cabac":
            await inspector.tell([CallRecord(call_id=call)], settled=False)
        found = await inspector.connection.fetch(PENDING_CALLS, inspector.project_id, 2, None)
        assert [row["call_key"] for row in found] == [key_of("c"), key_of("a")]
        found = await inspector.connection.fetch(PENDING_CALLS, None, 1000, None)
        assert (inspector.project_id, key_of("b")) in [tuple(row) for row in found]
        found = await inspector.connection.fetch(PENDING_CALLS, None, 1000, [key_of("a"), key_of("b")])
        assert {row["call_key"] for row in found} == {key_of("a"), key_of("b")}


async def test_records_are_read_by_kind(inspector, tables):
    told = [ParticipantRecord(call_id="x", participant_id=name) for name in "pq"]
    before = datetime.now(UTC)
    await inspector.tell(
        [*told, StreamRecord(call_id="x", stream_id="s"), StreamRecord(call_id="y", stream_id="t")], settled=False
    )
    records, received_at = await tables.records()
    await inspector.tell([StreamRecord(call_id="x", stream_id="u")], settled=False)
    assert sorted(records) == ["call", "participant", "stream"]
    assert records["call"] == [{"callId": "x"}]
    assert sorted(body["participantId"] for body in records["participant"]) == ["p", "q"]
    assert before - timedelta(minutes=1) < received_at < datetime.now(UTC) + timedelta(minutes=1)
    assert (await tables.records())[1] == received_at


async def test_settings_are_the_projects(inspector, tables):
    assert tuple(await tables.settings()) == (10, 100, 20)


class TestEvents:
    async def test_span(self, inspector, tables):
        assert await tables.event_span() == (None, None)
        await inspector.tell([event(minutes=number) for number in (3, 1, 2)], settled=False)
        assert await tables.event_span() == (NOON + timedelta(minutes=1), NOON + timedelta(minutes=3))

    async def test_errors_are_those_that_no_failed_attempt_counts_already(self, inspector, tables):
        told = [event(f"{c}{s}", category=c, severity=s, participant_id="p") for c in EventCategory for s in Severity]
        await inspector.tell(told, settled=False)
        found = await tables.error_events()
        assert set(found.values()) == {(key_of("participant", "p"), NOON)}
        assert len(found) == 2 * (len(EventCategory) - 3)

    async def owners(self, inspector):
        names = {key_of("participant", name): name for name in "abcdefpq"}
        found = await inspector.connection.fetch(
            "select name, participant_key from live.event where project_id = $1 order by name", inspector.project_id
        )
        return {row["name"]: names.get(row["participant_key"]) for row in found}

    async def test_belong_to_whom_they_name_else_to_the_connections_else_to_the_streams(self, inspector):
        told = [
            ConnectionRecord(call_id="x", connection_id="c", participant_id="p", connected_at=NOON),
            ConnectionRecord(call_id="x", connection_id="d", participant_id="q", connected_at=NOON),
            StreamRecord(call_id="x", stream_id="s", connection_id="d"),
            event("1", participant_id="a", connection_id="c", stream_id="s"),
            event("2", connection_id="c", stream_id="s"),
            event("3", stream_id="s"),
            event("4", connection_id="elsewhere", stream_id="s"),
            event("5", connection_id="elsewhere"),
            event("6"),
        ]
        await inspector.tell(told)
        assert await self.owners(inspector) == {"1": "a", "2": "p", "3": "q", "4": "q", "5": None, "6": None}

    async def test_follow_what_is_told_later(self, inspector):
        """A connection may be its own participant until a record tells whose it is, or says otherwise."""
        await inspector.tell([event("1", connection_id="c"), event("2", connection_id="c", participant_id="a")])
        assert await self.owners(inspector) == {"1": None, "2": "a"}
        for version, owner in enumerate([None, "p", "q"]):
            await inspector.tell([ConnectionRecord(call_id="x", connection_id="c", participant_id=owner, version=version)])
            assert await self.owners(inspector) == {"1": owner or "c", "2": "a"}

    async def test_that_have_their_place_are_not_written_again(self, inspector, tables):
        await inspector.tell([event("1", connection_id="c"), event("2"), ConnectionRecord(call_id="x", connection_id="c")])
        places = "select name, xmin::text from live.event where project_id = $1"
        before = await inspector.connection.fetch(places, inspector.project_id)
        await tables.place_events()
        assert await inspector.connection.fetch(places, inspector.project_id) == before


class TestSeries:
    async def test_that_are_told_of_no_more_are_forgotten(self, inspector, tables):
        await inspector.tell([samples(1), samples(2, participant_id="q")])
        figures = await tables.series_figures(set())
        assert len(figures) == 2
        await tables.store_series({}, figures)
        left = "select count(*) from live.metric_series where project_id = $1"
        assert await inspector.connection.fetchval(left, inspector.project_id) == 0

    async def test_figures(self, inspector, tables):
        await inspector.tell([samples(*range(1, 22))], settled=False)
        changes = await tables.take_changes()
        await tables.roll_up(changes.samples)
        (found,) = (await tables.series_figures(changes.series_keys)).values()
        assert {name: found[name] for name in FIGURES} == {
            "started_at": NOON,
            "ended_at": NOON + timedelta(seconds=20),
            "sample_count": 21,
            "minimum": 1,
            "maximum": 21,
            "average": 11,
        }

    async def test_figures_of_what_did_not_change_stand(self, inspector, tables):
        await inspector.tell([samples(1), samples(2, stream_id="t")])
        one, other = (module_key(stream) for stream in "st")
        # Behind the back of ingest, which would have said so.
        await inspector.connection.execute("update live.metric_sample set value = 9 where project_id = $1", inspector.project_id)
        await tables.roll_up([Change(frozenset({one, other}), NOON, NOON)])
        figures = await tables.series_figures({one})
        assert (figures[one]["maximum"], figures[other]["maximum"]) == (9, 2)
        assert {key: figure["maximum"] for key, figure in (await tables.series_figures(())).items()} == {one: 1, other: 2}

    async def test_extreme_values_have_finite_figures(self, inspector):
        great = 9.99e99
        await inspector.tell([samples(*[great, -great, great] * 200, 5e-324)])
        found = await inspector.connection.fetchrow(
            "select minimum, maximum, average from live.metric_series where project_id = $1", inspector.project_id
        )
        assert (found["minimum"], found["maximum"]) == (-great, great)
        assert 0 < found["average"] < great


def module_key(stream):
    return key_of("series", "BITRATE", "AUDIO", "BOTH", "", "", stream, "")


async def test_revision_counts_from_nothing(inspector, tables):
    assert await tables.revision() == 0
    for revision in (1, 2):
        await inspector.tell([CallRecord(call_id="x")])
        assert await tables.revision() == revision
