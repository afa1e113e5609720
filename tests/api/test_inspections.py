"""Which calls a key opened last."""

from callscope.api import inspections
from callscope.api.keys import create

QUERY = "{ recentlyInspectedCalls { callId } }"


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


async def test_it_is_written_once_a_minute(filled):
    await opened(filled, "room")
    before = await filled.connection.fetchval("select max(inspected_at) from live.inspection")
    await opened(filled, "room")
    assert await filled.connection.fetchval("select max(inspected_at) from live.inspection") == before


async def test_a_failing_note_does_not_spoil_the_answer(filled, monkeypatch):
    monkeypatch.setattr(inspections, "NOTE", "select 1 / 0 where $1::integer + $2::bigint + $3::bigint is not null")
    data = await filled.query('{ call(callId: "one-to-one") { callId } }')
    assert data == {"call": {"callId": "one-to-one"}}


async def test_only_so_many_are_remembered(filled, monkeypatch):
    monkeypatch.setattr(inspections, "CAPACITY", 1)
    for call_id in ("one-to-one", "broadcast", "multiparty"):
        await opened(filled, call_id)
    assert (await recent(filled))[0] == "multiparty"
