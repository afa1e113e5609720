"""Migrations are applied once, in order, by one process at a time."""

import asyncio

import pytest

from callscope.saved import CALL_TABLES
from callscope.storage import migrations
from callscope.storage.migrations import Migration, MigrationError, applied, migrate, pending
from callscope.storage.pool import connect

SLOW = Migration(1, "slow", "create table once (n integer); select pg_sleep(0.2)")
LOG = Migration(2, "log", "insert into once values (1)")


@pytest.fixture
async def connection(database_url):
    connection = await connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def given(monkeypatch):
    """Puts other migrations in the place of the real ones."""
    return lambda *found: monkeypatch.setattr(migrations, "migrations", lambda: list(found))


async def tables(connection):
    rows = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
    return {row["tablename"] for row in rows} - {"callscope_migration"}


def test_are_numbered_without_gaps_and_named():
    found = migrations.migrations()
    assert [migration.number for migration in found] == list(range(1, len(found) + 1))
    assert all(migration.name and migration.sql.strip() for migration in found)


async def test_an_empty_database_lacks_all_of_them(connection):
    assert await applied(connection) == set()
    assert await pending(connection) == migrations.migrations()


async def test_bring_an_empty_database_up_to_date(connection):
    assert await migrate(connection) == migrations.migrations()
    assert await pending(connection) == []
    assert await applied(connection) == {migration.number for migration in migrations.migrations()}
    assert await connection.fetchval("select count(*) from live.call") == 0
    names = await connection.fetch("select number, name from public.callscope_migration order by number")
    assert [tuple(row) for row in names] == [(each.number, each.name) for each in migrations.migrations()]


async def test_a_second_time_changes_nothing(connection):
    await migrate(connection)
    before = await connection.fetch("select number, applied_at, xmin::text from public.callscope_migration")
    assert await migrate(connection) == []
    assert await connection.fetch("select number, applied_at, xmin::text from public.callscope_migration") == before


async def test_only_what_is_missing_is_applied(connection, given):
    first, second, third = (Migration(number, f"m{number}", f"create table t{number} ()") for number in (1, 2, 3))
    given(first)
    await migrate(connection)
    given(first, second, third)
    assert await pending(connection) == [second, third]
    assert await migrate(connection) == [second, third]
    assert await tables(connection) == {"t1", "t2", "t3"}


async def test_are_applied_once_by_two_at_the_same_time(connection, database_url, given):
    given(SLOW, LOG)
    other = await connect(database_url)
    done = await asyncio.gather(migrate(connection), migrate(other))
    await other.close()
    assert sorted(map(len, done)) == [0, 2]
    assert await connection.fetchval("select count(*) from once") == 1


async def test_one_that_fails_is_named_and_rolled_back_those_before_it_stay(connection, given):
    broken = Migration(2, "broken", "create table half (); select 1 / 0")
    given(Migration(1, "first", "create table whole ()"), broken, Migration(3, "never", "create table never ()"))
    with pytest.raises(MigrationError, match="0002_broken failed: division by zero"):
        await migrate(connection)
    assert await tables(connection) == {"whole"}
    assert [migration.number for migration in await pending(connection)] == [2, 3]


async def test_after_one_failed_others_can_migrate(connection, database_url, given):
    given(Migration(1, "broken", "select 1 / 0"))
    with pytest.raises(MigrationError):
        await migrate(connection)
    given(Migration(1, "mended", "create table mended ()"))
    other = await connect(database_url)
    async with asyncio.timeout(5):
        assert len(await migrate(other)) == 1
    await other.close()


