"""The application as a whole: its doors, and what it does in its background."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from callscope.api.keys import create
from callscope.app import create_app
from callscope.settle import Settler
from callscope.storage.pool import connect
from callscope.telemetry import json_schema
from tests.conftest import new_database

QUERY = {"query": '{ call(callId: "x") { statistics { participantCount } freshness { isSettled } } }'}


@pytest.fixture
async def database_url(servers, migrated):
    async with new_database(servers, template=migrated) as url:
        yield url


@asynccontextmanager
async def served(database_url, **options):
    connection = await connect(database_url)
    key, _ = await create(connection, "test", "test")
    await connection.close()
    app = create_app(database_url, **options)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://callscope", headers={"authorization": f"Bearer {key}"}
        ) as client,
    ):
        yield client


def participant(id_):
    return b'{"type":"participant","callId":"x","participantId":"%s"}' % id_


async def count(client, expected):
    """Waits until so many participants are there and all is settled."""
    while True:
        call = (await client.post("/graphql", json=QUERY)).json()["data"]["call"]
        if call and call["statistics"]["participantCount"] == expected and call["freshness"]["isSettled"]:
            return


async def test_what_is_ingested_can_be_read_within_two_seconds(database_url):
    async with served(database_url) as client:
        for number, id_ in enumerate((b"p", b"q"), 1):
            assert (await client.post("/ingest", content=participant(id_))).status_code == 200
            async with asyncio.timeout(2):
                await count(client, number)


async def test_is_settled_because_ingest_says_so(database_url, monkeypatch):
    monkeypatch.setattr(Settler, "INTERVAL_SECONDS", 600)
    async with served(database_url) as client:
        await client.post("/ingest", content=participant(b"p"))
        async with asyncio.timeout(2):
            await count(client, 1)
        await client.post("/ingest", content=participant(b"q"))
        async with asyncio.timeout(2):
            await count(client, 2)


async def test_what_other_processes_ingest_is_settled_too(database_url):
    async with served(database_url, settling=False) as other, served(database_url) as client:
        await other.post("/ingest", content=participant(b"p"))
        async with asyncio.timeout(Settler.INTERVAL_SECONDS + 2):
            await count(client, 1)


async def test_settling_can_be_left_to_others(database_url):
    async with served(database_url, settling=False) as client:
        await client.post("/ingest", content=participant(b"p"))
        assert not [task for task in asyncio.all_tasks() if "Settler.run" in str(task)]
        assert (await client.post("/graphql", json=QUERY)).json()["data"]["call"] is None


async def test_settling_ends_with_the_application(database_url):
    async with served(database_url):
        assert [task for task in asyncio.all_tasks() if "Settler.run" in str(task)]
    assert not [task for task in asyncio.all_tasks() if "Settler.run" in str(task)]


async def test_begins_and_ends_without_a_database():
    app = create_app("postgresql://nobody@127.0.0.1:1/none")
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        assert (await client.get("http://callscope/health/live")).status_code == 200
        assert (await client.get("http://callscope/health/ready")).status_code == 503


async def test_has_its_doors_where_the_documents_say(database_url):
    async with served(database_url, settling=False) as client:
        for path in ("/", "/health/live", "/health/ready", "/telemetry.schema.json"):
            assert (await client.get(path)).status_code == 200, path
        assert (await client.get("/graphql", params={"query": "{ __typename }"})).json()["data"] == {"__typename": "Query"}
        assert (await client.get("/nowhere")).status_code == 404


async def test_says_what_telemetry_looks_like(database_url):
    async with served(database_url, settling=False) as client:
        answer = await client.get("/telemetry.schema.json")
    assert answer.headers["content-type"] == "application/schema+json"
    assert answer.json() == json_schema()
