"""Saving, renaming, tagging and deleting: what holds whoever does it at the same time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from callscope import saved as saving
from callscope.api.keys import Scope, create
from callscope.app import create_app
from callscope.ingest import ingest_plans
from callscope.labels import labels
from callscope.maintenance import maintain
from callscope.saved import CALL_TABLES
from callscope.telemetry import CallRecord, ConnectionRecord, EventRecord
from callscope.vocabulary import EventCategory, Platform
from tests.aging import expire
from tests.inspector import Inspector
from tests.plans import sample_plans
from tests.saving import change, codes, global_id, saved

UNKNOWN = "call_1"
SESSIONS = "{ savedSessions(first: 1000) { totalCount nodes { id name } } project { savedSessionCount } }"
EVENTS = "{ savedSessions { nodes { call { events(first: 1000) { nodes { name } } statistics { connectionCount } } } } }"


@pytest.fixture
async def filled(inspector: Inspector) -> Inspector:
    """Three calls, of which nothing is saved; a test may change them."""
    await ingest_plans(
        inspector.connection, inspector.database_url, inspector.project_id, [sample_plans()[0], *sample_plans()[3:5]]
    )
    await inspector.settle()
    return inspector


async def calls(found: Inspector, number: int) -> list[str]:
    """The ids of so many calls more."""
    names = [f"small-{one}" for one in range(number)]
    await found.tell(CallRecord(call_id=name, platform=Platform.OTHER, started_at=datetime.now(UTC)) for name in names)
    text = "query ($ids: [String!]) { calls(first: 1000, filter: {callIds: $ids}) { nodes { id } } }"
    return [node["id"] for node in (await found.query(text, ids=names))["calls"]["nodes"]]


async def rows(found: Inspector, schema: str = "saved", call_ids: list[str] | None = None) -> dict[str, int]:
    """How many rows each of a call's tables has, of all calls or of some."""
    own = "call_key in (select call_key from live.call where call_id = any($1) or $1 is null)"
    own = own if schema == "live" else "$1::text[] is null"
    text = f"select count(*) from {schema}.{{}} where {own}"
    return {table: await found.connection.fetchval(text.format(table), call_ids) for table in CALL_TABLES}


# ---------------------------------------------------------------------------------------------------- saving


async def test_a_session_is_saved_whole_and_deleted_whole(filled: Inspector) -> None:
    session = await saved(filled, "room", "  The  room ", tags=["A", "b", "a"])
    assert (session["name"], session["tags"], session["canRefresh"]) == ("The room", ["A", "b"], True)
    assert session["savedAt"] == session["updatedAt"]
    key = await filled.connection.fetchval("select call_key from live.call where call_id = 'room'")
    for table in CALL_TABLES:
        text = f"select t::text from {{}}.{table} t where call_key = $1 order by 1"
        live, kept = [[row[0] for row in await filled.connection.fetch(text.format(name), key)] for name in ("live", "saved")]
        assert kept == live
        assert kept or table in ("call_change", "data_warning", "issue", "metric_sketch")
    payload = await change(filled, "deleteSavedSessions", ids=[session["id"]])
    assert (payload["deletedIds"], payload["errors"]) == ([session["id"]], [])
    assert set((await rows(filled)).values()) == {0}
    assert (await filled.query(SESSIONS))["project"]["savedSessionCount"] == 0


async def test_a_session_goes_when_the_project_says(filled: Inspector) -> None:
    await filled.connection.execute("update callscope.project set saved_retention_months = 3")
    session = await saved(filled, "room")
    updated_at, goes_at = (datetime.fromisoformat(session[name]) for name in ("updatedAt", "expiresAt"))
    assert goes_at == await filled.connection.fetchval("select $1::timestamptz + interval '3 months'", updated_at)
    call = (await filled.query("{ savedSessions { nodes { call { expiresAt savedSession { id } } } } }"))["savedSessions"][
        "nodes"
    ]
    assert call == [{"call": {"expiresAt": session["expiresAt"], "savedSession": {"id": session["id"]}}}]


