"""Partitions by week, made before rows need them."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from callscope.storage import timeseries
from callscope.storage.migrations import migrations
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


class TestPartitions:
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
        await partitions.ensure("event", [MONDAY])
        monkeypatch.setattr(timeseries.asyncpg, "connect", None)
        assert await partitions.ensure("event", [MONDAY]) == ["live.event_p20260302"]
        assert await partitions.ensure("event", []) == []

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

    async def test_on_timescale_there_are_none(self, inspector, partitions, monkeypatch):
        async def yes(_):
            return True

        monkeypatch.setattr(timeseries, "has_timescale", yes)
        assert await partitions.ensure("event", [MONDAY]) == []
        monkeypatch.setattr(timeseries.asyncpg, "connect", None)
        assert await partitions.ensure("event", [MONDAY + WEEK]) == []
        assert await self.bounds(inspector, "event") == {}

    async def test_one_that_cannot_be_made_is_tried_again(self, inspector, partitions):
        connection = inspector.connection
        await connection.execute("alter table live.event rename to gone")
        with pytest.raises(timeseries.asyncpg.UndefinedTableError):
            await partitions.ensure("event", [MONDAY])
        await connection.execute("alter table live.gone rename to event")
        assert await partitions.ensure("event", [MONDAY]) == ["live.event_p20260302"]


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

    async def test_is_installed_where_it_is_offered(self):
        class Offering:
            executed = ()

            async def fetchval(self, _):
                return True

            async def execute(self, statement, *values):
                self.executed += ((statement, *values),)

        server = Offering()
        assert await has_timescale(server) is True
        assert await install_timescale(server) is True
        sql = "create table live.event (at timestamptz); create table live.metric_sample (at timestamptz)"
        await make_hypertables(server, "live", sql)
        installed, *made = server.executed
        assert installed == ("create extension if not exists timescaledb",)
        assert [name for _, name in made] == ["live.event", "live.metric_sample"]
        assert all("by_range('at', interval '7 days')" in statement for statement, _ in made)
