"""Which calls a key opened last."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from callscope.api import inspections
from callscope.api.keys import create
from callscope.app import create_app
from callscope.storage.pool import Pool
from callscope.telemetry import ParticipantRecord

QUERY = "{ recentlyInspectedCalls { callId } }"


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Notes are written without delay, so that none of another test comes in between."""
    monkeypatch.setattr(inspections, "DELAY_SECONDS", 0)


async def recent(inspector, query=QUERY):
    return [call["callId"] for call in (await inspector.query(query))["recentlyInspectedCalls"]]


async def opened(inspector, call_id):
    await inspector.query("query ($id: String) { call(callId: $id) { id } }", id=call_id)


async def test_a_call_that_was_opened_is_there_newest_first(filled):
    for call_id in ("room", "broadcast"):
        await opened(filled, call_id)
    assert (await recent(filled))[:2] == ["broadcast", "room"]
    assert await recent(filled, "{ recentlyInspectedCalls(first: 1) { callId } }") == ["broadcast"]
    assert await recent(filled, "{ recentlyInspectedCalls(first: 0) { callId } }") == []


async def test_opening_by_global_id_counts_and_listing_does_not(filled):
    id_ = (await filled.query('{ call(callId: "multiparty") { id } }'))["call"]["id"]
    await filled.query("query ($id: ID) { call(id: $id) { callId } }", id=id_)
    await filled.query('{ calls(filter: {callIds: ["one-to-one"]}) { nodes { id } } }')
    found = await recent(filled)
    assert found[0] == "multiparty"
    assert "one-to-one" not in found


async def test_an_unknown_call_is_not_noted(inspector):
    assert (await inspector.query('{ call(callId: "nowhere") { id } }'))["call"] is None
    assert await recent(inspector) == []
    assert await inspector.connection.fetchval("select count(*) from live.inspection") == 0


async def test_another_key_of_the_project_has_its_own(filled):
    await opened(filled, "failed")
    key, _ = await create(filled.connection, "test", "other")
    answer = await filled.client.post("/graphql", json={"query": QUERY}, headers={"authorization": f"Bearer {key}"})
    assert answer.json()["data"]["recentlyInspectedCalls"] == []


async def inspected(inspector):
    return dict(await inspector.connection.fetch("select call_key, inspected_at from live.inspection"))


async def test_the_last_one_is_noted_once_a_minute(filled):
    await opened(filled, "room")
    await recent(filled)
    before = await inspected(filled)
    await opened(filled, "room")
    await recent(filled)
    assert await inspected(filled) == before


async def test_an_answer_waits_for_no_note(inspector, monkeypatch):
    """What is noted in between is written together."""
    calls = ("one", "two", "three")
    await inspector.tell(ParticipantRecord(call_id=call, participant_id="ada") for call in calls)
    written = []
    plain = inspections.Inspections.write

    async def counted(self):
        # Applications of other tests may write theirs meanwhile.
        if self._pool._database_url == inspector.database_url:
            written.append(len(self._unwritten))
        await plain(self)

    monkeypatch.setattr(inspections.Inspections, "write", counted)
    monkeypatch.setattr(inspections, "DELAY_SECONDS", 0.5)
    for call in calls:
        await opened(inspector, call)
    assert written == []
    for _ in range(1000):
        if written:
            break
        await asyncio.sleep(0.01)
    assert written == [3]


async def test_who_reads_them_waits_for_those_that_are_being_written(filled, monkeypatch):
    plain = Pool.connection

    @asynccontextmanager
    async def slow(self):
        async with plain(self) as connection:
            await asyncio.sleep(0.2)
            yield connection

    monkeypatch.setattr(Pool, "connection", slow)
    for call_id in ("failed", "multiparty"):
        await opened(filled, call_id)
        await asyncio.sleep(0.05)  # the note is being written by now
        assert (await recent(filled))[0] == call_id


async def test_notes_are_written_although_nobody_reads_them(filled):
    before = await inspected(filled)
    await opened(filled, "broadcast")
    await opened(filled, "room")
    for _ in range(1000):
        if await inspected(filled) != before:
            break
        await asyncio.sleep(0.01)
    assert await inspected(filled) != before


async def test_a_server_that_stops_writes_what_is_noted(filled, monkeypatch):
    """Without waiting for the delay."""
    monkeypatch.setattr(inspections, "DELAY_SECONDS", 1_000)
    before = await inspected(filled)
    app = create_app(filled.database_url, settling=False)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://callscope") as client:
        headers = {"authorization": f"Bearer {filled.key}"}
        await client.post("/graphql", json={"query": '{ call(callId: "failed") { id } }'}, headers=headers)
    assert await inspected(filled) != before


async def test_a_later_note_of_another_server_stands(filled):
    await opened(filled, "failed")
    await filled.connection.execute("update live.inspection set inspected_at = now() + interval '1 hour'")
    before = await inspected(filled)
    await opened(filled, "room")
    await opened(filled, "failed")
    await recent(filled)
    assert await inspected(filled) == before
    await filled.connection.execute("update live.inspection set inspected_at = inspected_at - interval '1 hour'")


async def test_a_failing_note_does_not_spoil_an_answer(filled, monkeypatch, caplog):
    monkeypatch.setattr(inspections, "WRITE", "select 1 / 0 where $1::int[] is null or $2::bigint[] || $3 || $4::text[] is null")
    await opened(filled, "one-to-one")
    await recent(filled)
    assert "not noted" in caplog.text


async def test_only_so_many_are_remembered(filled, monkeypatch):
    monkeypatch.setattr(inspections, "CAPACITY", 1)
    for call_id in ("one-to-one", "broadcast", "multiparty"):
        await opened(filled, call_id)
    assert (await recent(filled))[0] == "multiparty"
