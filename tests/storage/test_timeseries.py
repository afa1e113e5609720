"""Partitions by week, made before rows need them."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from callscope.simulation import CallPlan, simulate_call
from callscope.storage import timeseries
from callscope.storage.ledger import Ledger
from callscope.storage.migrations import migrate, migrations
from callscope.storage.pool import connect
from callscope.storage.timeseries import (
    MARK,
    TIME_TABLES,
    Partitions,
    has_timescale,
    install_timescale,
    make_hypertables,
    partitioned,
    week_of,
)
from callscope.vocabulary import Platform
from tests.columnstore import OFFERED
from tests.conftest import new_database, new_template
from tests.inspector import inspector as running
from tests.reads import reads

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(days=7)
MOMENT = timedelta(microseconds=1)


class TestWeekOf:
    @pytest.mark.parametrize(
        ("instant", "week"),
        [
            (MONDAY, MONDAY),
            (MONDAY - MOMENT, MONDAY - WEEK),
            (MONDAY + WEEK - MOMENT, MONDAY),
            (MONDAY + WEEK, MONDAY + WEEK),
            (datetime(2026, 3, 2, 1, tzinfo=timezone(timedelta(hours=2))), MONDAY - WEEK),
            (datetime(2026, 3, 1, 23, tzinfo=timezone(timedelta(hours=-2))), MONDAY),
            (datetime(2000, 1, 1, tzinfo=UTC), datetime(1999, 12, 27, tzinfo=UTC)),
            (datetime(2099, 12, 31, 23, 59, tzinfo=UTC), datetime(2099, 12, 28, tzinfo=UTC)),
            (datetime(1970, 1, 1, tzinfo=UTC), datetime(1969, 12, 29, tzinfo=UTC)),
        ],
    )
    def test_is_the_monday_on_or_before(self, instant, week):
        assert week_of(instant) == week
        assert week.weekday() == 0


@pytest.fixture(scope="module")
async def natively(servers):
    """A database that was migrated where there was no TimescaleDB."""

    async def none(_):
        return False

    async with AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("callscope.storage.migrations.install_timescale", none)
            patch.setattr("callscope.storage.migrations.has_timescale", none)
            url = await stack.enter_async_context(new_template(servers))
        yield url


@pytest.fixture
async def native(servers, natively):
    async with new_database(servers, template=natively) as url, running(url) as found:
        yield found


@pytest.fixture
async def hyper(inspector):
    if not await has_timescale(inspector.connection):
        pytest.skip("this server offers no TimescaleDB")
    return inspector


async def skip_under_apache_licence(inspector):
    if await has_timescale(inspector.connection) and not await inspector.connection.fetchval(OFFERED):
        pytest.skip("TimescaleDB makes chunks no earlier than for their first row under the Apache licence")


class TestPartitions:
    @pytest.fixture
    def inspector(self, native):
        return native

    @pytest.fixture
    def partitions(self, inspector):
        return Partitions(inspector.database_url)

    @staticmethod
    async def bounds(inspector, table):
        rows = await inspector.connection.fetch(
            "select inhrelid::regclass::text as name, pg_get_expr(relpartbound, oid) as bound"
            " from pg_inherits join pg_class on oid = inhrelid where inhparent = $1::text::regclass order by 1",
            f"live.{table}",
        )
        return {row["name"]: row["bound"] for row in rows}

    @pytest.mark.parametrize("table", TIME_TABLES)
    async def test_hold_a_week_each(self, inspector, partitions, table):
        assert await partitions.ensure(table, [MONDAY]) == [f"live.{table}_p20260302"]
        bound = "FOR VALUES FROM ('2026-03-02 00:00:00+00') TO ('2026-03-09 00:00:00+00')"
        assert await self.bounds(inspector, table) == {f"live.{table}_p20260302": bound}

    async def test_have_the_keys_and_indexes_of_their_table(self, inspector, partitions):
        await partitions.ensure("event", [MONDAY])
        counts = "select count(*) from pg_index where indrelid = $1::text::regclass and indisvalid"
        own, all_ = [await inspector.connection.fetchval(counts, name) for name in ("live.event_p20260302", "live.event")]
        assert own == all_ > 1

    async def test_are_named_again_when_they_are_there(self, inspector, partitions):
        weeks = [MONDAY, MONDAY + WEEK]
        names = await partitions.ensure("event", weeks)
        assert names == ["live.event_p20260302", "live.event_p20260309"]
        assert await partitions.ensure("event", weeks) == names
        assert await Partitions(inspector.database_url).ensure("event", weeks[:1]) == names[:1]
        assert len(await self.bounds(inspector, "event")) == 2

    async def test_what_is_known_asks_the_database_nothing(self, partitions, monkeypatch):
        now = week_of(datetime.now(UTC))
        made = await partitions.ensure("event", [now])
        monkeypatch.setattr(timeseries.asyncpg, "connect", None)
        assert await partitions.ensure("event", [now]) == made
        assert await partitions.ensure("event", []) == []

    async def test_of_weeks_that_are_over_are_made_again_where_they_were_dropped(self, inspector, partitions):
        for _ in range(2):
            assert await partitions.ensure("event", [MONDAY]) == ["live.event_p20260302"]
            await inspector.connection.execute("drop table live.event_p20260302")

    async def test_are_made_once_by_many_at_the_same_time(self, inspector, partitions):
        weeks = [MONDAY + number * WEEK for number in range(3)]
        others = [partitions, partitions, *(Partitions(inspector.database_url) for _ in range(3))]
        async with asyncio.timeout(20):
            made = await asyncio.gather(*(each.ensure("event", weeks[:: (-1) ** index]) for index, each in enumerate(others)))
        assert all(names == made[0] for names in made)
        assert set(made[0]) == set(await self.bounds(inspector, "event"))

    async def test_wait_for_no_reader_and_no_writer(self, inspector, partitions):
        connection = inspector.connection
        await partitions.ensure("event", [MONDAY])
        async with asyncio.timeout(10), connection.transaction():
            await connection.execute("select count(*) from live.event")
            await connection.execute("lock table live.event in row exclusive mode")
            assert await partitions.ensure("event", [MONDAY + WEEK])

    async def test_one_that_cannot_be_made_is_tried_again(self, inspector, partitions):
        connection = inspector.connection
        await connection.execute("alter table live.event rename to gone")
        with pytest.raises(timeseries.asyncpg.UndefinedTableError):
            await partitions.ensure("event", [MONDAY])
        await connection.execute("alter table live.gone rename to event")
        assert await partitions.ensure("event", [MONDAY]) == ["live.event_p20260302"]


class TestChunks:
    """Of TimescaleDB, made before rows need them as partitions are."""

    @pytest.fixture
    async def partitions(self, hyper):
        await skip_under_apache_licence(hyper)
        return Partitions(hyper.database_url)

    @staticmethod
    async def bounds(inspector, table="event"):
        rows = await inspector.connection.fetch(
            "select range_start, range_end from timescaledb_information.chunks"
            " where hypertable_schema = 'live' and hypertable_name = $1 order by 1",
            table,
        )
        return [(row["range_start"], row["range_end"]) for row in rows]

    @pytest.mark.parametrize("table", TIME_TABLES)
    async def test_hold_a_week_each_and_have_no_names(self, hyper, partitions, table):
        assert await partitions.ensure(table, [MONDAY]) == []
        assert await self.bounds(hyper, table) == [(MONDAY, MONDAY + WEEK)]
        assert await Partitions(hyper.database_url).ensure(table, [MONDAY, MONDAY + WEEK]) == []
        assert await self.bounds(hyper, table) == [(MONDAY, MONDAY + WEEK), (MONDAY + WEEK, MONDAY + 2 * WEEK)]

    async def test_what_is_known_asks_the_database_nothing(self, partitions, monkeypatch):
        await partitions.ensure("event", [MONDAY])
        monkeypatch.setattr(timeseries.asyncpg, "connect", None)
        assert await partitions.ensure("event", [MONDAY]) == []

    async def test_are_as_short_as_an_operator_made_them(self, hyper, partitions):
        await hyper.connection.execute("select set_chunk_time_interval('live.event', interval '2 days')")
        await partitions.ensure("event", [MONDAY])
        starts = [MONDAY + number * timedelta(days=2) for number in range(4)]
        assert await self.bounds(hyper) == list(zip(starts, [*starts[1:], MONDAY + WEEK], strict=True))

    async def test_stay_out_of_the_way_of_those_that_are_there(self, hyper, partitions):
        """TimescaleDB's own begin on a Thursday."""
        insert = "insert into live.metric_sample values (1, 1, 1, $1, 1)"
        await hyper.connection.execute(insert, MONDAY + timedelta(days=4))
        (there,) = await self.bounds(hyper, "metric_sample")
        assert there[0] == MONDAY + timedelta(days=3)
        assert await partitions.ensure("metric_sample", [MONDAY, MONDAY + WEEK]) == []
        for day in range(14):
            await hyper.connection.execute(insert, MONDAY + timedelta(days=day, hours=1))
        assert await hyper.connection.fetchval("select count(*) from live.metric_sample") == 15

    async def test_are_made_once_by_many_at_the_same_time(self, hyper, partitions):
        weeks = [MONDAY + number * WEEK for number in range(3)]
        others = [partitions, partitions, *(Partitions(hyper.database_url) for _ in range(3))]
        async with asyncio.timeout(20):
            await asyncio.gather(*(each.ensure("event", weeks[:: (-1) ** index]) for index, each in enumerate(others)))
        assert await self.bounds(hyper) == [(week, week + WEEK) for week in weeks]

    async def test_wait_for_no_reader_and_no_writer(self, hyper, partitions):
        connection = hyper.connection
        await partitions.ensure("event", [MONDAY])
        async with asyncio.timeout(10), connection.transaction():
            await connection.execute("select count(*) from live.event")
            await connection.execute("lock table live.event in row exclusive mode")
            await partitions.ensure("event", [MONDAY + WEEK])
        assert len(await self.bounds(hyper)) == 2


