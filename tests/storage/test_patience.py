"""What a writer does where the database is locked or does not answer."""

import asyncio
from contextlib import suppress

import asyncpg
import pytest

from callscope.storage.ledger import Ledger
from callscope.storage.patience import ENDLESS, Patience, answering, transaction
from callscope.storage.pool import connect
from callscope.storage.timeseries import Partitions
from callscope.telemetry import TELEMETRY
from tests.conftest import new_database

LOCK = "lock table live.record in access exclusive mode"
INSERT = "insert into callscope.project (name) values ('p')"


@pytest.fixture
async def database_url(servers, migrated):
    async with new_database(servers, template=migrated) as url:
        yield url


@pytest.fixture
async def connection(database_url):
    made = await connect(database_url)
    yield made
    await made.close()


@pytest.fixture
async def other(database_url):
    """Another connection, which holds a table while it is in its transaction."""
    made = await connect(database_url)
    yield made
    await made.close()


def projects(connection):
    return connection.fetchval("select count(*) from callscope.project")


@pytest.mark.parametrize("patience", [ENDLESS, Patience(5, 30), Patience(answer_seconds=30)])
async def test_a_transaction_is_kept_or_undone_as_any_other(connection, other, patience):
    with suppress(ZeroDivisionError):
        async with transaction(connection, patience):
            await connection.execute(INSERT)
            raise ZeroDivisionError
    assert await projects(other) == 0
    async with transaction(connection, patience):
        await connection.execute(INSERT)
    assert await projects(other) == 1


async def test_a_lock_is_given_up_in_time_and_the_connection_stays_good(connection, other):
    async with other.transaction():
        await other.execute(LOCK)
        with pytest.raises(asyncpg.LockNotAvailableError):
            async with transaction(connection, Patience(lock_seconds=0.05, answer_seconds=30)):
                await connection.execute("select from live.record")
    assert not connection.is_in_transaction()
    assert await connection.fetchval("show lock_timeout") == "0"


async def test_a_connection_that_does_not_answer_is_ended_with_what_is_nested_in_it(connection, other):
    silent = Patience(answer_seconds=0.05)

    async def write():
        async with transaction(connection, silent):
            await connection.execute(INSERT)
            with answering(connection, silent):
                async with connection.transaction():
                    await connection.execute("select from live.record")

    async with other.transaction():
        await other.execute(LOCK)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await write()
        assert connection.is_closed()
    assert await projects(other) == 0


async def test_one_that_answers_in_time_stays(connection):
    with answering(connection, Patience(answer_seconds=0.01)):
        await connection.execute("select 1")
    await asyncio.sleep(0.05)
    assert await connection.fetchval("select 1") == 1


async def test_a_ledger_gives_up_a_partition_that_cannot_be_made(database_url, connection, other):
    event = TELEMETRY.validate_python(
        {"type": "event", "call_id": "x", "at": "2031-01-05T09:00Z", "category": "OTHER", "name": "n"}
    )
    partitions = Partitions(database_url)

    async def write(connection, patience):
        async with transaction(connection, patience):
            ledger = Ledger(connection, partitions, 1, patience)
            await ledger.add(event)
            await ledger.finish()

    async with other.transaction():
        await other.execute("lock table live.event in access exclusive mode")
        with pytest.raises((TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await write(connection, Patience(answer_seconds=0.2))
    fresh = await connect(database_url)
    await write(fresh, ENDLESS)
    assert await other.fetchval("select count(*) from live.event") == 1
    await fresh.close()