@pytest.mark.parametrize("timescale", [True, False])
async def test_marks_are_followed_with_the_migration_that_bears_them(connection, given, monkeypatch, timescale):
    done = []

    async def has(_):
        return timescale

    async def make(_):
        done.append(("hypertables", sorted(await tables(connection))))

    async def enable(_):
        done.append(("columnstore", sorted(await tables(connection))))

    monkeypatch.setattr(migrations, "install_timescale", has)
    monkeypatch.setattr(migrations, "has_timescale", has)
    monkeypatch.setattr(migrations, "make_hypertables", make)
    monkeypatch.setattr(migrations, "enable_columnstore", enable)
    timed = Migration(2, "timed", "create table timed (at timestamptz not null) /* time-partitioned */")
    given(Migration(1, "plain", "create table plain ()"), timed, Migration(3, "packed", "select /* columnstore */"))
    await migrate(connection)
    both = ["plain", "timed"]
    assert done == ([("hypertables", both), ("columnstore", both)] if timescale else [])
    assert await connection.fetchval("select relkind from pg_class where relname = 'timed'") == (b"r" if timescale else b"p")


async def test_the_extension_is_installed_only_into_an_empty_database(connection, given, monkeypatch):
    asked = []

    async def install(_):
        asked.append(await applied(connection))

    monkeypatch.setattr(migrations, "install_timescale", install)
    one, two = Migration(1, "one", "select"), Migration(2, "two", "select")
    given(one)
    await migrate(connection)
    given(one, two)
    await migrate(connection)
    assert asked == [set()]


# ---------------------------------------------------------------------------------------------------- live and saved

SHAPE = """
select attname, format_type(atttypid, atttypmod), attnotnull, attidentity, pg_get_expr(adbin, adrelid)
from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum
"""
INDEXES = "select pg_get_indexdef(indexrelid), pg_get_indexdef(indexrelid, 2, true) from pg_index where indrelid = $1::regclass"


async def indexes(connection, table):
    """Columns and conditions of a table's indexes that find a call's rows."""
    found = await connection.fetch(INDEXES, table)
    return {text.partition(" USING ")[2] for text, second in found if second == "call_key"}


async def test_saved_tables_have_the_shape_of_the_live_ones(connection):
    await migrate(connection)
    rows = await connection.fetch(
        "select table_name from information_schema.columns where table_schema = 'live' and column_name = 'call_key'"
    )
    # Who looked at a call says nothing of it.
    assert {row["table_name"] for row in rows} - {"inspection"} == set(CALL_TABLES)
    for table in CALL_TABLES:
        assert await connection.fetch(SHAPE, f"saved.{table}") == await connection.fetch(SHAPE, f"live.{table}"), table
        assert await indexes(connection, f"saved.{table}") == await indexes(connection, f"live.{table}"), table
        assert len(await connection.fetch(INDEXES, f"saved.{table}")) == len(await indexes(connection, f"saved.{table}"))
    kinds = await connection.fetch("select relname from pg_class where relnamespace = 'saved'::regnamespace and relkind = 'p'")
    assert kinds == []


async def test_a_migration_can_change_live_and_saved_tables_alike(connection, given):
    real = migrations.migrations()
    alike = """/* live and saved */
        alter table live.event add column one text;
        create index event_one on live.event (project_id, call_key, one);
        create index event_all on live.event (project_id, one);
    """
    alone = "alter table live.inspection add column one text"
    given(*real, Migration(len(real) + 1, "alike", alike), Migration(len(real) + 2, "alone", alone))
    await migrate(connection)
    for schema in ("live", "saved"):
        assert (await connection.fetch(SHAPE, f"{schema}.event"))[-1]["attname"] == "one"
        assert any("one" in text for text in await indexes(connection, f"{schema}.event"))
    # What serves lists of all calls is not kept of what is saved.
    assert await connection.fetchval(
        "select to_regclass('live.event_all') is not null and to_regclass('saved.event_all') is null"
    )


async def test_a_migration_for_both_kinds_of_tables_is_taken_back_as_one(connection, given):
    real = migrations.migrations()
    broken = "/* live and saved */ alter table live.event add column one text; alter table live.inspection add column one text"
    given(*real, Migration(len(real) + 1, "broken", broken))
    with pytest.raises(MigrationError, match=r'relation "saved\.inspection" does not exist'):
        await migrate(connection)
    assert "one" not in {row["attname"] for row in await connection.fetch(SHAPE, "live.event")}
