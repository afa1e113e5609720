"""Settling: what is derived of a call, when, how often, and by whom."""

import asyncio
import logging
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from callscope import settle
from callscope.analysis.meetings import SILENCE
from callscope.settle import Settler, settle_call, settle_pending
from callscope.settlement import Settlement
from callscope.simulation import simulate_call
from callscope.storage.derived import TRY_LOCK, DerivedTables
from callscope.storage.keys import key_of
from callscope.storage.pool import connect
from callscope.telemetry import TELEMETRY, TYPES, json_schema
from tests.conftest import new_database
from tests.inspector import inspector as running
from tests.plans import sample_plans
from tests.test_telemetry import complete

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


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
async def other(inspector):
    """Another process's connection."""
    connection = await connect(inspector.database_url)
    yield connection
    await connection.close()


def at(minutes, since=NOON):
    return since + timedelta(minutes=minutes)


def tell(type_, call="x", **fields):
    return TELEMETRY.validate_python({"type": type_, "call_id": call, **fields})


def connection(id_="c", start=0, end=None, *, since=NOON, **fields):
    ended = {} if end is None else {"closed_at": at(end, since)}
    return tell("connection", connection_id=id_, connected_at=at(start, since), **ended, **fields)


def event(minutes=0, **fields):
    return tell("event", **{"at": at(minutes), "category": "OTHER", "name": "n", **fields})


def samples(*values, start=0, **fields):
    """One sample a second from so many minutes after noon."""
    first = at(start).timestamp() * 1000
    told = {"metric": "BITRATE", "media": "AUDIO", "direction": "BOTH", "connection_id": "c"}
    times = [first + 1000 * number for number in range(len(values))]
    return tell("samples", **told, times=times, values=values, **fields)


async def row(inspector, table="call", columns="*", **where):
    """The only row of a table of the project."""
    (found,) = await rows(inspector, table, columns, **where)
    return found


async def rows(inspector, table, columns="*", **where):
    conditions = "".join(f" and {name} = ${number}" for number, name in enumerate(where, 2))
    return await inspector.connection.fetch(
        f"select {columns} from live.{table} where project_id = $1{conditions}", inspector.project_id, *where.values()
    )


async def marked(inspector):
    return len(await rows(inspector, "call_change"))


class TestRevision:
    async def test_grows_with_every_change(self, inspector):
        for revision in (1, 2, 3):
            await inspector.tell([event()])
            assert (await row(inspector))["revision"] == revision

    async def test_stays_without_change(self, inspector):
        await inspector.tell([event()])
        assert await inspector.settle() == 0
        assert (await row(inspector))["revision"] == 1

    async def test_counts_several_writes_as_one_change(self, inspector):
        for minute in range(3):
            await inspector.tell([event(minute)], settled=False)
        assert await inspector.settle() == 1
        assert (await row(inspector))["revision"] == 1
        assert await marked(inspector) == 0

    async def test_belongs_to_each_call_alone(self, inspector):
        await inspector.tell([event(), event(call="y")])
        await inspector.tell([event(1, call="y")])
        assert {each["call_id"]: each["revision"] for each in await rows(inspector, "call")} == {"x": 1, "y": 2}

    async def test_is_told_after_each_call(self, inspector):
        heard = []
        await inspector.tell([event(call=str(number)) for number in range(3)], settled=False)
        await settle_pending(inspector.connection, project_id=inspector.project_id, settled=lambda: heard.append(1))
        assert len(heard) == 3