async def test_saving_again_replaces_the_data_and_keeps_the_session(filled: Inspector) -> None:
    first = await saved(filled, "one-to-one", "first", tags=["kept"])
    await saved(filled, "room")
    others = await rows(filled)
    late = {"call_id": "one-to-one", "at": sample_plans()[0].started_at + timedelta(seconds=1), "category": EventCategory.OTHER}
    await filled.tell([EventRecord(**late, name="late")])
    second = await saved(filled, "one-to-one", "second")
    assert second | {"name": "first", "updatedAt": first["updatedAt"], "expiresAt": first["expiresAt"]} == first
    assert (second["name"], second["tags"]) == ("second", ["kept"])
    assert second["updatedAt"] > second["savedAt"]
    assert second["expiresAt"] > first["expiresAt"]
    # The event, and the record that the call was told of, are in; no row is there twice.
    assert (await rows(filled))["event"] == others["event"] + 1
    assert await rows(filled) == await rows(filled, "live", ["one-to-one", "room"])
    third = await saved(filled, "one-to-one", "third", tags=[])
    assert third["tags"] == []


async def test_a_live_call_is_saved_as_it_stands_now(inspector: Inspector) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    own = {"call_id": "live", "connection_id": "one", "connected_at": now}
    await inspector.tell([ConnectionRecord(**own, participant_id="a")])
    await saved(inspector, "live")
    await inspector.tell([ConnectionRecord(**own | {"connection_id": "two"}, participant_id="b")])
    text = """{ savedSessions { nodes { call { state endedAt participants { totalCount } } } }
        calls { nodes { participants { totalCount } } } }"""
    answer = await inspector.query(text)
    assert answer["savedSessions"]["nodes"] == [{"call": {"state": "LIVE", "endedAt": None, "participants": {"totalCount": 1}}}]
    assert answer["calls"]["nodes"] == [{"participants": {"totalCount": 2}}]


async def test_a_call_that_is_not_settled_yet_says_so_as_it_was_saved(filled: Inspector) -> None:
    late = {"call_id": "one-to-one", "at": sample_plans()[0].started_at, "category": EventCategory.OTHER, "name": "late"}
    await filled.tell([EventRecord(**late)], settled=False)
    await saved(filled, "one-to-one")
    await filled.settle()
    text = (
        '{ savedSessions { nodes { call { freshness { isSettled } } } } call(callId: "one-to-one") { freshness { isSettled } } }'
    )
    answer = await filled.query(text)
    assert answer["call"] == {"freshness": {"isSettled": True}}
    assert answer["savedSessions"]["nodes"] == [{"call": {"freshness": {"isSettled": False}}}]


async def test_a_call_of_which_next_to_nothing_is_known_can_be_saved(inspector: Inspector) -> None:
    (call,) = await calls(inspector, 1)
    payload = await change(inspector, "saveSession", callId=call, name="empty")
    assert payload["savedSession"]["call"]["id"] == f"saved{call}"
    again = await change(inspector, "saveSession", callId=f"saved{call}", name="by the id of what was saved")
    assert again["savedSession"]["id"] == payload["savedSession"]["id"]


@pytest.mark.parametrize(
    "given", [UNKNOWN, "", "room", "call_1_1", "participant_1_1", "session_1", "call_" + "f" * 17, "\x00", "x" * 9999]
)
async def test_what_is_no_call_is_not_found_and_all_else_is_told_too(inspector: Inspector, given: str) -> None:
    payload = await change(inspector, "saveSession", callId=given, name=" ", tags=list("abcd"))
    assert payload["savedSession"] is None
    assert codes(payload) == [("NOT_FOUND", ("callId",)), ("NAME_REQUIRED", ("name",)), ("TOO_MANY_TAGS", ("tags",))]