async def test_the_first_writer_of_a_week_keeps_no_other_one_waiting(inspector):
    """Whose transaction may be that of a long import."""
    await skip_under_apache_licence(inspector)
    other = await connect(inspector.database_url)
    plan = CallPlan("first", Platform.WEBRTC, MONDAY, 1, 2, interval_seconds=10)
    try:
        async with asyncio.timeout(20), other.transaction():
            ledger = Ledger(other, Partitions(inspector.database_url), inspector.project_id)
            for record in simulate_call(plan):
                await ledger.add(record)
            await ledger.finish()
            for weeks in (0, 1):
                await inspector.tell(simulate_call(replace(plan, call_id="second", started_at=MONDAY + weeks * WEEK)))
            assert await inspector.connection.fetchval("select count(*) from live.call") == 1
    finally:
        await other.close()


class TestTimescale:
    def test_native_tables_are_partitioned_and_hypertables_are_not(self):
        sql = f"create table a (at timestamptz) {MARK};\ncreate table b (at timestamptz) {MARK};"
        assert partitioned(sql, timescale=False).count("partition by range (at)") == 2
        assert partitioned(sql, timescale=True) == "create table a (at timestamptz) ;\ncreate table b (at timestamptz) ;"
        assert MARK not in partitioned(sql, timescale=False)

    def test_every_time_table_is_marked_in_a_migration(self):
        text = "\n".join(migration.sql for migration in migrations())
        marked = [statement for statement in text.split(";") if statement.rstrip().endswith(f") {MARK}")]
        assert [f"create table live.{table} (" in statement for table, statement in zip(TIME_TABLES, marked, strict=True)] == [
            True
        ] * len(TIME_TABLES)

    async def test_the_embedded_server_has_and_offers_none(self, inspector):
        if await inspector.connection.fetchval("select count(*) from pg_available_extensions where name = 'timescaledb'"):
            pytest.skip("this server offers TimescaleDB")
        assert await has_timescale(inspector.connection) is False
        assert await install_timescale(inspector.connection) is False

    async def test_one_that_comes_later_leaves_tables_as_they_are(self, native):
        connection, partitions = native.connection, Partitions(native.database_url)
        await native.tell(simulate_call(CallPlan("before", Platform.WEBRTC, MONDAY, 1, 2, interval_seconds=10)))
        if not await install_timescale(connection):
            pytest.skip("this server offers no TimescaleDB")
        assert await connection.fetchval("select count(*) from pg_extension where extname = 'timescaledb'") == 1
        assert await has_timescale(connection) is False
        assert await migrate(connection) == []
        assert await partitions.ensure("event", [MONDAY + WEEK]) == ["live.event_p20260309"]
        async with running(native.database_url) as found:
            before = await reads(found)
            for weeks in (0, 2):
                plan = CallPlan(f"after-{weeks}", Platform.WEBRTC, MONDAY + weeks * WEEK, 1, 2, interval_seconds=10)
                await found.tell(simulate_call(plan))
            calls = (await found.query("{ calls { nodes { callId } } }"))["calls"]["nodes"]
            assert sorted(call["callId"] for call in calls) == ["after-0", "after-2", "before"]
            after = await reads(found)
            assert {id_: after[id_] for id_ in before if id_.startswith("series_")} == {
                id_: answer for id_, answer in before.items() if id_.startswith("series_")
            }

    async def test_time_tables_are_hypertables_and_saved_ones_are_not(self, hyper):
        rows = await hyper.connection.fetch("select hypertable_schema, hypertable_name from timescaledb_information.hypertables")
        assert {tuple(row) for row in rows} == {("live", table) for table in TIME_TABLES}

    async def test_tables_that_hold_rows_become_hypertables_too(self, hyper):
        """As of a migration that makes and fills one."""
        connection = hyper.connection
        await hyper.tell(simulate_call(CallPlan("x", Platform.WEBRTC, MONDAY, 1, 2, interval_seconds=10)))
        rows = await connection.fetch("select * from live.metric_rollup order by series_key, at")
        await connection.execute("create table again (like live.metric_rollup including all)")
        await connection.execute("insert into again select * from live.metric_rollup")
        await connection.execute("drop table live.metric_rollup")
        await connection.execute("alter table again set schema live")
        await connection.execute("alter table live.again rename to metric_rollup")
        await make_hypertables(connection)
        chunks = "select count(*) from timescaledb_information.chunks where hypertable_name = 'metric_rollup'"
        assert await connection.fetchval(chunks) == 1
        assert await connection.fetch("select * from live.metric_rollup order by series_key, at") == rows != []
