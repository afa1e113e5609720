"""Turns at a call: who waits for whom, and who does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from callscope.storage.call_locks import TAKE, TRY, WRITES
from callscope.storage.pool import connect

WRITE = f"select {WRITES.format(call_key='$1::bigint')}"
ONE, SAME_PART, OTHER = 7, 7 + 256, 8


@asynccontextmanager
async def transaction(url: str, *statement: object) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(url)
    try:
        async with connection.transaction():
            await connection.fetch(*statement)
            yield connection
    finally:
        await connection.close()


@pytest.fixture
async def url(servers) -> str:
    """Nothing but locks is used."""
    return servers.database_url


async def test_writers_do_not_wait_for_each_other(url: str) -> None:
    async with asyncio.timeout(10), transaction(url, WRITE, ONE), transaction(url, WRITE, ONE):
        pass


async def test_who_tries_gets_the_calls_at_which_nobody_is(url: str) -> None:
    async with transaction(url, WRITE, ONE), transaction(url, TAKE, 1, OTHER), transaction(url, "select 1") as own:
        rows = await own.fetch(TRY, 1, [ONE, OTHER, 9])
        assert [row["call_key"] for row in rows] == [9]
    async with transaction(url, TRY, 1, [ONE, OTHER]) as own, transaction(url, TRY, 2, [10]) as other:
        # Of another project the turn is another one, but for the writers' part that is shared.
        assert await own.fetch(TRY, 1, [ONE]) != []
        assert await other.fetch(TRY, 2, [ONE]) == []
        assert await other.fetch(TRY, 2, [20]) != []


@pytest.mark.parametrize(("call", "waits"), [(ONE, True), (SAME_PART, True), (OTHER, False)])
async def test_who_takes_a_turn_waits_for_writers_of_its_part(url: str, call: int, waits: bool) -> None:
    async def take() -> None:
        async with transaction(url, TAKE, 1, call):
            pass

    async with transaction(url, WRITE, ONE):
        taking = asyncio.create_task(take())
        done, _ = await asyncio.wait([taking], timeout=0.3 if waits else 10)
        assert bool(done) is not waits
    await taking


async def test_whoever_has_the_turn_keeps_it_to_the_end_of_its_transaction(url: str) -> None:
    async with transaction(url, "select 1") as other:
        async with transaction(url, TAKE, 1, ONE):
            assert await other.fetch(TRY, 1, [ONE]) == []
        assert await other.fetch(TRY, 1, [ONE]) != []