async def test_a_foreign_call_and_session_are_like_unknown_ones(filled: Inspector) -> None:
    session = await saved(filled, "room")
    key, _ = await create(filled.connection, "other", "other")
    headers = {"authorization": f"Bearer {key}"}
    ids = {"call": await global_id(filled, "room"), "session": session["id"]}
    text = """mutation ($call: ID!, $session: ID!) {
        saveSession(input: {callId: $call, name: "mine"}) { savedSession { id } errors { code message field } }
        updateSavedSession(input: {id: $session, name: "mine"}) { savedSession { id } errors { code message field } }
        tagSession(input: {id: $session, tags: ["mine"]}) { savedSession { id } errors { code message field } }
        deleteSavedSessions(input: {ids: [$session]}) { deletedIds errors { code field } }
    }"""
    answers = []
    for given in (ids, {"call": UNKNOWN, "session": "session_1"}):
        answer = await filled.client.post("/graphql", json={"query": text, "variables": given}, headers=headers)
        answers.append(answer.json()["data"])
    assert answers[0] == answers[1]
    assert {error["code"] for payload in answers[0].values() for error in payload["errors"]} == {"NOT_FOUND"}
    assert (await filled.query(SESSIONS))["savedSessions"]["nodes"] == [{"id": session["id"], "name": "room"}]
    nodes = {"query": f'{{ nodes(ids: ["{session["id"]}", "{session["call"]["id"]}"]) {{ id }} }}'}
    assert (await filled.client.post("/graphql", json=nodes, headers=headers)).json()["data"] == {"nodes": [None, None]}


async def test_projects_that_have_calls_of_one_name_have_sessions_of_their_own(filled: Inspector) -> None:
    """Their keys are the same ones."""
    key, project_id = await create(filled.connection, "other", "other")
    headers = {"authorization": f"Bearer {key}"}
    transport = filled.client._transport
    async with httpx.AsyncClient(transport=transport, base_url="http://callscope", headers=headers) as client:
        other = replace(filled, client=client, project_id=project_id, key=key)
        await other.tell([EventRecord(call_id="room", at=datetime.now(UTC), category=EventCategory.OTHER, name="secret")])
        mine, theirs = await saved(filled, "room", "mine", tags=["a"]), await saved(other, "room", "theirs")
        assert mine["id"] == theirs["id"]
        before = [await rows_of(found) for found in (filled, other)]
        assert await filled.query(EVENTS) != await other.query(EVENTS)
        events = "query ($id: ID!) { node(id: $id) { ... on Call { events(first: 1000) { nodes { name } } } } }"
        assert "secret" not in str(await filled.query(events, id=mine["call"]["id"]))
        await saved(filled, "room", "mine again")
        await change(filled, "updateSavedSession", id=mine["id"], name="renamed")
        assert [await rows_of(found) for found in (filled, other)] == before
        assert (await other.query(SESSIONS))["savedSessions"]["nodes"] == [{"id": theirs["id"], "name": "theirs"}]
        expired = "update callscope.saved_session set expires_at = now() where project_id = $1"
        await filled.connection.execute(expired, filled.project_id)
        nodes = "query ($id: ID!, $session: ID!) { node(id: $id) { id } savedSession(id: $session) { id } }"
        ids = {"id": theirs["call"]["id"], "session": theirs["id"]}
        assert await filled.query(nodes, **ids) == {"node": None, "savedSession": None}
        assert await other.query(nodes, **ids) == {"node": {"id": ids["id"]}, "savedSession": {"id": ids["session"]}}
        await maintain(filled.connection)
        assert [await rows_of(found) for found in (filled, other)] == [dict.fromkeys(CALL_TABLES, 0), before[1]]
        await saved(filled, "room", "once more")
        await change(other, "deleteSavedSessions", ids=[theirs["id"]])
        assert [await rows_of(found) for found in (filled, other)] == [before[0], dict.fromkeys(CALL_TABLES, 0)]


async def rows_of(found: Inspector) -> dict[str, int]:
    """How many rows the project has in each table of saved calls."""
    text = "select count(*) from saved.{} where project_id = $1"
    return {table: await found.connection.fetchval(text.format(table), found.project_id) for table in CALL_TABLES}


NAMES = [" ", "x" * 10_000, "\x07", "a\u202eb", "\U0001f600" * 201]
CODES = ["NAME_REQUIRED", "NAME_TOO_LONG", "INVALID_CHARACTER", "INVALID_CHARACTER", "NAME_TOO_LONG"]