class TestLateTelemetry:
    async def test_changes_what_was_derived(self, inspector):
        await inspector.tell([connection("a", 0, 5)])
        await inspector.tell([connection("b", 3, 9), event(4, severity="ERROR")])
        found = await row(inspector)
        assert (found["connection_count"], found["max_concurrent_connections"], found["error_count"]) == (2, 2, 1)
        assert found["ended_at"] == at(9)

    async def test_may_join_two_meetings(self, inspector):
        await inspector.tell([connection("a", 0, 5), connection("b", 30, 35)])
        assert len(await rows(inspector, "meeting")) == 2
        await inspector.tell([connection("c", 4, 32)])
        assert [(each["started_at"], each["ended_at"]) for each in await rows(inspector, "meeting")] == [(at(0), at(35))]

    async def test_may_take_back_what_was_implied(self, inspector):
        await inspector.tell([tell("stream", stream_id="s", published_at=at(1), unpublished_at=at(2))])
        assert [each["connection_id"] for each in await rows(inspector, "connection")] == ["s"]
        told = tell("stream", stream_id="s", connection_id="c", participant_id="p", version=1)
        await inspector.tell([told, connection("c", 0, 5, participant_id="p")])
        assert [each["connection_id"] for each in await rows(inspector, "connection")] == ["c"]
        assert [each["participant_id"] for each in await rows(inspector, "participant")] == ["p"]
        assert (await row(inspector))["connect_attempts"] == 1

    async def test_may_take_back_an_issue(self, inspector):
        await inspector.tell([tell("connection", connection_id="c", failed_at=at(1))])
        assert (await row(inspector))["issue_count"] == len(await rows(inspector, "issue")) == 1
        await inspector.tell([connection("c", 0, 5)])
        assert (await row(inspector))["issue_count"] == len(await rows(inspector, "issue")) == 0

    async def test_finds_the_samples_that_came_before(self, inspector):
        await inspector.tell([samples(1, 2)])
        await inspector.tell([connection("c", 0, 5, participant_id="p")])
        found = await row(inspector, "metric_series")
        assert (found["participant_key"], found["sample_count"]) == (key_of("participant", "p"), 2)

    async def test_renews_the_figures_of_its_series_alone(self, inspector):
        await inspector.tell([samples(1, 2), samples(5, participant_id="p")])
        await inspector.tell([samples(9, start=1)])
        assert sorted((each["sample_count"], each["maximum"]) for each in await rows(inspector, "metric_series")) == [
            (1, 5),
            (3, 9),
        ]


class TestUnchangedRows:
    async def test_are_not_written_again(self, inspector):
        await inspector.tell(simulate_call(sample_plans()[1]))
        tables = (
            "participant",
            "connection",
            "stream",
            "subscriber",
            "metric_series",
            "issue",
            "event",
            "metric_sample",
            "record",
        )

        async def versions():
            return {table: sorted(each["xmin"] for each in await rows(inspector, table, "xmin::text")) for table in tables}

        before = await versions()
        await inspector.tell([tell("participant", call="multiparty", participant_id="new")])
        after = await versions()
        assert len(after.pop("participant")) == len(before.pop("participant")) + 1
        assert len(after.pop("record")) == len(before.pop("record")) + 1
        assert after == before

    async def test_cost_a_fixed_number_of_statements(self, inspector):
        async def statements(told):
            await inspector.tell(told, settled=False)
            sent = []
            with inspector.connection.query_logger(sent.append):
                assert await inspector.settle() == 1
            return len(sent)

        counts = [await statements(told) for told in ([connection()], *map(simulate_call, sample_plans()))]
        assert max(counts) <= 44


