"""The database has the package's table of codes, whichever version filled it last."""

import asyncio
from dataclasses import replace

import pytest

from callscope.analysis.codes import explanations
from callscope.storage import code_explanations
from callscope.storage.code_explanations import COLUMNS, refill, rows
from callscope.storage.migrations import migrate
from callscope.storage.pool import connect
from tests.conftest import new_database

ALL = f"select {', '.join(COLUMNS)} from callscope.code_explanation order by position, key"


@pytest.fixture
async def url(servers, migrated):
    async with new_database(servers, template=migrated) as url:
        yield url


@pytest.fixture
async def connection(url):
    connection = await connect(url)
    yield connection
    await connection.close()


async def stored(connection):
    return {tuple(row) for row in await connection.fetch(ALL)}


def reworded(monkeypatch, *, count: int):
    """Another version of the package, with other texts and fewer rows."""
    table = tuple(replace(row, meaning=f"Reworded: {row.meaning}") for row in explanations()[:count])
    monkeypatch.setattr(code_explanations, "explanations", lambda: table)


async def test_migrating_fills_it(connection):
    assert await stored(connection) == set(rows())
    assert {row[1] for row in rows()} == {row.position for row in explanations()}


async def test_what_is_up_to_date_is_left_alone(connection):
    before = await connection.fetch("select xmin::text, key from callscope.code_explanation order by key, position")
    assert await migrate(connection) == []
    assert await refill(connection) is False
    assert await connection.fetch("select xmin::text, key from callscope.code_explanation order by key, position") == before


async def test_another_version_brings_its_own_texts_without_a_migration(connection, monkeypatch):
    reworded(monkeypatch, count=5)
    assert await migrate(connection) == []
    assert await stored(connection) == set(rows())
    assert len({row[1] for row in await stored(connection)}) == 5
    monkeypatch.undo()
    await migrate(connection)
    assert await stored(connection) == set(rows())


async def test_two_processes_fill_it_once(connection, url, monkeypatch):
    reworded(monkeypatch, count=50)
    other = await connect(url)
    await asyncio.gather(migrate(connection), migrate(other))
    await other.close()
    assert await stored(connection) == set(rows())
    assert await connection.fetchval("select count(distinct xmin::text) from callscope.code_explanation") == 1


async def test_readers_see_the_old_table_or_the_new_one(connection, url, monkeypatch):
    reader = await connect(url)
    before = await stored(reader)
    reworded(monkeypatch, count=50)
    async with connection.transaction():
        await refill(connection)
        assert await stored(reader) == before
    assert await stored(reader) == set(rows())
    await reader.close()


async def test_a_database_without_the_table_is_left_alone(database_url):
    connection = await connect(database_url)
    assert await refill(connection) is False
    await connection.close()