@pytest.mark.parametrize(("name", "code"), list(zip(NAMES, CODES, strict=True)))
async def test_a_bad_name_changes_nothing(filled: Inspector, name: str, code: str) -> None:
    session = await saved(filled, "room", "good")
    for mutation, given in (
        ("saveSession", {"callId": await global_id(filled, "room")}),
        ("updateSavedSession", {"id": session["id"]}),
    ):
        payload = await change(filled, mutation, name=name, tags=["new"], **given)
        assert (payload["savedSession"], codes(payload)) == (None, [(code, ("name",))])
    call = await global_id(filled, "one-to-one")
    assert codes(await change(filled, "saveSession", callId=call, name=name)) == [(code, ("name",))]
    assert (await filled.query(SESSIONS))["savedSessions"]["nodes"] == [{"id": session["id"], "name": "good"}]


async def test_emoji_and_other_writing_come_back_as_they_were(filled: Inspector) -> None:
    name = "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u05e9\u05dc\u05d5\u05dd \u200f'; drop table \\ {row} %s \""
    session = await saved(filled, "room", name, tags=["\U0001f600", "\u00c5ngstr\u00f6m", "A\u030aNGSTR\u00d6M"])
    assert (session["name"], session["tags"]) == (name, ["\U0001f600", "\u00c5ngstr\u00f6m"])
    for given in ({"text": "\u00c5NGSTR"}, {"tags": ["\u00e5NGSTRO\u0308M"]}, {"text": "\u05dc\u05d5\u05dd"}, {"text": "ROOM"}):
        text = "query ($filter: SavedSessionFilter) { savedSessions(filter: $filter) { totalCount } }"
        assert (await filled.query(text, filter=given))["savedSessions"]["totalCount"] == 1


# ---------------------------------------------------------------------------------------------------- retention


async def test_after_retention_only_name_and_tags_change(filled: Inspector) -> None:
    session = await saved(filled, "room", tags=["a"])
    call = await global_id(filled, "room")
    await expire(filled, "room")
    before = await rows(filled)
    payload = await change(filled, "saveSession", callId=call, name="", tags=["b"])
    assert (payload["savedSession"], codes(payload)) == (None, [("RETENTION_PASSED", ("callId",)), ("NAME_REQUIRED", ("name",))])
    payload = await change(filled, "saveSession", callId=call, name="new", tags=["b"])
    assert codes(payload) == [("RETENTION_PASSED", ("callId",))]
    payload = await change(filled, "updateSavedSession", id=session["id"], name="newer")
    assert payload["savedSession"] == session | {"name": "newer", "canRefresh": False}
    payload = await change(filled, "tagSession", id=session["id"], tags=["c"])
    assert payload["savedSession"] == session | {"name": "newer", "tags": ["c"], "canRefresh": False}
    assert await rows(filled) == before
    # The same once nothing of it is left.
    for table in CALL_TABLES:
        await filled.connection.execute(f"delete from live.{table}")
    assert codes(await change(filled, "saveSession", callId=call, name="x")) == [("RETENTION_PASSED", ("callId",))]
    assert (await change(filled, "updateSavedSession", id=session["id"], tags=[]))["savedSession"]["tags"] == []


async def test_what_expired_a_second_ago_is_not_saved_and_what_will_in_some_is(filled: Inspector) -> None:
    call = await global_id(filled, "room")
    await expire(filled, "room")
    await expire(filled, "one-to-one", timedelta(seconds=30))
    payload = await change(filled, "saveSession", callId=call, name="late")
    assert codes(payload) == [("RETENTION_PASSED", ("callId",))]
    assert (await saved(filled, "one-to-one"))["canRefresh"]


async def test_a_call_that_retention_takes_while_it_is_saved_is_not_saved_in_part(filled: Inspector) -> None:
    call_key = await filled.connection.fetchval("select call_key from live.call where call_id = 'room'")
    look = await filled.connection.fetchrow(saving.LOOK, filled.project_id, call_key)

    class Later:
        """A connection that saw the call before it went."""

        def __getattr__(self, name: str) -> Any:
            return getattr(filled.connection, name)

        async def fetchrow(self, sql: str, *values: Any) -> Any:
            return look if sql == saving.LOOK else await filled.connection.fetchrow(sql, *values)

    for table in CALL_TABLES:
        await filled.connection.execute(f"delete from live.{table}")
    async with filled.connection.transaction():
        outcome = await saving.save(Later(), filled.project_id, call_key, labels("late", None))
    assert [error.code for error in outcome.errors] == ["RETENTION_PASSED"]
    assert set((await rows(filled)).values()) == {0}
    assert (await filled.query(SESSIONS))["savedSessions"]["totalCount"] == 0