class TestProcesses:
    @asynccontextmanager
    async def at_it(self, other, inspector, call="x"):
        """Another process settles a call meanwhile."""
        async with other.transaction():
            assert await other.fetchval(TRY_LOCK, key_of(call) ^ inspector.project_id)
            yield

    async def test_leave_a_call_to_whom_is_at_it_and_marked(self, inspector, other):
        await inspector.tell([event(), event(call="y")], settled=False)
        async with self.at_it(other, inspector), asyncio.timeout(5):
            assert await inspector.settle() == 1
        assert [each["call_id"] for each in await rows(inspector, "call")] == ["y"]
        assert await marked(inspector) == 1
        assert await inspector.settle() == 1

    async def test_do_not_hinder_each_other_at_calls_of_one_name_in_different_projects(self, inspector, other, shared):
        async with running(shared, project=uuid4().hex) as neighbour:
            await inspector.tell([event()], settled=False)
            async with self.at_it(other, neighbour):
                assert await inspector.settle() == 1

    async def test_what_arrives_while_one_is_at_it_stays_marked(self, inspector, other, monkeypatch):
        await inspector.tell([event(0)], settled=False)
        read = DerivedTables.records

        async def read_and_be_told_more(tables):
            records = await read(tables)
            monkeypatch.setattr(DerivedTables, "records", read)
            inspector.connection, own = other, inspector.connection
            await inspector.tell([connection("late", 1, 5)], settled=False)
            inspector.connection = own
            return records

        monkeypatch.setattr(DerivedTables, "records", read_and_be_told_more)
        assert await settle_call(inspector.connection, inspector.project_id, key_of("x"))
        assert (await row(inspector))["connection_count"] == 0
        assert await marked(inspector) == 1
        assert await inspector.settle() == 1
        found = await row(inspector)
        assert (found["connection_count"], found["revision"]) == (1, 2)

    async def test_settle_each_call_once_together(self, inspector, other):
        await inspector.tell([event(call=str(number)) for number in range(30)], settled=False)
        async with asyncio.timeout(20):
            counts = await asyncio.gather(inspector.settle(), settle_pending(other, project_id=inspector.project_id))
        assert sum(counts) == 30
        assert {each["revision"] for each in await rows(inspector, "call")} == {1}
        assert await marked(inspector) == 0

    async def test_settle_more_than_a_batch(self, inspector, monkeypatch):
        monkeypatch.setattr(settle, "BATCH", 3)
        await inspector.tell([event(call=str(number)) for number in range(10)], settled=False)
        assert await inspector.settle() == 10

    async def test_a_reader_sees_a_revision_whole(self, inspector, other, monkeypatch):
        await inspector.tell([connection("a", 0, 5)])
        await inspector.tell([connection("b", 1, 2)], settled=False)
        seen = []
        store = DerivedTables.store

        async def look_and_store(tables, table, told):
            await store(tables, table, told)
            counts = "select (select count(*) from live.connection where project_id = $1), connection_count"
            found = await other.fetchrow(f"{counts} from live.call where project_id = $1", inspector.project_id)
            seen.append(tuple(found))

        monkeypatch.setattr(DerivedTables, "store", look_and_store)
        await inspector.settle()
        assert set(seen) == {(1, 1)}
        assert (await row(inspector))["connection_count"] == 2

    async def test_nothing_to_do_is_done_at_once(self, inspector):
        assert await settle_call(inspector.connection, inspector.project_id, key_of("unknown")) is False


class TestFailures:
    @pytest.fixture
    def broken(self, monkeypatch):
        """Calls whose rows cannot be stored."""
        calls = set()
        store = DerivedTables.store

        async def fail(tables, table, told):
            await store(tables, table, told)
            if tables.call[1] in calls:
                await tables.connection.execute("select 1 / 0")

        monkeypatch.setattr(DerivedTables, "store", fail)
        return calls

    async def test_keep_no_other_call_from_being_settled(self, inspector, broken, monkeypatch):
        monkeypatch.setattr(settle, "BATCH", 2)
        broken |= {key_of("0"), key_of("1"), key_of("2")}
        await inspector.tell([event(call=str(number)) for number in range(6)], settled=False)
        with pytest.raises(asyncpg.DivisionByZeroError) as caught:
            await inspector.settle()
        assert f"call {key_of('0')} of project {inspector.project_id}" in caught.value.__notes__[0]
        assert sorted(each["call_id"] for each in await rows(inspector, "call")) == ["3", "4", "5"]

    async def test_leave_nothing_behind_and_the_call_marked(self, inspector, broken):
        broken.add(key_of("x"))
        await inspector.tell([connection()], settled=False)
        with pytest.raises(asyncpg.DivisionByZeroError):
            await inspector.settle()
        assert await rows(inspector, "connection") == []
        broken.clear()
        assert await inspector.settle() == 1

    async def test_of_the_connection_end_it(self, inspector, other, monkeypatch):
        await inspector.tell([event(), event(call="y")], settled=False)
        tried = []

        async def die(tables, table, told):
            tried.append(tables.call)
            await tables.connection.execute("select pg_terminate_backend(pg_backend_pid())")

        monkeypatch.setattr(DerivedTables, "store", die)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await settle_pending(other, project_id=inspector.project_id)
        assert len(tried) == 1


