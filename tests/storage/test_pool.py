"""Connections to PostgreSQL, and what becomes of them when it restarts."""

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest

from callscope.storage import pool as module
from callscope.storage.pool import Pool, connect
from tests.conftest import new_database

DIE = "select pg_terminate_backend(pg_backend_pid())"
NOBODY = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture(scope="module")
async def database_url(servers):
    """One for all tests here: none leaves anything in it."""
    async with new_database(servers) as url:
        yield url


@pytest.fixture
async def admin(servers):
    connection = await asyncpg.connect(servers.database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def pool(database_url):
    async with Pool(database_url, size=3) as pool:
        yield pool


async def backend(connection):
    return await connection.fetchval("select pg_backend_pid()")


async def restart(admin, database_url):
    """What clients see of a restart: every connection to the database is gone."""
    name = urlsplit(database_url).path[1:]
    await admin.fetch("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1", name)


async def held(pool, count):
    """The backends of several connections in use at the same time, which stay in the pool."""
    arrived = asyncio.Barrier(count)

    async def hold():
        async with pool.connection() as connection:
            await arrived.wait()
            return await backend(connection)

    return await asyncio.gather(*(hold() for _ in range(count)))


class TestSession:
    SHOWN = ("timezone", "jit", "statement_timeout", "application_name")

    async def shown(self, connection):
        return [await connection.fetchval(f"show {name}") for name in self.SHOWN]

    async def test_of_the_server_has_a_time_limit(self, pool):
        async with pool.connection() as connection:
            assert await self.shown(connection) == ["UTC", "off", "30s", "callscope"]

    async def test_of_imports_and_settling_has_none(self, database_url):
        connection = await connect(database_url)
        assert await self.shown(connection) == ["UTC", "off", "0", "callscope"]
        await connection.close()

    async def test_of_a_replica_cannot_write(self, database_url):
        async with Pool(database_url, size=1, reads_only=True) as pool:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await pool.read(lambda connection: connection.execute("create table half ()"))

    @pytest.mark.parametrize("length", [100, 100_000])
    async def test_prepares_statements_once_however_long(self, pool, length):
        statement = f"select 1 as {'x' * 10} /* {'-' * length} */"
        async with pool.connection() as connection:
            for _ in range(2):
                await connection.fetchval(statement)
            prepared = await connection.fetchval("select count(*) from pg_prepared_statements where statement = $1", statement)
            assert prepared == 1


class TestConnections:
    async def test_open_without_a_database(self):
        async with Pool(NOBODY, size=1) as pool:
            with pytest.raises(OSError, match=r".*"):
                await pool.read(backend)

    async def test_are_kept_between_uses(self, pool):
        assert len({await pool.read(backend) for _ in range(3)}) == 1

    async def test_are_no_more_than_the_size(self, pool, monkeypatch):
        monkeypatch.setattr(module, "ACQUIRE_SECONDS", 0.05)
        async with pool.connection(), pool.connection(), pool.connection():
            with pytest.raises(TimeoutError):
                async with pool.connection():
                    pass
        assert await pool.read(backend)

    async def test_a_failed_transaction_leaves_nothing_behind(self, pool):
        async def fail():
            async with pool.connection() as connection, connection.transaction():
                await connection.execute("create table half ()")
                await connection.execute("select 1 / 0")

        with pytest.raises(asyncpg.DivisionByZeroError):
            await fail()
        async with pool.connection() as connection:
            assert not connection.is_in_transaction()
            assert await connection.fetchval("select to_regclass('half')") is None

    async def test_a_cancelled_request_leaves_nothing_behind(self, pool, admin):
        async def sleep():
            async with pool.connection() as connection, connection.transaction():
                await connection.execute("create table half ()")
                await connection.execute("select pg_sleep(30)")

        sleeping = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
        task = asyncio.create_task(sleep())
        async with asyncio.timeout(5):
            while not await admin.fetchval(sleeping):
                pass
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await pool.read(lambda connection: connection.fetchval("select to_regclass('half')")) is None

    async def test_are_cut_at_the_end(self, database_url, admin):
        async with Pool(database_url, size=3) as pool:
            backends = await held(pool, 3)
            assert len(set(backends)) == 3
        left = backends
        async with asyncio.timeout(5):
            while left:
                left = await admin.fetch("select from pg_stat_activity where pid = any($1::integer[])", backends)


class TestRead:
    async def test_gives_what_was_read(self, pool):
        assert await pool.read(lambda connection: connection.fetchval("select 7")) == 7

    async def test_survives_a_restart_however_many_connections_were_open(self, pool, admin, database_url):
        before = set(await held(pool, 3))
        await restart(admin, database_url)
        after = [await pool.read(backend) for _ in range(3)]
        assert before.isdisjoint(after)

    async def test_survives_a_restart_in_the_middle(self, pool):
        runs = []

        async def read(connection):
            runs.append(await backend(connection))
            return await connection.fetchval("select true" if len(runs) > 1 else DIE)

        assert await pool.read(read) is True
        assert runs[0] != runs[1]

    async def test_trusts_no_connection_from_before_a_restart(self, pool):
        before = await held(pool, 2)
        runs = []

        async def read(connection):
            runs.append(await backend(connection))
            return await connection.fetchval("select pg_backend_pid()" if len(runs) > 1 else DIE)

        assert await pool.read(read) not in before
        assert runs[0] in before

    async def test_is_tried_once_more_and_no_oftener(self, pool):
        runs = []

        async def read(connection):
            runs.append(await backend(connection))
            await connection.fetchval(DIE)

        with pytest.raises(Pool.RESTARTED):
            await pool.read(read)
        assert len(runs) == 2

    async def test_is_tried_once_more_on_a_replica_that_could_not_keep_its_rows(self, pool):
        conflict = "do $$ begin raise exception 'conflict with recovery' using errcode = '40001'; end $$"
        runs = []

        async def read(connection):
            runs.append(await backend(connection))
            return await connection.fetchval("select true" if len(runs) > 1 else conflict)

        idle = await held(pool, 2)
        assert await pool.read(read) is True
        assert len(runs) == 2
        assert set(await held(pool, 2)) == set(idle)

    async def test_a_mistake_is_not_tried_again(self, pool):
        runs = []

        async def read(connection):
            runs.append(1)
            return await connection.fetchval("select nonsense")

        with pytest.raises(asyncpg.UndefinedColumnError):
            await pool.read(read)
        assert runs == [1]