# ---------------------------------------------------------------------------------------------------- changing, deleting


async def test_name_and_tags_change_as_far_as_they_are_given(filled: Inspector) -> None:
    session = await saved(filled, "room", "a", tags=["x"])
    for given, changed in (
        ({}, {}),
        ({"name": None, "tags": None}, {}),
        ({"name": "b"}, {"name": "b"}),
        ({"tags": ["Y", "y ", "z"]}, {"tags": ["Y", "z"]}),
        ({"tags": []}, {"tags": []}),
    ):
        session |= changed
        payload = await change(filled, "updateSavedSession", id=session["id"], **given)
        assert (payload["savedSession"], payload["errors"]) == (session, [])
    payload = await change(filled, "tagSession", id=session["id"], tags=["1", "2", "3"])
    assert payload["savedSession"] == session | {"tags": ["1", "2", "3"]}
    payload = await change(filled, "tagSession", id=session["id"], tags=["1", "2", "3", "4", " "])
    assert codes(payload) == [("TAG_REQUIRED", ("tags", "4")), ("TOO_MANY_TAGS", ("tags",))]
    for given in ("session_1", UNKNOWN, session["call"]["id"], ""):
        payload = await change(filled, "updateSavedSession", id=given, name="")
        assert codes(payload) == [("NOT_FOUND", ("id",)), ("NAME_REQUIRED", ("name",))]
        assert codes(await change(filled, "tagSession", id=given, tags=[])) == [("NOT_FOUND", ("id",))]


async def test_ten_thousand_ids_are_deleted_as_far_as_they_can_be(filled: Inspector) -> None:
    sessions = [(await saved(filled, call_id))["id"] for call_id in ("room", "one-to-one")]
    strangers = [f"session_{number:x}" for number in range(1, 9_996)]
    ids = [sessions[0], *strangers, UNKNOWN, "", sessions[1], sessions[0]]
    payload = await change(filled, "deleteSavedSessions", ids=ids)
    assert payload["deletedIds"] == sessions
    assert [error["field"] for error in payload["errors"]] == [["input", "ids", str(number)] for number in range(1, 9_998)]
    assert {error["code"] for error in payload["errors"]} == {"NOT_FOUND"}
    assert "'session_1'" in payload["errors"][0]["message"]
    assert set((await rows(filled)).values()) == {0}
    assert (await change(filled, "deleteSavedSessions", ids=[])) == {"deletedIds": [], "errors": [], "clientMutationId": None}


async def test_deleting_one_leaves_the_others(filled: Inspector) -> None:
    one, two = [await saved(filled, call_id) for call_id in ("room", "one-to-one")]
    text = "query ($id: ID!) { savedSession(id: $id) { call { participants { nodes { id } } } } }"
    before = await filled.query(text, id=two["id"])
    await change(filled, "deleteSavedSessions", ids=[one["id"]])
    assert await filled.query(text, id=two["id"]) == before
    assert await filled.query(text, id=one["id"]) == {"savedSession": None}
    nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert (await filled.query(nodes, ids=[one["id"], one["call"]["id"], two["call"]["id"]]))["nodes"] == [
        None,
        None,
        {"id": two["call"]["id"]},
    ]


# ---------------------------------------------------------------------------------------------------- keys, HTTP