class TestMeetings:
    async def meetings(self, inspector):
        found = await rows(inspector, "meeting")
        return sorted((each["number"], each["started_at"], each["ended_at"]) for each in found)

    async def test_are_parted_by_the_projects_idle_minutes(self, inspector):
        told = [connection("a", 0, 5), connection("b", 9, 12)]
        await inspector.tell(told)
        assert await self.meetings(inspector) == [(1, at(0), at(12))]
        await inspector.connection.execute(
            "update callscope.project set meeting_idle_minutes = 3 where project_id = $1", inspector.project_id
        )
        await inspector.tell([event(1)])
        assert await self.meetings(inspector) == [(1, at(0), at(5)), (2, at(9), at(12))]

    async def test_own_what_happened_in_them(self, inspector):
        await inspector.tell(
            [
                connection("a", 0, 5, participant_id="p", close_reason="failed"),
                connection("b", 30, 35, participant_id="q"),
                tell("connection", connection_id="f", participant_id="q", attempted_at=at(36), failed_at=at(37)),
                tell("stream", stream_id="s", connection_id="a", published_at=at(1)),
                tell("stream", stream_id="t", connection_id="b", published_at=at(31)),
                tell("subscriber", subscriber_id="r", stream_id="t", connection_id="b", subscribed_at=at(32)),
                event(3, severity="CRITICAL"),
                event(20, severity="ERROR"),
                event(33, severity="ERROR", participant_id="q"),
                tell("participant", participant_id="nobody"),
            ]
        )
        names = ("number", "participant_count", "connection_count", "connect_failures", "stream_count", "subscriber_count",
                 "error_count", "issue_count", "published_minutes", "last_telemetry_at")  # fmt: skip
        found = sorted(tuple(each[name] for name in names) for each in await rows(inspector, "meeting"))
        assert found == [(1, 1, 1, 0, 1, 0, 1, 1, 4, at(5)), (2, 1, 1, 1, 1, 1, 2, 1, 4, at(35))]
        call = await row(inspector)
        assert [call[name] for name in names[1:8]] == [3, 2, 1, 2, 1, 4, 2]
        assert (call["started_at"], call["ended_at"]) == (at(0), at(35))
        numbers = {each["stream_id"]: each["meeting_number"] for each in await rows(inspector, "stream")}
        assert numbers == {"s": 1, "t": 2}
        assert (await row(inspector, "subscriber"))["meeting_number"] == 2

    @pytest.mark.parametrize(("threshold", "is_large"), [(1, True), (2, False)])
    async def test_are_large_above_the_projects_threshold(self, inspector, threshold, is_large):
        await inspector.connection.execute(
            "update callscope.project set large_meeting_subscribers = $2 where project_id = $1", inspector.project_id, threshold
        )
        told = [
            tell("subscriber", subscriber_id=name, stream_id="s", connection_id="c", subscribed_at=at(1)) for name in ("q", "r")
        ]
        await inspector.tell([connection("c", 0, 5), *told])
        assert (await row(inspector))["is_large"] is is_large
        assert (await row(inspector, "meeting"))["is_large"] is is_large


class TestCall:
    async def test_says_what_it_is(self, inspector):
        await inspector.tell([tell("call", platform="ACS", media_mode="RELAYED", started_at=at(-1), tags=["b", "a"])])
        found = await row(inspector)
        assert (found["platform"], found["media_mode"], found["tags"]) == ("ACS", "RELAYED", ["b", "a"])
        assert (found["started_at"], found["ended_at"], found["duration_seconds"]) == (at(-1), at(-1), 0)

    async def test_is_of_no_known_kind_where_nobody_tells(self, inspector):
        await inspector.tell([event()])
        found = await row(inspector)
        assert (found["platform"], found["media_mode"], found["tags"], found["call_type"]) == ("OTHER", "UNKNOWN", [], "UNKNOWN")

    async def test_is_one_to_zero_only_where_sources_tell_of_subscribers(self, inspector):
        published = tell("stream", stream_id="s", connection_id="a", published_at=at(1))
        await inspector.tell([connection("a", 0, 5), connection("b", 0, 5), published])
        assert (await row(inspector))["call_type"] == "ONE_TO_ONE"
        await inspector.tell([tell("subscriber", subscriber_id="r", stream_id="s", connection_id="b", failed_at=at(2))])
        assert (await row(inspector))["call_type"] == "ONE_TO_ZERO"

    async def test_begins_with_the_first_instant_of_any_telemetry(self, inspector):
        await inspector.tell([connection("c", 5, 9)])
        for told, start in ((event(4), 4), (samples(1, start=3), 3), (tell("call", started_at=at(2)), 2)):
            await inspector.tell([told])
            assert (await row(inspector))["started_at"] == at(start)

    async def test_ends_with_its_last_meeting_whatever_is_heard_later(self, inspector):
        await inspector.tell([connection("c", 0, 9), event(20)])
        found = await row(inspector)
        assert (found["ended_at"], found["duration_seconds"], found["last_active_at"]) == (at(9), 540, at(20))

    async def test_without_any_instant_is_as_old_as_its_telemetry(self, inspector):
        await inspector.tell([tell("participant", participant_id="p"), tell("stream", stream_id="s")])
        found = await row(inspector)
        assert found["started_at"] == found["received_at"]
        assert abs(found["received_at"] - datetime.now(UTC)) < timedelta(minutes=1)

    async def test_is_not_as_young_as_its_telemetry_where_any_record_has_an_instant(self, inspector):
        await inspector.tell([connection("c", 0, 9), tell("stream", stream_id="s")])
        assert (await row(inspector))["last_active_at"] == at(9)

    async def test_has_the_interval_of_its_densest_series(self, inspector):
        await inspector.tell([samples(1), samples(1, participant_id="p")])
        assert (await row(inspector))["sampling_seconds"] is None
        await inspector.tell([samples(*range(5)), samples(2, start=1, participant_id="p")])
        assert (await row(inspector))["sampling_seconds"] == 1


