"""A mutation that is sent again has its effect once: after its answer was lost, or at the same time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from callscope.api.keys import create
from callscope.ingest import ingest_plans
from callscope.once import once
from tests.conftest import new_database
from tests.inspector import Inspector
from tests.inspector import inspector as running
from tests.plans import sample_plans
from tests.saving import change, codes, global_id, saved


@pytest.fixture(scope="module")
async def server(servers, migrated) -> AsyncIterator[Inspector]:
    async with new_database(servers, template=migrated) as url, running(url) as found:
        await ingest_plans(found.connection, url, found.project_id, sample_plans()[3:])
        await found.settle()
        yield found


@pytest.fixture
async def inspector(server: Inspector) -> Inspector:
    """Two calls, of which nothing is saved, and nothing remembered."""
    sessions = (await server.query("{ savedSessions { nodes { id } } }"))["savedSessions"]["nodes"]
    await change(server, "deleteSavedSessions", ids=[session["id"] for session in sessions])
    await server.connection.execute("truncate callscope.mutation")
    return server


async def remembered(found: Inspector) -> int:
    return await found.connection.fetchval("select count(*) from callscope.mutation")


async def test_saving_sent_again_is_answered_again_and_saves_nothing(inspector: Inspector) -> None:
    given = {"callId": await global_id(inspector, "room"), "name": "a", "clientMutationId": "1"}
    first = await change(inspector, "saveSession", **given)
    assert first["clientMutationId"] == "1"
    assert await change(inspector, "saveSession", **given) == first
    # It answers with the session as it is now.
    await change(inspector, "updateSavedSession", id=first["savedSession"]["id"], name="b", clientMutationId="1")
    again = await change(inspector, "saveSession", **given)
    assert again == first | {"savedSession": first["savedSession"] | {"name": "b"}}
    await change(inspector, "deleteSavedSessions", ids=[first["savedSession"]["id"]])
    assert await change(inspector, "saveSession", **given) == first | {"savedSession": None}


async def test_deleting_sent_again_tells_again_what_it_deleted(inspector: Inspector) -> None:
    session = (await saved(inspector, "room"))["id"]
    given = {"ids": [session, "session_1"], "clientMutationId": "x"}
    first = await change(inspector, "deleteSavedSessions", **given)
    assert first["deletedIds"] == [session]
    await saved(inspector, "room")
    assert await change(inspector, "deleteSavedSessions", **given) == first
    assert (await inspector.query("{ project { savedSessionCount } }"))["project"]["savedSessionCount"] == 1
    assert (await change(inspector, "deleteSavedSessions", ids=[session]))["deletedIds"] == [session]


async def test_what_was_refused_is_tried_again(inspector: Inspector) -> None:
    given = {"callId": await global_id(inspector, "room"), "name": "a", "clientMutationId": "1"}
    await inspector.connection.execute("update callscope.project set saved_session_limit = 0")
    assert codes(await change(inspector, "saveSession", **given)) == [("SAVED_SESSION_LIMIT", ("callId",))]
    assert await remembered(inspector) == 0
    await inspector.connection.execute("update callscope.project set saved_session_limit = 1000")
    assert (await change(inspector, "saveSession", **given))["savedSession"]["name"] == "a"
    assert await remembered(inspector) == 1


async def test_another_content_field_or_key_is_another_mutation(inspector: Inspector) -> None:
    session = (await saved(inspector, "room"))["id"]
    for name in ("a", "b"):
        payload = await change(inspector, "updateSavedSession", id=session, name=name, clientMutationId="1")
        assert payload["savedSession"]["name"] == name
    tagged = {"id": session, "tags": ["a"], "clientMutationId": "1"}
    await change(inspector, "tagSession", **tagged)
    await change(inspector, "updateSavedSession", **tagged | {"tags": ["b"]})
    # The same input of another field.
    assert (await change(inspector, "updateSavedSession", **tagged))["savedSession"]["tags"] == ["a"]
    await change(inspector, "tagSession", id=session, tags=[])
    assert (await change(inspector, "tagSession", **tagged))["savedSession"]["tags"] == []
    key, _ = await create(inspector.connection, "test", "another")
    inspector.client.headers["authorization"] = f"Bearer {key}"
    try:
        assert (await change(replace(inspector, key=key), "tagSession", **tagged))["savedSession"]["tags"] == ["a"]
    finally:
        inspector.client.headers["authorization"] = f"Bearer {inspector.key}"


async def test_sent_twice_at_once_it_has_its_effect_once(inspector: Inspector) -> None:
    given = {"callId": await global_id(inspector, "room"), "name": "a", "clientMutationId": "1"}
    payloads = await asyncio.gather(*(change(inspector, "saveSession", **given) for _ in range(8)))
    assert len({str(payload) for payload in payloads}) == 1
    assert payloads[0]["savedSession"]["savedAt"] == payloads[0]["savedSession"]["updatedAt"]
    deletion = {"ids": [payloads[0]["savedSession"]["id"]], "clientMutationId": "1"}
    payloads = await asyncio.gather(*(change(inspector, "deleteSavedSessions", **deletion) for _ in range(8)))
    assert [payload["errors"] for payload in payloads] == [[]] * 8


async def test_a_day_later_it_is_a_mutation_like_any_other_and_what_is_old_goes(inspector: Inspector) -> None:
    session = (await saved(inspector, "room"))["id"]
    given = {"id": session, "tags": ["a"], "clientMutationId": "1"}
    for number in range(3):
        await change(inspector, "tagSession", id=session, tags=[], clientMutationId=f"old {number}")
    await change(inspector, "tagSession", **given)
    await change(inspector, "tagSession", id=session, tags=["b"])
    assert (await change(inspector, "tagSession", **given))["savedSession"]["tags"] == ["b"]
    await inspector.connection.execute("update callscope.mutation set made_at = made_at - interval '1 day'")
    assert await remembered(inspector) == 4
    assert (await change(inspector, "tagSession", **given))["savedSession"]["tags"] == ["a"]
    assert await remembered(inspector) == 1


async def test_an_effect_that_fails_is_forgotten(inspector: Inspector) -> None:
    async def failing() -> tuple[dict, bool]:
        raise ValueError("half way")

    async def counted() -> tuple[dict, bool]:
        return {"a": 1}, True

    key = (inspector.project_id, 1)
    with pytest.raises(ValueError, match="half way"):
        async with inspector.connection.transaction():
            await once(inspector.connection, key, {"field": "x"}, failing)
    async with inspector.connection.transaction():
        assert await once(inspector.connection, key, {"field": "x"}, counted) == {"a": 1}
        assert await once(inspector.connection, key, {"field": "x"}, failing) == {"a": 1}