async def test_only_keys_with_the_scope_write_change_anything(filled: Inspector) -> None:
    session = await saved(filled, "room", "mine")
    key, _ = await create(filled.connection, "test", "reader", frozenset({Scope.READ}))
    text = """mutation ($call: ID!, $session: ID!) {
        a: saveSession(input: {callId: $call, name: ""}) { errors { code field message } clientMutationId }
        b: updateSavedSession(input: {id: $session, name: "b", clientMutationId: "7"}) { errors { code } clientMutationId }
        c: tagSession(input: {id: $session, tags: ["c"]}) { savedSession { id } errors { code } }
        d: deleteSavedSessions(input: {ids: [$session]}) { deletedIds errors { code } }
    }"""
    given = {"call": await global_id(filled, "room"), "session": session["id"]}
    body = {"query": text, "variables": given}
    answer = await filled.client.post("/graphql", json=body, headers={"authorization": f"Bearer {key}"})
    forbidden = [{"code": "FORBIDDEN"}]
    message = "This key may not change anything: use one with the scope 'write'."
    assert answer.json()["data"] == {
        "a": {"errors": [{"code": "FORBIDDEN", "field": None, "message": message}], "clientMutationId": None},
        "b": {"errors": forbidden, "clientMutationId": "7"},
        "c": {"savedSession": None, "errors": forbidden},
        "d": {"deletedIds": [], "errors": forbidden},
    }
    assert (await filled.query(SESSIONS))["savedSessions"]["nodes"] == [{"id": session["id"], "name": "mine"}]
    writer, _ = await create(filled.connection, "test", "writer", frozenset({Scope.WRITE}))
    answer = await filled.client.post("/graphql", json=body, headers={"authorization": f"Bearer {writer}"})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")


async def test_a_mutation_is_not_sent_by_get(filled: Inspector) -> None:
    text = (
        f'mutation {{ saveSession(input: {{callId: "{await global_id(filled, "room")}", name: "x"}}) {{ errors {{ code }} }} }}'
    )
    answer = await filled.client.get("/graphql", params={"query": text})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert (await filled.query(SESSIONS))["savedSessions"]["totalCount"] == 0


async def test_root_fields_run_in_order_each_on_its_own(filled: Inspector) -> None:
    call = await global_id(filled, "room")
    session = call.replace("call_", "session_")
    answer = await filled.query(
        """mutation ($call: ID!, $session: ID!) {
            early: tagSession(input: {id: $session, tags: ["early"]}) { errors { code } }
            saved: saveSession(input: {callId: $call, name: "a", tags: ["x"]}) { savedSession { ...S } }
            refused: saveSession(input: {callId: $call, name: ""}) { savedSession { ...S } errors { code } }
            renamed: updateSavedSession(input: {id: $session, name: "b"}) { savedSession { ...S } __typename }
            deleted: deleteSavedSessions(input: {ids: [$session]}) { deletedIds }
            late: tagSession(input: {id: $session, tags: []}) { savedSession { ...S } errors { code } }
            __typename
        } fragment S on SavedSession { name tags }""",
        call=call,
        session=session,
    )
    assert answer == {
        "early": {"errors": [{"code": "NOT_FOUND"}]},
        "saved": {"savedSession": {"name": "a", "tags": ["x"]}},
        "refused": {"savedSession": None, "errors": [{"code": "NAME_REQUIRED"}]},
        "renamed": {"savedSession": {"name": "b", "tags": ["x"]}, "__typename": "UpdateSavedSessionPayload"},
        "deleted": {"deletedIds": [session]},
        "late": {"savedSession": None, "errors": [{"code": "NOT_FOUND"}]},
        "__typename": "Mutation",
    }


async def test_the_same_bytes_change_something_each_time(filled: Inspector) -> None:
    call = await global_id(filled, "room")
    for _ in range(3):
        payload = await change(filled, "saveSession", callId=call, name="same")
        assert payload["savedSession"]["name"] == "same"
        payload = await change(filled, "deleteSavedSessions", ids=[payload["savedSession"]["id"]])
        assert len(payload["deletedIds"]) == 1


async def test_nothing_that_is_wrong_with_one_argument_lets_another_run(filled: Inspector) -> None:
    text = """mutation ($call: ID!, $own: String) {
        saveSession(input: {callId: $call, name: "a"}) { errors { code } }
        second: saveSession(input: {callId: $call, name: "b", clientMutationId: $own}) { errors { code } }
    }"""
    response = await filled.post(text, call=await global_id(filled, "room"), own="a\x00")
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    assert (await filled.query(SESSIONS))["savedSessions"]["totalCount"] == 0