def longest(content, schema, root, chance):
    """A record with every text as long as it may be, and such as cannot be compressed."""
    schema = schema["anyOf"][0] if "anyOf" in schema else schema
    schema = root["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if isinstance(content, dict):
        fields = schema.get("properties", {})
        return {name: longest(value, fields.get(name, {}), root, chance) for name, value in content.items()}
    if isinstance(content, list):
        return [longest(item, schema.get("items", {}), root, chance) for item in content]
    length = schema.get("maxLength")
    return "".join(chr(chance.randrange(0x10000, 0x10FFFF)) for _ in range(length)) if length else content


async def test_the_longest_texts_that_telemetry_takes_can_be_stored(inspector):
    """In every column and every index."""
    schema = json_schema()
    told = []
    for type_, record in zip(TYPES, schema["oneOf"], strict=True):
        found = longest({**complete(type_), "type": type_}, record, schema, random.Random(7))
        assert found["callId"] != "x"
        told.append(TELEMETRY.validate_python(found))
    await inspector.tell(told)
    found = await row(inspector)
    assert found["participant_count"] >= 1
    assert len(found["call_id"]) == len(found["tags"][0]) == 512
    assert {len(each["sdk_name"] or "") for each in await rows(inspector, "participant")} == {0, 512}


class TestState:
    """LIVE while someone is connected, or while the idle time has not passed."""

    async def state(self, inspector, *told):
        await inspector.tell(told)
        data = await inspector.query('{ call(callId: "x") { state endedAt meetings { nodes { endedAt } } } }')
        call = data["call"]
        assert all((node["endedAt"] is None) == (call["state"] == "LIVE") for node in call["meetings"]["nodes"])
        assert (call["endedAt"] is None) == (call["state"] == "LIVE")
        return call["state"]

    @pytest.mark.parametrize(
        ("start", "end", "state"),
        [
            (-30, None, "LIVE"),
            (-59, None, "LIVE"),
            (-61, None, "ENDED"),
            (-30, -1, "LIVE"),
            (-30, -9, "LIVE"),
            (-30, -11, "ENDED"),
            (-300, None, "ENDED"),
        ],
    )
    async def test_of_a_call(self, inspector, start, end, state):
        assert await self.state(inspector, connection("c", start, end, since=datetime.now(UTC))) == state

    async def test_somebody_who_is_still_there_keeps_it_live(self, inspector):
        now = datetime.now(UTC)
        assert await self.state(inspector, connection("a", -50, -45, since=now), connection("b", -50, since=now)) == "LIVE"

    async def test_any_telemetry_is_a_sign_of_life_of_an_open_connection(self, inspector):
        now = datetime.now(UTC)
        long_ago = connection("a", -3 * SILENCE.total_seconds() / 60, since=now)
        assert await self.state(inspector, long_ago) == "ENDED"
        sign = tell("event", at=now - timedelta(minutes=5), category="OTHER", name="n")
        assert await self.state(inspector, sign) == "LIVE"

    async def test_without_meeting_it_ends_in_silence(self, inspector):
        recent = tell("connection", connection_id="c", failed_at=datetime.now(UTC))
        assert await self.state(inspector, recent) == "LIVE"
        (found,) = await rows(inspector, "call")
        assert found["live_until"] == found["last_active_at"] + SILENCE


class TestTimeout:
    """A call of which nobody reports the end is closed by policy, says so, and is reopened by what is heard later."""

    QUERY = """{ call(callId: "x") { id state endedAt freshness { warnings { kind message } }
        meetings { nodes { id number endedAt freshness { warnings { kind } } } } } }"""

    async def call(self, inspector):
        call = (await inspector.query(self.QUERY))["call"]
        kinds = [warning["kind"] for warning in call["freshness"]["warnings"]]
        meetings = [
            (node["number"], [warning["kind"] for warning in node["freshness"]["warnings"]]) for node in call["meetings"]["nodes"]
        ]
        return call["state"], kinds, meetings

    async def ids(self, inspector):
        call = (await inspector.query(self.QUERY))["call"]
        return [call["id"], *(node["id"] for node in call["meetings"]["nodes"])]

    async def test_is_told_from_when_it_passes_and_not_before(self, inspector):
        await inspector.tell([connection("c", -59, since=datetime.now(UTC))])
        assert await self.call(inspector) == ("LIVE", [], [(1, [])])
        # Nobody writes or settles while time goes by.
        for table, column in (("call", "live_until"), ("meeting", "live_until"), ("data_warning", "closed_at")):
            await inspector.connection.execute(
                f"update live.{table} set {column} = {column} - interval '2 minutes' where project_id = $1", inspector.project_id
            )
        assert await self.call(inspector) == ("ENDED", ["CLOSED_BY_TIMEOUT"], [(1, ["CLOSED_BY_TIMEOUT"])])

    async def test_says_what_the_policy_is_and_when_it_closed_the_call(self, inspector):
        await inspector.tell([connection("c", 0), connection("d", 1, 2)])
        (warning,) = (await inspector.query(self.QUERY))["call"]["freshness"]["warnings"]
        assert warning["message"] == (
            "No end was reported for 1 of 2 connections: closed by policy at 2026-03-02T13:02:00Z,"
            " after 60 minutes or more without telemetry."
        )

    async def test_is_taken_back_by_later_telemetry_and_comes_again(self, inspector):
        now = datetime.now(UTC)
        await inspector.tell([connection("c", -300, since=now)])
        before = await self.ids(inspector)
        assert (await self.call(inspector))[:2] == ("ENDED", ["CLOSED_BY_TIMEOUT"])
        await inspector.tell([tell("event", at=now - timedelta(minutes=100), category="OTHER", name="n")])
        assert (await self.call(inspector))[:2] == ("ENDED", ["CLOSED_BY_TIMEOUT"])
        await inspector.tell([tell("event", at=now - timedelta(minutes=5), category="OTHER", name="n")])
        assert await self.call(inspector) == ("LIVE", [], [(1, [])])
        assert await self.ids(inspector) == before

    @pytest.mark.parametrize("end", [tell("connection", connection_id="c", closed_at=at(30)), tell("call", ended_at=at(30))])
    async def test_is_taken_back_by_an_end_that_comes_late(self, inspector, end):
        await inspector.tell([connection("c", 0), event(20)])
        before = await self.ids(inspector)
        assert await self.call(inspector) == ("ENDED", ["CLOSED_BY_TIMEOUT"], [(1, ["CLOSED_BY_TIMEOUT"])])
        await inspector.tell([end])
        assert await self.call(inspector) == ("ENDED", [], [(1, [])])
        assert (await row(inspector))["ended_at"] == at(30)
        assert await self.ids(inspector) == before

    async def test_keeps_the_meetings_of_a_reused_room_apart(self, inspector):
        """The one whose end got lost is closed where it fell silent; who comes the day after opens another."""
        await inspector.tell(
            [connection("a", 0), tell("stream", stream_id="s", connection_id="a", published_at=at(0)), event(30)]
        )
        before = await self.ids(inspector)
        told = [connection("b", 24 * 60, 24 * 60 + 5), event(24 * 60 - 1)]
        await inspector.tell(told)
        assert await self.call(inspector) == ("ENDED", [], [(1, ["CLOSED_BY_TIMEOUT"]), (2, [])])
        assert (await self.ids(inspector))[: len(before)] == before
        meetings = sorted(await rows(inspector, "meeting"), key=lambda each: each["number"])
        assert [(each["started_at"], each["ended_at"]) for each in meetings] == [
            (at(0), at(30)),
            (at(24 * 60), at(24 * 60 + 5)),
        ]
        call = await row(inspector)
        assert (call["published_minutes"], call["max_concurrent_connections"]) == (30, 1)

    async def test_what_was_heard_of_a_call_is_no_silence(self, inspector):
        """However little it is: an event every half hour, or one series."""
        await inspector.tell([connection("a", 0), connection("b", 240, 245), *(event(minutes) for minutes in range(0, 240, 30))])
        assert len(await rows(inspector, "meeting")) == 1
        lasting = [samples(1, call="y"), samples(1, start=239, call="y")]
        await inspector.tell([connection("c", 0, call="y"), connection("b", 240, 245, call="y"), *lasting])
        assert len(await rows(inspector, "meeting", call_key=key_of("y"))) == 1


class TestFreshness:
    QUERY = """{ call(callId: "x") { freshness { lastTelemetryAt derivedAt isSettled missing
        warnings { kind message participant { participantId } } } } }"""

    async def freshness(self, inspector):
        return (await inspector.query(self.QUERY))["call"]["freshness"]

    async def test_says_which_kinds_of_telemetry_nobody_delivered(self, inspector):
        told = {
            "PARTICIPANTS": tell("participant", participant_id="p"),
            "CONNECTIONS": connection("c", 0, 5),
            "STREAMS": tell("stream", stream_id="s"),
            "SUBSCRIBERS": tell("subscriber", subscriber_id="r", stream_id="s"),
            "EVENTS": event(),
            "SAMPLES": samples(1),
        }
        await inspector.tell([tell("call")])
        missing = list(told)
        assert (await self.freshness(inspector))["missing"] == missing
        for kind in list(told):
            await inspector.tell([told[kind]])
            missing.remove(kind)
            assert (await self.freshness(inspector))["missing"] == missing

    async def test_says_when_something_was_last_heard_and_derived(self, inspector):
        before = datetime.now(UTC)
        await inspector.tell([connection("c", 0, 5), event(7)])
        found = await self.freshness(inspector)
        assert datetime.fromisoformat(found["lastTelemetryAt"]) == at(7)
        assert before <= datetime.fromisoformat(found["derivedAt"]) <= datetime.now(UTC)

    async def test_says_whether_all_is_taken_in(self, inspector):
        await inspector.tell([event()])
        assert (await self.freshness(inspector))["isSettled"] is True
        await inspector.tell([event()], settled=False)
        assert (await self.freshness(inspector))["isSettled"] is False

    async def test_has_the_warnings_of_sources(self, inspector):
        await inspector.tell(
            [
                tell("warning", kind="TRUNCATED", message="cut"),
                tell("warning", kind="REDACTED", message="withheld", participant_id="p"),
                tell("warning", kind="TRUNCATED", message="cut"),
            ]
        )
        found = (await self.freshness(inspector))["warnings"]
        assert sorted(found, key=lambda warning: warning["kind"]) == [
            {"kind": "REDACTED", "message": "withheld", "participant": {"participantId": "p"}},
            {"kind": "TRUNCATED", "message": "cut", "participant": None},
        ]


class TestParticipants:
    async def test_have_their_own_errors_and_issues(self, inspector):
        await inspector.tell(
            [
                connection("a", 0, 5, participant_id="p", close_reason="networkDisconnected"),
                tell("connection", connection_id="b", participant_id="p", failed_at=at(6)),
                tell("stream", stream_id="s", connection_id="a", failed_at=at(1)),
                tell("subscriber", subscriber_id="r", stream_id="s", connection_id="a", failed_at=at(1)),
                event(1, severity="ERROR", participant_id="p"),
                event(2, severity="CRITICAL", connection_id="a"),
                event(3, severity="WARNING", participant_id="p"),
                event(4, severity="ERROR", category="CONNECTION", participant_id="p"),
                event(5, severity="ERROR", participant_id="q"),
                event(6, severity="ERROR"),
            ]
        )
        found = {each["participant_id"]: each for each in await rows(inspector, "participant")}
        assert {id_: (each["error_count"], each["issue_count"]) for id_, each in found.items()} == {"p": (5, 4), "q": (1, 0)}
        assert (await row(inspector))["error_count"] == 7


class TestSettler:
    """In the background of a server."""

    @asynccontextmanager
    async def settling(self, database_url):
        settler = Settler(database_url)
        task = asyncio.create_task(settler.run())
        yield settler
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    @pytest.fixture
    async def inspector(self, servers, migrated):
        """A database of its own: a settler settles for all projects."""
        async with new_database(servers, template=migrated) as url, running(url) as found:
            yield found

    @pytest.fixture(autouse=True)
    def one_lane(self, monkeypatch):
        monkeypatch.setattr(Settler, "LANES", 1)

    @pytest.fixture
    def told(self, monkeypatch):
        """Counts the rounds of settling, and says when one is over."""
        rounds = asyncio.Queue()
        pending = settle.settle_pending

        async def counted(*arguments, **named):
            try:
                count = await pending(*arguments, **named)
            except BaseException as error:
                rounds.put_nowait(error)
                raise
            rounds.put_nowait(count)
            return count

        monkeypatch.setattr(settle, "settle_pending", counted)
        return rounds

    async def test_settles_at_once_when_told(self, inspector, told, monkeypatch):
        monkeypatch.setattr(Settler, "INTERVAL_SECONDS", 60)
        async with asyncio.timeout(10), self.settling(inspector.database_url) as settler:
            assert await told.get() == 0
            await inspector.tell([event()], settled=False)
            settler.changed()
            assert await told.get() == 1

    async def test_settles_what_others_wrote_after_the_interval(self, inspector, told, monkeypatch):
        monkeypatch.setattr(Settler, "INTERVAL_SECONDS", 0.05)
        async with asyncio.timeout(10), self.settling(inspector.database_url):
            assert await told.get() == 0
            await inspector.tell([event()], settled=False)
            counts = [await told.get()]
            while not sum(counts):
                counts.append(await told.get())
        assert (await row(inspector))["revision"] == 1

    async def test_survives_the_loss_of_its_connection(self, inspector, told, monkeypatch, caplog):
        monkeypatch.setattr(Settler, "INTERVAL_SECONDS", 0.02)
        caplog.set_level(logging.WARNING, "callscope.settle")
        others = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() and pid <> $1"
        async with asyncio.timeout(10), self.settling(inspector.database_url):
            assert await told.get() == 0
            await inspector.connection.fetch(others, inspector.connection.get_server_pid())
            await inspector.tell([event()], settled=False)
            while (await told.get()) != 1:
                pass
        assert "goes on in a moment" in caplog.text

    async def test_waits_for_a_database_that_is_not_there(self, monkeypatch):
        monkeypatch.setattr(Settler, "INTERVAL_SECONDS", 0.01)
        tries = []
        reached = asyncio.Event()

        async def refuse(_):
            tries.append(1)
            if len(tries) == 3:
                reached.set()
            raise ConnectionRefusedError

        monkeypatch.setattr(settle, "connect", refuse)
        async with asyncio.timeout(5), self.settling("postgresql://nowhere"):
            await reached.wait()

    async def test_goes_on_after_a_call_that_cannot_be_settled(self, inspector, told, monkeypatch, caplog):
        monkeypatch.setattr(Settler, "INTERVAL_SECONDS", 0.01)

        async def fail(_):
            raise KeyError("a fault of ours")

        with monkeypatch.context() as patched:
            patched.setattr(DerivedTables, "records", fail)
            await inspector.tell([event()], settled=False)
            async with asyncio.timeout(5), self.settling(inspector.database_url):
                for _ in range(2):
                    assert isinstance(await told.get(), KeyError)
                patched.undo()
                while (await told.get()) != 1:
                    pass
        assert "settling failed and is tried again" in caplog.text

    async def test_a_call_that_takes_long_keeps_no_other_waiting(self, inspector, monkeypatch):
        monkeypatch.setattr(Settler, "LANES", 2)
        monkeypatch.setattr(Settler, "INTERVAL_SECONDS", 0.05)
        begun, over, settled = asyncio.Event(), asyncio.Event(), asyncio.Event()
        derive = Settlement.derive

        async def derive_slowly(self, changes):
            if self.tables.call[1] == key_of("slow"):
                begun.set()
                await over.wait()
            await derive(self, changes)

        pending = settle.settle_pending

        async def told(*arguments, **named):
            if await pending(*arguments, **named):
                settled.set()

        monkeypatch.setattr(settle, "settle_pending", told)
        monkeypatch.setattr(Settlement, "derive", derive_slowly)
        async with asyncio.timeout(20), self.settling(inspector.database_url):
            await inspector.tell([event(call="slow")], settled=False)
            await begun.wait()
            await inspector.tell([event(call="quick")], settled=False)
            await settled.wait()
            assert [each["call_id"] for each in await rows(inspector, "call")] == ["quick"]
            over.set()