async def test_a_mutation_takes_few_statements(filled: Inspector) -> None:
    ran: list[str] = []
    connection = await asyncpg.connect(filled.database_url)
    call_key = await connection.fetchval("select call_key from live.call where call_id = 'room'")
    connection.add_query_logger(lambda record: ran.append(record.query))
    # Two begin and end the transaction, two the part of it that can be taken back.
    for name, expected in (("first", 11), ("again", 10)):
        ran.clear()
        async with connection.transaction():
            assert not (await saving.save(connection, filled.project_id, call_key, labels(name, None))).errors
        await asyncio.sleep(0.1)
        own = [text for text in ran if "pg_catalog" not in text and "'jit'" not in text]
        assert len(own) == expected, own
    await connection.close()


# ---------------------------------------------------------------------------------------------------- at the same time


async def test_the_last_place_is_given_once(filled: Inspector) -> None:
    ids = await calls(filled, 10)
    await filled.connection.execute("update callscope.project set saved_session_limit = 3")
    for call_id in ("room", "one-to-one"):
        await saved(filled, call_id)
    payloads = await asyncio.gather(*(change(filled, "saveSession", callId=id_, name=id_) for id_ in ids))
    won = [payload for payload in payloads if not payload["errors"]]
    assert len(won) == 1
    assert {tuple(codes(payload)) for payload in payloads if payload["errors"]} == {(("SAVED_SESSION_LIMIT", ("callId",)),)}
    answer = await filled.query(SESSIONS)
    assert answer["savedSessions"]["totalCount"] == answer["project"]["savedSessionCount"] == 3
    assert (await rows(filled))["call"] == 3
    # A session that is there already can be saved again, and a place that gets free is a place.
    assert (await saved(filled, "room", "again"))["name"] == "again"
    await change(filled, "deleteSavedSessions", ids=[won[0]["savedSession"]["id"]])
    assert (await change(filled, "saveSession", callId=ids[0], name="free"))["errors"] == []


async def test_the_thousand_and_first_session_is_refused_to_ten_clients_at_once(filled: Inspector) -> None:
    ids = await calls(filled, 10)
    await filled.connection.execute(
        "insert into callscope.saved_session select $1, n, n::text, 'n', '{}', 'n', '{}', now(), now(), now() + interval '1 day'"
        " from generate_series(1, 999) n",
        filled.project_id,
    )
    payloads = await asyncio.gather(*(change(filled, "saveSession", callId=id_, name=id_) for id_ in ids))
    assert sorted(len(payload["errors"]) for payload in payloads) == [0] + [1] * 9
    assert "1000" in next(payload["errors"][0]["message"] for payload in payloads if payload["errors"])
    count = await filled.connection.fetchval(
        "select count(*) from callscope.saved_session where project_id = $1", filled.project_id
    )
    assert count == 1000


async def test_saving_the_same_call_at_once_saves_it_once(filled: Inspector) -> None:
    call = await global_id(filled, "room")
    payloads = await asyncio.gather(*(change(filled, "saveSession", callId=call, name=f"n{n}", tags=[f"t{n}"]) for n in range(8)))
    assert all(payload["errors"] == [] for payload in payloads)
    # Each answer is of what its own mutation did, whatever others did right after it.
    assert [payload["savedSession"]["name"] for payload in payloads] == [f"n{n}" for n in range(8)]
    live = await filled.connection.fetchval(
        "select count(*) from live.event join live.call using (call_key) where call_id = 'room'"
    )
    assert (await rows(filled))["event"] == live
    (session,) = (await filled.query("{ savedSessions { nodes { name tags } } }"))["savedSessions"]["nodes"]
    assert session["tags"] == [session["name"].replace("n", "t")]


@asynccontextmanager
async def halfway(found: Inspector, call_key: int) -> AsyncIterator[asyncpg.Connection]:
    """Someone who saves a call and has not committed yet."""
    connection = await asyncpg.connect(found.database_url)
    begun = connection.transaction()
    await begun.start()
    await saving.save(connection, found.project_id, call_key, labels("halfway", None))
    try:
        yield connection
    finally:
        await begun.commit()
        await connection.close()


async def test_who_deletes_while_another_saves_waits_and_deletes_all_of_it(filled: Inspector) -> None:
    session = await saved(filled, "room", "first")
    call_key = await filled.connection.fetchval("select call_key from live.call where call_id = 'room'")
    async with halfway(filled, call_key):
        deleting = asyncio.create_task(change(filled, "deleteSavedSessions", ids=[session["id"]]))
        await asyncio.sleep(0.2)
        assert not deleting.done()
        # Who reads waits for nobody, and sees what was there before.
        assert (await filled.query(SESSIONS))["savedSessions"]["nodes"] == [{"id": session["id"], "name": "first"}]
    assert (await deleting)["deletedIds"] == [session["id"]]
    assert set((await rows(filled)).values()) == {0}


async def test_who_saves_waits_for_nobody_elses_data(filled: Inspector) -> None:
    call_key = await filled.connection.fetchval("select call_key from live.call where call_id = 'room'")
    connection = await asyncpg.connect(filled.database_url)
    begun = connection.transaction()
    await begun.start()
    await connection.execute(saving.WRITE, filled.project_id, call_key, "room", "copying", "copying", None, None)
    async with asyncio.timeout(5):
        await saved(filled, "one-to-one")
    await begun.rollback()
    await connection.close()


async def test_readers_have_connections_however_many_wait_to_change_something(filled: Inspector) -> None:
    await saved(filled, "room", "first")
    call_key = await filled.connection.fetchval("select call_key from live.call where call_id = 'room'")
    given = {"callId": await global_id(filled, "room"), "name": "waiting"}
    app = create_app(filled.database_url, settling=False, pool_size=4)
    headers = {"authorization": f"Bearer {filled.key}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://few", headers=headers) as client,
    ):
        few = replace(filled, client=client)
        async with halfway(filled, call_key):
            waiting = [asyncio.create_task(change(few, "saveSession", **given)) for _ in range(8)]
            await asyncio.sleep(0.3)
            assert not any(task.done() for task in waiting)
            async with asyncio.timeout(2):
                assert (await few.query(SESSIONS))["savedSessions"]["totalCount"] == 1
        assert [payload["errors"] for payload in await asyncio.gather(*waiting)] == [[]] * 8


async def test_saving_and_deleting_at_once_leaves_all_or_nothing(filled: Inspector) -> None:
    ids = [await global_id(filled, call_id) for call_id in ("room", "one-to-one")]
    sessions = [id_.replace("call_", "session_") for id_ in ids]
    work = []
    for _ in range(5):
        work += [change(filled, "saveSession", callId=id_, name="x") for id_ in ids]
        work += [change(filled, "deleteSavedSessions", ids=order) for order in (sessions, sessions[::-1])]
    payloads = await asyncio.gather(*work)
    assert {error["code"] for payload in payloads for error in payload["errors"]} <= {"NOT_FOUND"}
    kept = (await filled.query("{ savedSessions { nodes { call { callId } } } }"))["savedSessions"]["nodes"]
    assert await rows(filled) == await rows(filled, "live", [node["call"]["callId"] for node in kept])


async def test_another_process_sees_a_change_with_its_next_read(filled: Inspector) -> None:
    app = create_app(filled.database_url, settling=False)
    async with app.router.lifespan_context(app):
        headers = {"authorization": f"Bearer {filled.key}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://b", headers=headers) as client:

            async def there() -> list[str]:
                answer = (await client.post("/graphql", json={"query": SESSIONS})).json()["data"]
                assert answer["project"]["savedSessionCount"] == answer["savedSessions"]["totalCount"]
                return [node["name"] for node in answer["savedSessions"]["nodes"]]

            assert await there() == []
            session = await saved(filled, "room", "a")
            assert await there() == ["a"]
            await change(filled, "updateSavedSession", id=session["id"], name="b")
            assert await there() == ["b"]
            await change(filled, "deleteSavedSessions", ids=[session["id"]])
            assert await there() == []


async def test_a_mutation_that_fails_half_way_leaves_nothing(filled: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "COUNT", "select 1 / 0 where $1::integer is not null")
    response = await filled.post(
        'mutation ($id: ID!) { saveSession(input: {callId: $id, name: "x", clientMutationId: "1"}) { errors { code } } }',
        id=await global_id(filled, "room"),
    )
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (500, "INTERNAL")
    assert set((await rows(filled)).values()) == {0}
    assert await filled.connection.fetchval("select count(*) from callscope.mutation") == 0
    monkeypatch.undo()
    assert (await saved(filled, "room", "x", clientMutationId="1"))["name"] == "x"
